//! For any input bytes, a failure is the caller's fault, and an answer is JSON.

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::service::TierArg;
use crate::service::options::Options;

fn state() -> &'static Data<State> {
    static STATE: LazyLock<Data<State>> = LazyLock::new(|| {
        let options = Options { tier: Some(TierArg::Ngram), ..Options::default() };
        Data::new(State::load(options.resolve().unwrap(), None, String::new()).unwrap())
    });
    &STATE
}

/// Answers a body on every route that takes one: a failure must be the caller's, and an answer must be JSON.
fn answered_well(body: &[u8]) -> Result<(), TestCaseError> {
    for endpoint in Endpoint::all() {
        let body = body::Body { bytes: body.to_vec(), _hold: None };
        let asker = Asker { caller: Caller::Unknown, connection: None, id: None };
        let job = Job::new(state().clone(), asker, Arc::default());
        let work = pin!(endpoint.answer(body, Called::default(), job));
        match work.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(reply)) => prop_assert!(serde_json::from_slice::<Value>(&reply.json).is_ok()),
            Poll::Ready(Err(error)) => prop_assert!(error.kind.status().is_client_error(), "{error:?}"),
            Poll::Pending => prop_assert!(false, "n-grams are not waited for"),
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
        answered_well(&body)?;
    }

    #[test]
    fn any_json_of_the_right_names_is_answered(
        fields in prop::collection::hash_map(
            prop::sample::select(vec![
                "prompt", "prompts", "messages", "response", "answers", "error", "refusal", "finish_reason", "policy",
                "explain", "top", "target", "model", "system", "format", "rows", "cheap", "cascade", "texts", "input", "candidates", "value",
                "inputs", "instances", "contents", "request", "params", "structured_messages", "dataframe_records",
            ]),
            value(),
            0..4,
        )
    ) {
        let fields: serde_json::Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        answered_well(Value::Object(fields).to_string().as_bytes())?;
    }

    #[test]
    fn any_text_is_scored(rows in "(prompt,?|\\{\"prompt\":\"x\"\\}|\n|\"|,|\t|\\PC){0,40}") {
        for format in ["jsonl", "csv", "tsv"] {
            answered_well(json!({ "format": format, "rows": rows }).to_string().as_bytes())?;
        }
    }

    #[test]
    fn any_text_is_answered(text in "(\\PC|\n|\"|```|> |I can't |sorry, |\\. ){0,60}") {
        for field in ["prompt", "response"] {
            answered_well(json!({ field: text }).to_string().as_bytes())?;
        }
    }
}
