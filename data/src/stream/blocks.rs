//! Inputs as blocks of whole rows, a few megabytes at a time, so that memory does not grow with the input.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::block::{Block, BlockSize, Head, Position, Rows, cannot};
use super::choice::Opening;
use super::files::shown;
use super::opening::{held, json, text};
use super::ready::of_table;
use crate::read::source;
use crate::{DataError, Format, Frame, FrameReader, to_rows};

/// Calls `each` with the blocks of all inputs in order, starting at a position, until it returns
/// false. `read` counts the bytes read from the files.
///
/// # Errors
/// If an input cannot be read, or its rows are not found.
pub fn blocks(
    inputs: &[(PathBuf, Format)],
    opening: &Opening,
    from: Position,
    size: BlockSize,
    read: &Arc<AtomicU64>,
    mut each: impl FnMut(Block) -> bool,
) -> Result<(), DataError> {
    for (input, (path, format)) in inputs.iter().enumerate().skip(from.input) {
        let from = if input == from.input { from } else { Position { input, ..Position::default() } };
        let file: Arc<str> = shown(path).into();
        let go_on = match format {
            Format::Parquet | Format::Arrow => {
                frames((path, *format), &file, opening, (from, size), read, &mut each)?
            }
            Format::Json => {
                let open = || source::open(path, read);
                // A pipe is read once, so an object in it is held in memory.
                if path == Path::new("-") {
                    let opened = source::open(path, read).map_err(|cause| cannot(&file, cause))?;
                    let bytes = held(opened, &file)?;
                    let again = || Ok(bytes.as_bytes());
                    json(&again, &file, opening, from, &mut each)?
                } else {
                    json(&open, &file, opening, from, &mut each)?
                }
            }
            format => {
                let source = source::open(path, read).map_err(|cause| cannot(&file, cause))?;
                let pipe = path == Path::new("-");
                text(source, *format, &file, opening, (from, size), pipe, &mut each)?
            }
        };
        if !go_on {
            break;
        }
    }
    Ok(())
}

/// The format of a file's rows once they are read: JSON Lines, where a layout makes several rows of a
/// separated one or of a table's.
///
/// # Errors
/// If it cannot be read.
pub fn rows_format(path: &Path, format: Format, opening: &Opening) -> Result<Format, DataError> {
    let mut found = format.of_rows();
    if !matches!(found, Format::Json | Format::Jsonl) {
        let input = [(path.to_owned(), format)];
        blocks(&input, opening, Position::default(), BlockSize::OF_ENCODERS, &Arc::default(), |block| {
            found = block.head.format;
            false
        })?;
    }
    Ok(found)
}

/// The blocks of a table; returns whether more are wanted.
fn frames(
    (path, format): (&Path, Format),
    file: &Arc<str>,
    opening: &Opening,
    (from, size): (Position, BlockSize),
    read: &Arc<AtomicU64>,
    each: &mut impl FnMut(Block) -> bool,
) -> Result<bool, DataError> {
    let mut frames = FrameReader::open(path, format, from.line)?;
    let bytes = fs::metadata(path).map_or(0, |file| file.len());
    let rows = frames.rows().unwrap_or(usize::MAX).max(1) as u64;
    let mut head = None;
    let mut before = from.line;
    // The sample is taken from the start in a resumed run too, so that it finds the same columns.
    if before > 0
        && let Some(first) = FrameReader::open(path, format, 0)?.next()
    {
        head = Some(frame_head(from.input, file, (format, frames.changes()), opening, &first?));
    }
    while let Some(frame) = frames.next() {
        let frame = frame?;
        let changes = frames.changes();
        let head =
            head.get_or_insert_with(|| frame_head(from.input, file, (format, changes), opening, &frame));
        // A frame without rows still says which columns there are.
        for start in (0..frame.height().max(1)).step_by(size.rows) {
            let length = size.rows.min(frame.height() - start);
            let frame = frame.slice(start, length);
            let line = before + length;
            read.fetch_add(bytes * length as u64 / rows, Ordering::Relaxed);
            let after = Position { input: from.input, offset: 0, line };
            let (rows, passed_over) = match head.layout.filter(|layout| layout.changes_rows()) {
                None => (Rows::Frame { frame, before }, 0),
                Some(layout) => of_table(to_rows(&frame), before + 1, layout),
            };
            if !each(Block { head: Arc::clone(head), rows, passed_over, after }) {
                return Ok(false);
            }
            before = line;
        }
    }
    Ok(true)
}

fn frame_head(
    input: usize,
    file: &Arc<str>,
    (format, changes): (Format, &[String]),
    opening: &Opening,
    frame: &Frame,
) -> Arc<Head> {
    let first = frame.head(100);
    let rows = to_rows(&first);
    let layout = opening.layout.of(None, &rows.iter().collect::<Vec<_>>());
    // Rows that are made of a table's are no table.
    let changing = layout.filter(|layout| layout.changes_rows());
    let (format, sample) = match changing {
        None => (format, Rows::Frame { frame: first, before: 0 }),
        Some(layout) => (Format::Jsonl, of_table(rows, 1, layout).0),
    };
    Arc::new(Head {
        input,
        file: Arc::clone(file),
        format,
        header: None,
        sample,
        changes: changes.to_vec(),
        layout,
        read_as: layout.map(|layout| layout.title.to_owned()).into_iter().collect(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn blocks_begin_where_an_earlier_run_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.jsonl");
        let rows: String = (0..300_000).map(|row| format!("{{\"n\":{row}}}\n")).collect();
        fs::write(&path, &rows).unwrap();
        let all = |from, size| {
            let mut found = Vec::new();
            let take = |block: Block| {
                assert!(
                    matches!(&block.head.sample, Rows::Text { bytes, .. } if bytes.starts_with(b"{\"n\":0}"))
                );
                found.push((block.rows, block.after));
                true
            };
            blocks(&[(path.clone(), Format::Jsonl)], &Opening::default(), from, size, &Arc::default(), take)
                .unwrap();
            found
        };
        for size in [BlockSize::OF_NGRAMS, BlockSize::OF_ENCODERS] {
            let whole = all(Position::default(), size);
            assert!(whole.len() > 3);
            let length = |rows: &Rows| match rows {
                Rows::Text { bytes, .. } => bytes.len(),
                Rows::Frame { .. } | Rows::TooLong(_) => 0,
            };
            assert_eq!(whole.iter().map(|(rows, _)| length(rows)).sum::<usize>(), rows.len());
            assert_eq!(all(whole[1].1, size), whole[2..]);
        }
    }
}
