//! Memory that was taken for large requests goes back to the system when they are answered.
//!
//! glibc takes large blocks from the system and gives them back, until one is freed: from then on blocks of up to that size, 32 MB
//! at most, come from the pools of the threads that ask for them, which keep what is freed in them. A service that has seen some
//! bodies of 4 MB would hold a body or two for each of its threads for good, over and above what `--max-held` allows. With a
//! fixed threshold it does not: files of very many columns made it hold 365 MB without one, and 234 MB with it.

/// Has blocks from 128 KiB up, which is where glibc begins, always taken from the system and given back to it. It is called
/// before requests are let in; elsewhere than on glibc there is nothing to do.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "the standard library has no way to set what its allocator does")]
pub(crate) fn give_large_blocks_back() {
    const THRESHOLD: libc::c_int = 128 << 10;
    // SAFETY: it sets a number of the allocator and touches no block of memory. Where it is not taken, memory is only held
    // for longer.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD);
    }
}

/// As above: other allocators have no such threshold.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) const fn give_large_blocks_back() {}
