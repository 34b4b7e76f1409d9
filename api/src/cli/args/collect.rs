//! `collect`: asks a target prompts and keeps its answers; the flags that say how, which `learn` shares.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::args::{PromptReading, TierArgs};
use crate::collect::{Access, Limits, Price, Strategy, Target};
use crate::engine::Usage;
use crate::store::StorePlace;

#[derive(Debug, Args)]
pub(crate) struct Collect {
    /// Files of prompts, folders of them, patterns (`rows-*.jsonl`), or `-`; text may be packed with gzip or
    /// zstd.
    #[arg(value_name = "PROMPTS")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Where answers are kept: a file (`SQLite`), or `postgres://USER:PASSWORD@HOST/DATABASE`. The same
    /// prompt is not asked twice under the same settings.
    #[arg(long, value_name = "FILE_OR_URL", env = "DEMUR_STORE", hide_env_values = true, value_parser = StorePlace::parse)]
    pub(crate) store: StorePlace,
    /// The target's address: that of an API such as `https://api.openai.com/v1` or `http://127.0.0.1:8000`,
    /// or of its chats.
    #[arg(long, value_name = "URL", requires_all = ["target", "inputs"])]
    pub(crate) endpoint: Option<String>,
    /// The model to ask, as the endpoint names it.
    #[arg(long = "model", id = "target", value_name = "NAME", requires = "endpoint")]
    pub(crate) target: Option<String>,
    /// Ask so that N prompts are answered in the end, those in the store among them; --strategy says which.
    #[arg(long, value_name = "N", requires = "endpoint", help_heading = "Choosing")]
    pub(crate) budget: Option<usize>,
    /// Which prompts of --budget are asked: `random` ones, those of which the predictor is most `uncertain`,
    /// or the most telling, unlike each other (`diverse`). To learn a target, random ones served best
    /// (docs/collect.md).
    #[arg(
        long,
        value_name = "HOW",
        requires = "budget",
        default_value = "random",
        help_heading = "Choosing"
    )]
    pub(crate) strategy: StrategyArg,
    /// The predictor that chooses: a directory, or the name of a bundled one. Default: the bundled `prompt`.
    #[arg(long, value_name = "DIR_OR_NAME", requires = "budget", help_heading = "Choosing")]
    pub(crate) predictor: Option<PathBuf>,
    /// End when the 95% interval of the refusal rate is at most this wide, by prompts in a random order.
    #[arg(long, value_name = "WIDTH", requires = "endpoint", value_parser = parse_width, help_heading = "Choosing")]
    pub(crate) until_ci: Option<f64>,
    /// Read only the first N rows.
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<u64>,
    /// Say what would be asked, and what it would cost at most, and ask nothing.
    #[arg(long, requires = "endpoint")]
    pub(crate) dry_run: bool,
    /// Put the answers of these files into the store: logs, batches, any layout that `label` reads; may be
    /// repeated.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) import: Vec<PathBuf>,
    /// Write the answers to a file when all is done: those under these settings, or without --endpoint all.
    /// The ending tells the format.
    #[arg(long, value_name = "OUT")]
    pub(crate) export: Option<PathBuf>,
    /// The response classifier that counts refusals: a directory, or the name of a bundled one. Default: the
    /// bundled `response`, by its n-grams unless --tier says so.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) classifier: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) tier: TierArgs,
    /// The summary as JSON on stdout.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) reading: PromptReading,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

/// How a target is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Asking")]
pub(crate) struct AskArgs {
    /// The system prompt.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Turns before each prompt, a JSON list of {role, content}.
    #[arg(long, value_name = "FILE")]
    pub(crate) messages: Option<PathBuf>,
    /// The temperature. Default: the endpoint's own.
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f64>,
    /// The most tokens of an answer. Default: the endpoint's own.
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u64>,
    /// How often each prompt is asked.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    pub(crate) samples: i64,
    /// More fields of the body: `{"top_p": 0.9}`.
    #[arg(long, value_name = "JSON")]
    pub(crate) extra_body: Option<String>,
    /// A header, 'Name: value', which is kept nowhere; may be repeated.
    #[arg(long = "header", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,
    /// The environment variable that holds the key, which is kept nowhere.
    #[arg(long, value_name = "NAME")]
    pub(crate) api_key_env: Option<String>,
}

/// The variable of the key unless a flag names another.
const KEY: &str = "OPENAI_API_KEY";

impl AskArgs {
    /// The target with these settings.
    ///
    /// # Errors
    /// When a value cannot be.
    pub(crate) fn target(&self, endpoint: &str, model: &str) -> Result<Target, Usage> {
        let messages = match &self.messages {
            None => Vec::new(),
            Some(path) => {
                let wrong = |why: String| Usage(format!("--messages {}: {why}", path.display()));
                let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
                serde_json::from_str(&text)
                    .map_err(|error| wrong(format!("not a JSON list of {{role, content}}: {error}")))?
            }
        };
        let extra = match &self.extra_body {
            None => serde_json::Map::new(),
            Some(text) => serde_json::from_str(text)
                .map_err(|error| Usage(format!("--extra-body: not a JSON object: {error}")))?,
        };
        if self.temperature.is_some_and(|temperature| !(0.0..=100.0).contains(&temperature)) {
            return Err(Usage("--temperature: it must be a number from 0 up".to_owned()));
        }
        Target {
            endpoint: endpoint.to_owned(),
            model: model.to_owned(),
            system: self.system.clone(),
            messages,
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            extra,
        }
        .checked()
    }

    /// The key from the environment, and the headers.
    ///
    /// # Errors
    /// When a variable that is named has no key, or a header cannot be one.
    pub(crate) fn access(&self) -> Result<Access, Usage> {
        let name = self.api_key_env.as_deref().unwrap_or(KEY);
        let key = std::env::var(name).ok().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        if key.is_none() && self.api_key_env.is_some() {
            return Err(Usage(format!("--api-key-env {name}: the environment has no key of this name")));
        }
        Access::new(key.as_deref(), &self.headers)
    }
}

/// How fast is asked, and when it is enough.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pace and budget")]
pub(crate) struct PaceArgs {
    /// How many requests are under way at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) concurrency: u32,
    /// The most requests in a minute.
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    pub(crate) requests_per_minute: Option<f64>,
    /// The most tokens in a minute, there and back.
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    pub(crate) tokens_per_minute: Option<f64>,
    /// How often a request that fails is sent again.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) retries: u32,
    /// The longest wait before the first of these, in seconds; it doubles with each, to a minute at most.
    /// Where the endpoint says how long to wait (Retry-After), that holds.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    pub(crate) backoff: Duration,
    /// How long an answer may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = parse_seconds)]
    pub(crate) timeout: Duration,
    /// End after N requests under these settings, those of earlier runs among them.
    #[arg(long, value_name = "N")]
    pub(crate) max_requests: Option<u64>,
    /// End before more tokens than this, there and back, those of earlier runs among them.
    #[arg(long, value_name = "N")]
    pub(crate) max_total_tokens: Option<u64>,
    /// End before it costs more than this, earlier runs included; needs prices.
    #[arg(long, value_name = "MONEY", value_parser = parse_money)]
    pub(crate) max_cost: Option<f64>,
    /// What a million tokens that are sent cost.
    #[arg(long, value_name = "MONEY", value_parser = parse_money, requires = "price_out")]
    pub(crate) price_in: Option<f64>,
    /// What a million tokens that come back cost.
    #[arg(long, value_name = "MONEY", value_parser = parse_money, requires = "price_in")]
    pub(crate) price_out: Option<f64>,
    /// A table of prices, TOML: ["MODEL"] with in = and out = for a million tokens.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["price_in", "price_out"])]
    pub(crate) prices: Option<PathBuf>,
}

impl PaceArgs {
    /// The limits for a model.
    ///
    /// # Errors
    /// When the prices cannot be read, or are needed and not there.
    pub(crate) fn limits(&self, model: &str, until_ci: Option<f64>) -> anyhow::Result<Limits> {
        let price = match (&self.prices, self.price_in, self.price_out) {
            (Some(table), ..) => Some(Price::in_table(table, model)?),
            (None, Some(prompt), Some(completion)) => Some(Price { prompt, completion }),
            _ => None,
        };
        if self.max_cost.is_some() && price.is_none() {
            return Err(
                Usage("--max-cost needs prices: --price-in and --price-out, or --prices".to_owned()).into()
            );
        }
        Ok(Limits {
            concurrency: self.concurrency as usize,
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            retries: self.retries,
            backoff: self.backoff,
            timeout: self.timeout,
            max_requests: self.max_requests,
            max_total_tokens: self.max_total_tokens,
            max_cost: self.max_cost,
            price,
            until_ci,
        })
    }
}

/// How prompts are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StrategyArg {
    /// In a random order.
    Random,
    /// The least certain first.
    Uncertain,
    /// The most telling first.
    Diverse,
}

impl From<StrategyArg> for Strategy {
    fn from(strategy: StrategyArg) -> Self {
        match strategy {
            StrategyArg::Random => Self::Random,
            StrategyArg::Uncertain => Self::Uncertain,
            StrategyArg::Diverse => Self::Diverse,
        }
    }
}

fn number(text: &str, is_good: impl Fn(f64) -> bool, must: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number| is_good(*number)).ok_or_else(|| must.to_owned())
}

fn parse_rate(text: &str) -> Result<f64, String> {
    number(text, |rate| rate.is_finite() && rate > 0.0, "it must be a number above 0")
}

fn parse_money(text: &str) -> Result<f64, String> {
    number(text, |money| money.is_finite() && money >= 0.0, "it must be a number from 0 up")
}

fn parse_width(text: &str) -> Result<f64, String> {
    number(text, |width| width > 0.0 && width < 1.0, "it must be a number between 0 and 1, both excluded")
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    const LONGEST: f64 = 86_400.0;
    let seconds = number(text, |seconds| seconds > 0.0 && seconds <= LONGEST, "it must be seconds, above 0")?;
    Ok(Duration::from_secs_f64(seconds))
}
