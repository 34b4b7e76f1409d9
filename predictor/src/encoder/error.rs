//! What can go wrong with an encoder: its folder, its weights, or the library that runs it.

use std::path::PathBuf;

/// An encoder that cannot be read or run.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// There is no folder of an encoder at any of the places searched.
    #[error(
        "no encoder `{name}`: looked for {looked}; run `scripts/setup-bert.sh`, or download config.json, \
         model.safetensors and vocab.txt of a BERT or MPNet model into a folder and name that"
    )]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// The places, joined by commas.
        looked: String,
    },
    /// A file of the folder cannot be read, or holds something that this build does not know.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor is missing or its shape does not match the settings.
    #[error("tensor `{name}` of the encoder {reason}")]
    Tensor {
        /// Its name, without a prefix such as `bert.`.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The library that runs encoders is missing or failed.
    #[error("{library}: {reason}")]
    Library {
        /// `rten`, `libtorch` or `tokenizers`.
        library: &'static str,
        /// The library's message, and what to do.
        reason: String,
    },
    /// This build has no encoder tier.
    #[error(
        "this build of demur-predictor has no encoders (feature `encoder`); ask for the n-gram tier alone"
    )]
    NotBuilt,
}
