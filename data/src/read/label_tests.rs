//! What a row's label says, who labelled it, and measured rates.
#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::ReadOptions;
use super::tests::{error, jsonl, reasons};
use crate::{Columns, Label, Labelled, LabelledBy, Labeller};

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
    assert_eq!(corpus.records.iter().map(|row| row.weight).collect::<Vec<_>>(), [2.5, 0.5, 1.0]);
    assert_eq!(
        reasons(&corpus),
        [
            (3, Some("weight"), "the weight -1 is not a finite number from 0 up"),
            (4, Some("weight"), "the weight NaN is not a finite number from 0 up"),
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
    // The bootstrap's own rate is an estimate, like the probability beside it.
    let guessed = [json!({"prompt": "a", "refusal_rate": 0.7, "p_refusal": 0.6})];
    assert_eq!(jsonl(&guessed, &ReadOptions::default()).unwrap().records[0].label, None);
}

#[test]
fn unknown_labels_are_listed() {
    let rows = ["refused", "safe", "unsafe", "safe"].map(|label| json!({"prompt": "a", "label": label}));
    let text = jsonl(&rows, &ReadOptions::default()).unwrap_err().to_string();
    assert!(text.contains("the label column `label` holds values of unknown meaning: `safe` (2x, first at line 2), `unsafe` (1x, first at line 3); say what each means: `--label-map 'safe=MEANING' --label-map 'unsafe=MEANING'`"), "{text}");
}

#[test]
fn a_label_column_of_something_else_counts_only_when_it_is_asked_for() {
    let rows = ["safe", "unsafe"].map(|label| json!({"prompt": "a", "label": label}));
    assert_eq!(jsonl(&rows, &ReadOptions::default()).unwrap().records[0].label, None);
    assert!(jsonl(&rows, &ReadOptions { need_label: true, ..ReadOptions::default() }).is_err());
    let columns = Columns { label: Some("label".into()), ..Columns::default() };
    assert!(jsonl(&rows, &ReadOptions { columns, ..ReadOptions::default() }).is_err());
}
