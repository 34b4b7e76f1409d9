//! What the fit of an encoder reports while it runs.

use std::fmt;

/// A stage of a long step.
#[derive(Debug, Clone, PartialEq)]
pub enum EncoderProgress {
    /// Embeddings are being computed.
    Embedded {
        /// Rows that were not in the cache.
        rows: usize,
        /// Share that is done, in tokens.
        share: f64,
        /// Estimated seconds for the rest.
        seconds_left: f64,
    },
    /// Before a fit begins: how long it will take, estimated from a few timed steps.
    Estimate {
        /// Rows of the fit.
        rows: usize,
        /// Fitted layers, and all layers.
        layers: (usize, usize),
        /// Passes over them.
        epochs: usize,
        /// Seconds of all epochs.
        seconds: f64,
    },
    /// A fit resumes from a checkpoint.
    Resumed {
        /// Epochs already done.
        epochs: usize,
    },
    /// A step of a fit.
    Step {
        /// Epoch, from 1.
        epoch: usize,
        /// All epochs.
        epochs: usize,
        /// Step of the epoch, from 1.
        step: usize,
        /// Steps of an epoch.
        steps: usize,
        /// Mean loss of the epoch so far, nats.
        loss: f64,
        /// Estimated seconds for the rest of all epochs.
        seconds_left: f64,
    },
    /// The end of an epoch.
    Epoch {
        /// Epoch, from 1.
        epoch: usize,
        /// All epochs.
        epochs: usize,
        /// Mean loss on the rows of the fit.
        loss: f64,
        /// Mean loss and AUROC on the held-out rows, if there are any.
        validation: Option<(f64, f64)>,
        /// Seconds that it took.
        seconds: f64,
    },
}

/// Seconds in a form that people read easily.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

impl fmt::Display for EncoderProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { rows, share, seconds_left } => {
                let done = 100.0 * share;
                write!(f, "embedding {rows} texts: {done:.0}%, {} left", time(*seconds_left))
            }
            Self::Estimate { rows, layers: (fitted, all), epochs, seconds } => write!(
                f,
                "fitting {fitted} of {all} layers on {rows} rows: about {} for {epochs} epochs",
                time(*seconds)
            ),
            Self::Resumed { epochs } => write!(f, "going on after epoch {epochs}, from its checkpoint"),
            Self::Step { epoch, epochs, step, steps, loss, seconds_left } => write!(
                f,
                "epoch {epoch} of {epochs}, step {step} of {steps}: loss {loss:.4}, {} left",
                time(*seconds_left)
            ),
            Self::Epoch { epoch, epochs, loss, validation, seconds } => {
                write!(f, "epoch {epoch} of {epochs}: loss {loss:.4}")?;
                if let Some((loss, auroc)) = validation {
                    write!(f, ", held out {loss:.4}, AUROC {auroc:.3}")?;
                }
                write!(f, ", {}", time(*seconds))
            }
        }
    }
}
