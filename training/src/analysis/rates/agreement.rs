//! The agreement of two labellers: the confusion of their labels, and Cohen's kappa.

use serde::Serialize;

use super::rate::Share;
use crate::metrics::{Z, nan_is_null};

/// How far two label columns agree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// The other label column.
    pub column: String,
    /// Rows that both label.
    pub n: usize,
    /// Rows by (label, other label): `[[both refused, refused and complied], [complied and refused, both
    /// complied]]`.
    pub confusion: [[usize; 2]; 2],
    /// Rows with the same label in both.
    pub same: Share,
    /// Cohen's kappa (1960): the agreement beyond what their rates alone would give; NaN if both always say
    /// the same one label.
    #[serde(serialize_with = "nan_is_null")]
    pub kappa: f64,
    /// Its 95% interval by the standard error of Fleiss, Cohen & Everitt (1969), within -1 to 1; `None` where
    /// that error is 0 or not defined.
    pub interval: Option<(f64, f64)>,
}

impl Agreement {
    /// Compares pairs of (refused, refused by the other).
    #[must_use]
    pub fn of(column: &str, pairs: impl Iterator<Item = (bool, bool)>) -> Self {
        let mut confusion = [[0_usize; 2]; 2];
        for (label, other) in pairs {
            confusion[usize::from(!label)][usize::from(!other)] += 1;
        }
        let n = confusion.iter().flatten().sum();
        let same = Share { count: (confusion[0][0] + confusion[1][1]) as f64, n };
        let (kappa, error) = kappa(confusion);
        let interval = (error > 0.0).then_some(((kappa - Z * error).max(-1.0), (kappa + Z * error).min(1.0)));
        Self { column: column.to_owned(), n, confusion, same, kappa, interval }
    }
}

/// Kappa and its standard error; NaN if the labels cannot differ.
fn kappa(confusion: [[usize; 2]; 2]) -> (f64, f64) {
    let n = confusion.iter().flatten().sum::<usize>() as f64;
    let share = confusion.map(|row| row.map(|count| count as f64 / n));
    let row = share.map(|row| row[0] + row[1]);
    let column = [share[0][0] + share[1][0], share[0][1] + share[1][1]];
    let (observed, expected) = (share[0][0] + share[1][1], row[0] * column[0] + row[1] * column[1]);
    let kappa = (observed - expected) / (1.0 - expected);
    let apart = 1.0 - kappa;
    let on: f64 = (0..2).map(|i| share[i][i] * (1.0 - (row[i] + column[i]) * apart).powi(2)).sum();
    let off: f64 = (0..2).map(|i| share[i][1 - i] * (column[i] + row[1 - i]).powi(2)).sum();
    let variance = on + apart.powi(2) * off - (kappa - expected * apart).powi(2);
    // Rounding can leave a variance of 0 a little off it.
    let variance = if variance < 1e-12 { 0.0 } else { variance };
    (kappa, (variance / n).sqrt() / (1.0 - expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of([[a, b], [c, d]]: [[usize; 2]; 2]) -> Agreement {
        let cells = [((true, true), a), ((true, false), b), ((false, true), c), ((false, false), d)];
        Agreement::of("judge", cells.into_iter().flat_map(|(pair, n)| std::iter::repeat_n(pair, n)))
    }

    /// `cohens_kappa(table)` of statsmodels 0.15: `kappa`, `kappa_low`, `kappa_upp`.
    #[test]
    fn kappa_is_that_of_statsmodels() {
        for (table, kappa, low, high) in [
            ([[20, 5], [10, 15]], 0.4, 0.151_092_290_476_661, 0.648_907_709_523_339),
            ([[45, 15], [25, 15]], 0.130_434_782_608_696, -0.062_938_277_792_590, 0.323_807_843_009_981),
            ([[118, 5], [3, 74]], 0.915_939_897_026_374, 0.858_889_286_854_148, 0.972_990_507_198_599),
        ] {
            let found = of(table);
            assert_eq!(found.confusion, table);
            let (found_low, found_high) = found.interval.unwrap_or_default();
            assert!((found.kappa - kappa).abs() < 1e-12, "{}", found.kappa);
            assert!((found_low - low).abs() < 1e-9 && (found_high - high).abs() < 1e-9, "{found:?}");
        }
    }

    #[test]
    fn where_nothing_varies_nothing_is_claimed() {
        let perfect = of([[10, 0], [0, 10]]);
        assert_eq!((perfect.kappa, perfect.interval, perfect.same.rate()), (1.0, None, 1.0));
        let one_class = of([[10, 0], [0, 0]]);
        assert!(one_class.kappa.is_nan() && one_class.interval.is_none());
        let none = of([[0, 0], [0, 0]]);
        assert!(none.n == 0 && none.kappa.is_nan() && none.interval.is_none());
        assert_eq!(serde_json::to_value(&none).unwrap_or_default()["kappa"], serde_json::Value::Null);
    }
}
