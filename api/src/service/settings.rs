//! The service's settings with their values, checked before anything is bound or loaded.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use actix_web::http::Uri;
use anyhow::ensure;
use demur_predictor::encoder::{Cascade, EncoderOptions, Library};
use demur_predictor::{LoadOptions, Tier, check_base_rate};

use crate::engine::Usage;
use crate::engine::cascade::checked_share;
use crate::engine::rules::MOST_THREADS;
use crate::service::adapters::name::{Adapters, LabelNames};
use crate::service::options::{LogFormat, LogLevel, Options};
use crate::service::proxy::options::ProxySettings;
use crate::store::StorePlace;

/// Default port.
pub(crate) const PORT: u16 = 8080;
/// Default number of tokens in an encoder's batch.
const BATCH_TOKENS: usize = 4096;
/// Default bytes of all bodies, and of all answers.
const HELD: usize = 64 << 20;

/// The limits that the API documents and enforces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// Bytes of a body.
    pub(crate) body: usize,
    /// Items of a batch.
    pub(crate) batch: usize,
    /// Characters of a text.
    pub(crate) chars: usize,
    /// Rows of a file.
    pub(crate) rows: usize,
    /// Bytes of an answer.
    pub(crate) answer: usize,
    /// Bytes of all bodies at once, and of all answers.
    pub(crate) held: usize,
    /// Requests that wait or run outside the workers.
    pub(crate) concurrent: usize,
    /// Time for one request.
    pub(crate) timeout: Duration,
    /// Time for a client that does not read its answer.
    pub(crate) write_timeout: Duration,
    /// Requests a second by one key or address.
    pub(crate) rate: Option<u32>,
}

/// How an encoder's queue builds batches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Batching {
    /// Tokens of a batch; a longer input is a batch by itself.
    pub(crate) tokens: usize,
    /// How long the first input of a batch that is not full waits for more.
    pub(crate) wait: Duration,
    /// Inputs that may wait.
    pub(crate) most: usize,
}

/// All settings, each with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) models: Vec<String>,
    /// Files and folders of placed targets.
    pub(crate) placed: Vec<PathBuf>,
    /// How models are loaded.
    pub(crate) load: LoadOptions,
    /// The share of inputs that n-gram tiers answer alone.
    pub(crate) cheap: Option<f64>,
    /// The thresholds at which they do.
    pub(crate) cascade: Option<Cascade>,
    /// The share of refusals that the probabilities of prompt predictors assume.
    pub(crate) base_rate: Option<f64>,
    /// How the encoders' queues build batches.
    pub(crate) batching: Batching,
    pub(crate) address: SocketAddr,
    pub(crate) admin_address: Option<SocketAddr>,
    /// The shapes of other APIs that are spoken.
    pub(crate) adapters: Adapters,
    /// The upstream, of a proxy.
    pub(crate) proxy: Option<ProxySettings>,
    /// What these call the two labels.
    pub(crate) labels: LabelNames,
    pub(crate) workers: usize,
    /// Large requests that run at the same time.
    pub(crate) turns: usize,
    pub(crate) limits: Limits,
    pub(crate) keys: Option<PathBuf>,
    /// Where feedback is kept; without it there is no such route.
    pub(crate) feedback_store: Option<StorePlace>,
    /// The folder of the lines that are learned from it; without one nothing is learned.
    pub(crate) learn_online: Option<PathBuf>,
    /// How often they are learned at most.
    pub(crate) learn_every: Duration,
    pub(crate) cors_origins: Vec<String>,
    /// Certificate chain and private key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) phrases: Option<PathBuf>,
    pub(crate) drain_delay: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) log: LogLevel,
    pub(crate) log_format: LogFormat,
    pub(crate) access_log: bool,
    pub(crate) log_prompts: bool,
    pub(crate) otlp_endpoint: Option<String>,
}

impl Options {
    /// Resolves every setting: from these options, else their file, else the default.
    ///
    /// # Errors
    /// When the file cannot be read or is wrong, or a value is out of range.
    pub(crate) fn resolve(self) -> anyhow::Result<Settings> {
        self.merged()?.settings()
    }

    /// The settings of options that are merged already.
    ///
    /// # Errors
    /// When a value is out of range.
    pub(crate) fn settings(self) -> anyhow::Result<Settings> {
        let options = self;
        let limits = limits(&options)?;
        check_together(&options)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let encoder = EncoderOptions {
            library: options.encoder_library.map_or(Library::DEFAULT, Library::from),
            threads: threads("encoder-threads", options.encoder_threads, cores)?,
        };
        let batching = batching(&options)?;
        let bind = options.bind.unwrap_or(Ipv4Addr::LOCALHOST.into());
        Ok(Settings {
            models: options.model,
            placed: options.placed,
            load: LoadOptions { tier: options.tier.map_or_else(Tier::default, Tier::from), encoder },
            cheap: options.cheap,
            cascade: options.cascade.map(|cascade| cascade.0),
            base_rate: options.base_rate,
            batching,
            address: (bind, options.port.unwrap_or(PORT)).into(),
            admin_address: options.admin_bind,
            adapters: Adapters::of_names(&options.adapters, bind.is_loopback())?,
            labels: LabelNames::of_names(&options.labels)?,
            proxy: None,
            workers: threads("workers", options.workers, cores)?,
            turns: cores,
            limits,
            keys: options.keys,
            feedback_store: options.feedback_store.as_deref().map(feedback_store).transpose()?,
            learn_online: options.learn_online,
            learn_every: minutes("learn-every", options.learn_every, 10.0)?,
            cors_origins: options.cors_origin,
            tls: options.tls_cert.zip(options.tls_key),
            phrases: options.phrases,
            drain_delay: seconds("drain-delay", options.drain_delay, 1.0)?,
            drain_timeout: seconds("drain-timeout", options.drain_timeout, 30.0)?,
            log: options.log.unwrap_or(LogLevel::Info),
            log_format: options.log_format.unwrap_or(LogFormat::Pretty),
            access_log: options.access_log.unwrap_or(false),
            log_prompts: options.log_prompts.unwrap_or(false),
            otlp_endpoint: options.otlp_endpoint,
        })
    }
}

/// Checks options that belong together, or that are read later.
fn check_together(options: &Options) -> anyhow::Result<()> {
    ensure!(
        options.tls_cert.is_some() == options.tls_key.is_some(),
        Usage("--tls-cert and --tls-key belong together; one is missing".to_owned())
    );
    if let Some(share) = options.cheap {
        checked_share(share).map_err(|reason| Usage(format!("--cheap is {share}: {reason}")))?;
        ensure!(
            options.cascade.is_none(),
            Usage("--cheap and --cascade say the same thing in two ways; leave one out".to_owned())
        );
    }
    if let Some(rate) = options.base_rate {
        check_base_rate(rate).map_err(|cause| Usage(format!("--base-rate: {cause}")))?;
    }
    check_origins(&options.cors_origin)?;
    ensure!(
        options.learn_online.is_none() || options.feedback_store.is_some(),
        Usage("--learn-online learns from the store of feedback; give it with --feedback-store".to_owned())
    );
    Ok(())
}

fn limits(options: &Options) -> Result<Limits, Usage> {
    let (body, answer) = (
        at_least_one("max-body", options.max_body, 4 << 20)?,
        at_least_one("max-answer", options.max_answer, 16 << 20)?,
    );
    // An operator who raises only --max-body or --max-answer wants room for such a body or answer, so the
    // default grows with them.
    let held = at_least_one("max-held", options.max_held, HELD.max(body).max(answer))?;
    if held < body.max(answer) {
        let message = "it must hold one body (--max-body) and one answer (--max-answer)";
        return Err(Usage(format!("--max-held is {held}; {message}")));
    }
    let limits = Limits {
        body,
        batch: at_least_one("max-batch", options.max_batch, 1024)?,
        chars: at_least_one("max-chars", options.max_chars, 100_000)?,
        rows: at_least_one("max-rows", options.max_rows, 50_000)?,
        answer,
        held,
        concurrent: at_least_one("max-concurrent", options.max_concurrent, 1024)?,
        timeout: seconds("request-timeout", options.request_timeout, 30.0)?,
        write_timeout: seconds("write-timeout", options.write_timeout, 10.0)?,
        rate: options.rate,
    };
    for (name, time) in [("request-timeout", limits.timeout), ("write-timeout", limits.write_timeout)] {
        if time.is_zero() {
            return Err(Usage(format!("--{name} is 0; it must be more")));
        }
    }
    if limits.rate == Some(0) {
        return Err(Usage("--rate is 0; it must be 1 or more".to_owned()));
    }
    Ok(limits)
}

fn batching(options: &Options) -> Result<Batching, Usage> {
    let milliseconds = options.encoder_max_wait.unwrap_or(2.0);
    let wait = Duration::try_from_secs_f64(milliseconds / 1000.0).map_err(|cause| {
        let must = "it must be a number of milliseconds from 0 up";
        Usage(format!("--encoder-max-wait is {milliseconds}; {must}: {cause}"))
    })?;
    Ok(Batching {
        tokens: at_least_one("encoder-batch-tokens", options.encoder_batch_tokens, BATCH_TOKENS)?,
        wait,
        most: at_least_one("encoder-queue", options.encoder_queue, 1024)?,
    })
}

fn at_least_one(name: &str, value: Option<usize>, default: usize) -> Result<usize, Usage> {
    match value.unwrap_or(default) {
        0 => Err(Usage(format!("--{name} is 0; it must be 1 or more"))),
        value => Ok(value),
    }
}

fn threads(name: &str, value: Option<usize>, default: usize) -> Result<usize, Usage> {
    let value = at_least_one(name, value, default)?;
    if value > MOST_THREADS {
        return Err(Usage(format!("--{name} is {value}; it must be from 1 to {MOST_THREADS}")));
    }
    Ok(value)
}

fn feedback_store(place: &str) -> Result<StorePlace, Usage> {
    StorePlace::parse(place).map_err(|why| Usage(format!("--feedback-store: {why}")))
}

fn minutes(name: &str, value: Option<f64>, default: f64) -> Result<Duration, Usage> {
    let value = value.unwrap_or(default);
    let time = Duration::try_from_secs_f64(value * 60.0).ok().filter(|time| !time.is_zero());
    time.ok_or_else(|| Usage(format!("--{name} is {value}; it must be a number of minutes above 0")))
}

fn seconds(name: &str, value: Option<f64>, default: f64) -> Result<Duration, Usage> {
    let value = value.unwrap_or(default);
    Duration::try_from_secs_f64(value).map_err(|cause| {
        Usage(format!("--{name} is {value}; it must be a number of seconds from 0 up: {cause}"))
    })
}

/// Checks that a browser could send these origins: a scheme and a host, no path.
fn check_origins(origins: &[String]) -> Result<(), Usage> {
    for origin in origins.iter().filter(|origin| *origin != "*") {
        let uri = origin.parse::<Uri>().ok();
        let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?.as_str())));
        if parts.is_none_or(|(scheme, host)| format!("{scheme}://{host}") != *origin) {
            let message = "it must be `*` or an origin as browsers send it, such as https://app.example";
            return Err(Usage(format!("--cors-origin {origin}: {message}")));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "settings_tests.rs"]
mod tests;
