//! Collects answers and shows how it goes: what `collect` and `learn` share.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use demur_predictor::{Model, Phrases};
use demur_training::labelled_by;
use indicatif::ProgressBar;

use crate::cli::interrupt::{EndsByItself, Interrupted};
use crate::cli::terminal::note;
use crate::collect::{Access, Collected, Collection, End, Limits, Progress, Survey, Target, Watch, collect};
use crate::engine::judgement::Judge;
use crate::engine::tiered_model::TieredModel;
use crate::store::Store;

/// Shortest time between two lines where there is no terminal.
const SILENCE: Duration = Duration::from_secs(60);

/// Whom a command asks, and how.
pub(crate) struct Asked<'a> {
    pub(crate) target: Target,
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    pub(crate) samples: i64,
    /// Counts refusals.
    pub(crate) classifier: &'a Model,
    /// The target's settings, by their number in the store.
    pub(crate) settings: i64,
}

impl Asked<'_> {
    /// Asks what is open of these prompts, in this order, shows how it goes, and logs what was done.
    ///
    /// # Errors
    /// When the store fails, or no client can be made.
    pub(crate) fn ask(&self, mut store: Store, prompts: &[i64]) -> anyhow::Result<Collected> {
        let Self { samples, classifier, settings, .. } = *self;
        let by = labelled_by(classifier);
        let before = Survey::before(&mut store, prompts, (settings, samples), &by)?;
        let tiered = TieredModel::here(classifier, None);
        let judge = Judge { tiered, policy: classifier.manifest().policy, phrases: &Phrases::default() };
        let (target, access, limits) = (self.target.clone(), self.access.clone(), self.limits.clone());
        let labelled_by = by.as_str();
        let collection =
            Collection { target, access, limits, samples, judge, labelled_by, settings, prompts, before };
        let ends = EndsByItself::begin();
        let collected = collect(store, collection, &Shown::new())?;
        drop(ends);
        say_collected(&collected);
        Ok(collected)
    }
}

/// Shows how a run goes: a line that changes on a terminal, else one a minute.
struct Shown {
    bar: Option<ProgressBar>,
    last: Cell<Instant>,
}

impl Shown {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
        Self { bar, last: Cell::new(Instant::now()) }
    }
}

impl Watch for Shown {
    fn at(&self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_message(progress.line());
            bar.tick();
        } else if self.last.get().elapsed() >= SILENCE {
            note(&progress.line());
            self.last.set(Instant::now());
        }
    }

    fn is_interrupted(&self) -> bool {
        EndsByItself::is_asked()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Logs which prompts were read.
///
/// # Errors
/// When there is none.
pub(crate) fn say_survey(survey: &Survey) -> anyhow::Result<()> {
    let Survey { prompts, rows, rejected, first } = survey;
    note(&format!("{rows} rows read, {} different prompts, {rejected} bad rows", prompts.len()));
    if let Some(first) = first {
        note(&format!("the first bad row: {first}"));
    }
    if prompts.is_empty() {
        bail!("there is no prompt to ask");
    }
    Ok(())
}

/// Logs what a run has done, and why it ended.
fn say_collected(collected: &Collected) {
    let progress = &collected.progress;
    let Progress { wanted, before, answered, refused, complied, failed, requests, spent, .. } = *progress;
    let judged = match progress.refusals() {
        None => String::new(),
        Some((rate, (low, high))) => {
            let others = (before + answered).saturating_sub(refused + complied);
            let none =
                if others > 0 { format!(", {others} without an answer to judge") } else { String::new() };
            format!(
                "; {refused} of {} refused, {rate:.3} (95% {low:.3} to {high:.3}){none}",
                refused + complied
            )
        }
    };
    note(&format!(
        "{} of {wanted} answers, {answered} of them new, by {requests} requests{judged}",
        before + answered
    ));
    let tokens = format!("{} tokens there, {} back", spent.prompt_tokens, spent.completion_tokens);
    let cost = progress.cost().map_or_else(String::new, |cost| format!(", cost {cost:.4}"));
    note(&format!("under these settings, all runs: {} requests, {tokens}{cost}", spent.requests));
    if failed > 0 {
        note(&format!("{failed} prompts were given up after all tries; the same command asks them again"));
    }
    match &collected.end {
        Some(End::Budget(flag)) => note(&format!("ended by {flag}: the next request would go beyond it")),
        Some(End::Narrow) => note("ended by --until-ci: the interval is narrow enough"),
        Some(End::Interrupted | End::Failed(_)) | None => {}
    }
}

/// The error of a run that did not end well.
///
/// # Errors
/// When it did not.
pub(crate) fn check_end(end: Option<End>) -> anyhow::Result<()> {
    match end {
        Some(End::Interrupted) => Err(Interrupted.into()),
        Some(End::Failed(why)) => Err(anyhow::anyhow!(why)).context("the target was asked no further"),
        Some(End::Budget(_) | End::Narrow) | None => Ok(()),
    }
}
