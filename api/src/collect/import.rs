//! Answers from files into the store: logs, batches, exports, any layout that the reader knows.

use std::collections::HashMap;

use demur_data::{LABELLED_BY_DEMUR, LabelledBy, Labeller, Record, Signs};
use demur_predictor::sha256;
use serde_json::json;

use crate::store::{Imported, Label, Prompt, Store, answer_of, stored};

/// How many rows are written at once.
const PAGE: usize = 500;

/// How many rows an import took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) new: u64,
    /// The store had these answers already.
    pub(crate) known: u64,
    /// These have no prompt, or nothing that the target said.
    pub(crate) without: u64,
}

/// Puts the answers of records into a store. Rows with the same model and the same turns before the prompt
/// have the same settings; reading the same file again adds nothing.
///
/// # Errors
/// When the store fails.
pub(crate) fn import(store: &mut Store, records: Vec<Record>) -> anyhow::Result<Taken> {
    let (mut taken, mut settings, mut before) = (Taken::default(), HashMap::new(), HashMap::new());
    let mut page = Vec::with_capacity(PAGE);
    let count = records.len();
    for (number, record) in records.into_iter().enumerate() {
        match row(store, record, &mut settings)? {
            None => taken.without += 1,
            Some(mut row) => {
                let alike = before.entry(digest(&row)).or_insert(0);
                row.alike_before = *alike;
                *alike += 1;
                page.push(row);
            }
        }
        if page.len() == PAGE || number + 1 == count {
            let new = store.import(&page)?;
            taken.new += new;
            taken.known += page.len() as u64 - new;
            page.clear();
        }
    }
    Ok(taken)
}

fn row(
    store: &mut Store,
    record: Record,
    known: &mut HashMap<String, i64>,
) -> anyhow::Result<Option<Imported>> {
    let signs = record.signs.map_or(Signs::NONE, |signs| *signs);
    let Some(prompt) = record.prompt.filter(|prompt| !prompt.trim().is_empty() && !prompt.contains('\0'))
    else {
        return Ok(None);
    };
    if record.response.is_none() && !signs.any() {
        return Ok(None);
    }
    let settings = json!({"imported": true, "model": record.target, "messages": record.context}).to_string();
    let settings = match known.get(&settings) {
        Some(id) => *id,
        None => {
            let id = store.keep_settings(&settings)?;
            known.insert(settings, id);
            id
        }
    };
    let label = record.label.and_then(|labelled| {
        Some(Label {
            label: labelled.label?.name().to_owned(),
            labelled_by: in_text(&labelled.by),
            p_refusal: labelled.p_refusal,
            kind: labelled.kind.map(|kind| kind.name().to_owned()),
            form: None,
        })
    });
    let prompt = Prompt { text: prompt, row_id: record.id.map(stored) };
    let answer = answer_of(record.response, signs);
    Ok(Some(Imported { prompt, settings, answer, label, alike_before: 0 }))
}

/// A labeller as rows name it.
fn in_text(by: &LabelledBy) -> String {
    match (&by.who, by.labeller) {
        (Some(model), Labeller::Demur) => format!("{LABELLED_BY_DEMUR}{model}"),
        (Some(who), _) => stored(who.to_string()),
        (None, labeller) => labeller.name().to_owned(),
    }
}

fn digest(row: &Imported) -> String {
    let Imported { prompt, settings, answer, .. } = row;
    let parts =
        json!([prompt.text, settings, answer.response, answer.finish_reason, answer.refusal, answer.error]);
    sha256(parts.to_string().as_bytes())
}
