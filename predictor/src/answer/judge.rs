//! Classifies an answer: by provider signs first, then by an operator's phrases, then by the model's score of
//! the text and rules for parts of it.

use std::borrow::Cow;
use std::ops::Range;

use demur_data::{Input, Kind, Label, Signs};

use crate::answer::bare_no::{P_REFUSAL, is_answer, refusing_no};
use crate::answer::error_text::{error_text, is_blank, is_placeholder};
use crate::answer::errors::{evidence, evidence_of_filters};
use crate::answer::passages::{Quoted, declining, quoted_refusals, without};
use crate::answer::phrases::{Phrases, found_phrases};
use crate::answer::plain::plain;
use crate::answer::prefix::first_tokens;
use crate::answer::proper::proper;
use crate::answer::signs::{Meaning, Tables};
use crate::answer::verdict::{Answer, Form, Verdict};
use crate::model::Model;
use crate::ngram::scratch::Scratch;
use crate::policy::Policy;
use crate::probability::Probability;
use crate::text;

/// From this P(refusal) up, a sentence that declines in the first person decides. Chosen on answers of other
/// models; docs/api.md has the figures.
const PASSAGE: f64 = 0.55;
/// Quotations are left out only if this many words remain.
const ENOUGH: usize = 5;

impl Model {
    /// Classifies an answer in any form; from `policy.hold_from` up a text counts as refused. The model must
    /// be a response classifier.
    #[must_use]
    pub fn judge(
        &self,
        answer: &Answer<'_>,
        policy: &Policy,
        phrases: &Phrases,
        scratch: &mut Scratch,
    ) -> Verdict {
        self.judge_with(answer, policy, phrases, scratch, &mut |input, scratch| {
            self.predict_ngrams(input, scratch).p_refusal
        })
    }

    /// Like [`judge`](Self::judge), but P(refusal) of the text as a whole comes from `whole`, for example
    /// from all tiers of the model. Single sentences are always scored by the n-gram tier, because their
    /// threshold was measured on it.
    pub fn judge_with(
        &self,
        answer: &Answer<'_>,
        policy: &Policy,
        phrases: &Phrases,
        scratch: &mut Scratch,
        whole: &mut dyn FnMut(&Input<'_>, &mut Scratch) -> Probability,
    ) -> Verdict {
        if let Some(verdict) = decided(answer, phrases) {
            return verdict;
        }
        let response = answer.response.unwrap_or_default();
        let prompt = asked(answer);
        let parts = proper(response, prompt);
        let (start, said) = (parts.answer.start, &response[parts.answer]);
        let verdict = if said.trim().is_empty() {
            let called = Verdict::certain(Form::ToolCall, Label::Complied);
            if parts.calls { called } else { Verdict::none(Form::NoAnswer) }
        } else {
            let said = answer.prefix.map_or(said, |count| first_tokens(said, count));
            let text = plain(said);
            let asked = prompt.or(parts.prompt);
            let mut verdict = self.judge_text((asked, &text.text), policy, phrases, scratch, whole);
            verdict.place = verdict.place.map(|place| {
                let place = text.original(place);
                start + place.start..start + place.end
            });
            verdict
        };
        let reasoning = parts.reasoning || answer.signs.is_some_and(|signs| signs.reasoning);
        Verdict { reasoning, ..verdict }
    }

    fn judge_text(
        &self,
        (prompt, response): (Option<&str>, &str),
        policy: &Policy,
        phrases: &Phrases,
        scratch: &mut Scratch,
        whole: &mut dyn FnMut(&Input<'_>, &mut Scratch) -> Probability,
    ) -> Verdict {
        let (guardrail, mut left_out) = found_phrases(response, phrases);
        if let Some(place) = guardrail {
            return Verdict { place: Some(place), ..Verdict::certain(Form::Guardrail, Label::Refused) };
        }
        if !left_out.is_empty() && !has_words(&without(response, &left_out), 1) {
            return Verdict { place: left_out.pop(), ..Verdict::certain(Form::Allowed, Label::Complied) };
        }
        if let Some(place) = refusing_no(prompt, response, scratch) {
            let (kind, p_refusal) = (Some(Kind::Rejected), Probability::new(P_REFUSAL).ok());
            let refused = Verdict::certain(Form::Passage, Label::Refused);
            return Verdict { kind, p_refusal, place: Some(place), ..refused };
        }
        if is_answer(prompt, response, scratch) {
            let p_refusal = Probability::new(1.0 - P_REFUSAL).ok();
            return Verdict { p_refusal, ..Verdict::certain(Form::Text, Label::Complied) };
        }
        let Some((judged, quotes)) = own_words(response, &left_out, scratch) else {
            return Verdict::certain(Form::Text, Label::Complied);
        };
        let input = Input { prompt, response: Some(&judged), ..Input::default() };
        let (mut p_refusal, mut form, mut place) = (whole(&input, scratch), Form::Text, None);
        // A sentence can only raise P(refusal): it decides if the rest of the text hides the refusal.
        for sentence in declining(response, &quotes, scratch) {
            let alone = Input { response: Some(&response[sentence.clone()]), ..Input::default() };
            let p = self.predict_ngrams(&alone, scratch).p_refusal;
            if p.get() >= PASSAGE && p.get() > p_refusal.get() {
                (p_refusal, form, place) = (p, Form::Passage, Some(sentence));
            }
        }
        let kinds = self.kinds().map(|kinds| kinds.predict(&input, p_refusal, scratch));
        let kind = kinds.as_ref().map(|kinds| kinds.kind);
        let (label, p_refusal) = (Some(policy.label(p_refusal)), Some(p_refusal));
        Verdict { form, label, p_refusal, kind, kinds, place, reasoning: false }
    }
}

/// What was asked, if it is known.
fn asked<'a>(answer: &Answer<'a>) -> Option<&'a str> {
    answer.prompt.filter(|prompt| !prompt.trim().is_empty())
}

/// The verdict on an answer that a sign beside the text, or an error in its place, decides; `None` if the
/// text decides. It needs no model, and knows no rules of an operator.
#[must_use]
pub fn decided_by_sign(answer: &Answer<'_>) -> Option<Verdict> {
    decided(answer, &Phrases::default())
}

fn decided(answer: &Answer<'_>, phrases: &Phrases) -> Option<Verdict> {
    let tables = Tables::with(&phrases.sign);
    let signs = answer.signs.unwrap_or(&Signs::NONE);
    let response = answer.response.unwrap_or_default();
    let of_text =
        || error_text(response, asked(answer), tables).map(|means| of_error(means == Meaning::Refused));
    let nothing = || is_placeholder(response, asked(answer)).then_some(Verdict::none(Form::Empty));
    let verdict = by_signs(signs, !response.trim().is_empty(), tables).or_else(of_text).or_else(nothing)?;
    Some(Verdict { reasoning: signs.reasoning, ..verdict })
}

/// The verdict on what a provider says, if that decides; without a text it always does.
fn by_signs(signs: &Signs, has_text: bool, tables: Tables<'_>) -> Option<Verdict> {
    if signs.refusal.as_deref().is_some_and(|text| !text.trim().is_empty()) {
        return Some(Verdict::certain(Form::RefusalField, Label::Refused));
    }
    let reason = signs.finish_reason.as_deref().filter(|reason| !reason.trim().is_empty());
    let means = reason.and_then(|reason| tables.reason(reason)).map(|sign| sign.means);
    let of_filters = |filters| evidence_of_filters(filters, tables).of_filters(has_text);
    let filtered = || signs.filters.as_ref().and_then(of_filters) == Some(Meaning::Refused);
    if means == Some(Meaning::Refused) || filtered() {
        return Some(Verdict::certain(Form::Filtered, Label::Refused));
    }
    if let Some(error) = signs.error.as_ref().filter(|error| !is_blank(error)) {
        let refused = evidence(error, tables).refuses();
        // An error beside an answer that is about something else says nothing of the answer.
        if refused || !has_text {
            return Some(of_error(refused));
        }
    }
    let silent = || match means {
        _ if signs.tool_calls => Verdict::certain(Form::ToolCall, Label::Complied),
        Some(Meaning::Complied) => Verdict::certain(Form::ToolCall, Label::Complied),
        _ if reason.is_some() || signs.reasoning => Verdict::none(Form::NoAnswer),
        _ => Verdict::none(Form::Empty),
    };
    (!has_text).then(silent)
}

/// An error about the content is a refusal; any other is no answer.
fn of_error(refused: bool) -> Verdict {
    if refused {
        Verdict::certain(Form::ProviderError, Label::Refused)
    } else {
        Verdict::none(Form::ProviderError)
    }
}

/// The author's own words in a response, and the bytes of the rest: code, quotations and ignored phrases.
/// `None` if there is code and nothing else.
fn own_words<'t>(
    response: &'t str,
    left_out: &[Range<usize>],
    scratch: &mut Scratch,
) -> Option<(Cow<'t, str>, Vec<Range<usize>>)> {
    let Quoted { code, quotes: said } = quoted_refusals(response, scratch);
    let joined = |ranges: &[&[Range<usize>]]| {
        let mut all = ranges.concat();
        all.sort_unstable_by_key(|range| (range.start, range.end));
        all
    };
    let mut quotes = joined(&[&code, &said, left_out]);
    // An answer that is wholly in quotation marks is still the answer. An answer that is wholly code is not,
    // because what its program prints is not what the model says.
    if !said.is_empty() && !has_words(&without(response, &quotes), ENOUGH) {
        quotes = joined(&[&code, left_out]);
    }
    let own = without(response, &quotes);
    if !code.is_empty() && !has_words(&own, 1) {
        return None;
    }
    Some((own, quotes))
}

/// Whether at least `least` white-space separated pieces have a letter or digit in them.
fn has_words(text: &str, least: usize) -> bool {
    let is_word = |piece: &Range<usize>| text[piece.clone()].chars().any(char::is_alphanumeric);
    text::pieces(text).filter(is_word).nth(least - 1).is_some()
}
