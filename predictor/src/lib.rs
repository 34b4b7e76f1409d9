//! Demur's fitted models: text in, P(refusal) out.
//!
//! This crate is all that another program needs for a pre-flight check. Take a [`Model`] and call
//! [`Model::predict_ngrams`], or [`Model::predict_all`] if the model has an encoder tier too. The crate fits
//! nothing and reads no corpora. Two models come with it:
//!
//! ```
//! use demur_predictor::{Bundled, Input, Model, Scratch};
//!
//! let model = Model::bundled(Bundled::Prompt)?;
//! let p_refusal = model.predict_ngrams(&Input::prompt("Write a poem about autumn"), &mut Scratch::default()).p_refusal;
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
//!     println!("{:.3}", model.predict_ngrams(&Input::prompt(prompt), &mut scratch).p_refusal);
//! }
//! # Ok::<(), demur_predictor::ModelError>(())
//! ```

mod answer;
mod base_rate;
#[cfg(feature = "batch")]
pub mod batch;
mod calibration;
mod calibration_report;
mod context;
pub mod encoder;
mod error;
mod explain;
mod field;
mod language;
mod learned;
mod model;
mod ngram;
mod placed;
mod policy;
mod probability;
mod text;

pub use answer::judge::decided_by_sign;
pub use answer::judge_all::Judged;
pub use answer::kinds::{KindDistribution, KindModel, KindReport, KindSettings, place, softmax};
pub use answer::phrases::Phrases;
pub use answer::prefix::first_tokens;
pub use answer::signs::{Meaning, SignRule, SignTable};
pub use answer::style::{STYLE, style, style_names};
pub use answer::verdict::{Answer, Form, Outcome, Verdict};
pub use base_rate::{BaseRateEstimate, check_base_rate, estimate_base_rate, log_odds};
pub use calibration::{Calibration, gate};
pub use calibration_report::{CalibrationReport, ReliabilityBin};
pub use context::{ContextShifts, Shift, system_digest};
pub use demur_data::{Context, Input, Mode};
pub use error::{ModelError, ScoreError, SettingsError};
pub use explain::flip::Flip;
pub use explain::fragment::Fragment;
pub use explain::shares::{Share, ShareKind, Shares};
pub use explain::{Explanation, Origin, Term, WordShare};
pub use field::{Field, Part, ViewText};
pub use language::language;
pub use learned::Learned;
pub use model::Model;
pub use model::bundled::Bundled;
pub use model::description::ModelDescription;
pub use model::digest::{FileDigest, sha256, sha256_of, short_digest};
pub use model::familiarity::{Doubt, Familiarity};
pub use model::figures::{FigureLine, three_digits};
pub use model::left_out::{LeftOutReport, LeftOutSource, SourceFigures};
pub use model::load::LoadOptions;
pub use model::manifest::{FORMAT, KindManifest, Manifest, POLARITY, ViewManifest};
pub use model::parts::Parts;
pub use model::seen::SeenPrompts;
pub use model::tensors::round;
pub use model::tier::Tier;
pub use model::tiers::Tiered;
pub use model::training_data::{LabelledRows, TrainingData, labellers, labellers_in_words};
pub use ngram::counter::{NgramCount, NgramCounter};
pub use ngram::ngram_model::{Dense, Found, NgramModel, View, ViewSettings, WeightedNgram};
pub use ngram::ngrams::{Analyzer, MAX_NGRAM, Norm, VectorizerSettings};
pub use ngram::{scratch::Scratch, vectorizer::Vectorizer};
pub use placed::{
    PLACED_ENDING, PLACED_FORMAT, PlacedError, PlacedFigures, PlacedIn, PlacedTarget, TargetLine, check_name,
    finite_log_odds,
};
pub use policy::{Decision, Policy};
pub use probability::{NotAProbability, Probability, ln_sigmoid, sigmoid};
