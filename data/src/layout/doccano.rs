//! doccano's export of classified texts.

use super::{Layout, PLAIN, Role};

/// A text and the list of its labels, of which one counts.
pub(super) const EXPORT: Layout = Layout {
    name: "doccano",
    title: "doccano export",
    every: &["id", "text", "label"],
    some: &["label[0]"],
    places: &[
        (Role::Id, &["id"]),
        (Role::Prompt, &["prompt", "question", "text"]),
        (Role::Response, &["text"]),
        (Role::Label, &["label"]),
    ],
    example: r#"{"id": 1, "text": "I can't help with that.", "label": ["refused"]}"#,
    ..PLAIN
};
