//! Labelled rows with a model's scores, for reports and notebooks; the scores are from rows unseen in the fit
//! if possible.

use std::path::{Path, PathBuf};

use anyhow::bail;
use demur_data::{Labelled, Record};
use demur_notebooks_export::JudgedRow;
use demur_predictor::{Field, Model};
use demur_training::{
    CrossValidation, EncoderStore, Evaluation, Examples, Grouping, NgramParams, PhraseFigures, Recipe,
    Scored, SourceRows, TermAnalysis, TermParams, analyse_terms, identity, judge_answers, may_judge, phrases,
    probabilities,
};

use crate::cli::args::{DataArgs, PhrasesArg};
use crate::cli::commands::evaluate::{labelled_by, note_unknown};
use crate::cli::sources;
use crate::cli::terminal::{Bars, note, say_sources, waiting};
use crate::engine::models::tiers_in_words;

/// With fewer unseen rows than this, figures would be too uncertain.
const FEWEST: usize = 50;
/// Folds of the cross-fit, used on rows that the model has seen.
const FOLDS: usize = 5;
/// Example rows of each n-gram: this many for it and this many against it.
const EXAMPLES: usize = 3;
/// Phrases of each kind in each part of an answer.
const PHRASES: usize = 8;

/// Rows with a model's scores.
pub(crate) struct ScoredRows {
    pub(crate) records: Vec<Record>,
    groups: Vec<u32>,
    p: Vec<f64>,
    /// Whether each row counts in the figures.
    counted: Vec<bool>,
    pub(crate) evaluation: Option<Evaluation>,
    field: Field,
    seed: u64,
}

/// The recipe that the model was fitted with, if its manifest holds one.
fn recipe_of(model: &Model) -> Option<Recipe> {
    serde_json::from_value(model.manifest().recipe.clone()).ok()
}

/// The parameters that the model was fitted with.
fn params_of(model: &Model) -> Option<NgramParams> {
    recipe_of(model).map(|recipe| recipe.fit_of(model.manifest().field).clone())
}

impl ScoredRows {
    /// No rows.
    pub(crate) fn none(field: Field) -> Self {
        let (records, groups) = (Vec::new(), Vec::new());
        Self { records, groups, p: Vec::new(), counted: Vec::new(), evaluation: None, field, seed: 0 }
    }

    /// Reads labelled rows and scores them. If enough of them are new to the model, the figures use those.
    /// Otherwise each row is scored by a fit of the model's own recipe that has not seen the row's group.
    /// Answers are scored by all that decides them: signs, phrases and the text.
    pub(crate) fn read(
        model: &Model,
        files: &[PathBuf],
        columns: &DataArgs,
        phrases: &PhrasesArg,
    ) -> anyhow::Result<Self> {
        let field = model.manifest().field;
        let seed = model.manifest().seed;
        let (records, of_answers) = with_answers(model, read(files, columns, field)?, phrases)?;
        let mut scored_rows = Self { records, seed, ..Self::none(field) };
        scored_rows.groups = waiting("grouping", || Grouping::Similar.groups(&scored_rows.records));
        let is_new = |record: &Record| !model.seen().contains(identity(record));
        let new: Vec<bool> = scored_rows.records.iter().map(is_new).collect();
        let count = new.iter().filter(|&&new| new).count();
        let examples = Examples::of(&scored_rows.records, &scored_rows.groups);
        let scored = |method| Scored { field, method, threshold: model.manifest().policy.hold_from, seed };
        let rows: Vec<usize> = (0..new.len()).filter(|&row| new[row]).collect();
        let chosen = examples.subset(&rows);
        let digest = &model.digest()[..12];
        // If there are fewer than `FEWEST` rows in all, every one must be new.
        if count >= FEWEST.min(scored_rows.records.len()) {
            let p = of_answers.unwrap_or_else(|| probabilities(model, &examples));
            let of_new = rows.iter().map(|&row| p[row]).collect();
            let tiers = tiers_in_words(model, None);
            let method =
                format!("model {} ({digest}){tiers}, on rows that it has not seen", model.manifest().name);
            let evaluation = Some(scored(method).judge(&chosen, of_new));
            return Ok(Self { p, counted: new, evaluation, ..scored_rows });
        }
        let Some(recipe) = recipe_of(model) else {
            bail!(
                "the model has seen {} of the {} rows, and its manifest holds no recipe to fit others by; give rows \
                 that it has not seen",
                scored_rows.records.len() - count,
                scored_rows.records.len()
            );
        };
        note(&format!(
            "the model has seen {} of {} rows: each row is judged by a fit of its recipe that has not",
            scored_rows.records.len() - count,
            scored_rows.records.len()
        ));
        let plan = CrossValidation { field, folds: FOLDS, grouping: Grouping::Similar, seed };
        let encoders = EncoderStore::from_environment();
        let p =
            Bars::during(|progress| plan.probabilities(recipe.plan(field, &encoders), &examples, progress))?;
        let method = format!("the recipe of model {} ({digest}), {}", model.manifest().name, plan.describe());
        let evaluation = Some(scored(method).judge(&examples, p.clone()));
        let counted = vec![true; p.len()];
        Ok(Self { p, counted, evaluation, ..scored_rows })
    }

    /// Recomputes the figures of both on the rows that both count.
    pub(crate) fn count_with(&mut self, other: &mut Self) -> anyhow::Result<()> {
        let both: Vec<bool> = self.counted.iter().zip(&other.counted).map(|(a, b)| *a && *b).collect();
        if !both.contains(&true) {
            bail!("no row is new to both models; give rows that they have not seen");
        }
        for scored_rows in [self, other] {
            scored_rows.counted.clone_from(&both);
            let rows: Vec<usize> = (0..both.len()).filter(|&row| both[row]).collect();
            let chosen = scored_rows.examples().subset(&rows);
            let p = rows.iter().map(|&row| scored_rows.p[row]).collect();
            let again = scored_rows.evaluation.as_ref().map(|before| {
                let scored = Scored {
                    field: scored_rows.field,
                    method: before.method.clone(),
                    threshold: before.threshold,
                    seed: scored_rows.seed,
                };
                scored.judge(&chosen, p)
            });
            scored_rows.evaluation = again;
        }
        Ok(())
    }

    fn examples(&self) -> Examples<'_> {
        Examples::of(&self.records, &self.groups)
    }

    /// Analyses the model's n-grams on the rows.
    pub(crate) fn terms(&self, model: &Model, resamples: usize) -> anyhow::Result<TermAnalysis> {
        let refit = if resamples > 0 && !self.records.is_empty() { params_of(model) } else { None };
        if resamples > 0 && refit.is_none() && !self.records.is_empty() {
            note("the model's manifest holds no recipe, so weights have no intervals");
        }
        let params = TermParams { refit, resamples, examples: EXAMPLES, seed: model.manifest().seed };
        let examples = self.examples();
        Ok(Bars::during(|progress| analyse_terms(model, &examples, &self.p, &params, progress))?)
    }

    /// The phrases that mark kinds of answers; empty for a prompt model.
    pub(crate) fn phrases(&self, seed: u64) -> anyhow::Result<Vec<PhraseFigures>> {
        if self.field == Field::Prompt {
            return Ok(Vec::new());
        }
        Ok(waiting("phrases", || phrases(&self.examples(), PHRASES, seed))?)
    }

    /// The rows in the form of a report.
    pub(crate) fn rows(&self) -> Vec<JudgedRow> {
        let examples = self.examples();
        let labels = examples.labels();
        let row = |(at, record): (usize, &Record)| JudgedRow {
            text: self.field.of(&examples.inputs[at]).unwrap_or_default().to_owned(),
            place: place(record),
            source: record.source.clone(),
            target: record.target.clone(),
            kind: record.label.as_ref().and_then(|label| label.kind).map(|kind| kind.name().to_owned()),
            refused: labels[at],
            p_refusal: self.p[at],
            judged: self.counted[at],
        };
        self.records.iter().enumerate().map(row).collect()
    }
}

/// The records with an answer, and P(refusal) of each by all that decides it; prompts as they are.
fn with_answers(
    model: &Model,
    records: Vec<Record>,
    phrases: &PhrasesArg,
) -> anyhow::Result<(Vec<Record>, Option<Vec<f64>>)> {
    let field = model.manifest().field;
    let phrases = phrases.read_for(field)?;
    if field == Field::Prompt {
        return Ok((records, None));
    }
    let judged = judge_answers(model, &records, None, &phrases)?;
    let rows = records.len();
    let answered = records.into_iter().zip(judged);
    let answered = answered.filter_map(|(record, judged)| Some((record, judged.verdict.p_refusal?.get())));
    let (records, p): (Vec<Record>, Vec<f64>) = answered.unzip();
    if records.len() < rows {
        note(&format!("no answer {}: these rows are left out", rows - records.len()));
    }
    Ok((records, Some(p)))
}

/// The place of a row, without the folders of this machine.
fn place(record: &Record) -> String {
    let file = Path::new(&*record.place.file).file_name().map(|name| name.to_string_lossy().into_owned());
    format!("{}:{}", file.unwrap_or_else(|| record.place.file.to_string()), record.place.line)
}

/// Reads from files the rows that figures may use.
fn read(files: &[PathBuf], columns: &DataArgs, field: Field) -> anyhow::Result<Vec<Record>> {
    let source = sources::files(files, columns)?;
    let rows = waiting("reading", || SourceRows::labelled(&[source], field))?;
    say_sources("labelled rows", &rows, &[field]);
    let labelled = |record: &Record| record.label.as_ref().and_then(Labelled::target).is_some();
    let (records, machine): (Vec<Record>, Vec<Record>) =
        rows.records(field).into_iter().filter(|record| labelled(record)).partition(may_judge);
    if !machine.is_empty() {
        note(&format!(
            "{} rows that demur labelled left out: figures are taken on no guesses",
            machine.len()
        ));
    }
    if records.is_empty() {
        bail!(
            "no rows are left to judge by: demur labelled all of them ({}); give rows that others have labelled",
            labelled_by(&machine)
        );
    }
    note_unknown(&records);
    Ok(records)
}
