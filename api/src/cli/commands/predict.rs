//! `demur predict`: predicts whether a prompt will be refused, and shows the words behind it.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};

use anyhow::{Context, bail};
use demur_data::Context as SentIn;
use demur_predictor::{Familiarity, Input, Model, Scratch, ShareKind, Tiered, ViewText, system_digest};
use serde_json::json;

use crate::cli::args::Predict;
use crate::cli::terminal::note;
use crate::engine::Usage;
use crate::engine::shares::{ShareView, shares};
use crate::engine::tiered_model::TieredModel;
use crate::engine::why::{Rephrasing, why};

/// What is asked, and what the prompts are sent in.
type Asked<'a> = (&'a Predict, &'a SentIn);

pub(crate) fn run(args: &Predict) -> anyhow::Result<()> {
    let model = args.base_rate.of(args.model.load(args.tiers.tier)?)?;
    let model = args.target.place(model)?;
    let tiered = TieredModel::here(&model, args.tiers.of(&model)?);
    if args.prompts.iter().any(|prompt| prompt.trim().is_empty()) {
        return Err(Usage("the prompt is empty".to_owned()).into());
    }
    let sent_in = args.context.for_model(&model);
    let mut out = io::stdout().lock();
    for prompt in &args.prompts {
        if prompt == "-" {
            predict_lines(&tiered, (args, &sent_in), &mut out)?;
        } else {
            write(&tiered, (args, &sent_in), prompt, &mut out)?;
        }
    }
    Ok(())
}

/// Message for a target that the model does not know, with those that it knows.
pub(super) fn unknown(target: &str, model: &Model) -> String {
    const SHOWN: usize = 8;
    let known = model.known_targets();
    let shown = known.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    let knows = match known.len() {
        0 => "no target by name".to_owned(),
        all if all > SHOWN => format!("{shown} and {} more (`demur inspect` shows all)", all - SHOWN),
        _ => shown,
    };
    format!("target `{target}` is not known and scored as the average target; the model knows {knows}")
}

fn predict_lines(tiered: &TieredModel<'_>, asked: Asked<'_>, out: &mut impl Write) -> anyhow::Result<()> {
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
        // Some editors start a file with a byte order mark, which is not part of the first prompt.
        let line = if number == 1 { line.trim_start_matches('\u{feff}') } else { line };
        let prompt = line.trim_end_matches(['\n', '\r']);
        if prompt.trim().is_empty() {
            blank.push(number.to_string());
        } else {
            write(tiered, asked, prompt, out)?;
        }
    }
    if !blank.is_empty() {
        note(&format!("{} blank lines passed over: {}", blank.len(), blank.join(", ")));
    }
    Ok(())
}

/// Writes one prediction and flushes it, so that a pipe gets each one as soon as it is made.
fn write(
    tiered: &TieredModel<'_>,
    (args, sent_in): Asked<'_>,
    prompt: &str,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let model = tiered.model;
    let input = sent_in.of(Input { target: args.target.name(), ..Input::prompt(prompt) });
    let mut explanation = model.scorer().explain(&input);
    let shares = shares(model, &explanation, &input, args.top);
    let ngrams = model.explained(&explanation, &input);
    explanation.terms.truncate(args.top);
    let scored =
        if tiered.has_encoder() { tiered.score_one(&input, &mut Scratch::default())? } else { ngrams };
    let (p_refusal, tier) = (scored.p_refusal, tiered.tier(&scored));
    let known = model.familiarity(&input, &scored, &mut Scratch::default());
    let doubt = known.and_then(|known| known.doubt);
    let decision = model.decide(p_refusal).unless(doubt);
    let of = (&scored, decision, model.manifest().policy);
    let why = if args.why { why(tiered, &input, of, &mut Scratch::default())? } else { None };
    if args.json {
        let mut row = json!({ "prompt": prompt, "p_refusal": p_refusal, "decision": decision });
        if let Some(tier) = tier {
            row["tier"] = json!(tier);
            // The n-gram score, which the terms below sum to.
            row["ngrams"] = json!({ "p_refusal": ngrams.p_refusal, "logit": ngrams.logit });
        }
        if let Some(known) = known {
            describe(&mut row, model, &scored, &known);
        }
        row["logit"] = json!(scored.logit);
        row["bias"] = json!(explanation.bias);
        row["terms"] = json!(explanation.terms);
        row["shares"] = json!(shares);
        if args.why {
            row["why"] = json!(why);
        }
        row["model"] = json!({ "name": model.manifest().name, "digest": model.digest() });
        asked(&mut row, model, (args, sent_in));
        writeln!(out, "{row}")?;
    } else {
        let terms = in_short(&shares);
        let tier = tier.map_or_else(String::new, |tier| format!("  {:7}", tier.name()));
        let known = known.map_or_else(String::new, |known| little_known(&known));
        writeln!(out, "{p_refusal:.3}  {:7}{tier}{known}{terms}", decision.name())?;
        if let Some(why) = why {
            writeln!(out, "       {}", why.sentence)?;
            if let Some(Rephrasing { text, p_refusal, .. }) = why.rephrasing {
                writeln!(out, "       would be sent ({p_refusal:.3}): {text}")?;
            }
        }
    }
    Ok(out.flush()?)
}

/// The words of the prompt with what each adds, in one line.
fn in_short(shares: &[ShareView]) -> String {
    let is_shown = |share: &&ShareView| {
        matches!(share.kind, ShareKind::Word | ShareKind::Style) && share.field != Some(ViewText::System)
    };
    let mut terms = String::new();
    for share in shares.iter().filter(is_shown) {
        // Writing to a String cannot fail.
        let _ = write!(terms, "  {} {:+.2}", share.text, share.contribution);
    }
    terms
}

/// Adds what the model knows of a prompt, and the interval that goes with it.
fn describe(row: &mut serde_json::Value, model: &Model, scored: &Tiered, known: &Familiarity) {
    row["coverage"] = json!(known.coverage);
    row["language"] = json!(known.language);
    if let Some(doubt) = known.doubt {
        row["reason"] = json!(doubt);
    }
    if let Some((low, high)) = model.interval_of_known(scored, known) {
        row["p_refusal_low"] = json!(low);
        row["p_refusal_high"] = json!(high);
    }
}

/// Adds whether the model knows the system prompt and the target that it was asked about.
fn asked(row: &mut serde_json::Value, model: &Model, (args, sent_in): Asked<'_>) {
    if let Some(system) = sent_in.system.as_deref().filter(|_| model.reads_system()) {
        row["system"] = json!({ "digest": system_digest(system), "known": model.knows_system(system) });
    }
    if let Some(target) = args.target.name() {
        row["target"] = json!({ "name": target, "known": model.knows_target(target) });
    }
}

/// Where little of a prompt is known, how much it is, and why nothing is decided; empty for an ordinary
/// prompt.
fn little_known(known: &Familiarity) -> String {
    match known.doubt {
        Some(doubt) => format!("  ({}: coverage {:.2})", doubt.name(), known.coverage),
        None if known.is_ordinary() => String::new(),
        None => format!("  (coverage {:.2})", known.coverage),
    }
}
