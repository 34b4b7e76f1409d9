//! Reading as a whole: formats, rows, errors, and the real files where they are at hand.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Corpus, ReadOptions, read};
use crate::{Columns, DataError, Format, Kind, Label, Labelled, LabelledBy, Labeller, write_rows};

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn read_one(name: &str, content: impl AsRef<[u8]>, options: &ReadOptions) -> Result<Corpus, DataError> {
    let dir = Dir::new();
    read(&[dir.file(name, content)], options)
}

fn jsonl(rows: &[Value], options: &ReadOptions) -> Result<Corpus, DataError> {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    read_one("rows.jsonl", lines.join("\n"), options)
}

fn error(name: &str, content: impl AsRef<[u8]>, options: &ReadOptions) -> String {
    let text = read_one(name, content, options).unwrap_err().to_string();
    // The directory is a new one each time.
    let start = text.find(name).map_or(0, |at| text[..at].rfind(' ').map_or(0, |space| space + 1));
    let end = text.find(name).unwrap_or(0);
    format!("{}{}", &text[..start], &text[end..])
}

fn prompts(corpus: &Corpus) -> Vec<(usize, &str)> {
    corpus.records.iter().map(|row| (row.place.line, row.prompt.as_deref().unwrap_or("-"))).collect()
}

fn reasons(corpus: &Corpus) -> Vec<(usize, Option<&str>, &str)> {
    let bad = corpus.rejected.iter();
    bad.map(|bad| (bad.place.line, bad.field.as_deref(), bad.reason.as_str())).collect()
}

#[test]
fn a_json_array_has_the_lines_of_its_elements() {
    let text = "\u{feff}[\n{\n\"prompt\": \"a\",\n\"tone\": \"rejected\"},\n\n {\"prompt\": \"b\"}, 3,\n {\"prompt\": 1}]\n";
    let corpus = read_one("rows.json", text, &ReadOptions::default()).unwrap();
    assert_eq!(prompts(&corpus), [(2, "a"), (6, "b")]);
    assert_eq!(
        reasons(&corpus),
        [(6, None, "the row is no object but number"), (7, Some("prompt"), "text was expected, not number")]
    );
    let label = corpus.records[0].label.as_ref().unwrap();
    assert_eq!(
        (label.label, label.kind, label.by.labeller),
        (Some(Label::Refused), Some(Kind::Rejected), Labeller::Unknown)
    );
    assert_eq!(corpus.summary.to_string(), "4 rows read from 1 file: 2 kept, 2 rejected, 0 dropped");
}

#[test]
fn json_lines_keep_their_line_numbers_and_their_bad_rows() {
    let text = "{\"prompt\": \"a\"}\r\n\n[1]\n{\"prompt\": \"b\"\n{\"prompt\": \" c \\u00e9\"}";
    let corpus = read_one("rows.jsonl", text, &ReadOptions::default()).unwrap();
    assert_eq!(prompts(&corpus), [(1, "a"), (5, " c é")]);
    assert_eq!(
        reasons(&corpus),
        [
            (3, None, "the row is no object but list"),
            (4, None, "no valid JSON: EOF while parsing an object (column 14)")
        ]
    );
    assert_eq!(corpus.rejected[1].raw, Some(json!("{\"prompt\": \"b\"")));
}

#[test]
fn csv_rows_may_span_lines_and_skip_some() {
    let text = "prompt,response,label\n\"a\nb\",\"say \"\"no\"\"\",1\n\n\nc,,0\nd,e\n";
    let corpus = read_one("rows.csv", text, &ReadOptions::default()).unwrap();
    assert_eq!(prompts(&corpus), [(2, "a\nb"), (6, "c")]);
    assert_eq!(corpus.records[0].response.as_deref(), Some("say \"no\""));
    assert_eq!(corpus.records[1].response, None);
    assert_eq!(reasons(&corpus), [(7, None, "2 fields, where the header has 3")]);
    assert_eq!(corpus.rejected[0].raw, Some(json!("d,e")));
    let tsv = read_one("rows.tsv", "prompt\tlabel\na, b\trefused\n", &ReadOptions::default()).unwrap();
    assert_eq!(prompts(&tsv), [(2, "a, b")]);
}

#[test]
fn a_csv_quote_that_is_never_closed_swallows_nothing() {
    let text = "prompt,response\na,b\nc,\"d\ne,f\n";
    let corpus = read_one("rows.csv", text, &ReadOptions::default()).unwrap();
    assert_eq!(prompts(&corpus), [(2, "a")]);
    let reason = "a quoted field is never closed; the rest of the file was taken for its content";
    assert_eq!(reasons(&corpus), [(3, None, reason)]);
    assert_eq!(corpus.rejected[0].raw, Some(json!("c,\"d\ne,f")));
}

#[test]
fn the_format_is_told_by_the_content_where_the_name_is_silent() {
    for (name, text) in
        [("rows", "[{\"prompt\": \"a\"}]"), ("rows.txt", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}")]
    {
        assert_eq!(prompts(&read_one(name, text, &ReadOptions::default()).unwrap())[0], (1, "a"));
    }
    let lines =
        read_one("rows.json", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}", &ReadOptions::default()).unwrap();
    assert_eq!(prompts(&lines), [(1, "a"), (2, "b")]);
    let asked = ReadOptions { format: Some(Format::Csv), ..ReadOptions::default() };
    assert_eq!(prompts(&read_one("rows.txt", "prompt\na\n", &asked).unwrap()), [(2, "a")]);
}

#[test]
fn compression_is_told_by_the_content_whatever_the_name() {
    let dir = Dir::new();
    let row = json!({"prompt": "a"}).as_object().unwrap().clone();
    for ending in ["gz", "zst"] {
        let packed = dir.0.path().join(format!("rows.jsonl.{ending}"));
        write_rows(&packed, None, std::slice::from_ref(&row)).unwrap();
        let renamed = dir.0.path().join("rows.jsonl");
        std::fs::copy(&packed, &renamed).unwrap();
        let corpus = read(&[packed.clone(), renamed], &ReadOptions::default()).unwrap();
        assert_eq!(prompts(&corpus), [(1, "a"), (1, "a")]);
        assert_eq!(corpus.summary.files, 2);
        let bytes = std::fs::read(&packed).unwrap();
        let text = error("cut.jsonl", &bytes[..bytes.len() - 5], &ReadOptions::default());
        assert!(text.contains("data is cut short or damaged"), "{text}");
    }
}

#[test]
fn chat_rows_give_prompt_response_and_context() {
    let messages = json!([{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]);
    let answered = json!([{"role": "user", "content": "q2"}, {"role": "assistant", "content": "a2"}]);
    let rows = [
        json!({"messages": messages, "prompt": "other", "completion": "a"}),
        json!({"messages": answered, "prompt": "other"}),
        json!({"messages": null, "prompt": "plain"}),
        json!({"messages": [{"role": "user"}]}),
    ];
    let corpus = jsonl(&rows, &ReadOptions::default()).unwrap();
    assert_eq!(prompts(&corpus), [(1, "q"), (2, "q2"), (3, "plain")]);
    let answers: Vec<_> = corpus.records.iter().map(|row| row.response.as_deref()).collect();
    assert_eq!(answers, [Some("a"), Some("a2"), None]);
    assert_eq!(corpus.records[0].context[0].content, "s");
    assert_eq!(reasons(&corpus), [(4, Some("messages"), "turn 1: it has no `content` (or `value`)")]);
}

#[test]
fn a_needed_text_must_be_there() {
    let rows = [
        json!({"prompt": "a", "response": "b"}),
        json!({"prompt": " \n", "response": "b"}),
        json!({"response": "b"}),
        json!({"prompt": "a", "response": null}),
    ];
    let needs = ReadOptions { need_prompt: true, need_response: true, ..ReadOptions::default() };
    assert_eq!(
        reasons(&jsonl(&rows, &needs).unwrap()),
        [
            (2, Some("prompt"), "the prompt is blank"),
            (3, Some("prompt"), "there is no prompt"),
            (4, Some("response"), "there is no response")
        ]
    );
    assert_eq!(jsonl(&rows, &ReadOptions::default()).unwrap().summary.kept, 4);
}

#[test]
fn numbers_out_of_range_are_rejected() {
    let rows = [
        json!({"prompt": "a", "weight": 2.5, "p_refusal": 0.0}),
        json!({"prompt": "a", "weight": "0.5"}),
        json!({"prompt": "a", "weight": -1}),
        json!({"prompt": "a", "weight": "NaN"}),
        json!({"prompt": "a", "weight": true}),
        json!({"prompt": "a", "p_refusal": 1.5}),
        json!({"prompt": "a", "p_refusal": 0.5, "labelled_by": "demur:x", "samples": 1.5}),
    ];
    let corpus = jsonl(&rows, &ReadOptions::default()).unwrap();
    assert_eq!(corpus.records.iter().map(|row| row.weight).collect::<Vec<_>>(), [2.5, 0.5]);
    assert_eq!(
        reasons(&corpus),
        [
            (3, Some("weight"), "the weight -1 is not a finite number from 0 up"),
            (4, Some("weight"), "the weight NaN is not a finite number from 0 up"),
            (5, Some("weight"), "a number was expected, not true or false"),
            (6, Some("p_refusal"), "the probability 1.5 lies outside of 0 to 1"),
            (7, Some("samples"), "1.5 is no number of samples; it is a whole number from 1 up")
        ]
    );
}

#[test]
fn machine_labels_keep_their_probability() {
    let rows = [
        json!({"prompt": "a", "labelled_by": "demur:abc", "p_refusal": 0.7, "samples": 3}),
        json!({"prompt": "a", "labelled_by": "demur:abc", "p_refusal": 0.4, "label": "refused"}),
        json!({"prompt": "a", "labelled_by": "ann", "p_refusal": 0.4, "label": "refused"}),
        json!({"prompt": "a", "p_refusal": 0.4}),
    ];
    let corpus = jsonl(&rows, &ReadOptions::default()).unwrap();
    let labels: Vec<_> = corpus.records.iter().map(|row| row.label.clone()).collect();
    let machine = |p_refusal, samples| Labelled {
        by: LabelledBy::demur("abc"),
        p_refusal: Some(p_refusal),
        samples,
        ..Labelled::of(Label::Refused, Labeller::Demur)
    };
    assert_eq!(labels[0], Some(machine(0.7, 3)));
    assert_eq!(labels[1], Some(machine(0.4, 1)));
    let by = LabelledBy { labeller: Labeller::Unknown, who: Some("ann".into()) };
    assert_eq!(labels[2], Some(Labelled { by, ..Labelled::of(Label::Refused, Labeller::Unknown) }));
    assert_eq!(labels[3], None);
}

#[test]
fn who_labelled_a_row_is_what_it_says_or_what_the_reader_was_told() {
    let rows = [
        json!({"prompt": "a", "label": "refused"}),
        json!({"prompt": "b", "label": "refused", "labeller": "gpt-4o"}),
        json!({"prompt": "c", "label": "refused", "labelled_by": "demur:m@1", "labeller": "human"}),
        json!({"prompt": "d", "label": "refused", "labeller": "  "}),
    ];
    let labellers = |options: &ReadOptions| -> Vec<(Labeller, Option<String>)> {
        let corpora = rows.iter().map(|row| jsonl(std::slice::from_ref(row), options).unwrap());
        let by = corpora.map(|corpus| corpus.records[0].label.clone().unwrap().by);
        by.map(|by| (by.labeller, by.who.map(|who| who.to_string()))).collect()
    };
    let who = |text: &str| Some(text.to_owned());
    assert_eq!(
        labellers(&ReadOptions::default()),
        [
            (Labeller::Unknown, None),
            (Labeller::Judge, who("gpt-4o")),
            (Labeller::Demur, who("m@1")),
            (Labeller::Unknown, None)
        ]
    );
    let told = ReadOptions { labelled_by: Some(Labeller::Person), ..ReadOptions::default() };
    assert_eq!(
        labellers(&told),
        [
            (Labeller::Person, None),
            (Labeller::Person, who("gpt-4o")),
            (Labeller::Demur, who("m@1")),
            (Labeller::Person, None)
        ],
        "what this program labelled stays its own"
    );
}

#[test]
fn the_labeller_is_that_of_the_column_that_is_read() {
    let row = json!({
        "prompt": "a", "gold": "complied", "label": "refused", "labelled_by": "demur:m@1", "labeller": "human",
    });
    let labeller = |row: &serde_json::Value, column: Option<&str>| {
        let columns = Columns { label: column.map(str::to_owned), ..Columns::default() };
        let corpus = jsonl(std::slice::from_ref(row), &ReadOptions { columns, ..ReadOptions::default() });
        corpus.unwrap().records[0].label.clone().unwrap().by.labeller
    };
    assert_eq!(labeller(&row, None), Labeller::Demur);
    assert_eq!(labeller(&row, Some("gold")), Labeller::Person);
    let beside = json!({
        "prompt": "a", "label": "complied", "demur_label": "refused", "demur_labelled_by": "demur:m@1",
    });
    assert_eq!(labeller(&beside, None), Labeller::Unknown);
    assert_eq!(labeller(&beside, Some("demur_label")), Labeller::Demur);
}

#[test]
fn counts_of_labels_are_a_measured_rate() {
    let labels = toml::from_str("REFUSE = \"refused\"\nCOMPLY = \"complied\"\nPARTIAL = \"drop\"").unwrap();
    let options = ReadOptions { labels, need_label: true, ..ReadOptions::default() };
    let rows = [
        json!({"prompt": "a", "label": "COMPLY=15;REFUSE=5"}),
        json!({"prompt": "b", "label": "REFUSE=10;COMPLY=10;PARTIAL=3", "refusal_rate": 0.1}),
        json!({"prompt": "c", "label": "PARTIAL=20"}),
        json!({"prompt": "d", "label": "REFUSE"}),
        json!({"prompt": "e", "label": "PARTIAL"}),
    ];
    let corpus = jsonl(&rows, &options).unwrap();
    let labels: Vec<_> = corpus.records.iter().map(|row| row.label.clone().unwrap()).collect();
    let rates: Vec<_> = labels.iter().map(|label| (label.p_refusal, label.label.unwrap())).collect();
    let (refused, complied) = (Label::Refused, Label::Complied);
    assert_eq!(rates, [(Some(0.25), complied), (Some(0.5), refused), (None, refused)]);
    assert_eq!(labels[0].target(), Some(0.25));
    assert_eq!(
        corpus.summary.to_string(),
        "5 rows read from 1 file: 3 kept, 0 rejected, 2 dropped (1 label says drop, 1 label without refused or \
         complied counts)"
    );
}

#[test]
fn unknown_names_in_counts_are_told() {
    let some = "{\"prompt\": \"a\", \"label\": \"refused=1;maybe=2\"}";
    let options = ReadOptions { need_label: true, ..ReadOptions::default() };
    let text = error("rows.jsonl", some, &options);
    assert!(text.contains("unknown meaning: `maybe` (1x, first at line 1); say"), "{text}");
    let none = "{\"prompt\": \"a\", \"label\": \"no=1;maybe=2\"}";
    let text = error("rows.jsonl", none, &options);
    assert!(text.contains("`no=1;maybe=2` (1x, first at line 1); where a value counts labels"), "{text}");
}

#[test]
fn a_column_of_rates_labels_rows_that_have_no_label() {
    let rows = [
        json!({"prompt": "a", "refusal_rate": 0.7}),
        json!({"prompt": "b", "refusal_rate": "0.2", "label": "refused"}),
        json!({"prompt": "c", "refusal_rate": null}),
        json!({"prompt": "d", "refusal_rate": 70}),
    ];
    let corpus = jsonl(&rows, &ReadOptions::default()).unwrap();
    let labels: Vec<_> = corpus.records.iter().map(|row| row.label.as_ref().map(|l| l.p_refusal)).collect();
    assert_eq!(labels, [Some(Some(0.7)), Some(None), None]);
    assert_eq!(reasons(&corpus), [(4, Some("refusal_rate"), "the probability 70 lies outside of 0 to 1")]);
    // The bootstrap's own rate is a guess like the probability beside it.
    let guessed = [json!({"prompt": "a", "refusal_rate": 0.7, "p_refusal": 0.6})];
    assert_eq!(jsonl(&guessed, &ReadOptions::default()).unwrap().records[0].label, None);
}

#[test]
fn rows_are_dropped_on_purpose_and_counted() {
    let rows = [
        json!({"prompt": "a", "tone": "complied"}),
        json!({"prompt": "b", "tone": "dontknow"}),
        json!({"prompt": "c", "tone": null}),
        json!({"prompt": "d", "tone": "skip"}),
        json!({"prompt": "e", "tone": ""}),
    ];
    let labels = toml::from_str("skip = \"drop\"").unwrap();
    let options = ReadOptions { labels, need_label: true, ..ReadOptions::default() };
    let corpus = jsonl(&rows, &options).unwrap();
    assert_eq!(
        corpus.summary.to_string(),
        "5 rows read from 1 file: 1 kept, 0 rejected, 4 dropped (1 kind dontknow, 1 label says drop, 2 no label)"
    );
    let options = ReadOptions { need_label: false, ..options };
    let corpus = jsonl(&rows, &options).unwrap();
    assert_eq!(corpus.summary.kept, 4);
    let label = corpus.records[1].label.as_ref().unwrap();
    assert_eq!((label.label, label.kind), (None, Some(Kind::DontKnow)));
}

#[test]
fn rows_are_kept_as_they_stood_when_asked() {
    let row = json!({"prompt": 1, "q": "a", "extra": [1, {"b": null}], "n": 7});
    let columns = Columns { prompt: Some("q".into()), id: Some("n".into()), ..Columns::default() };
    let options = ReadOptions { columns, keep_rows: true, ..ReadOptions::default() };
    let corpus = jsonl(std::slice::from_ref(&row), &options).unwrap();
    assert_eq!(Value::Object(*corpus.records[0].row.clone().unwrap()), row);
    assert_eq!(corpus.records[0].id.as_deref(), Some("7"));
}

#[test]
fn unknown_labels_are_listed() {
    let rows = ["refused", "safe", "unsafe", "safe"].map(|label| json!({"prompt": "a", "label": label}));
    let text = jsonl(&rows, &ReadOptions::default()).unwrap_err().to_string();
    assert!(text.contains("the label column `label` holds values of unknown meaning: `safe` (2x, first at line 2), `unsafe` (1x, first at line 3); say what they mean with `--label-map"), "{text}");
}

#[test]
fn a_label_column_of_something_else_counts_only_when_it_is_asked_for() {
    let rows = ["safe", "unsafe"].map(|label| json!({"prompt": "a", "label": label}));
    assert_eq!(jsonl(&rows, &ReadOptions::default()).unwrap().records[0].label, None);
    assert!(jsonl(&rows, &ReadOptions { need_label: true, ..ReadOptions::default() }).is_err());
    let columns = Columns { label: Some("label".into()), ..Columns::default() };
    assert!(jsonl(&rows, &ReadOptions { columns, ..ReadOptions::default() }).is_err());
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let plain = ReadOptions::default();
    assert_eq!(
        read(&[], &plain).unwrap_err().to_string(),
        "no input; name at least one file, or `-` for standard input"
    );
    let missing = read(&["no/such/file.jsonl".into()], &plain).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read no/such/file.jsonl: No such file"), "{missing}");
    for (name, content, expected) in [
        ("a.txt", "hello", "cannot tell the format of a.txt from its name or content; say which it is"),
        (
            "a.json",
            "[{\"a\": 1},\n{\"a\": }]",
            "a.json:2:7: no valid JSON: expected value; repair the file there",
        ),
        ("a.json", "{\"a\":\n1}", "a.json: the JSON is one object, not an array of rows; write"),
        ("a.json", "3", "a.json: the JSON is one single value, not an array of rows; write"),
        ("a.json", "[]", "a.json holds no row; check"),
        ("a.json", " \n", "a.json holds no row; check"),
        ("a.jsonl", "", "a.jsonl holds no row; check"),
        ("a.jsonl", "\n \n", "a.jsonl holds no row; check"),
        ("a.csv", "prompt,label\n", "a.csv holds no row; check"),
        ("a.csv", "a,b,a\n1,2,3\n", "a.csv: the header names the column `a` twice; rename one of them"),
        ("a.parquet", "", "a.parquet holds no row; check"),
        (
            "a.parquet",
            "PAR1 and no more",
            "a.parquet: cannot be read as Parquet (it does not end with the mark",
        ),
        ("a.parquet", "a,b", "a.parquet: cannot be read as Parquet (it does not begin with the mark"),
        ("a.parquet", "PAR1PAR1", "a.parquet: cannot be read as Parquet ("),
    ] {
        let text = error(name, content, &plain);
        assert!(text.starts_with(expected), "{text}");
    }
    let text = error("a.jsonl", b"{\"prompt\": \"a\"}\n{\"prompt\": \"\xff\"}", &plain);
    assert!(text.starts_with("a.jsonl:2: invalid UTF-8 at byte 28 of the text; convert"), "{text}");
    let columns = Columns { prompt: Some("q".into()), ..Columns::default() };
    let text = error("a.csv", "prompt,b\n1,2\n", &ReadOptions { columns, ..plain });
    assert_eq!(text, "a.csv: no row has the column `q`, named for `prompt`; the columns are: prompt, b");
}

#[test]
fn a_corpus_of_which_nothing_can_be_kept_is_an_error() {
    let options = ReadOptions { need_prompt: true, ..ReadOptions::default() };
    let text = jsonl(&[json!({"x": 1}), json!({"x": 2})], &options).unwrap_err().to_string();
    assert!(
        text.starts_with("no row can be used: 2 rows read from 1 file: 0 kept, 2 rejected, 0 dropped; "),
        "{text}"
    );
    assert!(text.contains("rows.jsonl:1: `prompt`: there is no prompt; "), "{text}");
    assert!(
        text.ends_with(
            "check which columns hold what (`--prompt-column`, `--response-column`, `--label-column`)"
        ),
        "{text}"
    );
}

/// The real files, where they are at hand.
#[test]
#[ignore = "needs ../shared/data"]
fn every_shared_file_is_read_whole() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    let folders = ["chatgpt-refusals", "prompts", "rates", "responses", "unlabelled"];
    let mut files = Vec::new();
    for folder in folders.map(|folder| root.join(folder)) {
        files.extend(std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()));
    }
    assert!(!files.is_empty(), "there is no ../shared/data");
    files.sort();
    for file in &files {
        let corpus = read(std::slice::from_ref(file), &ReadOptions::default()).unwrap();
        assert_eq!(
            (corpus.summary.kept, corpus.rejected.len()),
            (corpus.summary.read, 0),
            "{}",
            file.display()
        );
        let text = std::fs::read_to_string(file).unwrap();
        let is_array = text.starts_with('[');
        let rows = if is_array { text.matches("\n\"prompt\":").count() } else { text.lines().count() };
        assert_eq!(corpus.summary.read, rows, "{}", file.display());
        assert!(corpus.records.iter().all(|row| row.prompt.is_some() || row.response.is_some()));
        assert_eq!(
            corpus.records.iter().all(|row| row.label.is_some()),
            is_array && rows > 0 || labelled(file)
        );
    }
    let labelled = ReadOptions { need_label: true, ..ReadOptions::default() };
    let corpus = read(&[root.join("chatgpt-refusals/hand_labeled.json")], &labelled).unwrap();
    assert_eq!(
        corpus.summary.to_string(),
        "1465 rows read from 1 file: 1450 kept, 0 rejected, 15 dropped (12 kind dontknow, 3 kind incoherent)"
    );
}

/// Whether every row of a file of JSON Lines has a label.
fn labelled(file: &std::path::Path) -> bool {
    let name = file.file_name().unwrap().to_str().unwrap();
    let whole = ["dual_taxonomy.jsonl", "gptfuzz.jsonl", "refusal_direction.jsonl"];
    file.parent().unwrap().ends_with("responses") && whole.contains(&name)
}
