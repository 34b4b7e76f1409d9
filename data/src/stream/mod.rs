//! The rows of files of any size: blocks of whole rows, and for each row its texts, its fields and its
//! original bytes.
//!
//! Everything that reads rows one after another reads them here, in every format, so that a file always means
//! the same:
//!
//! - `files`: which files the inputs name, and the format of each;
//! - `block`: blocks of whole rows; `blocks`: a file in such blocks, so that memory does not grow with it;
//! - `opening`: the way from a text's bytes to rows: encoding, layout (`ready`), the place of the rows (`survey`,
//!   `oriented`);
//! - `lines` and `array`: a text by lines, and a JSON array, in such blocks;
//! - `records`: where a record of CSV or TSV ends, and its fields, both by the parser of the crate `csv`;
//! - `locate`: one field of a JSON row, without copying the others;
//! - `column`: where a row's prompt is;
//! - `row`: the texts of a row, and the row with new cells after its original bytes;
//! - `cell`: a value that is added to a row.

mod array;
mod block;
mod blocks;
mod cell;
mod choice;
mod column;
mod files;
mod lines;
mod locate;
mod opening;
mod oriented;
mod ready;
mod records;
mod row;
mod short_texts;
mod survey;

pub use block::{Block, BlockSize, Head, LONGEST_ROW, Position, Rows};
pub use blocks::{blocks, rows_format};
pub use cell::{Cell, push_json};
pub use choice::Opening;
pub use column::{Column, NoPrompt, column};
pub use files::{files, format};
pub use opening::text;
pub(crate) use opening::{is_one_value, json_bytes};
pub use records::{Fields, delimiter, push_field, records, split};
pub use row::{
    Fault, RowFormat, RowInput, Texts, answer, check, first_fault, free_names, prompt, prompt_of,
    write_fields,
};
