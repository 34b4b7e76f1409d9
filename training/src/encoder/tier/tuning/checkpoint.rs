//! The state of an encoder's fit after each epoch, so that an interrupted fit can resume.
//!
//! A checkpoint is a folder of two files, written to a temporary place and then moved: the optimiser's state
//! and the outputs for held-out rows as tensors, the counts as JSON. All checkpoints of one fit share a
//! folder, which is removed when the fit is done.

use std::fs;
use std::path::PathBuf;

use demur_data::AtomicDir;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::encoder::tier::store::EncoderStore;
use crate::error::TrainingError;

const COUNTS: &str = "counts.json";
const STATE: &str = "state.safetensors";

/// The path of a checkpoint; `None` if there is no cache folder.
pub(crate) struct Checkpoint(Option<PathBuf>);

/// The content of a checkpoint.
pub(crate) struct Found {
    pub(crate) state: Vec<(String, Tensor)>,
    pub(crate) steps: u32,
    pub(crate) epochs: Vec<HeldOut>,
}

#[derive(Serialize, Deserialize)]
struct Counts {
    epochs: usize,
    steps: u32,
}

/// The outputs for held-out rows after an epoch; empty if none were held out.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeldOut {
    pub(crate) logits: Vec<f64>,
    pub(crate) embeddings: Vec<f32>,
}

/// The error for a failure of a fit's tensors or files.
pub(crate) fn failed(cause: &impl std::fmt::Display) -> TrainingError {
    TrainingError::Checkpoint { reason: cause.to_string() }
}

impl Checkpoint {
    pub(crate) fn at(encoders: &EncoderStore, family: &str, key: &str) -> Self {
        Self(encoders.checkpoints().map(|folder| folder.join(family).join(key)))
    }

    /// Removes the checkpoints of a fit. If that fails, it only costs disk space.
    pub(crate) fn forget(encoders: &EncoderStore, family: &str) {
        if let Some(folder) = encoders.checkpoints() {
            let _ = fs::remove_dir_all(folder.join(family));
        }
    }

    pub(crate) fn write(
        &self,
        state: &[(String, Tensor)],
        steps: u32,
        epochs: &[HeldOut],
    ) -> Result<(), TrainingError> {
        let Some(folder) = &self.0 else { return Ok(()) };
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(|cause| failed(&cause))?;
        }
        let unfinished = AtomicDir::create(folder).map_err(|cause| failed(&cause))?;
        let mut tensors: Vec<(String, Tensor)> =
            state.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        for (epoch, said) in epochs.iter().enumerate() {
            tensors.push((format!("logits.{epoch}"), Tensor::from_slice(&said.logits)));
            tensors.push((format!("embeddings.{epoch}"), Tensor::from_slice(&said.embeddings)));
        }
        Tensor::write_safetensors(&tensors, unfinished.path().join(STATE)).map_err(|cause| failed(&cause))?;
        let counts =
            serde_json::to_vec(&Counts { epochs: epochs.len(), steps }).map_err(|cause| failed(&cause))?;
        fs::write(unfinished.path().join(COUNTS), counts).map_err(|cause| failed(&cause))?;
        unfinished.commit().map_err(|cause| failed(&cause))
    }

    /// Reads the checkpoint, if there is one.
    pub(crate) fn read(&self) -> Result<Option<Found>, TrainingError> {
        let Some(folder) = self.0.as_ref().filter(|folder| folder.join(COUNTS).is_file()) else {
            return Ok(None);
        };
        let counts = fs::read(folder.join(COUNTS)).map_err(|cause| failed(&cause))?;
        let counts: Counts = serde_json::from_slice(&counts).map_err(|cause| failed(&cause))?;
        let state = Tensor::read_safetensors(folder.join(STATE)).map_err(|cause| failed(&cause))?;
        let find = |name: String| {
            let found = state.iter().find(|(known, _)| *known == name).map(|(_, tensor)| tensor);
            found.ok_or_else(|| TrainingError::Checkpoint { reason: format!("`{name}` is missing") })
        };
        let said = |epoch: usize| {
            let logits = find(format!("logits.{epoch}"))?.to_kind(Kind::Double);
            Ok(HeldOut {
                logits: Vec::try_from(logits).map_err(|cause| failed(&cause))?,
                embeddings: Vec::try_from(find(format!("embeddings.{epoch}"))?)
                    .map_err(|cause| failed(&cause))?,
            })
        };
        let epochs = (0..counts.epochs).map(said).collect::<Result<_, TrainingError>>()?;
        Ok(Some(Found { state, steps: counts.steps, epochs }))
    }
}
