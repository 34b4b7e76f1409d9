//! Which rows belong together and must not be split: equal prompts, templates, near-duplicates, copied
//! answers.

use std::hash::Hash;

use demur_data::{Record, find_groups, normalise};
use demur_predictor::Field;
use rustc_hash::FxHashMap;

use crate::rows::identity;

/// Which rows must stay on one side of every split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Rows with equal normalised prompts: a random split that still does not leak.
    Equal,
    /// Also templates and near-duplicates, detected automatically.
    Similar,
}

impl Grouping {
    /// The grouping requested by `--grouped` or `grouped = true`.
    #[must_use]
    pub const fn of(grouped: bool) -> Self {
        if grouped { Self::Similar } else { Self::Equal }
    }

    /// A description for the method of an evaluation.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Equal => "random (equal prompts kept whole)",
            Self::Similar => "grouped (templates and near-duplicates kept whole)",
        }
    }

    /// The groups for a fit of one field, as in [`groups`](Self::groups). For a response classifier, groups
    /// of different sources are also merged if responses in them begin with the same 25 words, as happens
    /// when one data set was copied into another. Shorter answers are not compared: a stock refusal is not
    /// copied, because unrelated models use it too.
    #[must_use]
    pub(crate) fn groups_for(self, field: Field, records: &[Record]) -> Vec<u32> {
        let mut groups = self.groups(records);
        if field == Field::Response {
            join_openings(records, &mut groups);
        }
        groups
    }

    /// A group number for each record, by its prompt, or by its response if it has no prompt. A group in the
    /// file takes precedence over detected ones.
    #[must_use]
    pub fn groups(self, records: &[Record]) -> Vec<u32> {
        let texts: Vec<&str> = records.iter().map(identity).collect();
        let mut groups = match self {
            Self::Equal => number(texts.iter().map(|text| normalise(text))),
            Self::Similar => find_groups(&texts),
        };
        let found = groups.iter().max().map_or(0, |&group| group + 1);
        let named = number(records.iter().map(|record| record.group.as_deref()));
        for ((record, group), named) in records.iter().zip(&mut groups).zip(named) {
            if record.group.is_some() {
                *group = found + named;
            }
        }
        groups
    }
}

/// Words that two responses must share from the start to count as copies.
const OPENING: usize = 25;

/// The first words of a normalised response; `None` if it has fewer.
fn opening(response: &str) -> Option<String> {
    let normalised = normalise(response);
    let words: Vec<&str> = normalised.split_whitespace().take(OPENING).collect();
    (words.len() == OPENING).then(|| words.join(" "))
}

/// Merges the groups of rows from different sources whose responses begin alike.
fn join_openings(records: &[Record], groups: &mut [u32]) {
    let mut first: FxHashMap<String, usize> = FxHashMap::default();
    // A union-find: maps a group to the one it was merged into. The end of the chain is the final group
    // number.
    let mut joined: FxHashMap<u32, u32> = FxHashMap::default();
    let end_of = |joined: &FxHashMap<u32, u32>, mut group: u32| {
        while let Some(&next) = joined.get(&group) {
            group = next;
        }
        group
    };
    for (row, record) in records.iter().enumerate() {
        let Some(opening) = record.response.as_deref().and_then(opening) else { continue };
        let earlier = *first.entry(opening).or_insert(row);
        if records[earlier].source == record.source {
            continue;
        }
        let (a, b) = (end_of(&joined, groups[earlier]), end_of(&joined, groups[row]));
        if a != b {
            joined.insert(a.max(b), a.min(b));
        }
    }
    groups.iter_mut().for_each(|group| *group = end_of(&joined, *group));
}

/// Numbers items by first appearance; equal items get the same number.
fn number<T: Eq + Hash>(items: impl Iterator<Item = T>) -> Vec<u32> {
    let mut numbers: FxHashMap<T, u32> = FxHashMap::default();
    let mut next = 0;
    let number = |item| {
        *numbers.entry(item).or_insert_with(|| {
            next += 1;
            next - 1
        })
    };
    items.map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(source: &str, prompt: &str, response: &str) -> Record {
        Record {
            id: None,
            prompt: Some(prompt.to_owned()),
            response: Some(response.to_owned()),
            signs: None,
            context: Vec::new(),
            sent_in: demur_data::Context::default(),
            target: None,
            source: Some(source.to_owned()),
            category: None,
            split: None,
            group: None,
            label: None,
            weight: 1.0,
            place: demur_data::Place { file: std::sync::Arc::from("rows"), line: 1 },
            row: None,
        }
    }

    #[test]
    fn one_answer_in_two_sources_stays_on_one_side() {
        let long = "I cannot write that for you, because a letter like this would frighten the person who opens it, and \
                    I would rather help you to say what troubles you in words of your own";
        let records = [
            record("a", "Write a threat", long),
            record("b", "A frightening letter please", &format!("{}! And so on.", long.to_uppercase())),
            record("b", "Where do storks spend the winter?", "Sorry, I can't help with that."),
            record("a", "Which knot holds a kite?", "Sorry, I can't help with that."),
            record("b", "Another frightening note", long),
        ];
        let groups = Grouping::Similar.groups_for(Field::Response, &records);
        assert_eq!(groups[0], groups[1], "the same answer in two sources");
        assert_eq!(groups[0], groups[4], "and its other rows with it");
        assert_ne!(groups[2], groups[3], "a stock refusal is no copy");
        let of_prompts = Grouping::Similar.groups_for(Field::Prompt, &records);
        assert_ne!(of_prompts[0], of_prompts[1], "a prompt predictor reads no answers");
    }
}
