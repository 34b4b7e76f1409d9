//! What a model returns for one row: the columns that a run adds, and the counts of its summary.
//!
//! The columns are one list. Their names, their types, the conditions that `--where` accepts on them and the
//! cells of a row all come from it, so a column that is added to the list is added everywhere.

pub(crate) use demur_data::stream::Cell;
use demur_data::{Kind, Label};
use demur_predictor::{Decision, Input, KindDistribution, Model, Policy, ScoreError, Scratch, Tier, Tiered};

use crate::engine::shares::in_short;
use crate::engine::tiered_model::TieredModel;

/// The question that a run asks about each row.
pub(crate) enum RowQuestion<'a> {
    /// Will this prompt be refused?
    Prompts {
        tiered: TieredModel<'a>,
        policy: Policy,
        target: Option<String>,
        /// Whether to add the kind of refusal.
        kinds: bool,
        /// Whether to add the interval of P(refusal).
        interval: bool,
        /// How many of the strongest words to add.
        ngrams: usize,
    },
    /// Is this answer a refusal?
    Responses {
        tiered: TieredModel<'a>,
        /// The labeller that the rows name.
        labelled_by: &'a str,
    },
}

/// The outcomes that a summary counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcomes {
    /// Their title in the summary.
    pub(crate) title: &'static str,
    /// Their names; [`RowScore::outcome`] is an index into these.
    pub(crate) names: &'static [&'static str],
}

/// What the summary and the sort need of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RowScore {
    pub(crate) p_refusal: f64,
    /// Index of the decision or label in [`Outcomes::names`].
    pub(crate) outcome: usize,
    /// The tier that answered.
    pub(crate) tier: Tier,
}

/// The type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Number,
    Text,
    Json,
}

/// A column that a run adds.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: ValueKind,
    /// Its description for people.
    pub(crate) description: &'static str,
    /// The values that a text column can have; empty if any text is allowed.
    pub(crate) values: Vec<&'static str>,
    /// Its index among columns of the same sort, if there are several.
    at: usize,
    of: for<'r, 'm> fn(&Row<'r, 'm>, usize) -> Option<Cell<'m>>,
}

/// A row as the columns' functions get it.
struct Row<'r, 'm> {
    model: &'m Model,
    input: &'r Input<'r>,
    scored: &'r Tiered,
    /// Name of the decision or label.
    outcome: &'static str,
    /// Filled only if a column needs them.
    kinds: Option<KindDistribution>,
    /// How many of the strongest words are requested.
    ngrams: usize,
    /// The labeller of answers.
    labelled_by: Option<&'m str>,
}

/// The question, with the columns that answer it.
pub(crate) struct Columns<'a> {
    question: RowQuestion<'a>,
    list: Vec<Column>,
    /// Whether any column needs the kinds.
    kinds: bool,
}

impl Column {
    fn number(
        name: impl Into<String>,
        description: &'static str,
        of: for<'r, 'm> fn(&Row<'r, 'm>, usize) -> Option<Cell<'m>>,
    ) -> Self {
        let (name, values) = (name.into(), Vec::new());
        Self { name, kind: ValueKind::Number, description, values, at: 0, of }
    }

    fn text(
        name: &str,
        description: &'static str,
        values: &[&'static str],
        of: for<'r, 'm> fn(&Row<'r, 'm>, usize) -> Option<Cell<'m>>,
    ) -> Self {
        Self { kind: ValueKind::Text, values: values.to_vec(), ..Self::number(name, description, of) }
    }
}

impl Column {
    /// Whether `--where` can test its values.
    pub(crate) fn can_be_asked(&self) -> bool {
        self.kind == ValueKind::Number || !self.values.is_empty()
    }
}

impl<'a> RowQuestion<'a> {
    pub(crate) const fn tiered(&self) -> &TieredModel<'a> {
        match self {
            Self::Prompts { tiered, .. } | Self::Responses { tiered, .. } => tiered,
        }
    }

    /// The decisions or labels that are counted.
    pub(crate) const fn outcomes(&self) -> Outcomes {
        match self {
            Self::Prompts { .. } => Outcomes { title: "decisions", names: &["send", "abstain", "hold"] },
            Self::Responses { .. } => Outcomes { title: "labels", names: &["complied", "refused"] },
        }
    }

    /// The columns that are added, `p_refusal` first.
    fn columns(&self) -> Vec<Column> {
        let mut list = vec![Column::number("p_refusal", "the probability of a refusal", |row, _| {
            Some(Cell::Number(row.scored.p_refusal.get()))
        })];
        let outcomes = self.outcomes().names;
        let tier = self.tiered().has_encoder().then(|| {
            let names = [Tier::Ngram, Tier::Encoder].map(Tier::name);
            Column::text("tier", "the tier that answered", &names, |row, _| {
                Some(Cell::Text(row.scored.tier.name()))
            })
        });
        match self {
            Self::Prompts { kinds, interval, ngrams, .. } => {
                list.push(Column::text("decision", "what the policy does", outcomes, outcome));
                list.push(Column::text("model_digest", "the model", &[], |row, _| {
                    Some(Cell::Text(row.model.digest()))
                }));
                list.extend(tier);
                list.extend(kinds.then(kind));
                if *interval {
                    list.extend(interval_columns());
                }
                list.extend((*ngrams > 0).then(|| Column {
                    kind: ValueKind::Json,
                    ..Column::number("top_ngrams", "the strongest words", |row, _| {
                        Some(Cell::Json(in_short(row.model, row.input, row.ngrams).to_string()))
                    })
                }));
            }
            Self::Responses { tiered, .. } => {
                list.push(Column::text("label", "whether it is a refusal", outcomes, outcome));
                list.push(Column::text("labelled_by", "who says so", &[], |row, _| {
                    row.labelled_by.map(Cell::Text)
                }));
                list.extend(tier);
                list.extend(tiered.model.kinds().into_iter().flat_map(|model| {
                    kind_columns(model.settings().kinds.iter().map(|kind| format!("p_kind_{}", kind.name())))
                }));
            }
        }
        list
    }

    /// The input with the target of the question.
    fn asked<'i>(&'i self, input: &Input<'i>) -> Input<'i> {
        match self {
            Self::Prompts { target, .. } => Input { target: target.as_deref(), ..*input },
            Self::Responses { .. } => *input,
        }
    }

    /// Index of a row's decision or label.
    fn outcome(&self, scored: &Tiered) -> usize {
        match self {
            Self::Prompts { policy, .. } => match policy.decide(scored.p_refusal) {
                Decision::Send => 0,
                Decision::Abstain => 1,
                Decision::Hold => 2,
            },
            Self::Responses { tiered, .. } => {
                usize::from(tiered.model.manifest().policy.label(scored.p_refusal) == Label::Refused)
            }
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "one of the columns' functions")]
fn outcome<'m>(row: &Row<'_, 'm>, _: usize) -> Option<Cell<'m>> {
    Some(Cell::Text(row.outcome))
}

fn kind() -> Column {
    let kinds = Kind::ALL.map(Kind::name);
    Column::text("kind", "the kind of answer", &kinds, |row, _| {
        row.kinds.as_ref().map(|kinds| Cell::Text(kinds.kind.name()))
    })
}

fn interval_columns() -> [Column; 2] {
    let low =
        "the share refused among unseen rows with a similar P(refusal): the lower end of its 95% interval";
    let high = "the upper end of that interval";
    [("p_refusal_low", low), ("p_refusal_high", high)].map(|(name, description)| Column {
        at: usize::from(description == high),
        ..Column::number(name, description, |row, at| {
            let (low, high) = row.model.interval_at(row.scored)?;
            Some(Cell::Number(if at == 0 { low } else { high }))
        })
    })
}

/// The kind, how much of a refusal it is, and the probability of each kind.
fn kind_columns(each: impl Iterator<Item = String>) -> Vec<Column> {
    let degree =
        Column::number("refusal_degree", "how much of a refusal the kinds make, from 0 to 1", |row, _| {
            row.kinds.as_ref().map(|kinds| Cell::Number(kinds.degree))
        });
    let each = each.enumerate().map(|(at, name)| Column {
        at,
        ..Column::number(name, "the probability of that kind", |row, at| {
            let (_, p) = row.kinds.as_ref()?.probabilities.get(at)?;
            Some(Cell::Number(*p))
        })
    });
    [kind(), degree].into_iter().chain(each).collect()
}

impl<'a> Columns<'a> {
    pub(crate) fn of(question: RowQuestion<'a>) -> Self {
        let list = question.columns();
        let kinds = list.iter().any(|column| column.name == "kind");
        Self { question, list, kinds }
    }

    pub(crate) const fn question(&self) -> &RowQuestion<'a> {
        &self.question
    }

    pub(crate) fn list(&self) -> &[Column] {
        &self.list
    }

    /// The names of the columns before any is renamed to avoid a name that the rows already have.
    pub(crate) fn names(&self) -> Vec<String> {
        self.list.iter().map(|column| column.name.clone()).collect()
    }

    pub(crate) const fn model(&self) -> &'a Model {
        self.question.tiered().model
    }

    /// Scores a row by the n-gram tier and appends its cells, one for each column, to `cells`.
    pub(crate) fn score_row(
        &self,
        input: &Input<'_>,
        scratch: &mut Scratch,
        cells: &mut Vec<Cell<'a>>,
    ) -> RowScore {
        let input = self.question.asked(input);
        let scored = self.model().predict_ngrams(&input, scratch);
        self.put(&input, &scored, scratch, cells)
    }

    /// Scores rows by all tiers in one call, because an encoder is faster on batches.
    ///
    /// # Errors
    /// When the encoder fails.
    pub(crate) fn score_rows(
        &self,
        inputs: &[Input<'_>],
        scratch: &mut Scratch,
    ) -> Result<Vec<(RowScore, Vec<Cell<'a>>)>, ScoreError> {
        let inputs: Vec<Input<'_>> = inputs.iter().map(|input| self.question.asked(input)).collect();
        let scored = self.question.tiered().score(&inputs, scratch)?;
        let of = |(input, scored): (&Input<'_>, &Tiered)| {
            let mut cells = Vec::new();
            (self.put(input, scored, scratch, &mut cells), cells)
        };
        Ok(inputs.iter().zip(&scored).map(of).collect())
    }

    /// Appends the cells of a row; returns what the summary counts.
    fn put(
        &self,
        input: &Input<'_>,
        scored: &Tiered,
        scratch: &mut Scratch,
        cells: &mut Vec<Cell<'a>>,
    ) -> RowScore {
        let outcome = self.question.outcome(scored);
        let (ngrams, labelled_by) = match self.question {
            RowQuestion::Prompts { ngrams, .. } => (ngrams, None),
            RowQuestion::Responses { labelled_by, .. } => (0, Some(labelled_by)),
        };
        let row = Row {
            model: self.model(),
            input,
            scored,
            outcome: self.question.outcomes().names[outcome],
            kinds: if self.kinds { self.model().kinds_at(input, scored.p_refusal, scratch) } else { None },
            ngrams,
            labelled_by,
        };
        // A listed column has a value for every row. If it ever had none, the cell would be null.
        let null = || Cell::Json("null".to_owned());
        cells.extend(self.list.iter().map(|column| (column.of)(&row, column.at).unwrap_or_else(null)));
        RowScore { p_refusal: scored.p_refusal.get(), outcome, tier: scored.tier }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Bundled;

    use super::*;

    /// Regression test: a number whose name does not begin with `p_` was once written as null.
    #[test]
    fn every_cell_is_of_its_columns_kind() {
        let [prompt, response] =
            [Bundled::Prompt, Bundled::Response].map(|name| Model::bundled(name).unwrap());
        let questions = [
            RowQuestion::Prompts {
                tiered: TieredModel::here(&prompt, None),
                policy: prompt.manifest().policy,
                target: None,
                kinds: false,
                interval: true,
                ngrams: 2,
            },
            RowQuestion::Responses { tiered: TieredModel::here(&response, None), labelled_by: "demur:m@1" },
        ];
        for columns in questions.map(Columns::of) {
            let mut cells = Vec::new();
            let input = Input { prompt: Some("How?"), response: Some("I cannot."), target: None };
            columns.score_row(&input, &mut Scratch::default(), &mut cells);
            assert_eq!(cells.len(), columns.list().len());
            for (column, cell) in columns.list().iter().zip(&cells) {
                let kind = match cell {
                    Cell::Number(_) => ValueKind::Number,
                    Cell::Text(text) => {
                        assert!(column.values.is_empty() || column.values.contains(text), "{text}");
                        ValueKind::Text
                    }
                    Cell::Json(_) => ValueKind::Json,
                };
                assert_eq!(column.kind, kind, "{}", column.name);
                assert!(!column.description.is_empty());
            }
        }
    }
}
