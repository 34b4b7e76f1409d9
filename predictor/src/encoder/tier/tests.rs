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
