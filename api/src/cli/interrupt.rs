//! Ctrl-C: most commands remove what is unfinished and end. One that collects answers ends by itself when it
//! is asked to, for what is under way has been paid for; asked again, it ends like the others.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::terminal::note;

/// Whether something runs that ends by itself.
static WAITS: AtomicBool = AtomicBool::new(false);
/// Whether it was asked to.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Watches for Ctrl-C and its like.
///
/// # Errors
/// When the system does not let it.
pub(crate) fn watch() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if WAITS.load(Ordering::SeqCst) && !ASKED.swap(true, Ordering::SeqCst) {
            return note("ending: waiting for the answers that are under way (again to end at once)");
        }
        demur_data::remove_unfinished();
        std::process::exit(130);
    })
}

/// While it lives, Ctrl-C only asks to end.
pub(crate) struct EndsByItself;

impl EndsByItself {
    pub(crate) fn begin() -> Self {
        WAITS.store(true, Ordering::SeqCst);
        Self
    }

    /// Whether it was asked to end.
    pub(crate) fn is_asked() -> bool {
        ASKED.load(Ordering::SeqCst)
    }
}

impl Drop for EndsByItself {
    fn drop(&mut self) {
        WAITS.store(false, Ordering::SeqCst);
    }
}

/// The error of a run that has ended because it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; the same command goes on from here")]
pub(crate) struct Interrupted;
