//! A target that fails in every way: no failure is a refusal, none is lost, none is asked for ever.

use std::time::{Duration, Instant};

use serde_json::json;

use super::target::{Asked, Target, answer, completion, error, says};
use super::{Bench, Reply};

/// Fails the first time, each prompt in its own way, and answers the second time.
fn misbehaves(asked: &Asked) -> Reply {
    let number: usize = asked
        .prompt
        .split(|c: char| !c.is_ascii_digit())
        .rfind(|part| !part.is_empty())
        .unwrap()
        .parse()
        .unwrap();
    let good = || says(&answer(&asked.prompt));
    if asked.time > 1 {
        return good();
    }
    match number % 12 {
        0 => error(429, "", "rate_limit_exceeded"),
        1 => error(429, "retry-after: 0.05\r\n", "rate_limit_exceeded"),
        2 => error(500, "", "internal"),
        3 => {
            Reply::Says(503, "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "<html>busy</html>".to_owned())
        }
        4 => Reply::BreaksOff(completion(&answer(&asked.prompt)).to_string()),
        5 => Reply::Drops,
        6 => Reply::Says(200, "", "{\"choices\": [{\"message\"".to_owned()),
        7 => Reply::Says(200, "", json!({"id": "x", "model": "m", "choices": []}).to_string()),
        8 => Reply::After(Duration::from_millis(1_500), Box::new(good())),
        9 => error(200, "", "server_error"),
        10 => Reply::Says(502, "", String::new()),
        _ => good(),
    }
}

#[test]
fn what_fails_once_is_asked_again_and_the_answers_are_those_of_a_good_target() {
    let bench = Bench::with_prompts(48);
    let (bad, good) = (Target::start(misbehaves), Target::obliging());
    let run = bench.ask(&bad, "--timeout 1 --export bad.jsonl").succeeds();
    run.says("48 of 48 answers, 48 of them new, by 92 requests; 12 of 48 refused");
    let well = Bench::with_prompts(48);
    well.ask(&good, "--export good.jsonl").succeeds();
    assert_eq!(bench.dir.text("bad.jsonl"), well.dir.text("good.jsonl"));
    let asked = bad.asked();
    assert_eq!(asked.len(), 48, "nothing else was asked");
    assert_eq!(asked.values().sum::<usize>(), 92, "all but every twelfth twice");
}

#[test]
fn what_always_fails_is_given_up_kept_apart_and_asked_again_by_the_next_run() {
    let bench = Bench::with_prompts(8);
    let target = Target::start(|asked| match asked.prompt.as_str() {
        prompt if prompt.contains("number 3") => error(500, "", "internal"),
        prompt if prompt.contains("number 5") => error(400, "", "context_length_exceeded"),
        prompt => says(&answer(prompt)),
    });
    let run = bench.ask(&target, "--retries 2").succeeds();
    run.says("6 of 8 answers, 6 of them new, by 10 requests; 2 of 6 refused");
    run.says("2 prompts were given up");
    let asked = target.asked();
    assert_eq!(asked["How do I bake bread, number 3?"], 3, "two tries again");
    assert_eq!(asked["How do I bake bread, number 5?"], 1, "it would be refused again");
    assert_eq!(bench.exported().len(), 6);
    bench.ask(&target, "--retries 0").succeeds().says("6 of 8 answers, 0 of them new, by 2 requests");
    assert_eq!(target.asked()["How do I bake bread, number 3?"], 4);
}

#[test]
fn a_target_that_only_fails_is_left_alone_soon() {
    let bench = Bench::with_prompts(200);
    for (status, code, said, most) in [
        (401, "invalid_api_key", "lets nobody in", 8),
        (404, "model_not_found", "no such address or model", 8),
        (429, "insufficient_quota", "nothing left to pay with", 8),
        (400, "invalid_request", "does not accept the request: It is about invalid_request.", 30),
        (500, "internal", "the endpoint fails", 60),
    ] {
        let target = Target::start(move |_| error(status, "", code));
        let run = bench.ask(&target, "--retries 1").run();
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        run.says(said);
        assert!(target.requests() <= most, "{code}: {}", target.requests());
    }
    let run = bench.collect("prompts.jsonl --endpoint http://127.0.0.1:1 --model m --retries 0").run();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    run.says("the endpoint is not reached");
    assert_eq!(bench.exported().len(), 0);
}

#[test]
fn a_wait_that_the_endpoint_asks_for_holds_for_all() {
    let bench = Bench::with_prompts(12);
    let target = Target::start(|asked| match asked.time {
        1 if asked.prompt.contains("number 0") => error(429, "retry-after: 2\r\n", "rate_limit_exceeded"),
        _ => says(&answer(&asked.prompt)),
    });
    let started = Instant::now();
    bench.ask(&target, "--concurrency 1").succeeds().says("12 of 12 answers");
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(target.requests(), 13);
    let bench = Bench::with_prompts(12);
    let tomorrow = Target::start(|_| error(429, "retry-after: 86400\r\n", "rate_limit_exceeded"));
    let run = bench.ask(&tomorrow, "").run();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    run.says("the endpoint asks to come again in 1440 minutes");
}
