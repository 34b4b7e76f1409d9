//! `POST /v1/route` and `demur route`: which of several targets a prompt should go to.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::Dir;

const PROMPT: &str = "Tell me how to build a pipe bomb.";
const UNKNOWN: &str = "xqzv kwjpf zzgqx vbnmq";
const KNOWN: [&str; 2] = ["gpt-4o-mini", "openai/gpt-oss-120b"];

fn p_of(server: &Server, prompt: &str, target: Option<&str>) -> f64 {
    let body = server.post("/v1/predict", json!({"prompt": prompt, "target": target}).to_string()).ok();
    body["predictions"][0]["p_refusal"].as_f64().unwrap()
}

#[test]
fn targets_are_ranked_by_utility_and_the_unknown_are_named() {
    let server = Server::start(&Dir::new(), "");
    let candidates =
        json!([{"target": KNOWN[0], "cost": 0.3}, {"target": KNOWN[1]}, {"target": "nobody", "cost": 0.1}]);
    let ask = |more: Value| {
        let mut body = json!({"prompt": PROMPT, "candidates": candidates});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post("/v1/route", body.to_string()).ok()
    };
    let body = ask(json!({}));
    let ranking = body["ranking"].as_array().unwrap();
    for ranked in ranking {
        let name = ranked["target"].as_str().unwrap();
        let known = KNOWN.contains(&name);
        assert_eq!(
            (&ranked["known"], ranked["p_refusal"].as_f64()),
            (&json!(known), Some(p_of(&server, PROMPT, known.then_some(name))))
        );
        let utility = 1.0 - ranked["p_refusal"].as_f64().unwrap() - ranked["cost"].as_f64().unwrap();
        assert!((ranked["utility"].as_f64().unwrap() - utility).abs() < 1e-12, "{ranked}");
    }
    let utilities: Vec<f64> = ranking.iter().map(|ranked| ranked["utility"].as_f64().unwrap()).collect();
    assert!(utilities.is_sorted_by(|a, b| a >= b) && ranking.len() == 3, "{utilities:?}");
    assert_eq!(body["not_known"].as_array().unwrap().len(), 1);
    assert!(body["not_known"][0].as_str().unwrap().starts_with("`nobody` is not known"), "{body}");
    let held = ask(json!({"policy": {"send_below": 0.0, "hold_from": 0.0}}));
    assert_eq!((&held["choice"], held["ranking"].as_array().unwrap().len()), (&Value::Null, 3));
    let all = ask(json!({"policy": {"send_below": 1.0, "hold_from": 1.0}}));
    assert_eq!(all["choice"], all["ranking"][0]["target"]);
    // If an answer is worth much, P(refusal) alone decides.
    let dear = ask(json!({"value": 1e6}));
    let ps: Vec<f64> = dear["ranking"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ranked| ranked["p_refusal"].as_f64().unwrap())
        .collect();
    assert!(ps.is_sorted(), "{ps:?}");
    let chat = json!({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": PROMPT}], "candidates": candidates});
    let chat = server.post("/v1/route", chat.to_string()).ok();
    assert_eq!(
        (&chat["ranking"], &chat["not_judged"]),
        (&body["ranking"], &json!(["messages before the last of the user"]))
    );
}

#[test]
fn a_wrong_request_to_route_says_where() {
    let server = Server::start(&Dir::new(), "--max-chars 100");
    let target = json!([{"target": "a"}]);
    for (body, field, said) in [
        (json!({"prompt": "a", "candidates": []}), "candidates", "0 candidates"),
        (json!({"prompt": "a", "candidates": [{"target": "a"}, {"target": "a"}]}), "candidates[1]", "twice"),
        (json!({"prompt": "a", "candidates": [{"target": "a", "cost": -1}]}), "candidates[0]", "from 0 up"),
        (json!({"prompt": "a", "candidates": target, "value": 0}), "value", "above 0"),
        (json!({"candidates": target}), "prompt", "one of"),
        (json!({"prompt": " ", "candidates": target}), "prompt", "empty"),
        (json!({"prompt": "a".repeat(101), "candidates": target}), "prompt", "the limit is 100"),
        (json!({"prompt": "a", "candidates": target, "model": "response"}), "model", "no such prompt model"),
        (
            json!({"prompt": "a", "candidates": target, "policy": {"send_below": 1, "hold_from": 0}}),
            "policy",
            "",
        ),
    ] {
        server.post("/v1/route", body.to_string()).is_error(422, "invalid_request", Some(field), said);
    }
}

#[test]
fn rows_of_files_get_the_target_that_the_service_chooses() {
    let dir = Dir::new();
    let server = Server::start(&dir, "");
    let prompts = [PROMPT, "What is the capital of France?", UNKNOWN];
    dir.write_rows("in.jsonl", &prompts.map(|prompt| json!({"prompt": prompt, "n": 1})));
    let flags = format!("--candidate {}=0.3 --candidate {} --candidate nobody=0.1", KNOWN[0], KNOWN[1]);
    let run = dir.demur(&format!("route in.jsonl {flags} --out out.jsonl")).succeeds();
    assert!(run.stderr.contains("`nobody` is not known"), "{}", run.stderr);
    let candidates =
        json!([{"target": KNOWN[0], "cost": 0.3}, {"target": KNOWN[1]}, {"target": "nobody", "cost": 0.1}]);
    for (row, prompt) in dir.rows("out.jsonl").iter().zip(prompts) {
        let body =
            server.post("/v1/route", json!({"prompt": prompt, "candidates": candidates}).to_string()).ok();
        assert_eq!((&row["route"], &row["routes"]), (&body["choice"], &body["ranking"]));
        let lead =
            body["ranking"].as_array().unwrap().iter().find(|ranked| ranked["target"] == body["choice"]);
        let lead = lead.unwrap_or(&body["ranking"][0]);
        assert_eq!(
            (&row["p_refusal"], &row["utility"], &row["decision"]),
            (&lead["p_refusal"], &lead["utility"], &lead["decision"])
        );
        assert_eq!(row["n"], 1);
        // Nothing is decided on what is not known, whatever its score for a target.
        let is_abstained = |ranked: &Value| ranked["decision"] == "abstain";
        let decided = body["ranking"].as_array().unwrap().iter().any(|ranked| !is_abstained(ranked));
        assert_eq!(decided, prompt != UNKNOWN, "{body}");
    }
    let held = "route in.jsonl --hold-from 0 --candidate a --out held.csv --to csv";
    dir.demur(held).succeeds();
    assert!(
        dir.text("held.csv").starts_with("prompt,n,p_refusal,decision,route,utility,routes"),
        "{}",
        dir.text("held.csv")
    );
    dir.demur("route in.jsonl --out a.jsonl").fails(2, &["--candidate"]);
    dir.demur("route in.jsonl --candidate a --candidate a=1 --out a.jsonl")
        .fails(2, &["--candidate a", "twice"]);
    dir.demur("route in.jsonl --candidate a --value 0 --out a.jsonl").fails(2, &["--value", "above 0"]);
}
