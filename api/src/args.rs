//! The command line as it is typed. Parsing is pure; what flags mean together is resolved in `input`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::base_rate::{BaseRateArg, TrafficRate};
use crate::rules::parse_top;
use crate::score::Filter;
use crate::service::Options;
use crate::tiers::{CascadeArgs, TierArgs};

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
stdin or stdout. Stdout is data, stderr is talk.
Exit codes: 0 done, 1 the work failed, 2 wrong use, 130 interrupted.

`predict`, `score`, `label`, `serve` and others have bundled models and need none of yours.

Examples:
  demur predict \"Write a poem about autumn\"              will this be refused?
  demur score prompts.jsonl --out scored.jsonl            and each of a hundred million?
  demur label answers.jsonl --out labelled.jsonl          which of these answers are refusals?
  demur evaluate --field response FILE                    how good is the bundled model on these?
  demur evaluate --cv 10 --grouped --field response FILE  how well would one of your own do?
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
    /// Adds `p_refusal`, label and kind to (prompt, response) rows.
    Label(Label),
    /// Makes the machine-labelled prompt corpus from (prompt, response) rows.
    Bootstrap(Bootstrap),
    /// Says for each prompt whether it will be refused, and why.
    Predict(Predict),
    /// Shows which words of a prompt or answer say so, and what would flip it.
    Explain(Explain),
    /// Shows what a slot's words, the people in a prompt or the target change.
    Contrast(Contrast),
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
    /// Serves the models over HTTP, with a page to try them.
    Serve(Serve),
    /// Makes an API key for `serve`: its entry for the file of --keys.
    ///
    /// The entry goes to stdout, the key itself, this once, to stderr.
    Key(Key),
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

#[derive(Debug, Args)]
pub(crate) struct Pipeline {
    /// The recipe, a TOML file. Default: the starter recipe on the starter corpus.
    pub(crate) recipe: Option<PathBuf>,
    /// Folder of the results: response/, bootstrap.jsonl, prompt/, evaluation.json, report.ipynb, recipe.toml.
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

#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Set one value of the recipe, for example --set response.c=3; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Go on from the checkpoints of an encoder's fit that was cut off.
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Fit {
    /// Which model to fit.
    pub(crate) model: FieldArg,
    /// Labelled rows; may be repeated. Default: the recipe's labelled files.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) data: Vec<PathBuf>,
    /// Folder of the model.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Judge the model on the sources of this TOML file too, [[unseen]] tables written as a recipe's [[labelled]], and
    /// keep the figures in its manifest.
    #[arg(long, value_name = "TOML")]
    pub(crate) unseen: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecipeArgs {
    /// Take features, solver and seed from this recipe, and its labelled files where none are named. Default: the
    /// starter recipe's features, solver and seed.
    #[arg(long, value_name = "TOML")]
    pub(crate) recipe: Option<PathBuf>,
    /// Folder that the recipe's file names are relative to. Default: the recipe's own.
    #[arg(long, value_name = "DIR", requires = "recipe")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Args)]
pub(crate) struct Label {
    /// Files of rows with responses, folders of them, patterns (`rows-*.jsonl`), or `-`.
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// The response classifier: a directory, or the name of a bundled one. Default: the bundled `response`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) tiers: CascadeArgs,
    #[command(flatten)]
    pub(crate) base_rate: BaseRateArg,
    /// Where the rows go; the ending tells the format, .gz or .zst behind it packs. Bad rows go to OUT.rejected.jsonl.
    #[arg(long, value_name = "OUT")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// Format of the inputs: jsonl, json, csv, tsv, parquet or arrow. Default: by content or name.
    #[arg(long, value_name = "FORMAT", help_heading = "Reading")]
    pub(crate) format: Option<demur_data::Format>,
    /// Column of the prompt; dots reach into nested objects (meta.text).
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) prompt_column: Option<String>,
    /// Column of the response.
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) response_column: Option<String>,
    /// Column of a chat (a list of {role, content}).
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) messages_column: Option<String>,
    /// Column of the model that answered.
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) target_column: Option<String>,
}

/// Which rows are written, and how a run goes.
#[derive(Debug, Args)]
pub(crate) struct Rows {
    /// Format of the output. Default: by name; in a pipe, that of the inputs (`label`: JSON Lines).
    #[arg(long, value_name = "FORMAT")]
    pub(crate) to: Option<demur_data::Format>,
    /// Write only rows of which this is true: `p_refusal > 0.8`, `decision == hold`, `kind != complied`.
    #[arg(long, value_name = "CONDITION")]
    pub(crate) r#where: Option<Filter>,
    /// Write only the N rows with the highest P(refusal), the highest first.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
    /// Write the rows from the highest P(refusal) to the lowest.
    #[arg(long, conflicts_with = "top")]
    pub(crate) sort: bool,
    /// Read only the first N rows.
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<usize>,
    /// Go on with an unfinished run, from the last block that it finished.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Stop at the first bad row.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Threads. Default: one a core. The output does not depend on it.
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
    /// The summary as JSON on stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bootstrap {
    /// Rows with prompts and responses.
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// The response classifier: a directory, or the name of a bundled one. Default: the bundled `response`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) tier: TierArgs,
    /// Where the prompts go; bad rows go to OUT.rejected.jsonl, digests of the classifier's prompts to OUT.seen.
    #[arg(long, value_name = "OUT")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// A prompt, or `-` for one prompt a line on stdin.
    #[arg(required = true, value_name = "PROMPT")]
    pub(crate) prompts: Vec<String>,
    /// The prompt predictor: a directory, or the name of a bundled one. Default: the bundled `prompt`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) tiers: CascadeArgs,
    #[command(flatten)]
    pub(crate) base_rate: BaseRateArg,
    /// The model that will be asked, as the predictor's data name it.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// How many of the strongest words to show, 100 at most.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = parse_top)]
    pub(crate) top: usize,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The prompt, or the answer where --model is a response classifier; `-` for all of stdin.
    pub(crate) text: String,
    /// The prompt that the answer was given to.
    #[arg(long, value_name = "PROMPT")]
    pub(crate) prompt: Option<String>,
    /// A prompt predictor, or a response classifier: a directory, or the name of a bundled one. Default: the bundled
    /// `prompt`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) tiers: CascadeArgs,
    /// The model that will be asked, as the predictor's data name it.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// From this P(refusal) up the decision is `hold`, below it `send`. Default: the model's own.
    #[arg(long, value_name = "P")]
    pub(crate) hold_from: Option<f64>,
    /// How many words to show by themselves, 100 at most.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = parse_top)]
    pub(crate) top: usize,
    /// Show the model's n-grams and pieces of words in place of whole words.
    #[arg(long, conflicts_with = "json")]
    pub(crate) pieces: bool,
    /// All of it as one JSON object, as `/v1/explain` gives it.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Contrast {
    #[command(subcommand)]
    pub(crate) what: ContrastWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContrastWhat {
    /// P(refusal) of a template by what fills its slots, with the spread over the other slots.
    Template(ContrastTemplate),
    /// The same prompts about other people: names, genders, nationalities, religions, ages.
    Swap(ContrastSwap),
    /// One target against another, on labelled rows of both.
    Targets(ContrastTargets),
}

#[derive(Debug, Args)]
pub(crate) struct ContrastTemplate {
    /// The template, for example "What happened in {place} in {time}?".
    pub(crate) template: String,
    /// What fills a slot: a file with one filler a line, or fillers with commas between; once for each slot.
    #[arg(long, value_name = "SLOT=FILE_OR_LIST", required = true)]
    pub(crate) fill: Vec<String>,
    #[command(flatten)]
    pub(crate) asked: AskedArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ContrastSwap {
    /// Prompts. Default: those of --data.
    pub(crate) prompts: Vec<String>,
    /// Files with a column of prompts; may be repeated.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) data: Vec<PathBuf>,
    /// Lists to swap by: names, genders, nationalities, religions, ages, or a file (tabs between columns, the groups in
    /// its first line); may be repeated. Default: all five.
    #[arg(long, value_name = "LIST")]
    pub(crate) list: Vec<String>,
    #[command(flatten)]
    pub(crate) asked: AskedArgs,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ContrastTargets {
    /// The first target, as the rows and the predictor name it.
    pub(crate) first: String,
    /// The second target.
    pub(crate) second: String,
    /// Prompts to ask the predictor about, for both targets.
    pub(crate) prompts: Vec<String>,
    /// Labelled rows of both targets; may be repeated.
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "prompts")]
    pub(crate) data: Vec<PathBuf>,
    /// The prompt predictor: a directory, or the name of a bundled one. Default: the bundled `prompt`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
    /// All of it as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

/// Which predictor is asked, and how the answer is written.
#[derive(Debug, Args)]
pub(crate) struct AskedArgs {
    /// The prompt predictor: a directory, or the name of a bundled one. Default: the bundled `prompt`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
    /// The model that will be asked, as the predictor's data name it.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// All of it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

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
    /// List words that betray a source: frequent in its refused (or answered) rows and rare in those of the others.
    #[arg(long, conflicts_with = "leave_one_out")]
    pub(crate) confounds: bool,
    /// Write the rows whose labels are most doubtful after --cv, as JSON Lines, the most doubtful first.
    #[arg(long, value_name = "FILE", requires = "cv", conflicts_with_all = ["holdout", "test_split", "leave_one_out"])]
    pub(crate) suspects: Option<PathBuf>,
    /// Count n-grams once for all fits of --leave-one-out, in a fraction of the time. Left-out texts then have a part in the
    /// vocabulary, left-out labels in nothing.
    #[arg(long, requires = "leave_one_out")]
    pub(crate) share_counts: bool,
    /// Judge the sources of this TOML file too, [[unseen]] tables written as a recipe's [[labelled]], by a fit on all rows.
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
    /// The model: a directory, or the name of a bundled one. Default: the bundled `prompt`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
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
    /// The model: a directory, or the name of a bundled one. Default: the bundled `prompt`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
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
    pub(crate) columns: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Reproduce {
    /// Folder of `hand_labeled.json` (or `all_hand_labeled.json`), `quora_insincere_hand_labeled.json` and, where
    /// there is one, `quora_insincere_large_bootstrap.json`; or a clone of the authors' repository.
    #[arg(value_name = "DIR_OF_CHATGPT_REFUSALS")]
    pub(crate) dir: PathBuf,
    /// Tables and figures as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Score {
    /// Files of prompts, folders of them, patterns (`rows-*.jsonl`), or `-`; text may be packed with gzip or zstd.
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Where the rows go; the ending tells the format, .gz or .zst behind it packs. Bad rows go to OUT.rejected.jsonl.
    #[arg(long, value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// The prompt predictor: a directory, or the name of a bundled one. Default: the bundled `prompt`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) tiers: CascadeArgs,
    /// Share of refusals in this traffic, from 0 to 1, or `auto`: estimated from the first 100,000 rows of the inputs.
    /// Probabilities are moved to it from the one that the model's manifest states.
    #[arg(long, value_name = "RATE", value_parser = TrafficRate::parse)]
    pub(crate) base_rate: Option<TrafficRate>,
    /// The model that will be asked, as the predictor's data name it.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// Add the N strongest words of each row, 100 at most, with all else that sums to the answer.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_top)]
    pub(crate) explain: usize,
    /// Add the kind of refusal, where the predictor tells kinds apart.
    #[arg(long)]
    pub(crate) kinds: bool,
    /// Add the 95% interval of the share refused among unseen rows with a similar P(refusal).
    #[arg(long)]
    pub(crate) interval: bool,
    /// From this P(refusal) up the decision is `hold`. Default: the model's own.
    #[arg(long, value_name = "P")]
    pub(crate) hold_from: Option<f64>,
    /// Below this P(refusal) the decision is `send`, between the two `abstain`. Default: --hold-from, else the model's own.
    #[arg(long, value_name = "P")]
    pub(crate) send_below: Option<f64>,
    /// Longest prompt in characters; longer ones are bad rows.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) max_chars: usize,
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// Format of the inputs: jsonl, json, csv, tsv, parquet or arrow. Default: by content or name.
    #[arg(long, value_name = "FORMAT", help_heading = "Reading")]
    pub(crate) format: Option<demur_data::Format>,
    /// Column of the prompt; dots reach into nested objects. Default: prompt, question, instruction, input, text, messages.
    #[arg(long, value_name = "NAME", conflicts_with = "messages_column", help_heading = "Reading")]
    pub(crate) prompt_column: Option<String>,
    /// Column of a chat (a list of {role, content}); its last message of the user is scored.
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) messages_column: Option<String>,
}

/// More threads than any machine has cores, and fewer than would hang one.
pub(crate) const MOST_THREADS: usize = 512;

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=MOST_THREADS) => Ok(threads),
        _ => Err(format!("it must be a number from 1 to {MOST_THREADS}")),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Key {
    /// Whose key it is; the name stands in the file and in logs.
    pub(crate) name: String,
    /// The key may use the admin routes.
    #[arg(long)]
    pub(crate) admin: bool,
    /// Most requests a second by this key.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
}

/// How files are read. Names are found by themselves where they are usual ones.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Reading")]
pub(crate) struct DataArgs {
    /// Format of all inputs: json, jsonl, csv, tsv, parquet or arrow. Default: by name or content.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<demur_data::Format>,
    /// Column of the prompt; dots reach into nested objects (meta.text).
    #[arg(long, value_name = "NAME")]
    pub(crate) prompt_column: Option<String>,
    /// Column of the response.
    #[arg(long, value_name = "NAME")]
    pub(crate) response_column: Option<String>,
    /// Column of a chat (a list of {role, content}).
    #[arg(long, value_name = "NAME")]
    pub(crate) messages_column: Option<String>,
    /// Column of the label.
    #[arg(long, value_name = "NAME")]
    pub(crate) label_column: Option<String>,
    /// Column of the kind of refusal.
    #[arg(long, value_name = "NAME")]
    pub(crate) kind_column: Option<String>,
    /// Column of the model that answered.
    #[arg(long, value_name = "NAME")]
    pub(crate) target_column: Option<String>,
    /// Column of the split (train, test, ...).
    #[arg(long, value_name = "NAME")]
    pub(crate) split_column: Option<String>,
    /// Column of the group that must stay on one side.
    #[arg(long, value_name = "NAME")]
    pub(crate) group_column: Option<String>,
    /// Column of the weight in training.
    #[arg(long, value_name = "NAME")]
    pub(crate) weight_column: Option<String>,
    /// Who labelled the rows: person, judge (a judge model), rule, norm (what should be refused), or unknown. Default: what
    /// their column `labelled_by` or `labeller` says, else unknown. Rows that demur labelled stay demur's.
    #[arg(long, value_name = "WHO")]
    pub(crate) labelled_by: Option<demur_data::Labeller>,
    /// What a label value means: VALUE=refused, VALUE=complied, VALUE=KIND or VALUE=drop; may be repeated.
    #[arg(long, value_name = "VALUE=MEANING")]
    pub(crate) label_map: Vec<String>,
    /// Which label a kind stands for: KIND=refused, KIND=complied or KIND=drop; may be repeated.
    #[arg(long, value_name = "KIND=LABEL")]
    pub(crate) kind_policy: Vec<String>,
    /// Keep only the first row of each prompt.
    #[arg(long)]
    pub(crate) deduplicate: bool,
}
