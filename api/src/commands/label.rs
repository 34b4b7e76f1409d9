//! `demur label`: P(refusal), label and kind beside every row.

use std::path::Path;

use demur_data::{Corpus, Label, check_output, write_rejected, write_rows};
use demur_predictor::{Field, KindDistribution, Model, Probability};
use demur_training::{DataSource, label_with_kinds};
use serde_json::{Map, Value};

use crate::args::Label as Args;
use crate::input;
use crate::model;
use crate::output::{note, say_read, waiting};

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    check_output(&args.out)?;
    let model = model::judging(Field::Response, args.model.as_deref())?;
    let source = input::source(&args.columns, DataSource::of(args.inputs.clone()))?;
    let mut corpus = waiting("reading", || source.read(&[Field::Response], false, true))?;
    say_read("rows", &corpus);
    let (rows, refused) = labelled_rows(&model, &mut corpus);
    write_rows(&args.out, None, &rows)?;
    finish(&args.out, &corpus)?;
    note(&format!(
        "{}: {} rows, {refused} refused, by {}",
        args.out.display(),
        rows.len(),
        &model.digest()[..12]
    ));
    Ok(())
}

/// Writes the sidecar of an output, and says so.
pub(crate) fn finish(out: &Path, corpus: &Corpus) -> anyhow::Result<()> {
    if let Some(path) = write_rejected(out, &corpus.rejected)? {
        note(&format!("bad rows are in {}", path.display()));
    }
    Ok(())
}

/// What a row gets behind its own columns: `p_refusal` and `label`; and where the model tells kinds apart, the `kind` to
/// name, the `refusal_degree` from 0 (complied) to 1 (rejected), and the probability of each kind. They are columns in
/// every format: a kind's probability in an object would have to be dug out of CSV as JSON.
fn columns(model: &Model) -> Vec<String> {
    let mut names = vec!["p_refusal".to_owned(), "label".to_owned()];
    if let Some(kinds) = model.kinds() {
        names.extend(["kind".to_owned(), "refusal_degree".to_owned()]);
        names.extend(kinds.settings().kinds.iter().map(|kind| format!("p_kind_{}", kind.name())));
    }
    names
}

/// The values of these columns.
fn values(label: Label, p_refusal: Probability, kinds: Option<&KindDistribution>) -> Vec<Value> {
    let mut values = vec![Value::from(p_refusal.get()), Value::from(label.name())];
    if let Some(kinds) = kinds {
        values.extend([Value::from(kinds.kind.name()), Value::from(kinds.degree)]);
        values.extend(kinds.probabilities.iter().map(|(_, p)| Value::from(*p)));
    }
    values
}

/// Every row as it was read, with the model's columns behind its own, and how many are refused. Where the rows have
/// columns of these names already, those stay, and the new ones are called `demur_p_refusal`, `demur_label` and so on.
fn labelled_rows(model: &Model, corpus: &mut Corpus) -> (Vec<Map<String, Value>>, usize) {
    let scores = waiting("labelling", || label_with_kinds(model, &corpus.records));
    let mut rows: Vec<Map<String, Value>> =
        corpus.records.iter_mut().map(|record| record.row.take().map_or_else(Map::new, |row| *row)).collect();
    let free = |name: String| {
        if rows.iter().any(|row| row.contains_key(&name)) {
            note(&format!("the rows have a column `{name}` already: the new one is called `demur_{name}`"));
            format!("demur_{name}")
        } else {
            name
        }
    };
    let names: Vec<String> = columns(model).into_iter().map(free).collect();
    let mut refused = 0;
    for (row, (p_refusal, kinds)) in rows.iter_mut().zip(&scores) {
        let label = model.manifest().policy.label(*p_refusal);
        refused += usize::from(label == Label::Refused);
        row.extend(names.iter().cloned().zip(values(label, *p_refusal, kinds.as_ref())));
    }
    (rows, refused)
}
