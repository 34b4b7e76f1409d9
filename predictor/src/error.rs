//! The errors of this crate: wrong settings, a failed scorer, a model directory that cannot be used.

use std::path::PathBuf;

use crate::encoder::error::EncoderError;

/// Invalid settings of a vectorizer, view or policy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// The range of n-gram lengths is empty, starts at 0 or is too large.
    #[error(
        "n-gram range {shortest} to {longest}: it must be 1 <= shortest <= longest <= {}",
        crate::MAX_NGRAM
    )]
    NgramRange {
        /// Shortest n-gram requested.
        shortest: usize,
        /// Longest n-gram requested.
        longest: usize,
    },
    /// The vocabulary and the inverse document frequencies do not match.
    #[error("{ngrams} n-grams but {idf} inverse document frequencies")]
    Lengths {
        /// Entries of the vocabulary.
        ngrams: usize,
        /// Inverse document frequencies.
        idf: usize,
    },
    /// The vocabulary is not in ascending order or holds an n-gram twice.
    #[error("the vocabulary is not sorted and unique at `{0}`")]
    NotSorted(String),
    /// An n-gram of the vocabulary is shorter or longer than the settings allow.
    #[error("n-gram `{ngram}` has {length} symbols, which the settings do not allow")]
    NgramLength {
        /// The n-gram.
        ngram: String,
        /// Its length in words or characters.
        length: usize,
    },
    /// Weights do not match the views.
    #[error("{weights} weights for {features} features")]
    Weights {
        /// Weights given.
        weights: usize,
        /// Features of all views.
        features: usize,
    },
    /// A number that must be finite is not.
    #[error("{what} holds a number that is not finite (NaN or infinite)")]
    NotFinite {
        /// Which numbers.
        what: &'static str,
    },
    /// A calibration that is not monotone, or holds numbers that are not finite.
    #[error("the {method} calibration is not a finite map that never falls")]
    Calibration {
        /// Its method.
        method: &'static str,
    },
    /// A base rate that no traffic can have.
    #[error("base rate {rate}: it must lie between 0 and 1, both excluded")]
    BaseRate {
        /// The given rate.
        rate: f64,
    },
    /// The manifest does not say which base rate its probabilities assume, so they cannot be converted to
    /// another.
    #[error(
        "the model's manifest states no base rate, so its probabilities cannot be moved to another; fit it again with \
         `base_rate` in the recipe"
    )]
    NoBaseRate,
    /// Sizes that are not valid for an encoder.
    #[error("the encoder tier: {reason}")]
    Encoder {
        /// What is wrong.
        reason: String,
    },
    /// The thresholds of a policy are not probabilities in order.
    #[error(
        "policy: send_below {send_below}, hold_from {hold_from}: both lie within 0..=1, send_below <= hold_from"
    )]
    Policy {
        /// Below this a prompt is sent.
        send_below: f64,
        /// From this up it is held.
        hold_from: f64,
    },
}

/// A scorer that failed.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The model reads texts that the input does not have.
    #[error("the model reads the {field}, and input {index} has none")]
    MissingField {
        /// 0-based place of the input.
        index: usize,
        /// `prompt` or `response`.
        field: &'static str,
    },
    /// The encoder tier failed.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
}

/// A model directory that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Reading or writing failed.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: std::io::Error,
    },
    /// A file of the model does not exist.
    #[error("{}: missing; a model directory holds manifest.json, vocabulary.txt, weights.safetensors and seen.bin", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The target of a save exists and is not a model directory.
    #[error("{}: exists and is no model directory (it has no manifest.json); choose another --out or remove it", path.display())]
    NotAModel {
        /// The directory.
        path: PathBuf,
    },
    /// The manifest cannot be parsed.
    #[error("{}: {cause}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        cause: serde_json::Error,
    },
    /// The model was written in a newer format than this build reads.
    #[error("{}: model format {found}, and this build reads up to {supported}; use a newer demur", path.display())]
    NewerFormat {
        /// The manifest.
        path: PathBuf,
        /// The model's format.
        found: u32,
        /// The newest format that this build knows.
        supported: u32,
    },
    /// The model's positive class is not refusal.
    #[error("{}: label polarity `{found}`, expected `{}`; its probabilities would be read upside down", path.display(), crate::POLARITY)]
    Polarity {
        /// The manifest.
        path: PathBuf,
        /// The polarity that the manifest states.
        found: String,
    },
    /// A file is not the one that the manifest describes.
    #[error("{}: corrupted or truncated: {bytes} bytes with SHA-256 {found}, the manifest says {expected_bytes} bytes with {expected}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// Its digest.
        found: String,
        /// The size in the manifest.
        expected_bytes: u64,
        /// The digest in the manifest.
        expected: String,
    },
    /// A file does not have the layout that a model requires.
    #[error("{}: {reason}", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Numbers that do not match.
    #[error("{}: {what}: {found}, the manifest says {expected}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many the manifest states.
        expected: usize,
    },
    /// The encoder tier cannot be read or run.
    #[error("{}: {cause}", path.display())]
    Encoder {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        cause: EncoderError,
    },
    /// The content contradicts itself.
    #[error("{}: {cause}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: SettingsError,
    },
}
