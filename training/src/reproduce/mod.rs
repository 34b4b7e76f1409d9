//! The paper's tables, computed from the files that its authors published.
//!
//! Reuter & Schulze, "I'm Afraid I Can't Do That: Predicting Prompt Refusal in Black-Box Generative Language
//! Models" (2023, arXiv 2306.03423). Figures, file names, settings and order of work follow the README and
//! the scripts of github.com/maxwellreuter/chatgpt-refusals: rows whose tone is `dontknow` or `incoherent`
//! are dropped, every tone but `complied` counts as refusal, *then* the rows are split 70/15/15
//! ([`paper_split`]). The models are fitted on the 70%. The response classifier is evaluated on the last 15%.
//! The prompt predictor is fitted on 70% of the machine-labelled prompts and evaluated on all hand-labelled
//! ones.

pub(crate) mod liblinear;
pub(crate) mod numpy;
pub(crate) mod published;

use demur_data::Record;
use demur_predictor::Field;
use serde::Serialize;

use crate::encoder::EncoderStore;
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::features::ViewParams;
use crate::metrics::{auroc, nan_is_null, wilson};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::reproduce::liblinear::Liblinear;
use crate::reproduce::numpy::paper_split;
use crate::reproduce::published::{FileRead, Maybe, PaperFiles, PaperRows, thousands};
use crate::rows::seen;

/// The inverse penalty of the paper's logistic regressions.
const PAPER_C: f64 = 10.0;
/// How many n-grams the paper's figures show.
const SHOWN: usize = 18;
/// Steps that progress counts: six fits for the tables, two for the figures.
const PARTS: usize = 8;

const RESPONSES: &str = "response classifier";
const PROMPTS: &str = "prompt predictor";
const PROMPTS_ALONE: &str = "prompts by hand labels";

const JUDGED: &str = "the judged rows are";
const SPLIT: &str = "the split is";

const NO_FOREST: &str = "Demur has no random forest";
const NO_BERT: &str = "the authors' fine-tuned weights (bert_assets.zip) are not among the published data";

/// The result of a reproduction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reproduction {
    /// The paper.
    pub paper: &'static str,
    /// What was read.
    pub files: Vec<FileRead>,
    /// The tables, line by line.
    pub lines: Vec<Line>,
    /// The figures: n-grams with the largest weights.
    pub figures: Vec<Figure>,
}

/// One line of a table: the paper's figure and ours.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The task that is evaluated.
    pub table: &'static str,
    /// By which model.
    pub model: &'static str,
    /// The paper's accuracy; `None` if the paper has no such line.
    pub paper: Option<f64>,
    /// Ours; `None` if it could not be run.
    pub ours: Option<Measured>,
    /// How it was run, or why not.
    pub note: String,
}

/// An accuracy that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// Share of correct decisions.
    pub accuracy: f64,
    /// Its 95% Wilson score interval.
    pub accuracy_interval: (f64, f64),
    /// Rows scored.
    pub n: usize,
    /// Rows classified correctly.
    pub right: usize,
    /// Area under the ROC curve; `null` without both classes, .5 for a constant score.
    #[serde(serialize_with = "nan_is_null")]
    pub auroc: f64,
}

/// The n-grams with the largest weights of one of the paper's fits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Which.
    pub name: &'static str,
    /// N-gram and weight (above 0 points to refusal), from the strongest for refusal to the strongest
    /// against it.
    pub ngrams: Vec<(String, f64)>,
    /// How it was made, or why not.
    pub note: String,
}

impl Reproduction {
    /// All of it as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Every field is a number, a string or a list of them; NaN becomes null.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Runs everything that the available files allow.
///
/// # Errors
/// [`TrainingError`] when the hand-labelled responses cannot be read or fitted on. Problems with the other
/// files are in the notes of the lines that need them.
pub fn reproduce(files: &PaperFiles, progress: Progress<'_>) -> Result<Reproduction, TrainingError> {
    let recipe = Recipe::starter()?;
    let runs = PaperRuns { recipe: &recipe, progress };
    let mut out = Reproduction {
        paper: "Reuter & Schulze 2023, arXiv 2306.03423",
        files: Vec::new(),
        lines: Vec::new(),
        figures: Vec::new(),
    };
    let hand = PaperRows::read(&files.hand_labelled, Field::Response, 1_706, SPLIT)?;
    let quora = PaperRows::read_if_there(files.quora.as_deref(), PaperFiles::QUORA, 985, JUDGED);
    let machine = PaperRows::read_if_there(files.bootstrap.as_deref(), PaperFiles::BOOTSTRAP, 10_000, SPLIT);
    out.files.push(hand.about.clone());
    for rows in [&quora, &machine] {
        out.files.extend(rows.as_ref().ok().map(|rows| rows.about.clone()));
    }

    let responses = runs.responses(&hand, &mut out)?;
    let prompts = runs.bootstrapped(&quora, &machine, &mut out);
    runs.prompts_alone(&quora, &mut out);
    runs.figures(&hand, &responses, &machine, prompts.as_ref(), &mut out);
    Ok(out)
}

/// The first 70% and the last 15%.
fn train_and_test<'a>(all: &Examples<'a>) -> (Examples<'a>, Examples<'a>) {
    // Row numbers fit into u32 for every corpus that fits into memory with its texts.
    let split = paper_split(u32::try_from(all.len()).unwrap_or(u32::MAX));
    (all.subset(&split.train), all.subset(&split.test))
}

/// Classifies logits by their sign and scores that; like scikit-learn, a logit of 0 is complied.
fn measure(logits: &[f64], examples: &Examples<'_>) -> Measured {
    measured(logits, &logits.iter().map(|&logit| logit > 0.0).collect::<Vec<_>>(), examples)
}

fn measured(scores: &[f64], decisions: &[bool], examples: &Examples<'_>) -> Measured {
    let labels = examples.labels();
    let right = decisions.iter().zip(&labels).filter(|(decision, label)| decision == label).count();
    Measured {
        accuracy: right as f64 / labels.len() as f64,
        accuracy_interval: wilson(right, labels.len()),
        n: labels.len(),
        right,
        auroc: auroc(scores, &labels),
    }
}

/// Guesses the more frequent label of the training rows for every test row.
fn majority(train: &Examples<'_>, test: &Examples<'_>) -> Measured {
    let refused = train.labels().into_iter().filter(|&label| label).count();
    let guess = 2 * refused > train.len();
    measured(&vec![0.0; test.len()], &vec![guess; test.len()], test)
}

/// The paper's features: words of two characters or more, single to triple, scikit-learn's plain TF-IDF.
fn paper_fit(field: Field, train: &Examples<'_>) -> Result<Liblinear, TrainingError> {
    let view = ViewParams { ngrams: (1, 3), ..ViewParams::new(field) };
    Liblinear::fit(&[view], PAPER_C, train)
}

struct PaperRuns<'a> {
    recipe: &'a Recipe,
    progress: Progress<'a>,
}

impl PaperRuns<'_> {
    fn done(&self) {
        self.progress.step("reproduce", PARTS);
    }

    /// Demur's own recipe on the same rows.
    fn demur(
        &self,
        field: Field,
        train: &Examples<'_>,
        test: &Examples<'_>,
    ) -> Result<Measured, TrainingError> {
        // The starter recipe has no encoder tier.
        let fitted = self.recipe.plan(field, &EncoderStore::default()).fit(train, self.recipe.seed)?;
        let p_refusal = fitted.probabilities(&test.inputs)?;
        let hold_from = self.recipe.fit_of(field).policy.hold_from;
        let decisions: Vec<bool> = p_refusal.iter().map(|&p| p >= hold_from).collect();
        self.done();
        Ok(measured(&p_refusal, &decisions, test))
    }

    /// The paper's and Demur's model and the majority guess, one line each.
    fn lines(
        &self,
        (table, field): (&'static str, Field),
        (train, test): (&Examples<'_>, &Examples<'_>),
        paper: Option<f64>,
        note: &str,
    ) -> Result<(Liblinear, [Line; 3]), TrainingError> {
        if test.is_empty() || train.is_empty() {
            let hint = format!("{table}: {} rows to fit on, {} to judge by", train.len(), test.len());
            return Err(TrainingError::NoRows { step: "reproduce", hint });
        }
        let fit = paper_fit(field, train)?;
        self.done();
        let line = |model, paper, ours, note| Line { table, model, paper, ours: Some(ours), note };
        let lines = [
            line(LR, paper, measure(&fit.logits(&test.inputs), test), format!("{AS_AUTHORS}; {note}")),
            line(DEMUR, None, self.demur(field, train, test)?, note.to_owned()),
            line(MAJORITY, None, majority(train, test), "the label that most training rows have".to_owned()),
        ];
        Ok((fit, lines))
    }

    fn responses(&self, hand: &PaperRows, out: &mut Reproduction) -> Result<Liblinear, TrainingError> {
        let all = hand.examples();
        let (train, test) = train_and_test(&all);
        let note = format!("fitted on {} rows{}", thousands(train.len()), hand.caution());
        let (fit, [lr, demur, majority]) =
            self.lines((RESPONSES, Field::Response), (&train, &test), Some(0.9062), &note)?;
        out.lines.extend([
            lr,
            not_run(RESPONSES, "random forest", Some(0.8672), NO_FOREST),
            not_run(RESPONSES, "BERT", Some(0.9648), NO_BERT),
            demur,
            majority,
        ]);
        Ok(fit)
    }

    fn bootstrapped(
        &self,
        quora: &Maybe<PaperRows>,
        machine: &Maybe<PaperRows>,
        out: &mut Reproduction,
    ) -> Option<Liblinear> {
        let run = || -> Maybe<(Liblinear, [Line; 3])> {
            let (quora, machine) = (quora.as_ref()?, machine.as_ref()?);
            let (all, test) = (machine.examples(), quora.examples());
            let (train, _) = train_and_test(&all);
            let judged = seen(&quora.records);
            let shared =
                train.inputs.iter().filter(|input| input.prompt.is_some_and(|p| judged.contains(p))).count();
            let overlap = match shared {
                0 => String::new(),
                some => format!("; {some} training prompts are among the judged ones"),
            };
            let partial = [quora, machine].into_iter().find(|rows| !rows.about.complete);
            let caution = partial.map_or("", PaperRows::caution);
            let n = thousands(train.len());
            let note = format!("fitted on {n} machine-labelled rows{caution}{overlap}");
            let what = (PROMPTS, Field::Prompt);
            self.lines(what, (&train, &test), Some(0.7391), &note).map_err(|error| error.to_string())
        };
        let forest = not_run(PROMPTS, "random forest", Some(0.7218), NO_FOREST);
        let bert = not_run(PROMPTS, "BERT", Some(0.7594), NO_BERT);
        match run() {
            Ok((fit, [lr, demur, majority])) => {
                out.lines.extend([lr, forest, bert, demur, majority]);
                Some(fit)
            }
            Err(why) => {
                let lr = not_run(PROMPTS, LR, Some(0.7391), &why);
                out.lines.extend([lr, forest, bert, not_run(PROMPTS, DEMUR, None, &why)]);
                None
            }
        }
    }

    /// An evaluation that the paper does not report but the files allow: hand-labelled prompts on both sides.
    fn prompts_alone(&self, quora: &Maybe<PaperRows>, out: &mut Reproduction) {
        let run = || -> Maybe<[Line; 3]> {
            let quora = quora.as_ref()?;
            let all = quora.examples();
            let (train, test) = train_and_test(&all);
            let note =
                format!("fitted on {} rows{}; not in the paper", thousands(train.len()), quora.caution());
            let lines = self.lines((PROMPTS_ALONE, Field::Prompt), (&train, &test), None, &note);
            lines.map(|(_, lines)| lines).map_err(|error| error.to_string())
        };
        match run() {
            Ok(lines) => out.lines.extend(lines),
            Err(why) => out.lines.extend([LR, DEMUR].map(|model| not_run(PROMPTS_ALONE, model, None, &why))),
        }
    }

    fn figures(
        &self,
        hand: &PaperRows,
        responses: &Liblinear,
        machine: &Maybe<PaperRows>,
        prompts: Option<&Liblinear>,
        out: &mut Reproduction,
    ) {
        let figure = |name, fit: Maybe<&Liblinear>| match fit {
            Ok(fit) => Figure { name, ngrams: fit.strongest(SHOWN), note: AS_PAPER.to_owned() },
            Err(why) => Figure { name, ngrams: Vec::new(), note: format!("not run: {why}") },
        };
        let fit = |rows: &PaperRows, field| {
            let has_text = |record: &&Record| match field {
                Field::Prompt => record.prompt.is_some(),
                Field::Response => record.response.is_some(),
            };
            if rows.records.iter().filter(has_text).count() < rows.records.len() {
                return Err(format!("{}: there are rows without a {}", rows.about.file, field.name()));
            }
            let fit = paper_fit(field, &train_and_test(&rows.examples()).0);
            self.done();
            fit.map_err(|error| error.to_string())
        };
        out.figures.push(figure("hand-labelled responses", Ok(responses)));
        let hand_prompts = fit(hand, Field::Prompt);
        out.figures.push(figure("hand-labelled prompts", hand_prompts.as_ref().map_err(Clone::clone)));
        let why = machine.as_ref().err().cloned();
        let machine_responses =
            machine.as_ref().map_err(Clone::clone).and_then(|rows| fit(rows, Field::Response));
        out.figures
            .push(figure("machine-labelled responses", machine_responses.as_ref().map_err(Clone::clone)));
        let why = why.unwrap_or_else(|| "its fit failed, see the table".to_owned());
        out.figures.push(figure("machine-labelled prompts", prompts.ok_or(why)));
    }
}

const LR: &str = "logistic regression";
const DEMUR: &str = "Demur, default recipe";
const MAJORITY: &str = "majority guess";
const AS_AUTHORS: &str = "as the authors: words 1-3, TF-IDF, liblinear, C = 10";
const AS_PAPER: &str = "the 18 largest weights of the paper's fit; the paper draws them as a bar chart";

fn not_run(table: &'static str, model: &'static str, paper: Option<f64>, why: &str) -> Line {
    Line { table, model, paper, ours: None, note: format!("not run: {why}") }
}
