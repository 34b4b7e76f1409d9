//! The command line as it is typed, one file a group of commands. Parsing is pure; what flags mean together
//! is resolved in `sources` and in the commands.

mod ask;
mod base_rate;
mod collect;
mod config;
mod data;
mod drift;
mod figures;
mod fit;
mod layouts;
mod model;
mod place;
mod rates;
mod review;
mod route;
mod score;
mod serve;
mod shell;
mod tiers;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use ask::{
    AskedArgs, Contrast, ContrastSwap, ContrastTargets, ContrastTemplate, ContrastWhat, Explain, Predict,
};
pub(crate) use base_rate::{BaseRateArg, TrafficRate};
pub(crate) use collect::{AskArgs, Collect, PaceArgs};
pub(crate) use config::{Config, ConfigWhat, Health};
pub(crate) use data::{DataArgs, OpeningArgs, TextColumns};
pub(crate) use drift::Drift;
pub(crate) use figures::{Evaluate, ExportNotebook, Inspect, NotebookArg, Report, Reproduce};
pub(crate) use fit::{Bootstrap, Fit, Learn, Pipeline, RecipeArgs};
pub(crate) use layouts::Layouts;
pub(crate) use model::{
    ClassifierArg, ContextArg, ModelArg, PhrasesArg, PredictorArg, TargetArg, policy_of_flags,
};
pub(crate) use place::{Place, PlacedArg, Probes};
pub(crate) use rates::{LabelsArg, Rates, RatesFormat};
pub(crate) use review::Review;
pub(crate) use route::Route;
pub(crate) use score::{Label, PromptReading, PromptRows, Score};
pub(crate) use serve::{Key, Proxy, Serve};
pub(crate) use shell::{Shell, ShellWhat};
pub(crate) use tiers::{CascadeArgs, TierArgs};

/// Predicts whether a language model will refuse a prompt.
#[derive(Debug, Parser)]
#[command(
    name = "demur",
    version,
    max_term_width = 100,
    after_help = "\
The flow: label some responses by hand; `fit response` learns to recognise refusals in them;
`bootstrap` labels a larger corpus of prompts and responses with that; `fit prompt` learns from
it which prompts are refused; `predict` says so for new prompts, before they are sent.
`pipeline` does all of it from one recipe.

Files are JSON arrays, JSON Lines, CSV, TSV or Parquet, plain or compressed (gzip, zstd); `-` is
stdin or stdout. Stdout is data, stderr is log output.
Exit codes: 0 done, 1 the work failed, 2 wrong use, 130 interrupted.

`predict`, `score`, `label`, `serve` and others have bundled models and need none of yours.

Examples:
  demur predict \"Write a poem about autumn\"              will this be refused?
  demur score prompts.jsonl --out scored.jsonl            and each of a hundred million?
  demur label answers.jsonl --out labelled.jsonl          which of these answers are refusals?
  demur rates answers.jsonl --by target,category          who refuses how much of what?
  demur evaluate --field response FILE                    how good is the bundled model on these?
  demur evaluate --cv 10 --grouped --field response FILE  how well would one of your own do?
  demur learn --from logs.jsonl --out mine                a predictor of the model that gave them
  demur collect --endpoint URL --model NAME prompts.jsonl --store answers.db   ask your model
  demur serve                                             a pre-flight API and a page to try it
  demur pipeline                                          the whole path on the starter corpus"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Does the whole path of a recipe: fit, bootstrap, fit, and honest figures.
    Pipeline(Pipeline),
    /// Fits one model on labelled rows.
    Fit(Fit),
    /// Learns a predictor of one target from its answers.
    Learn(Box<Learn>),
    /// Asks a target prompts over HTTP and keeps its answers in a store.
    Collect(Box<Collect>),
    /// Adds `p_refusal`, label and kind to (prompt, response) rows.
    Label(Label),
    /// Makes the machine-labelled prompt corpus from (prompt, response) rows.
    Bootstrap(Bootstrap),
    /// Puts a new target into a predictor by some of its answers.
    Place(Place),
    /// Names the prompts whose answers tell most about a target.
    Probes(Probes),
    /// Says for each prompt whether it will be refused, and why.
    Predict(Predict),
    /// Shows which words of a prompt or answer say so, and what would flip it.
    Explain(Explain),
    /// Shows what a slot's words, the people in a prompt or the target change.
    Contrast(Contrast),
    /// Counts refusals: refused of n, by target, category or any other columns.
    Rates(Rates),
    /// Measures a model, or a recipe by cross-validation, on labelled rows.
    Evaluate(Evaluate),
    /// Shows what a model is: target, data, figures, strongest n-grams.
    Inspect(Inspect),
    /// Writes a page on a model: which words make the target refuse, how surely.
    Report(Report),
    /// Writes a notebook that holds its outputs, and the tables it reads.
    ExportNotebook(ExportNotebook),
    /// Runs the paper's tables on its authors' files, their figures beside ours.
    Reproduce(Reproduce),
    /// Scores files of prompts of any size.
    Score(Score),
    /// Says for each prompt of files which of several targets it should go to.
    Route(Route),
    /// Lists the layouts of files that are read by themselves, with an example of each.
    Layouts(Layouts),
    /// Serves the models over HTTP, with a page to try them.
    Serve(Serve),
    /// Says whether predictions still hold, by the feedback in a store.
    Drift(Drift),
    /// Shows the least certain labels of a store on a local page, to confirm or correct.
    Review(Review),
    /// Stands before a model's API and predicts each prompt before it is sent there.
    ///
    /// Every request and answer passes as it is; the headers x-demur-decision and x-demur-p-refusal say what was
    /// predicted. The service's own flags, variables and file of settings hold for it, but for --keys and --adapters.
    Proxy(Proxy),
    /// Makes an API key for `serve`: its entry for the file of --keys.
    ///
    /// The entry goes to stdout, the key itself, this once, to stderr.
    Key(Key),
    /// Checks or shows the settings of the service.
    Config(Config),
    /// Asks a running service whether it is ready.
    ///
    /// Exit code 0: it is. It is looked for where the flags, variables or file of `serve` say that it
    /// listens.
    Health(Health),
    /// Prints the completions of a shell, or writes the manual pages.
    Shell(Shell),
}

/// Which of the two models: the text that it judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FieldArg {
    /// The response classifier.
    Response,
    /// The prompt predictor.
    Prompt,
}

/// What rows are left out by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FacetArg {
    /// The data set.
    Source,
    /// The model that was asked.
    Target,
}
