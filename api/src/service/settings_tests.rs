//! Which source of a setting wins, and how a wrong value is refused.

use std::fs;

use super::*;
use crate::engine::Usage;

#[test]
fn flags_go_before_the_file_and_the_file_before_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("demur.toml");
    fs::create_dir(dir.path().join("m")).unwrap();
    fs::write(&config, "port = 1\nmax-batch = 7\nkeys = \"keys.toml\"\nfeedback-store = \"f.db\"\nmodel = [\"a=m\", \"prompt\"]\n")
        .unwrap();
    let flags = Options { config: Some(config), port: Some(2), ..Options::default() };
    let settings = flags.resolve().unwrap();
    assert_eq!(settings.address, "127.0.0.1:2".parse().unwrap());
    assert_eq!((settings.limits.batch, settings.limits.chars), (7, 100_000));
    assert_eq!(settings.keys, Some(dir.path().join("keys.toml")));
    let store = settings.feedback_store.unwrap();
    assert_eq!(store.file(), Some(dir.path().join("f.db").as_path()));
    assert_eq!(settings.models, [format!("a={}", dir.path().join("m").display()), "prompt".to_owned()]);
}

#[test]
fn wrong_values_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("demur.toml");
    for (text, said) in [
        ("prot = 1", "prot"),
        ("port = \"a\"", "port"),
        ("max-batch = 0", "--max-batch is 0"),
        ("request-timeout = -1.0", "--request-timeout is -1"),
        ("rate = 0", "--rate is 0"),
        ("feedback-store = \"mysql://h/d\"", "--feedback-store: a store is a file"),
        ("learn-online = \"lines\"", "--learn-online learns from the store of feedback"),
        ("learn-every = 0.0", "--learn-every is 0"),
        ("adapters = [\"all\", \"tei\"]", "--adapters all"),
        ("labels = [\"a\"]", "--labels a"),
        ("tier = \"n-gram\"", "unknown variant"),
        ("cheap = 1.0", "--cheap is 1"),
        ("cheap = 0.5\ncascade = [0.1, 0.9]", "leave one out"),
        ("cascade = [0.9, 0.1]", "0 <= BELOW <= FROM"),
        ("encoder-library = \"onnx\"", "unknown variant"),
        ("base-rate = 1.0", "--base-rate: base rate 1"),
        ("encoder-threads = 0", "--encoder-threads is 0"),
        ("encoder-queue = 0", "--encoder-queue is 0"),
        ("encoder-max-wait = -1.0", "--encoder-max-wait is -1"),
        ("tls-cert = \"a\"", "--tls-key belong together"),
        ("workers = 10000", "--workers is 10000; it must be from 1 to 512"),
        ("encoder-threads = 100000", "--encoder-threads is 100000; it must be from 1 to 512"),
        ("max-body = 100\nmax-held = 99", "--max-held is 99"),
        ("max-answer = 100\nmax-held = 99\nmax-body = 1", "--max-held is 99"),
        ("write-timeout = 0.0", "--write-timeout is 0"),
        ("cors-origin = [\"a.example\"]", "--cors-origin a.example"),
        ("cors-origin = [\"https://a.example/\"]", "--cors-origin https://a.example/"),
        ("cors-origin = [\"https://a b\"]", "--cors-origin https://a b"),
    ] {
        fs::write(&config, text).unwrap();
        let error = Options { config: Some(config.clone()), ..Options::default() }.resolve().unwrap_err();
        assert!(format!("{error:#}").contains(said), "{error:#}");
        let of_file =
            said == "prot" || said == "port" || text.contains("tier") || text.contains("encoder-library");
        assert!(of_file || error.is::<Usage>() || text.contains("cascade = [0.9"), "{error:#} is wrong use");
    }
    let missing = Options { config: Some(dir.path().join("none")), ..Options::default() };
    assert!(missing.resolve().unwrap_err().to_string().contains("cannot read"));
}
