//! The figures of a fitted model on sources that its fit has not seen. The manifest carries them, so that
//! everyone who uses the model sees them.

use std::collections::{BTreeMap, BTreeSet};

use demur_data::{Labeller, Record};
use demur_predictor::{Field, LeftOutReport, LeftOutSource, Model, Phrases, SourceFigures};

use crate::error::TrainingError;
use crate::evaluate::evaluation::Evaluation;
use crate::evaluate::fitted::{evaluate_answers, evaluate_model};
use crate::evaluate::leave_one_out::LeaveOneOut;
use crate::examples::Examples;
use crate::rows::{identity, labeller};

/// The source name for rows without one.
const UNNAMED: &str = "unnamed";

/// Evaluates a model on the sources of some records, without the rows whose prompts it has seen and without
/// sources that then have fewer than [`LeaveOneOut::MIN_ROWS`] rows. Returns `None` if no source is left.
///
/// # Errors
/// As [`evaluate_model`].
pub fn judge_unseen(model: &Model, records: Vec<Record>) -> Result<Option<LeftOutReport>, TrainingError> {
    let mut by_source: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for record in records {
        if !model.seen().contains(identity(&record)) {
            let name = record.source.clone().unwrap_or_else(|| UNNAMED.to_owned());
            by_source.entry(name).or_default().push(record);
        }
    }
    let mut sources = Vec::new();
    for (name, records) in by_source {
        let groups: Vec<u32> = (0_u32..).take(records.len()).collect();
        let examples = Examples::of(&records, &groups);
        if examples.len() < LeaveOneOut::MIN_ROWS {
            continue;
        }
        let method = "rows of a source that the fit has not seen".to_owned();
        let evaluation = match model.manifest().field {
            Field::Prompt => evaluate_model(model, &examples, None, method, 0)?,
            Field::Response => {
                evaluate_answers(model, &records, (None, &Phrases::default()), method, 0)?.evaluation
            }
        };
        let figures = figures(&evaluation);
        sources.push(LeftOutSource { name, labeller: labeller_of(&records), figures });
    }
    Ok((!sources.is_empty()).then(|| report(sources)))
}

/// Who labelled the rows; unknown unless it is the same labeller for all of them.
fn labeller_of(records: &[Record]) -> Labeller {
    let found: BTreeSet<Labeller> = records.iter().filter_map(labeller).collect();
    match (found.len(), found.first()) {
        (1, Some(labeller)) => *labeller,
        _ => Labeller::Unknown,
    }
}

fn figures(evaluation: &Evaluation) -> SourceFigures {
    let baseline = |name| evaluation.baselines.get(name).map_or(f64::NAN, |of| of.decisions.accuracy);
    SourceFigures {
        n: evaluation.n,
        refused: evaluation.base_rate,
        accuracy: evaluation.decisions.accuracy,
        majority: baseline("majority"),
        phrase_list: baseline("phrase_list"),
        auroc: evaluation.auroc.is_finite().then_some(evaluation.auroc),
        ece: evaluation.ece,
    }
}

/// The mean over the sources with both labels, and a summary in words.
fn report(sources: Vec<LeftOutSource>) -> LeftOutReport {
    let both: Vec<&SourceFigures> =
        sources.iter().map(|source| &source.figures).filter(|figures| figures.auroc.is_some()).collect();
    let all: Vec<&SourceFigures> = sources.iter().map(|source| &source.figures).collect();
    let counted = if both.is_empty() { &all } else { &both };
    let mean = |of: &dyn Fn(&SourceFigures) -> f64| {
        counted.iter().map(|figures| of(figures)).sum::<f64>() / counted.len() as f64
    };
    let auroc = (!both.is_empty()).then(|| mean(&|figures| figures.auroc.unwrap_or_default()));
    let mean = SourceFigures {
        n: all.iter().map(|figures| figures.n).sum(),
        refused: mean(&|figures| figures.refused),
        accuracy: mean(&|figures| figures.accuracy),
        majority: mean(&|figures| figures.majority),
        phrase_list: mean(&|figures| figures.phrase_list),
        auroc,
        ece: mean(&|figures| figures.ece),
    };
    let ranking = mean.auroc.map_or_else(String::new, |auroc| format!(", AUROC {auroc:.2}"));
    let of = if sources.len() == 1 { "one source".to_owned() } else { format!("{} sources", sources.len()) };
    let limits = format!(
        "On {of} that the fit has not seen, {:.0}% of the decisions agree with the labels (a phrase list {:.0}%, \
         the majority guess {:.0}%){ranking}; expect no more of rows from elsewhere",
        100.0 * mean.accuracy,
        100.0 * mean.phrase_list,
        100.0 * mean.majority,
    );
    LeftOutReport { limits, sources, mean }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, accuracy: f64, auroc: Option<f64>) -> LeftOutSource {
        let figures =
            SourceFigures { n: 50, refused: 0.5, accuracy, majority: 0.5, phrase_list: 0.6, auroc, ece: 0.1 };
        LeftOutSource { name: name.to_owned(), labeller: Labeller::Person, figures }
    }

    #[test]
    fn the_mean_is_over_sources_with_both_labels() {
        let report =
            report(vec![source("a", 0.8, Some(0.9)), source("b", 0.6, Some(0.7)), source("c", 1.0, None)]);
        assert_eq!(report.mean.n, 150);
        assert!((report.mean.accuracy - 0.7).abs() < 1e-12);
        assert!(report.mean.auroc.is_some_and(|auroc| (auroc - 0.8).abs() < 1e-12));
        assert!(report.limits.contains("On 3 sources") && report.limits.contains("70%"), "{}", report.limits);
    }

    #[test]
    fn sources_of_one_label_have_a_mean_without_a_ranking() {
        let report = report(vec![source("c", 0.9, None)]);
        assert_eq!(report.mean.auroc, None);
        assert!((report.mean.accuracy - 0.9).abs() < 1e-12);
        assert!(!report.limits.contains("AUROC"), "{}", report.limits);
    }
}
