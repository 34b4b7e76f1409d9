//! Parquet and Arrow, told apart into rows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use polars::prelude::PolarsError;

use super::{Parsed, RawRow};
use crate::frames::arrow_frames;
use crate::parquet::{decode, to_rows};
use crate::{DataError, Format};

/// The rows of a Parquet or Arrow file; the line is the row's number, from 1.
pub(super) fn rows(bytes: &[u8], format: Format, file: &Arc<str>) -> Result<Parsed, DataError> {
    let broken = |reason: String| DataError::Table { file: file.to_string(), format, reason };
    if bytes.is_empty() {
        return Err(DataError::Empty { file: file.to_string() });
    }
    if format == Format::Parquet {
        if !bytes.starts_with(b"PAR1") {
            return Err(broken("it does not begin with the mark `PAR1`".into()));
        }
        if !bytes.ends_with(b"PAR1") {
            return Err(broken("it does not end with the mark `PAR1`".into()));
        }
    }
    // polars panics on some damaged files and on some column types; to the user that is a bad file too.
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let frames = match format {
            Format::Arrow => arrow_frames(bytes.to_vec())?,
            _ => vec![decode(bytes.to_vec())?],
        };
        Ok(frames.iter().flat_map(to_rows).collect::<Vec<_>>())
    }));
    let rows = match decoded {
        Ok(rows) => rows.map_err(|error: PolarsError| broken(error.to_string()))?,
        Err(_) => return Err(broken("it is damaged, or holds a column type that is not supported".into())),
    };
    let rows = rows.into_iter().enumerate().map(|(index, fields)| RawRow { line: index + 1, fields });
    Ok(Parsed { rows: rows.collect(), rejected: Vec::new() })
}
