//! `POST /predict` of Text Embeddings Inference. A text is a prompt; two texts side by side, which that shape takes as
//! one pair, are a prompt and its answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::service::adapters::name::LabelNames;
use crate::service::adapters::verdict::{Ask, Place, Verdict, answers, prompts};
use crate::service::classify::AnswerBody;
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;

/// Texts or pairs to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"inputs": "How do I pick a lock?"}))]
pub(crate) struct PairsRequest {
    /// A prompt; `["prompt", "answer"]`; or a list of `["prompt"]` and `["prompt", "answer"]`.
    inputs: PairsInput,
    /// Only false: scores are probabilities.
    raw_scores: Option<bool>,
}

/// What is judged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "a text, one pair of texts, or a list of lists of one or two texts was expected"
)]
pub(crate) enum PairsInput {
    /// A prompt.
    One(String),
    /// A prompt alone in a list, or a prompt and its answer.
    Pair(Vec<String>),
    /// Several of these.
    Several(Vec<Vec<String>>),
}

/// The scores of the two labels, the higher first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScoredLabel {
    /// Its probability.
    #[schema(minimum = 0, maximum = 1)]
    score: f64,
    /// One of the two names of `--labels`.
    #[schema(example = "Refusal")]
    label: String,
}

/// The labels of one text, or of each of several.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum PairsResponse {
    /// Of one.
    One(Vec<ScoredLabel>),
    /// Of several, in their order.
    Several(Vec<Vec<ScoredLabel>>),
}

/// Answers the request.
///
/// # Errors
/// Those of `predict` and `classify`.
pub(crate) async fn score(
    request: PairsRequest,
    registry: &Registry,
    job: &Job,
) -> Result<PairsResponse, ApiError> {
    if request.raw_scores == Some(true) {
        return Err(ApiError::invalid("raw_scores", "scores are calibrated probabilities; leave it out"));
    }
    let (sequences, place, is_one) = match request.inputs {
        PairsInput::One(text) => (vec![vec![text]], Place::one("inputs"), true),
        PairsInput::Pair(pair) => (vec![pair], Place::one("inputs"), true),
        PairsInput::Several(sequences) => (sequences, Place::list("inputs"), false),
    };
    let (mut of_prompts, mut of_answers) = (Vec::new(), Vec::new());
    for (at, sequence) in sequences.into_iter().enumerate() {
        let mut texts = sequence.into_iter();
        match (texts.next(), texts.next(), texts.next()) {
            (Some(prompt), None, None) => of_prompts.push((at, prompt)),
            (Some(prompt), Some(response), None) => {
                let (prompt, response) = (Some(prompt), Some(response.into()));
                of_answers.push((at, AnswerBody { prompt, response, ..AnswerBody::default() }));
            }
            _ => {
                let message = "one text or a pair was expected; several go as [[\"a\"], [\"b\"]]";
                return Err(ApiError::invalid(format!("inputs[{at}]"), message));
            }
        }
    }
    let empty = of_prompts.is_empty() && of_answers.is_empty();
    let mut scored: Vec<(usize, Verdict)> = Vec::new();
    if !of_prompts.is_empty() || empty {
        let (places, texts): (Vec<usize>, Vec<String>) = of_prompts.into_iter().unzip();
        let verdicts = prompts(texts, Ask::default(), place, registry, job).await?;
        scored.extend(places.into_iter().zip(verdicts.list));
    }
    if !of_answers.is_empty() {
        let (places, texts): (Vec<usize>, Vec<AnswerBody>) = of_answers.into_iter().unzip();
        let verdicts = answers(texts, Ask::default(), place, registry, job).await?;
        scored.extend(places.into_iter().zip(verdicts.list));
    }
    scored.sort_by_key(|(at, _)| *at);
    let names = &job.state.settings.labels;
    let mut labels: Vec<Vec<ScoredLabel>> =
        scored.iter().map(|(_, verdict)| labels_of(verdict, names)).collect();
    match labels.pop() {
        Some(only) if is_one => Ok(PairsResponse::One(only)),
        last => {
            labels.extend(last);
            Ok(PairsResponse::Several(labels))
        }
    }
}

fn labels_of(verdict: &Verdict, names: &LabelNames) -> Vec<ScoredLabel> {
    let p = verdict.p();
    let refused = ScoredLabel { score: p, label: names.refused.clone() };
    let complied = ScoredLabel { score: 1.0 - p, label: names.complied.clone() };
    if p > 0.5 { vec![refused, complied] } else { vec![complied, refused] }
}
