//! The state that all workers share, and how it is reloaded.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use arc_swap::ArcSwap;
use demur_predictor::PlacedTarget;
use rustls::ClientConfig;

use crate::service::addresses::Addresses;
use crate::service::budget::{ByteBudget, Caller, SMALL};
use crate::service::error::{ApiError, ErrorType};
use crate::service::feedback::Feedback;
use crate::service::metrics::Metrics;
use crate::service::proxy::client::trust;
use crate::service::registry::Registry;
use crate::service::settings::Settings;
use crate::service::turns::Turns;

/// The outcomes of a reload, in metrics.
const DONE: &str = "done";
const REFUSED: &str = "refused";

/// What all workers share.
pub(crate) struct State {
    /// What the operator set.
    pub(crate) settings: Settings,
    /// What is loaded now.
    pub(crate) registry: ArcSwap<Registry>,
    /// The threads of encoders, including those of replaced models.
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The counters.
    pub(crate) metrics: Metrics,
    /// Whether the service is about to end.
    pub(crate) draining: AtomicBool,
    /// The `OpenAPI` document, written once.
    pub(crate) openapi: String,
    /// How the upstream of a proxy is trusted, if it is one of HTTPS.
    pub(crate) upstream_trust: Option<Arc<ClientConfig>>,
    /// Where the admin routes are reached without a key.
    pub(crate) admin_address: Option<SocketAddr>,
    /// Counts requests by address where there are no keys.
    by_address: Option<Addresses>,
    /// What targets really did, where it is kept.
    pub(crate) feedback: Option<Feedback>,
    /// Held during a reload, so that the state of the last request to reload is the one that stays.
    reloading: Mutex<()>,
    /// Bytes of bodies.
    pub(crate) bodies: Arc<ByteBudget>,
    /// Bytes of answers.
    pub(crate) answers: Arc<ByteBudget>,
    /// Limits how many large requests run at the same time.
    pub(crate) turns: Arc<Turns>,
    at_work: Arc<Mutex<AtWork>>,
}

/// The requests that wait or run.
#[derive(Debug, Default)]
struct AtWork {
    all: usize,
    by_caller: HashMap<Caller, usize>,
}

/// The permit of a request to wait or run. It is held as long as the work lasts, even if the caller is gone.
#[derive(Debug)]
pub(crate) struct Permit {
    at_work: Arc<Mutex<AtWork>>,
    caller: Caller,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        at_work.all -= 1;
        if let Some(of_caller) = at_work.by_caller.get_mut(&self.caller) {
            *of_caller -= 1;
            if *of_caller == 0 {
                at_work.by_caller.remove(&self.caller);
            }
        }
    }
}

impl State {
    /// Loads everything that the settings name; `openapi` is the document of the service with these settings.
    ///
    /// # Errors
    /// When any of it cannot be loaded.
    pub(crate) fn load(
        settings: Settings,
        admin_address: Option<SocketAddr>,
        openapi: String,
    ) -> anyhow::Result<Self> {
        let metrics = Metrics::new(&settings).context("cannot set up the metrics")?;
        // A counter that is first seen at 1 has not risen for who watches it, so all are there from the start.
        for reason in Reason::ALL {
            metrics.turned_away.with_label_values(&[reason.label_and_message().0]);
        }
        for outcome in [DONE, REFUSED] {
            metrics.reload_counter(outcome);
        }
        let upstream_trust = settings.proxy.as_ref().map(trust).transpose()?.flatten();
        let feedback = settings.feedback_store.clone().map(Feedback::open).transpose()?;
        let mut registry = Registry::load(&settings, &metrics)?;
        let threads = Mutex::new(std::mem::take(&mut registry.threads));
        let limits = &settings.limits;
        Ok(Self {
            openapi,
            registry: ArcSwap::from_pointee(registry),
            threads,
            by_address: limits.rate.and_then(Addresses::new),
            feedback,
            reloading: Mutex::default(),
            bodies: ByteBudget::new(limits.held, SMALL),
            answers: ByteBudget::new(limits.held, SMALL),
            turns: Turns::new(settings.turns),
            at_work: Arc::default(),
            draining: AtomicBool::new(false),
            admin_address,
            upstream_trust,
            metrics,
            settings,
        })
    }

    /// Loads models, keys and phrases again, and replaces the old ones only if all of them are valid.
    /// Concurrent reloads run one after another, and each is counted.
    ///
    /// # Errors
    /// When any of it cannot be loaded; the old ones stay in use.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        self.replace(|| Registry::load(&self.settings, &self.metrics))
    }

    /// Replaces the registry by what `load` returns; one replacement at a time.
    fn replace(&self, load: impl FnOnce() -> anyhow::Result<Registry>) -> anyhow::Result<()> {
        let _order = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that somebody else wrote must not stop the service: if loading panics, the old models stay
        // in use.
        let loaded = catch_unwind(AssertUnwindSafe(load));
        match loaded.unwrap_or_else(|_| Err(anyhow!("the loading panicked"))) {
            Ok(mut registry) => {
                // Replaced models may still answer open requests, so their threads are kept until they end.
                let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
                threads.retain(|thread| !thread.is_finished());
                threads.append(&mut registry.threads);
                drop(threads);
                self.metrics.set_models(registry.loaded());
                self.registry.store(Arc::new(registry));
                self.metrics.reload_counter(DONE).inc();
                tracing::info!(target: "demur", "reloaded");
                Ok(())
            }
            Err(error) => {
                self.metrics.reload_counter(REFUSED).inc();
                tracing::error!(target: "demur", "the reload is refused and the old models serve on: {error:#}");
                Err(error)
            }
        }
    }

    /// Puts these learned lines in force, in place of all others; everything else that is loaded stays.
    pub(crate) fn set_lines(&self, lines: &[PlacedTarget]) {
        let _order = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = self.registry.load_full().with_lines(lines);
        self.registry.store(Arc::new(registry));
    }

    /// Admits a request that has to wait, if there is room. One key gets at most three quarters of it, so
    /// that others are not shut out.
    ///
    /// # Errors
    /// 429 if too many requests wait or run.
    pub(crate) fn enter(&self, caller: Caller) -> Result<Permit, ApiError> {
        let most = self.settings.limits.concurrent;
        let most_of_key = if let Caller::Key(_) = caller { most - most / 4 } else { most };
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let of_caller = at_work.by_caller.get(&caller).copied().unwrap_or_default();
        if at_work.all >= most || of_caller >= most_of_key {
            drop(at_work);
            return Err(self.turned_away(ErrorType::Overloaded, Reason::Concurrency, SOON));
        }
        at_work.all += 1;
        at_work.by_caller.insert(caller, of_caller + 1);
        Ok(Permit { at_work: Arc::clone(&self.at_work), caller })
    }

    /// How many requests wait or run.
    pub(crate) fn in_flight(&self) -> usize {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Counts a request of an address, if there are no keys.
    ///
    /// # Errors
    /// 429 if the address has sent too many.
    pub(crate) fn take_address(&self, peer: Option<SocketAddr>) -> Result<(), ApiError> {
        let (Some(addresses), Some(peer)) = (&self.by_address, peer) else { return Ok(()) };
        addresses.take(peer.ip()).map_err(|wait| self.turned_away(ErrorType::RateLimited, Reason::Rate, wait))
    }

    /// Builds a 429 error, and counts it.
    pub(crate) fn turned_away(&self, kind: ErrorType, reason: Reason, wait: Duration) -> ApiError {
        let (label, message) = reason.label_and_message();
        self.metrics.turned_away.with_label_values(&[label]).inc();
        ApiError { retry_after: Some(wait), ..ApiError::new(kind, message) }
    }

    /// Drops the models, and waits for the encoders' threads and for what feedback is not written yet, but not
    /// forever. A process that exits while a thread is inside its library may crash.
    pub(crate) fn end(&self) {
        self.registry.store(Arc::new(Registry::empty()));
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = Instant::now() + LAST_BATCH;
        let is_written = || self.feedback.as_ref().is_none_or(|feedback| feedback.queue.is_done());
        let is_done = || is_written() && threads.iter().all(JoinHandle::is_finished);
        while !is_done() && Instant::now() < longest {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reason {
    Rate,
    Concurrency,
    Streams,
    Memory,
    EncoderQueue,
    Feedback,
}

impl Reason {
    const ALL: [Self; 6] =
        [Self::Rate, Self::Concurrency, Self::Streams, Self::Memory, Self::EncoderQueue, Self::Feedback];

    /// The label in metrics, and what the caller reads.
    const fn label_and_message(self) -> (&'static str, &'static str) {
        match self {
            Self::Rate => ("rate", "too many requests by this caller; come again later"),
            Self::Concurrency => ("concurrency", "too many requests are at work; come again later"),
            Self::Streams => ("streams", "too many requests are open on this connection; come again later"),
            Self::Memory => ("memory", "the bodies of all requests are too large at once; come again later"),
            Self::EncoderQueue => ("encoder_queue", "too many inputs wait for the encoder; come again later"),
            Self::Feedback => ("feedback", "too much feedback waits to be written; come again later"),
        }
    }
}

/// Longest wait for an encoder's last batch, which takes far less.
const LAST_BATCH: Duration = Duration::from_secs(5);

/// When to retry if something is full.
pub(crate) const SOON: Duration = Duration::from_secs(1);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

    use super::*;
    use crate::service::options::Options;

    /// An earlier, slower reload must not overwrite the newer models of a later one.
    #[test]
    fn a_reload_begins_when_the_one_before_it_has_ended() {
        let state = State::load(Options::default().resolve().unwrap(), None, String::new()).unwrap();
        let ((begun, begins), (go_on, goes_on)) = (channel(), channel());
        let load = |wait: Option<Receiver<()>>| {
            state.replace(|| {
                begun.send(()).unwrap();
                wait.into_iter().for_each(|wait| wait.recv().unwrap());
                Registry::load(&state.settings, &state.metrics)
            })
        };
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| load(Some(goes_on)));
            begins.recv().unwrap();
            let fast = scope.spawn(|| load(None));
            let early = begins.recv_timeout(Duration::from_millis(200));
            go_on.send(()).unwrap();
            slow.join().unwrap().unwrap();
            fast.join().unwrap().unwrap();
            assert_eq!(early, Err(RecvTimeoutError::Timeout), "it began while another was on its way");
        });
    }
}
