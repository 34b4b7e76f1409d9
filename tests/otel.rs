//! `--otlp-endpoint`, in builds with the feature `otel`: spans reach a collector and contain no prompt.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::server::Server;
use crate::support::Dir;

#[test]
fn spans_of_requests_reach_a_collector_without_the_prompt() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let (send, received) = mpsc::channel();
    thread::spawn(move || {
        for stream in collector.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                stream.read_line(&mut head).unwrap();
            }
            let length = head.to_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            stream
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .unwrap();
            if send.send((head, body)).is_err() {
                return;
            }
        }
    });
    let server = Server::start(&Dir::new(), &format!("--otlp-endpoint {endpoint}"));
    server.post("/v1/predict", r#"{"prompt": "xyzzy"}"#).ok();
    server.stop();
    let (head, body) = received.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(head.starts_with("POST /v1/traces "), "{head}");
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains("/v1/predict") && text.contains("demur") && !text.contains("xyzzy"), "{text}");
}
