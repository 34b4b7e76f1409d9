//! A model with all of its tiers. Its encoder is called directly or, in the service, through a queue.
//!
//! The service must not block on an encoder, because its threads answer other requests. But the code that
//! computes with a model is synchronous and cannot await. So it runs once without the encoder, and records
//! the calls that it would make in a [`PendingEncoder`]. The service puts those into the queue, and runs the
//! code again with the replies. N-grams take microseconds, so the second run costs nothing compared to the
//! encoder.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use demur_predictor::encoder::{Cascade, Direction};
use demur_predictor::{Input, Mode, Model, ScoreError, Scratch, Tier, Tiered};

/// How many inputs are scored together. With a fixed batch, memory does not grow with the list, and the other
/// inputs in a batch depend only on an input's place in the list.
const TOGETHER: usize = 1024;

/// An owned copy of an input.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InputBuf {
    prompt: Option<String>,
    response: Option<String>,
    target: Option<String>,
    system: Option<String>,
    mode: Mode,
}

impl From<&Input<'_>> for InputBuf {
    fn from(input: &Input<'_>) -> Self {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Self {
            prompt: own(input.prompt),
            response: own(input.response),
            target: own(input.target),
            system: own(input.system),
            mode: input.mode,
        }
    }
}

impl InputBuf {
    /// What an encoder reads: prompt and response.
    fn texts(input: &Input<'_>) -> Self {
        Self::from(&Input { prompt: input.prompt, response: input.response, ..Input::default() })
    }

    pub(crate) fn as_input(&self) -> Input<'_> {
        Input {
            prompt: self.prompt.as_deref(),
            response: self.response.as_deref(),
            target: self.target.as_deref(),
            system: self.system.as_deref(),
            mode: self.mode,
        }
    }
}

/// A request to an encoder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EncoderRequest {
    pub(crate) input: InputBuf,
    /// Set if the position along the refusal direction is requested too, with this many nearest training
    /// inputs.
    pub(crate) nearest: Option<usize>,
}

/// An encoder's reply.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EncoderReply {
    /// The logit of its head.
    pub(crate) logit: f64,
    pub(crate) direction: Option<Direction>,
}

/// The open requests to an encoder, and its replies so far.
#[derive(Debug, Default)]
pub(crate) struct PendingEncoder {
    known: Mutex<BTreeMap<InputBuf, EncoderReply>>,
    wanted: Mutex<BTreeMap<InputBuf, Option<usize>>>,
}

/// A panic in a thread that holds the lock leaves the map valid, because each change is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PendingEncoder {
    fn want(&self, input: InputBuf, nearest: Option<usize>) {
        let mut wanted = lock(&self.wanted);
        let entry = wanted.entry(input).or_default();
        *entry = nearest.or(*entry);
    }

    /// Whether requests are still open; if so, what was computed is not the final answer.
    pub(crate) fn waits(&self) -> bool {
        !lock(&self.wanted).is_empty()
    }

    /// Takes the open requests, in an order that depends on the texts alone.
    pub(crate) fn take_wanted(&self) -> Vec<EncoderRequest> {
        let wanted = std::mem::take(&mut *lock(&self.wanted));
        wanted.into_iter().map(|(input, nearest)| EncoderRequest { input, nearest }).collect()
    }

    /// Stores the replies to requests, in their order.
    pub(crate) fn learn(&self, requests: Vec<EncoderRequest>, replies: Vec<EncoderReply>) {
        let pairs = requests.into_iter().zip(replies);
        lock(&self.known).extend(pairs.map(|(request, reply)| (request.input, reply)));
    }
}

/// A model scored by all of its tiers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TieredModel<'a> {
    pub(crate) model: &'a Model,
    /// When the n-gram tier answers alone.
    cascade: Cascade,
    /// Set if the encoder is not called directly.
    pending: Option<&'a PendingEncoder>,
}

impl<'a> TieredModel<'a> {
    /// Calls the encoder directly; without a cascade, the model's own is used.
    pub(crate) fn here(model: &'a Model, cascade: Option<Cascade>) -> Self {
        let own = model.manifest().encoder.as_ref().map(|encoder| encoder.cascade);
        Self { model, cascade: cascade.or(own).unwrap_or(Cascade::NEVER_CHEAP), pending: None }
    }

    /// Records requests to the encoder in `pending`, and takes its replies from there.
    pub(crate) fn pending(model: &'a Model, cascade: Option<Cascade>, pending: &'a PendingEncoder) -> Self {
        Self { pending: Some(pending), ..Self::here(model, cascade) }
    }

    /// Whether the model has an encoder that is loaded.
    pub(crate) fn has_encoder(&self) -> bool {
        self.model.encoder().is_some()
    }

    /// The setting of the cascade.
    pub(crate) const fn cascade(&self) -> Cascade {
        self.cascade
    }

    /// The tier that answered; `None` if the model has only one.
    pub(crate) fn tier(&self, scored: &Tiered) -> Option<Tier> {
        self.has_encoder().then_some(scored.tier)
    }

    /// Whether a reply is still pending; if so, what was computed is not the final answer.
    pub(crate) fn waits(&self) -> bool {
        self.pending.is_some_and(PendingEncoder::waits)
    }

    /// Scores inputs, in order.
    ///
    /// # Errors
    /// [`ScoreError`] when an input lacks the text that the model scores, or the encoder fails.
    pub(crate) fn score(
        &self,
        inputs: &[Input<'_>],
        scratch: &mut Scratch,
    ) -> Result<Vec<Tiered>, ScoreError> {
        if let (Some(pending), true) = (self.pending, self.has_encoder()) {
            return Ok(inputs.iter().map(|input| self.by_replies(pending, input, scratch)).collect());
        }
        let mut all = Vec::with_capacity(inputs.len());
        for some in inputs.chunks(TOGETHER) {
            all.extend(self.model.predict_tiers(some, Some(self.cascade), scratch)?);
        }
        Ok(all)
    }

    /// Scores one input.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub(crate) fn score_one(&self, input: &Input<'_>, scratch: &mut Scratch) -> Result<Tiered, ScoreError> {
        if !self.has_encoder() {
            return Ok(self.model.predict_ngrams(input, scratch));
        }
        let one = self.score(std::slice::from_ref(input), scratch)?;
        // One input always has one score; the fallback is never reached.
        Ok(one.first().copied().unwrap_or_else(|| self.model.predict_ngrams(input, scratch)))
    }

    /// Scores each input for each of these targets. An encoder does not read the target, so one that is
    /// called directly is asked once an input.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub(crate) fn score_targets(
        &self,
        inputs: &[Input<'_>],
        targets: &[Option<&str>],
        scratch: &mut Scratch,
    ) -> Result<Vec<Vec<Tiered>>, ScoreError> {
        let of_targets = inputs.iter().map(|input| targets.iter().map(|&target| Input { target, ..*input }));
        let each: Vec<Vec<Input<'_>>> = of_targets.map(Iterator::collect).collect();
        let replies = PendingEncoder::default();
        let (Some((_, encoder)), None) = (self.model.encoder(), self.pending) else {
            return each.iter().map(|input| self.score(input, scratch)).collect();
        };
        let deferred = TieredModel { pending: Some(&replies), ..*self };
        for input in &each {
            deferred.score(input, scratch)?;
        }
        for wanted in replies.take_wanted().chunks(TOGETHER) {
            let texts: Vec<Input<'_>> = wanted.iter().map(|request| request.input.as_input()).collect();
            let answered = encoder.logits(&texts)?;
            let answered = answered.into_iter().map(|logit| EncoderReply { logit, direction: None });
            replies.learn(wanted.to_vec(), answered.collect());
        }
        each.iter().map(|input| deferred.score(input, scratch)).collect()
    }

    fn by_replies(&self, pending: &PendingEncoder, input: &Input<'_>, scratch: &mut Scratch) -> Tiered {
        let ngrams = self.model.predict_ngrams(input, scratch);
        let manifest = self.model.manifest().encoder.as_ref();
        if !manifest.is_some_and(|encoder| encoder.is_asked(self.cascade, ngrams.p_refusal.get(), input)) {
            return ngrams;
        }
        let texts = InputBuf::texts(input);
        let logit = lock(&pending.known).get(&texts).map(|answer| answer.logit);
        if let Some(stacked) = logit.and_then(|logit| self.model.stacked(&ngrams, logit, input)) {
            return stacked;
        }
        pending.want(texts, None);
        // No reply yet: the n-gram score is returned only until the second run.
        ngrams
    }

    /// The position of an input along the refusal direction, and the nearest training inputs. `None` without
    /// an encoder, and while the reply is pending.
    ///
    /// # Errors
    /// [`ScoreError::Encoder`].
    pub(crate) fn direction(
        &self,
        input: &Input<'_>,
        nearest: usize,
    ) -> Result<Option<Direction>, ScoreError> {
        let Some((_, tier)) = self.model.encoder() else { return Ok(None) };
        let Some(pending) = self.pending else { return Ok(Some(tier.direction(input, nearest)?)) };
        let texts = InputBuf::texts(input);
        let known = lock(&pending.known).get(&texts).and_then(|answer| answer.direction.clone());
        if known.is_none() {
            pending.want(texts, Some(nearest));
        }
        Ok(known)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Bundled;

    use super::*;

    #[test]
    fn what_is_wanted_is_asked_once_and_then_known() {
        let pending = PendingEncoder::default();
        let input = Input { target: Some("t"), ..Input::prompt("b") };
        pending.want(InputBuf::texts(&input), None);
        pending.want(InputBuf::texts(&Input::prompt("b")), Some(3));
        pending.want(InputBuf::texts(&Input::prompt("a")), None);
        assert!(pending.waits());
        let wanted = pending.take_wanted();
        let asked: Vec<_> = wanted.iter().map(|q| (q.input.as_input().prompt, q.nearest)).collect();
        assert_eq!(asked, [(Some("a"), None), (Some("b"), Some(3))]);
        assert!(!pending.waits());
        let answer = |logit| EncoderReply { logit, direction: None };
        pending.learn(wanted, vec![answer(1.0), answer(2.0)]);
        assert_eq!(lock(&pending.known)[&InputBuf::texts(&input)].logit, 2.0);
    }

    #[test]
    fn without_an_encoder_the_n_grams_answer_wherever_they_are_asked() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let (pending, mut scratch) = (PendingEncoder::default(), Scratch::default());
        let input = Input::prompt("How do I pick a lock?");
        let p = model.predict_ngrams(&input, &mut scratch).p_refusal;
        for tiered in [TieredModel::here(&model, None), TieredModel::pending(&model, None, &pending)] {
            let scored = tiered.score_one(&input, &mut scratch).unwrap();
            assert_eq!((scored.p_refusal, tiered.tier(&scored), tiered.waits()), (p, None, false));
            assert_eq!(tiered.score(&[input], &mut scratch).unwrap(), [scored]);
            assert_eq!(tiered.direction(&input, 3).unwrap(), None);
        }
    }
}
