//! How rows are read: the flags of all commands that read labelled rows.

use clap::Args;
use demur_data::stream::Opening;
use demur_data::{LayoutChoice, Path};

/// How files are read. Names are found by themselves where they are usual ones.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Reading")]
pub(crate) struct DataArgs {
    /// Format of all inputs: json, jsonl, csv, tsv, ssv (semicolons), psv (|), txt, parquet or arrow.
    /// Default: by name or content.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<demur_data::Format>,
    #[command(flatten)]
    pub(crate) opening: OpeningArgs,
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
    /// Column of the system prompt.
    #[arg(long, value_name = "NAME")]
    pub(crate) system_column: Option<String>,
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
    /// Who labelled the rows: person, judge (a judge model), rule, norm (what should be refused), or unknown.
    /// Default: what their column `labelled_by` or `labeller` says, else unknown. Rows that demur labelled
    /// stay demur's.
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

/// Where the rows are, and in which layout.
#[derive(Debug, Args, Default, Clone)]
pub(crate) struct OpeningArgs {
    /// Layout of the inputs (`demur layouts` lists them), or none. Default: what each file shows.
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) layout: Option<LayoutChoice>,
    /// Where the rows lie in one JSON object: the path of a list (samples, results.results). Default: found
    /// by itself.
    #[arg(id = "rows_at", long = "rows", value_name = "PATH", help_heading = "Reading")]
    pub(crate) rows: Option<String>,
}

impl OpeningArgs {
    /// How files are opened, by the flags alone.
    pub(crate) fn opening(&self) -> Opening {
        let mut opening = Opening::default();
        self.override_in(&mut opening);
        opening
    }

    /// Overrides what a recipe says.
    pub(crate) fn override_in(&self, opening: &mut Opening) {
        if let Some(layout) = self.layout {
            opening.layout = layout;
        }
        if let Some(rows) = &self.rows {
            opening.rows = Some(Path::parse(rows));
        }
    }
}

/// Where the texts of a row are. Usual names are found without it.
#[derive(Debug, Args, Default)]
pub(crate) struct TextColumns {
    /// Column of the prompt; a path reaches into objects and lists (meta.text, turns[-1].text).
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) prompt_column: Option<String>,
    /// Column of the response.
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) response_column: Option<String>,
    /// Column of a chat (a list of {role, content}).
    #[arg(long, value_name = "NAME", help_heading = "Reading")]
    pub(crate) messages_column: Option<String>,
}
