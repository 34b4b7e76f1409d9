//! What may be asked of a model: thresholds, targets and how many words, settled once for flags and for fields of requests.
//!
//! A rule returns its reason without a name. The command line puts the flag before it, the service the field beside it, so
//! that both refuse the same things in the same words.

use demur_predictor::{Model, Policy};

use crate::error::Usage;
use crate::shares::MOST_TOP;

/// Targets that an error lists.
const SHOWN: usize = 20;

/// Checks how many words, or n-grams, are asked for.
///
/// # Errors
/// When they are too many.
pub(crate) fn top(words: usize) -> Result<usize, String> {
    if words > MOST_TOP {
        return Err(format!("{words} words; the limit is {MOST_TOP}"));
    }
    Ok(words)
}

/// The targets that a model learned of, those that it takes as an input or those of its data.
pub(crate) fn targets(model: &Model) -> impl Iterator<Item = &str> {
    let manifest = model.manifest();
    let known = model.known_targets();
    let of_data = if known.is_empty() { &manifest.targets[..] } else { &[] };
    known.into_iter().chain(of_data.iter().map(String::as_str))
}

/// Whether a model learned of this target.
pub(crate) fn knows(model: &Model, target: &str) -> bool {
    targets(model).any(|known| known == target)
}

/// Why none of these models can be asked about a target; `all` says where all that they know are listed.
pub(crate) fn unknown_target<'a>(models: impl Iterator<Item = &'a Model>, all: &str) -> String {
    let known: Vec<&str> = models.flat_map(targets).collect();
    let more = match known.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more ({all} lists them)"),
    };
    let shown: Vec<String> = known.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let shown = if shown.is_empty() { "none".to_owned() } else { shown.join(", ") };
    format!("the target is not known; known are {shown}{more}. Leave it out for the average target")
}

/// The policy of a command: the model's own, or with the thresholds of the flags.
///
/// # Errors
/// When the thresholds are out of range or out of order.
pub(crate) fn policy_of_flags(
    model: &Model,
    send_below: Option<f64>,
    hold_from: Option<f64>,
) -> Result<Policy, Usage> {
    let flag = if hold_from.is_some() { "--hold-from" } else { "--send-below" };
    let policy = model.manifest().policy.with(send_below, hold_from);
    policy.check().map(|()| policy).map_err(|cause| Usage(format!("{flag}: {cause}")))
}

/// Checks the target of a command.
///
/// # Errors
/// When the model does not know it.
pub(crate) fn check_target(model: &Model, target: Option<&str>) -> Result<(), Usage> {
    match target {
        Some(target) if !knows(model, target) => {
            let reason = unknown_target(std::iter::once(model), "`demur inspect`");
            Err(Usage(format!("--target {target}: {reason}")))
        }
        _ => Ok(()),
    }
}

/// Reads how many words a flag asks for.
///
/// # Errors
/// When it is no number, or too many are asked for.
pub(crate) fn parse_top(text: &str) -> Result<usize, String> {
    top(text.parse().map_err(|_| "it must be a number".to_owned())?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Bundled;

    use super::*;

    #[test]
    fn what_a_flag_may_ask_is_limited_in_the_words_of_the_service() {
        assert_eq!(parse_top("100"), Ok(100));
        assert_eq!(parse_top("1000000").unwrap_err(), "1000000 words; the limit is 100");
        assert!(parse_top("-1").is_err());
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let known = targets(&model).next().unwrap().to_owned();
        assert!(check_target(&model, Some(&known)).is_ok() && check_target(&model, None).is_ok());
        let Err(Usage(reason)) = check_target(&model, Some("gpt-99")) else { panic!("it is not known") };
        assert!(reason.starts_with("--target gpt-99: the target is not known; known are `"), "{reason}");
        let Err(Usage(reason)) = policy_of_flags(&model, None, Some(1.5)) else { panic!("it is above 1") };
        assert!(reason.starts_with("--hold-from: "), "{reason}");
    }
}
