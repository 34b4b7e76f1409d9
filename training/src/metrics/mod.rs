//! Metrics of a binary classifier, each with the definition that its name has in scikit-learn.
//!
//! The positive class is refusal. The truth of a row is a label or a measured rate ([`Truth`]): a row that
//! was refused in 6 of 10 samples is 0.6 of a refused row and 0.4 of a complied one, like two rows with those
//! sample weights in scikit-learn. A metric that the rows do not define (AUROC of one class) is NaN here and
//! `null` in JSON, never 0.

mod calibration;
mod decisions;
mod interval;
mod ranking;
mod truth;

pub(crate) use calibration::{BINS, bin_of, loss_of, mean};
pub use calibration::{ReliabilityBin, brier, ece, log_loss, reliability};
pub use decisions::{Confusion, Decisions};
pub use interval::{Clusters, auroc_interval, intervals, mean_interval, wilson, wilson_of_share};
pub(crate) use interval::{Z, accuracy_interval};
pub use ranking::{Ranking, auroc, auroc_within, average_precision, tpr_at_fpr};
pub use truth::Truth;
pub(crate) use truth::nan_is_null;

/// The false positive rate for the true positive rate that is reported beside each AUROC.
pub const FEW_FALSE_POSITIVES: f64 = 0.01;
