//! `demur score`: P(refusal) and decision beside every prompt of files of any size.

use demur_predictor::{Field, Policy, Probability};

use crate::args::Score;
use crate::asking::Asking;
use crate::error::Usage;
use crate::model;
use crate::output::note;
use crate::score::{Asked, Judge, Reading};

pub(crate) fn run(args: Score) -> anyhow::Result<()> {
    let model = model::judging(Field::Prompt, args.model.as_deref(), args.tiers.tier)?;
    let asking = Asking::here(&model, args.tiers.of(&model)?);
    let own = model.manifest().policy;
    let policy = Policy {
        send_below: args.send_below.or(args.hold_from).unwrap_or(own.send_below),
        hold_from: args.hold_from.unwrap_or(own.hold_from),
    };
    policy.check().map_err(|cause| Usage(cause.to_string()))?;
    if let Some(target) = args.target.as_deref().filter(|target| !model.knows_target(target)) {
        note(&super::predict::unknown(target, &model));
    }
    if args.kinds && model.kinds().is_none() {
        return Err(Usage(
            "--kinds: this predictor does not tell kinds apart; fit one with prompt.kinds".to_owned(),
        )
        .into());
    }
    if args.interval && Probability::new(0.5).ok().and_then(|p| model.interval(p)).is_none() {
        return Err(Usage(
            "--interval: this model holds no table of its reliability; fit it again with calibration"
                .to_owned(),
        )
        .into());
    }
    let (kinds, interval, ngrams, target) = (args.kinds, args.interval, args.explain, args.target);
    let judge = Judge::Prompts { asking, policy, target, kinds, interval, ngrams };
    let reading = Reading::Prompt {
        column: args.prompt_column,
        messages: args.messages_column,
        longest: args.max_chars,
    };
    super::judge(Asked {
        inputs: args.inputs,
        out: args.out,
        format: args.format,
        judge,
        reading,
        rows: args.rows,
    })
}
