//! MT-bench: a model's answers, one for each turn of a question. The questions are in another file.

use super::{Layout, PLAIN, Role};

/// A question's answers, each turn's a row.
pub(super) const ANSWERS: Layout = Layout {
    name: "mt-bench-answers",
    title: "MT-bench answers",
    every: &["question_id", "model_id", "choices"],
    some: &["choices[0].turns"],
    each: Some("choices[0].turns"),
    places: &[
        (Role::Id, &["question_id"]),
        (Role::Response, &["choices[0].turns[0]"]),
        (Role::Target, &["model_id"]),
    ],
    without: &[Role::Prompt],
    example: r#"{"question_id": 81, "answer_id": "a1", "model_id": "vicuna-7b-v1.5", "choices": [{"index": 0, "turns": ["I can't help with that.", "Mix flour and water."]}], "tstamp": 1700000000.0}"#,
    ..PLAIN
};
