//! Tiers, libraries and cascades as flags, variables and files spell them, for `demur serve` and for all
//! commands.

use std::str::FromStr;

use clap::ValueEnum;
use demur_predictor::Tier;
use demur_predictor::encoder::{Cascade, Library};
use serde::Deserialize;

use crate::engine::cascade::checked;

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
    /// rten.
    Rten,
    /// libtorch.
    Torch,
}

impl From<LibraryArg> for Library {
    fn from(library: LibraryArg) -> Self {
        match library {
            LibraryArg::Rten => Self::Rten,
            LibraryArg::Torch => Self::Torch,
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
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
}
