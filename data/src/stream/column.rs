//! Where the prompt of a row is: a named column, or one of the usual ones.

use crate::columns::{PROMPT, usual};
use crate::conversation;
use crate::path::key;
use crate::path::{Path, Step};

/// Where a row's prompt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// A text at a path.
    Text(Path),
    /// A chat at a path, whose last user message is the prompt.
    Chat(Path),
    /// The index of a field in CSV or TSV.
    Field(usize),
    /// The index of such a field that holds a chat as JSON text.
    ChatField(usize),
}

impl Column {
    /// Its name in error messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Text(path) | Self::Chat(path) => path.to_string(),
            Self::Field(at) | Self::ChatField(at) => format!("column {}", at + 1),
        }
    }
}

/// Why the prompt of a file is not found. What to do is said by those who know how the column is named: a
/// flag of the command line, or a field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoPrompt {
    /// What is wrong.
    pub reason: String,
    /// Whether naming the column helps.
    pub name_it: bool,
}

impl NoPrompt {
    fn of(reason: String, name_it: bool) -> Self {
        Self { reason, name_it }
    }
}

/// Finds the prompt among the names of a row's fields.
///
/// # Errors
/// If there is none.
pub fn column(
    fields: &[String],
    named: Option<&str>,
    chat: Option<&str>,
    separated: bool,
) -> Result<Column, NoPrompt> {
    let listed = || fields.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let names: Vec<&str> = fields.iter().map(String::as_str).collect();
    // A name that is written differently counts, if none is written like it.
    let written = |name: &str| {
        let alike = || names.iter().find(|there| key(there) == key(name));
        match names.iter().find(|there| **there == name).or_else(alike) {
            Some(there) => Path::name(there),
            None => Path::parse(name),
        }
    };
    let named = named.or(chat).map(|name| (written(name), chat.is_some()));
    let usually = |list: &[&str], is_chat| usual(&names, list).map(|name| (Path::name(name), is_chat));
    let found = named.or_else(|| usually(PROMPT, false)).or_else(|| usually(conversation::USUAL, true));
    let Some((path, is_chat)) = found else {
        return Err(not_found(fields, separated, &listed()));
    };
    if separated {
        let at = fields.iter().position(|field| field == path.as_str());
        let missing = || NoPrompt::of(format!("there is no column `{path}`; there are {}", listed()), true);
        let at = at.ok_or_else(missing)?;
        return Ok(if is_chat { Column::ChatField(at) } else { Column::Field(at) });
    }
    if !fields.iter().any(|field| field == path.first()) && path.step(0) != Some(&Step::All) {
        let reason = format!("there is no field `{}`; there are {}", path.first(), listed());
        return Err(NoPrompt::of(reason, true));
    }
    Ok(if is_chat { Column::Chat(path) } else { Column::Text(path) })
}

/// The likely separator of a file whose header is a single column.
pub(super) fn other_separator(header: &[String]) -> Option<char> {
    let [only] = header else { return None };
    [';', '\t', '|', ','].into_iter().find(|other| only.contains(*other))
}

/// Why no prompt was found. A single name that contains a separator suggests that the file uses another
/// separator than assumed.
fn not_found(fields: &[String], separated: bool, listed: &str) -> NoPrompt {
    if let (Some(other), true) = (other_separator(fields), separated) {
        let reason = format!(
            "its header is one column, {listed}: the fields seem to be separated by `{}`; write the file with commas, or with tabs \
             as .tsv",
            other.escape_default()
        );
        return NoPrompt::of(reason, false);
    }
    NoPrompt::of(format!("no prompt is found; the columns are {listed}"), true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(path: &str) -> Column {
        Column::Text(Path::parse(path))
    }

    #[test]
    fn the_prompt_is_found_by_name_path_or_habit() {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let found = |list: &[&str], named, chat, separated| column(&names(list), named, chat, separated);
        assert_eq!(found(&["a", "text", "question"], None, None, false), Ok(text("question")));
        assert_eq!(found(&["messages"], None, None, false), Ok(Column::Chat(Path::name("messages"))));
        assert_eq!(found(&["meta"], Some("meta.text"), None, false), Ok(text("meta.text")));
        assert_eq!(
            found(&["meta.text"], Some("meta.text"), None, false),
            Ok(Column::Text(Path::name("meta.text")))
        );
        assert_eq!(found(&["a", "prompt"], None, None, true), Ok(Column::Field(1)));
        assert_eq!(found(&["PROMPT"], None, None, false), Ok(text("PROMPT")));
        assert_eq!(found(&["id", " prompt "], None, None, true), Ok(Column::Field(1)));
        assert_eq!(found(&["id", "conversations"], None, None, true), Ok(Column::ChatField(1)));
        assert_eq!(found(&["turns"], Some("turns[-1].text"), None, false), Ok(text("turns[-1].text")));
        assert_eq!(found(&["User Prompt"], Some("user_prompt"), None, true), Ok(Column::Field(0)));
        assert!(found(&["prompt;label"], None, None, true).unwrap_err().reason.contains("separated by `;`"));
        assert!(found(&["a", "b"], None, None, false).unwrap_err().reason.contains("are `a`, `b`"));
        assert!(found(&["a"], Some("b"), None, true).unwrap_err().reason.contains("no column `b`"));
    }
}
