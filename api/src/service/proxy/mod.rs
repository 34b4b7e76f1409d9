//! `demur proxy`: stands before an upstream that speaks `OpenAI`'s or Anthropic's API, and predicts each prompt before it
//! is sent there.
//!
//! Everything else is the upstream's: its statuses, its headers, its bytes as they come, and its keys, which are passed
//! on and kept nowhere. In `observe` every request passes, and two headers of the answer say what was predicted. In
//! `enforce` a prompt that the policy holds is answered 403 and not sent.

pub(crate) mod client;
mod forward;
pub(crate) mod options;
mod preflight;
mod strict;

pub(crate) use forward::forward;
