//! From a corpus to a model directory: what `fit`, and each half of a pipeline, runs.

use std::collections::BTreeMap;

use demur_data::Record;
use demur_predictor::{Field, Model, ModelDescription, Parts, SeenPrompts, TrainingData, check_base_rate};
use serde_json::Value;

use crate::encoder::EncoderStore;
use crate::error::TrainingError;
use crate::examples::Examples;
use crate::fit::ngram::FittedNgram;
use crate::groups::Grouping;
use crate::recipe::Recipe;
use crate::rows::seen;

/// What goes into a manifest besides the fit itself.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// The recipe.
    pub recipe: Recipe,
    /// The files that the rows came from.
    pub training: Vec<TrainingData>,
    /// Figures on rows that the fit has not seen.
    pub figures: BTreeMap<String, Value>,
    /// Prompts seen by the earlier fit that produced the labels of this one.
    pub teacher: SeenPrompts,
}

/// Fits one of the recipe's two models on labelled records.
///
/// # Errors
/// Any [`TrainingError`] of the fit.
pub fn train(
    field: Field,
    records: &[Record],
    provenance: Provenance,
    encoders: &EncoderStore,
) -> Result<(Model, FittedNgram), TrainingError> {
    let plan = provenance.recipe.plan(field, encoders);
    // Finding groups compares all rows, which takes as long as a plain fit, so it is done only if the fit
    // needs them.
    let groups = if plan.needs_groups() {
        Grouping::Similar.groups_for(field, records)
    } else {
        (0_u32..).take(records.len()).collect()
    };
    let examples = Examples::of(records, &groups);
    if examples.is_empty() {
        let hint = "the files need rows with a label and with the text that the model reads".to_owned();
        return Err(TrainingError::NoRows { step: "fit", hint });
    }
    let fitted = plan.fit(&examples, provenance.recipe.seed)?;
    let mut seen = seen(records).union(&provenance.teacher);
    if let Some(start) = plan.params.start_from.load()? {
        seen = seen.union(start.seen());
    }
    if let Some(encoder) = &fitted.encoder {
        seen = seen.union(encoder.seen());
    }
    let parts = Parts {
        scorer: fitted.model.clone(),
        kinds: fitted.kinds.clone(),
        seen,
        encoder: fitted.encoder.as_ref().map(|encoder| encoder.tier().clone()),
    };
    let model = Model::new(describe(field, records, &fitted, provenance), parts)?;
    Ok((model, fitted))
}

/// What is known about a fit besides its parts; [`Model::new`] derives the rest.
fn describe(
    field: Field,
    records: &[Record],
    fitted: &FittedNgram,
    provenance: Provenance,
) -> ModelDescription {
    let Provenance { recipe, mut training, figures, .. } = provenance;
    let mut targets: Vec<String> = records.iter().filter_map(|record| record.target.clone()).collect();
    targets.sort_unstable();
    targets.dedup();
    if let Some(encoder) = &fitted.encoder {
        training.extend_from_slice(encoder.training());
    }
    ModelDescription {
        written_by: concat!("demur ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: format!("{}-{}", recipe.name, field.name()),
        field,
        targets,
        seed: recipe.seed,
        calibration: fitted.calibration.clone(),
        target_calibrations: fitted.target_calibrations.clone(),
        calibration_report: fitted.report.clone(),
        base_rate: check_base_rate(fitted.base_rate).ok(),
        policy: recipe.fit_of(field).policy,
        encoder: fitted.encoder.as_ref().map(|encoder| encoder.manifest().clone()),
        training,
        figures,
        recipe: recipe.to_json(),
    }
}
