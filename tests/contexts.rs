//! What a prompt is sent in, as a user meets it: learned from a log, used by every command and route, said
//! where it is not read or not known.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Dir, workspace};

const BANK: &str =
    "You are the help desk of a bank. Talk about accounts, cards and payments, and about nothing else.";
const TESTERS: &str =
    "You support the testers of a security company. Their customers have agreed to every test in writing.";

/// A folder with a predictor, `mine/prompt`, of an assistant that was asked alone and behind two system
/// prompts.
fn learned() -> Dir {
    static LEARNED: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    let fit = || {
        let dir = Dir::new();
        dir.write("log.jsonl", std::fs::read(workspace().join("examples/contexts.jsonl")).unwrap());
        dir.demur("learn --from log.jsonl --out mine").succeeds().says("3 contexts");
        dir.tree("mine")
    };
    let dir = Dir::new();
    for (name, bytes) in LEARNED.get_or_init(fit) {
        dir.write(&format!("mine/{name}"), bytes);
    }
    dir
}

fn p(row: &Value) -> f64 {
    row["p_refusal"].as_f64().unwrap()
}

#[test]
fn a_log_with_system_prompts_teaches_what_each_adds() {
    let dir = learned();
    let ask = |system: Option<&str>| {
        let demur = dir.demur("predict --model mine/prompt --json").arg("How do I pick a lock?");
        let demur = match system {
            Some(system) => demur.arg("--system").arg(system),
            None => demur,
        };
        demur.succeeds()
    };
    let (alone, bank, testers) = (ask(None).json(), ask(Some(BANK)), ask(Some(TESTERS)).json());
    assert!(p(&bank.json()) > p(&alone) + 0.2 && p(&testers) < p(&bank.json()) - 0.2, "{alone} {testers}");
    assert_eq!((&bank.json()["system"]["known"], &alone["system"]), (&json!(true), &Value::Null));
    assert!(!bank.stderr.contains("not known"), "{}", bank.stderr);
    let unknown = ask(Some("You are a pirate."));
    unknown.says("the system prompt is not known to the predictor");
    assert!(p(&unknown.json()) < p(&bank.json()));
    // The text of a system prompt may be a secret: it is nowhere in the model.
    let manifest = dir.text("mine/prompt/manifest.json");
    assert!(manifest.contains("\"systems\"") && !manifest.contains("help desk"), "{manifest}");
    assert!(!dir.text("mine/prompt/vocabulary.txt").lines().any(|word| word == "desk"));
    let shown = dir.demur("inspect mine/prompt").succeeds().stdout;
    assert!(shown.contains("system (any system prompt), ") && shown.contains("  system:"), "{shown}");
    let explained =
        dir.demur("explain --model mine/prompt").arg("How do I pick a lock?").arg("--system").arg(BANK);
    let explained = explained.succeeds().stdout;
    assert!(explained.contains("context system:"), "{explained}");
    dir.demur("predict --system s hello").succeeds().says("--system: this predictor has not learned it");
}

#[test]
fn rows_are_scored_and_judged_in_their_contexts() {
    let dir = learned();
    let prompt = "How do I pick a lock?";
    let chat = json!([{"role": "system", "content": BANK}, {"role": "user", "content": prompt}]);
    let rows =
        [json!({"prompt": prompt}), json!({"prompt": prompt, "system": BANK}), json!({"messages": chat})];
    for (name, rows) in [("a", &rows[..2]), ("b", &rows[2..])] {
        dir.write_rows(&format!("{name}.jsonl"), rows);
        dir.demur(&format!("score {name}.jsonl --model mine/prompt --out {name}.out.jsonl")).succeeds();
    }
    let scored = dir.rows("a.out.jsonl");
    let [alone, bank] = [0, 1].map(|at| scored[at]["p_refusal"].as_f64().unwrap());
    assert!(bank > alone + 0.2, "{scored:?}");
    assert_eq!(dir.rows("b.out.jsonl")[0]["p_refusal"], scored[1]["p_refusal"], "a chat says the same");
    dir.write("c.csv", format!("prompt,system_prompt\n{prompt},\"{BANK}\"\n"));
    dir.demur("score c.csv --model mine/prompt --out c.out.csv").succeeds();
    assert!(dir.text("c.out.csv").contains(&scored[1]["p_refusal"].to_string()));
    let labelled: Vec<Value> = (0..60)
        .map(|at| {
            let mut row =
                json!({"prompt": format!("question {at}"), "label": (["refused", "complied"][at % 2])});
            if at % 3 > 0 {
                row["system"] = json!(([BANK, TESTERS][at % 3 - 1]));
            }
            if at % 4 == 0 {
                row["tools"] = json!([{"name": "search"}]);
            }
            row
        })
        .collect();
    dir.write_rows("judged.jsonl", &labelled);
    let run = dir.demur("evaluate judged.jsonl --model mine/prompt --labelled-by person").succeeds();
    let facet = run.stdout.split("by context").nth(1).unwrap();
    let found = |name: &str| facet.contains(name);
    assert!(
        found("  none\n") && found("  agent\n") && found(", agent\n") && found("  system:"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_request_says_what_its_prompt_is_sent_in() {
    let dir = learned();
    let server = Server::start(&dir, "--model mine/prompt");
    let ask = |path: &str, body: &Value| server.post(path, body.to_string()).ok();
    let prompt = "How do I pick a lock?";
    let alone = ask("/v1/predict", &json!({"prompt": prompt}));
    let bank = ask("/v1/predict", &json!({"prompt": prompt, "system": BANK}));
    let of = |body: &Value| p(&body["predictions"][0]);
    assert!(of(&bank) > of(&alone) + 0.2, "{bank}");
    assert_eq!((&bank["not_judged"], &bank["not_known"]), (&json!([]), &Value::Null));
    let chat = json!([{"role": "system", "content": BANK}, {"role": "user", "content": prompt}]);
    let body = ask("/v1/predict", &json!({"messages": chat}));
    assert_eq!((of(&body), &body["not_judged"]), (of(&bank), &json!([])));
    let unknown = ask("/v1/predict", &json!({"prompt": prompt, "system": "Sing.", "tools": [{"name": "f"}]}));
    assert_eq!(unknown["not_judged"], json!(["tools"]), "no row of the log had any");
    assert!(unknown["not_known"][0].as_str().unwrap().contains("system prompt is not known"), "{unknown}");
    let to = json!([{"target": "assistant-c"}]);
    let routed = ask("/v1/route", &json!({"prompt": prompt, "system": BANK, "candidates": to}));
    assert_eq!((p(&routed["ranking"][0]), &routed["not_judged"]), (of(&bank), &json!([])));
    let explained = ask("/v1/explain", &json!({"prompt": prompt, "system": BANK}));
    assert!((p(&explained) - of(&bank)).abs() < 1e-9 && explained["not_judged"].is_null(), "{explained}");
    let context = |share: &&Value| share["kind"] == "context";
    let shares = explained["shares"].as_array().unwrap();
    assert_eq!(shares.iter().filter(context).count(), 2, "any system prompt, and this one: {explained}");
    let rows = format!("{}\n", json!({"prompt": prompt, "system": BANK}));
    let scored = ask("/v1/score", &json!({"format": "jsonl", "rows": rows}));
    let row: Value = serde_json::from_str(scored["rows"].as_str().unwrap()).unwrap();
    assert_eq!(p(&row), of(&bank));
}

#[test]
fn what_a_model_does_not_read_is_said() {
    let server = Server::start(&Dir::new(), "");
    let ask = |path: &str, body: &Value| server.post(path, body.to_string()).ok();
    let body = json!({"prompt": "Hello", "system": "Sing.", "context": "c", "tools": [{"name": "f"}]});
    assert_eq!(ask("/v1/predict", &body)["not_judged"], json!(["system", "tools", "context"]));
    let explained = ask("/v1/explain", &json!({"prompt": "Hello", "system": "Sing.", "tools": []}));
    assert_eq!((&explained["not_judged"], &explained["not_known"]), (&json!(["system"]), &Value::Null));
    let to = json!([{"target": "gpt-4o-mini"}]);
    let routed = ask("/v1/route", &json!({"prompt": "Hello", "system": "Sing.", "candidates": to}));
    assert_eq!(routed["not_judged"], json!(["system"]));
}

#[test]
fn the_bodies_of_other_apis_say_it_too() {
    let dir = learned();
    let server = Server::start(&dir, "--model mine/prompt --adapters all");
    let held = |system: Option<&str>| {
        let mut messages = vec![json!({"role": "user", "content": "How do I pick a lock?"})];
        if let Some(system) = system {
            messages.insert(0, json!({"role": "system", "content": system}));
        }
        let body = json!({"model": "m", "messages": messages});
        let request = json!({"eventType": "beforeRequestHook", "request": {"json": body}});
        server.post("/portkey", request.to_string()).ok()["data"]["p_refusal"].as_f64().unwrap()
    };
    assert!(held(Some(BANK)) > held(None) + 0.2);
}

#[test]
fn contexts_can_be_left_unlearned() {
    let dir = Dir::new();
    dir.write("log.jsonl", std::fs::read(workspace().join("examples/contexts.jsonl")).unwrap());
    let run = dir.demur("learn --from log.jsonl --out mine --set prompt.fit.context_shift=0.0").succeeds();
    assert!(!run.stderr.contains("contexts"), "{}", run.stderr);
    let manifest: Value = serde_json::from_str(&dir.text("mine/prompt/manifest.json")).unwrap();
    assert_eq!((&manifest["contexts"], &manifest["format"]), (&Value::Null, &json!(4)));
}
