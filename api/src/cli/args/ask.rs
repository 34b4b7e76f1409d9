//! Commands that ask a model about texts: `predict`, `explain`, `contrast`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::args::{BaseRateArg, CascadeArgs, ContextArg, DataArgs, PhrasesArg, PredictorArg, TargetArg};
use crate::engine::rules::parse_top;

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// A prompt, or `-` for one prompt a line on stdin.
    #[arg(required = true, value_name = "PROMPT")]
    pub(crate) prompts: Vec<String>,
    #[command(flatten)]
    pub(crate) model: PredictorArg,
    #[command(flatten)]
    pub(crate) tiers: CascadeArgs,
    #[command(flatten)]
    pub(crate) base_rate: BaseRateArg,
    #[command(flatten)]
    pub(crate) target: TargetArg,
    #[command(flatten)]
    pub(crate) context: ContextArg,
    /// How many of the strongest words to show, 100 at most.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = parse_top)]
    pub(crate) top: usize,
    /// Say why a prompt is held, and of a word that is merely ambiguous which rephrasing passes.
    #[arg(long)]
    pub(crate) why: bool,
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
    /// A prompt predictor, or a response classifier: a directory, or the name of a bundled one. Default: the
    /// bundled `prompt`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) tiers: CascadeArgs,
    #[command(flatten)]
    pub(crate) target: TargetArg,
    #[command(flatten)]
    pub(crate) context: ContextArg,
    #[command(flatten)]
    pub(crate) phrases: PhrasesArg,
    /// Of an answer, the provider's `finish_reason` or `stop_reason`. With it, or with one of the next two,
    /// the text may be empty.
    #[arg(long, value_name = "REASON")]
    pub(crate) finish_reason: Option<String>,
    /// Of an answer, the text in the provider's own field for refusals.
    #[arg(long, value_name = "TEXT")]
    pub(crate) refusal: Option<String>,
    /// Of an answer, the provider's error in its place, as JSON or text.
    #[arg(long, value_name = "ERROR")]
    pub(crate) error: Option<String>,
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
    /// Lists to swap by: names, genders, nationalities, religions, ages, or a file (tabs between columns, the
    /// groups in its first line); may be repeated. Default: all five.
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
    #[command(flatten)]
    pub(crate) model: PredictorArg,
    /// All of it as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

/// Which predictor is asked, and how the answer is written.
#[derive(Debug, Args)]
pub(crate) struct AskedArgs {
    #[command(flatten)]
    pub(crate) model: PredictorArg,
    #[command(flatten)]
    pub(crate) target: TargetArg,
    /// All of it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
