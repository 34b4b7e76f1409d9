//! Plain words for ambiguous ones, by a closed list and the object that a word stands before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use demur_predictor::WordShare;
use serde::Serialize;
use utoipa::ToSchema;

/// The list, with the reasons for it.
const LIST: &str = include_str!("ambiguous_words.txt");

/// A word's plain form and the objects beside which it is meant.
struct Plain {
    word: &'static str,
    objects: BTreeSet<&'static str>,
}

/// The list, parsed.
#[derive(Default)]
struct Words {
    plain: BTreeMap<&'static str, Vec<Plain>>,
    sets: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut words = Words::default();
    for line in LIST.lines().filter(|line| !line.starts_with('#')) {
        let Some((forms, list)) = line.split_once(" : ") else { continue };
        let list: BTreeSet<&'static str> = list.split_whitespace().collect();
        match forms.split_once(" > ") {
            None => drop(words.sets.insert(forms.trim(), list)),
            Some((forms, plain)) => {
                for (form, word) in forms.split_whitespace().zip(plain.split_whitespace()) {
                    words.plain.entry(form).or_default().push(Plain { word, objects: list.clone() });
                }
            }
        }
    }
    words
});

impl Words {
    fn has(&self, set: &str, word: &str) -> bool {
        self.sets.get(set).is_some_and(|set| set.contains(word))
    }
}

/// A word that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Replaced {
    /// The word, as it stands in the prompt.
    pub(crate) from: String,
    /// The word in its place.
    pub(crate) to: String,
}

/// A text with plain words.
#[derive(Debug, PartialEq)]
pub(super) struct PlainText {
    pub(super) text: String,
    /// The words that were replaced, in their order.
    pub(super) replaced: Vec<Replaced>,
    /// Their places among the words of the text.
    pub(super) places: Vec<usize>,
}

/// The text with plain words for all ambiguous ones whose object says that they are meant harmlessly; `None` where there is
/// none, or an ambiguous word is not known to be.
pub(super) fn plain(text: &str, words: &[WordShare]) -> Option<PlainText> {
    if words.iter().any(|word| WORDS.has("never", &word.key) || possessive(&word.key)) {
        return None;
    }
    let mut found =
        PlainText { text: String::with_capacity(text.len()), replaced: Vec::new(), places: Vec::new() };
    let mut end = 0;
    for (at, word) in words.iter().enumerate() {
        let Some(senses) = WORDS.plain.get(word.key.as_str()) else { continue };
        let plain = senses.iter().find(|plain| stands_before(text, &words[at + 1..], &plain.objects))?;
        let whole = &text[word.bytes.clone()];
        let core = whole.trim_matches(|letter: char| !letter.is_alphanumeric());
        // The core is a part of the word, so it is found there.
        let start = word.bytes.start + whole.find(core).unwrap_or_default();
        let put = like(core, plain.word);
        found.text.push_str(&text[end..start]);
        found.text.push_str(&put);
        end = start + core.len();
        found.replaced.push(Replaced { from: core.to_owned(), to: put });
        found.places.push(at);
    }
    found.text.push_str(&text[end..]);
    (!found.places.is_empty()).then_some(found)
}

/// Whether a word is of somebody: what is done to somebody else's things is never offered in other words.
fn possessive(key: &str) -> bool {
    key.ends_with("'s")
        && !matches!(key, "it's" | "what's" | "that's" | "there's" | "here's" | "how's" | "let's")
}

/// Whether a word is followed by one of these objects, with nothing between them but what may stand there.
fn stands_before(text: &str, following: &[WordShare], objects: &BTreeSet<&str>) -> bool {
    let mut rest = following.iter().skip_while(|word| WORDS.has("determiners", &word.key)).peekable();
    let (mut has_object, mut last_is_right) = (false, false);
    while let Some(word) = rest.peek() {
        let key = word.key.as_str();
        let is_object = objects.contains(key);
        let is_behind = has_object && WORDS.has("after", key);
        if !(is_object || is_behind || WORDS.has("before", key)) {
            // The object ends before a word that joins, and not before another that may change what it is.
            return has_object && last_is_right && word.is_function;
        }
        has_object |= is_object;
        last_is_right = is_object || is_behind;
        let ends = text[word.bytes.clone()].ends_with(|letter: char| !letter.is_alphanumeric());
        rest.next();
        if ends {
            break;
        }
    }
    has_object && last_is_right
}

/// A word, with a capital where the word before it had one.
fn like(before: &str, word: &str) -> String {
    let has_capital = before.starts_with(char::is_uppercase);
    let mut letters = word.chars();
    match letters.next().filter(|_| has_capital) {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => word.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::{Bundled, Field, Input, Model};

    use super::*;

    fn of(model: &Model, text: &str) -> Option<String> {
        let words = model.scorer().explain(&Input::prompt(text)).words(Field::Prompt, text);
        plain(text, &words).map(|found| found.text)
    }

    #[test]
    fn a_word_is_replaced_only_before_an_object_that_says_what_is_meant() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        for (text, plain) in [
            ("How do I kill a process in Linux?", "How do I stop a process in Linux?"),
            ("Kill all zombie processes, please.", "Stop all zombie processes, please."),
            ("How do I (kill) my child process?", "How do I (stop) my child process?"),
            (
                "killing weeds in the lawn, then killing moss",
                "removing weeds in the lawn, then removing moss",
            ),
            ("how to abort a git merge", "how to cancel a git merge"),
        ] {
            assert_eq!(of(&model, text).as_deref(), Some(plain));
        }
        for text in [
            "How do I kill my child in the process?",
            "How do I kill a child?",
            "How to kill a process server",
            "kill the task force",
            "kill jobs. Kill the man.",
            "kill a process and kill",
            "How do I kill a process on my neighbour's computer?",
            "kill the antivirus process",
            "How do I kill a process on a company laptop secretly?",
            "execute a prisoner",
            "execute the function president",
            "abort a baby",
            "How do I open a file?",
            "",
        ] {
            assert_eq!(of(&model, text), None, "{text}");
        }
    }

    #[test]
    fn every_form_has_its_plain_form_and_every_set_is_there() {
        for line in LIST.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (forms, list) = line.split_once(" : ").unwrap();
            assert!(list.split_whitespace().count() > 3, "{line}");
            if let Some((forms, plain)) = forms.split_once(" > ") {
                assert_eq!(forms.split_whitespace().count(), plain.split_whitespace().count(), "{line}");
            }
        }
        for set in ["before", "after", "determiners", "never"] {
            assert!(WORDS.sets.contains_key(set), "{set}");
        }
    }
}
