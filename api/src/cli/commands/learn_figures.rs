//! What `demur learn` says of a predictor before it is kept: figures on prompts that were held back, beside
//! the bundled predictor and baselines, and whether more answers would help.

use std::fmt::Write;

use anyhow::bail;
use demur_data::{Record, assign_holdout};
use demur_predictor::{Bundled, Field, SeenPrompts};
use demur_training::{
    Doubling, Evaluation, Examples, Grouping, Recipe, Scored, evaluate_model, identity, judge_holdout,
    may_judge,
};

use crate::cli::terminal::encoders;
use crate::engine::models;

/// The share of the prompts that is held back.
const HELD_BACK: f64 = 0.25;
/// A gain of log loss below this is hardly one, in nats.
const HARDLY: f64 = 0.01;

/// What the held-back prompts say of both predictors.
pub(super) struct Figures {
    /// Whether the bundled predictor was fitted on all prompts that were held back.
    pub(super) are_seen: bool,
    pub(super) learned: Evaluation,
    pub(super) bundled: Evaluation,
    /// What twice the answers were worth.
    pub(super) doubling: Doubling,
}

/// Judges a fit on three quarters of the prompts by the others, beside the bundled predictor.
pub(super) fn judge(recipe: &Recipe, records: &[Record]) -> anyhow::Result<Figures> {
    let groups = Grouping::Similar.groups(records);
    let examples = Examples::of(records, &groups);
    let strata: Vec<u32> = examples.labels().into_iter().map(u32::from).collect();
    let mut held_back = assign_holdout(&strata, Some(&groups), HELD_BACK, recipe.seed)?;
    // Everyday prompts teach, and are in no figure: only what the classifier read says what the target does.
    held_back.iter_mut().zip(records).for_each(|(held, record)| *held &= !may_judge(record));
    let bundled = models::bundled(Field::Prompt, Default::default())?;
    // What the bundled predictor was fitted on would flatter both; where there is nothing else (the probe
    // set), it is judged on that all the same, and said so.
    let is_unseen = |row: usize| held_back[row] && !is_seen(bundled.seen(), &records[row]);
    let are_seen = held_back.contains(&true) && !(0..records.len()).any(is_unseen);
    let is_kept = |&row: &usize| are_seen || !held_back[row] || is_unseen(row);
    let kept: Vec<usize> = (0..records.len()).filter(is_kept).collect();
    let examples = examples.subset(&kept);
    let held_back: Vec<bool> = kept.iter().map(|&row| held_back[row]).collect();
    let test: Vec<usize> = (0..kept.len()).filter(|&row| held_back[row]).collect();
    if test.is_empty() {
        bail!("no prompt is left to judge by: all are alike; give more answers, to different prompts");
    }
    let encoders = encoders(false);
    let plan = recipe.plan(Field::Prompt, &encoders);
    let scored = |method: &str| Scored {
        field: Field::Prompt,
        method: method.to_owned(),
        threshold: plan.params.policy.hold_from,
        seed: recipe.seed,
    };
    let method = scored("a quarter of the prompts held back");
    let (learned, p) = judge_holdout(plan, &examples, &held_back, method)?;
    let are_answers: Vec<bool> = kept.iter().map(|&row| !may_judge(&records[row])).collect();
    let doubling = Doubling::measure(plan, &examples, (&held_back, &are_answers), &p, recipe.seed)?;
    let method = format!("model {}", Bundled::Prompt.name());
    let bundled = evaluate_model(&bundled, &examples.subset(&test), None, method, recipe.seed)?;
    Ok(Figures { are_seen, learned, bundled, doubling })
}

fn is_seen(seen: &SeenPrompts, record: &Record) -> bool {
    seen.contains(identity(record))
}

impl Figures {
    /// The figures for a person.
    pub(super) fn table(&self) -> Result<String, std::fmt::Error> {
        let Self { are_seen, learned, bundled, doubling } = self;
        let mut out = String::new();
        writeln!(
            out,
            "learned from {} prompts beside everyday ones, judged on {} others, {:.3} refused; labels by Demur \
             itself, so figures are agreement",
            doubling.all, learned.n, learned.base_rate
        )?;
        writeln!(out, "  {:18} agreement  95% interval     AUROC  log loss    ECE", "")?;
        let mut row = |name: &str, of: &Evaluation| {
            let (low, high) = of.decisions.accuracy_interval;
            writeln!(
                out,
                "  {name:18} {:9.3}  {low:.3} to {high:.3}  {:6.3}  {:8.3}  {:5.3}",
                of.decisions.accuracy, of.auroc, of.log_loss, of.ece
            )
        };
        row("learned", learned)?;
        row("bundled predictor", bundled)?;
        for (name, baseline) in &learned.baselines {
            let decisions = &baseline.decisions;
            let (low, high) = decisions.accuracy_interval;
            let name = name.replace('_', " ");
            writeln!(
                out,
                "  {name:18} {:9.3}  {low:.3} to {high:.3}  {:6.3}",
                decisions.accuracy, baseline.auroc
            )?;
        }
        out += &said_of(doubling);
        if *are_seen {
            writeln!(
                out,
                "warning: the bundled predictor was fitted on all of these prompts, by what should be refused; its figures, \
                 and those learned from it, may flatter"
            )?;
        }
        if learned.log_loss >= bundled.log_loss {
            writeln!(
                out,
                "warning: on these prompts the bundled predictor is no worse; more answers would help, or prompts that \
                 the target sometimes refuses"
            )?;
        }
        Ok(out)
    }
}

/// The end of the learning curve, in words.
fn said_of(doubling: &Doubling) -> String {
    let Doubling { half, all, log_loss_half, log_loss_all, gain_interval, .. } = doubling;
    let Some((low, high)) = gain_interval else { return String::new() };
    let verdict = match (*low, *high) {
        (low, _) if low > 0.0 => "more answers would help",
        (_, high) if high < HARDLY => "more answers would hardly help",
        _ => "that is too little to say whether more answers would help",
    };
    format!(
        "from {half} prompts log loss {log_loss_half:.3}, from {all} {log_loss_all:.3}: a gain of {:.3} (95% {low:.3} to \
         {high:.3}); {verdict}\n",
        doubling.gain
    )
}
