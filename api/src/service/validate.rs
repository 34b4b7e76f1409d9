//! Checks a request before any work is done for it.

use demur_predictor::{Model, Policy};

use crate::engine::rules;
use crate::service::bodies::Thresholds;
use crate::service::error::ApiError;
use crate::service::settings::Limits;

/// Most words that an answer lists, over all of its texts.
pub(crate) const MOST_TERMS: usize = 20_000;
/// Longest name of a column. It is limited because each bad row repeats it in the answer.
const LONGEST_NAME: usize = 1000;

/// Checks how many words are requested for each text.
///
/// # Errors
/// 422 when there are too many.
pub(crate) fn check_top(top: Option<usize>) -> Result<(), ApiError> {
    top.map_or(Ok(()), |top| rules::top(top).map(drop)).map_err(|reason| ApiError::invalid("top", reason))
}

/// Checks how many words are requested over all texts.
///
/// # Errors
/// 422 when there are too many.
pub(crate) fn check_terms(top: usize, texts: usize) -> Result<(), ApiError> {
    let all = top.saturating_mul(texts);
    if all > MOST_TERMS {
        let message = format!("{top} words of each of {texts} texts are {all}; the limit is {MOST_TERMS}");
        return Err(ApiError::invalid("top", message));
    }
    Ok(())
}

/// Checks the number of items.
///
/// # Errors
/// 422 when there are none or too many.
pub(crate) fn check_batch(items: usize, field: &str, limits: &Limits) -> Result<(), ApiError> {
    if items == 0 {
        return Err(ApiError::invalid(field, "the list is empty"));
    }
    if items > limits.batch {
        let message = format!("{items} items; the limit is {}: send them in several requests", limits.batch);
        return Err(ApiError::invalid(field, message));
    }
    Ok(())
}

/// Checks a required text.
///
/// # Errors
/// 422 when it is empty or too long.
pub(crate) fn check_text(text: &str, field: impl Fn() -> String, limits: &Limits) -> Result<(), ApiError> {
    if text.trim().is_empty() {
        return Err(ApiError::invalid(field(), "the text is empty"));
    }
    check_length(text, field, limits)
}

/// Checks the length of one text.
///
/// # Errors
/// 422 when it is too long.
pub(crate) fn check_length(text: &str, field: impl Fn() -> String, limits: &Limits) -> Result<(), ApiError> {
    // Characters are counted only if the bytes exceed the limit, because counting is slower.
    if text.len() > limits.chars {
        let chars = text.chars().count();
        if chars > limits.chars {
            return Err(ApiError::invalid(
                field(),
                format!("{chars} characters; the limit is {}", limits.chars),
            ));
        }
    }
    Ok(())
}

/// Checks the name of a column.
///
/// # Errors
/// 422 when it is too long.
pub(crate) fn check_name(name: Option<&str>, field: &str) -> Result<(), ApiError> {
    match name.map(str::len) {
        Some(bytes) if bytes > LONGEST_NAME => {
            Err(ApiError::invalid(field, format!("{bytes} bytes of a name; the limit is {LONGEST_NAME}")))
        }
        _ => Ok(()),
    }
}

/// The policy for a request: its own thresholds, else the model's.
///
/// # Errors
/// When the thresholds are out of range or out of order.
pub(crate) fn policy_of_request(own: Option<Thresholds>, model: &Model) -> Result<Policy, ApiError> {
    own.map_or(Ok(model.manifest().policy), |own| policy_of(own, "policy"))
}

/// The policy of thresholds that stand in `field` of a body.
///
/// # Errors
/// When they are out of range or out of order.
pub(crate) fn policy_of(own: Thresholds, field: &str) -> Result<Policy, ApiError> {
    let Thresholds { send_below, hold_from } = own;
    let policy = Policy { send_below, hold_from };
    policy.check().map(|()| policy).map_err(|cause| ApiError::invalid(field, cause.to_string()))
}
