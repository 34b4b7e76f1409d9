//! Figures: a fitted model on rows that it has not seen, or a recipe by cross-validation, always beside
//! baselines.

pub(crate) mod baselines;
pub(crate) mod breakdown;
pub(crate) mod confounds;
pub(crate) mod cross_validation;
pub(crate) mod doubling;
pub(crate) mod evaluation;
pub(crate) mod fitted;
pub(crate) mod kind_figures;
pub(crate) mod leave_one_out;
pub(crate) mod scored;
pub(crate) mod unseen;
