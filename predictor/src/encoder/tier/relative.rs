//! The relative position bias of `MPNet`: what a head adds to the score of two tokens, by their distance.
//!
//! All layers share one small table with a row for each bucket of distances. Short distances have a bucket
//! each; long ones share buckets whose widths grow with the logarithm of the distance, as in T5 (Raffel et
//! al. 2020).

/// From this distance up all tokens share the last bucket.
const FARTHEST: f32 = 128.0;

/// The bucket of a token `offset` places after the one that attends to it, as in
/// `MPNetEncoder.relative_position_bucket` of transformers 4.44.2, also in single precision.
pub(crate) fn bucket(offset: i64, buckets: usize) -> usize {
    let half = buckets / 2;
    let side = if offset > 0 { half } else { 0 };
    let exact = half / 2;
    let distance = offset.unsigned_abs() as usize;
    if distance < exact {
        return side + distance;
    }
    let (near, far) = (exact as f32, (half - exact) as f32);
    let share = (distance as f32 / near).ln() / f64::from(FARTHEST / near).ln() as f32;
    side + (exact + (share * far) as usize).min(half.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last distance in each bucket before the farthest, from transformers 4.44.2 over the offsets
    /// -600..=600.
    #[test]
    fn buckets_are_those_of_transformers() {
        let ends: [i64; 15] = [0, 1, 2, 3, 4, 5, 6, 7, 11, 15, 22, 31, 45, 63, 90];
        for distance in 0..=600 {
            let expected = ends.partition_point(|&end| end < distance);
            assert_eq!(bucket(-distance, 32), expected, "{distance} places before");
            if distance > 0 {
                assert_eq!(bucket(distance, 32), 16 + expected, "{distance} places after");
            }
        }
        let of_eight = [-600, -16, -15, -2, -1, 0, 1, 2, 15, 16, 600].map(|offset| bucket(offset, 8));
        assert_eq!(of_eight, [3, 3, 2, 2, 1, 0, 5, 6, 6, 7, 7]);
    }

    #[test]
    fn too_few_buckets_stay_within_the_table() {
        for buckets in 1..4 {
            assert!((-200..200).all(|offset| bucket(offset, buckets) < buckets));
        }
    }
}
