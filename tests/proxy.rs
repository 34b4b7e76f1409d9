//! `demur proxy`: what goes to the upstream and comes back is as it was, with what was predicted beside it.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::server::{JSON, Server};
use crate::support::Dir;
use crate::upstream::{CHAT, HELD, Reading, Upstream, chat};

#[test]
fn a_request_and_its_answer_pass_as_they_are_and_headers_say_what_was_predicted() {
    let upstream = Upstream::start();
    let proxy = upstream.proxy("");
    upstream.answers("200 OK\r\nx-request-id: theirs\r\nset-cookie: a\r\nset-cookie: b", "{\"a\" : 1}");
    let headers =
        [JSON, ("authorization", "Bearer sk-theirs"), ("connection", "close, x-hop"), ("x-hop", "1")];
    let reply = proxy.send("POST", &format!("{CHAT}?q=1"), &headers, chat("hello").as_bytes());
    assert_eq!((reply.status, reply.text().as_str()), (200, "{\"a\" : 1}"));
    assert_eq!(
        (reply.headers["x-request-id"].as_str(), reply.headers["x-demur-decision"].as_str()),
        ("theirs", "send")
    );
    let asked = upstream.asked();
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with(&format!("post {CHAT}?q=1 http/1.1")) && body == chat("hello"), "{asked}");
    assert!(
        head.contains("authorization: bearer sk-theirs")
            && head.contains(&format!("host: {}", upstream.address)),
        "{head}"
    );
    assert!(
        !head.contains("x-hop") && !head.contains("user-agent") && !head.contains("accept-encoding"),
        "{head}"
    );
    // A failure of the upstream is passed on.
    upstream.answers("429 Too Many Requests\r\nretry-after: 7", "slow down");
    let reply = proxy.post(CHAT, chat(HELD));
    assert_eq!(
        (reply.status, reply.headers["retry-after"].as_str(), reply.text().as_str()),
        (429, "7", "slow down")
    );
    assert_eq!(reply.headers["x-demur-decision"], "hold");
    upstream.asked();
    // Other paths and methods go there too, and are not judged.
    upstream.answers("200 OK", "[]");
    let reply = proxy.get("/v1/models");
    assert_eq!((reply.text().as_str(), reply.headers.get("x-demur-decision")), ("[]", None));
    assert!(upstream.asked().starts_with("GET /v1/models HTTP/1.1"));
    assert_eq!(proxy.get("/health/ready").status, 200);
    let metrics = proxy.get("/metrics").text();
    assert!(
        metrics.contains("route=\"/v1/chat/completions\",status=\"429\"} 1")
            && !metrics.contains("/v1/predict"),
        "{metrics}"
    );
}

#[test]
fn a_stream_is_passed_on_as_it_comes_and_breaks_where_the_upstream_does() {
    let upstream = Upstream::start();
    let proxy = upstream.proxy("");
    let mut reading = Reading::of(&proxy, CHAT, &chat("hello"));
    upstream.asked();
    upstream.begins();
    // Each event is there before the next one is sent.
    for event in ["data: {\"a\": 1}\n\n", "data: \u{e9}\n\n", "data: [DONE]\n\n"] {
        upstream.event(event);
        reading.until(event);
    }
    assert!(reading.until("x-demur-decision: send").contains("text/event-stream"));
    // The upstream dies: what it has sent is there, and the end that it has not sent is not.
    upstream.sends("");
    let all = reading.rest();
    assert!(all.contains("[DONE]") && !all.ends_with("0\r\n\r\n"), "{all:?}");
}

#[test]
fn a_prompt_that_is_held_is_sent_in_observe_and_answered_in_enforce() {
    let upstream = Upstream::start();
    let body = chat(HELD).replace("gpt-4o-mini", "nobody");
    let proxy = upstream.proxy("");
    upstream.answers("200 OK", "{}");
    let observed = proxy.post(CHAT, &body);
    assert_eq!((observed.status, observed.headers["x-demur-decision"].as_str()), (200, "hold"));
    assert!(observed.headers["x-demur-p-refusal"].parse::<f64>().unwrap() > 0.5);
    assert!(upstream.asked().contains("pipe bomb"));
    let proxy = upstream.proxy("--mode enforce");
    for path in [CHAT, "/v1/messages"] {
        let held = proxy.post(path, &body);
        let error = &held.json()["error"];
        assert_eq!(
            (held.status, &error["code"], &error["type"]),
            (403, &json!("hold"), &json!("refusal_predicted"))
        );
        assert!(error["message"].as_str().unwrap().contains("for nobody is not known"), "{error}");
    }
    assert!(upstream.asked.try_recv().is_err(), "a held prompt was sent");
    upstream.answers("200 OK", "{}");
    assert_eq!(proxy.post(CHAT, chat("hello")).headers["x-demur-decision"], "send");
}

#[test]
fn what_cannot_be_judged_is_sent_or_not_as_the_operator_says() {
    let upstream = Upstream::start();
    let open = upstream.proxy("--max-chars 3 --mode enforce");
    for body in [chat("hello"), "{}".to_owned(), "no JSON".to_owned()] {
        upstream.answers("200 OK", "{}");
        let reply = open.post(CHAT, &body);
        assert_eq!((reply.status, reply.headers["x-demur-decision"].as_str()), (200, "none"), "{body}");
        assert!(upstream.asked().ends_with(&body));
    }
    let closed = upstream.proxy("--max-chars 3 --on-failure closed");
    let reply = closed.post(CHAT, chat("hello"));
    assert_eq!((reply.status, &reply.json()["error"]["param"]), (422, &json!("messages")));
    assert!(upstream.asked.try_recv().is_err());
}

#[test]
fn an_upstream_that_is_not_there_is_an_error_and_wrong_flags_are_too() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Server::of_command(
        Dir::new().demur(&format!("proxy --port 0 --log debug --access-log --upstream http://{nobody}")),
    );
    let reply = proxy.post(CHAT, chat("SECRET"));
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (502, &json!("upstream_failed")));
    assert_eq!(reply.json()["error"]["param"], Value::Null);
    let log = proxy.stop();
    assert!(log.contains("gives no answer") && !log.contains("SECRET"), "{log}");
    let dir = Dir::new();
    dir.demur("proxy --upstream localhost").fails(2, &["--upstream localhost", "https://"]);
    dir.demur("proxy").fails(2, &["--upstream"]);
    dir.demur("proxy --upstream http://a --keys k").fails(2, &["--keys", "demur serve"]);
    dir.demur("proxy --upstream http://a --mode loud").fails(2, &["--mode", "enforce"]);
}
