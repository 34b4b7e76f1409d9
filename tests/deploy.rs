//! The files of `deploy/` name what there is: metrics, labels, flags, variables, ports, paths and versions.
//! That the files are good ones of their kinds is tests/deploy/run's to say, which needs their tools.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::server::Server;
use crate::support::{Dir, workspace};

fn text(name: &str) -> String {
    let path = workspace().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All files below a folder of the repository.
fn files(folder: &str) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![workspace().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// The words of a text that begin so: letters, digits and `_`.
fn words<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(start)).collect()
}

/// The number behind each occurrence of a mark.
#[track_caller]
fn numbers(text: &str, mark: &str) -> Vec<f64> {
    let behind = text.split(mark).skip(1);
    let found: Vec<f64> = behind
        .map(|rest| {
            let rest = rest.trim_start_matches([' ', '"']);
            rest[..rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len())]
                .parse()
                .unwrap()
        })
        .collect();
    assert!(!found.is_empty(), "no `{mark}` in {text}");
    found
}

/// The value of a setting, as `config show` has it.
#[track_caller]
fn setting(shown: &str, key: &str) -> f64 {
    numbers(shown, &format!("\n{key} ="))[0]
}

/// What a selector says of one label: its name, the operator, the value.
type Matcher<'a> = (&'a str, &'a str, &'a str);

/// The selectors of a query: the metrics, each with what is said of its labels.
fn selectors(query: &str) -> Vec<(&str, Vec<Matcher<'_>>)> {
    let mut found = Vec::new();
    for name in words(query, "demur_") {
        // The name is a part of the query, so the distance is its place there.
        let rest = &query[name.as_ptr() as usize - query.as_ptr() as usize + name.len()..];
        let inside =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
        let labels = inside.split(',').filter(|part| !part.is_empty()).map(|part| {
            let at = part.find(['=', '!']).unwrap_or_else(|| panic!("{query}"));
            let (label, rest) = part.split_at(at);
            let (operator, value) = rest.split_at(rest.find('"').unwrap());
            (label, operator, value.trim_matches('"'))
        });
        found.push((name, labels.collect()));
    }
    found
}

/// Every query of the dashboard, the alerts and the adapter, with where it stands.
fn queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/dashboards/demur.json")).unwrap();
    let mut open = vec![&dashboard];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(values) => open.extend(values),
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value.as_str() {
                        Some(query) if key == "expr" || key == "query" || key == "definition" => {
                            queries.push(("dashboard".to_owned(), query.to_owned()));
                        }
                        _ => open.push(value),
                    }
                }
            }
            _ => {}
        }
    }
    for name in
        ["deploy/prometheus/alerts.yml", "deploy/prometheus/adapter.yml", "deploy/kubernetes/autoscaler.yaml"]
    {
        // Comments name no metric; a query is not longer than its file.
        queries.push((name.to_owned(), text(name)));
    }
    queries
}

#[test]
fn every_metric_and_label_that_is_asked_for_is_there() {
    let dir = Dir::new();
    let server = Server::start_tiered(&dir, "");
    let metrics = server.get("/metrics").text();
    // By name, the labels with their values, of all series.
    let mut series: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(['{', ' ']).unwrap();
        series.entry(name).or_default().push(rest);
    }
    let mut asked = 0;
    for (place, query) in queries() {
        for (name, labels) in selectors(&query) {
            let found =
                series.get(name).unwrap_or_else(|| panic!("{place}: there is no metric {name}: {query}"));
            for (label, operator, value) in labels {
                asked += 1;
                // Labels that Prometheus adds, and variables of the dashboard.
                if ["instance", "job", "namespace", "pod"].contains(&label) {
                    continue;
                }
                let has = |part: &str| found.iter().any(|labels| labels.contains(part));
                assert!(has(&format!("{label}=\"")), "{place}: {name} has no label {label}: {query}");
                assert!(
                    operator != "=" || value.starts_with('$') || has(&format!("{label}=\"{value}\"")),
                    "{place}: {name} has no {label} {value}: {query}"
                );
            }
        }
    }
    assert!(asked > 10, "{asked}");
    let everything: String = queries().into_iter().map(|(_, query)| query).collect();
    for expected in [
        "demur_decisions_total",
        "demur_p_refusal_sum",
        "demur_encoder_queue_depth",
        "demur_requests_turned_away_total",
    ] {
        assert!(everything.contains(expected), "{expected} is not watched");
    }
}

#[test]
fn every_variable_flag_and_command_that_is_named_exists() {
    let dir = Dir::new();
    let help = dir.demur("serve --help").succeeds().stdout;
    let mut seen = 0;
    for path in files("deploy") {
        let text = fs::read_to_string(&path).unwrap();
        for variable in words(&text, "DEMUR_") {
            seen += 1;
            // `DEMUR_*` in a comment.
            let is_there = variable == "DEMUR_" || help.contains(&format!("[env: {variable}="));
            assert!(is_there, "{}: {variable} is no variable of serve", path.display());
        }
    }
    assert!(seen > 3, "{seen}");
    let unit = text("deploy/systemd/demur.service");
    let mut commands: Vec<String> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("Exec")?.split_once("=/usr/local/bin/demur "))
        .map(|(_, command)| command.to_owned())
        .collect();
    let dockerfile = text("deploy/Dockerfile");
    let plain = |list: &str| list.replace(['[', ']', '"', ','], "");
    for line in dockerfile.lines() {
        if let Some(command) = line.strip_prefix("CMD ") {
            commands.push(plain(command));
        } else if let Some((_, command)) = line.split_once(" CMD [\"/usr/bin/demur\", ") {
            commands.push(plain(command));
        }
    }
    let pods = text("deploy/kubernetes/demur.yaml");
    commands.push(plain(pods.split_once("args: ").unwrap().1.lines().next().unwrap()));
    assert_eq!(commands.len(), 5, "{commands:?}");
    for command in commands {
        dir.demur(&format!("{command} --help")).succeeds();
    }
}

#[test]
fn ports_paths_and_times_fit_the_service() {
    let dir = Dir::new();
    let server = Server::start(&dir, "");
    let defaults = dir.demur("config show").succeeds().stdout;
    let port = setting(&defaults, "port");
    let pods = text("deploy/kubernetes/demur.yaml");
    let (compose, dockerfile) = (text("deploy/compose.yaml"), text("deploy/Dockerfile"));
    for (file, mark) in [
        (&pods, "containerPort:"),
        (&pods, "{name: http, port:"),
        (&pods, "prometheus.io/port:"),
        (&dockerfile, "\nEXPOSE "),
        (&dockerfile, "DEMUR_PORT="),
        (&compose, "127.0.0.1:8080:"),
        (&text("deploy/litellm.yaml"), "http://demur:"),
        (&text("deploy/prometheus/prometheus.yml"), "\"demur:"),
    ] {
        assert!(numbers(file, mark).iter().all(|&number| number == port), "{mark} in {file}");
    }
    for file in [&pods, &text("deploy/prometheus/prometheus.yml")] {
        let paths = file.split("path: ").skip(1).map(|rest| rest.split([',', '\n']).next().unwrap());
        for path in paths.chain(file.split("_path: ").skip(1).map(|rest| rest.lines().next().unwrap())) {
            assert_eq!(server.get(path).status, 200, "{path}");
        }
    }
    // The settings in the manifests are a file that `serve` takes, but for the keys.
    let embedded: String = pods
        .split_once("demur.toml: |\n")
        .unwrap()
        .1
        .lines()
        .take_while(|line| line.starts_with("    "))
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    dir.write("demur.toml", embedded);
    let shown = dir.demur("config show --config demur.toml").succeeds().stdout;
    assert!(shown.contains("\nbind = \"0.0.0.0\""), "{shown}");
    let ends = |shown: &str| setting(shown, "drain-delay") + setting(shown, "drain-timeout");
    assert!(numbers(&pods, "terminationGracePeriodSeconds:")[0] > ends(&shown));
    assert!(numbers(&text("deploy/systemd/demur.service"), "TimeoutStopSec=")[0] > ends(&defaults));
    assert!(numbers(&compose, "stop_grace_period:")[0] > ends(&defaults));
}

#[test]
fn versions_are_those_of_this_repository() {
    let version = env!("CARGO_PKG_VERSION");
    for name in ["deploy/compose.yaml", "deploy/kubernetes/demur.yaml", "deploy/Dockerfile"] {
        let text = text(name);
        for image in
            text.split("demur:").skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        {
            let tag = image.split(|c: char| c.is_whitespace()).next().unwrap();
            assert!(tag == version || tag == "8080", "{name}: demur:{tag}");
        }
    }
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert!(text("deploy/Dockerfile").contains(&format!("FROM rust:{rust}-")), "rust {rust}");
    let tested = text("tests/integrations/requirements.txt");
    let litellm = tested.lines().find(|line| line.starts_with("litellm[proxy]==")).unwrap();
    assert!(text("deploy/compose.yaml").contains(&format!("'{litellm}'")), "{litellm}");
}

#[test]
fn every_file_that_is_mounted_is_there() {
    let compose = text("deploy/compose.yaml");
    let mounts: Vec<&str> =
        compose.split("./").skip(1).filter_map(|rest| rest.split_once(':')).map(|(path, _)| path).collect();
    assert!(mounts.len() > 3, "{mounts:?}");
    for path in mounts.into_iter().filter(|path| !path.contains('\n')) {
        assert!(workspace().join("deploy").join(path).exists(), "{path}");
    }
}
