//! How an encoder is run: the library and the number of threads.

use std::thread::available_parallelism;

/// A library that runs encoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// rten, an ONNX runtime in Rust.
    Rten,
    /// libtorch, in builds with the feature `bert`.
    Torch,
}

impl Library {
    /// The library used unless the user says otherwise.
    pub const DEFAULT: Self = Self::Rten;

    /// The error of a build without libtorch.
    pub const NOT_BUILT: &str = "is not part of this build: build demur with `--features bert` for it";

    /// Both.
    pub const ALL: [Self; 2] = [Self::Rten, Self::Torch];

    /// The name used in flags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rten => "rten",
            Self::Torch => "torch",
        }
    }
}

/// How an encoder is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderOptions {
    /// The library. Default: [`Library::DEFAULT`].
    pub library: Library,
    /// Threads per batch. Default: the cores of the machine.
    pub threads: usize,
}

impl Default for EncoderOptions {
    fn default() -> Self {
        Self { library: Library::DEFAULT, threads: available_parallelism().map_or(1, usize::from) }
    }
}
