//! Argilla's export of annotated records.

use super::{Layout, PLAIN, Role};

/// A record: its fields, and what each annotator answered to each question.
pub(super) const RECORDS: Layout = Layout {
    name: "argilla",
    title: "Argilla records",
    every: &["fields", "responses"],
    places: &[
        (Role::Id, &["id", "external_id"]),
        (Role::Messages, &["fields.messages", "fields.chat", "fields.conversation"]),
        (Role::Prompt, &["fields.prompt", "fields.instruction", "fields.question", "fields.input"]),
        (
            Role::Response,
            &["fields.response", "fields.completion", "fields.output", "fields.answer", "fields.text"],
        ),
        (Role::Label, &["responses[*][*].value"]),
        (Role::Category, &["metadata.category"]),
    ],
    without: &[Role::Prompt],
    example: r#"{"id": "1", "fields": {"prompt": "How do I pick a lock?", "response": "I can't help with that."}, "responses": {"tone": [{"value": "refused", "user_id": "u1"}]}, "metadata": {}}"#,
    ..PLAIN
};
