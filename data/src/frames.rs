//! Records as columns, and counts over them: where polars is at home.

use polars::prelude::{
    Column, DataFrame, IntoColumn, NamedFrom, PolarsError, PolarsResult, Series, SortMultipleOptions,
};
use serde::Serialize;

use crate::{DataError, Kind, Label, Labeller, Record};

/// The records as a frame: `id, prompt, response, target, source, category, label, kind, p_refusal, samples,
/// weight`. `p_refusal` is null where a row has just a label, `samples` unless a machine labelled it.
///
/// # Errors
/// If polars refuses the columns.
pub fn to_frame(records: &[Record]) -> Result<DataFrame, DataError> {
    frame(records).map_err(|error| refused(&error))
}

/// How many rows there are of one source, target, label and kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SummaryRow {
    /// The data set.
    pub source: Option<String>,
    /// The model that was asked.
    pub target: Option<String>,
    /// `refused`, `complied`, or none.
    pub label: Option<String>,
    /// The kind on the continuum, where it is known.
    pub kind: Option<String>,
    /// The rows.
    pub rows: usize,
}

/// Counts the records by source, target, label and kind, sorted by these, nulls first.
///
/// # Errors
/// If polars refuses the columns.
pub fn summarise(records: &[Record]) -> Result<Vec<SummaryRow>, DataError> {
    let keys = ["source", "target", "label", "kind"];
    // `weight` is never null, so counting it counts rows.
    let counted = frame(records).and_then(|frame| {
        let counts = frame.group_by(keys)?.select(["weight"]).count()?;
        counts.sort(keys, SortMultipleOptions::default())
    });
    counted.and_then(|frame| summary_rows(&frame)).map_err(|error| refused(&error))
}

fn refused(error: &PolarsError) -> DataError {
    DataError::Frame { reason: error.to_string() }
}

fn frame(records: &[Record]) -> PolarsResult<DataFrame> {
    let texts = |name: &str, text: fn(&Record) -> Option<&str>| {
        Series::new(name.into(), records.iter().map(text).collect::<Vec<_>>()).into_column()
    };
    let by = |record: &Record| record.label.as_ref().map(|label| label.by.clone());
    let p_refusal: Vec<Option<f64>> = records.iter().map(|record| by(record)?.p_refusal()).collect();
    let samples = |record: &Record| match by(record) {
        Some(Labeller::Machine { samples, .. }) => Some(samples),
        _ => None,
    };
    let samples: Vec<Option<u32>> = records.iter().map(samples).collect();
    let weight: Vec<f64> = records.iter().map(|record| record.weight).collect();
    let columns: Vec<Column> = vec![
        texts("id", |record| record.id.as_deref()),
        texts("prompt", |record| record.prompt.as_deref()),
        texts("response", |record| record.response.as_deref()),
        texts("target", |record| record.target.as_deref()),
        texts("source", |record| record.source.as_deref()),
        texts("category", |record| record.category.as_deref()),
        texts("label", |record| record.label.as_ref()?.label.map(Label::name)),
        texts("kind", |record| record.label.as_ref()?.kind.map(Kind::name)),
        Series::new("p_refusal".into(), p_refusal).into_column(),
        Series::new("samples".into(), samples).into_column(),
        Series::new("weight".into(), weight).into_column(),
    ];
    DataFrame::new(records.len(), columns)
}

fn summary_rows(frame: &DataFrame) -> PolarsResult<Vec<SummaryRow>> {
    let text = |name: &str| -> PolarsResult<Vec<Option<String>>> {
        Ok(frame.column(name)?.str()?.iter().map(|text| text.map(str::to_owned)).collect())
    };
    let counts = frame.column("weight_count")?.as_materialized_series().u32()?;
    let keys = text("source")?.into_iter().zip(text("target")?).zip(text("label")?).zip(text("kind")?);
    let rows = keys.zip(counts.iter()).map(|((((source, target), label), kind), rows)| SummaryRow {
        source,
        target,
        label,
        kind,
        rows: rows.unwrap_or_default() as usize,
    });
    Ok(rows.collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::{SummaryRow, summarise, to_frame};
    use crate::record::tests::record;
    use crate::{Kind, Label, Labelled, Labeller};

    #[test]
    fn records_become_columns_and_counts() {
        let mut rows = vec![record(1, Some("a")), record(2, Some("b")), record(3, None)];
        let by = Labeller::Sampled { p_refusal: 0.25 };
        rows[2].label = Some(Labelled { label: None, kind: None, by });
        let by = Labeller::Machine { model: "m".into(), p_refusal: 0.75, samples: 3 };
        rows[1].label = Some(Labelled { label: Some(Label::Refused), kind: Some(Kind::Rejected), by });
        rows[1].source = Some("s".into());
        let frame = to_frame(&rows).unwrap();
        assert_eq!(frame.shape(), (3, 11));
        assert_eq!(
            frame.column("p_refusal").unwrap().f64().unwrap().iter().collect::<Vec<_>>(),
            [None, Some(0.75), Some(0.25)]
        );
        assert_eq!(
            frame.column("samples").unwrap().u32().unwrap().iter().collect::<Vec<_>>(),
            [None, Some(3), None]
        );
        let none = SummaryRow { source: None, target: None, label: None, kind: None, rows: 2 };
        let (label, kind) = (Some("refused".into()), Some("rejected".into()));
        let one = SummaryRow { source: Some("s".into()), target: None, label, kind, rows: 1 };
        assert_eq!(summarise(&rows).unwrap(), [none, one]);
        assert_eq!(summarise(&[]).unwrap(), []);
    }
}
