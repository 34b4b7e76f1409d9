//! The text detectors of the FMS guardrails orchestrator, `POST /api/v1/text/contents`: a refusal is a detection.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::service::adapters::verdict::{Extras, Place, Verdict, judge};
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;

/// Texts to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"contents": ["How do I pick a lock?"], "detector_params": {"threshold": 0.2}}))]
pub(crate) struct ContentsRequest {
    /// The texts: prompts, or answers where `detector_params` has a classifier as `model`.
    #[schema(min_items = 1)]
    contents: Vec<String>,
    /// Settings; `threshold` is `hold_from`.
    detector_params: Option<Extras>,
}

/// A detection: the whole text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Detection {
    /// In characters (Unicode code points).
    start: usize,
    /// The end, not included.
    end: usize,
    /// What was judged.
    text: String,
    /// `refusal`.
    #[schema(example = "refusal")]
    detection: &'static str,
    /// `refusal`.
    #[schema(example = "refusal")]
    detection_type: &'static str,
    /// P(refusal).
    #[schema(minimum = 0, maximum = 1)]
    score: f64,
}

/// For each text a list, with one detection where it is held, or a refusal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContentsResponse(Vec<Vec<Detection>>);

/// Answers the request.
///
/// # Errors
/// Those of `predict` and `classify`.
pub(crate) async fn detect(
    request: ContentsRequest,
    registry: &Registry,
    job: &Job,
) -> Result<ContentsResponse, ApiError> {
    let ask = request.detector_params.unwrap_or_default().ask(None, "detector_params")?;
    let texts = request.contents.clone();
    let verdicts = judge(texts, ask, Place::list("contents"), registry, job).await?;
    let detections = |(text, verdict): (String, &Verdict)| {
        let score = verdict.p();
        let one = |text: String| Detection {
            start: 0,
            end: text.chars().count(),
            text,
            detection: "refusal",
            detection_type: "refusal",
            score,
        };
        if verdict.is_held() { vec![one(text)] } else { Vec::new() }
    };
    Ok(ContentsResponse(request.contents.into_iter().zip(&verdicts.list).map(detections).collect()))
}
