//! What targets really did, as callers report it: `POST /v1/feedback`.
//!
//! - `told`: the request, checked and judged, and its answer;
//! - `queue`: the thread that owns the store, behind a bounded queue;
//! - `recent`: the last predictions by the ids of their requests;
//! - `tally`: agreement and calibration of late, for `/metrics`.

pub(crate) mod queue;
pub(crate) mod recent;
pub(crate) mod tally;
pub(crate) mod told;

use std::sync::Mutex;

use self::queue::FeedbackQueue;
use self::recent::Recent;
use crate::store::StorePlace;

/// All that a service with a store for feedback has.
pub(crate) struct Feedback {
    pub(crate) queue: FeedbackQueue,
    pub(crate) recent: Mutex<Recent>,
}

impl Feedback {
    /// Opens the store.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn open(place: StorePlace) -> anyhow::Result<Self> {
        Ok(Self { queue: FeedbackQueue::start(place)?, recent: Mutex::default() })
    }
}
