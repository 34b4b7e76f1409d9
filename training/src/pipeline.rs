//! The main path: responses -> classifier -> machine labels -> prompt predictor, judged honestly.
//!
//! The figures come from a cross-fit: the human-labelled prompts are split into folds, and for each fold the
//! whole path runs on everything else. No row is judged by a model that has seen its prompt, neither as a
//! training row of the predictor nor as one of the classifier that labelled the predictor's training rows. The
//! models that are kept are then fitted on all rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use demur_data::{Corpus, Labeller, Place, Record, assign_folds};
use demur_predictor::{Field, Input, Model, Scorer, SeenPrompts, TrainingData};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use crate::bootstrap::{MachineLabelled, bootstrap};
use crate::error::TrainingError;
use crate::evaluate::{Evaluation, Scored};
use crate::fit::{Examples, split};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::train::{Grouping, Provenance, describe, seen, train, weighed};

/// What a pipeline reads.
#[derive(Debug, Clone)]
pub struct PipelineData {
    /// Responses with human labels.
    pub labelled: Corpus,
    /// Responses without labels.
    pub unlabelled: Corpus,
    /// Prompts with human labels to judge by; `None` stands for the labelled rows.
    pub evaluation: Option<Corpus>,
    /// The files behind the labelled rows.
    labelled_files: Vec<TrainingData>,
    /// The files behind the rows without labels.
    unlabelled_files: Vec<TrainingData>,
}

impl PipelineData {
    /// Reads the corpora of a recipe whose file names are [resolved](Recipe::resolve).
    ///
    /// # Errors
    /// [`TrainingError::Data`].
    pub fn read(recipe: &Recipe) -> Result<Self, TrainingError> {
        let both = [Field::Prompt, Field::Response];
        let evaluation = &recipe.evaluation.data;
        let labelled = recipe.labelled.read(&[Field::Response], true, false)?;
        let unlabelled = recipe.unlabelled.read(&both, false, false)?;
        Ok(Self {
            labelled_files: describe(&recipe.labelled, &labelled.records, "human")?,
            unlabelled_files: describe(&recipe.unlabelled, &unlabelled.records, "machine")?,
            labelled,
            unlabelled,
            evaluation: if evaluation.files.is_empty() {
                None
            } else {
                Some(evaluation.read(&[Field::Prompt], true, false)?)
            },
        })
    }

    fn evaluation(&self) -> &[Record] {
        self.evaluation.as_ref().map_or(&self.labelled.records, |corpus| &corpus.records)
    }
}

/// What a pipeline makes.
#[derive(Debug, Clone)]
pub struct PipelineOutput {
    /// The response classifier, fitted on all labelled rows.
    pub response: Model,
    /// The machine-labelled prompts.
    pub machine: Vec<MachineLabelled>,
    /// The prompt predictor, fitted on machine labels and human ones.
    pub prompt: Model,
    /// The figures.
    pub figures: PipelineFigures,
}

/// The figures of the cross-fit.
#[derive(Debug, Clone, Serialize)]
pub struct PipelineFigures {
    /// How the rows were kept apart, in words.
    pub method: String,
    /// The response classifier on the labelled responses.
    pub response: Evaluation,
    /// The prompt predictor as the recipe weighs its labels.
    pub prompt: Evaluation,
    /// The same fitted on machine labels alone.
    pub prompt_machine_only: Evaluation,
    /// The same fitted on human labels alone.
    pub prompt_human_only: Evaluation,
}

/// Runs a recipe on its data. The recipe goes into the manifests as it is given here, so its file names should
/// be as its author wrote them.
///
/// # Errors
/// Any [`TrainingError`].
pub fn run(
    recipe: &Recipe,
    data: &PipelineData,
    progress: Progress<'_>,
) -> Result<PipelineOutput, TrainingError> {
    let figures = cross_fit(recipe, data, progress)?;
    let labelled = &data.labelled.records;
    let provenance = |training, figures: [(&str, &Evaluation); 1], teacher| Provenance {
        recipe: recipe.clone(),
        training,
        figures: figures.map(|(name, figures)| (name.to_owned(), figures.to_json())).into(),
        teacher,
    };
    let human = &data.labelled_files;
    let cross_fit = |evaluation| [("cross-fit", evaluation)];
    let (response, _) = train(
        Field::Response,
        labelled,
        provenance(human.to_vec(), cross_fit(&figures.response), SeenPrompts::default()),
    )?;
    progress.step("fit", 2);
    let machine = bootstrap(&response, &data.unlabelled.records);
    let training = [data.unlabelled_files.as_slice(), human].concat();
    let rows = prompt_rows(recipe, &machine, labelled, &SeenPrompts::default(), Labels::Both);
    let (prompt, _) = train(
        Field::Prompt,
        &rows,
        provenance(training, cross_fit(&figures.prompt), response.seen().clone()),
    )?;
    progress.step("fit", 2);
    Ok(PipelineOutput { response, machine, prompt, figures })
}

/// Which labels a prompt predictor is fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Labels {
    Both,
    Machine,
    Human,
}

/// The training rows of a prompt predictor: machine labels, human ones behind them, without held-out prompts.
fn prompt_rows(
    recipe: &Recipe,
    machine: &[MachineLabelled],
    labelled: &[Record],
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
    let machine = (1..).zip(machine).map(|(line, row)| row.to_record(place(line)));
    let human = labelled.iter().filter(|record| record.prompt.is_some()).cloned();
    let rows =
        machine.chain(human).filter(|record| !record.prompt.as_deref().is_some_and(|p| held_out.contains(p)));
    weighed(rows.collect(), machine_weight, human_weight)
}

/// The scores of one fold's rows: of labelled responses, and of evaluation prompts under each training set.
struct Fold {
    responses: Vec<(usize, f64)>,
    prompts: [Vec<(usize, f64)>; 3],
}

fn cross_fit(
    recipe: &Recipe,
    data: &PipelineData,
    progress: Progress<'_>,
) -> Result<PipelineFigures, TrainingError> {
    let (labelled, evaluation) = (&data.labelled.records, data.evaluation());
    let plan = &recipe.evaluation;
    // Groups are found over both sets at once, so that a group is held out on both sides or on neither.
    let all: Vec<Record> = labelled.iter().chain(evaluation).cloned().collect();
    let grouping = Grouping::of(plan.grouped);
    let groups = grouping.groups(&all);
    let strata: Vec<u32> = all.iter().map(|record| u32::from(is_refused(record))).collect();
    let folds = assign_folds(&strata, Some(&groups), plan.folds, recipe.seed)?;
    let (labelled_folds, evaluation_folds) = folds.split_at(labelled.len());
    let run = |fold| {
        let (rest, responses) = split(labelled_folds, fold);
        let (_, prompts) = split(evaluation_folds, fold);
        let scores = run_fold(recipe, data, &rest, (&responses, &prompts));
        progress.step("cross-fit", plan.folds);
        scores
    };
    let parts: Vec<Fold> = (0..plan.folds).into_par_iter().map(run).collect::<Result<_, _>>()?;
    let kind = grouping.describe();
    let method =
        format!("{}-fold cross-fit of the whole path, {kind}, stratified, seed {}", plan.folds, recipe.seed);
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
        response: judge(Field::Response, labelled, responses),
        prompt: judge(Field::Prompt, evaluation, prompts(0)),
        prompt_machine_only: judge(Field::Prompt, evaluation, prompts(1)),
        prompt_human_only: judge(Field::Prompt, evaluation, prompts(2)),
        method,
    })
}

fn is_refused(record: &Record) -> bool {
    record.label.as_ref().and_then(demur_data::Labelled::target).is_some_and(|target| target >= 0.5)
}

fn run_fold(
    recipe: &Recipe,
    data: &PipelineData,
    rest: &[usize],
    (responses, prompts): (&[usize], &[usize]),
) -> Result<Fold, TrainingError> {
    let pick =
        |rows: &[usize], from: &[Record]| rows.iter().map(|&row| from[row].clone()).collect::<Vec<Record>>();
    let held_out =
        seen(&pick(responses, &data.labelled.records)).union(&seen(&pick(prompts, data.evaluation())));
    let rest = pick(rest, &data.labelled.records);
    let provenance = || Provenance {
        recipe: recipe.clone(),
        training: Vec::new(),
        figures: BTreeMap::new(),
        teacher: SeenPrompts::default(),
    };
    let (classifier, _) = train(Field::Response, &rest, provenance())?;
    let machine = bootstrap(&classifier, &data.unlabelled.records);
    let score = |labels| {
        let rows = prompt_rows(recipe, &machine, &rest, &held_out, labels);
        let (predictor, _) = train(Field::Prompt, &rows, provenance())?;
        scores(&predictor, data.evaluation(), prompts)
    };
    Ok(Fold {
        responses: scores(&classifier, &data.labelled.records, responses)?,
        prompts: [score(Labels::Both)?, score(Labels::Machine)?, score(Labels::Human)?],
    })
}

fn scores(model: &Model, records: &[Record], rows: &[usize]) -> Result<Vec<(usize, f64)>, TrainingError> {
    let inputs: Vec<Input<'_>> = rows.iter().map(|&row| crate::fit::input(&records[row])).collect();
    let logits = model.scorer().logits(&inputs)?;
    Ok(rows.iter().zip(logits).map(|(&row, logit)| (row, model.calibrated(logit).get())).collect())
}

/// Whether a person labelled this record; figures are taken on no other.
#[must_use]
pub fn is_human(record: &Record) -> bool {
    record.label.as_ref().is_some_and(|label| label.by == Labeller::Human)
}

impl PipelineFigures {
    /// The figures as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        // Every field is an evaluation or a string.
        serde_json::to_value(self).unwrap_or_default()
    }
}
