//! A request that is worked on: in one round, or in several where an encoder is to be asked.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use demur_predictor::Scratch;
use serde::Serialize;

use crate::engine::tiered_model::PendingEncoder;
use crate::service::body::{self, Body};
use crate::service::budget::Caller;
use crate::service::classify::classify;
use crate::service::encoder_queue::{EncoderQueue, Unanswered};
use crate::service::error::{ApiError, ErrorType};
use crate::service::explain::explain;
use crate::service::job::{Job, Worked, to_json};
use crate::service::predict::{PredictRequest, predict};
use crate::service::registry::Registry;
use crate::service::route::Judgement;
use crate::service::score::score;
use crate::service::state::{Permit, Reason, SOON, State};

/// Rows of a file that are put into an encoder's queue at once.
const PIECE: usize = 256;

thread_local! {
    /// The buffers of this thread.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// A request that is worked on, in as many rounds as it needs.
pub(crate) struct Task {
    judgement: Judgement,
    /// Counted until the work is done.
    body: Body,
    registry: Arc<Registry>,
    told: PendingEncoder,
    /// Set when nobody waits for the answer any more.
    stop: Arc<AtomicBool>,
    /// Held once it waits or is worked on beside the workers, until the work is done.
    permit: OnceLock<Permit>,
}

impl Task {
    pub(crate) fn new(
        judgement: Judgement,
        body: Body,
        registry: Arc<Registry>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self { judgement, body, registry, told: PendingEncoder::default(), stop, permit: OnceLock::new() }
    }

    /// Takes a permit to wait, once.
    ///
    /// # Errors
    /// 429 where too many wait.
    pub(crate) fn wait(&self, state: &State, caller: Caller) -> Result<(), ApiError> {
        if self.permit.get().is_none() {
            let permit = state.enter(caller)?;
            // The rounds of a request follow one another, so nobody else has set it in the meantime.
            drop(self.permit.set(permit));
        }
        Ok(())
    }

    /// Asks an encoder what was noted.
    pub(crate) async fn ask(&self, queue: &EncoderQueue, state: &State) -> Result<(), ApiError> {
        let mut wanted = self.told.take_wanted();
        // A file may have more rows than a queue has room for, and takes its turn with others.
        let most = if self.judgement == Judgement::Score { PIECE } else { usize::MAX };
        while !wanted.is_empty() {
            let rest = wanted.split_off(most.min(wanted.len()));
            let requests = std::mem::replace(&mut wanted, rest);
            let answers = queue.ask(requests.clone()).await.map_err(|why| match why {
                Unanswered::Full => state.turned_away(ErrorType::Overloaded, Reason::EncoderQueue, SOON),
                Unanswered::Failed => {
                    ApiError::new(ErrorType::Internal, "the encoder failed on this request; the log says why")
                }
            })?;
            self.told.learn(requests, answers);
        }
        Ok(())
    }

    /// From the bytes of a request to those of its answer. A panic in it would be a fault of ours, and is answered as one.
    pub(crate) fn work(&self, state: &State) -> Result<Worked<Vec<u8>>, ApiError> {
        let limits = &state.settings.limits;
        let judged = catch_unwind(AssertUnwindSafe(|| {
            SCRATCH.with_borrow_mut(|scratch| {
                let mut job = Job::new(limits, &self.told, scratch, &self.stop);
                job.check()?;
                self.judge(&mut job, state.settings.log_prompts)
            })
        }));
        judged.unwrap_or_else(|_| {
            tracing::error!(target: "demur", judgement = ?self.judgement, "a request made the service panic");
            Err(ApiError::new(ErrorType::Internal, "the service failed on this request"))
        })
    }

    fn judge(&self, job: &mut Job<'_>, log_prompts: bool) -> Result<Worked<Vec<u8>>, ApiError> {
        let (bytes, registry, most) = (&self.body.bytes, &*self.registry, job.limits.answer);
        match self.judgement {
            Judgement::Predict => {
                let request: PredictRequest = body::parse(bytes)?;
                let worked = predict(&request, registry, job)?;
                if let (true, Worked::Done(response)) = (log_prompts, &worked) {
                    tracing::info!(target: "demur", ?request, ?response, "predicted");
                }
                written(&worked, most)
            }
            Judgement::Classify => written(&classify(&body::parse(bytes)?, registry, job)?, most),
            Judgement::Explain => written(&explain(&body::parse(bytes)?, registry, job)?, most),
            Judgement::Score => written(&score(&body::parse(bytes)?, registry, job)?, most),
        }
    }
}

/// An answer as JSON, where there is one yet.
fn written(worked: &Worked<impl Serialize>, most: usize) -> Result<Worked<Vec<u8>>, ApiError> {
    match worked {
        Worked::Done(answer) => to_json(answer, most).map(Worked::Done),
        Worked::AskFirst(queue) => Ok(Worked::AskFirst(queue.clone())),
    }
}
