//! `demur serve`: who may call it and how often, what it logs, its settings, and the configurations that it
//! rejects.

use serde_json::{Value, json};

use crate::server::{Client, JSON, Server};
use crate::support::Dir;

const PROMPT: &str = "/v1/predict";

#[test]
fn a_request_keeps_its_id() {
    let server = Server::start(&Dir::new(), "");
    let id = |sent: &str| {
        let reply = server.send("GET", "/health/live", &[("x-request-id", sent)], b"");
        reply.headers["x-request-id"].clone()
    };
    assert_eq!(id("mine-1"), "mine-1");
    for other in ["", "two words", &"a".repeat(200)] {
        assert_eq!(id(other).len(), 32, "{other} is no id");
    }
    assert_ne!(id(""), id(""));
}

#[test]
fn keys_open_what_is_theirs_and_are_rotated() {
    let dir = Dir::new();
    let make = |arguments: &str| {
        let made = dir.demur(&format!("key {arguments}")).succeeds();
        (made.stdout, made.stderr.trim().rsplit(' ').next().unwrap().to_owned())
    };
    let ((user, user_key), (admin, admin_key), (slow, slow_key)) =
        (make("user"), make("boss --admin"), make("slow --rate 1"));
    dir.write("keys.toml", format!("{user}{admin}{slow}"));
    let server = Server::start(&dir, "--keys keys.toml");
    let predict = |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [JSON, ("authorization", bearer.as_str())];
        server.send("POST", PROMPT, &headers[..if key.is_empty() { 1 } else { 2 }], br#"{"prompt": "a"}"#)
    };
    let refused = predict("");
    refused.is_error(401, "unauthorized", None, "Bearer KEY");
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    predict("demur-0").is_error(401, "unauthorized", None, "not known");
    predict(&user_key).ok();
    predict(&slow_key).ok();
    let again = predict(&slow_key);
    again.is_error(429, "rate_limited", None, "come again later");
    assert_eq!(again.headers["retry-after"], "1");
    assert_eq!(server.get("/health/ready").status, 200, "probes need no key");
    let reload =
        |key: &str| server.send("POST", "/admin/reload", &[("authorization", &format!("bearer {key}"))], b"");
    reload(&user_key).is_error(403, "forbidden", None, "not an admin's");
    dir.write("keys.toml", &admin);
    reload(&admin_key).ok();
    predict(&user_key).is_error(401, "unauthorized", None, "not known");
    dir.write("keys.toml", "[[key]]\nname = \"x\"\nsha256 = \"1\"\n");
    reload(&admin_key).is_error(422, "reload_failed", None, "64 hexadecimal");
    predict(&admin_key).ok();
    let log = server.stop();
    assert!(log.contains("the reload is refused") && !log.contains(&admin_key), "{log}");
}

#[test]
fn callers_without_keys_are_counted_by_address() {
    let server = Server::start(&Dir::new(), "--rate 2");
    let statuses: Vec<u16> = (0..4).map(|_| server.post(PROMPT, r#"{"prompt": "a"}"#).status).collect();
    assert_eq!(statuses[..3], [200, 200, 429]);
    assert_eq!(server.get("/health/live").status, 200);
}

#[test]
fn the_admin_routes_may_have_an_address_of_their_own() {
    let server = Server::start(&Dir::new(), "--admin-bind 127.0.0.1:0");
    server.post("/admin/reload", "").is_error(404, "not_found", None, "address of their own");
    let mut admin = Client::to(server.admin.as_ref().unwrap()).unwrap();
    let reply = admin.send("POST", "/admin/reload", &[], b"").unwrap();
    assert_eq!(reply.ok()["models"].as_array().unwrap().len(), 2);
    // A page in the operator's browser can reach everything that the operator can reach.
    for header in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        let reply = admin.send("POST", "/admin/reload", &[header], b"").unwrap();
        reply.is_error(403, "forbidden", None, "no request of a page in a browser");
    }
}

#[cfg(unix)]
#[test]
fn what_lets_others_in_is_refused_or_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new();
    dir.write("keys.toml", dir.demur("key user").succeeds().stdout);
    let mode = |mode| {
        std::fs::set_permissions(dir.path("keys.toml"), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o666);
    dir.demur("serve --port 0 --keys keys.toml").fails(1, &["everybody may write it"]);
    for (bits, flags, warned) in [
        (0o644, "--keys keys.toml", Some("everybody may read")),
        (0o600, "--keys keys.toml", None),
        (0o600, "--bind 0.0.0.0", Some("no key is asked for")),
        (0o600, "--bind 0.0.0.0 --keys keys.toml", None),
        (0o600, "--admin-bind 0.0.0.0:0", Some("the admin routes at 0.0.0.0")),
    ] {
        mode(bits);
        let log = Server::start(&dir, flags).stop();
        match warned {
            Some(said) => assert!(log.contains("WARN") && log.contains(said), "{flags}: {log}"),
            None => assert!(!log.contains("WARN"), "{flags}: {log}"),
        }
    }
}

#[test]
fn only_origins_that_are_named_may_call_from_a_browser() {
    let server = Server::start(&Dir::new(), "--cors-origin https://a.example");
    let allowed = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        server.send("OPTIONS", PROMPT, &headers, b"").headers.get("access-control-allow-origin").cloned()
    };
    assert_eq!(allowed("https://a.example").as_deref(), Some("https://a.example"));
    assert_eq!(allowed("https://b.example"), None);
}

#[test]
fn prompts_are_not_logged_unless_the_operator_asks_for_it() {
    for (flags, logged) in [("--log debug --access-log", false), ("--log-format json --log-prompts", true)] {
        let server = Server::start(&Dir::new(), flags);
        server.post(PROMPT, r#"{"prompt": "xyzzy"}"#).ok();
        server.post(PROMPT, r#"{"prompt": ["xyzzy"]}"#).is_error(422, "invalid_request", Some("prompt"), "");
        server.post(PROMPT, r#"{"policy": "xyzzy"}"#).is_error(422, "invalid_request", Some("policy"), "");
        server.post(PROMPT, r#"{"prompt": "xyzzy"#).is_error(400, "malformed_json", None, "");
        server.post(PROMPT, r#"{"xyzzy\n": 1}"#).is_error(422, "invalid_request", Some("xyzzy\n"), "");
        server.post(PROMPT, r#"{"prompt": "a", "target": "xyzzy"}"#).is_error(
            422,
            "invalid_request",
            Some("target"),
            "",
        );
        for rows in [json!({"format": "xyzzy", "rows": ""}), json!({"format": "csv", "rows": "xyzzy\n1\n"})] {
            assert_eq!(server.post("/v1/score", rows.to_string()).status, 422);
        }
        let log = server.stop();
        assert_eq!(log.contains("xyzzy"), logged, "{log}");
        if logged {
            for line in log.lines() {
                serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            }
        } else {
            assert!(log.contains("route=\"/v1/predict\" status=200"), "{log}");
            assert!(log.contains("error=InvalidRequest"), "{log}");
        }
    }
}

#[test]
fn settings_come_from_flags_then_variables_then_the_file() {
    let dir = Dir::with_models();
    dir.write("demur.toml", "max-batch = 3\nmax-chars = 3\nmodel = [\"mine=prompt\"]\n");
    let demur = dir.demur("serve --port 0 --max-chars 5 --config demur.toml").env("DEMUR_MAX_CHARS", "4");
    let server = Server::of_command(demur.env("DEMUR_MAX_BODY", "77"));
    let models = server.get("/v1/models").ok();
    assert_eq!(models["limits"]["max_chars"], 5);
    assert_eq!(models["limits"]["max_body"], 77);
    assert_eq!(models["limits"]["max_batch"], 3);
    assert_eq!(models["models"][0]["name"], "mine");
    assert_eq!(
        models["models"][1]["name"], "response",
        "the field that no model is named of has the bundled one"
    );
}

#[test]
fn what_cannot_be_served_is_said_before_it_starts() {
    let dir = Dir::with_models();
    dir.write("bad.toml", "prot = 1\n");
    dir.write("broken/manifest.json", "{}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (flags, said) in [
        ("--model none", "none: there is no such directory"),
        ("--model broken", "manifest.json"),
        ("--model a=prompt --model a=response", "two models are called `a`"),
        ("--config bad.toml", "prot"),
        ("--keys none.toml", "cannot read none.toml"),
        ("--tls-cert bad.toml --tls-key bad.toml", "bad.toml"),
        (&format!("--port {port}"), "cannot listen on 127.0.0.1"),
        #[cfg(not(feature = "otel"))]
        ("--otlp-endpoint http://127.0.0.1:1", "--features demur-api/otel"),
    ] {
        let free = if flags.contains("--port") { "" } else { "--port 0 " };
        dir.demur(&format!("serve {free}{flags}")).fails(1, &["error: ", said]);
    }
    for (flags, said) in [
        ("--max-batch 0", "--max-batch is 0"),
        ("--workers 10000", "--workers is 10000; it must be from 1 to 512"),
        ("--encoder-threads 100000", "--encoder-threads is 100000"),
        ("--cors-origin a.example", "--cors-origin a.example"),
        ("--max-held 1000", "--max-held is 1000"),
    ] {
        let run = dir.demur(&format!("serve --port 0 {flags}")).fails(2, &["error: ", said]);
        assert_eq!(run.stdout, "", "no address is announced");
    }
    dir.write("in.jsonl", "{\"prompt\": \"a\"}\n");
    dir.demur("score in.jsonl --out out.jsonl --threads 100000").fails(2, &["a number from 1 to 512"]);
}
