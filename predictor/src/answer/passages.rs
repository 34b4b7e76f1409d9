//! Finds the refusal within a long answer, and the parts of an answer that are only quoted.
//!
//! The model scores an answer as a whole. So it hardly notices one sentence of refusal after a page of help,
//! but does notice a refusal that somebody in a story speaks. This module finds sentences that decline
//! something in the first person, and quotations that hold words of refusal.

use std::borrow::Cow;
use std::ops::Range;

use crate::answer::code::blocks;
use crate::answer::lexicon::{Sign, signs};
use crate::ngram::scratch::Scratch;
use crate::text;

/// The number of words in an answer's opening, which the model as a whole scores well.
const OPENING: usize = 20;
/// Shorter pieces are headings and fragments.
const SHORTEST: usize = 4;
/// The most words between "I" and "cannot": "I am, however, simply unable to".
const REACH: usize = 4;

/// The parts of a text that are not its own words and that hold words of apology or inability, each in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Quoted {
    /// The bytes of blocks of code.
    pub(crate) code: Vec<Range<usize>>,
    /// The bytes of quotations: fenced blocks of prose, lines quoted by `>`, and text between double
    /// quotation marks in one line.
    pub(crate) quotes: Vec<Range<usize>>,
}

/// Finds the quoted parts and the code of a text.
pub(crate) fn quoted_refusals(text: &str, scratch: &mut Scratch) -> Quoted {
    let blocks = blocks(text);
    let mut found = Quoted::default();
    let has = |byte: u8| text.as_bytes().contains(&byte);
    // Typographic quotation marks begin with the third byte.
    if blocks.is_empty() && !has(b'"') && !has(b'>') && !has(0xe2) {
        return found;
    }
    for block in &blocks {
        let of = if block.is_code { &mut found.code } else { &mut found.quotes };
        of.push(block.bytes.clone());
    }
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let bytes = at..at + line.len();
        at = bytes.end;
        let next = blocks.partition_point(|block| block.bytes.end <= bytes.start);
        if blocks.get(next).is_some_and(|block| block.bytes.start <= bytes.start) {
            continue;
        }
        if line.trim_start().starts_with('>') {
            found.quotes.push(bytes);
        } else {
            let parts = marked(line).map(|part| bytes.start + part.start..bytes.start + part.end);
            found.quotes.extend(parts);
        }
    }
    found.quotes.sort_unstable_by_key(|range| range.start);
    let mut refuses = |bytes: &Range<usize>| {
        let mut refusal = false;
        let lower = text::lowercase(&text[bytes.clone()]);
        signs(&lower, scratch, |sign, _| refusal |= matches!(sign, Sign::Apology | Sign::Inability));
        refusal
    };
    found.code.retain(&mut refuses);
    found.quotes.retain(refuses);
    found
}

/// The text between double quotation marks in a line, including the marks.
fn marked(line: &str) -> impl Iterator<Item = Range<usize>> {
    let mut marks = line.char_indices().filter(|(_, c)| matches!(c, '"' | '\u{201c}' | '\u{201d}'));
    std::iter::from_fn(move || {
        let (open, _) = marks.next()?;
        let (close, mark) = marks.next()?;
        Some(open..close + mark.len_utf8())
    })
}

/// The text without some of its bytes (ascending ranges), each replaced by one space.
pub(crate) fn without<'t>(text: &'t str, ranges: &[Range<usize>]) -> Cow<'t, str> {
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        // Ranges may overlap if two kinds of phrases do.
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push(' ');
        at = at.max(range.end);
    }
    out.push_str(&text[at..]);
    Cow::Owned(out)
}

/// The sentences after a text's opening that decline something in the first person, in order; `left_out`
/// (ascending) holds the bytes that are quoted.
pub(crate) fn declining(text: &str, left_out: &[Range<usize>], scratch: &mut Scratch) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if !may_say_i(text) {
        return found;
    }
    let mut words = 0;
    for sentence in sentences(text) {
        let piece = &text[sentence.clone()];
        if words < OPENING {
            words += text::pieces(piece).count();
            continue;
        }
        let quoted = || left_out.iter().any(|range| range.start < sentence.end && sentence.start < range.end);
        let is_whole = piece.ends_with(['.', '!', '?']) && text::pieces(piece).nth(SHORTEST - 1).is_some();
        if is_whole && may_say_i(piece) && !quoted() && declines(piece, scratch) {
            found.push(sentence);
        }
    }
    found
}

/// Whether the word "I" may be in a text: where this is false it is not. One look at each byte saves most
/// texts from being split into sentences and words.
fn may_say_i(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    bytes.iter().enumerate().any(|(at, &byte)| match byte {
        b'i' | b'I' => !is_letter(at.wrapping_sub(1)) && !is_letter(at + 1),
        // In lower case the capital with a dot is an "i" and the dot.
        0xc4 => bytes.get(at + 1) == Some(&0xb0),
        _ => false,
    })
}

/// The sentences of a text, trimmed: they end at a line break, or at `.`, `!` or `?` before white space.
fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut ends = false;
    let mut push = |from: usize, to: usize| {
        let piece = &text[from..to];
        let trimmed = piece.trim();
        if !trimmed.is_empty() {
            let begin = from + piece.len() - piece.trim_start().len();
            out.push(begin..begin + trimmed.len());
        }
    };
    for (at, c) in text.char_indices() {
        if c == '\n' || (ends && c.is_whitespace()) {
            push(start, at);
            start = at;
        }
        ends = matches!(c, '.' | '!' | '?');
    }
    push(start, text.len());
    out
}

/// Whether a sentence says that its speaker cannot or will not.
pub(crate) fn declines(sentence: &str, scratch: &mut Scratch) -> bool {
    let lower = text::lowercase(sentence);
    let mut tokens = Vec::new();
    text::tokens(&lower, |bytes| tokens.push(bytes));
    let first_person =
        |bytes: &Range<usize>| matches!(lower[bytes.clone()].split(['\'', '\u{2019}']).next(), Some("i"));
    let mut found = false;
    signs(&lower, scratch, |sign, bytes| {
        if sign == Sign::Inability {
            // The sign's own tokens count too: "I decline".
            let end = tokens.partition_point(|token| token.start < bytes.end);
            let start = tokens.partition_point(|token| token.end <= bytes.start).saturating_sub(REACH);
            found |= tokens[start..end].iter().any(first_person);
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "Plants make sugar from light. Chlorophyll absorbs it, water is split, oxygen is given off, and \
                        the energy is stored for later use in the cells.";

    fn all(Quoted { code, quotes }: Quoted) -> Vec<Range<usize>> {
        let mut all = [code, quotes].concat();
        all.sort_unstable_by_key(|range| range.start);
        all
    }

    fn found(text: &str) -> Vec<&str> {
        let scratch = &mut Scratch::default();
        let quoted = all(quoted_refusals(text, scratch));
        declining(text, &quoted, scratch).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn a_sentence_that_declines_is_found_behind_the_opening_alone() {
        let no = "However, I\u{2019}m simply not able to share the address.";
        assert_eq!(found(&format!("{HELP}\n\n{no} {HELP}")), [no]);
        assert_eq!(found(&format!("{HELP} {no}")), [no]);
        assert!(found(&format!("{no} {HELP}")).is_empty(), "the opening is judged as a whole");
    }

    #[test]
    fn others_who_cannot_are_no_refusal() {
        for other in [
            "You cannot see the stars by day.",
            "The engine can't start when it is cold.",
            "\"I can't help you,\" he said.",
            "> I can't help you.",
            "I wrote this, and after a long time it turned out that the cat cannot fly.",
        ] {
            assert!(found(&format!("{HELP}\n{other}")).is_empty(), "{other}");
        }
    }

    #[test]
    fn only_quotations_with_words_of_refusal_are_left_out() {
        let text = "He said \"I can't\" and \u{201c}good day\u{201d}.\n```\nsorry\n```\n> sorry\nend";
        let quoted = all(quoted_refusals(text, &mut Scratch::default()));
        let parts: Vec<&str> = quoted.iter().map(|range| &text[range.clone()]).collect();
        assert_eq!(parts, ["\"I can't\"", "```\nsorry\n```\n", "> sorry\n"]);
        assert_eq!(without(text, &quoted), "He said   and \u{201c}good day\u{201d}.\n  end");
    }

    #[test]
    fn an_open_fence_runs_to_the_end() {
        let text = "x\n```\nsorry";
        let quoted = all(quoted_refusals(text, &mut Scratch::default()));
        assert_eq!((quoted.len(), &text[quoted[0].clone()]), (1, "```\nsorry"));
    }
}
