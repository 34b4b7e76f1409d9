//! The files of a run, and how much of them is done.
//!
//! Until the run is done they have random names of their own. `OUT.progress.json` records these names and how
//! many bytes are done. Bytes beyond that belong to an unfinished block, and a resumed run cuts them off.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use demur_data::{
    Destination, create_beside, open_existing, rejected_path, remove_orphans, remove_stale, sync_name,
};

use crate::engine::batch::block::BlockOutput;
use crate::engine::batch::fingerprint::{Fingerprint, Stamp};
use crate::engine::batch::observer::Observer;
use crate::engine::batch::plan::{Order, Plan};
use crate::engine::batch::progress::{Progress, state_path};
use crate::engine::batch::reached::Reached;

/// The files of a run, and how much of them is done.
pub(crate) struct Files {
    /// The output, with all links resolved.
    out: PathBuf,
    /// The path of the bad rows.
    aside: PathBuf,
    /// Rows, bad rows, and the order file if the run sorts.
    files: [Option<File>; 3],
    pub(super) progress: Progress,
    /// The stamps of the inputs when the run began.
    stamps: Vec<Stamp>,
    pace: Pace,
}

/// When progress is saved: often, but not so often that it takes a noticeable share of the time.
struct Pace {
    last: Instant,
    /// How long the last save took.
    cost: Duration,
}

impl Pace {
    fn is_due(&self) -> bool {
        self.last.elapsed() >= (self.cost * 30).max(Duration::from_millis(50))
    }
}

impl Files {
    pub(super) fn open(plan: &Plan<'_>, out: &Path, observer: &dyn Observer) -> anyhow::Result<Self> {
        let aside = match Destination::of(&rejected_path(&plan.out)) {
            Ok(Destination::File(path)) => path,
            _ => bail!("{} is no file; give another output", rejected_path(&plan.out).display()),
        };
        let mut before = Progress::read(out)?;
        if let Some(progress) = before.take_if(|progress| progress.inputs.is_empty()) {
            // Left by a run over a pipe or over a sample of the rows: it cannot be resumed.
            let (out, files) = (out.to_owned(), [None, None, None]);
            let pace = Pace { last: Instant::now(), cost: Duration::ZERO };
            Self { out, aside: aside.clone(), files, progress, stamps: Vec::new(), pace }.remove()?;
        }
        if before.is_some() && !plan.resume {
            bail!(
                "there is an unfinished run at {}; go on with it by --resume, or remove that file to begin from the first \
                 row",
                state_path(out).display()
            );
        }
        remove_left(out, &aside, before.as_ref()).with_context(|| {
            format!("cannot remove what an earlier run has left beside {}", out.display())
        })?;
        observer.begins("looking through the inputs", None);
        let known = known_inputs(plan);
        observer.ends();
        let (stamps, inputs): (Vec<_>, Vec<_>) = known?.into_iter().unzip();
        let pace = Pace { last: Instant::now(), cost: Duration::ZERO };
        let begun = before.is_some();
        let progress = match before {
            Some(progress) => {
                progress.check(out, &plan.digest(), &inputs)?;
                progress
            }
            None => Progress::new(plan.digest(), inputs.into_iter().map(|(_, input)| input).collect()),
        };
        let out = out.to_owned();
        let mut files = Self { out, aside, files: [None, None, None], progress, stamps, pace };
        if !begun {
            files.create(plan.order == Order::Sorted)?;
        } else if !files.progress.complete {
            files.reopen()?;
        }
        Ok(files)
    }

    /// Returns the first input that has changed since the run began.
    pub(super) fn changed(&self, plan: &Plan<'_>) -> Option<PathBuf> {
        let was = self.stamps.iter().zip(&self.progress.inputs);
        let mut inputs = plan.files().zip(was);
        let changed = |((file, _), (stamp, was)): &(&(PathBuf, _), (&Stamp, &Fingerprint))| {
            Stamp::of(file).is_ok_and(|found| found != **stamp) && !was.begins(file)
        };
        inputs.find(changed).map(|((file, _), _)| file.clone())
    }

    /// Creates the files of a new run, and records their names.
    fn create(&mut self, ordered: bool) -> anyhow::Result<()> {
        for which in if ordered { 0..3 } else { 0..2 } {
            let beside = self.beside(which).to_owned();
            // Bad rows are as private as the others, so they get the same mode.
            let replaced = fs::metadata(&beside).or_else(|_| fs::metadata(&self.out)).ok();
            let (file, path) = create_beside(&beside, "partial", replaced.as_ref())
                .with_context(|| format!("cannot write {}", beside.display()))?;
            self.progress.files[which] = name_of(&path);
            self.files[which] = Some(file);
        }
        self.save()
    }

    /// Opens the files of an earlier run, and cuts off what was not finished.
    fn reopen(&mut self) -> anyhow::Result<()> {
        for which in 0..3 {
            if self.progress.files[which].is_empty() {
                continue;
            }
            let (path, length) = (self.path(which), self.progress.lengths[which]);
            let reopen = || -> io::Result<File> {
                let mut file = open_existing(&path)?;
                let found = file.metadata()?.len();
                // The file lost bytes that were recorded as done, so the run cannot be resumed.
                if found < length {
                    return Err(io::Error::other(format!("it has {found} bytes of {length} that are done")));
                }
                file.set_len(length)?;
                file.seek(SeekFrom::End(0))?;
                Ok(file)
            };
            let state = state_path(&self.out);
            self.files[which] = Some(reopen().with_context(|| {
                format!(
                    "cannot go on with {}; remove {} to begin from the first row without --resume",
                    path.display(),
                    state.display()
                )
            })?);
        }
        Ok(())
    }

    /// The final path that a file of the run lies beside.
    fn beside(&self, which: usize) -> &Path {
        if which == 1 { &self.aside } else { &self.out }
    }

    fn path(&self, which: usize) -> PathBuf {
        self.beside(which).with_file_name(&self.progress.files[which])
    }

    pub(super) fn append(&mut self, which: usize, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.path(which);
        let Some(file) = &mut self.files[which] else { return Ok(()) };
        file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    pub(super) fn write(&mut self, block: &BlockOutput<'_>, reached: &Reached) -> anyhow::Result<()> {
        let all = [block.rows, block.rejected, block.order];
        for (which, bytes) in all.into_iter().enumerate() {
            self.append(which, bytes)?;
        }
        // From here on the block counts as done.
        let progress = &mut self.progress;
        for (length, bytes) in progress.lengths.iter_mut().zip(all) {
            *length += bytes.len() as u64;
        }
        if block.part && !block.rows.is_empty() {
            progress.parts.push(progress.lengths[0]);
        }
        progress.reached.clone_from(reached);
        if self.pace.is_due() { self.save() } else { Ok(()) }
    }

    /// Syncs the files to disk, and only then records their lengths as done.
    pub(super) fn save(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        for which in 0..3 {
            if let Some(file) = &self.files[which] {
                file.sync_data().with_context(|| format!("cannot write {}", self.path(which).display()))?;
            }
        }
        self.progress.save(&self.out)?;
        self.pace = Pace { last: Instant::now(), cost: started.elapsed() };
        Ok(())
    }

    /// The path of the rows in their latest form.
    fn ready(&self) -> PathBuf {
        match &self.progress.ready {
            Some(name) => self.out.with_file_name(name),
            None => self.path(0),
        }
    }

    pub(super) fn rewrite(
        &mut self,
        rewrite: impl FnOnce(&Progress, &Path, &Path, &mut File) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", self.out.display());
        let (before, order) = (self.ready(), self.path(2));
        let replaced = fs::metadata(&self.out).ok();
        let (mut file, path) = create_beside(&self.out, "partial", replaced.as_ref()).with_context(cannot)?;
        let written = rewrite(&self.progress, &before, &order, &mut file)
            .and_then(|()| Ok(file.sync_all()?))
            .with_context(cannot);
        if let Err(error) = written {
            // The rows are still there as they were, and the error says what went wrong. So a failed cleanup
            // is ignored.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        let intermediate = self.progress.ready.replace(name_of(&path));
        if let Some(name) = intermediate {
            fs::remove_file(self.out.with_file_name(name)).with_context(cannot)?;
        }
        Ok(())
    }

    /// Renames the files to their final names. If the process dies in between, a resumed run does the rest.
    pub(super) fn finish(&mut self) -> anyhow::Result<Option<PathBuf>> {
        let cannot = format!("cannot finish {}", self.out.display());
        // Recorded first, so that a resumed run only has to rename.
        self.progress.complete = true;
        self.save().context(cannot.clone())?;
        let any = self.progress.lengths[1] > 0;
        let finish = || -> io::Result<()> {
            if any {
                rename(&self.path(1), &self.aside)?;
            } else {
                remove(&self.path(1))?;
                // A file left by an earlier run would describe another output.
                remove_stale(&self.aside)?;
            }
            rename(&self.ready(), &self.out)?;
            sync_name(&self.out)?;
            sync_name(&self.aside)
        };
        finish().context(cannot)?;
        self.remove()?;
        Ok(any.then(|| self.aside.clone()))
    }

    /// Removes all files of the run except its output.
    pub(super) fn remove(&mut self) -> anyhow::Result<()> {
        let remove_all = || -> io::Result<()> {
            for which in 0..3 {
                if !self.progress.files[which].is_empty() {
                    remove(&self.path(which))?;
                }
            }
            remove(&self.ready())?;
            remove(&state_path(&self.out))
        };
        remove_all().with_context(|| format!("cannot remove what is left of {}", self.out.display()))
    }
}

/// The current stamps and fingerprints of the inputs, if the run can be resumed.
fn known_inputs(plan: &Plan<'_>) -> anyhow::Result<Vec<(Stamp, (PathBuf, Fingerprint))>> {
    let files = plan.files().filter(|_| plan.can_be_resumed());
    let known = files.map(|(file, _)| {
        let cannot = || format!("cannot read {}", file.display());
        let stamp = Stamp::of(file).with_context(cannot)?;
        Ok((stamp, (file.clone(), Fingerprint::of(file).with_context(cannot)?)))
    });
    known.collect()
}

/// Removes the files of runs that were killed before they could record their names. The output is locked, so
/// no other run is using them.
fn remove_left(out: &Path, aside: &Path, progress: Option<&Progress>) -> io::Result<()> {
    let keep: Vec<String> = progress
        .map_or_else(Vec::new, |progress| progress.files.iter().chain(&progress.ready).cloned().collect());
    remove_orphans(out, "partial", &keep)?;
    remove_orphans(aside, "partial", &keep)?;
    remove_orphans(&state_path(out), "tmp", &[])
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Renames a file; succeeds too if that was already done.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => Ok(()),
        other => other,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
