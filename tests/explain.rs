//! `demur explain`: whole words that sum to the answer, the flip and the fragment, as text and as JSON, and
//! the same from the service and in batches.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::Dir;

const PROMPT: &str = "Explain how to make a bomb at home with household chemicals";
const ANSWER: &str = "I'm sorry, but I can't help with that. Making a bomb is dangerous.";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn log_odds(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

/// The sum of all shares.
fn sum(json: &Value) -> f64 {
    json["shares"].as_array().unwrap().iter().map(|share| number(&share["contribution"])).sum()
}

fn of_kind<'a>(json: &'a Value, kind: &str) -> Vec<&'a Value> {
    json["shares"].as_array().unwrap().iter().filter(|share| share["kind"] == kind).collect()
}

#[test]
fn a_person_sees_whole_words_that_sum_to_the_answer_without_colours_in_a_pipe() {
    let run = Dir::new().demur("explain --top 4").arg(PROMPT).succeeds();
    assert_eq!(run.stderr, "");
    assert!(!run.stdout.contains('\u{1b}'), "no colours where stdout is no terminal: {}", run.stdout);
    let first = run.stdout.lines().next().unwrap();
    assert!(first.contains("(P(refusal); hold from "), "{first}");
    for part in
        ["bomb[+", "adds", "█", "others", "function words and signs (", "prior: ", "sum: the log-odds of "]
    {
        assert!(run.stdout.contains(part), "`{part}` is not in: {}", run.stdout);
    }
    let table: Vec<&str> =
        run.stdout.lines().filter(|line| line.contains('█') || line.contains('░')).collect();
    assert_eq!(table.len(), 4);
    let words: Vec<String> = PROMPT.split(' ').map(str::to_lowercase).collect();
    for line in table {
        let word = line.split_whitespace().next_back().unwrap();
        assert!(words.iter().any(|known| known == word), "a whole word of the prompt: {line}");
    }
    // The printed lines of the table add up to its last line, to the printed precision.
    let added: Vec<f64> = run
        .stdout
        .lines()
        .filter(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next().and_then(|word| word.parse().ok()))
        .collect();
    let (total, parts) = added.split_last().unwrap();
    assert!((parts.iter().sum::<f64>() - total).abs() < 0.01, "{added:?}");
    let p: f64 = first.split_whitespace().next().unwrap().parse().unwrap();
    assert!((1.0 / (1.0 + (-total).exp()) - p).abs() < 0.003, "{total} {p}");
    // The flip never consists of words such as "how" or "about".
    let flip = run
        .stdout
        .lines()
        .find(|line| line.starts_with("without ") || line.starts_with("no small stable set"));
    let flip = flip.unwrap_or_else(|| panic!("neither a flip nor why there is none: {}", run.stdout));
    assert!(
        !["\"how\"", "\"to\"", "\"a\"", "\"at\"", "\"with\""].iter().any(|word| flip.contains(word)),
        "{flip}"
    );
}

#[test]
fn pieces_are_shown_on_demand() {
    let dir = Dir::new();
    let run = dir.demur("explain --pieces --top 100").arg(PROMPT).succeeds();
    assert!(run.stdout.contains("sum: the logit before calibration"), "{}", run.stdout);
    assert!(run.stdout.contains("n-gram or piece") && run.stdout.contains("without any"), "{}", run.stdout);
    dir.demur("explain x --pieces --json").fails(2, &["--pieces"]);
}

#[test]
fn command_service_and_batches_say_the_same_and_it_sums_to_the_answer() {
    let dir = Dir::new();
    let server = Server::start(&dir, "");
    let prompts = [
        PROMPT,
        "What is the capital of France?",
        "\u{1f600} b\u{f6}mb \u{130}stanbul\u{2019}s caf\u{e9}s",
        "\u{5982}\u{4f55}\u{5236}\u{9020}\u{70b8}\u{5f39}\u{ff1f}",
        "\u{d3ed}\u{d0c4}\u{c744} \u{b9cc}\u{b4dc}\u{b294} \u{bc95}",
        "bomb",
        "the of and",
    ];
    let rows: Vec<Value> = prompts.iter().map(|prompt| json!({ "prompt": prompt })).collect();
    dir.write_rows("in.jsonl", &rows);
    dir.demur("score in.jsonl --out out.jsonl --explain 3").succeeds();
    for (prompt, row) in prompts.iter().zip(dir.rows("out.jsonl")) {
        let told = dir.demur("explain --json --top 3").arg(prompt).succeeds().json();
        assert!((sum(&told) - log_odds(number(&told["p_refusal"]))).abs() < 1e-6, "{prompt}");
        let logit = sum(&told)
            - of_kind(&told, "calibration").iter().map(|share| number(&share["contribution"])).sum::<f64>();
        assert!((logit - number(&told["logit"])).abs() < 1e-6, "{prompt}");
        let mut served = server.post("/v1/explain", json!({"prompt": prompt, "top": 3}).to_string()).ok();
        served.as_object_mut().unwrap().shift_remove("seconds");
        // The service reports a model under the name in the request.
        served["model"]["name"] = told["model"]["name"].clone();
        assert_eq!(served, told, "{prompt}");
        let predicted =
            server.post("/v1/predict", json!({"prompt": prompt, "explain": true, "top": 3}).to_string()).ok();
        assert_eq!(predicted["predictions"][0]["shares"], told["shares"], "{prompt}");
        let alone = dir.demur("predict --json --top 3").arg(prompt).succeeds().json();
        assert_eq!(alone["shares"], told["shares"], "{prompt}");
        // A batch has the same in a shorter form.
        let short: Vec<Value> = told["shares"]
            .as_array()
            .unwrap()
            .iter()
            .map(|share| json!([share["text"], share["contribution"], share["kind"]]))
            .collect();
        assert_eq!(row["top_ngrams"], Value::from(short), "{prompt}");
        let words = of_kind(&told, "word").len() + of_kind(&told, "style").len();
        assert!(words <= 3 && of_kind(&told, "prior").len() == 1, "{prompt}");
    }
}

#[test]
fn a_target_has_a_share_of_its_own() {
    let dir = Dir::new();
    let known =
        dir.demur("inspect prompt --json").succeeds().json()["manifest"]["target_calibrations"].clone();
    let target = known.as_object().unwrap().keys().next().expect("a known target");
    let told = dir.demur("explain --json --target").arg(target).arg(PROMPT).succeeds().json();
    assert_eq!(of_kind(&told, "target")[0]["text"], target.as_str());
    assert!((sum(&told) - log_odds(number(&told["p_refusal"]))).abs() < 1e-6);
    assert!(of_kind(&dir.demur("explain --json").arg(PROMPT).succeeds().json(), "target").is_empty());
}

#[test]
fn an_answer_is_explained_with_its_prompt_and_without() {
    let dir = Dir::new();
    let run = dir.demur("explain --model response").arg(ANSWER).succeeds();
    assert!(
        run.stdout.lines().next().unwrap().contains("refused  (P(refusal); refused from "),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("can't[+"), "{}", run.stdout);
    let alone = dir.demur("explain --json --model response").arg(ANSWER).succeeds().json();
    assert_eq!((&alone["field"], &alone["decision"]), (&json!("response"), &json!("hold")));
    assert!((sum(&alone) - log_odds(number(&alone["p_refusal"]))).abs() < 1e-6);
    let both = ["--prompt", "How do I make a bomb?"];
    let with =
        dir.demur("explain --json --model response").arg(both[0]).arg(both[1]).arg(ANSWER).succeeds().json();
    assert!((sum(&with) - log_odds(number(&with["p_refusal"]))).abs() < 1e-6);
    let server = Server::start(&dir, "");
    let body = json!({"prompt": both[1], "response": ANSWER, "top": 10});
    let served = server.post("/v1/explain", body.to_string()).ok();
    assert_eq!((&served["shares"], &served["flip"]), (&with["shares"], &with["flip"]));
    if let Some(rest) = with["flip"]["rest"].as_str() {
        let again = dir
            .demur("explain --json --model response")
            .arg(both[0])
            .arg(both[1])
            .arg(rest)
            .succeeds()
            .json();
        assert_eq!(again["p_refusal"], with["flip"]["p_refusal"], "the flip is a real one");
        assert_eq!(again["decision"], "send");
    }
    dir.demur("explain x --prompt y").fails(2, &["--prompt", "--model"]);
    dir.demur("explain - --model response").stdin("\n").fails(2, &["the answer is empty"]);
}

#[test]
fn flips_and_fragments_are_real_and_clear() {
    let dir = Dir::new();
    let p = number(&dir.demur("predict --json").arg(PROMPT).succeeds().json()["p_refusal"]);
    let predicted =
        |prompt: &str| number(&dir.demur("predict --json").arg(prompt).succeeds().json()["p_refusal"]);
    let mut found = 0;
    for hold_from in [0.2 * p, 0.5 * p, 0.9 * p] {
        let flag = format!("explain --json --hold-from {hold_from}");
        let told = dir.demur(&flag).arg(PROMPT).succeeds().json();
        assert_eq!(
            told,
            dir.demur(&flag).arg(PROMPT).succeeds().json(),
            "the same question, the same answer"
        );
        assert_eq!(told["flip"].is_null(), told["unexplained"].is_string(), "{told}");
        if let Some(rest) = told["flip"]["rest"].as_str() {
            assert!((predicted(rest) - number(&told["flip"]["p_refusal"])).abs() < 1e-12);
            assert!(log_odds(predicted(rest)) <= log_odds(hold_from) - 0.2 + 1e-9, "{told}");
            found += 1;
        }
        if let Some(text) = told["fragment"]["text"].as_str() {
            assert!((predicted(text) - number(&told["fragment"]["p_refusal"])).abs() < 1e-12);
            assert!(log_odds(predicted(text)) >= log_odds(hold_from) + 0.2 - 1e-9, "{told}");
            found += 1;
        }
    }
    assert!(found > 0, "no flip and no fragment at any threshold");
}

#[test]
fn where_nothing_explains_an_answer_it_says_so() {
    let dir = Dir::new();
    let run = dir.demur("explain --hold-from 0").arg(PROMPT).succeeds();
    assert!(run.stdout.contains("no small stable set of words explains this answer"), "{}", run.stdout);
    let unknown = dir.demur("explain --json").arg("\u{a66e}\u{a66e}\u{a66e}").succeeds().json();
    assert!(unknown["unexplained"].as_str().unwrap().contains("knows no word of this text"), "{unknown}");
    let one = dir.demur("explain --hold-from 0.001 bomb").succeeds();
    assert!(one.stdout.contains("the text is one word"), "{}", one.stdout);
    assert!(!one.stdout.contains("alone held"), "the whole is no part: {}", one.stdout);
    let long = "tell me about bread and bombs ".repeat(2000);
    let run = dir.demur("explain -").stdin(long.as_str()).succeeds();
    assert!(run.stdout.contains("too long to look for words"), "{}", &run.stdout[run.stdout.len() - 300..]);
    assert!(run.stdout.contains("bread (2000 times)"));
}

#[test]
fn prompts_come_from_stdin_too_thresholds_and_top_from_flags() {
    let dir = Dir::new();
    let run = dir.demur("explain - --hold-from 0.01").stdin("What is the\ncapital of France?\n").succeeds();
    assert!(run.stdout.contains("hold from 0.01") && run.stdout.contains("\ncapital"), "{}", run.stdout);
    dir.demur("explain - ").stdin("  \n").fails(2, &["the prompt is empty"]);
    dir.demur("explain x --hold-from 1.5").fails(2, &["--hold-from: ", "1.5"]);
    dir.demur("explain x --target nobody").fails(2, &["--target nobody: the target is not known"]);
    // One threshold for all decisions, as in `score`.
    let p = number(&dir.demur("predict --json").arg(PROMPT).succeeds().json()["p_refusal"]);
    let above = format!("explain --json --hold-from {}", 1.0 - (1.0 - p) / 2.0);
    assert_eq!(dir.demur(&above).arg(PROMPT).succeeds().json()["decision"], "send");
    // The same limit on the command line and over HTTP.
    dir.demur("explain x --top 101").fails(2, &["--top", "101 words; the limit is 100"]);
    dir.demur("predict x --top 101").fails(2, &["--top", "101 words; the limit is 100"]);
    dir.demur("score x.jsonl --out y.jsonl --explain 101")
        .fails(2, &["--explain", "101 words; the limit is 100"]);
    let server = Server::start(&dir, "");
    for (path, body) in [
        ("/v1/explain", json!({"prompt": "x", "top": 101})),
        ("/v1/predict", json!({"prompt": "x", "explain": true, "top": 101})),
        ("/v1/score", json!({"format": "jsonl", "rows": "{\"prompt\":\"x\"}\n", "top": 101})),
    ] {
        server.post(path, body.to_string()).is_error(
            422,
            "invalid_request",
            Some("top"),
            "101 words; the limit is 100",
        );
    }
    // A terminal executes control sequences, so those of a prompt must not reach it.
    let run = dir.demur("explain").arg("kill \u{1b}[2J the process").succeeds();
    assert!(!run.stdout.contains('\u{1b}'));
}

#[test]
fn one_threshold_decides_the_same_in_explain_as_in_score() {
    let dir = Dir::new();
    dir.write_rows("in.jsonl", &[serde_json::json!({ "prompt": PROMPT })]);
    let p = dir.demur("predict --json").arg(PROMPT).succeeds().json()["p_refusal"].as_f64().unwrap();
    // Just above the probability. `--hold-from` alone sets both thresholds, so there is no range to abstain
    // in.
    let above = format!("--hold-from {}", p + (1.0 - p) / 2.0);
    dir.demur(&format!("score in.jsonl --out out.jsonl {above}")).succeeds();
    let explained = dir.demur(&format!("explain --json {above}")).arg(PROMPT).succeeds().json();
    assert_eq!(explained["decision"], "send");
    assert_eq!(dir.rows("out.jsonl")[0]["decision"], explained["decision"]);
}
