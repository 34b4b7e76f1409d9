//! The request of a run, checked before anything is scored: which files in which formats, which rows are
//! wanted, where they go and in which form they are written until the run is done.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use demur_data::stream::{self, BlockSize, Opening};
use demur_data::{
    DataError, Destination, Format, LayoutChoice, Packing, check_output, destroyed, rejected_path,
};
use demur_predictor::sha256;
use serde_json::{Value, json};

use crate::engine::Usage;
use crate::engine::batch::columns::Columns;
use crate::engine::batch::filter::Condition;
use crate::engine::batch::progress::state_path;
use crate::engine::batch::question::{PromptQuestion, RowQuestion};
use crate::engine::batch::{Bounds, Cut, Reading, RunOptions, RunRequest};
use crate::engine::claims::{self, Claim, OutputPath};

/// In which form rows are written before the run is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// As they are in the input.
    Same,
    /// As JSON Lines.
    Lines,
    /// As tables of some thousand rows.
    Parts,
}

/// Which rows are written, in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// All, as they were read.
    AsRead,
    /// All, from the highest P(refusal) to the lowest.
    Sorted,
    /// This many with the highest P(refusal), the highest first.
    Top(usize),
}

/// A run that is ready to start.
pub(crate) struct Plan<'a> {
    pub(crate) inputs: Vec<(PathBuf, Format)>,
    /// Their layout, and where their rows lie.
    pub(crate) opening: Opening,
    /// The output as the user named it.
    pub(crate) out: PathBuf,
    /// The destination that this name resolves to.
    pub(crate) destination: Destination,
    /// Format of the output.
    pub(crate) to: Format,
    pub(crate) written: Written,
    pub(crate) columns: Columns<'a>,
    pub(crate) reading: Reading,
    pub(crate) condition: Option<Condition>,
    /// How many rows are read.
    pub(crate) sample: Option<usize>,
    pub(crate) order: Order,
    pub(crate) strict: bool,
    /// Whether the rows are written without new columns.
    pub(crate) bare: bool,
    /// Which part of a chat is written, if not all of it.
    pub(crate) cut: Option<Cut>,
    pub(crate) resume: bool,
    /// Limits of a text in memory; `None` for files.
    pub(crate) bounds: Option<Bounds<'a>>,
    /// Held until the run is done.
    _claim: Option<Claim>,
}

const fn is_table(format: Format) -> bool {
    matches!(format, Format::Parquet | Format::Arrow)
}

/// Whether an input is a file that can be read again by a later run, and neither a pipe nor the copy of one.
fn is_file(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name != "-") && fs::metadata(path).is_ok_and(|meta| meta.is_file())
}

impl<'a> Plan<'a> {
    /// Checks files, formats and conditions, and claims the output.
    ///
    /// # Errors
    /// When the request is invalid, an input cannot be read or would be overwritten, or the output cannot be
    /// written.
    pub(crate) fn of(request: RunRequest<'a>) -> anyhow::Result<Self> {
        let RunRequest { inputs: named, model, out, format, opening, question, reading, options } = request;
        let columns = Columns::of(question);
        let RunOptions { to, filter, top, sort, sample, resume, strict, bare, cut } = options;
        let condition = filter.map(|filter| filter.of(&columns)).transpose()?;
        let destination = Destination::of(&out).with_context(|| format!("cannot write {}", out.display()))?;
        let files = files(&named, &destination)?;
        let claim = claim(&out, &destination, &files, model)?;
        let mut inputs = Vec::new();
        for file in files {
            let format = stream::format(&file, format).map_err(|error| match error {
                // The user can fix this with a flag, so it is wrong use.
                DataError::UnknownFormat { .. } => Usage(error.to_string()).into(),
                error => anyhow::Error::from(error),
            })?;
            inputs.push((file, format));
        }
        let order = match (sort, top) {
            (true, _) => Order::Sorted,
            (false, Some(top)) => Order::Top(top),
            (false, None) => Order::AsRead,
        };
        let (to, written) = formats(&inputs, &opening, (&out, &destination), to, order)?;
        let claim = Some(claim);
        let plan = Self {
            inputs,
            opening,
            out,
            destination,
            to,
            written,
            columns,
            reading,
            condition,
            sample,
            order,
            strict,
            bare,
            cut,
            resume,
            bounds: None,
            _claim: claim,
        };
        if resume && !plan.can_be_resumed() {
            return Err(
                Usage("--resume goes on with files, and without --top and --sample".to_owned()).into()
            );
        }
        Ok(plan)
    }

    /// The plan for a text that is held in memory.
    pub(crate) fn of_text(
        question: RowQuestion<'a>,
        reading: Reading,
        format: Format,
        bounds: Bounds<'a>,
    ) -> Self {
        Self {
            inputs: Vec::new(),
            // Another layout may read one entry as many rows, which would outgrow the limits of a text in
            // memory.
            opening: Opening { layout: LayoutChoice::RowByRow, ..Opening::default() },
            out: PathBuf::from("-"),
            destination: Destination::Stdout,
            to: format,
            written: Written::Same,
            columns: Columns::of(question),
            reading,
            condition: None,
            sample: None,
            order: Order::AsRead,
            strict: false,
            bare: false,
            cut: None,
            resume: false,
            bounds: Some(bounds),
            _claim: None,
        }
    }

    /// How much is read at a time.
    pub(crate) fn block_size(&self) -> BlockSize {
        let has_encoder = self.columns.question().tiered().has_encoder();
        if has_encoder { BlockSize::OF_ENCODERS } else { BlockSize::OF_NGRAMS }
    }

    /// How each block is compressed: not at all if the rows are read again for the last step.
    pub(crate) fn packing(&self) -> Packing {
        let last =
            self.written == Written::Same || (self.written == Written::Lines && self.to == Format::Jsonl);
        if last && self.order != Order::Sorted { Packing::of(&self.out) } else { Packing::None }
    }

    /// The inputs that can be read in advance: files, not pipes.
    pub(crate) fn files(&self) -> impl Iterator<Item = &(PathBuf, Format)> {
        self.inputs.iter().filter(|(file, _)| is_file(file))
    }

    /// Whether an unfinished run can be resumed: its inputs are files that can be read again, and nothing
    /// that it needs is held in memory alone.
    pub(crate) fn can_be_resumed(&self) -> bool {
        self.sample.is_none()
            && !matches!(self.order, Order::Top(_))
            && self.inputs.iter().all(|(file, _)| is_file(file))
    }

    /// The digest of everything that the output depends on, except the content of the inputs.
    pub(crate) fn digest(&self) -> String {
        let inputs: Vec<Value> =
            self.inputs.iter().map(|(file, format)| json!([file.to_string_lossy(), format.name()])).collect();
        let question = match self.columns.question() {
            RowQuestion::Prompts(PromptQuestion { policy, router: Some(router), .. }) => {
                json!([policy, router])
            }
            // `why` is in the names of the columns.
            RowQuestion::Prompts(PromptQuestion {
                tiered,
                policy,
                target,
                kinds,
                interval,
                coverage,
                ngrams,
                why: _,
                router: None,
            }) => {
                let placed = target.as_ref().and_then(|target| tiered.model.placed_digest(target));
                json!([policy, target, placed, kinds, interval, coverage, ngrams])
            }
            RowQuestion::Responses { judge, labelled_by, prefix } => {
                json!([labelled_by, judge.policy, judge.phrases, prefix])
            }
        };
        let tiered = self.columns.question().tiered();
        let tiers = tiered.has_encoder().then(|| tiered.cascade());
        let reading = match &self.reading {
            Reading::Prompt { column, messages, longest } => json!([column, messages, longest]),
            Reading::Answer(options) => json!(options.columns),
        };
        let mut settings = json!({
            "inputs": inputs,
            "to": self.to.name(),
            "model": self.columns.model().digest(),
            "columns": self.columns.names(),
            // These keys must not change: the digests of runs that an earlier version left unfinished were
            // made with them.
            "judge": question,
            "tiers": tiers,
            "reading": reading,
            "condition": self.condition,
            "sort": self.order == Order::Sorted,
        });
        // Only where something is asked for, for the same reason.
        if !self.opening.is_default() {
            settings["opening"] = json!(self.opening);
        }
        if self.bare {
            settings["bare"] = true.into();
        }
        if let Some(cut) = self.cut {
            settings["cut"] = (cut == Cut::Left).into();
        }
        sha256(settings.to_string().as_bytes())
    }
}

/// The files that the inputs name, without those that an unfinished run wrote among them.
fn files(named: &[PathBuf], destination: &Destination) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = stream::files(named)?;
    if let Destination::File(out) = destination {
        let state = state_path(out);
        files.retain(|file| named.contains(file) || destroyed(&state, std::slice::from_ref(file)).is_none());
    }
    Ok(files)
}

/// Checks that the output and the files beside it can be written and are not inputs.
fn claim(
    out: &Path,
    destination: &Destination,
    files: &[PathBuf],
    model: Option<PathBuf>,
) -> anyhow::Result<Claim> {
    let inputs: Vec<PathBuf> = files.iter().cloned().chain(model).collect();
    let mut written = vec![OutputPath::File(out)];
    let beside = match destination {
        Destination::File(path) => vec![rejected_path(out), state_path(path)],
        Destination::Stdout | Destination::Special(_) => Vec::new(),
    };
    written.extend(beside.iter().map(|path| OutputPath::Beside(path)));
    claims::claim(&written, &inputs)
}

/// The format of the output, and the form in which rows are written until the run is done.
fn formats(
    inputs: &[(PathBuf, Format)],
    opening: &Opening,
    (out, destination): (&Path, &Destination),
    to: Option<Format>,
    order: Order,
) -> anyhow::Result<(Format, Written)> {
    if inputs.iter().any(|(file, format)| file.as_os_str() == "-" && *format == Format::Parquet) {
        return Err(
            Usage("Parquet cannot be read from a pipe; name the file, or pipe Arrow".to_owned()).into()
        );
    }
    let to_file = matches!(destination, Destination::File(_));
    if to_file && to.is_none() {
        check_output(out)?;
    }
    // A pipe cannot be looked into, and its rows stay what they are.
    let of_rows = |(file, format): &(PathBuf, Format)| match fs::metadata(file) {
        Ok(meta) if meta.is_file() => stream::rows_format(file, *format, opening),
        _ => Ok(format.of_rows()),
    };
    let rows: Vec<Format> = inputs.iter().map(of_rows).collect::<Result<_, _>>()?;
    let first = rows.first().copied().unwrap_or(Format::Jsonl);
    let one_format = rows.iter().all(|format| *format == first);
    let to = to.or_else(|| Format::of_path(out)).unwrap_or(if one_format { first } else { Format::Jsonl });
    let written = match to {
        Format::Jsonl | Format::Csv | Format::Tsv | Format::Ssv | Format::Psv
            if one_format && first == to =>
        {
            Written::Same
        }
        _ if is_table(to) && rows.iter().all(|format| is_table(*format)) => Written::Parts,
        _ => Written::Lines,
    };
    // Whether rows can be written in their final form as they arrive.
    let streams = match written {
        Written::Same => true,
        Written::Lines => to == Format::Jsonl,
        Written::Parts => to == Format::Arrow,
    };
    let sorted = order == Order::Sorted;
    if !to_file && (!streams || sorted) {
        let what = if sorted { "sorted rows".to_owned() } else { format!("{to} made of another format") };
        return Err(Usage(format!("{what} cannot be written to a pipe; name a file with --out")).into());
    }
    Ok((to, written))
}
