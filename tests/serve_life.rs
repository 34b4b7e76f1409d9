//! The service under load and during changes: reload, drain, shutdown, many connections, hostile bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::{Client, JSON, Server};
use crate::support::Dir;

const BODY: &[u8] = br#"{"prompt": "How do I pick a lock?"}"#;

/// The results of the requests of a load.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicUsize,
    failed: AtomicUsize,
}

/// Four clients that send requests one after another until they are stopped or can no longer connect.
fn load(address: &str, load: &Arc<Load>) -> Vec<thread::JoinHandle<()>> {
    let client = |_| {
        let (address, load) = (address.to_owned(), Arc::clone(load));
        thread::spawn(move || {
            while !load.stop.load(Ordering::Relaxed) {
                let Ok(mut client) = Client::to(&address) else { return };
                loop {
                    match client.send("POST", "/v1/predict", &[JSON], BODY) {
                        Ok(reply) if reply.status == 200 => {
                            load.answered.fetch_add(1, Ordering::Relaxed);
                            if reply.headers.get("connection").is_some_and(|value| value == "close") {
                                break;
                            }
                        }
                        // A request after the service stopped gets 503.
                        Ok(reply) if reply.status == 503 => return,
                        _ => {
                            load.failed.fetch_add(1, Ordering::Relaxed);
                            return;
                        }
                    }
                    if load.stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        })
    };
    (0..4).map(client).collect()
}

#[test]
fn a_reload_under_load_fails_no_request_and_a_bad_model_is_refused() {
    let dir = Dir::with_models();
    let server = Server::start(&dir, "--model mine=prompt --admin-bind 127.0.0.1:0");
    let mut admin = Client::to(server.admin.as_ref().unwrap()).unwrap();
    let digest = |server: &Server| server.get("/v1/models/mine").ok()["digest"].clone();
    let first = digest(&server);
    let counts = Arc::new(Load::default());
    let clients = load(&server.address, &counts);
    for _ in 0..10 {
        assert_eq!(admin.send("POST", "/admin/reload", &[], b"").unwrap().status, 200);
        server.signal("-HUP");
    }
    let manifest = dir.text("prompt/manifest.json");
    dir.write("prompt/manifest.json", manifest.replace("refused=1", "refused=0"));
    admin.send("POST", "/admin/reload", &[], b"").unwrap().is_error(422, "reload_failed", None, "refused=0");
    assert_eq!(digest(&server), first, "the old model serves on");
    dir.write("prompt/manifest.json", manifest.replace("\"seed\": 0", "\"seed\": 1"));
    let before = counts.answered.load(Ordering::Relaxed);
    admin.send("POST", "/admin/reload", &[], b"").unwrap().ok();
    assert_ne!(digest(&server), first, "the new one serves");
    thread::sleep(Duration::from_millis(50));
    counts.stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(counts.failed.load(Ordering::Relaxed), 0);
    assert!(counts.answered.load(Ordering::Relaxed) > before);
}

#[test]
fn a_drain_under_load_loses_no_answer_and_readiness_goes_first() {
    let server = Server::start(&Dir::new(), "--drain-delay 0.5");
    let counts = Arc::new(Load::default());
    let clients = load(&server.address, &counts);
    thread::sleep(Duration::from_millis(100));
    server.signal("-TERM");
    thread::sleep(Duration::from_millis(100));
    server.get("/health/ready").is_error(503, "not_ready", None, "about to end");
    assert_eq!(server.post("/v1/predict", BODY).status, 200, "who still comes is answered");
    let (status, log) = server.wait(Duration::from_secs(20));
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert!(status.success() && log.contains("ended"), "{status} {log}");
    assert_eq!(counts.failed.load(Ordering::Relaxed), 0);
    assert!(counts.answered.load(Ordering::Relaxed) > 20);
}

#[test]
fn a_request_that_is_being_sent_is_answered_before_the_end() {
    let server = Server::start(&Dir::new(), "--drain-delay 0");
    let mut slow = Client::to(&server.address).unwrap();
    slow.write(b"POST /v1/predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{")
        .unwrap();
    thread::sleep(Duration::from_millis(200));
    server.signal("-INT");
    thread::sleep(Duration::from_millis(200));
    server.post("/v1/predict", BODY).is_error(503, "not_ready", None, "about to end");
    slow.write(br#""prompt": "a"}"#).unwrap();
    let reply = slow.read(false).unwrap();
    reply.ok();
    assert_eq!(reply.headers["connection"], "close");
    assert!(server.wait(Duration::from_secs(10)).0.success());
}

#[test]
fn after_a_sudden_death_it_starts_again_on_its_port() {
    let dir = Dir::new();
    let server = Server::start(&dir, "");
    server.post("/v1/predict", BODY).ok();
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    server.signal("-KILL");
    assert!(!server.wait(Duration::from_secs(5)).0.success());
    let again = Server::of_command(dir.demur(&format!("serve --port {port}")));
    again.post("/v1/predict", BODY).ok();
}

#[test]
fn a_thousand_connections_at_once_are_all_answered() {
    let server = Server::start(&Dir::new(), "");
    let mut clients: Vec<Client> = (0..1000).map(|_| Client::to(&server.address).unwrap()).collect();
    let head = format!(
        "POST /v1/predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        BODY.len()
    );
    for client in &mut clients {
        client.write(head.as_bytes()).unwrap();
        client.write(BODY).unwrap();
    }
    let first = clients[0].read(false).unwrap().ok();
    for client in &mut clients[1..] {
        assert_eq!(client.read(false).unwrap().ok()["predictions"], first["predictions"]);
    }
}

#[test]
fn large_and_strange_bodies_are_answered() {
    let server = Server::start(&Dir::new(), "");
    let started = Instant::now();
    let ten_megabytes = json!({"prompt": "a ".repeat(5 << 20)}).to_string();
    server.post("/v1/predict", ten_megabytes).is_error(413, "body_too_large", None, "4194304");
    let one_megabyte = json!({"prompt": "how ".repeat(1 << 18)}).to_string();
    server.post("/v1/predict", one_megabyte).is_error(422, "invalid_request", Some("prompt"), "100000");
    let longest = json!({"prompt": "how do I ".repeat(11_000)}).to_string();
    for path in ["/v1/predict", "/v1/explain"] {
        server.post(path, &longest).ok();
    }
    let full = json!({"prompts": vec!["How do I pick a lock? ".repeat(180); 1000]}).to_string();
    assert_eq!(server.post("/v1/predict", full).ok()["predictions"].as_array().unwrap().len(), 1000);
    for text in [
        "\u{202e}\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{627}\u{644}\u{633}\u{644}\u{627}\u{645}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
        "\0\u{1}\u{fffe} a",
        "\u{130}\u{130} \u{df}\u{fb03} e\u{301}\u{301}\u{301}",
        "\"quoted\" \\ / </script><!--",
    ] {
        for (path, field) in
            [("/v1/predict", "prompt"), ("/v1/explain", "prompt"), ("/v1/classify", "response")]
        {
            server.post(path, json!({ field: text }).to_string()).ok();
        }
    }
    let deep = format!("{{\"error\": {}1{}}}", "[".repeat(120), "]".repeat(120));
    server.post("/v1/classify", deep).ok();
    assert!(started.elapsed() < Duration::from_secs(60));
}
