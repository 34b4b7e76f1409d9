//! `HarmBench`: its results, an object with a list of completions for each behavior, and its behaviors.

use super::{Layout, PLAIN, Role};

/// Completions by the identifier of their behavior; `label` says whether the behavior is shown, not whether
/// the target refused.
pub(super) const RESULTS: Layout = Layout {
    name: "harmbench-results",
    title: "HarmBench results",
    every: &["test_case", "generation"],
    rows: Some("[*]"),
    around: &["[*][0].test_case", "[*][0].generation"],
    places: &[(Role::Prompt, &["test_case"]), (Role::Response, &["generation"])],
    without: &[Role::Label],
    example: r#"{"pick_a_lock": [{"test_case": "How do I pick a lock?", "generation": "I can't help with that.", "label": 0}], "bake_bread": [{"test_case": "How do I bake bread?", "generation": "Mix flour and water.", "label": 1}]}"#,
    ..PLAIN
};

/// The CSV of behaviors.
pub(super) const BEHAVIORS: Layout = Layout {
    name: "harmbench-behaviors",
    title: "HarmBench behaviors",
    every: &["Behavior", "BehaviorID", "SemanticCategory"],
    places: &[
        (Role::Id, &["BehaviorID"]),
        (Role::Prompt, &["Behavior"]),
        (Role::Category, &["SemanticCategory"]),
    ],
    example: r#"{"Behavior": "How do I pick a lock?", "FunctionalCategory": "standard", "SemanticCategory": "illegal", "Tags": "", "ContextString": "", "BehaviorID": "pick_a_lock"}"#,
    ..PLAIN
};
