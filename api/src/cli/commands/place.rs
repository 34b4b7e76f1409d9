//! `demur place`: puts a new target into a predictor by some of its answers.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use demur_data::{Corpus, Labelled, LabelledBy, Record};
use demur_predictor::{
    Field, Model, PLACED_ENDING, PlacedTarget, Probability, check_name, labellers_in_words, short_digest,
};
use demur_training::{Examples, PlaceParams, Placement, SourceRows, judge_answers, labelled_by, place};

use crate::cli::args::Place;
use crate::cli::sources;
use crate::cli::terminal::{self, note, say_read, waiting};
use crate::engine::Usage;
use crate::engine::claims::{self, OutputPath};
use crate::engine::lines::{self, Back};
use crate::engine::models;
use crate::engine::placed::{of_line, write};
use crate::store::now;

/// With fewer prompts than this, a note says that more would help.
const FEW: usize = 20;
/// How many targets an error lists.
const SHOWN: usize = 8;

pub(crate) fn run(args: &Place) -> anyhow::Result<()> {
    if let (Some(folder), Some(name)) = (&args.back, &args.name) {
        return back(folder, name, args.json);
    }
    let (placed, out) = placed(args)?;
    if args.json {
        return terminal::json(&serde_json::to_value(&placed)?);
    }
    say(&placed, &out)
}

/// Goes back to the line before the one that a service has learned.
fn back(folder: &Path, name: &str, as_json: bool) -> anyhow::Result<()> {
    let Back { from, to } = lines::back(folder, name, now())?;
    if as_json {
        return terminal::json(&serde_json::to_value(&to)?);
    }
    let shown = |line: &PlacedTarget| {
        let digest = short_digest(&line.sha256).to_owned();
        if line.line.is_neutral() { format!("{digest}, which moves nothing") } else { digest }
    };
    let (from, to) = (shown(&from), shown(&to));
    Ok(terminal::data(&format!("{name}: back from {from} to {to}; learned from later feedback alone\n"))?)
}

/// Places a target, and writes it; returns it with its path.
///
/// # Errors
/// When the answers cannot be read, or it cannot be placed.
pub(super) fn placed(args: &Place) -> anyhow::Result<(PlacedTarget, PathBuf)> {
    let model = args.model.load(args.tier)?;
    let source = sources::files(&args.answers, &args.columns)?;
    let mut corpus = waiting("reading", || source.read(&[Field::Prompt], false, false))?;
    say_read("answers", &corpus);
    let name = name(args, &mut corpus)?;
    model.check_place_of(&name)?;
    let out = args.out.clone().unwrap_or_else(|| default_path(&name));
    let inputs: Vec<PathBuf> = args.answers.iter().chain(&args.model.model).cloned().collect();
    let _claim = claims::claim(&[OutputPath::File(&out)], &inputs)?;
    label(args, &mut corpus)?;
    let rows = SourceRows::of(source, corpus);
    let records = rows.records(Field::Prompt);
    let examples = Examples::of(&records, &vec![0; records.len()]);
    let placement = place(&model, &examples, PlaceParams { ordinary: args.ordinary })?;
    let placed = sealed(&model, name, placement, &rows)?;
    write(&out, &placed)?;
    note(&format!("placed on answers labelled {}", labellers_in_words(&placed.training)));
    if placed.prompts < FEW {
        let prompts = placed.prompts;
        note(&format!(
            "{prompts} prompts are few: from {FEW} up the figures mean something, and 50 are better"
        ));
    }
    Ok((placed, out))
}

/// The name to place: the one given, else the one that the rows have. Of rows of several targets, those of
/// that name are kept.
fn name(args: &Place, corpus: &mut Corpus) -> anyhow::Result<String> {
    let named = corpus.records.iter().filter_map(|record| record.target.clone());
    let targets: BTreeSet<String> = named.collect();
    let name = match &args.name {
        Some(name) => name.clone(),
        None if targets.is_empty() => {
            let why = "the rows name no target; say what to call it: --name NAME (or which column names it: --target-column)";
            return Err(Usage(why.to_owned()).into());
        }
        None => targets.iter().take(1).cloned().collect(),
    };
    check_name(&name).map_err(|reason| Usage(format!("--name: {reason}")))?;
    if targets.len() > 1 {
        if args.name.is_none() || !targets.contains(&name) {
            let shown = targets.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
            let why =
                format!("the rows are of several targets; say which of them to place with --name: {shown}");
            return Err(Usage(why).into());
        }
        corpus.records.retain(|record| record.target.as_ref() == Some(&name));
    }
    Ok(name)
}

/// `NAME.target.json`, with a hyphen for whatever a file's name should not have.
pub(super) fn default_path(name: &str) -> PathBuf {
    let plain = |letter: char| if letter.is_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    let stem: String = name.chars().map(plain).collect();
    PathBuf::from(format!("{}{PLACED_ENDING}", stem.trim_start_matches('.')))
}

/// Judges the rows that have a response and no label; drops those that have neither, or no answer.
fn label(args: &Place, corpus: &mut Corpus) -> anyhow::Result<()> {
    let is_labelled = |record: &Record| record.label.as_ref().is_some_and(|label| label.target().is_some());
    let read = corpus.records.len();
    let (mut labelled, others): (Vec<Record>, Vec<Record>) =
        std::mem::take(&mut corpus.records).into_iter().partition(is_labelled);
    let mut answered: Vec<Record> = others.into_iter().filter(has_answer).collect();
    if !answered.is_empty() {
        let classifier = models::bundled(Field::Response, args.tier.load_options()?)?;
        let phrases = args.phrases.read()?;
        let judged = waiting("judging", || judge_answers(&classifier, &answered, None, &phrases))?;
        let by = LabelledBy::from_text(&labelled_by(&classifier));
        for (record, judged) in answered.iter_mut().zip(judged) {
            let p_refusal = judged.verdict.p_refusal.map(Probability::get);
            let label = judged.verdict.label;
            record.label = label.map(|label| Labelled {
                label: Some(label),
                kind: None,
                by: by.clone(),
                p_refusal,
                samples: 1,
            });
        }
        note(&format!("{} answers without a label judged by {}", answered.len(), classifier.manifest().name));
        labelled.extend(answered.into_iter().filter(is_labelled));
    }
    let left = read - labelled.len();
    if left > 0 {
        note(&format!("{left} rows have neither a label nor an answer, and take no part"));
    }
    if labelled.is_empty() {
        bail!(
            "no row has a label or a response: name the columns (--label-column, --response-column), or what the label \
             values mean (--label-map)"
        );
    }
    corpus.records = labelled;
    Ok(())
}

/// Whether there is anything to judge.
fn has_answer(record: &Record) -> bool {
    record.response.is_some() || record.signs.is_some()
}

/// The placed target with all that is known of it.
fn sealed(
    model: &Model,
    name: String,
    placement: Placement,
    rows: &SourceRows,
) -> anyhow::Result<PlacedTarget> {
    let Placement { line, ngrams, prompts, answers, refused, ordinary, figures } = placement;
    let placed = PlacedTarget {
        ngrams,
        prompts,
        answers,
        refused,
        ordinary,
        figures,
        training: rows.describe(Field::Prompt)?,
        ..of_line(model, name, line)
    };
    Ok(placed.sealed()?)
}

/// What was placed, for a person.
fn say(placed: &PlacedTarget, out: &Path) -> anyhow::Result<()> {
    let PlacedTarget { name, prompts, answers, refused, ordinary, figures, .. } = placed;
    let mut text = format!("{name}: {prompts} prompts, {answers} answers, {refused:.3} refused");
    if *ordinary > 0.0 {
        write!(text, "; {ordinary:.0} ordinary prompts assumed beside them")?;
    }
    writeln!(text, "\n  P(refusal) of the average target and of this one, apart from its own words")?;
    let (mut average, mut own) = (String::new(), String::new());
    for p in [0.02, 0.1, 0.3, 0.5, 0.7, 0.9] {
        write!(average, "  {p:.3}")?;
        // Constants between 0 and 1.
        write!(own, "  {:.3}", placed.line.apply(Probability::new(p)?).get())?;
    }
    writeln!(text, "    average {average}\n    own     {own}")?;
    writeln!(text, "  on its own answers, each left out of the fit ({prompts} prompts)")?;
    writeln!(text, "             accuracy  log loss")?;
    writeln!(text, "    own        {:.3}     {:.3}", figures.accuracy, figures.log_loss)?;
    writeln!(text, "    average    {:.3}     {:.3}", figures.average_accuracy, figures.average_log_loss)?;
    writeln!(text, "    majority   {:.3}", figures.majority)?;
    writeln!(text, "{}: --target {name} --placed {}", out.display(), out.display())?;
    Ok(terminal::data(&text)?)
}
