//! The memory of this process, as the operating system counts it.

/// The most memory that this process has held, if the system reports it.
pub(crate) fn peak_memory() -> Option<u64> {
    memory("VmHWM:")
}

/// The memory that this process holds, if the system reports it.
pub(crate) fn resident_memory() -> Option<u64> {
    memory("VmRSS:")
}

fn memory(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}
