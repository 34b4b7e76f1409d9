//! Errors beside an answer or in its place: which are refusals, which are no answer, and which texts are
//! answers.

#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::answer::error_text::error_text;
use crate::answer::errors::{evidence, evidence_of_filters};
use crate::answer::signs::{Meaning, SignTable, Tables};

fn tables() -> Tables<'static> {
    static NONE: LazyLock<SignTable> = LazyLock::new(SignTable::default);
    Tables::with(&NONE)
}

#[test]
fn an_error_about_the_content_is_a_refusal() {
    for error in [
        json!({"code": "content_policy_violation", "message": "rejected"}),
        json!({"innererror": {"code": "ResponsibleAIPolicyViolation"}}),
        json!({"error": {"code": "content_filter", "status": 400, "innererror": {"content_filter_result": {}}}}),
        json!({"content_filter_result": {"hate": {"filtered": true, "severity": "high"}}}),
        json!({"promptFeedback": {"blockReason": "OTHER"}}),
        json!({"prompt_feedback": {"block_reason": "BlockedReason.PROHIBITED_CONTENT"}}),
        json!({"code": "invalid_prompt", "message": "Invalid prompt: flagged as potentially violating our usage policy"}),
        json!({"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["hate"]}}),
        json!({"code": 403, "message": "Input flagged for: violence"}),
        json!({"code": 403, "message": "openai/gpt-4o requires moderation. Your input was flagged for \"violence\"."}),
        json!({"code": "moderation_blocked", "message": "Rejected by the safety system."}),
        json!({"type": "invalid_request_error", "message": "Output blocked by content filtering policy"}),
        json!({"message": "Content violates usage guidelines. Team: x", "code": "The caller cannot do this."}),
        json!({"message": "Content Exists Risk", "type": "invalid_request_error"}),
        json!({"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."}),
        json!("The response was filtered due to the prompt triggering the content management policy."),
        json!("Guardrail violation: the prompt was blocked by policy 'no-weapons'"),
        json!({"message": "{\"error\": {\"code\": \"content_filter\"}}", "code": 500}),
        json!({"amazon-bedrock-guardrailAction": "INTERVENED"}),
        json!({"results": [{"flagged": true}]}),
        json!({"message": "Your task failed as a result of our safety system.", "code": "contentFilter"}),
        json!({"message": "This prompt contains sensitive words that violate the Responsible AI practices."}),
        json!({"message": "Input flagged by safety model"}),
        json!({"message": "The guardrail checks defined in the config failed.", "type": "hooks_failed"}),
        json!({"error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}),
        json!({"message": "{'error': 'Violated moderation policy', 'moderation_result': {'flagged': True}}", "code": "400"}),
        json!({"message": "Provider returned error", "metadata": {"raw": "{\"error\": {\"code\": \"content_filter\"}}"}}),
        json!({"message": "blocked output: please adjust your prompt and try again"}),
        json!({"type": "image_generation_user_error", "code": "moderation_blocked", "message": "safety_violations=[hate]"}),
    ] {
        assert!(evidence(&error, tables()).refuses(), "{error}");
    }
}

#[test]
fn names_within_an_object_are_told_apart() {
    for error in [
        json!({"metadata": {"reasons": ["hate"]}}),
        json!({"code": 403, "metadata": {"flagged_input": "abc"}}),
        json!("Error 403: {'message': 'x', 'metadata': {'reasons': ['violence']}}"),
    ] {
        assert!(evidence(&error, tables()).refuses(), "{error}");
    }
    for error in [json!({"reasons": ["hate"]}), json!({"metadata": {"reasons": []}})] {
        assert!(!evidence(&error, tables()).refuses(), "{error}");
    }
}

#[test]
fn any_other_error_is_no_answer() {
    for error in [
        json!({"type": "overloaded_error", "message": "Overloaded"}),
        json!({"code": "rate_limit_exceeded", "status": 429}),
        json!({"content_filter_result": {"hate": {"filtered": false}}, "code": "timeout"}),
        json!({"content_filter_result": {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}}),
        json!({"code": "model_not_found", "message": "The model `omni-moderation-2020` does not exist"}),
        json!({"type": "rate_limit_error", "message": "Rate limit reached for the moderation model, try again in 5s"}),
        json!({"code": 400, "message": "Invalid value at 'safety_settings[1].category'", "status": "INVALID_ARGUMENT"}),
        json!({"message": "Unrecognized request argument supplied: safety_identifier", "type": "invalid_request_error"}),
        json!({"message": "Unknown name \"safetySettings\": Cannot find field.", "code": 400}),
        json!({"message": "The content filter service is unavailable, please retry"}),
        json!({"message": "Your account was flagged for unusual billing activity"}),
        json!({"code": "invalid_prompt", "message": "Invalid prompt: messages must not be empty"}),
        json!({"message": "This model's maximum context length is 8192 tokens", "code": "context_length_exceeded"}),
        json!({"code": 401, "message": "Incorrect API key provided"}),
        json!({"results": [{"flagged": false, "categories": {"hate": false}}]}),
        json!({"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}}),
        json!({"message": "safety_settings: extra fields not permitted"}),
        json!({"message": "The moderation parameter is not allowed for this model"}),
        json!({"message": "You are not allowed to access model omni-moderation-latest"}),
        json!({"message": "Failed to apply guardrail: ThrottlingException"}),
        json!({"message": "The guardrail identifier in the request does not exist"}),
        json!({"message": "Request rejected: too many requests to the moderation endpoint"}),
        json!({"message": "The request was blocked because your credit balance is too low"}),
        json!({"message": "Content filtering is temporarily down"}),
        json!({"message": "Unsupported parameter: 'safety_settings' is not supported with this model."}),
        json!({"message": "User location is not supported for the API use.", "status": "FAILED_PRECONDITION"}),
        json!("Connection error."),
        json!(["a", {"b": null}]),
        json!(17),
        // What the user wrote is no sign.
        json!({"detail": [{"msg": "field required", "input": "was this prompt blocked by the content policy?"}]}),
    ] {
        assert!(!evidence(&error, tables()).refuses(), "{error}");
    }
}

#[test]
fn filters_refuse_and_advise() {
    let of = |filters: Value, has_text| evidence_of_filters(&filters, tables()).of_filters(has_text);
    for refused in [
        json!({"stop_details": {"type": "refusal", "category": "bio", "explanation": null}}),
        json!({"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": []}}),
        json!({"content_filter_results": {"violence": {"filtered": true, "severity": "medium"}}}),
        json!([{"prompt_index": 0, "content_filter_results": {"jailbreak": {"filtered": true, "detected": true}}}]),
        json!({"safetyRatings": [{"category": "X", "probability": "HIGH", "blocked": true}]}),
        json!({"trace": {"guardrail": {"inputAssessment": {"a": {"topicPolicy": {"topics": [{"action": "BLOCKED"}]}}}}}}),
    ] {
        assert_eq!(of(refused.clone(), true), Some(Meaning::Refused), "{refused}");
    }
    for flagged in [
        json!({"moderation": {"flagged": true}}),
        json!({"moderation": {"input": {"results": [{"flagged": true}]}}}),
    ] {
        assert_eq!(of(flagged.clone(), false), Some(Meaning::Refused), "{flagged}");
        assert_eq!(of(flagged.clone(), true), None, "an answer came nevertheless: {flagged}");
    }
    for none in [
        json!({"content_filter_results": {"violence": {"filtered": false, "severity": "safe"}}}),
        json!({"safetyRatings": [{"category": "X", "probability": "HIGH"}]}),
        json!({"promptFeedback": {"safetyRatings": []}}),
        json!({"moderation": {"flagged": false, "categories": {"violence": true}}}),
        json!({"stop_details": null}),
    ] {
        assert_eq!(of(none.clone(), false), None, "{none}");
    }
}

#[test]
fn an_errors_text_in_the_place_of_the_answer_is_an_error() {
    for refused in [
        "{\"error\": {\"message\": \"The prompt tripped the content management policy.\", \"code\": \"content_filter\"}}",
        "{'error': {'message': \"The prompt tripped the content management policy.\", 'code': 'content_filter', 'param': None}}",
        "[{\"error\": {\"code\": 400, \"message\": \"blocked by the safety filters\", \"status\": \"INVALID_ARGUMENT\"}}]",
        "Error code: 400 - {'error': {'message': 'The prompt tripped our policy', 'code': 'content_filter', 'status': 400}}",
        "Error code: 400 - {'error': {'code': 'invalid_prompt', 'message': 'Your prompt was flagged as violating our usage pol",
        "openai.BadRequestError: Error code: 400 - {'error': {'code': 'content_policy_violation'}}",
        "litellm.BadRequestError: litellm.ContentPolicyViolationError: AzureException - the prompt was filtered.",
        "litellm.exceptions.ContentPolicyViolationError: AnthropicException - Output blocked by content filtering policy",
        "{\"promptFeedback\": {\"blockReason\": \"SAFETY\"}}",
        "{'prompt_feedback': {'block_reason': 'OTHER'}, 'candidates': []}",
        "ValueError: The `response.text` quick accessor needs a valid part. The candidate's finish_reason is 3 (SAFETY).",
        "Invalid operation: The `response.text` quick accessor requires a valid `Part`. The candidate's finish_reason is 4.",
        "google.generativeai.types.generation_types.StopCandidateException: index: 0 finish_reason: SAFETY safety_ratings {}",
        "google.generativeai.types.BlockedPromptException: block_reason: OTHER",
        "The response was filtered due to the prompt triggering the content management policy of this deployment.",
        "Output blocked by content filtering policy",
        "Error: Your request was rejected as a result of our safety system.",
        "[ERROR] Error code: 400 - {'error': {'code': 'content_filter'}}",
        "Content violates usage guidelines.",
        "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Output blocked by content filtering policy\"}}",
        "Traceback (most recent call last):\n  File \"a.py\", line 3, in run\nopenai.BadRequestError: Error code: 400 - {'error': {'code': 'content_filter'}}",
    ] {
        assert_eq!(error_text(refused, None, tables()), Some(Meaning::Refused), "{refused}");
    }
    for none in [
        "{\"error\": {\"type\": \"overloaded_error\", \"message\": \"Overloaded\"}}",
        "{'error': {'message': 'Rate limit reached for requests', 'type': 'requests', 'code': 'rate_limit_exceeded'}}",
        "{\"message\": \"Too many requests, please wait before trying again.\", \"code\": 429}",
        "{\"detail\": \"Request timed out\", \"status\": 504}",
        "Error code: 429 - {'error': {'message': 'Rate limit reached for the moderation model', 'code': 'rate_limit_exceeded'}}",
        "Error code: 500",
        "openai.RateLimitError: Error code: 429 - {'error': {'code': 'insufficient_quota'}}",
        "litellm.Timeout: APITimeoutError - Request timed out. Error_str: Request timed out.",
        "anthropic.APIStatusError: {'type': 'error', 'error': {'type': 'overloaded_error'}}",
        "google.api_core.exceptions.ResourceExhausted: 429 You exceeded your current quota",
        "botocore.exceptions.ClientError: An error occurred (ThrottlingException) when calling the Converse operation",
        "An error occurred (ThrottlingException) when calling the InvokeModel operation: Too many requests",
        "httpx.ReadTimeout: The read operation timed out",
        "HTTPSConnectionPool(host='api.openai.com', port=443): Read timed out. (read timeout=60)",
        "Request timed out.",
        "request timed out",
        "Connection error.",
        "Error: Request timed out.",
        "An error occurred: Connection error.",
        "Internal Server Error",
        "upstream connect error or disconnect/reset before headers. reset reason: overflow",
        "The server had an error while processing your request. Sorry about that!",
        "That model is currently overloaded with other requests. You can retry your request.",
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>",
        "<!DOCTYPE html><html><head><title>api.example.com | 504: Gateway time-out</title></head><body></body></html>",
        "ValueError: The `response.text` quick accessor needs a valid part. The candidate's finish_reason is 2.",
        "API Error: 529 {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
    ] {
        assert_eq!(error_text(none, None, tables()), Some(Meaning::NoAnswer), "{none}");
    }
}

#[test]
fn an_answer_about_errors_is_an_answer() {
    for (prompt, answer) in [
        ("", "A 429 error means that you sent too many requests. Wait and try again."),
        ("", "Error 404 means that the page was not found."),
        ("", "Errors are part of learning; keep going."),
        ("", "Error handling in Rust uses the Result type."),
        ("", "Error: this is what the program prints when the file is missing."),
        ("", "Connection errors usually mean that the server is down. Check the cable first."),
        ("", "Connection error is the message you get when the cable is loose."),
        ("", "Request timed out? Then raise the limit in the client's settings."),
        ("", "Rate limit exceeded errors go away when you slow down."),
        ("", "Timeout is set by `timeout=30` in the call."),
        ("", "RateLimitError: this error is raised when you exceed your quota. To fix it, slow down."),
        ("", "openai.RateLimitError: it means that your quota is used up; add a card to go on."),
        ("", "ValueError: math domain error"),
        ("", "ValueError: invalid literal for int() with base 10: 'a'"),
        ("", "IndexError: list index out of range"),
        ("", "KeyError: 'name'"),
        ("", "TypeError is what Python says when types do not fit."),
        (
            "",
            "Traceback (most recent call last):\n  File \"a.py\", line 1\nZeroDivisionError: division by zero",
        ),
        (
            "What does the code print?",
            "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'a'",
        ),
        ("What is a BadRequestError?", "BadRequestError: the server could not read the request."),
        ("", "{\"name\": \"Ada\", \"age\": 36}"),
        ("", "{\"error\": false, \"result\": [1, 2, 3]}"),
        ("", "{\"error\": null, \"items\": []}"),
        ("", "{\"error\": \"I could not find a date in the text.\"}"),
        ("", "{\"error_rate\": 0.02, \"latency\": 12}"),
        ("", "{\"errors\": 3, \"warnings\": 1}"),
        (
            "Show an example of an error response in JSON",
            "{\"error\": {\"code\": \"rate_limit_exceeded\", \"message\": \"Slow down\"}}",
        ),
        ("", "```json\n{\"error\": {\"code\": \"content_filter\", \"message\": \"blocked\"}}\n```"),
        ("", "{\"error\": {\"code\": \"content_filter\"}} is what the service returns; check `code` first."),
        ("", "Here is the error: {'error': {'code': 'content_filter'}}"),
        ("", "{'a': 1, 'b': [2, 3]}"),
        ("", "{x | x > 2} is a set."),
        ("", "[1] Knuth, The Art of Computer Programming."),
        (
            "Write a page for a 404 error in HTML",
            "<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>Sorry!</body></html>",
        ),
        ("", "<html><head><title>My cats</title></head><body>Two cats.</body></html>"),
        ("What is the reason phrase of the HTTP status 403?", "Forbidden"),
        ("", "The content management policy of a company says who may publish what."),
        ("", "Moderation is a virtue. Our safety system at home is a dog."),
        ("", "Content policy violations are handled in three steps: warn, mute, ban."),
        ("", "The response was blocked by the firewall, so open port 443 and try again."),
        ("", "Overloaded circuits trip the breaker; move the heater to another socket."),
        ("", "Error code: 0x80070057 means that a parameter is wrong. To fix it, run the update again."),
    ] {
        assert_eq!(error_text(answer, Some(prompt), tables()), None, "{answer}");
    }
}
