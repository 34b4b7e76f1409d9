//! What an operator sets, and how: a flag goes before a `DEMUR_*` variable, that before the file of `--config`, and that
//! before the default.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use clap::ValueEnum;
use demur_predictor::encoder::{Cascade, EncoderOptions, Library};
use demur_predictor::{LoadOptions, Tier, check_base_rate};
use serde::Deserialize;

use crate::base_rate;
use crate::service::encoder_queue::Batching;
use crate::tiers::{CascadeArg, LibraryArg, TierArg, checked_share, parse_share};

/// Tokens of an encoder's batch, where nothing else is said.
const BATCH_TOKENS: usize = 4096;

/// The flags of `demur serve`, and the keys of its file; what is left out has a default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, clap::Args)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Options {
    /// A TOML file with any of the long flags below as keys (port = 80, model = ["a=models/a"]).
    #[arg(long, value_name = "FILE", env = "DEMUR_CONFIG")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// A model to serve: a directory or the name of a bundled one, by the name that NAME= gives it; may be repeated.
    /// The first of a field is its default. Default: the bundled ones, also for a field that none is named of.
    #[arg(long, value_name = "[NAME=]DIR_OR_NAME", env = "DEMUR_MODEL", value_delimiter = ',')]
    pub(crate) model: Vec<String>,
    /// Address to listen on. Default: 127.0.0.1.
    #[arg(long, value_name = "ADDRESS", env = "DEMUR_BIND")]
    pub(crate) bind: Option<IpAddr>,
    /// Port to listen on; 0 takes a free one, which is printed. Default: 8080.
    #[arg(long, value_name = "PORT", env = "DEMUR_PORT")]
    pub(crate) port: Option<u16>,
    /// Listen here for the admin routes, which then need no key and are not served elsewhere.
    #[arg(long, value_name = "ADDRESS:PORT", env = "DEMUR_ADMIN_BIND")]
    pub(crate) admin_bind: Option<SocketAddr>,
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
    /// Most requests at work at once; more are answered 429. Default: 1024.
    #[arg(long, value_name = "N", env = "DEMUR_MAX_CONCURRENT", help_heading = "Limits")]
    pub(crate) max_concurrent: Option<usize>,
    /// Time for one request to arrive and be answered. Default: 30.
    #[arg(long, value_name = "SECONDS", env = "DEMUR_REQUEST_TIMEOUT", help_heading = "Limits")]
    pub(crate) request_timeout: Option<f64>,
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
    /// Library that runs encoders: torch (libtorch) or ort (ONNX Runtime). Default: ort in a build that has it, else torch.
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

/// The limits that the API states and keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// Bytes of a body.
    pub(crate) body: usize,
    /// Items of a batch.
    pub(crate) batch: usize,
    /// Characters of a text.
    pub(crate) chars: usize,
    /// Requests at once.
    pub(crate) concurrent: usize,
    /// For one request.
    pub(crate) timeout: Duration,
    /// Requests a second by one key or address.
    pub(crate) rate: Option<u32>,
}

/// All settings, each with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) models: Vec<String>,
    /// How models are loaded.
    pub(crate) load: LoadOptions,
    /// The share that n-gram tiers are to answer alone.
    pub(crate) cheap: Option<f64>,
    /// When they are to.
    pub(crate) cascade: Option<Cascade>,
    /// The share of refusals that the probabilities of prompt predictors are to assume.
    pub(crate) base_rate: Option<f64>,
    /// How the queues of encoders make batches.
    pub(crate) batching: Batching,
    pub(crate) address: SocketAddr,
    pub(crate) admin_address: Option<SocketAddr>,
    pub(crate) workers: usize,
    pub(crate) limits: Limits,
    pub(crate) keys: Option<PathBuf>,
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
    /// Every setting: these options, then those of their file, then the defaults.
    ///
    /// # Errors
    /// When the file cannot be read or is wrong, or a value is out of range.
    pub(crate) fn resolve(self) -> anyhow::Result<Settings> {
        let options = match self.config.clone() {
            None => self,
            Some(path) => self.before(read(&path)?),
        };
        let at_least_one = |name: &str, value: Option<usize>, default: usize| {
            let value = value.unwrap_or(default);
            ensure!(value > 0, "--{name} is 0; it must be 1 or more");
            Ok(value)
        };
        let limits = Limits {
            body: at_least_one("max-body", options.max_body, 4 << 20)?,
            batch: at_least_one("max-batch", options.max_batch, 1024)?,
            chars: at_least_one("max-chars", options.max_chars, 100_000)?,
            concurrent: at_least_one("max-concurrent", options.max_concurrent, 1024)?,
            timeout: seconds("request-timeout", options.request_timeout, 30.0)?,
            rate: options.rate,
        };
        ensure!(!limits.timeout.is_zero(), "--request-timeout is 0; it must be more");
        ensure!(limits.rate != Some(0), "--rate is 0; it must be 1 or more");
        ensure!(
            options.tls_cert.is_some() == options.tls_key.is_some(),
            "--tls-cert and --tls-key belong together; one is missing"
        );
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if let Some(share) = options.cheap {
            checked_share(share).map_err(|reason| anyhow!("--cheap is {share}: {reason}"))?;
            ensure!(
                options.cascade.is_none(),
                "--cheap and --cascade say the same thing in two ways; leave one out"
            );
        }
        if let Some(rate) = options.base_rate {
            check_base_rate(rate).map_err(|cause| anyhow!("--base-rate: {cause}"))?;
        }
        let encoder = EncoderOptions {
            library: options.encoder_library.map_or(Library::DEFAULT, Library::from),
            threads: at_least_one("encoder-threads", options.encoder_threads, cores)?,
        };
        let milliseconds = options.encoder_max_wait.unwrap_or(2.0);
        let batching = Batching {
            tokens: at_least_one("encoder-batch-tokens", options.encoder_batch_tokens, BATCH_TOKENS)?,
            wait: Duration::try_from_secs_f64(milliseconds / 1000.0).with_context(|| {
                format!("--encoder-max-wait is {milliseconds}; it must be a number of milliseconds from 0 up")
            })?,
            most: at_least_one("encoder-queue", options.encoder_queue, 1024)?,
        };
        Ok(Settings {
            models: options.model,
            load: LoadOptions { tier: options.tier.map_or_else(Tier::default, Tier::from), encoder },
            cheap: options.cheap,
            cascade: options.cascade.map(|cascade| cascade.0),
            base_rate: options.base_rate,
            batching,
            address: (options.bind.unwrap_or(Ipv4Addr::LOCALHOST.into()), options.port.unwrap_or(8080))
                .into(),
            admin_address: options.admin_bind,
            workers: at_least_one("workers", options.workers, cores)?,
            limits,
            keys: options.keys,
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

    /// These options, and where they say nothing, the others.
    fn before(self, other: Self) -> Self {
        let list = |own: Vec<String>, other| if own.is_empty() { other } else { own };
        Self {
            config: self.config,
            model: list(self.model, other.model),
            bind: self.bind.or(other.bind),
            port: self.port.or(other.port),
            admin_bind: self.admin_bind.or(other.admin_bind),
            workers: self.workers.or(other.workers),
            max_body: self.max_body.or(other.max_body),
            max_batch: self.max_batch.or(other.max_batch),
            max_chars: self.max_chars.or(other.max_chars),
            max_concurrent: self.max_concurrent.or(other.max_concurrent),
            request_timeout: self.request_timeout.or(other.request_timeout),
            rate: self.rate.or(other.rate),
            tier: self.tier.or(other.tier),
            // They say the same thing in two ways, so what stands nearer goes before either.
            cheap: self.cheap.or(if self.cascade.is_some() { None } else { other.cheap }),
            cascade: self.cascade.or(if self.cheap.is_some() { None } else { other.cascade }),
            base_rate: self.base_rate.or(other.base_rate),
            encoder_library: self.encoder_library.or(other.encoder_library),
            encoder_threads: self.encoder_threads.or(other.encoder_threads),
            encoder_queue: self.encoder_queue.or(other.encoder_queue),
            encoder_batch_tokens: self.encoder_batch_tokens.or(other.encoder_batch_tokens),
            encoder_max_wait: self.encoder_max_wait.or(other.encoder_max_wait),
            keys: self.keys.or(other.keys),
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
        }
    }
}

/// Reads a file of options. Paths in it are relative to its folder, so that it works from wherever it is named.
fn read(path: &Path) -> anyhow::Result<Options> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut options: Options = toml::from_str(&text).with_context(|| path.display().to_string())?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for file in [&mut options.keys, &mut options.tls_cert, &mut options.tls_key, &mut options.phrases]
        .into_iter()
        .flatten()
    {
        *file = folder.join(&*file);
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

fn seconds(name: &str, value: Option<f64>, default: f64) -> anyhow::Result<Duration> {
    let value = value.unwrap_or(default);
    Duration::try_from_secs_f64(value)
        .with_context(|| format!("--{name} is {value}; it must be a number of seconds from 0 up"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_before_the_file_and_the_file_before_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("demur.toml");
        fs::create_dir(dir.path().join("m")).unwrap();
        fs::write(&config, "port = 1\nmax-batch = 7\nkeys = \"keys.toml\"\nmodel = [\"a=m\", \"prompt\"]\n")
            .unwrap();
        let flags = Options { config: Some(config), port: Some(2), ..Options::default() };
        let settings = flags.resolve().unwrap();
        assert_eq!(settings.address, "127.0.0.1:2".parse().unwrap());
        assert_eq!((settings.limits.batch, settings.limits.chars), (7, 100_000));
        assert_eq!(settings.keys, Some(dir.path().join("keys.toml")));
        assert_eq!(settings.models, [format!("a={}", dir.path().join("m").display()), "prompt".to_owned()]);
    }

    #[test]
    fn wrong_values_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("demur.toml");
        for (text, said) in [
            ("prot = 1", "prot"),
            ("port = \"a\"", "port"),
            ("max-batch = 0", "--max-batch is 0"),
            ("request-timeout = -1.0", "--request-timeout is -1"),
            ("rate = 0", "--rate is 0"),
            ("tier = \"n-gram\"", "unknown variant"),
            ("cheap = 1.0", "--cheap is 1"),
            ("cheap = 0.5\ncascade = [0.1, 0.9]", "leave one out"),
            ("cascade = [0.9, 0.1]", "0 <= BELOW <= FROM"),
            ("base-rate = 1.0", "--base-rate: base rate 1"),
            ("encoder-library = \"onnx\"", "unknown variant"),
            ("encoder-threads = 0", "--encoder-threads is 0"),
            ("encoder-queue = 0", "--encoder-queue is 0"),
            ("encoder-max-wait = -1.0", "--encoder-max-wait is -1"),
            ("tls-cert = \"a\"", "--tls-key belong together"),
        ] {
            fs::write(&config, text).unwrap();
            let error = Options { config: Some(config.clone()), ..Options::default() }.resolve().unwrap_err();
            assert!(format!("{error:#}").contains(said), "{error:#}");
        }
        let missing = Options { config: Some(dir.path().join("none")), ..Options::default() };
        assert!(missing.resolve().unwrap_err().to_string().contains("cannot read"));
    }
}
