//! Parquet, told apart into rows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Parsed, RawRow};
use crate::DataError;
use crate::parquet::{decode, to_rows};

/// The rows of a Parquet file; the line is the row's number, from 1.
pub(super) fn rows(bytes: &[u8], file: &Arc<str>) -> Result<Parsed, DataError> {
    let broken = |reason: String| DataError::Parquet { file: file.to_string(), reason };
    if bytes.is_empty() {
        return Err(DataError::Empty { file: file.to_string() });
    }
    if !bytes.starts_with(b"PAR1") {
        return Err(broken("it does not begin with the mark `PAR1`".into()));
    }
    if !bytes.ends_with(b"PAR1") {
        return Err(broken("it does not end with the mark `PAR1`".into()));
    }
    // polars panics on some damaged files and on some column types; to the user that is a bad file too.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(bytes.to_vec()).map(|frame| to_rows(&frame))));
    let rows = match decoded {
        Ok(rows) => rows.map_err(|error| broken(error.to_string()))?,
        Err(_) => return Err(broken("it is damaged, or holds a column type that is not supported".into())),
    };
    let rows = rows.into_iter().enumerate().map(|(index, fields)| RawRow { line: index + 1, fields });
    Ok(Parsed { rows: rows.collect(), rejected: Vec::new() })
}
