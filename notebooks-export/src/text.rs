//! Escapes text from data for the place where it is shown: XML and HTML, Markdown, a data URL.

use std::iter::repeat_n;

/// Characters that XML 1.0 does not allow, and marks that change the direction of the following text.
pub(crate) const fn is_unfit(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes text for the content and the quoted attributes of XML and HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if is_unfit(c) => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

/// A text from data, displayed in a page.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl maud::Render for Shown<'_> {
    fn render_to(&self, out: &mut String) {
        out.push_str(&escape(self.0));
    }
}

/// A Markdown code span for any text, in which nothing is interpreted as markup.
pub(crate) fn code_span(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence: String = repeat_n('`', longest + 1).collect();
    // A span must not be empty, and a text that begins or ends with a backtick needs a space there.
    if longest > 0 || text.trim().is_empty() {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// Columns that a character takes in a monospaced font: two for the letters of East Asia and for pictures.
pub(crate) const fn columns_of(c: char) -> usize {
    match c as u32 {
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Cuts a text to a number of columns, with an ellipsis if something was cut.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    if text.chars().map(columns_of).sum::<usize>() <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |c: &char| {
        let taken = columns_of(*c);
        let fits = taken <= left;
        left = left.saturating_sub(taken);
        fits
    };
    let mut out: String = text.chars().take_while(fits).collect();
    out.push('…');
    out
}

/// Percent-encodes text for a URL: everything except characters without a special meaning in any part of a
/// URL.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            byte => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_up_becomes_text() {
        assert_eq!(
            escape("<script>\"a\" & 'b'</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;"
        );
        assert_eq!(escape("a\0b\u{202e}c\td"), "a\u{fffd}b\u{fffd}c\td");
    }

    #[test]
    fn code_spans_hold_backticks_and_line_breaks() {
        assert_eq!(code_span("starter"), "`starter`");
        assert_eq!(code_span("a`` b"), "``` a`` b ```");
        assert_eq!(code_span("x\n# y"), "`x # y`");
        assert_eq!(code_span(""), "`  `");
    }

    #[test]
    fn long_texts_are_cut_by_columns() {
        assert_eq!(shorten("abcd", 4), "abcd");
        assert_eq!(shorten("abcde", 4), "abc…");
        assert_eq!(shorten("日本語", 4), "日…");
    }

    #[test]
    fn urls_hold_plain_characters_only() {
        assert_eq!(percent_encode("<a b=\"é\">#"), "%3Ca%20b%3D%22%C3%A9%22%3E%23");
    }
}
