//! Which rows are written: `--where 'p_refusal > 0.8'`, `--where 'decision == hold'`, `--where 'kind != complied'`.

use std::str::FromStr;

use crate::error::Usage;
use crate::score::judge::{Cell, Judge};

/// A condition on an added column, as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filter {
    column: String,
    comparison: Comparison,
    value: String,
}

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// The signs, the longer ones first, for the shorter stand within them.
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
            Ok(Self { column, comparison, value })
        }
    }
}

/// A condition on one of a judge's columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    /// Number of the column.
    column: usize,
    comparison: Comparison,
    value: Value,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(f64),
    Text(String),
}

impl Filter {
    /// The condition on what a judge adds.
    ///
    /// # Errors
    /// When there is no such column, or no such value in it.
    pub(crate) fn of(&self, judge: &Judge<'_>) -> Result<Condition, Usage> {
        let columns: Vec<String> = judge
            .columns()
            .into_iter()
            .filter(|name| name != "model_digest" && name != "top_ngrams")
            .collect();
        let Self { column: name, comparison, value } = self;
        let wrong = |why: String| Usage(format!("--where {name}: {why}"));
        let Some(column) = judge.columns().iter().position(|known| known == name && columns.contains(name))
        else {
            return Err(wrong(format!("no such column is added; there are {}", columns.join(", "))));
        };
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let value = match judge.names_of(name) {
            Some(names) if !names.contains(&value.as_str()) => {
                return Err(wrong(format!("`{value}` is none of {}", names.join(", "))));
            }
            Some(_) if !equality => return Err(wrong("names are compared by == and !=".to_owned())),
            Some(_) => Value::Text(value.clone()),
            None if equality => return Err(wrong("numbers are compared by <, <=, > and >=".to_owned())),
            None => {
                let number = value.parse().ok().filter(|number: &f64| !number.is_nan());
                Value::Number(number.ok_or_else(|| wrong(format!("`{value}` is no number")))?)
            }
        };
        Ok(Condition { column, comparison: *comparison, value })
    }
}

impl Condition {
    /// Whether a row with these cells is written.
    pub(crate) fn keeps(&self, cells: &[Cell<'_>]) -> bool {
        match (&cells[self.column], &self.value) {
            (Cell::Number(number), Value::Number(than)) => match self.comparison {
                Comparison::Less => number < than,
                Comparison::LessOrEqual => number <= than,
                Comparison::Greater => number > than,
                Comparison::GreaterOrEqual => number >= than,
                Comparison::Equal | Comparison::NotEqual => false,
            },
            (Cell::Text(text), Value::Text(value)) => {
                (text == value) == (self.comparison == Comparison::Equal)
            }
            // `Filter::of` has seen to it that the kinds of values agree.
            _ => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::{Bundled, Model};

    use super::*;
    use crate::asking::Asking;

    fn condition(text: &str) -> Result<Condition, String> {
        let model = Model::bundled(Bundled::Response).unwrap();
        let judge = Judge::Responses { asking: Asking::here(&model, None), labelled_by: "demur:m@1" };
        text.parse::<Filter>()?.of(&judge).map_err(|error| error.0)
    }

    #[test]
    fn conditions_are_read_and_kept() {
        let by = Cell::Text("demur:m@1");
        let cells = [Cell::Number(0.8), Cell::Text("refused"), by, Cell::Text("rejected"), Cell::Number(0.5)];
        for (text, kept) in [
            ("p_refusal > 0.8", false),
            ("p_refusal>=0.8", true),
            ("p_refusal < .9", true),
            ("p_refusal <= 0.1", false),
            ("label == refused", true),
            ("label != 'refused'", false),
            ("kind == complied", false),
            ("refusal_degree < 1", true),
        ] {
            assert_eq!(condition(text).unwrap().keeps(&cells), kept, "{text}");
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
            ("decision == hold", "no such column is added; there are p_refusal, label, labelled_by, kind"),
        ] {
            let error = condition(wrong).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
