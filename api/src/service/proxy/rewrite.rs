//! Puts another model into a request; every other byte stays.

use serde::Deserialize;
use serde_json::value::RawValue;

/// The one field that is read.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    model: &'a RawValue,
}

/// The body with this model; `None` where it is no object that names one once.
pub(crate) fn with_model(body: &[u8], model: &str) -> Option<Vec<u8>> {
    let Named { model: named } = serde_json::from_slice(body).ok()?;
    let named = named.get();
    // The value is a part of the body, so its place is the distance of their addresses.
    let start = named.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let (before, rest) = body.split_at_checked(start)?;
    let after = rest.get(named.len()..)?;
    let name = serde_json::to_vec(model).ok()?;
    Some([before, &name, after].concat())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_model_changes() {
        let body = " {\"a\" : 1.50,\"model\" : \"x\\u0041\" , \"b\":{\"model\":\"in\"}}\n";
        let found = String::from_utf8(with_model(body.as_bytes(), "y\"z").unwrap()).unwrap();
        assert_eq!(found, " {\"a\" : 1.50,\"model\" : \"y\\\"z\" , \"b\":{\"model\":\"in\"}}\n");
        for none in ["{}", "[]", "{\"model\": \"a\", \"model\": \"b\"}", "{\"model\": \"a\"", ""] {
            assert_eq!(with_model(none.as_bytes(), "y"), None, "{none}");
        }
    }
}
