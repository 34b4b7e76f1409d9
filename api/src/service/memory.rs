//! Returns the memory of large requests to the system once they are answered.
//!
//! glibc takes large blocks directly from the system and returns them, until the first one is freed. From
//! then on blocks of up to that size (32 MB at most) come from the pools of the threads, which keep freed
//! memory. After some bodies of 4 MB, a service would keep a body or two for each thread for good, on top of
//! what `--max-held` allows. A fixed threshold prevents that; docs/performance.md has
//! what each attack takes with it.

/// Makes glibc take blocks of 128 KiB and more (its initial threshold) always from the system, and return
/// them. It is called before requests are let in. Without glibc it does nothing.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "the standard library has no way to set what its allocator does")]
pub(crate) fn give_large_blocks_back() {
    const THRESHOLD: libc::c_int = 128 << 10;
    // SAFETY: it sets a number in the allocator and touches no block of memory. If the call fails, memory is
    // only held longer.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD);
    }
}

/// Does nothing: other allocators have no such threshold.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) const fn give_large_blocks_back() {}
