//! Rows of a JSON array, under a path, and of texts that are none.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn of(text: &str, from: usize) -> Result<Vec<(String, Vec<usize>, usize)>, DataError> {
    let mut found = Vec::new();
    let from = Position { line: from, ..Position::default() };
    let mut take = |block: Block| {
        let Rows::Text { bytes, lines: Some(lines), .. } = block.rows else { panic!("no text") };
        found.push((String::from_utf8(bytes).unwrap(), lines, block.after.line));
        true
    };
    elements(text.as_bytes(), &"a.json".into(), &[], from, &mut take).map(|_| found)
}

#[test]
fn elements_have_their_lines() {
    let text = "\u{feff}[\n {\"a\":\n1}, {\"b\": \"[\\\"\"},\n\n 3\n, 4]\n";
    let found = of(text, 0).unwrap();
    assert_eq!(found[0], ("{\"a\": 1}\n{\"b\": \"[\\\"\"}\n3\n4\n".to_owned(), vec![2, 3, 5, 6], 4));
    assert_eq!(of(text, 3).unwrap()[0], ("4\n".to_owned(), vec![6], 4));
    assert!(of("[]", 0).unwrap().is_empty());
    let many = format!("[{}]", vec!["{}"; 5000].join(","));
    let found = of(&many, 0).unwrap();
    assert_eq!(found.iter().map(|block| block.2).collect::<Vec<_>>(), [2048, 4096, 5000]);
    assert_eq!(of(&many, 2048).unwrap(), found[1..]);
}

#[test]
fn rows_are_found_under_a_path_and_an_object_is_a_row() {
    let text =
        "{\"x\": [{\"no\": 1}], \"a\": {\"b\": [{\"n\": 1},\n {\"n\": 2}]}, \"c\": [{\"b\": [{\"n\": 3}]}]}";
    let under = |path: &str| {
        let path = crate::path::Path::parse(path);
        let steps: Vec<Step> = path.steps().cloned().collect();
        let mut found = Vec::new();
        let mut take = |block: Block| {
            let Rows::Text { bytes, .. } = block.rows else { panic!("no text") };
            found.extend(bytes);
            true
        };
        elements(text.as_bytes(), &"a.json".into(), &steps, Position::default(), &mut take).unwrap();
        String::from_utf8(found).unwrap()
    };
    assert_eq!(under("a.b"), "{\"n\": 1}\n{\"n\": 2}\n");
    assert_eq!(under("c[0].b"), "{\"n\": 3}\n");
    assert_eq!(under("c[*].b"), "{\"n\": 3}\n");
    assert_eq!(under("none"), "");
    assert_eq!(of("{\"a\":\n 1}", 0).unwrap()[0].0, "{\"a\":1}\n");
}

/// `jq . rows.jsonl` writes values over several lines, one after the other.
#[test]
fn several_values_are_rows_each() {
    let text = "{\n \"a\": 1\n}\n{\n \"a\": 2\n}{\"a\": 3}\n[{\"a\": 4}]\n";
    let found = of(text, 0).unwrap();
    assert_eq!(found[0], ("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\": 4}\n".to_owned(), vec![1, 4, 6, 7], 4));
    let broken = of("{\"a\": 1}\n{\"a\": }", 0).unwrap_err().to_string();
    assert!(broken.contains("a.json:2:7: no valid JSON"), "{broken}");
}

#[test]
fn what_is_no_array_is_said() {
    for (text, said) in [
        (" ", "holds no row"),
        ("[{\"a\":1},\n{\"a\"}]", "a.json:2:5: no valid JSON: expected `:`"),
        ("[1] 2", "trailing characters"),
        ("[1", "EOF"),
        ("7", "the JSON is one single value"),
    ] {
        let error = of(text, 0).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
    let long = format!("[\"{}\"]", "x".repeat(LONGEST_ROW));
    assert!(of(&long, 0).unwrap_err().to_string().contains("longer than 16777216 bytes"));
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(LONGEST_ROW));
    assert!(of(&long, 0).unwrap_err().to_string().contains("the object is longer than 16777216 bytes"));
}
