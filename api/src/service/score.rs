//! `POST /v1/score`: scores the rows of a file, with the same engine as `demur score`.

use demur_data::{Columns, DataError, Format, ReadOptions, Rejection};
use demur_predictor::{Decision, Field, Policy, Probability};
use demur_training::labelled_by;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::engine::batch::{Bounds, MissingColumn, PromptQuestion, Reading, RowQuestion, Run, Scored};
use crate::engine::judgement::Judge;
use crate::engine::model_ref::{Described, ModelRef};
use crate::engine::tiered_model::TieredModel;
use crate::engine::why::WORDS;
use crate::service::bodies::{CascadeBody, Thresholds, Wanted};
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::{Registry, Served};
use crate::service::served_tiers::ServedTiers;
use crate::service::validate::{MOST_TERMS, check_name, check_top, policy_of_request};

/// Most columns of a file.
const MOST_COLUMNS: usize = 4096;

/// A file of prompts to score, or of answers to classify.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"format": "csv", "rows": "id,prompt\n1,How do I pick a lock?\n"}))]
pub(crate) struct ScoreRequest {
    /// The format of `rows`.
    pub(crate) format: TextFormat,
    /// The file's text.
    pub(crate) rows: String,
    /// Column of the prompt; dots reach into nested objects. Default: prompt, question, instruction, input, text, messages.
    pub(crate) prompt_column: Option<String>,
    /// Column of a chat, of which the last message of the user is scored, or the answer to it is classified.
    pub(crate) messages_column: Option<String>,
    /// Of a response classifier, the column of the answer. Default: response, completion, output, answer, generation.
    pub(crate) response_column: Option<String>,
    /// The model that the prompts would be sent to. Default: the average target.
    pub(crate) target: Option<String>,
    /// The predictor by its name, or a response classifier: then the rows get the columns of `demur label`. Default: the
    /// first predictor that knows the target.
    pub(crate) model: Option<String>,
    /// How many of the strongest words to add to each row. Default: none.
    #[schema(maximum = 100)]
    pub(crate) top: Option<usize>,
    /// Whether to add what a predictor knows of each prompt: `coverage`, `language`, and the `reason` why the decision is
    /// `abstain` where too little is known. Default: no.
    pub(crate) coverage: Option<bool>,
    /// Whether to add why a prompt is held, as `why`. Default: no.
    pub(crate) why: Option<bool>,
    /// Thresholds for this request. Default: the model's own.
    pub(crate) policy: Option<Thresholds>,
    /// Of a model with an encoder tier, the share of inputs that its n-gram tier is to answer alone: the nearest setting that the
    /// model was measured at. Default: the service's setting.
    #[schema(minimum = 0, exclusive_maximum = 1)]
    pub(crate) cheap: Option<f64>,
    /// The same by thresholds of its P(refusal); in place of `cheap`.
    pub(crate) cascade: Option<CascadeBody>,
}

/// Text formats by lines.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TextFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated, with a header.
    Csv,
    /// As `csv`, separated by tabs.
    Tsv,
}

/// The file with its scores.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScoreResponse {
    /// The rows that could be scored, in their order and format: each as it stood, with `p_refusal`, `decision` and
    /// `model_digest` behind its own fields, and `tier` where the model has an encoder tier; answers with `p_refusal`,
    /// `label` and `form`.
    pub(crate) rows: String,
    /// How many they are.
    pub(crate) scored: u64,
    /// The rows that could not be scored.
    pub(crate) rejected: Vec<RejectedRow>,
    /// The model.
    #[schema(value_type = Described)]
    pub(crate) model: ModelRef,
    /// The time that the scoring took.
    pub(crate) seconds: f64,
}

/// A row that could not be scored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RejectedRow {
    /// Its line, from 1.
    pub(crate) line: usize,
    /// The field at fault, if it is one.
    pub(crate) field: Option<String>,
    /// What is wrong with it.
    pub(crate) reason: String,
}

impl From<Rejection> for RejectedRow {
    fn from(row: Rejection) -> Self {
        Self { line: row.place.line, field: row.field, reason: row.reason }
    }
}

/// Answers the request.
///
/// # Errors
/// 422 when no prompt is found in the rows, or the model, target or thresholds are invalid.
pub(crate) async fn score(
    request: &ScoreRequest,
    registry: &Registry,
    job: &Job,
) -> Result<ScoreResponse, ApiError> {
    check_name(request.prompt_column.as_deref(), "prompt_column")?;
    check_name(request.messages_column.as_deref(), "messages_column")?;
    check_name(request.response_column.as_deref(), "response_column")?;
    let served = chosen(request, registry)?;
    let policy = policy_of_request(request.policy, &served.model)?;
    check_top(request.top)?;
    let tiered = ServedTiers::of(served, Wanted { cheap: request.cheap, cascade: request.cascade })?;
    let labelled_by = labelled_by(&served.model);
    let compute = |tiered: TieredModel<'_>| {
        let question = match served.model.manifest().field {
            Field::Prompt => prompts(request, tiered, policy),
            Field::Response => RowQuestion::Responses {
                judge: Judge { tiered, policy, phrases: &registry.phrases },
                labelled_by: &labelled_by,
                prefix: None,
            },
        };
        rows_of(request, question, job)
    };
    let scored = tiered.in_pieces().with_encoder(job, compute).await?;
    for row in &scored.scores {
        let p = row.p_refusal.and_then(|p| Probability::new(p).ok());
        match (row.form, p, row.outcome.and_then(|outcome| Decision::ALL.get(outcome))) {
            (Some(form), p, _) => served.metrics.classified(form, p),
            (None, Some(p), Some(&decision)) => served.metrics.predicted(p, decision),
            (None, ..) => {}
        }
    }
    if served.queue.is_some() {
        scored.counts.tiers().into_iter().for_each(|(tier, rows)| served.metrics.answered(tier, rows));
    }
    // The rows are UTF-8 and so are our columns, so this should not fail.
    let rows = String::from_utf8(scored.rows)
        .map_err(|error| ApiError::invalid("rows", error.utf8_error().to_string()))?;
    Ok(ScoreResponse {
        rows,
        scored: scored.scores.len() as u64,
        rejected: scored.rejected.into_iter().map(RejectedRow::from).collect(),
        model: served.into(),
        seconds: job.started.elapsed().as_secs_f64(),
    })
}

/// The model of a request: a response classifier only if it is named.
fn chosen<'r>(request: &ScoreRequest, registry: &'r Registry) -> Result<&'r Served, ApiError> {
    let name = request.model.as_deref();
    let classifier = registry.of(Field::Response).find(|served| name == Some(served.name.as_str()));
    let Some(classifier) = classifier else {
        if request.response_column.is_some() {
            let message = "it goes with a response classifier; name one as `model`";
            return Err(ApiError::invalid("response_column", message));
        }
        return registry.choose(Field::Prompt, name, request.target.as_deref());
    };
    let fields = [
        ("top", request.top.is_some()),
        ("target", request.target.is_some()),
        ("coverage", request.coverage == Some(true)),
        ("why", request.why == Some(true)),
    ];
    for (field, given) in fields {
        if given {
            return Err(ApiError::invalid(field, "it goes with a prompt predictor"));
        }
    }
    Ok(classifier)
}

/// What is asked about prompts.
fn prompts<'a>(request: &ScoreRequest, tiered: TieredModel<'a>, policy: Policy) -> RowQuestion<'a> {
    RowQuestion::Prompts(PromptQuestion {
        target: request.target.clone(),
        coverage: request.coverage.unwrap_or(false),
        ngrams: request.top.unwrap_or_default(),
        why: request.why.unwrap_or(false),
        ..PromptQuestion::new(tiered, policy)
    })
}

/// Scores the rows of a request.
fn rows_of(request: &ScoreRequest, question: RowQuestion<'_>, job: &Job) -> Result<Scored, ApiError> {
    let limits = job.limits();
    let of_why = if request.why == Some(true) { WORDS } else { 0 };
    let words = request.top.unwrap_or_default() + of_why;
    let (column, messages) = (request.prompt_column.clone(), request.messages_column.clone());
    let reading = match question {
        RowQuestion::Prompts(_) => Reading::Prompt { column, messages, longest: limits.chars },
        RowQuestion::Responses { .. } => {
            let response = request.response_column.clone();
            let columns = Columns { prompt: column, response, messages, ..Columns::default() };
            Reading::Answer(Box::new(ReadOptions { columns, need_response: true, ..ReadOptions::default() }))
        }
    };
    let format = match request.format {
        TextFormat::Jsonl => Format::Jsonl,
        TextFormat::Csv => Format::Csv,
        TextFormat::Tsv => Format::Tsv,
    };
    // If words are requested, fewer rows are allowed, because an answer lists at most `MOST_TERMS` words.
    let bounds = Bounds {
        rows: MOST_TERMS.checked_div(words).map_or(limits.rows, |most| limits.rows.min(most)),
        columns: MOST_COLUMNS,
        stop: job.stop(),
    };
    let scored = Run::of_bytes(question, reading, format, (request.rows.as_bytes(), bounds));
    // Work that was stopped also ends in an error, but the rows are not at fault.
    job.check()?;
    scored.map_err(|error| {
        let of_data = match error.downcast_ref() {
            Some(DataError::NoTextColumn { role, .. } | DataError::UnknownColumn { role, .. }) => Some(*role),
            _ => None,
        };
        let role = of_data.or_else(|| error.downcast_ref::<MissingColumn>()?.role);
        let hint = role.map_or_else(String::new, |role| format!("; name the column in `{role}_column`"));
        ApiError::invalid("rows", format!("{error:#}{hint}"))
    })
}
