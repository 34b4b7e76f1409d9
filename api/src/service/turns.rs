//! Turns: large requests run a few at a time, and callers alternate.
//!
//! With a thread for each request, whoever sends most would take all cores, and the memory of the running
//! requests would have no bound. So there are as many turns as cores. A free turn goes to the next caller,
//! round robin; of one caller the smallest request goes first. Dropping the future gives up the wait.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::service::budget::Caller;

/// Requests whose sizes differ by less than this many bytes count as equally large.
const STEP: usize = 16 << 10;

/// The turns of a service.
#[derive(Debug)]
pub(crate) struct Turns(Mutex<Line>);

#[derive(Debug)]
struct Line {
    free: usize,
    /// By caller, then by size and order of arrival.
    waiting: BTreeMap<Caller, BTreeMap<(usize, u64), oneshot::Sender<Turn>>>,
    /// The caller that was called last.
    last: Option<Caller>,
    arrived: u64,
}

/// A turn; it is passed on when this value is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Option<Arc<Turns>>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

impl Turns {
    pub(crate) fn new(turns: usize) -> Arc<Self> {
        let line = Line { free: turns.max(1), waiting: BTreeMap::new(), last: None, arrived: 0 };
        Arc::new(Self(Mutex::new(line)))
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn.
    pub(crate) async fn take(self: &Arc<Self>, caller: Caller, bytes: usize) -> Turn {
        let called = {
            let mut line = self.line();
            if line.free > 0 {
                line.free -= 1;
                return Turn(Some(Arc::clone(self)));
            }
            let (sender, called) = oneshot::channel();
            line.arrived += 1;
            let place = (bytes / STEP, line.arrived);
            line.waiting.entry(caller).or_default().insert(place, sender);
            called
        };
        // The sender stays in the line until it is used, and the line lives as long as these turns. So the
        // fallback is not used.
        called.await.unwrap_or(Turn(None))
    }

    /// Gives the turn to the next request that still waits; if there is none, the turn becomes free.
    fn pass_on(self: Arc<Self>) {
        let mut turn = Turn(Some(Arc::clone(&self)));
        loop {
            let next = {
                let mut line = self.line();
                let next = line.next();
                if next.is_none() {
                    line.free += 1;
                    turn.0 = None;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(turn) {
                Ok(()) => return,
                // That request has given up waiting, so the turn comes back.
                Err(back) => turn = back,
            }
        }
    }
}

impl Line {
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let caller = self.waiting.range((after, Bound::Unbounded)).next();
        let caller = *caller.or_else(|| self.waiting.first_key_value())?.0;
        let of_caller = self.waiting.get_mut(&caller)?;
        let next = of_caller.pop_first();
        if of_caller.is_empty() {
            self.waiting.remove(&caller);
        }
        self.last = Some(caller);
        next.map(|(_, sender)| sender)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use actix_web::rt::{System, spawn, task::yield_now};

    use super::*;

    #[test]
    fn callers_take_turns_and_the_small_go_first() {
        System::new().block_on(async {
            let (turns, order) = (Turns::new(1), Rc::new(RefCell::new(Vec::new())));
            let first = turns.take(Caller::Unknown, 0).await;
            let mut tasks = Vec::new();
            for (name, caller, bytes) in [
                ("a large", 1, 5 << 20),
                ("a small", 1, 100),
                ("a larger", 1, 6 << 20),
                ("b", 2, 7 << 20),
                ("c", 3, 10),
            ] {
                let (turns, order) = (Arc::clone(&turns), Rc::clone(&order));
                tasks.push(spawn(async move {
                    let _turn = turns.take(Caller::Key(caller), bytes).await;
                    order.borrow_mut().push(name);
                }));
                yield_now().await;
            }
            // One that gives up waiting is skipped.
            tasks.remove(4).abort();
            yield_now().await;
            drop(first);
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(*order.borrow(), ["a small", "b", "a large", "a larger"]);
            assert_eq!(turns.line().free, 1);
        });
    }
}
