//! Asks the target: as many requests at once as are allowed, each until it has an answer or is given up.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt;
use anyhow::anyhow;
use demur_predictor::Outcome;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::collect::clerk::{Errand, Filed};
use crate::collect::failure::Failure;
use crate::collect::gate::{End, Gate};
use crate::collect::limits::Limits;
use crate::collect::progress::{Progress, Watch};
use crate::collect::retry::backoff;
use crate::collect::sender::Sender;
use crate::collect::target::Target;
use crate::store::Open;

/// How many prompts are taken from the store at once.
const PAGE: usize = 128;
/// How often progress is reported.
const TICK: Duration = Duration::from_millis(100);
/// A run ends when this many prompts in a row, or as many as are asked at once if that is more, were given
/// up.
const FAILURES: usize = 10;
/// With fewer answers an interval is not taken for narrow.
const FEWEST: u64 = 30;

/// What asks.
pub(crate) struct Asker {
    pub(crate) target: Target,
    pub(crate) sender: Sender,
    pub(crate) limits: Limits,
    pub(crate) gate: Gate,
    pub(crate) clerk: UnboundedSender<Errand>,
    pub(crate) progress: RefCell<Progress>,
    /// Prompts given up since the last answer.
    pub(crate) given_up: Cell<usize>,
}

impl Asker {
    /// Asks these prompts, in this order; returns how far it came and why it ended, if before the end.
    pub(crate) async fn ask_all(
        self: &Rc<Self>,
        prompts: &[i64],
        watch: &dyn Watch,
    ) -> (Progress, Option<End>) {
        let started = Instant::now();
        let turns = Arc::new(Semaphore::new(self.limits.concurrency));
        let work = self.dispatch(prompts, &turns);
        let mut work = std::pin::pin!(work);
        loop {
            let done = rt::time::timeout(TICK, &mut work).await;
            let progress = self.now(started);
            watch.at(&progress);
            if watch.is_interrupted() {
                self.gate.end(End::Interrupted);
            }
            match done {
                Ok(Ok(())) => return (progress, self.gate.ended()),
                Ok(Err(error)) => return (progress, Some(End::Failed(format!("{error:#}")))),
                Err(_) => {}
            }
        }
    }

    fn now(&self, started: Instant) -> Progress {
        let mut progress = self.progress.borrow_mut();
        progress.elapsed = started.elapsed();
        progress.spent = self.gate.spent();
        *progress
    }

    /// Starts a task for each open sample, and waits for all of them.
    async fn dispatch(self: &Rc<Self>, prompts: &[i64], turns: &Arc<Semaphore>) -> anyhow::Result<()> {
        for page in prompts.chunks(PAGE) {
            let (reply, open) = oneshot::channel();
            self.clerk.send(Errand::Open(page.to_vec(), reply)).map_err(|_| gone())?;
            for open in open.await.map_err(|_| gone())?? {
                let turn = Arc::clone(turns).acquire_owned().await?;
                if self.gate.ended().is_some() {
                    break;
                }
                rt::spawn(Rc::clone(self).ask(open, turn));
            }
            if self.gate.ended().is_some() {
                break;
            }
        }
        // When all turns are free again, nothing is under way.
        let all = u32::try_from(self.limits.concurrency)?;
        drop(turns.acquire_many(all).await?);
        Ok(())
    }

    /// Asks one question until it is answered or given up.
    async fn ask(self: Rc<Self>, open: Open, _turn: OwnedSemaphorePermit) {
        let Open { key, prompt, mut attempts } = open;
        let prompt: Arc<str> = prompt.into();
        let given = (self.target.prompt_tokens(&prompt), self.target.answer_tokens());
        let body = self.target.body(&prompt);
        for again in 0..=self.limits.retries {
            if !self.gate.pass(given).await {
                return;
            }
            self.progress.borrow_mut().requests += 1;
            let sent = self.sender.send(body.clone()).await;
            attempts += 1;
            let (filed, reply) = oneshot::channel();
            let errand = Errand::File { key, prompt: Arc::clone(&prompt), attempt: attempts, sent, filed };
            let reply = if self.clerk.send(errand).is_ok() { reply.await.ok() } else { None };
            let filed = match reply.unwrap_or_else(|| Err(gone())) {
                Ok(filed) => filed,
                Err(error) => return self.gate.end(End::Failed(format!("{error:#}"))),
            };
            let failure = match filed.what {
                Ok(outcome) => return self.answered(outcome, given, &filed),
                Err(failure) => failure,
            };
            self.gate.settle(given, (filed.prompt_tokens, filed.completion_tokens));
            if failure.ends_all() || !failure.passes() || again == self.limits.retries {
                return self.give_up(failure, filed.said.as_deref());
            }
            match filed.retry_after {
                Some(wait) => self.gate.pause(wait),
                None => self.gate.rest(backoff(self.limits.backoff, again + 1)).await,
            }
        }
    }

    fn answered(&self, outcome: Outcome, given: (u64, u64), filed: &Filed) {
        // A server that does not count tokens is taken to have used what it was given.
        let or = |used: Option<i64>, given: u64| used.or_else(|| i64::try_from(given).ok());
        self.gate.settle(given, (or(filed.prompt_tokens, given.0), or(filed.completion_tokens, given.1)));
        self.given_up.set(0);
        let mut progress = self.progress.borrow_mut();
        progress.answered += 1;
        match outcome {
            Outcome::Refused => progress.refused += 1,
            Outcome::Complied => progress.complied += 1,
            Outcome::NoAnswer => {}
        }
        let is_many = progress.refused + progress.complied >= FEWEST;
        if let (Some(widest), Some((_, (low, high)))) = (self.limits.until_ci, progress.refusals())
            && is_many
            && high - low <= widest
        {
            self.gate.end(End::Narrow);
        }
    }

    fn give_up(&self, failure: Failure, said: Option<&str>) {
        let said = said.map_or_else(String::new, |said| format!(": {said}"));
        let why = || End::Failed(format!("{}{said}", failure.means()));
        self.progress.borrow_mut().failed += 1;
        self.given_up.set(self.given_up.get() + 1);
        if failure.ends_all() || self.given_up.get() >= FAILURES.max(self.limits.concurrency) {
            self.gate.end(why());
        }
    }
}

fn gone() -> anyhow::Error {
    anyhow!("the thread of the store has ended")
}
