//! `--learn-online`: learns the line of each target again from its feedback, and takes up what somebody puts into the
//! folder of lines or takes back from it.
//!
//! One thread does both. It looks at the folder every few seconds, and learns at most as often as the operator says. A line
//! is in force when its file is there; nothing else is kept, so a process that is killed goes on where it was.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use demur_predictor::{Field, Learned, PlacedTarget, TargetLine, log_odds, short_digest};
use demur_training::{FEWEST_LABELS, Lesson, relearn};

use crate::engine::lines;
use crate::engine::placed::of_line;
use crate::service::registry::Served;
use crate::service::state::State;
use crate::store::{Store, StorePlace};

/// How often the folder is looked at, at least.
const LOOK: Duration = Duration::from_secs(5);
/// The most labels that a line is learned from: the newest.
const MOST_LABELS: i64 = 2000;
/// The most targets that have a line, for callers name targets.
const MOST_TARGETS: usize = 100;

/// What became of an attempt, or of a line, in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learning {
    /// A new line is in force.
    Learned,
    /// It did no better than the one in force on what was held out.
    Refused,
    /// Somebody put another line into the folder, or went back to one.
    Changed,
    /// It could not be done; the log says why.
    Failed,
}

impl Learning {
    pub(crate) const ALL: [Self; 4] = [Self::Learned, Self::Refused, Self::Changed, Self::Failed];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::Refused => "refused",
            Self::Changed => "changed",
            Self::Failed => "failed",
        }
    }
}

/// Starts the thread, if the settings ask for it.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start(state: &Arc<State>) -> std::io::Result<()> {
    let settings = &state.settings;
    let (Some(folder), Some(place)) = (settings.learn_online.clone(), settings.feedback_store.clone()) else {
        return Ok(());
    };
    let learner = Learner {
        state: Arc::downgrade(state),
        folder,
        place,
        every: settings.learn_every,
        next: Instant::now() + settings.learn_every,
        refused: HashMap::new(),
    };
    thread::Builder::new().name("learning".to_owned()).spawn(move || learner.work()).map(drop)
}

/// The thread's own.
struct Learner {
    state: Weak<State>,
    folder: PathBuf,
    place: StorePlace,
    every: Duration,
    /// When it learns next.
    next: Instant,
    /// By target, the number of the feedback up to which a line was refused.
    refused: HashMap<String, i64>,
}

impl Learner {
    fn work(mut self) {
        loop {
            thread::sleep(LOOK.min(self.every));
            // The service ends.
            let Some(state) = self.state.upgrade() else { return };
            if state.draining.load(Ordering::Acquire) {
                return;
            }
            let round = catch_unwind(AssertUnwindSafe(|| self.round(&state)));
            if let Err(error) = round.unwrap_or_else(|_| Err(anyhow!("the learning panicked"))) {
                failed(&state, &error);
            }
        }
    }

    fn round(&mut self, state: &State) -> anyhow::Result<()> {
        let found = lines::read(&self.folder)?;
        take(state, &found, true);
        if Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + self.every;
        let mut store = Store::open(&self.place)?;
        let mut is_learned = false;
        for (target, basis) in store.bases()? {
            match self.learn(state, &mut store, (&target, &basis), &found) {
                Ok(learned) => is_learned |= learned,
                // Other targets are learned of all the same.
                Err(error) => failed(state, &error.context(format!("the line of `{target}`"))),
            }
        }
        if is_learned {
            take(state, &lines::read(&self.folder)?, false);
        }
        Ok(())
    }

    /// Learns the line of one target; whether there is a new one.
    fn learn(
        &mut self,
        state: &State,
        store: &mut Store,
        (target, basis): (&str, &str),
        found: &[PlacedTarget],
    ) -> anyhow::Result<bool> {
        let registry = state.registry.load_full();
        let mut predictors = registry.of(Field::Prompt);
        let Some(served) = predictors.find(|served| served.model.basis(target) == basis) else {
            // It was predicted by a model that is not served any more.
            return Ok(false);
        };
        let in_force = found.iter().find(|line| line.name == target);
        let own = in_force.filter(|line| served.model.fits(line));
        let is_of_other = own.is_none()
            && in_force.is_some_and(|line| registry.of(Field::Prompt).any(|other| other.model.fits(line)));
        // One line for a target, and not too many of them.
        if is_of_other || (in_force.is_none() && found.len() >= MOST_TARGETS) {
            return Ok(false);
        }
        let before = own.and_then(|line| line.learned.clone());
        let (until, since) = before.map_or((0, 0), |learned| (learned.until, learned.since));
        let told = store.lessons((target, basis), (until, since), MOST_LABELS)?;
        let refused = self.refused.get(target).copied().unwrap_or(0);
        let (fresh, last) = (told.iter().filter(|one| one.id > refused).count(), told.last());
        let (Some(last), true) = (last, fresh >= FEWEST_LABELS) else { return Ok(false) };
        let today = own.map_or_else(|| neutral(served), |line| line.line);
        let pairs: Vec<(f64, bool)> = told.iter().map(|one| (one.log_odds, one.refused)).collect();
        let Some(lesson) = relearn(today, &pairs) else { return Ok(false) };
        if !lesson.improves() {
            self.refused.insert(target.to_owned(), last.id);
            state.metrics.learning(Learning::Refused);
            say(target, own, None, (&lesson, pairs.len()));
            return Ok(false);
        }
        let learned = Learned {
            basis: basis.to_owned(),
            before: own.map(|line| line.sha256.clone()),
            until: last.id,
            since,
        };
        let line = PlacedTarget {
            learned: Some(learned),
            prompts: pairs.len(),
            answers: pairs.len(),
            refused: lesson.refused,
            figures: lesson.figures,
            ..of_line(&served.model, target.to_owned(), lesson.line)
        }
        .sealed()?;
        if !lines::replace(&self.folder, in_force.map(|line| line.sha256.as_str()), &line)? {
            // Somebody went back meanwhile: only feedback after that is learned from.
            return Ok(false);
        }
        state.metrics.learning(Learning::Learned);
        say(target, own, Some(&line), (&lesson, pairs.len()));
        Ok(true)
    }
}

/// Puts these lines in force, if they are others than those that are.
fn take(state: &State, found: &[PlacedTarget], is_foreign: bool) {
    let (now, before) = (lines::digests(found), state.registry.load_full());
    if before.lines == now {
        return;
    }
    for line in now.iter().filter(|line| is_foreign && !before.lines.contains(line)) {
        state.metrics.learning(Learning::Changed);
        let (of, digest) = (&line.0, short_digest(&line.1));
        tracing::info!(target: "demur", of, digest, "somebody put another line of a target in force");
    }
    for (of, _) in before.lines.iter().filter(|(of, _)| now.iter().all(|(name, _)| name != of)) {
        state.metrics.learning(Learning::Changed);
        tracing::info!(target: "demur", of, "somebody took the line of a target away");
    }
    state.set_lines(found);
}

/// The line that moves nothing, around the log-odds of the model's base rate.
fn neutral(served: &Served) -> TargetLine {
    let pivot = served.model.base_rate().map_or(0.0, log_odds);
    TargetLine { pivot, intercept: 0.0, slope: 1.0 }
}

/// The line of the log about an attempt.
fn say(of: &str, from: Option<&PlacedTarget>, to: Option<&PlacedTarget>, (lesson, labels): (&Lesson, usize)) {
    let digest =
        |line: Option<&PlacedTarget>| line.map_or("none", |line| short_digest(&line.sha256)).to_owned();
    let (from, is_at_bound) = (digest(from), lesson.is_at_bound());
    let (log_loss_before, log_loss) = (lesson.figures.average_log_loss, lesson.figures.log_loss);
    let TargetLine { intercept: shift, slope, .. } = lesson.line;
    match to {
        Some(to) => {
            let to = short_digest(&to.sha256);
            tracing::info!(
                target: "demur", of, from, to, labels, log_loss_before, log_loss, shift, slope, is_at_bound,
                "learned the line of a target from feedback"
            );
        }
        None => tracing::info!(
            target: "demur", of, from, labels, log_loss_before, log_loss, shift, slope, is_at_bound,
            "refused a line: on the labels that were held out it is no better than the one in force"
        ),
    }
}

fn failed(state: &State, error: &anyhow::Error) {
    state.metrics.learning(Learning::Failed);
    tracing::error!(target: "demur", "learning failed, and the lines stay as they are: {error:#}");
}
