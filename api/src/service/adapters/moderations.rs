//! `POST /v1/moderations` of `OpenAI`: all of its categories, which Demur does not judge, as false and 0, and beside
//! them `refusal`, for a known target also `refusal/<target>`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::service::adapters::verdict::{Ask, Place, Verdict, judge, known_target, prompts};
use crate::service::error::ApiError;
use crate::service::job::Job;
use crate::service::registry::Registry;

/// The categories of `OpenAI`.
const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];
/// The category that is Demur's.
const REFUSAL: &str = "refusal";

/// Texts to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"input": "How do I pick a lock?"}))]
pub(crate) struct ModerationRequest {
    /// One text, several, or one in parts, of which the texts are judged.
    input: ModerationInput,
    /// A model by its name (`GET /v1/models`): a predictor takes the input as prompts, a classifier as answers; or a
    /// target by its name. Any other: the first predictor, for the average target.
    model: Option<String>,
}

/// What is judged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a text, a list of texts or a list of parts was expected")]
pub(crate) enum ModerationInput {
    /// One text.
    One(String),
    /// Several.
    Several(Vec<String>),
    /// One in parts.
    Parts(Vec<ModerationPart>),
}

/// A part of a text.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ModerationPart {
    /// `text` or `image_url`.
    #[serde(rename = "type")]
    kind: String,
    /// Of a part of type `text`.
    text: Option<String>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModerationResponse {
    id: String,
    /// The model that answered, by name.
    model: String,
    /// One for each text, in their order.
    results: Vec<ModerationResult>,
}

/// What was found in one text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModerationResult {
    /// Whether the prompt is held, or the answer is a refusal.
    flagged: bool,
    /// By category; those of `OpenAI` are not judged and false.
    categories: BTreeMap<String, bool>,
    /// P(refusal) by category; those of `OpenAI` are not judged and 0.
    category_scores: BTreeMap<String, f64>,
    /// What was judged by category.
    category_applied_input_types: BTreeMap<String, [&'static str; 1]>,
}

impl ModerationResult {
    fn of(found: &[(&str, bool, f64)]) -> Self {
        let all = || {
            let not_judged = CATEGORIES.iter().map(|&category| (category, false, 0.0));
            not_judged.chain(found.iter().copied())
        };
        Self {
            // The last is of the target that is asked for, where there is one.
            flagged: found.last().is_some_and(|(_, held, _)| *held),
            categories: all().map(|(name, held, _)| (name.to_owned(), held)).collect(),
            category_scores: all().map(|(name, _, p)| (name.to_owned(), p)).collect(),
            category_applied_input_types: all().map(|(name, ..)| (name.to_owned(), ["text"])).collect(),
        }
    }
}

/// Answers the request.
///
/// # Errors
/// Those of `predict` and `classify`.
pub(crate) async fn moderate(
    request: ModerationRequest,
    registry: &Registry,
    job: &Job,
) -> Result<ModerationResponse, ApiError> {
    let (texts, place) = texts(request.input);
    let model = request.model.as_deref().filter(|name| registry.named(name).is_ok());
    let target = request.model.as_deref().filter(|_| model.is_none());
    let target = target.and_then(|name| known_target(registry, None, name));
    let of_target = match target {
        None => None,
        Some(target) => {
            let ask = Ask { target: Some(target.clone()), ..Ask::default() };
            let verdicts = prompts(texts.clone(), ask, place, registry, job).await?;
            Some((format!("{REFUSAL}/{target}"), verdicts))
        }
    };
    let ask = Ask { model: model.map(str::to_owned), ..Ask::default() };
    let verdicts = judge(texts, ask, place, registry, job).await?;
    let result = |(at, verdict): (usize, &Verdict)| {
        let mut found = vec![(REFUSAL, verdict.is_held(), verdict.p())];
        if let Some((category, verdicts)) = &of_target {
            let verdict = &verdicts.list[at];
            found.push((category.as_str(), verdict.is_held(), verdict.p()));
        }
        ModerationResult::of(&found)
    };
    Ok(ModerationResponse {
        id: format!("modr-{}", uuid::Uuid::new_v4().simple()),
        results: verdicts.list.iter().enumerate().map(result).collect(),
        model: verdicts.model.name.clone(),
    })
}

/// The texts of the input, and their place.
fn texts(input: ModerationInput) -> (Vec<String>, Place) {
    match input {
        ModerationInput::One(text) => (vec![text], Place::one("input")),
        ModerationInput::Several(texts) => (texts, Place::list("input")),
        ModerationInput::Parts(parts) => {
            let of_text = |part: ModerationPart| part.text.filter(|_| part.kind == "text");
            let texts: Vec<String> = parts.into_iter().filter_map(of_text).collect();
            (vec![texts.join("\n")], Place::one("input"))
        }
    }
}
