//! The schema of an Arrow file or stream, and a file's footer: checked before the library's reader sees them.

use std::io::{self, Read, SeekFrom};

use polars_arrow_format::ipc;
use polars_arrow_format::ipc::planus::ReadAsRoot;

use super::{Source, types};

/// The magic bytes at both ends of a file.
pub(super) const MARK: &[u8] = b"ARROW1";

pub(super) fn wrong(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

fn broken(error: ipc::planus::Error) -> io::Error {
    wrong(error.to_string())
}

/// The footer of a file: its schema and the places of its batches.
pub(super) fn footer(source: &mut Box<dyn Source>) -> io::Result<ipc::Footer> {
    let none = || wrong("it has no footer, as a file that was cut short");
    let size = source.seek(SeekFrom::End(0))?;
    // A file ends with the footer's length and the magic bytes.
    let before = size.checked_sub(10).ok_or_else(none)?;
    source.seek(SeekFrom::Start(before))?;
    let mut end = [0; 10];
    source.read_exact(&mut end)?;
    let length = match end.split_first_chunk::<4>() {
        Some((length, mark)) if mark == MARK => u32::from_le_bytes(*length),
        _ => return Err(none()),
    };
    let start = before.checked_sub(length.into()).ok_or_else(none)?;
    source.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    source.take(length.into()).read_to_end(&mut bytes)?;
    let footer = ipc::FooterRef::read_as_root(&bytes).map_err(broken)?;
    check_schema(footer.schema().map_err(broken)?.ok_or_else(|| wrong("it has no schema"))?)?;
    footer.try_into().map_err(broken)
}

/// Checks the first message of a stream.
pub(super) fn check_message(message: &[u8]) -> io::Result<()> {
    let message = ipc::MessageRef::read_as_root(message).map_err(broken)?;
    match message.header().map_err(broken)? {
        Some(ipc::MessageHeaderRef::Schema(schema)) => check_schema(schema),
        _ => Err(wrong("it does not begin with a schema")),
    }
}

/// Names the first column of a type that the library's reader does not support at all.
fn check_schema(schema: ipc::SchemaRef<'_>) -> io::Result<()> {
    for field in schema.fields().map_err(broken)?.into_iter().flatten() {
        let field = field.map_err(broken)?;
        let name = field.name().map_err(broken)?.unwrap_or_default();
        if !is_known(field, 0) {
            return Err(wrong(types::unsupported(
                name,
                "a run-end or list-view array, or a decimal of 256 bits",
            )));
        }
    }
    Ok(())
}

/// Whether the schema in a message has run-end or list-view arrays, at which the library's reader panics. A
/// message that cannot be parsed returns false, because its reader reports the error.
pub(super) fn has_odd_layouts(message: &[u8]) -> bool {
    let Ok(Ok(Some(ipc::MessageHeaderRef::Schema(schema)))) =
        ipc::MessageRef::read_as_root(message).map(|message| message.header())
    else {
        return false;
    };
    let mut fields = schema.fields().ok().flatten().into_iter().flatten();
    fields.any(|field| field.is_ok_and(|field| is_odd_layout(field, 0)))
}

fn is_odd_layout(field: ipc::FieldRef<'_>, depth: usize) -> bool {
    let is_odd = matches!(
        field.type_(),
        Ok(Some(ipc::TypeRef::RunEndEncoded(_) | ipc::TypeRef::ListView(_) | ipc::TypeRef::LargeListView(_)))
    );
    let mut children = field.children().ok().flatten().into_iter().flatten();
    is_odd || (depth < 64 && children.any(|child| child.is_ok_and(|child| is_odd_layout(child, depth + 1))))
}

/// Whether the library's reader supports a field's type; it panics at others.
fn is_known(field: ipc::FieldRef<'_>, depth: usize) -> bool {
    let known = match field.type_() {
        Ok(Some(
            ipc::TypeRef::RunEndEncoded(_) | ipc::TypeRef::ListView(_) | ipc::TypeRef::LargeListView(_),
        )) => false,
        Ok(Some(ipc::TypeRef::Decimal(decimal))) => decimal.bit_width().is_ok_and(|bits| bits <= 128),
        Ok(Some(_)) => true,
        Ok(None) | Err(_) => false,
    };
    let children = field.children();
    let mut children = children.ok().flatten().into_iter().flatten();
    known && depth < 64 && children.all(|child| child.is_ok_and(|child| is_known(child, depth + 1)))
}
