//! Named vectors of numbers in one safetensors file.
//!
//! Single-precision numbers that all fit bfloat16 are stored as bfloat16, which halves the file and loses
//! nothing: a fit that rounds its weights (see [`round`]) gets the small file automatically.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// The nearest number that bfloat16 can represent, ties to even. Numbers that are not finite stay as they
/// are.
#[must_use]
pub fn round(number: f32) -> f32 {
    if !number.is_finite() {
        return number;
    }
    let bits = number.to_bits();
    let rounded = bits.saturating_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000;
    let rounded = f32::from_bits(rounded);
    if rounded.is_finite() { rounded } else { number }
}

/// Encodes a vector for a file.
pub(crate) fn singles(numbers: &[f32]) -> (Dtype, Vec<u8>) {
    if numbers.iter().all(|number| number.to_bits() & 0xffff == 0) {
        let upper = |number: &f32| {
            let bytes = number.to_le_bytes();
            [bytes[2], bytes[3]]
        };
        (Dtype::BF16, numbers.iter().flat_map(upper).collect())
    } else {
        (Dtype::F32, numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
    }
}

/// Encodes one double-precision number for a file.
pub(crate) fn double(number: f64) -> (Dtype, Vec<u8>) {
    (Dtype::F64, number.to_le_bytes().to_vec())
}

/// The bytes of a file with these vectors.
pub(crate) fn write(tensors: &BTreeMap<&str, (Dtype, Vec<u8>)>) -> Result<Vec<u8>, String> {
    let view = |(name, (dtype, bytes)): (&&str, &'_ (Dtype, Vec<u8>))| {
        let length = bytes.len() / (dtype.bitsize() / 8);
        (name.to_string(), *dtype, length)
    };
    let described: Vec<_> = tensors.iter().map(view).collect();
    let views = described.iter().zip(tensors.values()).map(|((name, dtype, length), (_, bytes))| {
        TensorView::new(*dtype, vec![*length], bytes).map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(|source| source.to_string())?;
    safetensors::serialize(views, None).map_err(|source| source.to_string())
}

/// The vectors of a file.
pub(crate) struct Tensors<'a>(SafeTensors<'a>);

impl<'a> Tensors<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        SafeTensors::deserialize(bytes).map(Self).map_err(|source| source.to_string())
    }

    fn vector(&self, name: &str, wanted: &[Dtype]) -> Result<(Dtype, &[u8]), String> {
        let view = self.0.tensor(name).map_err(|source| source.to_string())?;
        if wanted.contains(&view.dtype()) && view.shape().len() == 1 {
            Ok((view.dtype(), self.0.tensor(name).map_err(|source| source.to_string())?.data()))
        } else {
            Err(format!(
                "tensor `{name}` is {:?} {:?}, not a vector of {wanted:?}",
                view.dtype(),
                view.shape()
            ))
        }
    }

    /// A single-precision vector, stored as such or as bfloat16.
    pub(crate) fn singles(&self, name: &str) -> Result<Vec<f32>, String> {
        Ok(match self.vector(name, &[Dtype::F32, Dtype::BF16])? {
            (Dtype::BF16, bytes) => {
                bytes.as_chunks::<2>().0.iter().map(|&[a, b]| f32::from_le_bytes([0, 0, a, b])).collect()
            }
            (_, bytes) => bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        })
    }

    /// One double-precision number.
    pub(crate) fn double(&self, name: &str) -> Result<f64, String> {
        let (_, bytes) = self.vector(name, &[Dtype::F64])?;
        let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| format!("`{name}` is not one number"))?;
        Ok(f64::from_le_bytes(bytes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_the_nearest() {
        for (number, expected) in [
            (0.0_f32, 0.0_f32),
            (1.0, 1.0),
            (-1.5, -1.5),
            (1.003_906_3, 1.0),       // half way, to even
            (1.011_718_8, 1.015_625), // half way, to even
            (1.004, 1.007_812_5),
        ] {
            assert_eq!(round(number), expected, "{number}");
        }
        assert!(round(f32::NAN).is_nan());
        assert_eq!(round(f32::MAX), f32::MAX, "does not become infinite");
        for at in 0..2000_u16 {
            let number = (f32::from(at) - 1000.0) / 77.7;
            assert!((round(number) - number).abs() <= number.abs() / 256.0);
            assert_eq!(round(round(number)), round(number));
        }
    }

    #[test]
    fn vectors_come_back_to_the_last_bit() {
        let (fine, coarse) = ([0.1_f32, -2.0, 1e-30], [0.5_f32, -2.0, round(0.1)]);
        let tensors = BTreeMap::from([
            ("a", singles(&fine)),
            ("b", singles(&coarse)),
            ("c", double(0.1)),
            ("d", singles(&[])),
        ]);
        assert_eq!((tensors["a"].0, tensors["b"].0), (Dtype::F32, Dtype::BF16));
        let bytes = write(&tensors).unwrap();
        let read = Tensors::read(&bytes).unwrap();
        assert_eq!(read.singles("a").unwrap(), fine);
        assert_eq!(read.singles("b").unwrap(), coarse);
        assert_eq!(read.double("c").unwrap(), 0.1);
        assert!(read.singles("d").unwrap().is_empty());
        assert!(read.singles("c").unwrap_err().contains("not a vector"));
        assert!(read.singles("e").is_err() && read.double("a").is_err());
    }
}
