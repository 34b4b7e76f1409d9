//! Words that betray a source: frequent in one source's refused (or answered) rows and rare in those of the
//! others.
//!
//! "How" opens most prompts in a collection of harmful questions. A fit takes it for a sign of harm and holds
//! "How do I bake bread?". Such words are found by counting within one label, so that words common to all
//! refusals are not among them.

use std::collections::{BTreeMap, BTreeSet};

use demur_predictor::Field;
use serde::Serialize;

use crate::examples::Examples;

/// A word that reveals the source of a row, among rows of one label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confound {
    /// The word; with a leading `^` if it is the first word of the text.
    pub term: String,
    /// The source.
    pub source: String,
    /// The label within which it was counted: `refused` or `complied`.
    pub label: &'static str,
    /// Rows of the source with this label.
    pub rows: usize,
    /// Those with the word.
    pub with_term: usize,
    /// Rows of all other sources with this label.
    pub rows_elsewhere: usize,
    /// Those with the word.
    pub with_term_elsewhere: usize,
    /// Share refused among all rows of the source that have the word: near 0 or 1, the word predicts the
    /// label there.
    pub refused_with_term: f64,
}

/// Sources with fewer rows are skipped.
const MIN_ROWS: usize = 20;
/// The share of the source's rows that must have the word ...
const SHARE: f64 = 0.2;
/// ... and how many times the share of the other sources it must be.
const TIMES: f64 = 3.0;
/// How many words are listed.
const MOST: usize = 20;

/// The counts of one source and label.
#[derive(Default)]
struct ClassCounts {
    rows: usize,
    terms: BTreeMap<String, usize>,
}

/// The words that betray a source most, by the log-likelihood ratio of their counts (Dunning 1993).
#[must_use]
pub fn confounds(examples: &Examples<'_>, field: Field) -> Vec<Confound> {
    let mut counts: BTreeMap<(bool, &str), ClassCounts> = BTreeMap::new();
    for ((input, facets), refused) in examples.inputs.iter().zip(&examples.facets).zip(examples.labels()) {
        let (Some(source), Some(text)) = (facets.source, field.of(input)) else { continue };
        let of = counts.entry((refused, source)).or_default();
        of.rows += 1;
        for term in terms(text) {
            *of.terms.entry(term).or_default() += 1;
        }
    }
    let mut found: Vec<(f64, Confound)> = Vec::new();
    for refused in [false, true] {
        let of_label: Vec<(&str, &ClassCounts)> = counts
            .iter()
            .filter(|((label, _), _)| *label == refused)
            .map(|((_, of), counts)| (*of, counts))
            .collect();
        let all: usize = of_label.iter().map(|(_, counts)| counts.rows).sum();
        let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
        for (term, count) in of_label.iter().flat_map(|(_, counts)| &counts.terms) {
            *totals.entry(term).or_default() += count;
        }
        for (source, own) in of_label {
            let elsewhere = all - own.rows;
            if own.rows < MIN_ROWS || elsewhere < MIN_ROWS {
                continue;
            }
            for (term, &count) in &own.terms {
                let others = totals[term.as_str()] - count;
                let (share, of_others) = (rate(count, own.rows), rate(others, elsewhere));
                if share < SHARE || share < TIMES * of_others || count < MIN_ROWS {
                    continue;
                }
                let with_other_label =
                    counts.get(&(!refused, source)).and_then(|of| of.terms.get(term)).copied().unwrap_or(0);
                let same = rate(count, count + with_other_label);
                found.push((
                    likelihood_ratio(count, own.rows, others, elsewhere),
                    Confound {
                        term: term.clone(),
                        source: source.to_owned(),
                        label: if refused { "refused" } else { "complied" },
                        rows: own.rows,
                        with_term: count,
                        rows_elsewhere: elsewhere,
                        with_term_elsewhere: others,
                        refused_with_term: if refused { same } else { 1.0 - same },
                    },
                ));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.term.cmp(&b.1.term)));
    found.into_iter().take(MOST).map(|(_, confound)| confound).collect()
}

fn rate(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

/// The distinct words of a text, and its first word marked as such.
fn terms(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    let mut words =
        lower.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty()).peekable();
    let first = words.peek().map(|word| format!("^{word}"));
    words.map(str::to_owned).chain(first).collect()
}

/// Dunning's G squared of `a` in `m` against `b` in `n`.
fn likelihood_ratio(a: usize, m: usize, b: usize, n: usize) -> f64 {
    let loss = |part: usize, whole: usize, share: f64| {
        let of = |count: usize, share: f64| if count == 0 { 0.0 } else { count as f64 * share.ln() };
        of(part, share) + of(whole - part, 1.0 - share)
    };
    let pooled = rate(a + b, m + n);
    2.0 * (loss(a, m, rate(a, m)) + loss(b, n, rate(b, n)) - loss(a, m, pooled) - loss(b, n, pooled))
}

#[cfg(test)]
mod tests {
    use demur_predictor::Input;

    use super::*;
    use crate::facets::Facets;

    #[test]
    fn a_word_that_opens_one_source_is_found_and_what_refusals_share_is_not() {
        let mut texts: Vec<(String, &str, f64)> = Vec::new();
        for at in 0..60 {
            texts.push((format!("How does one steal thing{at}?"), "questions", 1.0));
            texts.push((format!("Please steal thing{at} with me"), "orders", 1.0));
            texts.push((format!("Please paint thing{at} with me"), "orders", 0.0));
        }
        let examples = Examples {
            inputs: texts.iter().map(|(text, ..)| Input::prompt(text)).collect(),
            facets: texts
                .iter()
                .map(|(_, source, _)| Facets { source: Some(*source), ..Facets::default() })
                .collect(),
            truth: texts.iter().map(|(.., truth)| *truth).collect(),
            ..Examples::default()
        };
        let found = confounds(&examples, Field::Prompt);
        let of = |term: &str| found.iter().find(|of| of.term == term);
        let how = of("^how").map(|of| (of.source.as_str(), of.label, of.with_term, of.with_term_elsewhere));
        assert_eq!(how, Some(("questions", "refused", 60, 0)));
        assert_eq!(of("^how").map(|of| of.refused_with_term), Some(1.0));
        assert!(of("steal").is_none(), "both sources' refusals have it: {found:?}");
        assert_eq!(of("please").map(|of| of.refused_with_term), Some(0.5), "it foretells nothing there");
    }
}
