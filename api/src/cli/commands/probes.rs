//! `demur probes`: the prompts whose answers tell most about a target.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use demur_data::{AtomicFile, Label, Record, normalise};
use demur_predictor::{Field, Input, Model, Scratch};
use demur_training::{Candidate, MOST_PROBES, Probe, Severity, probe_set, telling};

use crate::cli::args::Probes;
use crate::cli::sources;
use crate::cli::terminal::{self, note, say_read, waiting};
use crate::engine::Usage;
use crate::engine::claims::{self, OutputPath};

pub(crate) fn run(args: &Probes) -> anyhow::Result<()> {
    if !(1..=MOST_PROBES).contains(&args.n) {
        return Err(Usage(format!("{} prompts: choose from 1 to {MOST_PROBES}", args.n)).into());
    }
    let inputs: Vec<PathBuf> = args.from.iter().chain(&args.model.model).cloned().collect();
    let claimed = args.out.as_deref().map(OutputPath::File);
    let _claim = claims::claim(claimed.as_slice(), &inputs)?;
    let probes = if args.from.is_empty() { probe_set(args.n)? } else { chosen(args)? };
    let mut text = String::new();
    for probe in &probes {
        text += &serde_json::to_string(probe)?;
        text.push('\n');
    }
    let Some(out) = &args.out else { return Ok(terminal::data(&text)?) };
    let name = || format!("cannot write {}", out.display());
    let mut file = AtomicFile::create(out).with_context(name)?;
    file.write_all(text.as_bytes()).with_context(name)?;
    file.commit().with_context(name)?;
    note(&format!("{}: {} prompts", out.display(), probes.len()));
    Ok(())
}

/// The most telling prompts of the given files.
fn chosen(args: &Probes) -> anyhow::Result<Vec<Probe>> {
    let model = args.model.load_ngrams()?;
    let source = sources::files(&args.from, &args.columns)?;
    let corpus = waiting("reading", || source.read(&[Field::Prompt], false, false))?;
    say_read("prompts", &corpus);
    let mut known = BTreeSet::new();
    let is_new = |record: &&Record| known.insert(normalise(prompt(record)));
    let records: Vec<&Record> = corpus.records.iter().filter(is_new).collect();
    let mut scratch = Scratch::default();
    let mut candidates = Vec::with_capacity(records.len());
    for record in &records {
        let severity = severity(&model, record, &mut scratch);
        candidates.push(Candidate { prompt: prompt(record), category: record.category.as_deref(), severity });
    }
    let places = waiting("choosing", || telling(&model, &candidates, args.n))?;
    let probe = |(at, rank): (usize, usize)| Probe {
        rank,
        id: records[at].id.clone(),
        prompt: candidates[at].prompt.to_owned(),
        topic: records[at].category.clone(),
        severity: candidates[at].severity,
    };
    Ok(places.into_iter().zip(1..).map(probe).collect())
}

fn prompt(record: &Record) -> &str {
    record.prompt.as_deref().unwrap_or_default()
}

/// By its label, which says what should be refused, and by P(refusal).
fn severity(model: &Model, record: &Record, scratch: &mut Scratch) -> Severity {
    let p_refusal = model.predict_ngrams(&Input::prompt(prompt(record)), scratch).p_refusal.get();
    let label = record.label.as_ref().and_then(|label| label.label);
    Severity::of(label.map(|label| label == Label::Refused), p_refusal)
}
