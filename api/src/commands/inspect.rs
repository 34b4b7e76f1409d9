//! `demur inspect`: what a model is.

use std::fmt::Write;

use anyhow::Context;
use demur_predictor::{Model, WeightedNgram};
use serde_json::json;

use crate::args::Inspect;
use crate::output;

pub(crate) fn run(args: &Inspect) -> anyhow::Result<()> {
    let model = Model::load(&args.model).context("cannot load the model")?;
    let (refused, complied) = model.scorer().strongest(args.top);
    if args.json {
        return output::json(&json!({
            "digest": model.digest(),
            "manifest": model.manifest(),
            "seen_prompts": model.seen().len(),
            "bias": model.scorer().bias(),
            "refused": refused,
            "complied": complied,
        }));
    }
    let mut text = String::new();
    describe(&mut text, &model, &refused, &complied)?;
    Ok(output::data(&text)?)
}

fn describe(
    out: &mut String,
    model: &Model,
    refused: &[WeightedNgram],
    complied: &[WeightedNgram],
) -> std::fmt::Result {
    let manifest = model.manifest();
    writeln!(out, "{} ({} model)", manifest.name, manifest.field.name())?;
    writeln!(out, "  digest      {}", model.digest())?;
    writeln!(out, "  written by  {}, format {}", manifest.written_by, manifest.format)?;
    let targets =
        if manifest.targets.is_empty() { "not stated".to_owned() } else { manifest.targets.join(", ") };
    writeln!(out, "  targets     {targets}")?;
    let policy = manifest.policy;
    writeln!(out, "  policy      send below {}, hold from {}", policy.send_below, policy.hold_from)?;
    write!(out, "  calibrated  {}", manifest.calibration.method())?;
    match &manifest.calibration_report {
        Some(report) => {
            writeln!(out, ", ECE {:.3} before, {:.3} after", report.ece_before, report.ece_after)?;
        }
        None => writeln!(out)?,
    }
    writeln!(out, "  seen        {} prompts", model.seen().len())?;
    for (view, settings) in manifest.views.iter().enumerate() {
        let (features, settings) = (settings.features, settings.settings);
        let (shortest, longest) = settings.vectorizer.ngrams;
        let (field, part, analyzer) = (settings.field.name(), settings.part, settings.vectorizer.analyzer);
        writeln!(
            out,
            "  view {view}      {features} n-grams: {field}, {part:?}, {analyzer:?} {shortest}-{longest}"
        )?;
    }
    writeln!(out, "trained on")?;
    for data in &manifest.training {
        let licence = data.licence.as_deref().unwrap_or("licence not stated");
        writeln!(out, "  {} rows of {} ({}, {licence})", data.rows, data.file, data.labelled_by)?;
    }
    for (name, figures) in &manifest.figures {
        let number = |key: &str| figures.get(key).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN);
        let [n, accuracy, auroc, ece] = ["n", "accuracy", "auroc", "ece"].map(number);
        writeln!(out, "figures, {name}: n {n}, accuracy {accuracy:.3}, AUROC {auroc:.3}, ECE {ece:.3}")?;
    }
    for (title, ngrams) in [("speak for refusal", refused), ("speak for compliance", complied)] {
        writeln!(out, "n-grams that {title}")?;
        for ngram in ngrams {
            writeln!(out, "  {:+.3}  {:?}  (view {})", ngram.weight, ngram.ngram, ngram.view)?;
        }
    }
    Ok(())
}
