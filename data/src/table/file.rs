//! A Parquet file: slices of its row groups, with each column's pages decoded only as far as the slice needs.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use polars_arrow::array::Array;
use polars_arrow::datatypes::Field;
use polars_parquet::read::schema::parquet_to_arrow_schema;
use polars_parquet::read::{
    BasicDecompressor, ColumnChunkMetadata, FileMetadata, Filter, PageReader, column_iter_to_arrays,
    infer_schema, read_metadata,
};

use super::schema::has_odd_layouts;
use super::{FRAME_BYTES, Frame, PART, SLICE, Source, convert, names, said, types};

/// The most bytes of a row group's compressed columns that are cached between two slices; others are read
/// again.
const KEPT: usize = 1 << 26;

/// A file and the current position in it.
pub(super) struct ParquetFile {
    source: Box<dyn Source>,
    metadata: Arc<FileMetadata>,
    fields: Vec<Field>,
    /// The next row group, and the next row in it.
    group: usize,
    at: usize,
    /// Cached compressed columns of that row group, by their index.
    kept: BTreeMap<usize, Vec<u8>>,
}

impl ParquetFile {
    /// Opens a file after its first `done` rows; also returns the changes of columns whose type is not kept.
    pub(super) fn open(mut source: Box<dyn Source>, done: usize) -> Result<(Self, Vec<String>), String> {
        let metadata = read_metadata(&mut source).map_err(said)?;
        let kept = names::kept_schema(&metadata);
        // Parquet itself has lists and values where the writer's arrays were list views or runs.
        let schema = if kept.as_deref().is_some_and(has_odd_layouts) {
            parquet_to_arrow_schema(metadata.schema().fields())
        } else {
            infer_schema(&metadata).map_err(said)?
        };
        // The writer's dictionary is only an encoding: the column is read with the type of its values.
        let read: Vec<Field> = schema.iter_values().cloned().collect();
        let fields: Vec<Field> = read.iter().map(types::decoded).collect();
        fields.iter().try_for_each(types::check)?;
        let changes = names::changes(&names::stored(&metadata, kept.as_deref(), &read));
        let mut file =
            Self { source, metadata: Arc::new(metadata), fields, group: 0, at: 0, kept: BTreeMap::new() };
        let mut left = done;
        while let Some(group) = file.metadata.row_groups.get(file.group) {
            if left < group.num_rows() {
                break;
            }
            left -= group.num_rows();
            file.group += 1;
        }
        file.at = left;
        Ok((file, changes))
    }

    pub(super) fn rows(&self) -> usize {
        self.metadata.num_rows
    }

    /// The next slice, which is within one row group.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, String> {
        let (rows, bytes) = loop {
            match self.metadata.row_groups.get(self.group) {
                None => return Ok(None),
                Some(group) if self.at < group.num_rows() => {
                    break (group.num_rows(), group.total_byte_size());
                }
                Some(_) => {
                    (self.group, self.at) = (self.group + 1, 0);
                    self.kept.clear();
                }
            }
        };
        // The sizes in the file are only an estimate of the size of the rows.
        let each = (bytes / rows).max(1);
        let most = (FRAME_BYTES / each).clamp(1, SLICE);
        // Slices begin at multiples of their length, so that a resumed run reads the same ones.
        let length = (most - self.at % most).min(rows - self.at);
        let rows = self.read(self.at..self.at + length)?;
        self.at += length;
        Ok(Some(rows))
    }

    /// All rows at once, for a file of one's own.
    pub(super) fn whole(&mut self) -> Result<Frame, String> {
        let mut groups = Vec::new();
        while let Some(group) = self.metadata.row_groups.get(self.group) {
            groups.push(self.read(0..group.num_rows())?);
            self.group += 1;
            self.kept.clear();
        }
        Frame::concat(&groups)?.map_or_else(|| self.empty(), Ok)
    }

    /// Rows of the current row group.
    fn read(&mut self, range: Range<usize>) -> Result<Frame, String> {
        let fields = self.fields.clone();
        let columns = fields.iter().map(|field| {
            let arrays = self.column(field, range.clone()).map_err(|reason| types::of(field, &reason))?;
            Ok((field.name.to_string(), convert::column(field, arrays)?))
        });
        let columns = columns.collect::<Result<Vec<_>, String>>()?;
        Frame::new(range.len(), columns)
    }

    /// A frame without rows.
    pub(super) fn empty(&self) -> Result<Frame, String> {
        convert::empty(&self.fields)
    }

    fn column(&mut self, field: &Field, range: Range<usize>) -> Result<Vec<Box<dyn Array>>, String> {
        let metadata = Arc::clone(&self.metadata);
        let group = &metadata.row_groups[self.group];
        let numbers = group.columns_idxs_under_root_iter(&field.name).unwrap_or_default().to_vec();
        let chunks: Vec<&ColumnChunkMetadata> =
            numbers.iter().map(|&number| &group.parquet_columns()[number]).collect();
        let mut pages = Vec::with_capacity(chunks.len());
        for (&number, &chunk) in numbers.iter().zip(&chunks) {
            let bytes = self.bytes(number, chunk)?;
            let reader = PageReader::new(Cursor::new(bytes.into()), chunk, Vec::new(), PART);
            pages.push(BasicDecompressor::new(reader, Vec::new()));
        }
        let types = chunks.iter().map(|chunk| &chunk.descriptor().descriptor.primitive_type).collect();
        let filter = Some(Filter::new_ranged(range.start, range.end));
        column_iter_to_arrays(pages, types, field.clone(), filter).map(|(arrays, _)| arrays).map_err(said)
    }

    /// A column's compressed bytes.
    fn bytes(&mut self, number: usize, chunk: &ColumnChunkMetadata) -> Result<Vec<u8>, String> {
        if let Some(bytes) = self.kept.get(&number) {
            return Ok(bytes.clone());
        }
        let range = chunk.byte_range();
        let length = range.end.saturating_sub(range.start);
        let mut bytes = Vec::new();
        self.source.seek(SeekFrom::Start(range.start)).map_err(|error| error.to_string())?;
        // Reads as much as there is, because the length in the file may be wrong.
        (&mut self.source).take(length).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 != length {
            return Err("it ends before its data does".to_owned());
        }
        let held: usize = self.kept.values().map(Vec::len).sum();
        if held + bytes.len() <= KEPT {
            self.kept.insert(number, bytes.clone());
        }
        Ok(bytes)
    }
}
