//! The truth of a row, and numbers that may be undefined.

use serde::Serializer;

/// What is known of a row: its label, or the share of its samples that was refused.
pub trait Truth: Copy {
    /// How much of the row is refused, from 0 to 1.
    fn refused(self) -> f64;
}

impl Truth for bool {
    fn refused(self) -> f64 {
        f64::from(u8::from(self))
    }
}

impl Truth for f64 {
    fn refused(self) -> f64 {
        self
    }
}

/// The numbers of refused and of complied rows; a measured rate contributes to both.
pub(crate) fn classes<T: Truth>(truth: &[T]) -> (f64, f64) {
    let refused: f64 = truth.iter().map(|truth| truth.refused()).sum();
    (refused, truth.len() as f64 - refused)
}

/// Serialises a number to JSON: null if it is undefined.
#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
pub(crate) fn nan_is_null<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_none() }
}
