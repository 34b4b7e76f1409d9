//! A tiny encoder for the tests of this folder, and its weights as bytes.

use crate::encoder::config::{Architecture, EncoderConfig};
use crate::encoder::tier::weights::Weights;

/// The settings of a tiny encoder.
pub(crate) fn config(architecture: Architecture) -> EncoderConfig {
    let is_bert = architecture == Architecture::Bert;
    EncoderConfig {
        architecture,
        hidden: 8,
        layers: 2,
        heads: 2,
        intermediate: 12,
        positions: 64,
        vocabulary: 32,
        token_types: if is_bert { 2 } else { 0 },
        layer_norm_eps: if is_bert { 1e-12 } else { 1e-5 },
        pad: i64::from(!is_bert),
        buckets: if is_bert { 0 } else { 8 },
        dropout: 0.1,
        lowercase: true,
        taps: Vec::new(),
    }
}

/// A tiny encoder with weights drawn from a fixed sequence.
pub(crate) fn small(architecture: Architecture) -> (EncoderConfig, Weights) {
    let config = config(architecture);
    let shapes: std::collections::BTreeMap<String, Vec<usize>> = config.tensors().into_iter().collect();
    let mut state = 1_u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let tensor = |name: &str| Some((0..shapes[name].iter().product()).map(|_| draw()).collect());
    let weights = Weights::gather(&config, tensor).unwrap();
    (config, weights)
}

#[test]
fn weights_in_eight_bits_are_near_and_come_back_exactly() {
    let (config, weights) = small(Architecture::Bert);
    let rounded = weights.clone().in_eight_bits();
    let bytes = rounded.to_bytes().unwrap();
    assert_eq!(Weights::read(&config, &bytes).unwrap(), rounded);
    assert_eq!(Weights::read(&config, &bytes).unwrap().to_bytes().unwrap(), bytes);
    // A matrix takes a byte a number and four a row; the names of the tensors weigh most in files this small.
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for (name, shape) in config.tensors().into_iter().filter(|(_, shape)| shape.len() == 2) {
        assert_eq!(read.tensor(&name).unwrap().data().len(), shape[0] * shape[1], "{name}");
    }
    for (name, shape) in config.tensors() {
        let (before, after) = (weights.get(&name).unwrap().1, rounded.get(&name).unwrap().1);
        let width = if shape.len() == 2 { shape[1] } else { shape[0] };
        for (before, after) in before.chunks(width).zip(after.chunks(width)) {
            let most = before.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
            let step = if shape.len() == 2 { most / 127.0 } else { 0.0 };
            for (before, after) in before.iter().zip(after) {
                assert!((before - after).abs() <= 0.501 * step, "{name}: {before} {after}");
            }
        }
    }
}

#[test]
fn rows_of_a_table_are_taken_in_order() {
    let (_, weights) = small(Architecture::Bert);
    let name = "embeddings.word_embeddings.weight";
    let table = weights.get(name).unwrap().1.to_vec();
    let two = weights.with_rows(name, &[5, 2]).unwrap();
    let expected = [&table[40..48], &table[16..24]].concat();
    assert_eq!(two.get(name).unwrap(), (&[2, 8][..], expected.into()));
    assert!(weights.with_rows(name, &[32]).unwrap_err().to_string().contains("no row 32"));
}

#[test]
fn weights_come_back_from_bytes() {
    for architecture in [Architecture::Bert, Architecture::Mpnet] {
        let (config, weights) = small(architecture);
        let bytes = weights.to_bytes().unwrap();
        assert_eq!(Weights::read(&config, &bytes).unwrap(), weights);
        let wider = EncoderConfig { vocabulary: 33, ..config.clone() };
        let error = Weights::read(&wider, &bytes).unwrap_err().to_string();
        assert!(error.contains("[32, 8], the settings say [33, 8]"), "{error}");
        let deeper = EncoderConfig { layers: 3, ..config };
        let error = Weights::read(&deeper, &bytes).unwrap_err().to_string();
        assert!(error.contains("encoder.layer.2") && error.contains("is missing"), "{error}");
    }
}
