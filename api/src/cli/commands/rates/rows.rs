//! The rows of `rates`, each with its outcome and its values of the columns that are asked for; and what a
//! reader of the rates should know about them.

use std::collections::{BTreeSet, HashSet};

use anyhow::bail;
use demur_data::{Labeller, Record, normalise};
use demur_predictor::Model;
use demur_training::{DataSource, Outcome, RateReport, RatedRow};

use super::columns::{GroupColumn, HarmColumn, OtherLabel, PairColumn, Present, group_columns};
use super::judged::{Judged, judge};
use crate::cli::args::Rates;
use crate::cli::terminal::{note, waiting};

/// The columns that are asked for.
pub(super) struct Wanted {
    pub(super) by: Vec<GroupColumn>,
    pair: Option<PairColumn>,
    harm: Option<HarmColumn>,
    other: Option<OtherLabel>,
}

impl Wanted {
    pub(super) fn of(args: &Rates, source: &DataSource, records: &[Record]) -> anyhow::Result<Self> {
        let present = Present::of(records);
        let harm = |name: &String| HarmColumn::find(name, &args.harmful, &present);
        Ok(Self {
            by: group_columns(args, &present)?,
            pair: args.paired_by.as_deref().map(|name| PairColumn::find(name, &present)).transpose()?,
            harm: args.harm_column.as_ref().map(harm).transpose()?,
            other: args.judge.as_deref().map(|name| OtherLabel::find(name, source, &present)).transpose()?,
        })
    }
}

/// The rows that are counted.
pub(super) struct Rows {
    pub(super) rated: Vec<RatedRow>,
    /// What pairs each of them, where that is asked for.
    pub(super) pair_keys: Vec<Option<String>>,
    /// The models of this program behind labels.
    pub(super) model: Option<String>,
    /// Rows without a label of their own, left out.
    unlabelled: usize,
    /// Rows with a weight other than 1.
    weighted: usize,
    /// Rows that ask a prompt again in their group.
    repeated: usize,
}

impl Rows {
    pub(super) fn of(args: &Rates, records: Vec<Record>, wanted: &Wanted) -> anyhow::Result<Self> {
        let has_answer = |record: &Record| record.response.is_some() || record.signs.is_some();
        if !records.iter().any(|record| record.label.is_some() || has_answer(record)) {
            Present::of(&records).require("response", "response")?;
            bail!("no row has a label or an answer; --label-column or --response-column names the column");
        }
        let (judged, model) = waiting("classifying", || judge(args, &records))?;
        let weighted = records.iter().filter(|record| (record.weight - 1.0).abs() > f64::EPSILON).count();
        let model = models(&records, &judged, model.as_ref());
        let mut rows = Self {
            rated: Vec::with_capacity(records.len()),
            pair_keys: Vec::new(),
            model,
            unlabelled: 0,
            weighted,
            repeated: 0,
        };
        let mut asked: HashSet<(Vec<Option<String>>, String)> = HashSet::new();
        for (record, judged) in records.into_iter().zip(judged) {
            match judged {
                None => rows.unlabelled += 1,
                Some(judged) => rows.add(&record, &judged, wanted, &mut asked),
            }
        }
        if rows.rated.is_empty() {
            bail!("no row has a label of its own; without --labels own their answers are classified");
        }
        Ok(rows)
    }

    fn add(
        &mut self,
        record: &Record,
        judged: &Judged,
        wanted: &Wanted,
        asked: &mut HashSet<(Vec<Option<String>>, String)>,
    ) {
        let by: Vec<Option<String>> = wanted.by.iter().map(|column| column.value(record, judged)).collect();
        if let (Outcome::Answered(_), Some(prompt)) = (judged.outcome, &record.prompt) {
            self.repeated += usize::from(!asked.insert((by.clone(), normalise(prompt))));
        }
        self.pair_keys.push(wanted.pair.as_ref().and_then(|column| column.key(record)));
        self.rated.push(RatedRow {
            by,
            target: record.target.clone(),
            outcome: judged.outcome,
            labeller: judged.labeller,
            harmful: wanted.harm.as_ref().and_then(|column| column.value(record)),
            other: wanted.other.as_ref().and_then(|column| column.refused(record)),
        });
    }

    /// Logs what a reader of the rates should know.
    pub(super) fn say(&self, report: &RateReport, args: &Rates) {
        let Self { unlabelled, weighted, repeated, .. } = self;
        if *unlabelled > 0 {
            note(&format!("{unlabelled} rows without a label of their own left out (--labels own)"));
        }
        if *weighted > 0 {
            note(&format!("the weights of {weighted} rows are not used: each row counts once"));
        }
        if *repeated > 0 {
            note(&format!(
                "{repeated} rows ask a prompt that their group has already; intervals take all rows as independent"
            ));
        }
        let by = &report.total.labelled_by;
        if by.contains_key(&Labeller::Norm) {
            note("labels by norms say what should be refused, not what a target did");
        }
        if by.len() > 1 && by.contains_key(&Labeller::Demur) {
            note("own labels and Demur's are counted together; --labels own or --labels demur keeps to one");
        }
        if args.harm_column.is_some() {
            let unknown = self.rated.iter().filter(|row| row.harmful.is_none()).count();
            if unknown > 0 {
                note(&format!("{unknown} rows do not say whether they are harmful, and count for no target"));
            }
        }
    }
}

/// The models of this program that labelled rows: by name, with the start of their digests.
fn models(records: &[Record], judged: &[Option<Judged>], classifier: Option<&Model>) -> Option<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    if let Some(model) = classifier {
        names.insert(short(&format!("{}@{}", model.manifest().name, model.digest())));
    }
    let demurs = records
        .iter()
        .zip(judged)
        .filter(|(_, judged)| judged.is_some_and(|judged| judged.labeller == Labeller::Demur));
    let who = demurs.filter_map(|(record, _)| record.label.as_ref()?.by.who.as_deref());
    names.extend(who.map(short));
    (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(", "))
}

/// A model's name with the first twelve digits of its digest.
fn short(who: &str) -> String {
    match who.split_once('@') {
        Some((name, digest)) => format!("{name}@{}", digest.chars().take(12).collect::<String>()),
        None => who.to_owned(),
    }
}

/// Whether an outcome is a refusal, by its side of one half; `None` where nobody answered.
pub(super) fn refused(outcome: Outcome) -> Option<bool> {
    refused_share(outcome).map(|share| share >= 0.5)
}

/// How much of an outcome is refused; `None` where nobody answered.
pub(super) fn refused_share(outcome: Outcome) -> Option<f64> {
    match outcome {
        Outcome::Answered(refused) => Some(refused),
        Outcome::NoAnswer | Outcome::Neither => None,
    }
}
