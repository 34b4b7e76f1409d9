//! Reviews: persons confirm or correct the least certain labels of a store, on a page of this machine.
//!
//! - `label`: gives stored answers a label of Demur's where they have none;
//! - `desk`: what a reviewer sees and says, as the page sends it;
//! - `page`: the page and its files, behind an address that nobody can guess;
//! - `agreement`: kappa between reviewers, and between them and Demur.
//!
//! This room knows the engine and the store. It knows no flags and prints nothing.

mod agreement;
mod desk;
mod label;
mod page;

pub(crate) use agreement::{Pair, agreement};
pub(crate) use desk::Desk;
pub(crate) use label::label_all;
pub(crate) use page::{Page, serve};
