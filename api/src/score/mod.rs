//! Scoring files of any size: blocks of whole rows are read, scored on all cores, and written in their order.
//!
//! A row keeps its own bytes; the score stands behind them. So no column, type or order is lost, and the output does
//! not depend on threads or blocks.

mod filter;
mod input;
mod output;
mod row;
mod summary;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use demur_data::{Format, Place, Rejection};
use demur_predictor::{Model, Policy, Scratch, sha256};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::error::Usage;
use crate::output::byte_bar;
use input::{Block, Position};
use output::{Output, Packing};
use row::{Names, Scoring};

pub(crate) use filter::Filter;
pub(crate) use summary::{Counts, peak_memory};

/// Blocks that are scored at once, for each core.
const AHEAD: usize = 2;

/// A run, as it was asked for.
pub(crate) struct Run {
    /// Files, folders, patterns, `-`.
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) out: PathBuf,
    pub(crate) format: Option<Format>,
    pub(crate) model: Model,
    pub(crate) policy: Policy,
    pub(crate) target: Option<String>,
    pub(crate) prompt_column: Option<String>,
    pub(crate) messages_column: Option<String>,
    /// How many of the strongest n-grams to add to each row.
    pub(crate) ngrams: usize,
    /// Longest prompt in characters.
    pub(crate) longest: usize,
    pub(crate) filter: Option<Filter>,
    /// Only so many rows of the beginning.
    pub(crate) sample: Option<usize>,
    /// Only so many rows, those with the highest P(refusal), the highest first.
    pub(crate) top: Option<usize>,
    /// Stop at the first bad row.
    pub(crate) strict: bool,
    pub(crate) resume: bool,
}

/// What a run did.
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) seconds: f64,
    /// Where the bad rows are.
    pub(crate) rejected: Option<PathBuf>,
}

/// What became of a block.
struct Done {
    /// The rows that are written, packed where the output is and they are not to be sorted first.
    rows: Vec<u8>,
    /// P(refusal) and end of each of these rows.
    ends: Vec<(f64, usize)>,
    rejected: Vec<u8>,
    first_fault: Option<Rejection>,
    counts: Counts,
    after: Position,
}

impl Run {
    /// Scores everything.
    ///
    /// # Errors
    /// When something cannot be read or written, or a row is bad and `strict` is set.
    pub(crate) fn score(&self) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        let files = input::files(&self.inputs)?;
        let format = self.input_format(&files)?;
        let piped = files.iter().any(|file| file.as_os_str() == "-");
        if self.resume && (piped || self.top.is_some() || self.sample.is_some()) {
            return Err(
                Usage("--resume goes on with files, and without --top and --sample".to_owned()).into()
            );
        }
        let mut output = Output::open(&self.out, self.digest(&files)?, self.resume)?;
        let counts = self.stream(&files, format, &mut output)?;
        Ok(Outcome { counts, rejected: output.finish()?, seconds: started.elapsed().as_secs_f64() })
    }

    /// From the inputs to the output, block by block.
    fn stream(&self, files: &[PathBuf], format: Format, output: &mut Output) -> anyhow::Result<Counts> {
        let done = output.done();
        let from = done.map_or_else(Position::default, |done| done.position);
        let mut counts = done.map_or_else(Counts::default, |done| done.counts.clone());
        let mut headed = done.is_some_and(|done| done.lengths.0 > 0);
        let total = files.iter().filter_map(|file| fs::metadata(file).ok()).map(|file| file.len()).sum();
        let (read, bar) = (Arc::new(AtomicU64::new(0)), byte_bar(total));
        let packing = Packing::of(&self.out);
        let mut scoring: Option<Scoring<'_>> = None;
        let (mut left, mut best) = (self.sample, Vec::new());
        std::thread::scope(|scope| {
            let (send, blocks) = sync_channel::<anyhow::Result<Block>>(AHEAD * rayon::current_num_threads());
            let counter = &read;
            scope.spawn(move || {
                let result =
                    input::blocks(files, format, from, counter, |block| send.send(Ok(block)).is_ok());
                if let Err(error) = result {
                    // A receiver that is gone needs no error.
                    let _ = send.send(Err(error));
                }
            });
            while let Some(batch) = next_batch(&blocks, &mut left)? {
                let scoring = match &scoring {
                    Some(scoring) => scoring,
                    None => &*scoring.insert(self.scoring(&batch[0], format)?),
                };
                if let (Some(header), false) = (&batch[0].header, headed) {
                    output.write(&packing.pack(scoring.header(header))?, &[], from, &counts)?;
                    headed = true;
                }
                let done: Vec<Done> = batch
                    .into_par_iter()
                    .map(|block| self.work(scoring, &block, packing))
                    .collect::<anyhow::Result<_>>()?;
                for block in done {
                    if let Some(fault) = block.first_fault.filter(|_| self.strict) {
                        bail!("{fault}; without --strict bad rows are set aside");
                    }
                    let before = counts.written;
                    counts.merge(&block.counts);
                    let rows = if let Some(top) = self.top {
                        keep_best(&mut best, top, &block.rows, &block.ends, before);
                        &[]
                    } else {
                        &block.rows[..]
                    };
                    output.write(rows, &block.rejected, block.after, &counts)?;
                    bar.set_position(read.load(Ordering::Relaxed));
                }
            }
            anyhow::Ok(())
        })?;
        if self.top.is_some() {
            counts.written = best.len() as u64;
            let rows = best.into_iter().flat_map(|(.., row)| row).collect();
            let after = output.done().map_or_else(Position::default, |done| done.position);
            output.write(&packing.pack(rows)?, &[], after, &counts)?;
        }
        bar.finish_and_clear();
        Ok(counts)
    }

    /// The one format of all inputs.
    fn input_format(&self, files: &[PathBuf]) -> anyhow::Result<Format> {
        let out = Format::of_path(&self.out);
        let mut found = self.format;
        for file in files {
            let of_name = match Format::of_path(file) {
                Some(format) => format,
                // A pipe has no name: it is what the output is, else JSON Lines.
                None if file.as_os_str() == "-" => out.unwrap_or(Format::Jsonl),
                None if self.format.is_some() => continue,
                None => {
                    let file = file.display();
                    return Err(Usage(format!(
                        "{file}: no format is known by this ending; name it with --format"
                    ))
                    .into());
                }
            };
            match found {
                None => found = Some(of_name),
                Some(format) if self.format.is_some() || format == of_name => {}
                Some(format) => {
                    let message = format!(
                        "{} is {of_name}, other inputs are {format}; score them apart",
                        file.display()
                    );
                    return Err(Usage(message).into());
                }
            }
        }
        let format = found.unwrap_or(Format::Jsonl);
        input::delimiter(format)?;
        if let Some(out) = out.filter(|&out| out != format) {
            let message =
                format!("the output is {out} by its name and the input {format}; rows stay in their format");
            return Err(Usage(message).into());
        }
        Ok(format)
    }

    /// The digest of all that the output depends on.
    fn digest(&self, files: &[PathBuf]) -> anyhow::Result<String> {
        let mut inputs = Vec::new();
        for file in files {
            let length = match fs::metadata(file) {
                Ok(metadata) => metadata.len(),
                Err(_) if file.as_os_str() == "-" => 0,
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
            };
            inputs.push(json!([file.to_string_lossy(), length]));
        }
        let settings = json!({
            "inputs": inputs,
            "model": self.model.digest(),
            "policy": self.policy,
            "target": self.target,
            "columns": [self.prompt_column, self.messages_column],
            "ngrams": self.ngrams,
            "longest": self.longest,
            "filter": format!("{:?}", self.filter),
        });
        Ok(sha256(settings.to_string().as_bytes()))
    }

    /// How rows are scored, by what the first block looks like.
    fn scoring(&self, block: &Block, format: Format) -> anyhow::Result<Scoring<'_>> {
        let delimiter = input::delimiter(format)?;
        let records = input::records(&block.bytes, delimiter.is_some());
        // The first rows may be bad ones; they are set aside in their turn.
        let fields = match &block.header {
            Some(header) => row::fields(header, delimiter)
                .map_err(|reason| anyhow::anyhow!("{}: {reason}", block.file))?,
            None => records.iter().find_map(|(_, record)| row::fields(record, None).ok()).unwrap_or_default(),
        };
        if fields.is_empty() {
            bail!("{}: no row of the beginning is a JSON object", block.file);
        }
        let column =
            row::column(&fields, self.prompt_column.as_deref(), self.messages_column.as_deref(), delimiter)
                .map_err(|reason| anyhow::anyhow!("{}: {reason}", block.file))?;
        Ok(Scoring {
            model: &self.model,
            policy: self.policy,
            target: self.target.as_deref(),
            column,
            names: Names::free(&fields, self.ngrams > 0),
            delimiter,
            ngrams: self.ngrams,
            longest: self.longest,
            fields: fields.len(),
            header: block.header.clone(),
        })
    }

    fn work(&self, scoring: &Scoring<'_>, block: &Block, packing: Packing) -> anyhow::Result<Done> {
        ensure!(
            block.header == scoring.header,
            "{}: its header is not that of the first file; score files with other columns apart",
            block.file
        );
        let mut scratch = Scratch::default();
        let mut done = Done {
            rows: Vec::with_capacity(block.bytes.len() * 3 / 2),
            ends: Vec::new(),
            rejected: Vec::new(),
            first_fault: None,
            counts: Counts::default(),
            after: block.after,
        };
        for (line, record) in input::records(&block.bytes, scoring.delimiter.is_some()) {
            // A blank line is no row.
            if record.trim_ascii().is_empty() {
                continue;
            }
            let start = done.rows.len();
            match scoring.score(record, &mut scratch, &mut done.rows) {
                Ok(scored) => {
                    let kept = self.filter.is_none_or(|filter| filter.keeps(&scored));
                    done.counts.add(&scored, kept);
                    if !kept {
                        done.rows.truncate(start);
                    } else if self.top.is_some() {
                        done.ends.push((scored.p_refusal, done.rows.len()));
                    }
                }
                Err(fault) => {
                    done.counts.rejected += 1;
                    let rejection = Rejection {
                        place: Place { file: Arc::clone(&block.file), line: block.line + line },
                        field: fault.field,
                        reason: fault.reason,
                        raw: Some(Value::from(String::from_utf8_lossy(record))),
                    };
                    serde_json::to_writer(&mut done.rejected, &rejection)?;
                    done.rejected.push(b'\n');
                    done.first_fault.get_or_insert(rejection);
                }
            }
        }
        if self.top.is_none() {
            done.rows = packing.pack(done.rows)?;
        }
        Ok(done)
    }
}

/// The next blocks, at most as many as are scored at once; none at the end. `left` says how many rows are still wanted.
fn next_batch(
    blocks: &Receiver<anyhow::Result<Block>>,
    left: &mut Option<usize>,
) -> anyhow::Result<Option<Vec<Block>>> {
    if *left == Some(0) {
        return Ok(None);
    }
    let mut batch = Vec::new();
    // It waits for the first alone: what is there is worked on.
    if let Ok(first) = blocks.recv() {
        batch.push(first?);
    }
    while batch.len() < AHEAD * rayon::current_num_threads()
        && let Ok(block) = blocks.try_recv()
    {
        batch.push(block?);
    }
    if let Some(left) = left {
        for block in &mut batch {
            let records = input::records(&block.bytes, block.header.is_some());
            let mut rows = records.iter().filter(|(_, record)| !record.trim_ascii().is_empty());
            match rows.by_ref().nth(*left) {
                Some((_, record)) => {
                    // A record is a slice of the block, so the distance of their beginnings is where it starts.
                    let end = record.as_ptr() as usize - block.bytes.as_ptr() as usize;
                    block.bytes.truncate(end);
                    *left = 0;
                }
                None => *left -= records.iter().filter(|(_, record)| !record.trim_ascii().is_empty()).count(),
            }
        }
    }
    Ok((!batch.is_empty()).then_some(batch))
}

/// Takes rows among the best so far: those with the highest P(refusal), earlier ones first among equals.
fn keep_best(
    best: &mut Vec<(f64, u64, Vec<u8>)>,
    top: usize,
    rows: &[u8],
    ends: &[(f64, usize)],
    before: u64,
) {
    let mut start = 0;
    for (number, &(p, end)) in (before..).zip(ends) {
        let worst = best.last().filter(|_| best.len() == top);
        if top > 0 && worst.is_none_or(|(worst, ..)| p > *worst) {
            let at = best.partition_point(|(other, ..)| *other >= p);
            best.insert(at, (p, number, rows[start..end].to_vec()));
            best.truncate(top);
        }
        start = end;
    }
}
