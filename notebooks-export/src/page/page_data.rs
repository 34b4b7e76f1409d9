//! The terms and rows for a page's explorer, packed to keep the page small: columns of JSON, gzipped, in
//! base64.
//!
//! A page holds at most [`PAGE_TERMS`] terms and [`POOL`] rows; the files beside it hold all. The browser
//! computes what follows from counts (rates, their intervals).

use std::collections::BTreeMap;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use crate::tables::report_data::ReportData;
use crate::tables::table::{Table, number, plain};
use crate::tables::top_terms::{TopTerms, has_pieces_alone};
use crate::text::shorten;

/// Maximum number of terms in a page, the first by rank.
pub(crate) const PAGE_TERMS: usize = 100_000;
/// Maximum number of example rows in a page.
const POOL: usize = 1500;
/// Maximum number of characters of each example row.
const SHOWN: usize = 220;
/// Only this many terms from the top have example rows in a page.
const WITH_EXAMPLES: usize = 20_000;

/// The content of the page's data element.
pub(crate) fn pack(report: &ReportData<'_>, terms: &Table) -> io::Result<String> {
    let kept = &terms.rows[..terms.rows.len().min(PAGE_TERMS)];
    let mut columns = Map::new();
    for key in ["ngram", "z", "weight", "refused", "complied", "refit_weight", "refit_low", "refit_high"] {
        columns.insert(key.to_owned(), column(terms, kept, key));
    }
    for key in ["view", "sign_stability", "within_groups", "within_low", "within_high"] {
        columns.insert(key.to_owned(), column(terms, kept, key));
    }
    if report.model.scorer().views().len() < 2 {
        columns.insert("view".to_owned(), Value::Null);
    }
    let analysed = || report.terms.terms.iter().take(kept.len());
    let places: BTreeMap<(usize, &str), usize> =
        analysed().enumerate().map(|(at, term)| ((term.view, term.ngram.as_str()), at)).collect();
    let subsumer = |term: &demur_training::TermFigures| {
        term.subsumed_by.as_deref().and_then(|by| places.get(&(term.view, by)).copied())
    };
    columns.insert("subsumed_by".to_owned(), analysed().map(|term| json!(subsumer(term))).collect());
    let bits = |term: &demur_training::TermFigures| {
        u8::from(term.marks.unstable)
            | u8::from(term.marks.between_groups) << 1
            | u8::from(term.marks.subsumed) << 2
            | u8::from(term.marks.duplicate) << 3
            | u8::from(term.is_piece) << 4
            | u8::from(term.stable().is_some()) << 5
    };
    columns.insert("marks".to_owned(), analysed().map(|term| json!(bits(term))).collect());
    let mut pool = Map::new();
    let mut examples = [Vec::new(), Vec::new()];
    for (at, term) in analysed().take(WITH_EXAMPLES).enumerate() {
        for (list, rows) in examples.iter_mut().zip([&term.examples, &term.counter_examples]) {
            for &row in rows {
                if at < POOL && pool.len() < POOL {
                    let of = &report.rows[row];
                    let p = number(of.p_refusal);
                    pool.entry((row + 1).to_string())
                        .or_insert_with(|| json!([shorten(&one_line(&of.text), SHOWN), p]));
                }
            }
            list.push(json!(rows.iter().map(|row| row + 1).collect::<Vec<_>>()));
        }
    }
    let [own, counter] = examples;
    columns.insert("examples".to_owned(), own.into());
    columns.insert("counter_examples".to_owned(), counter.into());
    let pieces = has_pieces_alone(report.terms);
    columns.insert("pieces_alone".to_owned(), json!(pieces));
    columns.insert("stable_only".to_owned(), json!(TopTerms::of(report.terms, pieces).stable_only()));
    columns.insert("left_out".to_owned(), json!(terms.rows.len() - kept.len()));
    let text = json!({ "terms": columns, "rows": pool }).to_string();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(text.as_bytes())?;
    Ok(STANDARD.encode(gzip.finish()?))
}

/// One column of some rows; null if all its values are null.
fn column(table: &Table, rows: &[Map<String, Value>], key: &str) -> Value {
    let values: Vec<Value> = rows.iter().map(|row| table.cell(row, key).clone()).collect();
    if values.iter().all(Value::is_null) && key != "z" { Value::Null } else { values.into() }
}

/// A text on one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The cells of a table's column as texts, for display outside tables.
pub(crate) fn texts(table: &Table, key: &str) -> Vec<String> {
    table.rows.iter().map(|row| plain(table.cell(row, key))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_brought_to_one_line() {
        assert_eq!(one_line(" a\n\tb  c "), "a b c");
    }
}
