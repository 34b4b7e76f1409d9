//! Files as people have them: other column names, other labels, other encodings, and broken ones.

use serde_json::{Value, json};

use crate::support::{Dir, answers, gzip, jsonl, rows, write_parquet, zstd};

/// Ten labelled rows with the given label values.
fn labelled(refused: &Value, complied: &Value) -> Vec<Value> {
    (0..10)
        .map(|n| match n % 2 {
            0 => json!({"prompt": format!("how do I steal car {n}"), "label": refused}),
            _ => json!({"prompt": format!("how do I bake cake {n}"), "label": complied}),
        })
        .collect()
}

/// Asserts that a fit on `rows` fails with this text and leaves no files.
#[track_caller]
fn cannot_fit(dir: &Dir, flags: &str, code: i32, parts: &[&str]) {
    let before = dir.names();
    dir.demur(&format!("fit prompt --out model --data {flags}")).fast().fails(code, parts);
    assert_eq!(dir.names(), before, "nothing is left by a run that failed");
}

#[track_caller]
fn fits(dir: &Dir, flags: &str) -> crate::support::Run {
    dir.demur(&format!("fit prompt --out model --data {flags}")).fast().succeeds()
}

#[test]
fn a_missing_file_and_a_folder_are_no_input() {
    let dir = Dir::new();
    cannot_fit(&dir, "nowhere.jsonl", 1, &["cannot read nowhere.jsonl", "check the path"]);
    std::fs::create_dir(dir.path("folder.jsonl")).unwrap();
    cannot_fit(&dir, "folder.jsonl", 1, &["cannot read folder.jsonl"]);
}

#[test]
fn a_column_that_no_row_has_is_named_with_those_that_are_there() {
    let dir = Dir::new();
    dir.write_rows("rows.jsonl", &labelled(&json!("refused"), &json!("complied")));
    for (flag, role) in [
        ("--prompt-column", "prompt"),
        ("--response-column", "response"),
        ("--messages-column", "messages"),
        ("--label-column", "label"),
        ("--kind-column", "kind"),
        ("--target-column", "target"),
        ("--split-column", "split"),
        ("--group-column", "group"),
        ("--weight-column", "weight"),
    ] {
        let named = format!("named for `{role}`");
        cannot_fit(&dir, &format!("rows.jsonl {flag} nope"), 1, &["`nope`", &named, "prompt, label"]);
    }
}

#[test]
fn columns_of_any_name_are_read() {
    let dir = Dir::new();
    let rows: Vec<Value> = labelled(&json!("refused"), &json!("complied"))
        .iter()
        .map(|row| json!({"meta": {"asked": row["prompt"], "verdict": row["label"]}, "w": 2, "who": "gpt"}))
        .collect();
    dir.write_rows("rows.jsonl", &rows);
    let flags =
        "--prompt-column meta.asked --label-column meta.verdict --weight-column w --target-column who";
    fits(&dir, &format!("rows.jsonl {flags}")).says("10 kept");
    let manifest: Value = serde_json::from_slice(&dir.bytes("model/manifest.json")).unwrap();
    assert_eq!(manifest["targets"], json!(["gpt"]));
}

#[test]
fn unknown_labels_are_listed_and_can_be_mapped() {
    let dir = Dir::new();
    let mut rows = labelled(&json!("declined"), &json!("answered"));
    rows[9]["label"] = json!("huh");
    dir.write_rows("rows.jsonl", &rows);
    let listed =
        ["`declined` (5x, first at line 1)", "`answered` (4x, first at line 2)", "`huh` (1x", "--label-map"];
    cannot_fit(&dir, "rows.jsonl", 1, &listed);
    let map = "--label-map declined=refused --label-map answered=complied --label-map huh=drop";
    fits(&dir, &format!("rows.jsonl {map}")).says("9 kept, 0 rejected, 1 dropped (1 label says drop)");
    cannot_fit(&dir, "rows.jsonl --label-map declined=nope", 2, &["nope", "refused, drop or a kind"]);
    cannot_fit(&dir, "rows.jsonl --label-map declined", 2, &["--label-map declined", "VALUE=MEANING"]);
}

/// Prompts with several answers each, and the results of those answers.
fn rates() -> Vec<Value> {
    (0..20)
        .map(|n| match n % 2 {
            0 => json!({"prompt": format!("how do I steal car {n}"), "fine_label": "REFUSE=17;COMPLY=1;PARTIAL=2"}),
            _ => json!({"prompt": format!("how do I bake cake {n}"), "fine_label": "COMPLY=16;REFUSE=4"}),
        })
        .chain([json!({"prompt": "who knows", "fine_label": "PARTIAL=20"})])
        .collect()
}

#[test]
fn counts_of_labels_are_rates_to_fit_on_and_to_judge_by() {
    let dir = Dir::new();
    dir.write_rows("rates.jsonl", &rates());
    let flags =
        "rates.jsonl --label-column fine_label --label-map REFUSE=refused --label-map COMPLY=complied";
    cannot_fit(&dir, flags, 1, &["`PARTIAL` (10x, first at line 1)", "--label-map"]);
    let flags = format!("{flags} --label-map PARTIAL=drop");
    let left_out = "20 kept, 0 rejected, 1 dropped (1 label without refused or complied counts)";
    fits(&dir, &flags).says(left_out);
    let manifest: Value = serde_json::from_slice(&dir.bytes("model/manifest.json")).unwrap();
    assert_eq!(manifest["training"][0]["labellers"], json!([{ "by": "unknown", "rows": 20 }]));
    let p = |prompt: &str| {
        let run = dir.demur("predict --json --model model").arg(prompt).succeeds();
        run.json()["p_refusal"].as_f64().unwrap()
    };
    let (high, low) = (p("how do I steal car 4"), p("how do I bake cake 5"));
    assert!(low < 0.5 && high > 0.6, "{low} {high}");
    let run = dir.demur(&format!("evaluate --cv 2 --field prompt --json {flags}")).fast().succeeds();
    let figures = run.says(left_out).json();
    assert_eq!(
        (&figures["n"], &figures["base_rate"]),
        (&json!(20), &json!((17.0 / 18.0 + 4.0 / 20.0) / 2.0))
    );
}

#[test]
fn a_star_stands_for_all_other_labels() {
    let dir = Dir::new();
    let mut rows = labelled(&json!("refused"), &json!("complied"));
    rows[3]["label"] = json!("huh");
    dir.write_rows("rows.jsonl", &rows);
    cannot_fit(&dir, "rows.jsonl", 1, &["`huh` (1x", "`*` in place of a value matches all others"]);
    fits(&dir, "rows.jsonl --label-map *=drop").says("9 kept, 0 rejected, 1 dropped (1 label says drop)");
}

#[test]
fn a_policy_says_which_label_a_kind_stands_for() {
    let dir = Dir::new();
    dir.write_rows("rows.jsonl", &labelled(&json!("disclaimed"), &json!("complied")));
    fits(&dir, "rows.jsonl");
    let all_complied = "rows.jsonl --kind-policy disclaimed=complied";
    let run = dir.demur(&format!("fit prompt --out other --data {all_complied}")).fast().run();
    assert_eq!(run.code, Some(1), "one class is left: {}", run.stderr);
    let run = dir
        .demur("evaluate --model model --allow-overlap --json rows.jsonl --kind-policy disclaimed=drop")
        .succeeds();
    run.says("5 kept, 0 rejected, 5 dropped (5 kind disclaimed)");
    assert_eq!(run.json()["base_rate"], 0.0);
    cannot_fit(&dir, "rows.jsonl --kind-policy vague=refused", 2, &["`vague`", "disclaimed"]);
    cannot_fit(&dir, "rows.jsonl --kind-policy disclaimed=vague", 2, &["refused, complied or drop"]);
}

#[test]
fn xstest_booleans_and_numbers_are_labels() {
    for (refused, complied) in [
        (json!("2_full_refusal"), json!("1_full_compliance")),
        (json!("3_partial_refusal"), json!("1_full_compliance")),
        (json!(true), json!(false)),
        (json!(1), json!(0)),
        (json!("True"), json!("False")),
    ] {
        let dir = Dir::new();
        let rows: Vec<Value> = labelled(&refused, &complied)
            .iter()
            .map(|row| json!({"prompt": row["prompt"], "final_label": row["label"]}))
            .collect();
        dir.write_rows("rows.jsonl", &rows);
        fits(&dir, "rows.jsonl --label-column final_label").says("10 kept");
        let run = dir
            .demur("evaluate --model model --allow-overlap --json rows.jsonl --label-column final_label")
            .succeeds();
        assert_eq!((&run.json()["base_rate"], &run.json()["accuracy"]), (&json!(0.5), &json!(1.0)));
    }
}

#[test]
fn of_a_chat_the_last_question_and_its_answer_are_taken() {
    let dir = Dir::with_models();
    let no = "I'm sorry, but I can't help with that.";
    let chat = json!({"id": "c", "messages": [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Ahoy! What can I do?"},
        {"role": "user", "content": "Help me forge a signature"},
        {"role": "assistant", "content": no},
    ]});
    let share = json!({"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": no}]});
    dir.write_rows("chat.jsonl", std::slice::from_ref(&chat));
    dir.write_rows("share.jsonl", &[share]);
    dir.write_rows("plain.jsonl", &[json!({"prompt": "Help me forge a signature", "response": no})]);
    for name in ["chat", "share", "plain"] {
        dir.demur(&format!("bootstrap {name}.jsonl --model response --out {name}-out.jsonl")).succeeds();
    }
    let row = |name: &str| dir.rows(&format!("{name}-out.jsonl")).remove(0);
    let mut of_chat = row("chat");
    assert_eq!(of_chat.remove("system").unwrap(), "You are a pirate.", "it is what the prompt was sent in");
    assert_eq!(of_chat, row("plain"), "system message and earlier turns are no part of the prompt");
    assert_eq!(row("share")["prompt"], "Hi");
    assert_eq!(row("share")["p_refusal"], row("plain")["p_refusal"]);
    dir.demur("label chat.jsonl --model response --out kept.jsonl").succeeds();
    let kept = dir.rows("kept.jsonl").remove(0);
    assert_eq!(kept["messages"], chat["messages"], "all turns stay in the row");
    assert_eq!(kept["p_refusal"], row("plain")["p_refusal"]);
}

#[test]
fn an_empty_file_is_no_corpus() {
    let dir = Dir::new();
    for name in ["rows.jsonl", "rows.json", "rows.csv", "rows.tsv", "rows.parquet", "rows"] {
        dir.write(name, "");
        cannot_fit(&dir, name, 1, &[name, "no row"]);
    }
    dir.write("rows.json", "[]");
    cannot_fit(&dir, "rows.json", 1, &["rows.json holds no row"]);
    dir.write("rows.csv", "prompt,label\n");
    cannot_fit(&dir, "rows.csv", 1, &["rows.csv holds no row"]);
    dir.demur("fit prompt --out model --data -").fast().stdin("").fails(1, &["- holds no row"]);
}

#[test]
fn files_cut_short_are_named() {
    let dir = Dir::new();
    let rows = labelled(&json!("refused"), &json!("complied"));
    write_parquet(&dir.path("whole.parquet"), &rows);
    let parquet = dir.bytes("whole.parquet");
    dir.write("cut.parquet", &parquet[..parquet.len() / 2]);
    cannot_fit(&dir, "cut.parquet", 1, &["cut.parquet", "cannot be read as Parquet", "cut short"]);
    let mut damaged = parquet;
    let end = damaged.len() - 20;
    damaged[end..end + 8].fill(0xff);
    dir.write("damaged.parquet", damaged);
    cannot_fit(&dir, "damaged.parquet", 1, &["damaged.parquet", "cannot be read as Parquet"]);
    let packed = gzip(jsonl(&rows).as_bytes());
    dir.write("cut.jsonl.gz", &packed[..packed.len() / 2]);
    cannot_fit(&dir, "cut.jsonl.gz", 1, &["cut.jsonl.gz", "gzip data is cut short or damaged"]);
    let packed = zstd(jsonl(&rows).as_bytes());
    dir.write("cut.jsonl.zst", &packed[..packed.len() / 2]);
    cannot_fit(&dir, "cut.jsonl.zst", 1, &["cut.jsonl.zst", "zstd data is cut short or damaged"]);
    dir.write("cut.json", &Value::Array(rows).to_string()[..300]);
    cannot_fit(&dir, "cut.json", 1, &["cut.json:1:", "no valid JSON"]);
}

#[test]
fn invalid_utf8_is_located() {
    let dir = Dir::new();
    for name in ["rows.jsonl", "rows.csv", "rows.json"] {
        dir.write(name, b"prompt,label\nol\xc3\xa9,refused\nGr\xfc\xdf Gott,complied\n");
        cannot_fit(&dir, name, 1, &[&format!("{name}:3: invalid UTF-8"), "iconv"]);
    }
}

#[test]
fn byte_order_marks_and_line_ends_of_windows_change_nothing() {
    let dir = Dir::new();
    let rows = labelled(&json!("refused"), &json!("complied"));
    let plain = jsonl(&rows);
    let csv: String = rows
        .iter()
        .map(|row| format!("{},{}\n", row["prompt"].as_str().unwrap(), row["label"].as_str().unwrap()))
        .collect();
    let csv = format!("prompt,label\n{csv}");
    dir.write("plain.jsonl", &plain);
    dir.write("windows.jsonl", format!("\u{feff}{}", plain.replace('\n', "\r\n")));
    dir.write("windows.json", format!("\u{feff}{}\r\n", Value::Array(rows)));
    dir.write("plain.csv", &csv);
    dir.write("windows.csv", format!("\u{feff}{}", csv.replace('\n', "\r\n")));
    fits(&dir, "plain.jsonl");
    let weights = dir.bytes("model/weights.safetensors");
    for name in ["windows.jsonl", "windows.json", "plain.csv", "windows.csv"] {
        fits(&dir, name).says("10 rows read from 1 file: 10 kept, 0 rejected");
        assert_eq!(dir.bytes("model/weights.safetensors"), weights, "{name}");
    }
}

#[test]
fn a_format_is_known_by_content_or_told() {
    let dir = Dir::new();
    let rows = labelled(&json!("refused"), &json!("complied"));
    dir.write_rows("rows.dat", &rows);
    fits(&dir, "rows.dat").says("10 kept");
    dir.write("lines.json", jsonl(&rows));
    fits(&dir, "lines.json").says("10 kept");
    dir.write("rows.tab", "first;second\na;refused\n");
    cannot_fit(&dir, "rows.tab", 1, &["cannot tell the format of rows.tab", "--format"]);
    cannot_fit(
        &dir,
        "rows.dat --format xlsx",
        2,
        &["xlsx", "json, jsonl, csv, tsv, ssv, psv, txt, parquet or arrow"],
    );
    fits(&dir, "rows.dat --format json").says("10 kept");
    cannot_fit(&dir, "rows.dat --format parquet", 1, &["rows.dat", "PAR1"]);
    dir.write("one.json", "{\"prompt\":\n \"a\"}");
    cannot_fit(&dir, "one.json", 1, &["1 row read", "1 dropped (1 no label)"]);
    dir.write("seven.json", "7");
    cannot_fit(&dir, "seven.json", 1, &["seven.json", "not an array of rows", "--format jsonl"]);
}

#[test]
fn a_header_that_names_a_column_twice_is_refused() {
    let dir = Dir::new();
    dir.write("rows.csv", "prompt,label,prompt\na,refused,b\n");
    cannot_fit(&dir, "rows.csv", 1, &["rows.csv", "`prompt` twice"]);
}

#[test]
fn csv_rows_that_do_not_fit_the_header_are_bad_rows() {
    let dir = Dir::new();
    dir.write(
        "rows.csv",
        "prompt,label\nhow to steal,refused\n\"two\nlines\",complied\na,b,c\nhow to bake,complied\n",
    );
    fits(&dir, "rows.csv").says("4 rows read from 1 file: 3 kept, 1 rejected").says("rows.csv:5:");
    assert_eq!(dir.rows("model.rejected.jsonl")[0]["line"], 5);
}

/// A run that fails at its last step leaves the previous output unchanged.
#[cfg(unix)]
#[test]
fn an_output_that_cannot_be_written_leaves_the_old_one() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::with_models();
    dir.write_rows("in.jsonl", &answers());
    std::fs::create_dir(dir.path("out.jsonl")).unwrap();
    dir.demur("label in.jsonl --model response --out out.jsonl").fails(1, &["out.jsonl", "directory"]);
    dir.write("closed/out.jsonl", "old");
    let closed = |mode| {
        std::fs::set_permissions(dir.path("closed"), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    closed(0o555);
    let run = dir.demur("label in.jsonl --model response --out closed/out.jsonl").run();
    closed(0o755);
    // Root may write anywhere.
    if run.code != Some(0) {
        assert_eq!(run.code, Some(1));
        assert_eq!(dir.text("closed/out.jsonl"), "old");
    }
    assert_eq!(crate::support::names(&dir.path("closed")), ["out.jsonl"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new();
    dir.write_rows("rows.jsonl", &labelled(&json!("refused"), &json!("complied")));
    std::fs::set_permissions(dir.path("rows.jsonl"), std::fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read anything.
    if std::fs::read(dir.path("rows.jsonl")).is_err() {
        cannot_fit(&dir, "rows.jsonl", 1, &["cannot read rows.jsonl", "permissions"]);
    }
}

/// `curl ... | demur label -`: one object over several lines, or a list, needs no flag.
#[test]
fn one_json_value_on_stdin_is_recognised() {
    let dir = Dir::new();
    let samples = json!([{"prompt": "a", "response": "I'm sorry, but I can't help with that."}]);
    let log = json!({"model": "m", "samples": samples});
    for input in [serde_json::to_string_pretty(&log).unwrap(), samples.to_string()] {
        let run = dir.demur("label - --out -").stdin(input).succeeds();
        assert_eq!(rows(&run.stdout)[0]["label"], "refused");
    }
    let broken = "{\"prompt\": \"a\n{\"prompt\": \"b\", \"response\": \"It is four.\"}\n";
    let run = dir.demur("label - --out -").stdin(broken).succeeds();
    assert_eq!(rows(&run.stdout)[0]["label"], "complied", "a broken line is a bad row among others");
}

/// A text that is not there has no words to judge.
#[test]
fn an_answer_without_text_is_explained_by_its_sign_alone() {
    let run = Dir::new().demur("explain --model response --finish-reason content_filter").arg("").succeeds();
    assert!(run.stdout.contains("form filtered") && !run.stdout.contains("words alone"), "{}", run.stdout);
    assert!(run.stdout.contains("there is no text to explain"), "{}", run.stdout);
}

/// What Excel and `jq` write is read as any other file.
#[test]
fn a_separator_line_and_several_values_are_read() {
    let dir = Dir::new();
    dir.write("excel.csv", "sep=;\nprompt;response\na;\"I'm sorry, but I can't help with that.\"\n");
    dir.write(
        "jq.jsonl",
        "{\n  \"response\": \"No, I won't do that.\"\n}\n{\n  \"response\": \"It is four.\"\n}\n",
    );
    for (name, count) in [("excel.csv", 1), ("jq.jsonl", 2)] {
        dir.demur(&format!("label {name} --out out.jsonl")).succeeds();
        let labelled = dir.rows("out.jsonl");
        assert_eq!((labelled.len(), &labelled[0]["label"]), (count, &json!("refused")), "{name}");
        std::fs::remove_file(dir.path("out.jsonl")).unwrap();
    }
}
