//! Cells of both databases: what a statement is given and what a row holds.

use std::borrow::Cow;

use anyhow::bail;

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(Cow<'a, str>),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Integer(i64::from(flag))
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<Option<f64>> for Value<'_> {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Null, Self::Real)
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::Null, Self::Integer)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

impl<'a> From<&'a Option<String>> for Value<'a> {
    fn from(text: &'a Option<String>) -> Self {
        Self::from(text.as_deref())
    }
}

/// A row of a result.
#[derive(Debug)]
pub(super) struct Row(pub(super) Vec<Value<'static>>);

impl Row {
    /// The text of a column.
    ///
    /// # Errors
    /// When it holds something else.
    pub(super) fn text(&mut self, at: usize) -> anyhow::Result<String> {
        match self.optional_text(at)? {
            Some(text) => Ok(text),
            None => bail!("the store has no text in column {at} of a row: something else has written to it"),
        }
    }

    /// The same, or nothing.
    ///
    /// # Errors
    /// When it holds something else.
    pub(super) fn optional_text(&mut self, at: usize) -> anyhow::Result<Option<String>> {
        match self.0.get_mut(at).map(|cell| std::mem::replace(cell, Value::Null)) {
            Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.into_owned())),
            other => {
                bail!("the store has {other:?} where a text was expected: something else has written to it")
            }
        }
    }

    /// The whole number of a column.
    ///
    /// # Errors
    /// When it holds something else.
    pub(super) fn integer(&self, at: usize) -> anyhow::Result<i64> {
        match self.optional_integer(at)? {
            Some(number) => Ok(number),
            None => {
                bail!("the store has no number in column {at} of a row: something else has written to it")
            }
        }
    }

    /// The same, or nothing.
    ///
    /// # Errors
    /// When it holds something else.
    pub(super) fn optional_integer(&self, at: usize) -> anyhow::Result<Option<i64>> {
        match self.0.get(at) {
            Some(Value::Null) => Ok(None),
            Some(Value::Integer(number)) => Ok(Some(*number)),
            other => {
                bail!("the store has {other:?} where a number was expected: something else has written to it")
            }
        }
    }

    /// A number.
    ///
    /// # Errors
    /// When it holds something else.
    pub(super) fn real(&self, at: usize) -> anyhow::Result<f64> {
        match self.optional_real(at)? {
            Some(number) => Ok(number),
            None => {
                bail!("the store has no number in column {at} of a row: something else has written to it")
            }
        }
    }

    /// A number, or nothing.
    ///
    /// # Errors
    /// When it holds something else.
    pub(super) fn optional_real(&self, at: usize) -> anyhow::Result<Option<f64>> {
        match self.0.get(at) {
            Some(Value::Null) => Ok(None),
            Some(Value::Real(number)) => Ok(Some(*number)),
            other => {
                bail!("the store has {other:?} where a number was expected: something else has written to it")
            }
        }
    }
}
