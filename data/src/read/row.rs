//! One row of named values into a [`Record`], or the reason why not.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::labels::{Said, Verdict, check, said, verdict};
use super::texts::{Fault, TextFinder, name, named};
use super::{RawRow, ReadOptions};
use crate::conversation::{Conversation, type_name};
use crate::layout::Layout;
use crate::path::Path;
use crate::places::Place;
use crate::{DataError, Label, Labelled, LabelledBy, Labeller, Place as RowPlace, Record, Rejection};

/// What became of a row.
pub(super) enum Fate {
    Kept(Box<Record>),
    /// Left out on purpose, for a reason that is counted.
    Dropped(String),
    Rejected(Box<Rejection>),
}

/// Reads the rows of one file.
#[derive(Debug)]
pub(super) struct RowReader {
    file: Arc<str>,
    texts: TextFinder,
    options: ReadOptions,
}

impl RowReader {
    /// Resolves the columns of this file and checks that its labels are known.
    pub(super) fn new(
        file: &Arc<str>,
        rows: &[RawRow],
        layout: Option<&'static Layout>,
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        let mut texts = TextFinder::new(file, rows, layout, options)?;
        let named = &options.columns;
        let places = &mut texts.places;
        places.label = check(file, rows, places.label.take(), named.label.is_some(), options)?;
        places.kind = check(file, rows, places.kind.take(), named.kind.is_some(), options)?;
        if options.spare_absent {
            texts.spare_absent(rows);
        }
        Ok(Self { file: Arc::clone(file), texts, options: options.clone() })
    }

    pub(super) fn read(&self, row: RawRow) -> Fate {
        let RawRow { line, fields } = row;
        let place = RowPlace { file: Arc::clone(&self.file), line };
        let record = self.record(&self.texts.as_read(&fields), &place);
        match record {
            Ok(Ok(mut record)) => {
                record.row = self.options.keep_rows.then(|| Box::new(fields));
                Fate::Kept(Box::new(record))
            }
            Ok(Err(dropped)) => Fate::Dropped(dropped),
            Err(Fault { field, reason }) => {
                let raw = Some(Value::Object(fields));
                Fate::Rejected(Box::new(Rejection { place, field: Some(field), reason, raw }))
            }
        }
    }

    /// The record; the inner `Err` is the reason for leaving the row out, the outer one the fault.
    fn record(&self, fields: &Map<String, Value>, place: &RowPlace) -> Result<Result<Record, String>, Fault> {
        let Conversation { context, sent_in, prompt, response, signs, .. } = self.texts.needed(fields)?;
        let weight = self.weight(fields)?;
        let label = match self.label(fields)? {
            Ok(label) => label,
            Err(dropped) => return Ok(Err(dropped)),
        };
        if self.options.need_label {
            match &label {
                None => return Ok(Err("no label".to_owned())),
                Some(Labelled { label: None, kind: Some(kind), .. }) if !self.options.keep_kinds => {
                    return Ok(Err(format!("kind {kind}")));
                }
                Some(_) => {}
            }
        }
        let places = &self.texts.places;
        Ok(Ok(Record {
            id: name(fields, places.id.as_ref()),
            prompt,
            response,
            signs: signs.map(Box::new),
            context,
            sent_in,
            target: name(fields, places.target.as_ref()),
            source: name(fields, places.source.as_ref()),
            category: name(fields, places.category.as_ref()),
            split: name(fields, places.split.as_ref()),
            group: name(fields, places.group.as_ref()),
            label,
            weight,
            place: place.clone(),
            row: None,
        }))
    }

    fn weight(&self, fields: &Map<String, Value>) -> Result<f64, Fault> {
        let Some(place) = &self.texts.places.weight else { return Ok(1.0) };
        match number(fields, place)? {
            None => Ok(1.0),
            Some(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
            Some(weight) => {
                Err(Fault::new(place.name(), format!("the weight {weight} is not a finite number from 0 up")))
            }
        }
    }

    /// The label; the inner `Err` is the reason for leaving the row out.
    fn label(&self, fields: &Map<String, Value>) -> Result<Result<Option<Labelled>, String>, Fault> {
        // `check` has rejected unknown values already, so every value that is left has a meaning.
        let read = |place: &Option<Place>| said(fields, place.as_ref()?, &self.options).ok()?;
        let places = &self.texts.places;
        let (label, kind) = (read(&places.label), read(&places.kind));
        let by = self.labelled_by(fields);
        let Some((p_refusal, samples)) = self.measured(fields, &by, label.or(kind))? else {
            return Ok(Err("label without refused or complied counts".to_owned()));
        };
        let meaning = |said: Option<Said>| said.and_then(Said::meaning);
        let by_rate = p_refusal.filter(|_| by.labeller != Labeller::Demur).map(|p| Label::at(p, 0.5));
        let (label, kind) = match verdict(meaning(label), meaning(kind), &self.options.policy) {
            Verdict::Drop => return Ok(Err("label says drop".to_owned())),
            Verdict::Is(label, kind) => (by_rate.or(label), kind),
            Verdict::None => match p_refusal {
                None => return Ok(Ok(None)),
                Some(p) => (Some(Label::at(p, 0.5)), None),
            },
        };
        Ok(Ok(Some(Labelled { label, kind, by, p_refusal, samples })))
    }

    /// Who labelled the row: this program if the row says so for the label column being read, otherwise the
    /// labeller in the options, otherwise the one that the row names.
    fn labelled_by(&self, fields: &Map<String, Value>) -> LabelledBy {
        let places = &self.texts.places;
        let label = places.label.as_ref().or(places.kind.as_ref()).map(Place::name);
        // If a run finds that `label` is in use, it writes `demur_label`, and `demur_labelled_by` beside it.
        let renamed = label.is_some_and(|label| label.starts_with("demur_"));
        let says = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let read = |text: Option<String>| {
            let text = says(text).or_else(|| says(self::named(fields, "labeller")));
            text.map_or_else(LabelledBy::default, |text| LabelledBy::from_text(&text))
        };
        let mut by = read(match &places.labelled_by {
            Some(place) if !(renamed && matches!(place.name(), "labelled_by" | "labeller")) => {
                name(fields, Some(place))
            }
            _ if renamed => self::named(fields, "demur_labelled_by"),
            _ => None,
        });
        let is_ours = |label: &str| renamed || label == "label" || label == "kind";
        if by.labeller == Labeller::Demur && !label.is_none_or(is_ours) {
            // The label column being read is not the one that this program wrote.
            by = read(None);
        }
        match self.options.labelled_by {
            Some(labeller) if by.labeller != Labeller::Demur => LabelledBy { labeller, who: by.who },
            _ => by,
        }
    }

    /// P(refusal), if the row has more than a label, and the number of answers behind it: this program's
    /// probability, a label that counts, or a rate without a label. `None` if the label's counts add up to
    /// nothing.
    fn measured(
        &self,
        fields: &Map<String, Value>,
        by: &LabelledBy,
        label: Option<Said>,
    ) -> Result<Option<(Option<f64>, u32)>, Fault> {
        let p_refusal = Self::probability(fields, self.texts.places.p_refusal.as_ref())?;
        if by.labeller == Labeller::Demur && p_refusal.is_some() {
            return Ok(Some((p_refusal, samples(fields)?)));
        }
        let rate = match label {
            Some(Said::Rate(None)) => return Ok(None),
            Some(Said::Rate(rate)) => rate,
            Some(Said::Means(_)) => None,
            None => Self::probability(fields, self.texts.places.refusal_rate.as_ref())?,
        };
        Ok(Some((rate, 1)))
    }

    fn probability(fields: &Map<String, Value>, place: Option<&Place>) -> Result<Option<f64>, Fault> {
        let Some(place) = place else { return Ok(None) };
        match number(fields, place)? {
            Some(p) if !(0.0..=1.0).contains(&p) => {
                Err(Fault::new(place.name(), format!("the probability {p} lies outside of 0 to 1")))
            }
            p => Ok(p),
        }
    }
}

fn samples(fields: &Map<String, Value>) -> Result<u32, Fault> {
    match number(fields, &Place::of(Path::name("samples")))? {
        None => Ok(1),
        // Whole and in range, so the cast is exact.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(n) if n.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&n) => Ok(n as u32),
        Some(n) => {
            Err(Fault::new("samples", format!("{n} is no number of samples; it is a whole number from 1 up")))
        }
    }
}

/// A number, or text that parses as one. Anything else is a fault in a column that the user named, and
/// nothing in one that was found by its usual name.
fn number(fields: &Map<String, Value>, place: &Place) -> Result<Option<f64>, Fault> {
    let Some((name, value)) = place.get(fields) else { return Ok(None) };
    let number = match &*value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    if number.is_none() && place.named {
        return Err(Fault::new(name, format!("a number was expected, not {}", type_name(&value))));
    }
    Ok(number)
}
