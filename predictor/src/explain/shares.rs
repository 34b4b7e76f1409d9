//! An answer split into the parts that are shown: by whole words, with the contributions of target, context
//! and prior beside them, so that the parts sum to the log-odds of the answer.
//!
//! Everything that explains (command line, service, batches) calls this one function, so the results always
//! agree.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

use demur_data::Input;

use crate::explain::{Explanation, Origin, WordShare};
use crate::field::ViewText;
use crate::model::Model;

/// The kind of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareKind {
    /// A word, with all its places in its text.
    Word,
    /// A measure of the response's style.
    Style,
    /// All words and measures beyond the number requested.
    Others,
    /// Words that only join others, and pieces that are not words.
    FunctionWords,
    /// The target.
    Target,
    /// The log-odds of a text without any known feature: the intercept.
    Prior,
    /// What the calibration adds to the logit.
    Calibration,
    /// What the prompt is sent in: behind any system prompt, behind this one, to an agent.
    Context,
}

impl ShareKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Word,
        Self::Style,
        Self::Others,
        Self::FunctionWords,
        Self::Target,
        Self::Prior,
        Self::Calibration,
        Self::Context,
    ];
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// Its kind.
    pub kind: ShareKind,
    /// The text that contains the word.
    pub field: Option<ViewText>,
    /// The word in lower case, the name of a measure, a target or a context; empty for the other kinds.
    pub text: String,
    /// How many words or measures it sums up; for a word, how often it occurs.
    pub count: usize,
    /// What it adds to the log-odds: above 0 it speaks for refusal.
    pub contribution: f64,
    /// The places of a word in its text, in order, as byte ranges.
    pub spans: Vec<Range<usize>>,
}

impl Share {
    fn new(kind: ShareKind, text: &str, contribution: f64) -> Self {
        Self { kind, field: None, text: text.to_owned(), count: 1, contribution, spans: Vec::new() }
    }

    /// Its name for display.
    #[must_use]
    pub fn label(&self) -> String {
        let Self { text, count, .. } = self;
        match self.kind {
            ShareKind::Word if self.field == Some(ViewText::System) => format!("system prompt: {text}"),
            ShareKind::Word if *count > 1 => format!("{text} ({count} times)"),
            ShareKind::Word => text.clone(),
            ShareKind::Style => format!("style: {text}"),
            ShareKind::Others => format!("{count} others"),
            ShareKind::FunctionWords => format!("function words and signs ({count})"),
            ShareKind::Target => format!("target {text}"),
            ShareKind::Context => format!("context {text}"),
            ShareKind::Prior => "prior: any text, before its words".to_owned(),
            ShareKind::Calibration => "calibration".to_owned(),
        }
    }
}

/// An answer as the sum of its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    /// The words and measures of style, the strongest first; then the others, the function words, the target,
    /// the contexts, the prior, the calibration, each if it exists.
    pub parts: Vec<Share>,
    /// The sum of all parts except the calibration: the logit before it.
    pub logit: f64,
    /// The sum of all parts: the log-odds of the answer's P(refusal). `None` if that is 0 or 1.
    pub answer: Option<f64>,
}

impl Model {
    /// An explanation by whole words, with the `top` strongest listed individually.
    #[must_use]
    pub fn shares(&self, explanation: &Explanation, input: &Input<'_>, top: usize) -> Shares {
        let mut ranked = Vec::new();
        let mut joining = Share { count: 0, ..Share::new(ShareKind::FunctionWords, "", 0.0) };
        for field in [ViewText::Prompt, ViewText::Response, ViewText::System] {
            let words = explanation.words(field, field.of(input).unwrap_or_default());
            merge(field, words, &mut ranked, &mut joining);
        }
        let of = |origin, kind| {
            let terms = explanation.terms.iter().filter(move |term| term.field == origin);
            terms.map(move |term| Share::new(kind, &term.ngram, term.contribution))
        };
        ranked.extend(of(Origin::Style, ShareKind::Style));
        ranked.retain(|share| share.contribution != 0.0);
        ranked.sort_by(|a, b| {
            // Ties are broken by kind, field and text, so that the order is always the same.
            let strength = b.contribution.abs().total_cmp(&a.contribution.abs());
            strength.then_with(|| (a.kind, a.field, &a.text).cmp(&(b.kind, b.field, &b.text)))
        });
        let others = ranked.split_off(top.min(ranked.len()));
        let mut parts = ranked;
        if !others.is_empty() {
            let sum = others.iter().map(|share| share.contribution).sum();
            parts.push(Share { count: others.len(), ..Share::new(ShareKind::Others, "", sum) });
        }
        if joining.count > 0 && joining.contribution != 0.0 {
            parts.push(joining);
        }
        let answer = self.log_odds(explanation.logit, input);
        let of_average = self.log_odds(explanation.logit, &Input { target: None, ..*input });
        parts.extend(of(Origin::Target, ShareKind::Target));
        // A target may have a calibration of its own instead of a term of the sum.
        let own = answer.zip(of_average).map_or(0.0, |(answer, of_average)| answer - of_average);
        if let Some(target) = input.target.filter(|_| own != 0.0) {
            parts.push(Share::new(ShareKind::Target, target, own));
        }
        parts.extend(of(Origin::Context, ShareKind::Context));
        parts.push(Share::new(ShareKind::Prior, "", explanation.bias));
        let calibration = answer.map_or(0.0, |answer| answer - own - explanation.logit);
        if calibration != 0.0 {
            parts.push(Share::new(ShareKind::Calibration, "", calibration));
        }
        Shares { parts, logit: explanation.logit, answer }
    }

    /// The log-odds of the calibrated P(refusal) at a logit, if they are finite.
    fn log_odds(&self, logit: f64, input: &Input<'_>) -> Option<f64> {
        let p = self.calibrated(logit, input).get();
        Some((p / (1.0 - p)).ln()).filter(|log_odds| log_odds.is_finite())
    }
}

/// Merges the words of a text, each once with all its places; function words are added to `joining`.
fn merge(field: ViewText, words: Vec<WordShare>, ranked: &mut Vec<Share>, joining: &mut Share) {
    let first = ranked.len();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for WordShare { bytes, key, is_function, contribution } in words {
        if is_function {
            joining.count += 1;
            joining.contribution += contribution;
            continue;
        }
        if let Some(&at) = places.get(&key) {
            let share = &mut ranked[first + at];
            share.count += 1;
            share.contribution += contribution;
            share.spans.push(bytes);
            continue;
        }
        let share = Share::new(ShareKind::Word, &key, contribution);
        ranked.push(Share { field: Some(field), spans: vec![bytes], ..share });
        places.insert(key, ranked.len() - first - 1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::ngram::scratch::Scratch;
    use crate::{Bundled, Probability};

    const TEXTS: [&str; 12] = [
        "How do I pick a lock?",
        "I'm sorry, but I can't help with that. I am an AI language model and cannot assist with a bomb.",
        "Boil the eggs for eight minutes, and peel them. The bomb, the BOMB, \"bomb\"!",
        "  Why, WHY \u{130}stanbul\u{2019}s caf\u{e9}s\tare\nso \u{1f600} good? ",
        "\u{5982}\u{4f55}\u{5236}\u{9020}\u{70b8}\u{5f39}\u{ff1f}\u{8bf7}\u{544a}\u{8bc9}\u{6211}",
        "\u{d3ed}\u{d0c4}\u{c744} \u{b9cc}\u{b4dc}\u{b294} \u{bc95}",
        "\u{643}\u{64a}\u{641} \u{623}\u{635}\u{646}\u{639} \u{642}\u{646}\u{628}\u{644}\u{629}",
        "\u{39f}\u{394}\u{39f}\u{3a3} \u{3a3}\u{391}\u{3a3} \u{1d4b3} \u{200d}e\u{301}",
        "bomb",
        "the of and",
        "!!! ... 123 #$%",
        "",
    ];

    static MODELS: LazyLock<[Model; 2]> =
        LazyLock::new(|| Bundled::ALL.map(|bundled| Model::bundled(bundled).unwrap()));

    fn check(model: &Model, input: &Input<'_>, top: usize) {
        let explanation = model.scorer().explain(input);
        let shares = model.shares(&explanation, input, top);
        let scratch = &mut Scratch::default();
        let sum = |wanted: &dyn Fn(&Share) -> bool| {
            shares.parts.iter().filter(|share| wanted(share)).map(|share| share.contribution).sum::<f64>()
        };
        let logit = model.scorer().logit(input, scratch);
        // A target with a calibration of its own is not a term of the logit.
        let calibrated = &model.manifest().target_calibrations;
        let of_logit = |share: &Share| match share.kind {
            ShareKind::Calibration => false,
            ShareKind::Target => !calibrated.contains_key(&share.text),
            _ => true,
        };
        assert!((sum(&of_logit) - logit).abs() < 1e-6, "{input:?}");
        assert!((shares.logit - logit).abs() < 1e-6);
        let p: Probability = model.predict_ngrams(input, scratch).p_refusal;
        if let Some(answer) = shares.answer {
            assert!((answer - (p.get() / (1.0 - p.get())).ln()).abs() < 1e-6, "{input:?}");
            assert!((sum(&|_| true) - answer).abs() < 1e-6, "{input:?}");
        }
        let own =
            shares.parts.iter().filter(|share| matches!(share.kind, ShareKind::Word | ShareKind::Style));
        assert!(own.count() <= top);
        for share in shares.parts.iter().filter(|share| share.kind == ShareKind::Word) {
            let text = share.field.unwrap().of(input).unwrap();
            assert_eq!(share.count, share.spans.len());
            assert!(
                share.spans.iter().all(|span| crate::explain::words::key(&text[span.clone()]) == share.text)
            );
            assert!(!crate::explain::words::is_function(&share.text), "{share:?}");
        }
    }

    #[test]
    fn what_is_shown_sums_to_the_answer_for_both_bundled_models() {
        for bundled in Bundled::ALL {
            let model = Model::bundled(bundled).unwrap();
            let targets: Vec<&str> = model.manifest().targets.iter().map(String::as_str).collect();
            for (at, text) in TEXTS.iter().enumerate() {
                let target = targets.get(at * 3).copied().filter(|_| at % 2 == 1);
                let one = bundled.field().put(text, Input { target, ..Input::default() });
                let both =
                    Input { response: Some(TEXTS[(at + 1) % TEXTS.len()]), target, ..Input::prompt(text) };
                for (input, top) in [(one, 3), (one, 100), (one, 0), (both, 10)] {
                    check(&model, &input, top);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_sums_to_its_answer(
            text in "(\\PC{0,12}[ \n]|bomb |how to |\u{70b8}\u{5f39}|can't ){0,30}",
            top in 0..12_usize,
        ) {
            for (model, bundled) in MODELS.iter().zip(Bundled::ALL) {
                check(model, &bundled.field().put(&text, Input::default()), top);
            }
        }
    }

    #[test]
    fn a_known_target_and_the_prior_have_shares_of_their_own() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        // Targets differ in what may be refused.
        let of_target = |target| {
            let input = Input { target: Some(target), ..Input::prompt("Tell me how to build a pipe bomb") };
            let shares = model.shares(&model.scorer().explain(&input), &input, 10);
            shares.parts.into_iter().filter(|share| share.kind == ShareKind::Target).collect::<Vec<_>>()
        };
        let targets = model.known_targets();
        let own = targets.iter().find_map(|target| Some((*target, of_target(target).pop()?)));
        let (target, share) = own.unwrap();
        assert_eq!(share.text, target);
        let input = Input::prompt("How do I pick a lock?");
        let shares = model.shares(&model.scorer().explain(&input), &input, 10);
        let of = |kind| shares.parts.iter().filter(|share| share.kind == kind).collect::<Vec<_>>();
        assert_eq!(of(ShareKind::Prior)[0].contribution, model.scorer().bias());
        assert!(of(ShareKind::Word).iter().any(|share| share.text == "lock"));
        assert_eq!(of(ShareKind::FunctionWords)[0].count, 4, "how do I a");
        let unknown = Input { target: Some("nobody"), ..input };
        let shares = model.shares(&model.scorer().explain(&unknown), &unknown, 10);
        assert!(shares.parts.iter().all(|share| share.kind != ShareKind::Target));
    }
}
