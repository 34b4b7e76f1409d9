//! When a model's n-gram tier answers alone: set by a share of the inputs, or by thresholds on its
//! P(refusal).
//!
//! A model may have an encoder above its n-grams. This module reads its settings from the manifest, and
//! handles builds without encoders, for all commands and for the service.

use demur_predictor::Model;
use demur_predictor::encoder::{Cascade, CascadeFigures};

/// The requested cascade setting, by a share or by thresholds; `None` for the model's own.
///
/// # Errors
/// The option at fault (`cheap` or `cascade`) and the reason.
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
    let distance = |figures: &&CascadeFigures| (figures.cheap - share).abs();
    let nearest = encoder.cascades.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let none = || {
        fault(
            "the model was not measured at any setting; give thresholds of your own (cascade), or fit it again"
                .to_owned(),
        )
    };
    nearest.map(|figures| Some(figures.cascade)).ok_or_else(none)
}

/// Checks that the thresholds are in order.
pub(crate) fn checked(cascade: Cascade) -> Result<Cascade, String> {
    let Cascade { below, from } = cascade;
    if (0.0..=1.0).contains(&below) && from.is_finite() && below <= from {
        return Ok(cascade);
    }
    Err(format!(
        "{below} and {from}: it must be 0 <= BELOW <= FROM, BELOW at most 1; a FROM above 1 is never reached"
    ))
}

/// Parses the share of inputs that the n-gram tier answers alone.
pub(crate) fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse().map_err(|_| "it must be a number".to_owned())?;
    checked_share(share)
}

/// Checks such a share: at least 0 and below 1.
pub(crate) fn checked_share(share: f64) -> Result<f64, String> {
    if (0.0..1.0).contains(&share) { Ok(share) } else { Err("it must be from 0 to below 1".to_owned()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Bundled;

    use super::*;

    #[test]
    fn a_share_is_from_0_to_below_1() {
        assert_eq!(parse_share("0.25"), Ok(0.25));
        for wrong in ["1", "-0.1", "nan", "x"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_a_loaded_encoder_there_is_no_cascade() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        assert_eq!(settle(&model, None, None), Ok(None));
        let (name, why) = settle(&model, Some(0.5), None).unwrap_err();
        assert_eq!(name, "cheap");
        assert!(why.contains("only the model's n-gram tier is loaded"), "{why}");
        assert_eq!(settle(&model, None, Some(Cascade::NEVER_CHEAP)).unwrap_err().0, "cascade");
    }
}
