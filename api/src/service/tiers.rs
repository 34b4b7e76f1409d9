//! Tiers in requests and answers: which tier answered, and when the encoder is asked.

use demur_predictor::encoder::Cascade;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::service::encoder_queue::EncoderQueue;

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

/// What a request says of the cascade.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// The share of inputs that the n-gram tier is to answer alone.
    pub(crate) cheap: Option<f64>,
    /// When it is to.
    pub(crate) cascade: Option<CascadeBody>,
}

/// How far a request has come.
pub(crate) enum Worked<T> {
    /// It is answered.
    Done(T),
    /// An encoder is to be asked what was noted, and then the request is worked on again.
    AskFirst(EncoderQueue),
}
