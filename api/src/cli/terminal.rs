//! Output to stdout (data) and to stderr (log output, progress).

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use demur_data::{Corpus, Rejection};
use demur_predictor::Field;
use demur_training::{EncoderProgress, EncoderStore, Progress, SourceRows};
use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::batch::Observer;

/// Writes one line of log output to stderr. A failure is ignored, because there is nowhere to report it.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes data to stdout.
pub(crate) fn data(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a JSON value to stdout, indented, with its keys in their own order.
pub(crate) fn json(value: &serde_json::Value) -> anyhow::Result<()> {
    Ok(data(&(serde_json::to_string_pretty(value)? + "\n"))?)
}

/// Logs what was read, and the first bad rows.
pub(crate) fn say_read(what: &str, corpus: &Corpus) {
    note(&format!("{what}: {}", corpus.summary));
    const SHOWN: usize = 5;
    for Rejection { place, field, reason, .. } in corpus.rejected.iter().take(SHOWN) {
        let field = field.as_ref().map_or_else(String::new, |field| format!(" {field}:"));
        note(&format!("  {place}:{field} {reason}"));
    }
    if corpus.rejected.len() > SHOWN {
        note(&format!("  ... and {} more bad rows", corpus.rejected.len() - SHOWN));
    }
}

/// Logs what was read of each source, and how many of its rows no fit uses.
pub(crate) fn say_sources(what: &str, rows: &SourceRows, fits: &[Field]) {
    let parts: Vec<_> = rows.parts().collect();
    for (source, corpus) in &parts {
        match parts.len() {
            1 => say_read(what, corpus),
            _ => say_read(&format!("{what} of {}", source.title()), corpus),
        }
    }
    for field in fits {
        let left_out = rows.left_out(*field);
        if left_out > 0 {
            let by_signs = if *field == Field::Response { rows.decided_by_signs() } else { 0 };
            let signs = if by_signs > 0 {
                format!(", a sign decides them whatever their words say ({by_signs} rows)")
            } else {
                String::new()
            };
            let field = field.name();
            note(&format!(
                "{left_out} of the {what} take no part in the {field} fit: they have no {field}{signs}, or their source \
                 has no weight there"
            ));
        }
    }
}

/// Shortest time between two lines about a running step.
const SILENCE: Duration = Duration::from_secs(10);

/// The encoders of fits. Their progress goes to stderr; if `resume` is set, they continue from checkpoints.
pub(crate) fn encoders(resume: bool) -> EncoderStore {
    let last = Mutex::new(Instant::now());
    EncoderStore::from_environment().resuming(resume).on_progress(move |progress| {
        let goes_on = match progress {
            EncoderProgress::Embedded { share, .. } => *share < 1.0,
            EncoderProgress::Step { .. } => true,
            _ => false,
        };
        // A poisoned lock only means that another line failed; the time in it is still valid.
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_short = matches!(progress, EncoderProgress::Embedded { .. }) && !goes_on;
        if !is_short && (!goes_on || last.elapsed() >= SILENCE) {
            note(&progress.to_string());
            *last = Instant::now();
        }
    })
}

/// Progress bars on stderr, one for each named step; hidden if stderr is not a terminal.
pub(crate) struct Bars(Mutex<Option<(&'static str, ProgressBar)>>);

impl Bars {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn tick(&self, step: &'static str, total: usize) {
        // A poisoned lock only means that another thread's bar failed; the bar can still be drawn.
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some((name, bar)) if *name == step => bar.inc(1),
            _ => {
                if let Some((_, before)) = current.take() {
                    before.finish_and_clear();
                }
                let bar = new_bar(total as u64, step);
                bar.inc(1);
                *current = Some((step, bar));
            }
        }
    }

    /// Runs some work, with these bars as its progress.
    pub(crate) fn during<T>(work: impl FnOnce(Progress<'_>) -> T) -> T {
        let bars = Self::new();
        let tick = |step, total| bars.tick(step, total);
        let result = work(Progress::new(&tick));
        let current = bars.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bar)) = &*current {
            bar.finish_and_clear();
        }
        result
    }
}

/// Shows a spinner with the elapsed time while work of unknown length runs; hidden if stderr is not a
/// terminal.
pub(crate) fn waiting<T>(message: &'static str, work: impl FnOnce() -> T) -> T {
    let spinner = spinner(message);
    let result = work();
    spinner.finish_and_clear();
    result
}

fn spinner(message: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(message);
    // The template is a constant. If it were invalid, the default spinner would be used.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

fn new_bar(total: u64, step: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total).with_message(step);
    // The template is a constant. If it were invalid, the default bar would be used.
    if let Ok(style) = ProgressStyle::with_template("{msg:18} [{bar:30}] {pos}/{len} {elapsed} left {eta}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A bar over the bytes of some input, with the time left; hidden if stderr is not a terminal.
fn byte_bar(total: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    // The template is a constant. If it were invalid, the default bar would be used.
    let style =
        ProgressStyle::with_template("[{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {elapsed} left {eta}");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Shows a run over files: its notes, and a bar or spinner for its current step.
#[derive(Default)]
pub(crate) struct Screen(Mutex<Option<ProgressBar>>);

impl Screen {
    fn bar(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        // A poisoned lock only means that another thread's bar failed; the bar can still be drawn.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Screen {
    fn note(&self, line: &str) {
        note(line);
    }

    fn begins(&self, step: &'static str, bytes: Option<u64>) {
        *self.bar() = Some(bytes.map_or_else(|| spinner(step), byte_bar));
    }

    fn reached(&self, bytes: u64) {
        if let Some(bar) = &*self.bar() {
            bar.set_position(bytes);
        }
    }

    fn ends(&self) {
        if let Some(bar) = self.bar().take() {
            bar.finish_and_clear();
        }
    }
}
