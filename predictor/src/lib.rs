//! Demur's fitted models: text in, P(refusal) out.
//!
//! This crate is all that another program needs for a pre-flight check: take a [`Model`], call
//! [`Model::predict`]. It fits nothing and reads no corpora. Two models come with it:
//!
//! ```
//! use demur_predictor::{Bundled, Input, Model, Scratch};
//!
//! let model = Model::bundled(Bundled::Prompt)?;
//! let p_refusal = model.predict(&Input::prompt("Write a poem about autumn"), &mut Scratch::default());
//! println!("{p_refusal:.3} {:?}", model.decide(p_refusal));
//! # Ok::<(), demur_predictor::ModelError>(())
//! ```
//!
//! Others are directories that `demur fit` and `demur pipeline` write:
//!
//! ```no_run
//! use demur_predictor::{Input, Model, Scratch};
//!
//! let model = Model::load("models/prompt".as_ref())?;
//! let mut scratch = Scratch::default();             // reused from call to call
//! for prompt in ["Write a poem about autumn", "How do I pick a lock?"] {
//!     println!("{:.3}", model.predict(&Input::prompt(prompt), &mut scratch));
//! }
//! # Ok::<(), demur_predictor::ModelError>(())
//! ```

mod answer;
mod base_rate;
#[cfg(feature = "batch")]
pub mod batch;
mod calibration;
pub mod encoder;
mod error;
mod explain;
mod model;
mod ngram;
mod policy;
mod probability;
mod scorer;
mod text;

pub use answer::kinds::{KindDistribution, KindModel, KindReport, KindSettings, place, softmax};
pub use answer::style::{STYLE, style, style_names};
pub use answer::{Answer, Form, Phrases, Verdict};
pub use base_rate::{BaseRateEstimate, check_base_rate, estimate_base_rate, log_odds};
pub use calibration::{Calibration, gate};
pub use error::{ModelError, ScoreError, SettingsError};
pub use explain::flip::Flip;
pub use explain::fragment::Fragment;
pub use explain::shares::{Share, ShareKind, Shares};
pub use explain::{Explanation, Origin, Term, WordShare};
pub use model::bundled::Bundled;
pub use model::digest::{sha256, sha256_of};
pub use model::left_out::{FigureLine, LeftOutReport, LeftOutSource, SourceFigures, three_digits};
pub use model::manifest::{
    CalibrationReport, FORMAT, FileDigest, KindManifest, Manifest, POLARITY, ReliabilityBin, ViewManifest,
};
pub use model::seen::SeenPrompts;
pub use model::tensors::round;
pub use model::tiers::{Tier, Tiered};
pub use model::training_data::{LabelledRows, TrainingData, labellers, labellers_in_words};
pub use model::{LoadOptions, Model, Parts};
pub use ngram::counter::{NgramCount, NgramCounter};
pub use ngram::ngram_model::{Dense, Field, NgramModel, Part, View, ViewSettings, WeightedNgram};
pub use ngram::ngrams::{Analyzer, MAX_NGRAM, Norm, VectorizerSettings};
pub use ngram::vectorizer::{Scratch, Vectorizer};
pub use policy::{Decision, Policy};
pub use probability::{NotAProbability, Probability, ln_sigmoid, sigmoid};
pub use scorer::{Input, Scorer};
