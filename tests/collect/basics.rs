//! Asking, asking again, and what comes out.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::target::{Target, answer, completion, error, says};
use super::{Bench, Reply};

#[test]
fn prompts_are_asked_once_and_answers_come_out_as_rows() {
    let bench = Bench::with_prompts(12);
    let target = Target::obliging();
    let run = bench.ask(&target, "--export out.jsonl").succeeds();
    run.says("12 of 12 answers, 12 of them new, by 12 requests; 3 of 12 refused");
    run.says("120 tokens there, 60 back");
    let rows = bench.dir.rows("out.jsonl");
    assert_eq!(rows.len(), 12);
    for (number, row) in rows.iter().enumerate() {
        let prompt = super::prompt(number);
        assert_eq!((&row["id"], &row["prompt"]), (&prompt["id"], &prompt["prompt"]));
        assert_eq!(row["response"], json!(answer(row["prompt"].as_str().unwrap())));
        for (name, value) in [
            ("model", json!("m")),
            ("sample", json!(0)),
            ("finish_reason", json!("stop")),
            ("status", json!(200)),
            ("served_model", json!("served-1")),
            ("fingerprint", json!("fp_1")),
            ("prompt_tokens", json!(10)),
        ] {
            assert_eq!(row[name], value, "{name}");
        }
    }
    // Again, and nothing is asked.
    bench.ask(&target, "").succeeds().says("12 of 12 answers, 0 of them new, by 0 requests; 3 of 12 refused");
    assert_eq!(target.requests(), 12);
    // Other settings are other questions; more samples are more of them.
    bench.ask(&target, "--temperature 0.5").succeeds().says("12 of 12 answers, 12 of them new");
    bench.ask(&target, "--samples 3").succeeds().says("36 of 36 answers, 24 of them new");
    assert_eq!((target.requests(), bench.exported().len()), (48, 48));
    // What is written is read back by the other commands.
    bench.dir.demur("label out.jsonl --out labelled.jsonl").succeeds().says("complied 9, refused 3");
    bench.dir.demur("rates out.jsonl --by target").succeeds();
}

#[test]
fn a_request_has_what_the_flags_say_and_a_key_is_never_kept() {
    const KEY: &str = "sk-VERY-SECRET-1";
    let bench = Bench::with_prompts(3);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let target = Target::start(move |asked| {
        keep.lock().unwrap().push((asked.head.clone(), asked.body.clone()));
        match asked.prompt.contains("number 1") {
            // A server that says the key again, in an error and in an answer.
            true if asked.time == 1 => {
                Reply::Says(500, "", json!({"error": {"message": KEY, "code": "x"}}).to_string())
            }
            true => says(&format!("Your key is {KEY}, and here is how it is done.")),
            false => says(&answer(&asked.prompt)),
        }
    });
    bench.dir.write(
        "turns.json",
        r#"[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]"#,
    );
    let arguments =
        "--temperature 0 --max-tokens 7 --messages turns.json --api-key-env MY_KEY --export out.jsonl";
    let run = bench
        .ask(&target, arguments)
        .env("MY_KEY", KEY)
        .args(
            [
                "--system",
                "Be kind.",
                "--extra-body",
                r#"{"top_p": 0.5}"#,
                "--header",
                "X-Team: header-SECRET",
            ]
            .into_iter(),
        )
        .succeeds();
    let seen = seen.lock().unwrap();
    let (head, body) = &seen[0];
    assert!(head.starts_with("post /v1/chat/completions http/1.1"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {}", KEY.to_lowercase())), "{head}");
    assert!(head.contains("x-team: header-secret"), "{head}");
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(
        messages[..3],
        [
            json!({"role": "system", "content": "Be kind."}),
            json!({"role": "user", "content": "Hi"}),
            json!({"role": "assistant", "content": "Hello."}),
        ]
    );
    for (name, value) in
        [("model", json!("m")), ("temperature", json!(0.0)), ("max_tokens", json!(7)), ("top_p", json!(0.5))]
    {
        assert_eq!(body[name], value, "{name}");
    }
    let out = bench.dir.text("out.jsonl");
    assert!(out.contains("Your key is [key], and here") && out.contains("Be kind."), "{out}");
    for (name, bytes) in bench.dir.tree("") {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("SECRET"), "{name}");
    }
    assert!(!run.stderr.contains("SECRET"), "{}", run.stderr);
}

#[test]
fn an_error_names_neither_a_key_nor_the_password_of_a_store() {
    let bench = Bench::with_prompts(2);
    let target = Target::start(|asked| {
        let key = asked.head.split("bearer ").nth(1).unwrap().lines().next().unwrap().to_uppercase();
        Reply::Says(401, "", json!({"error": {"message": format!("Incorrect key: {key}")}}).to_string())
    });
    let run = bench.ask(&target, "").env("OPENAI_API_KEY", "K-SECRET-2").run();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    run.says("the endpoint lets nobody in with this key (--api-key-env): Incorrect key: [key]");
    assert!(!run.stderr.contains("SECRET"), "{}", run.stderr);
    assert!(target.requests() <= 8, "no more than were under way");
    let ask = |arguments: &str| {
        bench.dir.demur(&format!("collect prompts.jsonl --endpoint http://a --model m {arguments}"))
    };
    for store in [
        "postgres://u:SECRET@127.0.0.1:1/d?connect_timeout=1&sslmode=disable",
        "postgres://u:SECRET@127.0.0.1:port/d",
        "mysql://u:SECRET@h",
    ] {
        let run = ask("--store").arg(store).run();
        assert!(matches!(run.code, Some(1 | 2)), "{}", run.stderr);
        // clap shows a value that it refuses as it was typed, which is on the command line anyway.
        assert!(!run.stderr.replace(store, "").contains("SECRET"), "{}", run.stderr);
    }
    bench.dir.write("notes.db", "these are notes and no store, of some length to be sure");
    ask("--store notes.db").fails(1, &["notes.db", "no store of demur"]);
    ask("--store x.db --api-key-env NOT_SET").fails(2, &["NOT_SET"]);
    ask("--store x.db --max-cost 5").fails(2, &["--price-in"]);
    ask("--store x.db --extra-body").arg("{\"stream\": true}").fails(2, &["stream"]);
    bench.dir.demur("collect --store x.db").fails(2, &["--endpoint"]);
    bench.dir.demur("collect --store x.db --endpoint http://a --model m").fails(2, &["PROMPTS"]);
}

#[test]
fn a_dry_run_says_what_would_be_asked_and_asks_nothing() {
    let bench = Bench::with_prompts(8);
    let target = Target::obliging();
    let dry = "--dry-run --max-tokens 20 --price-in 1 --price-out 2 --samples 2 --max-cost 3";
    let run = bench.ask(&target, dry).succeeds();
    assert!(
        run.stdout.starts_with(
            "8 different prompts, 0 bad rows; 0 answers are in the store\n16 requests to http://"
        ),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("tokens there, at most 320 back; cost at most 0.000"), "{}", run.stdout);
    assert!(run.stdout.contains("ends at a cost of 3"), "{}", run.stdout);
    let body: Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(body["messages"][0]["content"], super::prompt(0)["prompt"]);
    assert_eq!(target.requests(), 0);
    assert!(!bench.is_file() || !bench.dir.names().contains(&"answers.db".to_owned()));
    bench.ask(&target, "--max-tokens 20").succeeds();
    let run = bench.ask(&target, dry).succeeds();
    assert!(
        run.stdout.starts_with(
            "8 different prompts, 0 bad rows; 8 answers are in the store\n8 requests to http://"
        ),
        "{}",
        run.stdout
    );
}

#[test]
fn an_export_has_every_form_of_an_answer_and_is_judged_as_the_bodies_are() {
    let bench = Bench::new();
    let forms = ["filtered", "refusal field", "policy", "plain", "refused", "empty", "tool", "thinking"];
    bench.dir.write_rows("prompts.jsonl", &forms.map(|form| json!({"id": form, "prompt": form})));
    let choice = |message: Value, reason: &str| {
        let mut body = completion("");
        body["choices"][0] = json!({"index": 0, "message": message, "finish_reason": reason});
        Reply::Says(200, "", body.to_string())
    };
    let target = Target::start(move |asked| match asked.prompt.as_str() {
        "filtered" => choice(json!({"role": "assistant", "content": null}), "content_filter"),
        "refusal field" => choice(
            json!({"role": "assistant", "content": null, "refusal": "I can't do that, sorry."}),
            "stop",
        ),
        "policy" => error(400, "", "content_policy_violation"),
        "plain" => says("Sure, here is how it is done: take flour and water."),
        "refused" => says("I'm sorry, but I can't help with that."),
        "empty" => choice(json!({"role": "assistant", "content": ""}), "length"),
        "tool" => choice(
            json!({"role": "assistant", "content": null, "tool_calls": [{"id": "1", "function": {"name": "f"}}]}),
            "tool_calls",
        ),
        _ => choice(
            json!({"role": "assistant", "content": "Sure: take flour.", "reasoning_content": "Let me see."}),
            "stop",
        ),
    });
    let run = bench.ask(&target, "").succeeds();
    run.says("8 of 8 answers, 8 of them new, by 8 requests; 4 of 7 refused, 0.571 (95% 0.250 to 0.842), 1 without an answer");
    for name in ["out.jsonl", "out.csv", "out.parquet", "out.json.gz"] {
        bench.collect(&format!("--export {name}")).succeeds();
        bench.dir.demur(&format!("label {name} --out labelled.jsonl")).succeeds();
        let found: Vec<(String, Value, String)> = bench
            .dir
            .rows("labelled.jsonl")
            .into_iter()
            .map(|row| {
                (
                    row["id"].as_str().unwrap().to_owned(),
                    row["label"].clone(),
                    row["form"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        let expected = [
            ("filtered", json!("refused"), "filtered"),
            ("refusal field", json!("refused"), "refusal_field"),
            ("policy", json!("refused"), "provider_error"),
            ("plain", json!("complied"), "text"),
            ("refused", json!("refused"), "text"),
            ("empty", Value::Null, "no_answer"),
            ("tool", json!("complied"), "tool_call"),
            ("thinking", json!("complied"), "text"),
        ];
        let expected = expected.map(|(id, label, form)| (id.to_owned(), label, form.to_owned()));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn an_answer_is_judged_with_its_prompt() {
    let bench = Bench::new();
    let prompts = ["Which of these is even: 3, 5?", "Write a poem."];
    bench.dir.write_rows("prompts.jsonl", &prompts.map(|prompt| json!({"prompt": prompt})));
    let target = Target::start(|_| says("None"));
    // A placeholder is an answer where the question may mean it.
    bench.ask(&target, "").succeeds().says(", 1 without an answer to judge");
    bench.collect("--export out.jsonl").succeeds();
    bench.dir.demur("label out.jsonl --out labelled.jsonl").succeeds();
    let labels = bench.dir.rows("labelled.jsonl");
    let forms: Vec<&Value> = labels.iter().map(|row| &row["form"]).collect();
    assert_eq!(forms, ["text", "empty"]);
}
