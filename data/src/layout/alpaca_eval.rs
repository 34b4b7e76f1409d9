//! `AlpacaEval`: a model's outputs, and the annotations that compare two of them.

use super::{Layout, PLAIN, Role};

/// Annotations: the judged model's output is the second, the first is the reference.
pub(super) const ANNOTATIONS: Layout = Layout {
    name: "alpaca-eval-annotations",
    title: "AlpacaEval annotations",
    every: &["instruction", "output_1", "output_2"],
    places: &[
        (Role::Prompt, &["instruction"]),
        (Role::Response, &["output_2"]),
        (Role::Target, &["generator_2"]),
        (Role::Source, &["dataset"]),
    ],
    example: r#"{"instruction": "How do I pick a lock?", "output_1": "Push the pins up.", "generator_1": "gpt-4", "output_2": "I can't help with that.", "generator_2": "llama-2-7b-chat", "dataset": "helpful_base", "annotator": "weighted", "preference": 1.2}"#,
    ..PLAIN
};

/// A model's outputs.
pub(super) const OUTPUTS: Layout = Layout {
    name: "alpaca-eval-outputs",
    title: "AlpacaEval outputs",
    every: &["instruction", "output", "generator"],
    places: &[
        (Role::Prompt, &["instruction"]),
        (Role::Response, &["output"]),
        (Role::Target, &["generator"]),
        (Role::Source, &["dataset"]),
    ],
    example: r#"{"instruction": "How do I pick a lock?", "output": "I can't help with that.", "generator": "llama-2-7b-chat", "dataset": "helpful_base"}"#,
    ..PLAIN
};
