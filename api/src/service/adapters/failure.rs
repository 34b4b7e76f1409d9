//! What a failed request is answered with, in the form that each shape's clients read. The statuses and headers are
//! those of every route.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::service::error::{ApiError, ErrorBody, ErrorType};

/// The form of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureForm {
    /// The service's own.
    Own,
    /// `OpenAI`'s, and vLLM's.
    OpenAi,
    /// That of Text Embeddings Inference.
    Tei,
    /// `KServe`'s, in both of its protocols: one text.
    Text,
    /// `MLflow`'s.
    Mlflow,
    /// That of the FMS detectors.
    Fms,
}

/// A failure as `OpenAI` and vLLM describe it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenAiFailure<'a> {
    error: OpenAiError<'a>,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
struct OpenAiError<'a> {
    /// For people.
    message: &'a str,
    /// `invalid_request_error`, `authentication_error`, `rate_limit_error` or `server_error`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The field of the body that is wrong, where it is one.
    param: Option<&'a str>,
    /// The service's own name of the failure.
    code: ErrorType,
}

/// A failure as Text Embeddings Inference describes it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TeiFailure<'a> {
    /// For people.
    error: &'a str,
    /// `Validation`, `Overloaded`, `Unhealthy` or `Backend`.
    error_type: &'static str,
}

/// A failure as `KServe` and Triton describe it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TextFailure<'a> {
    /// For people.
    error: &'a str,
}

/// A failure as `MLflow` describes it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MlflowFailure<'a> {
    /// One of `MLflow`'s names of failures.
    error_code: &'static str,
    /// For people.
    message: &'a str,
}

/// A failure as the FMS detectors describe it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FmsFailure<'a> {
    /// The status.
    code: u16,
    /// For people.
    message: &'a str,
}

impl FailureForm {
    /// The name of its schema.
    pub(crate) const fn schema(self) -> &'static str {
        match self {
            Self::Own => "ErrorBody",
            Self::OpenAi => "OpenAiFailure",
            Self::Tei => "TeiFailure",
            Self::Text => "TextFailure",
            Self::Mlflow => "MlflowFailure",
            Self::Fms => "FmsFailure",
        }
    }

    /// The body that describes a failure.
    pub(crate) fn body(self, error: &ApiError, request_id: &str) -> Value {
        // Only `ErrorBody` has a place for the field; the others have it in their message.
        let with_field = match (&error.field, self) {
            (Some(field), Self::Tei | Self::Text | Self::Mlflow | Self::Fms) => {
                format!("{field}: {}", error.message)
            }
            _ => error.message.clone().into_owned(),
        };
        let message = with_field.as_str();
        let body = match self {
            Self::Own => serde_json::to_value(ErrorBody::of(error, request_id)),
            Self::OpenAi => {
                let (param, code) = (error.field.as_deref(), error.kind);
                let error = OpenAiError { message, kind: open_ai_type(code), param, code };
                serde_json::to_value(OpenAiFailure { error })
            }
            Self::Tei => {
                serde_json::to_value(TeiFailure { error: message, error_type: tei_type(error.kind) })
            }
            Self::Text => serde_json::to_value(TextFailure { error: message }),
            Self::Mlflow => {
                serde_json::to_value(MlflowFailure { error_code: mlflow_code(error.kind), message })
            }
            Self::Fms => serde_json::to_value(FmsFailure { code: error.kind.status().as_u16(), message }),
        };
        // Structs of texts and numbers always become JSON.
        body.unwrap_or_default()
    }
}

const fn open_ai_type(kind: ErrorType) -> &'static str {
    match kind {
        ErrorType::Unauthorized | ErrorType::Forbidden => "authentication_error",
        ErrorType::Overloaded | ErrorType::RateLimited => "rate_limit_error",
        ErrorType::Internal | ErrorType::NotReady | ErrorType::ReloadFailed | ErrorType::UpstreamFailed => {
            "server_error"
        }
        ErrorType::MalformedJson
        | ErrorType::NotFound
        | ErrorType::MethodNotAllowed
        | ErrorType::RequestTimeout
        | ErrorType::BodyTooLarge
        | ErrorType::UnsupportedMediaType
        | ErrorType::InvalidRequest => "invalid_request_error",
    }
}

const fn tei_type(kind: ErrorType) -> &'static str {
    match kind {
        ErrorType::Overloaded | ErrorType::RateLimited => "Overloaded",
        ErrorType::NotReady => "Unhealthy",
        ErrorType::Internal | ErrorType::ReloadFailed | ErrorType::UpstreamFailed => "Backend",
        ErrorType::MalformedJson
        | ErrorType::Unauthorized
        | ErrorType::Forbidden
        | ErrorType::NotFound
        | ErrorType::MethodNotAllowed
        | ErrorType::RequestTimeout
        | ErrorType::BodyTooLarge
        | ErrorType::UnsupportedMediaType
        | ErrorType::InvalidRequest => "Validation",
    }
}

const fn mlflow_code(kind: ErrorType) -> &'static str {
    match kind {
        ErrorType::Unauthorized => "UNAUTHENTICATED",
        ErrorType::Forbidden => "PERMISSION_DENIED",
        ErrorType::NotFound => "NOT_FOUND",
        ErrorType::Overloaded | ErrorType::RateLimited => "REQUEST_LIMIT_EXCEEDED",
        ErrorType::NotReady | ErrorType::UpstreamFailed => "TEMPORARILY_UNAVAILABLE",
        ErrorType::Internal | ErrorType::ReloadFailed => "INTERNAL_ERROR",
        ErrorType::InvalidRequest => "INVALID_PARAMETER_VALUE",
        ErrorType::MalformedJson
        | ErrorType::MethodNotAllowed
        | ErrorType::RequestTimeout
        | ErrorType::BodyTooLarge
        | ErrorType::UnsupportedMediaType => "BAD_REQUEST",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failure_has_the_form_that_its_clients_read() {
        let error = ApiError::invalid("input[1]", "the text is empty");
        let body = |form: FailureForm| form.body(&error, "1");
        assert_eq!(body(FailureForm::Own)["error"]["request_id"], "1");
        assert_eq!(
            body(FailureForm::OpenAi)["error"],
            json!({"message": "the text is empty", "type": "invalid_request_error", "param": "input[1]", "code": "invalid_request"})
        );
        let text = "input[1]: the text is empty";
        assert_eq!(body(FailureForm::Tei), json!({"error": text, "error_type": "Validation"}));
        assert_eq!(body(FailureForm::Text), json!({"error": text}));
        assert_eq!(
            body(FailureForm::Mlflow),
            json!({"error_code": "INVALID_PARAMETER_VALUE", "message": text})
        );
        assert_eq!(body(FailureForm::Fms), json!({"code": 422, "message": text}));
    }
}
