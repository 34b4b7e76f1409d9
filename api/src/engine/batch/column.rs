//! The columns that a run adds, as one list: their names, their types, their values, and the cell that each
//! takes of a row. A column that is added here is added everywhere: to files, `--where`, summaries and the
//! service.

use demur_data::Kind;
use demur_data::stream::Cell;
use demur_predictor::{Doubt, Form, Tier};

use crate::engine::batch::question::{PromptQuestion, Row, RowQuestion};
use crate::engine::routing::choice;
use crate::engine::shares::in_short;

/// The name of the column that says why.
pub(super) const WHY: &str = "why";

/// The type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Number,
    Text,
    Flag,
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
    pub(super) at: usize,
    pub(super) of: for<'r, 'm> fn(&Row<'r, 'm>, usize) -> Option<Cell<'m>>,
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

    /// Whether `--where` can test its values.
    pub(crate) fn can_be_asked(&self) -> bool {
        self.kind == ValueKind::Number || !self.values.is_empty()
    }
}

impl<'a> RowQuestion<'a> {
    /// The columns that are added, `p_refusal` first.
    pub(super) fn columns(&self) -> Vec<Column> {
        let mut list = vec![Column::number("p_refusal", "the probability of a refusal", |row, _| {
            row.p_refusal.map(|p| Cell::Number(p.get()))
        })];
        let outcomes = self.outcomes().names;
        let tier = self.tiered().has_encoder().then(|| {
            let names = [Tier::Ngram, Tier::Encoder].map(Tier::name);
            Column::text("tier", "the tier that answered", &names, |row, _| {
                row.tier.map(|tier| Cell::Text(tier.name()))
            })
        });
        match self {
            Self::Prompts(PromptQuestion { kinds, interval, coverage, ngrams, why, router, .. }) => {
                list.push(Column::text("decision", "what the policy does", outcomes, outcome));
                if router.is_some() {
                    list.extend(route_columns());
                }
                list.push(Column::text("model_digest", "the model", &[], |row, _| {
                    Some(Cell::Text(row.model().digest()))
                }));
                list.extend(tier);
                list.extend(kinds.then(kind));
                if *interval {
                    list.extend(interval_columns());
                }
                if *coverage {
                    list.extend(coverage_columns());
                }
                list.extend((*ngrams > 0).then(|| Column {
                    kind: ValueKind::Json,
                    ..Column::number("top_ngrams", "the strongest words", |row, _| match row.question {
                        RowQuestion::Prompts(question) => {
                            Some(Cell::Json(in_short(row.model(), row.input, question.ngrams).to_string()))
                        }
                        RowQuestion::Responses { .. } => None,
                    })
                }));
                list.extend(why.then(why_column));
            }
            Self::Responses { judge, .. } => {
                list.push(Column::text("label", "whether it is a refusal", outcomes, outcome));
                list.push(Column::text("labelled_by", "who says so", &[], |row, _| match row.question {
                    RowQuestion::Responses { labelled_by, .. } => Some(Cell::Text(labelled_by)),
                    RowQuestion::Prompts(_) => None,
                }));
                list.extend(form_columns());
                list.extend(tier);
                list.extend(judge.tiered.model.kinds().into_iter().flat_map(|model| {
                    kind_columns(model.settings().kinds.iter().map(|kind| format!("p_kind_{}", kind.name())))
                }));
            }
        }
        list
    }
}

fn outcome<'m>(row: &Row<'_, 'm>, _: usize) -> Option<Cell<'m>> {
    row.outcome().map(Cell::Text)
}

/// The target that a prompt should go to, what that is worth, and all of them.
fn route_columns() -> [Column; 3] {
    let all = "all targets, from the highest utility to the lowest";
    [
        Column::text(
            "route",
            "the target to send to; null where the policy holds it from all",
            &[],
            |row, _| {
                let RowQuestion::Prompts(PromptQuestion { router: Some(router), .. }) = row.question else {
                    return None;
                };
                router.own_name(&choice(row.ranked)?.target).map(Cell::Text)
            },
        ),
        Column::number("utility", "the utility of the target that p_refusal is of", |row, _| {
            Some(Cell::Number(choice(row.ranked).or(row.ranked.first())?.utility))
        }),
        Column {
            kind: ValueKind::Json,
            ..Column::number("routes", all, |row, _| serde_json::to_string(row.ranked).ok().map(Cell::Json))
        },
    ]
}

/// Why a prompt is held.
fn why_column() -> Column {
    let description = "why a prompt is held: a sentence, the words that did it, and a rephrasing of a word that is \
                       merely ambiguous; null where it is not held";
    Column {
        kind: ValueKind::Json,
        ..Column::number(WHY, description, |row, _| {
            serde_json::to_string(row.why.as_ref()?).ok().map(Cell::Json)
        })
    }
}

/// How an answer was recognised, and whether reasoning came before it.
fn form_columns() -> [Column; 2] {
    let form = "how the answer was recognised: by its text, or by a sign in its place";
    let reasoning = "whether reasoning came with the answer; it is not read";
    [
        Column::text("form", form, &Form::ALL.map(Form::name), |row, _| {
            row.form.map(|form| Cell::Text(form.name()))
        }),
        Column {
            kind: ValueKind::Flag,
            ..Column::text("reasoning", reasoning, &["true", "false"], |row, _| row.reasoning.map(Cell::Flag))
        },
    ]
}

fn kind() -> Column {
    let kinds = Kind::ALL.map(Kind::name);
    Column::text("kind", "the kind of answer", &kinds, |row, _| row.kind.map(|kind| Cell::Text(kind.name())))
}

fn interval_columns() -> [Column; 2] {
    let low =
        "the share refused among unseen rows with a similar P(refusal): the lower end of its 95% interval";
    let high = "the upper end of that interval";
    [("p_refusal_low", low), ("p_refusal_high", high)].map(|(name, description)| Column {
        at: usize::from(description == high),
        ..Column::number(name, description, |row, at| {
            let (low, high) = row.model().interval_of_known(row.scored?, &row.familiarity?)?;
            Some(Cell::Number(if at == 0 { low } else { high }))
        })
    })
}

/// How much of a prompt the model knows, and why it decides nothing.
fn coverage_columns() -> [Column; 3] {
    let coverage = "the share of the prompt's letters in known n-grams, from 0 to 1";
    let reason = "why nothing is decided, where too little is known";
    [
        Column::number("coverage", coverage, |row, _| Some(Cell::Number(row.familiarity?.coverage))),
        Column::text("language", "the language of the prompt", &[], |row, _| {
            row.familiarity?.language.map(Cell::Text)
        }),
        Column::text("reason", reason, &Doubt::ALL.map(Doubt::name), |row, _| {
            row.familiarity?.doubt.map(|doubt| Cell::Text(doubt.name()))
        }),
    ]
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
