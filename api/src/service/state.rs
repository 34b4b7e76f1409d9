//! What all workers share, and how it is loaded anew.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use arc_swap::ArcSwap;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::service::error::{ApiError, ErrorType};
use crate::service::metrics::Metrics;
use crate::service::openapi;
use crate::service::options::Settings;
use crate::service::registry::Registry;

/// What all workers share.
pub(crate) struct State {
    /// What the operator set.
    pub(crate) settings: Settings,
    /// What is loaded now.
    pub(crate) registry: ArcSwap<Registry>,
    /// The threads of encoders, of models that were replaced too.
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The counters.
    pub(crate) metrics: Metrics,
    /// Whether the service is about to end.
    pub(crate) draining: AtomicBool,
    /// The `OpenAPI` document, written once.
    pub(crate) openapi: String,
    /// Where the admin routes are reached without a key.
    pub(crate) admin_address: Option<SocketAddr>,
    /// Counts requests by address where there are no keys.
    by_address: Option<DefaultKeyedRateLimiter<IpAddr>>,
    in_flight: AtomicUsize,
}

/// A request at work, until it is dropped.
pub(crate) struct Permit<'a>(&'a AtomicUsize);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl State {
    /// Loads everything that the settings name.
    ///
    /// # Errors
    /// When anything of it cannot be loaded.
    pub(crate) fn load(settings: Settings, admin_address: Option<SocketAddr>) -> anyhow::Result<Self> {
        let metrics = Metrics::new(settings.limits.concurrent).context("cannot set up the metrics")?;
        let mut registry = Registry::load(&settings, &metrics)?;
        let threads = Mutex::new(std::mem::take(&mut registry.threads));
        let quota = settings.limits.rate.and_then(NonZeroU32::new).map(Quota::per_second);
        Ok(Self {
            openapi: openapi::document(&settings.limits)?,
            registry: ArcSwap::from_pointee(registry),
            threads,
            by_address: quota.map(RateLimiter::keyed),
            in_flight: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            admin_address,
            metrics,
            settings,
        })
    }

    /// Loads models, keys and phrases anew, and only when all of them are good puts them in the place of the old.
    ///
    /// # Errors
    /// When anything of it cannot be loaded; the old serve on.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        match Registry::load(&self.settings, &self.metrics) {
            Ok(mut registry) => {
                let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
                threads.retain(|thread| !thread.is_finished());
                threads.append(&mut registry.threads);
                drop(threads);
                self.metrics.set_models(&registry.models);
                self.registry.store(Arc::new(registry));
                self.metrics.reloaded("done");
                tracing::info!(target: "demur", "reloaded");
                Ok(())
            }
            Err(error) => {
                self.metrics.reloaded("refused");
                tracing::error!(target: "demur", "the reload is refused and the old models serve on: {error:#}");
                Err(error)
            }
        }
    }

    /// Takes a request in, if there is room.
    ///
    /// # Errors
    /// 429 where too many are at work.
    pub(crate) fn enter(&self) -> Result<Permit<'_>, ApiError> {
        let before = self.in_flight.fetch_add(1, Ordering::AcqRel);
        let permit = Permit(&self.in_flight);
        if before < self.settings.limits.concurrent {
            return Ok(permit);
        }
        Err(self.turned_away(ErrorType::Overloaded, Reason::Concurrency, SOON))
    }

    /// Requests at work.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Counts a request of an address where there are no keys.
    ///
    /// # Errors
    /// 429 where it has sent too many.
    pub(crate) fn take_address(&self, peer: Option<SocketAddr>) -> Result<(), ApiError> {
        let (Some(limiter), Some(peer)) = (&self.by_address, peer) else { return Ok(()) };
        // A limiter that has seen many addresses forgets those that have been quiet.
        const MANY: usize = 10_000;
        if limiter.len() > MANY {
            limiter.retain_recent();
        }
        limiter.check_key(&peer.ip()).map_err(|until| {
            self.turned_away(
                ErrorType::RateLimited,
                Reason::Rate,
                until.wait_time_from(DefaultClock::default().now()),
            )
        })
    }

    /// An answer of 429, counted.
    pub(crate) fn turned_away(&self, kind: ErrorType, reason: Reason, wait: Duration) -> ApiError {
        let (label, message) = match reason {
            Reason::Rate => ("rate", "too many requests by this caller; come again later"),
            Reason::Concurrency => ("concurrency", "too many requests are at work; come again later"),
            Reason::EncoderQueue => {
                ("encoder_queue", "too many inputs wait for the encoder; come again later")
            }
        };
        self.metrics.turned_away.with_label_values(&[label]).inc();
        ApiError { retry_after: Some(wait), ..ApiError::new(kind, message) }
    }

    /// Lets go of the models, and waits for the threads of encoders, though not forever: a process that ends while one is
    /// within its library may end badly.
    pub(crate) fn end(&self) {
        self.registry.store(Arc::new(Registry::empty()));
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = Instant::now() + LAST_BATCH;
        while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < longest {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Why a request is turned away.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reason {
    Rate,
    Concurrency,
    EncoderQueue,
}

/// An encoder's batch, the last one too, takes far less.
const LAST_BATCH: Duration = Duration::from_secs(5);

/// When to come again where something is full.
pub(crate) const SOON: Duration = Duration::from_secs(1);
