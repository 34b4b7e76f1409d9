//! Reading as a whole: formats, rows, errors, and the real files if they are available.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Corpus, ReadOptions, read};
use crate::{Columns, DataError, Format, Kind, Label, Labeller, write_rows};

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

pub(super) fn jsonl(rows: &[Value], options: &ReadOptions) -> Result<Corpus, DataError> {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    read_one("rows.jsonl", lines.join("\n"), options)
}

pub(super) fn error(name: &str, content: impl AsRef<[u8]>, options: &ReadOptions) -> String {
    let text = read_one(name, content, options).unwrap_err().to_string();
    // The directory is a new one in each run.
    let start = text.find(name).map_or(0, |at| text[..at].rfind(' ').map_or(0, |space| space + 1));
    let end = text.find(name).unwrap_or(0);
    format!("{}{}", &text[..start], &text[end..])
}

fn prompts(corpus: &Corpus) -> Vec<(usize, &str)> {
    corpus.records.iter().map(|row| (row.place.line, row.prompt.as_deref().unwrap_or("-"))).collect()
}

pub(super) fn reasons(corpus: &Corpus) -> Vec<(usize, Option<&str>, &str)> {
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
    let one = read_one("rows.jsonl", "{\n\"prompt\": \"a\"\n}", &ReadOptions::default()).unwrap();
    assert_eq!(prompts(&one), [(1, "a")]);
    let array = read_one("rows.jsonl", "[\n{\"prompt\": \"a\"}]", &ReadOptions::default()).unwrap();
    assert_eq!(prompts(&array), [(2, "a")]);
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

/// A text is limited by its decoded length, whatever the size of its file.
#[test]
fn a_file_that_says_much_with_little_is_refused() {
    let piece = vec![b'x'; 1 << 20];
    let mut packed = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    (0..300).for_each(|_| packed.write_all(&piece).unwrap());
    let text = error("bomb.jsonl.zst", packed.finish().unwrap(), &ReadOptions::default());
    assert!(text.contains("bomb.jsonl.zst") && text.contains("the limit is 268435456 bytes"), "{text}");
}

#[test]
fn files_are_read_as_other_programs_write_them() {
    let latin_1 = b"prompt,response\nCaf\xe9?,Oui.\n".to_vec();
    let utf_16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain("prompt\nCaf\u{e9}?\n".encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    for (name, content, prompt, read_as) in [
        ("a.csv", latin_1, "Caf\u{e9}?", vec!["Windows-1252 (Latin-1)"]),
        ("a.csv", utf_16, "Caf\u{e9}?", vec!["UTF-16"]),
        ("a.csv", b"prompt;response\na, b;c\n".to_vec(), "a, b", vec![]),
        ("a.csv", b"prompt\tresponse\na, b\tc\n".to_vec(), "a, b", vec![]),
        ("a.csv", b",prompt,response\n0,a,b\n".to_vec(), "a", vec![]),
        ("a.txt", b"a\n\n".to_vec(), "a", vec![]),
        ("a.jsonl", br#"{"prompt": "a", "score": NaN, "least": -Infinity}"#.to_vec(), "a", vec![]),
        ("a.json", br#"[{"prompt": "a", "score": NaN}]"#.to_vec(), "a", vec![]),
    ] {
        let corpus = read_one(name, &content, &ReadOptions::default()).unwrap();
        assert_eq!(corpus.records[0].prompt.as_deref(), Some(prompt), "{name}");
        assert_eq!(corpus.summary.read_as, read_as);
    }
    let answers = ReadOptions { need_response: true, ..ReadOptions::default() };
    let plain = read_one("a.txt", "No.\n", &answers).unwrap();
    assert_eq!(plain.records[0].response.as_deref(), Some("No."), "a lone text is what is needed");
}

#[test]
fn an_optional_column_of_another_type_rejects_no_row() {
    let rows = [
        json!({"prompt": 7, "response": "a", "weight": "heavy", "messages": "none"}),
        json!({"prompt": {"n": 1}, "response": ["b"], "p_refusal": "R", "samples": "many"}),
        json!({"prompt": "c", "response": [{"type": "text", "text": "d"}], "refusal_rate": [1]}),
        json!({"input": {"messages": [{"role": "user", "content": "e"}]}, "prompt": null, "response": {"role": "assistant", "content": "f"}}),
    ];
    let corpus = jsonl(&rows, &ReadOptions { need_response: true, ..ReadOptions::default() }).unwrap();
    assert_eq!(reasons(&corpus), []);
    let answers: Vec<_> = corpus.records.iter().map(|row| row.response.as_deref()).collect();
    assert_eq!(answers, [Some("a"), Some("b"), Some("d"), Some("f")]);
    let columns = Columns { weight: Some("weight".into()), ..Columns::default() };
    let named = jsonl(&rows, &ReadOptions { columns, ..ReadOptions::default() }).unwrap();
    assert_eq!(reasons(&named)[0], (1, Some("weight"), "a number was expected, not text"));
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
        json!({"prompt": "a", "finish_reason": "stop"}),
        json!({"prompt": "a", "response": null}),
        json!({"prompt": "a", "error": {"code": 429}}),
    ];
    let needs = ReadOptions { need_prompt: true, need_response: true, ..ReadOptions::default() };
    let corpus = jsonl(&rows, &needs).unwrap();
    assert_eq!(
        reasons(&corpus),
        [
            (2, Some("prompt"), "the prompt is blank"),
            (3, Some("prompt"), "there is no prompt"),
            (4, Some("response"), "there is no response")
        ]
    );
    let answers: Vec<_> =
        corpus.records.iter().map(|record| (record.response.as_deref(), record.signs.is_some())).collect();
    assert_eq!(answers, [(Some("b"), false), (Some(""), false), (Some(""), true)]);
    assert_eq!(jsonl(&rows, &ReadOptions::default()).unwrap().summary.kept, 6);
}

/// What a provider says beside an answer is read from the row, from the turns of a chat and from parts.
#[test]
fn signs_are_read_wherever_they_stand() {
    let rows = [
        json!({"prompt": "a", "response": null, "finish_reason": "content_filter"}),
        json!({"messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": null, "refusal": "That is nothing I do."},
        ]}),
        json!({"prompt": "a", "response": [{"type": "refusal", "refusal": "No."}]}),
        json!({"prompt": "a", "response": [{"type": "thinking", "thinking": "x"}], "error": 0.5}),
        json!({"messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": "42"},
            {"role": "assistant", "content": "It is 42.", "reasoning_content": "x"},
        ]}),
    ];
    let needs = ReadOptions { need_response: true, ..ReadOptions::default() };
    let corpus = jsonl(&rows, &needs).unwrap();
    let signs = |at: usize| corpus.records[at].signs.as_deref().cloned().unwrap_or_default();
    assert_eq!(signs(0).finish_reason.as_deref(), Some("content_filter"));
    assert_eq!(signs(1).refusal.as_deref(), Some("That is nothing I do."));
    assert_eq!(signs(2).refusal.as_deref(), Some("No."));
    assert_eq!((signs(3).reasoning, signs(3).error), (true, None));
    assert_eq!(corpus.records[3].response.as_deref(), Some(""));
    assert_eq!((signs(4).reasoning, signs(4).tool_calls), (true, false), "those of the turn that answers");
}

/// A column `refusal` holds labels, or what an API returns under this name.
#[test]
fn a_refusal_column_of_texts_is_no_label() {
    let texts = [
        json!({"response": null, "refusal": "I'm sorry, I can't do that.", "refused": 1}),
        json!({"response": "Yes.", "refusal": null, "refused": 0}),
    ];
    let labelled = ReadOptions { need_label: true, ..ReadOptions::default() };
    let corpus = jsonl(&texts, &labelled).unwrap();
    assert!(corpus.records[0].signs.as_ref().unwrap().refusal.is_some() && corpus.records[1].signs.is_none());
    assert_eq!(corpus.records[0].label.as_ref().unwrap().label, Some(crate::Label::Refused));
    let labels =
        [json!({"response": "No.", "refusal": "refused"}), json!({"response": "Yes.", "refusal": 0})];
    let corpus = jsonl(&labels, &labelled).unwrap();
    assert!(corpus.records.iter().all(|record| record.signs.is_none() && record.label.is_some()));
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
fn what_is_wrong_with_a_file_is_said() {
    let plain = ReadOptions::default();
    assert_eq!(
        read(&[], &plain).unwrap_err().to_string(),
        "no input; name at least one file, or `-` for standard input"
    );
    let missing = read(&["no/such/file.jsonl".into()], &plain).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read no/such/file.jsonl: No such file"), "{missing}");
    for (name, content, expected) in [
        ("a.rows", "hello", "cannot tell the format of a.rows from its name or content; say which it is"),
        (
            "a.json",
            "[{\"a\": 1},\n{\"a\": }]",
            "a.json:2:7: no valid JSON: expected value; repair the file there",
        ),
        (
            "a.json",
            "{\"a\": [{\"text\": 1}], \"b\": [{\"text\": 2}], \"c\":\n1}",
            "a.json: the JSON object has several lists of objects, at `a`, `b`; say which are the rows, for example \
             `--rows a`",
        ),
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
