//! The n-gram model: several TF-IDF views, measures of style, target and context, and one weight per feature.

use std::collections::BTreeMap;
use std::ops::Range;

use demur_data::Input;
use serde::{Deserialize, Serialize};

use crate::answer::style::{STYLE, style, style_names};
use crate::context::ContextShifts;
use crate::error::SettingsError;
use crate::explain::{Explanation, Origin, Term};
use crate::field::{Part, ViewText};
use crate::ngram::covered::Letters;
use crate::ngram::ngrams::VectorizerSettings;
use crate::ngram::scratch::Scratch;
use crate::ngram::vectorizer::Vectorizer;
use crate::text::{self, Lowered};

/// What a view reads, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ViewSettings {
    /// The text that it reads.
    pub field: ViewText,
    /// The part of it.
    pub part: Part,
    /// Its n-grams.
    pub vectorizer: VectorizerSettings,
}

impl ViewSettings {
    /// The text that the view reads; an input without the field reads as the empty text.
    #[must_use]
    pub fn text<'a>(&self, input: &Input<'a>) -> &'a str {
        self.field.of(input).map_or("", |text| self.part.of(text))
    }
}

/// A view with its fitted vocabulary.
#[derive(Debug, Clone)]
pub struct View {
    /// What it reads.
    pub settings: ViewSettings,
    /// Its vocabulary.
    pub vectorizer: Vectorizer,
}

/// What a model reads apart from n-grams; nothing by default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dense {
    /// A weight for each measure of [`style`](crate::style()), or empty.
    pub style: Vec<f32>,
    /// What each known target adds to the logit. The values are centred in the fit: an unknown or missing
    /// target adds nothing and represents the average target.
    pub targets: BTreeMap<String, f32>,
    /// What contexts add to the logit; `None` if the model does not read them.
    pub contexts: Option<ContextShifts>,
}

/// What was found of the vocabularies in an input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// How many distinct n-grams, in prompt and response.
    pub ngrams: usize,
    /// The letters of the prompt that lie in them, where the buffers measure it.
    pub(crate) known: Option<Letters>,
}

/// A linear model: logit = bias + sum over features of weight x value. Features are the n-grams of the views
/// and, if the model has them, measures of style, the target and the context.
///
/// N-grams are numbered through the views in order. Each view's part of the row is scaled on its own.
#[derive(Debug, Clone)]
pub struct NgramModel {
    views: Vec<View>,
    /// First feature of each view.
    offsets: Vec<usize>,
    weights: Vec<f32>,
    /// Inverse document frequency and weight of each feature, side by side in one cache line.
    factors: Vec<[f32; 2]>,
    dense: Dense,
    bias: f64,
}

impl NgramModel {
    /// Builds a model from its parts.
    ///
    /// # Errors
    /// [`SettingsError`] if weights and features differ in number or a number is not finite.
    pub fn new(views: Vec<View>, weights: Vec<f32>, dense: Dense, bias: f64) -> Result<Self, SettingsError> {
        let mut offsets = Vec::with_capacity(views.len());
        let mut features = 0;
        for view in &views {
            offsets.push(features);
            features += view.vectorizer.len();
            finite("idf", view.vectorizer.idf())?;
        }
        if features != weights.len() {
            return Err(SettingsError::Weights { weights: weights.len(), features });
        }
        finite("weight", &weights)?;
        if !dense.style.is_empty() && dense.style.len() != STYLE {
            return Err(SettingsError::Weights { weights: dense.style.len(), features: STYLE });
        }
        finite("style weight", &dense.style)?;
        finite("target weight", &dense.targets.values().copied().collect::<Vec<_>>())?;
        let contexts = dense.contexts.iter().flat_map(ContextShifts::all);
        finite("context weight", &contexts.map(|(_, shift)| shift.shift).collect::<Vec<_>>())?;
        if !bias.is_finite() {
            return Err(SettingsError::NotFinite { what: "bias" });
        }
        let idf = views.iter().flat_map(|view| view.vectorizer.idf());
        let factors = idf.zip(&weights).map(|(&idf, &weight)| [idf, weight]).collect();
        Ok(Self { views, offsets, weights, factors, dense, bias })
    }

    /// The views, in the order of their features.
    #[must_use]
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// One weight per feature, view after view.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// What it reads apart from n-grams.
    #[must_use]
    pub const fn dense(&self) -> &Dense {
        &self.dense
    }

    /// The logit of an input in which no feature occurs.
    #[must_use]
    pub const fn bias(&self) -> f64 {
        self.bias
    }

    /// The texts that at least one view reads, sorted.
    #[must_use]
    pub fn fields(&self) -> Vec<ViewText> {
        let mut fields: Vec<ViewText> = self.views.iter().map(|view| view.settings.field).collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    /// Whether what a prompt is sent in changes its logit.
    #[must_use]
    pub fn reads_contexts(&self) -> bool {
        self.dense.contexts.is_some() || self.reads_words_of_system()
    }

    /// Whether a view reads system prompts.
    #[must_use]
    pub fn reads_words_of_system(&self) -> bool {
        self.views.iter().any(|view| view.settings.field == ViewText::System)
    }

    /// The logit of one input, with the caller's buffers.
    #[must_use]
    pub fn logit(&self, input: &Input<'_>, scratch: &mut Scratch) -> f64 {
        self.logit_and_found(input, scratch).0
    }

    /// The logit of one input, and what was found of the vocabularies in its prompt and response.
    pub(crate) fn logit_and_found(&self, input: &Input<'_>, scratch: &mut Scratch) -> (f64, Found) {
        let mut logit = self.bias;
        let mut found = 0;
        let mut held = None;
        let mut measured = false;
        let measures = scratch.measures && self.is_measurable();
        for (view, &offset) in self.views.iter().zip(&self.offsets) {
            let vectorizer = &view.vectorizer;
            let factors = &self.factors[offset..offset + vectorizer.len()];
            // Views of one text share one lower-cased copy.
            let reads = Some((view.settings.field, view.settings.part));
            if reads != held {
                scratch.text.set(view.settings.text(input));
                held = reads;
            }
            // One pass sums the squares and the products, so no row of values is stored.
            let (mut squares, mut dot, before) = (0.0, 0.0, found);
            let sum = |feature, tf| {
                let [idf, weight] = factors[feature as usize];
                let value = tf * f64::from(idf);
                squares += value * value;
                dot += value * f64::from(weight);
                found += 1;
            };
            if measures && view.settings.field == ViewText::Prompt {
                if !measured {
                    scratch.covered.begin(scratch.text.get().as_str().len());
                    measured = true;
                }
                vectorizer.each_frequency::<true>(scratch, sum);
            } else {
                vectorizer.each_frequency::<false>(scratch, sum);
            }
            if view.settings.field == ViewText::System {
                found = before;
            }
            logit += dot * vectorizer.scale(squares);
        }
        if let Some(shift) = self.target_shift(input) {
            logit += f64::from(shift);
        }
        if let Some(contexts) = &self.dense.contexts {
            logit += contexts.of(input).map(|(_, shift)| f64::from(shift)).sum::<f64>();
        }
        if !self.dense.style.is_empty() {
            let values = style(input, scratch);
            logit +=
                values.iter().zip(&self.dense.style).map(|(value, &w)| value * f64::from(w)).sum::<f64>();
        }
        let known = measured.then(|| {
            scratch.text.set(input.prompt.unwrap_or_default());
            scratch.covered.letters(scratch.text.get())
        });
        (logit, Found { ngrams: found, known })
    }

    /// Whether all views of the prompt read the whole of it, so that their n-grams lie in one text.
    fn is_measurable(&self) -> bool {
        let mut of_prompt = self.views.iter().filter(|view| view.settings.field == ViewText::Prompt);
        of_prompt.all(|view| view.settings.part == Part::Whole)
    }

    /// The n-grams of one input with their values, ascending; features are numbered view after view, as
    /// [`weights`](Self::weights) are.
    #[must_use]
    pub fn features(&self, input: &Input<'_>, scratch: &mut Scratch) -> Vec<(u32, f64)> {
        let mut features = Vec::new();
        for (view, &offset) in self.views.iter().zip(&self.offsets) {
            // All views together have fewer than 2^32 features; more cannot be built.
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            let row = view.vectorizer.transform(view.settings.text(input), scratch);
            features.extend(row.into_iter().map(|(feature, value)| (offset.saturating_add(feature), value)));
        }
        features
    }

    /// The logit of each input, in order; it does not depend on the other inputs.
    #[must_use]
    pub fn logits(&self, inputs: &[Input<'_>]) -> Vec<f64> {
        let mut scratch = Scratch::default();
        inputs.iter().map(|input| self.logit(input, &mut scratch)).collect()
    }

    fn target_shift(&self, input: &Input<'_>) -> Option<f32> {
        if self.dense.targets.is_empty() { None } else { self.dense.targets.get(input.target?).copied() }
    }

    /// The terms that are not n-grams.
    fn dense_terms(&self, input: &Input<'_>, scratch: &mut Scratch) -> Vec<Term> {
        let term = |field, ngram: String, value: f64, weight: f32| {
            let weight = f64::from(weight);
            Term { field, ngram, value, weight, contribution: weight * value, spans: Vec::new() }
        };
        let mut terms = Vec::new();
        if let (Some(shift), Some(target)) = (self.target_shift(input), input.target) {
            terms.push(term(Origin::Target, target.to_owned(), 1.0, shift));
        }
        for (name, shift) in self.dense.contexts.iter().flat_map(|contexts| contexts.of(input)) {
            terms.push(term(Origin::Context, name, 1.0, shift));
        }
        if !self.dense.style.is_empty() {
            let values = style(input, scratch).into_iter().zip(style_names()).zip(&self.dense.style);
            terms.extend(values.map(|((value, name), &weight)| term(Origin::Style, name, value, weight)));
        }
        terms
    }

    /// The logit of one input, split into the contributions of its features.
    #[must_use]
    pub fn explain(&self, input: &Input<'_>) -> Explanation {
        let mut scratch = Scratch::default();
        let mut terms = self.dense_terms(input, &mut scratch);
        for (view, &offset) in self.views.iter().zip(&self.offsets) {
            let spans = occurrences(view, input, &mut scratch);
            for (feature, value) in view.vectorizer.transform(view.settings.text(input), &mut scratch) {
                let weight = f64::from(self.weights[offset + feature as usize]);
                let found = spans.partition_point(|(other, _)| *other < feature);
                terms.push(Term {
                    field: view.settings.field.into(),
                    ngram: view.vectorizer.ngram(feature),
                    value,
                    weight,
                    contribution: weight * value,
                    spans: spans[found..]
                        .iter()
                        .take_while(|(other, _)| *other == feature)
                        .map(|(_, span)| (span.start, span.end))
                        .collect(),
                });
            }
        }
        Explanation::new(self.bias, terms)
    }

    /// The `count` n-grams with the largest and with the smallest weights, as (view, n-gram, weight): first
    /// those that speak for refusal, strongest first, then those that speak for compliance, strongest first.
    #[must_use]
    pub fn strongest(&self, count: usize) -> (Vec<WeightedNgram>, Vec<WeightedNgram>) {
        let mut order: Vec<usize> = (0..self.weights.len()).collect();
        order.sort_by(|&a, &b| self.weights[b].total_cmp(&self.weights[a]).then(a.cmp(&b)));
        let name = |&feature: &usize| {
            let view = self.offsets.partition_point(|&offset| offset <= feature) - 1;
            let local = u32::try_from(feature - self.offsets[view]).unwrap_or(u32::MAX);
            let settings = self.views[view].settings;
            WeightedNgram {
                field: settings.field,
                view,
                ngram: self.views[view].vectorizer.ngram(local),
                weight: self.weights[feature],
            }
        };
        let refused = order.iter().filter(|&&f| self.weights[f] > 0.0).take(count).map(name).collect();
        let complied = order.iter().rev().filter(|&&f| self.weights[f] < 0.0).take(count).map(name).collect();
        (refused, complied)
    }
}

/// An n-gram of a model with its weight.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeightedNgram {
    /// The text that its view reads.
    pub field: ViewText,
    /// 0-based number of the view.
    pub view: usize,
    /// The n-gram.
    pub ngram: String,
    /// Its weight: above 0 it speaks for refusal.
    pub weight: f32,
}

fn finite(what: &'static str, numbers: &[f32]) -> Result<(), SettingsError> {
    if numbers.iter().all(|number| number.is_finite()) {
        Ok(())
    } else {
        Err(SettingsError::NotFinite { what })
    }
}

/// The places of each feature of a view in the field's own text: (feature, bytes), ascending.
fn occurrences(view: &View, input: &Input<'_>, scratch: &mut Scratch) -> Vec<(u32, Range<usize>)> {
    let Some(whole) = view.settings.field.of(input) else { return Vec::new() };
    let part = view.settings.part.of(whole);
    // An empty part need not be a slice of the whole, and nothing is found in it.
    if part.is_empty() {
        return Vec::new();
    }
    let Lowered { offsets, .. } = text::lowercase_with_offsets(part);
    // A part is a slice of the whole, so the distance between their starts is its offset.
    let base = part.as_ptr() as usize - whole.as_ptr() as usize;
    let mut spans = Vec::new();
    scratch.text.set(part);
    view.vectorizer.visit(scratch, |feature, span| {
        // One character can become several in lower case, and an n-gram may end with the first of them: its
        // place then ends with the whole character.
        let last = offsets[span.end.saturating_sub(1).max(span.start)];
        let end = last + part[last..].chars().next().map_or(0, char::len_utf8);
        spans.push((feature, base + offsets[span.start]..base + end));
    });
    spans.sort_unstable_by_key(|(feature, span)| (*feature, span.start));
    spans
}
