//! `demur label`: adds P(refusal), label and kind to every answer in files of any size.

use demur_data::{Columns, Format, ReadOptions, is_stdout};
use demur_training::labelled_by;

use crate::cli::args::Label;
use crate::cli::commands::batch::score_files;
use crate::engine::batch::{Asked, Reading, RowQuestion};
use crate::engine::tiered_model::TieredModel;

pub(crate) fn run(args: Label) -> anyhow::Result<()> {
    let model = args.base_rate.of(args.model.load(args.tiers.tier)?)?;
    let tiered = TieredModel::here(&model, args.tiers.of(&model)?);
    let columns = Columns {
        prompt: args.texts.prompt_column,
        response: args.texts.response_column,
        messages: args.texts.messages_column,
        target: args.target_column,
        ..Columns::default()
    };
    let reading =
        Reading::Answer(Box::new(ReadOptions { columns, need_response: true, ..ReadOptions::default() }));
    let labelled_by = labelled_by(&model);
    let question = RowQuestion::Responses { tiered, labelled_by: &labelled_by };
    let (threads, json, mut options) = (args.rows.threads, args.rows.json, args.rows.options());
    if is_stdout(&args.out) {
        // A pipe usually leads to a JSON tool, so its default is JSON Lines for any input format.
        options.to.get_or_insert(Format::Jsonl);
    }
    let (inputs, model, out, format) = (args.inputs, args.model.model, args.out, args.format);
    score_files(Asked { inputs, model, out, format, question, reading, options }, threads, json)
}
