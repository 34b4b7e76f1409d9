//! The service: Demur's models behind HTTP.

mod addresses;
mod admit;
mod answer;
mod body;
mod budget;
mod checks;
mod classify;
mod connection;
mod encoder_queue;
mod error;
mod explain;
mod http;
mod job;
mod keys;
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
mod question;
mod registry;
mod route;
mod score;
mod server;
mod settings;
mod signals;
mod state;
mod tail;
mod task;
mod tiers;
mod tls;
mod turns;

pub(crate) use explain::{EncoderView, ExplainResponse, NearestText};
pub(crate) use keys::generate;
pub(crate) use logging::{finish as finish_log, start as start_log};
pub(crate) use options::Options;
pub(crate) use predict::ModelRef;
pub(crate) use question::Question;
pub(crate) use server::Application;
