//! What is shown is a file that sets the same, its origins are true, and no secret is in it.

use super::*;

/// Every key that a file may have: the flags of `serve` but for the file itself.
fn keys() -> Vec<String> {
    let command = Options::augment_args(Command::new("options"));
    let names = command.get_arguments().filter_map(clap::Arg::get_long);
    names.filter(|name| *name != "config").map(str::to_owned).collect()
}

fn given(arguments: &[&str]) -> Given {
    let command = Given::augment_args(Command::new("show"));
    let arguments = std::iter::once("show").chain(arguments.iter().copied());
    Given::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap()
}

#[test]
fn every_setting_is_shown_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("demur.toml");
    let flags = [
        "--model=a=/m/a,/m/b",
        "--placed=/p",
        "--bind=::1",
        "--port=9",
        "--admin-bind=127.0.0.1:10",
        "--adapters=tei,vllm",
        "--labels=A,B",
        "--workers=3",
        "--base-rate=0.25",
        "--phrases=/phrases.toml",
        "--feedback-store=/feedback.db",
        "--learn-online=/lines",
        "--learn-every=15",
        "--max-body=11",
        "--max-batch=12",
        "--max-chars=13",
        "--max-rows=14",
        "--max-answer=15",
        "--max-held=16",
        "--max-concurrent=17",
        "--request-timeout=18",
        "--write-timeout=1.5",
        "--rate=20",
        "--tier=ngram",
        "--cascade=0.1,0.9",
        "--encoder-library=torch",
        "--encoder-threads=4",
        "--encoder-queue=21",
        "--encoder-batch-tokens=22",
        "--encoder-max-wait=2.5",
        "--keys=/keys.toml",
        "--cors-origin=https://a.example",
        "--tls-cert=/c.pem",
        "--tls-key=/k.pem",
        "--drain-delay=5",
        "--drain-timeout=6",
        "--log=debug",
        "--log-format=json",
        "--access-log",
        "--log-prompts",
        "--otlp-endpoint=http://h:4318",
    ];
    for flags in [&flags[..], &["--cheap=0.5", "--adapters=none"], &["--adapters=all", "--bind=0.0.0.0"]] {
        let given = given(flags);
        let settings = given.options.clone().resolve().unwrap();
        fs::write(&path, given.show().unwrap()).unwrap();
        let read = Options { config: Some(path.clone()), ..Options::default() }.resolve().unwrap();
        assert_eq!(read, settings);
        let mut shown: Vec<String> = settings.shown().into_iter().map(|(key, _)| key.to_owned()).collect();
        let mut all = keys();
        shown.sort();
        all.sort();
        assert_eq!(shown, all);
    }
    let set: Vec<_> =
        flags.iter().filter_map(|flag| flag.trim_start_matches('-').split('=').next()).collect();
    let left_out: Vec<_> = keys().into_iter().filter(|key| !set.contains(&key.as_str())).collect();
    assert_eq!(left_out, ["cheap"], "the test sets every other flag");
}

#[test]
fn the_origin_is_the_flag_the_file_or_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("demur.toml");
    fs::write(&path, "port = 1\nmax-batch = 7\ncheap = 0.5\n").unwrap();
    let config = format!("--config={}", path.display());
    let text = given(&[&config, "--port=2", "--cascade=0.1,0.9"]).show().unwrap();
    let has = |key: &str, rest: &[&str]| {
        let line = text.lines().find(|line| line.trim_start_matches("# ").starts_with(key)).unwrap();
        let (value, origin) = line.split_once("  # ").unwrap();
        assert_eq!([value.trim_end(), origin], rest, "{text}");
    };
    has("port =", &["port = 2", "--port"]);
    has("max-batch =", &["max-batch = 7", &path.display().to_string()]);
    has("max-rows =", &["max-rows = 50000", "default"]);
    // The cascade of a flag goes before both of the file's.
    has("cheap =", &["# cheap =", "not set"]);
    has("cascade =", &["cascade = [0.1, 0.9]", "--cascade"]);
}

#[test]
fn passwords_and_queries_are_left_out() {
    let shown =
        |address: &str| without_secrets(Value::String(address.to_owned())).as_str().unwrap().to_owned();
    assert_eq!(shown("https://me:secret@h:1/p?token=secret"), "https://***@h:1/p?***");
    assert_eq!(shown("http://h:4318/v1"), "http://h:4318/v1");
    assert_eq!(shown("a=models/a"), "a=models/a");
    let text = given(&["--otlp-endpoint=http://u:secret@h"]).show().unwrap();
    assert!(text.contains("http://***@h") && !text.contains("secret"), "{text}");
}

/// The keys of `[proxy]`: the flags that `proxy` alone has, but for a second name of one.
fn proxy_keys() -> Vec<String> {
    let command = ProxyOptions::augment_args(Command::new("options"));
    let names = command.get_arguments().filter_map(clap::Arg::get_long);
    names.filter(|name| *name != "fail-closed").map(str::to_owned).collect()
}

#[test]
fn the_settings_of_the_proxy_are_shown_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let [path, policy] = ["demur.toml", "policy.toml"].map(|name| dir.path().join(name));
    fs::write(&policy, "mode = 'enforce'\n").unwrap();
    let policy_flag = format!("--policy={}", policy.display());
    let flags = [
        "--feedback-store=/f.db",
        "--upstream=https://u.example",
        "--fallback=a=http://a,m,n",
        "--fallback=b=http://b,m",
        "--mode=observe",
        "--on-failure=closed",
        "--store-texts",
        &policy_flag,
    ];
    let given = given(&flags);
    let settings = given.options.clone().resolve_proxy(|_| None).unwrap();
    let text = given.show().unwrap();
    fs::write(&path, &text).unwrap();
    let config = || Options { config: Some(path.clone()), ..Options::default() };
    assert_eq!(config().resolve_proxy(|_| None).unwrap(), settings, "{text}");
    // The service reads the same file, and leaves the table to the proxy.
    assert_eq!(config().resolve().unwrap().proxy, None);
    let shown: Vec<_> = settings.proxy.unwrap().shown().into_iter().map(|(key, _)| key.to_owned()).collect();
    assert_eq!(shown, proxy_keys());
}

#[test]
fn what_the_policy_decides_is_shown_as_that_and_defaults_stay_comments() {
    let dir = tempfile::tempdir().unwrap();
    let [path, policy] = ["demur.toml", "policy.toml"].map(|name| dir.path().join(name));
    fs::write(&policy, "mode = 'enforce'\n").unwrap();
    fs::write(&path, "[proxy]\npolicy = 'policy.toml'\nfallback = ['a=http://u:secret@a,m']\n").unwrap();
    let text = given(&[&format!("--config={}", path.display()), "--fail-closed"]).show().unwrap();
    let (_, table) = text.split_once("[proxy]\n").unwrap();
    let lines: Vec<(&str, &str)> =
        table.lines().map(|line| line.split_once("  # ").unwrap()).map(|(a, b)| (a.trim_end(), b)).collect();
    let file = path.display().to_string();
    let policy = policy.display().to_string();
    let of_policy = format!("policy = \"{policy}\"");
    assert_eq!(
        lines,
        [
            ("# upstream =", "not set"),
            ("fallback = [\"a=http://***@a,m\"]", file.as_str()),
            (of_policy.as_str(), file.as_str()),
            ("mode = \"enforce\"", policy.as_str()),
            ("on-failure = \"closed\"", "--fail-closed"),
            ("# store-texts = false", "default"),
        ]
    );
    let without = given(&[]).show().unwrap();
    let (_, table) = without.split_once("[proxy]\n").unwrap();
    assert!(table.lines().all(|line| line.starts_with("# ")), "{table}");
}

#[test]
fn the_example_file_has_every_setting_of_the_proxy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/demur.toml");
    let text = fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("\n[proxy]\n").unwrap();
    let examples =
        table.lines().filter_map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")));
    let examples: Vec<&str> = examples.collect();
    let options: ProxyOptions = toml::from_str(&examples.join("\n")).unwrap();
    let keys: Vec<_> = examples.iter().filter_map(|line| line.split(" = ").next()).collect();
    assert_eq!(keys, proxy_keys());
    let options = ProxyOptions { policy: None, ..options };
    options.resolve(|_| None).unwrap();
}

/// A person who copies the example and changes one line gets the defaults of all others.
#[test]
fn the_example_file_has_every_setting_and_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/demur.toml");
    let text = fs::read_to_string(&path).unwrap();
    let of_line = |line: &str| line.trim_start_matches("# ").split_once(" = ").map(|(key, _)| key.to_owned());
    let all = keys();
    let mut named: Vec<String> = text.lines().filter_map(of_line).filter(|key| all.contains(key)).collect();
    let mut sorted = all;
    named.sort();
    sorted.sort();
    assert_eq!(named, sorted, "each once");
    let set = keys_of(&path).unwrap();
    let read = Options { config: Some(path), ..Options::default() }.resolve().unwrap();
    assert_eq!(read, Options::default().resolve().unwrap());
    // Only what has no default, or one of this machine, may be left as a comment.
    let of_machine = ["adapters", "workers", "encoder-threads"];
    for (key, value) in read.shown() {
        let is_set = value.is_some() && !of_machine.contains(&key);
        assert_eq!(set.contains_key(key), is_set, "{key}");
    }
    // What is in the comments is right too; a cascade beside `cheap` would not be.
    let is_example = |key: &String| keys().contains(key) && !set.contains_key(key) && key != "cascade";
    let examples = text.lines().filter(|line| of_line(line).as_ref().is_some_and(is_example));
    let examples: String = examples.map(|line| line.trim_start_matches("# ").to_owned() + "\n").collect();
    let table: Table = toml::from_str(&examples).unwrap();
    assert!(table.len() > 10, "{table:?}");
    let options: Options = table.try_into().unwrap();
    options.resolve().unwrap();
}
