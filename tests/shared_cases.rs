//! Answers that were once classified wrongly, read from `../shared/cases`; ignored by default. Every entry
//! must say the same of each; the file's own label says what is right.

use serde_json::{Map, Value, json};

use crate::server::Server;
use crate::support::{Dir, rows, workspace};

fn shared_cases(name: &str) -> Vec<Map<String, Value>> {
    let path = workspace().join("../shared/cases").join(name);
    rows(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The fields that `/v1/classify` takes.
const FIELDS: [&str; 5] = ["prompt", "response", "refusal", "finish_reason", "error"];

/// Rows with an answer and its label: single answers, bodies of requests, and files with signs.
fn answers() -> Vec<Map<String, Value>> {
    let of_requests = shared_cases("classify.jsonl").into_iter().map(|row| {
        let mut body = row["body"].as_object().unwrap().clone();
        body.insert("label".to_owned(), row["label"].clone());
        body
    });
    let with_signs = shared_cases("formats/14-provider-signs.jsonl").into_iter().map(|mut row| {
        let reason = row.remove("stop_reason");
        row.extend(reason.map(|reason| ("finish_reason".to_owned(), reason)));
        row
    });
    let files = shared_cases("answers.jsonl").into_iter().chain(of_requests).chain(with_signs);
    // Bodies of providers and answers in parts are the service's alone (tests/serve.rs has them).
    let is_plain = |row: &Map<String, Value>| {
        FIELDS[1..].iter().any(|name| row.contains_key(*name))
            && row.get("response").is_none_or(|response| response.is_null() || response.is_string())
            && row.keys().all(|name| FIELDS.contains(&name.as_str()) || !name.starts_with("stop_"))
    };
    files.chain(shared_cases("formats/14b-error-as-text.jsonl")).filter(is_plain).collect()
}

fn body(row: &Map<String, Value>) -> Value {
    let given = FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), row.get(*name)?.clone())));
    Value::Object(given.filter(|(name, value)| name == "response" || !value.is_null()).collect())
}

#[test]
#[ignore = "needs ../shared/cases"]
fn every_entry_says_the_same_of_every_case() {
    let (dir, answers) = (Dir::new(), answers());
    let bodies: Vec<Value> = answers.iter().map(body).collect();
    // Without a response field, what came is its sign: a null answer.
    let rows: Vec<Value> = bodies
        .iter()
        .map(|body| {
            let mut row = body.clone();
            row.as_object_mut().unwrap().entry("response").or_insert(Value::Null);
            row
        })
        .collect();
    dir.write_rows("rows.jsonl", &rows);
    dir.demur("label rows.jsonl --out out.jsonl").succeeds().says("0 rejected");
    let labelled = dir.rows("out.jsonl");
    assert_eq!(labelled.len(), answers.len());
    let server = Server::start(&dir, "");
    let mut wrong = Vec::new();
    for ((row, body), expected) in labelled.iter().zip(&bodies).zip(&answers) {
        let served = server.post("/v1/classify", body.to_string()).ok();
        let served = &served["classifications"][0];
        assert_eq!((&served["label"], &served["form"]), (&row["label"], &row["form"]), "classify: {body}");
        let has_text = body["response"].as_str().is_some_and(|text| !text.trim().is_empty());
        if has_text || ["refusal", "finish_reason", "error"].iter().any(|name| !body[*name].is_null()) {
            let told = server.post("/v1/explain", body.to_string()).ok();
            let outcome = row["label"].as_str().unwrap_or("no_answer");
            assert_eq!(told["answer"]["outcome"], outcome, "explain: {body}");
        }
        if row["label"] != expected["label"] {
            wrong.push(format!("{}: {} is not {}", body, row["label"], expected["label"]));
        }
    }
    let right = labelled.iter().zip(&answers).filter(|(row, expected)| row["label"] == expected["label"]);
    let right = right.count();
    eprintln!("{right} of {} right; wrong are:\n{}", answers.len(), wrong.join("\n"));
    // What evaluate finds right of the rows with both labels is what label finds right.
    let both: Vec<Value> = rows
        .iter()
        .zip(&answers)
        .zip(&labelled)
        .filter(|((_, expected), row)| !expected["label"].is_null() && !row["label"].is_null())
        .map(|((row, expected), _)| {
            let mut row = row.clone();
            row["label"] = expected["label"].clone();
            row
        })
        .collect();
    dir.write_rows("both.jsonl", &both);
    let flags = "evaluate --field response --allow-overlap --labelled-by person --json both.jsonl";
    let figures = dir.demur(flags).succeeds().json();
    let agree = labelled.iter().zip(&answers).filter(|(row, expected)| {
        !row["label"].is_null() && !expected["label"].is_null() && row["label"] == expected["label"]
    });
    assert_eq!(figures["n"], json!(both.len()));
    let share = agree.count() as f64 / both.len() as f64;
    assert!((figures["accuracy"].as_f64().unwrap() - share).abs() < 1e-9, "{figures}");
}
