//! Reviews: the answers that are least certain, what persons said of them, and the labels of Demur's beside
//! that.

use crate::store::Store;
use crate::store::read::{answer_in, by_demur};
use crate::store::rows::{Answer, Key, Label};
use crate::store::time::now;
use crate::store::value::{Row, Value};
use crate::store::write::keep_label;

/// How many answers are labelled at once.
const PAGE: i64 = 500;

/// An answer with Demur's label.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Doubtful {
    pub(crate) key: Key,
    pub(crate) prompt: String,
    /// The settings as JSON.
    pub(crate) settings: String,
    pub(crate) answer: Answer,
    pub(crate) label: Label,
}

/// What a person says of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Review {
    pub(crate) key: Key,
    pub(crate) reviewer: String,
    /// `refused`, `complied` or `no_answer`.
    pub(crate) label: String,
}

/// A review with Demur's label of the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reviewed {
    pub(crate) key: Key,
    pub(crate) reviewer: String,
    pub(crate) label: String,
    pub(crate) demur: Option<String>,
}

/// Demur's labels of answers, the last of each, of those that this reviewer (`$1`) has not seen.
fn open() -> String {
    let by_demur = by_demur("o.labelled_by");
    format!(
        "FROM labels l JOIN answers a ON a.settings = l.settings AND a.prompt = l.prompt AND a.sample = l.sample \
    WHERE NOT EXISTS (SELECT 1 FROM reviews r WHERE r.reviewer = $1 AND r.settings = l.settings AND r.prompt = l.prompt \
    AND r.sample = l.sample) AND (a.response IS NOT NULL OR a.refusal IS NOT NULL OR a.error IS NOT NULL) \
    AND l.labelled_by = (SELECT o.labelled_by FROM labels o WHERE o.settings = l.settings AND o.prompt = l.prompt \
    AND o.sample = l.sample AND {by_demur} ORDER BY o.labelled_at DESC, o.labelled_by LIMIT 1)"
    )
}

impl Store {
    /// Answers without a review of this reviewer, those first whose P(refusal) is nearest to one half, then
    /// those that a sign decides, then those without one; behind the first `skip`.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn doubtful(&mut self, reviewer: &str, skip: i64, most: i64) -> anyhow::Result<Vec<Doubtful>> {
        let select = format!(
            "SELECT l.settings, l.prompt, l.sample, a.response, a.finish_reason, a.refusal, a.error, a.filters, a.tool_calls, \
             a.reasoning, l.label, l.p_refusal, l.kind, l.labelled_by, \
             (SELECT p.prompt FROM prompts p WHERE p.id = l.prompt), \
             (SELECT s.settings FROM settings s WHERE s.id = l.settings) {} \
             ORDER BY COALESCE(ABS(l.p_refusal - 0.5), 1.0), l.settings, l.prompt, l.sample LIMIT $2 OFFSET $3",
            open()
        );
        let rows = self.database.query(&select, &[Value::from(reviewer), most.into(), skip.into()])?;
        let one = |mut row: Row| {
            let label = Label {
                label: row.text(10)?,
                p_refusal: row.optional_real(11)?,
                kind: row.optional_text(12)?,
                labelled_by: row.text(13)?,
                form: None,
            };
            let (key, answer) = (key(&row)?, answer_in(&mut row, 3)?);
            Ok(Doubtful { key, prompt: row.text(14)?, settings: row.text(15)?, answer, label })
        };
        rows.into_iter().map(one).collect()
    }

    /// How many answers a reviewer has reviewed, and how many are left.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn reviewed(&mut self, reviewer: &str) -> anyhow::Result<(i64, i64)> {
        let done = "SELECT COUNT(*) FROM (SELECT DISTINCT settings, prompt, sample FROM reviews WHERE reviewer = $1) AS done";
        let done = self.database.number(done, &[reviewer.into()])?.unwrap_or(0);
        let left = self.database.number(&format!("SELECT COUNT(*) {}", open()), &[reviewer.into()])?;
        Ok((done, left.unwrap_or(0)))
    }

    /// Keeps a review; whether there is such an answer.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn review(&mut self, review: &Review) -> anyhow::Result<bool> {
        let Key { prompt, settings, sample } = review.key;
        self.database.transaction(|database| {
            let values = [Value::from(settings), prompt.into(), sample.into()];
            let there = "SELECT COUNT(*) FROM answers WHERE settings = $1 AND prompt = $2 AND sample = $3";
            if database.number(there, &values)? != Some(1) {
                return Ok(false);
            }
            let [settings, prompt, sample] = values;
            let (reviewer, label) = (review.reviewer.as_str().into(), review.label.as_str().into());
            let insert = "INSERT INTO reviews (settings, prompt, sample, reviewer, label, reviewed_at) \
                          VALUES ($1, $2, $3, $4, $5, $6)";
            database.execute(insert, &[settings, prompt, sample, reviewer, label, now().into()])?;
            Ok(true)
        })
    }

    /// All reviews in their order, with Demur's last label of each answer.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn reviews(&mut self) -> anyhow::Result<Vec<Reviewed>> {
        let select = format!(
            "SELECT r.settings, r.prompt, r.sample, r.reviewer, r.label, (SELECT o.label FROM labels o \
             WHERE o.settings = r.settings AND o.prompt = r.prompt AND o.sample = r.sample \
             AND {} ORDER BY o.labelled_at DESC, o.labelled_by LIMIT 1) FROM reviews r ORDER BY r.id",
            by_demur("o.labelled_by")
        );
        let one = |mut row: Row| {
            let (key, reviewer, label) = (key(&row)?, row.text(3)?, row.text(4)?);
            Ok(Reviewed { key, reviewer, label, demur: row.optional_text(5)? })
        };
        self.database.query(&select, &[])?.into_iter().map(one).collect()
    }

    /// Some answers that Demur has not labelled and that have something to judge, with their prompts.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn unlabelled(&mut self) -> anyhow::Result<Vec<(Key, String, Answer)>> {
        let select = format!(
            "SELECT a.settings, a.prompt, a.sample, a.response, a.finish_reason, a.refusal, a.error, a.filters, \
             a.tool_calls, a.reasoning, p.prompt FROM answers a JOIN prompts p ON p.id = a.prompt \
             WHERE (a.response IS NOT NULL OR a.refusal IS NOT NULL OR a.error IS NOT NULL) AND NOT EXISTS \
             (SELECT 1 FROM labels l WHERE l.settings = a.settings AND l.prompt = a.prompt \
             AND l.sample = a.sample AND {}) LIMIT $1",
            by_demur("l.labelled_by")
        );
        let one = |mut row: Row| Ok((key(&row)?, row.text(10)?, answer_in(&mut row, 3)?));
        self.database.query(&select, &[PAGE.into()])?.into_iter().map(one).collect()
    }

    /// Keeps labels of answers.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn keep_labels(&mut self, labels: &[(Key, Label)]) -> anyhow::Result<()> {
        self.database.transaction(|database| {
            labels.iter().try_for_each(|(key, label)| keep_label(database, *key, label))
        })
    }
}

fn key(row: &Row) -> anyhow::Result<Key> {
    Ok(Key { settings: row.integer(0)?, prompt: row.integer(1)?, sample: row.integer(2)? })
}
