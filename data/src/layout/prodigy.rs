//! Prodigy's export of annotations.

use super::{Layout, PLAIN, Role};

/// A task and the options that were chosen; `answer` says whether the annotator took it.
pub(super) const TASKS: Layout = Layout {
    name: "prodigy",
    title: "Prodigy annotations",
    every: &["_input_hash", "_task_hash", "answer"],
    only: &[("answer", "accept")],
    places: &[
        (Role::Id, &["_task_hash"]),
        (Role::Prompt, &["prompt", "question", "instruction", "meta.prompt", "text"]),
        (Role::Response, &["response", "completion", "output", "text"]),
        (Role::Label, &["accept", "label"]),
    ],
    example: r#"{"text": "I can't help with that.", "_input_hash": 1, "_task_hash": 2, "options": [{"id": "refused"}, {"id": "complied"}], "accept": ["refused"], "answer": "accept"}"#,
    ..PLAIN
};
