//! Labels of Demur's for answers that have none, such as those that were imported.

use demur_data::Signs;
use demur_predictor::{Answer as JudgedAnswer, Scratch};

use crate::engine::judgement::Judge;
use crate::store::{Store, label_of, signs_of};

/// Judges every answer that Demur has not labelled, and keeps the labels; returns how many.
///
/// # Errors
/// When the store or the model fails.
pub(crate) fn label_all(store: &mut Store, judge: &Judge<'_>, labelled_by: &str) -> anyhow::Result<usize> {
    let mut scratch = Scratch::default();
    let mut count = 0;
    loop {
        let unlabelled = store.unlabelled()?;
        if unlabelled.is_empty() {
            return Ok(count);
        }
        let mut labels = Vec::with_capacity(unlabelled.len());
        for (key, prompt, answer) in &unlabelled {
            let signs: Signs = signs_of(answer)?;
            let (prompt, response) = (Some(prompt.as_str()), answer.response.as_deref());
            let given = JudgedAnswer { prompt, response, signs: Some(&signs), prefix: None };
            labels.push((*key, label_of(&judge.one(&given, &mut scratch)?, labelled_by)));
        }
        store.keep_labels(&labels)?;
        count += labels.len();
    }
}
