//! The prompt in the body of a request to a language model, as gateways forward it.

use demur_data::conversation;
use serde_json::Value;

/// The prompt of a request body: the last message of the user in a chat, else `prompt` or `input`. `None` where there is
/// none.
pub(crate) fn prompt_of(body: &Value) -> Option<String> {
    let fields = body.as_object()?;
    let chat = ["messages", "contents", "input"].into_iter().find_map(|name| {
        let turns = fields.get(name).filter(|turns| turns.is_array())?;
        conversation::last_of_user(turns).ok()
    });
    let alone = || {
        ["prompt", "input", "inputs"]
            .into_iter()
            .find_map(|name| fields.get(name)?.as_str().map(str::to_owned))
    };
    chat.or_else(alone).filter(|prompt| !prompt.trim().is_empty())
}

/// The model that a request body is for.
pub(crate) fn model_of(body: &Value) -> Option<String> {
    body.get("model")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_prompt_of_every_usual_body_is_found() {
        let chat = json!([{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "p"}]},
            {"role": "assistant", "content": null, "tool_calls": []}, {"role": "tool", "content": "t"}]);
        for body in [
            json!({"messages": chat}),
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": "p"}]}]}),
            json!({"contents": [{"role": "user", "parts": [{"text": "p"}]}]}),
            json!({"prompt": "p"}),
            json!({"input": "p"}),
        ] {
            assert_eq!(prompt_of(&body).as_deref(), Some("p"), "{body}");
        }
        for body in [json!([]), json!({"messages": []}), json!({"messages": 1, "prompt": " "}), json!("p")] {
            assert_eq!(prompt_of(&body), None, "{body}");
        }
    }
}
