//! The data that a model was fitted on: the files of its rows, and who labelled them.

use std::collections::BTreeMap;

use demur_data::Labeller;
use serde::{Deserialize, Deserializer, Serialize};

/// One file that a model was fitted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingData {
    /// The source's name in the recipe, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// File name, without its folder.
    pub file: String,
    /// SHA-256 of the file as it was read.
    pub sha256: String,
    /// Number of its rows used.
    pub rows: usize,
    /// Who labelled them, in the order of [`Labeller`]. Empty in models of older builds, which wrote `human`
    /// for every label that did not come from a model of this program: that word is accepted but ignored.
    #[serde(default, deserialize_with = "read_labellers")]
    #[serde(alias = "labelled_by")]
    pub labellers: Vec<LabelledRows>,
    /// The licence of the rows, if the recipe names it.
    pub licence: Option<String>,
}

impl TrainingData {
    /// How many of the rows each kind of labeller has labelled; rows without a stated labeller count as
    /// unknown.
    #[must_use]
    pub fn by_labeller(&self) -> BTreeMap<Labeller, usize> {
        let mut rows = BTreeMap::new();
        for labelled in &self.labellers {
            *rows.entry(labelled.by).or_default() += labelled.rows;
        }
        let stated: usize = rows.values().sum();
        if stated < self.rows {
            *rows.entry(Labeller::Unknown).or_default() += self.rows - stated;
        }
        rows
    }

    /// Who labelled them, in words: `judge (gpt-4o)`, `person 300, rule 20`, `unknown`.
    #[must_use]
    pub fn labelled_by(&self) -> String {
        let stated: usize = self.labellers.iter().map(|labelled| labelled.rows).sum();
        let mut all = self.labellers.clone();
        if stated < self.rows || all.is_empty() {
            all.push(LabelledRows {
                by: Labeller::Unknown,
                who: None,
                rows: self.rows.saturating_sub(stated),
            });
        }
        let name = |labelled: &LabelledRows| match &labelled.who {
            Some(who) => format!("{} ({who})", labelled.by),
            None => labelled.by.to_string(),
        };
        match all.as_slice() {
            [one] => name(one),
            several => {
                let parts: Vec<String> =
                    several.iter().map(|part| format!("{} {}", name(part), part.rows)).collect();
                parts.join(", ")
            }
        }
    }
}

/// Rows of one labeller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledRows {
    /// Who labelled them.
    pub by: Labeller,
    /// The name that the rows use for that labeller, if any: the name of a judge model, for example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Number of rows.
    pub rows: usize,
}

/// The labellers, or the one word that models of older builds have instead, which states nothing.
fn read_labellers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LabelledRows>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Read {
        Stated(Vec<LabelledRows>),
        Word(#[allow(dead_code, reason = "it is read and not believed")] String),
    }
    Ok(match Read::deserialize(deserializer)? {
        Read::Stated(rows) => rows,
        Read::Word(_) => Vec::new(),
    })
}

/// How many rows of some files each kind of labeller has labelled.
#[must_use]
pub fn labellers(training: &[TrainingData]) -> BTreeMap<Labeller, usize> {
    let mut rows: BTreeMap<Labeller, usize> = BTreeMap::new();
    for (labeller, count) in training.iter().flat_map(TrainingData::by_labeller) {
        *rows.entry(labeller).or_default() += count;
    }
    rows
}

/// The same in words, the most rows first: `1200 by judge models, 300 by persons`.
#[must_use]
pub fn labellers_in_words(training: &[TrainingData]) -> String {
    let mut rows: Vec<(Labeller, usize)> = labellers(training).into_iter().collect();
    rows.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then(a.cmp(b)));
    let part = |(labeller, rows): &(Labeller, usize)| format!("{rows} {}", labeller.in_words());
    rows.iter().map(part).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn labelled(by: Labeller, who: Option<&str>, rows: usize) -> LabelledRows {
        LabelledRows { by, who: who.map(str::to_owned), rows }
    }

    fn data(rows: usize, labellers: Vec<LabelledRows>) -> TrainingData {
        let (source, file, sha256) = (None, "a.jsonl".to_owned(), "0".repeat(64));
        TrainingData { source, file, sha256, rows, labellers, licence: None }
    }

    #[test]
    fn a_manifest_of_before_states_no_labeller() {
        for word in ["human", "machine", "human and machine"] {
            let text = format!(
                r#"{{"file": "a.jsonl", "sha256": "00", "rows": 20, "labelled_by": "{word}", "licence": "MIT"}}"#
            );
            let data: TrainingData = serde_json::from_str(&text).unwrap();
            assert_eq!(data.labelled_by(), "unknown");
            assert_eq!(data.by_labeller(), BTreeMap::from([(Labeller::Unknown, 20)]));
        }
    }

    #[test]
    fn labellers_are_written_and_read_back_and_named() {
        let judge = labelled(Labeller::Judge, Some("gpt-4o"), 20);
        let one = data(20, vec![judge.clone()]);
        let json = serde_json::to_value(&one).unwrap();
        assert_eq!(json["labellers"][0], serde_json::json!({"by": "judge", "who": "gpt-4o", "rows": 20}));
        assert_eq!(serde_json::from_value::<TrainingData>(json).unwrap(), one);
        assert_eq!(one.labelled_by(), "judge (gpt-4o)");
        let several = data(330, vec![labelled(Labeller::Person, None, 300), judge]);
        assert_eq!(several.labelled_by(), "person 300, judge (gpt-4o) 20, unknown 10");
        assert_eq!(
            labellers_in_words(&[several, one]),
            "300 by persons, 40 by judge models, 10 of unknown origin"
        );
    }
}
