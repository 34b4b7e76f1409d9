//! `demur label`: adds a few columns and leaves everything else unchanged.

use serde_json::{Map, Value, json};

use crate::support::{Dir, KIND, answers, gunzip, gzip, jsonl, read_any, rows, unzstd, write_parquet, zstd};

/// The three answers with their labels, from JSON Lines to JSON Lines.
fn labelled(dir: &Dir) -> Vec<Map<String, Value>> {
    dir.write_rows("answers.jsonl", &answers());
    dir.demur("label answers.jsonl --model response --out labelled-answers.jsonl").succeeds();
    dir.rows("labelled-answers.jsonl")
}

#[test]
fn every_row_gets_a_probability_and_a_label_behind_its_own_columns() {
    let dir = Dir::with_models();
    let out = labelled(&dir);
    assert_eq!(out.len(), 3);
    for (row, before) in out.iter().zip(answers()) {
        let keys: Vec<&String> = row.keys().collect();
        assert_eq!(
            keys,
            [
                "id",
                "prompt",
                "response",
                "score",
                "checked",
                "p_refusal",
                "label",
                "labelled_by",
                "form",
                "reasoning"
            ]
        );
        for (key, value) in before.as_object().unwrap() {
            assert_eq!(&row[key], value, "{key} keeps its value and its type");
        }
        let p = row["p_refusal"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&p));
        assert_eq!(row["label"], if p >= 0.5 { "refused" } else { "complied" });
    }
    assert_eq!(out[0]["label"], "complied");
    assert_eq!(out[1]["label"], "refused");
}

/// A folder with a classifier of kinds, and with `answers.jsonl`.
fn with_kinds() -> Dir {
    let dir = Dir::with_starter();
    dir.write_rows("answers.jsonl", &answers());
    dir.demur(&format!("fit response --data {KIND} --out kinds"))
        .arg("--set")
        .arg("response.kinds={min_rows=10,views=[{field='response',ngrams=[1,1]}]}")
        .fast()
        .succeeds();
    dir
}

const OF_KINDS: [&str; 9] = [
    "kind",
    "refusal_degree",
    "p_kind_complied",
    "p_kind_disclaimed",
    "p_kind_contradicted",
    "p_kind_redirected",
    "p_kind_counseling",
    "p_kind_rejected",
    "p_kind_dontknow",
];

#[test]
fn a_model_of_kinds_adds_the_kind_its_degree_and_all_probabilities() {
    let dir = with_kinds();
    dir.demur("label answers.jsonl --model kinds --out out.jsonl")
        .succeeds()
        .says("3 scored by ")
        .says("refused 1");
    let out = dir.rows("out.jsonl");
    for row in &out {
        let keys: Vec<&String> = row.keys().skip(5).collect();
        assert_eq!(keys[..5], ["p_refusal", "label", "labelled_by", "form", "reasoning"]);
        assert_eq!(keys[5..], OF_KINDS);
        let number = |name: &str| row[name].as_f64().unwrap();
        let sum: f64 = OF_KINDS[2..].iter().copied().map(number).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{row:?}");
        assert!((0.0..=1.0).contains(&number("refusal_degree")));
        // Among the kinds with a binary label, the share of the refused ones equals `p_refusal`.
        let decided = 1.0 - number("p_kind_dontknow");
        let complied = number("p_kind_complied") / decided;
        assert!((1.0 - complied - number("p_refusal")).abs() < 1e-9, "{row:?}");
    }
    assert_eq!((&out[0]["kind"], &out[1]["kind"]), (&json!("complied"), &json!("rejected")));
    assert!(out[0]["refusal_degree"].as_f64() < out[1]["refusal_degree"].as_f64());
}

#[test]
fn kinds_are_the_same_columns_in_every_format() {
    let dir = with_kinds();
    dir.demur("label answers.jsonl --model kinds --out out.jsonl").succeeds();
    let expected = dir.rows("out.jsonl");
    for ending in ["json", "csv", "tsv", "parquet"] {
        let name = format!("out.{ending}");
        dir.demur(&format!("label answers.jsonl --model kinds --out {name}")).succeeds();
        for (row, expected) in read_any(&dir.path(&name)).iter().zip(&expected) {
            assert!(row.keys().eq(expected.keys()), "{ending}: {:?}", row.keys());
            for key in OF_KINDS {
                let told = row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
                let wanted = expected[key].as_str().map_or_else(|| expected[key].to_string(), str::to_owned);
                assert_eq!(told, wanted, "{ending}: {key}");
            }
        }
    }
}

#[test]
fn a_kind_that_the_rows_have_already_stays() {
    let dir = with_kinds();
    let run = dir.demur("label labelled.jsonl --model kinds --out out.jsonl").succeeds();
    run.says("the rows have a column `kind` already: the new one is called `demur_kind`");
    let (out, before) = (dir.rows("out.jsonl"), dir.rows("labelled.jsonl"));
    let agreed = out.iter().filter(|row| row["kind"] == row["demur_kind"]).count();
    assert!(agreed > 240, "{agreed} of {} training rows get the kind that they have", out.len());
    assert!(out.iter().zip(before).all(|(row, before)| row["kind"] == before["kind"]));
}

#[test]
fn the_summary_counts_what_was_read_and_refused() {
    let dir = Dir::with_models();
    dir.write_rows("answers.jsonl", &answers());
    let run = dir.demur("label answers.jsonl --model response --out out.jsonl").succeeds();
    assert_eq!(run.stdout, "");
    let refused = dir.rows("out.jsonl").iter().filter(|row| row["label"] == "refused").count();
    run.says("3 rows read, 0 rejected, 3 scored by ").says(", 3 written; ");
    run.says(&format!("complied {}, refused {refused}", 3 - refused));
}

/// Every format in and out, packed and plain: the same rows with the same probabilities.
#[test]
fn all_formats_go_in_and_out() {
    let dir = Dir::with_models();
    let expected = labelled(&dir);
    let plain = jsonl(&answers());
    let array = Value::Array(answers()).to_string();
    let separated = |delimiter: &str| {
        let cell = |text: &Value| match text {
            Value::String(text) => format!("\"{}\"", text.replace('"', "\"\"")),
            other => other.to_string(),
        };
        let line = |row: &Value| {
            row.as_object().unwrap().values().map(cell).collect::<Vec<_>>().join(delimiter) + "\n"
        };
        ["id", "prompt", "response", "score", "checked"].join(delimiter)
            + "\n"
            + &answers().iter().map(line).collect::<String>()
    };
    dir.write("in.jsonl", &plain);
    dir.write("in.json", &array);
    dir.write("in.csv", separated(","));
    dir.write("in.tsv", separated("\t"));
    dir.write("in.jsonl.gz", gzip(plain.as_bytes()));
    dir.write("in.json.zst", zstd(array.as_bytes()));
    dir.write("in.csv.zst", zstd(separated(",").as_bytes()));
    dir.write("in.tsv.gz", gzip(separated("\t").as_bytes()));
    write_parquet(&dir.path("in.parquet"), &answers());
    for ending in ["jsonl", "json", "csv", "tsv", "jsonl.gz", "json.zst", "csv.zst", "tsv.gz", "parquet"] {
        dir.demur(&format!("label in.{ending} --model response --out out.{ending}")).succeeds();
        let bytes = dir.bytes(&format!("out.{ending}"));
        match ending.rsplit_once('.') {
            Some((_, "gz")) => drop(gunzip(&bytes)),
            Some((_, "zst")) => drop(unzstd(&bytes)),
            _ => assert!(!bytes.starts_with(&[0x1f, 0x8b]), "{ending} is not packed"),
        }
        let out = read_any(&dir.path(&format!("out.{ending}")));
        assert_eq!(out.len(), 3, "{ending}");
        let text_only = ending.starts_with("csv") || ending.starts_with("tsv");
        for (row, expected) in out.iter().zip(&expected) {
            assert!(row.keys().eq(expected.keys()), "{ending}: {:?}", row.keys());
            for (key, value) in expected {
                let value = if text_only && !value.is_string() { &json!(value.to_string()) } else { value };
                assert_eq!(&row[key], value, "{ending}: {key}");
            }
        }
    }
}

#[test]
fn one_format_goes_in_and_another_out() {
    let dir = Dir::with_models();
    let expected = labelled(&dir);
    dir.demur("label answers.jsonl --model response --out out.parquet").succeeds();
    dir.demur("label out.parquet --model response --out out.json").succeeds();
    let out: Vec<Map<String, Value>> = serde_json::from_slice(&dir.bytes("out.json")).unwrap();
    for (row, expected) in out.iter().zip(&expected) {
        assert_eq!(row["demur_p_refusal"], expected["p_refusal"]);
        assert_eq!(row["demur_label"], expected["label"]);
        assert_eq!(row["checked"], expected["checked"]);
    }
}

#[test]
fn columns_of_the_same_name_stay_and_the_new_ones_are_called_otherwise() {
    let dir = Dir::with_models();
    let mut rows = answers();
    rows[0]["label"] = json!("by hand");
    dir.write_rows("in.jsonl", &rows);
    let run = dir.demur("label in.jsonl --model response --out out.jsonl").succeeds();
    run.says("`label`").says("demur_label");
    let out = dir.rows("out.jsonl");
    assert_eq!(out[0]["label"], "by hand");
    assert_eq!(out[0]["demur_label"], "complied");
    assert_eq!(out[1]["demur_label"], "refused");
    assert!(!out[1].contains_key("label"), "a row that had none gets none");
    assert!(out[0].contains_key("p_refusal") && !out[0].contains_key("demur_p_refusal"));
    run.says("3 rows read, 0 rejected, 3 scored by ");
}

#[test]
fn a_pipe_goes_from_stdin_to_stdout() {
    let dir = Dir::with_models();
    let expected = labelled(&dir);
    let before = dir.names();
    let run = dir.demur("label - --model response --out -").stdin(jsonl(&answers())).succeeds();
    assert_eq!(rows(&run.stdout), expected);
    let run = dir
        .demur("label - --format csv --model response --out -")
        .stdin("prompt,response\nhi,\"I'm sorry, but I can't help with that. I won't forge anything.\"\n")
        .succeeds();
    assert_eq!(rows(&run.stdout)[0]["p_refusal"], expected[1]["p_refusal"]);
    assert_eq!(dir.names(), before, "no file is left by a pipe");
}

#[test]
fn a_row_gets_the_same_probability_alone_and_in_a_batch() {
    let dir = Dir::with_models();
    dir.demur("label unlabelled.jsonl --model response --out all.jsonl").succeeds();
    let all = dir.rows("all.jsonl");
    let lines = dir.text("unlabelled.jsonl");
    let mut compared = 0;
    for (line, expected) in lines.lines().zip(&all).step_by(40) {
        let run = dir.demur("label - --model response --out -").stdin(line).succeeds();
        assert_eq!(rows(&run.stdout)[0]["p_refusal"], expected["p_refusal"], "{line}");
        compared += 1;
    }
    assert_eq!(compared, 6);
    let last = lines.lines().rev().map(|line| format!("{line}\n")).collect::<String>();
    let run =
        dir.demur("label - --model response --out -").env("RAYON_NUM_THREADS", "1").stdin(last).succeeds();
    let mut backwards = rows(&run.stdout);
    backwards.reverse();
    assert_eq!(backwards, all);
}

#[test]
fn numbers_keep_their_value() {
    let dir = Dir::with_models();
    for number in ["18446744073709551615", "-9223372036854775808", "9007199254740993"] {
        let row = format!("{{\"id\": {number}, \"response\": \"Yes, of course.\"}}");
        let run = dir.demur("label - --model response --out -").stdin(row).succeeds();
        assert!(run.stdout.contains(&format!("\"id\": {number},")), "{number} is not in {}", run.stdout);
    }
    for number in ["0.1", "0.47283747283747284", "2.2250738585072014e-308", "8.41e21"] {
        let row = format!("{{\"id\": {number}, \"response\": \"Yes, of course.\"}}");
        let run = dir.demur("label - --model response --out -").stdin(row).succeeds();
        let (_, rest) = run.stdout.split_once("\"id\": ").unwrap();
        let found = rest.split_once(',').unwrap().0;
        let bits = |text: &str| text.parse::<f64>().unwrap().to_bits();
        assert_eq!(bits(found), bits(number), "{number} became {found}");
    }
}

#[test]
fn new_columns_have_names_that_no_input_has() {
    let dir = Dir::new();
    let mut rows = answers();
    dir.write_rows("a.jsonl", &rows);
    write_parquet(&dir.path("a.parquet"), &rows);
    rows.iter_mut().for_each(|row| row["label"] = json!("by hand"));
    rows[0]["demur_label"] = json!("by another run");
    dir.write_rows("b.jsonl", &rows);
    rows.iter_mut().for_each(|row| row["demur_label"] = json!("by another run"));
    write_parquet(&dir.path("b.parquet"), &rows);
    for inputs in ["a.jsonl b.jsonl", "b.jsonl a.jsonl", "a.parquet b.jsonl"] {
        let run = dir.demur(&format!("label {inputs} --out both.jsonl")).succeeds();
        run.says("`label` already: the new one is called `demur_demur_label`");
        let out = dir.rows("both.jsonl");
        assert_eq!(out.len(), 6, "{inputs}");
        assert!(out.iter().all(|row| row["demur_demur_label"].is_string()), "{inputs}");
    }
    // Tables with different columns cannot be written to one table; the error is Demur's own, not a
    // library's.
    dir.demur("label a.parquet b.parquet --out both.parquet")
        .fails(1, &["its columns, or their types, are not those of the first file"]);
    write_parquet(&dir.path("c.parquet"), &rows);
    dir.demur("label b.parquet c.parquet --out both.parquet").succeeds();
    assert_eq!(read_any(&dir.path("both.parquet")).len(), 6);
}

/// The output of `label` names the labeller, in every format, and commands that read labels respect it.
#[test]
fn what_label_wrote_is_not_taken_for_labels_of_people() {
    let dir = Dir::with_models();
    let digest = dir.demur("inspect response/ --json").succeeds().json()["digest"].clone();
    let by = format!("starter-response@{}", digest.as_str().unwrap());
    for ending in ["jsonl", "csv", "tsv", "json", "parquet", "arrow"] {
        let file = format!("labelled-answers.{ending}");
        dir.demur(&format!("label unlabelled.jsonl --model response/ --out {file}")).succeeds();
        let own = ["demur labelled all of them", by.as_str()];
        dir.demur(&format!("evaluate --model response/ {file}")).fails(1, &own);
        // A flag cannot turn them into labels of a person.
        dir.demur(&format!("evaluate --model response/ --labelled-by person {file}")).fails(1, &own);
        let run = dir.demur(&format!("fit response --data {file} --out again")).fast().succeeds();
        run.says("fitted on rows labelled 240 by Demur itself");
        let card = dir.text("again/README.md");
        assert!(card.contains(&format!("| 240 | demur ({by}) | ")), "{ending}: {card}");
    }
    let file = "labelled-answers.jsonl";
    dir.demur(&format!("report --model response/ --data {file} --out report"))
        .fails(1, &["demur labelled all"]);
    dir.demur(&format!("export-notebook evaluate --model response/ --data {file}"))
        .fails(1, &["demur labelled all"]);
    let recipe = format!(
        "name = 'own'\n[labelled]\nfiles = ['{file}']\n[unlabelled]\nfiles = ['unlabelled.jsonl']\n[response]\n\
         views = [{{ field = 'response', ngrams = [1, 1] }}]\n[prompt.fit]\nviews = [{{ field = 'prompt' }}]\n"
    );
    dir.write("recipe.toml", recipe);
    dir.demur("pipeline recipe.toml --out out")
        .fails(1, &["demur labelled 240 of its rows", "[[unlabelled]]"]);
}

#[test]
fn a_label_that_the_rows_have_stays_whose_it_is() {
    let dir = Dir::with_models();
    // The rows have a `kind` assigned by hand, so all columns of the new label get other names.
    let run = dir.demur("label labelled.jsonl --model response/ --out both.jsonl").succeeds();
    run.says("the new one is called `demur_labelled_by`");
    let row = &dir.rows("both.jsonl")[0];
    assert!(row.contains_key("demur_label") && !row.contains_key("label"), "{row:?}");
    let evaluate =
        |flags: &str| dir.demur(&format!("evaluate --model response/ --allow-overlap both.jsonl {flags}"));
    let json = evaluate("--labelled-by person --json").succeeds().json();
    assert_eq!(json["labelled_by"], json!({ "person": 323 }));
    assert_eq!(evaluate("--json").succeeds().json()["labelled_by"], json!({ "unknown": 323 }));
    evaluate("--label-column demur_label --kind-column=").fails(1, &["demur labelled all of them"]);
}
