//! The description of a model's encoder tier in the manifest. Every build reads it, so that a build without
//! encoders can say what the model needs.

use std::collections::BTreeMap;

use demur_data::Input;
use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::calibration_report::CalibrationReport;
use crate::encoder::config::EncoderConfig;
use crate::language::language;
use crate::probability::Probability;

/// The encoder tier of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderManifest {
    /// The model that it was fitted from.
    pub base: BaseModel,
    /// Whether the fit changed the base model's weights.
    pub tuned: bool,
    /// Architecture and sizes.
    pub config: EncoderConfig,
    /// Which texts it reads.
    pub reads: Reads,
    /// Whether it is asked of texts in the Latin alphabet alone, the one that its base model knows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub latin_only: bool,
    /// The languages (ISO 639) that its base model knows: of a text that is in another it is not asked. Empty: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// How the logits of both tiers are combined.
    pub stack: Stack,
    /// From the combined logit to P(refusal).
    pub calibration: Calibration,
    /// Calibrations of targets whose own rows differ, used instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub target_calibrations: BTreeMap<String, Calibration>,
    /// How the calibration was chosen; absent if nothing was calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_report: Option<CalibrationReport>,
    /// When the n-gram tier answers alone, unless the user sets it.
    pub cascade: Cascade,
    /// The effect of other cascade settings, on rows that the fit had not seen; from the most certain up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cascades: Vec<CascadeFigures>,
    /// The refusal direction.
    pub direction: DirectionManifest,
    /// How many inputs of the fit are stored, to name the nearest ones in explanations.
    #[serde(default)]
    pub known: usize,
}

impl EncoderManifest {
    /// Whether the encoder is asked of an input to which the n-grams alone give this P(refusal).
    #[must_use]
    pub fn is_asked(&self, cascade: Cascade, p_refusal: f64, input: &Input<'_>) -> bool {
        !cascade.is_cheap(p_refusal) && self.reads.knows(input, self.latin_only, &self.languages)
    }

    /// P(refusal) at the combined logit: by the target's own calibration, else with the shift that the target
    /// has among the n-grams' (`of_ngrams`), which were fitted on more targets.
    #[must_use]
    pub fn calibrated(
        &self,
        logit: f64,
        target: Option<&str>,
        of_ngrams: &BTreeMap<String, Calibration>,
    ) -> Probability {
        let Some(target) = target else { return self.calibration.apply(logit) };
        if let Some(own) = self.target_calibrations.get(target) {
            return own.apply(logit);
        }
        let shifted = of_ngrams.get(target).and_then(|of_ngrams| self.calibration.with_shift_of(of_ngrams));
        shifted.as_ref().unwrap_or(&self.calibration).apply(logit)
    }
}

/// The model that an encoder was fitted from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseModel {
    /// Its name.
    pub name: String,
    /// Its licence, if the recipe names it.
    pub licence: Option<String>,
    /// SHA-256 of its `model.safetensors`.
    pub sha256: String,
}

/// Which texts of an input an encoder reads, and the most tokens of them, including special ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "text", deny_unknown_fields)]
pub enum Reads {
    /// The prompt.
    Prompt {
        /// In all.
        tokens: usize,
    },
    /// The response.
    Response {
        /// In all.
        tokens: usize,
    },
    /// Prompt and response, as a pair.
    Both {
        /// In all.
        tokens: usize,
        /// For the prompt.
        prompt_tokens: usize,
    },
}

impl Reads {
    /// The text that is classified.
    const fn of<'a>(&self, input: &Input<'a>) -> &'a str {
        let text = match self {
            Self::Prompt { .. } => input.prompt,
            Self::Response { .. } | Self::Both { .. } => input.response,
        };
        match text {
            Some(text) => text,
            None => "",
        }
    }

    /// Whether the text that is classified is one that an encoder of the Latin alphabet, or of these languages, knows. A
    /// text whose language cannot be told may be in any.
    #[must_use]
    pub fn knows(&self, input: &Input<'_>, latin_only: bool, languages: &[String]) -> bool {
        let text = self.of(input);
        let is_known = |language: &str| languages.iter().any(|known| known == language);
        (!latin_only || is_latin(text)) && (languages.is_empty() || language(text).is_none_or(is_known))
    }
}

/// The characters of a text that say which alphabet it has.
const LOOKED_AT: usize = 2000;

/// Whether most letters of a text are Latin ones. A text without letters is not.
fn is_latin(text: &str) -> bool {
    let (mut latin, mut letters) = (0, 0);
    for letter in text.chars().take(LOOKED_AT).filter(|letter| letter.is_alphabetic()) {
        letters += 1;
        latin += usize::from(
            matches!(letter, 'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}'),
        );
    }
    2 * latin > letters
}

/// Combines two logits: `ngrams` x that of the n-gram tier + `encoder` x that of the encoder's head + `bias`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// Slope of the n-gram tier's logit.
    pub ngrams: f64,
    /// Slope of the head's logit.
    pub encoder: f64,
    /// The intercept.
    pub bias: f64,
}

impl Stack {
    /// The combined logit.
    #[must_use]
    pub fn logit(&self, ngrams: f64, encoder: f64) -> f64 {
        self.ngrams.mul_add(ngrams, self.encoder.mul_add(encoder, self.bias))
    }
}

/// The n-gram tier answers alone if its P(refusal) is below `below` or at least `from`; between them the
/// encoder runs. With `below` 0 and `from` above 1 the encoder always runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cascade {
    /// Below this the n-gram tier is certain of compliance.
    pub below: f64,
    /// From this up it is certain of refusal.
    pub from: f64,
}

impl Cascade {
    /// Always runs the encoder.
    pub const NEVER_CHEAP: Self = Self { below: 0.0, from: 2.0 };

    /// Whether the n-gram tier answers alone.
    #[must_use]
    pub fn is_cheap(&self, p_refusal: f64) -> bool {
        p_refusal < self.below || p_refusal >= self.from
    }
}

/// The effect of a cascade setting, on rows that the fit had not seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CascadeFigures {
    /// The setting.
    pub cascade: Cascade,
    /// Share of the rows that the n-gram tier answers alone.
    pub cheap: f64,
    /// Share of correct decisions at a threshold of one half.
    pub accuracy: f64,
    /// Area under the ROC curve.
    pub auroc: f64,
}

/// The refusal direction: from the mean embedding of complied inputs to that of refused ones (Arditi et al.
/// 2024 use the same difference inside a target). Projections are measured from the midpoint, in units of the
/// spread of inputs along it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectionManifest {
    /// The projection halfway between the two means.
    pub middle: f64,
    /// Standard deviation of projections within a class.
    pub deviation: f64,
    /// AUROC of the projection on rows that were not used to fit it.
    pub auroc: Option<f64>,
    /// AUROC of the head on the same rows.
    pub head_auroc: Option<f64>,
}

#[cfg(test)]
mod tests {
    use demur_data::Input;

    use super::{Reads, is_latin};

    #[test]
    fn an_encoder_of_some_languages_is_asked_of_no_text_in_another() {
        let (prompt, english) = (Reads::Prompt { tokens: 8 }, ["en".to_owned()]);
        let knows = |text, languages: &[String]| prompt.knows(&Input::prompt(text), true, languages);
        for text in ["How do I bake bread?", "Hello", "pick locks"] {
            assert!(knows(text, &english) && knows(text, &[]), "{text}");
        }
        for text in
            ["\u{bf}C\u{f3}mo hago pan en casa?", "Wie backe ich ein Brot?", "Comment faire du pain ?"]
        {
            assert!(!knows(text, &english) && knows(text, &[]), "{text}");
        }
        assert!(!knows("\u{600e}\u{4e48}\u{70e4}\u{9762}\u{5305}?", &[]));
    }

    #[test]
    fn an_alphabet_is_that_of_most_letters() {
        for text in [
            "Hello",
            "\u{bf}C\u{f3}mo est\u{e1}s?",
            "v\u{ec} sao b\u{1ea7}u tr\u{1edd}i xanh",
            "what is \u{4f60}?",
        ] {
            assert!(is_latin(text), "{text}");
        }
        for text in [
            "",
            "1 + 1 = ?",
            "\u{4f60}\u{597d}",
            "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442} GPT",
            "\u{ed55}\u{ad6d}\u{c5b4}",
        ] {
            assert!(!is_latin(text), "{text}");
        }
    }
}
