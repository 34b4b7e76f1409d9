//! The thread that owns the store of feedback. Handlers put entries into a bounded queue and get a reply when theirs
//! are written; whatever waits is written together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use anyhow::Context;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::{mpsc, oneshot};

use crate::store::{Feedback, Store, StorePlace};

/// The most entries that wait; more are turned away.
const WAITING: usize = 1024;
/// The most that are written together.
const TOGETHER: usize = 256;

/// An entry, and who waits until it is kept.
struct Errand {
    entry: Feedback,
    kept: oneshot::Sender<Option<bool>>,
}

/// Why an entry was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unkept {
    /// Too many wait.
    Full,
    /// The store failed; the log says why.
    Failed,
}

impl Unkept {
    pub(crate) const ALL: [Self; 2] = [Self::Full, Self::Failed];

    /// Its name in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Failed => "failed",
        }
    }
}

/// The reply to an entry.
pub(crate) struct Kept(oneshot::Receiver<Option<bool>>);

impl Kept {
    /// Waits until the entry is written; whether it is new.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn written(self) -> Result<bool, Unkept> {
        self.0.await.ok().flatten().ok_or(Unkept::Failed)
    }
}

/// The way to the thread, which ends when the last of these is dropped.
#[derive(Clone)]
pub(crate) struct FeedbackQueue {
    errands: Sender<Errand>,
    /// How many entries are not written yet.
    open: Arc<AtomicUsize>,
}

impl FeedbackQueue {
    /// Starts the thread, which opens the store: a client of `PostgreSQL` must not be made where futures run.
    ///
    /// # Errors
    /// When the store cannot be opened, or no thread started.
    pub(crate) fn start(place: StorePlace) -> anyhow::Result<Self> {
        let (sender, errands) = mpsc::channel(WAITING);
        let (opened, is_open) = channel();
        let open = Arc::<AtomicUsize>::default();
        let of_clerk = Arc::clone(&open);
        let work = move || match Store::open(&place) {
            Ok(store) => {
                // Whoever starts it waits for this line.
                let _ = opened.send(Ok(()));
                Clerk { place, store: Some(store), open: of_clerk }.work(errands);
            }
            Err(error) => drop(opened.send(Err(error))),
        };
        std::thread::Builder::new().name("feedback".to_owned()).spawn(work)?;
        is_open.recv().context("the thread of the feedback store ended")??;
        Ok(Self { errands: sender, open })
    }

    /// Puts an entry into the queue, and waits for nothing.
    ///
    /// # Errors
    /// When too many wait, or the thread is gone.
    pub(crate) fn put(&self, entry: Feedback) -> Result<Kept, Unkept> {
        let (kept, is_kept) = oneshot::channel();
        // Counted before, for the thread may be done with it at once.
        self.open.fetch_add(1, Ordering::AcqRel);
        self.errands.try_send(Errand { entry, kept }).map_err(|why| {
            self.open.fetch_sub(1, Ordering::AcqRel);
            match why {
                TrySendError::Full(_) => Unkept::Full,
                TrySendError::Closed(_) => Unkept::Failed,
            }
        })?;
        Ok(Kept(is_kept))
    }

    /// Puts an entry into the queue, and waits until it is written; whether it is new.
    ///
    /// # Errors
    /// When too many wait, or the store fails.
    pub(crate) async fn keep(&self, entry: Feedback) -> Result<bool, Unkept> {
        self.put(entry)?.written().await
    }

    /// Whether all entries are written.
    pub(crate) fn is_done(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }
}

/// The thread's own.
struct Clerk {
    place: StorePlace,
    /// Missing after a failure, until it is opened again.
    store: Option<Store>,
    open: Arc<AtomicUsize>,
}

impl Clerk {
    fn work(mut self, mut errands: Receiver<Errand>) {
        while let Some(first) = errands.blocking_recv() {
            let (mut entries, mut waiting) = (vec![first.entry], vec![first.kept]);
            while entries.len() < TOGETHER
                && let Ok(Errand { entry, kept }) = errands.try_recv()
            {
                entries.push(entry);
                waiting.push(kept);
            }
            let news = self.keep(&entries).map_err(|error| {
                tracing::error!(target: "demur", "feedback cannot be written: {error:#}");
            });
            for (at, kept) in waiting.into_iter().enumerate() {
                // Whoever waited may have gone.
                let _ = kept.send(news.as_ref().ok().and_then(|news| news.get(at).copied()));
            }
            self.open.fetch_sub(entries.len(), Ordering::AcqRel);
        }
    }

    /// Writes entries. A connection that broke is made again, once.
    fn keep(&mut self, entries: &[Feedback]) -> anyhow::Result<Vec<bool>> {
        if let Some(store) = &mut self.store
            && let Ok(news) = store.keep_feedback(entries)
        {
            return Ok(news);
        }
        self.store = None;
        let mut store = Store::open(&self.place)?;
        let news = store.keep_feedback(entries)?;
        self.store = Some(store);
        Ok(news)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::rt::{System, spawn, task::yield_now};

    use super::*;
    use crate::store::Label;

    fn entry(event: &str) -> Feedback {
        let label = Label {
            labelled_by: "person".to_owned(),
            label: "refused".to_owned(),
            p_refusal: None,
            kind: None,
            form: None,
        };
        let (event, target, predicted_by) = (event.to_owned(), "t".to_owned(), "m".to_owned());
        Feedback { event, target, reported: None, label, p_refusal: 0.5, predicted_by, basis: None }
    }

    #[test]
    fn what_finds_no_room_is_turned_away_and_what_nobody_writes_has_failed() {
        System::new().block_on(async {
            let (sender, errands) = mpsc::channel(1);
            let queue = FeedbackQueue { errands: sender, open: Arc::default() };
            let waiting = spawn({
                let queue = queue.clone();
                async move { queue.keep(entry("a")).await }
            });
            yield_now().await;
            assert_eq!(queue.keep(entry("b")).await, Err(Unkept::Full));
            drop(errands);
            assert_eq!(waiting.await.unwrap(), Err(Unkept::Failed));
            assert_eq!(queue.keep(entry("c")).await, Err(Unkept::Failed));
            assert!(!queue.is_done(), "the first was never written");
        });
    }

    #[test]
    fn an_event_is_new_once() {
        let dir = tempfile::tempdir().unwrap();
        let place = StorePlace::File(dir.path().join("f.db"));
        System::new().block_on(async {
            let queue = FeedbackQueue::start(place).unwrap();
            assert_eq!(queue.keep(entry("a")).await, Ok(true));
            assert_eq!(queue.keep(entry("a")).await, Ok(false));
            let put = queue.put(entry("b"));
            assert_eq!(put.ok().unwrap().written().await, Ok(true));
            // The reply is sent before the entry is counted as done.
            while !queue.is_done() {
                yield_now().await;
            }
        });
        let missing = StorePlace::File(dir.path().join("no/such/folder.db"));
        assert!(FeedbackQueue::start(missing).is_err());
    }
}
