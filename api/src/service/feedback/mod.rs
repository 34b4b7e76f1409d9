//! What targets really did, as callers report it (`POST /v1/feedback`) or as a proxy sees it.
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

use serde_json::json;

use self::queue::FeedbackQueue;
use self::recent::{Predicted, Recent};
use crate::store::{self, Label, Reported, StorePlace};

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

/// A name for an event that has none.
pub(crate) fn new_event() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The settings under which the store keeps prompts and answers of feedback, by the target that was named.
pub(crate) fn settings(target: Option<&str>) -> String {
    json!({"feedback": true, "model": target}).to_string()
}

/// A prediction and what came of it, as the store takes it.
pub(crate) fn entry(
    event: String,
    predicted: Predicted,
    label: Label,
    reported: Option<Reported>,
) -> store::Feedback {
    let Predicted { target, p_refusal, predicted_by, basis, .. } = predicted;
    store::Feedback { event, target: store::stored(target), reported, label, p_refusal, predicted_by, basis }
}
