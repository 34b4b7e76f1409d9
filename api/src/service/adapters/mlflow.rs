//! The scoring server of `MLflow`, `POST /invocations`, which `SageMaker` calls as well: JSON in the four forms that
//! `MLflow`'s clients send.

use demur_predictor::Decision;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::engine::schema::DecisionName;
use crate::service::adapters::rows::{NamedRow, Row, judge_rows};
use crate::service::adapters::verdict::{Extras, Place, Verdict};
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;

/// Rows to judge, in exactly one of four forms. Rows with an answer are classified, others predicted, unless `params`
/// has a `model`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"inputs": ["How do I pick a lock?"]}))]
pub(crate) struct InvocationRequest {
    /// A table by columns and rows.
    dataframe_split: Option<SplitFrame>,
    /// A table as a list of rows.
    dataframe_records: Option<Vec<NamedRow>>,
    /// Texts or rows.
    instances: Option<Vec<Row>>,
    /// Texts or rows, one text, or columns.
    inputs: Option<Inputs>,
    /// Settings.
    params: Option<Extras>,
}

/// A table.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SplitFrame {
    /// Names, `prompt` and `response` among them; or one of any name.
    columns: Vec<String>,
    /// Rows of cells in the order of the columns.
    #[schema(value_type = Vec<Vec<Value>>)]
    data: Vec<Vec<Value>>,
}

/// Texts in any form.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a text, a list of texts or rows, or columns of texts was expected")]
pub(crate) enum Inputs {
    /// One.
    One(String),
    /// Several.
    Rows(Vec<Row>),
    /// By columns.
    Columns(ColumnsOfTexts),
}

/// Columns of texts, of the same length.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ColumnsOfTexts {
    /// Prompts.
    prompt: Option<Vec<String>>,
    /// Answers.
    response: Option<Vec<String>>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvocationResponse {
    /// One for each row, in their order.
    predictions: Vec<RowPrediction>,
}

/// What was found in a row.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RowPrediction {
    /// Null where there was no answer to judge.
    #[schema(minimum = 0, maximum = 1)]
    p_refusal: Option<f64>,
    /// What to do with a prompt; of an answer, `hold` where it is a refusal.
    #[schema(value_type = DecisionName)]
    decision: Decision,
}

/// Answers the request.
///
/// # Errors
/// 422 when it has not exactly one of the four forms; those of `predict` and `classify`.
pub(crate) async fn invoke(
    request: InvocationRequest,
    registry: &Registry,
    job: &Job,
) -> Result<InvocationResponse, ApiError> {
    let ask = request.params.unwrap_or_default().ask(None, "params")?;
    let given = (request.dataframe_split, request.dataframe_records, request.instances, request.inputs);
    let (rows, field) = match given {
        (Some(frame), None, None, None) => (of_frame(frame)?, "dataframe_split.data"),
        (None, Some(records), None, None) => {
            (records.into_iter().map(Row::Named).collect(), "dataframe_records")
        }
        (None, None, Some(rows), None) => (rows, "instances"),
        (None, None, None, Some(inputs)) => (of_inputs(inputs)?, "inputs"),
        _ => {
            let message = "give one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`";
            return Err(ApiError::invalid("inputs", message));
        }
    };
    let verdicts = judge_rows(rows, ask, Place::list(field), registry, job).await?;
    let row = |verdict: &Verdict| RowPrediction { p_refusal: verdict.p_refusal, decision: verdict.decision };
    Ok(InvocationResponse { predictions: verdicts.list.iter().map(row).collect() })
}

fn of_frame(SplitFrame { columns, data }: SplitFrame) -> Result<Vec<Row>, ApiError> {
    let invalid =
        |at: usize, message: &'static str| ApiError::invalid(format!("dataframe_split.data[{at}]"), message);
    let row = |(at, cells): (usize, Vec<Value>)| {
        if cells.len() != columns.len() {
            return Err(invalid(at, "it has another number of cells than there are columns"));
        }
        let row = match <[Value; 1]>::try_from(cells) {
            Ok([cell]) => cell,
            Err(cells) => Value::Object(Map::from_iter(columns.iter().cloned().zip(cells))),
        };
        serde_json::from_value(row).map_err(|_| invalid(at, "its prompt or response is not text"))
    };
    data.into_iter().enumerate().map(row).collect()
}

fn of_inputs(inputs: Inputs) -> Result<Vec<Row>, ApiError> {
    let ColumnsOfTexts { prompt, response } = match inputs {
        Inputs::One(text) => return Ok(vec![Row::Text(text)]),
        Inputs::Rows(rows) => return Ok(rows),
        Inputs::Columns(columns) => columns,
    };
    let lengths = (prompt.as_ref().map(Vec::len), response.as_ref().map(Vec::len));
    if let (Some(prompts), Some(responses)) = lengths
        && prompts != responses
    {
        return Err(ApiError::invalid("inputs", "the columns have different lengths"));
    }
    let rows = lengths.0.or(lengths.1).unwrap_or_default();
    let (mut prompts, mut responses) = (prompt.into_iter().flatten(), response.into_iter().flatten());
    Ok((0..rows)
        .map(|_| Row::Named(NamedRow { prompt: prompts.next(), response: responses.next() }))
        .collect())
}
