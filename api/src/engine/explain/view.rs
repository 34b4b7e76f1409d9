//! An explanation in the form that `/v1/explain` and `demur explain --json` return.

use demur_predictor::encoder::Nearest;
use demur_predictor::{Decision, Doubt, Explanation, Field, Input, Origin, Tier};
use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::explain::AnswerView;
use crate::engine::model_ref::{Described, ModelRef};
use crate::engine::schema::{DecisionName, DoubtName, TierName};
use crate::engine::shares::{Characters, ShareView, Span};

/// A logit taken apart.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplainResponse {
    /// The probability of a refusal: the model's calibration of the logit, or of a response what `/v1/classify` says;
    /// null where there is no answer.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) p_refusal: Option<f64>,
    /// What the policy does at it, and `abstain` where there is a `reason`; for a response, `hold` says that it counts as
    /// refused.
    #[schema(value_type = Option<DecisionName>)]
    pub(crate) decision: Option<Decision>,
    /// Of a prompt, why nothing is decided, where too little of it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DoubtName>)]
    pub(crate) reason: Option<Doubt>,
    /// Of a prompt, the share of its letters that lie in n-grams known to the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) coverage: Option<f64>,
    /// Of a prompt, its language (ISO 639), where it can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "en")]
    pub(crate) language: Option<&'static str>,
    /// Of a model with an encoder tier, the tier that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TierName>)]
    pub(crate) tier: Option<Tier>,
    /// The text that is explained: `prompt` or `response`.
    #[schema(value_type = String, example = "prompt")]
    pub(crate) field: Field,
    /// Of a response, what it is and what decides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<AnswerView>,
    /// The n-gram tier's logit before calibration: `bias` and the contributions of all terms sum to it, and all `shares`
    /// but the calibration.
    pub(crate) logit: f64,
    /// The logit of a text in which no n-gram is known.
    pub(crate) bias: f64,
    /// The answer by whole words, with what the target and the prior add: all of them sum to the log-odds of the n-gram tier's
    /// P(refusal). Pieces of words count with their words, n-grams of words with their words.
    pub(crate) shares: Vec<ShareView>,
    /// The model's own features behind the shares, n-grams and pieces of words, the strongest first.
    pub(crate) terms: Vec<Term>,
    /// How many terms there are, shown or not.
    pub(crate) terms_in_all: usize,
    /// The words of the judged text with what falls on each, for highlighting.
    pub(crate) words: Vec<Word>,
    /// The smallest stable set of words whose removal carries the text over `hold_from`: at most five different words that
    /// mean something and speak for the decision, over the threshold by 0.2 in log-odds. Null where there is none.
    pub(crate) flip: Option<FlipView>,
    /// The fewest neighbouring words, at most twelve, of a text that is held which are held by themselves, by 0.2 in
    /// log-odds, and carry a third of what speaks for refusal in the whole; else null.
    pub(crate) fragment: Option<FragmentView>,
    /// Whether flip and fragment were looked for: texts over 8,000 bytes are too long for it.
    pub(crate) flip_searched: bool,
    /// Why there is no flip, in a sentence; null where there is one.
    pub(crate) unexplained: Option<String>,
    /// What the encoder tier shows, where the model has one. Flip and fragment are then looked for by the n-gram tier, and
    /// judged by both: one that does not hold there is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encoder: Option<EncoderView>,
    /// The parts of the request that the model does not read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!([]))]
    pub(crate) not_judged: Vec<&'static str>,
    /// What is not known, in sentences: a system prompt that what it shares with known ones stands in for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!([]))]
    pub(crate) not_known: Vec<String>,
    /// The model.
    #[schema(value_type = Described)]
    pub(crate) model: ModelRef,
    /// The time that it took.
    pub(crate) seconds: f64,
}

/// A feature with its share of the logit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Term {
    /// Where it comes from: the `prompt`, the `response`, the response's `style`, the `target`, the `system` prompt, or the
    /// `context`.
    #[schema(value_type = String, example = "prompt")]
    pub(crate) field: Origin,
    /// The n-gram, or the name of the measure.
    #[schema(example = "how do")]
    pub(crate) ngram: String,
    /// Its value in this text (scaled TF-IDF).
    pub(crate) value: f64,
    /// Its weight in the model.
    pub(crate) weight: f64,
    /// `value x weight`: above 0 it speaks for refusal.
    pub(crate) contribution: f64,
    /// Its place in its text, in characters (Unicode code points), the end not included.
    #[schema(example = json!([{"start": 0, "end": 6}]))]
    pub(crate) spans: Vec<Span>,
}

/// A word of the judged text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Word {
    /// Its beginning in characters.
    pub(crate) start: usize,
    /// Its end in characters, not included.
    pub(crate) end: usize,
    /// The word.
    #[schema(example = "pick")]
    pub(crate) text: String,
    /// Its share of the terms' contributions: above 0 it speaks for refusal.
    pub(crate) contribution: f64,
    /// Whether it only joins others ("the", "how", "about"), or is no word.
    pub(crate) function_word: bool,
}

/// An edit that changes the decision.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FlipView {
    /// The words that go.
    pub(crate) removed: Vec<RemovedWord>,
    /// P(refusal) without them.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) p_refusal: f64,
    /// The decision without them.
    #[schema(value_type = DecisionName)]
    pub(crate) decision: Decision,
    /// The prompt without them, the other words joined by one space.
    pub(crate) rest: String,
}

/// What the encoder tier shows of a text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EncoderView {
    /// The logit of the answer, before calibration; the n-gram tier's own where that tier answered.
    pub(crate) logit: f64,
    /// P(refusal) by the n-gram tier alone.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) ngram_p_refusal: f64,
    /// Where the text lies along the refusal direction: standard deviations from the point half way between complied and
    /// refused texts, towards the refused.
    pub(crate) deviations: f64,
    /// AUROC of that place alone, on rows that had no part in it.
    pub(crate) auroc: Option<f64>,
    /// AUROC of the encoder's head on the same rows.
    pub(crate) head_auroc: Option<f64>,
    /// The texts of the fit that lie nearest, nearest first; empty where the model keeps none.
    pub(crate) nearest: Vec<NearestText>,
}

/// A text of the fit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NearestText {
    pub(crate) text: String,
    /// P(refusal) of its label.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) p_refusal: f64,
    /// Cosine of both embeddings.
    pub(crate) similarity: f64,
}

/// A part of the text that is held by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FragmentView {
    /// Its beginning in characters.
    pub(crate) start: usize,
    /// Its end in characters, not included.
    pub(crate) end: usize,
    /// It.
    pub(crate) text: String,
    /// How many words it has.
    pub(crate) words: usize,
    /// P(refusal) of it alone.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) p_refusal: f64,
}

/// A word that a flip removes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RemovedWord {
    /// Its beginning in characters.
    pub(crate) start: usize,
    /// Its end in characters, not included.
    pub(crate) end: usize,
    /// The word.
    pub(crate) text: String,
}

/// The strongest terms of an explanation, in the API's form.
pub(crate) fn terms(explanation: &Explanation, input: &Input<'_>, top: usize) -> Vec<Term> {
    let [prompt, response, system] =
        [input.prompt, input.response, input.system].map(|text| Characters::of(text.unwrap_or_default()));
    let shown = explanation.terms.iter().take(top);
    shown
        .map(|term| {
            let characters = match term.field {
                Origin::Response => &response,
                Origin::System => &system,
                _ => &prompt,
            };
            Term {
                field: term.field,
                ngram: term.ngram.clone(),
                value: term.value,
                weight: term.weight,
                contribution: term.contribution,
                spans: term.spans.iter().map(|&(start, end)| characters.span(start, end)).collect(),
            }
        })
        .collect()
}

impl From<Nearest> for NearestText {
    fn from(nearest: Nearest) -> Self {
        let Nearest { text, p_refusal, similarity } = nearest;
        Self { text, p_refusal, similarity }
    }
}
