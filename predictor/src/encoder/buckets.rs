//! Relative positions in buckets, as `MPNet` and T5 have them (Raffel et al. 2020, section 2.1): near ones each in a bucket
//! of their own, far ones in buckets that widen by their logarithm, half of all for either direction.

/// From here on all distances share the last bucket.
const FARTHEST: f64 = 128.0;

/// The bucket of a token that stands `offset` behind the one that reads (before it where negative).
fn bucket(offset: i64, buckets: usize) -> i64 {
    let half = buckets / 2;
    let of_later = if offset > 0 { half } else { 0 };
    let distance = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    let exact = half / 2;
    let near = if distance < exact {
        distance
    } else {
        // Single precision, for the reference computes in it.
        let far = (distance as f32 / exact as f32).ln() / (FARTHEST / exact as f64).ln() as f32;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let far = exact + (far * (half - exact) as f32) as usize;
        far.min(half - 1)
    };
    i64::try_from(of_later + near).unwrap_or_default()
}

/// The bucket of each pair of places, row-major: row the place that reads, column the one that is read.
pub(crate) fn bucket_table(length: usize, buckets: usize) -> Vec<i64> {
    let length = i64::try_from(length).unwrap_or_default();
    (0..length).flat_map(|from| (0..length).map(move |to| bucket(to - from, buckets))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_the_reference() {
        // transformers 4.44.2, MPNetEncoder.relative_position_bucket with 32 buckets.
        for (offset, expected) in [
            (0, 0),
            (-1, 1),
            (-7, 7),
            (-8, 8),
            (-11, 8),
            (-12, 9),
            (-16, 10),
            (-23, 11),
            (-32, 12),
            (-64, 14),
            (-91, 15),
            (-500, 15),
            (1, 17),
            (7, 23),
            (8, 24),
            (16, 26),
            (127, 31),
            (500, 31),
        ] {
            assert_eq!(bucket(offset, 32), expected, "{offset}");
        }
        assert_eq!(bucket_table(3, 32), [0, 17, 18, 1, 0, 17, 2, 1, 0]);
    }
}
