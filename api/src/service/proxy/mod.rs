//! `demur proxy`: stands before an upstream that speaks `OpenAI`'s or Anthropic's API, predicts each prompt before it is
//! sent there, and classifies each answer.
//!
//! Everything else is the upstream's: its statuses, its headers, its bytes as they come, and its keys, which are passed
//! on and kept nowhere. In `observe` every request passes, and headers and metrics say what was found. In `enforce` the
//! policy is carried out.
//!
//! `forward` takes a request through: `preflight` predicts the prompt and says what is done with it, `exchange` sends it
//! to the upstream or a fallback, `copy` reads the answer on its way, `judging` classifies it, `keeping` puts both into
//! the store of feedback, and `passed` is its body on the way to the client.

mod address;
mod breaking;
pub(crate) mod client;
mod copy;
mod exchange;
mod fallback;
mod forward;
mod judging;
mod keeping;
pub(crate) mod options;
mod passed;
mod policy;
mod preflight;
mod rewrite;

pub(crate) use forward::forward;
