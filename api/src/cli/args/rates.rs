//! `demur rates`: refused of n, by any columns.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::args::{CascadeArgs, ClassifierArg, DataArgs, PhrasesArg};

/// Whose labels are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LabelsArg {
    /// The rows' own labels; rows without one are classified as `label` does.
    Any,
    /// The rows' own labels alone; rows without one are left out and counted.
    Own,
    /// Every answer is classified as `label` does.
    Demur,
}

/// How the rates are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RatesFormat {
    /// A table with bars, for a terminal.
    Table,
    /// Markdown.
    #[value(alias = "md")]
    Markdown,
    /// A heat map.
    Svg,
    /// All figures as one object.
    Json,
    /// One group a line.
    Jsonl,
    /// Comma-separated.
    Csv,
    /// Tab-separated.
    Tsv,
    /// Parquet.
    Parquet,
    /// Arrow.
    Arrow,
}

#[derive(Debug, Args)]
pub(crate) struct Rates {
    /// Rows with labels, or with responses to classify; `-` is stdin.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Columns that make the groups, separated by commas: target, category, source, split, group, kind,
    /// `labelled_by`, language, file, or any column of the rows; dots reach into nested objects. Default:
    /// target, if the rows name one.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) by: Vec<String>,
    /// Compare two targets on the values of this column (`prompt`) that both answered: an exact test of the
    /// values on which they differ, and the interval of the difference.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) paired_by: Option<String>,
    /// The two targets that --paired-by compares. Default: the two that the rows name.
    #[arg(long, value_name = "A,B", value_delimiter = ',', requires = "paired_by")]
    pub(crate) targets: Vec<String>,
    /// Column that says whether a prompt is harmful: adds over-refusal (refused of safe) and under-refusal
    /// (complied of harmful) of each target.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) harm_column: Option<String>,
    /// Its values that mean harmful; all others mean safe. Default: harmful, unsafe, toxic, true, yes, 1
    /// against harmless, safe, benign, false, no, 0.
    #[arg(long, value_name = "VALUES", value_delimiter = ',', requires = "harm_column")]
    pub(crate) harmful: Vec<String>,
    /// Another label column: adds the agreement with it, Cohen's kappa and the confusion.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) judge: Option<String>,
    /// Whose labels are counted.
    #[arg(long, value_name = "WHOSE", default_value = "any")]
    pub(crate) labels: LabelsArg,
    /// Show the N groups with the most rows. Default: 40 where people read (table, Markdown, SVG), all
    /// elsewhere.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) top: Option<u32>,
    /// Format of the output. Default: by the ending of --out, else a table.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) to: Option<RatesFormat>,
    /// Where the output goes. In formats of one table, each further table goes to a file beside it
    /// (OUT-paired.csv).
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) model: ClassifierArg,
    #[command(flatten)]
    pub(crate) tiers: CascadeArgs,
    #[command(flatten)]
    pub(crate) phrases: PhrasesArg,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}
