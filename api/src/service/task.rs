//! A request that is worked on: in one round, or in several where an encoder is to be asked.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix_web::web::Bytes;
use demur_predictor::Scratch;
use serde::Serialize;

use crate::asking::Told;
use crate::service::body;
use crate::service::classify::classify;
use crate::service::encoder_queue::{EncoderQueue, Unanswered};
use crate::service::error::{ApiError, ErrorType};
use crate::service::explain::explain;
use crate::service::http::to_json;
use crate::service::predict::{PredictRequest, predict};
use crate::service::registry::Registry;
use crate::service::route::Route;
use crate::service::score::score;
use crate::service::state::{Reason, SOON, State};
use crate::service::tiers::Worked;

/// Rows of a file that are put into an encoder's queue at once.
const PIECE: usize = 256;

thread_local! {
    /// The buffers of this thread.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// A request that is worked on, in as many rounds as it needs.
pub(crate) struct Task {
    pub(crate) route: Route,
    pub(crate) bytes: Bytes,
    pub(crate) registry: Arc<Registry>,
    pub(crate) told: Told,
}

impl Task {
    /// Asks an encoder what was noted.
    pub(crate) async fn ask(&self, queue: &EncoderQueue, state: &State) -> Result<(), ApiError> {
        let mut wanted = self.told.take_wanted();
        // A file may have more rows than a queue has room for, and takes its turn with others.
        let most = if self.route == Route::Score { PIECE } else { usize::MAX };
        while !wanted.is_empty() {
            let rest = wanted.split_off(most.min(wanted.len()));
            let questions = std::mem::replace(&mut wanted, rest);
            let answers = queue.ask(questions.clone()).await.map_err(|why| match why {
                Unanswered::Full => state.turned_away(ErrorType::Overloaded, Reason::EncoderQueue, SOON),
                Unanswered::Failed => {
                    ApiError::new(ErrorType::Internal, "the encoder failed on this request; the log says why")
                }
            })?;
            self.told.learn(questions, answers);
        }
        Ok(())
    }

    /// From the bytes of a request to those of its answer. A panic in it would be a fault of ours, and is answered as one.
    pub(crate) fn work(&self, state: &State) -> Result<Worked<Vec<u8>>, ApiError> {
        let Self { route, bytes, registry, told } = self;
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let limits = &state.settings.limits;
            SCRATCH.with_borrow_mut(|scratch| match route {
                Route::Classify => {
                    written(&classify(&body::parse(bytes)?, registry, limits, (told, scratch))?)
                }
                Route::Explain => written(&explain(&body::parse(bytes)?, registry, limits, (told, scratch))?),
                Route::Score => written(&score(&body::parse(bytes)?, registry, limits, told)?),
                _ => {
                    let request: PredictRequest = body::parse(bytes)?;
                    let worked = predict(&request, registry, limits, (told, scratch))?;
                    if let (true, Worked::Done(response)) = (state.settings.log_prompts, &worked) {
                        tracing::info!(target: "demur", ?request, ?response, "predicted");
                    }
                    written(&worked)
                }
            })
        }));
        judged.unwrap_or_else(|_| {
            tracing::error!(target: "demur", route = route.name(), "a request made the service panic");
            Err(ApiError::new(ErrorType::Internal, "the service failed on this request"))
        })
    }
}

/// An answer as JSON, where there is one yet.
fn written(worked: &Worked<impl Serialize>) -> Result<Worked<Vec<u8>>, ApiError> {
    match worked {
        Worked::Done(answer) => to_json(answer).map(Worked::Done),
        Worked::AskFirst(queue) => Ok(Worked::AskFirst(queue.clone())),
    }
}
