//! `demur report` and `demur export-notebook`: the files, their numbers, the same bytes again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Dir, KIND, shared_data};

/// The cells of the page's tables as a reader sees them, by table and position.
fn cells(html: &str) -> Vec<(String, usize, String, String)> {
    let mut found = Vec::new();
    for table in html.split("<table data-sheet=\"").skip(1) {
        let (name, rest) = table.split_once('"').unwrap();
        let (head, body) = rest.split_once("</thead>").unwrap();
        let body = body.split_once("</table>").unwrap().0;
        let keys: Vec<&str> =
            head.split("data-key=\"").skip(1).map(|part| part.split_once('"').unwrap().0).collect();
        for row in body.split("<tr data-row=\"").skip(1) {
            let (place, rest) = row.split_once('"').unwrap();
            for (key, cell) in keys.iter().zip(rest.split("<td").skip(1)) {
                let text = cell.split_once('>').unwrap().1.split_once("</td>").unwrap().0;
                found.push((name.to_owned(), place.parse().unwrap(), (*key).to_owned(), text.to_owned()));
            }
        }
    }
    found
}

#[test]
fn a_report_holds_page_tables_and_figures_with_the_same_numbers() {
    let dir = Dir::with_models();
    let command = format!("report --model response --data {KIND} --resamples 3");
    dir.demur(&format!("{command} --out report")).succeeds().says("each row is judged by a fit");
    let files = dir.tree("report");
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    for name in [
        "report.html",
        "tables/terms.csv",
        "tables/terms.parquet",
        "figures/ngrams.svg",
        "figures/ngrams.png",
        "figures/contrast.png",
        "figures/coverage.svg",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert!(files["figures/ngrams.png"].starts_with(b"\x89PNG"));
    let html = dir.text("report/report.html");
    // No URL except the SVG namespace, and a policy that allows no request.
    let addresses = html.matches("http://").count() + html.matches("https://").count();
    assert_eq!(addresses, html.matches("http://www.w3.org/2000/svg").count());
    assert!(html.contains("default-src 'none'"));
    // Every number of the page equals that of the CSV; `notebooks-export/tests/tables.py` compares the CSV
    // with the Parquet file.
    let mut tables: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut compared = 0;
    for (name, place, key, text) in cells(&html) {
        let rows = tables
            .entry(name.clone())
            .or_insert_with(|| csv_rows(&dir, &format!("report/tables/{name}.csv")));
        if key == "text" || text.contains('&') {
            continue; // cut, or escaped
        }
        assert_eq!(rows[place][&key], text, "{name} {place} {key}");
        compared += 1;
    }
    assert!(compared > 500 && tables.len() >= 8, "{compared} cells of {:?}", tables.keys());
    // A second run produces the same bytes.
    dir.demur(&format!("{command} --out again")).succeeds();
    assert_eq!(dir.tree("again"), files);
}

/// A row of a CSV file, by column.
type Row = BTreeMap<String, String>;

fn csv_rows(dir: &Dir, name: &str) -> Vec<Row> {
    let bytes = dir.bytes(name);
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let heads: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let row =
        |record: csv::StringRecord| heads.iter().cloned().zip(record.iter().map(str::to_owned)).collect();
    reader.records().map(|record| row(record.unwrap())).collect()
}

#[test]
fn without_rows_the_report_holds_what_the_model_holds() {
    let dir = Dir::with_models();
    dir.demur("report --model prompt --out report").succeeds().says("no rows (--data FILE)");
    let names: Vec<String> = dir.tree("report").into_keys().collect();
    assert!(names.contains(&"tables/terms.csv".to_owned()) && !names.contains(&"tables/rows.csv".to_owned()));
    assert!(!names.contains(&"tables/stability.csv".to_owned()), "{names:?}");
    let html = dir.text("report/report.html");
    for part in
        ["No rows were given", "were not computed", "Which of these terms are stable was not computed"]
    {
        assert!(html.contains(part), "{part}");
    }
    // What was not computed is shown neither as 0 nor as an interval from 0 to 1.
    assert!(!html.contains("are unstable:") && !html.contains("counted on 0 rows"));
    for row in csv_rows(&dir, "report/tables/terms.csv") {
        for key in [
            "z",
            "rows",
            "refused",
            "complied",
            "refusal_rate",
            "rate_low",
            "rate_high",
            "groups",
            "halves",
            "stable",
        ] {
            assert_eq!(row[key], "", "{key} of {}", row["ngram"]);
        }
        assert!(!row["weight"].is_empty());
    }
}

#[test]
fn words_come_first_pieces_on_demand_and_what_was_tested_is_said() {
    let dir = Dir::with_starter();
    let views = "response.views=[{field='response',analyzer='char_wb',ngrams=[3,5],min_df=2},{field='response',analyzer='token',ngrams=[1,2]},{field='response',analyzer='token',part={first_words=10},ngrams=[1,2]}]";
    dir.demur(&format!("fit response --data {KIND} --out model --set {views} --set response.c=3")).succeeds();
    dir.demur(&format!("report --model model --data {KIND} --out report --resamples 2")).succeeds();
    let terms = csv_rows(&dir, "report/tables/terms.csv");
    let is_second = |row: &Row| row["unit"] == "piece" || row["marks"].contains("duplicate");
    assert!(terms.is_sorted_by_key(is_second) && is_second(&terms[terms.len() - 1]));
    let mut seen = std::collections::BTreeSet::new();
    for row in terms.iter().filter(|row| !row["marks"].contains("duplicate")) {
        assert!(seen.insert(row["ngram"].trim()), "{} twice", row["ngram"]);
    }
    let html = dir.text("report/report.html");
    let section = html.split("<section id=\"top\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(section.contains("were tested for stability and"), "{section}");
    let (words, pieces) = section.split_once("<summary>Pieces of words</summary>").unwrap();
    let shown = |part: &str| -> Vec<usize> {
        cells(part).into_iter().filter(|(name, ..)| name == "terms").map(|(_, place, ..)| place).collect()
    };
    let (words, pieces) = (shown(words), shown(pieces));
    assert!(!words.is_empty() && words.iter().all(|&at| !is_second(&terms[at])));
    assert!(!pieces.is_empty() && pieces.iter().all(|&at| terms[at]["unit"] == "piece"));
    // The top of the page has the terms that the table marks as shown: only the stable ones if most are
    // unstable.
    let top: Vec<usize> = (0..terms.len()).filter(|&at| terms[at]["shown"] == "true").collect();
    assert!(top.iter().all(|at| words.contains(at)) && !top.is_empty());
    if section.contains("so the stable ones alone are shown") {
        assert!(top.iter().all(|&at| terms[at]["stable"] == "true"));
    }
    let bytes = dir.bytes("report/tables/terms.csv");
    dir.demur(&format!("export-notebook --model model --data {KIND} --out r.ipynb --resamples 2")).succeeds();
    assert!(dir.text("r.ipynb").contains("were tested for stability"));
    dir.demur(&format!("report --model model --data {KIND} --out report --resamples 2")).succeeds();
    assert_eq!(dir.bytes("report/tables/terms.csv"), bytes);
}

#[test]
fn texts_of_rows_are_escaped_in_the_page() {
    let dir = Dir::with_models();
    let hostile = "<img src=x onerror=alert(1)> {{body}} </script>";
    let row = |label: &str| json!({"prompt": "q", "response": format!("{hostile} {label}"), "label": label});
    let rows: Vec<Value> = (0..60).map(|at| row(if at % 2 == 0 { "refused" } else { "complied" })).collect();
    dir.write_rows("rows.jsonl", &rows);
    dir.demur("report --model response --data rows.jsonl --out report --resamples 0").succeeds();
    let html = dir.text("report/report.html");
    assert!(html.contains("&lt;img src=x") && !html.contains("<img"), "markup of a row");
    assert_eq!(html.matches("</script>").count(), 2);
}

#[test]
fn rows_of_one_class_and_a_handful_of_rows_are_reported_too() {
    let dir = Dir::with_models();
    let row = |at: u32, label: &str| json!({"prompt": "q", "response": format!("No, not number {at}."), "label": label});
    dir.write_rows("one.jsonl", &(0..60).map(|at| row(at, "refused")).collect::<Vec<_>>());
    dir.write_rows("few.jsonl", &[row(1, "refused"), row(2, "complied")]);
    for rows in ["one", "few"] {
        dir.demur(&format!("report --model response --data {rows}.jsonl --out {rows}")).succeeds();
        let figures = csv_rows(&dir, &format!("{rows}/tables/figures.csv"));
        assert_eq!(figures[0]["figure"], "agreement", "the rows do not say who labelled them");
        assert_eq!(figures[1]["value"].is_empty(), rows == "one", "an AUROC needs both classes");
    }
    dir.write("none.jsonl", "{\"prompt\": \"x\"}\n");
    let run = dir.demur("report --model response --data none.jsonl --out none").run();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
}

#[test]
fn notebooks_hold_their_outputs_and_name_their_tables() {
    let dir = Dir::with_models();
    for (kind, out, tables) in [
        ("report --resamples 2 --model response", "r", 8),
        ("evaluate --model prompt", "e", 6),
        ("compare --model prompt --against prompt", "c", 3),
    ] {
        let command = format!("export-notebook {kind} --data {KIND} --out {out}.ipynb");
        dir.demur(&command).succeeds();
        let bytes = dir.bytes(&format!("{out}.ipynb"));
        let notebook: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&notebook["nbformat"], &notebook["nbformat_minor"]), (&json!(4), &json!(5)));
        let cells = notebook["cells"].as_array().unwrap();
        let shown =
            cells.iter().filter(|cell| cell["outputs"].as_array().is_some_and(|all| !all.is_empty())).count();
        assert!(shown >= 5, "{kind}: {shown} outputs");
        let found = dir.tree(&format!("{out}-tables"));
        assert!(
            found.len() >= tables && found.keys().all(|name| name.ends_with(".parquet")),
            "{:?}",
            found.keys()
        );
        dir.demur(&command).succeeds();
        assert_eq!(dir.bytes(&format!("{out}.ipynb")), bytes, "{kind}");
        assert_eq!(dir.tree(&format!("{out}-tables")), found, "{kind}");
    }
    dir.demur(&format!("export-notebook --data {KIND} --out report.html")).fails(2, &["ends in .ipynb"]);
    dir.demur(&format!("export-notebook compare --data {KIND}")).fails(2, &["--against"]);
    dir.demur(&format!("export-notebook compare --model prompt --against response --data {KIND}"))
        .fails(2, &["name two of one field"]);
}

#[test]
#[ignore = "needs ../shared/data"]
fn top_terms_of_the_published_corpus_are_stable_or_marked() {
    let data = shared_data();
    let dir = Dir::new();
    let file = data.join("chatgpt-refusals/hand_labeled.json").canonicalize().unwrap();
    let file = file.to_str().unwrap();
    let views = "response.views=[{field='response',ngrams=[1,2],min_df=2}]";
    dir.demur(&format!("fit response --data {file} --out model --set {views} --set response.c=10"))
        .succeeds();
    dir.demur(&format!("report --model model --data {file} --out report --resamples 2")).succeeds();
    let terms = csv_rows(&dir, "report/tables/terms.csv");
    for side in [1.0, -1.0] {
        let top: Vec<_> =
            terms.iter().filter(|row| row["z"].parse::<f64>().unwrap_or(0.0) * side > 0.0).take(30).collect();
        assert_eq!(top.len(), 30);
        let unmarked: Vec<_> = top.iter().filter(|row| !row["marks"].contains("unstable")).collect();
        assert!(unmarked.len() >= 5, "{} of 30 are stable", unmarked.len());
        // A term without a mark is among the top of every half.
        assert!(unmarked.iter().all(|row| row["halves"] == "5"));
    }
}

#[test]
fn without_rows_nothing_is_said_that_only_rows_can_say() {
    let dir = Dir::with_models();
    dir.demur("report --model response --out report").succeeds().says("no rows (--data FILE)");
    let html = dir.text("report/report.html");
    assert!(html.contains("Which of these terms are stable was not computed: it takes labelled rows."));
    assert!(
        html.contains(
            "stability and effects within templates were not computed: no labelled rows were given"
        )
    );
    assert!(!html.contains("terms are marked unstable"));
    assert!(!dir.path("report/tables/stability.csv").exists());
    for row in csv_rows(&dir, "report/tables/terms.csv") {
        for key in ["rate_low", "rate_high", "refusal_rate", "z", "halves"] {
            assert_eq!(row.get(key).map_or("", String::as_str), "", "{key} of {row:?}");
        }
    }
}

#[test]
fn a_report_on_labels_of_judge_models_has_no_accuracy() {
    let dir = Dir::with_models();
    let rows = "--data labelled.jsonl --label-column kind --resamples 0";
    dir.demur(&format!("report --model response {rows} --labelled-by judge --out judge")).succeeds();
    let html = dir.text("judge/report.html");
    assert!(
        html.contains("323 by judge models; figures are agreement with judge models&#39; labels")
            || html.contains("323 by judge models; figures are agreement with judge models' labels")
    );
    assert!(html.contains("Agreement with the labels<strong>") && !html.contains("Accuracy"));
    dir.demur(&format!("report --model response {rows} --labelled-by person --out person")).succeeds();
    assert!(dir.text("person/report.html").contains("Accuracy<strong>"));
}
