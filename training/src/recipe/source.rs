//! Sources: the files of a corpus, how they are read, and how much their labels are trusted.

use std::fmt;
use std::path::{Path, PathBuf};

use demur_data::stream::Opening;
use demur_data::{
    Columns, Corpus, Format, KindPolicy, LabelVocabulary, Labeller, ReadOptions, Record, deduplicate, read,
};
use demur_predictor::{Field, sha256};
use rustc_hash::FxHashMap;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::answers::is_decided_by_sign;
use crate::error::TrainingError;

/// Files of one corpus, how they are read, and the weights of their rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataSource {
    /// The source name of all records, overriding the rows. Default: the name in each row.
    pub name: Option<String>,
    /// The files, in order.
    pub files: Vec<PathBuf>,
    /// Their columns, if those do not have the usual names.
    pub columns: Columns,
    /// Label values beyond the built-in vocabulary.
    pub labels: LabelVocabulary,
    /// The binary label of each kind.
    pub policy: KindPolicy,
    /// Keep rows whose kind has no binary label (`dontknow`), for a model of kinds to learn from. Default:
    /// false.
    pub keep_kinds: bool,
    /// Their format, if neither name nor content determines it.
    pub format: Option<Format>,
    /// The layout of their rows, and where these lie in one JSON object, if the files do not show it.
    #[serde(skip_serializing_if = "Opening::is_default")]
    pub opening: Opening,
    /// Keep only rows of these targets. Default: all.
    pub targets: Vec<String>,
    /// Keep only rows of these categories; a `*` matches any text. Default: all.
    pub categories: Vec<String>,
    /// Keep only the first row of each normalised text. Default: all rows.
    pub deduplicate: Deduplicate,
    /// The maximum number of rows of each label; the choice does not depend on the order of the file.
    /// Default: all.
    pub limit: Option<usize>,
    /// How much its labels are trusted: a factor for the weights of its rows in the fit of the response
    /// classifier. 0 leaves the source out of that fit and of its figures. Default: 1.
    pub weight: f64,
    /// The same for the prompt predictor. Default: the value of `weight`.
    pub prompt_weight: Option<f64>,
    /// The licence of the rows, for the model card.
    pub licence: Option<String>,
    /// Who labelled its rows: `person`, `judge` (a judge model), `rule`, `norm` (what should be refused),
    /// `demur` or `unknown`. Default: the rows' column `labelled_by` or `labeller`, or unknown.
    pub labelled_by: Option<Labeller>,
}

impl Default for DataSource {
    fn default() -> Self {
        Self {
            name: None,
            files: Vec::new(),
            columns: Columns::default(),
            labels: LabelVocabulary::default(),
            policy: KindPolicy::default(),
            keep_kinds: false,
            format: None,
            opening: Opening::default(),
            targets: Vec::new(),
            categories: Vec::new(),
            deduplicate: Deduplicate::No,
            limit: None,
            weight: 1.0,
            prompt_weight: None,
            licence: None,
            labelled_by: None,
        }
    }
}

/// Which rows of a source are duplicates. In a recipe: `false`, `true` or `"prompt"`, `"response"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deduplicate {
    /// None.
    #[default]
    No,
    /// Those whose normalised prompt occurs in an earlier row.
    Prompt,
    /// Those whose normalised response occurs in an earlier row.
    Response,
}

impl Serialize for Deduplicate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::Prompt => serializer.serialize_str("prompt"),
            Self::Response => serializer.serialize_str("response"),
        }
    }
}

impl<'de> Deserialize<'de> for Deduplicate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;
        impl Visitor<'_> for Reads {
            type Value = Deduplicate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("false, true, \"prompt\" or \"response\"")
            }

            fn visit_bool<E: Error>(self, by_prompt: bool) -> Result<Deduplicate, E> {
                Ok(if by_prompt { Deduplicate::Prompt } else { Deduplicate::No })
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Deduplicate, E> {
                match text {
                    "prompt" => Ok(Deduplicate::Prompt),
                    "response" => Ok(Deduplicate::Response),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(Reads)
    }
}

/// One source as a table, or several as a list of tables.
pub(crate) fn one_or_several<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<DataSource>, D::Error> {
    // A visitor instead of an untagged enum, so that an error still names the invalid key.
    struct Reads;
    impl<'de> Visitor<'de> for Reads {
        type Value = Vec<DataSource>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table of one source or a list of tables")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Ok(vec![DataSource::deserialize(MapAccessDeserializer::new(map))?])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(seq))
        }
    }
    deserializer.deserialize_any(Reads)
}

impl DataSource {
    /// These files with all defaults.
    #[must_use]
    pub fn of(files: Vec<PathBuf>) -> Self {
        Self { files, ..Self::default() }
    }

    /// The same with its file names relative to a folder.
    #[must_use]
    pub fn within(&self, folder: &Path) -> Self {
        Self { files: self.files.iter().map(|file| folder.join(file)).collect(), ..self.clone() }
    }

    /// Its name in messages: its own name, or its first file.
    #[must_use]
    pub fn title(&self) -> String {
        let file = || self.files.first().map_or_else(|| "no file".to_owned(), |f| f.display().to_string());
        self.name.clone().unwrap_or_else(file)
    }

    /// Checks everything that can be checked without rows.
    ///
    /// # Errors
    /// [`TrainingError::Source`].
    pub fn check(&self) -> Result<(), TrainingError> {
        let bad = |name, value, wanted| TrainingError::Source { title: self.title(), name, value, wanted };
        let weights = [("weight", self.weight), ("prompt_weight", self.weight_in(Field::Prompt))];
        for (name, value) in weights {
            if !(value.is_finite() && value >= 0.0) {
                return Err(bad(name, value, "a finite number of at least 0"));
            }
        }
        match self.limit {
            Some(0) => Err(bad("limit", 0.0, "1 or more; to leave a source out, give it the weight 0")),
            _ => Ok(()),
        }
    }

    /// The factor for the weights of its rows in one of the two fits.
    #[must_use]
    pub(crate) fn weight_in(&self, field: Field) -> f64 {
        match field {
            Field::Response => self.weight,
            Field::Prompt => self.prompt_weight.unwrap_or(self.weight),
        }
    }

    /// Whether a row of this source enters the fit of one of the two models: it needs the text, and its
    /// source a weight. An answer that a sign decides has no part in a fit: the words do not decide it.
    pub(crate) fn takes_part(&self, record: &Record, field: Field) -> bool {
        let text = match field {
            Field::Prompt => record.prompt.as_deref(),
            Field::Response => record.response.as_deref().filter(|_| !is_decided_by_sign(record)),
        };
        self.weight_in(field) > 0.0 && text.is_some_and(|text| !text.trim().is_empty())
    }

    /// Reads the corpus; rows need these fields.
    ///
    /// # Errors
    /// [`TrainingError::Data`], or [`TrainingError::NoRows`] when no row is left.
    pub fn read(&self, fields: &[Field], need_label: bool, keep_rows: bool) -> Result<Corpus, TrainingError> {
        let need = ReadOptions { need_label, keep_rows, ..self.needing(fields) };
        self.read_with(&need)
    }

    pub(crate) fn needing(&self, fields: &[Field]) -> ReadOptions {
        ReadOptions {
            columns: self.columns.clone(),
            labels: self.labels.clone(),
            policy: self.policy,
            format: self.format,
            opening: self.opening.clone(),
            labelled_by: self.labelled_by,
            need_prompt: fields.contains(&Field::Prompt),
            need_response: fields.contains(&Field::Response),
            keep_kinds: self.keep_kinds && fields.contains(&Field::Response),
            ..ReadOptions::default()
        }
    }

    pub(crate) fn read_with(&self, options: &ReadOptions) -> Result<Corpus, TrainingError> {
        let mut corpus = read(&self.files, options)?;
        let of_target = |record: &Record| {
            self.targets.is_empty()
                || record.target.as_ref().is_some_and(|target| self.targets.contains(target))
        };
        drop_rows(&mut corpus, "of another target", |records| {
            records.into_iter().filter(of_target).collect()
        });
        let of_category = |record: &Record| {
            self.categories.is_empty()
                || record
                    .category
                    .as_ref()
                    .is_some_and(|category| self.categories.iter().any(|wanted| is_like(wanted, category)))
        };
        drop_rows(&mut corpus, "of another category", |records| {
            records.into_iter().filter(of_category).collect()
        });
        match self.deduplicate {
            Deduplicate::No => {}
            Deduplicate::Prompt => drop_rows(&mut corpus, "duplicate prompt", |records| {
                deduplicate(records, |record| record.prompt.as_deref()).0
            }),
            Deduplicate::Response => drop_rows(&mut corpus, "duplicate response", |records| {
                deduplicate(records, |record| record.response.as_deref()).0
            }),
        }
        if let Some(limit) = self.limit {
            let why = format!("over the limit of {limit} per label");
            drop_rows(&mut corpus, &why, |records| limited(records, limit));
        }
        if corpus.records.is_empty() {
            let hint = format!("{}; look at `targets` and the target column", corpus.summary);
            return Err(TrainingError::NoRows { step: "reading", hint });
        }
        if let Some(name) = &self.name {
            corpus.records.iter_mut().for_each(|record| record.source = Some(name.clone()));
        }
        Ok(corpus)
    }
}

/// Drops rows that the reader kept, and records why.
fn drop_rows(corpus: &mut Corpus, why: &str, keep: impl FnOnce(Vec<Record>) -> Vec<Record>) {
    let before = corpus.records.len();
    corpus.records = keep(std::mem::take(&mut corpus.records));
    let dropped = before - corpus.records.len();
    if dropped > 0 {
        corpus.summary.kept -= dropped;
        *corpus.summary.dropped.entry(why.to_owned()).or_default() += dropped;
    }
}

/// Whether a text matches a pattern, in which each `*` matches any text. It is no glob: names of categories
/// have brackets and question marks of their own.
pub(super) fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.any(|at| is_like(rest, &text[at..]))
        }),
    }
}

/// At most `limit` records of each label: those whose texts have the lowest digests, so that the choice does
/// not depend on the order of the rows and is unrelated to what they say.
fn limited(records: Vec<Record>, limit: usize) -> Vec<Record> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let digest = |record: &Record| {
        let (prompt, response) = (text(&record.prompt), text(&record.response));
        sha256(format!("{prompt}\0{response}").as_bytes())
    };
    let mut order: Vec<(String, usize)> = records.iter().map(digest).zip(0..).collect();
    order.sort_unstable();
    let mut kept = vec![false; records.len()];
    let mut counts = FxHashMap::default();
    for (_, row) in order {
        let label = records[row].label.as_ref().and_then(|label| label.label);
        let count = counts.entry(label).or_insert(0);
        *count += 1;
        kept[row] = *count <= limit;
    }
    records.into_iter().zip(kept).filter_map(|(record, kept)| kept.then_some(record)).collect()
}
