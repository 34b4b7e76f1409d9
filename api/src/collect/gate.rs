//! When the next request may go: not faster than the limits, not while the server asks to wait, not beyond
//! the budget.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use actix_web::rt::time::sleep;

use crate::collect::limits::{Limits, Price};
use crate::store::Spent;

/// How long a wait goes on before it is asked again whether the run has ended.
const MOMENT: Duration = Duration::from_millis(50);
/// A longer wait that a server asks for ends the run.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Why a run has ended before all was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The user wants it to end.
    Interrupted,
    /// Something of the budget is used up: the flag, and what is.
    Budget(&'static str),
    /// The interval is as narrow as it was to be.
    Narrow,
    /// The target or the store fails, and would go on failing.
    Failed(String),
}

/// Things that go at a steady rate: each takes the time until the next.
struct Pace {
    per_second: Option<f64>,
    next: Instant,
}

impl Pace {
    fn new(per_minute: Option<f64>) -> Self {
        Self { per_second: per_minute.map(|rate| rate / 60.0), next: Instant::now() }
    }

    /// Moves the next by `count`, which is negative where less was used than was taken in advance.
    fn take(&mut self, count: f64) {
        let Some(rate) = self.per_second else { return };
        let step = Duration::try_from_secs_f64(count.abs() / rate).unwrap_or_default();
        let from = self.next.max(Instant::now());
        self.next =
            if count < 0.0 { self.next.checked_sub(step) } else { from.checked_add(step) }.unwrap_or(from);
    }
}

struct State {
    requests: Pace,
    tokens: Pace,
    paused_until: Instant,
    spent: Spent,
    /// Tokens that requests under way may use.
    reserved: (u64, u64),
    end: Option<End>,
}

/// The gate.
pub(crate) struct Gate {
    state: RefCell<State>,
    max_requests: Option<u64>,
    max_total_tokens: Option<u64>,
    max_cost: Option<f64>,
    price: Option<Price>,
}

impl Gate {
    pub(crate) fn new(limits: &Limits, spent: Spent) -> Self {
        let state = State {
            requests: Pace::new(limits.requests_per_minute),
            tokens: Pace::new(limits.tokens_per_minute),
            paused_until: Instant::now(),
            spent,
            reserved: (0, 0),
            end: None,
        };
        let Limits { max_requests, max_total_tokens, max_cost, price, .. } = *limits;
        Self { state: RefCell::new(state), max_requests, max_total_tokens, max_cost, price }
    }

    /// Ends the run: nothing more is sent. The first reason stays.
    pub(crate) fn end(&self, end: End) {
        self.state.borrow_mut().end.get_or_insert(end);
    }

    /// Why the run has ended, if it has.
    pub(crate) fn ended(&self) -> Option<End> {
        self.state.borrow().end.clone()
    }

    /// What was spent under these settings, with earlier runs.
    pub(crate) fn spent(&self) -> Spent {
        self.state.borrow().spent
    }

    /// Waits until a request of about this many tokens (prompt, answer) may go; false when none may go any
    /// more.
    pub(crate) async fn pass(&self, tokens: (u64, u64)) -> bool {
        loop {
            match self.try_pass(tokens) {
                Ok(goes) => return goes,
                Err(wait) => self.rest(wait).await,
            }
        }
    }

    /// Sleeps, unless the run ends.
    pub(crate) async fn rest(&self, wait: Duration) {
        let until = Instant::now() + wait;
        while self.state.borrow().end.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            sleep(left.min(MOMENT)).await;
        }
    }

    /// Whether it goes, or how long to wait.
    fn try_pass(&self, tokens: (u64, u64)) -> Result<bool, Duration> {
        let state = &mut *self.state.borrow_mut();
        if state.end.is_some() {
            return Ok(false);
        }
        let next = state.paused_until.max(state.requests.next).max(state.tokens.next);
        let wait = next.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            return Err(wait);
        }
        if let Some(flag) = self.beyond(state, tokens) {
            // What is under way may use less than it was given.
            if state.reserved != (0, 0) && flag != "--max-requests" {
                return Err(MOMENT);
            }
            state.end = Some(End::Budget(flag));
            return Ok(false);
        }
        state.spent.requests += 1;
        state.reserved.0 += tokens.0;
        state.reserved.1 += tokens.1;
        state.requests.take(1.0);
        state.tokens.take((tokens.0 + tokens.1) as f64);
        Ok(true)
    }

    /// The part of the budget that one more request would go beyond.
    fn beyond(&self, state: &State, tokens: (u64, u64)) -> Option<&'static str> {
        let Spent { requests, prompt_tokens, completion_tokens } = state.spent;
        let there = prompt_tokens + state.reserved.0 + tokens.0;
        let back = completion_tokens + state.reserved.1 + tokens.1;
        if self.max_requests.is_some_and(|most| requests + 1 > most) {
            return Some("--max-requests");
        }
        if self.max_total_tokens.is_some_and(|most| there + back > most) {
            return Some("--max-total-tokens");
        }
        let cost = self.price.map_or(0.0, |price| price.of(there, back));
        self.max_cost.is_some_and(|most| cost > most).then_some("--max-cost")
    }

    /// Gives back what a request was given, and takes what it has used.
    pub(crate) fn settle(&self, given: (u64, u64), used: (Option<i64>, Option<i64>)) {
        let state = &mut *self.state.borrow_mut();
        state.reserved = (state.reserved.0 - given.0, state.reserved.1 - given.1);
        let count = |used: Option<i64>| used.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(0);
        let (there, back) = (count(used.0), count(used.1));
        state.spent.prompt_tokens += there;
        state.spent.completion_tokens += back;
        state.tokens.take((there + back) as f64 - (given.0 + given.1) as f64);
    }

    /// Lets nothing go for as long as the server asks.
    pub(crate) fn pause(&self, wait: Duration) {
        let state = &mut *self.state.borrow_mut();
        if wait > LONGEST_WAIT {
            let minutes = wait.as_secs() / 60;
            let why =
                format!("the endpoint asks to come again in {minutes} minutes; run the same command then");
            state.end.get_or_insert(End::Failed(why));
            return;
        }
        state.paused_until = state.paused_until.max(Instant::now() + wait);
    }
}
