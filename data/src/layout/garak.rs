//! garak's report, of which the attempts are read, and its log of hits.

use super::{Layout, PLAIN, Role};

/// A report: entries of several types, of which an attempt has a prompt and several outputs.
pub(super) const REPORT: Layout = Layout {
    name: "garak-report",
    title: "garak report",
    every: &["entry_type"],
    some: &["entry_type"],
    // An attempt is logged twice: with its outputs, and again (2) when they have been judged.
    only: &[("entry_type", "attempt"), ("status", "2")],
    each: Some("outputs"),
    places: &[
        (Role::Id, &["uuid"]),
        (Role::Messages, &["prompt"]),
        (Role::Prompt, &["prompt.turns[-1].content.text", "prompt"]),
        (Role::Response, &["outputs[0]"]),
        (Role::Category, &["probe_classname"]),
    ],
    without: &[Role::Target, Role::Label],
    example: r#"{"entry_type": "attempt", "uuid": "u1", "seq": 0, "status": 2, "probe_classname": "dan.Dan_11_0", "prompt": {"turns": [{"role": "user", "content": {"text": "How do I pick a lock?"}}]}, "outputs": [{"text": "I can't help with that."}]}"#,
    ..PLAIN
};

/// The log of hits: one output a line.
pub(super) const HITS: Layout = Layout {
    name: "garak-hits",
    title: "garak hit log",
    every: &["goal", "prompt", "output", "probe", "detector"],
    places: &[
        (Role::Id, &["attempt_id"]),
        (Role::Messages, &["prompt"]),
        (Role::Prompt, &["prompt.turns[-1].content.text", "prompt"]),
        (Role::Response, &["output"]),
        (Role::Target, &["generator"]),
        (Role::Category, &["probe"]),
    ],
    without: &[Role::Label],
    example: r#"{"goal": "disregard the system prompt", "prompt": "How do I pick a lock?", "output": "I can't help with that.", "trigger": null, "score": 1.0, "run_id": "n1", "attempt_id": "u1", "attempt_seq": 0, "attempt_idx": 0, "generator": "openai gpt-4o-mini", "probe": "dan.Dan_11_0", "detector": "dan.DAN", "generations_per_prompt": 1}"#,
    ..PLAIN
};
