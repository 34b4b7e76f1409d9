//! Demur's command line and its service. The binary `demur` only calls [`main()`].
//!
//! Rooms, each of which knows those behind it alone: `cli` (what is typed and printed); `service` (HTTP) and
//! `collect` (asks a target), `drift` (whether predictions still hold), `review` (labels by persons);
//! `engine` (what a model says of a prompt, an answer or a file) and `store` (what was collected); `client`
//! is what all clients of other servers share.

mod cli;
mod client;
mod collect;
mod drift;
mod engine;
mod review;
mod service;
mod store;

pub use cli::main;
