//! The table of signs: that it is valid, and how its values are looked up.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::json;

use crate::answer::signs::*;

fn tables() -> Tables<'static> {
    static NONE: LazyLock<SignTable> = LazyLock::new(SignTable::default);
    Tables::with(&NONE)
}

#[test]
fn the_table_is_valid_and_says_where_each_rule_is_from() {
    let rules = rules(include_str!("signs.toml")).unwrap();
    for rule in &rules {
        assert!(!rule.source.is_empty() && !rule.provider.is_empty(), "{rule:?}");
    }
    for provider in [
        "OpenAI chat",
        "OpenAI responses",
        "Azure",
        "Anthropic",
        "Gemini",
        "Vertex",
        "Bedrock",
        "Mistral",
        "Cohere",
        "OpenRouter",
        "LiteLLM",
        "vLLM",
        "Ollama",
    ] {
        assert!(rules.iter().any(|rule| rule.provider.contains(provider)), "{provider}");
    }
    assert!(SignTable::try_from(rules).is_ok());
}

#[test]
fn no_value_of_a_field_has_two_meanings() {
    let mut seen: HashMap<(String, String), Meaning> = HashMap::new();
    for rule in rules(include_str!("signs.toml")).unwrap() {
        for (name, value) in
            rule.field.iter().flat_map(|name| rule.values.iter().map(move |value| (name, value)))
        {
            let before = seen.insert((fold_name(name), fold_value(value)), rule.means);
            assert!(before.is_none_or(|means| means == rule.means), "{name} {value}");
        }
    }
}

#[test]
fn finish_reasons_are_known_in_every_spelling() {
    for refused in [
        "content_filter",
        "contentFilter",
        "CONTENT-FILTER",
        "SAFETY",
        "FinishReason.SAFETY",
        "FINISH_REASON_SAFETY",
        "<FinishReason.SAFETY: 3>",
        "3",
        "refusal",
        "guardrail_intervened",
        "ERROR_TOXIC",
        "blocklist",
    ] {
        assert_eq!(tables().reason(refused).unwrap().means, Meaning::Refused, "{refused}");
    }
    for none in ["length", "MAX_TOKENS", "FinishReason.MAX_TOKENS", "cancelled", "model_length", "pause_turn"]
    {
        assert_eq!(tables().reason(none).unwrap().means, Meaning::NoAnswer, "{none}");
    }
    for complied in ["tool_calls", "tool_use", "TOOL_CALL", "function_call", "tool-calls"] {
        assert_eq!(tables().reason(complied).unwrap().means, Meaning::Complied, "{complied}");
    }
    assert_eq!(tables().reason("stop").unwrap().means, Meaning::Nothing);
    assert_eq!(tables().reason("something new"), None);
}

#[test]
fn an_operators_rules_go_first_and_add_to_the_table() {
    let own = "[[sign]]\nfield = [\"finish_reason\"]\nvalues = [\"recitation\"]\nmeans = \"nothing\"\n\
               [[sign]]\nfield = [\"verdict\"]\nvalues = [\"DENY\"]\nmeans = \"refused\"\n";
    let own = SignTable::try_from(rules(own).unwrap()).unwrap();
    let tables = Tables::with(&own);
    assert_eq!(tables.reason("RECITATION").unwrap().means, Meaning::Nothing);
    assert_eq!(tables.reason("SAFETY").unwrap().means, Meaning::Refused);
    assert_eq!(tables.value("", "verdict", &json!("deny")).unwrap().means, Meaning::Refused);
}

#[test]
fn a_rule_that_says_nothing_is_refused() {
    for (rule, reason) in [
        ("field = []\nvalues = [\"a\"]", "`field` is empty"),
        ("field = [\"code\"]", "give `values`, `holds` or `begins`"),
        ("field = [\"code\"]\nholds = [[\"a\"]]", "`holds` is for `message`"),
        ("field = [\"message\"]\nvalues = [\"a\"]", "a `message` takes `holds`"),
    ] {
        let rule = rules(&format!("[[sign]]\n{rule}\nmeans = \"refused\"\n")).unwrap();
        let found = SignTable::try_from(rule).unwrap_err();
        assert!(found.starts_with("sign 1") && found.contains(reason), "{found}");
    }
}
