//! `demur score`: P(refusal) and decision beside every prompt of files of any size.

use demur_predictor::{Field, Policy};

use crate::args::Score;
use crate::error::Usage;
use crate::model;
use crate::output::{json, note};
use crate::score::{Run, peak_memory};

pub(crate) fn run(args: Score) -> anyhow::Result<()> {
    let model = model::judging(Field::Prompt, args.model.as_deref())?;
    let own = model.manifest().policy;
    let policy = Policy {
        send_below: args.send_below.or(args.hold_from).unwrap_or(own.send_below),
        hold_from: args.hold_from.unwrap_or(own.hold_from),
    };
    policy.check().map_err(|cause| Usage(cause.to_string()))?;
    if let Some(target) = args.target.as_deref().filter(|target| !model.knows_target(target)) {
        note(&super::predict::unknown(target, &model));
    }
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    let to_stdout = args.out.as_os_str() == "-";
    let run = Run {
        inputs: args.inputs,
        out: args.out,
        format: args.format,
        model,
        policy,
        target: args.target,
        prompt_column: args.prompt_column,
        messages_column: args.messages_column,
        ngrams: args.explain,
        longest: args.max_chars,
        filter: args.r#where,
        sample: args.sample,
        top: args.top,
        strict: args.strict,
        resume: args.resume,
    };
    let outcome = run.score()?;
    note(&outcome.counts.to_text(outcome.seconds, peak_memory()));
    match &outcome.rejected {
        Some(path) => note(&format!("bad rows are in {}", path.display())),
        None if to_stdout && outcome.counts.rejected > 0 => {
            note("bad rows were left out; with --out FILE they go to a file beside it");
        }
        None => {}
    }
    if args.json {
        return json(&outcome.counts.to_json(outcome.seconds, peak_memory()));
    }
    Ok(())
}
