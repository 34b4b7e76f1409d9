//! Puts the prompts of files into the store, each once, and counts what it has of them.

use std::collections::HashSet;

use demur_data::Rejection;
use demur_predictor::sha256;

use crate::collect::run::Before;
use crate::collect::target::Target;
use crate::engine::batch::{PromptFiles, PromptRow};
use crate::store::{Prompt, Store};

/// How many prompts are written at once.
const PAGE: usize = 500;

/// What was read.
#[derive(Default)]
pub(crate) struct Survey {
    /// The prompts by their numbers in the store, each once, in the order of the files.
    pub(crate) prompts: Vec<i64>,
    /// How many rows were read.
    pub(crate) rows: u64,
    /// How many of them have no prompt that can be asked, and the first.
    pub(crate) rejected: u64,
    pub(crate) first: Option<Rejection>,
}

/// Reads the prompts of files into a store, `sample` rows at most.
///
/// # Errors
/// When a file cannot be read, or the store fails.
pub(crate) fn survey(store: &mut Store, files: &PromptFiles, sample: Option<u64>) -> anyhow::Result<Survey> {
    let (mut survey, mut seen, mut page) = (Survey::default(), HashSet::new(), Vec::with_capacity(PAGE));
    let mut keep =
        |store: &mut Store, page: &mut Vec<Prompt>, prompts: &mut Vec<i64>| -> anyhow::Result<()> {
            prompts.extend(store.keep_prompts(page)?.into_iter().filter(|id| seen.insert(*id)));
            page.clear();
            Ok(())
        };
    if sample != Some(0) {
        files.each(|row| {
            survey.rows += 1;
            match row.map_err(Box::new).and_then(storable) {
                Ok(row) => {
                    page.push(Prompt { text: row.text, row_id: row.id.filter(|id| !id.contains('\0')) });
                }
                Err(rejection) => {
                    survey.rejected += 1;
                    survey.first.get_or_insert(*rejection);
                }
            }
            if page.len() == PAGE {
                keep(store, &mut page, &mut survey.prompts)?;
            }
            Ok(sample.is_none_or(|most| survey.rows < most))
        })?;
    }
    keep(store, &mut page, &mut survey.prompts)?;
    Ok(survey)
}

/// What a run would ask.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    /// Different prompts.
    pub(crate) prompts: u64,
    pub(crate) rejected: u64,
    /// Answers that the store has.
    pub(crate) answered: u64,
    /// Requests that are left, and about how many tokens go there and at most come back.
    pub(crate) requests: u64,
    pub(crate) tokens: (u64, u64),
    /// The body of the first of them.
    pub(crate) first: Option<String>,
}

/// Counts what a run would ask, `budget` prompts at most, without writing to the store.
///
/// # Errors
/// When a file cannot be read, or the store fails.
pub(crate) fn estimate(
    store: &mut Store,
    files: &PromptFiles,
    target: &Target,
    (samples, sample, budget): (i64, Option<u64>, Option<u64>),
) -> anyhow::Result<Estimate> {
    let settings = store.settings_id(&target.stored())?;
    let (mut estimate, mut seen, mut rows) = (Estimate::default(), HashSet::new(), 0);
    files.each(|row| {
        rows += 1;
        match row.map_err(Box::new).and_then(storable) {
            Err(_) => estimate.rejected += 1,
            Ok(row) if !seen.insert(sha256(row.text.as_bytes())) => {}
            Ok(row) => {
                estimate.prompts += 1;
                let known = store.prompt_id(&row.text)?.zip(settings);
                let answered = known.map(|(prompt, settings)| store.answered(prompt, settings, samples, ""));
                let answered = answered.transpose()?.map_or(0, |[answered, ..]| answered);
                let open = u64::try_from(samples)?.saturating_sub(answered);
                estimate.answered += answered;
                estimate.requests += open;
                estimate.tokens.0 += open * target.prompt_tokens(&row.text);
                estimate.tokens.1 += open * target.answer_tokens();
                if open > 0 && estimate.first.is_none() {
                    estimate.first = Some(target.body(&row.text));
                }
            }
        }
        Ok(sample.is_none_or(|most| rows < most) && budget.is_none_or(|most| estimate.prompts < most))
    })?;
    Ok(estimate)
}

impl Survey {
    /// What a store has of some prompts.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn before(
        store: &mut Store,
        prompts: &[i64],
        (settings, samples): (i64, i64),
        labelled_by: &str,
    ) -> anyhow::Result<Before> {
        let mut all = Before::default();
        for prompt in prompts {
            let [answered, refused, complied] = store.answered(*prompt, settings, samples, labelled_by)?;
            all.answered += answered;
            all.refused += refused;
            all.complied += complied;
        }
        Ok(all)
    }
}

/// Refuses a prompt that the store would have to change.
fn storable(row: PromptRow) -> Result<PromptRow, Box<Rejection>> {
    if row.text.contains('\0') {
        let reason = "the prompt holds U+0000, which PostgreSQL cannot hold".to_owned();
        return Err(Box::new(Rejection { place: row.place, field: None, reason, raw: None }));
    }
    Ok(row)
}
