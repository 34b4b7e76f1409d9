//! `demur explain`: one prompt or answer in the terminal, its words coloured by what they contribute, and the
//! edits that would change the decision.

use std::fmt::Write;
use std::io::{self, Read};
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use demur_data::Signs;
use demur_predictor::{Decision, Field, Form, Input, Policy, Scratch, ShareKind, sigmoid};
use serde_json::Value;

use crate::cli::args::{Explain, policy_of_flags};
use crate::cli::terminal;
use crate::engine::Usage;
use crate::engine::explain::{AnswerView, EncoderView, ExplainResponse, NearestText, Question};
use crate::engine::model_ref::ModelRef;
use crate::engine::models;
use crate::engine::shares::ShareView;
use crate::engine::tiered_model::TieredModel;

/// Longest bar of the table, in characters.
const BAR: usize = 24;
/// Words whose share is below this fraction of the strongest are not coloured.
const FAINT: f64 = 0.15;

pub(crate) fn run(args: &Explain) -> anyhow::Result<()> {
    let model = match &args.model {
        Some(name) => models::load(name, args.tiers.tier.load_options()?)?,
        None => models::bundled(Field::Prompt, args.tiers.tier.load_options()?)?,
    };
    let model = args.target.place(model)?;
    let field = model.manifest().field;
    let tiered = TieredModel::here(&model, args.tiers.of(&model)?);
    if args.prompt.is_some() && field == Field::Prompt {
        let reason = "--prompt: this model judges prompts; name a response classifier with --model to explain an answer";
        return Err(Usage(reason.to_owned()).into());
    }
    let phrases = args.phrases.read_for(field)?;
    let signs = signs(args, field)?;
    let text = text(&args.text)?;
    if text.trim().is_empty() && !signs.any() {
        let what = if field == Field::Prompt { "prompt" } else { "answer" };
        return Err(Usage(format!("the {what} is empty: there is nothing to explain")).into());
    }
    let policy = policy_of_flags(&model, None, args.hold_from)?;
    let sent_in = args.context.for_model(&model);
    let input = Input { prompt: args.prompt.as_deref(), target: args.target.name(), ..Input::default() };
    let input = field.put(&text, sent_in.of(input));
    let name = ModelRef::named(model.manifest().name.clone(), &model);
    let (top, started) = (args.top, Instant::now());
    let (signs, phrases) = (Some(&signs), &phrases);
    let question = Question { tiered, name, input, field, policy, signs, phrases, top, started };
    // The encoder is called directly here, so no reply is pending.
    let answer = question.answer(&mut Scratch::default())?.context("the encoder gave no answer")?;
    if args.json {
        let mut json = serde_json::to_value(&answer)?;
        // The time is removed, so that the same question always prints the same bytes.
        json.as_object_mut().and_then(|fields| fields.shift_remove("seconds"));
        return terminal::json(&json);
    }
    let view = View { text: &text, policy, pieces: args.pieces, colours: paints() };
    Ok(terminal::data(&render(&answer, &view)?)?)
}

/// What the flags say beside an answer.
fn signs(args: &Explain, field: Field) -> Result<Signs, Usage> {
    let error = args.error.as_deref();
    let signs = Signs {
        refusal: args.refusal.clone(),
        finish_reason: args.finish_reason.clone(),
        error: error.map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))),
        ..Signs::NONE
    };
    if field == Field::Prompt && signs.any() {
        let reason =
            "--finish-reason, --refusal and --error go with a response classifier (--model response)";
        return Err(Usage(reason.to_owned()));
    }
    Ok(signs)
}

/// The text from the command line, or all of standard input.
fn text(given: &str) -> anyhow::Result<String> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text).context("cannot read stdin as UTF-8 text")?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// What is shown, and in which form.
struct View<'a> {
    text: &'a str,
    policy: Policy,
    /// Whether to show n-grams and word pieces instead of whole words.
    pieces: bool,
    colours: bool,
}

/// Whether stdout takes colours: a terminal that can, unless `NO_COLOR` or the like says otherwise.
fn paints() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// Red for words towards refusal, blue for words towards an answer; bold if strong.
fn painted(text: &str, share: f64, colours: bool) -> String {
    if share.abs() < FAINT {
        return text.to_owned();
    }
    let sign = if share > 0.0 { '+' } else { '-' };
    if !colours {
        // Without colours, the number of signs shows the strength.
        let signs = sign.to_string().repeat(if share.abs() > 0.6 { 2 } else { 1 });
        return format!("{text}[{signs}]");
    }
    let colour = if share > 0.0 { AnsiColor::Red } else { AnsiColor::Blue };
    let style = Style::new().fg_color(Some(colour.into()));
    let style = if share.abs() > 0.6 { style.bold() } else { style };
    format!("{style}{text}{style:#}")
}

/// Replaces control characters, which the terminal would run as commands.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn render(answer: &ExplainResponse, view: &View<'_>) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let hold_from = view.policy.hold_from;
    let from = if answer.field == Field::Prompt { "hold from" } else { "refused from" };
    match (answer.p_refusal, answer.decision) {
        (Some(p), Some(decision)) => {
            let (said, tier) = (said(answer.field, decision), by_tier(answer));
            writeln!(out, "{p:.3}  {said}  (P(refusal){tier}; {from} {hold_from})")?;
        }
        _ => writeln!(out, "no answer: neither refused nor complied")?,
    }
    if let Some(answer) = &answer.answer {
        recognised(&mut out, answer, !view.text.trim().is_empty())?;
    }
    known(&mut out, answer)?;
    out.push('\n');
    if view.text.trim().is_empty() {
        return Ok(out);
    }
    words(&mut out, answer, view);
    if view.pieces {
        pieces(&mut out, answer, view.colours)?;
    } else {
        shares(&mut out, answer, view.colours)?;
    }
    edits(&mut out, answer, view)?;
    if let Some(encoder) = &answer.encoder {
        direction(&mut out, encoder)?;
    }
    Ok(out)
}

/// How much of a prompt the model knows, and why nothing is decided on it.
fn known(out: &mut String, answer: &ExplainResponse) -> std::fmt::Result {
    let Some(coverage) = answer.coverage else { return Ok(()) };
    let language = answer.language.unwrap_or("not told");
    let reason = answer.reason.map_or_else(String::new, |reason| format!("; not decided: {}", reason.name()));
    writeln!(out, "known of its letters {coverage:.2}, language {language}{reason}")
}

/// How an answer was recognised, and the sentence or phrase that decides it.
fn recognised(out: &mut String, answer: &AnswerView, has_text: bool) -> std::fmt::Result {
    write!(out, "form {}", answer.form.name())?;
    if let Some(kind) = answer.kind {
        write!(out, ", kind {}", kind.name())?;
    }
    if answer.reasoning {
        out.push_str(", reasoning left out");
    }
    if !has_text {
        out.push_str("; there is no text to explain");
    } else if answer.form != Form::Text {
        write!(out, "; its words alone: P(refusal) {:.3}", answer.words_p_refusal)?;
    }
    out.push('\n');
    if let Some(passage) = &answer.passage {
        writeln!(out, "decided by: \"{}\"", plain(&passage.text))?;
    }
    Ok(())
}

/// The decision on a prompt; for an answer, the class that it counts as.
fn said(field: Field, decision: Decision) -> &'static str {
    match (field, decision) {
        (Field::Prompt, decision) => decision.name(),
        (Field::Response, Decision::Hold) => "refused",
        (Field::Response, Decision::Send | Decision::Abstain) => "complied",
    }
}

/// The text, with each word marked by what it contributes; function words stay plain.
fn words(out: &mut String, answer: &ExplainResponse, view: &View<'_>) {
    let shown = answer.words.iter().filter(|word| !word.function_word);
    let strongest = shown.map(|word| word.contribution.abs()).fold(f64::MIN_POSITIVE, f64::max);
    let (mut line, mut at) = (String::new(), 0);
    let characters: Vec<char> = view.text.chars().collect();
    for word in &answer.words {
        line.extend(characters[at..word.start].iter().map(|&c| if c == '\n' { c } else { ' ' }));
        let share = if word.function_word { 0.0 } else { word.contribution / strongest };
        line += &painted(&plain(&word.text), share, view.colours);
        at = word.end;
    }
    out.push_str(line.trim_start());
    out.push_str("\n\n");
}

/// The words whose removal would change the decision, and the fragment that is enough for it.
fn edits(out: &mut String, answer: &ExplainResponse, view: &View<'_>) -> std::fmt::Result {
    if let Some(flip) = &answer.flip {
        let mut names: Vec<String> = Vec::new();
        for word in &flip.removed {
            let name = format!("\"{}\"", plain(&word.text));
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let (p, said) = (flip.p_refusal, said(answer.field, flip.decision));
        writeln!(out, "\nwithout {}: {p:.3}  {said}\n  {}", names.join(", "), plain(&flip.rest))?;
    }
    if let Some(why) = &answer.unexplained {
        writeln!(out, "\n{why}")?;
    }
    if let Some(fragment) = &answer.fragment {
        let alone = if answer.field == Field::Prompt { "alone held" } else { "alone refused" };
        writeln!(
            out,
            "{alone}: {:.3}  \"{}\" ({} of {} words)",
            fragment.p_refusal,
            plain(&fragment.text),
            fragment.words,
            answer.words.len()
        )?;
    } else if answer.p_refusal.is_some_and(|p| p >= view.policy.hold_from)
        && answer.flip_searched
        && answer.words.len() > 1
    {
        let held = if answer.field == Field::Prompt { "held" } else { "refused" };
        writeln!(out, "no few neighbouring words that carry it are clearly {held} by themselves")?;
    }
    Ok(())
}

/// The tier that answered, and the score of the n-grams alone; empty if there is one tier.
fn by_tier(answer: &ExplainResponse) -> String {
    match (answer.tier, &answer.encoder) {
        (Some(tier), Some(encoder)) => {
            format!(" by the {} tier; n-grams alone {:.3}", tier.name(), encoder.ngram_p_refusal)
        }
        _ => String::new(),
    }
}

/// The position of the prompt along the refusal direction, and the nearest training texts.
fn direction(out: &mut String, encoder: &EncoderView) -> std::fmt::Result {
    let EncoderView { deviations, auroc, head_auroc, nearest, .. } = encoder;
    let side = if *deviations >= 0.0 { "refused" } else { "answered" };
    write!(out, "\nencoder: {deviations:.1} sd along the refusal axis, on the side of what is {side}")?;
    // An encoder that was fitted before has seen the rows that would tell.
    if let (Some(auroc), Some(head)) = (auroc, head_auroc) {
        write!(out, " (AUROC {auroc:.2}; head {head:.2})")?;
    }
    writeln!(out)?;
    if !nearest.is_empty() {
        writeln!(out, "nearest known prompts\n  {:>10}  {:>10}", "similarity", "P(refusal)")?;
    }
    for NearestText { text, p_refusal, similarity } in nearest {
        writeln!(out, "  {similarity:10.3}  {p_refusal:10.2}  \"{}\"", plain(text))?;
    }
    Ok(())
}

/// A line of a table: the contribution, a bar scaled to the longest, and a description.
fn line(out: &mut String, adds: f64, longest: f64, what: &str, colours: bool) -> std::fmt::Result {
    let share = adds / longest;
    // At least one character, so that no row looks empty.
    let length = ((share.abs() * BAR as f64).round() as usize).clamp(1, BAR);
    let bar = if share > 0.0 { "█" } else { "░" }.repeat(length);
    let bar = format!("{bar:BAR$}");
    let bar = if colours { painted(&bar, share.signum() * 0.5, true) } else { bar };
    writeln!(out, "  {adds:>+7.3}  {bar}  {what}")
}

/// The answer by whole words and its other parts; all of it sums to the log-odds of the answer.
fn shares(out: &mut String, answer: &ExplainResponse, colours: bool) -> std::fmt::Result {
    let has_bar = |share: &&ShareView| matches!(share.kind, ShareKind::Word | ShareKind::Style);
    let strongest = answer.shares.iter().filter(has_bar).map(|share| share.contribution.abs());
    let longest = strongest.fold(f64::MIN_POSITIVE, f64::max);
    let several = answer.shares.iter().any(|share| share.field.is_some_and(|field| field != answer.field));
    writeln!(out, "  {:>7}  {:BAR$}  word", "adds", "")?;
    for share in &answer.shares {
        let of =
            share.field.filter(|_| several).map_or_else(String::new, |field| format!("  [{}]", field.name()));
        let what = format!("{}{of}", plain(&share.label));
        if has_bar(&share) {
            line(out, share.contribution, longest, &what, colours)?;
        } else {
            writeln!(out, "  {:>+7.3}  {:BAR$}  {what}", share.contribution, "")?;
        }
    }
    let sum: f64 = answer.shares.iter().map(|share| share.contribution).sum();
    let of_words = answer.answer.as_ref().map(|answer| answer.words_p_refusal).or(answer.p_refusal);
    let p = answer.encoder.as_ref().map(|encoder| encoder.ngram_p_refusal).or(of_words).unwrap_or_default();
    // A P(refusal) of 0 or 1 has no finite log-odds.
    let what = if (sigmoid(sum) - p).abs() < 1e-6 {
        format!("sum: the log-odds of {p:.3}")
    } else {
        "sum: the logit before calibration".to_owned()
    };
    writeln!(out, "  {sum:>+7.3}  {:BAR$}  {what}", "")
}

/// The strongest n-grams and pieces of words; they sum to the logit before calibration.
fn pieces(out: &mut String, answer: &ExplainResponse, colours: bool) -> std::fmt::Result {
    let longest = answer.terms.first().map_or(0.0, |term| term.contribution.abs()).max(f64::MIN_POSITIVE);
    writeln!(out, "  {:>7}  {:BAR$}  n-gram or piece", "adds", "")?;
    for term in &answer.terms {
        line(out, term.contribution, longest, &format!("\"{}\"", plain(&term.ngram)), colours)?;
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
        assert_eq!(painted("a", 0.9, true), "\u{1b}[1m\u{1b}[31ma\u{1b}[0m");
        assert_eq!(painted("a", -0.3, true), "\u{1b}[34ma\u{1b}[0m");
        assert_eq!(painted("a", 0.9, false), "a[++]");
        assert_eq!(painted("a", -0.3, false), "a[-]");
        assert_eq!(plain("a\u{1b}[2Jb"), "a [2Jb");
    }
}
