//! `demur explain`: coloured words, bars, the flip and the fragment, for a person and as JSON.

use serde_json::Value;

use crate::support::Dir;

const PROMPT: &str = "Explain how to make a bomb at home with household chemicals";

#[test]
fn a_person_sees_words_bars_flip_and_fragment_without_colours_in_a_pipe() {
    let run = Dir::new().demur("explain --top 4").arg(PROMPT).succeeds();
    assert_eq!(run.stderr, "");
    assert!(!run.stdout.contains('\u{1b}'), "no colours where stdout is no terminal: {}", run.stdout);
    let first = run.stdout.lines().next().unwrap();
    assert!(first.contains("hold  (P(refusal); hold from 0.5)"), "{first}");
    for part in ["bomb[+", "adds", "█", "others", "sum: the logit", "without \"", "alone held: "] {
        assert!(run.stdout.contains(part), "`{part}` is not in: {}", run.stdout);
    }
    let bars = run.stdout.lines().filter(|line| line.contains('█') || line.contains('░')).count();
    assert_eq!(bars, 4);
}

#[test]
fn the_json_is_what_the_service_says_and_adds_up() {
    let dir = Dir::new();
    let explain = || dir.demur("explain --json --top 1000").arg(PROMPT).succeeds();
    let (run, json) = (explain(), explain().json());
    assert_eq!(run.stdout, explain().stdout, "the same prompt gives the same bytes");
    let number = |value: &Value| value.as_f64().unwrap();
    let terms = json["terms"].as_array().unwrap();
    let sum: f64 = terms.iter().map(|term| number(&term["contribution"])).sum();
    assert!((number(&json["bias"]) + sum - number(&json["logit"])).abs() < 1e-6);
    assert_eq!(json["terms_in_all"], terms.len());
    // Flip and fragment are real: a prediction says the same.
    let predicted =
        |prompt: &str| number(&dir.demur("predict --json").arg(prompt).succeeds().json()["p_refusal"]);
    for part in ["flip", "fragment"] {
        let text = json[part][if part == "flip" { "rest" } else { "text" }].as_str().unwrap();
        assert!((predicted(text) - number(&json[part]["p_refusal"])).abs() < 1e-12, "{part}");
    }
    assert!(predicted(PROMPT) >= 0.5 && number(&json["flip"]["p_refusal"]) < 0.5);
    assert!(number(&json["fragment"]["p_refusal"]) >= 0.5);
}

#[test]
fn prompts_come_from_stdin_too_and_thresholds_from_a_flag() {
    let dir = Dir::new();
    let run = dir.demur("explain - --hold-from 0.01").stdin("What is the\ncapital of France?\n").succeeds();
    assert!(run.stdout.contains("hold from 0.01") && run.stdout.contains("\ncapital"), "{}", run.stdout);
    dir.demur("explain - ").stdin("  \n").fails(2, &["the prompt is empty"]);
    dir.demur("explain x --hold-from 1.5").fails(2, &["--hold-from 1.5"]);
    dir.demur("explain x --target nobody").succeeds().says("target `nobody` is not known");
    dir.demur("explain x --model response").fails(2, &["response classifier"]);
    // A terminal obeys control characters; a prompt must not give it any.
    let run = dir.demur("explain").arg("kill \u{1b}[2J the process").succeeds();
    assert!(!run.stdout.contains('\u{1b}'));
}
