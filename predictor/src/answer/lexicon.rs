//! The phrases that the style measures count: nine groups of words that are typical of refusals, and of
//! answers that only look like refusals.
//!
//! A phrase is a list of tokens (`Analyzer::Token`: lower case, with apostrophes). All of them are in one
//! trie, so a text is read only once, however many phrases there are.

use std::ops::Range;
use std::sync::LazyLock;

use crate::ngram::ngrams::{Analyzer, Norm, VectorizerSettings};
use crate::ngram::scratch::Scratch;
use crate::ngram::vectorizer::Vectorizer;

/// What a phrase is a sign of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Sign {
    /// Sorry, unfortunately.
    Apology,
    /// Cannot, will not.
    Inability,
    /// As an AI language model.
    SelfReference,
    /// No opinions, no side.
    Neutrality,
    /// Illegal, unethical, against the guidelines.
    Harm,
    /// However, instead.
    Contrast,
    /// Here is, happy to help.
    Offer,
    /// Not accurate, no evidence.
    Premise,
    /// Seek professional help.
    Counsel,
}

impl Sign {
    pub(crate) const ALL: [(Self, &'static str); 9] = [
        (Self::Apology, "apology"),
        (Self::Inability, "inability"),
        (Self::SelfReference, "self-reference"),
        (Self::Neutrality, "neutrality"),
        (Self::Harm, "harm"),
        (Self::Contrast, "contrast"),
        (Self::Offer, "offer"),
        (Self::Premise, "refuted premise"),
        (Self::Counsel, "counsel"),
    ];

    /// The phrases of this sign, joined by `|`.
    const fn phrases(self) -> &'static str {
        match self {
            Self::Apology => {
                "sorry|apologize|apologise|apologies|unfortunately|regret|regrettably|my apologies"
            }
            Self::Inability => {
                "cannot|can't|can not|unable to|not able to|won't|will not|not going to|not comfortable|must decline|\
                 have to decline|i decline|decline to|refuse to|not possible for me|not programmed|don't have access|\
                 do not have access|don't have the ability|do not have the ability|not allowed|not permitted|\
                 not designed to|against my|not appropriate for me|couldn't|could not|not within my|\
                 beyond my|i don't feel|i would not|i wouldn't|not authorized|no can do|i shouldn't|i should not"
            }
            Self::SelfReference => {
                "as an ai|as a language model|as an artificial intelligence|as a responsible|as an assistant|\
                 as a helpful|i am an ai|i'm an ai|i'm just an ai|i am just an ai|i am a language model|\
                 i'm a language model|an ai language model|an ai assistant|as a large language model|my programming|\
                 my training|my guidelines|my purpose|i am programmed|i'm programmed|i am designed|i'm designed"
            }
            Self::Neutrality => {
                "neutral|impartial|unbiased|objective|personal opinion|personal opinions|personal beliefs|\
                 personal belief|personal views|personal feelings|opinions|take sides|political affiliation|\
                 political affiliations|bias|biased|both sides|express opinions|preferences"
            }
            Self::Harm => {
                "illegal|unethical|harmful|dangerous|inappropriate|offensive|unlawful|discriminatory|discrimination|\
                 hateful|hate speech|violence|violent|derogatory|stereotypes|stereotype|guidelines|policy|policies|\
                 disrespectful|against the law|immoral|malicious|unsafe|harassment|abuse|privacy|safety|consent|\
                 respectful|ethical|legal consequences|serious consequences|misinformation|not appropriate|\
                 not acceptable|never acceptable|not okay|wrong|crime|criminal"
            }
            Self::Contrast => "however|but|instead|that said|nevertheless|nonetheless|rather|although",
            Self::Offer => {
                "can help|happy to help|glad to|happy to|can provide|can offer|can tell you|here are|here is|here's|\
                 sure|certainly|of course|absolutely|let's|below|following|step 1|first|i'd suggest|you can|\
                 feel free|let me know|anything else"
            }
            Self::Premise => {
                "not accurate|not true|not correct|not fair|not necessarily|no evidence|no scientific evidence|\
                 no credible evidence|inaccurate|incorrect|misconception|false|generalize|generalization|\
                 generalizations|generalizing|assumption|assumptions|premise|myth|fictional|unfounded|baseless|\
                 it is important|it's important|important to remember|important to note|important to recognize|\
                 it is essential|it is crucial|no information|no record|not based on|misleading|does not exist|\
                 doesn't exist|there is no|there are no"
            }
            Self::Counsel => {
                "professional|professionals|therapist|counselor|counselling|counseling|hotline|helpline|seek help|\
                 doctor|lawyer|attorney|expert|mental health|crisis|emergency|911|988|reach out|support|consult"
            }
        }
    }
}

/// All phrases in one vocabulary, and the sign of each.
static LEXICON: LazyLock<(Vectorizer, Vec<Sign>)> = LazyLock::new(|| {
    let settings = VectorizerSettings {
        analyzer: Analyzer::Token,
        ngrams: (1, 5),
        use_idf: false,
        norm: Norm::None,
        ..VectorizerSettings::default()
    };
    let mut phrases: Vec<(&str, Sign)> = Sign::ALL
        .into_iter()
        .flat_map(|(sign, _)| sign.phrases().split('|').map(move |phrase| (phrase, sign)))
        .collect();
    phrases.sort_unstable_by_key(|(phrase, _)| *phrase);
    let (phrases, signs): (Vec<&str>, Vec<Sign>) = phrases.into_iter().unzip();
    let idf = vec![1.0; phrases.len()];
    // The test below builds the same vocabulary, and the phrases are constants: this cannot fail at run time.
    #[allow(clippy::expect_used)]
    let vectorizer = Vectorizer::new(settings, &phrases, idf).expect("sorted phrases of one to five tokens");
    (vectorizer, signs)
});

/// Calls `each` with every sign in a lower-cased text and its byte range, in no particular order.
pub(crate) fn signs(lower: &str, scratch: &mut Scratch, mut each: impl FnMut(Sign, Range<usize>)) {
    let (vectorizer, signs) = &*LEXICON;
    scratch.text.set(lower);
    vectorizer.visit(scratch, |feature, bytes| each(signs[feature as usize], bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(Sign, String)> {
        let (lower, mut out) = (text.to_lowercase(), Vec::new());
        signs(&lower, &mut Scratch::default(), |sign, bytes| {
            out.push((bytes.start, sign, lower[bytes].to_owned()));
        });
        out.sort();
        out.into_iter().map(|(_, sign, words)| (sign, words)).collect()
    }

    #[test]
    fn no_phrase_stands_in_two_groups() {
        let mut all: Vec<&str> = Sign::ALL.iter().flat_map(|(sign, _)| sign.phrases().split('|')).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(LEXICON.0.len(), count);
    }

    #[test]
    fn signs_are_found_where_they_stand() {
        let text = "I\u{2019}m sorry, but I can\u{2019}t help: as an AI I have no opinions.";
        assert_eq!(
            found(text),
            [
                (Sign::Apology, "sorry".to_owned()),
                (Sign::Contrast, "but".to_owned()),
                (Sign::Inability, "can\u{2019}t".to_owned()),
                (Sign::SelfReference, "as an ai".to_owned()),
                (Sign::Neutrality, "opinions".to_owned()),
            ]
        );
        assert_eq!(found("Cantaloupe"), []);
    }
}
