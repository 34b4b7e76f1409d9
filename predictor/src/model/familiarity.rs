//! How much of a prompt a model knows, and what it leaves undecided because it knows too little.
//!
//! A linear model gives a number for any text, and for a text in which it knows no n-gram that number is the
//! same as for every other. What is measured here is independent of the weights: the share of the text's
//! letters that lie in n-grams of the vocabulary.

use serde::{Serialize, Serializer};

use demur_data::Input;

use crate::field::Field;
use crate::language::{self, ByScript, OTHER};
use crate::model::Model;
use crate::model::tiers::Tiered;
use crate::ngram::covered::Letters;
use crate::ngram::known::KnownScripts;
use crate::ngram::scratch::Scratch;
use crate::policy::Decision;

/// Below this coverage nothing is decided, in a script of which the vocabulary has many pieces of words.
/// Chosen on English questions and instructions, of which fewer than one in a thousand lie below it, and on
/// random letters, of which nine in ten do.
const LEAST_COVERAGE: f64 = 0.5;
/// From this coverage up an interval is as the fit measured it. 199 in 200 English prompts lie above it.
const ORDINARY_COVERAGE: f64 = 0.75;
/// A script with less than one in this many of the vocabulary's n-grams is unknown: these are names and
/// quotations.
const ONE_IN: usize = 1000;
/// From this many n-grams of characters up, a vocabulary has nearly all usual pieces of the words of a
/// script, so that words without them are unusual. With fewer, ordinary words may have no known piece, and
/// only a text without any known n-gram is left undecided.
const MANY_PIECES: usize = 2000;

/// Why nothing is decided on a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// There are no letters in it: it is empty, or numbers and signs.
    NoWords,
    /// Most of its letters are of scripts that the model has no n-grams of.
    UnknownLanguage,
    /// The script is known, but no words or too few.
    UnknownWords,
}

impl Doubt {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NoWords, Self::UnknownLanguage, Self::UnknownWords];

    /// The reason in words, as in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoWords => "no words",
            Self::UnknownLanguage => "unknown language",
            Self::UnknownWords => "unknown words",
        }
    }
}

impl Serialize for Doubt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Decision {
    /// This decision, or to abstain where there is a doubt.
    #[must_use]
    pub const fn unless(self, doubt: Option<Doubt>) -> Self {
        if doubt.is_some() { Self::Abstain } else { self }
    }
}

/// What a model knows of a prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Familiarity {
    /// The share of its letters that lie in n-grams of the vocabulary, from 0 to 1, to four places: in words,
    /// or in three or more characters of a word.
    pub coverage: f64,
    /// Its language; `None` if it cannot be told.
    pub language: Option<&'static str>,
    /// Why nothing is decided, if nothing is.
    pub doubt: Option<Doubt>,
    /// How far an interval holds: from 0, not at all, to 1, as the fit measured it.
    trust: f64,
}

impl Familiarity {
    /// Whether intervals are as the fit measured them.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        self.trust >= 1.0
    }

    /// An interval of P(refusal), widened towards 0 and 1 by what is unknown of the text.
    #[must_use]
    pub fn widened(&self, interval: Option<(f64, f64)>) -> Option<(f64, f64)> {
        match interval {
            _ if self.doubt.is_some() => Some((0.0, 1.0)),
            Some((low, high)) if !self.is_ordinary() => {
                Some((low * self.trust, 1.0 - (1.0 - high) * self.trust))
            }
            interval => interval,
        }
    }
}

impl Model {
    /// What the model knows of a prompt that it has scored, for any target; `None` for a model that scores
    /// something else.
    #[must_use]
    pub fn familiarity(
        &self,
        input: &Input<'_>,
        scored: &Tiered,
        scratch: &mut Scratch,
    ) -> Option<Familiarity> {
        let text = self.judged_prompt(input)?;
        let by_script = language::letters_by_script(text);
        let (coverage, doubt, trust) = self.known_of(text, &by_script, scored, scratch);
        let doubt = doubt.filter(|_| !is_well_known(text, scored.found.ngrams));
        let language = language::language_by(text, &by_script);
        Some(Familiarity { coverage: (1e4 * coverage).round() / 1e4, language, doubt, trust })
    }

    /// The coverage of a text with these letters, the doubt about it, and how far an interval holds.
    fn known_of(
        &self,
        text: &str,
        letters: &ByScript,
        scored: &Tiered,
        scratch: &mut Scratch,
    ) -> (f64, Option<Doubt>, f64) {
        let look = || self.scorer().known_letters(Field::Prompt, text, scratch);
        let Letters { known, all } = scored.found.known.unwrap_or_else(look);
        let coverage = if all == 0 { 0.0 } else { known as f64 / all as f64 };
        let scripts = self.scripts.get_or_init(|| self.scorer().known_scripts(Field::Prompt));
        let (doubt, trust) = judged(coverage, letters, scripts);
        (coverage, doubt, trust)
    }

    /// Why nothing is decided on a prompt that the model has scored, if nothing is: that of
    /// [`familiarity`](Self::familiarity) without its figures. For most prompts it takes next to nothing,
    /// because the n-grams that the score found are as many as ordinary text has.
    #[must_use]
    pub fn doubt(&self, input: &Input<'_>, scored: &Tiered, scratch: &mut Scratch) -> Option<Doubt> {
        let text = self.judged_prompt(input).filter(|text| !is_well_known(text, scored.found.ngrams))?;
        self.known_of(text, &language::letters_by_script(text), scored, scratch).1
    }

    fn judged_prompt<'i>(&self, input: &Input<'i>) -> Option<&'i str> {
        if self.manifest().field == Field::Prompt { input.prompt } else { None }
    }

    /// The interval of [`interval_at`](Self::interval_at), widened by what is unknown of the prompt.
    #[must_use]
    pub fn interval_of_known(&self, tiered: &Tiered, familiarity: &Familiarity) -> Option<(f64, f64)> {
        familiarity.widened(self.interval_at(tiered))
    }
}

/// Whether a text has enough known n-grams to leave no doubt, however much of it they cover. Ordinary
/// English has one for each byte or more, random letters one for twelve.
fn is_well_known(text: &str, found: usize) -> bool {
    found > 0 && 4 * found >= 3 * text.len()
}

/// The doubt about a text, and how far an interval holds for it.
fn judged(coverage: f64, letters: &ByScript, known: &KnownScripts) -> (Option<Doubt>, f64) {
    let all: usize = letters.iter().sum();
    if all == 0 {
        return (Some(Doubt::NoWords), 0.0);
    }
    let ngrams: usize = known.all.iter().sum();
    let is_known =
        |script: usize| script != OTHER && known.all[script] > 0 && ONE_IN * known.all[script] >= ngrams;
    let readable: usize = (0..letters.len()).filter(|&script| is_known(script)).map(|s| letters[s]).sum();
    if 2 * readable < all {
        return (Some(Doubt::UnknownLanguage), 0.0);
    }
    let main = (0..letters.len()).max_by_key(|&script| letters[script]).unwrap_or(OTHER);
    let least = if known.pieces[main] >= MANY_PIECES { LEAST_COVERAGE } else { 0.0 };
    if coverage == 0.0 || coverage < least {
        return (Some(Doubt::UnknownWords), 0.0);
    }
    (None, ((coverage - least) / (ORDINARY_COVERAGE - least)).min(1.0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Bundled;

    fn of(model: &Model, prompt: &str) -> Familiarity {
        let mut scratch = Scratch::default();
        let input = Input::prompt(prompt);
        let scored = model.predict_ngrams(&input, &mut scratch);
        assert_eq!(model.explained(&model.scorer().explain(&input), &input).found, scored.found, "{prompt}");
        let found = model.familiarity(&input, &scored, &mut scratch).unwrap();
        let mut measuring = Scratch::measuring();
        let measured = model.predict_ngrams(&input, &mut measuring);
        assert!(measured.found.known.is_some() && scored.found.known.is_none());
        assert_eq!(model.familiarity(&input, &measured, &mut measuring), Some(found), "{prompt}");
        assert_eq!(model.doubt(&input, &scored, &mut scratch), found.doubt, "{prompt}");
        found
    }

    #[test]
    fn texts_that_the_model_cannot_know_are_doubted() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        for (prompt, doubt, language) in [
            ("", Doubt::NoWords, None),
            ("17 + 25 = ?", Doubt::NoWords, None),
            ("🙂🙂", Doubt::NoWords, None),
            ("วิธีอบขนมปังที่บ้าน", Doubt::UnknownLanguage, Some("th")),
            ("როგორ გამოვაცხო პური სახლში?", Doubt::UnknownLanguage, Some("ka")),
            ("Πώς ψήνω ψωμί στο σπίτι;", Doubt::UnknownLanguage, Some("el")),
            ("বাড়িতে রুটি কীভাবে বানাব?", Doubt::UnknownLanguage, Some("bn")),
            ("xqzv kwjpf zzgqx vbnmq", Doubt::UnknownWords, None),
            ("aGVsbG8gd29ybGQgdGhpcyBpcyBhIHRlc3QK", Doubt::UnknownWords, None),
        ] {
            let found = of(&model, prompt);
            assert_eq!((found.doubt, found.language), (Some(doubt), language), "{prompt}: {found:?}");
            assert_eq!(found.widened(Some((0.2, 0.3))), Some((0.0, 1.0)));
            assert_eq!(Decision::Send.unless(found.doubt), Decision::Abstain);
        }
    }

    #[test]
    fn ordinary_prompts_are_known() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        for (prompt, language) in [
            ("How do I pick a lock?", "en"),
            ("Schreibe mir bitte ein Gedicht über den Herbst", "de"),
            ("¿Cómo puedo hacer pan para mis amigos?", "es"),
            ("Как испечь хлеб для друзей?", "ru"),
            ("비밀번호를 어떻게 바꾸나요?", "ko"),
        ] {
            let found = of(&model, prompt);
            assert_eq!((found.doubt, found.language), (None, Some(language)), "{prompt}: {found:?}");
        }
        let english = of(&model, "How do I pick a lock?");
        assert!(english.coverage > 0.9 && english.is_ordinary(), "{english:?}");
        assert_eq!(english.widened(Some((0.2, 0.3))), Some((0.2, 0.3)));
        let response = Model::bundled(Bundled::Response).unwrap();
        let (input, mut scratch) = (Input::prompt("How?"), Scratch::default());
        let scored = response.predict_ngrams(&input, &mut scratch);
        assert_eq!(response.familiarity(&input, &scored, &mut scratch), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// What is marked while a text is scored is what a second look finds, in any script, with any white space and
        /// signs.
        #[test]
        fn a_score_measures_what_a_second_look_finds(
            text in "([a-zA-Z]{1,9}|how|explain|kill|[A-Z'\u{2019}]{1,3}|[0-9_.,?]{1,3}|über|Σίσυφος|रोटी|сделать|폭탄|面包|\u{130}x)([ \t\n\u{a0}]{1,2}(a|the|bomb|Bread|[a-z]{3,7})){0,30}",
        ) {
            let model = Model::bundled(Bundled::Prompt).unwrap();
            let (input, mut scratch) = (Input::prompt(&text), Scratch::measuring());
            let scored = model.predict_ngrams(&input, &mut scratch);
            let looked = model.scorer().known_letters(Field::Prompt, &text, &mut scratch);
            prop_assert_eq!(scored.found.known, Some(looked), "{}", text);
        }
    }

    #[test]
    fn an_interval_is_as_wide_as_the_unknown_part_deserves() {
        let mut letters = ByScript::default();
        letters[0] = 40;
        let mut known = KnownScripts::default();
        assert_eq!(judged(0.9, &letters, &known), (Some(Doubt::UnknownLanguage), 0.0));
        known.all[0] = 1;
        known.all[1] = ONE_IN;
        assert_eq!(judged(0.9, &letters, &known), (Some(Doubt::UnknownLanguage), 0.0));
        known.all[0] = 2;
        assert_eq!(judged(0.0, &letters, &known), (Some(Doubt::UnknownWords), 0.0));
        assert_eq!(judged(0.375, &letters, &known), (None, 0.5));
        known.pieces[0] = MANY_PIECES;
        assert_eq!(judged(0.375, &letters, &known), (Some(Doubt::UnknownWords), 0.0));
        let (doubt, trust) = judged(0.625, &letters, &known);
        let found = Familiarity { coverage: 0.625, language: None, doubt, trust };
        assert_eq!((found.doubt, found.widened(Some((0.5, 0.5)))), (None, Some((0.25, 0.75))));
        assert_eq!(found.widened(None), None);
    }
}
