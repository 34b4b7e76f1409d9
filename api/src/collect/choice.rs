//! Which prompts are asked, where not all of them are.

use anyhow::Context;
use demur_predictor::{Input, Model, Scratch, sha256};
use demur_training::{Candidate, MOST_CANDIDATES, MOST_PROBES, Severity, telling};

use crate::engine::Usage;
use crate::store::Store;

/// How prompts are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// In an order that depends on nothing but their texts.
    Random,
    /// Those first of which the predictor is least certain.
    Uncertain,
    /// The most telling, unlike each other.
    Diverse,
}

/// The prompts that are asked so that `budget` of them are answered in the end: those that are, then the
/// first of the others. The same store and the same predictor choose the same.
///
/// # Errors
/// When the store fails, or the strategy cannot choose among this many prompts.
pub(crate) fn choose(
    store: &mut Store,
    prompts: &[i64],
    (settings, samples): (i64, i64),
    (budget, strategy): (usize, Strategy),
    model: &Model,
) -> anyhow::Result<Vec<i64>> {
    let (mut chosen, mut open) = (Vec::new(), Vec::new());
    for &id in prompts {
        let is_begun = store.answered(id, settings, samples, "")?[0] > 0;
        if is_begun { chosen.push(id) } else { open.push((id, store.prompt(id)?)) }
    }
    chosen.truncate(budget);
    let wanted = (budget - chosen.len()).min(open.len());
    chosen.extend(ranked(&open, wanted, strategy, model)?.into_iter().take(wanted));
    Ok(chosen)
}

fn ranked(
    open: &[(i64, String)],
    wanted: usize,
    strategy: Strategy,
    model: &Model,
) -> anyhow::Result<Vec<i64>> {
    let mut scratch = Scratch::default();
    let mut p_refusal = |text: &str| model.predict_ngrams(&Input::prompt(text), &mut scratch).p_refusal.get();
    match strategy {
        Strategy::Random => {
            let mut order: Vec<(String, i64)> = open
                .iter()
                .map(|(id, text)| (sha256(format!("demur collect {text}").as_bytes()), *id))
                .collect();
            order.sort();
            Ok(order.into_iter().map(|(_, id)| id).collect())
        }
        Strategy::Uncertain => {
            let mut order: Vec<(f64, i64)> =
                open.iter().map(|(id, text)| ((p_refusal(text) - 0.5).abs(), *id)).collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            Ok(order.into_iter().map(|(_, id)| id).collect())
        }
        Strategy::Diverse => {
            if wanted > MOST_PROBES || open.len() > MOST_CANDIDATES {
                let why = format!(
                    "--strategy diverse chooses {MOST_PROBES} prompts at most, of {MOST_CANDIDATES} at most"
                );
                return Err(Usage(why).into());
            }
            let candidates: Vec<Candidate<'_>> = open
                .iter()
                .map(|(_, text)| Candidate {
                    prompt: text,
                    category: None,
                    severity: Severity::of(None, p_refusal(text)),
                })
                .collect();
            let places = telling(model, &candidates, wanted).context("cannot choose")?;
            Ok(places.into_iter().map(|at| open[at].0).collect())
        }
    }
}
