//! The service: Demur's models behind HTTP.

mod addresses;
mod admit;
mod answer;
mod bodies;
mod body;
mod budget;
mod classify;
mod connection;
mod encoder_queue;
mod error;
mod explain;
mod http;
mod job;
mod keys;
mod late_connections;
mod listen;
mod logging;
mod memory;
mod metrics;
mod models;
mod openapi;
mod operations;
mod options;
#[cfg(feature = "otel")]
mod otel;
mod page;
mod predict;
mod registry;
mod route;
mod score;
mod server;
mod settings;
mod signals;
mod state;
mod task;
mod tier_options;
mod tls;
mod turns;
mod validate;

pub(crate) use keys::generate;
pub(crate) use logging::{finish as finish_log, start as start_log};
pub(crate) use options::Options;
pub(crate) use server::Application;
pub(crate) use tier_options::{CascadeArg, LibraryArg, TierArg};
