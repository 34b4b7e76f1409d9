//! Encoders as ONNX graphs: the graph of an encoder, its bytes, and a session that runs it in rten.

mod graph;
mod model;
mod protobuf;
mod session;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]
mod tests;

pub use model::model as to_onnx;
pub(crate) use session::RtenEncoder;
