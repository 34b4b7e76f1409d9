//! `demur rates`: what it counts, whose labels, in every form of output, and what it says of inputs that
//! cannot be.

use serde_json::{Value, json};

use crate::support::{Dir, read_any, workspace};

/// A folder with the example of two targets.
fn with_targets() -> Dir {
    let dir = Dir::new();
    dir.write("targets.jsonl", std::fs::read(workspace().join("examples/targets.jsonl")).unwrap());
    dir
}

fn row(target: &str, category: &str, label: Option<&str>) -> Value {
    json!({"prompt": format!("{category}?"), "target": target, "category": category, "label": label, "labelled_by": "person"})
}

fn near(value: &Value, expected: f64) {
    assert!((value.as_f64().unwrap() - expected).abs() < 1e-4, "{value} is not {expected}");
}

#[test]
fn own_labels_go_first_and_every_row_has_its_labeller() {
    let dir = with_targets();
    let run = dir.demur("rates targets.jsonl --by target,category --to json").succeeds();
    let json = run.json();
    assert_eq!(json["total"]["labelled_by"], json!({"person": 23}), "nobody labels what is not there");
    assert_eq!((&json["total"]["no_answer"], json.get("model")), (&json!(1), None));
    let groups = json["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 8);
    let law = groups.iter().find(|g| g["by"] == json!({"target": "assistant-b", "category": "law"})).unwrap();
    assert_eq!((&law["refused"], &law["n"], &law["no_answer"]), (&json!(1), &json!(2), &json!(1)));
    near(&law["interval"][0], 0.0945);
    let table = dir.demur("rates targets.jsonl").succeeds();
    assert!(
        table.stdout.starts_with("Refused of n by target\n  23 rows labelled by persons; 95%"),
        "{}",
        table.stdout
    );
    dir.write_rows(
        "mixed.jsonl",
        &[row("t", "x", Some("refused")), json!({"target": "t", "response": "Bake it for an hour."})],
    );
    let mixed = dir.demur("rates mixed.jsonl").succeeds();
    mixed.says("--labels own or --labels demur keeps to one");
    let basis = "1 row labelled by persons, 1 row labelled by Demur itself, model bundled-response@";
    assert!(mixed.stdout.contains(basis) && mixed.stdout.contains("person 1, demur 1"), "{}", mixed.stdout);
}

#[test]
fn labels_of_demur_are_those_of_label() {
    let dir = with_targets();
    dir.demur("label targets.jsonl --out labelled.jsonl").succeeds();
    let refused = |target: &str| {
        let rows = dir.rows("labelled.jsonl");
        rows.iter().filter(|row| row["model"] == target && row["demur_label"] == "refused").count()
    };
    let json = dir.demur("rates targets.jsonl --labels demur --to json").succeeds().json();
    for (at, target) in ["assistant-a", "assistant-b"].into_iter().enumerate() {
        assert_eq!(json["groups"][at]["by"]["target"], target);
        assert_eq!(json["groups"][at]["refused"], refused(target), "{target}");
    }
    assert_eq!(json["total"]["labelled_by"], json!({"demur": 23}));
    let own = dir.demur("rates targets.jsonl --labels own --to json").succeeds();
    assert_eq!(own.json()["total"]["labelled_by"], json!({"person": 23}));
    own.says("1 rows without a label of their own left out");
}

#[test]
fn an_operators_phrases_hold() {
    let dir = Dir::new();
    dir.write(
        "rows.jsonl",
        "{\"response\": \"Blocked by Acme Shield.\"}\n{\"response\": \"Bake it for an hour.\"}\n",
    );
    dir.write("phrases.toml", "guardrail = [\"Blocked by Acme Shield\"]\n");
    let json = dir.demur("rates rows.jsonl --phrases phrases.toml --to json").succeeds().json();
    assert_eq!(json["total"]["refused"], 1);
    dir.write("bad.toml", "guardrails = []\n");
    dir.demur("rates rows.jsonl --phrases bad.toml").fails(1, &["bad.toml", "guardrails"]);
    dir.demur("rates rows.jsonl --phrases none.toml").fails(1, &["none.toml"]);
}

#[test]
fn two_targets_are_compared_on_what_both_answered() {
    let dir = with_targets();
    let json = dir.demur("rates targets.jsonl --paired-by prompt --to json").succeeds().json();
    let paired = &json["paired"];
    assert_eq!(
        [
            &paired["pairs"],
            &paired["both"],
            &paired["only_first"],
            &paired["only_second"],
            &paired["neither"]
        ],
        [&json!(11), &json!(3), &json!(0), &json!(4), &json!(4)]
    );
    assert_eq!(paired["unpaired"], json!([1, 0]));
    // 4 of 4 to one side: 2 / 2^4.
    near(&paired["p_value"], 0.125);
    near(&paired["difference"], -4.0 / 11.0);
    assert!(paired["test"].as_str().unwrap().contains("exact"));
    let swapped =
        dir.demur("rates targets.jsonl --paired-by prompt --targets assistant-b,assistant-a --to json");
    near(&swapped.succeeds().json()["paired"]["difference"], 4.0 / 11.0);
}

#[test]
fn which_targets_to_compare_must_be_plain() {
    let dir = Dir::new();
    dir.write_rows("three.jsonl", &["a", "b", "c"].map(|target| row(target, "x", Some("refused"))));
    dir.demur("rates three.jsonl --paired-by prompt")
        .fails(2, &["the rows have 3", "--targets A,B", "a (1)"]);
    dir.demur("rates three.jsonl --paired-by prompt --targets a").fails(2, &["name two"]);
    dir.demur("rates three.jsonl --paired-by prompt --targets a,a").fails(2, &["both are `a`"]);
    dir.demur("rates three.jsonl --paired-by prompt --targets a,bb")
        .fails(1, &["no row is of the target `bb`", "nearest"]);
    dir.write("none.jsonl", "{\"prompt\": \"p\", \"label\": \"refused\"}\n");
    dir.demur("rates none.jsonl --paired-by prompt").fails(2, &["--target-column"]);
}

#[test]
fn over_and_under_refusal_are_of_each_target() {
    let dir = with_targets();
    let json = dir.demur("rates targets.jsonl --harm-column risk --to json").succeeds().json();
    let of = |at: usize, what: &str| {
        (json["harm"][at][what]["count"].clone(), json["harm"][at][what]["n"].clone())
    };
    assert_eq!(json["harm"][1]["target"], "assistant-b");
    assert_eq!(of(0, "over_refusal"), (json!(0), json!(8)));
    assert_eq!(of(0, "under_refusal"), (json!(1), json!(4)));
    assert_eq!(of(1, "over_refusal"), (json!(3), json!(7)));
    assert_eq!(of(1, "under_refusal"), (json!(0), json!(4)));
    let named = dir.demur("rates targets.jsonl --harm-column category --harmful security,law --to json");
    assert_eq!(named.succeeds().json()["harm"][0]["under_refusal"]["n"], 6);
    dir.demur("rates targets.jsonl --harm-column category").fails(2, &["--harmful VALUE", "`law` (6)"]);
    dir.demur("rates targets.jsonl --harm-column risk --harmful unsave")
        .fails(2, &["no row has it", "`unsafe` (8)"]);
}

#[test]
fn another_label_is_compared() {
    let dir = with_targets();
    let json = dir.demur("rates targets.jsonl --judge judge --to json").succeeds().json();
    let agreement = &json["agreement"];
    assert_eq!((&agreement["n"], &agreement["confusion"]), (&json!(23), &json!([[9, 1], [1, 12]])));
    // `cohens_kappa` of statsmodels on the same counts.
    near(&agreement["kappa"], 0.823_077);
    dir.write("odd.jsonl", "{\"response\": \"Yes.\", \"label\": \"complied\", \"judge\": \"maybe\"}\n");
    dir.demur("rates odd.jsonl --judge judge").fails(1, &["maybe", "--label-map"]);
}

#[test]
fn each_format_holds_the_same_rates() {
    let dir = with_targets();
    let json = dir.demur("rates targets.jsonl --by category --to json").succeeds().json();
    let expected: Vec<Value> =
        json["groups"].as_array().unwrap().iter().map(|g| g["refused"].clone()).collect();
    for name in ["r.csv", "r.tsv", "r.jsonl", "r.parquet", "r.arrow", "r.csv.gz"] {
        let run = dir.demur(&format!("rates targets.jsonl --by category --out {name}")).succeeds();
        assert_eq!(run.stdout, "");
        let found: Vec<Value> = read_any(&dir.path(name))
            .iter()
            .map(|row| match &row["refused"] {
                Value::String(text) => text.parse::<u64>().unwrap().into(),
                other => other.clone(),
            })
            .collect();
        assert_eq!(found, expected, "{name}");
    }
    let csv = dir.demur("rates targets.jsonl --by category --to csv").succeeds().stdout;
    assert_eq!(csv, dir.text("r.csv"));
    assert_eq!(csv.lines().next().unwrap(), "category,refused,n,rate,low,high,no_answer,neither,labelled_by");
    let markdown = dir.demur("rates targets.jsonl --by category --to markdown").succeeds().stdout;
    assert!(markdown.contains("| kitchen | 2 | 6 | 0.3333 |"), "{markdown}");
    dir.demur("rates targets.jsonl --by target,category --out r.svg").succeeds();
    let svg = dir.text("r.svg");
    assert!(
        svg.starts_with("<svg") && svg.contains(">kitchen</text>") && svg.contains(">0.67</text>"),
        "{svg}"
    );
    dir.demur("rates targets.jsonl --out r.xyz").fails(2, &["names no format", ".svg"]);
    dir.demur("rates targets.jsonl --out targets.jsonl").fails(2, &["would overwrite an input"]);
}

#[test]
fn a_format_of_one_table_has_the_others_beside_it() {
    let dir = with_targets();
    let flags = "--paired-by prompt --harm-column risk --judge judge";
    dir.demur(&format!("rates targets.jsonl {flags} --out r.csv")).succeeds();
    assert_eq!(dir.names(), ["r-agreement.csv", "r-harm.csv", "r-paired.csv", "r.csv", "targets.jsonl"]);
    assert!(
        dir.text("r-paired.csv").contains("assistant-a,assistant-b,11,3,0,4,4,"),
        "{}",
        dir.text("r-paired.csv")
    );
    dir.demur(&format!("rates targets.jsonl {flags} --to csv")).fails(2, &["--out"]);
    let text = dir.demur(&format!("rates targets.jsonl {flags}")).succeeds().stdout;
    for part in ["p = 0.125", "over", "Cohen's kappa", "assistant-b alone 4"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn names_in_any_script_stay_aligned_and_harmless() {
    let dir = Dir::new();
    dir.write_rows(
        "rows.jsonl",
        &[
            row("模型", "Über|_x_", Some("refused")),
            row("a<b>", "\u{202e}кухня\n", Some("complied")),
            row("a<b>", "", None),
        ],
    );
    let text = dir.demur("rates rows.jsonl --by target,category --labels own").succeeds().stdout;
    assert!(text.contains("模型") && text.contains("кухня") && !text.contains('\u{202e}'), "{text}");
    dir.demur("rates rows.jsonl --by target,category --labels own --out r.svg").succeeds();
    assert!(dir.text("r.svg").contains("a&lt;b&gt;"));
    let markdown = dir.demur("rates rows.jsonl --by category --labels own --to markdown").succeeds().stdout;
    assert!(markdown.contains("Über\\|\\_x\\_"), "{markdown}");
}

#[test]
fn one_class_and_rows_without_answers_are_no_trouble() {
    let dir = Dir::new();
    dir.write_rows("one.jsonl", &["x", "y"].map(|category| row("t", category, Some("refused"))));
    let json = dir.demur("rates one.jsonl --by category --judge label --to json").succeeds().json();
    assert_eq!((&json["total"]["rate"], &json["agreement"]["kappa"]), (&json!(1.0), &Value::Null));
    dir.write(
        "silent.jsonl",
        "{\"target\": \"t\", \"response\": \"\"}\n{\"target\": \"t\", \"response\": null}\n",
    );
    let json = dir.demur("rates silent.jsonl --to json").succeeds().json();
    assert_eq!((&json["total"]["rate"], &json["total"]["no_answer"]), (&Value::Null, &json!(2)));
    dir.demur("rates silent.jsonl").succeeds();
    dir.demur("rates silent.jsonl --out r.svg").succeeds();
}

#[test]
fn what_cannot_be_counted_is_an_error_that_helps() {
    let dir = with_targets();
    dir.write("empty.jsonl", "");
    dir.demur("rates empty.jsonl").fails(1, &["empty.jsonl"]);
    dir.demur("rates targets.jsonl --by target,topic")
        .fails(1, &["`topic`", "--by", "the columns are: id, model, category"]);
    dir.demur("rates targets.jsonl --paired-by topic").fails(1, &["`topic`", "the columns are"]);
    dir.demur("rates targets.jsonl --by model,model").fails(2, &["twice"]);
    dir.demur("rates targets.jsonl --harmful x").fails(2, &["--harm-column"]);
    dir.write("prompts.jsonl", "{\"prompt\": \"p\"}\n");
    dir.demur("rates prompts.jsonl").fails(1, &["response", "the columns are: prompt"]);
}

#[test]
fn kinds_weights_and_measured_rates_are_told() {
    let dir = Dir::new();
    dir.write(
        "rows.jsonl",
        concat!(
            "{\"prompt\": \"a\", \"kind\": \"dontknow\", \"weight\": 2, \"labelled_by\": \"person\"}\n",
            "{\"prompt\": \"a\", \"kind\": \"rejected\", \"labelled_by\": \"person\"}\n",
            "{\"prompt\": \"a\", \"kind\": \"complied\", \"labelled_by\": \"norm\"}\n",
        ),
    );
    let run = dir.demur("rates rows.jsonl --by kind --to json").succeeds();
    let json = run.json();
    assert_eq!((&json["total"]["n"], &json["total"]["neither"]), (&json!(2), &json!(1)));
    run.says("the weights of 1 rows are not used").says("not what a target did");
    dir.write(
        "rates.jsonl",
        "{\"prompt\": \"a\", \"refusal_rate\": 0.25}\n{\"prompt\": \"b\", \"refusal_rate\": 0.5}\n",
    );
    let json = dir.demur("rates rates.jsonl --to json").succeeds().json();
    assert_eq!((&json["total"]["refused"], &json["total"]["rate"]), (&json!(0.75), &json!(0.375)));
}

#[test]
fn a_thousand_groups_are_bounded_where_people_read() {
    let dir = Dir::new();
    let rows: Vec<Value> = (0..1001)
        .map(|at| {
            row("t", &format!("c{}", at % 1000), Some(if at % 3 == 0 { "refused" } else { "complied" }))
        })
        .collect();
    dir.write_rows("rows.jsonl", &rows);
    let text = dir.demur("rates rows.jsonl --by category").succeeds().stdout;
    assert!(
        text.lines().count() < 50 && text.contains("960 more groups with 960 rows: --top 1000 shows them"),
        "{text}"
    );
    assert!(text.lines().any(|line| line.starts_with("  c0 ")), "the largest group is shown: {text}");
    let all = dir.demur("rates rows.jsonl --by category --top 1000").succeeds().stdout;
    assert!(all.lines().count() > 1000);
    dir.demur("rates rows.jsonl --by category --out r.csv").succeeds();
    assert_eq!(dir.text("r.csv").lines().count(), 1001);
    dir.demur("rates rows.jsonl --by category --top 7 --out r.csv").succeeds();
    assert_eq!(dir.text("r.csv").lines().count(), 8);
    dir.demur("rates rows.jsonl --by category --out r.svg").succeeds();
    assert!(dir.text("r.svg").contains("left out"));
}

#[test]
fn a_pipe_is_read_and_nested_columns_make_groups() {
    let rows = "{\"meta\": {\"team\": \"x\"}, \"refused\": true}\n{\"meta\": {\"team\": \"y\"}, \"refused\": false}\n";
    let json = Dir::new().demur("rates - --by meta.team --to json").stdin(rows).succeeds().json();
    assert_eq!(json["groups"][0]["by"], json!({"meta.team": "x"}));
    assert_eq!(json["total"]["labelled_by"], json!({"unknown": 2}));
}
