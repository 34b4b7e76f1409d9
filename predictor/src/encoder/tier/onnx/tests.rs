//! Compares the graph in rten with the plain forward pass, and checks every error.

use super::session::RtenEncoder;
use crate::encoder::config::{Architecture, EncoderConfig};
use crate::encoder::tier::onnx::model as onnx;
use crate::encoder::tier::reference;
use crate::encoder::tier::tests::small;
use crate::encoder::tier::tokens::TokenBatch;

const BOTH: [Architecture; 2] = [Architecture::Bert, Architecture::Mpnet];

/// Texts of these lengths, padded to the longest, with segments.
fn batch(config: &EncoderConfig, lengths: &[usize]) -> TokenBatch {
    let (rows, length) = (lengths.len(), lengths.iter().copied().max().unwrap_or(0));
    let mut batch = TokenBatch { rows, length, ..TokenBatch::default() };
    for (row, &text) in lengths.iter().enumerate() {
        for place in 0..length {
            let inside = place < text;
            let id = 2 + (7 * row + 11 * place) % (config.vocabulary - 2);
            batch.ids.push(if inside { id as i64 } else { config.pad });
            batch.mask.push(i64::from(inside));
            batch.types.push(i64::from(inside && 2 * place >= text));
        }
    }
    batch
}

fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(found) - expected).abs() < 2e-5, "{what}, number {at}: {found} for {expected}");
    }
}

#[test]
fn the_graph_gives_the_embeddings_of_the_plain_forward_pass() {
    for architecture in BOTH {
        let (config, weights) = small(architecture);
        let mut encoder = RtenEncoder::new(&config, &weights, 1).unwrap();
        for lengths in [&[1][..], &[5], &[22], &[1, 4, 2], &[22, 3, 9, 22, 1]] {
            let batch = batch(&config, lengths);
            let expected = reference::embed(&config, &weights, &batch);
            let found = encoder.embed(&batch).unwrap();
            assert_close(&found, &expected, &format!("{architecture:?} {lengths:?}"));
        }
    }
}

#[test]
fn weights_in_eight_bits_are_used_as_they_are() {
    for architecture in BOTH {
        let (config, weights) = small(architecture);
        let weights = weights.in_eight_bits();
        let mut encoder = RtenEncoder::new(&config, &weights, 1).unwrap();
        let batch = batch(&config, &[22, 3, 9]);
        let found = encoder.embed(&batch).unwrap();
        assert_close(&found, &reference::embed(&config, &weights, &batch), &format!("{architecture:?}"));
    }
}

#[test]
fn a_text_without_tokens_has_the_mean_zero_and_no_text_has_none() {
    for architecture in BOTH {
        let (config, weights) = small(architecture);
        let mut encoder = RtenEncoder::new(&config, &weights, 1).unwrap();
        let padding = batch(&config, &[0, 3]);
        let alone = encoder.embed(&batch(&config, &[3])).unwrap().len();
        let found = encoder.embed(&padding).unwrap();
        assert_eq!((&found[..8], found.len(), alone), (&[0.0; 8][..], 16, 8));
        assert!(encoder.embed(&TokenBatch::default()).unwrap().is_empty());
    }
}

#[test]
fn batches_that_do_not_fit_are_errors() {
    for (architecture, longest) in [(Architecture::Bert, 64), (Architecture::Mpnet, 62)] {
        let (config, weights) = small(architecture);
        let mut encoder = RtenEncoder::new(&config, &weights, 1).unwrap();
        let good = batch(&config, &[3, 2]);
        let mut refused = |batch: &TokenBatch, expected: &str| {
            let error = encoder.embed(batch).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}, not {expected}");
        };
        let limit = format!("1 to {longest} tokens");
        refused(&batch(&config, &[longest + 1]), &limit);
        refused(&batch(&config, &[0]), &limit);
        refused(&TokenBatch { ids: vec![1; 5], ..good.clone() }, "5 numbers among the ids");
        refused(&TokenBatch { mask: vec![1; 7], ..good.clone() }, "7 numbers in the mask");
        for id in [-1, 32] {
            let ids = vec![2, 2, 2, id, 2, 2];
            refused(
                &TokenBatch { ids, ..good.clone() },
                &format!("{id} among the ids, which go from 0 to 31"),
            );
        }
        if architecture == Architecture::Bert {
            refused(
                &TokenBatch { types: vec![2; 6], ..good.clone() },
                "2 among the types, which go from 0 to 1",
            );
            refused(&TokenBatch { types: vec![], ..good }, "0 numbers among the types");
        }
    }
}

#[test]
fn the_model_opens_with_its_versions() {
    let (config, weights) = small(Architecture::Bert);
    let bytes = onnx::model(&config, &weights).unwrap();
    assert_eq!(&bytes[..9], b"\x08\x09\x12\x05demur", "IR version 9, then the producer");
    assert!(bytes.ends_with(b"\x42\x04\x0a\x00\x10\x14"), "version 20 of the standard operators");
    assert_eq!(bytes, onnx::model(&config, &weights).unwrap(), "the same bytes each time");
}
