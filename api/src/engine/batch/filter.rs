//! Which rows are written: `--where 'p_refusal > 0.8'`, `--where 'decision == hold'`, `--where 'kind !=
//! complied'`.

use std::str::FromStr;

use serde::Serialize;

use crate::engine::Usage;
use crate::engine::batch::columns::{Cell, Columns, ValueKind};

/// A condition on an added column, as the user wrote it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filter {
    column: String,
    comparison: Comparison,
    value: String,
    /// Whether the rows that do not meet it are meant.
    negated: bool,
}

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// The operators. The longer ones come first because the shorter ones are contained in them.
const SIGNS: [(&str, Comparison); 6] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no condition; write p_refusal > 0.8 or decision == hold");
        let (sign, comparison) = SIGNS.into_iter().find(|(sign, _)| text.contains(sign)).ok_or_else(wrong)?;
        let (column, value) = text.split_once(sign).ok_or_else(wrong)?;
        let value = value.trim().trim_matches(['"', '\'']).to_owned();
        let column = column.trim().to_owned();
        if column.is_empty() || value.is_empty() {
            Err(wrong())
        } else {
            Ok(Self { column, comparison, value, negated: false })
        }
    }
}

/// A checked condition on one of the added columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Condition {
    /// Index of the column.
    column: usize,
    comparison: Comparison,
    value: Operand,
    /// Left out where it is false, so that digests of unfinished runs stay the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    negated: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
enum Operand {
    Number(f64),
    Text(String),
    /// No value: `label == null`.
    Null,
}

impl Filter {
    /// The condition that the other rows meet, those without a value included.
    pub(crate) const fn others(mut self) -> Self {
        self.negated = !self.negated;
        self
    }

    /// Checks the condition against the added columns.
    ///
    /// # Errors
    /// When there is no such column, or no such value in it.
    pub(crate) fn of(&self, columns: &Columns<'_>) -> Result<Condition, Usage> {
        let Self { column: name, comparison, value, negated } = self;
        let wrong = |why: String| Usage(format!("--where {name}: {why}"));
        let list = columns.list();
        let found = list.iter().position(|column| column.name == *name && column.can_be_asked());
        let Some(column) = found else {
            let there = list.iter().filter(|column| column.can_be_asked());
            let there = there.map(|column| format!("{} ({})", column.name, column.description));
            return Err(wrong(format!(
                "no such column is added; there are {}",
                there.collect::<Vec<_>>().join(", ")
            )));
        };
        let (kind, names) = (list[column].kind, &list[column].values);
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let value = match kind {
            ValueKind::Number if equality => {
                return Err(wrong("numbers are compared by <, <=, > and >=".to_owned()));
            }
            ValueKind::Number => {
                let number = value.parse().ok().filter(|number: &f64| !number.is_nan());
                Operand::Number(number.ok_or_else(|| wrong(format!("`{value}` is no number")))?)
            }
            _ if value == "null" && equality => Operand::Null,
            _ if !names.contains(&value.as_str()) => {
                return Err(wrong(format!("`{value}` is none of {}", names.join(", "))));
            }
            _ if !equality => return Err(wrong("names are compared by == and !=".to_owned())),
            _ => Operand::Text(value.clone()),
        };
        Ok(Condition { column, comparison: *comparison, value, negated: *negated })
    }
}

impl Condition {
    /// Whether a row with these cells is written.
    pub(crate) fn keeps(&self, cells: &[Cell<'_>]) -> bool {
        self.is_met(cells) != self.negated
    }

    fn is_met(&self, cells: &[Cell<'_>]) -> bool {
        let is_equal = self.comparison == Comparison::Equal;
        match (&cells[self.column], &self.value) {
            (cell, Operand::Null) => (*cell == Cell::Null) == is_equal,
            (Cell::Number(number), Operand::Number(than)) => match self.comparison {
                Comparison::Less => number < than,
                Comparison::LessOrEqual => number <= than,
                Comparison::Greater => number > than,
                Comparison::GreaterOrEqual => number >= than,
                Comparison::Equal | Comparison::NotEqual => false,
            },
            (Cell::Text(text), Operand::Text(value)) => (text == value) == is_equal,
            (Cell::Flag(flag), Operand::Text(value)) => (*flag == (value == "true")) == is_equal,
            // A row without a value meets no other condition, as in SQL. Types match: `Filter::of` has
            // checked them.
            _ => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::{Bundled, Model, Phrases};

    use super::*;
    use crate::engine::batch::RowQuestion;
    use crate::engine::judgement::Judge;
    use crate::engine::tiered_model::TieredModel;

    fn condition(text: &str) -> Result<Condition, String> {
        let model = Model::bundled(Bundled::Response).unwrap();
        let phrases = Phrases::default();
        let (tiered, policy) = (TieredModel::here(&model, None), model.manifest().policy);
        let judge = Judge { tiered, policy, phrases: &phrases };
        let question = RowQuestion::Responses { judge, labelled_by: "demur:m@1", prefix: None };
        text.parse::<Filter>()?.of(&Columns::of(question)).map_err(|error| error.0)
    }

    #[test]
    fn conditions_are_read_and_kept() {
        let text = Cell::Text;
        let (kind, degree) = (text("rejected"), Cell::Number(0.5));
        let (by, form, reasoning) = (text("demur:m@1"), text("text"), Cell::Flag(false));
        let cells = [Cell::Number(0.8), text("refused"), by, form, reasoning, kind, degree];
        let none = vec![Cell::Null; cells.len()];
        for (text, kept) in [
            ("p_refusal > 0.8", false),
            ("p_refusal>=0.8", true),
            ("p_refusal < .9", true),
            ("p_refusal <= 0.1", false),
            ("label == refused", true),
            ("label != 'refused'", false),
            ("kind == complied", false),
            ("refusal_degree < 1", true),
            ("reasoning == true", false),
            ("form == text", true),
            ("label != null", true),
        ] {
            let condition = condition(text).unwrap();
            assert_eq!(condition.keeps(&cells), kept, "{text}");
            assert!(!condition.keeps(&none), "{text} of a row without values");
        }
    }

    #[test]
    fn rows_without_a_label_are_asked_for_by_null() {
        let none = vec![Cell::Null; 7];
        for (text, kept) in [("label == null", true), ("label != null", false), ("label != refused", false)] {
            assert_eq!(condition(text).unwrap().keeps(&none), kept, "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_said() {
        for (wrong, said) in [
            ("", "is no condition"),
            ("p_refusal", "is no condition"),
            ("> 1", "is no condition"),
            ("p_refusal > x", "`x` is no number"),
            ("p_refusal == 1", "numbers are compared"),
            ("p_refusal > nan", "no number"),
            ("label > refused", "names are compared"),
            ("label == go", "none of complied, refused"),
            (
                "decision == hold",
                "no such column is added; there are p_refusal (the probability of a refusal), label (",
            ),
        ] {
            let error = condition(wrong).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
