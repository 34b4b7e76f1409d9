//! Which scored rows are written: `--where 'p_refusal > 0.8'`, `--where 'decision == hold'`.

use std::str::FromStr;

use demur_predictor::Decision;

use crate::score::row::Scored;

/// A condition on a scored row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Filter {
    /// P(refusal) against a number.
    Probability(Comparison, f64),
    /// The decision is this one, or is not.
    Decision(bool, Decision),
}

/// How numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// Whether a row is written.
    pub(crate) fn keeps(self, scored: &Scored) -> bool {
        let p = scored.p_refusal;
        match self {
            Self::Probability(Comparison::Less, than) => p < than,
            Self::Probability(Comparison::LessOrEqual, than) => p <= than,
            Self::Probability(Comparison::Greater, than) => p > than,
            Self::Probability(Comparison::GreaterOrEqual, than) => p >= than,
            Self::Decision(equal, decision) => (scored.decision == decision) == equal,
        }
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no condition; write p_refusal > 0.8 or decision == hold");
        // The longer signs first, for the shorter stand within them.
        let sign = ["<=", ">=", "==", "!=", "<", ">"]
            .into_iter()
            .find(|sign| text.contains(sign))
            .ok_or_else(wrong)?;
        let (name, value) = text.split_once(sign).ok_or_else(wrong)?;
        let value = value.trim();
        match (name.trim(), sign) {
            ("p_refusal", sign) => {
                let comparison = match sign {
                    "<" => Comparison::Less,
                    "<=" => Comparison::LessOrEqual,
                    ">" => Comparison::Greater,
                    ">=" => Comparison::GreaterOrEqual,
                    _ => return Err(wrong()),
                };
                let number: f64 = value.parse().map_err(|_| wrong())?;
                if number.is_nan() { Err(wrong()) } else { Ok(Self::Probability(comparison, number)) }
            }
            ("decision", "==" | "!=") => {
                let all = [Decision::Send, Decision::Abstain, Decision::Hold];
                let decision =
                    all.into_iter().find(|decision| decision.name() == value.trim_matches(['"', '\'']));
                Ok(Self::Decision(sign == "==", decision.ok_or_else(wrong)?))
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_and_kept() {
        let row = Scored { p_refusal: 0.8, decision: Decision::Hold };
        for (text, kept) in [
            ("p_refusal > 0.8", false),
            ("p_refusal>=0.8", true),
            ("p_refusal < .9", true),
            ("p_refusal <= 0.1", false),
            ("decision == hold", true),
            ("decision != 'hold'", false),
        ] {
            assert_eq!(text.parse::<Filter>().unwrap().keeps(&row), kept, "{text}");
        }
        for wrong in [
            "",
            "p_refusal",
            "p_refusal > x",
            "p_refusal == 1",
            "p_refusal > nan",
            "decision > hold",
            "decision == go",
        ] {
            assert!(wrong.parse::<Filter>().unwrap_err().contains("is no condition"), "{wrong}");
        }
    }
}
