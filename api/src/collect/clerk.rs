//! The thread that owns the store: it reads and judges what came back, and writes it down. Whatever waits is
//! written together, and replies are sent only after that, so that nothing counts as done that a killed
//! process would lose.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use demur_predictor::{Answer as JudgedAnswer, Judged, Outcome, Scratch};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use crate::collect::failure::Failure;
use crate::collect::reading::Returned;
use crate::collect::sender::Sent;
use crate::engine::judgement::Judge;
use crate::store::{Key, Open, Store, label_of};

/// The most that is written together.
const TOGETHER: usize = 256;

/// A request to the clerk.
pub(crate) enum Errand {
    /// Which samples of these prompts are open?
    Open(Vec<i64>, oneshot::Sender<anyhow::Result<Vec<Open>>>),
    /// Write down what became of a request.
    File {
        key: Key,
        prompt: Arc<str>,
        attempt: i64,
        sent: Sent,
        filed: oneshot::Sender<anyhow::Result<Filed>>,
    },
}

/// What became of a request, once it is in the store.
#[derive(Debug, Clone)]
pub(crate) struct Filed {
    /// What the answer is, or why there is none.
    pub(crate) what: Result<Outcome, Failure>,
    /// How long the server asks to wait.
    pub(crate) retry_after: Option<Duration>,
    /// What the server says of a failure.
    pub(crate) said: Option<String>,
    pub(crate) prompt_tokens: Option<i64>,
    pub(crate) completion_tokens: Option<i64>,
}

/// The clerk.
pub(crate) struct Clerk<'a> {
    pub(crate) store: Store,
    pub(crate) judge: Judge<'a>,
    pub(crate) labelled_by: &'a str,
    pub(crate) settings: i64,
    pub(crate) samples: i64,
}

impl Clerk<'_> {
    /// Does errands until nobody has any; returns the store.
    pub(crate) fn work(mut self, mut errands: UnboundedReceiver<Errand>) -> Store {
        let mut scratch = Scratch::default();
        while let Some(first) = errands.blocking_recv() {
            let (mut returned, mut waiting) = (Vec::new(), Vec::new());
            let mut next = Some(first);
            while let Some(errand) = next {
                match errand {
                    // Whoever asked may have gone.
                    Errand::Open(prompts, reply) => drop(reply.send(self.open(&prompts))),
                    Errand::File { key, prompt, attempt, sent, filed } => {
                        returned.push(Returned::new(key, prompt, attempt, sent));
                        waiting.push(filed);
                    }
                }
                next = if returned.len() < TOGETHER { errands.try_recv().ok() } else { None };
            }
            if returned.is_empty() {
                continue;
            }
            match self.file(returned, &mut scratch) {
                Ok(filed) => {
                    waiting.into_iter().zip(filed).for_each(|(reply, filed)| drop(reply.send(Ok(filed))));
                }
                Err(error) => {
                    let said = format!("{error:#}");
                    waiting
                        .into_iter()
                        .for_each(|reply| drop(reply.send(Err(anyhow::anyhow!(said.clone())))));
                }
            }
        }
        self.store
    }

    fn open(&mut self, prompts: &[i64]) -> anyhow::Result<Vec<Open>> {
        let mut all = Vec::new();
        for prompt in prompts {
            all.append(&mut self.store.open_samples(*prompt, self.settings, self.samples)?);
        }
        Ok(all)
    }

    /// Judges and writes.
    fn file(&mut self, returned: Vec<Returned>, scratch: &mut Scratch) -> anyhow::Result<Vec<Filed>> {
        let answers: Vec<JudgedAnswer<'_>> = returned.iter().filter_map(to_judge).collect();
        let mut judged = self.judge.all(&answers, scratch).context("cannot judge the answers")?.into_iter();
        let judged: Vec<Option<Judged>> =
            returned.iter().map(|returned| returned.answer().and_then(|_| judged.next())).collect();
        let (mut entries, mut filed) = (Vec::new(), Vec::new());
        for (returned, judged) in returned.into_iter().zip(judged) {
            let failure = returned.failure(judged.as_ref());
            // What has the shape of an answer was judged.
            let outcome = judged.as_ref().map_or(Outcome::NoAnswer, |judged| judged.verdict.outcome());
            let (prompt_tokens, completion_tokens) = returned.tokens();
            let retry_after = returned.sent.came.as_ref().ok().and_then(|came| came.retry_after);
            let said = failure.and_then(|_| returned.said());
            let what = failure.map_or(Ok(outcome), Err);
            filed.push(Filed { what, retry_after, said, prompt_tokens, completion_tokens });
            let label = judged.as_ref().map(|judged| label_of(judged, self.labelled_by));
            entries.push(returned.entry(failure, label));
        }
        self.store.record(&entries)?;
        Ok(filed)
    }
}

fn to_judge(returned: &Returned) -> Option<JudgedAnswer<'_>> {
    let found = returned.answer()?;
    Some(JudgedAnswer {
        prompt: Some(&returned.prompt),
        response: found.text.as_deref(),
        signs: Some(&found.signs),
        prefix: None,
    })
}
