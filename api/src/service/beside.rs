//! Work on separate threads: it holds a thread and a turn while it computes, and neither while it waits.
//!
//! A handler is one future, whatever the size of its request. A small request is polled by the worker that
//! read it. A large one would block that worker for all other requests, so each step between two waits runs
//! on a separate thread.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use actix_web::web;
use tokio::sync::Notify;

use crate::service::budget::Caller;
use crate::service::error::{ApiError, ErrorType};
use crate::service::turns::Turns;

/// Work that may move between threads. It is boxed once, because a handler's future is large and would be
/// moved at every step.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send>>;

/// Wakes the task that waits for the next step.
#[derive(Default)]
struct NextStep(Notify);

impl Wake for NextStep {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Runs work outside the workers; each of its steps waits for a turn.
///
/// If this future is dropped, a running step continues. So the work itself must check whether anyone still
/// waits.
///
/// # Errors
/// Those of the work.
pub(crate) async fn beside<T: Send + 'static>(
    mut work: Work<T>,
    turns: &Arc<Turns>,
    (caller, bytes): (Caller, usize),
) -> Result<T, ApiError> {
    let next = Arc::new(NextStep::default());
    loop {
        let turn = turns.take(caller, bytes).await;
        let waker = Waker::from(Arc::clone(&next));
        let step = web::block(move || {
            let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
            // The turn ends with the step itself, even if nobody waits for the step any more.
            drop(turn);
            (polled, work)
        });
        let (polled, rest) = step.await.map_err(|_| failed("the request could not be worked on"))?;
        if let Poll::Ready(done) = polled {
            return done;
        }
        work = rest;
        // `Notify` stores a wake-up that came before this line.
        next.0.notified().await;
    }
}

/// Answers a panic in the work with 500, because a panic is always a bug of ours.
///
/// # Errors
/// Those of the work, and 500 where it panics.
pub(crate) async fn caught<T>(
    route: &'static str,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let mut work = pin!(work);
    poll_fn(|context| {
        // After a panic the work is not polled again.
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))).unwrap_or_else(|_| {
            tracing::error!(target: "demur", route, "a request made the service panic");
            Poll::Ready(Err(failed("the service failed on this request")))
        })
    })
    .await
}

fn failed(message: &'static str) -> ApiError {
    ApiError::new(ErrorType::Internal, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use actix_web::rt::{System, spawn, task::yield_now, time::timeout};
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn work_that_waits_has_no_turn_and_goes_on_when_it_is_woken() {
        System::new().block_on(async {
            let turns = Turns::new(1);
            let (reply, waited) = oneshot::channel();
            let work = Box::pin(async move { Ok(waited.await.unwrap_or(0) + 1) });
            let (own, caller) = (Arc::clone(&turns), Caller::Unknown);
            let worked = spawn(async move { beside(work, &own, (caller, 0)).await });
            yield_now().await;
            // While the work waits, others can have the only turn.
            drop(timeout(Duration::from_secs(10), turns.take(caller, 0)).await.unwrap());
            reply.send(1).unwrap();
            assert_eq!(timeout(Duration::from_secs(10), worked).await.unwrap().unwrap(), Ok(2));
        });
    }

    #[test]
    fn what_nobody_waits_for_keeps_what_it_holds_until_its_step_ends() {
        System::new().block_on(async {
            let turns = Turns::new(1);
            let (begun, has_begun) = oneshot::channel();
            let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
            let held = Arc::new(());
            let of_work = Arc::clone(&held);
            let work = Box::pin(async move {
                let _held = of_work;
                begun.send(()).unwrap();
                may_go_on.recv().unwrap();
                Ok(())
            });
            let (own, caller) = (Arc::clone(&turns), Caller::Unknown);
            let worked = spawn(async move { beside(work, &own, (caller, 0)).await });
            has_begun.await.unwrap();
            worked.abort();
            yield_now().await;
            assert_eq!(Arc::strong_count(&held), 2, "the step still runs");
            go_on.send(()).unwrap();
            // The turn comes back when the step ends.
            drop(timeout(Duration::from_secs(10), turns.take(caller, 0)).await.unwrap());
            while Arc::strong_count(&held) > 1 {
                yield_now().await;
            }
        });
    }

    #[test]
    fn a_panic_is_a_fault_of_ours_wherever_the_work_runs() {
        async fn panics() -> Result<(), ApiError> {
            panic!("as it was asked to");
        }
        System::new().block_on(async {
            let turns = Turns::new(1);
            let here = caught("/", panics()).await.unwrap_err();
            let there =
                beside(Box::pin(caught("/", panics())), &turns, (Caller::Unknown, 0)).await.unwrap_err();
            assert_eq!([here.kind, there.kind], [ErrorType::Internal; 2]);
        });
    }
}
