//! `demur proxy` and the answers: counted in observe, and in enforce a refusal goes to the fallback before
//! its first byte goes out.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::server::{JSON, Server};
use crate::support::Dir;
use crate::upstream::{CHAT, HELD, Reading, Upstream, chat, completion, piece, unchunked};

const REFUSAL: &str = "I'm sorry, but I can't assist with that request.";
const ANSWER: &str =
    "The capital of France is Paris. It lies on the Seine, and has about two million people.";

const JSON_OK: &str = "200 OK\r\ncontent-type: application/json";

/// An upstream, a fallback of it, and the proxy before both.
fn with_fallback(flags: &str) -> (Upstream, Upstream, Server) {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let dir = Dir::new();
    let flags = format!("--fallback other=http://{},spare --log debug --access-log {flags}", other.address);
    let command = upstream.command(&dir, &flags).env("DEMUR_FALLBACK_KEY_OTHER", "sk-other");
    (upstream, other, Server::of_command(command))
}

/// The lines of the metrics that begin so, once there is one that ends so.
fn counted(proxy: &Server, line: &str) {
    let begun = Instant::now();
    loop {
        let metrics = proxy.get("/metrics").text();
        if metrics.contains(line) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{line}: {metrics}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_held_prompt_goes_to_the_fallback_with_its_model_and_its_key() {
    let (upstream, other, proxy) = with_fallback("--mode enforce");
    other.answers(JSON_OK, &completion(ANSWER));
    let headers = [JSON, ("authorization", "Bearer sk-theirs"), ("x-api-key", "sk-theirs"), ("x-own", "1")];
    let reply = proxy.send("POST", &format!("{CHAT}?key=sk-theirs"), &headers, chat(HELD).as_bytes());
    assert_eq!((reply.status, reply.text()), (200, completion(ANSWER)));
    let header = |name: &str| reply.headers[name].as_str();
    assert_eq!((header("x-demur-fallback"), header("x-demur-model")), ("other", "spare"));
    assert_eq!((header("x-demur-decision"), header("x-demur-answer")), ("hold", "complied"));
    let asked = other.asked();
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, chat(HELD).replace("gpt-4o-mini", "spare"));
    assert!(
        head.contains("Bearer sk-other") && head.contains("x-own: 1") && !head.contains("sk-theirs"),
        "{head}"
    );
    assert!(upstream.asked.try_recv().is_err(), "a held prompt was sent");
    counted(&proxy, "demur_proxy_actions_total{action=\"fallback\",done=\"true\",of=\"prompt\"} 1");
    let log = proxy.stop();
    assert!(log.contains("answered") && !log.contains("bomb") && !log.contains("sk-"), "{log}");
}

#[test]
fn a_refused_answer_goes_to_the_fallback_and_comes_back_where_that_fails() {
    let (upstream, other, proxy) = with_fallback("--mode enforce");
    upstream.answers(JSON_OK, &completion(REFUSAL));
    other.answers(JSON_OK, &completion(ANSWER));
    let reply = proxy.post(CHAT, chat("What is the capital of France?"));
    assert_eq!((reply.text(), reply.headers["x-demur-answer"].as_str()), (completion(ANSWER), "complied"));
    assert!(upstream.asked().contains("gpt-4o-mini") && other.asked().contains("spare"));
    upstream.answers(JSON_OK, &completion(REFUSAL));
    other.answers("500 Internal Server Error", "broken");
    let reply = proxy.post(CHAT, chat("What is the capital of France?"));
    assert_eq!((reply.status, reply.text()), (200, completion(REFUSAL)));
    assert_eq!(reply.headers["x-demur-answer"], "refused");
    assert!(reply.headers["x-demur-answer-p-refusal"].parse::<f64>().unwrap() > 0.9);
    assert!(!reply.headers.contains_key("x-demur-fallback"));
    // A failure of the upstream is passed on, and the fallback is not asked.
    upstream.asked();
    other.asked();
    upstream.answers("503 Service Unavailable\r\ncontent-type: application/json", "{\"error\": \"no\"}");
    let reply = proxy.post(CHAT, chat("hello"));
    assert_eq!((reply.status, reply.text().as_str()), (503, "{\"error\": \"no\"}"));
    assert!(other.asked.try_recv().is_err() && !reply.headers.contains_key("x-demur-answer"));
    counted(&proxy, "demur_upstream_answers_total{answer=\"refused\"} 2");
    counted(&proxy, "demur_upstream_answers_total{answer=\"complied\"} 1");
    let log = proxy.stop();
    assert!(!log.contains("France") && !log.contains("sorry"), "{log}");
}

#[test]
fn in_observe_answers_are_counted_and_nothing_waits() {
    let (upstream, other, proxy) = with_fallback("");
    upstream.answers(JSON_OK, &completion(REFUSAL));
    let reply = proxy.post(CHAT, chat(HELD));
    assert_eq!((reply.text(), reply.headers["x-demur-answer"].as_str()), (completion(REFUSAL), "refused"));
    // As `gzip`, which a client may ask for, an answer is judged as well.
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(completion(ANSWER).as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let head =
        format!("HTTP/1.1 {JSON_OK}\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
    upstream.sends([head.as_bytes(), &packed].concat());
    upstream.sends("");
    let reply = proxy.send("POST", CHAT, &[JSON, ("accept-encoding", "br, gzip")], chat("hello").as_bytes());
    assert_eq!((&reply.body, reply.headers["x-demur-answer"].as_str()), (&packed, "complied"));
    upstream.asked();
    assert!(upstream.asked().contains("accept-encoding: gzip\r\n"));
    // A stream is judged from a copy when it has ended, each of its bytes passed on as it came.
    let mut reading = Reading::of(&proxy, CHAT, &chat("hello"));
    upstream.asked();
    upstream.begins();
    for word in ["I'm sorry, ", "but I can't assist", " with that request."] {
        upstream.event(&piece(word));
        reading.until(word);
    }
    upstream.ends();
    assert!(!reading.until("0\r\n\r\n").contains("x-demur-answer"));
    counted(&proxy, "demur_upstream_answers_total{answer=\"refused\"} 2");
    counted(&proxy, "demur_proxy_actions_total{action=\"fallback\",done=\"false\",of=\"answer\"} 2");
    counted(&proxy, "demur_proxy_actions_total{action=\"fallback\",done=\"false\",of=\"prompt\"} 1");
    assert!(other.asked.try_recv().is_err());
}

#[test]
fn a_stream_that_begins_as_a_refusal_is_replaced_before_its_first_byte() {
    let (upstream, other, proxy) = with_fallback("--mode enforce");
    for path in [CHAT, "/v1/responses", "/v1/messages"] {
        let said = |text: &str| match path {
            CHAT => piece(text),
            "/v1/responses" => {
                format!(
                    "event: x\ndata: {}\n\n",
                    json!({"type": "response.output_text.delta", "delta": text})
                )
            }
            _ => {
                let delta = json!({"type": "text_delta", "text": text});
                format!("event: x\ndata: {}\n\n", json!({"type": "content_block_delta", "delta": delta}))
            }
        };
        let mut reading = Reading::of(&proxy, path, &chat("What is the capital of France?"));
        upstream.asked();
        upstream.begins();
        upstream.event(&said("I'm sorry, "));
        assert!(reading.is_silent_for(Duration::from_millis(100)), "it is held back");
        upstream.event(&said(&REFUSAL.replace("I'm sorry, ", "")));
        upstream.ends();
        assert!(other.asked().contains("spare"));
        other.begins();
        let pieces: Vec<String> = ANSWER.split_inclusive(' ').map(said).collect();
        pieces.iter().for_each(|piece| other.event(piece));
        other.ends();
        let all = reading.until("0\r\n\r\n");
        assert_eq!(unchunked(&all), pieces.concat());
        assert!(all.contains("x-demur-fallback: other") && !all.contains("sorry"), "{all}");
    }
    counted(&proxy, "demur_upstream_answers_total{answer=\"refused\"} 3");
}

#[test]
fn a_stream_is_held_back_no_longer_than_the_policy_says_and_loses_no_byte() {
    let dir = Dir::new();
    dir.write("policy.toml", "mode = 'enforce'\n[answers]\nhold-seconds = 0.5\nhold-chars = 60\n");
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let flags = format!("--fallback other=http://{},spare --policy policy.toml", other.address);
    let proxy = Server::of_command(upstream.command(&dir, &flags));
    // Enough has come: what was held goes out at once, and the rest as it comes.
    let mut reading = Reading::of(&proxy, CHAT, &chat("hello"));
    upstream.asked();
    upstream.begins();
    let pieces: Vec<String> = ANSWER.split_inclusive(' ').map(piece).collect();
    let (first, rest) = pieces.split_at(14);
    first.iter().for_each(|piece| upstream.event(piece));
    assert!(reading.until(first.last().unwrap()).contains("x-demur-answer: complied"));
    for piece in rest {
        upstream.event(piece);
    }
    reading.until(rest.last().unwrap());
    // The upstream dies: all that it has sent is there.
    upstream.sends("");
    let all = reading.rest();
    assert_eq!(unchunked(&all), pieces.concat());
    assert!(!all.ends_with("0\r\n\r\n"), "{all}");
    // Little has come when the time is over: it goes out.
    let begun = Instant::now();
    let mut reading = Reading::of(&proxy, CHAT, &chat("hello"));
    upstream.asked();
    upstream.begins();
    upstream.event(&piece("The capital"));
    reading.until("The capital");
    let took = begun.elapsed();
    assert!((Duration::from_millis(300)..Duration::from_secs(2)).contains(&took), "{took:?}");
    upstream.sends("");
    drop(reading);
    // It dies while it is held back: what it has sent is passed on, and breaks off there.
    let reading = Reading::of(&proxy, CHAT, &chat("hello"));
    upstream.asked();
    upstream.begins();
    upstream.event(&piece("I'm sorry, but I can't"));
    upstream.sends("");
    let all = reading.rest();
    assert_eq!(unchunked(&all), piece("I'm sorry, but I can't"));
    assert!(!all.ends_with("0\r\n\r\n") && other.asked.try_recv().is_err(), "{all}");
}

#[test]
fn calls_of_tools_pass_at_once_and_as_they_are() {
    let (upstream, other, proxy) = with_fallback("--mode enforce");
    let call = json!({"choices": [{"index": 0, "delta": {"content": null, "tool_calls": [
        {"index": 0, "id": "1", "function": {"name": "weather", "arguments": ""}}]}}]});
    let mut reading = Reading::of(&proxy, CHAT, &chat("hello"));
    upstream.asked();
    upstream.begins();
    let event = format!("data: {call}\n\n");
    upstream.event(&event);
    assert!(reading.until(&event).contains("x-demur-answer: complied"));
    upstream.ends();
    reading.until("0\r\n\r\n");
    let whole = json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant",
        "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}]});
    upstream.answers(JSON_OK, &whole.to_string());
    let reply = proxy.post(CHAT, chat("hello"));
    assert_eq!((reply.text(), reply.headers["x-demur-answer"].as_str()), (whole.to_string(), "complied"));
    // What is no answer that can be read passes too, and is counted as such.
    upstream.answers(JSON_OK, "{\"data\": [1.50]}");
    assert_eq!(proxy.post(CHAT, chat("hello")).text(), "{\"data\": [1.50]}");
    counted(&proxy, "demur_upstream_answers_total{answer=\"none\"} 1");
    assert!(other.asked.try_recv().is_err());
}

#[test]
fn traffic_flows_where_the_encoder_has_no_room() {
    let (upstream, dir) = (Upstream::start(), Dir::new());
    let flags = format!(
        "proxy --port 0 --upstream http://{} --mode enforce --cascade 0,1 --encoder-queue 1 --encoder-max-wait 3000",
        upstream.address
    );
    let proxy = Server::of_command(dir.tiered(&flags));
    // The first prompt waits in the queue, which has room for one.
    let first = Reading::of(&proxy, CHAT, &chat("hello there"));
    counted(&proxy, "demur_encoder_queue_depth{model=\"prompt\"} 1");
    upstream.answers(JSON_OK, &completion(ANSWER));
    let reply = proxy.post(CHAT, chat(HELD));
    assert_eq!((reply.text(), reply.headers["x-demur-decision"].as_str()), (completion(ANSWER), "none"));
    assert!(reply.headers["x-demur-reason"].contains("encoder"), "{:?}", reply.headers);
    drop(first);
}
