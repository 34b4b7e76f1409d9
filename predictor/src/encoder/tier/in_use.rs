//! The encoders in use: two models with the same encoder have it in memory once.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::encoder::config::EncoderConfig;
use crate::encoder::error::EncoderError;
use crate::encoder::options::EncoderOptions;
use crate::encoder::tier::encoder::Encoder;
use crate::encoder::tier::weights::Weights;
use crate::model::digest::{FileDigest, sha256};

/// By their files and settings.
static IN_USE: Mutex<Vec<(String, Weak<Encoder>)>> = Mutex::new(Vec::new());

/// The encoder of these weights and word pieces: one that is in use, or a new one.
pub(super) fn shared(
    config: &EncoderConfig,
    (numbers, digest): (&[u8], &FileDigest),
    pieces: &[u8],
    options: EncoderOptions,
) -> Result<Arc<Encoder>, EncoderError> {
    let key = format!("{} {} {:?} {options:?}", digest.sha256, sha256(pieces), config);
    // Each change of the list is one step, so a panic elsewhere leaves it whole.
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    in_use.retain(|(_, encoder)| encoder.strong_count() > 0);
    let known = in_use.iter().find(|(known, _)| *known == key).and_then(|(_, encoder)| encoder.upgrade());
    if let Some(encoder) = known {
        return Ok(encoder);
    }
    let weights = Weights::read(config, numbers)?;
    let encoder = Arc::new(Encoder::new(config, pieces, &weights, options)?);
    in_use.push((key, Arc::downgrade(&encoder)));
    Ok(encoder)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encoder::config::Architecture;
    use crate::encoder::tier::tests::small;

    #[test]
    fn an_encoder_in_use_is_not_built_again() {
        let (config, weights) = small(Architecture::Bert);
        let numbers = weights.to_bytes().unwrap();
        let digest = FileDigest { bytes: numbers.len() as u64, sha256: sha256(&numbers) };
        let pieces = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n";
        let of = |threads| {
            let options = EncoderOptions { threads, ..EncoderOptions::default() };
            shared(&config, (&numbers, &digest), pieces, options).unwrap()
        };
        let first = of(1);
        assert!(Arc::ptr_eq(&first, &of(1)));
        assert!(!Arc::ptr_eq(&first, &of(2)), "other threads are another encoder");
    }
}
