//! Where the prompt of a row is: a named column, or one of the usual ones.

use crate::columns::{PROMPT, usual};
use crate::conversation;

/// Where a row's prompt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// A text: the names that lead to it, one for each level.
    Text(Vec<String>),
    /// A chat, whose last user message is the prompt.
    Chat(Vec<String>),
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
            Self::Text(path) | Self::Chat(path) => path.join("."),
            Self::Field(at) | Self::ChatField(at) => format!("column {}", at + 1),
        }
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
) -> Result<Column, String> {
    let listed = || fields.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let path = |name: &str| -> Vec<String> {
        // A field whose own name has a dot goes before a path.
        if fields.iter().any(|field| field == name) {
            vec![name.to_owned()]
        } else {
            name.split('.').map(str::to_owned).collect()
        }
    };
    let names: Vec<&str> = fields.iter().map(String::as_str).collect();
    let named = named.or(chat);
    let prompt = || usual(&names, PROMPT).map(|name| (name, chat.is_some()));
    let found = named.map(|name| (name, chat.is_some()));
    let found = found.or_else(prompt).or_else(|| usual(&names, conversation::USUAL).map(|name| (name, true)));
    let Some((name, is_chat)) = found else {
        return Err(not_found(fields, separated, &listed()));
    };
    if separated {
        let at = fields.iter().position(|field| field == name);
        let at = at.ok_or_else(|| format!("there is no column `{name}`; there are {}", listed()))?;
        return Ok(if is_chat { Column::ChatField(at) } else { Column::Field(at) });
    }
    let path = path(name);
    if !fields.contains(&path[0]) {
        return Err(format!("there is no field `{}`; there are {}", path[0], listed()));
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
fn not_found(fields: &[String], separated: bool, listed: &str) -> String {
    if let (Some(other), true) = (other_separator(fields), separated) {
        return format!(
            "its header is one column, {listed}: the fields seem to be separated by `{}`; write the file with commas, or with tabs \
             as .tsv",
            other.escape_default()
        );
    }
    format!("no prompt is found; name its column with --prompt-column, one of {listed}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(path: &str) -> Column {
        Column::Text(path.split('.').map(str::to_owned).collect())
    }

    #[test]
    fn the_prompt_is_found_by_name_path_or_habit() {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let found = |list: &[&str], named, chat, separated| column(&names(list), named, chat, separated);
        assert_eq!(found(&["a", "text", "question"], None, None, false), Ok(text("question")));
        assert_eq!(found(&["messages"], None, None, false), Ok(Column::Chat(vec!["messages".to_owned()])));
        assert_eq!(found(&["meta"], Some("meta.text"), None, false), Ok(text("meta.text")));
        assert_eq!(
            found(&["meta.text"], Some("meta.text"), None, false),
            Ok(Column::Text(vec!["meta.text".to_owned()]))
        );
        assert_eq!(found(&["a", "prompt"], None, None, true), Ok(Column::Field(1)));
        assert_eq!(found(&["PROMPT"], None, None, false), Ok(text("PROMPT")));
        assert_eq!(found(&["id", " prompt "], None, None, true), Ok(Column::Field(1)));
        assert_eq!(found(&["id", "conversations"], None, None, true), Ok(Column::ChatField(1)));
        assert!(found(&["prompt;label"], None, None, true).unwrap_err().contains("separated by `;`"));
        assert!(found(&["a", "b"], None, None, false).unwrap_err().contains("one of `a`, `b`"));
        assert!(found(&["a"], Some("b"), None, true).unwrap_err().contains("no column `b`"));
    }
}
