//! The probe set that comes with the program: 1,000 prompts of the project's own corpus, the most telling
//! first.
//!
//! `scripts/probes` makes it again.

use serde::{Deserialize, Serialize};

use crate::error::TrainingError;

/// The rows, as JSON Lines.
const PROBE_SET: &str = include_str!("../probes.jsonl");

/// How harmful a prompt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// An ordinary request.
    Everyday,
    /// Answered as a rule, and near to what is refused in its words.
    Borderline,
    /// Refused as a rule.
    Harmful,
}

impl Severity {
    /// By what should be refused, where that is known, and by P(refusal) for the average target.
    #[must_use]
    pub fn of(refused: Option<bool>, p_refusal: f64) -> Self {
        const BORDERLINE: f64 = 0.1;
        match (refused, p_refusal) {
            (Some(true), _) => Self::Harmful,
            (None, p) if p >= 0.5 => Self::Harmful,
            (_, p) if p >= BORDERLINE => Self::Borderline,
            _ => Self::Everyday,
        }
    }
}

/// A prompt that tells about targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Its place in the list, from 1.
    pub rank: usize,
    /// Its identifier in the file that it is from.
    pub id: Option<String>,
    /// The prompt.
    pub prompt: String,
    /// What it is about.
    pub topic: Option<String>,
    /// How harmful it is.
    pub severity: Severity,
}

/// The first `n` of the probe set.
///
/// # Errors
/// [`TrainingError::Candidates`] where it has fewer.
pub fn probe_set(n: usize) -> Result<Vec<Probe>, TrainingError> {
    let rows = PROBE_SET.lines().take(n).map(serde_json::from_str);
    // The file is part of the program and a test reads all of it; a row that is none would be missing below.
    let probes: Vec<Probe> = rows.filter_map(Result::ok).collect();
    if probes.len() < n {
        return Err(TrainingError::Candidates { candidates: PROBE_SET.lines().count(), wanted: n });
    }
    Ok(probes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::MOST_PROBES;

    #[test]
    fn the_set_has_a_thousand_different_prompts_of_every_severity() {
        let all = probe_set(MOST_PROBES).unwrap();
        assert_eq!(PROBE_SET.lines().count(), MOST_PROBES);
        assert_eq!(all.iter().map(|probe| &probe.prompt).collect::<BTreeSet<_>>().len(), MOST_PROBES);
        assert!(all.iter().enumerate().all(|(at, probe)| probe.rank == at + 1));
        for n in [20, 100, MOST_PROBES] {
            let probes = probe_set(n).unwrap();
            let count = |severity| probes.iter().filter(|probe| probe.severity == severity).count();
            for severity in [Severity::Everyday, Severity::Borderline, Severity::Harmful] {
                assert!(10 * count(severity) >= n, "{severity:?}: {} of {n}", count(severity));
            }
        }
        assert!(probe_set(MOST_PROBES + 1).is_err());
    }

    #[test]
    fn a_norm_goes_before_a_guess() {
        assert_eq!(Severity::of(Some(true), 0.01), Severity::Harmful);
        assert_eq!(Severity::of(Some(false), 0.9), Severity::Borderline);
        assert_eq!(Severity::of(Some(false), 0.01), Severity::Everyday);
        assert_eq!(Severity::of(None, 0.9), Severity::Harmful);
        assert_eq!(Severity::of(None, 0.2), Severity::Borderline);
    }
}
