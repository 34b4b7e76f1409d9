//! Fitting, bootstrapping and evaluating Demur's models.
//!
//! The flow, one way: [`Recipe`] says what is read and fitted; [`train()`] makes a model from labelled records;
//! [`bootstrap()`] labels a larger corpus with it; [`run`] does the whole path and judges it by a cross-fit;
//! [`CrossValidation`], [`LeaveOneOut`], [`judge_holdout`] and [`evaluate_model`] give the figures of one model.

mod baselines;
mod bootstrap;
mod breakdown;
mod calibrate;
mod confounds;
mod contrast;
mod design;
mod doubt;
mod encoder;
mod error;
mod evaluate;
mod examples;
mod features;
mod fit;
mod kind_figures;
mod kinds;
mod language;
mod leave_one_out;
mod level;
mod liblinear;
mod logistic;
mod metrics;
mod numpy;
mod phrases;
mod pipeline;
mod progress;
mod prune;
mod published;
mod recipe;
mod reproduce;
mod second_level;
mod source;
mod source_rows;
mod sparse;
mod teacher;
mod terms;
mod train;
mod unseen;

pub use baselines::phrase_list;
pub use bootstrap::{MachineLabelled, bootstrap, by_target, label, labelled_by};
pub use breakdown::{Coverage, CoveragePoint, FacetFigures, Facets, coverage_curve};
pub use calibrate::{CalibrateOn, CalibrationMethod, OutOfFold};
pub use confounds::{Confound, confounds};
pub use contrast::{
    FillerFigures, GroupFigures, MOST_PROMPTS, SwapAudit, SwapList, TargetContrast, TargetTerm, Template,
    contrast_targets, mean_interval,
};
pub use doubt::{DoubtParams, Suspect, suspects};
pub use encoder::{Distil, EncoderParams, Intermediate, Precision, Report, TuneParams};
#[cfg(feature = "encoder")]
pub use encoder::{FittedEncoder, Workshop};
pub use error::TrainingError;
pub use evaluate::{Baseline, CrossValidation, Evaluation, Scored, evaluate_model, judge_holdout};
pub use examples::{Examples, input, split};
pub use features::{DocumentFrequency, ViewParams, fit_views, transform};
pub use fit::{FittedNgram, NgramParams};
pub use kind_figures::{KindFigure, KindFigures};
pub use kinds::KindParams;
pub use leave_one_out::{
    LeaveOneOut, LeftOut, LeftOutFacet, LeftOutFigures, LeftOutMean, LeftOutRates, Stated,
};
pub use liblinear::Liblinear;
pub use logistic::{ClassWeight, LogisticParams, LogisticValidParams, SparseLogistic};
pub use metrics::{
    BINS, Clusters, Confusion, Decisions, FEW_FALSE_POSITIVES, RESAMPLES, ReliabilityBin, Truth, auroc,
    auroc_interval, auroc_standard_error, auroc_within, average_precision, brier, ece, intervals, log_loss,
    reliability, tpr_at_fpr, wilson, wilson_of_share,
};
pub use numpy::{PaperSplit, RandomState, TrainTest, paper_split, train_test_split};
pub use phrases::{PhraseFigures, Position, phrases};
pub use pipeline::{PipelineData, PipelineFigures, PipelineOutput, run};
pub use progress::Progress;
pub use published::{FileRead, PaperFiles};
pub use recipe::{
    EvaluationPlan, MachineLabels, PromptParams, Recipe, STARTER_LABELLED, STARTER_RECIPE, STARTER_UNLABELLED,
};
pub use reproduce::{Figure, Line, Measured, Reproduction, reproduce};
pub use second_level::SecondLevelParams;
pub use source::{DataSource, Deduplicate};
pub use source_rows::SourceRows;
pub use sparse::SparseMatrix;
pub use teacher::{FitPlan, Teacher};
pub use terms::{
    FOLDS, HALVES, LogOdds, MAX_BYTES, MAX_ROWS, Marks, Refitted, TOP, TermAnalysis, TermFigures, TermParams,
    Within, analyse_terms, log_odds, probabilities,
};
pub use train::{Grouping, Provenance, identity, may_judge, seen, train, weighed};
pub use unseen::judge_unseen;
