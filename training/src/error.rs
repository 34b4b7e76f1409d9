//! The errors of fitting, bootstrapping and evaluating.

use std::path::PathBuf;

use demur_data::DataError;
use demur_predictor::encoder::EncoderError;
use demur_predictor::{ModelError, ScoreError, SettingsError};

/// The errors between a corpus and a fitted, evaluated model.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// A corpus cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A model directory cannot be read or written.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Features or policy have invalid settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A model returned an error.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// An encoder cannot be read or run.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// This build cannot fit encoders.
    #[error(
        "the recipe's `tune` fits an encoder, which takes libtorch: build demur with `--features bert` after \
         `scripts/setup-bert.sh`, or leave `tune` out"
    )]
    NoTorch,
    /// Threads cannot be started, or one failed.
    #[error("threads: {cause}")]
    Threads {
        /// The message of the system.
        cause: String,
    },
    /// Embeddings cannot be written to the cache.
    #[error("{}: {cause}; DEMUR_CACHE names another folder, or `off`", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        cause: std::io::Error,
    },
    /// The state of a fit cannot be written or read.
    #[error(
        "the state of the encoder's fit: {reason}; run it without --resume, or with DEMUR_CACHE naming another folder"
    )]
    Checkpoint {
        /// What is wrong.
        reason: String,
    },
    /// linfa rejected its parameters or data.
    #[error(transparent)]
    Linfa(#[from] linfa::error::Error),
    /// linfa's dense logistic regression failed.
    #[error("second level: {0}; raise alpha, or look for columns that are all alike")]
    Dense(#[from] linfa_logistic::error::Error),
    /// A template or a list of terms is malformed.
    #[error("{reason}")]
    Template {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// There are too few answers to place a target by, or more than that is meant for.
    #[error(
        "{prompts} different prompts with a label: a target is placed by {} to {} of them; with more, fit a predictor of \
         its own (`demur fit prompt`)",
        crate::FEWEST_PROMPTS,
        crate::MOST_PROMPTS
    )]
    Place {
        /// Different prompts.
        prompts: usize,
    },
    /// Prompts cannot be chosen from these.
    #[error(
        "{wanted} prompts are to be chosen from {candidates} different ones: choose fewer, {} at most, from {} at most",
        crate::MOST_PROBES,
        crate::MOST_CANDIDATES
    )]
    Candidates {
        /// The prompts to choose from.
        candidates: usize,
        /// How many are to be chosen.
        wanted: usize,
    },
    /// A parameter is out of range.
    #[error("`{name}` is {value}: it must be {wanted}")]
    Parameter {
        /// Its name in the recipe.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The values that are allowed.
        wanted: &'static str,
    },
    /// A source in a recipe is invalid.
    #[error("source {title}: `{name}` is {value}: it must be {wanted}")]
    Source {
        /// Its name, or its first file.
        title: String,
        /// The key in the recipe.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The values that are allowed.
        wanted: &'static str,
    },
    /// A pipeline was given labels of this program to learn from and to be evaluated on.
    #[error(
        "source {title}: demur labelled {rows} of its rows, by which a pipeline would judge itself; name the file under \
         [[unlabelled]], or fit on it with `demur fit`"
    )]
    OwnLabels {
        /// Its name, or its first file.
        title: String,
        /// How many such rows there are.
        rows: usize,
    },
    /// Vectors that must have the same length do not.
    #[error("{found} {what}, expected {expected}")]
    Lengths {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A target that is not a probability.
    #[error("row {row}: the target is {target}: it must lie within 0 (complied) and 1 (refused)")]
    Target {
        /// 0-based row of the training set.
        row: usize,
        /// Its target.
        target: f64,
    },
    /// A negative or non-finite weight.
    #[error("row {row}: the weight is {weight}: it must be a finite number of at least 0")]
    Weight {
        /// 0-based row of the training set.
        row: usize,
        /// Its weight.
        weight: f64,
    },
    /// All rows have the same label, so there is nothing to learn.
    #[error(
        "the {rows} training rows are all refused or all complied: a fit needs both; look at the label column (--label-column) and the label table (--label-map)"
    )]
    OneClass {
        /// Rows in the training set.
        rows: usize,
    },
    /// The optimiser stopped before it converged.
    #[error(
        "the logistic regression with c = {c} did not converge in {iterations} Newton steps; lower c or raise max_iterations"
    )]
    NotConverged {
        /// Steps taken.
        iterations: usize,
        /// The `c` of the fit.
        c: f64,
    },
    /// No n-gram is left in a view.
    #[error(
        "view {view} of the {field}: no n-gram is left after min_df and max_df, over {documents} texts; lower min_df or raise max_df"
    )]
    EmptyVocabulary {
        /// 1-based number of the view.
        view: usize,
        /// The text that it reads.
        field: &'static str,
        /// Texts that were counted.
        documents: u32,
    },
    /// There are no sources to leave out.
    #[error(
        "calibrate_on = \"left-out-sources\": the rows name fewer than two sources, so none can be left out; give the \
         recipe's sources a `name` each, or say calibrate_on = \"folds\""
    )]
    FewSources,
    /// There are no rows for a step.
    #[error("{step}: no rows are left to work on; {hint}")]
    NoRows {
        /// The step.
        step: &'static str,
        /// What to do.
        hint: String,
    },
    /// A fit without one of the sources or targets failed.
    #[error("without `{value}`: {cause}")]
    LeftOut {
        /// What was left out.
        value: String,
        /// Why the fit failed.
        cause: Box<Self>,
    },
    /// The file is not a valid recipe.
    #[error("{}: {reason}", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
    /// A setting on the command line does not match the recipe.
    #[error("--set {setting}: {reason}")]
    Set {
        /// The setting as given.
        setting: String,
        /// What is wrong.
        reason: String,
    },
}

impl TrainingError {
    /// The error of a step in which no row has a label.
    pub(crate) fn no_labels(step: &'static str) -> Self {
        let hint = "the file needs rows with a label and with the text that the model judges".to_owned();
        Self::NoRows { step, hint }
    }
}
