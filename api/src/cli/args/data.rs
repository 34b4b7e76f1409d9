//! How rows are read: the flags of all commands that read labelled rows.

use clap::Args;

/// How files are read. Names are found by themselves where they are usual ones.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Reading")]
pub(crate) struct DataArgs {
    /// Format of all inputs: json, jsonl, csv, tsv, parquet or arrow. Default: by name or content.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<demur_data::Format>,
    #[command(flatten)]
    pub(crate) texts: TextColumns,
    /// Column of the label.
    #[arg(long, value_name = "NAME")]
    pub(crate) label_column: Option<String>,
    /// Column of the kind of refusal.
    #[arg(long, value_name = "NAME")]
    pub(crate) kind_column: Option<String>,
    /// Column of the model that answered.
    #[arg(long, value_name = "NAME")]
    pub(crate) target_column: Option<String>,
    /// Column of the category.
    #[arg(long, value_name = "NAME")]
    pub(crate) category_column: Option<String>,
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
    /// Which label a kind means: KIND=refused, KIND=complied or KIND=drop; may be repeated.
    #[arg(long, value_name = "KIND=LABEL")]
    pub(crate) kind_policy: Vec<String>,
    /// Keep only the first row of each prompt.
    #[arg(long)]
    pub(crate) deduplicate: bool,
}

/// Where the texts of a row are. Usual names are found without it.
#[derive(Debug, Args, Default)]
pub(crate) struct TextColumns {
    /// Column of the prompt; dots reach into nested objects (meta.text).
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) prompt_column: Option<String>,
    /// Column of the response.
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) response_column: Option<String>,
    /// Column of a chat (a list of {role, content}).
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) messages_column: Option<String>,
}
