//! Phrases as rules write them, and the words of a text that they are compared with.

/// A phrase: words in their order, each whole or, with `*` at its end, the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phrase {
    words: Vec<(String, bool)>,
}

impl Phrase {
    pub(crate) fn new(phrase: &str) -> Self {
        let word = |word: &str| match word.strip_suffix('*') {
            Some(beginning) => (beginning.to_lowercase(), true),
            None => (word.to_lowercase(), false),
        };
        Self { words: phrase.split_whitespace().map(word).collect() }
    }

    /// Whether the phrase is among these words. One without words is nowhere.
    pub(crate) fn is_in(&self, words: &[String]) -> bool {
        let fits = |(word, (wanted, begins)): (&String, &(String, bool))| {
            if *begins { word.starts_with(wanted.as_str()) } else { word == wanted }
        };
        !self.words.is_empty()
            && words.windows(self.words.len()).any(|window| window.iter().zip(&self.words).all(fits))
    }
}

/// The words of a text in lower case: runs of letters, digits and `_`, also with dots or apostrophes within.
pub(crate) fn spoken(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let is_within = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '\'');
    let words = lower.split(|c| !is_within(c)).map(|word| word.trim_matches(['.', '\'']));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Phrase, spoken};

    #[test]
    fn phrases_are_found_word_by_word() {
        let words =
            spoken("This was blocked by the deployment\u{2019}s Content-Filters (see response.text).");
        for phrase in ["content filter*", "blocked by the", "deployment's", "response.text"] {
            assert!(Phrase::new(phrase).is_in(&words), "{phrase}");
        }
        for phrase in ["", "content filter", "locked", "filters content", "text"] {
            assert!(!Phrase::new(phrase).is_in(&words), "{phrase}");
        }
    }
}
