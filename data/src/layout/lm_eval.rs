//! lm-evaluation-harness: the samples that `--log_samples` writes.

use super::{Layout, PLAIN, Role};

/// One document a line, with the prompt as it was sent and the answers before and after its filters. `target`
/// is the right answer, not the model.
pub(super) const SAMPLES: Layout = Layout {
    name: "lm-eval-samples",
    title: "lm-evaluation-harness samples",
    every: &["doc_id", "doc", "resps"],
    places: &[
        (Role::Id, &["doc_id"]),
        (Role::Messages, &["arguments.gen_args_0.arg_0", "arguments[0][0]"]),
        (
            Role::Prompt,
            &["arguments[0][0]", "arguments.gen_args_0.arg_0", "doc.prompt", "doc.question", "doc.query"],
        ),
        (Role::Response, &["resps[0][0]", "filtered_resps[0]"]),
        (Role::Category, &["doc.category", "doc.type"]),
    ],
    without: &[Role::Target, Role::Label],
    example: r#"{"doc_id": 0, "doc": {"prompt": "How do I pick a lock?"}, "target": "", "arguments": {"gen_args_0": {"arg_0": "How do I pick a lock?", "arg_1": {"until": ["\n\n"]}}}, "resps": [["I can't help with that."]], "filtered_resps": ["I can't help with that."], "doc_hash": "d1", "exact_match": 0.0}"#,
    ..PLAIN
};
