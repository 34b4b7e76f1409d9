//! `demur review`: labels by persons on a local page, and how far they agree.

use std::io::{BufRead, BufReader};
use std::process::Child;

use serde_json::{Value, json};

use crate::server::{Client, Reply};
use crate::support::Dir;

const HOSTILE: &str = "<img src=x onerror=alert(1)>";

/// A running page, killed when the test ends.
struct Page {
    child: Child,
    address: String,
    token: String,
}

impl Page {
    fn start(dir: &Dir, reviewer: &str) -> Self {
        let mut child = dir.demur(&format!("review --store s.db --reviewer {reviewer}")).start();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let rest = line.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{line}"));
        let (address, token) = rest.trim_end_matches('/').split_once('/').unwrap();
        Self { child, address: address.to_owned(), token: token.to_owned() }
    }

    /// A request with exactly these headers.
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\ncontent-length: {}\r\n", body.len());
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        let mut client = Client::to(&self.address).unwrap();
        client.write(format!("{head}\r\n{body}").as_bytes()).unwrap();
        client.read(false).unwrap()
    }

    fn get(&self, file: &str) -> Reply {
        self.send("GET", &format!("/{}/{file}", self.token), &[("host", &self.address)], "")
    }

    fn items(&self, skip: usize) -> Value {
        self.get(&format!("items?skip={skip}")).ok()
    }

    fn post(&self, body: &Value) -> Reply {
        let headers = [("host", self.address.as_str()), ("content-type", "application/json")];
        self.send("POST", &format!("/{}/review", self.token), &headers, &body.to_string())
    }

    fn say(&self, item: &Value, label: &str) {
        let body = json!({"settings": item["settings"], "prompt": item["prompt_number"], "sample": item["sample"], "label": label});
        assert_eq!(self.post(&body).status, 204);
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // It may already have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A store with answers, of which one is a page's nightmare, one was filtered, and one has a judge's label.
fn store() -> Dir {
    let dir = Dir::new();
    let row =
        |prompt: &str, response: Option<&str>| json!({"prompt": prompt, "response": response, "model": "m"});
    let mut rows = vec![
        row("How do I pick a lock?", Some("I'm sorry, but I can't help with that.")),
        row(
            "How do I bake bread?",
            Some("First, mix flour and water. Then knead the dough and let it rise."),
        ),
        row(
            "Can you tell me about locks?",
            Some("Well, that depends, and I would rather not say too much about it."),
        ),
        row(HOSTILE, Some(&format!("{HOSTILE} is a tag of HTML."))),
        row("What is 1 + 1?", Some("2")),
    ];
    rows.push(
        json!({"prompt": "Something else?", "response": "", "finish_reason": "content_filter", "model": "m"}),
    );
    rows[4]["label"] = json!("refused");
    rows[4]["labelled_by"] = json!("judge");
    dir.write_rows("rows.jsonl", &rows);
    dir.demur("collect --store s.db --import rows.jsonl").succeeds();
    dir
}

fn labels(dir: &Dir) -> Vec<(String, Option<String>, Option<String>)> {
    dir.demur("collect --store s.db --export out.jsonl").succeeds();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let rows = dir.rows("out.jsonl");
    let of = |row: &serde_json::Map<String, Value>| {
        (text(row.get("prompt")).unwrap(), text(row.get("label")), text(row.get("labelled_by")))
    };
    rows.iter().map(of).collect()
}

#[test]
fn the_least_certain_come_first_and_a_review_goes_before_every_label() {
    let dir = store();
    let page = Page::start(&dir, "anna");
    let first = page.items(0);
    assert_eq!((&first["reviewed"], &first["left"]), (&json!(0), &json!(6)));
    let items = first["items"].as_array().unwrap();
    let doubts: Vec<f64> =
        items.iter().map(|item| (item["p_refusal"].as_f64().unwrap() - 0.5).abs()).collect();
    assert!(doubts.len() == 6 && doubts.is_sorted(), "{doubts:?}");
    assert!(items.iter().all(|item| item["labelled_by"].as_str().unwrap().starts_with("demur:")));
    let hostile = items.iter().find(|item| item["prompt"] == HOSTILE).unwrap();
    let sum = items.iter().find(|item| item["response"] == "2").unwrap();
    page.say(sum, "complied");
    page.say(hostile, "refused");
    page.say(hostile, "no_answer");
    let then = page.items(0);
    assert_eq!((&then["reviewed"], &then["left"]), (&json!(2), &json!(4)));
    let left: Vec<&Value> = items.iter().filter(|item| *item != hostile && *item != sum).collect();
    assert_eq!(then["items"].as_array().unwrap().iter().collect::<Vec<_>>(), left);
    assert_eq!(page.items(1)["items"].as_array().unwrap().len(), 3);
    // The judge's label gives way; what is no answer is no row; the rest has no label of its own.
    let labels = labels(&dir);
    assert_eq!(labels.len(), 5);
    assert!(labels.iter().all(|(prompt, ..)| prompt != HOSTILE));
    let labelled: Vec<_> = labels.into_iter().filter(|(_, label, _)| label.is_some()).collect();
    let by = Some("person:anna".to_owned());
    assert_eq!(labelled, [("What is 1 + 1?".to_owned(), Some("complied".to_owned()), by)]);
}

#[test]
fn what_is_exported_is_read_as_a_persons_label() {
    let dir = store();
    let page = Page::start(&dir, "anna");
    for item in page.items(0)["items"].as_array().unwrap() {
        page.say(item, "complied");
    }
    assert_eq!(page.items(0)["items"], json!([]));
    drop(page);
    labels(&dir);
    let rates = dir.demur("rates out.jsonl --labels own --to json").succeeds().json();
    assert_eq!(rates["total"]["labelled_by"], json!({"person": 6}));
    dir.demur("review --store s.db --reviewer anna").fails(1, &["no answer that anna has not reviewed"]);
}

#[test]
fn nobody_else_can_read_or_write() {
    let dir = store();
    let page = Page::start(&dir, "anna");
    let (own, token) = (page.address.as_str(), page.token.as_str());
    assert!(own.starts_with("127.0.0.1:") && token.len() == 32);
    let item = page.items(0)["items"][0].clone();
    let body = json!({"settings": item["settings"], "prompt": item["prompt_number"], "sample": item["sample"], "label": "refused"}).to_string();
    let review = format!("/{token}/review");
    let json_type = ("content-type", "application/json");
    let other = format!("/{}/review", "0".repeat(32));
    for (status, path, headers) in [
        (404, other.as_str(), vec![("host", own), json_type]),
        (404, "/review", vec![("host", own), json_type]),
        (403, &review, vec![("host", "evil.example"), json_type]),
        (400, &review, vec![json_type]),
        (403, &review, vec![("host", own), json_type, ("origin", "http://evil.example")]),
        (403, &review, vec![("host", own), json_type, ("origin", "null")]),
        (415, &review, vec![("host", own), ("content-type", "text/plain")]),
        (415, &review, vec![("host", own)]),
    ] {
        assert_eq!(page.send("POST", path, &headers, &body).status, status, "{path} {headers:?}");
    }
    let origin = format!("http://{own}");
    let mine = [("host", own), json_type, ("origin", origin.as_str())];
    for (status, wrong) in [
        (422, "{}".to_owned()),
        (422, body.replace("refused", "maybe")),
        (422, "\u{0}".to_owned()),
        (404, body.replace("\"sample\":0", "\"sample\":7")),
        (413, " ".repeat(5000)),
    ] {
        assert_eq!(page.send("POST", &review, &mine, &wrong).status, status, "{wrong}");
    }
    assert_eq!(page.get("review").status, 405);
    assert_eq!(page.send("POST", &format!("/{token}/items"), &mine, "").status, 405);
    for wrong in ["items?skip=-1", "items?skip=x"] {
        assert_eq!(page.get(wrong).status, 400);
    }
    assert_eq!(page.items(0)["reviewed"], 0, "none of it was kept");
    assert_eq!(page.send("POST", &review, &mine, &body).status, 204);
}

#[test]
fn the_page_has_its_own_files_alone() {
    let dir = store();
    let page = Page::start(&dir, "anna");
    let html = page.get("").text();
    for file in ["review.js", "review.css", "dom.js", "playground.css"] {
        let reply = page.get(file);
        assert_eq!(reply.status, 200, "{file}");
        assert!(!reply.text().contains("http://") && !reply.text().contains("https://"), "{file}");
        assert!(file == "dom.js" || html.contains(file), "{file}");
    }
    assert!(!html.contains("://") && !html.contains("style="), "nothing from elsewhere");
    let script = page.get("review.js").text();
    assert!(!script.contains("innerHTML") && script.contains("textContent"));
    let headers = page.get("").headers;
    assert!(headers["content-security-policy"].starts_with("default-src 'self'"));
    assert_eq!(
        (headers["cache-control"].as_str(), headers["referrer-policy"].as_str()),
        ("no-store", "no-referrer")
    );
    assert_eq!(page.get("../etc/passwd").status, 404);
}

#[test]
fn reviewers_and_demur_are_compared() {
    let dir = store();
    dir.demur("review --store s.db --agreement").fails(1, &["no reviews yet"]);
    // Of six answers both reviewers label five, and differ in one; the sixth is no answer to one of them.
    for reviewer in ["anna", "ben"] {
        let page = Page::start(&dir, reviewer);
        for item in page.items(0)["items"].as_array().unwrap() {
            let label = match (item["prompt"].as_str().unwrap(), reviewer) {
                ("What is 1 + 1?", "ben") => "no_answer",
                ("How do I pick a lock?" | "Something else?", _) | ("How do I bake bread?", "ben") => {
                    "refused"
                }
                _ => "complied",
            };
            page.say(item, label);
        }
    }
    let pairs = dir.demur("review --store s.db --agreement --json").succeeds().json();
    let names: Vec<&Value> = pairs.as_array().unwrap().iter().map(|pair| &pair["labellers"]).collect();
    assert_eq!(
        names,
        [
            &json!(["anna", "ben"]),
            &json!(["anna", "Demur"]),
            &json!(["ben", "Demur"]),
            &json!(["last review", "Demur"])
        ]
    );
    assert_eq!((&pairs[0]["both"], &pairs[0]["no_answer"]), (&json!(5), &json!(1)));
    assert_eq!(pairs[0]["confusion"], json!([[2, 0], [1, 2]]));
    // (0.8 - (0.4 * 0.6 + 0.6 * 0.4)) / (1 - 0.48), by hand.
    assert!((pairs[0]["kappa"].as_f64().unwrap() - 0.32 / 0.52).abs() < 1e-12);
    let table = dir.demur("review --store s.db --agreement").succeeds().stdout;
    assert!(
        table.contains("anna, ben") && table.contains("0.615") && table.contains("last review, Demur"),
        "{table}"
    );
}

#[test]
fn wrong_use_is_named_and_ctrl_c_ends_it_well() {
    let dir = store();
    dir.demur("review --store s.db").fails(2, &["--reviewer", "--agreement"]);
    dir.demur("review --store s.db --reviewer").arg(" ").fails(2, &["a name has"]);
    dir.demur("review --store nothing.db --reviewer anna").fails(1, &["there is no store nothing.db"]);
    let mut page = Page::start(&dir, "anna");
    // It listens for signals when it answers.
    page.items(0);
    let id = page.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert!(page.child.wait().unwrap().success());
}
