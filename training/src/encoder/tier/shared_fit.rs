//! The fit of the encoder that both models use, from a recipe and the rows of both.

use std::path::Path;

use demur_data::Record;

use crate::encoder::shared::{SharedEncoder, shared_rows};
use crate::encoder::tier::store::EncoderStore;
use crate::encoder::tier::tuning::tune_shared;
use crate::error::TrainingError;

/// Fits an encoder on answers and prompts, and writes its folder.
///
/// # Errors
/// [`TrainingError::NoRows`], [`TrainingError::Encoder`], and the errors of the fit.
pub fn fit_shared(
    params: &SharedEncoder,
    (answers, prompts): (&[Record], &[Record]),
    encoders: &EncoderStore,
    seed: u64,
    out: &Path,
) -> Result<(), TrainingError> {
    let rows = shared_rows(params, answers, prompts, seed);
    if rows.is_empty() {
        let hint = "the files need answers with labels, or prompts of `prompt_sources`".to_owned();
        return Err(TrainingError::NoRows { step: "fit", hint });
    }
    tune_shared(params, &rows, encoders, seed, out)
}
