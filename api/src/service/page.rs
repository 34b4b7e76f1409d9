//! The playground: one page with its scripts and style, built into the binary so that it works offline.

/// The page.
pub(crate) const HTML: &str = include_str!("../../web/index.html");
/// Its first script, which loads the others.
pub(crate) const SCRIPT: &str = include_str!("../../web/playground.js");
/// Its style.
pub(crate) const STYLE: &str = include_str!("../../web/playground.css");
/// What the page may load and where it may send: this server alone.
pub(crate) const CONTENT_POLICY: &str =
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";

/// Scripts by the names of their files.
macro_rules! scripts {
    ($($name:literal),* $(,)?) => {
        [$((concat!($name, ".js"), include_str!(concat!("../../web/playground/", $name, ".js")))),*]
    };
}

/// The scripts that the first one loads, one for each part of the page.
const SCRIPTS: [(&str, &str); 17] = scripts![
    "answer",
    "body",
    "dom",
    "examples",
    "files",
    "many",
    "models",
    "policy",
    "prompt",
    "rows",
    "sentences",
    "server",
    "share",
    "state",
    "tabs",
    "targets",
    "words"
];

/// The script of a part of the page, by the name of its file.
pub(crate) fn script(file: &str) -> Option<&'static str> {
    SCRIPTS.iter().find(|(name, _)| *name == file).map(|(_, script)| *script)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_script_that_the_page_imports_is_built_in() {
        let lines = SCRIPTS.iter().flat_map(|(_, script)| script.lines()).chain(SCRIPT.lines());
        let mut found = 0;
        for line in lines.filter(|line| line.starts_with("import ")) {
            let file = line.rsplit_once('/').unwrap().1.trim_end_matches("';");
            assert!(script(file).is_some(), "{file} is imported and not built in");
            found += 1;
        }
        assert!(found > SCRIPTS.len(), "only {found} imports found");
        let on_disk = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/web/playground")).unwrap();
        assert_eq!(on_disk.count(), SCRIPTS.len(), "a script of the folder is not built in");
    }
}
