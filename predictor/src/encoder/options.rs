//! How an encoder is run: the library and the number of threads.

use std::thread::available_parallelism;

/// A library that runs encoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// libtorch, in builds with the feature `bert`.
    Torch,
    /// ONNX Runtime, in builds with the feature `ort`.
    Onnx,
}

impl Library {
    /// The library used unless the user says otherwise: ONNX Runtime if it is built in, because it is faster.
    pub const DEFAULT: Self = if cfg!(feature = "ort") { Self::Onnx } else { Self::Torch };

    /// The error of a build without the library.
    pub const NOT_BUILT: &str =
        "is not part of this build: build demur with `--features bert` for torch, `--features ort` for ort";

    /// Both.
    pub const ALL: [Self; 2] = [Self::Torch, Self::Onnx];

    /// The name used in flags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Torch => "torch",
            Self::Onnx => "ort",
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
