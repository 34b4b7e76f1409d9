//! The queue before an encoder, as clients of the service meet it.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{DEPTH, PROMPTS, dir_rows, metric, number, prompts, send, until, with_models};
use crate::server::{Client, Server};

#[test]
fn a_full_queue_is_429_and_the_n_grams_do_not_wait_for_it() {
    let dir = with_models();
    let flags = "--model enc --model plain --encoder-queue 3 --encoder-max-wait 4000";
    let server = Server::start_tiered(&dir, flags);
    let first = send(&server, prompts(&PROMPTS[..2]));
    until(&server, DEPTH, 2.0);
    let refused = server.post("/v1/predict", prompts(&PROMPTS[..2]));
    refused.is_error(429, "overloaded", None, "wait for the encoder");
    assert_eq!(refused.headers["retry-after"], "1");
    let file = json!({"format": "csv", "rows": "prompt\na\nb\n", "model": "enc"}).to_string();
    server.post("/v1/score", file).is_error(429, "overloaded", None, "wait for the encoder");
    let started = Instant::now();
    let second = send(&server, prompts(&PROMPTS[..1]));
    thread::sleep(Duration::from_millis(50));
    for _ in 0..20 {
        server.post("/v1/predict", json!({"prompt": "a", "model": "plain"}).to_string()).ok();
        let cheap = json!({"prompt": "a", "model": "enc", "cascade": {"below": 0.5, "from": 0.5}});
        assert_eq!(server.post("/v1/predict", cheap.to_string()).ok()["predictions"][0]["tier"], "ngram");
        server.get("/health/ready").ok();
        server.get("/metrics");
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert!(metric(&server, "demur_requests_turned_away_total{reason=\"encoder_queue\"}").unwrap() >= 2.0);
    first.join().unwrap().ok();
    second.join().unwrap().ok();
    until(&server, DEPTH, 0.0);
}

#[test]
fn a_request_that_is_given_up_costs_no_batch() {
    let dir = with_models();
    let server = Server::start_tiered(&dir, "--model enc --request-timeout 0.3 --encoder-max-wait 1500");
    server.post("/v1/predict", prompts(&PROMPTS)).is_error(408, "request_timeout", None, "too long");
    until(&server, DEPTH, 0.0);
    let batches = "demur_encoder_batch_inputs_count{model=\"enc\"}";
    assert_eq!(metric(&server, batches), Some(0.0));
    drop(server);
    let server = Server::start_tiered(&dir, "--model enc --encoder-max-wait 1500");
    let mut client = Client::to(&server.address).unwrap();
    let body = prompts(&PROMPTS);
    let head = format!(
        "POST /v1/predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.write(head.as_bytes()).unwrap();
    client.write(body.as_bytes()).unwrap();
    until(&server, DEPTH, 4.0);
    drop(client);
    until(&server, DEPTH, 0.0);
    assert_eq!(metric(&server, batches), Some(0.0));
}

#[test]
fn a_reload_answers_what_waits_by_the_old_model() {
    let dir = with_models();
    let server = Server::start_tiered(&dir, "--model enc --encoder-max-wait 1000 --admin-bind 127.0.0.1:0");
    let waiting = send(&server, prompts(&PROMPTS[..2]));
    until(&server, DEPTH, 2.0);
    let manifest = dir.text("enc/manifest.json");
    let before = server.get("/v1/models/enc").ok()["digest"].clone();
    dir.write("enc/manifest.json", manifest.replace("\"seed\": 0", "\"seed\": 1"));
    let mut admin = Client::to(server.admin.as_ref().unwrap()).unwrap();
    admin.send("POST", "/admin/reload", &[], b"").unwrap().ok();
    let after = server.get("/v1/models/enc").ok()["digest"].clone();
    assert_ne!(before, after);
    assert_eq!(waiting.join().unwrap().ok()["model"]["digest"], before);
    assert_eq!(server.post("/v1/predict", prompts(&PROMPTS[..1])).ok()["model"]["digest"], after);
    dir.write("enc/encoder-vocab.txt", "spoilt");
    admin.send("POST", "/admin/reload", &[], b"").unwrap().is_error(
        422,
        "reload_failed",
        None,
        "encoder-vocab.txt",
    );
    assert_eq!(server.post("/v1/predict", prompts(&PROMPTS[..1])).ok()["model"]["digest"], after);
}

#[test]
fn an_end_answers_a_full_queue_first() {
    let dir = with_models();
    let server =
        Server::start_tiered(&dir, "--model enc --encoder-queue 8 --encoder-max-wait 800 --drain-delay 0.1");
    let waiting: Vec<_> = (0..4).map(|_| send(&server, prompts(&PROMPTS[..2]))).collect();
    until(&server, DEPTH, 8.0);
    server.post("/v1/predict", prompts(&PROMPTS[..1])).is_error(429, "overloaded", None, "encoder");
    server.signal("-TERM");
    for reply in waiting {
        assert_eq!(reply.join().unwrap().ok()["predictions"].as_array().unwrap().len(), 2);
    }
    let (status, log) = server.wait(Duration::from_secs(20));
    assert!(status.success() && log.contains("ended") && !log.contains(PROMPTS[0]), "{status} {log}");
}

/// What waits longer than an end may take is let go of: by a second signal at once, else when the time is
/// over.
#[test]
fn an_end_that_may_not_wait_does_not() {
    let dir = with_models();
    for (flags, signals) in [("--drain-timeout 1", 1), ("--drain-timeout 30", 2)] {
        let flags = format!("--model enc --encoder-max-wait 20000 --drain-delay 0 {flags}");
        let server = Server::start_tiered(&dir, &flags);
        let body = prompts(&PROMPTS);
        let mut client = Client::to(&server.address).unwrap();
        let head =
            "POST /v1/predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ";
        client.write(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
        until(&server, DEPTH, 4.0);
        let started = Instant::now();
        server.signal("-INT");
        thread::sleep(Duration::from_millis(300));
        if signals > 1 {
            server.signal("-INT");
        }
        let (status, log) = server.wait(Duration::from_secs(15));
        assert!(status.success(), "{status} {log}");
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}

#[test]
fn many_clients_share_batches_and_get_what_one_gets() {
    let dir = with_models();
    let server = Server::start_tiered(&dir, "--model enc --encoder-max-wait 20");
    let texts: Vec<String> = dir_rows().into_iter().take(64).collect();
    let alone: Vec<f64> = texts
        .iter()
        .map(|text| number(&server.post("/v1/predict", prompts(&[text])).ok()["predictions"][0]["p_refusal"]))
        .collect();
    let before = metric(&server, "demur_encoder_batch_inputs_count{model=\"enc\"}").unwrap();
    let together: Vec<_> = texts.iter().map(|text| send(&server, prompts(&[text]))).collect();
    for (reply, alone) in together.into_iter().zip(alone) {
        let p = number(&reply.join().unwrap().ok()["predictions"][0]["p_refusal"]);
        assert!((p - alone).abs() < 1e-5, "{p} {alone}");
    }
    let batches = metric(&server, "demur_encoder_batch_inputs_count{model=\"enc\"}").unwrap() - before;
    assert!(batches < 64.0, "{batches} batches for 64 requests");
}
