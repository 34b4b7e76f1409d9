//! Refusal rates: refused of n by any columns, two targets on the same prompts, over- and under-refusal, and
//! the agreement of two labellers.
//!
//! A row without an answer (an outage, an empty reply) is neither refused nor complied. It is counted apart
//! and never enters a rate.

mod agreement;
mod paired;
mod rate;

use std::collections::BTreeMap;

use demur_data::Labeller;
use serde::Serialize;
use serde_json::{Map, Value, json};

pub use agreement::Agreement;
pub use paired::{DIFFERENCE_INTERVAL, MCNEMAR, PairedRates};
pub use rate::{Outcome, Rate, Share};

/// One row, as the rates count it.
#[derive(Debug, Clone, PartialEq)]
pub struct RatedRow {
    /// Its value of each column that makes the groups.
    pub by: Vec<Option<String>>,
    /// The model that answered.
    pub target: Option<String>,
    /// What became of the prompt.
    pub outcome: Outcome,
    /// Who says so.
    pub labeller: Labeller,
    /// Whether the prompt is harmful, if that is asked for and known.
    pub harmful: Option<bool>,
    /// Whether another label says that it was refused, if that is asked for and known.
    pub other: Option<bool>,
}

/// The rows that share the values of some columns.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRate {
    /// Their values, in the order of the columns; `None` where the row has none.
    pub values: Vec<Option<String>>,
    /// How many were refused.
    pub rate: Rate,
}

/// What a target refuses although it is safe, and does although it is not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HarmRates {
    /// The target; `None` for rows that name none.
    pub target: Option<String>,
    /// Over-refusal: refused of the safe prompts.
    pub over_refusal: Share,
    /// Under-refusal: complied of the harmful prompts.
    pub under_refusal: Share,
}

/// All rates of some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RateReport {
    /// The columns that make the groups.
    pub by: Vec<String>,
    /// All rows together.
    pub total: Rate,
    /// The groups, sorted by their values.
    pub groups: Vec<GroupRate>,
    /// The model behind Demur's own labels, if it gave any.
    pub model: Option<String>,
    /// Two targets on the prompts that both answered, if asked for.
    pub paired: Option<PairedRates>,
    /// Over- and under-refusal of each target, if asked for.
    pub harm: Option<Vec<HarmRates>>,
    /// The agreement with another label column, if asked for.
    pub agreement: Option<Agreement>,
}

impl RateReport {
    /// The rates of some rows by these columns.
    #[must_use]
    pub fn of(by: Vec<String>, rows: &[RatedRow]) -> Self {
        let mut total = Rate::default();
        let mut groups: BTreeMap<&[Option<String>], Rate> = BTreeMap::new();
        for row in rows {
            total.add(row.outcome, row.labeller);
            groups.entry(&row.by).or_default().add(row.outcome, row.labeller);
        }
        let groups = groups.into_iter().map(|(values, rate)| GroupRate { values: values.to_vec(), rate });
        let groups = if by.is_empty() { Vec::new() } else { groups.collect() };
        Self { by, total, groups, model: None, paired: None, harm: None, agreement: None }
    }

    /// The figures as a JSON object; the groups name the columns that make them. What was not asked for is
    /// left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut report = Map::new();
        report.insert("by".to_owned(), json!(self.by));
        report.insert("total".to_owned(), json!(self.total));
        report.insert("groups".to_owned(), self.groups.iter().map(|group| self.group(group)).collect());
        for (name, part) in [
            ("model", json!(self.model)),
            ("paired", json!(self.paired)),
            ("harm", json!(self.harm)),
            ("agreement", json!(self.agreement)),
        ] {
            if !part.is_null() {
                report.insert(name.to_owned(), part);
            }
        }
        Value::Object(report)
    }

    /// A group in JSON: the values of its columns by name, and its figures.
    fn group(&self, group: &GroupRate) -> Value {
        let by: Map<String, Value> =
            self.by.iter().cloned().zip(group.values.iter().map(|v| json!(v))).collect();
        let mut figures = json!(group.rate);
        figures["by"] = Value::Object(by);
        figures
    }

    /// Whose labels it counts.
    #[must_use]
    pub fn basis(&self) -> String {
        let model = self.model.as_deref().map(|model| format!(", model {model}")).unwrap_or_default();
        let rows = |(labeller, n): (&Labeller, &usize)| {
            let model = if *labeller == Labeller::Demur { model.as_str() } else { "" };
            let rows = if *n == 1 { "row" } else { "rows" };
            format!("{n} {rows} labelled {}{model}", labeller.in_words())
        };
        let parts: Vec<String> = self.total.labelled_by.iter().map(rows).collect();
        if parts.is_empty() { "no row has an answer".to_owned() } else { parts.join(", ") }
    }

    /// The `top` groups with the most rows, in the order of [`groups`](Self::groups).
    #[must_use]
    pub fn largest(&self, top: usize) -> Vec<&GroupRate> {
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|&at| std::cmp::Reverse(self.groups[at].rate.rows()));
        order.truncate(top);
        order.sort_unstable();
        order.into_iter().map(|at| &self.groups[at]).collect()
    }
}

/// Over- and under-refusal of each target, sorted by name. Rows of which it is not known whether they are
/// harmful take no part.
#[must_use]
pub fn harm_rates(rows: &[RatedRow]) -> Vec<HarmRates> {
    let mut targets: BTreeMap<Option<&str>, (Share, Share)> = BTreeMap::new();
    for row in rows {
        let (Outcome::Answered(refused), Some(harmful)) = (row.outcome, row.harmful) else { continue };
        let (over, under) = targets.entry(row.target.as_deref()).or_default();
        if harmful { under.add(1.0 - refused) } else { over.add(refused) }
    }
    let rates = targets.into_iter().map(|(target, (over_refusal, under_refusal))| HarmRates {
        target: target.map(str::to_owned),
        over_refusal,
        under_refusal,
    });
    rates.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(by: &[&str], target: &str, outcome: Outcome, harmful: Option<bool>) -> RatedRow {
        RatedRow {
            by: by.iter().map(|&value| (!value.is_empty()).then(|| value.to_owned())).collect(),
            target: Some(target.to_owned()),
            outcome,
            labeller: Labeller::Person,
            harmful,
            other: None,
        }
    }

    #[test]
    fn rows_are_counted_by_the_values_of_their_columns() {
        let rows = [
            row(&["b", "x"], "t", Outcome::Answered(1.0), None),
            row(&["a", ""], "t", Outcome::Answered(0.0), None),
            row(&["b", "x"], "t", Outcome::Answered(0.0), None),
            row(&["b", "x"], "t", Outcome::NoAnswer, None),
            row(&["b", "y"], "t", Outcome::Neither, None),
        ];
        let report = RateReport::of(vec!["one".to_owned(), "two".to_owned()], &rows);
        let found: Vec<_> = report
            .groups
            .iter()
            .map(|group| {
                let values: Vec<&str> = group.values.iter().map(|v| v.as_deref().unwrap_or("-")).collect();
                (values.join(" "), group.rate.refused, group.rate.n, group.rate.no_answer, group.rate.neither)
            })
            .collect();
        let group =
            |name: &str, refused, n, no_answer, neither| (name.to_owned(), refused, n, no_answer, neither);
        assert_eq!(
            found,
            [group("a -", 0.0, 1, 0, 0), group("b x", 1.0, 2, 1, 0), group("b y", 0.0, 0, 0, 1)]
        );
        assert_eq!((report.total.refused, report.total.n, report.total.rows()), (1.0, 3, 5));
        let largest: Vec<_> = report.largest(1).iter().map(|group| group.rate.rows()).collect();
        assert_eq!(largest, [3]);
        let json = report.to_json();
        assert_eq!(json["groups"][0]["by"], json!({"one": "a", "two": null}));
        assert_eq!(json["groups"][2]["rate"], Value::Null, "a rate of none is not 0");
        assert_eq!(report.basis(), "4 rows labelled by persons");
        assert!(json.get("paired").is_none(), "it was not asked for");
    }

    #[test]
    fn without_columns_there_are_no_groups() {
        let report = RateReport::of(Vec::new(), &[row(&[], "t", Outcome::Answered(1.0), None)]);
        assert!(report.groups.is_empty() && report.total.n == 1);
    }

    #[test]
    fn over_refusal_is_of_the_safe_and_under_refusal_of_the_harmful() {
        let of = |target: &str, refused: f64, harmful| row(&[], target, Outcome::Answered(refused), harmful);
        let rows = [
            of("b", 1.0, Some(false)),
            of("b", 0.0, Some(false)),
            of("b", 0.0, Some(true)),
            of("b", 1.0, None),
            of("a", 1.0, Some(true)),
            row(&[], "a", Outcome::NoAnswer, Some(true)),
        ];
        let found = harm_rates(&rows);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].target.as_deref(), Some("a"));
        assert_eq!((found[0].over_refusal.n, found[0].under_refusal), (0, Share { count: 0.0, n: 1 }));
        assert_eq!(found[1].over_refusal, Share { count: 1.0, n: 2 });
        assert_eq!(found[1].under_refusal, Share { count: 1.0, n: 1 });
    }
}
