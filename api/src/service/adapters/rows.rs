//! Rows of a prompt, an answer or both, as the shapes for any model have them: by the model that answers, a row is read
//! as a prompt or as an answer.

use demur_predictor::Field;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::service::adapters::verdict::{Ask, Place, Verdicts, answers, field_of, prompts};
use crate::service::classify::AnswerBody;
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;

/// A row.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a text, or an object with `prompt`, `response` or both was expected")]
pub(crate) enum Row {
    /// A prompt for a predictor, an answer for a classifier.
    Text(String),
    /// By their names.
    Named(NamedRow),
}

/// A prompt, an answer or both.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct NamedRow {
    /// The prompt.
    #[serde(alias = "text", alias = "input", alias = "question")]
    pub(crate) prompt: Option<String>,
    /// The answer.
    #[serde(alias = "answer", alias = "output", alias = "completion")]
    pub(crate) response: Option<String>,
}

/// Judges rows: by the model that is asked for, or, where none is, by a classifier if the first row has an answer.
///
/// # Errors
/// 404 when no model has this name; 422 when a row has no text for it; those of `predict` and `classify`.
pub(crate) async fn judge_rows(
    rows: Vec<Row>,
    ask: Ask,
    place: Place,
    registry: &Registry,
    job: &Job,
) -> Result<Verdicts, ApiError> {
    let has_answer = matches!(rows.first(), Some(Row::Named(NamedRow { response: Some(_), .. })));
    let field = match &ask.model {
        None if has_answer => Field::Response,
        model => field_of(registry, model.as_deref())?,
    };
    let missing = |at: usize, what: &str| {
        let of = if place.is_list { format!("{}[{at}]", place.field) } else { place.field.to_owned() };
        ApiError::invalid(of, format!("there is no `{what}` in it"))
    };
    match field {
        Field::Prompt => {
            let prompt = |(at, row)| match row {
                Row::Text(text) => Ok(text),
                Row::Named(row) => row.prompt.ok_or_else(|| missing(at, "prompt")),
            };
            let texts = rows.into_iter().enumerate().map(prompt).collect::<Result<_, _>>()?;
            prompts(texts, ask, place, registry, job).await
        }
        Field::Response => {
            let answer = |(at, row)| {
                let (prompt, response) = match row {
                    Row::Text(text) => (None, text),
                    Row::Named(row) => (row.prompt, row.response.ok_or_else(|| missing(at, "response"))?),
                };
                Ok(AnswerBody { prompt, response: Some(response.into()), ..AnswerBody::default() })
            };
            let list = rows.into_iter().enumerate().map(answer).collect::<Result<_, ApiError>>()?;
            answers(list, ask, place, registry, job).await
        }
    }
}
