//! What the black-box tests of `collect` cannot see: tables of other versions, and rows that something else
//! has written.

use super::*;

fn answer(response: &str) -> Answer {
    Answer { response: Some(response.to_owned()), ..Answer::default() }
}

fn label(by: &str) -> Label {
    Label {
        labelled_by: by.to_owned(),
        label: "refused".to_owned(),
        p_refusal: Some(0.75),
        kind: None,
        form: None,
    }
}

fn prompt(text: &str) -> Prompt {
    Prompt { text: text.to_owned(), row_id: None }
}

fn request(key: Key, attempt: i64) -> Request {
    Request {
        key,
        attempt,
        started_at: 1,
        latency: 2,
        status: Some(200),
        failure: None,
        prompt_tokens: Some(3),
        completion_tokens: None,
        body: None,
    }
}

#[test]
fn the_same_prompts_and_settings_have_the_same_numbers() {
    let mut store = Store::in_memory().unwrap();
    let settings = store.keep_settings("{}").unwrap();
    assert_eq!(store.keep_settings("{}").unwrap(), settings);
    assert_eq!(store.settings_id("{\"other\": 1}").unwrap(), None);
    let ids = store.keep_prompts(&[prompt("a"), prompt("b"), prompt("a")]).unwrap();
    assert_eq!(ids[0], ids[2]);
    assert_eq!(
        (store.prompt_id("b").unwrap(), store.prompt(ids[1]).unwrap()),
        (Some(ids[1]), "b".to_owned())
    );
    let error = store.prompt(99).unwrap_err().to_string();
    assert!(error.contains("no prompt 99"), "{error}");
}

#[test]
fn what_is_answered_is_open_no_more_and_what_failed_is_counted() {
    let mut store = Store::in_memory().unwrap();
    let settings = store.keep_settings("{}").unwrap();
    let prompt = store.keep_prompts(&[prompt("a")]).unwrap()[0];
    let key = |sample| Key { prompt, settings, sample };
    let entries = [
        Entry { request: request(key(0), 1), answer: Some((answer("No."), label("demur:m"))) },
        Entry {
            request: Request { failure: Some("timeout".to_owned()), ..request(key(1), 1) },
            answer: None,
        },
    ];
    store.record(&entries).unwrap();
    let open = store.open_samples(prompt, settings, 3).unwrap();
    let found: Vec<_> =
        open.iter().map(|open| (open.key.sample, open.attempts, open.prompt.as_str())).collect();
    assert_eq!(found, [(1, 1, "a"), (2, 0, "a")]);
    assert_eq!(store.answered(prompt, settings, 3, "demur:m").unwrap(), [1, 1, 0]);
    assert_eq!(store.answered(prompt, settings, 3, "demur:other").unwrap(), [1, 0, 0]);
    assert_eq!(store.spent(settings).unwrap(), Spent { requests: 2, prompt_tokens: 6, completion_tokens: 0 });
    // The same again is refused as a whole: nothing of it stays.
    let again = [Entry { request: request(key(2), 1), answer: None }, entries[0].clone()];
    assert!(store.record(&again).is_err());
    assert_eq!(store.spent(settings).unwrap().requests, 2);
    let mut all = Vec::new();
    store
        .each_answer(Some(settings), |stored| {
            all.push(stored);
            Ok(())
        })
        .unwrap();
    assert_eq!((all.len(), all[0].answer.response.as_deref(), &all[0].label), (1, Some("No."), &None));
    store.each_answer(Some(settings + 1), |_| panic!("there is none")).unwrap();
}

#[test]
fn a_label_of_somebody_else_comes_out_with_the_answer() {
    let mut store = Store::in_memory().unwrap();
    let settings = store.keep_settings("{}").unwrap();
    let rows = (0..2_500).map(|n| Imported {
        prompt: prompt(&format!("p{n}")),
        settings,
        answer: answer("No."),
        label: (n == 2_000).then(|| label("person")),
        alike_before: 0,
    });
    assert_eq!(store.import(&rows.collect::<Vec<_>>()).unwrap(), 2_500);
    let mut labelled = Vec::new();
    let mut count = 0;
    store
        .each_answer(None, |stored| {
            assert_eq!(stored.prompt.text, format!("p{count}"), "in the order in which they came");
            count += 1;
            labelled.extend(stored.label.map(|label| (stored.prompt.text, label)));
            Ok(())
        })
        .unwrap();
    assert_eq!((count, labelled), (2_500, vec![("p2000".to_owned(), label("person"))]));
}

#[test]
fn tables_of_a_newer_demur_and_cells_of_another_type_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let place = StorePlace::File(dir.path().join("s.db"));
    let mut store = Store::open(&place).unwrap();
    let prompt = store.keep_prompts(&[prompt("a")]).unwrap()[0];
    store.database.batch("UPDATE prompts SET prompt = x'00ff'").unwrap();
    let error = format!("{:#}", store.prompt(prompt).unwrap_err());
    assert!(error.contains("something else has written to it"), "{error}");
    store.database.batch("INSERT INTO migrations (version, made_at) VALUES (99, 0)").unwrap();
    let error = format!("{:#}", Store::open(&place).err().unwrap());
    assert!(error.contains("of a newer demur") && error.contains("99"), "{error}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(place.file().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "prompts are private");
    }
}
