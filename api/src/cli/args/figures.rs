//! Commands that measure and show models: `evaluate`, `inspect`, `report`, `export-notebook`, `reproduce`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::args::{
    BaseRateArg, CascadeArgs, DataArgs, FacetArg, FieldArg, ModelArg, PhrasesArg, PlacedArg, RecipeArgs,
};

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("method").args(["model", "cv", "holdout", "test_split", "leave_one_out"]))]
pub(crate) struct Evaluate {
    /// Labelled rows. Default: the recipe's labelled files.
    #[arg(value_name = "DATA")]
    pub(crate) data: Vec<PathBuf>,
    /// Judge this model, on rows whose prompts it has not seen. Default: the bundled model of --field.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) tiers: CascadeArgs,
    #[command(flatten)]
    pub(crate) base_rate: BaseRateArg,
    #[command(flatten)]
    pub(crate) placed: PlacedArg,
    #[command(flatten)]
    pub(crate) phrases: PhrasesArg,
    /// Judge a recipe by cross-validation with this many folds.
    #[arg(long, value_name = "FOLDS", requires = "field", value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) cv: Option<u32>,
    /// Judge a recipe on this share of the rows, fitted on the rest.
    #[arg(long, value_name = "SHARE", requires = "field")]
    pub(crate) holdout: Option<f64>,
    /// Judge a recipe on the rows whose split column says NAME, fitted on the others.
    #[arg(long, value_name = "NAME", requires = "field")]
    pub(crate) test_split: Option<String>,
    /// Judge a recipe on each source or target with at least 20 rows, fitted on the others.
    #[arg(long, value_name = "FACET", requires = "field")]
    pub(crate) leave_one_out: Option<FacetArg>,
    /// List words that betray a source: frequent in its refused (or answered) rows and rare in those of the
    /// others.
    #[arg(long, conflicts_with = "leave_one_out")]
    pub(crate) confounds: bool,
    /// Write the rows whose labels are most doubtful after --cv, as JSON Lines, the most doubtful first.
    #[arg(long, value_name = "FILE", requires = "cv", conflicts_with_all = ["holdout", "test_split", "leave_one_out"])]
    pub(crate) suspects: Option<PathBuf>,
    /// Count n-grams once for all fits of --leave-one-out, in a fraction of the time. Left-out texts then
    /// have a part in the vocabulary, left-out labels in nothing.
    #[arg(long, requires = "leave_one_out")]
    pub(crate) share_counts: bool,
    /// Judge the sources of this TOML file too, [[unseen]] tables written as a recipe's [[labelled]], by a
    /// fit on all rows.
    #[arg(long, value_name = "FILE", requires = "leave_one_out")]
    pub(crate) unseen: Option<PathBuf>,
    /// Keep templates and near-duplicates on one side of --cv and --holdout.
    #[arg(long, conflicts_with_all = ["model", "test_split", "leave_one_out"])]
    pub(crate) grouped: bool,
    /// The text to judge (a model that is named knows its own).
    #[arg(long)]
    pub(crate) field: Option<FieldArg>,
    /// Judge rows too whose prompts the model has seen. By default they are left out, and counted.
    #[arg(long)]
    pub(crate) allow_overlap: bool,
    /// Where bad rows go; without it the first are shown.
    #[arg(long, value_name = "FILE")]
    pub(crate) rejected: Option<PathBuf>,
    /// All figures as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

impl Evaluate {
    /// Whether a recipe is judged, not a model that is there.
    pub(crate) const fn judges_a_recipe(&self) -> bool {
        self.cv.is_some()
            || self.holdout.is_some()
            || self.test_split.is_some()
            || self.leave_one_out.is_some()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The model: a directory, or the name of a bundled one. Without it the bundled models are listed.
    #[arg(value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
    /// How many n-grams to show on each side, and measures of style.
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub(crate) top: usize,
    /// The manifest, digest and n-grams as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) model: ModelArg,
    /// Labelled rows; may be repeated. Without them the report holds what the model itself holds.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) data: Vec<PathBuf>,
    /// Folder of the report: report.html, tables/ (CSV and Parquet), figures/ (SVG and PNG).
    #[arg(long, value_name = "DIR", default_value = "demur-report")]
    pub(crate) out: PathBuf,
    /// Bootstrap samples behind the intervals of weights; 0 for no refits.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) resamples: usize,
    #[command(flatten)]
    pub(crate) phrases: PhrasesArg,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

/// Which notebook is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NotebookArg {
    /// Which words make the target refuse, with figures and rows to look at.
    Report,
    /// How good the model is, with the rows that it is most wrong about.
    Evaluate,
    /// Two models on the same rows.
    Compare,
}

#[derive(Debug, Args)]
pub(crate) struct ExportNotebook {
    /// Which notebook.
    #[arg(default_value = "report")]
    pub(crate) notebook: NotebookArg,
    #[command(flatten)]
    pub(crate) model: ModelArg,
    /// The second model of `compare`, of the same field.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) against: Option<PathBuf>,
    /// Labelled rows; may be repeated.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    pub(crate) data: Vec<PathBuf>,
    /// The notebook; its tables go into a folder beside it: for REPORT.ipynb, REPORT-tables/.
    #[arg(long, value_name = "REPORT.ipynb", default_value = "report.ipynb")]
    pub(crate) out: PathBuf,
    /// Bootstrap samples behind the intervals of weights in `report`; 0 for no refits.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) resamples: usize,
    #[command(flatten)]
    pub(crate) phrases: PhrasesArg,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Reproduce {
    /// Folder of `hand_labeled.json` (or `all_hand_labeled.json`), `quora_insincere_hand_labeled.json` and,
    /// where there is one, `quora_insincere_large_bootstrap.json`; or a clone of the authors' repository.
    #[arg(value_name = "DIR_OF_CHATGPT_REFUSALS")]
    pub(crate) dir: PathBuf,
    /// Tables and figures as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
