//! Stored answers as rows of a file, in the columns that every reader of Demur knows by themselves.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use demur_data::{AtomicFile, Destination, convert_lines, is_stdout};
use demur_predictor::Outcome;
use serde_json::{Map, Value};

use crate::store::{Store, Stored, signs_of};

/// The label of what is no answer.
const NO_ANSWER: &str = Outcome::NoAnswer.name();

/// Writes the answers under some settings, or all, to a file whose ending tells its format; returns how many
/// these are. The same answers give the same bytes, however long they took. What a person or a log calls no
/// answer is left out.
///
/// # Errors
/// When the store fails, or the file cannot be written.
pub(crate) fn export(store: &mut Store, settings: Option<i64>, out: &Path) -> anyhow::Result<u64> {
    let name = || format!("cannot write {}", out.display());
    // The lines lie beside the output until they are in its format; nobody else can read them.
    let folder = match Destination::of(out).with_context(name)? {
        Destination::File(path) => path.parent().map(Path::to_owned).unwrap_or_default(),
        Destination::Stdout | Destination::Special(_) => std::env::temp_dir(),
    };
    let lines = demur_data::AtomicDir::create(folder.join("demur-export")).with_context(name)?;
    let path = lines.path().join("rows.jsonl");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).with_context(name)?);
    let mut count = 0;
    store.each_answer(settings, |stored| {
        // A person found no answer in it, and readers know no such label: Demur's would stand in for it.
        let is_answer = stored.label.as_ref().is_none_or(|label| label.label != NO_ANSWER);
        if !is_answer {
            return Ok(());
        }
        count += 1;
        serde_json::to_writer(&mut file, &row(stored)?).with_context(name)?;
        file.write_all(b"\n").with_context(name)
    })?;
    file.flush().with_context(name)?;
    drop(file);
    if is_stdout(out) {
        let mut out = std::io::stdout().lock();
        convert_lines(&path, None, Path::new("-"), &mut out)?;
        out.flush()?;
    } else {
        let mut file = AtomicFile::create(out).with_context(name)?;
        convert_lines(&path, None, out, &mut file)?;
        file.commit().with_context(name)?;
    }
    Ok(count)
}

/// A row: what was asked, what came, and whose label it has if not Demur's own.
fn row(stored: Stored) -> anyhow::Result<Map<String, Value>> {
    let settings: Map<String, Value> =
        serde_json::from_str(&stored.settings).context("the store has settings that are no JSON")?;
    let answer = stored.answer;
    let signs = signs_of(&answer)?;
    let mut row = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            row.insert(name.to_owned(), value);
        }
    };
    put("id", stored.prompt.row_id.map(Value::from));
    put("prompt", Some(stored.prompt.text.into()));
    put("response", Some(answer.response.map_or(Value::Null, Value::from)));
    put("model", settings.get("model").filter(|model| !model.is_null()).cloned());
    put("system", settings.get("system").filter(|system| !system.is_null()).cloned());
    put("sample", Some(stored.key.sample.into()));
    put("finish_reason", signs.finish_reason.map(Value::from));
    put("refusal", signs.refusal.map(Value::from));
    put("error", signs.error);
    // What filters said goes under the names that the provider gave it.
    if let Some(Value::Object(filters)) = signs.filters {
        filters.into_iter().for_each(|(name, value)| put(&name, Some(value)));
    }
    put("tool_calls", signs.tool_calls.then_some(Value::Bool(true)));
    put("thinking", signs.reasoning.then_some(Value::Bool(true)));
    put("status", answer.status.map(Value::from));
    put("served_model", answer.served_model.map(Value::from));
    put("fingerprint", answer.fingerprint.map(Value::from));
    put("prompt_tokens", stored.prompt_tokens.map(Value::from));
    put("completion_tokens", stored.completion_tokens.map(Value::from));
    if let Some(label) = stored.label {
        put("label", Some(label.label.into()));
        put("kind", label.kind.map(Value::from));
        put("labelled_by", Some(label.labelled_by.into()));
    }
    Ok(row)
}
