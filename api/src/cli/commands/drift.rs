//! `demur drift`: whether predictions still hold.

use std::fmt::Write as _;

use anyhow::bail;
use serde_json::json;

use crate::cli::args::Drift;
use crate::cli::terminal::{data, json as print_json};
use crate::drift::{Estimate, Figures, LEAST, Period, TargetDrift, drift};
use crate::store::{Store, StorePlace};

pub(crate) fn run(args: &Drift) -> anyhow::Result<()> {
    check_there(&args.store)?;
    let mut store = Store::open(&args.store)?;
    let period = Period::from(args.by);
    let targets = drift(&mut store, period, args.target.as_deref())?;
    if targets.is_empty() {
        match &args.target {
            Some(target) => bail!("{} has no feedback on the target {target}", args.store),
            None => bail!("{} has no feedback; `demur serve --feedback-store` takes it", args.store),
        }
    }
    if args.json {
        let targets: Vec<_> = targets.iter().map(TargetDrift::json).collect();
        return print_json(&json!({"by": period.name(), "least": LEAST, "targets": targets}));
    }
    let tables: Vec<String> = targets.iter().map(|target| table(target, period)).collect();
    data(&tables.join("\n"))?;
    Ok(())
}

/// Reading must not make an empty store of a name with a slip in it.
///
/// # Errors
/// When there is no such file.
pub(crate) fn check_there(place: &StorePlace) -> anyhow::Result<()> {
    match place.file() {
        Some(path) if !path.exists() => bail!("there is no store {}", path.display()),
        _ => Ok(()),
    }
}

fn table(drift: &TargetDrift, period: Period) -> String {
    let name = period.name();
    let mut text = format!(
        "{}\n{name:<10}  {:>6}  {:>6}  {:>7}  {:>6}  {:<24}  {:>5}  {:>8}\n",
        drift.target, "told", "judged", "refused", "mean P", "agreement (95%)", "Brier", "log loss"
    );
    let rows = drift.periods.iter().map(|(from, figures)| (from.as_str(), figures));
    for (from, figures) in rows.chain([("all", &drift.all)]) {
        text.push_str(&row(from, figures));
    }
    let Some((from, change)) = &drift.change else {
        // A string takes any text.
        let _ = writeln!(
            text,
            "too little to say whether it changes: a {name} with {LEAST} judged answers and {LEAST} before it are needed"
        );
        return text;
    };
    let _ = writeln!(text, "change of the {name} of {from} against all before it (95%):");
    for (what, change) in [
        ("agreement", change.agreement),
        ("share refused less mean P", change.calibration),
        ("log loss", change.log_loss),
    ] {
        let _ = writeln!(text, "  {what:<25}  {}", shown(change));
    }
    text
}

fn row(from: &str, figures: &Figures) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let agreement = figures.agreement().map_or_else(
        || "-".to_owned(),
        |Estimate { value, low, high }| format!("{value:.3} ({low:.3} to {high:.3})"),
    );
    format!(
        "{from:<10}  {:>6}  {:>6}  {:>7}  {:>6}  {agreement:<24}  {:>5}  {:>8}\n",
        figures.told,
        figures.judged,
        number(figures.refusal_rate()),
        number(figures.mean_p_refusal()),
        number(figures.brier()),
        number(figures.log_loss())
    )
}

fn shown(change: Estimate) -> String {
    let Estimate { value, low, high } = change;
    let sure = if change.is_sure() { "changed" } else { "may be chance" };
    format!("{value:+.3} ({low:+.3} to {high:+.3}): {sure}")
}
