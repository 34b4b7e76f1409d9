//! `demur predict`: will this prompt be refused, and which n-grams say so?

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};

use anyhow::{Context, bail};
use demur_predictor::{Field, Input, Model};
use serde_json::json;

use crate::args::Predict;
use crate::error::Usage;
use crate::model;
use crate::output::note;

pub(crate) fn run(args: &Predict) -> anyhow::Result<()> {
    let model = model::judging(Field::Prompt, args.model.as_deref())?;
    if args.prompts.iter().any(|prompt| prompt.trim().is_empty()) {
        return Err(Usage("the prompt is empty".to_owned()).into());
    }
    if let Some(target) = args.target.as_deref().filter(|target| !args.json && !model.knows_target(target)) {
        note(&unknown(target, &model));
    }
    let mut out = io::stdout().lock();
    for prompt in &args.prompts {
        if prompt == "-" {
            predict_lines(&model, args, &mut out)?;
        } else {
            write(&model, args, prompt, &mut out)?;
        }
    }
    Ok(())
}

/// What a target means that the model does not know, and which ones it does.
pub(super) fn unknown(target: &str, model: &Model) -> String {
    const SHOWN: usize = 8;
    let known = &model.manifest().target_shifts;
    let shown = known.keys().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let knows = match known.len() {
        0 => "no target by name".to_owned(),
        all if all > SHOWN => format!("{shown} and {} more (`demur inspect` shows all)", all - SHOWN),
        _ => shown,
    };
    format!("target `{target}` is not known and scored as the average target; the model knows {knows}")
}

fn predict_lines(model: &Model, args: &Predict, out: &mut impl Write) -> anyhow::Result<()> {
    let mut blank = Vec::new();
    let mut lines = io::stdin().lock();
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if lines.read_until(b'\n', &mut bytes).context("cannot read stdin")? == 0 {
            break;
        }
        let Ok(line) = std::str::from_utf8(&bytes) else {
            bail!("-:{number}: invalid UTF-8; convert the text to UTF-8 first");
        };
        // Some editors begin a file with a byte order mark, which is no part of the first prompt.
        let line = if number == 1 { line.trim_start_matches('\u{feff}') } else { line };
        let prompt = line.trim_end_matches(['\n', '\r']);
        if prompt.trim().is_empty() {
            blank.push(number.to_string());
        } else {
            write(model, args, prompt, out)?;
        }
    }
    if !blank.is_empty() {
        note(&format!("{} blank lines passed over: {}", blank.len(), blank.join(", ")));
    }
    Ok(())
}

/// Writes one prediction and flushes it, so that a pipe gets each as it comes.
fn write(model: &Model, args: &Predict, prompt: &str, out: &mut impl Write) -> anyhow::Result<()> {
    let input = Input { target: args.target.as_deref(), ..Input::prompt(prompt) };
    let mut explanation = model.scorer().explain(&input);
    explanation.terms.truncate(args.top);
    let p_refusal = model.calibrated(explanation.logit, input.target);
    let decision = model.decide(p_refusal);
    if args.json {
        let mut row = json!({
            "prompt": prompt,
            "p_refusal": p_refusal,
            "decision": decision,
            "logit": explanation.logit,
            "bias": explanation.bias,
            "terms": explanation.terms,
            "model": { "name": model.manifest().name, "digest": model.digest() },
        });
        if let Some(target) = &args.target {
            row["target"] = json!({ "name": target, "known": model.knows_target(target) });
        }
        writeln!(out, "{row}")?;
    } else {
        let mut terms = String::new();
        for term in &explanation.terms {
            // Writing to a String cannot fail.
            let _ = write!(terms, "  {} {:+.2}", term.ngram, term.contribution);
        }
        writeln!(out, "{p_refusal:.3}  {:7}{terms}", decision.name())?;
    }
    Ok(out.flush()?)
}
