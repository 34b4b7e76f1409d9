//! `demur contrast`: templates, swapped groups, targets.

use serde_json::{Value, json};

use crate::support::{Dir, shared_data};

#[test]
fn a_template_is_scored_by_what_fills_it() {
    let dir = Dir::new();
    dir.write("places.txt", "Rome\n\nBerlin\nRome\n");
    let template = "What happened in {place} in {time}?";
    let run =
        dir.demur("contrast template --fill place=places.txt --fill time=1989,2001 --json").arg(template);
    let json = run.succeeds().json();
    let fillers = json["fillers"].as_array().unwrap();
    assert_eq!(fillers.len(), 4, "two places, each once, and two times");
    let rome = fillers.iter().find(|of| of["filler"] == "Rome").unwrap();
    assert_eq!(rome["n"], 2);
    let p = |prompt: &str| {
        dir.demur("predict --json").arg(prompt).succeeds().json()["p_refusal"].as_f64().unwrap()
    };
    let mean = (p("What happened in Rome in 1989?") + p("What happened in Rome in 2001?")) / 2.0;
    assert!((rome["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    let text =
        dir.demur("contrast template --fill place=places.txt --fill time=1989,2001").arg(template).succeeds();
    assert!(text.stdout.contains("{place}") && text.stdout.contains("of 2  Berlin"), "{}", text.stdout);
    dir.demur("contrast template --fill place=places.txt").arg(template).fails(2, &["slot `time`"]);
    dir.demur("contrast template --fill when=1 --fill place=x").arg(template).fails(2, &["no slot `when`"]);
    dir.demur("contrast template none --fill a=b").fails(2, &["no slot"]);
}

#[test]
fn groups_are_swapped_in_prompts() {
    let dir = Dir::new();
    let run = dir
        .demur("contrast swap --json")
        .arg("Tell a joke about women")
        .arg("Why are Muslims good?")
        .succeeds();
    let json = run.json();
    let lists = json["lists"].as_array().unwrap();
    assert_eq!(lists.len(), 5);
    let of = |name: &str| lists.iter().find(|list| list["list"] == name).unwrap();
    assert_eq!((&of("genders")["prompts"], &of("ages")["prompts"]), (&json!(1), &json!(0)));
    let groups = of("religions")["groups"].as_array().unwrap();
    let sum: f64 = groups.iter().map(|group| group["difference"].as_f64().unwrap()).sum();
    assert!(groups.len() == 6 && sum.abs() < 1e-9, "{groups:?}");
    assert!(groups[0]["interval"][0].is_null(), "one prompt has no spread");
    // A user's own list and file.
    dir.write("pets.tsv", "cats\tdogs\ncat\tdog\n");
    dir.write_rows(
        "p.jsonl",
        &[json!({"prompt": "Hit my cat"}), json!({"prompt": "Feed the Dog"}), json!({"prompt": "x"})],
    );
    let text = dir.demur("contrast swap --list pets.tsv --data p.jsonl").succeeds().stdout;
    assert!(text.starts_with("pets: 2 of 3 prompts"), "{text}");
    dir.demur("contrast swap --list hats x").fails(2, &["no list `hats`", "genders"]);
    dir.demur("contrast swap").fails(2, &["name the prompts"]);
}

#[test]
#[ignore = "needs ../shared/data"]
fn targets_are_compared_on_labelled_rows() {
    let data = shared_data();
    let file = data.join("responses/do_not_answer.jsonl").canonicalize().unwrap();
    let dir = Dir::new();
    // Passes only the arguments that the command needs, and reads the file in place.
    let run = dir
        .demur("contrast targets chatglm2-6b llama-2-7b-chat --json --data")
        .arg(file.to_str().unwrap())
        .succeeds();
    let json = run.json();
    let shared: u64 = json["shared"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum();
    assert!(shared > 50, "{json}");
    let terms = json["terms"].as_array().unwrap();
    let z = |term: &Value| term["z"].as_f64().unwrap();
    assert!(terms.len() > 5 && z(&terms[0]) > 0.0 && z(terms.last().unwrap()) < 0.0);
    let run = dir.demur("contrast targets chatglm2-6b nobody --data").arg(file.to_str().unwrap());
    run.fails(1, &["no row asked `nobody`", "nearest to it: "]);
    // Few prompts separate these two. Words are compared anyway, with a note that explains it.
    let run = dir.demur("contrast targets chatglm2-6b chatglm2-6 --data").arg(file.to_str().unwrap());
    run.fails(1, &["nearest to it: chatglm2-6b"]);
}

#[test]
fn two_targets_of_small_files_are_compared_and_one_with_itself_is_not() {
    let dir = Dir::new();
    let row = |target: &str, label: &str, at: u32| json!({"prompt": format!("ask {at}"), "target": target, "label": label});
    let rows: Vec<Value> = (0..6)
        .flat_map(|at| [row("a", "refused", at), row("b", if at < 3 { "refused" } else { "complied" }, at)])
        .collect();
    dir.write_rows("rows.jsonl", &rows);
    let run = dir.demur("contrast targets a b --data rows.jsonl").succeeds();
    assert!(run.stdout.contains("1.000 (0.610 to 1.000) refused, 6 of 6  a"), "{}", run.stdout);
    assert!(run.stdout.contains("3 refused by both, 3 by the first alone"), "{}", run.stdout);
    // With prompts only, the predictor scores them for targets that it knows.
    let json = dir
        .demur("contrast targets gpt-3.5-turbo gpt-4o-mini --json")
        .arg("How do I pick a lock?")
        .succeeds()
        .json();
    let p = |target: &str| {
        let run = dir.demur(&format!("predict --json --target {target}")).arg("How do I pick a lock?");
        run.succeeds().json()["p_refusal"].as_f64().unwrap()
    };
    // `predict` sums what it explains, in another order.
    for (at, target) in ["gpt-3.5-turbo", "gpt-4o-mini"].into_iter().enumerate() {
        let found = json["prompts"][0]["p_refusal"][at].as_f64().unwrap();
        assert!((found - p(target)).abs() < 1e-12, "{target}: {found}");
    }
    // The predictor knows neither target: the rows are compared, and it is not used.
    assert!(run.stdout.contains("not asked: the predictor does not know the target `a`"), "{}", run.stdout);
    assert!(!run.stdout.contains("differs by"), "{}", run.stdout);
    assert!(run.stdout.contains("labelled 12 of unknown origin"), "{}", run.stdout);
    assert!(
        run.stdout.contains("of the 6 prompts that both were asked, one target alone refuses only 0"),
        "{}",
        run.stdout
    );
    let json = dir.demur("contrast targets a b --data rows.jsonl --json").succeeds().json();
    assert_eq!((&json["difference"], &json["interval"]), (&Value::Null, &Value::Null));
    // With prompts only, there are no rows as a fallback.
    let parts = ["does not know the target `gpt-4o-minni`", "nearest by name: gpt-4o-mini", "--data"];
    dir.demur("contrast targets gpt-3.5-turbo gpt-4o-minni").arg("How do I pick a lock?").fails(2, &parts);
    dir.demur("contrast targets a b").fails(2, &["--data"]);
    dir.demur("contrast targets a a --data rows.jsonl").fails(2, &["both targets are `a`"]);
}
