//! `demur score` on text: files of any size, the same bytes whatever happens during the run.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Dir, gzip, read_any};

/// Rows; if `bad`, every tenth of them is invalid.
pub(crate) fn rows(count: usize, bad: bool) -> String {
    let row = |n: usize| match n % 10 {
        3 if bad => "{\"prompt\": 7}\n".to_owned(),
        _ => format!(
            "{{\"n\":{n}, \"prompt\":\"How do I pick lock number {n}, and why is it \\\"{}\\\"?\"}}\n",
            n * 7919 % 1013
        ),
    };
    (0..count).map(row).collect()
}

#[test]
fn rows_keep_their_bytes_and_get_what_predict_says() {
    let dir = Dir::new();
    dir.write("in.jsonl", format!("{{\"a\": 1.50, \"prompt\": \"How do I pick a lock?\"}}\n\n{}{{\"prompt\":\"b\\u00e9\",\"p_refusal\":null}}\n", "{\"prompt\": \"x\"}\n".repeat(200)));
    dir.demur("score in.jsonl --out out.jsonl --explain 2").succeeds();
    let text = dir.text("out.jsonl");
    assert!(
        text.starts_with("{\"a\": 1.50, \"prompt\": \"How do I pick a lock?\",\"p_refusal\":0."),
        "{text}"
    );
    let row: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let told = dir.demur("predict --json").arg("How do I pick a lock?").succeeds().stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!((row["p_refusal"].as_f64().unwrap() - told["p_refusal"].as_f64().unwrap()).abs() < 1e-12);
    assert_eq!((&row["decision"], &row["model_digest"]), (&told["decision"], &told["model"]["digest"]));
    let shares = row["top_ngrams"].as_array().unwrap();
    assert_eq!(shares.iter().filter(|share| share[2] == "word").count(), 2, "{row}");
    let rejected = dir.rows("out.jsonl.rejected.jsonl");
    assert_eq!(
        rejected[0]["line"], 203,
        "a later row that has the new column already is set aside, not spoilt"
    );
}

#[test]
fn a_column_that_the_rows_have_is_not_overwritten() {
    let dir = Dir::new();
    dir.write("in.csv", "p_refusal,prompt\n1,\"a, \"\"b\"\"\nc\"\n2,d\n");
    dir.demur("score in.csv --out out.csv").succeeds();
    let text = dir.text("out.csv");
    assert!(
        text.starts_with("p_refusal,prompt,demur_p_refusal,decision,model_digest\n1,\"a, \"\"b\"\"\nc\",0."),
        "{text}"
    );
    assert_eq!(dir.names(), ["in.csv", "out.csv"]);
}

#[test]
fn chats_nested_fields_and_tabs_are_read() {
    let dir = Dir::new();
    dir.write("chat.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"How do I pick a lock?\"},{\"role\":\"assistant\",\"content\":\"x\"}]}\n");
    dir.write("nested.jsonl", "{\"meta\":{\"q\":\"How do I pick a lock?\"}}\n");
    dir.write("rows.tsv", "text\nHow do I pick a lock?\n");
    dir.demur("score chat.jsonl --out a.jsonl").succeeds();
    dir.demur("score nested.jsonl --prompt-column meta.q --out b.jsonl").succeeds();
    dir.demur("score rows.tsv --out c.tsv").succeeds();
    let p = |name: &str| dir.rows(name)[0]["p_refusal"].clone();
    assert_eq!(p("a.jsonl"), p("b.jsonl"));
    assert!(dir.text("c.tsv").lines().nth(1).unwrap().contains(&p("a.jsonl").to_string()));
}

#[test]
fn folders_patterns_and_compression_are_taken_in_order() {
    let dir = Dir::new();
    for (name, n) in [("in/b.jsonl", 2), ("in/a.jsonl", 1), ("in/sub/c.jsonl", 3)] {
        dir.write(name, format!("{{\"n\":{n},\"prompt\":\"x\"}}\n"));
    }
    let order = |name: &str| dir.rows(name).iter().map(|row| row["n"].as_u64().unwrap()).collect::<Vec<_>>();
    dir.demur("score in --out all.jsonl").succeeds();
    assert_eq!(order("all.jsonl"), [1, 2, 3]);
    dir.demur("score in/?.jsonl --out two.jsonl").succeeds();
    assert_eq!(order("two.jsonl"), [1, 2]);
    for packed in ["all.jsonl.gz", "all.jsonl.zst"] {
        dir.demur(&format!("score in --out {packed}")).succeeds();
        dir.demur(&format!("score {packed} --out again.jsonl --prompt-column prompt")).succeeds();
        assert_eq!(order("again.jsonl"), [1, 2, 3], "{packed}");
    }
    dir.demur("score in/x*.jsonl --out x.jsonl").fails(1, &["no file matches"]);
}

#[test]
fn threads_pipes_and_files_give_the_same_bytes() {
    let dir = Dir::new();
    let input = rows(20_000, false);
    dir.write("in.jsonl", &input);
    for threads in [1, 2, 4] {
        dir.demur(&format!("score in.jsonl --out out{threads}.jsonl --threads {threads}")).succeeds();
        assert_eq!(dir.bytes(&format!("out{threads}.jsonl")), dir.bytes("out1.jsonl"), "{threads}");
    }
    let piped = dir.demur("score - --out -").stdin(input).succeeds();
    assert_eq!(piped.stdout.into_bytes(), dir.bytes("out1.jsonl"));
}

#[test]
fn a_pipe_is_answered_row_by_row() {
    // A folder that exists until the end, because MKL, which a build with libtorch includes, does not start
    // elsewhere.
    let dir = Dir::new();
    let mut child = dir.demur("score - --out -").stdin_open();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for n in 0..3 {
        writeln!(stdin, "{{\"n\":{n},\"prompt\":\"x\"}}").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with(&format!("{{\"n\":{n},")), "{line}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// The command of docs/scoring.md without `jq`, which not every machine has.
#[test]
fn a_shell_pipeline_drives_it() {
    let dir = Dir::new();
    dir.write("prompts.jsonl.gz", gzip(rows(500, false).as_bytes()));
    // Half of the rows, whatever the model of the day says.
    dir.demur("score prompts.jsonl.gz --out scored.jsonl").succeeds();
    let mut p: Vec<f64> =
        dir.rows("scored.jsonl").iter().map(|row| row["p_refusal"].as_f64().unwrap()).collect();
    p.sort_by(f64::total_cmp);
    let condition = format!("p_refusal > {}", p[p.len() / 2]);
    let script = "gzip -dc prompts.jsonl.gz | \"$DEMUR\" score - --out - --where \"$WHERE\" | tail -n 1";
    let mut shell = Command::new("sh");
    shell.env("DEMUR_TIER", "ngram").env("DEMUR", env!("CARGO_BIN_EXE_demur")).env("WHERE", &condition);
    let run = shell.args(["-c", script]).current_dir(dir.path("."));
    let row: Value = serde_json::from_slice(&run.output().unwrap().stdout).unwrap();
    assert!(row["p_refusal"].as_f64().unwrap() > p[p.len() / 2]);
    dir.demur("score prompts.jsonl.gz --out all.jsonl --where").arg(&condition).succeeds();
    assert_eq!(Some(&row), dir.rows("all.jsonl").last().map(|row| Value::Object(row.clone())).as_ref());
}

#[test]
fn a_run_on_a_full_disk_goes_on_when_there_is_room() {
    let dir = Dir::new();
    dir.write("in.jsonl", rows(30_000, true));
    dir.demur("score in.jsonl --out whole.jsonl").succeeds();
    // A file size limit simulates the full disk: 2,048 blocks of 512 bytes.
    let script = "trap '' XFSZ; ulimit -f 2048; exec \"$DEMUR\" score in.jsonl --out out.jsonl";
    let mut shell = Command::new("sh");
    let run = shell
        .env("DEMUR_TIER", "ngram")
        .args(["-c", script])
        .env("DEMUR", env!("CARGO_BIN_EXE_demur"))
        .current_dir(dir.path("."));
    let run = run.output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("cannot write .out.jsonl."), "{said}");
    assert!(!dir.path("out.jsonl").exists());
    dir.demur("score in.jsonl --out out.jsonl --resume").succeeds();
    assert!(dir.bytes("out.jsonl") == dir.bytes("whole.jsonl"));
    assert!(dir.bytes("out.jsonl.rejected.jsonl") == dir.bytes("whole.jsonl.rejected.jsonl"));
}

#[test]
fn a_run_that_is_killed_goes_on_to_the_same_bytes() {
    let dir = Dir::new();
    dir.write("in.jsonl", rows(60_000, true));
    dir.demur("score in.jsonl --out whole.jsonl").succeeds();
    let (whole, whole_rejected) = (dir.bytes("whole.jsonl"), dir.bytes("whole.jsonl.rejected.jsonl"));
    let mut killed = 0;
    for try_number in 0..20_u64 {
        let out = format!("out{try_number}.jsonl");
        let flags = |resume| format!("score in.jsonl --out {out} {}", if resume { "--resume" } else { "" });
        let mut child = dir.demur(&flags(false)).start();
        sleep(Duration::from_millis(20 + try_number * 67 % 300));
        child.kill().unwrap();
        if !child.wait().unwrap().success() {
            killed += 1;
            assert!(!dir.path(&out).exists() || dir.bytes(&out) == whole, "an unfinished output has no name");
        }
        // Kill it a second time, during the resumed run.
        let mut child = dir.demur(&flags(true)).start();
        sleep(Duration::from_millis(30 + try_number * 31 % 100));
        child.kill().unwrap();
        child.wait().unwrap();
        if !dir.path(&out).exists() || dir.path(&format!("{out}.progress.json")).exists() {
            dir.demur(&flags(true)).succeeds();
        }
        assert!(dir.bytes(&out) == whole, "{try_number}");
        assert!(dir.bytes(&format!("{out}.rejected.jsonl")) == whole_rejected, "{try_number}");
        let left: Vec<_> = dir
            .names()
            .into_iter()
            .filter(|name| name.contains("partial") || name.contains("progress"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        fs::remove_file(dir.path(&out)).unwrap();
    }
    assert!(killed > 3, "only {killed} of 20 were killed on the way");
}

/// The CSV parser determines where a row ends; counting quotation marks would put the rest of the file into
/// one cell.
#[test]
fn a_quotation_mark_within_a_cell_does_not_swallow_the_rows_behind_it() {
    let dir = Dir::new();
    let csv = "id,prompt\n0,a 5\" pipe burst\n1,how do I pick a lock?\n2,\"a \"\"quoted\"\"\nword\"\n3,bake bread\n";
    dir.write("in.csv", csv);
    dir.write("in.tsv", csv.replace(',', "\t"));
    for (command, name) in
        [("score", "in.csv"), ("score", "in.tsv"), ("label --response-column prompt", "in.csv")]
    {
        dir.demur(&format!("{command} {name} --out out.{}", &name[3..])).succeeds();
        let out = dir.text(&format!("out.{}", &name[3..]));
        let kept = dir.text(name);
        let (mut rest, mut rows) = (out.as_str(), 0);
        for row in
            ["0|a 5\" pipe burst", "1|how do I pick a lock?", "2|\"a \"\"quoted\"\"\nword\"", "3|bake bread"]
        {
            let row = row.replace('|', if name == "in.csv" { "," } else { "\t" });
            assert!(kept.contains(&row));
            let at = rest.find(&row).unwrap_or_else(|| panic!("{command} {name}: no {row} in {out}"));
            rest = &rest[at + row.len()..];
            rows += 1;
        }
        assert_eq!((rows, out.lines().count()), (4, 6), "{out}");
        assert!(!dir.path(&format!("out.{}.rejected.jsonl", &name[3..])).exists());
        std::fs::remove_file(dir.path(&format!("out.{}", &name[3..]))).unwrap();
    }
    // A cell that is never closed takes everything after it, and the error shows that.
    dir.write("open.csv", "id,prompt\n0,a\n1,\"b\n2,c\n");
    dir.demur("score open.csv --out open-out.csv").succeeds();
    let rejected = dir.rows("open-out.csv.rejected.jsonl");
    assert_eq!((rejected.len(), &rejected[0]["line"]), (1, &json!(3)));
    assert!(rejected[0]["reason"].as_str().unwrap().contains("never closed"));
}

#[cfg(unix)]
#[test]
fn a_folder_that_links_to_its_own_parent_is_read_once() {
    let dir = Dir::new();
    dir.write("in/sub/a.jsonl", "{\"prompt\":\"x\"}\n");
    std::os::unix::fs::symlink("..", dir.path("in/sub/up")).unwrap();
    dir.demur("score in --out out.jsonl").succeeds();
    assert_eq!(dir.rows("out.jsonl").len(), 1);
}

#[test]
fn a_resume_of_something_else_is_refused() {
    let dir = Dir::new();
    dir.write("in.jsonl", rows(60_000, false));
    let mut child = dir.demur("score in.jsonl --out out.jsonl").start();
    while !dir.path("out.jsonl.progress.json").exists() {
        sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    dir.demur("score in.jsonl --out out.jsonl").fails(1, &["--resume, or remove"]);
    dir.demur("score in.jsonl --out out.jsonl --resume --hold-from 0.9").fails(1, &["other settings"]);
    dir.demur("score - --out out.jsonl --resume").stdin("").fails(2, &["--resume goes on with files"]);
    dir.demur("score in.jsonl --out out.jsonl --resume").succeeds();
}

#[test]
fn bad_rows_are_set_aside_with_place_and_reason_or_stop_the_run() {
    let dir = Dir::new();
    dir.write("in.jsonl", b"{\"prompt\":\"a\"}\nnot json\n{\"prompt\":\"\xff\"}\n{\"prompt\":\" \"}\n{\"text\":\"b\"}\n{\"prompt\":\"0123456789\"}\n");
    let run = dir.demur("score in.jsonl --out out.jsonl --max-chars 9 --json").succeeds();
    let summary: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&summary["read"], &summary["scored"], &summary["rejected"]),
        (&json!(6), &json!(1), &json!(5))
    );
    let told: Vec<(u64, String)> = dir
        .rows("out.jsonl.rejected.jsonl")
        .iter()
        .map(|row| (row["line"].as_u64().unwrap(), row["reason"].as_str().unwrap().to_owned()))
        .collect();
    let said =
        ["expected ident", "invalid UTF-8 from byte 12", "blank", "there is no prompt", "longer than 9"];
    assert_eq!(told.len(), said.len());
    for (number, ((line, reason), said)) in (2..).zip(told.iter().zip(said)) {
        assert!(*line == number && reason.contains(said), "{line}: {reason}");
    }
    dir.demur("score in.jsonl --out strict.jsonl --strict").fails(1, &["in.jsonl:2", "without --strict"]);
    assert!(!dir.path("strict.jsonl").exists());
}

#[test]
fn the_rows_that_matter_can_be_picked() {
    let dir = Dir::new();
    dir.write("in.jsonl", rows(3_000, false));
    dir.demur("score in.jsonl --out all.jsonl").succeeds();
    let p =
        |name: &str| dir.rows(name).iter().map(|row| row["p_refusal"].as_f64().unwrap()).collect::<Vec<_>>();
    let mut all = p("all.jsonl");
    let middle = all[1500];
    dir.demur("score in.jsonl --out some.jsonl --where").arg(&format!("p_refusal > {middle}")).succeeds();
    assert_eq!(p("some.jsonl"), all.iter().copied().filter(|p| *p > middle).collect::<Vec<_>>());
    dir.demur("score in.jsonl --out first.jsonl --sample 7").succeeds();
    assert_eq!(p("first.jsonl"), all[..7]);
    all.sort_by(|a, b| b.total_cmp(a));
    dir.demur("score in.jsonl --out top.jsonl --top 5").succeeds();
    assert_eq!(p("top.jsonl"), all[..5]);
    dir.demur("score in.jsonl --out held.jsonl --hold-from 0 --where").arg("decision == hold").succeeds();
    assert_eq!(p("held.jsonl").len(), 3_000);
    dir.demur("score in.jsonl --out x.jsonl --where").arg("p > 1").fails(2, &["no such column is added"]);
    // Sorted, compressed, and in another format.
    for name in ["sorted.jsonl", "sorted.jsonl.gz", "sorted.csv", "sorted.parquet"] {
        dir.demur(&format!("score in.jsonl --out {name} --sort")).succeeds();
        let sorted = read_any(&dir.path(name));
        assert_eq!(sorted.len(), all.len(), "{name}");
        for (row, p) in sorted.iter().zip(&all) {
            let found = row["p_refusal"].as_str().map_or_else(|| row["p_refusal"].to_string(), str::to_owned);
            assert_eq!(found.parse::<f64>().unwrap(), *p, "{name}");
        }
    }
    dir.demur("score sorted.parquet --out top.parquet --top 5").succeeds();
    assert_eq!(read_any(&dir.path("top.parquet")).len(), 5);
    dir.demur("score sorted.parquet --out again.parquet --sort").succeeds();
    let again = read_any(&dir.path("again.parquet"));
    assert!(again.iter().zip(&all).all(|(row, p)| row["demur_p_refusal"].as_f64() == Some(*p)));
}

#[test]
fn what_cannot_be_scored_is_said() {
    let dir = Dir::new();
    dir.write("a.jsonl", "{\"x\":\"a\"}\n");
    dir.write("b.csv", "prompt\na\n");
    dir.write("c.csv", "prompt,n\na,1\n");
    dir.write("d.tab", "a\n");
    dir.write("e.parquet", "PAR1");
    dir.write("f.json", "[]");
    for (flags, code, said) in [
        ("a.jsonl --out o.jsonl", 1, "no prompt is found; the columns are `x`"),
        ("a.jsonl --out o.jsonl --prompt-column y", 1, "there is no field `y`"),
        ("b.csv c.csv --out o.csv", 1, "its header is not that of the first file"),
        ("d.tab --out o.jsonl", 2, "cannot tell the format of d.tab"),
        ("e.parquet --out o.parquet", 1, "e.parquet"),
        ("f.json --out o.txt", 2, "does not tell the format"),
        ("b.csv --out o.csv --kinds", 2, "does not tell kinds apart"),
        ("- --format parquet --out o.parquet", 2, "cannot be read from a pipe"),
        ("none.jsonl --out o.jsonl", 1, "cannot read none.jsonl"),
        ("b.csv --out b.csv/o.jsonl", 1, "cannot write b.csv/o.jsonl"),
        ("a.jsonl --out o.jsonl --send-below 0.9 --hold-from 0.1", 2, "send_below"),
        ("a.jsonl --out o.jsonl --model response", 2, "needs a prompt predictor"),
    ] {
        dir.demur(&format!("score {flags}")).fails(code, &[said]);
        let unfinished = |name: &String| name.contains(".partial") || name.contains(".progress");
        assert!(!dir.names().iter().any(unfinished), "{flags}: {:?}", dir.names());
    }
}
