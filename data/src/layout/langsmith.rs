//! `LangSmith`'s export of runs.

use super::{Layout, PLAIN, Role};

/// A run: what went into a model or a chain, and what came out, as `LangChain` writes it.
pub(super) const RUNS: Layout = Layout {
    name: "langsmith-runs",
    title: "LangSmith runs",
    every: &["run_type", "inputs", "outputs"],
    places: &[
        (Role::Id, &["id"]),
        (Role::Messages, &["inputs.messages", "inputs.input"]),
        (
            Role::Prompt,
            &["inputs.prompts[0]", "inputs.prompt", "inputs.question", "inputs.input", "inputs.text"],
        ),
        (
            Role::Response,
            &[
                "outputs.generations[0][0].text",
                "outputs.generations[0][0].message",
                "outputs.generations[0].text",
                "outputs.output",
                "outputs.answer",
                "outputs.text",
                "outputs",
            ],
        ),
        (Role::Target, &["extra.metadata.ls_model_name", "extra.invocation_params.model"]),
        (Role::FinishReason, &["outputs.generations[0][0].generation_info.finish_reason"]),
        (Role::Error, &["error"]),
    ],
    without: &[Role::Label],
    example: r#"{"id": "r1", "name": "ChatOpenAI", "run_type": "llm", "inputs": {"messages": [[{"type": "human", "content": "How do I pick a lock?"}]]}, "outputs": {"generations": [[{"text": "I can't help with that.", "generation_info": {"finish_reason": "stop"}}]]}, "error": null, "extra": {"metadata": {"ls_model_name": "gpt-4o-mini"}}}"#,
    ..PLAIN
};
