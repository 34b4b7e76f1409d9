//! Judging the rows of files of any size: blocks of whole rows are read, judged on all cores, and written in their order.
//!
//! A row keeps what it has; the new columns stand behind that. So no column, type or order is lost, and the output does
//! not depend on threads or blocks. Where input and output have one text format, a row's very bytes are kept; a table goes to
//! a table in columns; between formats rows go as JSON Lines, which are made into the other format at the end.

mod filter;
mod finish;
mod frame;
mod judge;
mod output;
mod summary;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use demur_data::stream::{
    self, Block, BlockSize, Column, Fault, Head, Position, RowFormat, Rows, Texts, delimiter, free_names,
};
use demur_data::{
    DataError, Format, Packing, Place, ReadOptions, Rejection, TextReader, check_output, convert_lines,
};
use demur_predictor::{Input, Scratch, sha256};
use polars::prelude::DataFrame;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args;
use crate::asking::OwnedInput;
use crate::error::Usage;
use crate::output::{byte_bar, note};
use filter::Condition;
use finish::{join_parts, order_entry, ranked, sort_rows};
use judge::{Cell, Judged};
use output::{JOINED, Output, Piece, SORTED, paths};

pub(crate) use filter::Filter;
pub(crate) use judge::Judge;
pub(crate) use summary::{Counts, peak_memory, resident_memory};

/// Blocks that are judged at once, for each core.
const AHEAD: usize = 2;

/// Where the texts of a row are.
pub(crate) enum Reading {
    /// The prompt alone: its column, or that of a chat, and how many characters it may have.
    Prompt { column: Option<String>, messages: Option<String>, longest: usize },
    /// The answer, and the prompt where there is one.
    Answer(Box<ReadOptions>),
}

/// A run, as it was asked for.
pub(crate) struct Asked<'a> {
    /// Files, folders, patterns, `-`.
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) out: PathBuf,
    /// Format of the inputs.
    pub(crate) format: Option<Format>,
    pub(crate) judge: Judge<'a>,
    pub(crate) reading: Reading,
    /// Which rows are written, in which format and order.
    pub(crate) rows: args::Rows,
}

/// How rows are written before the run is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// As they stand in the input.
    Same,
    /// As JSON Lines.
    Lines,
    /// As tables of some thousand rows.
    Parts,
}

/// A run that can begin.
pub(crate) struct Run<'a> {
    inputs: Vec<(PathBuf, Format)>,
    out: PathBuf,
    to: Format,
    written: Written,
    judge: Judge<'a>,
    reading: Reading,
    condition: Option<Condition>,
    sample: Option<usize>,
    top: Option<usize>,
    sort: bool,
    strict: bool,
    resume: bool,
    digest: String,
}

/// What a run did.
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) seconds: f64,
    /// Where the bad rows are.
    pub(crate) rejected: Option<PathBuf>,
    /// The first of those that this run met.
    pub(crate) first_fault: Option<Rejection>,
}

/// A text whose rows were judged in memory.
#[derive(Default)]
pub(crate) struct Scored {
    /// The rows with the new columns.
    pub(crate) rows: Vec<u8>,
    /// P(refusal) of each.
    pub(crate) p_refusal: Vec<f64>,
    /// The bad rows.
    pub(crate) rejected: Vec<Rejection>,
    pub(crate) counts: Counts,
}

/// The rows of a block as all tiers judge them, in order.
type Ahead<'a> = std::vec::IntoIter<Result<(Judged, Vec<Cell<'a>>), Fault>>;

/// What became of a block.
#[derive(Default)]
struct Done {
    /// The rows that are written as text.
    rows: Vec<u8>,
    /// P(refusal) and end of each of these rows.
    ends: Vec<(f64, usize)>,
    /// The rows that are written as a table.
    frame: Option<DataFrame>,
    rejections: Vec<Rejection>,
    counts: Counts,
    after: Position,
}

impl Done {
    fn end_row(&mut self, judged: Judged) {
        self.ends.push((judged.p_refusal, self.rows.len()));
    }

    fn reject(&mut self, rejection: Rejection) {
        self.counts.rejected += 1;
        self.rejections.push(rejection);
    }
}

impl<'a> Run<'a> {
    /// Settles files, formats and conditions.
    ///
    /// # Errors
    /// When something that is asked for cannot be, or an input cannot be read.
    pub(crate) fn new(asked: Asked<'a>) -> anyhow::Result<Self> {
        let Asked { inputs, out, format, judge, reading, rows } = asked;
        let args::Rows { to, r#where: filter, sample, top, sort, strict, resume, .. } = rows;
        let condition = filter.map(|filter| filter.of(&judge)).transpose()?;
        let mut found = Vec::new();
        for file in stream::files(&inputs)? {
            let format = stream::format(&file, format).map_err(|error| match error {
                // The command line is what can mend that.
                DataError::UnknownFormat { .. } => Usage(error.to_string()).into(),
                error => anyhow::Error::from(error),
            })?;
            found.push((file, format));
        }
        let piped = found.iter().any(|(file, _)| file.as_os_str() == "-");
        if piped && found.iter().any(|(file, format)| file.as_os_str() == "-" && *format == Format::Parquet) {
            return Err(
                Usage("Parquet cannot be read from a pipe; name the file, or pipe Arrow".to_owned()).into()
            );
        }
        if resume && (piped || top.is_some() || sample.is_some()) {
            return Err(
                Usage("--resume goes on with files, and without --top and --sample".to_owned()).into()
            );
        }
        let first = found.first().map_or(Format::Jsonl, |(_, format)| *format);
        let one_format = found.iter().all(|(_, format)| *format == first);
        let to_stdout = is_stdout(&out);
        if !to_stdout && to.is_none() {
            check_output(&out)?;
        }
        let to =
            to.or_else(|| Format::of_path(&out)).unwrap_or(if one_format { first } else { Format::Jsonl });
        let tables = |format: Format| matches!(format, Format::Parquet | Format::Arrow);
        let written = match to {
            Format::Jsonl | Format::Csv | Format::Tsv if one_format && first == to => Written::Same,
            _ if tables(to) && found.iter().all(|(_, format)| tables(*format)) => Written::Parts,
            _ => Written::Lines,
        };
        let streams = match written {
            Written::Same => true,
            Written::Lines => to == Format::Jsonl,
            Written::Parts => to == Format::Arrow,
        };
        if to_stdout && (!streams || sort) {
            let what = if sort { "sorted rows".to_owned() } else { format!("{to} made of another format") };
            return Err(Usage(format!("{what} cannot be written to a pipe; name a file with --out")).into());
        }
        let mut run = Self {
            inputs: found,
            out,
            to,
            written,
            judge,
            reading,
            condition,
            sample,
            top,
            sort,
            strict,
            resume,
            digest: String::new(),
        };
        run.digest = run.settings_digest()?;
        Ok(run)
    }

    /// Judges everything.
    ///
    /// # Errors
    /// When something cannot be read or written, a row is bad and `strict` is set, or not one row of a file can be judged.
    pub(crate) fn run(&self) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        let mut output = Output::open(&self.out, self.digest.clone(), self.resume, self.sort)?;
        let (counts, first_fault) = match self.stream(&mut output) {
            Ok(done) => done,
            Err(error) => {
                // A run that has not come to a first block leaves nothing to go on with.
                if output.progress().is_some_and(|done| done.position == Position::default()) {
                    output.remove()?;
                }
                return Err(error);
            }
        };
        if let (0, Some(fault), Output::File(_)) = (counts.scored, &first_fault, &output) {
            output.remove()?;
            bail!(
                "no row can be used: {} rows read, {} rejected; the first: {fault}; check which columns hold what",
                counts.rejected,
                counts.rejected
            );
        }
        self.finish(&mut output)?;
        let rejected = output.finish()?;
        Ok(Outcome { counts, rejected, first_fault, seconds: started.elapsed().as_secs_f64() })
    }

    /// Judges the rows of a text that is held in memory.
    ///
    /// # Errors
    /// When the prompt is not found.
    pub(crate) fn of_bytes(
        judge: Judge<'a>,
        reading: Reading,
        format: Format,
        bytes: &[u8],
    ) -> anyhow::Result<Scored> {
        let run = Self {
            inputs: Vec::new(),
            out: PathBuf::from("-"),
            to: format,
            written: Written::Same,
            judge,
            reading,
            condition: None,
            sample: None,
            top: None,
            sort: true,
            strict: false,
            resume: false,
            digest: String::new(),
        };
        let mut blocks = Vec::new();
        let (from, size) = (Position::default(), run.block_size());
        stream::lines(bytes, format, &"rows".into(), (from, size), false, &mut |block| {
            blocks.push(block);
            true
        })?;
        let mut scored = Scored::default();
        let Some(first) = blocks.first() else { return Ok(scored) };
        let names = free_names(&field_names(&first.head)?, run.judge.columns());
        let format = run.row_format(&first.head, &names)?;
        if let Some(header) = &first.head.header {
            scored.rows = format.head(header);
        }
        let done: Vec<Done> = blocks
            .par_iter()
            .map(|block| run.work(&format, block, Packing::None))
            .collect::<anyhow::Result<_>>()?;
        for mut block in done {
            scored.counts.merge(&block.counts);
            scored.rows.append(&mut block.rows);
            scored.p_refusal.extend(block.ends.iter().map(|(p, _)| p));
            scored.rejected.append(&mut block.rejections);
        }
        Ok(scored)
    }

    /// From what is written to the output's own format and order.
    fn finish(&self, output: &mut Output) -> anyhow::Result<()> {
        let name = output.progress().and_then(|progress| progress.names.first().cloned());
        if self.written == Written::Parts {
            let sort = name.as_deref().filter(|_| self.sort);
            return output
                .remake(JOINED, |progress, parts, out| join_parts(progress, parts, self.to, sort, out));
        }
        let [_, _, order] = paths(&self.out);
        if self.sort {
            output.remake(SORTED, |progress, rows, out| sort_rows(progress, rows, &order, out))?;
        }
        let packing = Packing::of(&self.out);
        if self.written == Written::Lines && self.to != Format::Jsonl {
            output
                .remake(JOINED, |_, lines, out| Ok(convert_lines(lines, Some(self.to), &self.out, out)?))?;
        } else if self.sort && packing != Packing::None {
            output.remake(JOINED, |_, rows, out| {
                let mut rows = fs::File::open(rows)?;
                Ok(packing.write(out, |out| io::copy(&mut rows, out).map(drop))?)
            })?;
        }
        Ok(())
    }

    /// How much is read at a time.
    fn block_size(&self) -> BlockSize {
        if self.judge.asking().has_encoder() { BlockSize::OF_ENCODERS } else { BlockSize::OF_NGRAMS }
    }

    /// Judges rows by all tiers, those that could be read, together; none where the n-gram tier answers all, row by row.
    fn judge_ahead(
        &self,
        rows: impl FnOnce() -> Vec<Result<OwnedInput, Fault>>,
        scratch: &mut Scratch,
    ) -> anyhow::Result<Option<Ahead<'a>>> {
        if !self.judge.asking().has_encoder() {
            return Ok(None);
        }
        let rows = rows();
        let inputs: Vec<Input<'_>> = rows.iter().flatten().map(OwnedInput::as_input).collect();
        let judged = self.judge.judge_all(&inputs, scratch);
        let mut judged = judged.context("the encoder failed")?.into_iter();
        let all = rows.into_iter().map(|row| match row {
            // There are as many answers as rows that could be read.
            Ok(_) => judged.next().ok_or_else(|| Fault::row("there is no answer to it")),
            Err(fault) => Err(fault),
        });
        Ok(Some(all.collect::<Vec<_>>().into_iter()))
    }

    /// How each block is packed: not at all where the rows are read again.
    fn packing(&self) -> Packing {
        let last =
            self.written == Written::Same || (self.written == Written::Lines && self.to == Format::Jsonl);
        if last && !self.sort { Packing::of(&self.out) } else { Packing::None }
    }

    /// From the inputs to what is written, block by block; gives the first fault too.
    fn stream(&self, output: &mut Output) -> anyhow::Result<(Counts, Option<Rejection>)> {
        let (from, mut counts, mut names, mut fields) = match output.progress() {
            Some(done) => (done.position, done.counts.clone(), done.names.clone(), done.fields.clone()),
            None => (Position::default(), Counts::default(), Vec::new(), Vec::new()),
        };
        let mut headed = output.progress().is_some_and(|done| done.header > 0);
        let total =
            self.inputs.iter().filter_map(|(file, _)| fs::metadata(file).ok()).map(|file| file.len()).sum();
        let (read, bar) = (Arc::new(AtomicU64::new(0)), byte_bar(total));
        let packing = self.packing();
        let mut formats: Vec<(usize, Arc<RowFormat>)> = Vec::new();
        let (mut left, mut best, mut best_frame) = (self.sample, Vec::new(), None);
        let mut first_fault = None;
        let mut after = from;
        std::thread::scope(|scope| {
            let (send, blocks) = sync_channel::<anyhow::Result<Block>>(AHEAD * rayon::current_num_threads());
            let (counter, inputs, size) = (&read, &self.inputs, self.block_size());
            scope.spawn(move || {
                let result =
                    stream::blocks(inputs, from, size, counter, |block| send.send(Ok(block)).is_ok());
                if let Err(error) = result {
                    // A receiver that is gone needs no error.
                    let _ = send.send(Err(error.into()));
                }
            });
            while let Some(batch) = next_batch(&blocks, &mut left)? {
                for block in &batch {
                    if formats.last().is_none_or(|(input, _)| *input != block.head.input) {
                        if names.is_empty() {
                            names = self.new_names(&block.head, output)?;
                        }
                        let format = self.row_format(&block.head, &names)?;
                        if self.written == Written::Same {
                            if fields.is_empty() {
                                fields.clone_from(&format.header);
                                if let Some(progress) = output.progress() {
                                    progress.fields.clone_from(&fields);
                                }
                            }
                            ensure!(
                                fields == format.header,
                                "{}: its header is not that of the first file; score files with other columns apart",
                                block.head.file
                            );
                        }
                        formats.push((block.head.input, Arc::new(format)));
                    }
                }
                if let (Some(header), Written::Same, false) = (&batch[0].head.header, self.written, headed) {
                    let head = formats.first().map(|(_, format)| format.head(header)).unwrap_or_default();
                    output.head(&packing.pack(head)?)?;
                    headed = true;
                }
                let done: Vec<Done> = batch
                    .into_par_iter()
                    .map(|block| {
                        let format = formats.iter().rfind(|(input, _)| *input == block.head.input);
                        let (_, format) = format.context("a block of no input")?;
                        self.work(format, &block, packing)
                    })
                    .collect::<anyhow::Result<_>>()?;
                // Blocks come in order, so only the last of these can be met again.
                formats.drain(..formats.len().saturating_sub(1));
                for mut block in done {
                    let mut rejected = Vec::new();
                    for rejection in &block.rejections {
                        ensure!(!self.strict, "{rejection}; without --strict bad rows are set aside");
                        serde_json::to_writer(&mut rejected, rejection)?;
                        rejected.push(b'\n');
                    }
                    if first_fault.is_none() {
                        first_fault = block.rejections.drain(..).next();
                    }
                    let before = counts.written;
                    counts.merge(&block.counts);
                    after = block.after;
                    if let Some(top) = self.top {
                        keep_best(&mut best, top, &block.rows, &block.ends, before);
                        if let Some(frame) = block.frame.take() {
                            keep_best_frame(&mut best_frame, top, frame, &names[0])?;
                        }
                        block.rows.clear();
                    }
                    let order: Vec<u8> = if self.sort { order(&block.ends) } else { Vec::new() };
                    match block.frame {
                        Some(mut frame) => output.stream(&mut frame)?,
                        None => output.write(
                            &Piece {
                                rows: &block.rows,
                                rejected: &rejected,
                                order: &order,
                                part: self.written == Written::Parts,
                            },
                            after,
                            &counts,
                        )?,
                    }
                    bar.set_position(read.load(Ordering::Relaxed));
                }
            }
            anyhow::Ok(())
        })?;
        if self.top.is_some() {
            self.write_best(best, best_frame, output, after, &mut counts)?;
        }
        bar.finish_and_clear();
        Ok((counts, first_fault))
    }

    /// Writes the rows that were kept for their P(refusal).
    fn write_best(
        &self,
        best: Vec<(f64, u64, Vec<u8>)>,
        frame: Option<DataFrame>,
        output: &mut Output,
        after: Position,
        counts: &mut Counts,
    ) -> anyhow::Result<()> {
        if let Some(mut frame) = frame {
            counts.written = frame.height() as u64;
            if let Output::Stdout(_) = output {
                return output.stream(&mut frame);
            }
            let rows = frame::part(&mut frame)?;
            return output.write(&Piece { rows: &rows, part: true, ..Piece::default() }, after, counts);
        }
        counts.written = best.len() as u64;
        let rows = best.into_iter().flat_map(|(.., row)| row).collect();
        output.write(&Piece { rows: &self.packing().pack(rows)?, ..Piece::default() }, after, counts)
    }

    /// The digest of all that the output depends on.
    fn settings_digest(&self) -> anyhow::Result<String> {
        let mut inputs = Vec::new();
        for (file, format) in &self.inputs {
            let length = match fs::metadata(file) {
                Ok(metadata) => metadata.len(),
                Err(_) if file.as_os_str() == "-" => 0,
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
            };
            inputs.push(json!([file.to_string_lossy(), length, format.name()]));
        }
        let judge = match &self.judge {
            Judge::Prompts { policy, target, kinds, interval, ngrams, .. } => {
                json!([policy, target, kinds, interval, ngrams])
            }
            Judge::Responses { .. } => Value::Null,
        };
        let asking = self.judge.asking();
        let tiers = asking.has_encoder().then(|| asking.cascade());
        let reading = match &self.reading {
            Reading::Prompt { column, messages, longest } => json!([column, messages, longest]),
            Reading::Answer(options) => json!(options.columns),
        };
        let settings = json!({
            "inputs": inputs,
            "to": self.to.name(),
            "model": self.judge.model().digest(),
            "judge": judge,
            "tiers": tiers,
            "reading": reading,
            "condition": format!("{:?}", self.condition),
            "sort": self.sort,
        });
        Ok(sha256(settings.to_string().as_bytes()))
    }

    /// The names of the new columns, by what the first rows have; and that they are told.
    fn new_names(&self, head: &Head, output: &mut Output) -> anyhow::Result<Vec<String>> {
        let taken = field_names(head)?;
        let wanted = self.judge.columns();
        let names = free_names(&taken, wanted.clone());
        for (name, wanted) in names.iter().zip(wanted).filter(|(name, wanted)| *name != wanted) {
            note(&format!("the rows have a column `{wanted}` already: the new one is called `{name}`"));
        }
        if let Some(progress) = output.progress() {
            progress.names.clone_from(&names);
        }
        Ok(names)
    }

    /// How the rows of an input are read and written, by what its first rows look like.
    fn row_format(&self, head: &Head, names: &[String]) -> anyhow::Result<RowFormat> {
        let header = match &head.header {
            Some(_) => field_names(head)?,
            None => Vec::new(),
        };
        let in_file = |reason: String| anyhow::anyhow!("{}: {reason}", head.file);
        let texts = match &self.reading {
            Reading::Prompt { column, messages, longest } => {
                let fields = field_names(head)?;
                if fields.is_empty() {
                    let first = match &head.sample {
                        Rows::Text { bytes, .. } => stream::first_fault(bytes),
                        Rows::Frame { .. } | Rows::TooLong(_) => None,
                    };
                    let first = first.map_or_else(String::new, |fault| format!("; {fault}"));
                    bail!("{}: no row of the beginning is a JSON object{first}", head.file);
                }
                let separated = head.header.is_some();
                let found = stream::column(&fields, column.as_deref(), messages.as_deref(), separated);
                Texts::Prompt(found.map_err(in_file)?, *longest)
            }
            Reading::Answer(options) => {
                Texts::Answer(Box::new(TextReader::new(&head.file, sample(head, &header), options)?))
            }
        };
        Ok(RowFormat { texts, format: head.format, header, names: names.into() })
    }

    fn work(&self, format: &RowFormat, block: &Block, packing: Packing) -> anyhow::Result<Done> {
        let mut done = Done { after: block.after, ..Done::default() };
        match &block.rows {
            Rows::Frame { frame, before } => {
                self.work_frame(format, &block.head, frame, *before, &mut done)?;
                let kept_whole = self.top.is_some() || is_stdout(&self.out);
                if let Some(frame) = done.frame.as_mut().filter(|_| !kept_whole) {
                    done.rows = frame::part(frame)?;
                    done.frame = None;
                }
            }
            Rows::Text { bytes, line, lines } => {
                self.work_text(format, block, bytes, *line, lines.as_deref(), &mut done)?;
            }
            Rows::TooLong(row) => done.reject(row.clone()),
        }
        if self.top.is_none() && self.written != Written::Parts {
            done.rows = packing.pack(done.rows)?;
        }
        Ok(done)
    }

    fn work_text(
        &self,
        format: &RowFormat,
        block: &Block,
        bytes: &[u8],
        first_line: usize,
        lines: Option<&[usize]>,
        done: &mut Done,
    ) -> anyhow::Result<()> {
        let mut scratch = Scratch::default();
        let mut cells = Vec::new();
        done.rows.reserve(bytes.len() * 3 / 2);
        let ordered = self.top.is_some() || self.sort;
        let records = stream::records(bytes, delimiter(format.format));
        let read = || {
            let rows = records.iter().filter(|(_, record)| !record.trim_ascii().is_empty());
            rows.map(|(_, record)| format.read(record, |input| OwnedInput::from(input))).collect()
        };
        let mut ahead = self.judge_ahead(read, &mut scratch)?;
        for (number, (line, record)) in records.into_iter().enumerate() {
            // A blank line is no row.
            if record.trim_ascii().is_empty() {
                continue;
            }
            cells.clear();
            let judged = match ahead.as_mut().map(Iterator::next) {
                None => format.read(record, |input| self.judge.judge(input, &mut scratch, &mut cells)),
                Some(row) => {
                    let row = row.unwrap_or_else(|| Err(Fault::row("there is no answer to it")));
                    row.map(|(judged, of_row)| {
                        cells = of_row;
                        judged
                    })
                }
            };
            match judged {
                Ok(judged) => {
                    let kept = self.condition.as_ref().is_none_or(|condition| condition.keeps(&cells));
                    done.counts.add(judged, kept);
                    if kept {
                        match self.written {
                            Written::Same => format.write_same(record, &cells, &mut done.rows),
                            Written::Lines | Written::Parts => {
                                format.write_line(record, &cells, &mut done.rows);
                            }
                        }
                        if ordered {
                            done.end_row(judged);
                        }
                    }
                }
                Err(fault) => {
                    let line = lines.map_or(first_line + line, |lines| lines[number]);
                    let text = String::from_utf8_lossy(record);
                    let raw = format.raw(&text);
                    let place = Place { file: Arc::clone(&block.head.file), line };
                    done.reject(Rejection {
                        place,
                        field: fault.field,
                        reason: fault.reason,
                        raw: Some(raw),
                    });
                }
            }
        }
        Ok(())
    }
}

/// The first rows of an input, by the names of their fields; rows that have none are passed over.
fn sample(head: &Head, header: &[String]) -> Vec<serde_json::Map<String, Value>> {
    match &head.sample {
        Rows::Frame { frame, .. } => demur_data::to_rows(frame),
        Rows::TooLong(_) => Vec::new(),
        Rows::Text { bytes, .. } => {
            let none = Texts::Prompt(Column::Field(0), 0);
            let (header, names) = (header.to_vec(), Arc::default());
            let format = RowFormat { texts: none, format: head.format, header, names };
            let records = stream::records(bytes, delimiter(head.format)).into_iter().take(100);
            records.filter_map(|(_, row)| format.fields(std::str::from_utf8(row).ok()?).ok()).collect()
        }
    }
}

/// The names of an input's fields: its header's, or all that its first rows have.
fn field_names(head: &Head) -> anyhow::Result<Vec<String>> {
    if let Some(header) = &head.header {
        let in_file = |reason: String| anyhow::anyhow!("{}: {reason}", head.file);
        let fields = stream::split(header, delimiter(head.format).unwrap_or(b',')).map_err(in_file)?;
        let fields: Vec<String> = fields.iter().map(str::to_owned).collect();
        if let Some((_, twice)) = fields.iter().enumerate().find(|(n, name)| fields[..*n].contains(name)) {
            bail!("{}: two columns are called `{twice}`; rename one", head.file);
        }
        return Ok(fields);
    }
    if let Rows::Frame { frame, .. } = &head.sample {
        return Ok(frame.get_column_names().iter().map(ToString::to_string).collect());
    }
    let mut names: Vec<String> = Vec::new();
    for row in sample(head, &[]) {
        for (name, _) in row {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// P(refusal) and length of each row, as bytes.
fn order(ends: &[(f64, usize)]) -> Vec<u8> {
    let starts = std::iter::once(0).chain(ends.iter().map(|(_, end)| *end));
    ends.iter().zip(starts).flat_map(|((p, end), start)| order_entry(*p, end - start)).collect()
}

/// The next blocks, at most as many as are judged at once; none at the end. `left` says how many rows are still wanted.
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
        batch.iter_mut().for_each(|block| keep_first(block, left));
    }
    Ok((!batch.is_empty()).then_some(batch))
}

/// Keeps the rows of a block that are still wanted.
fn keep_first(block: &mut Block, left: &mut usize) {
    match &mut block.rows {
        Rows::Frame { frame, .. } => {
            let kept = frame.height().min(*left);
            *frame = frame.head(Some(kept));
            *left -= kept;
        }
        Rows::TooLong(_) => *left = left.saturating_sub(1),
        Rows::Text { bytes, .. } => {
            let records = stream::records(bytes, delimiter(block.head.format));
            let rows: Vec<&[u8]> =
                records.into_iter().map(|(_, row)| row).filter(|row| !row.trim_ascii().is_empty()).collect();
            // A record is a slice of the block, so the distance of their beginnings is where it starts.
            let end = rows.get(*left).map(|row| row.as_ptr() as usize - bytes.as_ptr() as usize);
            *left -= rows.len().min(*left);
            if let Some(end) = end {
                bytes.truncate(end);
            }
        }
    }
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

/// The same for rows of a table.
fn keep_best_frame(
    best: &mut Option<DataFrame>,
    top: usize,
    frame: DataFrame,
    p_refusal: &str,
) -> anyhow::Result<()> {
    let all = match best.take() {
        Some(best) => best.vstack(&frame).context("the files have different columns; score them apart")?,
        None => frame,
    };
    *best = Some(ranked(&all, p_refusal)?.head(Some(top)));
    Ok(())
}

/// Whether an output is standard output.
pub(crate) fn is_stdout(out: &Path) -> bool {
    out.as_os_str() == "-"
}
