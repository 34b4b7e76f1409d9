//! The model card, a README in the form that model hubs read: front matter, then text.

use std::fmt::Write;

use crate::encoder::{BaseModel, EncoderManifest};
use crate::manifest::{Manifest, TrainingData};
use crate::ngram_model::Field;

/// Renders the card of a model.
pub(crate) fn render(manifest: &Manifest, digest: &str) -> String {
    let mut card = String::new();
    // Writing to a String cannot fail.
    let _ = write_card(&mut card, manifest, digest);
    card
}

/// The lines of the encoder tier.
fn write_encoder(card: &mut String, encoder: &EncoderManifest) -> std::fmt::Result {
    let BaseModel { name, licence, sha256 } = &encoder.base;
    let licence = licence.as_deref().unwrap_or("not stated");
    writeln!(card, "| base model | {name}, licence {licence}, SHA-256 `{sha256}` |")?;
    let changed = if encoder.tuned { "fitted anew" } else { "as it was" };
    let (layers, width) = (encoder.config.taps(), encoder.config.width());
    writeln!(card, "| encoder | {changed}; the mean states of layers {layers:?}, {width} numbers |")?;
    let method = encoder.calibration.method();
    match &encoder.calibration_report {
        Some(report) => {
            let (before, after) = (report.ece_before, report.ece_after);
            writeln!(
                card,
                "| calibration of both tiers | {method}, ECE {before:.3} before, {after:.3} after |"
            )
        }
        None => writeln!(card, "| calibration of both tiers | {method} |"),
    }
}

fn write_card(card: &mut String, manifest: &Manifest, digest: &str) -> std::fmt::Result {
    let (what, reads) = match manifest.field {
        Field::Response => {
            ("response classifier", "a target's response (and its prompt, where a view reads it)")
        }
        Field::Prompt => ("prompt predictor", "a prompt alone, before it is sent"),
    };
    let mut licences: Vec<&str> =
        manifest.training.iter().filter_map(|data| data.licence.as_deref()).collect();
    licences.sort_unstable();
    licences.dedup();
    writeln!(
        card,
        "---\nlibrary_name: demur\npipeline_tag: text-classification\ntags:\n- refusal\n- n-grams"
    )?;
    writeln!(card, "- {}", what.replace(' ', "-"))?;
    if let Some(encoder) = &manifest.encoder {
        writeln!(card, "base_model: {}", encoder.base.name)?;
    }
    writeln!(card, "---\n")?;
    writeln!(card, "# {}\n", manifest.name)?;
    writeln!(card, "A {what}: it reads {reads} and gives P(refusal).\n")?;
    writeln!(card, "| | |\n|---|---|")?;
    writeln!(card, "| digest | `{digest}` |")?;
    writeln!(card, "| written by | {} |", manifest.written_by)?;
    writeln!(card, "| label polarity | `{}` |", manifest.polarity)?;
    let targets =
        if manifest.targets.is_empty() { "not stated".to_owned() } else { manifest.targets.join(", ") };
    writeln!(card, "| targets | {targets} |")?;
    let (send, hold) = (manifest.policy.send_below, manifest.policy.hold_from);
    writeln!(card, "| policy | send below {send}, hold from {hold} |")?;
    let calibration = match &manifest.calibration_report {
        Some(report) => format!(
            "{}, ECE {:.3} before, {:.3} after",
            manifest.calibration.method(),
            report.ece_before,
            report.ece_after
        ),
        None => manifest.calibration.method().to_owned(),
    };
    writeln!(card, "| calibration | {calibration} |")?;
    if !manifest.target_calibrations.is_empty() {
        let names: Vec<&str> = manifest.target_calibrations.keys().map(String::as_str).collect();
        writeln!(card, "| calibrated on their own rows | {} |", names.join(", "))?;
    }
    let features: usize = manifest.views.iter().map(|view| view.features).sum();
    writeln!(card, "| features | {features} n-grams in {} views |", manifest.views.len())?;
    if let Some(encoder) = &manifest.encoder {
        write_encoder(card, encoder)?;
    }
    let licences = if licences.is_empty() { "not stated".to_owned() } else { licences.join(", ") };
    writeln!(card, "| licences of the training rows | {licences} |\n")?;
    writeln!(card, "## Training data\n\n| file | rows | labelled by | SHA-256 |\n|---|---|---|---|")?;
    for data in &manifest.training {
        let TrainingData { file, rows, labelled_by, sha256, .. } = data;
        writeln!(card, "| {file} | {rows} | {labelled_by} | `{sha256}` |")?;
    }
    writeln!(card, "\n## Figures\n")?;
    if manifest.figures.is_empty() {
        writeln!(
            card,
            "None were measured when this model was written; run `demur evaluate --model DIR FILE`."
        )?;
    } else {
        writeln!(
            card,
            "On rows that the fit has not seen:\n\n| evaluation | n | base rate | accuracy | AUROC | ECE |"
        )?;
        writeln!(card, "|---|---|---|---|---|---|")?;
    }
    for (name, figures) in &manifest.figures {
        let number = |key: &str| match figures.get(key).and_then(serde_json::Value::as_f64) {
            Some(number) if key == "n" => format!("{number}"),
            Some(number) => format!("{number:.3}"),
            None => "-".to_owned(),
        };
        let [n, base, accuracy, auroc, ece] = ["n", "base_rate", "accuracy", "auroc", "ece"].map(number);
        writeln!(card, "| {name} | {n} | {base} | {accuracy} | {auroc} | {ece} |")?;
    }
    writeln!(
        card,
        "\n## Use\n\nIt says what its targets did on prompts like its training rows. On other targets, languages"
    )?;
    writeln!(
        card,
        "and domains its figures do not hold: measure before relying on it. A high P(refusal) says nothing"
    )?;
    writeln!(card, "about whether a prompt is harmful or a refusal is right.")
}
