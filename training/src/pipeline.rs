//! The main path: responses -> classifier -> machine labels -> prompt predictor, with an unbiased evaluation.
//!
//! The figures come from a cross-fit: the human-labelled prompts are split into folds, and for each fold the
//! whole path runs on everything else. No row is scored by a model that has seen its prompt, neither as a
//! training row of the predictor nor as one of the classifier that labelled the predictor's training rows.
//! The models that are kept are then fitted on all rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use demur_data::{Corpus, Labeller, Place, Record, assign_folds};
use demur_predictor::{Field, Input, Model, Phrases, SeenPrompts};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::Value;

use crate::bootstrap::{Bootstrapped, MachineLabelled, bootstrap};
use crate::encoder::EncoderStore;
use crate::error::TrainingError;
use crate::evaluate::evaluation::Evaluation;
use crate::evaluate::scored::Scored;
use crate::examples::{Examples, split};
use crate::groups::Grouping;
use crate::progress::Progress;
use crate::recipe::source_rows::SourceRows;
use crate::recipe::{MachineLabels, Recipe};
use crate::rows::{labeller, seen, weighed};
use crate::train::{Provenance, train};

/// What a pipeline reads.
#[derive(Debug, Clone)]
pub struct PipelineData {
    /// Rows with labels: those with responses for the classifier, those with prompts for the predictor.
    pub labelled: SourceRows,
    /// Prompts with responses, without labels.
    pub unlabelled: SourceRows,
    /// Prompts with labels to evaluate on; `None` means the labelled rows.
    pub evaluation: Option<Corpus>,
}

impl PipelineData {
    /// Reads the corpora of a recipe whose file names are [resolved](Recipe::resolve).
    ///
    /// # Errors
    /// [`TrainingError::Data`], or [`TrainingError::NoRows`] when the recipe names no source.
    pub fn read(recipe: &Recipe) -> Result<Self, TrainingError> {
        for (name, sources) in [("labelled", &recipe.labelled), ("unlabelled", &recipe.unlabelled)] {
            if sources.is_empty() {
                let hint = format!("name files under [{name}] in the recipe");
                return Err(TrainingError::NoRows { step: "reading", hint });
            }
        }
        let evaluation = &recipe.evaluation.data;
        let read = Self {
            labelled: SourceRows::labelled(&recipe.labelled, Field::Response)?,
            unlabelled: SourceRows::unlabelled(&recipe.unlabelled)?,
            evaluation: if evaluation.files.is_empty() {
                None
            } else {
                Some(evaluation.read(&[Field::Prompt], true, false)?)
            },
        };
        read.check_labellers()?;
        Ok(read)
    }

    /// Checks that no label comes from this program. A pipeline uses all labels for evaluation, so it would
    /// evaluate itself.
    fn check_labellers(&self) -> Result<(), TrainingError> {
        let own = |records: &[Record]| {
            records.iter().filter(|record| labeller(record) == Some(Labeller::Demur)).count()
        };
        let labelled = self.labelled.parts().map(|(source, corpus)| (source.title(), own(&corpus.records)));
        let evaluation = self.evaluation.iter().map(|corpus| ("evaluation".to_owned(), own(&corpus.records)));
        match labelled.chain(evaluation).find(|(_, rows)| *rows > 0) {
            Some((title, rows)) => Err(TrainingError::OwnLabels { title, rows }),
            None => Ok(()),
        }
    }
}

/// The rows of a pipeline by the steps that use them.
struct PipelineRows {
    /// Labelled responses, with the weights of the response fit.
    responses: Vec<Record>,
    /// Labelled prompts, with the weights of the prompt fit.
    prompts: Vec<Record>,
    /// The rows that the classifier labels, with the weights of the prompt fit.
    unlabelled: Vec<Record>,
    /// Prompts to evaluate on.
    evaluation: Vec<Record>,
}

impl PipelineRows {
    fn of(data: &PipelineData) -> Self {
        let prompts = data.labelled.records(Field::Prompt);
        Self {
            responses: data.labelled.records(Field::Response),
            unlabelled: data.unlabelled.records(Field::Prompt),
            evaluation: data
                .evaluation
                .as_ref()
                .map_or_else(|| prompts.clone(), |corpus| corpus.records.clone()),
            prompts,
        }
    }
}

/// The result of a pipeline.
#[derive(Debug, Clone)]
pub struct PipelineOutput {
    /// The response classifier, fitted on all labelled rows.
    pub response: Model,
    /// The machine-labelled prompts.
    pub machine: Vec<MachineLabelled>,
    /// Unlabelled rows without an answer, from which nothing was learned.
    pub no_answer: usize,
    /// The prompt predictor, fitted on machine labels and human ones.
    pub prompt: Model,
    /// Sources from which one of the two fits learned nothing: they have a shift of their own and only one
    /// label.
    pub one_class_sources: Vec<String>,
    /// The figures.
    pub figures: PipelineFigures,
}

/// The figures of the cross-fit.
#[derive(Debug, Clone, Serialize)]
pub struct PipelineFigures {
    /// How the rows were kept separate, in words.
    pub method: String,
    /// The response classifier on the labelled responses.
    pub response: Evaluation,
    /// The prompt predictor with the label weights of the recipe.
    pub prompt: Evaluation,
    /// The same fitted on machine labels alone.
    pub prompt_machine_only: Evaluation,
    /// The same fitted on human labels alone.
    pub prompt_human_only: Evaluation,
}

/// Runs a recipe on its data. The recipe goes into the manifests as it is passed here, so its file names
/// should be as its author wrote them.
///
/// # Errors
/// Any [`TrainingError`].
pub fn run(
    recipe: &Recipe,
    data: &PipelineData,
    encoders: &EncoderStore,
    progress: Progress<'_>,
) -> Result<PipelineOutput, TrainingError> {
    let rows = PipelineRows::of(data);
    let mut recipe = recipe.clone();
    recipe.withhold(&seen(&rows.evaluation).union(&seen(&rows.prompts)));
    let path = MainPath { recipe: &recipe, rows: &rows, encoders };
    let figures = path.cross_fit(progress)?;
    let provenance = |training, figures: [(&str, &Evaluation); 1], teacher| Provenance {
        recipe: recipe.clone(),
        training,
        figures: figures.map(|(name, figures)| (name.to_owned(), figures.for_manifest())).into(),
        teacher,
    };
    let cross_fit = |evaluation| [("cross-fit", evaluation)];
    let files = data.labelled.describe(Field::Response)?;
    let of_fit = provenance(files, cross_fit(&figures.response), SeenPrompts::default());
    let (response, of_responses) = train(Field::Response, &rows.responses, of_fit, encoders)?;
    progress.step("fit", 2);
    let Bootstrapped { rows: machine, no_answer } =
        bootstrap(&response, &rows.unlabelled, &Phrases::default())?;
    let files = [data.unlabelled.describe(Field::Prompt)?, data.labelled.describe(Field::Prompt)?].concat();
    let prompts = prompt_rows(&recipe, &machine, &rows.prompts, &SeenPrompts::default(), Labels::Both);
    let of_fit = provenance(files, cross_fit(&figures.prompt), response.seen().clone());
    let (prompt, of_prompts) = train(Field::Prompt, &prompts, of_fit, encoders)?;
    progress.step("fit", 2);
    let one_class_sources = [of_responses.one_class_sources, of_prompts.one_class_sources].concat();
    Ok(PipelineOutput { response, machine, no_answer, prompt, one_class_sources, figures })
}

/// Which labels a prompt predictor is fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Labels {
    Both,
    Machine,
    Human,
}

/// The training rows of a prompt predictor: machine labels, then human ones, without held-out prompts.
fn prompt_rows(
    recipe: &Recipe,
    machine: &[MachineLabelled],
    human: &[Record],
    held_out: &SeenPrompts,
    labels: Labels,
) -> Vec<Record> {
    let (machine_weight, human_weight) = match labels {
        Labels::Both => (recipe.prompt.machine_weight, recipe.prompt.human_weight),
        Labels::Machine => (1.0, 0.0),
        Labels::Human => (0.0, 1.0),
    };
    let file: Arc<str> = Arc::from("bootstrap");
    let place = |line| Place { file: file.clone(), line };
    let aim = |row: &MachineLabelled| match recipe.prompt.machine_labels {
        MachineLabels::Soft => row.clone(),
        MachineLabels::Hard => MachineLabelled { p_refusal: row.label.target(), ..row.clone() },
    };
    let machine = (1..).zip(machine).map(|(line, row)| aim(row).to_record(place(line)));
    let rows = machine
        .chain(human.iter().cloned())
        .filter(|record| !record.prompt.as_deref().is_some_and(|p| held_out.contains(p)));
    weighed(rows.collect(), machine_weight, human_weight)
}

/// The scores of one fold's rows: of labelled responses, and of evaluation prompts for each training set.
struct Fold {
    responses: Vec<(usize, f64)>,
    prompts: [Vec<(usize, f64)>; 3],
}

/// The rows outside a fold, and those in it.
type Split = (Vec<usize>, Vec<usize>);

/// What every run of the path needs, on all rows or for a fold.
struct MainPath<'a> {
    recipe: &'a Recipe,
    rows: &'a PipelineRows,
    encoders: &'a EncoderStore,
}

/// The folds of all rows. A group is held out everywhere or nowhere, including among the rows that the
/// classifier labels: a template or a rewording of a held-out prompt would leak into the fit that scores it.
struct Folds {
    responses: Vec<usize>,
    prompts: Vec<usize>,
    evaluation: Vec<usize>,
    /// Folds of the rows that the classifier labels; `None` if no evaluated row is in their group.
    unlabelled: Vec<Option<usize>>,
}

impl MainPath<'_> {
    fn folds(&self, grouping: Grouping) -> Result<Folds, TrainingError> {
        let rows = self.rows;
        let all = [rows.responses.as_slice(), &rows.prompts, &rows.evaluation, &rows.unlabelled].concat();
        let groups = grouping.groups(&all);
        let judged = all.len() - rows.unlabelled.len();
        let strata: Vec<u32> = all[..judged].iter().map(|record| u32::from(is_refused(record))).collect();
        let count = self.recipe.evaluation.folds;
        let folds = assign_folds(&strata, Some(&groups[..judged]), count, self.recipe.seed)?;
        let fold_of: FxHashMap<u32, usize> = groups.iter().copied().zip(folds.iter().copied()).collect();
        let (responses, others) = folds.split_at(rows.responses.len());
        let (prompts, evaluation) = others.split_at(rows.prompts.len());
        Ok(Folds {
            responses: responses.to_vec(),
            prompts: prompts.to_vec(),
            evaluation: evaluation.to_vec(),
            unlabelled: groups[judged..].iter().map(|group| fold_of.get(group).copied()).collect(),
        })
    }

    /// Runs the whole path once for each fold, and evaluates the results.
    fn cross_fit(&self, progress: Progress<'_>) -> Result<PipelineFigures, TrainingError> {
        let (recipe, rows) = (self.recipe, self.rows);
        let (count, grouping) = (recipe.evaluation.folds, Grouping::of(recipe.evaluation.grouped));
        let folds = self.folds(grouping)?;
        let run = |fold| {
            let scores = self.run_fold(&folds, fold);
            progress.step("cross-fit", count);
            scores
        };
        let parts: Vec<Fold> = (0..count).into_par_iter().map(run).collect::<Result<_, _>>()?;
        let kind = grouping.describe();
        let method =
            format!("{count}-fold cross-fit of the whole path, {kind}, stratified, seed {}", recipe.seed);
        let judge = |field, records: &[Record], scores: Vec<(usize, f64)>| {
            let groups = vec![0; records.len()];
            let threshold = recipe.fit_of(field).policy.hold_from;
            let scored = Scored { field, method: method.clone(), threshold, seed: recipe.seed };
            let mut p = vec![0.0; records.len()];
            scores.into_iter().for_each(|(row, score)| p[row] = score);
            scored.judge(&Examples::of(records, &groups), p)
        };
        let prompts = |at: usize| parts.iter().flat_map(|part| part.prompts[at].clone()).collect::<Vec<_>>();
        let responses = parts.iter().flat_map(|part| part.responses.clone()).collect();
        Ok(PipelineFigures {
            response: judge(Field::Response, &rows.responses, responses),
            prompt: judge(Field::Prompt, &rows.evaluation, prompts(0)),
            prompt_machine_only: judge(Field::Prompt, &rows.evaluation, prompts(1)),
            prompt_human_only: judge(Field::Prompt, &rows.evaluation, prompts(2)),
            method,
        })
    }

    /// Runs the whole path on everything but a fold, and scores that fold.
    fn run_fold(&self, folds: &Folds, fold: usize) -> Result<Fold, TrainingError> {
        let (recipe, rows) = (self.recipe, self.rows);
        let [responses, prompts, evaluation]: [Split; 3] =
            [&folds.responses, &folds.prompts, &folds.evaluation].map(|folds| split(folds, fold));
        let pick = |rows: &[usize], from: &[Record]| {
            rows.iter().map(|&row| from[row].clone()).collect::<Vec<Record>>()
        };
        // Held-out prompts must not enter any training set, not even as machine-labelled rows.
        let held_out = seen(&pick(&responses.1, &rows.responses))
            .union(&seen(&pick(&prompts.1, &rows.prompts)))
            .union(&seen(&pick(&evaluation.1, &rows.evaluation)));
        let fit = |field, records: &[Record]| {
            let provenance = Provenance {
                recipe: recipe.clone(),
                training: Vec::new(),
                figures: BTreeMap::new(),
                teacher: SeenPrompts::default(),
            };
            train(field, records, provenance, self.encoders).map(|(model, _)| model)
        };
        let classifier = fit(Field::Response, &pick(&responses.0, &rows.responses))?;
        let unlabelled: Vec<Record> = rows
            .unlabelled
            .iter()
            .zip(&folds.unlabelled)
            .filter(|&(_, &of)| of != Some(fold))
            .map(|(record, _)| record.clone())
            .collect();
        let machine = bootstrap(&classifier, &unlabelled, &Phrases::default())?.rows;
        let human = pick(&prompts.0, &rows.prompts);
        let score = |labels| {
            let training = prompt_rows(recipe, &machine, &human, &held_out, labels);
            scores(&fit(Field::Prompt, &training)?, &rows.evaluation, &evaluation.1)
        };
        Ok(Fold {
            responses: scores(&classifier, &rows.responses, &responses.1)?,
            prompts: [score(Labels::Both)?, score(Labels::Machine)?, score(Labels::Human)?],
        })
    }
}

fn is_refused(record: &Record) -> bool {
    record.label.as_ref().and_then(demur_data::Labelled::target).is_some_and(|target| target >= 0.5)
}

fn scores(model: &Model, records: &[Record], rows: &[usize]) -> Result<Vec<(usize, f64)>, TrainingError> {
    let inputs: Vec<Input<'_>> = rows.iter().map(|&row| crate::examples::input(&records[row])).collect();
    let scored = rows.iter().zip(model.predict_all(&inputs)?);
    Ok(scored.map(|(&row, p_refusal)| (row, p_refusal.get())).collect())
}

impl PipelineFigures {
    /// The figures as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        // Every field is an evaluation or a string.
        serde_json::to_value(self).unwrap_or_default()
    }
}
