//! What an answer is as a whole, beside what its words say: a sign, a phrase or one sentence may decide it.

use demur_data::Kind;
use demur_predictor::{Flip, Form, Fragment, Judged, Outcome, ScoreError, Scratch, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::judgement::Judge;
use crate::engine::schema::{FormName, KindName, OutcomeName};
use crate::engine::shares::{Characters, Span};

/// What an answer is, and what decides it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnswerView {
    /// What became of the request: `no_answer` is neither of the others.
    #[schema(value_type = OutcomeName)]
    pub(crate) outcome: Outcome,
    /// How it was recognised: by its `text`, by one `passage` of it, or by a sign beside it.
    #[schema(value_type = FormName)]
    pub(crate) form: Form,
    /// The kind of answer; null where it is not known.
    #[schema(value_type = Option<KindName>)]
    pub(crate) kind: Option<Kind>,
    /// Whether reasoning came with the answer; it is not scored.
    pub(crate) reasoning: bool,
    /// The sentence or phrase that decides it, where one does.
    pub(crate) passage: Option<PassageView>,
    /// P(refusal) of the words alone, whatever else decides: `shares` sum to its log-odds.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) words_p_refusal: f64,
}

/// A part of a response, in characters (Unicode code points), the end not included.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PassageView {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) text: String,
}

impl PassageView {
    /// The deciding part of a response, if its verdict names one.
    pub(crate) fn of(verdict: &Verdict, response: &str) -> Option<Self> {
        let place = verdict.place.clone()?;
        let Span { start, end } = Characters::of(response).span(place.start, place.end);
        Some(Self { start, end, text: response.get(place)?.to_owned() })
    }
}

impl AnswerView {
    pub(crate) fn of(judged: &Judged, response: &str, words_p_refusal: f64) -> Self {
        let verdict = &judged.verdict;
        Self {
            outcome: verdict.outcome(),
            form: verdict.form,
            kind: verdict.kind,
            reasoning: verdict.reasoning,
            passage: PassageView::of(verdict, response),
            words_p_refusal,
        }
    }

    /// Why words do not explain the answer, if something else decides it.
    pub(super) fn decided_otherwise(&self) -> Option<String> {
        let what = match self.form {
            Form::Text => return None,
            Form::Passage => "one sentence decides, whatever the other words say",
            Form::Guardrail | Form::Allowed => {
                "a phrase of the operator decides, whatever the other words say"
            }
            _ => "a sign beside the text or in its place decides, not the words",
        };
        Some(what.to_owned())
    }
}

/// The edits that also change, or keep, what the answer is by all that decides it.
pub(super) fn confirmed(
    judge: &Judge<'_>,
    (prompt, response): (Option<&str>, &str),
    refused: bool,
    (flip, fragment): (Option<Flip>, Option<Fragment>),
    scratch: &mut Scratch,
) -> Result<(Option<Flip>, Option<Fragment>), ScoreError> {
    let mut is_refused = |response: &str| {
        let answer = demur_predictor::Answer { prompt, response: Some(response), ..Default::default() };
        let judged = judge.one(&answer, scratch)?;
        Ok::<_, ScoreError>(judged.verdict.outcome() == Outcome::Refused)
    };
    let flip = match flip {
        Some(flip) => (is_refused(&flip.rest)? != refused).then_some(flip),
        None => None,
    };
    let fragment = match fragment {
        Some(fragment) => is_refused(&response[fragment.bytes.clone()])?.then_some(fragment),
        None => None,
    };
    Ok((flip, fragment))
}
