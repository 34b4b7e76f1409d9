//! Demur's command line and its service. The binary `demur` only calls [`main()`].
//!
//! Three rooms, each of which knows those behind it alone: `cli` (what is typed and printed), `service` (HTTP), `engine`
//! (what a model says of a prompt, an answer or a file); `client` is what all clients of other servers share.

mod cli;
mod client;
mod engine;
mod service;
mod store;

pub use cli::main;
