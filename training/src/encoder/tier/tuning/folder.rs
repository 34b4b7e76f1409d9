//! The folder of a fitted encoder, written.

use std::path::Path;
use std::{fs, io};

use demur_data::AtomicDir;
use demur_predictor::encoder::{Architecture, EncoderConfig, EncoderError, Head, Tokens, Weights};
use serde_json::json;

use crate::encoder::tier::folder::{
    HEAD, HELD_OUT, HeadFile, HeldOutLogit, HeldOutLogits, check_encoder_place, short,
};
use crate::error::TrainingError;

/// A fitted encoder.
#[derive(Debug, Clone)]
pub(super) struct EncoderFolder {
    pub(super) config: EncoderConfig,
    pub(super) vocabulary: Vec<u8>,
    pub(super) weights: Weights,
    pub(super) base: String,
    pub(super) base_sha256: String,
    pub(super) head: Head,
    pub(super) held_out: HeldOutLogits,
}

impl HeldOutLogits {
    pub(super) fn insert(&mut self, tokens: &Tokens, held_out: HeldOutLogit) {
        self.0.insert(short(tokens), held_out);
    }

    fn to_bytes(&self) -> Vec<u8> {
        let row = |(key, held_out): (&[u8; 8], &HeldOutLogit)| {
            key.iter()
                .copied()
                .chain(held_out.logit.to_le_bytes())
                .chain([held_out.fold])
                .collect::<Vec<u8>>()
        };
        self.0.iter().flat_map(row).collect()
    }
}

impl EncoderFolder {
    /// Writes the folder.
    ///
    /// # Errors
    /// As [`check_encoder_place`], and where it cannot be written.
    pub(super) fn save(&self, folder: &Path) -> Result<(), TrainingError> {
        check_encoder_place(folder)?;
        let files = self.files()?;
        let write = || -> io::Result<()> {
            let unfinished = AtomicDir::create(folder)?;
            for (name, bytes) in &files {
                fs::write(unfinished.path().join(name), bytes)?;
            }
            unfinished.commit()
        };
        let failed =
            |cause: io::Error| EncoderError::File { path: folder.to_owned(), reason: cause.to_string() };
        Ok(write().map_err(failed)?)
    }

    fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>, TrainingError> {
        let config = &self.config;
        let is_bert = config.architecture == Architecture::Bert;
        let settings = json!({
            "model_type": if is_bert { "bert" } else { "mpnet" },
            "hidden_size": config.hidden,
            "num_hidden_layers": config.layers,
            "num_attention_heads": config.heads,
            "intermediate_size": config.intermediate,
            "max_position_embeddings": config.positions,
            "vocab_size": config.vocabulary,
            "type_vocab_size": config.token_types,
            "layer_norm_eps": config.layer_norm_eps,
            "pad_token_id": config.pad,
            "relative_attention_num_buckets": config.buckets,
            "hidden_dropout_prob": config.dropout,
        });
        let head = HeadFile {
            base: self.base.clone(),
            base_sha256: self.base_sha256.clone(),
            weights: self.head.weights.clone(),
            bias: self.head.bias,
        };
        let text = |value: serde_json::Value| format!("{value:#}\n").into_bytes();
        // Names and numbers, which JSON can hold.
        let head = serde_json::to_vec(&head).unwrap_or_default();
        Ok(vec![
            ("config.json", text(settings)),
            ("tokenizer_config.json", text(json!({ "do_lower_case": config.lowercase }))),
            ("vocab.txt", self.vocabulary.clone()),
            ("model.safetensors", self.weights.to_bytes()?),
            (HEAD, head),
            (HELD_OUT, self.held_out.to_bytes()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_come_back_from_bytes_and_a_file_that_is_cut_off_is_told() {
        let tokens = |ids: &[u32]| Tokens { ids: ids.to_vec(), second: ids.len() };
        let mut logits = HeldOutLogits::default();
        for (at, ids) in [(0_u8, [2, 5, 3]), (1, [2, 6, 3])] {
            logits.insert(&tokens(&ids), HeldOutLogit { logit: f32::from(at) - 1.5, fold: at });
        }
        let bytes = logits.to_bytes();
        assert_eq!(HeldOutLogits::of_bytes(&bytes), Some(logits.clone()));
        assert_eq!(HeldOutLogits::of_bytes(&bytes[1..]), None);
        assert_eq!(logits.get(&tokens(&[2, 6, 3])), Some(HeldOutLogit { logit: -0.5, fold: 1 }));
        assert_eq!(logits.get(&tokens(&[2, 7, 3])), None);
    }
}
