//! The weights of an encoder by name, from any safetensors file of a BERT or `MPNet`.
//!
//! A matrix may be stored in eight bits, each row with a scale of its own, which quarters the file.
//!
//! Files differ in the prefix of a name (`bert.`, `mpnet.` or nothing) and in what else they hold (poolers,
//! heads of other tasks). Names are accepted with and without the prefix, and tensors that the encoder does
//! not use are ignored.

use std::borrow::Cow;
use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::encoder::config::EncoderConfig;
use crate::encoder::error::EncoderError;

/// Tensors, by name without prefix.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(BTreeMap<String, Stored>);

/// A tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
struct Stored {
    shape: Vec<usize>,
    numbers: Numbers,
}

/// The numbers of a tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Numbers {
    /// In single precision.
    Single(Vec<f32>),
    /// A matrix whose numbers are whole ones from -127 to 127, as signed bytes, times the scale of their row.
    Eight { bytes: Vec<u8>, scales: Vec<f32> },
}

/// What follows a tensor's name in the name of its scales.
const SCALES: &str = ".scale";

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
            let stored = if view.dtype() == Dtype::I8 {
                let scales = find(&format!("{name}{SCALES}"));
                let scales = scales.ok_or_else(|| bad("has eight bits and no scales".to_owned()))?;
                let scales = singles(&scales).map_err(&bad)?;
                Stored::of_bytes(shape, view.data().to_vec(), scales).map_err(&bad)?
            } else {
                Stored { shape, numbers: Numbers::Single(singles(&view).map_err(&bad)?) }
            };
            let (Numbers::Single(numbers) | Numbers::Eight { scales: numbers, .. }) = &stored.numbers;
            if numbers.iter().any(|number| !number.is_finite()) {
                return Err(bad("holds a number that is not finite (NaN or infinite)".to_owned()));
            }
            all.insert(name, stored);
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
            all.insert(name, Stored { shape, numbers: Numbers::Single(numbers) });
        }
        Ok(Self(all))
    }

    /// The weights with all matrices rounded to eight bits, by the largest number of each row.
    #[must_use]
    pub fn in_eight_bits(self) -> Self {
        let small = |stored: Stored| if stored.shape.len() == 2 { stored.in_eight_bits() } else { stored };
        Self(self.0.into_iter().map(|(name, stored)| (name, small(stored))).collect())
    }

    /// The weights with these rows of a table (of word pieces or positions), in this order.
    ///
    /// # Errors
    /// [`EncoderError::Tensor`] if there is no such row.
    pub fn with_rows(&self, name: &str, rows: &[usize]) -> Result<Self, EncoderError> {
        let (shape, numbers) = self.get(name)?;
        let width = shape.get(1).copied().unwrap_or_default();
        let mut kept = Vec::with_capacity(rows.len() * width);
        for &row in rows {
            let row = numbers.get(row * width..(row + 1) * width).ok_or_else(|| EncoderError::Tensor {
                name: name.to_owned(),
                reason: format!("has no row {row}"),
            })?;
            kept.extend_from_slice(row);
        }
        let mut all = self.0.clone();
        let (shape, numbers) = (vec![rows.len(), width], Numbers::Single(kept));
        all.insert(name.to_owned(), Stored { shape, numbers });
        Ok(Self(all))
    }

    /// Shape and numbers of a tensor, row-major.
    ///
    /// # Errors
    /// [`EncoderError::Tensor`] if there is none with this name.
    pub fn get(&self, name: &str) -> Result<(&[usize], Cow<'_, [f32]>), EncoderError> {
        let (shape, numbers) = self.stored(name)?;
        Ok((shape, numbers.singles(shape)))
    }

    /// Shape and numbers of a tensor as they are stored.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) fn stored(&self, name: &str) -> Result<(&[usize], &Numbers), EncoderError> {
        let found = self.0.get(name).map(|stored| (stored.shape.as_slice(), &stored.numbers));
        found.ok_or_else(|| EncoderError::Tensor { name: name.to_owned(), reason: "is missing".to_owned() })
    }

    /// The bytes of a safetensors file with these tensors: the same tensors produce the same bytes.
    ///
    /// # Errors
    /// [`EncoderError::Tensor`] if they cannot be stored in such a file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EncoderError> {
        let bad = |reason: String| EncoderError::Tensor { name: "*".to_owned(), reason };
        let bytes = |numbers: &[f32]| -> Vec<u8> { numbers.iter().flat_map(|n| n.to_le_bytes()).collect() };
        let mut all = Vec::new();
        for (name, stored) in &self.0 {
            match &stored.numbers {
                Numbers::Single(numbers) => {
                    all.push((name.clone(), Dtype::F32, stored.shape.clone(), bytes(numbers)));
                }
                Numbers::Eight { bytes: eight, scales } => {
                    all.push((name.clone(), Dtype::I8, stored.shape.clone(), eight.clone()));
                    let scales_name = format!("{name}{SCALES}");
                    all.push((scales_name, Dtype::F32, vec![scales.len()], bytes(scales)));
                }
            }
        }
        let views = all.iter().map(|(name, dtype, shape, bytes)| {
            TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(|cause| bad(cause.to_string()))?;
        safetensors::serialize(views, None).map_err(|cause| bad(cause.to_string()))
    }
}

impl Numbers {
    /// The numbers in single precision.
    fn singles(&self, shape: &[usize]) -> Cow<'_, [f32]> {
        match self {
            Self::Single(numbers) => Cow::Borrowed(numbers),
            Self::Eight { bytes, scales } => {
                let width = shape.last().copied().unwrap_or_default().max(1);
                let row = |(row, scale): (&[u8], &f32)| -> Vec<f32> {
                    row.iter().map(|&byte| f32::from(byte.cast_signed()) * scale).collect()
                };
                Cow::Owned(bytes.chunks_exact(width).zip(scales).flat_map(row).collect())
            }
        }
    }
}

impl Stored {
    /// A matrix from its eight-bit numbers and the scale of each row.
    fn of_bytes(shape: Vec<usize>, bytes: Vec<u8>, scales: Vec<f32>) -> Result<Self, String> {
        let &[rows, _] = shape.as_slice() else {
            return Err("has eight bits and is no matrix".to_owned());
        };
        if scales.len() != rows {
            return Err(format!("has {} scales for {rows} rows", scales.len()));
        }
        Ok(Self { shape, numbers: Numbers::Eight { bytes, scales } })
    }

    /// The nearest matrix whose rows have eight bits.
    fn in_eight_bits(self) -> Self {
        let Numbers::Single(numbers) = &self.numbers else { return self };
        let width = self.shape[1].max(1);
        let scale = |row: &[f32]| row.iter().fold(0.0_f32, |most, number| most.max(number.abs())) / 127.0;
        let scales: Vec<f32> = numbers.chunks_exact(width).map(scale).collect();
        // A number is at most 127 scales from 0.
        #[allow(clippy::cast_possible_truncation)]
        let byte = |number: f32, scale: f32| {
            let steps = if scale > 0.0 { (number / scale).round().clamp(-127.0, 127.0) } else { 0.0 };
            (steps as i8).cast_unsigned()
        };
        let rows = numbers.chunks_exact(width).zip(&scales);
        let bytes =
            rows.flat_map(|(row, &scale)| row.iter().map(move |&number| byte(number, scale))).collect();
        Self { numbers: Numbers::Eight { bytes, scales }, ..self }
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
