//! The service under attack: slow and many bodies, work that nobody waits for, clients that never read,
//! answers far larger than their request, and what the log and the metrics show about it. `tests/attack/run`
//! does the same for longer and measures it.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::{Client, JSON, Server};
use crate::support::Dir;

const PROMPT: &str = "/v1/predict";
const BODY: &str = r#"{"prompt": "How do I pick a lock?"}"#;

/// The head of a request that announces a body of this length.
fn head(path: &str, length: usize) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n");
    format!("{head}content-length: {length}\r\n\r\n").into_bytes()
}

/// A metric of the service; 0 where it has not been counted yet.
fn metric(server: &Server, name: &str) -> f64 {
    let text = server.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |number| number.parse().unwrap())
}

/// Waits until a metric has a value.
#[track_caller]
fn wait_for(server: &Server, name: &str, longest: Duration, wanted: impl Fn(f64) -> bool) {
    let started = Instant::now();
    while !wanted(metric(server, name)) {
        assert!(started.elapsed() < longest, "{name} is {}", metric(server, name));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An expensive request: many rows of a file.
fn much_work(rows: usize) -> String {
    let row = "{\"prompt\": \"How do I pick the lock of my old garden shed in a few words?\"}\n";
    json!({"format": "jsonl", "rows": row.repeat(rows)}).to_string()
}

/// Flags that allow expensive requests.
const ROOMY: &str = "--max-body 80000000 --max-rows 1000000 --max-answer 300000000 --request-timeout 60";

#[test]
fn slow_bodies_keep_nobody_out() {
    let server = Server::start(&Dir::new(), "--max-concurrent 4");
    let slow: Vec<Client> = (0..60)
        .map(|_| {
            let mut client = Client::to(&server.address).unwrap();
            client.write(&[&head(PROMPT, 110)[..], b"{"].concat()).unwrap();
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    for path in [PROMPT, "/v1/explain"] {
        server.post(path, BODY).ok();
    }
    assert_eq!(metric(&server, "demur_requests_in_flight"), 0.0, "what has not come is not at work");
    let mut first = slow.into_iter().next().unwrap();
    first.write(format!("\"prompt\": \"{}\"}}", "a".repeat(96)).as_bytes()).unwrap();
    first.read(false).unwrap().ok();
}

#[test]
fn bodies_together_are_bounded_and_small_ones_go_on() {
    let server = Server::start(&Dir::new(), "--max-held 1000000 --max-body 400000 --max-answer 100000");
    let mut large: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = Client::to(&server.address).unwrap();
            client.write(&head(PROMPT, 400_000)).unwrap();
            // The connection may already be closed.
            let _ = client.write(&vec![b' '; 300_000]);
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let held = metric(&server, "demur_body_bytes_held");
    assert!(held > 0.0 && held <= 1_000_000.0, "{held}");
    server.post(PROMPT, BODY).ok();
    let turned_away = "demur_requests_turned_away_total{reason=\"memory\"}";
    assert!(metric(&server, turned_away) >= 4.0, "{}", metric(&server, turned_away));
    let refused = large.iter_mut().find_map(|client| {
        client.timeout(Duration::from_millis(200));
        client.read(false).ok()
    });
    refused.unwrap().is_error(429, "overloaded", None, "too large at once");
    drop(large);
    wait_for(&server, "demur_body_bytes_held", Duration::from_secs(5), |held| held == 0.0);
}

#[test]
fn too_many_at_work_are_turned_away_and_small_requests_are_not() {
    let server = Server::start(&Dir::new(), &format!("--max-concurrent 1 {ROOMY}"));
    let (body, mut large) = (much_work(300_000), Client::to(&server.address).unwrap());
    large.write(&[&head("/v1/score", body.len())[..], body.as_bytes()].concat()).unwrap();
    wait_for(&server, "demur_requests_in_flight", Duration::from_secs(20), |number| number == 1.0);
    let other = server.post("/v1/explain", BODY);
    other.is_error(429, "overloaded", None, "come again later");
    assert_eq!(other.headers["retry-after"], "1");
    server.post(PROMPT, BODY).ok();
    assert_eq!(server.get("/health/ready").status, 200);
    drop(large);
    wait_for(&server, "demur_requests_in_flight", Duration::from_secs(20), |number| number == 0.0);
    server.post("/v1/explain", BODY).ok();
}

#[test]
fn work_ends_soon_after_its_client_has_left_or_its_time_is_over() {
    for flags in ["--request-timeout 60", "--request-timeout 2"] {
        let roomy = ROOMY.replace("--request-timeout 60", flags);
        let server = Server::start(&Dir::new(), &roomy);
        let (body, mut client) = (much_work(300_000), Client::to(&server.address).unwrap());
        client.write(&[&head("/v1/score", body.len())[..], body.as_bytes()].concat()).unwrap();
        wait_for(&server, "demur_requests_in_flight", Duration::from_secs(20), |number| number == 1.0);
        if flags.ends_with(" 2") {
            client.read(false).unwrap().is_error(408, "request_timeout", None, "too long");
        }
        drop(client);
        wait_for(&server, "demur_requests_in_flight", Duration::from_secs(20), |number| number == 0.0);
        wait_for(&server, "demur_body_bytes_held", Duration::from_secs(5), |bytes| bytes == 0.0);
        // Rows are counted once all of them are scored.
        assert_eq!(
            metric(&server, "demur_p_refusal_count{model=\"prompt\"}"),
            0.0,
            "it was worked on to its end"
        );
        let before = server.cpu_ticks();
        std::thread::sleep(Duration::from_secs(1));
        let after = server.cpu_ticks();
        assert!(after - before <= 20, "{} hundredths of a second for nobody", after - before);
    }
}

#[test]
fn files_of_too_many_columns_or_rows_are_refused_at_once() {
    let server = Server::start(&Dir::new(), "");
    let score = |rows: String, top: usize| {
        let started = Instant::now();
        let reply = server.post("/v1/score", json!({"format": "csv", "rows": rows, "top": top}).to_string());
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        reply
    };
    let header: Vec<String> = (0..520_000).map(|number| format!("{number:06}")).collect();
    let wide = format!("{}\na\n", header.join(","));
    score(wide, 0).is_error(422, "invalid_request", Some("rows"), "520000 columns; the limit is 4096");
    let long = format!("prompt\n{}", "a\n".repeat(50_001));
    score(long.clone(), 0).is_error(422, "invalid_request", Some("rows"), "50001 rows; the limit is 50000");
    score(long, 100).is_error(422, "invalid_request", Some("rows"), "the limit is 200");
    // A row that spans many lines counts as one row.
    let lines = format!("id,prompt\n1,\"{}\"\n", "a\n".repeat(30_000));
    assert_eq!(score(lines, 0).ok()["scored"], 1);
    let name = json!({"format": "csv", "rows": "a\n1\n", "prompt_column": "x".repeat(2000)}).to_string();
    server.post("/v1/score", name).is_error(422, "invalid_request", Some("prompt_column"), "2000 bytes");
}

#[test]
fn an_answer_is_bounded_before_any_work() {
    let server = Server::start(&Dir::new(), "");
    let explain = json!({"prompt": "a", "top": 1_000_000}).to_string();
    server.post("/v1/explain", explain).is_error(
        422,
        "invalid_request",
        Some("top"),
        "1000000 words; the limit is 100",
    );
    let prompts = json!({"prompts": vec!["How do I pick a lock?"; 1024], "explain": true, "top": 100});
    let reply = server.post(PROMPT, prompts.to_string());
    reply.is_error(422, "invalid_request", Some("top"), "102400; the limit is 20000");
    // A text of one repeated phrase: few n-grams, each at very many positions.
    let repeated = json!({"prompts": vec!["how do ".repeat(14_000); 40], "explain": true, "top": 100});
    let reply = server.post(PROMPT, repeated.to_string());
    reply.is_error(422, "invalid_request", None, "the answer would be larger than 16777216 bytes");
    let small = Server::start(&Dir::new(), "--max-answer 2000");
    small.post(PROMPT, BODY).ok();
    let many = json!({"prompts": vec!["a"; 100]}).to_string();
    small.post(PROMPT, many).is_error(422, "invalid_request", None, "larger than 2000 bytes");
    // An error does not repeat a long value of the request in full.
    let unknown = json!({"x".repeat(1_000_000): 1}).to_string();
    assert!(server.post(PROMPT, unknown).body.len() < 6000);
}

#[test]
fn a_client_that_never_reads_loses_its_connection() {
    let server = Server::start(&Dir::new(), &format!("{ROOMY} --write-timeout 1 --max-held 400000000"));
    let body = much_work(150_000);
    let mut silent = Client::to(&server.address).unwrap();
    silent.write(&[&head("/v1/score", body.len())[..], body.as_bytes()].concat()).unwrap();
    let held = "demur_answer_bytes_held";
    wait_for(&server, held, Duration::from_secs(60), |bytes| bytes > 0.0);
    wait_for(&server, held, Duration::from_secs(10), |bytes| bytes == 0.0);
    server.post(PROMPT, BODY).ok();
    let mut rest = Vec::new();
    // The connection is closed: the stream ends, and before the end of the answer.
    let _ = silent.stream().read_to_end(&mut rest);
    assert!(rest.len() < 150_000 * 150, "{} bytes", rest.len());
}

#[test]
fn answers_together_are_bounded_and_a_quick_client_is_answered() {
    let flags = format!("{ROOMY} --write-timeout 60 --max-held 40000000");
    let flags = flags.replace("--max-body 80000000", "--max-body 20000000");
    let server =
        Server::start(&Dir::new(), &flags.replace("--max-answer 300000000", "--max-answer 40000000"));
    let body = much_work(90_000);
    let mut silent = Vec::new();
    for _ in 0..3 {
        let mut client = Client::to(&server.address).unwrap();
        client.write(&[&head("/v1/score", body.len())[..], body.as_bytes()].concat()).unwrap();
        wait_for(&server, "demur_requests_in_flight", Duration::from_secs(20), |number| number == 1.0);
        wait_for(&server, "demur_requests_in_flight", Duration::from_secs(60), |number| number == 0.0);
        silent.push(client);
    }
    assert!(metric(&server, "demur_answer_bytes_held") <= 40_000_000.0);
    assert_eq!(server.post("/v1/score", &body).ok()["scored"], 90_000, "the silent give way");
}

#[test]
fn what_is_no_http_is_counted() {
    let server = Server::start(&Dir::new(), "");
    let status = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        std::io::Write::write_all(&mut stream, bytes).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[9..]).into_owned()
    };
    assert_eq!(status(b"what is this\r\n\r\n"), "400");
    let large = format!("GET / HTTP/1.1\r\nx: {}", "a".repeat(140_000));
    assert_eq!(status(large.as_bytes()), "431");
    for status in ["400", "431"] {
        let name = format!("demur_http_requests_total{{route=\"unparsed\",status=\"{status}\"}}");
        wait_for(&server, &name, Duration::from_secs(5), |number| number == 1.0);
    }
}

#[test]
fn a_signal_during_the_start_is_obeyed_after_it() {
    let mut start = Server::begin(Dir::new().demur("serve --port 0 --log debug"));
    // Waits until the process handles the signal. That must happen before it announces itself, otherwise this
    // test checks nothing.
    let started = Instant::now();
    while !start.catches_hangup() {
        assert!(
            started.elapsed() < Duration::from_secs(20) && !start.has_spoken(),
            "it announces itself first"
        );
        std::thread::yield_now();
    }
    start.signal("-HUP");
    let server = start.announced();
    wait_for(&server, "demur_reloads_total{outcome=\"done\"}", Duration::from_secs(20), |number| {
        number == 1.0
    });
    server.post(PROMPT, BODY).ok();
}

#[test]
fn a_pipe_in_the_place_of_a_model_file_fails_the_reload_and_is_counted() {
    let dir = Dir::with_models();
    let server = Server::start(&dir, "--model mine=prompt --admin-bind 127.0.0.1:0");
    let mut admin = Client::to(server.admin.as_ref().unwrap()).unwrap();
    let file = dir.path("prompt/weights.safetensors");
    std::fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    let reply = admin.send("POST", "/admin/reload", &[JSON], b"").unwrap();
    reply.is_error(422, "reload_failed", None, "not a regular file");
    assert_eq!(metric(&server, "demur_reloads_total{outcome=\"refused\"}"), 1.0);
    server.post(PROMPT, BODY).ok();
}

#[test]
fn the_document_says_of_a_providers_error_what_is_taken() {
    let server = Server::start(&Dir::new(), "");
    let document = server.get("/openapi.json").ok();
    for schema in ["ClassifyRequest", "AnswerBody"] {
        let error = &document["components"]["schemas"][schema]["properties"]["error"];
        assert!(
            error["description"].as_str().unwrap().contains("any JSON") && error["type"].is_null(),
            "{error}"
        );
    }
    for error in [json!({"code": "content_policy_violation"}), json!("overloaded"), json!([1]), json!(false)]
    {
        server.post("/v1/classify", json!({"error": error}).to_string()).ok();
    }
}
