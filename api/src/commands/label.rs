//! `demur label`: P(refusal), label and kind beside every answer of files of any size.

use demur_data::{Columns, Format, ReadOptions, is_stdout};
use demur_predictor::Field;
use demur_training::labelled_by;

use crate::args::Label;
use crate::asking::Asking;
use crate::model;
use crate::score::{Asked, Judge, Reading};

pub(crate) fn run(args: Label) -> anyhow::Result<()> {
    let model =
        args.base_rate.of(model::judging(Field::Response, args.model.as_deref(), args.tiers.tier)?)?;
    let asking = Asking::here(&model, args.tiers.of(&model)?);
    let columns = Columns {
        prompt: args.prompt_column,
        response: args.response_column,
        messages: args.messages_column,
        target: args.target_column,
        ..Columns::default()
    };
    let reading =
        Reading::Answer(Box::new(ReadOptions { columns, need_response: true, ..ReadOptions::default() }));
    let labelled_by = labelled_by(&model);
    let judge = Judge::Responses { asking, labelled_by: &labelled_by };
    let mut rows = args.rows;
    if is_stdout(&args.out) {
        // A pipe goes on to a tool for JSON, whatever came in.
        rows.to.get_or_insert(Format::Jsonl);
    }
    super::judge(Asked {
        inputs: args.inputs,
        model: args.model,
        out: args.out,
        format: args.format,
        judge,
        reading,
        rows,
    })
}
