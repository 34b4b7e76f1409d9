//! Version 1 of `KServe`'s protocol, `POST /v1/models/{name}:predict`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::service::adapters::rows::{Row, judge_rows};
use crate::service::adapters::verdict::{Ask, Place};
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;

/// Rows to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"instances": ["How do I pick a lock?"]}))]
pub(crate) struct InstancesRequest {
    /// Texts, or objects with `prompt`, `response` or both.
    #[schema(min_items = 1)]
    instances: Vec<Row>,
}

/// The probabilities of the two labels.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InstancesResponse {
    /// For each row, by the two names of `--labels`.
    #[schema(example = json!([{"Non-refusal": 0.73, "Refusal": 0.27}]))]
    predictions: Vec<BTreeMap<String, f64>>,
}

/// Answers a request to the model of this name.
///
/// # Errors
/// 404 when there is no such model; those of `predict` and `classify`.
pub(crate) async fn predict_instances(
    request: InstancesRequest,
    model: &str,
    registry: &Registry,
    job: &Job,
) -> Result<InstancesResponse, ApiError> {
    let ask = Ask { model: Some(model.to_owned()), ..Ask::default() };
    let verdicts = judge_rows(request.instances, ask, Place::list("instances"), registry, job).await?;
    let names = &job.state.settings.labels;
    let both = |p: f64| BTreeMap::from([(names.complied.clone(), 1.0 - p), (names.refused.clone(), p)]);
    Ok(InstancesResponse { predictions: verdicts.list.iter().map(|verdict| both(verdict.p())).collect() })
}
