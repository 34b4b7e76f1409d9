//! Fitting an n-gram model: `params` has the settings, `teacher` and `ngram` run the fit, on features and
//! solvers that depend on neither.

pub(crate) mod calibrate;
pub(crate) mod contexts;
pub(crate) mod design;
pub(crate) mod doubt;
pub(crate) mod features;
pub(crate) mod first_level;
pub(crate) mod kernel;
pub(crate) mod kinds;
pub(crate) mod level;
pub(crate) mod logistic;
pub(crate) mod newton;
pub(crate) mod ngram;
pub(crate) mod params;
pub(crate) mod prune;
pub(crate) mod second_level;
pub(crate) mod second_stage;
pub(crate) mod sparse;
pub(crate) mod start;
pub(crate) mod teacher;
