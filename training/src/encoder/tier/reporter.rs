//! Where the store and its encoders report their progress: one shared function.

use std::fmt;
use std::sync::Arc;

use crate::encoder::progress::EncoderProgress;

/// The function called with each report, from any thread.
type OnProgress = dyn Fn(&EncoderProgress) + Send + Sync;

/// Forwards progress, or drops it if no function is set.
#[derive(Clone, Default)]
pub(crate) struct Reporter(Option<Arc<OnProgress>>);

impl Reporter {
    pub(crate) fn new(report: impl Fn(&EncoderProgress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(report)))
    }

    pub(crate) fn report(&self, progress: &EncoderProgress) {
        if let Some(report) = &self.0 {
            report(progress);
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Reporter(to a function)" } else { "Reporter(to nobody)" })
    }
}
