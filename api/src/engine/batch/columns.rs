//! What a model returns for one row: the columns that a run adds, and the counts of its summary.
//!
//! The columns are one list. Their names, their types, the conditions that `--where` accepts on them and the
//! cells of a row all come from it, so a column that is added to the list is added everywhere.

use demur_data::Kind;
pub(crate) use demur_data::stream::Cell;
use demur_data::stream::RowInput;
use demur_predictor::{
    Answer, Doubt, Familiarity, Form, Input, Judged, KindDistribution, Model, Policy, ScoreError, Scratch,
    Tier, Tiered,
};

use crate::engine::batch::question::{Row, RowQuestion, RowScore};
use crate::engine::judgement::Judge;
use crate::engine::routing::{Router, choice};
use crate::engine::shares::in_short;

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
    at: usize,
    of: for<'r, 'm> fn(&Row<'r, 'm>, usize) -> Option<Cell<'m>>,
}

/// The question, with the columns that answer it.
pub(crate) struct Columns<'a> {
    question: RowQuestion<'a>,
    list: Vec<Column>,
    /// Whether any column needs the kinds.
    kinds: bool,
    /// Whether any column needs what the model knows of a prompt.
    familiarity: bool,
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
    fn columns(&self) -> Vec<Column> {
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
            Self::Prompts { kinds, interval, coverage, ngrams, router, .. } => {
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
                        RowQuestion::Prompts { ngrams, .. } => {
                            Some(Cell::Json(in_short(row.model(), row.input, *ngrams).to_string()))
                        }
                        RowQuestion::Responses { .. } => None,
                    })
                }));
            }
            Self::Responses { judge, .. } => {
                list.push(Column::text("label", "whether it is a refusal", outcomes, outcome));
                list.push(Column::text("labelled_by", "who says so", &[], |row, _| match row.question {
                    RowQuestion::Responses { labelled_by, .. } => Some(Cell::Text(labelled_by)),
                    RowQuestion::Prompts { .. } => None,
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
                let RowQuestion::Prompts { router: Some(router), .. } = row.question else { return None };
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

impl<'a> Columns<'a> {
    pub(crate) fn of(question: RowQuestion<'a>) -> Self {
        let list = question.columns();
        let kinds = list.iter().any(|column| column.name == "kind");
        let familiarity =
            list.iter().any(|column| matches!(column.name.as_str(), "coverage" | "p_refusal_low"));
        Self { question, list, kinds, familiarity }
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
        row: &RowInput<'_>,
        scratch: &mut Scratch,
        cells: &mut Vec<Cell<'a>>,
    ) -> RowScore {
        let input = self.question.input(row);
        match &self.question {
            RowQuestion::Prompts { policy, router: Some(router), .. } => {
                let of = |target| self.model().predict_ngrams(&Input { target, ..input }, scratch);
                let scored: Vec<Tiered> = router.targets().map(of).collect();
                let doubt = self.model().doubt(&input, scratch);
                self.put_route(router, *policy, (&input, &scored), doubt, cells)
            }
            RowQuestion::Prompts { policy, .. } => {
                let (scored, doubt) = self.model().predict_or_doubt(&input, scratch);
                let known = (self.familiarity_of(&input, scratch), doubt);
                let kinds = self.kinds_of(&input, &scored, scratch);
                self.put(&Row::prompt(&self.question, policy, (&input, &scored), known, kinds), cells)
            }
            RowQuestion::Responses { judge, prefix, .. } => {
                let Judge { policy, phrases, .. } = judge;
                let answer = RowQuestion::answer(row, *prefix);
                let verdict = self.model().judge(&answer, policy, phrases, scratch);
                self.put(&Row::answer(&self.question, &input, Judged::of(verdict, None)), cells)
            }
        }
    }

    /// Scores rows by all tiers in one call, because an encoder is faster on batches.
    ///
    /// # Errors
    /// When the encoder fails.
    pub(crate) fn score_rows(
        &self,
        rows: &[RowInput<'_>],
        scratch: &mut Scratch,
    ) -> Result<Vec<(RowScore, Vec<Cell<'a>>)>, ScoreError> {
        let inputs: Vec<Input<'_>> = rows.iter().map(|row| self.question.input(row)).collect();
        let cells_of = |row: &Row<'_, 'a>| {
            let mut cells = Vec::with_capacity(self.list.len());
            (self.put(row, &mut cells), cells)
        };
        match &self.question {
            RowQuestion::Prompts { tiered, policy, router: Some(router), .. } => {
                let targets: Vec<Option<&str>> = router.targets().collect();
                let scored = tiered.score_targets(&inputs, &targets, scratch)?;
                let of = |(input, scored): (&Input<'_>, &Vec<Tiered>)| {
                    let mut cells = Vec::with_capacity(self.list.len());
                    let doubt = self.model().doubt(input, scratch);
                    (self.put_route(router, *policy, (input, scored), doubt, &mut cells), cells)
                };
                Ok(inputs.iter().zip(&scored).map(of).collect())
            }
            RowQuestion::Prompts { tiered, policy, .. } => {
                let scored = tiered.score(&inputs, scratch)?;
                let of = |(input, scored)| {
                    let known = (self.familiarity_of(input, scratch), self.model().doubt(input, scratch));
                    let kinds = self.kinds_of(input, scored, scratch);
                    cells_of(&Row::prompt(&self.question, policy, (input, scored), known, kinds))
                };
                Ok(inputs.iter().zip(&scored).map(of).collect())
            }
            RowQuestion::Responses { judge, prefix, .. } => {
                let answers: Vec<Answer<'_>> =
                    rows.iter().map(|row| RowQuestion::answer(row, *prefix)).collect();
                let judged = judge.all(&answers, scratch)?;
                let of = |(input, judged)| cells_of(&Row::answer(&self.question, input, judged));
                Ok(inputs.iter().zip(judged).map(of).collect())
            }
        }
    }

    /// Appends the cells of a prompt that may go to several targets: those of the one that it should go to, or, if the
    /// policy holds it from all, of the first.
    fn put_route(
        &self,
        router: &Router,
        policy: Policy,
        (input, scored): (&Input<'_>, &[Tiered]),
        doubt: Option<Doubt>,
        cells: &mut Vec<Cell<'a>>,
    ) -> RowScore {
        let ranked = router.rank(policy, scored, self.question.tiered().has_encoder());
        let lead = choice(&ranked).or(ranked.first()).and_then(|lead| router.place(&lead.target));
        // A router has candidates, and its ranking only these, so there is a first one with a score.
        let lead = lead.and_then(|at| scored.get(at)).unwrap_or(&scored[0]);
        let row = Row::prompt(&self.question, &policy, (input, lead), (None, doubt), None);
        self.put(&Row { ranked: &ranked, ..row }, cells)
    }

    /// What the model knows of a prompt, if a column needs it.
    fn familiarity_of(&self, input: &Input<'_>, scratch: &mut Scratch) -> Option<Familiarity> {
        self.familiarity.then(|| self.model().familiarity(input, scratch)).flatten()
    }

    /// The kinds at a score, if a column needs them.
    fn kinds_of(
        &self,
        input: &Input<'_>,
        scored: &Tiered,
        scratch: &mut Scratch,
    ) -> Option<KindDistribution> {
        if self.kinds { self.model().kinds_at(input, scored.p_refusal, scratch) } else { None }
    }

    /// Appends the cells of a row; returns what the summary counts.
    fn put(&self, row: &Row<'_, 'a>, cells: &mut Vec<Cell<'a>>) -> RowScore {
        cells.extend(self.list.iter().map(|column| (column.of)(row, column.at).unwrap_or(Cell::Null)));
        row.score()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_data::Signs;
    use demur_predictor::{Bundled, Phrases};

    use super::*;
    use crate::engine::tiered_model::TieredModel;

    /// Regression test: a number whose name does not begin with `p_` was once written as null.
    #[test]
    fn every_cell_is_of_its_columns_kind() {
        let [prompt, response] =
            [Bundled::Prompt, Bundled::Response].map(|name| Model::bundled(name).unwrap());
        let none = Phrases::default();
        let questions = [
            RowQuestion::Prompts {
                tiered: TieredModel::here(&prompt, None),
                policy: prompt.manifest().policy,
                target: None,
                kinds: false,
                interval: true,
                coverage: true,
                ngrams: 2,
                router: None,
            },
            responses(&response, &none),
        ];
        for columns in questions.map(Columns::of) {
            let mut cells = Vec::new();
            // Thai, so that the prompt has a reason too.
            let texts = Input { prompt: Some("ไทย"), response: Some("I cannot."), target: None };
            let row = RowInput { texts, signs: None };
            columns.score_row(&row, &mut Scratch::default(), &mut cells);
            assert_eq!(cells.len(), columns.list().len());
            for (column, cell) in columns.list().iter().zip(&cells) {
                let kind = match cell {
                    Cell::Number(_) => ValueKind::Number,
                    Cell::Text(text) => {
                        assert!(column.values.is_empty() || column.values.contains(text), "{text}");
                        ValueKind::Text
                    }
                    Cell::Flag(_) => ValueKind::Flag,
                    Cell::Json(_) => ValueKind::Json,
                    Cell::Null => panic!("`{}` has no value", column.name),
                };
                assert_eq!(column.kind, kind, "{}", column.name);
                assert!(!column.description.is_empty());
            }
        }
    }

    fn responses<'a>(model: &'a Model, phrases: &'a Phrases) -> RowQuestion<'a> {
        let (tiered, policy) = (TieredModel::here(model, None), model.manifest().policy);
        RowQuestion::Responses {
            judge: Judge { tiered, policy, phrases },
            labelled_by: "demur:m@1",
            prefix: None,
        }
    }

    #[test]
    fn an_answer_that_did_not_come_has_neither_label_nor_probability() {
        let (model, none) = (Model::bundled(Bundled::Response).unwrap(), Phrases::default());
        let columns = Columns::of(responses(&model, &none));
        let score = |reason: &str| {
            let signs = Signs { finish_reason: Some(reason.to_owned()), ..Signs::NONE };
            let row = RowInput { signs: Some(&signs), ..RowInput::default() };
            let mut cells = Vec::new();
            let score = columns.score_row(&row, &mut Scratch::default(), &mut cells);
            (score.outcome, score.p_refusal, score.tier, cells)
        };
        let (outcome, p, tier, cells) = score("length");
        assert_eq!((outcome, p, tier, &cells[..2]), (None, None, None, &[Cell::Null, Cell::Null][..]));
        let (outcome, p, tier, cells) = score("content_filter");
        assert_eq!((outcome, p, tier, &cells[1]), (Some(1), Some(1.0), None, &Cell::Text("refused")));
    }
}
