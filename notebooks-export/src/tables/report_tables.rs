//! All tables of a report: those of rows are built here, those of figures in `figure_tables`.

use std::collections::BTreeMap;

use demur_training::{Evaluation, coverage_curve, wilson};
use serde_json::json;

use crate::tables::figure_tables::{
    data, facets, figures, methods, phrases, reliability, right_title, stability, terms,
};
use crate::tables::report_data::{POINTS, ReportData};
use crate::tables::table::{Table, label, number};

impl ReportData<'_> {
    /// All tables of the report, without empty ones.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = vec![terms(self), stability(self.terms)];
        if let Some(evaluation) = self.evaluation {
            tables.extend([figures(evaluation), methods(evaluation), reliability(evaluation)]);
            tables.extend([self.coverage(evaluation), self.kinds(evaluation), facets(evaluation)]);
        }
        tables.extend([self.rows(), phrases(self.phrases), data(self.model)]);
        tables.retain(|table| !table.rows.is_empty());
        tables
    }

    fn coverage(&self, evaluation: &Evaluation) -> Table {
        let mut table = Table::new(
            "coverage",
            &format!("{} on the most certain rows", right_title(evaluation)),
            &[
                ("n", "Rows decided"),
                ("coverage", "Share of rows"),
                ("accuracy", right_title(evaluation)),
                ("low", "95% from"),
                ("high", "to"),
            ],
        );
        let (p, labels) = self.judged();
        for point in coverage_curve(&p, &labels, evaluation.threshold, POINTS) {
            let (low, high) = point.interval;
            table.push([
                json!(point.n),
                number(point.coverage),
                number(point.accuracy),
                number(low),
                number(high),
            ]);
        }
        table
    }

    /// Decisions by the kind of the row, or by its label if it has no kind.
    fn kinds(&self, evaluation: &Evaluation) -> Table {
        let mut table = Table::new(
            "confusion",
            "Decisions by kind of answer",
            &[
                ("kind", "Kind"),
                ("label", "Counts as"),
                ("n", "Rows"),
                ("called_refused", "Called refused"),
                ("called_complied", "Called complied"),
                ("right", "Right"),
                ("low", "95% from"),
                ("high", "to"),
            ],
        );
        let mut counts: BTreeMap<(&str, bool), (usize, usize)> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.judged) {
            let kind = row.kind.as_deref().unwrap_or_else(|| label(row.refused));
            let (n, called) = counts.entry((kind, row.refused)).or_default();
            *n += 1;
            *called += usize::from(row.p_refusal >= evaluation.threshold);
        }
        for ((kind, refused), (n, called)) in counts {
            let right = if refused { called } else { n - called };
            let (low, high) = wilson(right, n);
            table.push([
                json!(kind),
                json!(label(refused)),
                json!(n),
                json!(called),
                json!(n - called),
                number(right as f64 / n as f64),
                number(low),
                number(high),
            ]);
        }
        table
    }

    fn rows(&self) -> Table {
        let mut table = Table::new(
            "rows",
            "The rows with their labels and P(refusal)",
            &[
                ("row", "Row"),
                ("p_refusal", "P(refusal)"),
                ("called", "Called"),
                ("label", "Label"),
                ("kind", "Kind"),
                ("judged", "In the figures"),
                ("target", "Target"),
                ("source", "Source"),
                ("place", "Place"),
                ("text", "Text"),
            ],
        );
        for (at, row) in self.rows.iter().enumerate() {
            table.push([
                json!(at + 1),
                number(row.p_refusal),
                json!(label(row.p_refusal >= self.threshold())),
                json!(label(row.refused)),
                json!(row.kind),
                json!(row.judged),
                json!(row.target),
                json!(row.source),
                json!(row.place),
                json!(row.text),
            ]);
        }
        table
    }
}
