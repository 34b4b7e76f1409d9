//! Runs an encoder in ONNX Runtime: finds its shared library, creates a session on the graph of `onnx.rs`,
//! and passes batches through it.
//!
//! The library is not linked but loaded when the first encoder is created. So a build does not need it, and a
//! program that creates no encoder starts without it. Nothing is downloaded.

use std::borrow::Cow;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::error::Error as _;
use std::path::{Path, PathBuf};

use ::ort::LoadDynamicError;
use ::ort::logging::LogLevel;
use ::ort::session::builder::GraphOptimizationLevel;
use ::ort::session::{Session, SessionInputValue};
use ::ort::value::TensorRef;

use crate::encoder::config::{Architecture, EncoderConfig};
use crate::encoder::error::EncoderError;
use crate::encoder::tier::onnx::model as onnx;
use crate::encoder::tier::tokens::TokenBatch;
use crate::encoder::tier::weights::Weights;

const LIBRARY: &str = "ONNX Runtime";
/// Path of the shared library; takes precedence over all other places.
const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";
/// Where `scripts/setup-bert.sh` installs it, relative to the working directory.
const LIBRARY_FOLDER: &str = ".bert/onnxruntime";

/// An encoder in ONNX Runtime.
#[derive(Debug)]
pub(crate) struct OrtEncoder {
    session: Session,
    config: EncoderConfig,
}

impl OrtEncoder {
    /// Loads ONNX Runtime if necessary and creates a session for the encoder with this many threads; 0 means
    /// one per core. The weights are copied.
    pub(crate) fn new(
        config: &EncoderConfig,
        weights: &Weights,
        threads: usize,
    ) -> Result<Self, EncoderError> {
        let library = library(std::env::var_os(LIBRARY_VARIABLE).map(PathBuf::from))?;
        Self::with_library(&library, config, weights, threads)
    }

    /// The same with the given library.
    pub(super) fn with_library(
        library: &Path,
        config: &EncoderConfig,
        weights: &Weights,
        threads: usize,
    ) -> Result<Self, EncoderError> {
        load(library)?;
        let model = onnx::model(config, weights)?;
        Ok(Self { session: session(&model, threads)?, config: config.clone() })
    }

    /// The embeddings of the texts, `rows` times `width` numbers.
    pub(crate) fn embed(&mut self, batch: &TokenBatch) -> Result<Vec<f32>, EncoderError> {
        check(batch, &self.config)?;
        if batch.rows == 0 {
            return Ok(Vec::new());
        }
        let mut inputs = vec![(onnx::IDS, &batch.ids), (onnx::MASK, &batch.mask)];
        if self.config.architecture == Architecture::Bert {
            inputs.push((onnx::TYPES, &batch.types));
        }
        let inputs = inputs.into_iter().map(|(name, numbers)| {
            let tensor = TensorRef::from_array_view(([batch.rows, batch.length], numbers.as_slice()));
            tensor.map(|tensor| (Cow::Borrowed(name), SessionInputValue::from(tensor)))
        });
        let inputs = inputs.collect::<Result<Vec<_>, _>>().map_err(refused("read the batch"))?;
        let outputs = self.session.run(inputs).map_err(refused("run the encoder"))?;
        let (_, embeddings) =
            outputs[onnx::EMBEDDING].try_extract_tensor::<f32>().map_err(refused("give the embeddings"))?;
        Ok(embeddings.to_vec())
    }
}

/// The path of the shared library: the named one, otherwise the first that exists.
pub(super) fn library(named: Option<PathBuf>) -> Result<PathBuf, EncoderError> {
    let looked = match named.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => vec![path],
        None => {
            let file = format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}");
            let beside = std::env::current_exe().ok().map(|executable| executable.with_file_name(&file));
            beside.into_iter().chain([Path::new(LIBRARY_FOLDER).join(&file)]).collect()
        }
    };
    match looked.iter().find(|path| path.is_file()) {
        // The path is made absolute because `ort` resolves a relative one against the executable's folder
        // first.
        Some(path) => {
            std::path::absolute(path).map_err(|cause| unusable(&format!("{}: {cause}", path.display())))
        }
        None => Err(EncoderError::Library {
            library: LIBRARY,
            reason: format!(
                "its shared library is not there (looked at {}); run scripts/setup-bert.sh, or name the file in \
                 {LIBRARY_VARIABLE}",
                looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
            ),
        }),
    }
}

/// Loads the library once per process: later calls keep the first one that could be loaded. Otherwise `ort`
/// would load one by itself when a session is created, and panic if it cannot.
pub(super) fn load(library: &Path) -> Result<(), EncoderError> {
    let environment = ::ort::init_from(library).map_err(|cause| {
        unusable(&match &cause {
            // The reason is in the source of the source, which the error's own text leaves out.
            LoadDynamicError::Dlopen { error, .. } => match error.source() {
                Some(reason) => format!("{cause}: {reason}"),
                None => cause.to_string(),
            },
            _ => cause.to_string(),
        })
    })?;
    environment.with_name("demur").with_telemetry(false).commit();
    Ok(())
}

fn session(model: &[u8], threads: usize) -> Result<Session, EncoderError> {
    let action = "be set up";
    let mut builder = Session::builder()
        .map_err(refused(action))?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(refused(action))?
        .with_intra_threads(threads)
        .map_err(refused(action))?
        // A thread that waits for work would otherwise spin on cores that the rest of the process needs: on
        // two busy cores a batch took twice as long.
        .with_intra_op_spinning(false)
        .map_err(refused(action))?
        // Warnings are about how the graph is built; a user can do nothing about them.
        .with_log_level(LogLevel::Error)
        .map_err(refused(action))?;
    builder.commit_from_memory(model).map_err(refused("load the encoder"))
}

fn refused<R>(action: &'static str) -> impl Fn(::ort::Error<R>) -> EncoderError {
    move |cause| EncoderError::Library { library: LIBRARY, reason: format!("cannot {action}: {cause}") }
}

fn unusable(cause: &str) -> EncoderError {
    let reason = format!(
        "cannot be used: {cause}; run scripts/setup-bert.sh, or name another file in {LIBRARY_VARIABLE}"
    );
    EncoderError::Library { library: LIBRARY, reason }
}

/// Checks that the parts of a batch match each other and the encoder. A token number below 0 would count from
/// the end.
fn check(batch: &TokenBatch, config: &EncoderConfig) -> Result<(), EncoderError> {
    let &TokenBatch { rows, length, .. } = batch;
    let wrong = |reason: String| {
        let reason = format!("batch of {rows} x {length} tokens: {reason}");
        Err(EncoderError::Library { library: LIBRARY, reason })
    };
    let bert = config.architecture == Architecture::Bert;
    let longest = config.most_tokens();
    if rows > 0 && !(1..=longest).contains(&length) {
        return wrong(format!("the encoder reads 1 to {longest} tokens"));
    }
    let parts = [("ids", &batch.ids, config.vocabulary), ("types", &batch.types, config.token_types)];
    for (name, numbers, end) in parts.into_iter().take(if bert { 2 } else { 1 }) {
        if numbers.len() != rows * length {
            return wrong(format!("{} numbers among the {name}", numbers.len()));
        }
        if let Some(number) = numbers.iter().find(|&&number| !(0..end as i64).contains(&number)) {
            return wrong(format!("{number} among the {name}, which go from 0 to {}", end - 1));
        }
    }
    match batch.mask.len() {
        found if found != rows * length => wrong(format!("{found} numbers in the mask")),
        _ => Ok(()),
    }
}
