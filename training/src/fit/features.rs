//! From texts to a feature matrix: the n-grams of a view, and the fit of its vocabulary.

use std::collections::BTreeSet;

use demur_predictor::{
    Analyzer, Input, NgramCount, NgramCounter, Norm, Part, Scratch, Vectorizer, VectorizerSettings, View,
    ViewSettings, ViewText,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;
use crate::fit::sparse::SparseMatrix;

/// A document frequency: a number of texts, or a share of them. As in scikit-learn, `1` is a count and `1.0`
/// a share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DocumentFrequency {
    /// This many texts.
    Count(u32),
    /// This share of the texts.
    Share(f64),
}

impl DocumentFrequency {
    fn texts(self, of: u32) -> f64 {
        match self {
            Self::Count(count) => f64::from(count),
            Self::Share(share) => share * f64::from(of),
        }
    }
}

/// One view of a model, as a recipe describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewParams {
    /// The text that it reads. Of `system`, document frequencies count different system prompts, not rows.
    pub field: ViewText,
    /// The part of the text that it reads. Default: the whole.
    #[serde(default = "whole")]
    pub part: Part,
    /// Words or characters. Default: words.
    #[serde(default = "word")]
    pub analyzer: Analyzer,
    /// Shortest and longest n-gram. Default: 1 to 1.
    #[serde(default = "unigrams")]
    pub ngrams: (usize, usize),
    /// Default: false.
    #[serde(default)]
    pub sublinear_tf: bool,
    /// Default: true.
    #[serde(default = "yes")]
    pub use_idf: bool,
    /// The exponent of the inverse document frequency. Above 1, rare n-grams get more influence: in a linear
    /// model with an L2 penalty, the scale of a feature is the prior width of its weight. Default: 1, as in
    /// scikit-learn.
    #[serde(default = "one")]
    pub idf_power: f64,
    /// Default: l2.
    #[serde(default = "l2")]
    pub norm: Norm,
    /// During the fit, the view's rows have this length instead of 1: the prior width of its weights relative
    /// to other views. Keep it small for a view of many weak features. Default: 1.
    #[serde(default = "one")]
    pub scale: f64,
    /// N-grams that occur in fewer texts are left out. Default: 1 text.
    #[serde(default = "one_text")]
    pub min_df: DocumentFrequency,
    /// N-grams that occur in more texts are left out. Default: all texts.
    #[serde(default = "all_texts")]
    pub max_df: DocumentFrequency,
    /// The maximum number of n-grams: the most frequent first, ties in order of name. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_features: Option<usize>,
}

const fn whole() -> Part {
    Part::Whole
}
const fn word() -> Analyzer {
    Analyzer::Word
}
const fn unigrams() -> (usize, usize) {
    (1, 1)
}
const fn yes() -> bool {
    true
}
const fn one() -> f64 {
    1.0
}
const fn l2() -> Norm {
    Norm::L2
}
const fn one_text() -> DocumentFrequency {
    DocumentFrequency::Count(1)
}
const fn all_texts() -> DocumentFrequency {
    DocumentFrequency::Share(1.0)
}

impl ViewParams {
    /// A view of the whole text with all defaults.
    #[must_use]
    pub fn new(field: impl Into<ViewText>) -> Self {
        Self {
            field: field.into(),
            part: whole(),
            analyzer: word(),
            ngrams: unigrams(),
            sublinear_tf: false,
            use_idf: true,
            idf_power: one(),
            norm: l2(),
            scale: one(),
            min_df: one_text(),
            max_df: all_texts(),
            max_features: None,
        }
    }

    const fn settings(&self) -> ViewSettings {
        ViewSettings {
            field: self.field,
            part: self.part,
            vectorizer: VectorizerSettings {
                analyzer: self.analyzer,
                ngrams: self.ngrams,
                sublinear_tf: self.sublinear_tf,
                use_idf: self.use_idf,
                norm: self.norm,
            },
        }
    }

    /// Chooses the vocabulary from some texts and computes the inverse document frequencies.
    ///
    /// # Errors
    /// [`TrainingError::Settings`], [`TrainingError::Parameter`]; an empty vocabulary is not an error here.
    pub fn fit<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Result<Vectorizer, TrainingError> {
        if !(self.idf_power.is_finite() && self.idf_power >= 0.0) {
            let wanted = "a finite number of at least 0";
            return Err(TrainingError::Parameter { name: "idf_power", value: self.idf_power, wanted });
        }
        if !(self.scale.is_finite() && self.scale > 0.0) {
            let wanted = "a finite number above 0";
            return Err(TrainingError::Parameter { name: "scale", value: self.scale, wanted });
        }
        let settings = self.settings().vectorizer;
        let mut counter = NgramCounter::new(settings)?;
        texts.for_each(|text| counter.add(text));
        let documents = counter.documents();
        let (low, high) = (self.min_df.texts(documents), self.max_df.texts(documents));
        let mut kept: Vec<(String, NgramCount)> = counter
            .counts()
            .filter(|count| (low..=high).contains(&f64::from(count.documents)))
            .map(|count| (counter.ngram(&count), count))
            .collect();
        if let Some(limit) = self.max_features.filter(|&limit| limit < kept.len()) {
            kept.sort_unstable_by(|(a, ca), (b, cb)| {
                cb.occurrences.cmp(&ca.occurrences).then_with(|| a.cmp(b))
            });
            kept.truncate(limit);
        }
        kept.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let idf = kept
            .iter()
            .map(|(_, count)| if self.use_idf { self.idf(documents, count.documents) } else { 1.0 });
        let idf = idf.collect();
        let ngrams: Vec<String> = kept.into_iter().map(|(ngram, _)| ngram).collect();
        Ok(Vectorizer::new(settings, &ngrams, idf)?)
    }

    /// scikit-learn's smoothed inverse document frequency, ln((1 + n) / (1 + df)) + 1, with the view's
    /// exponent. It has the precision of the model file, so that a fitted model and the same model loaded
    /// from disk return identical scores.
    fn idf(&self, documents: u32, containing: u32) -> f32 {
        let idf = ((1.0 + f64::from(documents)) / (1.0 + f64::from(containing))).ln() + 1.0;
        idf.powf(self.idf_power) as f32
    }
}

/// Fits the views of a model on its training inputs.
///
/// # Errors
/// [`TrainingError::EmptyVocabulary`] when a view has no n-gram left (one of system prompts may),
/// [`TrainingError::Settings`].
pub fn fit_views(params: &[ViewParams], inputs: &[Input<'_>]) -> Result<Vec<View>, TrainingError> {
    let fit = |(at, params): (usize, &ViewParams)| {
        let settings = params.settings();
        let texts = inputs.iter().map(|input| settings.text(input));
        if params.field == ViewText::System {
            // Many rows share a system prompt, and few may have any: then its view has no n-grams.
            let distinct: BTreeSet<&str> = texts.filter(|text| !text.is_empty()).collect();
            return Ok(View { settings, vectorizer: params.fit(distinct.into_iter())? });
        }
        let vectorizer = params.fit(texts)?;
        if vectorizer.is_empty() {
            let documents = u32::try_from(inputs.len()).unwrap_or(u32::MAX);
            return Err(TrainingError::EmptyVocabulary {
                view: at + 1,
                field: params.field.name(),
                documents,
            });
        }
        Ok(View { settings, vectorizer })
    };
    params.par_iter().enumerate().map(fit).collect()
}

/// The feature matrix of some inputs for fitted views, numbered as in `NgramModel`.
#[must_use]
pub fn transform(views: &[View], inputs: &[Input<'_>]) -> SparseMatrix {
    let features: usize = views.iter().map(|view| view.vectorizer.len()).sum();
    SparseMatrix::build(inputs.len(), features, |at, scratch, row| {
        write_row(views, &inputs[at], scratch, row);
    })
}

/// Writes one row of that matrix: `(feature, value)`, ascending by feature.
pub(crate) fn write_row(views: &[View], input: &Input<'_>, scratch: &mut Scratch, row: &mut Vec<(u32, f64)>) {
    let mut offset = 0_u32;
    for view in views {
        let part = view.vectorizer.transform(view.settings.text(input), scratch);
        row.extend(part.into_iter().map(|(feature, value)| (offset + feature, value)));
        // Feature numbers are u32 everywhere; a vectorizer cannot be built with more.
        offset += u32::try_from(view.vectorizer.len()).unwrap_or(u32::MAX);
    }
}
