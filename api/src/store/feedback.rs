//! What targets really did, beside what was predicted: written by the service, read to see whether it still
//! holds.

use crate::store::Store;
use crate::store::database::Database;
use crate::store::rows::{Answer, Label, Prompt};
use crate::store::time::now;
use crate::store::value::Value;
use crate::store::write::{keep_label, keep_next_answer, keep_prompt, keep_settings};

/// How many rows are in memory at once.
const PAGE: i64 = 1000;

/// What a target did with a prompt whose refusal was predicted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Feedback {
    /// Names the event; one that comes again is kept once.
    pub(crate) event: String,
    /// The target, or the predictor's name where none was named.
    pub(crate) target: String,
    /// The prompt and its answer, where the prompt was given.
    pub(crate) reported: Option<Reported>,
    /// What it did, and who says so.
    pub(crate) label: Label,
    /// What was predicted, and by which model.
    pub(crate) p_refusal: f64,
    pub(crate) predicted_by: String,
    /// What may be learned from it; nothing where no target was named.
    pub(crate) basis: Option<Basis>,
}

/// A prediction as it is without a learned line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Basis {
    /// What predictions with it depend on ([`demur_predictor::Model::basis`]).
    pub(crate) name: String,
    pub(crate) log_odds: f64,
}

/// What may be learned from of one target: a prediction as it is without a learned line, and whether its
/// prompt was refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lesson {
    /// The number of the entry.
    pub(crate) id: i64,
    pub(crate) log_odds: f64,
    pub(crate) refused: bool,
}

/// A prompt and what came back, as other answers are kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reported {
    pub(crate) prompt: Prompt,
    /// As JSON.
    pub(crate) settings: String,
    pub(crate) answer: Answer,
}

/// A prediction and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) target: String,
    pub(crate) p_refusal: f64,
    /// `refused`, `complied` or `no_answer`: a reviewer's label if there is one, else the one that was given.
    pub(crate) label: String,
    /// Milliseconds since 1970.
    pub(crate) received_at: i64,
}

impl Store {
    /// Keeps feedback; says of each entry whether it is new.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn keep_feedback(&mut self, entries: &[Feedback]) -> anyhow::Result<Vec<bool>> {
        self.database.transaction(|database| entries.iter().map(|entry| keep(database, entry)).collect())
    }

    /// Calls `each` with all feedback, in the order in which it came.
    ///
    /// # Errors
    /// When the database or `each` fails.
    pub(crate) fn each_feedback(
        &mut self,
        mut each: impl FnMut(Told) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let select = "SELECT f.id, f.target, f.p_refusal, f.received_at, f.label, (SELECT r.label FROM reviews r \
                      WHERE r.settings = f.settings AND r.prompt = f.prompt AND r.sample = f.sample \
                      ORDER BY r.id DESC LIMIT 1) FROM feedback f WHERE f.id > $1 ORDER BY f.id LIMIT $2";
        let mut after = 0;
        loop {
            let rows = self.database.query(select, &[Value::from(after), PAGE.into()])?;
            let count = rows.len() as i64;
            for mut row in rows {
                after = row.integer(0)?;
                let (target, told, reviewed) = (row.text(1)?, row.text(4)?, row.optional_text(5)?);
                let (p_refusal, received_at) = (row.real(2)?, row.integer(3)?);
                each(Told { target, p_refusal, label: reviewed.unwrap_or(told), received_at })?;
            }
            if count < PAGE {
                return Ok(());
            }
        }
    }
}

impl Store {
    /// The targets that may be learned of, each with a basis of predictions for it.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn bases(&mut self) -> anyhow::Result<Vec<(String, String)>> {
        let select =
            "SELECT DISTINCT target, basis FROM feedback WHERE basis IS NOT NULL ORDER BY target, basis";
        let rows = self.database.query(select, &[])?;
        rows.into_iter().map(|mut row| Ok((row.text(0)?, row.text(1)?))).collect()
    }

    /// The newest feedback of a target and a basis behind the entry `until` and the time `since`, the oldest
    /// first; a reviewer's label goes before the one that was given, and what was no answer is left out.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn lessons(
        &mut self,
        (target, basis): (&str, &str),
        (until, since): (i64, i64),
        most: i64,
    ) -> anyhow::Result<Vec<Lesson>> {
        let select = "SELECT f.id, f.log_odds, COALESCE((SELECT r.label FROM reviews r \
                      WHERE r.settings = f.settings AND r.prompt = f.prompt AND r.sample = f.sample \
                      ORDER BY r.id DESC LIMIT 1), f.label) FROM feedback f WHERE f.target = $1 AND f.basis = $2 \
                      AND f.id > $3 AND f.received_at > $4 AND f.log_odds IS NOT NULL ORDER BY f.id DESC LIMIT $5";
        let values = [Value::from(target), basis.into(), until.into(), since.into(), most.into()];
        let mut found = Vec::new();
        for mut row in self.database.query(select, &values)? {
            let (id, log_odds, label) = (row.integer(0)?, row.real(1)?, row.text(2)?);
            if label == "refused" || label == "complied" {
                found.push(Lesson { id, log_odds, refused: label == "refused" });
            }
        }
        found.reverse();
        Ok(found)
    }
}

fn keep(database: &mut Database, entry: &Feedback) -> anyhow::Result<bool> {
    let known = "SELECT COUNT(*) FROM feedback WHERE event = $1";
    if database.number(known, &[entry.event.as_str().into()])? != Some(0) {
        return Ok(false);
    }
    let mut key = None;
    if let Some(Reported { prompt, settings, answer }) = &entry.reported {
        let settings = keep_settings(database, settings)?;
        let prompt = keep_prompt(database, prompt)?;
        let of_answer = keep_next_answer(database, (prompt, settings), answer)?;
        keep_label(database, of_answer, &entry.label)?;
        key = Some(of_answer);
    }
    let values = [
        Value::from(entry.event.as_str()),
        entry.target.as_str().into(),
        key.map(|key| key.settings).into(),
        key.map(|key| key.prompt).into(),
        key.map(|key| key.sample).into(),
        entry.label.label.as_str().into(),
        entry.label.labelled_by.as_str().into(),
        entry.p_refusal.into(),
        entry.predicted_by.as_str().into(),
        now().into(),
        entry.basis.as_ref().map(|basis| basis.name.as_str()).into(),
        entry.basis.as_ref().map(|basis| basis.log_odds).into(),
    ];
    let insert = "INSERT INTO feedback (event, target, settings, prompt, sample, label, labelled_by, p_refusal, \
                  predicted_by, received_at, basis, log_odds) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    database.execute(insert, &values).map(|_| true)
}
