//! How a long step reports its progress; the caller decides what to do with it.

/// Receives the ticks of long steps, from any thread.
#[derive(Clone, Copy)]
pub struct Progress<'a>(&'a (dyn Fn(&'static str, usize) + Sync));

impl<'a> Progress<'a> {
    /// Calls `tick(step, total)` each time that one of `total` parts of a step is done.
    #[must_use]
    pub const fn new(tick: &'a (dyn Fn(&'static str, usize) + Sync)) -> Self {
        Self(tick)
    }

    /// Reports to nobody.
    #[must_use]
    pub const fn none() -> Self {
        Self(&|_, _| ())
    }

    pub(crate) fn step(self, name: &'static str, total: usize) {
        (self.0)(name, total);
    }
}
