//! Types that several bodies share: thresholds, cascades, messages, kinds with their probabilities.

use demur_data::{Kind, conversation};
use demur_predictor::encoder::Cascade;
use demur_predictor::{Policy, Probability};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::engine::schema::KindName;

/// A message of a chat, in one of the forms that `demur_data::conversation` reads.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(try_from = "serde_json::Value")]
#[schema(example = json!({"role": "user", "content": "How do I pick a lock?"}))]
pub(crate) struct Message {
    /// Who speaks; `user` is whose message is judged.
    pub(crate) role: String,
    /// What is said.
    #[schema(value_type = Content)]
    pub(crate) content: String,
    /// Whether it calls a tool, or is what a tool returned.
    #[serde(skip)]
    pub(crate) acts: bool,
}

impl TryFrom<serde_json::Value> for Message {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        let turn = conversation::turn(&value)?;
        let acts = conversation::acts(&turn.role, Some(&value));
        Ok(Self { role: turn.role, content: turn.content, acts })
    }
}

/// A text, or parts of which those with a text count.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "the OpenAPI document's view of what `demur_data::conversation` reads")]
pub(crate) enum Content {
    /// The text.
    Text(String),
    /// Parts, as multimodal clients send them.
    Parts(Vec<ContentPart>),
}

/// A part of a message.
#[derive(Debug, Deserialize, ToSchema)]
#[allow(dead_code, reason = "the OpenAPI document's view of what `demur_data::conversation` reads")]
pub(crate) struct ContentPart {
    /// `text`, `image_url` and so on.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The text of a part of type `text`.
    pub(crate) text: Option<String>,
}

/// Below `send_below` a prompt is sent, from `hold_from` up it is held, between them the policy abstains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"send_below": 0.3, "hold_from": 0.7}))]
pub(crate) struct Thresholds {
    /// From 0 to `hold_from`.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) send_below: f64,
    /// From `send_below` to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) hold_from: f64,
}

impl From<Policy> for Thresholds {
    fn from(policy: Policy) -> Self {
        Self { send_below: policy.send_below, hold_from: policy.hold_from }
    }
}

/// Of a model with an encoder tier, when its n-gram tier answers alone: where its P(refusal) lies below `below`, or from `from`
/// up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"below": 0.1, "from": 0.9}))]
pub(crate) struct CascadeBody {
    /// From 0 (never) to `from`.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) below: f64,
    /// From `below` up; above 1, never.
    #[schema(minimum = 0)]
    pub(crate) from: f64,
}

impl From<CascadeBody> for Cascade {
    fn from(CascadeBody { below, from }: CascadeBody) -> Self {
        Self { below, from }
    }
}

impl From<Cascade> for CascadeBody {
    fn from(Cascade { below, from }: Cascade) -> Self {
        Self { below, from }
    }
}

/// The cascade settings in a request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// The share of inputs that the n-gram tier answers alone.
    pub(crate) cheap: Option<f64>,
    /// The thresholds at which it does.
    pub(crate) cascade: Option<CascadeBody>,
}

/// A kind of answer with its probability.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KindProbability {
    /// Its name.
    #[schema(value_type = KindName)]
    pub(crate) kind: Kind,
    /// Its probability.
    #[schema(minimum = 0, maximum = 1)]
    pub(crate) p: f64,
}

/// The probability of the likelier outcome.
pub(crate) fn confidence(p_refusal: Probability) -> f64 {
    p_refusal.get().max(1.0 - p_refusal.get())
}

/// Converts a distribution to the form of the API.
pub(crate) fn probabilities(kinds: &[(Kind, f64)]) -> Vec<KindProbability> {
    kinds.iter().map(|&(kind, p)| KindProbability { kind, p }).collect()
}
