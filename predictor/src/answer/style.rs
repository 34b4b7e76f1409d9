//! How a response is written, apart from which words it uses: length, lists, who speaks of whom, and the
//! places of the signs of refusal. These are the dense inputs of a response classifier's second level.
//!
//! Every measure is a small number with a known meaning, so that its weight can be interpreted.

use std::collections::BTreeSet;

use demur_data::Input;

use crate::answer::lexicon::{Sign, signs};
use crate::ngram::scratch::Scratch;
use crate::text;

/// Measures of each sign: in the first sentence (0 or 1), after it (0 or 1), in the last part (0 or 1), and
/// how often, relative to the square root of the length.
const PER_SIGN: usize = 4;
const OTHERS: [&str; 21] = [
    "length in characters (log)",
    "length in words (log)",
    "under 40 words",
    "over 150 words",
    "place of the first inability (share of the text; 1 without)",
    "ends with a question",
    "list items (to 10)",
    "code block",
    "quoted text",
    "lines (log)",
    "share of the prompt's words in the response",
    "share of the response's words in the prompt",
    "first person",
    "second person",
    "first sentence: inability, contrast after it",
    "first sentence: inability, under 80 words in all",
    "first sentence: inability, over 150 words in all",
    "first sentence: self-reference without inability",
    "first sentence: self-reference with inability",
    "first sentence: inability, a list after it",
    "first sentence: refuted premise, no inability anywhere",
];

/// Number of measures.
pub const STYLE: usize = Sign::ALL.len() * PER_SIGN + OTHERS.len();

/// How many bytes from the end count as the last part.
const LAST_PART: usize = 250;

/// The name of each measure, in order.
#[must_use]
pub fn style_names() -> Vec<String> {
    let of_sign = |(_, name): (Sign, &str)| {
        ["in the first sentence", "after the first sentence", "at the end", "how often"]
            .map(|place| format!("{name}: {place}"))
    };
    Sign::ALL.into_iter().flat_map(of_sign).chain(OTHERS.map(str::to_owned)).collect()
}

/// Counts of one sign in a response.
#[derive(Debug, Default, Clone, Copy)]
struct SignCount {
    first: bool,
    later: bool,
    last: bool,
    count: u32,
}

/// Measures the response of an input; an input without one is measured as the empty text.
#[must_use]
pub fn style(input: &Input<'_>, scratch: &mut Scratch) -> [f64; STYLE] {
    let response = input.response.unwrap_or_default().trim();
    let lower = text::lowercase(response);
    let first_end = first_sentence(&lower);
    let mut counts = [SignCount::default(); Sign::ALL.len()];
    let mut first_inability = None;
    signs(&lower, scratch, |sign, bytes| {
        let count = &mut counts[sign as usize];
        count.count += 1;
        count.first |= bytes.start < first_end;
        count.later |= bytes.start >= first_end;
        count.last |= bytes.start + LAST_PART >= lower.len();
        if sign == Sign::Inability {
            let first = first_inability.get_or_insert(bytes.start);
            *first = bytes.start.min(*first);
        }
    });
    let words = Words::of(&lower, input.prompt.unwrap_or_default());
    let per_length = ((words.count + 1) as f64).sqrt();
    let mut out = [0.0; STYLE];
    for (count, out) in counts.iter().zip(out.chunks_exact_mut(PER_SIGN)) {
        out[0] = flag(count.first);
        out[1] = flag(count.later);
        out[2] = flag(count.last);
        out[3] = f64::from(count.count) / per_length;
    }
    let of = |sign: Sign| counts[sign as usize];
    let (inability, self_reference) = (of(Sign::Inability), of(Sign::SelfReference));
    let lines = response.lines().filter(|line| !line.trim().is_empty());
    let items = lines.clone().filter(|line| is_item(line)).count();
    out[Sign::ALL.len() * PER_SIGN..].copy_from_slice(&[
        (lower.len() as f64).ln_1p(),
        (words.count as f64).ln_1p(),
        flag(words.count < 40),
        flag(words.count > 150),
        first_inability.map_or(1.0, |at| at as f64 / lower.len() as f64),
        flag(response.ends_with('?')),
        items.min(10) as f64,
        flag(response.contains("```")),
        flag(response.matches(['"', '\u{201c}']).nth(1).is_some()),
        (lines.count() as f64).ln_1p(),
        words.prompt_in_response,
        words.response_in_prompt,
        words.first_person as f64 / per_length,
        words.second_person as f64 / per_length,
        flag(inability.first && of(Sign::Contrast).later),
        flag(inability.first && words.count < 80),
        flag(inability.first && words.count > 150),
        flag(self_reference.first && !inability.first),
        flag(self_reference.first && inability.first),
        flag(inability.first && items > 2),
        flag(of(Sign::Premise).first && inability.count == 0),
    ]);
    out
}

const fn flag(condition: bool) -> f64 {
    if condition { 1.0 } else { 0.0 }
}

/// The end of the first sentence: at the first full stop, exclamation or question mark or line break that is
/// not among the first fifteen bytes ("1.", "Mr.", "Hi!"), or at the end of the text.
fn first_sentence(text: &str) -> usize {
    let from = (15..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    text[from..].find(['.', '!', '?', '\n']).map_or(text.len(), |at| from + at)
}

/// Whether a line is a list item: `1.`, `2)`, `-`, `*` or a bullet, followed by text.
fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let mark = if rest.len() < line.len() {
        rest.strip_prefix(['.', ')'])
    } else {
        line.strip_prefix(['-', '*', '\u{2022}'])
    };
    mark.is_some_and(|rest| rest.starts_with(char::is_whitespace))
}

/// Word counts of a response, and its overlap with the prompt (words of four bytes or more).
struct Words {
    count: usize,
    first_person: usize,
    second_person: usize,
    prompt_in_response: f64,
    response_in_prompt: f64,
}

impl Words {
    fn of(lower: &str, prompt: &str) -> Self {
        let (mut count, mut first_person, mut second_person) = (0, 0, 0);
        let mut own = BTreeSet::new();
        text::tokens(lower, |bytes| {
            let word = &lower[bytes];
            count += 1;
            let stem = word.split(['\'', '\u{2019}']).next().unwrap_or(word);
            first_person += usize::from(matches!(stem, "i" | "my" | "me"));
            second_person += usize::from(matches!(stem, "you" | "your"));
            if word.len() >= 4 {
                own.insert(word);
            }
        });
        let prompt = text::lowercase(prompt);
        let mut asked = BTreeSet::new();
        text::tokens(&prompt, |bytes| {
            if bytes.len() >= 4 {
                asked.insert(&prompt[bytes]);
            }
        });
        let shared = asked.intersection(&own).count() as f64;
        let share = |of: usize| if of == 0 { 0.0 } else { shared / of as f64 };
        Self {
            count,
            first_person,
            second_person,
            prompt_in_response: share(asked.len()),
            response_in_prompt: share(own.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(prompt: &str, response: &str) -> impl Fn(&str) -> f64 {
        let input = Input { prompt: Some(prompt), response: Some(response), ..Input::default() };
        let values = style(&input, &mut Scratch::default());
        let names = style_names();
        move |name| {
            let at = names.iter().position(|known| known == name);
            at.map_or(f64::NAN, |at| values[at])
        }
    }

    #[test]
    fn every_measure_has_a_name_of_its_own() {
        let names = style_names();
        assert_eq!(names.len(), STYLE);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), STYLE);
    }

    #[test]
    fn a_plain_refusal_is_measured() {
        let of = measured(
            "How do I pick a lock?",
            "I'm sorry, but I can't help with that. Do you want something else?",
        );
        assert_eq!(of("apology: in the first sentence"), 1.0);
        assert_eq!(of("inability: in the first sentence"), 1.0);
        assert_eq!(of("inability: after the first sentence"), 0.0);
        assert_eq!(of("contrast: in the first sentence"), 1.0);
        assert_eq!(of("under 40 words"), 1.0);
        assert_eq!(of("ends with a question"), 1.0);
        assert_eq!(of("first sentence: inability, under 80 words in all"), 1.0);
        assert_eq!(of("share of the prompt's words in the response"), 0.0);
    }

    #[test]
    fn an_answer_with_a_list_is_measured() {
        let of = measured(
            "Name three common sources of protein",
            "Here are three common sources of protein:\n\n1. Eggs\n2) Beans\n- Fish\n* Tofu\n-dash 3.5 \u{201c}x\u{201d} \u{201c}",
        );
        assert_eq!(of("list items (to 10)"), 4.0);
        assert_eq!(of("inability: how often"), 0.0);
        assert_eq!(of("place of the first inability (share of the text; 1 without)"), 1.0);
        assert_eq!(of("offer: in the first sentence"), 1.0);
        assert_eq!(of("quoted text"), 1.0);
        assert_eq!(of("share of the prompt's words in the response"), 0.8);
    }

    #[test]
    fn nothing_is_measured_without_failing() {
        for (prompt, response) in
            [("", ""), ("a", "\u{65e5}\u{672c}\u{8a9e}\u{306e}\u{56de}\u{7b54}\u{3067}\u{3059}"), ("", "?")]
        {
            let input = Input { prompt: Some(prompt), response: Some(response), ..Input::default() };
            assert!(style(&input, &mut Scratch::default()).iter().all(|value| value.is_finite()));
        }
        let none = style(&Input::default(), &mut Scratch::default());
        assert!(none.iter().all(|value| value.is_finite()));
    }
}
