//! How fast is asked, how often again, and when it is enough.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde::Deserialize;

/// Prices in any currency for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    /// Of what is sent.
    #[serde(rename = "in")]
    pub(crate) prompt: f64,
    /// Of what comes back.
    #[serde(rename = "out")]
    pub(crate) completion: f64,
}

impl Price {
    /// The price of some tokens.
    pub(crate) fn of(self, prompt_tokens: u64, completion_tokens: u64) -> f64 {
        const UNIT: f64 = 1e6;
        (self.prompt * prompt_tokens as f64 + self.completion * completion_tokens as f64) / UNIT
    }

    /// The price of a model in a table of TOML: `["gpt-4o-mini"]`, `in = 0.15`, `out = 0.60`.
    ///
    /// # Errors
    /// When the table cannot be read, or has no such model.
    pub(crate) fn in_table(path: &Path, model: &str) -> anyhow::Result<Self> {
        let name = || format!("--prices {}", path.display());
        let text = std::fs::read_to_string(path).with_context(name)?;
        let table: BTreeMap<String, Self> = toml::from_str(&text).with_context(name)?;
        let known = || table.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let none =
            || anyhow!("--prices {}: there is no [\"{model}\"]; there are {}", path.display(), known());
        table.get(model).copied().ok_or_else(none)
    }
}

/// The limits of a run.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// How many requests are under way at once.
    pub(crate) concurrency: usize,
    pub(crate) requests_per_minute: Option<f64>,
    pub(crate) tokens_per_minute: Option<f64>,
    /// How often a request that fails is sent again.
    pub(crate) retries: u32,
    /// The longest wait before the first of these; it doubles with each.
    pub(crate) backoff: Duration,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
    /// Requests under these settings, those of earlier runs among them.
    pub(crate) max_requests: Option<u64>,
    /// Tokens, likewise.
    pub(crate) max_total_tokens: Option<u64>,
    /// Money, likewise.
    pub(crate) max_cost: Option<f64>,
    pub(crate) price: Option<Price>,
    /// The run ends when the 95% interval of the refusal rate is at most this wide.
    pub(crate) until_ci: Option<f64>,
}
