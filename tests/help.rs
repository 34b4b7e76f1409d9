//! The exact text of the command line's help.

use crate::support::Dir;

/// The commands that `demur --help` lists.
fn commands() -> Vec<String> {
    let help = Dir::new().demur("--help").succeeds().stdout;
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    listed
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_help_of_demur_stands_as_it_was_read_through() {
    let run = Dir::new().demur("--help").succeeds();
    assert_eq!(run.stderr, "");
    insta::assert_snapshot!("demur", run.stdout);
}

#[test]
fn the_help_of_every_command_stands_as_it_was_read_through() {
    let commands = commands();
    for expected in ["pipeline", "fit", "label", "bootstrap", "predict", "evaluate", "inspect"] {
        assert!(commands.iter().any(|name| name == expected), "{expected} is not in {commands:?}");
    }
    for command in commands {
        let run = Dir::new().demur(&format!("{command} --help")).succeeds();
        assert_eq!(run.stderr, "");
        insta::assert_snapshot!(command.clone(), run.stdout);
        assert_eq!(Dir::new().demur(&format!("help {command}")).succeeds().stdout, run.stdout);
    }
}

#[test]
fn no_line_of_help_is_wider_than_a_terminal() {
    let nested =
        ["", "contrast template", "contrast swap", "contrast targets", "config check", "config show"];
    for command in commands().iter().map(String::as_str).chain(nested) {
        let help = Dir::new().demur(&format!("{command} --help")).succeeds().stdout;
        // clap does not wrap the usage line.
        let lines = help.lines().filter(|line| !line.starts_with("Usage:"));
        let widest = lines.map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 100, "{command}: {widest}");
    }
}

/// Manually wrapped text must not be wrapped again at the terminal's width.
#[test]
fn the_story_below_the_commands_is_not_wrapped_twice() {
    let help = Dir::new().demur("--help").succeeds().stdout;
    let (_, story) = help.split_once("The flow:").unwrap();
    for line in story.lines().filter(|line| !line.is_empty() && *line != "Examples:") {
        assert!(line.split_whitespace().count() > 3, "a stray end of a line: `{line}`");
    }
}

#[test]
fn wrong_use_says_how_to_get_help() {
    let dir = Dir::new();
    dir.demur("persuade").fails(2, &["persuade", "--help"]);
    dir.demur("").fails(2, &["Usage: demur"]);
    dir.demur("inspect --loud model").fails(2, &["--loud"]);
    dir.demur("fit response --out model").fails(2, &["try `demur --help`"]);
}

#[test]
fn the_version_is_that_of_the_package() {
    let run = Dir::new().demur("--version").succeeds();
    assert_eq!(run.stdout, format!("demur {}\n", env!("CARGO_PKG_VERSION")));
}
