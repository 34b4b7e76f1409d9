//! Reports from a run to whoever shows them: a terminal, or nobody.

/// Receives reports from a run. The result of a run does not depend on them.
pub(crate) trait Observer: Sync {
    /// A note for whoever started the run.
    fn note(&self, _line: &str) {}

    /// A step begins; `bytes` is its size, if known.
    fn begins(&self, _step: &'static str, _bytes: Option<u64>) {}

    /// How many of these bytes are done.
    fn reached(&self, _bytes: u64) {}

    /// The step is over.
    fn ends(&self) {}
}
