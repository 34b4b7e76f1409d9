//! `demur label`: adds P(refusal), label and kind to every answer in files of any size.

use demur_data::{Columns, Format, ReadOptions, is_stdout};
use demur_training::labelled_by;

use crate::cli::args::Label;
use crate::cli::commands::batch::score_files;
use crate::engine::batch::{Reading, RowQuestion, RunRequest};
use crate::engine::judgement::Judge;
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
    let phrases = args.phrases.read()?;
    let judge = Judge { tiered, policy: model.manifest().policy, phrases: &phrases };
    let question = RowQuestion::Responses { judge, labelled_by: &labelled_by, prefix: args.prefix };
    let (threads, json, mut options) = (args.rows.threads, args.rows.json, args.rows.options());
    if is_stdout(&args.out) {
        // A pipe usually leads to a JSON tool, so its default is JSON Lines for any input format.
        options.to.get_or_insert(Format::Jsonl);
    }
    let (inputs, model, out, format) = (args.inputs, args.model.model, args.out, args.format);
    score_files(RunRequest { inputs, model, out, format, question, reading, options }, threads, json)
}
