//! Checks of what a caller may request: thresholds, targets and word counts, shared by flags and request
//! fields.
//!
//! A check returns its reason without a name. The command line puts the flag in front, the service puts the
//! field beside it. So both refuse the same things in the same words.

use demur_predictor::Model;

use crate::engine::shares::MOST_TOP;

/// More threads than any machine has cores, and few enough not to hang one.
pub(crate) const MOST_THREADS: usize = 512;
/// How many targets an error lists.
const SHOWN: usize = 20;

/// Checks how many words, or n-grams, are requested.
///
/// # Errors
/// When they are too many.
pub(crate) fn top(words: usize) -> Result<usize, String> {
    if words > MOST_TOP {
        return Err(format!("{words} words; the limit is {MOST_TOP}"));
    }
    Ok(words)
}

/// The targets that a model knows: those that it takes as an input, else those of its training data.
pub(crate) fn targets(model: &Model) -> impl Iterator<Item = &str> {
    let manifest = model.manifest();
    let known = model.known_targets();
    let of_data = if known.is_empty() { &manifest.targets[..] } else { &[] };
    known.into_iter().chain(of_data.iter().map(String::as_str))
}

/// Whether a model knows this target.
pub(crate) fn knows(model: &Model, target: &str) -> bool {
    targets(model).any(|known| known == target)
}

/// Why none of these models can predict for a target; `all` says where all known targets are listed.
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

/// Parses how many words a flag requests.
///
/// # Errors
/// When it is not a number, or too many are requested.
pub(crate) fn parse_top(text: &str) -> Result<usize, String> {
    top(text.parse().map_err(|_| "it must be a number".to_owned())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_are_asked_for_are_limited() {
        assert_eq!(parse_top("100"), Ok(100));
        assert_eq!(parse_top("1000000"), Err("1000000 words; the limit is 100".to_owned()));
        assert!(parse_top("-1").is_err());
    }
}
