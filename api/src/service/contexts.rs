//! What a request says of what its prompt is sent in, and what of it the model does not read or know.

use demur_data::conversation::{self, is_system};
use demur_data::{Context, Mode};
use demur_predictor::Model;
use serde_json::{Map, Value};

use crate::engine::contexts::{not_known, not_read};
use crate::service::bodies::Message;

/// A tool that a target is offered, in any provider's form.
pub(crate) type Tool = Map<String, Value>;

/// What a request says beside its prompts.
pub(crate) struct Beside<'r> {
    fields: Context,
    messages: &'r [Message],
    /// The message that is judged.
    judged: Option<usize>,
    sent_in: Context,
}

impl<'r> Beside<'r> {
    /// Of the fields of a request, and its chat.
    pub(crate) fn of(
        system: Option<&str>,
        tools: Option<&[Tool]>,
        messages: Option<&'r [Message]>,
        within: &Context,
    ) -> Self {
        let messages = messages.unwrap_or_default();
        let mode = Mode::of(tools.is_some_and(|tools| !tools.is_empty()));
        let fields = Context::new(system.map(str::to_owned), mode).and(within.clone());
        let judged = conversation::last_user(messages, |message| (&message.role, &message.content));
        let chat = conversation::sent_in(messages, judged, |message| {
            (&message.role, &message.content, message.acts)
        });
        let sent_in = fields.clone().and(chat);
        Self { fields, messages, judged, sent_in }
    }

    /// What the prompts are sent in.
    pub(crate) const fn sent_in(&self) -> &Context {
        &self.sent_in
    }

    /// The parts of the request that a model does not read. Of a chat it reads the system prompt at most.
    pub(crate) fn not_judged(&self, model: &Model) -> Vec<&'static str> {
        let mut parts = not_read(model, &self.fields);
        let is_read = |(at, message): (usize, &Message)| {
            Some(at) == self.judged || (is_system(&message.role) && model.reads_system())
        };
        if !self.messages.iter().enumerate().all(is_read) {
            parts.push("messages before the last of the user");
        }
        parts
    }

    /// What a model does not know of it, in sentences.
    pub(crate) fn not_known(&self, model: &Model) -> Vec<String> {
        not_known(model, &self.sent_in).map(str::to_owned).into_iter().collect()
    }
}
