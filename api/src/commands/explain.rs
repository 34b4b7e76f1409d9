//! `demur explain`: one prompt in the terminal, its words coloured by what they add, and the edits that would change the
//! decision.

use std::fmt::Write;
use std::io::{self, IsTerminal, Read};

use anyhow::Context;
use demur_predictor::{Field, Input, Model, Policy, Scratch};

use crate::args::Explain;
use crate::asking::Asking;
use crate::commands::predict::unknown;
use crate::error::Usage;
use crate::model;
use crate::output::{self, note};
use crate::service::{EncoderView, ExplainResponse, ModelRef, NearestText, Question};

/// Longest bar of the table, in characters.
const BAR: usize = 24;
/// Words whose share is below this part of the strongest stay plain.
const FAINT: f64 = 0.15;

pub(crate) fn run(args: &Explain) -> anyhow::Result<()> {
    let model = model::judging(Field::Prompt, args.model.as_deref(), args.tiers.tier)?;
    let asking = Asking::here(&model, args.tiers.of(&model)?);
    let prompt = text(&args.prompt)?;
    if prompt.trim().is_empty() {
        return Err(Usage("the prompt is empty".to_owned()).into());
    }
    if let Some(target) = args.target.as_deref().filter(|target| !model.knows_target(target)) {
        note(&unknown(target, &model));
    }
    let policy = policy(&model, args.hold_from)?;
    let input = Input { target: args.target.as_deref(), ..Input::prompt(&prompt) };
    let name = ModelRef::named(model.manifest().name.clone(), &model);
    let question = Question { asking, name, input, field: Field::Prompt, policy, top: args.top };
    // The encoder is asked here, so there is nothing to wait for.
    let answer = question.answer(&mut Scratch::default())?.context("the encoder gave no answer")?;
    if args.json {
        let mut json = serde_json::to_value(&answer)?;
        // The time that it took would make the same question give other bytes.
        json.as_object_mut().and_then(|fields| fields.shift_remove("seconds"));
        return output::json(&json);
    }
    Ok(output::data(&render(&prompt, &answer, policy, paints())?)?)
}

/// The prompt of the command line, or all of standard input.
fn text(prompt: &str) -> anyhow::Result<String> {
    if prompt != "-" {
        return Ok(prompt.to_owned());
    }
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text).context("cannot read stdin as UTF-8 text")?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// The model's own policy, or the one with this threshold.
pub(crate) fn policy(model: &Model, hold_from: Option<f64>) -> anyhow::Result<Policy> {
    let own = model.manifest().policy;
    let Some(hold_from) = hold_from else { return Ok(own) };
    let policy = Policy { send_below: hold_from.min(own.send_below), hold_from };
    policy.check().map_err(|cause| Usage(format!("--hold-from {hold_from}: {cause}")))?;
    Ok(policy)
}

/// Whether stdout takes colours: a terminal, and nobody asked for none (no-color.org).
fn paints() -> bool {
    let asked = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal()
        && !asked("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Red for what speaks for refusal, blue for what speaks for an answer; bold where it is strong.
fn painted(text: &str, share: f64, colours: bool) -> String {
    if share.abs() < FAINT {
        return text.to_owned();
    }
    let sign = if share > 0.0 { '+' } else { '-' };
    if !colours {
        // As many signs as the colour would have had strength.
        let signs = sign.to_string().repeat(if share.abs() > 0.6 { 2 } else { 1 });
        return format!("{text}[{signs}]");
    }
    let colour = if share > 0.0 { 31 } else { 34 };
    let weight = if share.abs() > 0.6 { "1;" } else { "" };
    format!("\u{1b}[{weight}{colour}m{text}\u{1b}[0m")
}

/// Control characters would be commands to the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn render(
    prompt: &str,
    answer: &ExplainResponse,
    policy: Policy,
    colours: bool,
) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(
        out,
        "{:.3}  {}  (P(refusal){}; hold from {})\n",
        answer.p_refusal,
        answer.decision.name(),
        by_tier(answer),
        policy.hold_from
    )?;
    let strongest = answer.words.iter().map(|word| word.contribution.abs()).fold(f64::MIN_POSITIVE, f64::max);
    let (mut shown, mut at) = (String::new(), 0);
    let characters: Vec<char> = prompt.chars().collect();
    for word in &answer.words {
        shown.extend(characters[at..word.start].iter().map(|&c| if c == '\n' { c } else { ' ' }));
        shown += &painted(&plain(&word.text), word.contribution / strongest, colours);
        at = word.end;
    }
    writeln!(out, "{}\n", shown.trim_start())?;
    table(&mut out, answer, colours)?;
    let held = answer.p_refusal >= policy.hold_from;
    match &answer.flip {
        Some(flip) => {
            let words: Vec<String> =
                flip.removed.iter().map(|word| format!("\"{}\"", plain(&word.text))).collect();
            writeln!(
                out,
                "\nwithout {}: {:.3}  {}\n  {}",
                words.join(", "),
                flip.p_refusal,
                flip.decision.name(),
                plain(&flip.rest)
            )?;
        }
        None if answer.flip_searched => writeln!(out, "\nno set of up to twelve words flips the decision")?,
        None => writeln!(out, "\ntoo long a prompt to look for a flip")?,
    }
    match &answer.fragment {
        Some(fragment) => writeln!(
            out,
            "alone held: {:.3}  \"{}\" ({} of {} words)",
            fragment.p_refusal,
            plain(&fragment.text),
            fragment.words,
            answer.words.len()
        )?,
        None if held && answer.flip_searched => writeln!(out, "no part of it is held by itself")?,
        None => {}
    }
    if let Some(encoder) = &answer.encoder {
        direction(&mut out, encoder)?;
    }
    Ok(out)
}

/// The tier that answered, and what the n-grams say alone; nothing where there is one tier.
fn by_tier(answer: &ExplainResponse) -> String {
    match (answer.tier, &answer.encoder) {
        (Some(tier), Some(encoder)) => {
            format!(" by the {} tier; n-grams alone {:.3}", tier.name(), encoder.ngram_p_refusal)
        }
        _ => String::new(),
    }
}

/// Where the encoder sees the prompt, and what lies near.
fn direction(out: &mut String, encoder: &EncoderView) -> std::fmt::Result {
    let EncoderView { deviations, auroc, head_auroc, nearest, .. } = encoder;
    let figure =
        |auroc: &Option<f64>| auroc.map_or_else(|| "not measured".to_owned(), |auroc| format!("{auroc:.2}"));
    let side = if *deviations >= 0.0 { "refused" } else { "answered" };
    writeln!(
        out,
        "\nencoder: {:.1} sd along the refusal axis, on the side of what is {side} (AUROC {}; head {})",
        deviations,
        figure(auroc),
        figure(head_auroc)
    )?;
    if !nearest.is_empty() {
        writeln!(out, "nearest known prompts\n  {:>10}  {:>10}", "similarity", "P(refusal)")?;
    }
    for NearestText { text, p_refusal, similarity } in nearest {
        writeln!(out, "  {similarity:10.3}  {p_refusal:10.2}  \"{}\"", plain(text))?;
    }
    Ok(())
}

/// The strongest terms with bars; right of the axis for refusal.
fn table(out: &mut String, answer: &ExplainResponse, colours: bool) -> std::fmt::Result {
    let largest = answer.terms.first().map_or(0.0, |term| term.contribution.abs()).max(f64::MIN_POSITIVE);
    writeln!(out, "  {:>7}  {:BAR$}  n-gram", "adds", "")?;
    for term in &answer.terms {
        let share = term.contribution / largest;
        // At least one character, so that no row looks empty.
        let length = ((share.abs() * BAR as f64).round() as usize).max(1);
        let bar = if share > 0.0 { "█" } else { "░" }.repeat(length);
        let bar = format!("{bar:BAR$}");
        let bar = if colours { painted(&bar, share.signum() * 0.5, true) } else { bar };
        writeln!(out, "  {:>+7.3}  {bar}  \"{}\"", term.contribution, plain(&term.ngram))?;
    }
    let shown: f64 = answer.terms.iter().map(|term| term.contribution).sum();
    let rest = answer.terms_in_all - answer.terms.len();
    if rest > 0 {
        let others = answer.logit - answer.bias - shown;
        writeln!(out, "  {others:>+7.3}  {:BAR$}  {rest} others", "")?;
    }
    writeln!(out, "  {:>+7.3}  {:BAR$}  without any", answer.bias, "")?;
    writeln!(out, "  {:>+7.3}  {:BAR$}  sum: the logit before calibration", answer.logit, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_coloured_or_marked_by_their_share() {
        assert_eq!(painted("a", 0.1, true), "a");
        assert_eq!(painted("a", 0.9, true), "\u{1b}[1;31ma\u{1b}[0m");
        assert_eq!(painted("a", -0.3, true), "\u{1b}[34ma\u{1b}[0m");
        assert_eq!(painted("a", 0.9, false), "a[++]");
        assert_eq!(painted("a", -0.3, false), "a[-]");
        assert_eq!(plain("a\u{1b}[2Jb"), "a [2Jb");
    }
}
