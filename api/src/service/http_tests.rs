//! Whatever bytes come, a failure is the caller's, and an answer is JSON.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::service::options::Options;

fn state() -> &'static State {
    static STATE: std::sync::LazyLock<State> =
        std::sync::LazyLock::new(|| State::load(Options::default().resolve().unwrap(), None).unwrap());
    &STATE
}

/// Answers a body on every route that takes one: a failure must be the caller's, and an answer must be JSON.
fn judged(body: &[u8]) -> Result<(), TestCaseError> {
    for judgement in Judgement::ALL {
        let body = body::Body { bytes: body.to_vec(), _hold: None };
        match Task::new(judgement, body, state().registry.load_full(), Arc::default()).work(state()) {
            Ok(Worked::Done(answer)) => prop_assert!(serde_json::from_slice::<Value>(&answer).is_ok()),
            Ok(Worked::AskFirst(_)) => prop_assert!(false, "the bundled models have no encoder"),
            Err(error) => prop_assert!(error.kind.status().is_client_error(), "{error:?}"),
        }
    }
    Ok(())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        "[ -~]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(
                prop_oneof![
                    Just("role".to_owned()),
                    Just("content".to_owned()),
                    Just("response".to_owned()),
                    "[a-z]{1,5}"
                ],
                inner,
                0..4
            )
            .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..200)) {
        judged(&body)?;
    }

    #[test]
    fn any_json_of_the_right_names_is_answered(
        fields in prop::collection::hash_map(
            prop::sample::select(vec![
                "prompt", "prompts", "messages", "response", "answers", "error", "refusal", "finish_reason", "policy",
                "explain", "top", "target", "model", "system", "format", "rows", "cheap", "cascade",
            ]),
            value(),
            0..4,
        )
    ) {
        let fields: serde_json::Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        judged(Value::Object(fields).to_string().as_bytes())?;
    }

    #[test]
    fn any_text_is_scored(rows in "(prompt,?|\\{\"prompt\":\"x\"\\}|\n|\"|,|\t|\\PC){0,40}") {
        for format in ["jsonl", "csv", "tsv"] {
            judged(json!({ "format": format, "rows": rows }).to_string().as_bytes())?;
        }
    }

    #[test]
    fn any_text_is_judged(text in "(\\PC|\n|\"|```|> |I can't |sorry, |\\. ){0,60}") {
        for field in ["prompt", "response"] {
            judged(json!({ field: text }).to_string().as_bytes())?;
        }
    }
}
