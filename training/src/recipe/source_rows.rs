//! The rows of several sources, which fit each of them enters, and its weight there.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use demur_data::{Corpus, DataError, Labeller, ReadOptions, Record, Rejection};
use demur_predictor::{Field, LabelledRows, TrainingData, sha256_of};

use crate::answers::is_decided_by_sign;
use crate::error::TrainingError;
use crate::recipe::source::DataSource;

/// The rows of several sources, each corpus with its source.
#[derive(Debug, Clone)]
pub struct SourceRows(Vec<(DataSource, Corpus)>);

impl SourceRows {
    /// Reads labelled rows that have the text of a field. A file in which no row has it is not an error: its
    /// rows may be used in the other fit.
    ///
    /// # Errors
    /// As [`DataSource::read`].
    pub fn labelled(sources: &[DataSource], field: Field) -> Result<Self, TrainingError> {
        let read = |source: &DataSource| {
            let options = ReadOptions { need_label: true, spare_absent: true, ..source.needing(&[field]) };
            Ok((source.clone(), source.read_with(&options)?))
        };
        sources.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Reads prompts with responses; their labels are ignored.
    ///
    /// # Errors
    /// As [`DataSource::read`].
    pub fn unlabelled(sources: &[DataSource]) -> Result<Self, TrainingError> {
        Self::without_labels(sources, &[Field::Prompt, Field::Response])
    }

    /// Reads rows that have the texts of these fields; their labels are ignored.
    ///
    /// # Errors
    /// As [`DataSource::read`].
    pub(crate) fn without_labels(sources: &[DataSource], fields: &[Field]) -> Result<Self, TrainingError> {
        let read = |source: &DataSource| {
            let mut corpus = source.read(fields, false, false)?;
            corpus.records.iter_mut().for_each(|record| record.label = None);
            Ok((source.clone(), corpus))
        };
        sources.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The rows of one source, which are labelled.
    #[must_use]
    pub fn of(source: DataSource, corpus: Corpus) -> Self {
        Self(vec![(source, corpus)])
    }

    /// The corpora, each with its source.
    pub fn parts(&self) -> impl Iterator<Item = (&DataSource, &Corpus)> {
        self.0.iter().map(|(source, corpus)| (source, corpus))
    }

    /// The rows that enter the fit of one of the two models.
    fn taking_part(&self, field: Field) -> impl Iterator<Item = (&DataSource, Vec<&Record>)> {
        self.0.iter().map(move |(source, corpus)| {
            let takes_part = |record: &&Record| source.takes_part(record, field);
            (source, corpus.records.iter().filter(takes_part).collect())
        })
    }

    /// The rows that enter the fit of one of the two models, with their source's weight; without those that
    /// lack the text for it, and without sources of weight 0.
    #[must_use]
    pub fn records(&self, field: Field) -> Vec<Record> {
        let weighed = |source: &DataSource, record: &Record| {
            let weight = record.weight * source.weight_in(field);
            Record { weight, ..record.clone() }
        };
        self.taking_part(field)
            .flat_map(|(source, records)| records.into_iter().map(move |record| weighed(source, record)))
            .collect()
    }

    /// The rows with an answer, also those without a text that a sign decides; for figures of a response
    /// classifier, which judges them too.
    #[must_use]
    pub fn answers(&self) -> Vec<Record> {
        let has_weight = |(source, _): &(&DataSource, &Corpus)| source.weight_in(Field::Response) > 0.0;
        let answers = self.parts().filter(has_weight).flat_map(|(_, corpus)| &corpus.records);
        answers.filter(|record| record.response.is_some()).cloned().collect()
    }

    /// How many answers a sign decides, so that no fit learns from their words.
    #[must_use]
    pub fn decided_by_signs(&self) -> usize {
        let records = self.0.iter().flat_map(|(_, corpus)| &corpus.records);
        records.filter(|record| is_decided_by_sign(record)).count()
    }

    /// How many rows do not enter the fit of one of the two models.
    #[must_use]
    pub fn left_out(&self, field: Field) -> usize {
        let kept: usize = self.0.iter().map(|(_, corpus)| corpus.records.len()).sum();
        kept - self.taking_part(field).map(|(_, records)| records.len()).sum::<usize>()
    }

    /// The rejected rows.
    #[must_use]
    pub fn rejected(&self) -> Vec<Rejection> {
        self.0.iter().flat_map(|(_, corpus)| corpus.rejected.clone()).collect()
    }

    /// The files behind one of the two fits, for its manifest.
    ///
    /// # Errors
    /// [`TrainingError::Data`] when a file cannot be read again.
    pub fn describe(&self, field: Field) -> Result<Vec<TrainingData>, TrainingError> {
        let parts = self.taking_part(field).filter(|(_, records)| !records.is_empty());
        let files: Vec<_> =
            parts.map(|(source, records)| describe(source, &records)).collect::<Result<_, _>>()?;
        Ok(files.concat())
    }
}

/// Describes the files of a source for a manifest: name, digest, how many of the records came from each, and
/// who labelled them.
///
/// # Errors
/// [`TrainingError::Data`] when a file cannot be read again.
fn describe(source: &DataSource, records: &[&Record]) -> Result<Vec<TrainingData>, TrainingError> {
    let describe = |path: &PathBuf| {
        let name = path.to_string_lossy();
        let sha256 = if name == "-" { "standard input".to_owned() } else { digest(path)? };
        let of_file: Vec<&Record> =
            records.iter().copied().filter(|record| *record.place.file == *name).collect();
        Ok(TrainingData {
            source: source.name.clone(),
            file: path
                .file_name()
                .map_or_else(|| name.to_string(), |file| file.to_string_lossy().into_owned()),
            sha256,
            rows: of_file.len(),
            labellers: labellers(&of_file),
            licence: source.licence.clone(),
        })
    };
    source.files.iter().map(describe).collect()
}

/// Above this number, labellers are counted by their kind only: a name for each row says nothing in a
/// manifest.
const MOST_NAMED: usize = 12;

/// How many of some records each labeller labelled. Records without a label count for this program, because a
/// model of it will label them.
fn labellers(records: &[&Record]) -> Vec<LabelledRows> {
    let mut rows: BTreeMap<(Labeller, Option<&str>), usize> = BTreeMap::new();
    for record in records {
        let by = record.label.as_ref().map(|label| (label.by.labeller, label.by.who.as_deref()));
        *rows.entry(by.unwrap_or((Labeller::Demur, None))).or_default() += 1;
    }
    let named = rows.len() <= MOST_NAMED;
    let mut all: Vec<LabelledRows> = Vec::new();
    for ((by, who), rows) in rows {
        let who = who.filter(|_| named).map(str::to_owned);
        match all.last_mut() {
            Some(last) if last.by == by && last.who == who => last.rows += rows,
            _ => all.push(LabelledRows { by, who, rows }),
        }
    }
    all
}

fn digest(path: &Path) -> Result<String, TrainingError> {
    let read = |cause| DataError::Read { file: path.display().to_string(), cause };
    Ok(File::open(path).and_then(sha256_of).map_err(read)?)
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
