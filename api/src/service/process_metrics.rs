//! The metrics that every process has under Prometheus' standard names: CPU time, memory, file descriptors, start
//! time. They have no prefix, so common dashboards find them.

#[cfg(target_os = "linux")]
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;

/// The metrics of this process, as the system reports them now; none where the system is not Linux.
#[cfg(target_os = "linux")]
pub(crate) fn gather() -> Vec<MetricFamily> {
    prometheus::process_collector::ProcessCollector::for_self().collect()
}

/// The metrics of this process, as the system reports them now; none where the system is not Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) fn gather() -> Vec<MetricFamily> {
    Vec::new()
}
