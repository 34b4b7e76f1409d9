//! From the plan to the output: runs `demur score` and `demur label`, and scores the service's rows in
//! memory.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;
use demur_data::stream::{self, Block, Head, Position, Rows, delimiter};
use demur_data::{Format, Packing, Rejection, convert_lines};
use rayon::prelude::*;

use crate::engine::batch::assemble::{join_parts, sort_rows};
use crate::engine::batch::block::ScoredBlock;
use crate::engine::batch::layout::Layout;
use crate::engine::batch::observer::Observer;
use crate::engine::batch::output::Output;
use crate::engine::batch::plan::{Order, Plan, Written};
use crate::engine::batch::question::RowScore;
use crate::engine::batch::reached::Reached;
use crate::engine::batch::scorer::Scorer;
use crate::engine::batch::sink::Sink;
use crate::engine::batch::source::Source;
use crate::engine::batch::summary::Counts;
use crate::engine::batch::{Bounds, Reading, RowQuestion, RunRequest};

/// A run that is ready to start.
pub(crate) struct Run<'a>(Plan<'a>);

/// The result of a run.
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) seconds: f64,
    /// The path of the bad rows.
    pub(crate) rejected: Option<PathBuf>,
    /// The first bad row that this run found.
    pub(crate) first_fault: Option<Rejection>,
    /// Why the run counts as failed although it came to its end.
    pub(crate) failure: Option<String>,
    /// What the inputs were read as, other than their names say.
    pub(crate) read_as: Vec<String>,
}

/// A text whose rows were scored in memory.
#[derive(Default)]
pub(crate) struct Scored {
    /// The rows with the new columns.
    pub(crate) rows: Vec<u8>,
    /// The score of each row.
    pub(crate) scores: Vec<RowScore>,
    /// The bad rows.
    pub(crate) rejected: Vec<Rejection>,
    pub(crate) counts: Counts,
}

impl<'a> Run<'a> {
    /// Checks the request, as [`Plan::of`] does.
    ///
    /// # Errors
    /// When the request is invalid.
    pub(crate) fn new(request: RunRequest<'a>) -> anyhow::Result<Self> {
        Plan::of(request).map(Self)
    }

    /// Scores all rows.
    ///
    /// # Errors
    /// When something cannot be read or written, or a row is bad and `strict` is set.
    pub(crate) fn run(&self, observer: &dyn Observer) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        let mut output = Output::open(&self.0, observer)?;
        let (reached, first_fault, read_as) = match output.complete() {
            // All rows were written in an earlier run; only the renaming was left.
            Some(reached) => (reached, None, Vec::new()),
            None => match self.stream(&mut output, observer) {
                Ok(done) => done,
                Err(error) => {
                    output.give_up()?;
                    return Err(error);
                }
            },
        };
        let Reached { counts, unusable, .. } = reached;
        let outcome = |rejected, failure| Outcome {
            counts: counts.clone(),
            rejected,
            first_fault,
            seconds: started.elapsed().as_secs_f64(),
            failure,
            read_as,
        };
        if counts.scored == 0 {
            // One part of a data set in a pipe may be empty; files without rows are a mistake.
            let empty_pipe = matches!(output, Output::Stream(_)) && counts.rejected == 0;
            output.remove()?;
            let none = "no row can be used: the inputs hold none".to_owned();
            let failure = (!empty_pipe).then(|| unusable.first().cloned().unwrap_or(none));
            return Ok(outcome(None, failure));
        }
        self.assemble(&mut output)?;
        output.unchanged(&self.0)?;
        let rejected = output.finish()?;
        Ok(outcome(rejected, (!unusable.is_empty()).then(|| unusable.join("\n"))))
    }

    /// Reads, scores and writes block by block; returns the first bad row too, and what the inputs were read
    /// as.
    fn stream(
        &self,
        output: &mut Output,
        observer: &dyn Observer,
    ) -> anyhow::Result<(Reached, Option<Rejection>, Vec<String>)> {
        let plan = &self.0;
        let scorer = Scorer::of(plan, matches!(output, Output::Stream(_)));
        let mut sink = Sink::of(plan, output.reached());
        let from = sink.reached.position;
        let mut read_as = Vec::new();
        std::thread::scope(|scope| {
            let mut source = Source::start(scope, plan, from, observer);
            let mut layout = None;
            while let Some(batch) = source.next()? {
                // Settled at the first block and not before, because a pipe cannot be read in advance.
                let layout = match &mut layout {
                    Some(layout) => layout,
                    none => {
                        let settled = Layout::settle(plan, &batch[0].head)?;
                        settled.notes().for_each(|line| observer.note(&line));
                        none.insert(settled)
                    }
                };
                let mut work = Vec::new();
                for block in batch {
                    work.push((layout.format(&block.head)?, block));
                }
                if let (Some(header), Written::Same) = (&work[0].1.head.header, plan.written) {
                    output.head(&plan.packing().pack(work[0].0.head(header))?)?;
                }
                let done: Vec<ScoredBlock> = work
                    .par_iter()
                    .map(|(format, block)| scorer.score(format, block))
                    .collect::<anyhow::Result<_>>()?;
                // The blocks are dropped before writing, to free their memory.
                drop(work);
                output.named(layout.names());
                for block in done {
                    sink.take(block, &layout.names()[0], output)?;
                }
            }
            read_as = layout.map_or_else(Vec::new, |layout| layout.read_as().to_vec());
            sink.end(output)
        })?;
        Ok((sink.reached, sink.first_fault, read_as))
    }

    /// Converts what was written to the output's own format and order.
    fn assemble(&self, output: &mut Output) -> anyhow::Result<()> {
        let Plan { written, to, out, order, .. } = &self.0;
        let sorted = *order == Order::Sorted;
        if *written == Written::Parts {
            return output.rewrite(|progress, parts, _, out| join_parts(progress, parts, *to, sorted, out));
        }
        if sorted {
            output.rewrite(sort_rows)?;
        }
        let packing = Packing::of(out);
        // A sorted output is compressed only here: a compressed file could not be read at random offsets.
        if *written == Written::Lines && *to != Format::Jsonl {
            output.rewrite(|_, lines, _, file| Ok(convert_lines(lines, Some(*to), out, file)?))?;
        } else if sorted && packing != Packing::None {
            output.rewrite(|_, rows, _, out| {
                let mut rows = fs::File::open(rows)?;
                Ok(packing.write(out, |out| io::copy(&mut rows, out).map(drop))?)
            })?;
        }
        Ok(())
    }

    /// Scores the rows of a text that is held in memory.
    ///
    /// # Errors
    /// When the prompt is not found, the text exceeds its limits, or its caller is not waiting any more.
    pub(crate) fn of_bytes(
        question: RowQuestion<'a>,
        reading: Reading,
        format: Format,
        (bytes, bounds): (&[u8], Bounds<'a>),
    ) -> anyhow::Result<Scored> {
        check_header(bytes, format, bounds.columns)?;
        let plan = Plan::of_text(question, reading, format, bounds);
        let mut blocks = Vec::new();
        let (from, size) = (Position::default(), plan.block_size());
        stream::text(bytes, format, &"rows".into(), &plan.opening, (from, size), false, &mut |block| {
            blocks.push(block);
            true
        })?;
        let mut scored = Scored::default();
        let Some(first) = blocks.first() else { return Ok(scored) };
        check_rows(&blocks, bounds.rows)?;
        check_columns(&first.head, bounds.columns)?;
        let format = Layout::settle(&plan, &first.head)?.format(&first.head)?;
        if let Some(header) = &first.head.header {
            scored.rows = format.head(header);
        }
        let scorer = Scorer::in_memory(&plan);
        let done: Vec<ScoredBlock> =
            blocks.par_iter().map(|block| scorer.score(&format, block)).collect::<anyhow::Result<_>>()?;
        for mut block in done {
            scored.counts.merge(&block.counts);
            scored.rows.append(&mut block.rows);
            scored.scores.extend(block.ends.iter().map(|(score, _)| score));
            scored.rejected.append(&mut block.rejections);
        }
        Ok(scored)
    }
}

/// Checks how many rows a text has; blank lines do not count.
fn check_rows(blocks: &[Block], most: usize) -> anyhow::Result<()> {
    let texts = || {
        blocks.iter().filter_map(|block| match &block.rows {
            Rows::Text { bytes, .. } => Some((bytes, delimiter(block.head.format))),
            // A row that is too long is rejected later, by itself.
            Rows::Frame { .. } | Rows::TooLong(_) => None,
        })
    };
    // There cannot be more rows than lines, and counting lines is cheap.
    let lines: usize =
        texts().map(|(bytes, _)| bytes.iter().filter(|byte| **byte == b'\n').count() + 1).sum();
    if lines <= most {
        return Ok(());
    }
    let of_text = |(bytes, delimiter): (&Vec<u8>, Option<u8>)| {
        stream::records(bytes, delimiter).iter().filter(|(_, row)| !row.trim_ascii().is_empty()).count()
    };
    let rows: usize = texts().map(of_text).sum();
    ensure!(rows <= most, "{rows} rows; the limit is {most}: send them in several requests");
    Ok(())
}

/// Checks the first line of a text before any of it is copied. With many times too many delimiters, quoting
/// cannot explain the number, so the text is refused at once.
fn check_header(bytes: &[u8], format: Format, most: usize) -> anyhow::Result<()> {
    let Some(delimiter) = delimiter(format) else { return Ok(()) };
    let text = bytes.trim_ascii_start();
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let columns = delimiters(line, delimiter) + 1;
    ensure!(columns / most <= 8, too_many(columns, most));
    Ok(())
}

/// Checks how many columns the rows of a text have, before memory is allocated for each name.
fn check_columns(head: &Head, most: usize) -> anyhow::Result<()> {
    let (Some(header), Some(delimiter)) = (&head.header, delimiter(head.format)) else { return Ok(()) };
    // There cannot be more columns than delimiters plus one, and counting delimiters is cheap.
    let most_there = delimiters(header, delimiter) + 1;
    if most_there <= most {
        return Ok(());
    }
    // A header with line breaks in quotes: `check_header` saw only its first line.
    ensure!(most_there / most <= 8, too_many(most_there, most));
    let in_file = |reason| anyhow::anyhow!("{}: {reason}", head.file);
    let columns = stream::split(header, delimiter).map_err(in_file)?.iter().count();
    ensure!(columns <= most, too_many(columns, most));
    Ok(())
}

fn delimiters(header: &[u8], delimiter: u8) -> usize {
    header.iter().filter(|byte| **byte == delimiter).count()
}

fn too_many(columns: usize, most: usize) -> String {
    format!("{columns} columns; the limit is {most}: leave out what is not needed")
}
