//! The parts of a model directory beside the manifest, and the bytes of its files.
//!
//! The vocabulary is text, one n-gram per line, view after view, each view sorted. Weights and inverse
//! document frequencies are safetensors.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::answer::kinds::KindModel;
use crate::encoder::files::HEAD;
use crate::encoder::tier::EncoderTier;
use crate::error::ModelError;
use crate::model::seen::SeenPrompts;
use crate::model::tensors;
use crate::ngram::ngram_model::{NgramModel, View};

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const VOCABULARY: &str = "vocabulary.txt";
pub(crate) const WEIGHTS: &str = "weights.safetensors";
pub(crate) const SEEN: &str = "seen.bin";
pub(crate) const CARD: &str = "README.md";

/// The content of a model's files, beside the manifest.
#[derive(Debug, Clone)]
pub struct Parts {
    /// From an input to a logit.
    pub scorer: NgramModel,
    /// From an input and a logit to kinds, if the model has a kind model.
    pub kinds: Option<KindModel>,
    /// The prompts that the fit has seen.
    pub seen: SeenPrompts,
    /// Runs when the n-gram tier is not certain; `None` if the model has no such tier, or it was not loaded.
    pub encoder: Option<EncoderTier>,
}

/// The files that the manifest describes, with their bytes, except the encoder's weights, which are too
/// large.
pub(crate) fn content(parts: &Parts) -> Result<Vec<(&'static str, Vec<u8>)>, ModelError> {
    let kind_views = parts.kinds.as_ref().map_or(&[][..], KindModel::views);
    let vocabulary = vocabulary(parts.scorer.views().iter().chain(kind_views));
    let weights =
        weights(parts).map_err(|reason| ModelError::Layout { path: PathBuf::from(WEIGHTS), reason })?;
    let mut files =
        vec![(VOCABULARY, vocabulary.into_bytes()), (WEIGHTS, weights), (SEEN, parts.seen.to_bytes())];
    if let Some(encoder) = &parts.encoder {
        let layout = |reason| ModelError::Layout { path: PathBuf::from(HEAD), reason };
        files.extend(encoder.small_files().map_err(layout)?);
    }
    Ok(files)
}

fn vocabulary<'a>(views: impl Iterator<Item = &'a View>) -> String {
    let mut out = String::new();
    for view in views {
        // A view has fewer than 2^32 features, because they are numbered by u32.
        for feature in 0..u32::try_from(view.vectorizer.len()).unwrap_or(u32::MAX) {
            out.push_str(&view.vectorizer.ngram(feature));
            out.push('\n');
        }
    }
    out
}

fn weights(parts: &Parts) -> Result<Vec<u8>, String> {
    let idf = |views: &[View]| {
        let idf: Vec<f32> = views.iter().flat_map(|view| view.vectorizer.idf()).copied().collect();
        tensors::singles(&idf)
    };
    let scorer = &parts.scorer;
    let mut all = BTreeMap::from([
        ("bias", tensors::double(scorer.bias())),
        ("idf", idf(scorer.views())),
        ("weight", tensors::singles(scorer.weights())),
    ]);
    if !scorer.dense().style.is_empty() {
        all.insert("style", tensors::singles(&scorer.dense().style));
    }
    if let Some(kinds) = &parts.kinds {
        all.insert("kind.idf", idf(kinds.views()));
        all.insert("kind.weight", tensors::singles(kinds.weights()));
    }
    tensors::write(&all)
}
