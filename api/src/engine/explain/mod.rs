//! An explanation of one text: what its score is made of, and which edits would change the decision.

mod answer;
mod view;

use std::time::Instant;

use demur_data::Signs;
use demur_predictor::encoder::Direction;
use demur_predictor::{
    Answer, Explanation, Field, Flip, Fragment, Input, Judged, Model, Origin, Phrases, Policy, Probability,
    ScoreError, Scratch, Tier, Tiered,
};

use crate::engine::judgement::Judge;
use crate::engine::model_ref::ModelRef;
use crate::engine::shares::{Characters, Span, shares};
use crate::engine::tiered_model::TieredModel;
pub(crate) use answer::{AnswerView, PassageView};
pub(crate) use view::{EncoderView, ExplainResponse, NearestText, Term, terms};
use view::{FlipView, FragmentView, RemovedWord, Word};

/// Longer texts (in bytes) are explained, but not searched for a flip, because each step of the search reads
/// the text again.
const FLIP_BYTES: usize = 8000;
/// How many of the nearest training texts are shown.
const NEAREST: usize = 5;

/// The text to explain, and the model.
pub(crate) struct Question<'a> {
    pub(crate) tiered: TieredModel<'a>,
    pub(crate) name: ModelRef,
    pub(crate) input: Input<'a>,
    /// The text that the model scores.
    pub(crate) field: Field,
    pub(crate) policy: Policy,
    /// Of an answer, what the provider says beside it.
    pub(crate) signs: Option<&'a Signs>,
    /// Of an answer, the operator's phrases.
    pub(crate) phrases: &'a Phrases,
    /// Most terms to return.
    pub(crate) top: usize,
    /// When the work on it began.
    pub(crate) started: Instant,
}

impl Question<'_> {
    /// What an answer is by all that decides it; `None` for a prompt.
    fn judged(&self, scratch: &mut Scratch) -> Result<Option<Judged>, ScoreError> {
        let Self { tiered, policy, phrases, .. } = *self;
        if self.field == Field::Prompt {
            return Ok(None);
        }
        let Input { prompt, response, .. } = self.input;
        let answer = Answer { prompt, response, signs: self.signs, ..Answer::default() };
        Judge { tiered, policy, phrases }.one(&answer, scratch).map(Some)
    }

    /// Returns the explanation; `None` while a pending encoder must be asked first.
    ///
    /// # Errors
    /// When the encoder fails.
    pub(crate) fn answer(self, scratch: &mut Scratch) -> Result<Option<ExplainResponse>, ScoreError> {
        let judged = self.judged(scratch)?;
        let Self { tiered, name, input, field, policy, phrases, top, started, .. } = self;
        let model = tiered.model;
        let text = field.of(&input).unwrap_or_default();
        let explanation = model.scorer().explain(&input);
        let by_ngrams = model.explained(&explanation, &input);
        let scored = if tiered.has_encoder() { tiered.score_one(&input, scratch)? } else { by_ngrams };
        // Requested before the first return, so that the encoder gets both requests at once.
        let direction = tiered.direction(&input, NEAREST)?;
        if tiered.waits() {
            return Ok(None);
        }
        let answer = judged.as_ref().map(|judged| AnswerView::of(judged, text, scored.p_refusal.get()));
        let otherwise = answer.as_ref().and_then(AnswerView::decided_otherwise);
        let searched = text.len() <= FLIP_BYTES && otherwise.is_none();
        let judge = Judge { tiered, policy, phrases };
        let mut found = Found::default();
        if searched {
            found = Found::searched(&judge, field, &input, &scored, scratch)?;
        }
        // The search may need more replies of the encoder.
        if tiered.waits() {
            return Ok(None);
        }
        let known = model.familiarity(&input, &scored, scratch);
        let doubt = known.and_then(|known| known.doubt);
        let characters = Characters::of(text);
        let words = words(&explanation, field, text, &characters);
        // A fragment that is the whole text tells nothing.
        found.fragment = found.fragment.filter(|fragment| fragment.words < words.len());
        let why = || otherwise.unwrap_or_else(|| unexplained(searched, &explanation, words.len(), policy));
        let unexplained = found.flip.is_none().then(why);
        let (p_refusal, tier) = decided(judged, &scored);
        Ok(Some(ExplainResponse {
            p_refusal: p_refusal.map(f64::from),
            decision: p_refusal.map(|p| policy.decide(p).unless(doubt)),
            reason: doubt,
            coverage: known.map(|known| known.coverage),
            language: known.and_then(|known| known.language),
            tier: tier.filter(|_| tiered.has_encoder()),
            field,
            answer,
            logit: explanation.logit,
            bias: explanation.bias,
            shares: shares(model, &explanation, &input, top),
            terms: terms(&explanation, &input, top),
            terms_in_all: explanation.terms.len(),
            words,
            flip: found.flip.map(|flip| flip_view(flip, text, &characters, policy)),
            fragment: found.fragment.map(|fragment| fragment_view(fragment, text, &characters)),
            flip_searched: searched,
            unexplained,
            encoder: direction.map(|direction| encoder_view(model, direction, &scored, by_ngrams.p_refusal)),
            not_judged: Vec::new(),
            not_known: Vec::new(),
            model: name,
            seconds: started.elapsed().as_secs_f64(),
        }))
    }
}

/// P(refusal) of an answer by all that decides it, and of a prompt by its score, with the tier.
fn decided(judged: Option<Judged>, scored: &Tiered) -> (Option<Probability>, Option<Tier>) {
    let by_score = (Some(scored.p_refusal), Some(scored.tier));
    judged.map_or(by_score, |judged| (judged.verdict.p_refusal, judged.tier))
}

/// The words of a text with what each contributes.
fn words(explanation: &Explanation, field: Field, text: &str, characters: &Characters) -> Vec<Word> {
    let words = explanation.words(field, text).into_iter().map(|word| {
        let Span { start, end } = characters.span(word.bytes.start, word.bytes.end);
        let (contribution, function_word) = (word.contribution, word.is_function);
        Word { start, end, text: text[word.bytes].to_owned(), contribution, function_word }
    });
    words.collect()
}

fn encoder_view(model: &Model, direction: Direction, scored: &Tiered, ngrams: Probability) -> EncoderView {
    EncoderView {
        logit: scored.logit,
        ngram_p_refusal: ngrams.get(),
        deviations: direction.deviations,
        auroc: direction.auroc,
        head_auroc: model.encoder().and_then(|(manifest, _)| manifest.direction.head_auroc),
        nearest: direction.nearest.into_iter().map(NearestText::from).collect(),
    }
}

fn fragment_view(fragment: Fragment, text: &str, characters: &Characters) -> FragmentView {
    let Fragment { bytes, words, p_refusal } = fragment;
    let Span { start, end } = characters.span(bytes.start, bytes.end);
    FragmentView { start, end, text: text[bytes].to_owned(), words, p_refusal: p_refusal.get() }
}

/// The edits that the n-gram tier found.
#[derive(Default)]
struct Found {
    flip: Option<Flip>,
    fragment: Option<Fragment>,
}

impl Found {
    /// Searches for edits of a prompt, or of an answer.
    fn searched(
        judge: &Judge<'_>,
        field: Field,
        input: &Input<'_>,
        scored: &Tiered,
        scratch: &mut Scratch,
    ) -> Result<Self, ScoreError> {
        let found = Self::of(&judge.tiered, input, (scored, judge.policy), scratch)?;
        match field {
            Field::Prompt => Ok(found),
            Field::Response => found.of_answer(judge, input, scored, scratch),
        }
    }

    /// Searches for edits with the n-gram tier; if the model has an encoder, keeps only edits that hold with
    /// both.
    fn of(
        tiered: &TieredModel<'_>,
        input: &Input<'_>,
        (answer, policy): (&Tiered, Policy),
        scratch: &mut Scratch,
    ) -> Result<Self, ScoreError> {
        let model = tiered.model;
        let (flip, fragment) = (model.flip(input, &policy, scratch), model.fragment(input, &policy, scratch));
        let found = Self { flip, fragment };
        if tiered.has_encoder() {
            found.confirmed(tiered, input, (answer, policy), scratch)
        } else {
            Ok(found)
        }
    }

    /// Keeps the edits of an answer that hold by all that decides it.
    fn of_answer(
        self,
        judge: &Judge<'_>,
        input: &Input<'_>,
        scored: &Tiered,
        scratch: &mut Scratch,
    ) -> Result<Self, ScoreError> {
        let texts = (input.prompt, input.response.unwrap_or_default());
        let refused = scored.p_refusal.get() >= judge.policy.hold_from;
        let edits = (self.flip, self.fragment);
        let (flip, fragment) = answer::confirmed(judge, texts, refused, edits, scratch)?;
        Ok(Self { flip, fragment })
    }

    /// Keeps the edits that hold with all tiers, with the scores of all tiers; `answer` is the score of the
    /// whole prompt.
    fn confirmed(
        self,
        tiered: &TieredModel<'_>,
        input: &Input<'_>,
        (answer, policy): (&Tiered, Policy),
        scratch: &mut Scratch,
    ) -> Result<Self, ScoreError> {
        let field = tiered.model.manifest().field;
        let text = field.of(input).unwrap_or_default();
        let held = answer.p_refusal.get() >= policy.hold_from;
        let is_clear = |p: Probability, held| policy.is_clear(p, held, Flip::MARGIN);
        let mut score =
            |text: &str| tiered.score_one(&field.put(text, *input), scratch).map(|scored| scored.p_refusal);
        let mut found = Self::default();
        if let Some(flip) = self.flip {
            let p_refusal = score(&flip.rest)?;
            found.flip = Some(Flip { p_refusal, ..flip }).filter(|flip| is_clear(flip.p_refusal, !held));
        }
        if let Some(fragment) = self.fragment {
            let p_refusal = score(&text[fragment.bytes.clone()])?;
            found.fragment = Some(Fragment { p_refusal, ..fragment })
                .filter(|fragment| held && is_clear(fragment.p_refusal, true));
        }
        Ok(found)
    }
}

/// The reason why there is no flip, as the rest of a sentence.
fn unexplained(searched: bool, explanation: &Explanation, words: usize, policy: Policy) -> String {
    if !searched {
        return format!(
            "the text is longer than {FLIP_BYTES} bytes, too long to look for words that would change it"
        );
    }
    if explanation.terms.iter().all(|term| {
        term.contribution == 0.0 || !matches!(term.field, Origin::Prompt | Origin::Response | Origin::Style)
    }) {
        return "the model knows no word of this text: the answer is what it says of any text".to_owned();
    }
    if words == 1 {
        return "the text is one word, without which nothing would remain".to_owned();
    }
    format!(
        "no small stable set of words explains this answer: taking out up to {} words does not carry it clearly over {}",
        Flip::MOST,
        policy.hold_from
    )
}

fn flip_view(flip: Flip, text: &str, characters: &Characters, policy: Policy) -> FlipView {
    let removed = flip.removed.into_iter().map(|bytes| {
        let Span { start, end } = characters.span(bytes.start, bytes.end);
        RemovedWord { start, end, text: text[bytes].to_owned() }
    });
    FlipView {
        removed: removed.collect(),
        p_refusal: flip.p_refusal.get(),
        decision: policy.decide(flip.p_refusal),
        rest: flip.rest,
    }
}
