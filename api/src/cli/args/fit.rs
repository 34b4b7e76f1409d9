//! Commands that make models and machine labels: `pipeline`, `fit`, `bootstrap`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use demur_predictor::Field;

use crate::cli::args::{AskArgs, ClassifierArg, DataArgs, PaceArgs, PhrasesArg, TierArgs};
use crate::store::StorePlace;

#[derive(Debug, Args)]
pub(crate) struct Pipeline {
    /// The recipe, a TOML file. Default: the starter recipe on the starter corpus.
    pub(crate) recipe: Option<PathBuf>,
    /// Folder of the results: response/, bootstrap.jsonl, prompt/, evaluation.json, report.ipynb,
    /// recipe.toml.
    #[arg(long, value_name = "DIR", default_value = "demur-out")]
    pub(crate) out: PathBuf,
    /// Folder that the recipe's file names are relative to. Default: the recipe's own.
    #[arg(long, value_name = "DIR", requires = "recipe")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Print the figures as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `fit` fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FitArg {
    /// The response classifier.
    Response,
    /// The prompt predictor.
    Prompt,
    /// The encoder of the recipe's [encoder], which both models can use.
    Encoder,
}

impl FitArg {
    /// The field of the model that is fitted; an encoder is of both.
    pub(crate) fn field(self) -> Option<Field> {
        match self {
            Self::Response => Some(Field::Response),
            Self::Prompt => Some(Field::Prompt),
            Self::Encoder => None,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Fit {
    /// What to fit.
    pub(crate) model: FitArg,
    /// Labelled rows; may be repeated. Default: the recipe's labelled files.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) data: Vec<PathBuf>,
    /// Folder of the model.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Judge the model on the sources of this TOML file too, [[unseen]] tables written as a recipe's
    /// [[labelled]], and keep the figures in its manifest.
    #[arg(long, value_name = "TOML")]
    pub(crate) unseen: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Bootstrap {
    /// Rows with prompts and responses.
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) model: ClassifierArg,
    #[command(flatten)]
    pub(crate) tier: TierArgs,
    #[command(flatten)]
    pub(crate) phrases: PhrasesArg,
    /// Where the prompts go; bad rows go to OUT.rejected.jsonl, digests of the classifier's prompts to
    /// OUT.seen.
    #[arg(long, value_name = "OUT")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Learn {
    /// Prompts with the target's answers: logs, batches, any layout that `label` reads; may be repeated.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) from: Vec<PathBuf>,
    /// Ask this endpoint of `OpenAI`'s chats, as `collect` does, in place of reading answers.
    #[arg(long, value_name = "URL", conflicts_with = "from", requires = "target")]
    pub(crate) endpoint: Option<String>,
    /// The target to learn, where the answers are of several; with --endpoint, the model to ask.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// Ask these prompts; may be repeated. Default: the probe set that comes with demur, 600 of it.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "endpoint")]
    pub(crate) prompts: Vec<PathBuf>,
    /// Ask N prompts, chosen at random; of the probe set, the first.
    #[arg(long, value_name = "N", requires = "endpoint")]
    pub(crate) budget: Option<usize>,
    /// Where answers are kept, as `collect` keeps them. Default: answers.db in the folder of the results.
    #[arg(long, value_name = "FILE_OR_URL", requires = "endpoint", value_parser = StorePlace::parse)]
    pub(crate) store: Option<StorePlace>,
    /// Folder of the results: prompt/ (the predictor), report/, labelled.jsonl (what it learned from),
    /// evaluation.json.
    #[arg(long, value_name = "DIR", default_value = "demur-learned")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) model: ClassifierArg,
    #[command(flatten)]
    pub(crate) tier: TierArgs,
    #[command(flatten)]
    pub(crate) phrases: PhrasesArg,
    /// Set one value of the recipe, for example --set prompt.fit.c=3; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Print the figures as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecipeArgs {
    /// Take features, solver and seed from this recipe, and its labelled files where none are named. Default:
    /// the starter recipe's features, solver and seed.
    #[arg(long, value_name = "TOML")]
    pub(crate) recipe: Option<PathBuf>,
    /// Folder that the recipe's file names are relative to. Default: the recipe's own.
    #[arg(long, value_name = "DIR", requires = "recipe")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Set one value of the recipe, for example --set response.c=3; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Go on from the checkpoints of an encoder's fit that was cut off.
    #[arg(long)]
    pub(crate) resume: bool,
}
