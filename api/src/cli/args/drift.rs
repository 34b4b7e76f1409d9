//! `demur drift`.

use clap::{Args, ValueEnum};

use crate::drift::Period;
use crate::store::StorePlace;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PeriodArg {
    /// Days of UTC.
    Day,
    /// Weeks from Monday on.
    Week,
}

impl From<PeriodArg> for Period {
    fn from(period: PeriodArg) -> Self {
        match period {
            PeriodArg::Day => Self::Day,
            PeriodArg::Week => Self::Week,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Drift {
    /// The store that `demur serve --feedback-store` writes: a file, or a database by its URL (postgres://).
    #[arg(long, value_name = "PLACE", value_parser = StorePlace::parse, env = "DEMUR_FEEDBACK_STORE", hide_env_values = true)]
    pub(crate) store: StorePlace,
    /// The periods that are compared.
    #[arg(long, value_name = "PERIOD", default_value = "week")]
    pub(crate) by: PeriodArg,
    /// This target alone, by the name in the feedback.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// All figures as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
