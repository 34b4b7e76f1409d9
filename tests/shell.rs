//! `demur shell`: completions and manual pages of every command.

use crate::support::{Dir, Run};

#[test]
fn completions_know_every_command_in_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = Dir::new().demur(&format!("shell completions {shell}")).succeeds().stdout;
        for name in ["predict", "export-notebook", "hold-from"] {
            assert!(script.contains(name), "{shell}: {name}");
        }
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
    for (page, said) in
        [("demur.1", "language model"), ("demur-score.1", "hold\\-from"), ("demur-contrast-swap.1", "swap")]
    {
        let text = dir.text(&format!("pages/man1/{page}"));
        assert!(text.contains(said), "{page}: {text}");
    }
    dir.write("file", "");
    dir.demur("shell man file/man1").fails(1, &["cannot write the manual pages", "file/man1"]);
}
