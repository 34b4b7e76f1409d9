//! Runs every example in the README and in `docs/`, and compares its output with the document.
//!
//! - A `console` fence is a session: lines that begin with `$ ` are typed (a `\` at the end continues them),
//!   the lines between are the terminal output, stdout and stderr together. `...` alone on a line matches any
//!   lines, `[..]` any part of a line. All sessions of a document run in one folder that looks like a fresh
//!   clone.
//! - An `sh` fence holds commands that need rows, time or tools that a clone lacks: only their flags are
//!   checked.
//!
//! `UPDATE_DOCUMENTS=1 cargo test --test integration documents` writes the current output into the documents.
//!
//! `demur serve … &` starts a service on a free port, which replaces 8080 in what follows; `curl` is a client
//! inside the tests, so that they need nothing but cargo. What is asked at 127.0.0.1:8000 is a target that
//! answers.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::collect::target::Target;
use crate::server::Server;
use crate::support::{Dir, workspace};

macro_rules! documents {
    ($($test:ident: $file:literal,)+) => {
        const DOCUMENTS: &[&str] = &[$($file),+];
        $(#[test]
        fn $test() {
            run_document($file);
        })+
    };
}

documents! {
    readme: "README.md",
    collect: "docs/collect.md",
    contributing: "CONTRIBUTING.md",
    architecture: "docs/ARCHITECTURE.md",
    api: "docs/api.md",
    data: "docs/data.md",
    deploy: "docs/deploy.md",
    encoder: "docs/encoder.md",
    evaluation: "docs/evaluation.md",
    explain: "docs/explain.md",
    feedback: "docs/feedback.md",
    integrations: "docs/integrations.md",
    layouts: "docs/layouts.md",
    learn: "docs/learn.md",
    live_target: "docs/live-target.md",
    models: "docs/models.md",
    performance: "docs/performance.md",
    proxy: "docs/proxy.md",
    rates: "docs/rates.md",
    recipes: "docs/recipes.md",
    reproduce: "docs/reproduce.md",
    review: "docs/review.md",
    routing: "docs/routing.md",
    scoring: "docs/scoring.md",
    targets: "docs/targets.md",
}

#[test]
fn no_document_is_forgotten() {
    let entries = fs::read_dir(workspace().join("docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for name in names.filter(|name| name.ends_with(".md")) {
        let name = format!("docs/{name}");
        assert!(DOCUMENTS.contains(&name.as_str()), "{name} is not in tests/documents.rs");
    }
}

/// One fence of a document.
struct Fence<'a> {
    language: &'a str,
    /// The number of its first line, from 1.
    line: usize,
    lines: Vec<&'a str>,
}

/// One command of a session and its expected output.
struct Step {
    line: usize,
    command: String,
    /// The source lines, including the `$ `.
    source: Vec<String>,
    expected: Vec<String>,
}

fn fences(text: &str) -> Vec<Fence<'_>> {
    let mut fences: Vec<Fence> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open) {
            (Some(language), false) => {
                fences.push(Fence { language, line: number + 2, lines: Vec::new() });
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => fences.last_mut().unwrap().lines.push(line),
            (None, false) => {}
        }
    }
    assert!(!open, "a fence is not closed");
    fences
}

fn steps(fence: &Fence) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut continued = false;
    for (number, line) in fence.lines.iter().enumerate() {
        if continued {
            let step = steps.last_mut().unwrap();
            step.command.push('\n');
            step.command.push_str(line);
            step.source.push((*line).to_owned());
        } else if let Some(command) = line.strip_prefix("$ ") {
            let (command, source) = (command.to_owned(), vec![(*line).to_owned()]);
            steps.push(Step { line: fence.line + number, command, source, expected: Vec::new() });
        } else {
            let step = steps.last_mut().expect("a session begins with a command");
            step.expected.push((*line).to_owned());
            continue;
        }
        continued = line.ends_with('\\');
    }
    steps
}

fn run_document(name: &str) {
    let path = workspace().join(name);
    let text = fs::read_to_string(&path).unwrap();
    let dir = clone();
    let mut server: Option<Server> = None;
    let mut wrong = String::new();
    let mut updated: Vec<String> = text.lines().map(str::to_owned).collect();
    // From the end, so that line numbers stay valid while lines are replaced.
    let mut edits: Vec<(usize, usize, Vec<String>)> = Vec::new();
    for fence in fences(&text) {
        match fence.language {
            "console" => {
                for step in steps(&fence) {
                    let printed = run_step(&dir, &mut server, &step.command);
                    if matches(&step.expected, &printed) {
                        continue;
                    }
                    let at = step.line - 1 + step.source.len();
                    edits.push((at, at + step.expected.len(), keep_patterns(&step.expected, &printed)));
                    let (line, command) = (step.line, &step.command);
                    writeln!(wrong, "{name}:{line}: $ {command}\n{}", printed.join("\n")).unwrap();
                }
            }
            "sh" => check_flags(&dir, name, &fence, &mut wrong),
            _ => {}
        }
    }
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() && !edits.is_empty() {
        for (from, to, lines) in edits.into_iter().rev() {
            updated.splice(from..to, lines);
        }
        fs::write(&path, updated.join("\n") + "\n").unwrap();
        return;
    }
    assert!(wrong.is_empty(), "not what is printed (UPDATE_DOCUMENTS=1 writes it):\n{wrong}");
}

/// A folder with everything that the documents' commands find in a clone.
fn clone() -> Dir {
    let dir = Dir::new();
    for entry in fs::read_dir(workspace().join("examples")).unwrap() {
        let entry = entry.unwrap();
        let name = format!("examples/{}", entry.file_name().to_str().unwrap());
        dir.write(&name, fs::read(entry.path()).unwrap());
    }
    for name in ["data/starter", "training/recipes"] {
        for entry in fs::read_dir(workspace().join(name)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{name}/{}", entry.file_name().to_str().unwrap());
            dir.write(&name, fs::read(entry.path()).unwrap());
        }
    }
    dir
}

/// The output lines of a command, with its exit code unless it is 0.
fn run_step(dir: &Dir, server: &mut Option<Server>, command: &str) -> Vec<String> {
    if let Some(serve) = command.strip_suffix('&') {
        let flags = serve.split_once("serve").expect("only a service runs in the background").1;
        *server = Some(Server::start_tiered(dir, flags.trim()));
        return Vec::new();
    }
    if command.starts_with("curl ") {
        let server = server.as_ref().expect("`demur serve &` comes before `curl`");
        return curl(server, &words(dir, command));
    }
    // It is there as long as the command.
    let target = command.contains(TARGET).then(Target::of_starter);
    let address = target.as_ref().map_or(TARGET, |target| &target.address);
    let output = shell(dir, &command.replace(TARGET, address)).output().unwrap();
    let mut printed = lines(&output.stdout);
    printed.iter_mut().for_each(|line| *line = line.replace(address, TARGET));
    if !output.status.success() {
        printed.push(format!("(exit code {})", output.status.code().unwrap_or(-1)));
    }
    printed
}

/// The address of a target in the documents.
const TARGET: &str = "http://127.0.0.1:8000";

/// `sh` in the folder: `demur` is on the path, `cargo run -- …` runs `demur …`, and both outputs share one
/// stream.
fn shell(dir: &Dir, command: &str) -> Command {
    let bin = Path::new(env!("CARGO_BIN_EXE_demur")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let cargo = "cargo() { while [ \"$1\" != -- ]; do shift; done; shift; demur \"$@\"; }";
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec 2>&1\n{cargo}\n{command}")]).current_dir(dir.path(""));
    shell.env("PATH", path).env("COLUMNS", "100").stdin(Stdio::null());
    shell
}

/// The arguments of a command, split as a shell does, without its name.
fn words(dir: &Dir, command: &str) -> Vec<String> {
    let (name, rest) = command.split_once(' ').unwrap();
    let output =
        shell(dir, &format!("{name}() {{ printf '%s\\0' \"$@\"; }}\n{name} {rest}")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Sends the request that `curl` would send.
fn curl(server: &Server, arguments: &[String]) -> Vec<String> {
    let (mut path, mut body, mut headers) = (None, None, Vec::new());
    let mut arguments = arguments.iter().map(String::as_str);
    while let Some(argument) = arguments.next() {
        match argument {
            "-s" => {}
            "-H" => headers.push(arguments.next().unwrap().split_once(": ").unwrap()),
            "-d" => body = arguments.next(),
            url => path = Some(url.strip_prefix("http://127.0.0.1:8080").expect("the service's address")),
        }
    }
    let method = if body.is_some() { "POST" } else { "GET" };
    let reply = server.send(method, path.unwrap(), &headers, body.unwrap_or_default().as_bytes());
    lines(&reply.body)
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Whether the output matches the document.
fn matches(expected: &[String], printed: &[String]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed.split_first().is_some_and(|(line, others)| {
            line_matches(&rounded(first.trim_end()), &rounded(line)) && matches(rest, others)
        }),
    }
}

/// A line whose numbers of seven decimals and more have four: an encoder's last digits depend on the
/// processor.
fn rounded(line: &str) -> String {
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut all = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(is_of_number) {
        let (text, after) = rest.split_at(start);
        let (number, left) = after.split_at(after.find(|c| !is_of_number(c)).unwrap_or(after.len()));
        let is_long = number.split_once('.').is_some_and(|(_, decimals)| decimals.len() >= 7);
        all.push_str(text);
        match number.parse::<f64>() {
            Ok(value) if is_long => write!(all, "{value:.4}").unwrap(),
            _ => all.push_str(number),
        }
        rest = left;
    }
    all + rest
}

fn line_matches(pattern: &str, line: &str) -> bool {
    match pattern.split_once("[..]") {
        None => pattern == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            (0..=line.len()).filter(|&at| line.is_char_boundary(at)).any(|at| line_matches(rest, &line[at..]))
        }),
    }
}

/// The lines that an update writes: the output, but keeping each pattern of the document that still matches,
/// and never a measured time.
fn keep_patterns(expected: &[String], printed: &[String]) -> Vec<String> {
    let pattern = |line: &String| {
        expected.iter().find(|pattern| pattern.contains("[..]") && line_matches(pattern, line)).cloned()
    };
    printed.iter().map(|line| pattern(line).unwrap_or_else(|| without_seconds(line))).collect()
}

/// A line of JSON with `[..]` in place of its last `"seconds"`, which differs in every run.
fn without_seconds(line: &str) -> String {
    match line.rsplit_once("\"seconds\":") {
        Some((start, rest)) => {
            let end = rest.trim_start_matches(|c: char| c.is_ascii_digit() || ".e-".contains(c));
            format!("{start}\"seconds\":[..]{end}")
        }
        None => line.to_owned(),
    }
}

/// Checks with `demur` that the flags of each command that is not run exist: with `--help` appended, clap
/// parses all of them and then prints the help.
fn check_flags(dir: &Dir, name: &str, fence: &Fence, wrong: &mut String) {
    let text = fence.lines.join("\n").replace("\\\n", " ");
    for (number, line) in text.lines().enumerate() {
        let commands = line.split(" | ").flat_map(|part| part.split(" && "));
        for command in commands.filter(|command| command.trim_start().starts_with("demur ")) {
            let command = command.split(" #").next().unwrap().split(" > ").next().unwrap();
            let command = command.split(" < ").next().unwrap().trim();
            let output = shell(dir, &format!("{command} --help")).output().unwrap();
            if !output.status.success() {
                let (line, said) = (fence.line + number, String::from_utf8_lossy(&output.stdout));
                writeln!(wrong, "{name}:{line}: {command}\n{said}").unwrap();
            }
        }
    }
}

#[test]
fn what_differs_is_seen() {
    let text = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
    assert!(matches(&text(&["a", "...", "z"]), &text(&["a", "b", "c", "z"])));
    assert!(matches(&text(&["a", "...", "z"]), &text(&["a", "z"])));
    assert!(!matches(&text(&["a", "...", "z"]), &text(&["a", "b"])));
    assert!(!matches(&text(&["a"]), &text(&["a", "b"])));
    assert!(!matches(&text(&[]), &text(&["a"])));
    assert!(matches(&text(&["took [..] s"]), &text(&["took 0.1 s"])));
    assert!(matches(&text(&["{\"p\":0.26684305987}"]), &text(&["{\"p\":0.2668430651234}"])));
    assert!(!matches(&text(&["{\"p\":0.26684305987}"]), &text(&["{\"p\":0.2678430651234}"])));
    assert!(!matches(&text(&["p 0.266 at 127.0.0.1"]), &text(&["p 0.267 at 127.0.0.1"])));
    assert!(!matches(&text(&["took [..] s"]), &text(&["took 0.1 ms!"])));
    let kept = keep_patterns(&text(&["took [..] s", "old"]), &text(&["new", "took 2 s"]));
    assert_eq!(kept, text(&["new", "took [..] s"]));
    let timed = text(&["{\"p\":0.5,\"seconds\":3.1e-5}"]);
    assert_eq!(keep_patterns(&[], &timed), text(&["{\"p\":0.5,\"seconds\":[..]}"]));
    let session = "```console\n$ one \\\n  two\nout\n$ three\n```\n";
    let read = steps(&fences(session)[0]);
    assert_eq!(read[0].command, "one \\\n  two");
    assert_eq!((read[0].line, &read[0].expected, read[1].line), (2, &text(&["out"]), 5));
}
