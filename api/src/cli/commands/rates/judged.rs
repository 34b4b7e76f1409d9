//! The outcome of each row: its own label, or what the response classifier says of its answer.

use demur_data::{Kind, Labelled, Labeller, Record};
use demur_predictor::{Answer, Model, Verdict};
use demur_training::{Outcome, answer};

use crate::cli::args::{LabelsArg, Rates};
use crate::engine::judgement::Judge;
use crate::engine::tiered_model::TieredModel;

/// What became of a row, who says so, and the kind of the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    pub(super) outcome: Outcome,
    pub(super) labeller: Labeller,
    pub(super) kind: Option<Kind>,
}

/// The outcomes of records in their order, `None` where a row's own label is wanted and it has none; and the
/// model that classified answers, if any was classified.
pub(super) fn judge(
    args: &Rates,
    records: &[Record],
) -> anyhow::Result<(Vec<Option<Judged>>, Option<Model>)> {
    let own: Vec<Option<Judged>> = match args.labels {
        LabelsArg::Demur => vec![None; records.len()],
        LabelsArg::Any | LabelsArg::Own => {
            records.iter().map(|record| record.label.as_ref().map(of_label)).collect()
        }
    };
    if args.labels == LabelsArg::Own || own.iter().all(Option::is_some) {
        return Ok((own, None));
    }
    let model = args.model.load(args.tiers.tier)?;
    let phrases = args.phrases.read()?;
    let tiered = TieredModel::here(&model, args.tiers.of(&model)?);
    let judge = Judge { tiered, policy: model.manifest().policy, phrases: &phrases };
    let without = own.iter().zip(records).filter(|(own, _)| own.is_none());
    let answers: Vec<Answer<'_>> = without.map(|(_, record)| answer(record)).collect();
    let mut verdicts = judge.on_all_cores(&answers)?.into_iter().map(|judged| of_answer(&judged.verdict));
    let judged = own.into_iter().map(|own| own.or_else(|| verdicts.next())).collect();
    Ok((judged, Some(model)))
}

/// What a row's own label says: a measured rate counts with its value.
fn of_label(label: &Labelled) -> Judged {
    let rate = label.p_refusal.filter(|_| label.by.labeller != Labeller::Demur);
    let outcome = match label.label {
        Some(binary) => Outcome::Answered(rate.unwrap_or_else(|| binary.target())),
        None => Outcome::Neither,
    };
    Judged { outcome, labeller: label.by.labeller, kind: label.kind }
}

/// What the classifier says of an answer.
fn of_answer(verdict: &Verdict) -> Judged {
    let outcome = match verdict.label {
        Some(label) => Outcome::Answered(label.target()),
        None => Outcome::NoAnswer,
    };
    Judged { outcome, labeller: Labeller::Demur, kind: verdict.kind }
}
