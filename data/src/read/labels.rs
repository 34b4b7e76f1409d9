//! From label columns to a [`Labelled`]; unknown values become an error.

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use super::counts::refusal_rate;
use super::{RawRow, ReadOptions};
use crate::places::Place;
use crate::{DataError, Kind, KindPolicy, Label, Meaning, UnknownLabel};

/// What the label and kind columns of a row say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    None,
    /// That the row is to be left out.
    Drop,
    /// A binary label (unless the policy leaves the kind out) and a kind (if it is known).
    Is(Option<Label>, Option<Kind>),
}

/// Joins the two columns: each decides its own part, and the other's where that one is null.
///
/// So a `kind` next to an empty `label` gets its binary label from the policy. An explicit label overrides
/// the policy's label of the kind (the data set's authors may have counted a disclaimer as compliance), and a
/// `kind` column refines a tone in the label column.
pub(super) fn verdict(label: Option<Meaning>, kind: Option<Meaning>, policy: &KindPolicy) -> Verdict {
    if label.or(kind).is_none() {
        return Verdict::None;
    }
    if [label, kind].contains(&Some(Meaning::Drop)) {
        return Verdict::Drop;
    }
    let kind_of = |meaning: Option<Meaning>| match meaning {
        Some(Meaning::Kind(kind)) => Some(kind),
        _ => None,
    };
    let binary = match label.or(kind) {
        Some(Meaning::Label(label)) => Some(label),
        Some(Meaning::Kind(kind)) => policy.label(kind),
        Some(Meaning::Drop) | None => None,
    };
    // "refused" in the label column and "complied" in the kind column cannot both hold; the label wins.
    let kind = kind_of(kind).or_else(|| kind_of(label));
    Verdict::Is(binary, kind)
}

/// The meaning of a label value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Said {
    /// One label.
    Means(Meaning),
    /// A refusal rate, if any of the counted labels has a binary label.
    Rate(Option<f64>),
}

impl Said {
    /// The one label.
    pub(super) const fn meaning(self) -> Option<Meaning> {
        match self {
            Self::Means(meaning) => Some(meaning),
            Self::Rate(_) => None,
        }
    }
}

/// The meaning of a label value; null and blank text have none. A known value takes precedence over the
/// counts in it, and those over the meaning of all other values. A list, or a list of lists as annotation
/// tools write them, means what its only label means, or the one that most of its labels have; without a
/// majority the row is left out. `Err` returns what is of unknown meaning.
pub(super) fn said(
    fields: &Map<String, Value>,
    place: &Place,
    options: &ReadOptions,
) -> Result<Option<Said>, Vec<String>> {
    let Some(value) = place.value(fields) else { return Ok(None) };
    if !value.is_array() {
        return said_by_one(&value, options);
    }
    let mut all = Vec::new();
    leaves(&value, &mut all);
    let (mut said, mut unknown) = (Vec::new(), Vec::new());
    for value in all {
        match said_by_one(value, options) {
            Ok(meaning) => said.extend(meaning),
            Err(mut values) => unknown.append(&mut values),
        }
    }
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let most = said.iter().find(|one| said.iter().filter(|other| other == one).count() * 2 > said.len());
    Ok(most.copied().or_else(|| (!said.is_empty()).then_some(Said::Means(Meaning::Drop))))
}

/// The values in lists of lists.
fn leaves<'v>(value: &'v Value, into: &mut Vec<&'v Value>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| leaves(value, into)),
        value => into.push(value),
    }
}

fn said_by_one(value: &Value, options: &ReadOptions) -> Result<Option<Said>, Vec<String>> {
    match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        _ => {}
    }
    // Counts are tried only for a value that the vocabulary does not know as a whole.
    if options.labels.known(value).is_none()
        && let Some(rate) = value.as_str().and_then(|text| refusal_rate(text, options))
    {
        return Ok(Some(Said::Rate(rate?)));
    }
    let unknown = || vec![value.as_str().map_or_else(|| value.to_string(), str::to_owned)];
    options.labels.read(value).map(Said::Means).map(Some).ok_or_else(unknown)
}

/// Checks that every value of a label column has a meaning. `named` says whether the user chose the column.
///
/// A column that was found only by its usual name, and of which no value is known, labels something other
/// than refusal (`safe`, `unsafe`). If no label is needed it is ignored (`Ok(None)`).
pub(super) fn check(
    file: &str,
    rows: &[RawRow],
    column: Option<Place>,
    named: bool,
    options: &ReadOptions,
) -> Result<Option<Place>, DataError> {
    let Some(column) = column else { return Ok(None) };
    let mut known = 0_usize;
    let mut places = FxHashMap::default();
    let mut unknown: Vec<UnknownLabel> = Vec::new();
    for RawRow { line, fields } in rows {
        match said(fields, &column, options) {
            Ok(None) => {}
            Ok(Some(_)) => known += 1,
            Err(values) => values.into_iter().for_each(|value| {
                let place = *places.entry(value).or_insert_with_key(|value| {
                    unknown.push(UnknownLabel { value: value.clone(), count: 0, first_line: *line });
                    unknown.len() - 1
                });
                unknown[place].count += 1;
            }),
        }
    }
    if unknown.is_empty() {
        return Ok(Some(column));
    }
    if known == 0 && !named && !options.need_label {
        return Ok(None);
    }
    unknown.sort_by(|a, b| b.count.cmp(&a.count).then(a.first_line.cmp(&b.first_line)));
    let column = column.name().to_owned();
    Err(DataError::UnknownLabels { file: file.to_owned(), column, values: unknown })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::{Verdict, verdict};
    use crate::{Kind, KindPolicy, Label, Meaning};

    #[test]
    fn each_column_speaks_for_its_own_and_for_an_empty_other() {
        let policy = KindPolicy::default();
        let refused = Some(Meaning::Label(Label::Refused));
        let kind = |kind| Some(Meaning::Kind(kind));
        let is = |label, kind| Verdict::Is(Some(label), kind);
        for (label, other, expected) in [
            (None, None, Verdict::None),
            (refused, None, is(Label::Refused, None)),
            (kind(Kind::Complied), None, is(Label::Complied, Some(Kind::Complied))),
            (kind(Kind::Disclaimed), None, is(Label::Refused, Some(Kind::Disclaimed))),
            (kind(Kind::DontKnow), None, Verdict::Is(None, Some(Kind::DontKnow))),
            (None, kind(Kind::Rejected), is(Label::Refused, Some(Kind::Rejected))),
            (refused, kind(Kind::Redirected), is(Label::Refused, Some(Kind::Redirected))),
            (kind(Kind::Complied), kind(Kind::Disclaimed), is(Label::Complied, Some(Kind::Disclaimed))),
            (refused, kind(Kind::DontKnow), is(Label::Refused, Some(Kind::DontKnow))),
            (kind(Kind::Rejected), Some(Meaning::Drop), Verdict::Drop),
        ] {
            assert_eq!(verdict(label, other, &policy), expected, "{label:?} {other:?}");
        }
    }
}
