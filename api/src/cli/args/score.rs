//! Commands over files of any size: `score` and `label`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::{
    BaseRateArg, CascadeArgs, ClassifierArg, OpeningArgs, PhrasesArg, PredictorArg, TargetArg, TextColumns,
    TrafficRate,
};
use crate::engine::batch::{Filter, Reading, RunOptions};
use crate::engine::rules::{MOST_THREADS, parse_top};

#[derive(Debug, Args)]
pub(crate) struct Score {
    /// Files of prompts, folders of them, patterns (`rows-*.jsonl`), or `-`; text may be packed with gzip or
    /// zstd.
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Where the rows go; the ending tells the format, .gz or .zst behind it packs. Bad rows go to
    /// OUT.rejected.jsonl.
    #[arg(long, value_name = "OUT")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) model: PredictorArg,
    #[command(flatten)]
    pub(crate) tiers: CascadeArgs,
    /// Share of refusals in this traffic, from 0 to 1, or `auto`: estimated from the first 100,000 rows of
    /// the inputs. Probabilities are moved to it from the one that the model's manifest states.
    #[arg(long, value_name = "RATE", value_parser = TrafficRate::parse)]
    pub(crate) base_rate: Option<TrafficRate>,
    #[command(flatten)]
    pub(crate) target: TargetArg,
    /// Add the N strongest words of each row, 100 at most, with all else that sums to the answer.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_top)]
    pub(crate) explain: usize,
    /// Add the kind of refusal, where the predictor tells kinds apart.
    #[arg(long)]
    pub(crate) kinds: bool,
    /// Add the 95% interval of the share refused among unseen rows with a similar P(refusal).
    #[arg(long)]
    pub(crate) interval: bool,
    /// Add what the model knows of each prompt: `coverage` (the share of its letters in known n-grams, from 0
    /// to 1), `language`, and the `reason` why the decision is `abstain` where too little is known.
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Add why a prompt is held: a sentence, the words that did it, and of a word that is merely ambiguous a
    /// rephrasing that passes.
    #[arg(long)]
    pub(crate) why: bool,
    /// From this P(refusal) up the decision is `hold`. Default: the model's own.
    #[arg(long, value_name = "P")]
    pub(crate) hold_from: Option<f64>,
    /// Below this P(refusal) the decision is `send`, between the two `abstain`. Default: --hold-from, else
    /// the model's own.
    #[arg(long, value_name = "P")]
    pub(crate) send_below: Option<f64>,
    #[command(flatten)]
    pub(crate) prompts: PromptRows,
}

/// How the prompts of files are read, and the run over them.
#[derive(Debug, Args)]
pub(crate) struct PromptRows {
    #[command(flatten)]
    pub(crate) reading: PromptReading,
    #[command(flatten)]
    pub(crate) rows: Rows,
}

/// How the prompts of files are read.
#[derive(Debug, Args)]
pub(crate) struct PromptReading {
    /// Longest prompt in characters; longer ones are bad rows.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) max_chars: usize,
    /// Format of the inputs: jsonl, json, csv, tsv, ssv (semicolons), psv (|), txt, parquet or arrow.
    /// Default: by content or name.
    #[arg(long, value_name = "FORMAT", help_heading = "Reading")]
    pub(crate) format: Option<demur_data::Format>,
    #[command(flatten)]
    pub(crate) opening: OpeningArgs,
    /// Column of the prompt; a path reaches into objects and lists. Default: prompt, question, instruction,
    /// input, text, messages.
    #[arg(long, value_name = "NAME", conflicts_with = "messages_column", help_heading = "Reading")]
    pub(crate) prompt_column: Option<String>,
    /// Column of a chat (a list of {role, content}); its last message of the user is scored.
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) messages_column: Option<String>,
}

impl PromptReading {
    /// What is read of each row.
    pub(crate) fn reading(&self) -> Reading {
        Reading::Prompt {
            column: self.prompt_column.clone(),
            messages: self.messages_column.clone(),
            longest: self.max_chars,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Label {
    /// Files of rows with responses, folders of them, patterns (`rows-*.jsonl`), or `-`.
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) model: ClassifierArg,
    #[command(flatten)]
    pub(crate) tiers: CascadeArgs,
    #[command(flatten)]
    pub(crate) base_rate: BaseRateArg,
    #[command(flatten)]
    pub(crate) phrases: PhrasesArg,
    /// Read only the first N words of each answer, as if the rest had not arrived yet.
    #[arg(long, value_name = "N", value_parser = parse_prefix)]
    pub(crate) prefix: Option<usize>,
    /// Where the rows go; the ending tells the format, .gz or .zst behind it packs. Bad rows go to
    /// OUT.rejected.jsonl.
    #[arg(long, value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Write only the rows with this label, as they are and without new columns, and the others with their
    /// labels to a file beside (clean.dropped.jsonl): `complied` cleans refusals out of training data.
    #[arg(long, value_name = "LABEL", value_parser = ["complied", "refused"], conflicts_with_all = ["where", "top", "sort"])]
    pub(crate) filter: Option<String>,
    /// With `--filter complied`, cut refused answers out of chats, each with what it answers, in place of
    /// dropping the whole row; what was cut goes to the file beside.
    #[arg(long, value_name = "WHAT", value_parser = ["turns"], requires = "filter")]
    pub(crate) cut: Option<String>,
    #[command(flatten)]
    pub(crate) rows: Rows,
    /// Format of the inputs: jsonl, json, csv, tsv, ssv (semicolons), psv (|), txt, parquet or arrow.
    /// Default: by content or name.
    #[arg(long, value_name = "FORMAT", help_heading = "Reading")]
    pub(crate) format: Option<demur_data::Format>,
    #[command(flatten)]
    pub(crate) opening: OpeningArgs,
    #[command(flatten)]
    pub(crate) texts: TextColumns,
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
    /// Write only rows of which this is true: `p_refusal > 0.8`, `decision == hold`, `kind != complied`,
    /// `label == null` (no answer).
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

impl Rows {
    /// What the engine is to do with the rows.
    pub(crate) fn options(self) -> RunOptions {
        let Self { to, r#where: filter, top, sort, sample, resume, strict, .. } = self;
        RunOptions { to, filter, top, sort, sample, resume, strict, ..RunOptions::default() }
    }
}

fn parse_prefix(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(words) if words > 0 => Ok(words),
        _ => Err("it must be a number from 1 up".to_owned()),
    }
}

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=MOST_THREADS) => Ok(threads),
        _ => Err(format!("it must be a number from 1 to {MOST_THREADS}")),
    }
}
