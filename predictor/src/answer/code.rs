//! Finds code in an answer: fenced or indented blocks. What a program prints is not what the model says.
//!
//! A fence may also hold prose: a letter, a message to copy, sometimes a whole answer. That is a quotation,
//! but if a refusal in a fence is all there is, it is the answer; code never is.

use std::ops::Range;

/// Names after a fence that mark its content as prose.
const PROSE: [&str; 6] = ["", "markdown", "md", "plain", "plaintext", "text"];
/// The start of a comment.
const COMMENTS: [&str; 8] = ["#", "//", "/*", "*/", "*", "--", ";", "\"\"\""];

/// A block of an answer, and whether it holds code or prose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its bytes, including the fence's lines.
    pub(crate) bytes: Range<usize>,
    /// Whether it holds code.
    pub(crate) is_code: bool,
}

/// An open fence: its character, how often it is repeated, the language after it, and its start.
struct Fence<'t> {
    mark: char,
    length: usize,
    language: &'t str,
    start: usize,
    /// The end of its first line.
    inner: usize,
}

/// The blocks of a text, in order: fenced ones (three or more backticks or tildes; an open one runs to the
/// end), and indented ones that hold code (four spaces or a tab, after an empty line or at the start).
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let has = |byte: u8| text.as_bytes().contains(&byte);
    if !has(b'`') && !has(b'~') && !has(b'\t') && !text.starts_with("    ") && !text.contains("\n    ") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut fence: Option<Fence<'_>> = None;
    let mut indented: Option<Range<usize>> = None;
    let (mut at, mut after_blank) = (0, true);
    for line in text.split_inclusive('\n') {
        let bytes = at..at + line.len();
        at = bytes.end;
        let blank = line.trim().is_empty();
        if let Some(open) = &fence {
            if closes(line, open) {
                found.push(fenced(text, open, bytes.start, bytes.end));
                (fence, after_blank) = (None, true);
            }
            continue;
        }
        let is_indented = !blank && (line.starts_with("    ") || line.starts_with('\t'));
        match &mut indented {
            Some(block) if is_indented => block.end = bytes.end,
            Some(_) if blank => {}
            Some(_) => found.extend(indented.take().and_then(|block| code_alone(text, block))),
            None if is_indented && after_blank => indented = Some(bytes.clone()),
            None => {}
        }
        if indented.is_none() {
            fence = opens(line, &bytes);
        }
        after_blank = blank;
    }
    found.extend(indented.and_then(|block| code_alone(text, block)));
    found.extend(fence.map(|open| fenced(text, &open, text.len(), text.len())));
    found
}

/// The fence that a line opens, if any.
fn opens<'t>(line: &'t str, bytes: &Range<usize>) -> Option<Fence<'t>> {
    let start = line.trim_start();
    let mark = start.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let language = start.trim_start_matches(mark);
    let length = start.len() - language.len();
    // Three backticks within a line of text, such as ```x```, open no block.
    if length < 3 || language.contains('`') {
        return None;
    }
    Some(Fence { mark, length, language: language.trim(), start: bytes.start, inner: bytes.end })
}

/// Whether a line closes a fence: at least as many of its characters, and nothing else.
fn closes(line: &str, open: &Fence<'_>) -> bool {
    let line = line.trim();
    line.len() >= open.length && line.chars().all(|c| c == open.mark)
}

fn fenced(text: &str, open: &Fence<'_>, inner_end: usize, end: usize) -> Block {
    let language = open.language.to_lowercase();
    let named = !PROSE.contains(&language.as_str());
    let inner = &text[open.inner.min(inner_end)..inner_end];
    // A program that is nothing but a comment is a note to the reader, in any language.
    let is_code = if named { !is_comment(inner) } else { is_code(inner) };
    Block { bytes: open.start..end, is_code }
}

fn code_alone(text: &str, bytes: Range<usize>) -> Option<Block> {
    is_code(&text[bytes.clone()]).then_some(Block { bytes, is_code: true })
}

/// Whether all lines of a text are comments. True for a text without lines.
fn is_comment(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.all(|line| COMMENTS.iter().any(|mark| line.starts_with(mark)))
}

/// Whether a line of a text looks like code: a call, an assignment, a brace, a tag, a statement's
/// end. Comments are prose.
fn is_code(text: &str) -> bool {
    let lines = text.lines().map(str::trim);
    let mut lines = lines.filter(|line| !COMMENTS.iter().any(|mark| line.starts_with(mark)));
    lines.any(|line| {
        line.ends_with([';', '{', '}'])
            || line.starts_with(['<', '{', '}', '$', '@'])
            || [" = ", "==", "=>", "->", "</", "::", ":=", "+="].iter().any(|sign| line.contains(sign))
            || is_call(line)
            || ["import ", "from ", "def ", "return ", "class ", "fn ", "echo ", "SELECT "]
                .iter()
                .any(|word| line.starts_with(word) && !line.ends_with('.'))
    })
}

/// Whether a bracket follows a word directly, as in a call. In prose there is a space between them, except in
/// `letter(s)`.
fn is_call(line: &str) -> bool {
    let mut before = ' ';
    line.char_indices().any(|(at, c)| {
        let called = c == '(' && (before.is_alphanumeric() || before == '_');
        before = c;
        called && !line[at..].starts_with("(s)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, bool)> {
        blocks(text).into_iter().map(|block| (&text[block.bytes], block.is_code)).collect()
    }

    #[test]
    fn fences_of_both_marks_are_found_closed_or_open() {
        for mark in ["```", "~~~", "````", "~~~~~"] {
            let block = format!("{mark}python\nprint('I cannot help')\n{mark}\n");
            assert_eq!(found(&format!("Here:\n{block}Done.")), [(block.as_str(), true)]);
            let open = format!("{mark}\nprint('I cannot help')\n");
            assert_eq!(found(&format!("Here:\n{open}")), [(open.as_str(), true)]);
        }
        let nested = "````\n```\nx = 1\n```\n````\n";
        assert_eq!(found(nested), [(nested, true)], "a shorter fence does not close a longer");
        let other = "~~~\n```\nx = 1\n~~~\n";
        assert_eq!(found(other), [(other, true)], "nor one of the other mark");
        assert_eq!(found("Use ```x``` here."), []);
    }

    #[test]
    fn a_fence_of_prose_is_no_code() {
        for prose in [
            "I'm sorry, but I can't help with that.",
            "Dear team,\n\nI cannot come (I am ill). Please bring the letter(s).",
            "# I'm sorry, I can't write this.",
        ] {
            let text = format!("```\n{prose}\n```");
            assert_eq!(found(&text), [(text.as_str(), false)]);
        }
        let comment = "```python\n# I'm sorry, I can't write this.\n```";
        assert_eq!(found(comment), [(comment, false)], "a program of one comment");
        let code = "```python\n# I can't\nfoo()\n```";
        assert_eq!(found(code), [(code, true)]);
    }

    #[test]
    fn indented_code_is_found_and_indented_prose_is_not() {
        let text = "Run:\n\n    print('I cannot help')\n\n    exit()\n\nDone.";
        assert_eq!(found(text), [("    print('I cannot help')\n\n    exit()\n", true)]);
        assert_eq!(found("\tprint('no')"), [("\tprint('no')", true)]);
        assert_eq!(found("Well:\n\n    I'm sorry, but I can't help with that."), []);
        assert_eq!(found("Text\n    print('no')"), [], "a line that goes on a paragraph");
    }
}
