//! The figures of each target by periods, and how the last differ from those before.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::drift::figures::{Change, Figures};
use crate::drift::period::{Period, date};
use crate::store::Store;

/// The fewest judged answers that are compared, on both sides.
pub(crate) const LEAST: usize = 30;

/// A target over time.
#[derive(Debug)]
pub(crate) struct TargetDrift {
    pub(crate) target: String,
    /// By the date of each period's first day, in order.
    pub(crate) periods: Vec<(String, Figures)>,
    pub(crate) all: Figures,
    /// The last period with enough judged answers, and how it differs from all before it, if these are enough
    /// too.
    pub(crate) change: Option<(String, Change)>,
}

/// Reads the feedback of a store, of this target alone if one is named.
///
/// # Errors
/// When the store fails.
pub(crate) fn drift(
    store: &mut Store,
    period: Period,
    target: Option<&str>,
) -> anyhow::Result<Vec<TargetDrift>> {
    let mut found: BTreeMap<String, BTreeMap<i64, Figures>> = BTreeMap::new();
    store.each_feedback(|told| {
        if target.is_none_or(|target| told.target == target) {
            let refused = match told.label.as_str() {
                "refused" => Some(true),
                "complied" => Some(false),
                _ => None,
            };
            let periods = found.entry(told.target).or_default();
            periods.entry(period.first_day(told.received_at)).or_default().add(told.p_refusal, refused);
        }
        Ok(())
    })?;
    Ok(found.into_iter().map(|(target, periods)| TargetDrift::of(target, periods)).collect())
}

impl TargetDrift {
    fn of(target: String, periods: BTreeMap<i64, Figures>) -> Self {
        let mut all = Figures::default();
        let mut change = None;
        for (day, figures) in &periods {
            // What was compared before is less of late.
            if all.judged >= LEAST && figures.judged >= LEAST {
                change = Some((date(*day), Change::between(&all, figures)));
            }
            all.merge(figures);
        }
        let periods = periods.into_iter().map(|(day, figures)| (date(day), figures)).collect();
        Self { target, periods, all, change }
    }

    /// As JSON; `change` is null where there is too little to compare.
    pub(crate) fn json(&self) -> Value {
        let periods = self.periods.iter().map(|(from, figures)| {
            let mut period = json!({"from": from});
            if let (Value::Object(period), Value::Object(figures)) = (&mut period, figures.json()) {
                period.extend(figures);
            }
            period
        });
        json!({
            "target": self.target,
            "periods": periods.collect::<Vec<_>>(),
            "all": self.all.json(),
            "change": self.change.as_ref().map(|(from, change)| json!({"from": from, "against_before": change.json()})),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn figures(count: usize, p_refusal: f64) -> Figures {
        let mut figures = Figures::default();
        (0..count).for_each(|_| figures.add(p_refusal, Some(true)));
        figures
    }

    #[test]
    fn the_last_period_with_enough_is_compared_with_all_before_it() {
        let of = |counts: &[usize]| {
            let periods = counts
                .iter()
                .enumerate()
                .map(|(at, count)| (at as i64, figures(*count, if at == 2 { 0.1 } else { 0.9 })));
            TargetDrift::of("t".to_owned(), periods.collect()).change
        };
        assert!(
            of(&[LEAST - 1, LEAST]).is_none() && of(&[1000]).is_none() && of(&[1000, LEAST - 1]).is_none()
        );
        let (from, change) = of(&[20, 10, LEAST, 5]).unwrap();
        assert_eq!(from, "1970-01-03");
        assert!((change.agreement.value + 1.0).abs() < 1e-12 && change.agreement.is_sure());
        assert!((change.calibration.value - 0.8).abs() < 1e-9 && change.log_loss.value > 2.0);
    }
}
