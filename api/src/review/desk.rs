//! What a reviewer sees and says: items for the page, and the reviews that it sends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use demur_predictor::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::{Doubtful, Key, Review, Store};

/// How many items the page takes at once.
const PAGE: i64 = 20;
/// The longest text that is shown, in characters.
const LONGEST: usize = 20_000;

/// The store with its reviewer.
pub(crate) struct Desk {
    store: Mutex<Store>,
    reviewer: String,
}

/// One answer to look at.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    settings: i64,
    prompt_number: i64,
    sample: i64,
    prompt: String,
    response: Option<String>,
    /// Whether the prompt or the response is longer than what is shown.
    cut: bool,
    refusal: Option<String>,
    finish_reason: Option<String>,
    error: Option<String>,
    /// The model that was asked, where it is known.
    model: Option<String>,
    label: String,
    p_refusal: Option<f64>,
    kind: Option<String>,
    labelled_by: String,
}

/// Items, and how far the reviewer is.
#[derive(Debug, Serialize)]
pub(crate) struct Items {
    items: Vec<Item>,
    reviewed: i64,
    left: i64,
}

/// What a reviewer says of an answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    settings: i64,
    prompt: i64,
    sample: i64,
    label: Outcome,
}

impl Desk {
    pub(crate) const fn new(store: Store, reviewer: String) -> Self {
        Self { store: Mutex::new(store), reviewer }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // Every call of the store is done as a whole or not at all.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The least certain answers without a review of this reviewer, behind the first `skip` of them.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn items(&self, skip: i64) -> anyhow::Result<Items> {
        let mut store = self.store();
        let items = store.doubtful(&self.reviewer, skip, PAGE)?.into_iter().map(item).collect();
        let (reviewed, left) = store.reviewed(&self.reviewer)?;
        Ok(Items { items, reviewed, left })
    }

    /// Keeps a review; whether there is such an answer.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn say(&self, said: &Said) -> anyhow::Result<bool> {
        let key = Key { prompt: said.prompt, settings: said.settings, sample: said.sample };
        let (reviewer, label) = (self.reviewer.clone(), said.label.name().to_owned());
        self.store().review(&Review { key, reviewer, label })
    }
}

fn item(doubtful: Doubtful) -> Item {
    let Doubtful { key, prompt, settings, answer, label } = doubtful;
    // Settings that cannot be read name no model.
    let settings: Value = serde_json::from_str(&settings).unwrap_or_default();
    let (prompt, is_cut) = shown(prompt);
    let (response, cut) = answer.response.map_or((None, false), |text| {
        let (text, cut) = shown(text);
        (Some(text), cut)
    });
    Item {
        settings: key.settings,
        prompt_number: key.prompt,
        sample: key.sample,
        prompt,
        response,
        cut: cut || is_cut,
        refusal: answer.refusal,
        finish_reason: answer.finish_reason,
        error: answer.error,
        model: settings.get("model").and_then(Value::as_str).map(str::to_owned),
        label: label.label,
        p_refusal: label.p_refusal,
        kind: label.kind,
        labelled_by: label.labelled_by,
    }
}

/// The beginning of a text, and whether it goes on.
fn shown(text: String) -> (String, bool) {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => (text[..end].to_owned(), true),
        None => (text, false),
    }
}
