//! Blocks of rows, read ahead by a separate thread.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use demur_data::stream::{self, Block, Position, Rows, delimiter};

use crate::engine::batch::observer::Observer;
use crate::engine::batch::plan::Plan;

/// How many blocks are scored at the same time, for each core.
const AHEAD: usize = 2;

fn at_once() -> usize {
    AHEAD * rayon::current_num_threads()
}

/// The blocks of all inputs, in order.
pub(crate) struct Source<'o> {
    blocks: Receiver<anyhow::Result<Block>>,
    /// How many rows are still wanted; `None` for all.
    left: Option<usize>,
    read: Arc<AtomicU64>,
    observer: &'o dyn Observer,
}

impl<'o> Source<'o> {
    /// Starts reading at a position.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        plan: &'scope Plan<'_>,
        from: Position,
        observer: &'o dyn Observer,
    ) -> Self {
        let lengths = plan.inputs.iter().filter_map(|(file, _)| fs::metadata(file).ok());
        observer.begins("reading", Some(lengths.map(|file| file.len()).sum()));
        let read = Arc::new(AtomicU64::new(0));
        let (send, blocks) = sync_channel::<anyhow::Result<Block>>(at_once());
        let (counter, inputs, size) = (Arc::clone(&read), &plan.inputs, plan.block_size());
        let opening = &plan.opening;
        scope.spawn(move || {
            let send_on = |block| send.send(Ok(block)).is_ok();
            let result = stream::blocks(inputs, opening, from, size, &counter, send_on);
            if let Err(error) = result {
                // If the receiver is gone, nobody needs the error.
                let _ = send.send(Err(error.into()));
            }
        });
        Self { blocks, left: plan.sample, read, observer }
    }

    /// Returns the next blocks, at most as many as are scored at the same time; `None` at the end.
    ///
    /// # Errors
    /// When an input cannot be read.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Vec<Block>>> {
        self.observer.reached(self.read.load(Ordering::Relaxed));
        if self.left == Some(0) {
            return Ok(None);
        }
        let mut batch = Vec::new();
        // Wait for the first block alone, so that scoring starts with whatever is ready.
        if let Ok(first) = self.blocks.recv() {
            batch.push(first?);
        }
        while batch.len() < at_once()
            && let Ok(block) = self.blocks.try_recv()
        {
            batch.push(block?);
        }
        if let Some(left) = &mut self.left {
            batch.iter_mut().for_each(|block| keep_first(block, left));
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

impl Drop for Source<'_> {
    fn drop(&mut self) {
        self.observer.ends();
    }
}

/// Keeps the rows of a block that are still wanted.
fn keep_first(block: &mut Block, left: &mut usize) {
    match &mut block.rows {
        Rows::Frame { frame, .. } => {
            let kept = frame.height().min(*left);
            *frame = frame.head(kept);
            *left -= kept;
        }
        Rows::TooLong(_) => *left = left.saturating_sub(1),
        Rows::Text { bytes, .. } => {
            let records = stream::records(bytes, delimiter(block.head.format));
            let rows: Vec<&[u8]> =
                records.into_iter().map(|(_, row)| row).filter(|row| !row.trim_ascii().is_empty()).collect();
            // A record is a slice of the block, so the difference of the pointers is its offset.
            let end = rows.get(*left).map(|row| row.as_ptr() as usize - bytes.as_ptr() as usize);
            *left -= rows.len().min(*left);
            if let Some(end) = end {
                bytes.truncate(end);
            }
        }
    }
}
