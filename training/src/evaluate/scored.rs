//! From scores of rows to the figures of an evaluation, with those of simple methods on the same rows.

use std::collections::BTreeMap;

use demur_data::{Labeller, shuffled};
use demur_predictor::{Field, KindDistribution};

use crate::evaluate::baselines::phrase_list;
use crate::evaluate::breakdown::{by_facet, coverage};
use crate::evaluate::evaluation::{Baseline, Evaluation};
use crate::evaluate::kind_figures;
use crate::examples::Examples;
use crate::metrics::{
    Clusters, Decisions, FEW_FALSE_POSITIVES, accuracy_interval, auroc, auroc_within, average_precision,
    brier, ece, intervals, log_loss, reliability, tpr_at_fpr,
};

/// What is evaluated, and how the rows were kept separate from the fit.
#[derive(Debug, Clone)]
pub struct Scored {
    /// The field that was classified.
    pub field: Field,
    /// How the rows were kept separate from the fit, in words.
    pub method: String,
    /// P(refusal) from which a row is called refused.
    pub threshold: f64,
    /// Seed of the shuffled labels and of resampled prompts.
    pub seed: u64,
}

/// P(refusal) of each row under the method and under its shuffled twin, and the majority guess of each row.
pub(crate) struct MethodScores {
    pub(crate) p: Vec<f64>,
    /// The kinds of each row; all `None` without a model of kinds.
    pub(crate) kinds: Vec<Option<KindDistribution>>,
    pub(crate) shuffled: Vec<f64>,
    pub(crate) majority: Vec<bool>,
}

/// A description of the shuffled twin of a fit.
pub(crate) const FITTED_ON_SHUFFLED: &str = "the same recipe fitted on shuffled labels, same split";
const JUDGED_ON_SHUFFLED: &str = "the same scores judged against shuffled labels";

fn as_scores(decisions: &[bool]) -> Vec<f64> {
    decisions.iter().map(|&decision| f64::from(u8::from(decision))).collect()
}

impl MethodScores {
    /// The scores of the rows that have a label.
    fn judged(&self, examples: &Examples<'_>) -> Self {
        let rows = examples.labelled();
        Self {
            p: rows.iter().map(|&row| self.p[row]).collect(),
            kinds: Vec::new(),
            shuffled: rows.iter().map(|&row| self.shuffled[row]).collect(),
            majority: rows.iter().map(|&row| self.majority[row]).collect(),
        }
    }
}

impl Scored {
    /// Evaluates one score per example.
    ///
    /// # Panics
    /// When there is not exactly one score per example.
    #[must_use]
    pub fn judge(self, examples: &Examples<'_>, p: Vec<f64>) -> Evaluation {
        let kinds = vec![None; p.len()];
        self.judge_with_kinds(examples, p, kinds)
    }

    pub(crate) fn judge_with_kinds(
        self,
        examples: &Examples<'_>,
        p: Vec<f64>,
        kinds: Vec<Option<KindDistribution>>,
    ) -> Evaluation {
        let refused: f64 = examples.truth.iter().sum();
        // Shuffled scores against the labels are equivalent to the scores against shuffled labels.
        let shuffled = shuffled(p.len(), self.seed).into_iter().map(|row| p[row]).collect();
        let majority = vec![2.0 * refused > examples.len() as f64; examples.len()];
        self.judge_all(examples, &MethodScores { p, kinds, shuffled, majority }, JUDGED_ON_SHUFFLED)
    }

    pub(crate) fn judge_all(
        self,
        all: &Examples<'_>,
        scores: &MethodScores,
        twin: &'static str,
    ) -> Evaluation {
        let kinds = kind_figures::judge(&all.facets, &scores.kinds);
        // Rows that are included only for their kind have no label to compare a score with.
        let (examples, scores) = (&all.judged(), &scores.judged(all));
        let (p, truth, clusters) = (&scores.p, examples.truth.as_slice(), examples.prompts());
        let refused = |p: &[f64]| p.iter().map(|&p| p >= self.threshold).collect::<Vec<bool>>();
        let phrases: Vec<bool> = examples.inputs.iter().map(|input| phrase_list(self.field, input)).collect();
        let baseline = |description, called: &[bool], p: &[f64]| Baseline {
            description,
            decisions: self.decisions(called, truth, &clusters),
            auroc: auroc(p, truth),
        };
        let sources: Vec<Option<&str>> = examples.facets.iter().map(|facets| facets.source).collect();
        let (_, auroc_interval) = intervals(p, truth, self.threshold, &clusters, self.seed);
        let mut labelled_by: BTreeMap<Labeller, usize> = BTreeMap::new();
        for labeller in examples.facets.iter().filter_map(|facets| facets.labeller) {
            *labelled_by.entry(labeller).or_default() += 1;
        }
        Evaluation {
            field: self.field,
            n: truth.len(),
            prompts: clusters.len(),
            measures: Labeller::figure(&labelled_by.keys().copied().collect()),
            labelled_by,
            base_rate: truth.iter().sum::<f64>() / truth.len() as f64,
            threshold: self.threshold,
            decisions: self.decisions(&refused(p), truth, &clusters),
            auroc: auroc(p, truth),
            auroc_interval,
            auroc_within_sources: auroc_within(p, truth, &sources),
            tpr_at_1_fpr: tpr_at_fpr(p, truth, FEW_FALSE_POSITIVES),
            average_precision: average_precision(p, truth),
            brier: brier(p, truth),
            log_loss: log_loss(p, truth),
            ece: ece(p, truth, &[]),
            reliability: reliability(p, truth, &[]),
            coverage: coverage(p, truth, self.threshold),
            kinds,
            by: by_facet(examples, self.field, p, (self.threshold, self.seed)),
            baselines: BTreeMap::from([
                (
                    "majority",
                    baseline("the more frequent label", &scores.majority, &as_scores(&scores.majority)),
                ),
                ("phrase_list", baseline("a short list of phrases", &phrases, &as_scores(&phrases))),
                ("shuffled_labels", baseline(twin, &refused(&scores.shuffled), &scores.shuffled)),
            ]),
            method: self.method,
        }
    }

    /// Decisions against the truth, with an interval that accounts for rows that belong together.
    fn decisions(&self, called: &[bool], truth: &[f64], clusters: &Clusters) -> Decisions {
        let right = |(&called, &refused): (&bool, &f64)| if called { refused } else { 1.0 - refused };
        let right: Vec<f64> = called.iter().zip(truth).map(right).collect();
        let accuracy_interval = accuracy_interval(&right, clusters, self.seed);
        Decisions { accuracy_interval, ..Decisions::judge(called, truth) }
    }
}
