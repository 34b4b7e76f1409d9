//! The one error that tells wrong use from work that failed.

/// What is asked for cannot be: the fault is in the question, not in the data behind it. A command ends with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);
