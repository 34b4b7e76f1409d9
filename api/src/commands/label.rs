//! `demur label`: P(refusal) and label beside every row.

use std::path::Path;

use anyhow::Context;
use demur_data::{Corpus, check_output, write_rejected, write_rows};
use demur_predictor::{Field, Model};
use demur_training::{DataSource, label};
use serde_json::{Map, Value};

use crate::args::Label;
use crate::error::Usage;
use crate::input;
use crate::output::{note, say_read, waiting};

pub(crate) fn run(args: &Label) -> anyhow::Result<()> {
    check_output(&args.out)?;
    let model = response_classifier(&args.model)?;
    let source = input::source(&args.columns, DataSource::of(args.inputs.clone()))?;
    let mut corpus = waiting("reading", || source.read(&[Field::Response], false, true))?;
    say_read("rows", &corpus);
    let rows = labelled_rows(&model, &mut corpus)?;
    write_rows(&args.out, None, &rows)?;
    finish(&args.out, &corpus)?;
    let refused =
        rows.iter().filter(|row| row.values().next_back().is_some_and(|label| label == "refused")).count();
    note(&format!(
        "{}: {} rows, {refused} refused, by {}",
        args.out.display(),
        rows.len(),
        &model.digest()[..12]
    ));
    Ok(())
}

/// Loads a model that must judge responses.
pub(crate) fn response_classifier(dir: &Path) -> anyhow::Result<Model> {
    let model = Model::load(dir).context("cannot load the model")?;
    match model.manifest().field {
        Field::Response => Ok(model),
        Field::Prompt => {
            let dir = dir.display();
            Err(Usage(format!("{dir} is a prompt predictor; this command needs a response classifier"))
                .into())
        }
    }
}

/// Writes the sidecar of an output, and says so.
pub(crate) fn finish(out: &Path, corpus: &Corpus) -> anyhow::Result<()> {
    if let Some(path) = write_rejected(out, &corpus.rejected)? {
        note(&format!("bad rows are in {}", path.display()));
    }
    Ok(())
}

/// Every row as it was read, with `p_refusal` and `label` behind its own columns. Where the rows have columns
/// of these names already, those stay, and the new ones are called `demur_p_refusal` and `demur_label`.
fn labelled_rows(model: &Model, corpus: &mut Corpus) -> anyhow::Result<Vec<Map<String, Value>>> {
    let p_refusal = waiting("labelling", || label(model, &corpus.records));
    let mut rows: Vec<Map<String, Value>> =
        corpus.records.iter_mut().map(|record| record.row.take().map_or_else(Map::new, |row| *row)).collect();
    let name = |name: &str| {
        let taken = rows.iter().any(|row| row.contains_key(name));
        if taken {
            note(&format!("the rows have a column `{name}` already: the new one is called `demur_{name}`"));
            format!("demur_{name}")
        } else {
            name.to_owned()
        }
    };
    let (p_name, label_name) = (name("p_refusal"), name("label"));
    for (row, p) in rows.iter_mut().zip(p_refusal) {
        row.insert(p_name.clone(), serde_json::to_value(p)?);
        row.insert(label_name.clone(), Value::from(model.manifest().policy.label(p).name()));
    }
    Ok(rows)
}
