//! The figures of an evaluation by target, category and so on, as a table for a person.

use std::fmt::Write;

use demur_training::{Evaluation, FacetFigures};

use crate::cli::commands::leave_one_out::figure;

/// How many values of a facet are shown.
const SHOWN: usize = 12;

/// The figures by each facet of which the rows have two values or more; those with the most rows, in the
/// order of their names.
pub(crate) fn table(evaluation: &Evaluation) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let right = if evaluation.is_accuracy() { "accuracy" } else { "agreement" };
    for (facet, figures) in evaluation.by.iter().filter(|(_, figures)| figures.len() > 1) {
        writeln!(
            out,
            "  {:>7}  {:>7} {right:>9}  {:17} {:>8}  by {facet}",
            "n", "refused", "95% interval", "AUROC"
        )?;
        let mut order: Vec<&FacetFigures> = figures.iter().collect();
        order.sort_by_key(|of| std::cmp::Reverse(of.n));
        let rest = order.split_off(order.len().min(SHOWN));
        order.sort_by(|a, b| a.value.cmp(&b.value));
        for of in order {
            let (low, high) = of.accuracy_interval;
            writeln!(
                out,
                "  {:>7}  {:7.3} {:9.3}  {low:.3} to {high:.3}    {:>8}  {}",
                of.n,
                of.base_rate,
                of.accuracy,
                figure(of.auroc),
                of.value.split_whitespace().collect::<Vec<_>>().join(" ")
            )?;
        }
        if !rest.is_empty() {
            let rows: usize = rest.iter().map(|of| of.n).sum();
            writeln!(out, "  {rows:>7}  rows have {} more values; --json has all", rest.len())?;
        }
    }
    Ok(out)
}
