//! A running `demur serve`, and a client that sends exactly the bytes that a test wants.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ExitStatus};
#[cfg(unix)]
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Demur, Dir};

/// The service, on a free port, killed when the test ends.
pub(crate) struct Server {
    child: Child,
    /// The address that it listens on.
    pub(crate) address: String,
    /// The address of the admin routes, if separate.
    pub(crate) admin: Option<String>,
}

impl Server {
    /// Starts it with these flags.
    pub(crate) fn start(dir: &Dir, flags: &str) -> Self {
        Self::of(dir.demur(&format!("serve --port 0 {flags}")), flags.contains("--admin-bind"))
    }

    /// Starts it with these flags, and all tiers.
    pub(crate) fn start_tiered(dir: &Dir, flags: &str) -> Self {
        Self::of(dir.tiered(&format!("serve --port 0 {flags}")), flags.contains("--admin-bind"))
    }

    /// Starts it with the test's own command line.
    pub(crate) fn of_command(demur: Demur) -> Self {
        Self::of(demur, false)
    }

    /// Starts it without waiting until it listens.
    #[cfg(unix)]
    pub(crate) fn begin(demur: Demur) -> Starting {
        let mut child = demur.start();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (sender, line) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            // If the test has failed, nobody receives this.
            let _ = sender.send(line);
        });
        let address = String::new();
        Starting { server: Self { child, address, admin: None }, line }
    }

    fn of(demur: Demur, admin: bool) -> Self {
        let mut child = demur.start();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || {
            let line = lines.next().unwrap_or_else(|| panic!("it does not start")).unwrap();
            line.split_once("://").unwrap().1.to_owned()
        };
        let address = next();
        let admin = admin.then(&mut next);
        Self { child, address, admin }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// The processor time that it has used, in system ticks, a hundred per second.
    #[cfg(unix)]
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// Waits for its end; returns its exit status and its stderr.
    pub(crate) fn wait(mut self, longest: Duration) -> (ExitStatus, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < longest, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (status, stderr)
    }

    /// Terminates it as a scheduler does, and returns its stderr.
    pub(crate) fn stop(self) -> String {
        self.signal("-TERM");
        let (status, stderr) = self.wait(Duration::from_secs(20));
        assert!(status.success(), "{status}: {stderr}");
        stderr
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    /// Posts JSON.
    pub(crate) fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Reply {
        self.send("POST", path, &[JSON], body.as_ref())
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut client = Client::to(&self.address).unwrap();
        client.send(method, path, headers, body).unwrap()
    }
}

/// A service that may not be listening yet.
#[cfg(unix)]
pub(crate) struct Starting {
    server: Server,
    line: Receiver<String>,
}

#[cfg(unix)]
impl Starting {
    pub(crate) fn signal(&self, signal: &str) {
        self.server.signal(signal);
    }

    /// Whether SIGHUP (signal 1) has a handler.
    pub(crate) fn catches_hangup(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & 1 == 1
    }

    /// Whether it has announced its address.
    pub(crate) fn has_spoken(&mut self) -> bool {
        if self.server.address.is_empty()
            && let Ok(line) = self.line.try_recv()
        {
            self.server.address = line;
        }
        !self.server.address.is_empty()
    }

    /// Waits until it listens.
    pub(crate) fn announced(mut self) -> Server {
        if !self.has_spoken() {
            self.server.address = self.line.recv_timeout(Duration::from_secs(30)).unwrap();
        }
        let address = self.server.address.trim().split_once("://").unwrap().1.to_owned();
        self.server.address = address;
        self.server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may already have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The header for a JSON body.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// A persistent connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn to(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Reply> {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: demur\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let bytes = [head.as_bytes(), body].concat();
        // The server may answer and close before it has read everything; the answer can still be read.
        let written = self.write(&bytes);
        self.read(method == "HEAD").or_else(|error| written.and(Err(error)))
    }

    /// Sets how long a read waits from now on.
    #[cfg(unix)]
    pub(crate) fn timeout(&mut self, longest: Duration) {
        self.0.get_mut().set_read_timeout(Some(longest)).unwrap();
    }

    /// The raw stream.
    #[cfg(unix)]
    pub(crate) fn stream(&mut self) -> &mut impl Read {
        &mut self.0
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Reads one answer.
    pub(crate) fn read(&mut self, head_only: bool) -> io::Result<Reply> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; if head_only { 0 } else { length }];
        self.0.read_exact(&mut body)?;
        Ok(Reply { status, headers, body })
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body of an answer with status 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// Asserts an error: its status, type, field and format, and that its message contains a text.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, kind: &str, field: Option<&str>, said: &str) {
        let body = self.json();
        let error = &body["error"];
        assert_eq!((self.status, error["type"].as_str()), (status, Some(kind)), "{body}");
        assert_eq!(error["field"].as_str(), field, "{body}");
        assert!(error["message"].as_str().unwrap().contains(said), "{body}");
        assert_eq!(error["request_id"].as_str(), self.headers.get("x-request-id").map(String::as_str));
        let keys: Vec<_> = error.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["type", "message", "field", "request_id"]);
    }
}
