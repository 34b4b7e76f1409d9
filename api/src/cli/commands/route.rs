//! `demur route`: adds to every prompt in files the target that it should go to.

use crate::cli::args::{Route, policy_of_flags};
use crate::cli::commands::batch::score_prompts;
use crate::cli::terminal::note;
use crate::engine::Usage;
use crate::engine::batch::{PromptQuestion, RowQuestion};
use crate::engine::routing::Router;
use crate::engine::tiered_model::TieredModel;

pub(crate) fn run(args: Route) -> anyhow::Result<()> {
    let model = args.base_rate.of(args.model.load(args.tiers.tier)?)?;
    let tiered = TieredModel::here(&model, args.tiers.of(&model)?);
    let policy = policy_of_flags(&model, args.send_below, args.hold_from)?;
    let names: Vec<String> = args.candidates.iter().map(|candidate| candidate.target.clone()).collect();
    let router = Router::new(&model, args.candidates, args.value).map_err(|(at, reason)| {
        let flag = at.map_or_else(|| "--candidate".to_owned(), |at| format!("--candidate {}", names[at]));
        Usage(format!("{flag}: {reason}"))
    })?;
    for name in router.unknown() {
        note(&format!("`{name}` is not known to the predictor; the average target stands in for it"));
    }
    let asked = PromptQuestion::new(tiered, policy);
    let question = RowQuestion::Prompts(PromptQuestion { router: Some(&router), why: args.why, ..asked });
    score_prompts((args.inputs, args.model.model, args.out), args.prompts, question)
}
