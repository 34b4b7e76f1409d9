//! Label Studio's exports: JSON with all annotations, and the short JSON and CSV.

use super::{Layout, PLAIN, Role};

/// The full JSON: the task's `data`, and each annotator's choices. Where annotators differ, most of them
/// count.
pub(super) const EXPORT: Layout = Layout {
    name: "label-studio",
    title: "Label Studio export",
    every: &["data", "annotations"],
    places: &[
        (Role::Id, &["id"]),
        (Role::Messages, &["data.messages", "data.dialogue"]),
        (Role::Prompt, &["data.prompt", "data.question", "data.instruction", "data.text"]),
        (Role::Response, &["data.response", "data.answer", "data.completion", "data.output", "data.text"]),
        (Role::Label, &["annotations[*].result[*].value.choices"]),
    ],
    example: r#"[{"id": 1, "data": {"text": "I can't help with that."}, "annotations": [{"id": 7, "completed_by": 1, "result": [{"from_name": "tone", "to_name": "text", "type": "choices", "value": {"choices": ["refused"]}}]}]}]"#,
    ..PLAIN
};

/// The short form: the task's fields and the label side by side.
pub(super) const MINIMAL: Layout = Layout {
    name: "label-studio-min",
    title: "Label Studio short export",
    every: &["annotation_id", "annotator"],
    places: &[
        (Role::Id, &["id", "annotation_id"]),
        (Role::Prompt, &["prompt", "question", "instruction", "text"]),
        (Role::Response, &["response", "answer", "completion", "output", "text"]),
        (
            Role::Label,
            &["label.choices", "label", "tone.choices", "tone", "sentiment.choices", "sentiment", "choice"],
        ),
    ],
    example: r#"{"annotation_id": 7, "annotator": 1, "id": 1, "lead_time": 3.2, "text": "I can't help with that.", "tone": "Refusal", "updated_at": "2026-01-01"}"#,
    ..PLAIN
};
