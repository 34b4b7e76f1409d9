//! What may be asked of a model: thresholds, targets and how many words, settled once for flags and for fields of requests.
//!
//! A rule returns its reason without a name. The command line puts the flag before it, the service the field beside it, so
//! that both refuse the same things in the same words.

use demur_predictor::Model;

use crate::engine::shares::MOST_TOP;

/// More threads than any machine has cores, and fewer than would hang one.
pub(crate) const MOST_THREADS: usize = 512;
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

/// Reads how many words a flag asks for.
///
/// # Errors
/// When it is no number, or too many are asked for.
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
