//! How much of a text lies in n-grams of a vocabulary, and of which scripts a vocabulary has n-grams.

use crate::field::Field;
use crate::language::{self, ByScript};
use crate::ngram::covered::Letters;
use crate::ngram::ngram_model::NgramModel;
use crate::ngram::scratch::Scratch;
use crate::ngram::vectorizer::Vectorizer;
use crate::text;

/// How many n-grams of each script a vocabulary has.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownScripts {
    /// Words, and n-grams of characters.
    pub(crate) all: ByScript,
    /// N-grams of characters alone.
    pub(crate) pieces: ByScript,
}

impl NgramModel {
    /// The scripts of the views that read a field.
    pub(crate) fn known_scripts(&self, field: Field) -> KnownScripts {
        let mut known = KnownScripts::default();
        let views = self.views().iter().filter(|view| view.settings.field == field);
        views.for_each(|view| count(&view.vectorizer, &mut known));
        known
    }

    /// The letters of a text that lie in known n-grams of words, or of three characters or more.
    pub(crate) fn known_letters(&self, field: Field, text: &str, scratch: &mut Scratch) -> Letters {
        let lower = text::lowercase(text);
        let mut covered = vec![false; lower.len()];
        for view in self.views().iter().filter(|view| view.settings.field == field) {
            let part = view.settings.part.of(text);
            if part.is_empty() {
                continue;
            }
            // A part is a slice of the text, so the distance between their starts is its offset.
            let before = part.as_ptr() as usize - text.as_ptr() as usize;
            let base = text::lowercase(&text[..before]).len();
            scratch.text.set(part);
            view.vectorizer.visit_from(scratch, view.vectorizer.least_known(), |_, span| {
                if let Some(covered) = covered.get_mut(base + span.start..base + span.end) {
                    covered.fill(true);
                }
            });
        }
        let mut letters = Letters::default();
        for (at, _) in lower.char_indices().filter(|(_, c)| c.is_alphabetic()) {
            letters.all += 1;
            letters.known += usize::from(covered[at]);
        }
        letters
    }
}

/// Counts the words of a view, or its n-grams of characters, by the script of their first letter.
fn count(vectorizer: &Vectorizer, known: &mut KnownScripts) {
    let script = |ngram: &str| ngram.chars().find(|c| c.is_alphabetic()).map(language::script);
    if vectorizer.reads_words() {
        vectorizer.words().filter_map(script).for_each(|script| known.all[script] += 1);
        return;
    }
    for feature in (0..).take(vectorizer.len()) {
        if let Some(script) = script(&vectorizer.ngram(feature)) {
            known.all[script] += 1;
            known.pieces[script] += 1;
        }
    }
}
