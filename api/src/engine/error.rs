//! The error for wrong use, in contrast to work that failed.

/// The request is invalid: the fault is in the request, not in the data. A command ends with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);
