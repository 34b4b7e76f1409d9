//! Shared by all tests: a folder, the command run in it, inputs in every format, two small models.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::{Map, Value};
use tempfile::TempDir;

/// Single words as the only features: for tests in which features do not matter, this makes a fit fast.
const FAST: [&str; 4] = [
    "--set",
    "response.views=[{field='response',ngrams=[1,1]}]",
    "--set",
    "prompt.fit.views=[{field='prompt',ngrams=[1,1]}]",
];

/// The flags that read the starter's labelled rows.
pub(crate) const KIND: &str = "labelled.jsonl --label-column kind --labelled-by person";

/// A temporary folder, in which `demur` is run.
pub(crate) struct Dir(TempDir);

impl Dir {
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("demur-test-").unwrap())
    }

    /// A folder with `labelled.jsonl` and `unlabelled.jsonl` of the starter corpus.
    pub(crate) fn with_starter() -> Self {
        let dir = Self::new();
        for name in ["labelled.jsonl", "unlabelled.jsonl"] {
            fs::copy(workspace().join("data/starter").join(name), dir.path(name)).unwrap();
        }
        dir
    }

    /// A folder with the starter corpus and small models fitted on it: `response/`, `prompt/`, and the
    /// intermediate `machine.jsonl`.
    pub(crate) fn with_models() -> Self {
        let dir = Self::new();
        dir.write_tree(models());
        dir
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes rows as JSON Lines.
    pub(crate) fn write_rows(&self, name: &str, rows: &[Value]) {
        self.write(name, jsonl(rows));
    }

    fn write_tree(&self, files: &BTreeMap<String, Vec<u8>>) {
        for (name, content) in files {
            self.write(name, content);
        }
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    /// The rows of a JSON Lines file.
    pub(crate) fn rows(&self, name: &str) -> Vec<Map<String, Value>> {
        rows(&self.text(name))
    }

    /// The names in the folder, including hidden ones, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.0.path())
    }

    /// All files in the folder (or one of its subfolders) by relative name.
    pub(crate) fn tree(&self, below: &str) -> BTreeMap<String, Vec<u8>> {
        let root = self.path(below);
        let mut files = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                    files.insert(name, fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    /// The same by all tiers, and not by the n-grams alone, which most tests are about.
    pub(crate) fn tiered(&self, arguments: &str) -> Demur {
        self.demur(arguments).env("DEMUR_TIER", "encoder")
    }

    /// `demur` with these arguments, split at spaces, to be run in this folder, by n-grams.
    pub(crate) fn demur(&self, arguments: &str) -> Demur {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demur"));
        command.current_dir(self.0.path()).args(arguments.split_whitespace());
        command.env_remove("RAYON_NUM_THREADS").env("COLUMNS", "100").env("DEMUR_TIER", "ngram");
        Demur { command, stdin: None }
    }
}

/// A command line before it is run.
pub(crate) struct Demur {
    command: Command,
    stdin: Option<Vec<u8>>,
}

impl Demur {
    /// Adds one argument; it may contain spaces.
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub(crate) fn args<'a>(mut self, arguments: impl Iterator<Item = &'a str>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds features that make every fit fast.
    pub(crate) fn fast(mut self) -> Self {
        self.command.args(FAST);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(input.into());
        self
    }

    /// Starts it with all three streams piped; stdin is left open for the test.
    pub(crate) fn stdin_open(mut self) -> Child {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts it with all three streams piped.
    pub(crate) fn start(mut self) -> Child {
        let mut child = self
            .command
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let (Some(input), Some(mut pipe)) = (self.stdin, child.stdin.take()) {
            // In a thread, because the child may write before it has read everything. It may also close its
            // stdin early.
            std::thread::spawn(move || drop(pipe.write_all(&input)));
        }
        child
    }

    pub(crate) fn run(self) -> Run {
        Run::of(self.start().wait_with_output().unwrap())
    }

    /// Runs it, and asserts that it exits with code 0.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Run {
        let run = self.run();
        assert_eq!(run.code, Some(0), "stderr: {}", run.stderr);
        run
    }

    /// Runs it, and asserts its exit code, that stdout is empty, and that stderr contains all of these.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, parts: &[&str]) -> Run {
        let run = self.run();
        assert_eq!(run.code, Some(code), "stderr: {}", run.stderr);
        assert_eq!(run.stdout, "", "a failed run has no data");
        for part in parts {
            assert!(run.stderr.contains(part), "`{part}` is not in: {}", run.stderr);
        }
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        for line in run.stderr.lines().filter(|line| line.starts_with("error: ")) {
            let causes: Vec<&str> = line.split(": ").collect();
            assert!(causes.windows(2).all(|pair| pair[0] != pair[1]), "said twice: {line}");
        }
        run
    }
}

/// The results of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Stdout, which must be a single JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// Asserts that stderr contains a text.
    #[track_caller]
    pub(crate) fn says(&self, part: &str) -> &Self {
        assert!(self.stderr.contains(part), "`{part}` is not in: {}", self.stderr);
        self
    }
}

pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The folder of data sets beside this repository. Tests that need it are ignored by name (`cargo test --
/// --ignored` runs them), so that a test which did not run is not counted as passed.
pub(crate) fn shared_data() -> PathBuf {
    let path = workspace().join("../shared/data");
    assert!(path.is_dir(), "there is no {}", path.display());
    path
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn jsonl(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// The rows of JSON Lines text.
pub(crate) fn rows(text: &str) -> Vec<Map<String, Value>> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

pub(crate) fn unzstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::decode_all(bytes).unwrap()
}

/// Writes rows as Parquet with the project's own writer, because the tests have no other.
pub(crate) fn write_parquet(path: &Path, rows: &[Value]) {
    let rows: Vec<Map<String, Value>> = rows.iter().map(|row| row.as_object().unwrap().clone()).collect();
    demur_data::write_rows(path, Some(demur_data::Format::Parquet), &rows).unwrap();
}

/// Reads the rows of a file in any format with the project's own reader.
pub(crate) fn read_any(path: &Path) -> Vec<Map<String, Value>> {
    let options = demur_data::ReadOptions { keep_rows: true, ..Default::default() };
    let corpus = demur_data::read(&[path.to_owned()], &options).unwrap();
    corpus.records.into_iter().map(|record| *record.row.unwrap()).collect()
}

/// A few rows with responses that a fit on the starter corpus classifies correctly.
pub(crate) fn answers() -> Vec<Value> {
    let row = |id: u32, prompt: &str, response: &str| serde_json::json!({"id": id, "prompt": prompt, "response": response, "score": 0.5, "checked": id == 1});
    vec![
        row(1, "How do I boil an egg?", "Put it into boiling water for seven minutes, then cool it."),
        row(
            2,
            "Help me forge a signature.",
            "I'm sorry, but I can't help with that. I won't forge anything.",
        ),
        row(3, "Was sagt „Grüß Gott“, \"genau\"?", "It is a greeting,\nused in the south. \u{1f44b}"),
    ]
}

/// The starter corpus with the models fitted on it, by relative name; built once.
fn models() -> &'static BTreeMap<String, Vec<u8>> {
    static MODELS: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    MODELS.get_or_init(|| {
        let dir = Dir::with_starter();
        dir.demur(&format!("fit response --data {KIND} --out response")).fast().succeeds();
        dir.demur("bootstrap unlabelled.jsonl --model response --out machine.jsonl").succeeds();
        dir.demur("fit prompt --data machine.jsonl --out prompt").fast().succeeds();
        dir.tree("")
    })
}
