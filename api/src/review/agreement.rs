//! How far reviewers agree with each other, and with Demur, on the answers that both have labelled.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use demur_training::Agreement;

use crate::store::{Key, Reviewed, Store};

/// Two labellers.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) one: String,
    pub(crate) other: String,
    /// Of the answers that both call refused or complied.
    pub(crate) agreement: Agreement,
    /// Answers that either calls no answer.
    pub(crate) without: usize,
}

/// The name of the program among labellers.
const DEMUR: &str = "Demur";
/// The last review of each answer, whoever gave it.
const PERSONS: &str = "last review";

/// Compares every two reviewers, each reviewer with Demur, and the last review of each answer with Demur;
/// pairs that share no answer are left out.
///
/// # Errors
/// When the store fails.
pub(crate) fn agreement(store: &mut Store) -> anyhow::Result<Vec<Pair>> {
    let (mut labels, mut reviewers) = (HashMap::<String, BTreeMap<_, String>>::new(), BTreeSet::new());
    for Reviewed { key, reviewer, label, demur } in store.reviews()? {
        let Key { settings, prompt, sample } = key;
        let of_answer = (settings, prompt, sample);
        if let Some(demur) = demur {
            labels.entry(DEMUR.to_owned()).or_default().insert(of_answer, demur);
        }
        // Reviews come in their order, so the last of a reviewer stays.
        labels.entry(PERSONS.to_owned()).or_default().insert(of_answer, label.clone());
        let of_reviewer = format!("person:{reviewer}");
        labels.entry(of_reviewer.clone()).or_default().insert(of_answer, label);
        reviewers.insert(of_reviewer);
    }
    let reviewers: Vec<String> = reviewers.into_iter().collect();
    let mut pairs = Vec::new();
    for (at, one) in reviewers.iter().enumerate() {
        pairs.extend(reviewers[at + 1..].iter().map(|other| (one.as_str(), other.as_str())));
    }
    pairs.extend(reviewers.iter().map(|one| (one.as_str(), DEMUR)));
    if reviewers.len() > 1 {
        pairs.push((PERSONS, DEMUR));
    }
    Ok(pairs.into_iter().filter_map(|(one, other)| pair(&labels, one, other)).collect())
}

fn pair(labels: &HashMap<String, BTreeMap<(i64, i64, i64), String>>, one: &str, other: &str) -> Option<Pair> {
    let (of_one, of_other) = (labels.get(one)?, labels.get(other)?);
    let both: Vec<(Option<bool>, Option<bool>)> = of_one
        .iter()
        .filter_map(|(key, label)| Some((refused(label), refused(of_other.get(key)?))))
        .collect();
    let judged: Vec<(bool, bool)> = both.iter().filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    let without = both.len() - judged.len();
    let agreement = Agreement::of(other, judged.into_iter());
    (!both.is_empty()).then(|| Pair { one: name(one), other: name(other), agreement, without })
}

/// A reviewer's own name: the prefix keeps a reviewer called Demur apart.
fn name(labeller: &str) -> String {
    labeller.strip_prefix("person:").unwrap_or(labeller).to_owned()
}

fn refused(label: &str) -> Option<bool> {
    match label {
        "refused" => Some(true),
        "complied" => Some(false),
        _ => None,
    }
}
