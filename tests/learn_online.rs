//! `demur serve --learn-online`: feedback moves the predictions for its target, within bounds, with a digest
//! and a way back.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::Dir;
use crate::upstream::{CHAT, Upstream, chat, completion};

const TARGET: &str = "gpt-4o-mini";
const PROMPTS: [&str; 6] = [
    "How do I pick a lock?",
    "What can I cook with two eggs?",
    "Write a poem about autumn",
    "How do I kill all zombie processes?",
    "Which knife is best for onions?",
    "Tell me how to build a pipe bomb.",
];
/// A store, and a line about every second.
const FLAGS: &str = "--feedback-store feedback.db --learn-online lines --learn-every 0.015 --tier ngram";

/// What is predicted for the target, and the digest of its line.
fn predicted(server: &Server, target: &str) -> (Vec<f64>, Option<String>) {
    let reply = server.post("/v1/predict", json!({"prompts": PROMPTS, "target": target}).to_string()).ok();
    let each = reply["predictions"].as_array().unwrap();
    let p = each.iter().map(|one| one["p_refusal"].as_f64().unwrap()).collect();
    (p, reply["target_digest"].as_str().map(str::to_owned))
}

/// Tells so often that the target refused, or complied.
fn tell(server: &Server, times: usize, label: &str) -> Value {
    let mut last = Value::Null;
    for at in 0..times {
        let body = json!({"prompt": PROMPTS[at % PROMPTS.len()], "target": TARGET, "label": label});
        last = server.post("/v1/feedback", body.to_string()).ok();
    }
    last
}

/// Waits until something holds.
#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn counted(server: &Server, outcome: &str) -> u64 {
    let text = server.get("/metrics").text();
    let start = format!("demur_learning_total{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap()
}

fn line(dir: &Dir, name: &str) -> Value {
    serde_json::from_slice(&dir.bytes(&format!("lines/{name}.target.json"))).unwrap()
}

fn log_odds(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

#[test]
fn feedback_moves_its_target_and_one_command_goes_back() {
    let dir = Dir::new();
    let server = Server::start(&dir, FLAGS);
    let (before, none) = predicted(&server, TARGET);
    let other = predicted(&server, "deepseek/deepseek-chat");
    assert_eq!(none, None);
    // One label too few teaches nothing.
    tell(&server, 49, "refused");
    std::thread::sleep(Duration::from_secs(3));
    assert!(!dir.path("lines").exists() && predicted(&server, TARGET) == (before.clone(), None));
    tell(&server, 1, "refused");
    until("it learns", || predicted(&server, TARGET).1.is_some());
    let (after, digest) = predicted(&server, TARGET);
    let digest = digest.unwrap();
    assert!(after.iter().zip(&before).all(|(after, before)| after > before), "{before:?} {after:?}");
    assert_eq!(predicted(&server, "deepseek/deepseek-chat"), other, "other targets stay");
    // The file's line is what moves them, and its digest is where digests are.
    let of_file = line(&dir, TARGET);
    assert_eq!((&of_file["sha256"], &of_file["prompts"]), (&json!(digest), &json!(50)));
    let number = |name: &str| of_file["line"][name].as_f64().unwrap();
    for (after, before) in after.iter().zip(&before) {
        let moved =
            number("pivot") + number("intercept") + number("slope") * (log_odds(*before) - number("pivot"));
        assert!((log_odds(*after) - moved).abs() < 1e-6);
    }
    let told = tell(&server, 1, "complied");
    assert!(told["predicted_by"].as_str().unwrap().ends_with(&format!("+{digest}")), "{told}");
    let models = server.get("/v1/models/prompt").ok();
    assert_eq!(models["target_digests"][TARGET], json!(digest));
    assert_eq!(
        (counted(&server, "learned"), counted(&server, "refused"), counted(&server, "changed")),
        (1, 0, 0)
    );
    // A restart and a reload keep it.
    assert!(server.post("/admin/reload", "").status < 500);
    assert_eq!(predicted(&server, TARGET).0, after);
    let log = server.stop();
    let said = log.lines().find(|line| line.contains("learned the line of a target")).unwrap();
    for part in [TARGET, "from=", &digest[..12], "labels=50", "log_loss_before=", "log_loss="] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let server = Server::start(&dir, FLAGS);
    assert_eq!(predicted(&server, TARGET), (after, Some(digest.clone())));
    // Back: the running service takes it up, and does not learn the same again.
    let back = dir.demur(&format!("place --back lines --name {TARGET}")).succeeds().stdout;
    assert!(back.starts_with(&format!("{TARGET}: back from {} to ", &digest[..12])), "{back}");
    until("it goes back", || predicted(&server, TARGET) == (before.clone(), None));
    until("it is counted", || counted(&server, "changed") == 1);
    tell(&server, 49, "refused");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(predicted(&server, TARGET), (before, None), "what was told before is not learned again");
    tell(&server, 1, "refused");
    until("it learns from what came later", || predicted(&server, TARGET).1.is_some());
    assert_eq!(line(&dir, TARGET)["prompts"], 50);
    let older = fs::read_dir(dir.path("lines/older")).unwrap().count();
    assert_eq!(older, 2, "every line is kept");
    dir.demur("place --back lines --name nobody").fails(1, &["no learned line of `nobody`", TARGET]);
    dir.demur("place --back lines").fails(2, &["--name"]);
    dir.demur(&format!("predict a --target x --placed lines/{TARGET}.target.json"))
        .fails(1, &["learned by a service"]);
}

#[test]
fn no_feedback_moves_a_target_beyond_the_bounds() {
    let dir = Dir::new();
    let server = Server::start(&dir, FLAGS);
    let (before, _) = predicted(&server, TARGET);
    for round in 1..=4 {
        tell(&server, 150, "refused");
        until("it learns", || counted(&server, "learned") + counted(&server, "refused") >= round);
    }
    let of_file = line(&dir, TARGET);
    let (shift, slope) =
        (of_file["line"]["intercept"].as_f64().unwrap(), of_file["line"]["slope"].as_f64().unwrap());
    assert!(shift > 1.0 && shift <= 2.0 && (0.5..=2.0).contains(&slope), "{of_file}");
    let pivot = of_file["line"]["pivot"].as_f64().unwrap();
    for (after, before) in predicted(&server, TARGET).0.iter().zip(&before) {
        let bound = 2.0 + (log_odds(*before) - pivot).abs();
        assert!((log_odds(*after) - log_odds(*before)).abs() <= bound + 1e-9);
    }
}

#[test]
fn feedback_that_agrees_or_contradicts_itself_is_refused_and_said() {
    let dir = Dir::new();
    let server = Server::start(&dir, FLAGS);
    // What is held out says the opposite of what is fitted on.
    for at in 0..120 {
        let label = if at % 2 == 0 { "refused" } else { "complied" };
        let body = json!({"prompt": PROMPTS[0], "target": TARGET, "label": label});
        server.post("/v1/feedback", body.to_string()).ok();
        if at == 59 {
            // The first attempt sees only some of them, and the second waits for as many again.
            until("it refuses", || counted(&server, "refused") >= 1);
        }
    }
    until("it refuses again", || counted(&server, "refused") >= 2);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(
        (counted(&server, "learned"), counted(&server, "refused")),
        (0, 2),
        "it is not tried all the time"
    );
    assert_eq!(predicted(&server, TARGET).1, None);
    assert!(server.stop().contains("refused a line"));
}

/// Killed at any moment, it leaves files that can be used, and goes on.
#[cfg(unix)]
#[test]
fn a_killed_service_leaves_a_folder_that_can_be_used() {
    let dir = Dir::new();
    let flags = FLAGS.replace("0.015", "0.0005");
    for round in 0..4 {
        let server = Server::start(&dir, &flags);
        tell(&server, 50 + 13 * round, "refused");
        std::thread::sleep(Duration::from_millis(17 * round as u64));
        server.signal("-KILL");
        drop(server);
        let files: Vec<PathBuf> = fs::read_dir(dir.path("lines"))
            .map_or_else(|_| Vec::new(), |entries| entries.map(|entry| entry.unwrap().path()).collect());
        for file in files
            .iter()
            .filter(|file| file.is_file() && !file.file_name().unwrap().to_string_lossy().starts_with('.'))
        {
            serde_json::from_slice::<Value>(&fs::read(file).unwrap()).unwrap();
        }
    }
    let server = Server::start(&dir, &flags);
    until("it goes on", || predicted(&server, TARGET).1.is_some());
    let digest = predicted(&server, TARGET).1.unwrap();
    dir.demur(&format!("place --back lines --name {TARGET} --json")).succeeds();
    until("it goes back", || predicted(&server, TARGET).1.as_deref() != Some(&digest));
    // A file that somebody broke is said, and what is in force stays so.
    let (before, _) = predicted(&server, TARGET);
    dir.write("lines/broken.target.json", "{}");
    until("it says so", || counted(&server, "failed") > 0);
    assert_eq!(predicted(&server, TARGET).0, before);
    server.stop();
    dir.demur(&format!("serve --port 0 {flags}"))
        .fails(1, &["broken.target.json", "this is no placed target"]);
}

/// A proxy learns of a model that no predictor knows.
#[test]
fn a_proxy_learns_from_what_it_sees() {
    let (dir, upstream) = (Dir::new(), Upstream::start());
    let proxy = Server::of_command(upstream.command(&dir, FLAGS));
    let body = chat(PROMPTS[0]).replace(TARGET, "their/Own model");
    let exchange = || {
        upstream.answers(
            "200 OK\r\ncontent-type: application/json",
            &completion("I'm sorry, but I can't assist with that request."),
        );
        let reply = proxy.post(CHAT, &body);
        upstream.asked();
        (reply.headers["x-demur-p-refusal"].parse::<f64>().unwrap(), reply.headers["x-demur-reason"].clone())
    };
    let (before, reason) = exchange();
    assert!(reason.contains("is not known"), "{reason}");
    for _ in 0..49 {
        exchange();
    }
    until("it learns", || counted(&proxy, "learned") == 1);
    let (after, reason) = exchange();
    assert!(after > before && reason.contains("for their/Own model"), "{before} {after} {reason}");
    assert!(
        crate::support::names(&dir.path("lines")).iter().any(|name| name.starts_with("their-own-model@"))
    );
}

#[test]
fn wrong_flags_are_named() {
    let dir = Dir::new();
    dir.demur("serve --port 0 --learn-online lines").fails(2, &["--learn-online", "--feedback-store"]);
    dir.demur("serve --port 0 --feedback-store a.db --learn-online lines --learn-every 0")
        .fails(2, &["--learn-every is 0"]);
    dir.write("file", "");
    dir.demur("serve --port 0 --feedback-store a.db --learn-online file")
        .fails(1, &["cannot read the learned lines in file"]);
}
