//! The operator's settings: a flag wins over a `DEMUR_*` variable, which wins over the file of `--config`.
//! The resolved values and the defaults are in `settings`.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use serde::Deserialize;

use crate::engine::base_rate;
use crate::engine::cascade::parse_share;
use crate::service::proxy::options::ProxyOptions;
use crate::service::tier_options::{CascadeArg, LibraryArg, TierArg};

/// The flags of `demur serve`, and the keys of its file; what is left out has a default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, clap::Args)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Options {
    /// A TOML file with any of the long flags as keys (port = 80, model = ["a=models/a"]); those that `demur proxy` alone
    /// has stand in its table `[proxy]`.
    #[arg(long, value_name = "FILE", env = "DEMUR_CONFIG")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// A model to serve: a directory or the name of a bundled one, by the name that NAME= gives it; may be repeated.
    /// The first of a field is its default. Default: the bundled ones, also for a field that none is named of.
    #[arg(long, value_name = "[NAME=]DIR_OR_NAME", env = "DEMUR_MODEL", value_delimiter = ',')]
    pub(crate) model: Vec<String>,
    /// A target that `demur place` put into one of the models: its file, or a folder of such files; may be repeated.
    #[arg(long, value_name = "FILE_OR_DIR", env = "DEMUR_PLACED", value_delimiter = ',')]
    pub(crate) placed: Vec<PathBuf>,
    /// Address to listen on. Default: 127.0.0.1.
    #[arg(long, value_name = "ADDRESS", env = "DEMUR_BIND")]
    pub(crate) bind: Option<IpAddr>,
    /// Port to listen on; 0 takes a free one, which is printed. Default: 8080.
    #[arg(long, value_name = "PORT", env = "DEMUR_PORT")]
    pub(crate) port: Option<u16>,
    /// Listen here for the admin routes, which then need no key and are not served elsewhere.
    #[arg(long, value_name = "ADDRESS:PORT", env = "DEMUR_ADMIN_BIND")]
    pub(crate) admin_bind: Option<SocketAddr>,
    /// Shapes of other APIs to speak: litellm, vllm, moderations, tei, kserve, open-inference, mlflow, fms, portkey,
    /// llama-stack, envoy; or `all`, or `none`. Default: all on an address of this machine alone, else none.
    #[arg(long, value_name = "LIST", env = "DEMUR_ADAPTERS", value_delimiter = ',')]
    pub(crate) adapters: Vec<String>,
    /// What these shapes call the two labels. Default: Non-refusal,Refusal.
    #[arg(long, value_name = "COMPLIED,REFUSED", env = "DEMUR_LABELS", value_delimiter = ',')]
    pub(crate) labels: Vec<String>,
    /// Threads that answer requests. Default: one a core.
    #[arg(long, value_name = "N", env = "DEMUR_WORKERS")]
    pub(crate) workers: Option<usize>,
    /// Largest request body in bytes. Default: 4194304.
    #[arg(long, value_name = "BYTES", env = "DEMUR_MAX_BODY", help_heading = "Limits")]
    pub(crate) max_body: Option<usize>,
    /// Most prompts or answers in one request. Default: 1024.
    #[arg(long, value_name = "N", env = "DEMUR_MAX_BATCH", help_heading = "Limits")]
    pub(crate) max_batch: Option<usize>,
    /// Longest prompt or response in characters. Default: 100000.
    #[arg(long, value_name = "N", env = "DEMUR_MAX_CHARS", help_heading = "Limits")]
    pub(crate) max_chars: Option<usize>,
    /// Most rows of a file in one request to `/v1/score`. Default: 50000.
    #[arg(long, value_name = "N", env = "DEMUR_MAX_ROWS", help_heading = "Limits")]
    pub(crate) max_rows: Option<usize>,
    /// Largest answer in bytes. Default: 16777216.
    #[arg(long, value_name = "BYTES", env = "DEMUR_MAX_ANSWER", help_heading = "Limits")]
    pub(crate) max_answer: Option<usize>,
    /// Most bytes of all request bodies at once, and as many of all answers; who holds most gives up first. Default: 67108864.
    #[arg(long, value_name = "BYTES", env = "DEMUR_MAX_HELD", help_heading = "Limits")]
    pub(crate) max_held: Option<usize>,
    /// Most requests that wait or are worked on beside the small ones at once; more are answered 429. Default: 1024.
    #[arg(long, value_name = "N", env = "DEMUR_MAX_CONCURRENT", help_heading = "Limits")]
    pub(crate) max_concurrent: Option<usize>,
    /// Time for one request to arrive and be answered. Default: 30.
    #[arg(long, value_name = "SECONDS", env = "DEMUR_REQUEST_TIMEOUT", help_heading = "Limits")]
    pub(crate) request_timeout: Option<f64>,
    /// Time that a client may leave its answer unread. Default: 10.
    #[arg(long, value_name = "SECONDS", env = "DEMUR_WRITE_TIMEOUT", help_heading = "Limits")]
    pub(crate) write_timeout: Option<f64>,
    /// Most requests a second by one key, or by one client address where there are no keys. Default: no limit.
    #[arg(long, value_name = "PER_SECOND", env = "DEMUR_RATE", help_heading = "Limits")]
    pub(crate) rate: Option<u32>,
    /// Which tiers answer: `ngram` alone (in microseconds), or `encoder` too, of the models that have one. Default: encoder.
    #[arg(
        long,
        value_name = "TIER",
        env = "DEMUR_TIER",
        hide_possible_values = true,
        help_heading = "Tiers"
    )]
    pub(crate) tier: Option<TierArg>,
    /// Let the n-gram tier answer about this share of the inputs alone, those that it is surest of: from 0 (none) to below 1.
    /// Default: the model's own setting.
    #[arg(
        long,
        value_name = "SHARE",
        env = "DEMUR_CHEAP",
        value_parser = parse_share,
        conflicts_with = "cascade",
        help_heading = "Tiers"
    )]
    pub(crate) cheap: Option<f64>,
    /// Let it answer alone where its P(refusal) lies below BELOW, or from FROM up.
    #[arg(long, value_name = "BELOW,FROM", env = "DEMUR_CASCADE", help_heading = "Tiers")]
    pub(crate) cascade: Option<CascadeArg>,
    /// Share of refusals in the traffic that the prompt predictors see, from 0 to 1: their probabilities are moved to it.
    /// Default: what each model's manifest states.
    #[arg(long, value_name = "RATE", env = "DEMUR_BASE_RATE", value_parser = base_rate::parse)]
    pub(crate) base_rate: Option<f64>,
    /// Library that runs encoders: rten, or torch (libtorch, in a build that has it). Default: rten.
    #[arg(
        long,
        value_name = "LIBRARY",
        env = "DEMUR_ENCODER_LIBRARY",
        hide_possible_values = true,
        help_heading = "Tiers"
    )]
    pub(crate) encoder_library: Option<LibraryArg>,
    /// Threads of an encoder's batch. Default: one a core.
    #[arg(long, value_name = "N", env = "DEMUR_ENCODER_THREADS", help_heading = "Tiers")]
    pub(crate) encoder_threads: Option<usize>,
    /// Inputs that may wait for an encoder; more are answered 429. Default: 1024.
    #[arg(long, value_name = "INPUTS", env = "DEMUR_ENCODER_QUEUE", help_heading = "Tiers")]
    pub(crate) encoder_queue: Option<usize>,
    /// Tokens of an encoder's batch. Default: 4096.
    #[arg(long, value_name = "TOKENS", env = "DEMUR_ENCODER_BATCH_TOKENS", help_heading = "Tiers")]
    pub(crate) encoder_batch_tokens: Option<usize>,
    /// How long an input waits for others to be judged with. Default: 2.
    #[arg(long, value_name = "MILLISECONDS", env = "DEMUR_ENCODER_MAX_WAIT", help_heading = "Tiers")]
    pub(crate) encoder_max_wait: Option<f64>,
    /// File of the API keys (`demur key` makes an entry). Default: no key is asked for.
    #[arg(long, value_name = "FILE", env = "DEMUR_KEYS", help_heading = "Access")]
    pub(crate) keys: Option<PathBuf>,
    /// Keep what targets really did (`POST /v1/feedback`; of a proxy, what it sees) in a store: a file, or a database by
    /// its URL (postgres://). Default: there is no such route.
    #[arg(long, value_name = "PLACE", env = "DEMUR_FEEDBACK_STORE", hide_env_values = true)]
    pub(crate) feedback_store: Option<String>,
    /// With --feedback-store: learn the line of each target again from its feedback, within bounds, and keep the lines in this
    /// folder; `demur place --back` goes back. Default: nothing is learned.
    #[arg(long, value_name = "DIR", env = "DEMUR_LEARN_ONLINE")]
    pub(crate) learn_online: Option<PathBuf>,
    /// How often it is learned at most. Default: 10.
    #[arg(long, value_name = "MINUTES", env = "DEMUR_LEARN_EVERY")]
    pub(crate) learn_every: Option<f64>,
    /// Web origin that may call the API from a browser, or `*`; may be repeated. Default: this server's own alone.
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "DEMUR_CORS_ORIGIN",
        value_delimiter = ',',
        help_heading = "Access"
    )]
    pub(crate) cors_origin: Vec<String>,
    /// Certificate chain (PEM): serve HTTPS.
    #[arg(long, value_name = "FILE", env = "DEMUR_TLS_CERT", requires = "tls_key", help_heading = "Access")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate.
    #[arg(long, value_name = "FILE", env = "DEMUR_TLS_KEY", requires = "tls_cert", help_heading = "Access")]
    pub(crate) tls_key: Option<PathBuf>,
    /// File of your own phrases: `guardrail = [..]` are refusals, `allowed = [..]` are not.
    #[arg(long, value_name = "FILE", env = "DEMUR_PHRASES")]
    pub(crate) phrases: Option<PathBuf>,
    /// Time between SIGTERM, when readiness goes down, and the end of listening. Default: 1.
    #[arg(long, value_name = "SECONDS", env = "DEMUR_DRAIN_DELAY", help_heading = "Shutdown")]
    pub(crate) drain_delay: Option<f64>,
    /// Time for open requests to finish after that. Default: 30.
    #[arg(long, value_name = "SECONDS", env = "DEMUR_DRAIN_TIMEOUT", help_heading = "Shutdown")]
    pub(crate) drain_timeout: Option<f64>,
    /// What is logged on stderr. Default: info.
    #[arg(long, value_name = "LEVEL", env = "DEMUR_LOG", help_heading = "Logging")]
    pub(crate) log: Option<LogLevel>,
    /// How it is written. Default: pretty.
    #[arg(long, value_name = "FORMAT", env = "DEMUR_LOG_FORMAT", help_heading = "Logging")]
    pub(crate) log_format: Option<LogFormat>,
    /// Log a line for each request: id, route, status, time. Never its content.
    #[arg(
        long,
        env = "DEMUR_ACCESS_LOG",
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL",
        help_heading = "Logging"
    )]
    pub(crate) access_log: Option<bool>,
    /// Log the prompts too. They may be private.
    #[arg(
        long,
        env = "DEMUR_LOG_PROMPTS",
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL",
        help_heading = "Logging"
    )]
    pub(crate) log_prompts: Option<bool>,
    /// Send spans to this OTLP/HTTP collector (a build with the feature `otel`).
    #[arg(long, value_name = "URL", env = "DEMUR_OTLP_ENDPOINT", help_heading = "Logging")]
    pub(crate) otlp_endpoint: Option<String>,
    /// What `demur proxy` has beside all that: its flags, or `[proxy]` in the file.
    #[arg(skip)]
    pub(crate) proxy: ProxyOptions,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogLevel {
    /// What failed.
    Error,
    /// And what is wrong but goes on.
    Warn,
    /// And start, reload and end.
    Info,
    /// And each request that was refused, with its reason.
    Debug,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl Options {
    /// These options with those of their file where these are not set.
    ///
    /// # Errors
    /// When the file cannot be read or is wrong.
    pub(crate) fn merged(self) -> anyhow::Result<Self> {
        match self.config.clone() {
            None => Ok(self),
            Some(path) => Ok(self.before(read(&path)?)),
        }
    }

    /// Takes these options, and the others where these are not set.
    pub(crate) fn before(self, other: Self) -> Self {
        let list = |own: Vec<String>, other| if own.is_empty() { other } else { own };
        Self {
            config: self.config,
            model: list(self.model, other.model),
            placed: if self.placed.is_empty() { other.placed } else { self.placed },
            bind: self.bind.or(other.bind),
            port: self.port.or(other.port),
            admin_bind: self.admin_bind.or(other.admin_bind),
            adapters: list(self.adapters, other.adapters),
            labels: list(self.labels, other.labels),
            workers: self.workers.or(other.workers),
            max_body: self.max_body.or(other.max_body),
            max_batch: self.max_batch.or(other.max_batch),
            max_chars: self.max_chars.or(other.max_chars),
            max_rows: self.max_rows.or(other.max_rows),
            max_answer: self.max_answer.or(other.max_answer),
            max_held: self.max_held.or(other.max_held),
            max_concurrent: self.max_concurrent.or(other.max_concurrent),
            request_timeout: self.request_timeout.or(other.request_timeout),
            write_timeout: self.write_timeout.or(other.write_timeout),
            rate: self.rate.or(other.rate),
            tier: self.tier.or(other.tier),
            // Both set the cascade, so either of them here overrides both of the other options.
            cheap: self.cheap.or(if self.cascade.is_some() { None } else { other.cheap }),
            cascade: self.cascade.or(if self.cheap.is_some() { None } else { other.cascade }),
            base_rate: self.base_rate.or(other.base_rate),
            encoder_library: self.encoder_library.or(other.encoder_library),
            encoder_threads: self.encoder_threads.or(other.encoder_threads),
            encoder_queue: self.encoder_queue.or(other.encoder_queue),
            encoder_batch_tokens: self.encoder_batch_tokens.or(other.encoder_batch_tokens),
            encoder_max_wait: self.encoder_max_wait.or(other.encoder_max_wait),
            keys: self.keys.or(other.keys),
            feedback_store: self.feedback_store.or(other.feedback_store),
            learn_online: self.learn_online.or(other.learn_online),
            learn_every: self.learn_every.or(other.learn_every),
            cors_origin: list(self.cors_origin, other.cors_origin),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            phrases: self.phrases.or(other.phrases),
            drain_delay: self.drain_delay.or(other.drain_delay),
            drain_timeout: self.drain_timeout.or(other.drain_timeout),
            log: self.log.or(other.log),
            log_format: self.log_format.or(other.log_format),
            access_log: self.access_log.or(other.access_log),
            log_prompts: self.log_prompts.or(other.log_prompts),
            otlp_endpoint: self.otlp_endpoint.or(other.otlp_endpoint),
            proxy: self.proxy.before(other.proxy),
        }
    }
}

/// Reads a file of options. Paths in it are relative to its folder, so that it works from any directory.
pub(crate) fn read(path: &Path) -> anyhow::Result<Options> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut options: Options = toml::from_str(&text).with_context(|| path.display().to_string())?;
    let folder = path.parent().unwrap_or(Path::new(""));
    options.placed.iter_mut().for_each(|placed| *placed = folder.join(&*placed));
    let Options { keys, tls_cert, tls_key, phrases, learn_online, proxy, .. } = &mut options;
    let files = [keys, tls_cert, tls_key, phrases, learn_online, &mut proxy.policy];
    for file in files.into_iter().flatten() {
        *file = folder.join(&*file);
    }
    // A URL is no path.
    if let Some(store) = options.feedback_store.as_mut().filter(|store| !store.contains("://")) {
        *store = folder.join(&*store).display().to_string();
    }
    for model in &mut options.model {
        let (name, place) =
            model.split_once('=').map_or((None, model.as_str()), |(name, place)| (Some(name), place));
        let joined = folder.join(place);
        if joined.is_dir() {
            let joined = joined.display();
            *model = name.map_or_else(|| joined.to_string(), |name| format!("{name}={joined}"));
        }
    }
    Ok(options)
}
