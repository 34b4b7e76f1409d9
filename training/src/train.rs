//! From a corpus to a model directory: what `fit`, and each half of a pipeline, does.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::Hash;
use std::path::{Path, PathBuf};

use demur_data::{DataError, Labeller, Record, find_groups, normalise};
use demur_predictor::{
    Field, LabelledRows, Manifest, Model, Parts, SeenPrompts, TrainingData, check_base_rate, sha256_of,
};
use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::FittedNgram;
use crate::recipe::Recipe;
use crate::recipe::source::DataSource;

/// Which rows must stay on one side of every split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Those whose prompts are equal once normalised: a random split that still does not leak.
    Equal,
    /// Templates and near-duplicates too, found without being told of them.
    Similar,
}

impl Grouping {
    /// The grouping that `--grouped` and `grouped = true` ask for.
    #[must_use]
    pub const fn of(grouped: bool) -> Self {
        if grouped { Self::Similar } else { Self::Equal }
    }

    /// In words, for the method of an evaluation.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Equal => "random (equal prompts kept whole)",
            Self::Similar => "grouped (templates and near-duplicates kept whole)",
        }
    }

    /// The groups of a fit of one field: as [`groups`](Self::groups), and for a response classifier the groups of rows of
    /// different sources are one where their responses begin with the same 25 words, as those of one data set that went
    /// into another do. Shorter answers are not compared: a stock refusal is not copied, and strangers use it too.
    #[must_use]
    pub fn groups_for(self, field: Field, records: &[Record]) -> Vec<u32> {
        let mut groups = self.groups(records);
        if field == Field::Response {
            join_openings(records, &mut groups);
        }
        groups
    }

    /// A group number for each record, by its prompt, or by its response where it has no prompt. A group that
    /// the file names goes before what is found.
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

/// Words that two responses must share from the beginning on to be taken for one.
const OPENING: usize = 25;

/// The first words of a normalised response; none where it has fewer.
fn opening(response: &str) -> Option<String> {
    let normalised = normalise(response);
    let words: Vec<&str> = normalised.split_whitespace().take(OPENING).collect();
    (words.len() == OPENING).then(|| words.join(" "))
}

/// Gives rows of different sources whose responses begin alike one group, and with them all of their groups.
fn join_openings(records: &[Record], groups: &mut [u32]) {
    let mut first: FxHashMap<String, usize> = FxHashMap::default();
    // Where a group has been joined to another, which of the two; followed to its end it is the group's number.
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

/// Numbers equal items alike, by first appearance.
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

/// What a record is known by in a model's [`SeenPrompts`] and in groups: its prompt, or its response where it has
/// no prompt.
#[must_use]
pub fn identity(record: &Record) -> &str {
    record.prompt.as_deref().or(record.response.as_deref()).unwrap_or_default()
}

/// The prompts of some records, for a model's [`SeenPrompts`].
#[must_use]
pub fn seen(records: &[Record]) -> SeenPrompts {
    SeenPrompts::of(records.iter().map(identity))
}

/// Scales the weights of this program's labels and of all others as a recipe says; rows that end at 0 are left out.
#[must_use]
pub fn weighed(records: Vec<Record>, machine_weight: f64, human_weight: f64) -> Vec<Record> {
    let mut records = records;
    for record in &mut records {
        record.weight *= match labeller(record) {
            Some(Labeller::Demur) => machine_weight,
            _ => human_weight,
        };
    }
    records.retain(|record| record.weight > 0.0);
    records
}

/// What goes into a manifest beside the fit itself.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// The recipe.
    pub recipe: Recipe,
    /// The files that the rows came from.
    pub training: Vec<TrainingData>,
    /// Figures on rows that the fit has not seen.
    pub figures: BTreeMap<String, Value>,
    /// Prompts that an earlier fit has seen, on whose labels this one stands.
    pub teacher: SeenPrompts,
}

/// Fits one of the recipe's two models on labelled records.
///
/// # Errors
/// Any [`TrainingError`] of the fit.
pub fn train(
    field: Field,
    records: &[Record],
    provenance: Provenance,
) -> Result<(Model, FittedNgram), TrainingError> {
    // Groups are found by comparing all rows, which takes as long as a plain fit: only where the fit asks for them.
    let groups = if provenance.recipe.plan(field).needs_groups() {
        Grouping::Similar.groups_for(field, records)
    } else {
        (0_u32..).take(records.len()).collect()
    };
    let examples = Examples::of(records, &groups);
    if examples.is_empty() {
        let hint = "the files need rows with a label and with the text that the model reads".to_owned();
        return Err(TrainingError::NoRows { step: "fit", hint });
    }
    let recipe = &provenance.recipe;
    let fitted = recipe.plan(field).fit(&examples, recipe.seed)?;
    let mut targets: Vec<String> = records.iter().filter_map(|record| record.target.clone()).collect();
    targets.sort_unstable();
    targets.dedup();
    let (seen, training) = (seen(records).union(&provenance.teacher), provenance.training);
    #[cfg(feature = "encoder")]
    let (seen, training) = match &fitted.encoder {
        None => (seen, training),
        Some(encoder) => (seen.union(&encoder.seen), [training, encoder.training.clone()].concat()),
    };
    let manifest = Manifest {
        format: 0,
        polarity: String::new(),
        written_by: concat!("demur ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: format!("{}-{}", recipe.name, field.name()),
        field,
        targets,
        seed: recipe.seed,
        calibration: fitted.calibration.clone(),
        target_calibrations: fitted.target_calibrations.clone(),
        calibration_report: fitted.report.clone(),
        base_rate: check_base_rate(fitted.base_rate).ok(),
        policy: recipe.fit_of(field).policy,
        views: Vec::new(),
        target_shifts: BTreeMap::new(),
        style: false,
        kinds: None,
        #[cfg(feature = "encoder")]
        encoder: fitted.encoder.as_ref().map(|encoder| encoder.manifest.clone()),
        #[cfg(not(feature = "encoder"))]
        encoder: None,
        training,
        figures: provenance.figures,
        left_out: None,
        recipe: recipe.to_json(),
        files: BTreeMap::new(),
    };
    let parts = Parts {
        scorer: fitted.model.clone(),
        kinds: fitted.kinds.clone(),
        seen,
        #[cfg(feature = "encoder")]
        encoder: fitted.encoder.as_ref().map(|encoder| encoder.tier.clone()),
        #[cfg(not(feature = "encoder"))]
        encoder: None,
    };
    let model = Model::new(manifest, parts)?;
    Ok((model, fitted))
}

/// Describes the files of a source for a manifest: name, digest, how many of the records came from each, and who
/// labelled them.
///
/// # Errors
/// [`TrainingError::Data`] when a file cannot be read again.
pub(crate) fn describe(source: &DataSource, records: &[&Record]) -> Result<Vec<TrainingData>, TrainingError> {
    let describe = |path: &PathBuf| {
        let name = path.to_string_lossy();
        let sha256 = if name == "-" { "standard input".to_owned() } else { digest(path)? };
        let of_file: Vec<&Record> =
            records.iter().copied().filter(|record| *record.place.file == *name).collect();
        Ok(TrainingData {
            source: source.name.clone(),
            file: path
                .file_name()
                .map_or_else(|| name.to_string(), |file| file.to_string_lossy().into_owned()),
            sha256,
            rows: of_file.len(),
            labellers: labellers(&of_file),
            licence: source.licence.clone(),
        })
    };
    source.files.iter().map(describe).collect()
}

/// More labellers than this are counted by their kind alone: a name for each row says nothing in a manifest.
const MOST_NAMED: usize = 12;

/// How many of some records each labeller has labelled. What no one has labelled yet, a model of this program will.
fn labellers(records: &[&Record]) -> Vec<LabelledRows> {
    let mut rows: BTreeMap<(Labeller, Option<&str>), usize> = BTreeMap::new();
    for record in records {
        let by = record.label.as_ref().map(|label| (label.by.labeller, label.by.who.as_deref()));
        *rows.entry(by.unwrap_or((Labeller::Demur, None))).or_default() += 1;
    }
    let named = rows.len() <= MOST_NAMED;
    let mut all: Vec<LabelledRows> = Vec::new();
    for ((by, who), rows) in rows {
        let who = who.filter(|_| named).map(str::to_owned);
        match all.last_mut() {
            Some(last) if last.by == by && last.who == who => last.rows += rows,
            _ => all.push(LabelledRows { by, who, rows }),
        }
    }
    all
}

/// Who labelled a record; `None` where it has no label.
pub(crate) fn labeller(record: &Record) -> Option<Labeller> {
    record.label.as_ref().map(|label| label.by.labeller)
}

/// Whether figures may be taken on this record: it has a label, and that is not the guess of a model of this program.
#[must_use]
pub fn may_judge(record: &Record) -> bool {
    labeller(record).is_some_and(|labeller| labeller != Labeller::Demur)
}

fn digest(path: &Path) -> Result<String, TrainingError> {
    let read = |cause| DataError::Read { file: path.display().to_string(), cause };
    Ok(File::open(path).and_then(sha256_of).map_err(read)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(source: &str, prompt: &str, response: &str) -> Record {
        Record {
            id: None,
            prompt: Some(prompt.to_owned()),
            response: Some(response.to_owned()),
            context: Vec::new(),
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
