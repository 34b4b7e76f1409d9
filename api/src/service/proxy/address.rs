//! The address of an API: of the upstream or of a fallback.

use actix_web::http::Uri;

use crate::engine::Usage;

/// Checks the address of an API.
///
/// # Errors
/// When it is not one of HTTP.
pub(crate) fn address(flag: &str, text: &str) -> Result<String, Usage> {
    let uri = text.parse::<Uri>().ok();
    let is_http = uri.as_ref().is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some()
            && uri.query().is_none()
    });
    if !is_http {
        let must = "it must be an address of HTTP without a query, such as https://api.openai.com";
        return Err(Usage(format!("{flag} {text}: {must}")));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_an_address_of_http() {
        assert_eq!(address("--upstream", "https://a.example/v/").unwrap(), "https://a.example/v");
        for wrong in ["a.example", "ftp://a.example", "/v1", "http://a.example?x=1", "http://a b"] {
            assert!(address("--upstream", wrong).unwrap_err().0.contains("--upstream"), "{wrong}");
        }
    }
}
