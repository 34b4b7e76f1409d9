//! Who labelled a row: a person, a judge model, a rule, a norm, Demur itself, or unknown.
//!
//! A metric is worth only as much as its labels. So every label keeps its labeller, from the row to the model
//! card, and a label without a stated origin counts as unknown, never as a person's by default.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The prefix of a model's name in `labelled_by`, in rows that this program has labelled.
pub const LABELLED_BY_DEMUR: &str = "demur:";

/// Who assigned a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Labeller {
    /// A person who read the answer.
    Person,
    /// A judge model that read the answer.
    Judge,
    /// A rule: keywords, substrings, a list of phrases.
    Rule,
    /// Nobody read an answer: people or their rules say what should be refused.
    Norm,
    /// A model of this program.
    Demur,
    /// Not stated.
    #[default]
    Unknown,
}

impl Labeller {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Person, Self::Judge, Self::Rule, Self::Norm, Self::Demur, Self::Unknown];

    /// The name used in files, flags and recipes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Judge => "judge",
            Self::Rule => "rule",
            Self::Norm => "norm",
            Self::Demur => "demur",
            Self::Unknown => "unknown",
        }
    }

    /// In words that continue a count of rows: `300 rows by judge models`.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Person => "by persons",
            Self::Judge => "by judge models",
            Self::Rule => "by rules",
            Self::Norm => "by norms (what should be refused)",
            Self::Demur => "by Demur itself",
            Self::Unknown => "of unknown origin",
        }
    }

    /// Parses a free text, such as a `labeller` column holds; the first match wins:
    ///
    /// | a word of it | labeller |
    /// |---|---|
    /// | the text is a name of this type, or `human`, alone or before a colon | that |
    /// | judge, model, moderator, machine, or a language model's name (gpt, claude, llama, ...) | judge |
    /// | keyword, substring, phrase, rule, regex | rule |
    /// | human, person, people, annotator, expert, hand | person |
    /// | author, quora, policy, taxonomy | norm: whoever wrote the prompt says what should be refused |
    ///
    /// Judge models go first, so that a label made by people and machines together is not called a person's.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        const WORDS: [(Labeller, &[&str]); 4] = [
            (
                Labeller::Judge,
                &[
                    "judge",
                    "model",
                    "moderator",
                    "machine",
                    "llm",
                    "gpt",
                    "claude",
                    "llama",
                    "gemini",
                    "gemma",
                    "mistral",
                    "mixtral",
                    "qwen",
                    "deepseek",
                    "command-r",
                    "palm",
                ],
            ),
            (Labeller::Rule, &["keyword", "substring", "phrase", "rule", "regex"]),
            (Labeller::Person, &["human", "person", "people", "annotator", "expert", "hand"]),
            (Labeller::Norm, &["author", "quora", "policy", "taxonomy"]),
        ];
        let text = text.trim().to_lowercase();
        let head = text.split_once(':').map_or(text.as_str(), |(head, _)| head.trim());
        if let Ok(named) = head.parse() {
            return named;
        }
        if head == "human" {
            return Self::Person;
        }
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        WORDS.iter().find(|(_, words)| has(words)).map_or(Self::Unknown, |(labeller, _)| *labeller)
    }

    /// What the share of correct decisions on labels of these labellers is called: `accuracy` if persons made
    /// all of them, otherwise an agreement with whoever did.
    #[must_use]
    pub fn figure(labellers: &BTreeSet<Self>) -> String {
        let whose = |labeller: &Self| match labeller {
            Self::Person => "persons'",
            Self::Judge => "judge models'",
            Self::Rule => "rules'",
            Self::Norm => "norms'",
            Self::Demur => "Demur's own",
            Self::Unknown => "unknown labellers'",
        };
        let names: Vec<&str> = labellers.iter().map(whose).collect();
        match names.as_slice() {
            [] => "agreement with the labels".to_owned(),
            [_] if labellers.contains(&Self::Person) => "accuracy".to_owned(),
            [one] => format!("agreement with {one} labels"),
            [before @ .., last] => format!("agreement with {} and {last} labels", before.join(", ")),
        }
    }
}

impl fmt::Display for Labeller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Labeller {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|labeller| labeller.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no labeller is called `{text}`; use one of {names}")
        })
    }
}

/// Who assigned a label, and the name that the data use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelledBy {
    /// The kind of labeller.
    pub labeller: Labeller,
    /// The text in the row that names it: a judge model's name, or the name and digest of a model of this
    /// program.
    pub who: Option<Arc<str>>,
}

impl LabelledBy {
    /// A labeller without a name.
    #[must_use]
    pub const fn of(labeller: Labeller) -> Self {
        Self { labeller, who: None }
    }

    /// A model of this program.
    #[must_use]
    pub fn demur(model: &str) -> Self {
        Self { labeller: Labeller::Demur, who: Some(model.into()) }
    }

    /// Parses a column of free text.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        match text.strip_prefix(LABELLED_BY_DEMUR) {
            Some(model) => Self::demur(model),
            None => {
                let labeller = Labeller::of_text(text);
                let is_name = labeller.name() == text;
                Self { labeller, who: (!is_name).then(|| text.into()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_texts_of_published_rows_name_their_labellers() {
        for (text, labeller) in [
            ("human", Labeller::Person),
            ("human (propositions); binary derived", Labeller::Person),
            ("experts", Labeller::Person),
            ("GPT-4 judge, 1 to 10", Labeller::Judge),
            ("policy judge model", Labeller::Judge),
            ("council of three judge models", Labeller::Judge),
            ("openai/gpt-4o-2024-11-20", Labeller::Judge),
            ("claude-3.5-haiku", Labeller::Judge),
            ("gpt-4 judge + llama-3-70b judge + keyword rules", Labeller::Judge),
            ("LLM+human (PHTest)", Labeller::Judge),
            ("LLM ensemble moderator", Labeller::Judge),
            ("keywords on the opening, lists by language (weak)", Labeller::Rule),
            ("substring matching", Labeller::Rule),
            ("dataset authors", Labeller::Norm),
            ("Quora", Labeller::Norm),
            ("ann", Labeller::Unknown),
            ("", Labeller::Unknown),
            ("norm", Labeller::Norm),
            ("rule: my list", Labeller::Rule),
            ("person: the judge of the competition", Labeller::Person),
        ] {
            assert_eq!(Labeller::of_text(text), labeller, "{text:?}");
        }
    }

    #[test]
    fn the_text_is_kept_and_a_model_of_this_program_is_known() {
        let by = LabelledBy::from_text("demur:bundled-response@0a1b");
        assert_eq!(by, LabelledBy::demur("bundled-response@0a1b"));
        let by = LabelledBy::from_text("gpt-4o");
        assert_eq!((by.labeller, by.who.as_deref()), (Labeller::Judge, Some("gpt-4o")));
        assert_eq!(LabelledBy::from_text("person"), LabelledBy::of(Labeller::Person));
    }

    #[test]
    fn only_persons_labels_make_an_accuracy() {
        let figure = |labellers: &[Labeller]| Labeller::figure(&labellers.iter().copied().collect());
        assert_eq!(figure(&[Labeller::Person]), "accuracy");
        assert_eq!(figure(&[Labeller::Judge]), "agreement with judge models' labels");
        assert_eq!(
            figure(&[Labeller::Unknown, Labeller::Person, Labeller::Rule]),
            "agreement with persons', rules' and unknown labellers' labels"
        );
        assert_eq!(figure(&[]), "agreement with the labels");
    }

    #[test]
    fn names_are_read_back_and_others_are_an_error() {
        for labeller in Labeller::ALL {
            assert_eq!(labeller.name().parse(), Ok(labeller));
        }
        let error = "human".parse::<Labeller>().err().unwrap_or_default();
        assert!(error.contains("person, judge, rule, norm, demur, unknown"), "{error}");
    }
}
