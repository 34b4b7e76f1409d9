//! A decision as gateways read it: headers of an answer, and the body of one that holds a request.

use actix_web::http::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::engine::why::Why;
use crate::service::adapters::verdict::{Verdict, Verdicts};

/// P(refusal), where there is a prompt.
const P_REFUSAL: HeaderName = HeaderName::from_static("x-demur-p-refusal");
/// `send`, `abstain`, `hold`, or `none` where nothing was judged.
const DECISION: HeaderName = HeaderName::from_static("x-demur-decision");
/// The decision in one sentence.
const REASON: HeaderName = HeaderName::from_static("x-demur-reason");

/// What the answer is: `refused`, `complied`, `no_answer`, or `none` where it could not be judged.
const ANSWER: HeaderName = HeaderName::from_static("x-demur-answer");
/// P(refusal) of the answer.
const ANSWER_P_REFUSAL: HeaderName = HeaderName::from_static("x-demur-answer-p-refusal");
/// The model that was asked in place of the one that the request names.
const MODEL: HeaderName = HeaderName::from_static("x-demur-model");
/// The fallback that the answer is from.
const FALLBACK: HeaderName = HeaderName::from_static("x-demur-fallback");

/// The headers of a verdict.
pub(crate) fn headers(verdicts: &Verdicts, verdict: &Verdict) -> Vec<(HeaderName, HeaderValue)> {
    vec![
        (P_REFUSAL, value(&format!("{:.4}", verdict.p()))),
        (DECISION, value(verdict.decision.name())),
        (REASON, value(&verdicts.reason(verdict))),
    ]
}

/// The headers where nothing was judged, and why, where that is worth saying.
pub(crate) fn not_judged(reason: Option<&str>) -> Vec<(HeaderName, HeaderValue)> {
    let reason = reason.map(|reason| (REASON, value(reason)));
    [(DECISION, HeaderValue::from_static("none"))].into_iter().chain(reason).collect()
}

/// The headers about an answer.
pub(crate) fn answer(name: &'static str, p_refusal: Option<f64>) -> Vec<(HeaderName, HeaderValue)> {
    let p = p_refusal.map(|p| (ANSWER_P_REFUSAL, value(&format!("{p:.4}"))));
    [(ANSWER, HeaderValue::from_static(name))].into_iter().chain(p).collect()
}

/// The headers about where an answer is from, if not from the upstream and the model that were asked for.
pub(crate) fn place(model: Option<&str>, fallback: Option<&str>) -> Vec<(HeaderName, HeaderValue)> {
    let model = model.map(|model| (MODEL, value(model)));
    let fallback = fallback.map(|fallback| (FALLBACK, value(fallback)));
    model.into_iter().chain(fallback).collect()
}

/// The body of an answer in place of the one that a held request would have got, in the form of `OpenAI`'s errors, with
/// why it is held where that is known.
pub(crate) fn held(reason: &str, why: Option<&Why>) -> Value {
    let mut body =
        json!({"error": {"message": reason, "type": "refusal_predicted", "param": null, "code": "hold"}});
    if let Some(why) = why {
        body["error"]["why"] = json!(why);
    }
    body
}

/// A text as a header's value: the name of a model may hold characters that none can have.
fn value(text: &str) -> HeaderValue {
    let shown = |letter: char| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' };
    let text: String = text.chars().map(shown).take(1000).collect();
    // Visible ASCII is a valid value, so the fallback is not used.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("?"))
}
