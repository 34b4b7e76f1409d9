//! Collecting answers: asks a target prompts over HTTP, within limits, and keeps every answer in a store.
//!
//! The prompts are put into the store first, and asked from there. Whatever comes back is read, judged and
//! written by one thread (`clerk`), and only then counts as done; so a run that is killed has lost nothing,
//! and the same command goes on from there.
//!
//! - `target`: what is asked; `access`: the key and the headers, which are kept nowhere; `limits`: how fast, how much;
//! - `survey`: puts the prompts of files into the store; `choice`: which of them to ask;
//! - `asker`: requests side by side; `gate`: when the next may go; `sender`: one of them; `retry`: waits;
//! - `clerk`: what came, judged and written; `reading` and `failure`: what it is;
//! - `progress`: how far a run is;
//! - `export`, `import`: answers as rows of files, and back.
//!
//! This room knows the engine and the store. It knows no flags and prints nothing.

mod access;
mod asker;
mod choice;
mod clerk;
mod export;
mod failure;
mod gate;
mod import;
mod limits;
mod progress;
mod reading;
mod retry;
mod run;
mod sender;
mod survey;
mod target;

pub(crate) use access::Access;
pub(crate) use choice::{Strategy, choose};
pub(crate) use export::export;
pub(crate) use gate::End;
pub(crate) use import::{Taken, import};
pub(crate) use limits::{Limits, Price};
pub(crate) use progress::{Progress, Watch};
pub(crate) use run::{Collected, Collection, collect};
pub(crate) use survey::{Survey, estimate, survey};
pub(crate) use target::Target;
