//! What a model says of a prompt, an answer or a file of them. The command line, the service and the batch ask the same
//! functions here.
//!
//! It knows nothing of flags, of HTTP and of the terminal: what it is asked comes as plain values, and what there is to say
//! while it works goes to an observer.

pub(crate) mod base_rate;
pub(crate) mod batch;
pub(crate) mod cascade;
pub(crate) mod claims;
mod error;
pub(crate) mod explain;

pub(crate) mod model_ref;
pub(crate) mod models;
pub(crate) mod process;
pub(crate) mod rules;
pub(crate) mod schema;
pub(crate) mod shares;
pub(crate) mod tiered_model;

pub(crate) use error::Usage;
