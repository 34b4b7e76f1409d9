//! What a run says while it goes, to whoever shows it: a terminal, or nobody.

/// Hears how a run goes. The result of a run depends on none of this.
pub(crate) trait Observer: Sync {
    /// Something that whoever started the run should know.
    fn note(&self, _line: &str) {}

    /// A step begins, over so many bytes where that is known.
    fn begins(&self, _step: &'static str, _bytes: Option<u64>) {}

    /// How many of these bytes are done.
    fn reached(&self, _bytes: u64) {}

    /// The step is over.
    fn ends(&self) {}
}
