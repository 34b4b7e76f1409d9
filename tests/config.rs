//! `demur config` and `demur health`: the settings of the service from outside, and whether it is ready.

use crate::server::{JSON, Server};
use crate::support::Dir;
use crate::upstream::{CHAT, HELD, Upstream, chat};

/// The line of a setting: its value and its origin.
#[track_caller]
fn line<'a>(shown: &'a str, key: &str) -> (&'a str, &'a str) {
    let start = format!("{key} =");
    let line = shown.lines().find(|line| line.trim_start_matches("# ").starts_with(&start));
    let (setting, origin) = line.unwrap_or_else(|| panic!("no {key} in {shown}")).split_once("  # ").unwrap();
    (setting.trim_end(), origin)
}

#[test]
fn every_setting_is_shown_with_where_it_comes_from() {
    let dir = Dir::new();
    dir.write("demur.toml", "port = 8000\nmax-batch = 256\nrate = 50\n");
    let demur =
        dir.demur("config show --config demur.toml --port 80 --access-log").env("DEMUR_MAX_BATCH", "7");
    let shown = demur.succeeds().stdout;
    assert_eq!(line(&shown, "port"), ("port = 80", "--port"));
    assert_eq!(line(&shown, "access-log"), ("access-log = true", "--access-log"));
    assert_eq!(line(&shown, "max-batch"), ("max-batch = 7", "DEMUR_MAX_BATCH"));
    assert_eq!(line(&shown, "rate"), ("rate = 50", "demur.toml"));
    assert_eq!(line(&shown, "max-rows"), ("max-rows = 50000", "default"));
    assert_eq!(line(&shown, "keys"), ("# keys =", "not set"));
    // What is shown is a file that sets the same.
    dir.write("again.toml", &shown);
    let again = dir.demur("config show --config again.toml").succeeds().stdout;
    let settings = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  # ").next().unwrap().trim_end().to_owned()).collect()
    };
    assert_eq!(settings(&again), settings(&shown));
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    let address = "http://me:hunter2@collector:4318/v1?token=hunter2";
    let run = Dir::new().demur("config show").env("DEMUR_OTLP_ENDPOINT", address).succeeds();
    assert_eq!(line(&run.stdout, "otlp-endpoint").0, r#"otlp-endpoint = "http://***@collector:4318/v1?***""#);
    assert!(!run.stdout.contains("hunter2"), "{}", run.stdout);
}

#[test]
fn a_file_that_serve_would_not_take_is_refused_with_the_reason() {
    let dir = Dir::with_models();
    dir.write("good.toml", "model = [\"mine=prompt\"]\nkeys = \"keys.toml\"\nadapters = [\"litellm\"]\n");
    dir.write("keys.toml", dir.demur("key me").succeeds().stdout);
    let said = dir.demur("config check good.toml").succeeds().stdout;
    assert_eq!(said, "good.toml: all is good; it loads mine, response\n");
    for (text, code, said) in [
        ("prot = 1", 1, &["bad.toml", "unknown field `prot`"][..]),
        ("max-batch = 0", 2, &["bad.toml: --max-batch is 0; it must be 1 or more"]),
        ("model = [\"none\"]", 1, &["bad.toml: ", "none: there is no such directory"]),
        ("keys = \"none.toml\"", 1, &["bad.toml: cannot load the keys", "none.toml"]),
        ("tls-cert = \"good.toml\"\ntls-key = \"good.toml\"", 1, &["there is no certificate in it"]),
        #[cfg(not(feature = "otel"))]
        ("otlp-endpoint = \"http://127.0.0.1:1\"", 1, &["--features demur-api/otel"]),
    ] {
        dir.write("bad.toml", text);
        dir.demur("config check bad.toml").fails(code, said);
    }
    dir.demur("config check none.toml").fails(1, &["cannot read none.toml"]);
}

#[test]
fn the_proxy_takes_its_settings_from_the_file_and_from_variables() {
    let (dir, upstream) = (Dir::new(), Upstream::start());
    dir.write("policy.toml", "[prompts]\naction = 'annotate'\n");
    dir.write(
        "demur.toml",
        format!(
            "port = 0\ntier = 'ngram'\n[proxy]\nupstream = 'http://{}'\npolicy = 'policy.toml'\n",
            upstream.address
        ),
    );
    let said = dir.demur("config check demur.toml").succeeds().stdout;
    assert_eq!(said, "demur.toml: all is good; it loads response, prompt\n");
    // By the file a held prompt is sent; a variable goes before it, and a flag before that.
    dir.write("reject.toml", "[prompts]\naction = 'reject'\n");
    let proxy =
        |flags: &str| dir.demur(&format!("proxy --config demur.toml {flags}")).env("DEMUR_MODE", "enforce");
    let of_file = Server::of_command(proxy(""));
    upstream.answers("200 OK", "{}");
    assert_eq!(of_file.post(CHAT, chat(HELD)).status, 200);
    let of_variable = Server::of_command(proxy("").env("DEMUR_POLICY", "reject.toml"));
    assert_eq!(of_variable.post(CHAT, chat(HELD)).status, 403);
    let of_flag = Server::of_command(proxy("--mode observe").env("DEMUR_POLICY", "reject.toml"));
    upstream.answers("200 OK", "{}");
    assert_eq!(of_flag.post(CHAT, chat(HELD)).status, 200);
    // The service starts with the same file.
    Server::of_command(dir.demur("serve --config demur.toml")).get("/health/ready").ok();
    let shown = dir.demur("config show --config demur.toml").env("DEMUR_FALLBACK_KEY_A", "sk-secret");
    let shown = shown.env("DEMUR_FALLBACK", "a=http://a,m,n;b=http://u:sk-secret@b,m").succeeds().stdout;
    assert_eq!(
        line(&shown, "fallback"),
        ("fallback = [\"a=http://a,m,n\", \"b=http://***@b,m\"]", "DEMUR_FALLBACK")
    );
    assert_eq!(
        (line(&shown, "policy").1, line(&shown, "mode")),
        ("demur.toml", ("# mode = \"observe\"", "default"))
    );
    assert!(!shown.contains("sk-secret"), "{shown}");
}

#[test]
fn a_file_that_proxy_would_not_take_is_refused_with_the_reason() {
    let dir = Dir::new();
    dir.write("policy.toml", "[prompts]\naction = 'fallback'\n");
    for (text, code, said) in [
        ("[proxy]\nupstrem = 'http://a'", 1, &["bad.toml", "unknown field `upstrem`"][..]),
        ("[proxy]\nmode = 'loud'", 1, &["bad.toml", "loud"]),
        ("[proxy]\nupstream = 'a'", 2, &["bad.toml", "--upstream a"]),
        ("[proxy]\nfallback = ['a']", 2, &["bad.toml", "--fallback a", "NAME=URL,MODEL"]),
        ("[proxy]\npolicy = 'none.toml'", 1, &["cannot read none.toml"]),
        ("[proxy]\npolicy = 'policy.toml'", 2, &["policy.toml: line 2: prompts.action"]),
        ("keys = 'k'\n[proxy]\nmode = 'enforce'", 2, &["bad.toml", "--keys", "demur serve"]),
        ("[proxy]\nstore-texts = true", 2, &["bad.toml", "--store-texts", "--feedback-store"]),
    ] {
        dir.write("bad.toml", text);
        dir.demur("config check bad.toml").fails(code, said);
    }
    dir.demur("proxy --config bad.toml").fails(2, &["--upstream is missing", "DEMUR_UPSTREAM"]);
}

#[test]
fn health_is_the_readiness_of_the_service_that_the_settings_name() {
    let dir = Dir::new();
    let server = Server::start(&dir, "");
    let port = server.address.rsplit_once(':').unwrap().1.to_owned();
    assert_eq!(dir.demur(&format!("health --port {port}")).succeeds().stdout, "ready\n");
    // As in a container: an address of all is asked at this machine.
    let of_container = dir.demur("health").env("DEMUR_PORT", &port).env("DEMUR_BIND", "0.0.0.0");
    of_container.succeeds();
    dir.write("demur.toml", format!("port = {port}\n"));
    dir.demur("health --config demur.toml").succeeds();
    dir.demur("health --config none.toml").fails(1, &["cannot read none.toml"]);
    dir.demur(&format!("health --port {port} --timeout 0")).fails(2, &["--timeout"]);
    server.stop();
    dir.demur(&format!("health --port {port}")).fails(1, &["nothing answers at 127.0.0.1", "--port"]);
}

/// A service that ends still answers, and is not ready.
#[cfg(unix)]
#[test]
fn a_service_that_ends_is_not_ready() {
    let dir = Dir::new();
    let server = Server::start(&dir, "--drain-delay 5");
    let port = server.address.rsplit_once(':').unwrap().1.to_owned();
    server.signal("-TERM");
    while server.get("/health/ready").status == 200 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let said = ["is not ready: it answers 503"];
    dir.demur(&format!("health --port {port}")).fails(1, &said);
    assert_eq!(server.send("POST", "/v1/predict", &[JSON], br#"{"prompt": "a"}"#).status, 200);
}

/// What listens but does not speak HTTP, or says nothing, is no service.
#[test]
fn what_is_no_service_is_not_ready() {
    use std::io::Write;
    let dir = Dir::new();
    for (answer, said) in [(&b"SSH-2.0\r\n"[..], "is no service of HTTP"), (b"", "is no service of HTTP")] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            // The other side may have read enough.
            let _ = stream.write_all(answer);
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
        });
        dir.demur(&format!("health --port {port}")).fails(1, &[said]);
        answers.join().unwrap();
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    dir.demur(&format!("health --port {port} --timeout 1")).fails(1, &["no answer from 127.0.0.1"]);
}
