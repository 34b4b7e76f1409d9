//! The model card, a README in the form that model hubs read: front matter, then text. Every figure is shown
//! beside its baselines and says whose labels it agrees with.

use std::fmt::Write;

use crate::encoder::manifest::{BaseModel, EncoderManifest};
use crate::field::Field;
use crate::model::figures::{FigureLine, three_digits};
use crate::model::left_out::SourceFigures;
use crate::model::manifest::Manifest;
use crate::model::training_data::labellers_in_words;

/// Renders the card of a model.
pub(crate) fn render(manifest: &Manifest, digest: &str) -> String {
    let mut card = String::new();
    // Writing to a String cannot fail.
    let _ = write_card(&mut card, manifest, digest);
    card
}

/// Writes the section on the encoder tier.
fn write_encoder(card: &mut String, encoder: &EncoderManifest) -> std::fmt::Result {
    let BaseModel { name, licence, sha256 } = &encoder.base;
    let licence = licence.as_deref().unwrap_or("not stated");
    writeln!(card, "| base model | {name}, licence {licence}, SHA-256 `{sha256}` |")?;
    let changed = if encoder.tuned { "fitted again" } else { "as it was" };
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
        Field::Prompt if manifest.contexts.is_some() => {
            ("prompt predictor", "a prompt and what it is sent in (system prompt, tools), before it is sent")
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
    write_training(card, manifest)?;
    write_figures(card, manifest)?;
    write_limits(card, manifest)
}

/// Writes the files of the fit, and who labelled them.
fn write_training(card: &mut String, manifest: &Manifest) -> std::fmt::Result {
    writeln!(card, "## Training data\n")?;
    if !manifest.training.is_empty() {
        writeln!(card, "Rows by who labelled them: {}.\n", labellers_in_words(&manifest.training))?;
    }
    writeln!(card, "| source | file | rows | labelled by | SHA-256 |\n|---|---|---|---|---|")?;
    for data in &manifest.training {
        let (source, labelled_by) = (data.source.as_deref().unwrap_or("-"), data.labelled_by());
        writeln!(card, "| {source} | {} | {} | {labelled_by} | `{}` |", data.file, data.rows, data.sha256)?;
    }
    Ok(())
}

/// Writes the figures on rows that the fit has not seen, each beside the majority guess and the list of
/// phrases.
fn write_figures(card: &mut String, manifest: &Manifest) -> std::fmt::Result {
    writeln!(card, "\n## Figures\n")?;
    if manifest.figures.is_empty() {
        return writeln!(
            card,
            "None were measured when this model was written; run `demur evaluate --model DIR FILE`."
        );
    }
    let all_accuracies = manifest.figure_lines().all(|line| line.measures == "accuracy");
    let right = if all_accuracies { "accuracy" } else { "agreement" };
    writeln!(
        card,
        "On rows of the sources above that the fit has not seen; the majority guess and a short list of phrases are\n\
         judged on the same rows:\n\n\
         | evaluation | n | base rate | {right} | majority | phrase list | AUROC | ECE | the share right is |\n\
         |---|---|---|---|---|---|---|---|---|"
    )?;
    for line in manifest.figure_lines() {
        let FigureLine { name, n, base_rate, accuracy, majority, phrase_list, auroc, ece, measures } = line;
        let [base_rate, accuracy, majority, phrase_list, auroc, ece] =
            [base_rate, accuracy, majority, phrase_list, auroc, ece].map(three_digits);
        writeln!(
            card,
            "| {name} | {n} | {base_rate} | {accuracy} | {majority} | {phrase_list} | {auroc} | {ece} | {measures} |"
        )?;
    }
    Ok(())
}

/// Writes what the model is not suited for, with the figures on sources that a fit left out.
fn write_limits(card: &mut String, manifest: &Manifest) -> std::fmt::Result {
    writeln!(card, "\n## Limits and use\n")?;
    if let Some(report) = &manifest.left_out {
        writeln!(card, "{}\n", report.limits)?;
        writeln!(card, "On sources that a fit of the same recipe left out whole:\n")?;
        writeln!(
            card,
            "| source | labelled by | n | refused | agreement | majority | phrase list | AUROC | ECE |\n\
             |---|---|---|---|---|---|---|---|---|"
        )?;
        for source in &report.sources {
            write_left_out(card, &source.name, source.labeller.name(), &source.figures)?;
        }
        write_left_out(card, "mean", "", &report.mean)?;
        writeln!(card)?;
    }
    writeln!(
        card,
        "It says what its targets did on prompts like its training rows. On other targets, languages and domains its\n\
         figures do not hold: measure before relying on it. A high P(refusal) says nothing about whether a prompt is\n\
         harmful or a refusal is right."
    )
}

fn write_left_out(card: &mut String, name: &str, labeller: &str, of: &SourceFigures) -> std::fmt::Result {
    let auroc = of.auroc.unwrap_or(f64::NAN);
    let figures = [of.refused, of.accuracy, of.majority, of.phrase_list, auroc, of.ece];
    let figures = figures.map(three_digits).join(" | ");
    writeln!(card, "| {name} | {labeller} | {} | {figures} |", of.n)
}
