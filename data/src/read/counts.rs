//! Label values that count labels, `REFUSE=17;PARTIAL=3`: one prompt was answered several times, and the row
//! holds a refusal rate instead of one answer's label.

use serde_json::Value;

use super::ReadOptions;
use crate::{Label, Meaning};

/// The pairs of a value of the form `NAME=NUMBER;NAME=NUMBER`, whose numbers are counts or shares; `None` for
/// any other form (`hard_refusal;conf=1.0`).
pub(crate) fn pairs(value: &str) -> Option<Vec<(&str, f64)>> {
    value.split(';').map(pair).collect()
}

fn pair(text: &str) -> Option<(&str, f64)> {
    let (name, number) = text.rsplit_once('=')?;
    let (name, number) = (name.trim(), number.trim().parse::<f64>().ok()?);
    (number.is_finite() && number >= 0.0 && !name.is_empty()).then_some((name, number))
}

/// The refusal rate of a value that counts labels: refused ones among refused and complied ones. Returns
/// `Ok(None)` if none of either is left, `None` if the value counts no known labels, and `Err` with the
/// unknown names if only some are known.
pub(super) fn refusal_rate(value: &str, options: &ReadOptions) -> Option<Result<Option<f64>, Vec<String>>> {
    let pairs = pairs(value)?;
    let name = |name: &str| Value::from(name);
    if !pairs.iter().any(|(label, _)| options.labels.known(&name(label)).is_some()) {
        return None;
    }
    let (mut refused, mut complied, mut unknown) = (0.0, 0.0, Vec::new());
    for (label, count) in pairs {
        let label = match options.labels.read(&name(label)) {
            Some(Meaning::Kind(kind)) => options.policy.label(kind),
            Some(Meaning::Label(label)) => Some(label),
            Some(Meaning::Drop) => None,
            None => {
                unknown.push(label.to_owned());
                None
            }
        };
        match label {
            Some(Label::Refused) => refused += count,
            Some(Label::Complied) => complied += count,
            None => {}
        }
    }
    let all = refused + complied;
    Some(if unknown.is_empty() { Ok((all > 0.0).then(|| refused / all)) } else { Err(unknown) })
}

#[cfg(test)]
mod tests {
    use super::{pairs, refusal_rate};
    use crate::{KindPolicy, Label, ReadOptions};

    fn options(labels: &str) -> ReadOptions {
        ReadOptions { labels: toml::from_str(labels).unwrap_or_default(), ..ReadOptions::default() }
    }

    #[test]
    fn only_pairs_of_names_and_numbers_are_counts() {
        assert_eq!(pairs(" a = 17; b=0.25"), Some(vec![("a", 17.0), ("b", 0.25)]));
        assert_eq!(pairs("a=b=1"), Some(vec![("a=b", 1.0)]));
        for value in ["hard_refusal;conf=1.0", "a=1;", "a", "", "=1", "a=-1", "a=inf", "a=x", "a=1/1;b=0/1"] {
            assert_eq!(pairs(value), None, "{value}");
        }
    }

    #[test]
    fn a_rate_is_the_refused_share_of_what_is_refused_or_complied() {
        let options = options("REFUSE = \"refused\"\nCOMPLY = \"complied\"\nPARTIAL = \"drop\"");
        let rate = |value| refusal_rate(value, &options);
        assert_eq!(rate("REFUSE=17;PARTIAL=3"), Some(Ok(Some(1.0))));
        assert_eq!(rate("COMPLY=15;PARTIAL=1;REFUSE=5"), Some(Ok(Some(0.25))));
        assert_eq!(rate("rejected=0.1;complied=0.3"), Some(Ok(Some(0.25))), "built-in names too");
        for nothing in ["PARTIAL=20", "REFUSE=0;COMPLY=0", "dontknow=3"] {
            assert_eq!(rate(nothing), Some(Ok(None)), "{nothing}");
        }
        assert_eq!(rate("action=4;harmful=0"), None, "counts of something else");
        assert_eq!(rate("REFUSE=1;MAYBE=2;HM=1"), Some(Err(vec!["MAYBE".to_owned(), "HM".to_owned()])));
    }

    #[test]
    fn kinds_and_all_other_names_count_as_the_tables_say() {
        let mut options = options("evasive = \"redirected\"\ncomplete = \"complied\"\n\"*\" = \"refused\"");
        let value = "denial=0.25;evasive=0.25;complete=0.5";
        assert_eq!(refusal_rate(value, &options), Some(Ok(Some(0.5))));
        options.policy = KindPolicy { redirected: Some(Label::Complied), ..KindPolicy::default() };
        assert_eq!(refusal_rate(value, &options), Some(Ok(Some(0.25))));
    }
}
