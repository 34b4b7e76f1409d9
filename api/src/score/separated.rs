//! One row of a separated file: its fields, and fields to add.

use std::borrow::Cow;

/// The fields of a separated record, quotes taken off.
pub(crate) fn split(record: &[u8], delimiter: u8) -> Result<Vec<Cow<'_, str>>, String> {
    let text = std::str::from_utf8(record)
        .map_err(|error| format!("invalid UTF-8 from byte {} on", error.valid_up_to() + 1))?;
    let (mut fields, mut rest) = (Vec::new(), text);
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            None => {
                let end = rest.bytes().position(|byte| byte == delimiter).unwrap_or(rest.len());
                (Cow::Borrowed(&rest[..end]), &rest[end..])
            }
            Some(quoted) => {
                let mut from = 0;
                let end = loop {
                    let at = quoted[from..].find('"').ok_or("a quoted field does not end")? + from;
                    if !quoted[at + 1..].starts_with('"') {
                        break at;
                    }
                    from = at + 2;
                };
                let field = &quoted[..end];
                let field = if field.contains('"') {
                    Cow::Owned(field.replace("\"\"", "\""))
                } else {
                    Cow::Borrowed(field)
                };
                (field, &quoted[end + 1..])
            }
        };
        fields.push(field);
        match after.as_bytes().first() {
            None => return Ok(fields),
            Some(&byte) if byte == delimiter => rest = &after[1..],
            Some(_) => return Err("text behind a quoted field".to_owned()),
        }
    }
}

/// Adds a field, in quotes where it needs them.
pub(crate) fn push_field(out: &mut Vec<u8>, delimiter: u8, field: &str) {
    out.push(delimiter);
    if field.bytes().any(|byte| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r')) {
        out.push(b'"');
        out.extend_from_slice(field.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(field.as_bytes());
    }
}
