//! One run: the store's thread and the requests, side by side.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use actix_web::rt::System;
use anyhow::anyhow;
use tokio::sync::mpsc::unbounded_channel;

use crate::client;
use crate::collect::access::Access;
use crate::collect::asker::Asker;
use crate::collect::clerk::Clerk;
use crate::collect::gate::{End, Gate};
use crate::collect::limits::Limits;
use crate::collect::progress::{Progress, Watch};
use crate::collect::sender::Sender;
use crate::collect::target::Target;
use crate::engine::judgement::Judge;
use crate::store::Store;

/// What is collected.
pub(crate) struct Collection<'a> {
    pub(crate) target: Target,
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    /// How often each prompt is asked.
    pub(crate) samples: i64,
    pub(crate) judge: Judge<'a>,
    /// The labeller that the labels name.
    pub(crate) labelled_by: &'a str,
    /// The target's settings, by their number in the store.
    pub(crate) settings: i64,
    /// The prompts, by their numbers, in the order in which they are asked.
    pub(crate) prompts: &'a [i64],
    /// What the store has of them.
    pub(crate) before: Before,
}

/// What a store has of some prompts before a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Before {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    pub(crate) complied: u64,
}

/// What a run has done.
pub(crate) struct Collected {
    pub(crate) progress: Progress,
    /// Why it ended before all was asked, if it did.
    pub(crate) end: Option<End>,
    pub(crate) store: Store,
}

/// Asks what is open.
///
/// # Errors
/// When a thread or a client cannot be started. What the target does is no error; it is in what is returned.
pub(crate) fn collect(
    mut store: Store,
    collection: Collection<'_>,
    watch: &dyn Watch,
) -> anyhow::Result<Collected> {
    let Collection { target, access, limits, samples, judge, labelled_by, settings, prompts, before } =
        collection;
    let spent = store.spent(settings)?;
    let trust = client::trust_of(&target.endpoint)?;
    let progress = Progress {
        wanted: prompts.len() as u64 * u64::try_from(samples)?,
        before: before.answered,
        refused: before.refused,
        complied: before.complied,
        price: limits.price,
        spent,
        ..Progress::default()
    };
    let (clerk, errands) = unbounded_channel();
    std::thread::scope(|scope| {
        let work = move || Clerk { store, judge, labelled_by, settings, samples }.work(errands);
        let thread = scope.spawn(work);
        let (progress, end) = System::new().block_on(async move {
            let sender = Sender {
                client: client::http(trust),
                endpoint: target.endpoint.clone(),
                access,
                timeout: limits.timeout,
            };
            let gate = Gate::new(&limits, spent);
            let (progress, given_up) = (RefCell::new(progress), Cell::new(0));
            let asker = Rc::new(Asker { target, sender, limits, gate, clerk, progress, given_up });
            asker.ask_all(prompts, watch).await
        });
        let store = thread.join().map_err(|_| anyhow!("the thread of the store has failed"))?;
        Ok(Collected { progress, end, store })
    })
}
