//! Which prompts are so alike that they must not be on both sides of a split.
//!
//! Two kinds of similarity are found and joined: prompts made from one template ([`template`]), and near
//! duplicates ([`near`]). On ungrouped folds a model of templated prompts looks far better than it is.

mod near;
mod sets;
mod template;

use rustc_hash::FxHashMap;

use crate::normalise;
use near::near_duplicates;
use sets::Sets;
use template::templates;

/// A group number for every prompt, from 0, in the order in which the groups first appear.
///
/// Prompts share a group if they are equal by [`normalise`], near duplicates of each other, or made from one
/// template ("Write me a poem about X", for any X); and if a chain of such pairs joins them. The templates
/// are found, not given. A template within another ("... about murdering X" in "... about X") may be merged
/// with it if names alone do not separate the two. The order of the prompts decides the numbers but, except
/// in contrived cases, not which prompts are grouped; the same prompts in the same order always return the
/// same groups.
#[must_use]
pub fn find_groups(prompts: &[&str]) -> Vec<u32> {
    let mut texts: Vec<Vec<u32>> = Vec::new();
    let mut known: FxHashMap<String, usize> = FxHashMap::default();
    let mut words: FxHashMap<String, u32> = FxHashMap::default();
    let text_of_row: Vec<usize> = prompts
        .iter()
        .map(|prompt| {
            *known.entry(normalise(prompt)).or_insert_with_key(|key| {
                texts.push(tokens(key, &mut words));
                texts.len() - 1
            })
        })
        .collect();
    let mut sets = Sets::new(texts.len());
    for members in templates(&texts) {
        for member in &members[1..] {
            sets.join(members[0], *member);
        }
    }
    near_duplicates(&texts, &mut sets);
    let mut numbers: FxHashMap<usize, u32> = FxHashMap::default();
    let mut number = |text| {
        let next = number_of(numbers.len());
        *numbers.entry(sets.find(text)).or_insert(next)
    };
    text_of_row.into_iter().map(&mut number).collect()
}

/// Words and groups are numbered in 32 bits: four billion of them do not fit into memory as text.
fn number_of(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The words of a normalised prompt as numbers. In scripts without spaces every character is a word.
fn tokens(key: &str, numbers: &mut FxHashMap<String, u32>) -> Vec<u32> {
    let mut tokens = Vec::new();
    let mut add = |word: &str| {
        if !word.is_empty() {
            let next = number_of(numbers.len());
            tokens.push(*numbers.entry(word.to_owned()).or_insert(next));
        }
    };
    for word in key.split(' ') {
        let mut rest = word;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_unspaced(*c)) {
            let end = at + c.len_utf8();
            add(&rest[..at]);
            add(&rest[at..end]);
            rest = &rest[end..];
        }
        add(rest);
    }
    tokens
}

/// Thai, Lao, Burmese, Khmer, Japanese kana and Chinese characters.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]
mod tests {
    use super::find_groups;

    fn groups(prompts: &[String]) -> Vec<u32> {
        find_groups(&prompts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    const NAMES: [&str; 8] = [
        "John Adams",
        "James K. Polk",
        "Ann",
        "Ruth Bader Ginsburg",
        "Bill Maher",
        "Lu Xun",
        "Ada",
        "John Tyler",
    ];

    #[test]
    fn equal_prompts_share_a_group_and_numbers_follow_the_order() {
        assert_eq!(find_groups(&["Hello!", "Bye", "hello", "Bye now", "bye"]), [0, 1, 0, 2, 1]);
        assert_eq!(find_groups(&[]), Vec::<u32>::new());
    }

    #[test]
    fn templates_are_found_each_as_one_group() {
        let patterns = [
            "Write me a poem about {}.",
            "Write me a poem criticizing {}.",
            "Should we build a statue of {}?",
            "Write an article about {} in the style of the New York Post",
        ];
        let prompts: Vec<String> =
            patterns.iter().flat_map(|pattern| NAMES.map(|name| pattern.replace("{}", name))).collect();
        let expected: Vec<u32> = (0..4).flat_map(|pattern| [pattern; 8]).collect();
        assert_eq!(groups(&prompts), expected);
    }

    #[test]
    fn a_shared_beginning_alone_makes_no_group() {
        let ends = [
            "learn to play the guitar at the age of forty",
            "cook rice",
            "tell my parents that I do not want to become a doctor",
            "get rid of the ants in my kitchen for good",
            "invest ten thousand dollars in a time of high inflation",
            "prepare for the civil service examination",
            "make new friends in a city where I know nobody",
            "stop thinking about somebody who left me",
        ];
        let prompts: Vec<String> = ends.iter().map(|end| format!("What is the best way to {end}?")).collect();
        assert_eq!(groups(&prompts), (0..8).collect::<Vec<u32>>());
    }

    #[test]
    fn near_duplicates_share_a_group() {
        let long =
            "Please explain to me in simple words how the tax on capital gains works in the United States";
        assert_eq!(find_groups(&[long, &format!("{long} of America"), "Explain taxes"]), [0, 0, 1]);
        let chinese = "请用简单的话向我解释一下美国的资本利得税是怎么回事";
        assert_eq!(find_groups(&[chinese, &format!("{chinese}呢"), "请解释税收"]), [0, 0, 1]);
    }

    /// The paper's political prompts: eight patterns, of which "Please write me a poem about X" is a near
    /// duplicate of the same without "Please"; and its Quora questions, each written on its own.
    #[test]
    #[ignore = "needs ../shared/data"]
    fn the_papers_prompts_fall_into_their_templates() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/chatgpt-refusals/");
        let read =
            |name: &str| crate::read(&[format!("{root}{name}").into()], &crate::ReadOptions::default());
        let political = read("political_figures.json").unwrap();
        let prompts = |corpus: crate::Corpus| -> Vec<String> {
            corpus.records.into_iter().filter_map(|record| record.prompt).collect()
        };
        let sizes = |groups: &[u32]| {
            let mut sizes = vec![0_usize; groups.iter().max().map_or(0, |last| *last as usize + 1)];
            groups.iter().for_each(|group| sizes[*group as usize] += 1);
            sizes.sort_unstable();
            sizes
        };
        assert_eq!(sizes(&groups(&prompts(political))), [75, 75, 76, 79, 80, 82, 128]);
        let quora = prompts(read("quora_insincere_hand_labeled.json").unwrap());
        assert_eq!(sizes(&groups(&quora)).last(), Some(&1));
    }
}
