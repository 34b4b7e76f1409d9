//! The queue before an encoder: one thread owns the encoder, and takes requests from the queue in batches.
//!
//! An encoder is far more expensive than n-grams, but cheaper per input in a batch. So requests put their
//! inputs into a bounded queue. The thread takes inputs up to a number of tokens, and waits briefly for more
//! if they do not fill a batch. It drops those that nobody waits for any more, and runs the encoder on the
//! rest. A full queue refuses a request as a whole and at once.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use demur_predictor::encoder::EncoderError;
use demur_predictor::{Input, Model};
use tokio::sync::oneshot;

use crate::engine::tiered_model::{EncoderReply, EncoderRequest, InputBuf};
use crate::service::metrics::EncoderMetrics;
use crate::service::settings::Batching;

/// Why a request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// The queue is full.
    Full,
    /// The encoder failed; the log has the cause.
    Failed,
}

/// The work that the thread does.
pub(crate) trait Work: Send + 'static {
    /// Returns the number of tokens of an input.
    fn count(&mut self, input: &InputBuf) -> usize;
    /// Answers the requests of a batch, in order.
    fn answer(&mut self, requests: &[EncoderRequest]) -> Result<Vec<EncoderReply>, EncoderError>;
}

impl Work for Arc<Model> {
    fn count(&mut self, input: &InputBuf) -> usize {
        let count = self.encoder().and_then(|(_, tier)| tier.count_tokens(&input.as_input()).ok());
        // A text that cannot be tokenized fails in its batch, which returns the error.
        count.unwrap_or(1)
    }

    fn answer(&mut self, requests: &[EncoderRequest]) -> Result<Vec<EncoderReply>, EncoderError> {
        let Some((_, tier)) = self.encoder() else { return Err(EncoderError::NotBuilt) };
        let inputs: Vec<Input<'_>> = requests.iter().map(|request| request.input.as_input()).collect();
        let logits = tier.logits(&inputs)?;
        let answer = |((request, input), logit): ((&EncoderRequest, &Input<'_>), f64)| {
            let direction = request.nearest.map(|nearest| tier.direction(input, nearest)).transpose()?;
            Ok(EncoderReply { logit, direction })
        };
        requests.iter().zip(&inputs).zip(logits).map(answer).collect()
    }
}

/// A request in the queue.
struct Waiting {
    request: EncoderRequest,
    reply: oneshot::Sender<Result<EncoderReply, Unanswered>>,
    since: Instant,
    /// Its number of tokens, once counted.
    tokens: Option<usize>,
}

/// The sender's side of a queue, held by requests.
#[derive(Debug, Clone)]
pub(crate) struct EncoderQueue {
    sender: Sender<Vec<Waiting>>,
    waiting: Arc<AtomicUsize>,
    most: usize,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Texts are left out of the output, because they may be private.
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

impl EncoderQueue {
    /// Starts the thread. It ends when all handles of the queue are dropped and the waiting requests are
    /// answered.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub(crate) fn start(
        work: impl Work,
        batching: Batching,
        metrics: EncoderMetrics,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (sender, receiver) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let worker = Worker { receiver, waiting: Arc::clone(&waiting), work, batching, metrics };
        let thread = Builder::new().name("encoder".to_owned()).spawn(move || worker.run())?;
        Ok((Self { sender, waiting, most: batching.most }, thread))
    }

    /// Sends requests to the encoder; returns the replies in order. Dropping the future cancels them.
    ///
    /// # Errors
    /// [`Unanswered::Full`] at once if they do not fit, unless the queue is empty; [`Unanswered::Failed`] if
    /// the encoder fails.
    pub(crate) async fn ask(&self, requests: Vec<EncoderRequest>) -> Result<Vec<EncoderReply>, Unanswered> {
        let count = requests.len();
        let has_room = |waiting| (waiting == 0 || waiting + count <= self.most).then_some(waiting + count);
        self.waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, has_room)
            .map_err(|_| Unanswered::Full)?;
        let since = Instant::now();
        let (items, replies): (Vec<_>, Vec<_>) = requests
            .into_iter()
            .map(|request| {
                let (reply, answer) = oneshot::channel();
                (Waiting { request, reply, since, tokens: None }, answer)
            })
            .unzip();
        if self.sender.send(items).is_err() {
            self.waiting.fetch_sub(count, Ordering::AcqRel);
            return Err(Unanswered::Failed);
        }
        let mut answers = Vec::with_capacity(count);
        for reply in replies {
            answers.push(reply.await.unwrap_or(Err(Unanswered::Failed))?);
        }
        Ok(answers)
    }

    /// How many inputs wait.
    pub(crate) fn depth(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }
}

/// The thread.
struct Worker<W> {
    receiver: Receiver<Vec<Waiting>>,
    waiting: Arc<AtomicUsize>,
    work: W,
    batching: Batching,
    metrics: EncoderMetrics,
}

impl<W: Work> Worker<W> {
    fn run(mut self) {
        let mut queue = VecDeque::new();
        loop {
            if queue.is_empty() {
                match self.receiver.recv() {
                    Ok(items) => queue.extend(items),
                    Err(_) => return,
                }
            }
            let (batch, tokens) = self.gather(&mut queue);
            self.answer(batch, tokens);
        }
    }

    /// Collects a batch from the queue.
    fn gather(&mut self, queue: &mut VecDeque<Waiting>) -> (Vec<Waiting>, usize) {
        let (mut batch, mut tokens) = (Vec::new(), 0);
        loop {
            while let Some(mut item) = queue.pop_front() {
                if item.reply.is_closed() {
                    self.let_go(1);
                    continue;
                }
                let count = item.tokens.unwrap_or_else(|| self.count(&item.request.input));
                if !batch.is_empty() && tokens + count > self.batching.tokens {
                    // It does not fit, so it starts the next batch. Its count is kept, because counting takes
                    // time.
                    item.tokens = Some(count);
                    queue.push_front(item);
                    return (batch, tokens);
                }
                tokens += count;
                batch.push(item);
            }
            let Some(first) = batch.first() else { return (batch, tokens) };
            if tokens >= self.batching.tokens {
                return (batch, tokens);
            }
            // The wait counts from the arrival, so inputs that waited while the encoder was busy do not wait
            // again.
            let left = (first.since + self.batching.wait).saturating_duration_since(Instant::now());
            match self.receiver.recv_timeout(left) {
                Ok(items) => queue.extend(items),
                Err(_) => return (batch, tokens),
            }
        }
    }

    fn count(&mut self, input: &InputBuf) -> usize {
        // If counting panics, the batch will panic on the same input, and that panic is handled in `answer`.
        catch_unwind(AssertUnwindSafe(|| self.work.count(input))).unwrap_or(1)
    }

    fn let_go(&self, items: usize) {
        self.waiting.fetch_sub(items, Ordering::AcqRel);
    }

    /// Answers a batch; requests that nobody waits for any more are dropped.
    fn answer(&mut self, mut batch: Vec<Waiting>, tokens: usize) {
        self.let_go(batch.len());
        batch.retain(|item| !item.reply.is_closed());
        if batch.is_empty() {
            return;
        }
        let started = Instant::now();
        let waits = batch.iter().map(|item| started.saturating_duration_since(item.since));
        self.metrics.taken(waits, tokens);
        let (requests, replies): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|item| (item.request, item.reply)).unzip();
        let answers = catch_unwind(AssertUnwindSafe(|| self.work.answer(&requests)));
        self.metrics.answered(started.elapsed());
        let failure = match answers {
            Ok(Ok(answers)) => {
                for (reply, answer) in replies.into_iter().zip(answers) {
                    // A client that has left needs no answer.
                    let _ = reply.send(Ok(answer));
                }
                return;
            }
            Ok(Err(cause)) => cause.to_string(),
            Err(_) => "it panicked".to_owned(),
        };
        tracing::error!(target: "demur", inputs = requests.len(), "the encoder failed on a batch: {failure}");
        for reply in replies {
            let _ = reply.send(Err(Unanswered::Failed));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "encoder_queue_tests.rs"]
mod tests;
