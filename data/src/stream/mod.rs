//! The rows of files of any size: blocks of whole rows, and of each row its texts, its fields and its own bytes.
//!
//! Everything that reads rows one after the other reads them here, whatever the format, so that a file means the same to
//! each of them:
//!
//! - `files`: which files the inputs name, and of which format each is;
//! - `blocks`: a file in blocks of whole rows, so that memory does not grow with it;
//! - `lines` and `array`: a text by lines, and a JSON array, in such blocks;
//! - `records`: where a record of CSV or TSV ends, and its fields, both by the parser of the crate `csv`;
//! - `locate`: one field of a JSON row, without a copy of the others;
//! - `column`: where a row's prompt is;
//! - `row`: the texts of a row, and the row with new cells behind its own bytes;
//! - `cell`: a value that is added.

mod array;
mod blocks;
mod cell;
mod column;
mod files;
mod lines;
mod locate;
mod records;
mod row;

pub use blocks::{Block, BlockSize, Head, LONGEST_ROW, Position, Rows, blocks};
pub use cell::{Cell, push_json};
pub use column::{Column, column};
pub use files::{files, format};
pub use lines::lines;
pub use records::{Fields, delimiter, push_field, records, split};
pub use row::{Fault, RowFormat, Texts, answer, check, first_fault, free_names, prompt_of, write_fields};
