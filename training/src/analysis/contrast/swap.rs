//! The swap audit: the same prompts about other people. Every term of a list (names, genders, nationalities,
//! religions, ages) in a prompt is replaced by the matching term of each group in turn, and P(refusal) is
//! compared.

use demur_predictor::{Input, Model, Scratch};
use serde::Serialize;

use crate::error::TrainingError;
use crate::metrics::mean_interval;

/// A list of groups and of terms that correspond to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapList {
    /// Its name.
    pub name: String,
    groups: Vec<String>,
    /// Per group: whether its terms are also searched for in prompts, not only inserted.
    found: Vec<bool>,
    /// Each row: one term for each group.
    rows: Vec<Vec<String>>,
}

/// The effect of a list on some prompts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SwapAudit {
    /// The list.
    pub list: String,
    /// Prompts that contain a term of the list.
    pub prompts: usize,
    /// Mean over those prompts of the difference between the highest and the lowest P(refusal) of all groups.
    pub mean_range: f64,
    /// The groups, in the order of the list.
    pub groups: Vec<GroupFigures>,
}

/// A group against the average of all groups, on the same prompts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupFigures {
    /// The group.
    pub group: String,
    /// Mean P(refusal) with its terms inserted.
    pub mean: f64,
    /// Mean difference from the average of all groups, prompt by prompt.
    pub difference: f64,
    /// Its 95% interval.
    pub interval: (f64, f64),
    /// Prompts whose decision differs from that of the original.
    pub flips: usize,
    /// The prompt, with the group's terms inserted, that moves furthest from the average.
    pub furthest: Option<String>,
}

/// The lists written for this project.
const LISTS: [(&str, &str); 5] = [
    ("names", include_str!("../../../lists/names.tsv")),
    ("genders", include_str!("../../../lists/genders.tsv")),
    ("nationalities", include_str!("../../../lists/nationalities.tsv")),
    ("religions", include_str!("../../../lists/religions.tsv")),
    ("ages", include_str!("../../../lists/ages.tsv")),
];

impl SwapList {
    /// The names of the lists that come with the program.
    #[must_use]
    pub fn names() -> [&'static str; 5] {
        LISTS.map(|(name, _)| name)
    }

    /// The list of this name that comes with the program.
    ///
    /// # Errors
    /// [`TrainingError::Template`] when there is no such list.
    pub fn named(name: &str) -> Result<Self, TrainingError> {
        let text = LISTS.iter().find(|(own, _)| *own == name).map(|(_, text)| text);
        let none = || TrainingError::Template {
            reason: format!("there is no list `{name}`; use one of {}, or a file", Self::names().join(", ")),
        };
        Self::parse(name, text.ok_or_else(none)?)
    }

    /// Parses a list: tab-separated columns, the groups in the first line, then one line for each set of
    /// terms that correspond to each other. Terms of a group whose name begins with `>` are inserted but
    /// never searched for.
    ///
    /// # Errors
    /// [`TrainingError::Template`] for fewer than two groups or a line with a different number of columns.
    pub fn parse(name: &str, text: &str) -> Result<Self, TrainingError> {
        let bad = |reason: String| TrainingError::Template { reason };
        let cells = |line: &str| line.split('\t').map(|cell| cell.trim().to_owned()).collect::<Vec<String>>();
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let head = lines.next().map(|(_, line)| cells(line)).unwrap_or_default();
        if head.len() < 2 {
            return Err(bad(format!(
                "list {name}: its first line must name two groups or more, tabs between"
            )));
        }
        let mut rows = Vec::new();
        for (at, line) in lines {
            let row = cells(line);
            if row.len() != head.len() || row.iter().any(String::is_empty) {
                let (found, wanted) = (row.len(), head.len());
                return Err(bad(format!("list {name}, line {}: {found} terms for {wanted} groups", at + 1)));
            }
            rows.push(row);
        }
        Ok(Self {
            name: name.to_owned(),
            found: head.iter().map(|group| !group.starts_with('>')).collect(),
            groups: head.iter().map(|group| group.trim_start_matches('>').to_owned()).collect(),
            rows,
        })
    }

    /// The prompt with the terms of each group; `None` if it contains no term of the list.
    #[must_use]
    pub fn swapped(&self, prompt: &str) -> Option<Vec<String>> {
        let mut places: Vec<(usize, usize, usize)> = Vec::new();
        let mut start = None;
        for (at, c) in prompt.char_indices().chain([(prompt.len(), ' ')]) {
            if c.is_alphanumeric() {
                start.get_or_insert(at);
            } else if let Some(begin) = start.take() {
                let word = &prompt[begin..at];
                places.extend(self.row_of(word).map(|row| (begin, at, row)));
            }
        }
        if places.is_empty() {
            return None;
        }
        let swap = |group: usize| {
            let (mut out, mut from) = (String::new(), 0);
            for &(begin, end, row) in &places {
                out += &prompt[from..begin];
                out += &cased(&self.rows[row][group], &prompt[begin..end]);
                from = end;
            }
            out + &prompt[from..]
        };
        Some((0..self.groups.len()).map(swap).collect())
    }

    /// The first row that contains a word. A term with a capital is a name and matches only as written:
    /// `Polish`, not `polish`.
    fn row_of(&self, word: &str) -> Option<usize> {
        let is = |term: &String| {
            if term.chars().any(char::is_uppercase) { term == word } else { term.eq_ignore_ascii_case(word) }
        };
        self.rows.iter().position(|row| row.iter().zip(&self.found).any(|(term, &found)| found && is(term)))
    }

    /// Swaps the terms of all prompts and compares P(refusal) of a prompt predictor.
    #[must_use]
    pub fn audit(&self, model: &Model, target: Option<&str>, prompts: &[&str]) -> SwapAudit {
        let hold_from = model.manifest().policy.hold_from;
        let mut scratch = Scratch::default();
        let mut p_of = |prompt: &str| {
            model.predict_ngrams(&Input { target, ..Input::prompt(prompt) }, &mut scratch).p_refusal.get()
        };
        let groups = self.groups.len();
        let (mut p, mut differences) = (vec![Vec::new(); groups], vec![Vec::new(); groups]);
        let (mut flips, mut ranges) = (vec![0; groups], Vec::new());
        let mut furthest: Vec<Option<(f64, String)>> = vec![None; groups];
        for prompt in prompts {
            let Some(swapped) = self.swapped(prompt) else { continue };
            let held = p_of(prompt) >= hold_from;
            let of_groups: Vec<f64> = swapped.iter().map(|prompt| p_of(prompt)).collect();
            let average = of_groups.iter().sum::<f64>() / groups as f64;
            let highest = of_groups.iter().copied().fold(f64::MIN, f64::max);
            let lowest = of_groups.iter().copied().fold(f64::MAX, f64::min);
            ranges.push(highest - lowest);
            for (group, (value, prompt)) in of_groups.into_iter().zip(swapped).enumerate() {
                p[group].push(value);
                differences[group].push(value - average);
                flips[group] += usize::from((value >= hold_from) != held);
                let further = (value - average).abs();
                if furthest[group].as_ref().is_none_or(|(before, _)| further > *before) {
                    furthest[group] = Some((further, prompt));
                }
            }
        }
        let figures = (0..groups).map(|group| {
            let (difference, interval) = mean_interval(&differences[group]);
            GroupFigures {
                group: self.groups[group].clone(),
                mean: mean_interval(&p[group]).0,
                difference,
                interval,
                flips: flips[group],
                furthest: furthest[group].take().map(|(_, prompt)| prompt),
            }
        });
        SwapAudit {
            list: self.name.clone(),
            prompts: ranges.len(),
            groups: if ranges.is_empty() { Vec::new() } else { figures.collect() },
            mean_range: if ranges.is_empty() { 0.0 } else { mean_interval(&ranges).0 },
        }
    }
}

/// A term, capitalised if the word that it replaces is.
fn cased(term: &str, like: &str) -> String {
    let mut letters = term.chars();
    match letters.next() {
        Some(first) if like.starts_with(char::is_uppercase) => first.to_uppercase().chain(letters).collect(),
        _ => term.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Bundled;

    use super::*;

    #[test]
    fn every_list_of_ours_can_be_read() {
        for name in SwapList::names() {
            let list = SwapList::named(name).unwrap();
            assert!(list.groups.len() >= 3 && list.rows.len() >= 4, "{name}");
            for (row, terms) in list.rows.iter().enumerate() {
                for (group, term) in terms.iter().enumerate().filter(|(group, _)| list.found[*group]) {
                    assert!(list.row_of(term).is_some(), "{name} {row} {group}");
                }
            }
        }
        assert!(SwapList::named("hats").unwrap_err().to_string().contains("genders"));
        assert!(SwapList::parse("x", "a\tb\nc").unwrap_err().to_string().contains("line 2"));
        assert!(SwapList::parse("x", "a").unwrap_err().to_string().contains("two groups"));
    }

    #[test]
    fn terms_are_swapped_as_whole_words_with_their_case() {
        let list = SwapList::named("genders").unwrap();
        let swapped = list.swapped("Woman and man; a woman's hat, womanly.").unwrap();
        assert_eq!(swapped[1], "Man and man; a man's hat, womanly.");
        assert_eq!(list.swapped("They are people"), None, "neutral words are put in and not looked for");
        let list = SwapList::named("nationalities").unwrap();
        assert_eq!(list.swapped("polish my shoes"), None);
        assert_eq!(list.swapped("A Polish poet").unwrap()[2], "A German poet");
    }

    #[test]
    fn groups_differ_from_their_average_by_what_the_predictor_says() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let list = SwapList::named("religions").unwrap();
        let prompts = ["Tell me a joke about Muslims", "Why are Christians good?", "What is 1 + 1?"];
        let audit = list.audit(&model, None, &prompts);
        assert_eq!((audit.prompts, audit.groups.len()), (2, 6));
        let sum: f64 = audit.groups.iter().map(|group| group.difference).sum();
        assert!(sum.abs() < 1e-9, "{sum}");
        let p = |prompt: &str| {
            model.predict_ngrams(&Input::prompt(prompt), &mut Scratch::default()).p_refusal.get()
        };
        let hindus = (p("Tell me a joke about Hindus") + p("Why are Hindus good?")) / 2.0;
        assert!((audit.groups[3].mean - hindus).abs() < 1e-12);
        let none = list.audit(&model, None, &["What is 1 + 1?"]);
        assert_eq!((none.prompts, none.groups.len()), (0, 0));
    }
}
