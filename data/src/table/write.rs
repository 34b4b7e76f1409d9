//! Frames written as one table: a row group of Parquet or a record batch of Arrow's stream for each.

use std::io::{self, Write};
use std::sync::Arc;

use polars_arrow::array::{Array, FixedSizeListArray, ListArray, StructArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_arrow::io::ipc::write::{StreamWriter, WriteOptions as ArrowOptions};
use polars_arrow::record_batch::RecordBatchT;
use polars_compute::cast::cast_default;
use polars_error::{PolarsError, PolarsResult};
use polars_parquet::write::{
    CompressedPage, CompressionOptions, DynIter, DynStreamingIterator, FileWriter, Page, ParquetType,
    StatisticsOptions, Version, WriteOptions, array_to_columns, compress, fallible_streaming_iterator,
    get_dtype_encoding,
};
use rayon::prelude::*;

use super::{Frame, said};
use crate::Format;

/// Writes frames of the same columns as one table; the same frames give the same bytes.
pub struct FrameWriter<W: Write> {
    fields: Vec<Field>,
    out: Table<W>,
}

enum Table<W: Write> {
    Parquet(Box<FileWriter<W>>),
    Arrow(Box<StreamWriter<W>>, Arc<ArrowSchema>),
}

const OPTIONS: WriteOptions = WriteOptions {
    statistics: StatisticsOptions {
        min_value: true,
        max_value: true,
        distinct_count: false,
        null_count: true,
        binary_statistics_truncate_length: None,
    },
    version: Version::V1,
    compression: CompressionOptions::Zstd(None),
    data_page_size: None,
};

impl<W: Write> FrameWriter<W> {
    /// Begins a table with the columns of a frame, as Arrow if `format` says so, otherwise as Parquet.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(format: Format, out: W, like: &Frame) -> io::Result<Self> {
        let fields = like.fields();
        let out = if format == Format::Arrow {
            let none = like.head(0);
            let columns = none
                .columns()
                .map(|(name, array)| Ok(Field::new(name.into(), common(array)?.dtype().clone(), true)));
            let schema: ArrowSchema =
                columns.collect::<PolarsResult<Vec<Field>>>().map_err(other)?.into_iter().collect();
            let mut writer = StreamWriter::new(out, ArrowOptions { compression: None });
            writer.start(&schema, None).map_err(other)?;
            Table::Arrow(Box::new(writer), Arc::new(schema))
        } else {
            let schema: ArrowSchema = fields.iter().cloned().collect();
            Table::Parquet(Box::new(FileWriter::try_new(out, schema, OPTIONS).map_err(other)?))
        };
        Ok(Self { fields, out })
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// If it cannot be written, or its columns are not those of the first.
    pub fn write(&mut self, frame: &Frame) -> io::Result<()> {
        if frame.fields() != self.fields {
            return Err(io::Error::other("its columns are not those of the rows before it"));
        }
        match &mut self.out {
            Table::Parquet(_) if frame.height() == 0 => Ok(()),
            Table::Parquet(writer) => row_group(writer, frame),
            Table::Arrow(writer, schema) => {
                let arrays =
                    frame.columns().map(|(_, array)| common(array)).collect::<PolarsResult<Vec<_>>>();
                arrays
                    .and_then(|arrays| RecordBatchT::try_new(frame.height(), Arc::clone(schema), arrays))
                    .and_then(|batch| writer.write(&batch, None))
            }
        }
        .map_err(other)
    }

    /// Ends the table.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> io::Result<()> {
        match self.out {
            Table::Parquet(mut writer) => writer.end(None).map(drop),
            Table::Arrow(mut writer, _) => writer.finish(),
        }
        .map_err(other)
    }
}

/// Writes a row group. Its columns are encoded and compressed on all cores, and written in their order.
fn row_group<W: Write>(writer: &mut FileWriter<W>, frame: &Frame) -> PolarsResult<()> {
    let columns: Vec<(&dyn Array, &ParquetType)> =
        frame.columns().map(|(_, array)| array).zip(writer.parquet_schema().fields()).collect();
    let pages = columns.into_par_iter().map(|(array, parquet)| compressed(array, parquet));
    let pages = pages.collect::<PolarsResult<Vec<Vec<Vec<CompressedPage>>>>>()?;
    let leaves = pages.iter().flatten().map(|pages| {
        let pages = pages.iter().map(PolarsResult::Ok);
        Ok(DynStreamingIterator::new(fallible_streaming_iterator::convert(pages)))
    });
    writer.write(frame.height() as u64, DynIter::new(leaves))
}

/// The pages of each of a column's leaves.
fn compressed(array: &dyn Array, parquet: &ParquetType) -> PolarsResult<Vec<Vec<CompressedPage>>> {
    let encodings = get_dtype_encoding(array.dtype());
    let leaves = array_to_columns(array.to_boxed(), parquet.clone(), OPTIONS, &encodings)?;
    let page =
        |page: PolarsResult<Page>| compress(page?, Vec::new(), OPTIONS.compression).map_err(Into::into);
    leaves.into_iter().map(|pages| pages.map(page).collect()).collect()
}

/// An array in the layout that all readers of Arrow know: texts and binaries without views.
fn common(array: &dyn Array) -> PolarsResult<Box<dyn Array>> {
    let any = array.as_any();
    match array.dtype() {
        ArrowDataType::Utf8View => cast_default(array, &ArrowDataType::LargeUtf8),
        ArrowDataType::BinaryView => cast_default(array, &ArrowDataType::LargeBinary),
        ArrowDataType::Struct(fields) => {
            let Some(array) = any.downcast_ref::<StructArray>() else { return Ok(array.to_boxed()) };
            let values = array.values().iter().map(|array| common(array.as_ref()));
            let values = values.collect::<PolarsResult<Vec<_>>>()?;
            let fields = fields.iter().zip(&values);
            let fields = fields.map(|(of, array)| Field { dtype: array.dtype().clone(), ..of.clone() });
            let dtype = ArrowDataType::Struct(fields.collect());
            StructArray::try_new(dtype, array.len(), values, array.validity().cloned())
                .map(StructArray::boxed)
        }
        ArrowDataType::LargeList(_) => {
            let Some(array) = any.downcast_ref::<ListArray<i64>>() else { return Ok(array.to_boxed()) };
            let values = common(array.values().as_ref())?;
            let dtype = ListArray::<i64>::default_datatype(values.dtype().clone());
            ListArray::try_new(dtype, array.offsets().clone(), values, array.validity().cloned())
                .map(ListArray::boxed)
        }
        ArrowDataType::FixedSizeList(_, size) => {
            let Some(array) = any.downcast_ref::<FixedSizeListArray>() else { return Ok(array.to_boxed()) };
            let values = common(array.values().as_ref())?;
            let dtype = FixedSizeListArray::default_datatype(values.dtype().clone(), *size);
            FixedSizeListArray::try_new(dtype, array.len(), values, array.validity().cloned())
                .map(FixedSizeListArray::boxed)
        }
        _ => Ok(array.to_boxed()),
    }
}

fn other(error: PolarsError) -> io::Error {
    match error {
        // A system error keeps its kind: a full disk, a closed pipe.
        PolarsError::IO { error, .. } => io::Error::new(error.kind(), error.to_string()),
        error => io::Error::other(said(error)),
    }
}
