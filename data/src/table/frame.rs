//! A few thousand rows as columns: Arrow's arrays with their names.

use std::fmt;

use polars_arrow::array::builder::ShareStrategy;
use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, FixedSizeListArray, ListArray, PrimitiveArray, StructArray,
    Utf8ViewArray,
};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::compute::concatenate::concatenate;
use polars_arrow::compute::utils::combine_validities_and;
use polars_arrow::datatypes::Field;
use polars_compute::filter::filter_with_bitmap;
use polars_utils::IdxSize;

use super::{convert, names, said};

/// Rows of a table in columns, which have different names.
#[derive(Clone, PartialEq)]
pub struct Frame {
    height: usize,
    columns: Vec<(String, Box<dyn Array>)>,
}

/// The values of a new column.
#[derive(Debug, Clone)]
pub enum Values<'v> {
    /// Numbers.
    Numbers(Vec<Option<f64>>),
    /// Yes or no.
    Flags(Vec<Option<bool>>),
    /// Texts.
    Texts(Vec<Option<&'v str>>),
}

impl Values<'_> {
    fn array(self) -> Box<dyn Array> {
        match self {
            Self::Numbers(values) => PrimitiveArray::<f64>::from(values).boxed(),
            Self::Flags(values) => BooleanArray::from(values).boxed(),
            Self::Texts(values) => Utf8ViewArray::from_slice(values).boxed(),
        }
    }
}

impl Frame {
    /// A frame of arrays, each of one of the types that frames have.
    ///
    /// # Errors
    /// If a column has another length, or two columns have one name.
    pub(crate) fn new(height: usize, columns: Vec<(String, Box<dyn Array>)>) -> Result<Self, String> {
        let mut frame = Self { height, columns: Vec::with_capacity(columns.len()) };
        frame.add(columns)?;
        Ok(frame)
    }

    /// A frame of one column.
    #[must_use]
    pub fn of(name: &str, values: Values<'_>) -> Self {
        let array = values.array();
        Self { height: array.len(), columns: vec![(name.to_owned(), array)] }
    }

    /// Adds columns behind the others.
    fn add(&mut self, columns: Vec<(String, Box<dyn Array>)>) -> Result<(), String> {
        let mut seen: std::collections::HashSet<String> = self.names().map(str::to_owned).collect();
        for (name, array) in columns {
            if array.len() != self.height {
                return Err(format!("column `{name}` has {} values in {} rows", array.len(), self.height));
            }
            if !seen.insert(name.clone()) {
                return Err(format!("two columns are called `{name}`; rename one"));
            }
            self.columns.push((name, array));
        }
        Ok(())
    }

    /// Adds columns behind the others.
    ///
    /// # Errors
    /// If a column has not a value for each row, or a name that is taken.
    pub fn append(&mut self, columns: Vec<(&str, Values<'_>)>) -> Result<(), String> {
        self.add(columns.into_iter().map(|(name, values)| (name.to_owned(), values.array())).collect())
    }

    /// Number of rows.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.height
    }

    /// The names of the columns.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The types of the columns.
    pub fn types(&self) -> impl ExactSizeIterator<Item = String> {
        self.columns.iter().map(|(_, array)| names::name(array.dtype()))
    }

    pub(super) fn columns(&self) -> impl ExactSizeIterator<Item = (&str, &dyn Array)> {
        self.columns.iter().map(|(name, array)| (name.as_str(), array.as_ref()))
    }

    /// The columns as fields of a schema.
    pub(super) fn fields(&self) -> Vec<Field> {
        self.columns().map(|(name, array)| Field::new(name.into(), array.dtype().clone(), true)).collect()
    }

    /// A column.
    ///
    /// # Errors
    /// If there is none of this name.
    fn column(&self, name: &str) -> Result<&dyn Array, String> {
        let found = self.columns().find(|(of, _)| *of == name);
        found.map(|(_, array)| array).ok_or_else(|| format!("there is no column `{name}`"))
    }

    fn map(&self, height: usize, change: impl Fn(&dyn Array) -> Box<dyn Array>) -> Self {
        let columns = self.columns.iter().map(|(name, array)| (name.clone(), change(array.as_ref())));
        Self { height, columns: columns.collect() }
    }

    /// The rows from `from` on, at most `most`.
    #[must_use]
    pub fn slice(&self, from: usize, most: usize) -> Self {
        let from = from.min(self.height);
        let height = most.min(self.height - from);
        self.map(height, |array| array.sliced(from, height))
    }

    /// The first rows.
    #[must_use]
    pub fn head(&self, most: usize) -> Self {
        self.slice(0, most)
    }

    /// The rows that are kept; `keep` says it of each row.
    #[must_use]
    pub fn filter(&self, keep: &[bool]) -> Self {
        let mask = Bitmap::from(keep);
        self.map(mask.set_bits(), |array| {
            let mut kept = filter_with_bitmap(array, &mask);
            // The filter returns dates and times as the numbers that they are made of.
            *kept.dtype_mut() = array.dtype().clone();
            kept
        })
    }

    /// The rows at these places, each of them in this frame, in memory of their own.
    fn take(&self, rows: &[IdxSize]) -> Self {
        self.map(rows.len(), |array| convert::taken(array, rows, ShareStrategy::Never))
    }

    /// The rows whose number in a column is one that is wanted, in memory of their own.
    ///
    /// # Errors
    /// If there is no such column of numbers.
    pub fn select(&self, column: &str, wanted: impl Fn(Option<f64>) -> bool) -> Result<Self, String> {
        let rows = (0..).zip(self.numbers(column)?).filter(|(_, number)| wanted(*number));
        Ok(self.take(&rows.map(|(row, _)| row).collect::<Vec<IdxSize>>()))
    }

    /// The rows from the highest number in a column to the lowest, at most `most`, and those without one
    /// last; ties keep their order.
    ///
    /// # Errors
    /// If there is no such column of numbers.
    pub fn ranked(&self, column: &str, most: usize) -> Result<Self, String> {
        let mut rows: Vec<(IdxSize, Option<f64>)> = (0..).zip(self.numbers(column)?).collect();
        rows.sort_by(|(_, a), (_, b)| match (a, b) {
            (Some(a), Some(b)) => b.total_cmp(a),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        Ok(self.take(&rows.into_iter().take(most).map(|(row, _)| row).collect::<Vec<IdxSize>>()))
    }

    /// The rows of frames with the same columns, one after another; `None` of no frame.
    ///
    /// # Errors
    /// If the columns differ.
    pub fn concat(frames: &[Self]) -> Result<Option<Self>, String> {
        let Some(first) = frames.first() else { return Ok(None) };
        let mut columns = Vec::with_capacity(first.columns.len());
        for (at, (name, array)) in first.columns.iter().enumerate() {
            let mut arrays = Vec::with_capacity(frames.len());
            for frame in frames {
                match frame.columns.get(at).filter(|_| frame.columns.len() == first.columns.len()) {
                    Some((other, array)) if other == name => arrays.push(array.as_ref()),
                    _ => return Err(format!("not all have the column `{name}` at the same place")),
                }
            }
            let joined = if arrays.len() == 1 { Ok(array.clone()) } else { concatenate(&arrays) };
            columns
                .push((name.clone(), joined.map_err(|error| format!("column `{name}`: {}", said(error)))?));
        }
        Ok(Some(Self { height: frames.iter().map(Self::height).sum(), columns }))
    }

    /// The numbers of a column.
    ///
    /// # Errors
    /// If there is no such column of numbers.
    pub fn numbers(&self, column: &str) -> Result<impl ExactSizeIterator<Item = Option<f64>>, String> {
        let numbers = self.column(column)?.as_any().downcast_ref::<PrimitiveArray<f64>>();
        let numbers = numbers.ok_or_else(|| format!("the column `{column}` holds no numbers"))?;
        Ok(numbers.iter().map(Option::<&f64>::copied))
    }

    /// The texts of a column, or of a field of its structures; `None` if it holds lists or structures itself.
    ///
    /// # Errors
    /// If there is no such column, or it holds something else.
    pub fn texts(&self, path: &[&str]) -> Result<Option<Vec<Option<&str>>>, String> {
        let Some((first, inner)) = path.split_first() else { return Ok(None) };
        let mut array = self.column(first)?;
        // A field of a structure that is null is null.
        let mut valid: Option<Bitmap> = None;
        for name in inner {
            let none = || format!("there is no `{name}` in `{first}`");
            let fields = array.as_any().downcast_ref::<StructArray>().ok_or_else(none)?;
            valid = combine_validities_and(valid.as_ref(), fields.validity());
            let place = fields.fields().iter().position(|field| field.name == *name).ok_or_else(none)?;
            array = fields.values()[place].as_ref();
        }
        if array.dtype().is_nested() {
            return Ok(None);
        }
        let texts = array.as_any().downcast_ref::<Utf8ViewArray>().ok_or_else(|| {
            format!("`{}` holds {} and no text", path.join("."), names::name(array.dtype()))
        })?;
        let is_valid = |row: usize| valid.as_ref().is_none_or(|valid| valid.get_bit(row));
        Ok(Some(texts.iter().enumerate().map(|(row, text)| text.filter(|_| is_valid(row))).collect()))
    }

    /// The size of the rows, written out: a text that many rows share counts in each of them.
    pub(super) fn bytes(&self) -> usize {
        self.columns().map(|(_, array)| bytes(array)).sum()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.names().zip(self.types()).collect::<Vec<_>>();
        f.debug_struct("Frame").field("height", &self.height).field("columns", &columns).finish()
    }
}

fn bytes(array: &dyn Array) -> usize {
    let any = array.as_any();
    let own = array.len() * 8;
    if let Some(texts) = any.downcast_ref::<Utf8ViewArray>() {
        texts.total_bytes_len()
    } else if let Some(values) = any.downcast_ref::<BinaryViewArray>() {
        values.total_bytes_len()
    } else if let Some(fields) = any.downcast_ref::<StructArray>() {
        fields.values().iter().map(|field| bytes(field.as_ref())).sum()
    } else if let Some(lists) = any.downcast_ref::<ListArray<i64>>() {
        // A slice of an array keeps all of its values, with offsets into them.
        let (from, length) = (*lists.offsets().first(), lists.offsets().range());
        match (usize::try_from(from), usize::try_from(length)) {
            (Ok(from), Ok(length)) => own + bytes(lists.values().sliced(from, length).as_ref()),
            _ => own,
        }
    } else if let Some(lists) = any.downcast_ref::<FixedSizeListArray>() {
        own + bytes(lists.values().as_ref())
    } else {
        own
    }
}
