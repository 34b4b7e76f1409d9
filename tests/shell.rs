//! `demur shell`: completions and manual pages of every command.

use crate::support::{Dir, Run};

/// The part of a help behind a heading, up to the next blank line.
fn listed<'a>(help: &'a str, heading: &str) -> Vec<&'a str> {
    let behind = help.lines().skip_while(|line| *line != heading).skip(1);
    behind.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next()).collect()
}

/// Every command, with its parents before it: `contrast`, `contrast swap`; and the long flags that its help
/// lists.
fn commands() -> Vec<(String, Vec<String>)> {
    let (mut found, mut open) = (Vec::new(), vec![String::new()]);
    while let Some(command) = open.pop() {
        let help = Dir::new().demur(&format!("{command} --help")).succeeds().stdout;
        for name in listed(&help, "Commands:").into_iter().filter(|name| *name != "help") {
            open.push(format!("{command} {name}").trim().to_owned());
        }
        let is_flag = |line: &&str| line.starts_with("  -") || line.starts_with("      --");
        let flags = help.lines().filter(is_flag).filter_map(|line| {
            let flag = line.split("--").nth(1)?;
            Some(flag[..flag.find([' ', '=', '[', ',']).unwrap_or(flag.len())].to_owned())
        });
        found.push((command, flags.collect()));
    }
    found.sort();
    found
}

#[test]
fn completions_know_every_command_and_flag_in_every_shell() {
    let commands = commands();
    let has = |name: &str| commands.iter().any(|(command, _)| command == name);
    assert!(commands.len() > 30 && has("contrast swap") && has("config show"), "{commands:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = Dir::new().demur(&format!("shell completions {shell}")).succeeds().stdout;
        for (command, flags) in &commands {
            for name in command.split(' ').chain(flags.iter().map(String::as_str)) {
                assert!(script.contains(name), "{shell}: {command}: {name}");
            }
        }
    }
    let bash = Dir::new().demur("shell completions bash").succeeds().stdout;
    for (command, _) in commands.iter().filter(|(command, _)| !command.is_empty()) {
        let arm = format!("demur__subcmd__{})", command.replace([' ', '-'], "__subcmd__"));
        assert!(bash.contains(&arm), "{arm}");
    }
    Dir::new().demur("shell completions ksh").fails(2, &["ksh", "bash"]);
}

#[test]
fn a_closed_pipe_ends_completions_without_a_panic() {
    let mut child = Dir::new().demur("shell completions bash").start();
    drop(child.stdout.take());
    let said = Run::of(child.wait_with_output().unwrap()).stderr;
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let dir = Dir::new();
    dir.demur("shell man pages/man1").succeeds();
    let mut pages = Vec::new();
    for (command, flags) in commands() {
        let page = format!("demur-{}.1", command.replace(' ', "-")).replace("demur-.1", "demur.1");
        let text = dir.text(&format!("pages/man1/{page}"));
        for flag in flags {
            assert!(text.contains(&format!("\\-\\-{}", flag.replace('-', "\\-"))), "{page}: {flag}");
        }
        pages.push(page);
    }
    pages.sort();
    assert_eq!(crate::support::names(&dir.path("pages/man1")), pages, "a page for each, and no other");
    for (page, said) in
        [("demur.1", "language model"), ("demur-score.1", "hold\\-from"), ("demur-contrast-swap.1", "swap")]
    {
        let text = dir.text(&format!("pages/man1/{page}"));
        assert!(text.contains(said), "{page}: {text}");
    }
    dir.write("file", "");
    dir.demur("shell man file/man1").fails(1, &["cannot write the manual pages", "file/man1"]);
}
