//! `GET /v1/models`: what is loaded, and how good it is.

use std::collections::BTreeMap;

use demur_data::Labeller;
use demur_predictor::{Calibration, Field, LeftOutReport, labellers};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::engine::rules::targets;
use crate::engine::schema::{FieldName, KindName};
use crate::service::bodies::{CascadeBody, Thresholds};
use crate::service::registry::{Registry, Served};
use crate::service::settings::Limits;

/// All models.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelsResponse {
    /// The models in the order in which a request's choice looks through them.
    pub(crate) models: Vec<ModelInfo>,
    /// The service's limits.
    pub(crate) limits: LimitsInfo,
}

/// One model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelInfo {
    /// The name that requests choose it by.
    #[schema(example = "prompt")]
    pub(crate) name: String,
    /// What its manifest calls it.
    pub(crate) title: String,
    /// SHA-256 of its manifest.
    pub(crate) digest: String,
    /// What it judges.
    #[schema(value_type = FieldName)]
    pub(crate) field: Field,
    /// Whether it is taken where a request names no model and no target.
    pub(crate) default: bool,
    /// True: what is listed answers. `KServe`'s clients read it.
    pub(crate) ready: bool,
    /// The targets that it knows by name.
    pub(crate) targets: Vec<String>,
    /// Of those that were placed or learned from feedback, the digests of their lines.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) target_digests: BTreeMap<String, String>,
    /// The thresholds of its policy.
    pub(crate) policy: Thresholds,
    /// How its logits become probabilities.
    #[schema(value_type = Object)]
    pub(crate) calibration: Calibration,
    /// How many n-grams it weighs.
    pub(crate) ngrams: usize,
    /// Its encoder tier; null where it has none, or none is loaded.
    pub(crate) encoder: Option<EncoderInfo>,
    /// The kinds of answers that it tells apart; empty where it tells none.
    #[schema(value_type = Vec<KindName>)]
    pub(crate) kinds: Vec<demur_data::Kind>,
    /// What it was fitted on.
    pub(crate) training: Vec<TrainingInfo>,
    /// How many of those rows each kind of labeller labelled: `person`, `judge` (a judge model), `rule`, `norm` (what should
    /// be refused), `demur` or `unknown`.
    #[schema(value_type = std::collections::BTreeMap<String, usize>)]
    pub(crate) labellers: BTreeMap<Labeller, usize>,
    /// Figures on rows that its fit had not seen, by name of the evaluation; each says in `measures` what its `accuracy` is.
    #[schema(value_type = Object)]
    pub(crate) figures: Value,
    /// Figures on sources that a fit of its recipe left out whole, and what they say of its limits; null where none were
    /// measured.
    #[schema(value_type = Option<Object>)]
    pub(crate) left_out: Option<LeftOutReport>,
}

/// The encoder tier of a model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EncoderInfo {
    /// The model that it was made from.
    #[schema(example = "all-MiniLM-L6-v2")]
    pub(crate) base: String,
    /// Its licence, where the recipe names it.
    pub(crate) licence: Option<String>,
    /// Whether a fit has changed its numbers.
    pub(crate) tuned: bool,
    /// When the n-gram tier answers alone, unless a request says otherwise.
    pub(crate) cascade: CascadeBody,
    /// What other settings would do, on rows that the fit had not seen.
    pub(crate) cascades: Vec<CascadeInfo>,
}

/// What a setting of the cascade does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CascadeInfo {
    /// The setting.
    pub(crate) cascade: CascadeBody,
    /// Share of the rows that the n-gram tier answers alone.
    pub(crate) cheap: f64,
    /// Share of right decisions at one half.
    pub(crate) accuracy: f64,
    /// Area under the ROC curve.
    pub(crate) auroc: f64,
}

/// One file of training rows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrainingInfo {
    /// The source's name in the recipe, where it has one.
    pub(crate) source: Option<String>,
    /// Its name.
    pub(crate) file: String,
    /// Rows of it that took part.
    pub(crate) rows: usize,
    /// Who labelled them, in words.
    #[schema(example = "judge (gpt-4o)")]
    pub(crate) labelled_by: String,
    /// How many of them each kind of labeller labelled.
    #[schema(value_type = std::collections::BTreeMap<String, usize>)]
    pub(crate) labellers: BTreeMap<Labeller, usize>,
    /// The rows' licence, where the recipe names it.
    pub(crate) licence: Option<String>,
}

/// What a request may be at most.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitsInfo {
    /// Bytes of a body.
    pub(crate) max_body: usize,
    /// Prompts or answers in one request.
    pub(crate) max_batch: usize,
    /// Characters of a prompt or response.
    pub(crate) max_chars: usize,
    /// Rows of a file in one request.
    pub(crate) max_rows: usize,
    /// Bytes of an answer.
    pub(crate) max_answer: usize,
    /// Bytes of all bodies at once, and of all answers.
    pub(crate) max_held: usize,
    /// Requests that wait or are worked on beside the small ones.
    pub(crate) max_concurrent: usize,
    /// Seconds for one request.
    pub(crate) request_timeout: f64,
    /// Seconds that a client may leave its answer unread.
    pub(crate) write_timeout: f64,
    /// Requests a second by one key, or by one address where there are no keys; null without a limit.
    pub(crate) rate: Option<u32>,
}

impl From<&Limits> for LimitsInfo {
    fn from(limits: &Limits) -> Self {
        Self {
            max_body: limits.body,
            max_batch: limits.batch,
            max_chars: limits.chars,
            max_rows: limits.rows,
            max_answer: limits.answer,
            max_held: limits.held,
            max_concurrent: limits.concurrent,
            request_timeout: limits.timeout.as_secs_f64(),
            write_timeout: limits.write_timeout.as_secs_f64(),
            rate: limits.rate,
        }
    }
}

/// All models and the limits.
pub(crate) fn models(registry: &Registry, limits: &Limits) -> ModelsResponse {
    let models = registry.models.iter().map(|served| model(registry, served)).collect();
    ModelsResponse { models, limits: limits.into() }
}

/// One model.
pub(crate) fn model(registry: &Registry, served: &Served) -> ModelInfo {
    let manifest = served.model.manifest();
    let first = registry.of(manifest.field).next();
    let kinds = served.model.kinds().map_or_else(Vec::new, |kinds| kinds.settings().kinds.clone());
    let training = manifest.training.iter().map(|data| TrainingInfo {
        source: data.source.clone(),
        file: data.file.clone(),
        rows: data.rows,
        labelled_by: data.labelled_by(),
        labellers: data.by_labeller(),
        licence: data.licence.clone(),
    });
    ModelInfo {
        name: served.name.clone(),
        title: manifest.name.clone(),
        digest: served.model.digest().to_owned(),
        field: manifest.field,
        default: first.is_some_and(|first| first.name == served.name),
        ready: true,
        targets: targets(&served.model).map(str::to_owned).collect(),
        target_digests: target_digests(served),
        policy: manifest.policy.into(),
        calibration: manifest.calibration.clone(),
        ngrams: served.model.scorer().weights().len(),
        encoder: encoder(served),
        kinds,
        training: training.collect(),
        labellers: labellers(&manifest.training),
        figures: manifest.figures.clone().into_iter().collect(),
        left_out: manifest.left_out.clone(),
    }
}

fn target_digests(served: &Served) -> BTreeMap<String, String> {
    let of = |target: &str| Some((target.to_owned(), served.model.placed_digest(target)?.to_owned()));
    served.model.known_targets().into_iter().filter_map(of).collect()
}

fn encoder(served: &Served) -> Option<EncoderInfo> {
    let (manifest, _) = served.model.encoder()?;
    let cascades = manifest.cascades.iter().map(|figures| CascadeInfo {
        cascade: figures.cascade.into(),
        cheap: figures.cheap,
        accuracy: figures.accuracy,
        auroc: figures.auroc,
    });
    Some(EncoderInfo {
        base: manifest.base.name.clone(),
        licence: manifest.base.licence.clone(),
        tuned: manifest.tuned,
        cascade: served.cascade.unwrap_or(manifest.cascade).into(),
        cascades: cascades.collect(),
    })
}
