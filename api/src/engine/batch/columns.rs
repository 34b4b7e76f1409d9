//! What a model returns for one row: the cells of the columns that a run adds, and the counts of its summary.

pub(crate) use demur_data::stream::Cell;
use demur_data::stream::RowInput;
use demur_predictor::{
    Answer, Decision, Doubt, Familiarity, Input, Judged, KindDistribution, Model, ScoreError, Scratch, Tiered,
};

pub(crate) use crate::engine::batch::column::{Column, ValueKind};
use crate::engine::batch::question::{PromptQuestion, Row, RowQuestion, RowScore};
use crate::engine::judgement::Judge;
use crate::engine::routing::{Ranked, Router, choice};
use crate::engine::why::{Why, why};

/// The question, with the columns that answer it.
pub(crate) struct Columns<'a> {
    question: RowQuestion<'a>,
    list: Vec<Column>,
    /// Whether any column needs the kinds.
    kinds: bool,
    /// Whether any column needs what the model knows of a prompt.
    familiarity: bool,
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
            RowQuestion::Prompts(question @ PromptQuestion { router: Some(router), .. }) => {
                let of = |target| self.model().predict_ngrams(&Input { target, ..input }, scratch);
                let scored: Vec<Tiered> = router.targets().map(of).collect();
                // Rows are scored one by one where no encoder is, and nothing else fails.
                let ranked = self.ranked((question, router), (&input, &scored), scratch).unwrap_or_default();
                self.put_route((question, router), &ranked, (&input, &scored), cells)
            }
            RowQuestion::Prompts(question) => {
                let scored = self.model().predict_ngrams(&input, scratch);
                let (known, kinds) = self.beside(&input, &scored, scratch);
                let row = Row::prompt(&self.question, &question.policy, (&input, &scored), known, kinds);
                // Rows are scored one by one where no encoder is, and nothing else fails.
                let why = self.why_of(question, &row, scratch).ok().flatten();
                self.put(&Row { why, ..row }, cells)
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
            RowQuestion::Prompts(question @ PromptQuestion { tiered, router: Some(router), .. }) => {
                let targets: Vec<Option<&str>> = router.targets().collect();
                let scored = tiered.score_targets(&inputs, &targets, scratch)?;
                let of = |(input, scored): (&Input<'_>, &Vec<Tiered>)| {
                    let mut cells = Vec::with_capacity(self.list.len());
                    let ranked = self.ranked((question, router), (input, scored), scratch)?;
                    let row = self.put_route((question, router), &ranked, (input, scored), &mut cells);
                    Ok((row, cells))
                };
                inputs.iter().zip(&scored).map(of).collect()
            }
            RowQuestion::Prompts(question) => {
                let scored = question.tiered.score(&inputs, scratch)?;
                let of = |(input, scored)| {
                    let (known, kinds) = self.beside(input, scored, scratch);
                    let row = Row::prompt(&self.question, &question.policy, (input, scored), known, kinds);
                    let why = self.why_of(question, &row, scratch)?;
                    Ok(cells_of(&Row { why, ..row }))
                };
                inputs.iter().zip(&scored).map(of).collect()
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

    /// The targets that a prompt may go to, ranked, and, if that is asked for, why it is held from those that
    /// hold it.
    fn ranked(
        &self,
        (question, router): (&PromptQuestion<'_>, &Router),
        (input, scored): (&Input<'_>, &[Tiered]),
        scratch: &mut Scratch,
    ) -> Result<Vec<Ranked>, ScoreError> {
        // What is known of a prompt is the same for every target.
        let doubt = self.model().doubt(input, &scored[0], scratch);
        let mut ranked = router.rank(question.policy, scored, doubt, question.tiered.has_encoder());
        for candidate in ranked.iter_mut().filter(|_| question.why) {
            // A ranking has the router's own candidates alone.
            let Some(at) = router.place(&candidate.target) else { continue };
            let input = Input { target: router.targets().nth(at).flatten(), ..*input };
            let decided = (&scored[at], candidate.decision, question.policy);
            candidate.why = why(&question.tiered, &input, decided, scratch)?;
        }
        Ok(ranked)
    }

    /// Appends the cells of a prompt that may go to several targets: those of the one that it should go to,
    /// or, if the policy holds it from all, of the first.
    fn put_route(
        &self,
        (question, router): (&PromptQuestion<'_>, &Router),
        ranked: &[Ranked],
        (input, scored): (&Input<'_>, &[Tiered]),
        cells: &mut Vec<Cell<'a>>,
    ) -> RowScore {
        let chosen = choice(ranked).or(ranked.first());
        let lead = chosen.and_then(|lead| router.place(&lead.target)).and_then(|at| scored.get(at));
        // A router has candidates, and its ranking only these, so there is a first one with a score.
        let lead = lead.unwrap_or(&scored[0]);
        let row = Row::prompt(&self.question, &question.policy, (input, lead), (None, None), None);
        let outcome = chosen.map(|chosen| chosen.decision as usize).or(row.outcome);
        let why = chosen.and_then(|chosen| chosen.why.clone());
        self.put(&Row { ranked, outcome, why, ..row }, cells)
    }

    /// What is known of a prompt beside its score, as far as it is needed.
    fn beside(
        &self,
        input: &Input<'_>,
        scored: &Tiered,
        scratch: &mut Scratch,
    ) -> ((Option<Familiarity>, Option<Doubt>), Option<KindDistribution>) {
        (self.known_of(input, scored, scratch), self.kinds_of(input, scored, scratch))
    }

    /// Why a prompt is held, if a column needs it.
    fn why_of(
        &self,
        question: &PromptQuestion<'_>,
        row: &Row<'_, 'a>,
        scratch: &mut Scratch,
    ) -> Result<Option<Why>, ScoreError> {
        let (Some(scored), true, true) = (row.scored, question.why, row.is_held()) else { return Ok(None) };
        why(&question.tiered, row.input, (scored, Decision::Hold, question.policy), scratch)
    }

    /// The buffers of a thread that fills them.
    pub(crate) fn scratch(&self) -> Scratch {
        if self.familiarity { Scratch::measuring() } else { Scratch::default() }
    }

    /// What the model knows of a prompt, if a column needs it, and the doubt that the decision needs.
    fn known_of(
        &self,
        input: &Input<'_>,
        scored: &Tiered,
        scratch: &mut Scratch,
    ) -> (Option<Familiarity>, Option<Doubt>) {
        if self.familiarity {
            let familiarity = self.model().familiarity(input, scored, scratch);
            (familiarity, familiarity.and_then(|familiarity| familiarity.doubt))
        } else {
            (None, self.model().doubt(input, scored, scratch))
        }
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
            RowQuestion::Prompts(PromptQuestion {
                interval: true,
                coverage: true,
                ngrams: 2,
                ..PromptQuestion::new(TieredModel::here(&prompt, None), prompt.manifest().policy)
            }),
            responses(&response, &none),
        ];
        for columns in questions.map(Columns::of) {
            let mut cells = Vec::new();
            // Thai, so that the prompt has a reason too.
            let texts = Input { response: Some("I cannot."), ..Input::prompt("ไทย") };
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
