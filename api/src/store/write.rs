//! What is written: prompts, settings, requests, answers, labels.

use demur_predictor::sha256;

use crate::store::Store;
use crate::store::database::Database;
use crate::store::rows::{Answer, Key, Label, Prompt, Request};
use crate::store::time::now;
use crate::store::value::Value;

/// One request with the answer that it brought, if it brought one, and the label of that.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) request: Request,
    pub(crate) answer: Option<(Answer, Label)>,
}

impl Store {
    /// Keeps settings; returns their number. The same settings have the same number for ever.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn keep_settings(&mut self, settings: &str) -> anyhow::Result<i64> {
        self.database.transaction(|database| keep_settings(database, settings))
    }

    /// Keeps prompts; returns their numbers in order. A prompt that is known keeps its number and its row's
    /// id.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn keep_prompts(&mut self, prompts: &[Prompt]) -> anyhow::Result<Vec<i64>> {
        self.database
            .transaction(|database| prompts.iter().map(|prompt| keep_prompt(database, prompt)).collect())
    }

    /// Keeps what became of requests.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn record(&mut self, entries: &[Entry]) -> anyhow::Result<()> {
        self.database.transaction(|database| {
            for Entry { request, answer } in entries {
                keep_request(database, request)?;
                if let Some((answer, label)) = answer {
                    keep_answer(database, request.key, answer)?;
                    keep_label(database, request.key, label)?;
                }
            }
            Ok(())
        })
    }

    /// Keeps answers that were not asked for here, as the next samples of their prompts, unless the same
    /// answer is there already; an answer that is given several times must be there as often. Returns how
    /// many were new.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn import(&mut self, rows: &[Imported]) -> anyhow::Result<u64> {
        self.database.transaction(|database| {
            let mut new = 0;
            for row in rows {
                let prompt = keep_prompt(database, &row.prompt)?;
                let Answer { response, finish_reason, refusal, error, .. } = &row.answer;
                let alike = database.number(
                    "SELECT COUNT(*) FROM answers WHERE prompt = $1 AND settings = $2 AND response IS NOT DISTINCT FROM $3 \
                     AND finish_reason IS NOT DISTINCT FROM $4 AND refusal IS NOT DISTINCT FROM $5 \
                     AND error IS NOT DISTINCT FROM $6",
                    &[prompt.into(), row.settings.into(), response.into(), finish_reason.into(), refusal.into(), error.into()],
                )?;
                if alike.unwrap_or(0) > row.alike_before {
                    continue;
                }
                let key = keep_next_answer(database, (prompt, row.settings), &row.answer)?;
                if let Some(label) = &row.label {
                    keep_label(database, key, label)?;
                }
                new += 1;
            }
            Ok(new)
        })
    }
}

/// An answer from elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Imported {
    pub(crate) prompt: Prompt,
    pub(crate) settings: i64,
    pub(crate) answer: Answer,
    pub(crate) label: Option<Label>,
    /// How many rows of the same import before this one have the same prompt, settings and answer.
    pub(crate) alike_before: i64,
}

fn known(database: &mut Database, statement: &str, digest: &str) -> anyhow::Result<i64> {
    let found = database.number(statement, &[digest.into()])?;
    found.ok_or_else(|| anyhow::anyhow!("the store has lost a row that was just written"))
}

pub(super) fn keep_settings(database: &mut Database, settings: &str) -> anyhow::Result<i64> {
    let digest = sha256(settings.as_bytes());
    let values = [Value::from(digest.as_str()), settings.into(), now().into()];
    let insert =
        "INSERT INTO settings (digest, settings, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    database.execute(insert, &values)?;
    known(database, "SELECT id FROM settings WHERE digest = $1", &digest)
}

pub(super) fn keep_prompt(database: &mut Database, prompt: &Prompt) -> anyhow::Result<i64> {
    let digest = sha256(prompt.text.as_bytes());
    let values = [Value::from(digest.as_str()), prompt.text.as_str().into(), (&prompt.row_id).into()];
    let insert = "INSERT INTO prompts (digest, prompt, row_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    database.execute(insert, &values)?;
    known(database, "SELECT id FROM prompts WHERE digest = $1", &digest)
}

fn keep_request(database: &mut Database, request: &Request) -> anyhow::Result<()> {
    let Key { prompt, settings, sample } = request.key;
    let values = [
        Value::from(prompt),
        settings.into(),
        sample.into(),
        request.attempt.into(),
        request.started_at.into(),
        request.latency.into(),
        request.status.into(),
        (&request.failure).into(),
        request.prompt_tokens.into(),
        request.completion_tokens.into(),
        (&request.body).into(),
    ];
    let insert = "INSERT INTO requests (prompt, settings, sample, attempt, started_at, latency_ms, status, failure, \
                  prompt_tokens, completion_tokens, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    database.execute(insert, &values).map(|_| ())
}

/// Keeps an answer that was not asked for here as the next sample of its prompt.
pub(super) fn keep_next_answer(
    database: &mut Database,
    (prompt, settings): (i64, i64),
    answer: &Answer,
) -> anyhow::Result<Key> {
    let next = "SELECT MAX(sample) FROM answers WHERE prompt = $1 AND settings = $2";
    let sample = database.number(next, &[prompt.into(), settings.into()])?.map_or(0, |last| last + 1);
    let key = Key { prompt, settings, sample };
    keep_answer(database, key, answer)?;
    Ok(key)
}

fn keep_answer(database: &mut Database, key: Key, answer: &Answer) -> anyhow::Result<()> {
    let values = [
        Value::from(key.prompt),
        key.settings.into(),
        key.sample.into(),
        answer.attempt.into(),
        answer.status.into(),
        (&answer.response).into(),
        (&answer.finish_reason).into(),
        (&answer.refusal).into(),
        (&answer.error).into(),
        (&answer.filters).into(),
        answer.tool_calls.into(),
        answer.reasoning.into(),
        (&answer.served_model).into(),
        (&answer.fingerprint).into(),
        (&answer.body).into(),
        now().into(),
    ];
    let insert = "INSERT INTO answers (prompt, settings, sample, attempt, status, response, finish_reason, refusal, error, \
                  filters, tool_calls, reasoning, served_model, fingerprint, body, answered_at) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    database.execute(insert, &values).map(|_| ())
}

pub(super) fn keep_label(database: &mut Database, key: Key, label: &Label) -> anyhow::Result<()> {
    let values = [
        Value::from(key.prompt),
        key.settings.into(),
        key.sample.into(),
        label.labelled_by.as_str().into(),
        label.label.as_str().into(),
        label.p_refusal.into(),
        (&label.kind).into(),
        (&label.form).into(),
        now().into(),
    ];
    let insert = "INSERT INTO labels (prompt, settings, sample, labelled_by, label, p_refusal, kind, form, labelled_at) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    database.execute(insert, &values).map(|_| ())
}
