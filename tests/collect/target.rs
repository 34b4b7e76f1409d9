//! A target over real HTTP that does what a script says: answers, refuses, fails in every way. It keeps what
//! it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{rows as rows_of, workspace};

/// One request.
pub(crate) struct Asked {
    /// Its last message.
    pub(crate) prompt: String,
    /// How often this prompt has come, from 1.
    pub(crate) time: usize,
    pub(crate) body: Value,
    /// The head, with the headers in lower case.
    pub(crate) head: String,
}

/// What the target does.
pub(crate) enum Reply {
    /// A status, headers and a body.
    Says(u16, &'static str, String),
    /// The same in chunks, of which the last never comes.
    BreaksOff(String),
    /// The connection ends without a word.
    Drops,
    /// It takes its time first.
    After(Duration, Box<Reply>),
}

type Script = dyn Fn(&Asked) -> Reply + Send + Sync;

/// The target; its threads end with the test.
pub(crate) struct Target {
    pub(crate) address: String,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Target {
    pub(crate) fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let (counts, script): (_, Arc<Script>) = (Arc::clone(&asked), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (counts, script) = (Arc::clone(&counts), Arc::clone(&script));
                std::thread::spawn(move || converse(stream, &counts, &*script));
            }
        });
        Self { address, asked }
    }

    /// One that answers by [`answer`].
    pub(crate) fn obliging() -> Self {
        Self::start(|asked| says(&answer(&asked.prompt)))
    }

    /// One that answers the prompts of the starter corpus as they were answered, and others by [`answer`].
    pub(crate) fn of_starter() -> Self {
        let rows = std::fs::read_to_string(workspace().join("data/starter/unlabelled.jsonl")).unwrap();
        let text = |row: &serde_json::Map<String, Value>, name: &str| row[name].as_str().unwrap().to_owned();
        let known: BTreeMap<String, String> =
            rows_of(&rows).iter().map(|row| (text(row, "prompt"), text(row, "response"))).collect();
        Self::start(move |asked| {
            says(&known.get(&asked.prompt).cloned().unwrap_or_else(|| answer(&asked.prompt)))
        })
    }

    /// How often each prompt was asked.
    pub(crate) fn asked(&self) -> BTreeMap<String, usize> {
        self.asked.lock().unwrap().clone()
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.asked.lock().unwrap().values().sum()
    }
}

/// Answers the requests of one connection.
fn converse(stream: TcpStream, counts: &Mutex<BTreeMap<String, usize>>, script: &Script) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some((head, body)) = request(&mut reader) {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let prompt =
            body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned();
        let time = {
            let mut counts = counts.lock().unwrap();
            let count = counts.entry(prompt.clone()).or_default();
            *count += 1;
            *count
        };
        let asked = Asked { prompt, time, body, head };
        if !send(reader.get_mut(), script(&asked)) {
            return;
        }
    }
}

/// The head and the body of a request; `None` at the end of the connection.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.split("content-length: ").nth(1)?.lines().next()?.trim().parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((lower, body))
}

/// Sends a reply; returns whether the connection goes on.
fn send(stream: &mut TcpStream, reply: Reply) -> bool {
    match reply {
        Reply::After(wait, reply) => {
            std::thread::sleep(wait);
            send(stream, *reply)
        }
        Reply::Says(status, headers, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n"
            );
            stream.write_all((head + &body).as_bytes()).is_ok()
        }
        Reply::BreaksOff(body) => {
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let half: String = body.chars().take(body.chars().count() / 2).collect();
            // The client may be gone already.
            let _ = stream.write_all(format!("{head}{:x}\r\n{half}\r\n", half.len()).as_bytes());
            false
        }
        Reply::Drops => false,
    }
}

/// What the target says to a prompt; it refuses bombs.
pub(crate) fn answer(prompt: &str) -> String {
    if prompt.contains("bomb") {
        "I'm sorry, but I can't help with that.".to_owned()
    } else {
        format!(
            "Sure, here is how it is done: first you take what \u{201e}{prompt}\u{201c} needs, then \u{1f44d}."
        )
    }
}

/// A whole chat completion with this answer. Its id is always the same.
pub(crate) fn completion(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "served-1", "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    })
}

/// That completion as a reply.
pub(crate) fn says(text: &str) -> Reply {
    Reply::Says(200, "", completion(text).to_string())
}

/// An error as a reply.
pub(crate) fn error(status: u16, headers: &'static str, code: &str) -> Reply {
    let body = json!({"error": {"message": format!("It is about {code}."), "type": "error", "code": code}});
    Reply::Says(status, headers, body.to_string())
}
