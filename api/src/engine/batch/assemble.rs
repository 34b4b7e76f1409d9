//! The last step of a run: rows are put in order, and parts are joined into one output.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Error, ensure};
use demur_data::{Format, Frame, FrameReader, FrameWriter};

use crate::engine::batch::progress::Progress;
use crate::engine::batch::summary::step;

/// How many rows are held in memory for sorting at a time.
const SORTED_AT_ONCE: u64 = 1 << 18;

/// P(refusal) and length of a row, in the layout of the order file; a row without a P(refusal) has NaN there.
pub(crate) fn order_entry(p_refusal: Option<f64>, length: usize) -> [u8; 12] {
    let mut entry = [0; 12];
    entry[..8].copy_from_slice(&p_refusal.unwrap_or(f64::NAN).to_le_bytes());
    // A row lies within a block, which is far below 4 GB, so the fallback is never used.
    entry[8..].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    entry
}

/// Writes the header, then the rows from the highest P(refusal) to the lowest, and those without one last;
/// ties keep their order in the input.
///
/// The order file is read once for each range of P(refusal) whose rows fit into memory.
///
/// # Errors
/// When something cannot be read or written.
pub(crate) fn sort_rows(
    progress: &Progress,
    rows: &Path,
    order: &Path,
    out: &mut File,
) -> anyhow::Result<()> {
    let mut source = File::open(rows).with_context(|| rows.display().to_string())?;
    let mut out = BufWriter::new(out);
    io::copy(&mut (&mut source).take(progress.header), &mut out)?;
    for range in progress.reached.counts.ranges(SORTED_AT_ONCE) {
        let mut found: Vec<(f64, Range<u64>)> = Vec::new();
        each_entry(progress, order, |p, place| {
            if p.is_some_and(|p| range.contains(&step(p))) {
                found.extend(p.map(|p| (p, place)));
            }
            Ok(())
        })?;
        // The rows are read in file order, which is fast, and written in rank order. The sort is stable, so
        // ties keep their order.
        let mut texts = Vec::with_capacity(found.len());
        let mut bytes = Vec::new();
        for (p, place) in found {
            source.seek(SeekFrom::Start(place.start))?;
            let start = bytes.len();
            (&mut source).take(place.end - place.start).read_to_end(&mut bytes)?;
            texts.push((p, start..bytes.len()));
        }
        texts.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        texts.into_iter().try_for_each(|(_, text)| out.write_all(&bytes[text]))?;
    }
    if !progress.reached.counts.has_none() {
        return Ok(out.flush()?);
    }
    each_entry(progress, order, |p, place| {
        if p.is_none() {
            source.seek(SeekFrom::Start(place.start))?;
            io::copy(&mut (&mut source).take(place.end - place.start), &mut out)?;
        }
        Ok(())
    })?;
    Ok(out.flush()?)
}

/// Calls `each` with P(refusal) of every row, if it has one, and the row's place in the file of rows.
fn each_entry(
    progress: &Progress,
    order: &Path,
    mut each: impl FnMut(Option<f64>, Range<u64>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut entries = BufReader::new(File::open(order).with_context(|| order.display().to_string())?);
    let (mut entry, mut at) = ([0; 12], progress.header);
    for _ in 0..progress.lengths[2] / 12 {
        entries.read_exact(&mut entry)?;
        let [p @ .., a, b, c, d] = entry;
        let (p, length) = (f64::from_le_bytes(p), u32::from_le_bytes([a, b, c, d]));
        each(Some(p).filter(|p| !p.is_nan()), at..at + u64::from(length))?;
        at += u64::from(length);
    }
    Ok(())
}

/// Joins parts into one table, sorted by P(refusal) if `sorted` is set; rows without one then come last.
///
/// # Errors
/// When something cannot be read or written, or the parts have different columns.
pub(crate) fn join_parts(
    progress: &Progress,
    parts: &Path,
    format: Format,
    sorted: bool,
    out: &mut File,
) -> anyhow::Result<()> {
    ensure!(!progress.parts.is_empty(), "the inputs hold no row, and a table needs one to know its columns");
    let mut source = File::open(parts).with_context(|| parts.display().to_string())?;
    let mut read = |number: usize| -> anyhow::Result<Frame> {
        let start = if number == 0 { 0 } else { progress.parts[number - 1] };
        source.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        (&mut source).take(progress.parts[number] - start).read_to_end(&mut bytes)?;
        Ok(FrameReader::whole(&parts.to_string_lossy(), bytes)?)
    };
    let mut writer: Option<FrameWriter<&mut File>> = None;
    let mut out = Some(out);
    let different = "the files have different columns; score them apart, or write JSON Lines";
    let mut write = |frame: &Frame| -> anyhow::Result<()> {
        if let Some(out) = out.take() {
            writer = Some(FrameWriter::new(format, out, frame)?);
        }
        // A part without rows only tells the columns.
        let writer = writer.as_mut().filter(|_| frame.height() > 0);
        writer.map_or(Ok(()), |writer| writer.write(frame)).context(different)
    };
    if sorted {
        // Each range reads all parts again: time is traded for memory, which holds one range at a time.
        let name = &progress.p_refusal;
        for range in progress.reached.counts.ranges(SORTED_AT_ONCE) {
            let mut found = Vec::with_capacity(progress.parts.len());
            for number in 0..progress.parts.len() {
                let within = |p: Option<f64>| p.is_some_and(|p| range.contains(&step(p)));
                found.push(read(number)?.select(name, within).map_err(Error::msg)?);
            }
            if let Some(found) = Frame::concat(&found).map_err(Error::msg).context(different)? {
                write(&found.ranked(name, found.height()).map_err(Error::msg)?)?;
            }
        }
        let parts = if progress.reached.counts.has_none() { progress.parts.len() } else { 0 };
        for number in 0..parts {
            write(&read(number)?.select(name, |p| p.is_none()).map_err(Error::msg)?)?;
        }
    } else {
        (0..progress.parts.len()).try_for_each(|number| write(&read(number)?))?;
    }
    Ok(writer.map_or(Ok(()), FrameWriter::finish)?)
}
