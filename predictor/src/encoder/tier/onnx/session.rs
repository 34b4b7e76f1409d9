//! Runs an encoder by rten, an ONNX runtime in Rust: creates a session on the graph of `model.rs`, and passes
//! batches through it.

use std::sync::Arc;
use std::thread;

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, ValueOrView};
use rten_tensor::NdTensor;

use crate::encoder::config::{Architecture, EncoderConfig};
use crate::encoder::error::EncoderError;
use crate::encoder::tier::onnx::model as onnx;
use crate::encoder::tier::tokens::TokenBatch;
use crate::encoder::tier::weights::Weights;

const LIBRARY: &str = "rten";

/// An encoder in rten.
#[derive(Debug)]
pub(crate) struct RtenEncoder {
    model: Model,
    ids: NodeId,
    mask: NodeId,
    /// BERT alone has token types.
    types: Option<NodeId>,
    embedding: NodeId,
    options: RunOptions,
    config: EncoderConfig,
}

impl RtenEncoder {
    /// Creates a session for the encoder with this many threads. The weights are copied.
    pub(crate) fn new(
        config: &EncoderConfig,
        weights: &Weights,
        threads: usize,
    ) -> Result<Self, EncoderError> {
        let bytes = onnx::model(config, weights)?;
        let model = apart(|| ModelOptions::with_all_ops().prepack_weights(true).load(bytes))?;
        let model = model.map_err(|cause| refused("load the encoder", &cause))?;
        let node = |name: &str| model.node_id(name).map_err(|cause| refused("find an input", &cause));
        let (ids, mask, embedding) = (node(onnx::IDS)?, node(onnx::MASK)?, node(onnx::EMBEDDING)?);
        let types = match config.architecture {
            Architecture::Bert => Some(node(onnx::TYPES)?),
            Architecture::Mpnet => None,
        };
        let pool = Arc::new(ThreadPool::with_num_threads(threads.max(1)));
        let options = RunOptions::default().with_thread_pool(Some(pool));
        Ok(Self { model, ids, mask, types, embedding, options, config: config.clone() })
    }

    /// The embeddings of the texts, `rows` times `width` numbers.
    pub(crate) fn embed(&mut self, batch: &TokenBatch) -> Result<Vec<f32>, EncoderError> {
        check(batch, &self.config)?;
        if batch.rows == 0 {
            return Ok(Vec::new());
        }
        let shape = [batch.rows, batch.length];
        // The check has shown that every number is one of the vocabulary, so it is in 32 bits.
        #[allow(clippy::cast_possible_truncation)]
        let tensor = |numbers: &[i64]| -> ValueOrView<'static> {
            let numbers: Vec<i32> = numbers.iter().map(|&number| number as i32).collect();
            NdTensor::from_data(shape, numbers).into()
        };
        let mut inputs = vec![(self.ids, tensor(&batch.ids)), (self.mask, tensor(&batch.mask))];
        inputs.extend(self.types.map(|types| (types, tensor(&batch.types))));
        let options = Some(self.options.clone());
        let run = apart(|| self.model.run_n(inputs, [self.embedding], options))?;
        let [embeddings] = run.map_err(|cause| refused("run the encoder", &cause))?;
        let embeddings = NdTensor::<f32, 2>::try_from(embeddings);
        Ok(embeddings.map_err(|cause| refused("give the embeddings", &cause))?.into_data())
    }
}

/// Has rten work on a thread of its own. It shares its work out by rayon, and a thread of rayon's that waits
/// for another pool takes up other work meanwhile: that may want the encoder that is being loaded or asked,
/// and would wait for a lock that the same thread holds.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, EncoderError> {
    let done = thread::scope(|scope| scope.spawn(work).join());
    done.map_err(|_| refused("run the encoder", &"it panicked"))
}

fn refused(action: &'static str, cause: &dyn std::fmt::Display) -> EncoderError {
    EncoderError::Library { library: LIBRARY, reason: format!("cannot {action}: {cause}") }
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
