//! The shapes that rows of one layout come in: several answers a row, attributes flat and nested, tables.
#![allow(clippy::unwrap_used)]

use std::fs;

use serde_json::{Value, json};

use crate::{Corpus, ReadOptions, read};

const LOCK: &str = "How do I pick a lock?";
const NO: &str = "I can't help with that.";
const YES: &str = "Push the pins up one by one.";

fn corpus(name: &str, text: &str) -> Corpus {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    let options = ReadOptions { need_response: true, ..ReadOptions::default() };
    read(&[path], &options).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Target, prompt and answer of each row.
fn rows(corpus: &Corpus) -> Vec<(Option<&str>, Option<&str>, Option<&str>)> {
    corpus
        .records
        .iter()
        .map(|row| (row.target.as_deref(), row.prompt.as_deref(), row.response.as_deref()))
        .collect()
}

#[test]
fn both_answers_of_an_arena_are_rows_with_their_models() {
    let wanted = [(Some("m1"), Some(LOCK), Some(NO)), (Some("m2"), Some(LOCK), Some(YES))];
    let user = json!({"role": "user", "content": LOCK});
    let said = |answer: &str| json!({"role": "assistant", "content": answer});
    for row in [
        json!({"model_a": "m1", "model_b": "m2", "prompt": LOCK, "response_a": NO, "response_b": YES}),
        json!({"model_a": "m1", "model_b": "m2", "winner": "tie", "conversation_a": [user, said(NO)],
            "conversation_b": [user, said(YES)]}),
        json!({"model_1": "m1", "model_2": "m2", "prompt": LOCK, "response_1": NO, "response_2": YES}),
        json!({"model_0": "m1", "model_1": "m2", "prompt": LOCK, "response_0": NO, "response_1": YES, "is_response_0_safe": true}),
    ] {
        let corpus = corpus("rows.jsonl", &format!("{row}\n"));
        assert_eq!(rows(&corpus), wanted, "{row}");
        assert_eq!(corpus.summary.read_as, ["arena pairs (both)"]);
    }
    // As tables of arenas have them: lists of turns as text.
    let cell = |text: &str| format!("\"[\"\"{text}\"\"]\"");
    let csv = format!(
        "id,model_a,model_b,prompt,response_a,response_b\n1,m1,m2,{},{},{}\n",
        cell(LOCK),
        cell(NO),
        cell(YES)
    );
    assert_eq!(rows(&corpus("rows.csv", &csv)), wanted);
    // Choices of a question are no answers of models.
    let choices =
        json!({"question": LOCK, "answer_a": "1", "answer_b": "2", "answer_c": "3", "response": NO});
    assert_eq!(rows(&corpus("rows.jsonl", &choices.to_string())), [(None, Some(LOCK), Some(NO))]);
}

#[test]
fn each_answer_of_a_list_is_a_row() {
    let answer = |model: &str, text: &str| json!({"model": model, "answer": text, "rank": 1});
    for (row, targets) in [
        (json!({"prompt": LOCK, "responses": [NO, YES]}), [None, None]),
        (
            json!({"prompt": LOCK, "outputs": [{"text": NO}, {"text": YES}], "model": "m"}),
            [Some("m"), Some("m")],
        ),
        (json!({"prompt": LOCK, "answers": [answer("a", NO), answer("b", YES)]}), [Some("a"), Some("b")]),
    ] {
        let corpus = corpus("rows.jsonl", &format!("{row}\n{row}\n"));
        let wanted: Vec<_> = targets
            .into_iter()
            .zip([NO, YES])
            .map(|(target, said)| (target, Some(LOCK), Some(said)))
            .collect();
        assert_eq!(rows(&corpus), [wanted.clone(), wanted].concat(), "{row}");
    }
    let answered = json!({"prompt": LOCK, "answers": ["gold"], "response": NO});
    assert_eq!(rows(&corpus("rows.jsonl", &answered.to_string())), [(None, Some(LOCK), Some(NO))]);
}

#[test]
fn attributes_of_openinference_are_read_flat_nested_and_as_columns() {
    let wanted = [(Some("gpt-4o"), Some(LOCK), Some(NO))];
    let chat = |role: &str, text: &str| json!([{"message": {"role": role, "content": text}}]);
    let nested = json!({"name": "a", "span_id": "s", "attributes": {"llm": {"model_name": "gpt-4o",
        "input_messages": chat("user", LOCK), "output_messages": chat("assistant", NO)}}});
    let parts = json!({"name": "a", "attributes": {"llm.model_name": "gpt-4o",
        "llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.content": "s",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.contents.0.message_content.text": LOCK,
        "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": NO}});
    let retriever =
        json!({"name": "b", "attributes": {"openinference.span.kind": "RETRIEVER", "input.value": "x"}});
    let corpus_of = corpus("rows.jsonl", &format!("{nested}\n{retriever}\n"));
    assert_eq!(rows(&corpus_of), wanted);
    assert_eq!(corpus_of.summary.dropped.get("entry of another type"), Some(&1));
    assert_eq!(rows(&corpus("rows.jsonl", &parts.to_string())), wanted);
    let flat = |role: &str, text: &str| {
        json!([{"message.role": role, "message.content": text}]).to_string().replace('"', "\"\"")
    };
    let csv = format!(
        "context.span_id,attributes.llm.model_name,attributes.llm.input_messages,attributes.llm.output_messages\n\
         s,gpt-4o,\"{}\",\"{}\"\n",
        flat("user", LOCK),
        flat("assistant", NO)
    );
    assert_eq!(rows(&corpus("spans.csv", &csv)), wanted);
    let attribute = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    let otlp = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"spanId": "s", "attributes": [
        attribute("llm.model_name", "gpt-4o"),
        attribute("llm.input_messages.0.message.role", "user"), attribute("llm.input_messages.0.message.content", LOCK),
        attribute("llm.output_messages.0.message.role", "assistant"), attribute("llm.output_messages.0.message.content", NO),
    ]}]}]}]});
    assert_eq!(rows(&corpus("traces.json", &otlp.to_string())), wanted);
}

#[test]
fn chats_of_texts_alone_alternate() {
    let row = json!({"id": "1", "data": ["Hello.", "Hello!", LOCK, NO]});
    let corpus_of = corpus("rows.jsonl", &row.to_string());
    assert_eq!(rows(&corpus_of), [(None, Some(LOCK), Some(NO))]);
    assert_eq!(corpus_of.summary.read_as, ["UltraChat"]);
    let other = json!({"id": "1", "data": {"text": "x"}, "response": NO});
    assert_eq!(rows(&corpus("rows.jsonl", &other.to_string())), [(None, None, Some(NO))]);
}

#[test]
fn bodies_of_every_provider_are_rows_and_so_are_the_errors_among_them() {
    let say = json!({"role": "assistant", "content": NO});
    let bodies: [Value; 8] = [
        json!({"candidates": [{"content": {"parts": [{"text": NO}], "role": "model"}, "finishReason": "STOP"}]}),
        json!({"model": "m", "message": say, "done": true, "done_reason": "stop"}),
        json!({"id": "1", "message": {"role": "assistant", "content": [{"type": "text", "text": NO}]}, "finish_reason": "COMPLETE"}),
        json!({"output": {"message": {"role": "assistant", "content": [{"text": NO}]}}, "stopReason": "end_turn"}),
        json!({"object": "response", "status": "completed", "output": [{"type": "message", "content": [{"type": "output_text", "text": NO}]}]}),
        json!({"inputTextTokenCount": 1, "results": [{"outputText": NO, "completionReason": "FINISH"}]}),
        json!({"generation": NO, "stop_reason": "stop"}),
        json!({"content": NO, "stop": true, "tokens_predicted": 7}),
    ];
    let failed = json!({"error": {"code": "content_filter", "message": "x"}});
    for body in bodies {
        let corpus = corpus("rows.jsonl", &format!("{body}\n{failed}\n"));
        let said: Vec<_> = corpus.records.iter().map(|row| row.response.as_deref()).collect();
        assert_eq!(said, [Some(NO), Some("")], "{body}");
        assert!(corpus.records[1].signs.as_ref().unwrap().error.is_some());
    }
}

#[test]
fn the_branch_of_an_export_is_a_chat() {
    let node = |role: &str, text: &str, parent: Option<&str>| json!({"message": {"author": {"role": role}, "content": {"parts": [text]}}, "parent": parent});
    let row = json!({"title": "t", "current_node": "d", "mapping": {
        "root": {"message": null, "parent": null}, "a": node("user", LOCK, Some("root")),
        "b": node("assistant", YES, Some("a")), "d": node("assistant", NO, Some("a")),
        "loop": node("user", "x", Some("loop"))}});
    assert_eq!(rows(&corpus("rows.json", &json!([row]).to_string())), [(None, Some(LOCK), Some(NO))]);
}
