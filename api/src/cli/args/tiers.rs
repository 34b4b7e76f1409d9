//! Which tiers of a model answer, and when the n-gram tier answers alone: the flags of all commands that ask
//! a model.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};
use demur_predictor::encoder::{Cascade, EncoderOptions, Library};
use demur_predictor::{LoadOptions, Model, Tier};

use crate::engine::Usage;
use crate::engine::cascade::{parse_share, settle};
use crate::service::{CascadeArg, LibraryArg, TierArg};

/// Which tiers are loaded.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct TierArgs {
    /// Which tiers answer: `ngram` alone (in microseconds), or `encoder` too, if the model has one. Default:
    /// encoder, or what `DEMUR_TIER` says.
    #[arg(long, value_name = "TIER", hide_possible_values = true, help_heading = "Tiers")]
    pub(crate) tier: Option<TierArg>,
}

impl TierArgs {
    /// How the model is loaded; by which library, and on how many threads, an encoder runs is a matter of the
    /// machine, so it comes from the environment.
    ///
    /// # Errors
    /// When a variable has a value that cannot be.
    pub(crate) fn load_options(self) -> Result<LoadOptions, Usage> {
        let tier = match self.tier {
            Some(tier) => tier,
            None => tier_of_environment()?,
        };
        let tier = Tier::from(tier);
        let encoder = if tier == Tier::Encoder { of_environment()? } else { EncoderOptions::default() };
        Ok(LoadOptions { tier, encoder })
    }
}

/// `DEMUR_TIER`: which tiers answer unless a flag says so.
fn tier_of_environment() -> Result<TierArg, Usage> {
    let Some(name) = variable("DEMUR_TIER")? else { return Ok(TierArg::Encoder) };
    TierArg::from_str(&name, true)
        .map_err(|_| Usage(format!("DEMUR_TIER={name}: no such tier; known are ngram and encoder")))
}

/// `DEMUR_ENCODER_LIBRARY` and `DEMUR_ENCODER_THREADS`.
fn of_environment() -> Result<EncoderOptions, Usage> {
    let mut options = EncoderOptions::default();
    if let Some(name) = variable("DEMUR_ENCODER_LIBRARY")? {
        let known = || Library::ALL.map(Library::name).join(", ");
        let library = LibraryArg::from_str(&name, true).map_err(|_| {
            Usage(format!("DEMUR_ENCODER_LIBRARY={name}: no such library; known are {}", known()))
        })?;
        options.library = library.into();
    }
    if let Some(threads) = variable("DEMUR_ENCODER_THREADS")? {
        let number: NonZeroUsize = threads
            .parse()
            .map_err(|_| Usage(format!("DEMUR_ENCODER_THREADS={threads}: it must be a number from 1 up")))?;
        options.threads = number.get();
    }
    Ok(options)
}

fn variable(name: &str) -> Result<Option<String>, Usage> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Usage(format!("{name}: its value is no text"))),
    }
}

/// Which tiers are loaded, and when the encoder is asked.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct CascadeArgs {
    #[command(flatten)]
    pub(crate) tier: TierArgs,
    /// Let the n-gram tier answer about this share of the inputs alone, those that it is surest of: from 0
    /// (none) to below 1. Default: the model's own setting.
    #[arg(long, value_name = "SHARE", value_parser = parse_share, conflicts_with = "cascade", help_heading = "Tiers")]
    pub(crate) cheap: Option<f64>,
    /// Let it answer alone where its P(refusal) lies below BELOW, or from FROM up.
    #[arg(long, value_name = "BELOW,FROM", help_heading = "Tiers")]
    pub(crate) cascade: Option<CascadeArg>,
}

impl CascadeArgs {
    /// Whether any of it is asked for.
    pub(crate) const fn is_given(&self) -> bool {
        self.tier.tier.is_some() || self.cheap.is_some() || self.cascade.is_some()
    }

    /// The setting that is asked for; none for the model's own.
    ///
    /// # Errors
    /// When the model cannot do so.
    pub(crate) fn of(&self, model: &Model) -> Result<Option<Cascade>, Usage> {
        settle(model, self.cheap, self.cascade.map(|cascade| cascade.0))
            .map_err(|(name, reason)| Usage(format!("--{name}: {reason}")))
    }
}
