//! What every command that writes must preserve: no input is overwritten, links, pipes, permissions and other
//! files stay unchanged, and an invalid path is an error before the work starts.

use std::fs;

use serde_json::json;

use crate::support::{Dir, KIND, answers, jsonl};

/// Answers in a file, to check whether a command changes it.
fn with_answers() -> Dir {
    let dir = Dir::new();
    dir.write("mine.jsonl", jsonl(&answers()));
    dir
}

#[cfg(unix)]
#[test]
fn no_command_writes_over_what_it_reads() {
    use std::os::unix::fs::symlink;
    let dir = with_answers();
    dir.write("folder/rows.jsonl", jsonl(&answers()));
    dir.write("bad.jsonl.rejected.jsonl", jsonl(&answers()));
    dir.write("labelled.jsonl", "{\"prompt\":\"a\",\"response\":\"b\",\"label\":\"refused\"}\n");
    dir.write("report/tables/rows.jsonl", "{\"prompt\":\"a\",\"label\":\"refused\"}\n");
    symlink("mine.jsonl", dir.path("link.jsonl")).unwrap();
    fs::hard_link(dir.path("mine.jsonl"), dir.path("hard.jsonl")).unwrap();
    let before = dir.tree("");
    for command in [
        "score mine.jsonl --out mine.jsonl",
        "label mine.jsonl --out mine.jsonl",
        "label mine.jsonl --out ./folder/../mine.jsonl --top 1",
        "label mine.jsonl --out link.jsonl",
        "label link.jsonl --out hard.jsonl --resume",
        "label folder --out folder/rows.jsonl",
        "label folder/*.jsonl --out folder/rows.jsonl",
        "label bad.jsonl.rejected.jsonl --out bad.jsonl",
        "label mine.jsonl bad.jsonl.rejected.jsonl --out bad.jsonl",
        "bootstrap mine.jsonl --out link.jsonl",
        "bootstrap bad.jsonl.rejected.jsonl --out bad.jsonl",
        "fit response --data labelled.jsonl --out .",
        "evaluate --field response bad.jsonl.rejected.jsonl --rejected bad.jsonl.rejected.jsonl",
        "report --data report/tables/rows.jsonl --out report",
        "export-notebook --data report/tables/rows.jsonl --out report.ipynb",
    ] {
        let mut command = command.to_owned();
        if command.starts_with("export") {
            fs::create_dir(dir.path("report-tables")).unwrap();
            fs::hard_link(dir.path("report/tables/rows.jsonl"), dir.path("report-tables/rows.jsonl"))
                .unwrap();
            command = command.replace("report/tables", "report-tables");
        }
        let run = dir.demur(&command).run();
        assert_eq!(run.code, Some(2), "{command}: {}", run.stderr);
        run.says("would overwrite an input");
        let _ = fs::remove_dir_all(dir.path("report-tables"));
        assert!(dir.tree("") == before, "{command}: {:?}", dir.tree("").keys());
    }
}

/// Like a shell's `>> mine.jsonl`: the output would be read again as input, without end.
#[cfg(unix)]
#[test]
fn no_command_reads_what_its_output_is_redirected_to() {
    let dir = with_answers();
    let before = dir.bytes("mine.jsonl");
    for command in [
        "score mine.jsonl --out -",
        "label mine.jsonl --out /dev/stdout",
        "bootstrap mine.jsonl --out -",
        "evaluate --field response mine.jsonl --json",
        "contrast swap --data mine.jsonl --json",
        "score - --out -",
    ] {
        let append = fs::File::options().append(true).open(dir.path("mine.jsonl")).unwrap();
        let input = fs::File::open(dir.path("mine.jsonl")).unwrap();
        let mut shell = std::process::Command::new(env!("CARGO_BIN_EXE_demur"));
        shell.current_dir(dir.path(".")).args(command.split_whitespace()).stdin(input).stdout(append);
        let run = shell.output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(
            run.status.code() == Some(2) && said.contains("would overwrite an input"),
            "{command}: {said}"
        );
        assert!(dir.bytes("mine.jsonl") == before, "{command}");
    }
}

#[test]
fn another_file_in_the_place_is_replaced_whole() {
    let dir = with_answers();
    dir.write("out.jsonl", "old\n".repeat(10_000));
    dir.demur("label mine.jsonl --out out.jsonl").succeeds();
    assert_eq!(dir.rows("out.jsonl").len(), 3);
    assert_eq!(dir.names(), ["mine.jsonl", "out.jsonl"]);
}

#[test]
fn missing_folders_are_made_before_the_work() {
    let dir = Dir::with_starter();
    dir.write("mine.jsonl", jsonl(&answers()));
    dir.demur("label mine.jsonl --out a/b/out.jsonl").succeeds();
    assert_eq!(dir.rows("a/b/out.jsonl").len(), 3);
    dir.demur("bootstrap mine.jsonl --out c/d/out.jsonl").succeeds();
    assert!(dir.path("c/d/out.jsonl.seen").is_file());
    dir.demur(&format!("fit response --data {KIND} --out models/response")).fast().succeeds();
    assert!(dir.path("models/response/manifest.json").is_file());
    dir.demur("report --model models/response --resamples 0 --out reports/one").succeeds();
    assert!(dir.path("reports/one/report.html").is_file());
}

#[test]
fn a_place_where_nothing_can_be_written_is_said_before_anything_is_read() {
    let dir = Dir::with_starter();
    dir.write("file", "");
    dir.write("thesis/chapter.tex", "precious");
    for (command, said) in [
        ("label none.jsonl --out file/out.jsonl", "cannot write file/out.jsonl"),
        ("score none.jsonl --out thesis --to jsonl", "is a directory"),
        ("bootstrap none.jsonl --out file/out.jsonl", "cannot write file/out.jsonl"),
        ("fit response --data none.jsonl --out file/model", "cannot write file/model"),
        ("fit response --data none.jsonl --out thesis", "thesis"),
        ("report --data none.jsonl --out file", "is a file"),
        ("export-notebook --data none.jsonl --out file/x.ipynb", "cannot write file/x.ipynb"),
        ("pipeline --out file/x", "cannot write file/x"),
        ("evaluate --field response none.jsonl --rejected file/x.rejected.jsonl", "cannot write file/x"),
    ] {
        let run = dir.demur(command).run();
        assert_eq!(run.code, Some(1), "{command}: {}", run.stderr);
        run.says(said);
        assert!(!run.stderr.contains("none.jsonl"), "{command}: {}", run.stderr);
    }
    dir.write("out/response/chapter.tex", "precious");
    dir.demur("pipeline --out out").fails(1, &["out/response"]);
    assert_eq!(dir.tree("out").keys().collect::<Vec<_>>(), ["response/chapter.tex"]);
}

#[cfg(unix)]
#[test]
fn permissions_stay_as_they_are() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::with_models();
    dir.write("mine.jsonl", jsonl(&answers()) + "no row\n");
    let mode = |name: &str| fs::metadata(dir.path(name)).unwrap().permissions().mode() & 0o777;
    let allow = |name: &str, mode| {
        fs::set_permissions(dir.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for name in ["out.jsonl", "machine.jsonl"] {
        dir.write(name, "");
        allow(name, 0o600);
    }
    allow("response", 0o700);
    dir.demur("label mine.jsonl --out out.jsonl").succeeds();
    dir.demur("bootstrap unlabelled.jsonl --model response --out machine.jsonl").succeeds();
    dir.demur(&format!("fit response --data {KIND} --out response")).fast().succeeds();
    assert_eq!((mode("out.jsonl"), mode("machine.jsonl"), mode("response")), (0o600, 0o600, 0o700));
    assert_eq!(mode("out.jsonl.rejected.jsonl"), 0o600, "it holds rows too");
}

#[cfg(unix)]
#[test]
fn links_lead_on_and_pipes_and_devices_are_written_into() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let dir = with_answers();
    dir.write("disk/real.jsonl", "old");
    symlink("disk/real.jsonl", dir.path("out.jsonl")).unwrap();
    dir.demur("label mine.jsonl --out out.jsonl").succeeds();
    assert!(fs::symlink_metadata(dir.path("out.jsonl")).unwrap().is_symlink());
    assert_eq!(dir.rows("disk/real.jsonl").len(), 3);

    let expected = dir.bytes("out.jsonl");
    let pipe = dir.path("pipe.jsonl");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    dir.demur("label mine.jsonl --out pipe.jsonl").succeeds();
    assert!(reader.join().unwrap() == expected);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    dir.demur("label mine.jsonl --to parquet --out pipe.jsonl").fails(2, &["cannot be written to a pipe"]);

    let run = dir.demur("label mine.jsonl --out /dev/stdout").succeeds();
    assert!(run.stdout.into_bytes() == expected);
    dir.demur("label mine.jsonl --out /dev/null").succeeds();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    assert_eq!(dir.names(), ["disk", "mine.jsonl", "out.jsonl", "pipe.jsonl"]);
}

/// Names that an attacker, or an earlier version, could have left as links are not followed.
#[cfg(unix)]
#[test]
fn planted_links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let dir = with_answers();
    dir.write("precious", "precious");
    for ending in
        ["partial", "rejected.jsonl.partial", "order.partial", "sorted", "joined", "progress.json.next"]
    {
        symlink("precious", dir.path(&format!("out.csv.{ending}"))).unwrap();
    }
    dir.demur("label mine.jsonl --out out.csv --sort").succeeds();
    assert_eq!(dir.text("precious"), "precious");
    assert_eq!(dir.rows("mine.jsonl").len(), 3);
    symlink("precious", dir.path(".out.csv.demur-lock")).unwrap();
    dir.demur("label mine.jsonl --out out.csv").fails(1, &[".out.csv.demur-lock", "remove it"]);
    assert_eq!(dir.text("precious"), "precious");
}

#[test]
fn files_of_others_stay_beside_those_of_a_report() {
    let dir = Dir::new();
    dir.write("report/notes.txt", "mine");
    dir.write("report/tables/own.csv", "mine");
    dir.demur("report --resamples 0 --out report").succeeds();
    assert_eq!([dir.text("report/notes.txt"), dir.text("report/tables/own.csv")], ["mine", "mine"]);
    assert!(dir.path("report/report.html").is_file());
    assert_eq!(dir.names(), ["report"]);
}

#[test]
fn a_summary_says_what_was_read_rejected_and_scored() {
    let dir = with_answers();
    dir.write("mine.jsonl", jsonl(&answers()) + "no row\n");
    let run = dir.demur("label mine.jsonl --out out.jsonl --json").succeeds();
    run.says("4 rows read, 1 rejected, 3 scored");
    let summary = run.json();
    let counts = ["read", "rejected", "scored", "written"].map(|name| summary[name].clone());
    assert_eq!(counts, [json!(4), json!(1), json!(3), json!(3)]);
}
