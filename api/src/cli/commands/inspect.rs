//! `demur inspect`: describes a model, and lists the bundled ones.

use std::fmt::{self, Write};

use demur_predictor::encoder::{
    Architecture, BaseModel, Cascade, CascadeFigures, EncoderManifest, Reads, Stack,
};
use demur_predictor::{
    Bundled, Calibration, FigureLine, KindSettings, Manifest, Model, Shift, SourceFigures, WeightedNgram,
    labellers_in_words, style_names, three_digits,
};
use serde_json::{Value, json};

use crate::cli::args::Inspect;
use crate::cli::terminal::{self, note};
use crate::engine::models;

pub(crate) fn run(args: &Inspect) -> anyhow::Result<()> {
    let Some(name) = &args.model else { return list(args) };
    let model = models::load(name, models::ngrams_alone())?;
    if args.json {
        return terminal::json(&to_json(&model, args.top));
    }
    let mut text = String::new();
    describe(&mut text, &model, args.top)?;
    Ok(terminal::data(&text)?)
}

/// Lists the bundled models.
fn list(args: &Inspect) -> anyhow::Result<()> {
    let models = Bundled::ALL.map(|bundled| models::bundled(bundled.field(), models::ngrams_alone()));
    let models: Vec<Model> = models.into_iter().collect::<Result<_, _>>()?;
    if args.json {
        let named = Bundled::ALL.iter().zip(&models);
        let named = named.map(|(bundled, model)| (bundled.name().to_owned(), to_json(model, args.top)));
        return terminal::json(&Value::Object(named.collect()));
    }
    let mut text = String::new();
    for (bundled, model) in Bundled::ALL.iter().zip(&models) {
        let manifest = model.manifest();
        let rows: usize = manifest.training.iter().map(|data| data.rows).sum();
        let (name, digest, ngrams) = (bundled.name(), &model.digest()[..12], model.scorer().weights().len());
        writeln!(text, "{name:10} {digest}  {}, {ngrams} n-grams, fitted on {rows} rows", manifest.name)?;
        writeln!(text, "{:10} labelled {}", "", labellers_in_words(&manifest.training))?;
        if let Some(report) = &manifest.left_out {
            writeln!(text, "{:10} {}", "", report.limits)?;
        }
    }
    terminal::data(&text)?;
    note("these come with the program; `demur inspect response` shows one, `demur inspect DIR` any other");
    Ok(())
}

fn to_json(model: &Model, top: usize) -> Value {
    let (refused, complied) = model.scorer().strongest(top);
    let style = style(model).into_iter().map(|(name, weight)| json!({ "name": name, "weight": weight }));
    json!({
        "digest": model.digest(),
        "manifest": model.manifest(),
        "seen_prompts": model.seen().len(),
        "bias": model.scorer().bias(),
        "refused": refused,
        "complied": complied,
        "style": style.collect::<Vec<_>>(),
    })
}

/// The style measures with their weights, largest absolute weight first; empty if the model has none.
fn style(model: &Model) -> Vec<(String, f32)> {
    let weights = &model.scorer().dense().style;
    let mut measures: Vec<(String, f32)> = style_names().into_iter().zip(weights.iter().copied()).collect();
    measures.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
    measures
}

fn describe(out: &mut String, model: &Model, top: usize) -> fmt::Result {
    let manifest = model.manifest();
    head(out, model)?;
    writeln!(out, "trained on rows labelled {}", labellers_in_words(&manifest.training))?;
    for data in &manifest.training {
        let licence = data.licence.as_deref().unwrap_or("licence not stated");
        let of = data.source.as_ref().map_or_else(String::new, |source| format!("{source}, "));
        let labelled_by = data.labelled_by();
        writeln!(out, "  {} rows of {of}{} (labelled by: {labelled_by}; {licence})", data.rows, data.file)?;
    }
    figures(out, manifest)?;
    if let Some(encoder) = &manifest.encoder {
        of_encoder(out, encoder)?;
    }
    if let Some(kinds) = &manifest.kinds {
        of_kinds(out, &kinds.settings)?;
    }
    beside_ngrams(out, model, top)?;
    let (refused, complied) = model.scorer().strongest(top);
    for (title, ngrams) in [("speak for refusal", refused), ("speak for compliance", complied)] {
        writeln!(out, "n-grams that {title}")?;
        for WeightedNgram { ngram, weight, view, .. } in ngrams {
            writeln!(out, "  {weight:+.3}  {ngram:?}  (view {view})")?;
        }
    }
    Ok(())
}

/// The figures beside their baselines, and those on sources that a fit has not seen.
fn figures(out: &mut String, manifest: &Manifest) -> fmt::Result {
    for line in manifest.figure_lines() {
        let FigureLine { name, n, accuracy, majority, phrase_list, auroc, ece, measures, .. } = line;
        let [accuracy, majority, phrase_list, auroc, ece] =
            [accuracy, majority, phrase_list, auroc, ece].map(three_digits);
        writeln!(
            out,
            "figures, {name}: n {n}, {measures} {accuracy} (majority {majority}, phrase list {phrase_list}), AUROC \
             {auroc}, ECE {ece}"
        )?;
    }
    let Some(report) = &manifest.left_out else { return Ok(()) };
    writeln!(out, "limits\n  {}", report.limits)?;
    writeln!(out, "on sources that a fit of this recipe left out")?;
    writeln!(
        out,
        "  {:>6} {:>8} {:>9} {:>8} {:>11} {:>6} {:>6}  {:8} source",
        "n", "refused", "agreement", "majority", "phrase list", "AUROC", "ECE", "labels"
    )?;
    let mut line = |of: &SourceFigures, labeller: &str, name: &str| {
        let auroc = of.auroc.unwrap_or(f64::NAN);
        let [refused, accuracy, majority, phrases, auroc, ece] =
            [of.refused, of.accuracy, of.majority, of.phrase_list, auroc, of.ece].map(three_digits);
        writeln!(
            out,
            "  {:>6} {refused:>8} {accuracy:>9} {majority:>8} {phrases:>11} {auroc:>6} {ece:>6}  {labeller:8} {name}",
            of.n
        )
    };
    for source in &report.sources {
        line(&source.figures, source.labeller.name(), &source.name)?;
    }
    line(&report.mean, "", "mean")
}

/// The general description of the model.
fn head(out: &mut String, model: &Model) -> fmt::Result {
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
    if !manifest.target_calibrations.is_empty() {
        let names: Vec<&str> = manifest.target_calibrations.keys().map(String::as_str).collect();
        writeln!(out, "  of its own  {}", names.join(", "))?;
    }
    writeln!(out, "  seen        {} prompts", model.seen().len())?;
    views(out, manifest)
}

fn views(out: &mut String, manifest: &Manifest) -> fmt::Result {
    for (view, settings) in manifest.views.iter().enumerate() {
        let (features, settings) = (settings.features, settings.settings);
        let (shortest, longest) = settings.vectorizer.ngrams;
        let (field, part, analyzer) = (settings.field.name(), settings.part, settings.vectorizer.analyzer);
        writeln!(
            out,
            "  view {view}      {features} n-grams: {field}, {part:?}, {analyzer:?} {shortest}-{longest}"
        )?;
    }
    Ok(())
}

/// The encoder tier as the manifest describes it; the encoder itself is not loaded.
fn of_encoder(out: &mut String, encoder: &EncoderManifest) -> fmt::Result {
    let BaseModel { name, licence, sha256 } = &encoder.base;
    let (config, stack, direction) = (&encoder.config, encoder.stack, encoder.direction);
    let licence = licence.as_deref().unwrap_or("licence not stated");
    writeln!(
        out,
        "encoder tier\n  base        {name} ({licence})\n  digest      {sha256}, of the base model"
    )?;
    writeln!(
        out,
        "  tuned       {}",
        if encoder.tuned { "yes" } else { "no: its numbers are the base model's" }
    )?;
    let architecture = match config.architecture {
        Architecture::Bert => "BERT",
        Architecture::Mpnet => "MPNet",
    };
    let taps: Vec<String> = config.taps().iter().map(ToString::to_string).collect();
    writeln!(
        out,
        "  size        {architecture}, {} layers of {}; an embedding is the mean of layer {}",
        config.layers,
        config.hidden,
        taps.join(" beside that of layer ")
    )?;
    let reads = match encoder.reads {
        Reads::Prompt { tokens } => format!("the prompt, {tokens} tokens"),
        Reads::Response { tokens } => format!("the response, {tokens} tokens"),
        Reads::Both { tokens, prompt_tokens } => {
            format!("prompt and response, {tokens} tokens, {prompt_tokens} of them for the prompt")
        }
    };
    writeln!(out, "  reads       {reads}")?;
    let Stack { ngrams, encoder: head, bias } = stack;
    writeln!(out, "  logit       {ngrams:.3} x n-grams {head:+.3} x encoder {bias:+.3}")?;
    write!(out, "  calibrated  {}", encoder.calibration.method())?;
    match &encoder.calibration_report {
        Some(report) => {
            writeln!(out, ", ECE {:.3} before, {:.3} after", report.ece_before, report.ece_after)?;
        }
        None => writeln!(out)?,
    }
    let auroc = |auroc: Option<f64>| auroc.map_or_else(|| "not measured".to_owned(), |a| format!("{a:.3}"));
    writeln!(
        out,
        "  direction   AUROC {}; the head {}",
        auroc(direction.auroc),
        auroc(direction.head_auroc)
    )?;
    writeln!(out, "  knows       {} inputs of the fit by text", encoder.known)?;
    of_cascade(out, encoder)
}

/// When the n-gram tier answers alone, and what other settings would do.
fn of_cascade(out: &mut String, encoder: &EncoderManifest) -> fmt::Result {
    let Cascade { below, from } = encoder.cascade;
    if encoder.cascade == Cascade::NEVER_CHEAP {
        writeln!(out, "  cascade     none: the encoder is always asked")?;
    } else {
        writeln!(out, "  cascade     the n-gram tier answers alone below {below:.3} and from {from:.3}")?;
    }
    if !encoder.cascades.is_empty() {
        writeln!(out, "  {:>5}  {:>8}  {:>6}  {:>6}  {:>6}", "cheap", "accuracy", "AUROC", "below", "from")?;
    }
    for CascadeFigures { cascade, cheap, accuracy, auroc } in &encoder.cascades {
        let Cascade { below, from } = cascade;
        writeln!(out, "  {cheap:5.2}  {accuracy:8.3}  {auroc:6.3}  {below:6.3}  {from:6.3}")?;
    }
    Ok(())
}

fn of_kinds(out: &mut String, settings: &KindSettings) -> fmt::Result {
    let report = &settings.report;
    let (temperature, before, after) = (settings.temperature, report.log_loss_before, report.log_loss_after);
    writeln!(
        out,
        "kinds, on {} rows: temperature {temperature:.2}, log loss {before:.3} before, {after:.3} after",
        report.rows
    )?;
    let figures = report.support.iter().zip(&report.f1);
    for (kind, (support, f1)) in settings.kinds.iter().zip(figures) {
        writeln!(out, "  {:14} {support:6} rows  F1 {f1:.3}", kind.name())?;
    }
    Ok(())
}

/// The contexts that are inputs. A system prompt has a digest for a name.
fn of_contexts(out: &mut String, model: &Model) -> fmt::Result {
    let Some(contexts) = &model.manifest().contexts else { return Ok(()) };
    writeln!(out, "contexts as inputs, and what each adds to the logit")?;
    for (name, Shift { shift, rows }) in contexts.all() {
        let any = if name == "system" { " (any system prompt)" } else { "" };
        writeln!(out, "  {shift:+.3}  {name}{any}, {rows} rows")?;
    }
    Ok(())
}

/// The targets that are inputs, contexts, and the style measures with the largest weights.
fn beside_ngrams(out: &mut String, model: &Model, top: usize) -> fmt::Result {
    let shifts = &model.manifest().target_shifts;
    if !shifts.is_empty() {
        writeln!(out, "targets as inputs, and what each adds to the logit")?;
    }
    for (target, shift) in shifts {
        writeln!(out, "  {shift:+.3}  {target}")?;
    }
    let lines = &model.manifest().target_calibrations;
    if !lines.is_empty() {
        writeln!(
            out,
            "targets with calibrations of their own, and what each adds to the logit of what may be refused"
        )?;
    }
    for (target, line) in lines {
        match line {
            Calibration::Gated { shift, .. } => writeln!(out, "  {shift:+.3}  {target}")?,
            other => writeln!(out, "  {}  {target}", other.method())?,
        }
    }
    of_contexts(out, model)?;
    let style = style(model);
    if !style.is_empty() {
        writeln!(out, "measures of style, by weight")?;
    }
    for (name, weight) in style.iter().take(top) {
        writeln!(out, "  {weight:+.3}  {name}")?;
    }
    Ok(())
}
