//! What is read: questions without an answer, what was spent, counts of labels, all answers in order.

use demur_data::{LABELLED_BY_DEMUR, Labeller};
use demur_predictor::sha256;

use crate::store::Store;
use crate::store::rows::{Answer, Key, Label, Open, Prompt, Spent, Stored};
use crate::store::value::{Row, Value};

/// How many answers are in memory at once.
const PAGE: i64 = 1000;

impl Store {
    /// The number of a prompt that is known.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn prompt_id(&mut self, text: &str) -> anyhow::Result<Option<i64>> {
        let digest = sha256(text.as_bytes());
        self.database.number("SELECT id FROM prompts WHERE digest = $1", &[digest.as_str().into()])
    }

    /// The number of settings that are known.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn settings_id(&mut self, settings: &str) -> anyhow::Result<Option<i64>> {
        let digest = sha256(settings.as_bytes());
        self.database.number("SELECT id FROM settings WHERE digest = $1", &[digest.as_str().into()])
    }

    /// A prompt by its number.
    ///
    /// # Errors
    /// When the database fails, or has no such prompt.
    pub(crate) fn prompt(&mut self, id: i64) -> anyhow::Result<String> {
        let found = self.database.query("SELECT prompt FROM prompts WHERE id = $1", &[id.into()])?;
        let row = found.into_iter().next();
        row.ok_or_else(|| anyhow::anyhow!("the store has no prompt {id}"))?.text(0)
    }

    /// How many of the first samples of a prompt are answered, and how many of these a labeller calls
    /// refused, complied.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn answered(
        &mut self,
        prompt: i64,
        settings: i64,
        samples: i64,
        labelled_by: &str,
    ) -> anyhow::Result<[u64; 3]> {
        let count = "SELECT COUNT(*), CAST(SUM(CASE WHEN l.label = 'refused' THEN 1 ELSE 0 END) AS BIGINT), \
                     CAST(SUM(CASE WHEN l.label = 'complied' THEN 1 ELSE 0 END) AS BIGINT) FROM answers a \
                     LEFT JOIN labels l ON l.settings = a.settings AND l.prompt = a.prompt AND l.sample = a.sample \
                     AND l.labelled_by = $1 WHERE a.settings = $2 AND a.prompt = $3 AND a.sample < $4";
        let values = [labelled_by.into(), settings.into(), prompt.into(), samples.into()];
        let found = self.database.query(count, &values)?;
        let Some(row) = found.first() else { return Ok([0; 3]) };
        Ok([unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?])
    }

    /// The samples of a prompt that have no answer.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn open_samples(
        &mut self,
        prompt: i64,
        settings: i64,
        samples: i64,
    ) -> anyhow::Result<Vec<Open>> {
        let values = [Value::from(prompt), settings.into(), samples.into()];
        let select = "SELECT sample FROM answers WHERE prompt = $1 AND settings = $2 AND sample < $3";
        let answered = self.database.query(select, &values)?;
        let answered: Vec<i64> = answered.iter().map(|row| row.integer(0)).collect::<Result<_, _>>()?;
        if answered.len() as i64 >= samples {
            return Ok(Vec::new());
        }
        let text = self.prompt(prompt)?;
        let mut open = Vec::new();
        for sample in (0..samples).filter(|sample| !answered.contains(sample)) {
            let key = Key { prompt, settings, sample };
            let tried =
                "SELECT MAX(attempt) FROM requests WHERE prompt = $1 AND settings = $2 AND sample = $3";
            let values = [Value::from(prompt), settings.into(), sample.into()];
            let attempts = self.database.number(tried, &values)?.unwrap_or(0);
            open.push(Open { key, prompt: text.clone(), attempts });
        }
        Ok(open)
    }

    /// What was spent on some settings so far.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn spent(&mut self, settings: i64) -> anyhow::Result<Spent> {
        let select = "SELECT COUNT(*), CAST(SUM(prompt_tokens) AS BIGINT), CAST(SUM(completion_tokens) AS BIGINT) \
                      FROM requests WHERE settings = $1";
        let found = self.database.query(select, &[settings.into()])?;
        let Some(row) = found.first() else { return Ok(Spent::default()) };
        let (requests, prompt_tokens, completion_tokens) =
            (unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?);
        Ok(Spent { requests, prompt_tokens, completion_tokens })
    }

    /// Calls `each` with every answer, of these settings alone if they are given, by settings, prompts in the
    /// order in which they came, and samples.
    ///
    /// # Errors
    /// When the database or `each` fails.
    pub(crate) fn each_answer(
        &mut self,
        settings: Option<i64>,
        mut each: impl FnMut(Stored) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let by_demur = by_demur("o.labelled_by");
        let select = format!(
            "SELECT a.settings, a.prompt, a.sample, p.prompt, p.row_id, s.settings, a.attempt, a.status, a.response, \
                      a.finish_reason, a.refusal, a.error, a.filters, a.tool_calls, a.reasoning, a.served_model, \
                      a.fingerprint, r.prompt_tokens, r.completion_tokens, l.labelled_by, l.label, l.p_refusal, l.kind, \
                      v.reviewer, v.label \
                      FROM answers a JOIN prompts p ON p.id = a.prompt JOIN settings s ON s.id = a.settings \
                      LEFT JOIN requests r ON r.prompt = a.prompt AND r.settings = a.settings AND r.sample = a.sample \
                      AND r.attempt = a.attempt \
                      LEFT JOIN labels l ON l.prompt = a.prompt AND l.settings = a.settings AND l.sample = a.sample \
                      AND l.labelled_by = (SELECT MIN(o.labelled_by) FROM labels o WHERE o.settings = a.settings \
                      AND o.prompt = a.prompt AND o.sample = a.sample AND NOT {by_demur}) \
                      LEFT JOIN reviews v ON v.id = (SELECT MAX(r.id) FROM reviews r WHERE r.settings = a.settings \
                      AND r.prompt = a.prompt AND r.sample = a.sample) \
                      WHERE (a.settings, a.prompt, a.sample) > ($1, $2, $3) AND a.settings <= $4 \
                      ORDER BY a.settings, a.prompt, a.sample LIMIT $5"
        );
        let last = settings.unwrap_or(i64::MAX);
        let mut after = Key { settings: settings.unwrap_or(0), prompt: 0, sample: -1 };
        loop {
            let Key { settings, prompt, sample } = after;
            let values = [settings.into(), prompt.into(), sample.into(), last.into(), PAGE.into()];
            let rows = self.database.query(&select, &values)?;
            let count = rows.len() as i64;
            for row in rows {
                let stored = stored(row)?;
                after = stored.key;
                each(stored)?;
            }
            if count < PAGE {
                return Ok(());
            }
        }
    }
}

/// The condition that a column names Demur as the labeller.
pub(super) fn by_demur(column: &str) -> String {
    format!("{column} LIKE '{LABELLED_BY_DEMUR}%'")
}

/// A count; nothing is 0.
fn unsigned(row: &Row, at: usize) -> anyhow::Result<u64> {
    Ok(u64::try_from(row.optional_integer(at)?.unwrap_or(0)).unwrap_or(0))
}

/// What came back, from this column on.
pub(super) fn answer_in(row: &mut Row, at: usize) -> anyhow::Result<Answer> {
    Ok(Answer {
        response: row.optional_text(at)?,
        finish_reason: row.optional_text(at + 1)?,
        refusal: row.optional_text(at + 2)?,
        error: row.optional_text(at + 3)?,
        filters: row.optional_text(at + 4)?,
        tool_calls: row.integer(at + 5)? != 0,
        reasoning: row.integer(at + 6)? != 0,
        ..Answer::default()
    })
}

fn stored(mut row: Row) -> anyhow::Result<Stored> {
    let key = Key { settings: row.integer(0)?, prompt: row.integer(1)?, sample: row.integer(2)? };
    let prompt = Prompt { text: row.text(3)?, row_id: row.optional_text(4)? };
    let settings = row.text(5)?;
    let answer = Answer {
        attempt: row.optional_integer(6)?,
        status: row.optional_integer(7)?,
        served_model: row.optional_text(15)?,
        fingerprint: row.optional_text(16)?,
        ..answer_in(&mut row, 8)?
    };
    let (prompt_tokens, completion_tokens) = (row.optional_integer(17)?, row.optional_integer(18)?);
    let label = match row.optional_text(19)? {
        None => None,
        Some(labelled_by) => {
            let (label, p_refusal, kind) = (row.text(20)?, row.optional_real(21)?, row.optional_text(22)?);
            Some(Label { labelled_by, label, p_refusal, kind, form: None })
        }
    };
    let reviewed = match row.optional_text(23)? {
        None => None,
        Some(reviewer) => {
            let labelled_by = format!("{}:{reviewer}", Labeller::Person.name());
            Some(Label { labelled_by, label: row.text(24)?, p_refusal: None, kind: None, form: None })
        }
    };
    // What a person said goes before all other labels.
    let label = reviewed.or(label);
    Ok(Stored { key, prompt, settings, answer, label, prompt_tokens, completion_tokens })
}
