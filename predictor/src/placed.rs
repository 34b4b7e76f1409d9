//! A target that was placed: put into a fitted model by some of its answers, as a small file beside the
//! model.
//!
//! What the file holds is a line from the log-odds of the average target to those of this one
//! ([`TargetLine`]), and what single n-grams of the model add for this target, so one fit serves both tiers.
//! It belongs to one model, which it names by its digest, and has a digest of its own, so a file that was
//! changed or cut short is refused.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use demur_data::Input;
use serde::{Deserialize, Serialize};

use crate::base_rate::log_odds;
use crate::calibration::Calibration;
use crate::field::Field;
use crate::learned::Learned;
use crate::model::Model;
use crate::model::digest::{sha256, short_digest};
use crate::model::manifest::POLARITY;
use crate::model::training_data::TrainingData;
use crate::ngram::scratch::Scratch;
use crate::probability::Probability;

/// The newest format of files of placed targets that this build reads, and the one that it writes.
pub const PLACED_FORMAT: u32 = 1;
/// The ending of these files, by which a folder is searched for them.
pub const PLACED_ENDING: &str = ".target.json";
/// A larger file is refused: these have some kilobytes.
const LARGEST: u64 = 1 << 20;
/// The longest name of a target, in bytes.
const LONGEST_NAME: usize = 200;
/// Probabilities are kept this far from 0 and 1, where log-odds are infinite.
const EPSILON: f64 = 1e-12;

/// From the log-odds of the average target to those of one target:
/// `pivot + intercept + slope (log-odds - pivot)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetLine {
    /// The log-odds at which `intercept` is what the target adds: those of the model's base rate.
    pub pivot: f64,
    /// Any number; 0 for the average target.
    pub intercept: f64,
    /// Above 0, so that the order of prompts stays; 1 for the average target.
    pub slope: f64,
}

impl TargetLine {
    /// The target's log-odds, from those of the average target.
    #[must_use]
    pub fn log_odds(&self, average: f64) -> f64 {
        self.pivot + self.intercept + self.slope * (average - self.pivot)
    }

    /// The target's P(refusal), from that of the average target.
    #[must_use]
    pub fn apply(&self, average: Probability) -> Probability {
        Probability::from_logit(self.log_odds(finite_log_odds(average)))
    }

    fn is_valid(&self) -> bool {
        [self.pivot, self.intercept, self.slope].into_iter().all(f64::is_finite) && self.slope > 0.0
    }
}

/// The log-odds of a probability, finite at 0 and 1 too.
#[must_use]
pub fn finite_log_odds(p: Probability) -> f64 {
    log_odds(p.get().clamp(EPSILON, 1.0 - EPSILON))
}

/// How far a placed target's probabilities held on its own answers, each scored by a line that was fitted on
/// the others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedFigures {
    /// Mean log loss of the average target's probabilities, in nats.
    pub average_log_loss: f64,
    /// The same of the placed target's.
    pub log_loss: f64,
    /// Share of decisions that are right at one half, by the average target.
    pub average_accuracy: f64,
    /// The same by the placed target.
    pub accuracy: f64,
    /// The same of the more frequent label of the other answers.
    pub majority: f64,
}

/// The model that a placed target belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedIn {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub digest: String,
}

/// A target that was placed, with what is known of how: the content of a file `NAME.target.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedTarget {
    /// [`PLACED_FORMAT`] of the program that wrote it.
    pub format: u32,
    /// [`POLARITY`].
    pub polarity: String,
    /// The program and its version.
    pub written_by: String,
    /// The name by which predictions ask for the target.
    pub name: String,
    /// The model that it was placed in.
    pub model: PlacedIn,
    /// The line that was fitted.
    pub line: TargetLine,
    /// What n-grams of the model add to the log-odds for this target alone: features of
    /// [`NgramModel::features`](crate::NgramModel::features), ascending, each with its weight.
    pub ngrams: Vec<(u32, f32)>,
    /// How many different prompts it was fitted on.
    pub prompts: usize,
    /// How many answers they got.
    pub answers: usize,
    /// Share of the prompts that were refused.
    pub refused: f64,
    /// How many ordinary prompts, answered as the base rate says, the fit set beside them.
    pub ordinary: f64,
    /// How it did on its own answers.
    pub figures: PlacedFigures,
    /// The files of the answers, and who labelled them.
    pub training: Vec<TrainingData>,
    /// Of a line that a service has learned from feedback, what it starts from; such a line goes behind what
    /// the model says of its target without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<Learned>,
    /// SHA-256 of this object as JSON with an empty string here; filled in by [`sealed`](Self::sealed).
    pub sha256: String,
}

/// A file of a placed target that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlacedError {
    /// It could not be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A folder without such files.
    #[error("{}: there is no file NAME{PLACED_ENDING} in it; `demur place` writes them", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// It is not a placed target, or was changed.
    #[error("{}: {reason}; place the target again with `demur place`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It was written in a newer format than this build reads.
    #[error(
        "{}: a placed target of format {found}, and this build reads up to {PLACED_FORMAT}; use a newer demur",
        path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It belongs to another model.
    #[error(
        "the target `{name}` was placed in the model {} ({}), and this one is {model} ({digest}): its line fits no other; \
         place the target again with `demur place`",
        placed_in.name, short_digest(&placed_in.digest)
    )]
    OtherModel {
        /// The target.
        name: String,
        /// The model that it was placed in.
        placed_in: PlacedIn,
        /// The name of the model that it was to be used with.
        model: String,
        /// The start of that model's digest.
        digest: String,
    },
    /// The model has a target of this name already.
    #[error("the model knows a target `{name}` already; place it under another name (`demur place --name`)")]
    Known {
        /// The name.
        name: String,
    },
    /// It is no target that was placed.
    #[error(
        "the line of `{name}` was learned by a service: it goes into --learn-online of that service, not here"
    )]
    Learned {
        /// The target.
        name: String,
    },
    /// Only prompt predictors take targets.
    #[error("the model judges responses, and only a prompt predictor takes targets; name one with --model")]
    NotAPredictor,
}

/// The part that must be readable in every format.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

impl PlacedTarget {
    /// The same with its digest.
    ///
    /// # Errors
    /// Where a number is not finite, which JSON cannot hold.
    pub fn sealed(self) -> Result<Self, serde_json::Error> {
        Ok(Self { sha256: self.digest()?, ..self })
    }

    fn digest(&self) -> Result<String, serde_json::Error> {
        let open = Self { sha256: String::new(), ..self.clone() };
        Ok(sha256(serde_json::to_string(&open)?.as_bytes()))
    }

    /// Reads a file and checks all of it.
    ///
    /// # Errors
    /// One [`PlacedError`] for each way in which it can be wrong.
    pub fn load(path: &Path) -> Result<Self, PlacedError> {
        let damaged = |reason: String| PlacedError::Damaged { path: path.to_owned(), reason };
        let text = read(path).map_err(|cause| PlacedError::Io { path: path.to_owned(), cause })?;
        let header: Header = serde_json::from_slice(&text)
            .map_err(|cause| damaged(format!("this is no placed target: {cause}")))?;
        if header.format > PLACED_FORMAT {
            return Err(PlacedError::NewerFormat { path: path.to_owned(), found: header.format });
        }
        let placed: Self = serde_json::from_slice(&text)
            .map_err(|cause| damaged(format!("this is no placed target: {cause}")))?;
        if placed.polarity != POLARITY {
            return Err(damaged(format!("label polarity `{}`, expected `{POLARITY}`", placed.polarity)));
        }
        if placed.digest().ok().as_ref() != Some(&placed.sha256) {
            return Err(damaged("its content is not that of its digest: it was changed".to_owned()));
        }
        if !placed.line.is_valid() {
            return Err(damaged("its line is not finite or does not rise".to_owned()));
        }
        if placed.ngrams.iter().any(|(_, weight)| !weight.is_finite())
            || !placed.ngrams.is_sorted_by(|a, b| a.0 < b.0)
        {
            return Err(damaged("its n-grams are not finite or not in order".to_owned()));
        }
        check_name(&placed.name).map_err(damaged)?;
        Ok(placed)
    }

    /// Reads a file, or every file of a folder whose name ends in [`PLACED_ENDING`], sorted by name.
    ///
    /// # Errors
    /// As [`load`](Self::load), and [`PlacedError::Empty`].
    pub fn load_all(path: &Path) -> Result<Vec<Self>, PlacedError> {
        if !path.is_dir() {
            return Ok(vec![Self::load(path)?]);
        }
        let io = |cause| PlacedError::Io { path: path.to_owned(), cause };
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(io)? {
            let file = entry.map_err(io)?.path();
            if file.to_string_lossy().ends_with(PLACED_ENDING) {
                files.push(file);
            }
        }
        if files.is_empty() {
            return Err(PlacedError::Empty { path: path.to_owned() });
        }
        files.sort_unstable();
        files.iter().map(|file| Self::load(file)).collect()
    }
}

/// Checks the name of a target: one line, not empty and not too long.
///
/// # Errors
/// What is wrong.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("the target's name is empty".to_owned());
    }
    if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(format!(
            "the target's name is longer than {LONGEST_NAME} bytes or has control characters"
        ));
    }
    Ok(())
}

/// Reads a regular file of bounded size; a pipe or device might never end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::new(ErrorKind::InvalidData, "too large for a placed target"));
    }
    Ok(text)
}

impl Model {
    /// Whether a target can be placed in this model under a name that it does not have yet.
    ///
    /// # Errors
    /// [`PlacedError::NotAPredictor`], [`PlacedError::Known`].
    pub fn check_place_of(&self, name: &str) -> Result<(), PlacedError> {
        if self.manifest().field != Field::Prompt {
            return Err(PlacedError::NotAPredictor);
        }
        if self.knows_target(name) {
            return Err(PlacedError::Known { name: name.to_owned() });
        }
        Ok(())
    }

    /// The same model with one more target.
    ///
    /// # Errors
    /// [`PlacedError::OtherModel`] where it was placed in another one, or as
    /// [`check_place_of`](Self::check_place_of).
    pub fn with_placed(mut self, placed: PlacedTarget) -> Result<Self, PlacedError> {
        if placed.model.digest != self.digest() {
            let (model, digest) = (self.manifest().name.clone(), short_digest(self.digest()).to_owned());
            let PlacedTarget { name, model: placed_in, .. } = placed;
            return Err(PlacedError::OtherModel { name, placed_in, model, digest });
        }
        if placed.learned.is_some() {
            return Err(PlacedError::Learned { name: placed.name });
        }
        self.check_place_of(&placed.name)?;
        let PlacedTarget { name, line, ngrams, sha256, .. } = placed;
        self.placed.insert(name, InUse { line, ngrams, sha256 });
        Ok(self)
    }

    /// The digest of the file that a target's line is from, where it was learned or placed; `None` for any
    /// other target. With the digest of the model it identifies what a prediction depends on.
    #[must_use]
    pub fn placed_digest(&self, target: &str) -> Option<&str> {
        self.learned_digest(target).or_else(|| Some(self.placed.get(target)?.sha256.as_str()))
    }

    /// P(refusal) of the input's target at a logit of the average target's calibration, where the target was
    /// placed; `None` for any other.
    pub(crate) fn placed_at(
        &self,
        calibration: &Calibration,
        logit: f64,
        input: &Input<'_>,
    ) -> Option<Probability> {
        let placed = self.placed.get(input.target?)?;
        let log_odds = placed.line.log_odds(finite_log_odds(calibration.apply(logit)));
        let features = self.scorer().features(input, &mut Scratch::default());
        Some(Probability::from_logit(log_odds + placed.of_ngrams(&features)))
    }
}

/// What a model keeps of a placed target.
#[derive(Debug, Clone)]
pub(crate) struct InUse {
    line: TargetLine,
    ngrams: Vec<(u32, f32)>,
    pub(crate) sha256: String,
}

impl InUse {
    /// What the features of a text add to the target's log-odds.
    fn of_ngrams(&self, features: &[(u32, f64)]) -> f64 {
        let weight = |feature: u32| {
            let at = self.ngrams.binary_search_by_key(&feature, |&(known, _)| known).ok()?;
            Some(f64::from(self.ngrams[at].1))
        };
        features.iter().filter_map(|&(feature, value)| Some(value * weight(feature)?)).sum()
    }
}

#[cfg(test)]
#[path = "placed_tests.rs"]
mod tests;
