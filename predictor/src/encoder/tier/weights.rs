//! The weights of an encoder by name, from any safetensors file of a BERT or `MPNet`.
//!
//! Files differ in the prefix of a name (`bert.`, `mpnet.` or nothing) and in what else they hold (poolers,
//! heads of other tasks). Names are accepted with and without the prefix, and tensors that the encoder does
//! not use are ignored.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::encoder::config::EncoderConfig;
use crate::encoder::error::EncoderError;

/// Single-precision tensors, by name without prefix.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl Weights {
    /// Reads the tensors of an encoder with these settings from the bytes of a safetensors file.
    ///
    /// # Errors
    /// [`EncoderError::Tensor`] if a tensor is missing, has another shape, or holds a number that is not
    /// finite.
    pub fn read(config: &EncoderConfig, bytes: &[u8]) -> Result<Self, EncoderError> {
        let file = SafeTensors::deserialize(bytes).map_err(|cause| EncoderError::Tensor {
            name: "*".to_owned(),
            reason: format!("cannot be read: {cause}"),
        })?;
        let find = |name: &str| {
            ["", "bert.", "mpnet.", "model."]
                .iter()
                .find_map(|prefix| file.tensor(&format!("{prefix}{name}")).ok())
        };
        let mut all = BTreeMap::new();
        for (name, shape) in config.tensors() {
            let bad = |reason: String| EncoderError::Tensor { name: name.clone(), reason };
            let view = find(&name).ok_or_else(|| bad("is missing".to_owned()))?;
            if view.shape() != shape {
                return Err(bad(format!("has the shape {:?}, the settings say {shape:?}", view.shape())));
            }
            let numbers = singles(&view).map_err(bad)?;
            if numbers.iter().any(|number| !number.is_finite()) {
                return Err(bad("holds a number that is not finite (NaN or infinite)".to_owned()));
            }
            all.insert(name, (shape, numbers));
        }
        Ok(Self(all))
    }

    /// Builds weights from tensors that are stored elsewhere.
    ///
    /// # Errors
    /// [`EncoderError::Tensor`] if one is missing or has another number of elements.
    pub fn gather(
        config: &EncoderConfig,
        mut tensor: impl FnMut(&str) -> Option<Vec<f32>>,
    ) -> Result<Self, EncoderError> {
        let mut all = BTreeMap::new();
        for (name, shape) in config.tensors() {
            let numbers =
                tensor(&name).filter(|numbers| numbers.len() == shape.iter().product::<usize>()).ok_or_else(
                    || EncoderError::Tensor { name: name.clone(), reason: "is missing".to_owned() },
                )?;
            all.insert(name, (shape, numbers));
        }
        Ok(Self(all))
    }

    /// Shape and numbers of a tensor, row-major.
    ///
    /// # Errors
    /// [`EncoderError::Tensor`] if there is none with this name.
    pub fn get(&self, name: &str) -> Result<(&[usize], &[f32]), EncoderError> {
        let found = self.0.get(name);
        found
            .map(|(shape, numbers)| (shape.as_slice(), numbers.as_slice()))
            .ok_or_else(|| EncoderError::Tensor { name: name.to_owned(), reason: "is missing".to_owned() })
    }

    /// The bytes of a safetensors file with these tensors: the same tensors produce the same bytes.
    ///
    /// # Errors
    /// [`EncoderError::Tensor`] if they cannot be stored in such a file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EncoderError> {
        let bad = |reason: String| EncoderError::Tensor { name: "*".to_owned(), reason };
        let bytes = |numbers: &[f32]| -> Vec<u8> { numbers.iter().flat_map(|n| n.to_le_bytes()).collect() };
        let all: Vec<_> =
            self.0.iter().map(|(name, (shape, numbers))| (name, shape, bytes(numbers))).collect();
        let views = all.iter().map(|(name, shape, bytes)| {
            TensorView::new(Dtype::F32, (*shape).clone(), bytes).map(|view| (name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(|cause| bad(cause.to_string()))?;
        safetensors::serialize(views, None).map_err(|cause| bad(cause.to_string()))
    }
}

/// The numbers of a tensor, converted from its stored precision.
fn singles(view: &TensorView<'_>) -> Result<Vec<f32>, String> {
    let bytes = view.data();
    Ok(match view.dtype() {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        Dtype::BF16 => {
            bytes.as_chunks::<2>().0.iter().map(|&[a, b]| f32::from_le_bytes([0, 0, a, b])).collect()
        }
        Dtype::F16 => bytes.as_chunks::<2>().0.iter().map(|&bytes| half(u16::from_le_bytes(bytes))).collect(),
        other => return Err(format!("is stored as {other:?}; F32, F16 and BF16 are known")),
    })
}

/// Decodes a number in IEEE 754 half precision.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = ((bits >> 10) & 0x1f, f32::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        0x1f => {
            if fraction == 0.0 {
                f32::INFINITY
            } else {
                f32::NAN
            }
        }
        _ => (1024.0 + fraction) * 2.0_f32.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_read() {
        for (bits, expected) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
        ] {
            assert_eq!(half(bits), expected, "{bits:#06x}");
        }
        assert!(half(0x7e00).is_nan() && half(0xfc00) == f32::NEG_INFINITY);
    }
}
