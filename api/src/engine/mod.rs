//! Scores of a model for a prompt, an answer or a file of them. The command line, the service and batch runs
//! all call the functions here.
//!
//! The engine knows nothing of flags, HTTP or the terminal. Its inputs are plain values, and it reports its
//! progress to an observer.

pub(crate) mod base_rate;
pub(crate) mod batch;
pub(crate) mod cascade;
pub(crate) mod claims;
pub(crate) mod contexts;
mod error;
pub(crate) mod explain;
pub(crate) mod judgement;
pub(crate) mod lines;
pub(crate) mod model_ref;
pub(crate) mod models;
pub(crate) mod placed;
pub(crate) mod process;
pub(crate) mod routing;
pub(crate) mod rules;
pub(crate) mod schema;
pub(crate) mod shares;
pub(crate) mod tiered_model;
pub(crate) mod why;

pub(crate) use error::Usage;
