//! A prompt with slots, `What happened in {place} in {time}?`, and P(refusal) for each filler of each slot.

use std::collections::BTreeMap;

use demur_data::shuffled;
use demur_predictor::{Input, Model, Scratch};
use serde::Serialize;

use crate::error::TrainingError;

/// Above this number of combinations, a sample of them is scored.
pub(crate) const MOST_PROMPTS: usize = 20_000;

/// A prompt with slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Text, slot, text, slot, ..., text.
    texts: Vec<String>,
    slots: Vec<String>,
}

/// The effect of a filler on P(refusal), over all fillers of the other slots.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FillerFigures {
    /// The slot.
    pub slot: String,
    /// What fills it.
    pub filler: String,
    /// Prompts with it.
    pub n: usize,
    /// Their mean P(refusal).
    pub mean: f64,
    /// Lowest, lower quartile, median, upper quartile and highest P(refusal).
    pub spread: [f64; 5],
    /// How many of those prompts are held.
    pub held: usize,
}

impl Template {
    /// Reads a template: slots are names in braces; `{{` and `}}` are braces.
    ///
    /// # Errors
    /// [`TrainingError::Template`] for a brace that is left open, an empty name, or no slot at all.
    pub fn parse(text: &str) -> Result<Self, TrainingError> {
        let bad = |reason: &str| TrainingError::Template { reason: reason.to_owned() };
        let (mut texts, mut slots, mut current) = (Vec::new(), Vec::new(), String::new());
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            match c {
                '{' | '}' if characters.peek() == Some(&c) => {
                    characters.next();
                    current.push(c);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match characters.next() {
                            Some('}') => break,
                            Some(c) if c != '{' => name.push(c),
                            _ => return Err(bad("a `{` is not closed; write {{ for the brace itself")),
                        }
                    }
                    if name.trim().is_empty() {
                        return Err(bad("a slot has no name"));
                    }
                    texts.push(std::mem::take(&mut current));
                    slots.push(name.trim().to_owned());
                }
                '}' => return Err(bad("a `}` closes nothing; write }} for the brace itself")),
                c => current.push(c),
            }
        }
        if slots.is_empty() {
            return Err(bad("it has no slot; write one as {name}"));
        }
        texts.push(current);
        Ok(Self { texts, slots })
    }

    /// The distinct names of its slots, in order.
    #[must_use]
    pub fn slots(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for slot in &self.slots {
            if !names.contains(&slot.as_str()) {
                names.push(slot);
            }
        }
        names
    }

    /// The prompt with these fillers, one for each name in [`slots`](Self::slots).
    #[must_use]
    pub fn fill(&self, fillers: &[&str]) -> String {
        let names = self.slots();
        let mut prompt = self.texts[0].clone();
        for (slot, text) in self.slots.iter().zip(&self.texts[1..]) {
            let at = names.iter().position(|name| name == slot);
            prompt += at.and_then(|at| fillers.get(at)).unwrap_or(&"");
            prompt += text;
        }
        prompt
    }

    /// P(refusal) of the template under a prompt predictor, for every filler of every slot. Scores all
    /// combinations, or a sample of 20,000 of them.
    ///
    /// # Errors
    /// [`TrainingError::Template`] when a slot has no fillers.
    pub fn figures(
        &self,
        model: &Model,
        target: Option<&str>,
        fillers: &BTreeMap<String, Vec<String>>,
        seed: u64,
    ) -> Result<Vec<FillerFigures>, TrainingError> {
        let names = self.slots();
        let none = |name: &str| TrainingError::Template { reason: format!("slot {{{name}}} has no fillers") };
        let lists: Vec<&Vec<String>> = names
            .iter()
            .map(|name| fillers.get(*name).filter(|list| !list.is_empty()).ok_or_else(|| none(name)))
            .collect::<Result<_, _>>()?;
        let all = lists.iter().fold(1_usize, |all, list| all.saturating_mul(list.len()));
        let hold_from = model.manifest().policy.hold_from;
        let mut scratch = Scratch::default();
        let mut found: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
        for number in combinations(all, seed) {
            let places = places(&lists, number);
            let fillers: Vec<&str> =
                places.iter().zip(&lists).map(|(&place, list)| list[place].as_str()).collect();
            let prompt = self.fill(&fillers);
            let p = model
                .predict_ngrams(&Input { target, ..Input::prompt(&prompt) }, &mut scratch)
                .p_refusal
                .get();
            for (slot, place) in places.into_iter().enumerate() {
                found.entry((slot, place)).or_default().push(p);
            }
        }
        let figures = found.into_iter().map(|((slot, place), mut p)| {
            p.sort_by(f64::total_cmp);
            let at = |share: f64| p[(share * (p.len() - 1) as f64).round() as usize];
            FillerFigures {
                slot: names[slot].to_owned(),
                filler: lists[slot][place].clone(),
                n: p.len(),
                mean: p.iter().sum::<f64>() / p.len() as f64,
                spread: [0.0, 0.25, 0.5, 0.75, 1.0].map(at),
                held: p.iter().filter(|&&p| p >= hold_from).count(),
            }
        });
        let mut figures: Vec<FillerFigures> = figures.collect();
        let place = |slot: &str| names.iter().position(|name| *name == slot);
        figures.sort_by(|a, b| {
            place(&a.slot)
                .cmp(&place(&b.slot))
                .then(b.mean.total_cmp(&a.mean))
                .then_with(|| a.filler.cmp(&b.filler))
        });
        Ok(figures)
    }
}

/// The indices of the combinations to score: all of them, or a sample of [`MOST_PROMPTS`].
fn combinations(all: usize, seed: u64) -> Vec<usize> {
    if all <= MOST_PROMPTS {
        return (0..all).collect();
    }
    // Too many to list: take evenly spaced ones. A prime step reaches every filler of every slot.
    let shuffle = shuffled(MOST_PROMPTS, seed);
    shuffle.into_iter().map(|at| at.wrapping_mul(7_368_787) % all).collect()
}

/// The position in each list that a combination's index selects.
fn places(lists: &[&Vec<String>], mut number: usize) -> Vec<usize> {
    let place = |list: &&Vec<String>| {
        let place = number % list.len();
        number /= list.len();
        place
    };
    lists.iter().map(place).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Bundled;

    use super::*;

    #[test]
    fn templates_are_read_and_filled() {
        let template = Template::parse("In {place} in {time}: {place} {{x}}").unwrap();
        assert_eq!(template.slots(), ["place", "time"]);
        assert_eq!(template.fill(&["Rome", "1900"]), "In Rome in 1900: Rome {x}");
        for (text, part) in [
            ("no slot", "no slot"),
            ("a {b", "not closed"),
            ("a } b", "closes nothing"),
            ("a {} b", "no name"),
            ("a {b{c}}", "not closed"),
        ] {
            let error = Template::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn every_filler_is_scored_with_every_other() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let template = Template::parse("How do I make {what} at {where}?").unwrap();
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        let mut fillers = BTreeMap::from([
            ("what".to_owned(), list(&["bread", "a bomb"])),
            ("where".to_owned(), list(&["home", "school", "work"])),
        ]);
        let figures = template.figures(&model, None, &fillers, 0).unwrap();
        let found: Vec<(&str, &str, usize)> =
            figures.iter().map(|of| (of.slot.as_str(), of.filler.as_str(), of.n)).collect();
        assert_eq!(found[..2], [("what", "a bomb", 3), ("what", "bread", 3)]);
        assert_eq!(found.len(), 5);
        assert!(figures.iter().skip(2).all(|of| of.slot == "where" && of.n == 2));
        let p = |prompt: &str| {
            model.predict_ngrams(&Input::prompt(prompt), &mut Scratch::default()).p_refusal.get()
        };
        let bread = ["home", "school", "work"].map(|at| p(&format!("How do I make bread at {at}?")));
        assert!((figures[1].mean - bread.iter().sum::<f64>() / 3.0).abs() < 1e-12);
        assert!(
            figures[1].spread.is_sorted() && figures[1].spread[4] == bread.into_iter().fold(0.0, f64::max)
        );
        // More combinations than are scored: every filler still occurs.
        fillers.insert("where".to_owned(), (0..30_000).map(|at| format!("place {at}")).collect());
        let figures = template.figures(&model, None, &fillers, 0).unwrap();
        assert_eq!(figures.iter().filter(|of| of.slot == "what").map(|of| of.n).sum::<usize>(), MOST_PROMPTS);
        fillers.remove("what");
        assert!(template.figures(&model, None, &fillers, 0).unwrap_err().to_string().contains("{what}"));
    }
}
