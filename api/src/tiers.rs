//! Which tiers of a model are asked: by flags, by variables, by a request.
//!
//! A model may have an encoder above its n-grams. What it says of that, and what a build without encoders can do with it, is
//! settled here for all commands and for the service.

use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use demur_predictor::encoder::{Cascade, EncoderOptions, Library};
use demur_predictor::{LoadOptions, Model, Tier};
use serde::Deserialize;

use crate::error::Usage;

/// A tier, as flags and files name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TierArg {
    /// The n-grams alone: microseconds, in every build.
    Ngram,
    /// All that the model has.
    Encoder,
}

impl From<TierArg> for Tier {
    fn from(tier: TierArg) -> Self {
        match tier {
            TierArg::Ngram => Self::Ngram,
            TierArg::Encoder => Self::Encoder,
        }
    }
}

/// A library that runs encoders, as flags and files name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LibraryArg {
    /// libtorch.
    Torch,
    /// ONNX Runtime.
    Ort,
}

impl From<LibraryArg> for Library {
    fn from(library: LibraryArg) -> Self {
        match library {
            LibraryArg::Torch => Self::Torch,
            LibraryArg::Ort => Self::Onnx,
        }
    }
}

/// A setting of the cascade: `BELOW,FROM` on the command line, `[below, from]` in a file.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "[f64; 2]")]
pub(crate) struct CascadeArg(pub(crate) Cascade);

impl TryFrom<[f64; 2]> for CascadeArg {
    type Error = String;

    fn try_from([below, from]: [f64; 2]) -> Result<Self, String> {
        checked(Cascade { below, from }).map(Self)
    }
}

impl FromStr for CascadeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once(',')
            .and_then(|(below, from)| Some([below.trim().parse().ok()?, from.trim().parse().ok()?]));
        numbers.ok_or("write it as BELOW,FROM, for example 0.1,0.9".to_owned())?.try_into()
    }
}

/// Checks that the thresholds are in order.
fn checked(cascade: Cascade) -> Result<Cascade, String> {
    let Cascade { below, from } = cascade;
    if (0.0..=1.0).contains(&below) && from.is_finite() && below <= from {
        return Ok(cascade);
    }
    Err(format!(
        "{below} and {from}: it must be 0 <= BELOW <= FROM, BELOW at most 1; a FROM above 1 is never reached"
    ))
}

/// Checks a share of inputs that the n-gram tier is to answer alone.
pub(crate) fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse().map_err(|_| "it must be a number".to_owned())?;
    checked_share(share)
}

pub(crate) fn checked_share(share: f64) -> Result<f64, String> {
    if (0.0..1.0).contains(&share) { Ok(share) } else { Err("it must be from 0 to below 1".to_owned()) }
}

/// Which tiers are loaded.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct TierArgs {
    /// Which tiers answer: `ngram` alone (in microseconds), or `encoder` too, if the model has one. Default: encoder.
    #[arg(long, value_name = "TIER", hide_possible_values = true, help_heading = "Tiers")]
    pub(crate) tier: Option<TierArg>,
}

impl TierArgs {
    /// How the model is loaded; by which library, and on how many threads, an encoder runs is a matter of the machine, so
    /// it comes from the environment.
    ///
    /// # Errors
    /// When a variable has a value that cannot be.
    pub(crate) fn load_options(self) -> Result<LoadOptions, Usage> {
        let tier = self.tier.map_or_else(Tier::default, Tier::from);
        let encoder = if tier == Tier::Encoder { of_environment()? } else { EncoderOptions::default() };
        Ok(LoadOptions { tier, encoder })
    }
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
    /// Let the n-gram tier answer about this share of the inputs alone, those that it is surest of: from 0 (none) to below 1.
    /// Default: the model's own setting.
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

/// The setting of the cascade that is asked for, by a share or by thresholds; none for the model's own.
///
/// # Errors
/// What is at fault (`cheap` or `cascade`) and why.
pub(crate) fn settle(
    model: &Model,
    cheap: Option<f64>,
    cascade: Option<Cascade>,
) -> Result<Option<Cascade>, (&'static str, String)> {
    let name = match (cheap, cascade) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(("cascade", "give `cheap` or `cascade`, not both".to_owned())),
        (Some(_), None) => "cheap",
        (None, Some(_)) => "cascade",
    };
    let Some((encoder, _)) = model.encoder() else {
        let why = match &model.manifest().encoder {
            Some(_) => "only the model's n-gram tier is loaded",
            None => "the model has no encoder tier",
        };
        return Err((name, format!("{why}: the n-grams answer everything")));
    };
    let fault = |reason| (name, reason);
    if let Some(cascade) = cascade {
        return checked(cascade).map(Some).map_err(fault);
    }
    let share = checked_share(cheap.unwrap_or_default()).map_err(fault)?;
    if share == 0.0 {
        return Ok(Some(Cascade::NEVER_CHEAP));
    }
    let distance = |figures: &&demur_predictor::encoder::CascadeFigures| (figures.cheap - share).abs();
    let nearest = encoder.cascades.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let none = || {
        fault(
            "the model was not measured at any setting; give thresholds of your own (cascade), or fit it again"
                .to_owned(),
        )
    };
    nearest.map(|figures| Some(figures.cascade)).ok_or_else(none)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Bundled;

    use super::*;

    #[test]
    fn thresholds_are_read_and_kept_in_order() {
        let read = |text: &str| text.parse::<CascadeArg>().map(|arg| (arg.0.below, arg.0.from));
        assert_eq!(read("0.1,0.9"), Ok((0.1, 0.9)));
        assert_eq!(read(" 0 , 2"), Ok((0.0, 2.0)));
        for (wrong, said) in [
            ("0.1", "BELOW,FROM"),
            ("a,b", "BELOW,FROM"),
            ("0.9,0.1", "0 <= BELOW <= FROM"),
            ("-1,0.5", "0 <= BELOW"),
            ("0.5,inf", "0 <= BELOW"),
            ("nan,0.5", "0 <= BELOW"),
        ] {
            assert!(read(wrong).unwrap_err().contains(said), "{wrong}: {:?}", read(wrong));
        }
    }

    #[test]
    fn a_share_is_from_0_to_below_1() {
        assert_eq!(parse_share("0.25"), Ok(0.25));
        for wrong in ["1", "-0.1", "nan", "x"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_model_without_an_encoder_has_no_cascade() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        assert_eq!(settle(&model, None, None), Ok(None));
        let (name, why) = settle(&model, Some(0.5), None).unwrap_err();
        assert_eq!(name, "cheap");
        assert!(why.contains("no encoder tier"), "{why}");
        assert_eq!(settle(&model, None, Some(Cascade::NEVER_CHEAP)).unwrap_err().0, "cascade");
    }
}
