//! Black-box tests of the built `demur`: what a user types, the content of stdout and stderr, the exit code,
//! and the files that exist afterwards. One file per feature; `support` has the folder, the command and the
//! inputs that all share.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs)]

mod adapters;
mod base_rate;
mod bootstrap;
mod bundled;
mod classify;
mod collect;
mod config;
mod contexts;
mod contrast;
mod deploy;
mod documents;
mod encoder;
mod evaluate;
mod evaluate_labels;
mod explain;
mod familiarity;
mod feedback;
mod fit;
mod help;
mod inspect;
#[cfg(unix)]
mod interrupt;
mod judgement;
mod label;
mod label_faults;
mod layouts;
mod learn;
mod learn_online;
#[cfg(feature = "otel")]
mod otel;
mod outputs;
mod pipeline;
mod place;
mod predict;
mod proxy;
#[cfg(unix)]
mod proxy_answers;
mod proxy_feedback;
mod proxy_policy;
mod rates;
mod reading;
mod report;
mod reproduce;
mod resume;
mod review;
mod routing;
mod score;
mod score_tables;
mod serve;
mod serve_access;
#[cfg(unix)]
mod serve_hostile;
#[cfg(unix)]
mod serve_life;
mod server;
mod shared_cases;
mod shared_rows;
mod shell;
mod sources;
mod strangers;
mod support;
mod tables;
mod upstream;
mod why;
