//! Agreement, calibration and loss of some feedback, and the difference between two lots of it with its
//! interval.

use demur_training::{brier, log_loss, wilson};
use serde_json::{Value, json};

/// The 97.5% quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Whether a prediction, held against one half, was right.
pub(crate) fn agrees(p_refusal: f64, refused: bool) -> bool {
    (p_refusal >= 0.5) == refused
}

/// A sum and a sum of squares.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.squares += value * value;
    }

    /// The square of the standard error of the mean of `n` values, 2 at least.
    fn error(self, n: f64) -> f64 {
        ((self.squares - self.sum * self.sum / n) / (n - 1.0)).max(0.0) / n
    }
}

/// The figures of some feedback.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// All feedback.
    pub(crate) told: usize,
    /// Of that, what refused or complied; all figures are of these.
    pub(crate) judged: usize,
    pub(crate) refused: usize,
    /// How often the prediction was right ([`agrees`]).
    pub(crate) agreed: usize,
    p_refusal: f64,
    brier: f64,
    /// Of each: whether it refused, less P(refusal).
    gap: Moments,
    loss: Moments,
}

impl Figures {
    /// Adds a prediction and what came of it; `None` where there was no answer.
    pub(crate) fn add(&mut self, p_refusal: f64, refused: Option<bool>) {
        self.told += 1;
        let Some(refused) = refused else { return };
        self.judged += 1;
        self.refused += usize::from(refused);
        self.agreed += usize::from(agrees(p_refusal, refused));
        self.p_refusal += p_refusal;
        self.brier += brier(&[p_refusal], &[refused]);
        self.gap.add(f64::from(u8::from(refused)) - p_refusal);
        self.loss.add(log_loss(&[p_refusal], &[refused]));
    }

    /// Adds those of other feedback.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.told += other.told;
        self.judged += other.judged;
        self.refused += other.refused;
        self.agreed += other.agreed;
        self.p_refusal += other.p_refusal;
        self.brier += other.brier;
        for (moments, more) in [(&mut self.gap, other.gap), (&mut self.loss, other.loss)] {
            moments.sum += more.sum;
            moments.squares += more.squares;
        }
    }

    /// A mean over what was judged; none of nothing.
    fn mean(&self, sum: f64) -> Option<f64> {
        (self.judged > 0).then(|| sum / self.judged as f64)
    }

    pub(crate) fn refusal_rate(&self) -> Option<f64> {
        self.mean(self.refused as f64)
    }

    pub(crate) fn mean_p_refusal(&self) -> Option<f64> {
        self.mean(self.p_refusal)
    }

    pub(crate) fn agreement(&self) -> Option<Estimate> {
        let (low, high) = wilson(self.agreed, self.judged);
        self.mean(self.agreed as f64).map(|value| Estimate { value, low, high })
    }

    pub(crate) fn brier(&self) -> Option<f64> {
        self.mean(self.brier)
    }

    pub(crate) fn log_loss(&self) -> Option<f64> {
        self.mean(self.loss.sum)
    }

    /// All of them as JSON.
    pub(crate) fn json(&self) -> Value {
        let agreement = self.agreement();
        json!({
            "told": self.told,
            "judged": self.judged,
            "refused": self.refused,
            "refusal_rate": self.refusal_rate(),
            "mean_p_refusal": self.mean_p_refusal(),
            "agreement": agreement.map(|agreement| agreement.value),
            "agreement_interval": agreement.map(|agreement| [agreement.low, agreement.high]),
            "brier": self.brier(),
            "log_loss": self.log_loss(),
        })
    }
}

/// A value with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// Whether 0 lies outside of the interval.
    pub(crate) fn is_sure(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        json!({"change": self.value, "interval": [self.low, self.high], "sure": self.is_sure()})
    }
}

/// How figures differ from earlier ones: later less earlier.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    /// Of the share that agrees: Newcombe's interval of two independent Wilson intervals (Statistics in
    /// Medicine 17, 1998, pages 873 to 890, method 10).
    pub(crate) agreement: Estimate,
    /// Of the share refused less the mean P(refusal); the interval is the normal one with both variances.
    pub(crate) calibration: Estimate,
    /// Of the mean log loss, in nats; the same interval.
    pub(crate) log_loss: Estimate,
}

impl Change {
    /// From `before` to `after`, each of two judged answers at least.
    pub(crate) fn between(before: &Figures, after: &Figures) -> Self {
        let of_means = |of: fn(&Figures) -> Moments| {
            let (n, m) = (after.judged as f64, before.judged as f64);
            let value = of(after).sum / n - of(before).sum / m;
            let spread = Z * (of(after).error(n) + of(before).error(m)).sqrt();
            Estimate { value, low: value - spread, high: value + spread }
        };
        Self {
            agreement: difference((after.agreed, after.judged), (before.agreed, before.judged)),
            calibration: of_means(|figures| figures.gap),
            log_loss: of_means(|figures| figures.loss),
        }
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        json!({
            "agreement": self.agreement.json(),
            "calibration": self.calibration.json(),
            "log_loss": self.log_loss.json(),
        })
    }
}

/// The difference of two independent shares.
fn difference((a, n): (usize, usize), (b, m): (usize, usize)) -> Estimate {
    let (p, q) = (a as f64 / n as f64, b as f64 / m as f64);
    let ((low_p, high_p), (low_q, high_q)) = (wilson(a, n), wilson(b, m));
    Estimate {
        value: p - q,
        low: p - q - (p - low_p).hypot(high_q - q),
        high: p - q + (high_p - p).hypot(q - low_q),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The paper's example: 56 of 70 and 48 of 80 differ by 0.0524 to 0.3339 (Newcombe 1998, table II, method
    /// 10).
    #[test]
    fn the_interval_of_a_difference_is_newcombes() {
        let Estimate { value, low, high } = difference((56, 70), (48, 80));
        assert!((value - 0.2).abs() < 1e-12 && (low - 0.0524).abs() < 5e-5 && (high - 0.3339).abs() < 5e-5);
    }

    #[test]
    fn figures_are_of_what_was_judged() {
        let mut figures = Figures::default();
        assert_eq!((figures.agreement(), figures.brier()), (None, None));
        for (p, refused) in [(0.9, Some(true)), (0.2, Some(false)), (0.5, Some(false)), (0.5, None)] {
            figures.add(p, refused);
        }
        assert_eq!((figures.told, figures.judged, figures.refused, figures.agreed), (4, 3, 1, 2));
        let near = |found: Option<f64>, value: f64| (found.unwrap() - value).abs() < 1e-12;
        assert!(near(figures.brier(), (0.01 + 0.04 + 0.25) / 3.0));
        assert!(near(figures.mean_p_refusal(), 1.6 / 3.0));
        assert!(near(figures.log_loss(), -(0.9_f64.ln() + 0.8_f64.ln() + 0.5_f64.ln()) / 3.0));
        let mut twice = figures;
        twice.merge(&figures);
        assert_eq!(twice.json()["brier"], figures.json()["brier"]);
    }

    /// Welch's standard error of gaps of +-0.2 and of 0.8 and 0.2, four each, by hand.
    #[test]
    fn the_change_of_calibration_has_both_variances() {
        let (mut before, mut after) = (Figures::default(), Figures::default());
        for refused in [true, false, true, false] {
            before.add(if refused { 0.8 } else { 0.2 }, Some(refused));
            after.add(0.2, Some(refused));
        }
        let change = Change::between(&before, &after);
        // Gaps before: .2, -.2, .2, -.2; after: .8, -.2, .8, -.2; squared deviations .16 and 1 over 3 * 4.
        let spread = Z * ((0.16 + 1.0) / 12.0_f64).sqrt();
        assert!((change.calibration.value - 0.3).abs() < 1e-12);
        assert!((change.calibration.high - 0.3 - spread).abs() < 1e-12 && !change.calibration.is_sure());
        assert!(change.agreement.value < 0.0 && change.log_loss.value > 0.0);
    }
}
