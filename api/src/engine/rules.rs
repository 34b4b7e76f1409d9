//! Checks of what a caller may request: thresholds, targets and word counts, shared by flags and request
//! fields.
//!
//! A check returns its reason without a name. The command line puts the flag in front, the service puts the
//! field beside it. So both refuse the same things in the same words.

use demur_predictor::Model;

use crate::engine::shares::MOST_TOP;

/// More threads than any machine has cores, and few enough not to hang one.
pub(crate) const MOST_THREADS: usize = 512;
/// How many targets an error lists, and how many as the nearest.
const SHOWN: usize = 20;
const NEAREST: usize = 3;

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

/// The targets that a model knows: those that it takes as an input, and those of its training data where its
/// fit takes none as an input.
pub(crate) fn targets(model: &Model) -> impl Iterator<Item = &str> {
    let manifest = model.manifest();
    let known = model.known_targets();
    let is_later = |target: &&str| model.placed_digest(target).is_some();
    let of_data = if known.iter().all(is_later) { &manifest.targets[..] } else { &[] };
    let of_data: Vec<&str> =
        of_data.iter().map(String::as_str).filter(|target| !known.contains(target)).collect();
    known.into_iter().chain(of_data)
}

/// Whether a model knows this target.
pub(crate) fn knows(model: &Model, target: &str) -> bool {
    targets(model).any(|known| known == target)
}

/// The name by which a model knows a target: its own, else one that is the same without the vendor before its
/// last `/`.
pub(crate) fn known_as<'m>(model: &'m Model, target: &str) -> Option<&'m str> {
    let bare = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let same = targets(model).find(|known| *known == target);
    same.or_else(|| targets(model).find(|known| bare(known) == bare(target)))
}

/// Why none of these models can predict for a target, with the known ones of its family; `all` says where all
/// known targets are listed.
pub(crate) fn unknown_target<'a>(target: &str, models: impl Iterator<Item = &'a Model>, all: &str) -> String {
    let known: Vec<&str> = models.flat_map(targets).collect();
    let nearest: Vec<String> = nearest(target, &known).into_iter().map(|name| format!("`{name}`")).collect();
    let nearest = match nearest.as_slice() {
        [] => String::new(),
        [one] => format!(" the nearest is {one};"),
        several => format!(" the nearest are {};", several.join(", ")),
    };
    let more = match known.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more ({all} lists them)"),
    };
    let shown: Vec<String> = known.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let shown = if shown.is_empty() { "none".to_owned() } else { shown.join(", ") };
    format!(
        "the target is not known;{nearest} known are {shown}{more}. Leave it out for the average target, or put it in \
         with `demur place`"
    )
}

/// The known targets of a target's family (`gpt`, `claude`, `llama`), those with the most parts of its name
/// first.
fn nearest<'k>(target: &str, known: &[&'k str]) -> Vec<&'k str> {
    let parts = parts(target);
    let family = |parts: &[String]| parts.iter().find(|part| part.starts_with(char::is_alphabetic)).cloned();
    let Some(wanted) = family(&parts) else { return Vec::new() };
    let shared = |name: &str| {
        let theirs = self::parts(name);
        let of_family = family(&theirs) == Some(wanted.clone()) || theirs.contains(&wanted);
        of_family
            .then(|| theirs.iter().filter(|part| parts.contains(part)).count() * 10 / theirs.len().max(1))
    };
    let mut found: Vec<(usize, &str)> = Vec::new();
    for name in known {
        if let Some(shared) = shared(name)
            && !found.iter().any(|(_, there)| there == name)
        {
            found.push((shared, name));
        }
    }
    found.sort_by_key(|(shared, _)| std::cmp::Reverse(*shared));
    found.into_iter().take(NEAREST).map(|(_, name)| name).collect()
}

/// The parts of a target's name: runs of letters and runs of digits, without its vendor.
fn parts(name: &str) -> Vec<String> {
    let name = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let mut parts: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in name.chars() {
        match parts.last_mut() {
            Some(part)
                if before.is_alphanumeric()
                    && letter.is_alphanumeric()
                    && before.is_numeric() == letter.is_numeric() =>
            {
                part.push(letter);
            }
            _ if letter.is_alphanumeric() => parts.push(letter.to_string()),
            _ => {}
        }
        before = letter;
    }
    parts
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
    fn the_nearest_targets_are_of_the_same_family() {
        let known = ["gpt-4", "gpt-3.5-turbo", "claude-2", "meta-llama/Llama-2-7b-chat-hf", "mild"];
        assert_eq!(nearest("openai/gpt-4o", &known), ["gpt-4", "gpt-3.5-turbo"]);
        assert_eq!(nearest("Llama-3.1-8B-Instruct", &known), ["meta-llama/Llama-2-7b-chat-hf"]);
        assert_eq!(nearest("claude-3-opus", &known), ["claude-2"]);
        assert!(nearest("nobody", &known).is_empty() && nearest("", &known).is_empty());
    }

    #[test]
    fn the_words_that_are_asked_for_are_limited() {
        assert_eq!(parse_top("100"), Ok(100));
        assert_eq!(parse_top("1000000"), Err("1000000 words; the limit is 100".to_owned()));
        assert!(parse_top("-1").is_err());
    }
}
