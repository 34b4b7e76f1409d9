//! `demur proxy --feedback-store`: each exchange whose answer was judged is kept beside what was predicted,
//! and no traffic waits for it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::Server;
use crate::support::Dir;
use crate::upstream::{CHAT, HELD, Reading, Upstream, chat, completion, piece};

const REFUSAL: &str = "I'm sorry, but I can't assist with that request.";
const ANSWER: &str = "The capital of France is Paris. It lies on the Seine.";
const QUESTION: &str = "What is the capital of France?";
const JSON_OK: &str = "200 OK\r\ncontent-type: application/json";
const STORE: &str = "--feedback-store feedback.db --tier ngram";

/// A whole exchange; returns the P(refusal) that was predicted.
fn exchange(upstream: &Upstream, proxy: &Server, (prompt, answer): (&str, &str)) -> f64 {
    upstream.answers(JSON_OK, &completion(answer));
    let reply = proxy.post(CHAT, chat(prompt));
    upstream.asked();
    assert_eq!((reply.status, reply.text()), (200, completion(answer)));
    reply.headers["x-demur-p-refusal"].parse().unwrap()
}

fn count(dir: &Dir, table: &str) -> i64 {
    let store = rusqlite::Connection::open(dir.path("feedback.db")).unwrap();
    store.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// The entries: target, label, P(refusal), who labelled, who predicted.
fn entries(dir: &Dir) -> Vec<(String, String, f64, String, String)> {
    let store = rusqlite::Connection::open(dir.path("feedback.db")).unwrap();
    let select = "SELECT target, label, p_refusal, labelled_by, predicted_by FROM feedback ORDER BY id";
    let mut found = store.prepare(select).unwrap();
    let rows =
        found.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_judged_exchange_is_kept_without_its_texts() {
    let (dir, upstream) = (Dir::new(), Upstream::start());
    let proxy = Server::of_command(upstream.command(&dir, STORE));
    let held = exchange(&upstream, &proxy, (HELD, REFUSAL));
    exchange(&upstream, &proxy, (QUESTION, ANSWER));
    // A stream is judged when it has ended, and comes unbuffered.
    let mut reading = Reading::of(&proxy, CHAT, &chat(QUESTION).replace("gpt-4o-mini", "my-own"));
    upstream.asked();
    upstream.begins();
    for part in [ANSWER, " Anything else?"] {
        upstream.event(&piece(part));
        reading.until(&piece(part));
    }
    upstream.ends();
    reading.rest();
    // What is no answer, and what breaks off, is not kept.
    upstream.answers("500 Internal Server Error", "no");
    assert_eq!(proxy.post(CHAT, chat(QUESTION)).status, 500);
    let begun = Instant::now();
    while !proxy.get("/metrics").text().contains("demur_feedback_judged{target=\"my-own\"} 1") {
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
    let log = proxy.stop();
    let found = entries(&dir);
    let shown: Vec<_> = found.iter().map(|(target, label, ..)| (target.as_str(), label.as_str())).collect();
    assert_eq!(shown, [("gpt-4o-mini", "refused"), ("gpt-4o-mini", "complied"), ("my-own", "complied")]);
    assert!((found[0].2 - held).abs() < 1e-4, "{found:?}");
    assert!(
        found.iter().all(|(.., by, of)| by.starts_with("demur:bundled-response@")
            && of.starts_with("demur:bundled-prompt@"))
    );
    assert_eq!(["prompts", "answers", "labels"].map(|table| count(&dir, table)), [0; 3]);
    assert!(
        !log.contains("France") && !String::from_utf8_lossy(&dir.bytes("feedback.db")).contains("France")
    );
    let drift = dir.demur("drift --store feedback.db --json").succeeds().json();
    assert_eq!(
        (&drift["targets"][0]["target"], &drift["targets"][0]["all"]["judged"]),
        (&json!("gpt-4o-mini"), &json!(2))
    );
}

#[test]
fn texts_are_kept_where_the_operator_says_so() {
    let (dir, upstream) = (Dir::new(), Upstream::start());
    let proxy = Server::of_command(upstream.command(&dir, &format!("{STORE} --store-texts --max-chars 40")));
    exchange(&upstream, &proxy, (QUESTION, ANSWER));
    proxy.stop();
    dir.demur("collect --store feedback.db --export out.jsonl").succeeds();
    let row = &dir.rows("out.jsonl")[0];
    // As much of the answer as was judged.
    assert_eq!(
        (&row["prompt"], &row["response"], &row["model"]),
        (&json!(QUESTION), &json!(ANSWER[..40]), &json!("gpt-4o-mini"))
    );
    let store = rusqlite::Connection::open(dir.path("feedback.db")).unwrap();
    let label: (String, String) = store
        .query_row("SELECT label, labelled_by FROM labels", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert!(label.0 == "complied" && label.1.starts_with("demur:bundled-response@"), "{label:?}");
    upstream.command(&dir, "--store-texts").fails(2, &["--store-texts", "--feedback-store"]);
}

#[test]
fn the_answer_of_another_model_is_that_models() {
    let (dir, upstream, other) = (Dir::new(), Upstream::start(), Upstream::start());
    dir.write(
        "policy.toml",
        "mode = 'enforce'\n[prompts]\naction = 'reroute'\nhold-from = 0.4\n[answers]\naction = 'fallback'\n\
         [route]\ncandidates = [{ target = 'spare' }]\n[targets.spare.prompts]\nhold-from = 1.0\n",
    );
    let flags = format!("{STORE} --policy policy.toml --fallback other=http://{},small", other.address);
    let proxy = Server::of_command(upstream.command(&dir, &flags));
    upstream.answers(JSON_OK, &completion(REFUSAL));
    other.answers(JSON_OK, &completion(ANSWER));
    let reply = proxy.post(CHAT, chat(HELD));
    assert_eq!((reply.status, reply.headers["x-demur-fallback"].as_str()), (200, "other"));
    assert!(upstream.asked().contains("spare"));
    proxy.stop();
    let found = entries(&dir);
    let shown: Vec<_> = found.iter().map(|(target, label, ..)| (target.as_str(), label.as_str())).collect();
    assert_eq!(shown, [("spare", "refused")], "the fallback's answer is none that was predicted");
}

#[test]
fn what_is_no_name_of_a_target_stands_under_the_predictors_own() {
    let (dir, upstream) = (Dir::new(), Upstream::start());
    let proxy = Server::of_command(upstream.command(&dir, STORE));
    for name in ["a\\u001b[2Jb", "a\\nb", &"a".repeat(201)] {
        upstream.answers(JSON_OK, &completion(ANSWER));
        assert_eq!(proxy.post(CHAT, chat(QUESTION).replace("gpt-4o-mini", name)).status, 200);
        upstream.asked();
    }
    proxy.stop();
    assert!(entries(&dir).iter().all(|(target, ..)| target == "prompt"));
    assert_eq!(count(&dir, "feedback"), 3);
}

#[test]
fn a_store_that_somebody_else_locks_keeps_no_traffic_waiting() {
    let (dir, upstream) = (Dir::new(), Upstream::start());
    let proxy = Server::of_command(upstream.command(&dir, &format!("{STORE} --workers 1")));
    exchange(&upstream, &proxy, (QUESTION, ANSWER));
    let other = rusqlite::Connection::open(dir.path("feedback.db")).unwrap();
    other.busy_timeout(Duration::from_secs(10)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    for _ in 0..20 {
        exchange(&upstream, &proxy, (QUESTION, ANSWER));
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "traffic waited for the store");
    other.execute_batch("COMMIT").unwrap();
    // What waits is written before the process ends.
    proxy.stop();
    assert_eq!(count(&dir, "feedback"), 21);
}

#[test]
fn a_store_that_fails_is_counted_and_fails_no_traffic() {
    let (dir, upstream) = (Dir::new(), Upstream::start());
    let proxy = Server::of_command(upstream.command(&dir, STORE));
    let store = rusqlite::Connection::open(dir.path("feedback.db")).unwrap();
    store.execute_batch("DROP TABLE feedback").unwrap();
    exchange(&upstream, &proxy, (QUESTION, ANSWER));
    let begun = Instant::now();
    while !proxy.get("/metrics").text().contains("demur_feedback_unwritten_total{reason=\"failed\"} 1") {
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(proxy.stop().contains("feedback cannot be written"));
}
