//! The fit of the encoder that both models use, from a recipe and the rows of both.

use demur_data::Record;

use crate::encoder::shared::shared_rows;
use crate::encoder::tier::folder::EncoderFolder;
use crate::encoder::tier::store::EncoderStore;
use crate::encoder::tier::tuning::tune_shared;
use crate::error::TrainingError;
use crate::recipe::Recipe;

/// Fits the encoder of a recipe's `[encoder]` on answers and prompts.
///
/// # Errors
/// [`TrainingError::NoRows`], [`TrainingError::Encoder`], and the errors of the fit.
pub fn fit_shared(
    recipe: &Recipe,
    answers: &[Record],
    prompts: &[Record],
    encoders: &EncoderStore,
) -> Result<EncoderFolder, TrainingError> {
    let no_rows = |hint: &str| TrainingError::NoRows { step: "fit", hint: hint.to_owned() };
    let params = recipe.encoder.as_ref().ok_or_else(|| no_rows("the recipe has no [encoder]"))?;
    let rows = shared_rows(params, answers, prompts, recipe.seed);
    if rows.is_empty() {
        return Err(no_rows("the files need answers with labels, or prompts of `prompt_sources`"));
    }
    tune_shared(params, &rows, encoders, recipe.seed)
}
