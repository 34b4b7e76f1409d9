//! What `demur evaluate` reports about the rows themselves: doubtful labels, and words that give a source
//! away.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;
use demur_data::{AtomicFile, Record};
use demur_training::{Confound, suspects};
use serde_json::json;

use crate::cli::terminal::note;

/// Writes the rows whose labels are most doubtful, and logs how many there are by source.
pub(crate) fn write_suspects(path: &Path, records: &[Record], p: &[f64]) -> anyhow::Result<()> {
    let suspects = suspects(records, p);
    let context = || format!("--suspects {}", path.display());
    let mut file = AtomicFile::create(path).with_context(context)?;
    let mut by_source: BTreeMap<&str, usize> = BTreeMap::new();
    for suspect in &suspects {
        let record = suspect.record;
        *by_source.entry(record.source.as_deref().unwrap_or("no source")).or_default() += 1;
        let row = json!({
            "source": record.source,
            "file": &*record.place.file,
            "line": record.place.line,
            "id": record.id,
            "target": record.target,
            "label": record.label.as_ref().and_then(|label| label.label),
            "p_refusal": suspect.p_refusal,
            "doubt": suspect.doubt,
            "prompt": record.prompt,
            "response": record.response,
        });
        writeln!(file, "{row}").with_context(context)?;
    }
    file.commit().with_context(context)?;
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    records.iter().for_each(|of| *rows.entry(of.source.as_deref().unwrap_or("no source")).or_default() += 1);
    note(&format!("{} of {} labels are in doubt; {}", suspects.len(), records.len(), path.display()));
    for (source, count) in by_source {
        note(&format!("  {source}: {count} of {}", rows[source]));
    }
    Ok(())
}

/// The words that give a source away, formatted for a person.
pub(crate) fn confounds_table(confounds: &[Confound]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    if confounds.is_empty() {
        writeln!(out, "  no word betrays a source")?;
        return Ok(out);
    }
    writeln!(out, "  words that betray a source (^: as the first one)")?;
    for of in confounds {
        let share = of.with_term as f64 / of.rows as f64;
        let elsewhere = of.with_term_elsewhere as f64 / of.rows_elsewhere as f64;
        writeln!(
            out,
            "  {:16} {share:.2} of {} {} rows of {}, {elsewhere:.2} of those of others; {:.2} refused with it there",
            of.term, of.rows, of.label, of.source, of.refused_with_term
        )?;
    }
    Ok(out)
}
