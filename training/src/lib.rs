//! Fitting, bootstrapping and evaluating Demur's models.
//!
//! The flow, in one direction: [`Recipe`] describes what is read and fitted; [`train()`] makes a model from
//! labelled records; [`bootstrap()`] labels a larger corpus with it; [`run`] runs the whole path and
//! evaluates it by a cross-fit; [`CrossValidation`], [`LeaveOneOut`], [`judge_holdout`] and
//! [`evaluate_model`] compute the figures of one model.

mod analysis;
mod answers;
mod bootstrap;
mod encoder;
mod error;
mod evaluate;
mod examples;
mod facets;
mod fit;
mod groups;
mod metrics;
mod pipeline;
mod place;
mod probe;
mod probe_set;
mod progress;
mod recipe;
mod relearn;
mod reproduce;
mod rows;
mod train;

pub use analysis::contrast::{
    FillerFigures, GroupFigures, SwapAudit, SwapList, TargetContrast, TargetTerm, Template, contrast_targets,
};
pub use analysis::phrases::{PhraseFigures, Position, phrases};
pub use analysis::rates::{
    Agreement, DIFFERENCE_INTERVAL, GroupRate, HarmRates, MCNEMAR, Outcome, PairedRates, Rate, RateReport,
    RatedRow, Share, harm_rates,
};
pub use analysis::terms::{
    FOLDS, HALVES, LogOdds, Marks, Refitted, TOP, TermAnalysis, TermFigures, TermParams, Within,
    analyse_terms, log_odds, probabilities,
};
pub use answers::{answer, judge_answers};
pub use bootstrap::{Bootstrapped, MachineLabelled, bootstrap, by_target, labelled_by};
pub use encoder::{
    Distil, EncoderParams, EncoderProgress, EncoderStore, FittedEncoder, Intermediate, Precision,
    SharedEncoder, TuneParams, check_encoder_place, fit_shared,
};
pub use error::TrainingError;
pub use evaluate::baselines::phrase_list;
pub use evaluate::breakdown::{Coverage, CoveragePoint, FacetFigures, coverage_curve};
pub use evaluate::confounds::{Confound, confounds};
pub use evaluate::cross_validation::{CrossValidation, judge_holdout};
pub use evaluate::doubling::Doubling;
pub use evaluate::evaluation::{Baseline, Evaluation};
pub use evaluate::fitted::{EvaluatedAnswers, evaluate_answers, evaluate_model};
pub use evaluate::kind_figures::{KindFigure, KindFigures};
pub use evaluate::leave_one_out::{
    LeaveOneOut, LeftOut, LeftOutFacet, LeftOutFigures, LeftOutMean, LeftOutRates, Stated,
};
pub use evaluate::scored::Scored;
pub use evaluate::unseen::judge_unseen;
pub use examples::{Examples, input, split};
pub use facets::Facets;
pub use fit::calibrate::{CalibrateOn, CalibrationMethod, IntervalsFor};
pub use fit::doubt::{DoubtParams, Suspect, suspects};
pub use fit::features::{DocumentFrequency, ViewParams, fit_views, transform};
pub use fit::kinds::KindParams;
pub use fit::logistic::{ClassWeight, LogisticParams, LogisticValidParams, SparseLogistic};
pub use fit::ngram::FittedNgram;
pub use fit::params::NgramParams;
pub use fit::second_level::SecondLevelParams;
pub use fit::sparse::SparseMatrix;
pub use fit::start::StartFrom;
pub use fit::teacher::{FitPlan, Teacher};
pub use groups::Grouping;
pub use metrics::{
    Clusters, Confusion, Decisions, FEW_FALSE_POSITIVES, Ranking, ReliabilityBin, Truth, auroc,
    auroc_interval, auroc_within, average_precision, brier, ece, intervals, log_loss, mean_interval,
    reliability, tpr_at_fpr, wilson, wilson_of_share,
};
pub use pipeline::{PipelineData, PipelineFigures, PipelineOutput, run};
pub use place::{FEWEST_PROMPTS, MOST_PROMPTS, PlaceParams, Placement, place};
pub use probe::{Candidate, MOST_CANDIDATES, MOST_PROBES, telling};
pub use probe_set::{Probe, Severity, probe_set};
pub use progress::Progress;
pub use recipe::source::{DataSource, Deduplicate};
pub use recipe::source_rows::SourceRows;
pub use recipe::{
    EVERYDAY, EvaluationPlan, MachineLabels, PromptParams, Recipe, STARTER_LABELLED, STARTER_RECIPE,
    STARTER_UNLABELLED,
};
pub use relearn::{FEWEST_LABELS, Lesson, MOST_SHIFT, MOST_SLOPE, relearn};
pub use reproduce::liblinear::Liblinear;
pub use reproduce::numpy::{PaperSplit, RandomState, TrainTest, paper_split, train_test_split};
pub use reproduce::published::{FileRead, PaperFiles};
pub use reproduce::{Figure, Line, Measured, Reproduction, reproduce};
pub use rows::{identity, may_judge, seen, weighed};
pub use train::{Provenance, train};
