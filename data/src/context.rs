//! What a prompt is sent in: the system prompt before it, and whether the target can act.

use serde::{Deserialize, Serialize};

use crate::Input;

/// How a target is used. Agents do what chats refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It can only answer.
    #[default]
    Chat,
    /// It is offered tools, or has called some.
    Agent,
}

impl Mode {
    /// The mode of a target that acts, or does not.
    #[must_use]
    pub const fn of(acts: bool) -> Self {
        if acts { Self::Agent } else { Self::Chat }
    }

    /// The name used in files and requests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Agent => "agent",
        }
    }

    /// Whether this is the default, which files omit.
    #[must_use]
    pub fn is_chat(&self) -> bool {
        *self == Self::Chat
    }
}

/// What a prompt is sent in. The default is nothing: a prompt alone, in a chat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Context {
    /// The system prompt, which is never blank.
    pub system: Option<String>,
    /// Whether the target can act.
    pub mode: Mode,
}

impl Context {
    /// The context of a system prompt, if there is one that is not blank, and a mode.
    #[must_use]
    pub fn new(system: Option<String>, mode: Mode) -> Self {
        Self { system: system.filter(|system| !system.trim().is_empty()), mode }
    }

    /// An input in this context.
    #[must_use]
    pub fn of<'a>(&'a self, input: Input<'a>) -> Input<'a> {
        Input { system: self.system.as_deref(), mode: self.mode, ..input }
    }

    /// What two places say of one request: its system prompts one after the other, and agent if either says
    /// so.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let system = match (self.system, other.system) {
            (Some(first), Some(second)) if first != second => Some(format!("{first}\n\n{second}")),
            (first, second) => first.or(second),
        };
        Self { system, mode: self.mode.max(other.mode) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(text: &str) -> Context {
        Context::new(Some(text.to_owned()), Mode::Chat)
    }

    #[test]
    fn a_blank_system_prompt_is_none() {
        assert_eq!(system(" \n"), Context::default());
    }

    #[test]
    fn what_two_places_say_is_joined_once() {
        let agent = Context::new(None, Mode::Agent);
        let both = system("Be brief.").and(agent).and(system("Be kind."));
        assert_eq!((both.system.as_deref(), both.mode), (Some("Be brief.\n\nBe kind."), Mode::Agent));
        assert_eq!(system("a").and(system("a")), system("a"));
    }
}
