//! Which phrases mark which kind of answer, by their position in the answer.
//!
//! An answer is cut into its opening, its ending and the middle. For each kind, the n-grams of each part are
//! compared with the same part of all other answers by z-scored log-odds (see [`log_odds`](crate::log_odds)).
//! A phrase is left out if a longer phrase contains it and it occurs in hardly more answers than that one.

use std::collections::BTreeMap;

use demur_predictor::{Analyzer, Field, Input, Part, View, ViewSettings};
use serde::Serialize;

use crate::analysis::terms::{Index, of_index, sample, subsumers};
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::features::{DocumentFrequency, ViewParams};

/// Number of words in an answer's opening, and in its ending.
const EDGE: usize = 25;
/// Kinds with fewer answers are left out.
const FEWEST: usize = 10;
/// Phrases that occur in fewer answers are left out.
const MIN_ROWS: u32 = 5;
/// Shortest and longest phrase in words. Single words are excluded: function words would fill the tables.
const WORDS: (usize, usize) = (2, 4);
/// Phrases with a lower z-score mark nothing: the 97.5% quantile of the standard normal distribution.
const MARKED: f64 = 1.96;

/// A part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// Its first words.
    Opening,
    /// The words between opening and ending.
    Middle,
    /// Its last words.
    Ending,
}

impl Position {
    const ALL: [Self; 3] = [Self::Opening, Self::Middle, Self::Ending];

    /// The name used in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Middle => "middle",
            Self::Ending => "ending",
        }
    }

    /// This part of an answer. A short answer is all opening; the ending starts after the opening.
    fn of(self, text: &str) -> &str {
        let opening = Part::FirstWords(EDGE).of(text);
        let rest = &text[opening.len()..];
        let ending = Part::LastWords(EDGE).of(rest);
        match self {
            Self::Opening => opening,
            Self::Middle => &rest[..rest.len() - ending.len()],
            Self::Ending => ending,
        }
    }
}

/// A phrase that marks a kind of answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhraseFigures {
    /// The kind; `refused` or `complied` if the rows have no kinds.
    pub kind: String,
    /// Position in the answer.
    pub position: Position,
    /// The phrase.
    pub phrase: String,
    /// Answers of the kind that contain it at this position.
    pub of_kind: usize,
    /// Answers of the kind.
    pub kind_rows: usize,
    /// Other answers that contain it at this position.
    pub of_others: usize,
    /// Other answers.
    pub other_rows: usize,
    /// z-score of its log-odds in the kind against all others.
    pub z: f64,
}

/// The `count` phrases that mark each kind most in each part, the strongest first. Rows without a response
/// are ignored.
///
/// # Errors
/// Never with these settings; all fits share this error type.
pub fn phrases(
    examples: &Examples<'_>,
    count: usize,
    seed: u64,
) -> Result<Vec<PhraseFigures>, TrainingError> {
    let answered: Vec<usize> =
        (0..examples.len()).filter(|&row| examples.inputs[row].response.is_some()).collect();
    let size = |row: usize| examples.inputs[row].response.map_or(0, str::len);
    let rows = examples.subset(&sample(&answered, seed, size));
    let kinds = kinds(&rows);
    let mut found = Vec::new();
    for position in Position::ALL {
        let texts: Vec<&str> =
            rows.inputs.iter().map(|input| position.of(input.response.unwrap_or_default())).collect();
        let params = ViewParams {
            analyzer: Analyzer::Token,
            ngrams: WORDS,
            min_df: DocumentFrequency::Count(MIN_ROWS),
            ..ViewParams::new(Field::Response)
        };
        let vectorizer = params.fit(texts.iter().copied())?;
        let settings = ViewSettings {
            field: Field::Response.into(),
            part: Part::Whole,
            vectorizer: *vectorizer.settings(),
        };
        let views = [View { settings, vectorizer }];
        let inputs: Vec<Input<'_>> =
            texts.into_iter().map(|text| Input { response: Some(text), ..Input::default() }).collect();
        let index = Index::of(&views, &inputs);
        let subsumed = subsumers(&views, &index);
        let all = vec![true; inputs.len()];
        for (kind, of_kind) in &kinds {
            let odds = of_index(&index, of_kind, &all);
            let mut order: Vec<usize> =
                (0..odds.len()).filter(|&at| odds[at].z >= MARKED && subsumed[at].is_none()).collect();
            order.sort_by(|&a, &b| odds[b].z.total_cmp(&odds[a].z).then(a.cmp(&b)));
            let kind_rows = of_kind.iter().filter(|&&of| of).count();
            found.extend(order.into_iter().take(count).map(|at| {
                let with = index.rows(at);
                let of = with.iter().filter(|&&row| of_kind[row as usize]).count();
                PhraseFigures {
                    kind: kind.clone(),
                    position,
                    // Feature numbers are u32 everywhere.
                    phrase: views[0].vectorizer.ngram(u32::try_from(at).unwrap_or(u32::MAX)),
                    of_kind: of,
                    kind_rows,
                    of_others: with.len() - of,
                    other_rows: inputs.len() - kind_rows,
                    z: odds[at].z,
                }
            }));
        }
    }
    found.sort_by(|a, b| a.kind.cmp(&b.kind).then(a.position.cmp(&b.position)).then(b.z.total_cmp(&a.z)));
    Ok(found)
}

/// Which rows are of each kind, for kinds with enough rows on both sides.
fn kinds(rows: &Examples<'_>) -> BTreeMap<String, Vec<bool>> {
    let labels = rows.labels();
    let name = |row: usize| match rows.facets.get(row).and_then(|facets| facets.kind) {
        Some(kind) => kind.name(),
        None if labels[row] => "refused",
        None => "complied",
    };
    let names: Vec<&str> = (0..rows.len()).map(name).collect();
    let mut kinds = BTreeMap::new();
    for kind in &names {
        kinds
            .entry((*kind).to_owned())
            .or_insert_with(|| names.iter().map(|other| other == kind).collect::<Vec<bool>>());
    }
    kinds.retain(|_, of| {
        let n = of.iter().filter(|&&of| of).count();
        n.min(of.len() - n) >= FEWEST
    });
    kinds
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_data::Kind;

    use super::*;
    use crate::facets::Facets;

    #[test]
    fn an_answer_is_opening_middle_and_ending() {
        let words: Vec<String> = (0..60).map(|at| format!("w{at}")).collect();
        let text = words.join(" ");
        assert_eq!(Position::Opening.of(&text).split(' ').count(), EDGE);
        assert_eq!(Position::Middle.of(&text).trim(), words[25..35].join(" "));
        assert_eq!(Position::Ending.of(&text), words[35..].join(" "));
        let short = "I cannot.";
        assert_eq!(Position::ALL.map(|part| part.of(short)), ["I cannot.", "", ""]);
    }

    #[test]
    fn phrases_mark_their_kind_where_they_stand() {
        let filler = |at: usize| format!("{} ", ["salt", "oil", "rice", "tea"][at % 4]).repeat(30);
        let texts: Vec<(String, Kind)> = (0..60)
            .map(|at| match at % 3 {
                0 => (format!("I am sorry but no {}", filler(at)), Kind::Rejected),
                1 => (format!("{} please talk to someone you trust", filler(at)), Kind::Counseling),
                _ => (format!("Sure here you go {}", filler(at)), Kind::Complied),
            })
            .collect();
        let n = texts.len();
        let mut examples = Examples {
            inputs: texts
                .iter()
                .map(|(text, _)| Input { response: Some(text), ..Input::default() })
                .collect(),
            targets: vec![0.0; n],
            truth: vec![0.0; n],
            weights: vec![1.0; n],
            groups: (0..n as u32).collect(),
            facets: texts.iter().map(|(_, kind)| Facets { kind: Some(*kind), ..Facets::default() }).collect(),
            ..Examples::default()
        };
        let found = phrases(&examples, 3, 0).unwrap();
        let marks = |kind: &str, position| -> Vec<&str> {
            found
                .iter()
                .filter(|of| of.kind == kind && of.position == position)
                .map(|of| of.phrase.as_str())
                .collect()
        };
        assert!(marks("rejected", Position::Opening).contains(&"i am sorry but"), "{found:?}");
        assert!(marks("counseling", Position::Ending).contains(&"to someone you trust"), "{found:?}");
        assert!(!marks("rejected", Position::Ending).contains(&"i am sorry but"));
        let sorry = found.iter().find(|of| of.phrase == "i am sorry but").unwrap();
        assert_eq!((sorry.of_kind, sorry.kind_rows, sorry.of_others, sorry.other_rows), (20, 20, 0, 40));
        // Without kinds, the labels are compared instead.
        examples.facets = vec![Facets::default(); n];
        examples.truth = texts.iter().map(|(_, kind)| f64::from(u8::from(*kind != Kind::Complied))).collect();
        let found = phrases(&examples, 3, 0).unwrap();
        assert!(found.iter().all(|of| of.kind == "refused" || of.kind == "complied") && !found.is_empty());
    }
}
