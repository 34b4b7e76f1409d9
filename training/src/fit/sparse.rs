//! The feature matrix: a sprs CSR matrix that implements linfa's `Records`, and the two products that a fit
//! needs.

use std::borrow::Cow;

use linfa::dataset::Records;
use rayon::prelude::*;
use sprs::CsMatI;

/// Rows of features in compressed sparse row form.
#[derive(Debug, Clone)]
pub struct SparseMatrix(CsMatI<f64, u32, usize>);

impl Records for SparseMatrix {
    type Elem = f64;

    fn nsamples(&self) -> usize {
        self.0.rows()
    }

    fn nfeatures(&self) -> usize {
        self.0.cols()
    }
}

/// Rows, or columns, that one task processes: enough work to pay for the overhead, and a constant, so that
/// results do not depend on the number of threads.
const CHUNK: usize = 4096;
const ROW_CHUNK: usize = 128;

impl SparseMatrix {
    /// Builds a matrix from rows of `(feature, value)`, ascending by feature.
    ///
    /// # Panics
    /// When a row is not sorted and unique or contains a feature beyond `features`.
    #[must_use]
    pub fn from_rows(rows: &[Vec<(u32, f64)>], features: usize) -> Self {
        let mut ends = Vec::with_capacity(rows.len() + 1);
        ends.push(0);
        let entries = rows.iter().map(Vec::len).sum();
        let (mut indices, mut values) = (Vec::with_capacity(entries), Vec::with_capacity(entries));
        for row in rows {
            indices.extend(row.iter().map(|(feature, _)| *feature));
            values.extend(row.iter().map(|(_, value)| *value));
            ends.push(indices.len());
        }
        Self(CsMatI::new((rows.len(), features), ends, indices, values))
    }

    /// Builds a matrix from rows that a function writes, on all cores; `S` is its state from one row to the
    /// next.
    ///
    /// # Panics
    /// As [`SparseMatrix::from_rows`].
    pub(crate) fn build<S: Default>(
        rows: usize,
        features: usize,
        row: impl Fn(usize, &mut S, &mut Vec<(u32, f64)>) + Sync,
    ) -> Self {
        let part = |from: usize| {
            let (mut state, mut entries) = (S::default(), Vec::new());
            let (mut ends, mut indices, mut values) = (Vec::new(), Vec::new(), Vec::new());
            for at in from..rows.min(from + CHUNK) {
                entries.clear();
                row(at, &mut state, &mut entries);
                indices.extend(entries.iter().map(|(feature, _)| *feature));
                values.extend(entries.iter().map(|(_, value)| *value));
                ends.push(indices.len());
            }
            (ends, indices, values)
        };
        let parts: Vec<_> =
            (0..rows.div_ceil(CHUNK)).into_par_iter().map(|part_at| part(part_at * CHUNK)).collect();
        let entries = parts.iter().map(|(_, indices, _)| indices.len()).sum();
        let mut all_ends = Vec::with_capacity(rows + 1);
        let (mut indices, mut values) = (Vec::with_capacity(entries), Vec::with_capacity(entries));
        all_ends.push(0);
        // Each part is freed once it is copied, so a large matrix is never in memory twice.
        for (ends, mut of_indices, mut of_values) in parts {
            all_ends.extend(ends.into_iter().map(|end| indices.len() + end));
            indices.append(&mut of_indices);
            values.append(&mut of_values);
        }
        Self(CsMatI::new((rows, features), all_ends, indices, values))
    }

    /// The underlying sprs matrix.
    #[must_use]
    pub const fn csr(&self) -> &CsMatI<f64, u32, usize> {
        &self.0
    }

    /// Xw + b for every row; `w` has one entry per feature, followed by the intercept `b`.
    pub(crate) fn times(&self, w: &[f64]) -> Vec<f64> {
        let mut out = Vec::new();
        self.times_into(w, &mut out);
        out
    }

    /// The same into a buffer, to reuse its memory.
    pub(crate) fn times_into(&self, w: &[f64], out: &mut Vec<f64>) {
        let (ends, indices, values) = (self.0.indptr(), self.0.indices(), self.0.data());
        let ends = ends.raw_storage();
        let bias = w.last().copied().unwrap_or_default();
        let row = |row: usize| {
            let range = ends[row]..ends[row + 1];
            bias + gather(&indices[range.clone()], &values[range], w)
        };
        (0..self.0.rows()).into_par_iter().with_min_len(ROW_CHUNK).map(row).collect_into_vec(out);
    }
}

/// A matrix in which all features that occur in a single row are merged into one feature of that row.
///
/// An L2 penalty divides a weight among such features in proportion to their values, so they can be fitted as
/// one feature whose value is their length: the same optimum with a fraction of the columns. Most n-grams are
/// such features.
pub(crate) struct Merged<'m> {
    pub(crate) matrix: Cow<'m, SparseMatrix>,
    /// For each original feature, its column in the merged matrix and its share of the column's weight.
    shares: Vec<(u32, f64)>,
}

impl<'m> Merged<'m> {
    pub(crate) fn of(matrix: &'m SparseMatrix) -> Self {
        let csr = &matrix.0;
        let mut occurrences = vec![0_u32; csr.cols()];
        csr.indices().iter().for_each(|&feature| occurrences[feature as usize] += 1);
        if occurrences.iter().all(|&count| count != 1) {
            let shares = (0..).map(|column| (column, 1.0)).take(csr.cols()).collect();
            return Self { matrix: Cow::Borrowed(matrix), shares };
        }
        // A feature that occurs in a single row, with the value 0, gets no share.
        let mut shares = vec![(0, 0.0); csr.cols()];
        let mut columns = 0;
        for (share, _) in shares.iter_mut().zip(&occurrences).filter(|(_, count)| **count != 1) {
            *share = (columns, 1.0);
            columns += 1;
        }
        let mut rows = Vec::with_capacity(csr.rows());
        // Features that occur only in this row become one column, whose value is their norm.
        for row in csr.outer_iterator() {
            let mut merged = Vec::with_capacity(row.nnz());
            let mut squares = 0.0;
            for (feature, &value) in row.iter() {
                if occurrences[feature] == 1 {
                    squares += value * value;
                } else {
                    merged.push((shares[feature].0, value));
                }
            }
            if squares > 0.0 {
                let length = f64::sqrt(squares);
                for (feature, &value) in row.iter().filter(|(feature, _)| occurrences[*feature] == 1) {
                    shares[feature] = (columns, value / length);
                }
                merged.push((columns, length));
                columns += 1;
            }
            rows.push(merged);
        }
        Self { matrix: Cow::Owned(SparseMatrix::from_rows(&rows, columns as usize)), shares }
    }

    /// The weights of the original features, from those of the merged ones.
    pub(crate) fn expand(&self, weights: &[f64]) -> Vec<f64> {
        let weight = |column: u32| weights.get(column as usize).copied().unwrap_or_default();
        self.shares.iter().map(|&(column, share)| weight(column) * share).collect()
    }

    /// The weights of the merged features, from those of the original ones.
    pub(crate) fn collapse(&self, weights: &[f64]) -> Vec<f64> {
        let mut merged = vec![0.0; self.matrix.nfeatures()];
        for (&(column, share), weight) in self.shares.iter().zip(weights) {
            if let Some(merged) = merged.get_mut(column as usize) {
                *merged += share * weight;
            }
        }
        merged
    }
}

/// The same matrix in column order, for products from the left.
pub(crate) struct Columns(CsMatI<f64, u32, usize>);

impl Columns {
    pub(crate) fn of(matrix: &SparseMatrix) -> Self {
        Self(matrix.0.to_csc())
    }

    /// X'r, followed by the sum of `r` (the intercept's column is all ones).
    pub(crate) fn transposed_times(&self, r: &[f64]) -> Vec<f64> {
        let mut out = Vec::new();
        self.transposed_times_into(r, &mut out);
        out
    }

    /// The same into a buffer, to reuse its memory.
    pub(crate) fn transposed_times_into(&self, r: &[f64], out: &mut Vec<f64>) {
        self.each_column(r.iter().sum(), out, |indices, values| gather(indices, values, r));
    }

    /// The diagonal of X'DX for a diagonal D, followed by the sum of D.
    pub(crate) fn diagonal(&self, d: &[f64]) -> Vec<f64> {
        let mut out = Vec::new();
        self.each_column(d.iter().sum(), &mut out, |indices, values| {
            indices.iter().zip(values).map(|(&row, value)| value * value * d[row as usize]).sum()
        });
        out
    }

    fn each_column(&self, last: f64, out: &mut Vec<f64>, column: impl Fn(&[u32], &[f64]) -> f64 + Sync) {
        let (ends, indices, values) = (self.0.indptr(), self.0.indices(), self.0.data());
        let ends = ends.raw_storage();
        (0..self.0.cols())
            .into_par_iter()
            .with_min_len(CHUNK)
            .map(|at| {
                let range = ends[at]..ends[at + 1];
                column(&indices[range.clone()], &values[range])
            })
            .collect_into_vec(out);
        out.push(last);
    }
}

fn gather(indices: &[u32], values: &[f64], from: &[f64]) -> f64 {
    indices.iter().zip(values).map(|(&at, value)| value * from[at as usize]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_one_row_are_merged_and_expanded_again() {
        // Features 0 and 3 occur in the first row only, 1 in both, 2 in none.
        let x = SparseMatrix::from_rows(&[vec![(0, 3.0), (1, 1.0), (3, 4.0)], vec![(1, 2.0)]], 4);
        let merged = Merged::of(&x);
        assert_eq!((merged.matrix.nsamples(), merged.matrix.nfeatures()), (2, 3));
        let weights = merged.collapse(&[0.3, 7.0, 0.0, 0.4]);
        assert!(weights.iter().zip([7.0, 0.0, 0.5]).all(|(a, b)| (a - b).abs() < 1e-12), "{weights:?}");
        let expanded = merged.expand(&weights);
        assert!(
            expanded.iter().zip([0.3, 7.0, 0.0, 0.4]).all(|(a, b)| (a - b).abs() < 1e-12),
            "{expanded:?}"
        );
        let with_bias = |mut w: Vec<f64>| {
            w.push(0.5);
            w
        };
        let (short, long) = (merged.matrix.times(&with_bias(weights)), x.times(&with_bias(expanded)));
        assert!(short.iter().zip(&long).all(|(a, b)| (a - b).abs() < 1e-12), "{short:?} {long:?}");
    }

    #[test]
    fn products_are_those_of_the_dense_matrix() {
        // [[1, 0, 2], [0, 3, 0]] followed by the intercept's column of ones.
        let x = SparseMatrix::from_rows(&[vec![(0, 1.0), (2, 2.0)], vec![(1, 3.0)]], 3);
        assert_eq!((x.nsamples(), x.nfeatures()), (2, 3));
        assert_eq!(x.times(&[1.0, 10.0, 100.0, 0.5]), [201.5, 30.5]);
        let columns = Columns::of(&x);
        assert_eq!(columns.transposed_times(&[1.0, 2.0]), [1.0, 6.0, 2.0, 3.0]);
        assert_eq!(columns.diagonal(&[1.0, 2.0]), [1.0, 18.0, 4.0, 3.0]);
    }
}
