//! Decides who may call a route, and how often.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderName, ORIGIN};

use crate::service::budget::Caller;
use crate::service::connection::connection;
use crate::service::error::{ApiError, ErrorType};
use crate::service::keys::{Key, Keys};
use crate::service::route::{Access, Route};
use crate::service::state::{Reason, State};

/// Where a key may stand too, as gateways send it. It goes before a bearer key, which may be their own client's.
pub(crate) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The header in which a browser says which site a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks the caller's key and how often it calls.
///
/// # Errors
/// 401, 403, 404 or 429.
pub(crate) fn admit(route: &Route, request: &HttpRequest, state: &State) -> Result<Caller, ApiError> {
    let registry = state.registry.load();
    let by_address = request.peer_addr().map_or(Caller::Unknown, |peer| Caller::Address(peer.ip()));
    match (route.access, &registry.keys) {
        (Access::Open, _) => Ok(by_address),
        (Access::Keyed, None) => state.take_address(request.peer_addr()).map(|()| by_address),
        (Access::Keyed, Some(keys)) => take_key(request, keys, state, |key| Ok(key.caller)),
        (Access::Admin, _) if state.admin_address.is_some() => {
            if !connection(request).is_some_and(|connection| connection.is_admin) {
                let message = "the admin routes have an address of their own";
                return Err(ApiError::new(ErrorType::NotFound, message));
            }
            check_site(request).map(|()| by_address)
        }
        (Access::Admin, keys) => admit_admin(request, keys.as_deref(), state),
    }
}

/// Without a key to check, a page in the operator's browser could send admin requests with the operator's
/// access. So requests from browsers are refused.
fn check_site(request: &HttpRequest) -> Result<(), ApiError> {
    let site = request.headers().get(SEC_FETCH_SITE);
    let is_browser = request.headers().contains_key(ORIGIN) || site.is_some_and(|site| site != "none");
    if is_browser {
        let message = "the admin routes take no request of a page in a browser (origin, sec-fetch-site)";
        return Err(ApiError::new(ErrorType::Forbidden, message));
    }
    Ok(())
}

fn admit_admin(request: &HttpRequest, keys: Option<&Keys>, state: &State) -> Result<Caller, ApiError> {
    let Some(keys) = keys.filter(|keys| keys.has_admin()) else {
        return Err(ApiError::new(
            ErrorType::Forbidden,
            "the admin routes need an admin key (`demur key NAME --admin`) or an address of their own \
             (--admin-bind); SIGHUP reloads as well",
        ));
    };
    take_key(request, keys, state, |key| {
        if key.admin {
            return Ok(key.caller);
        }
        Err(ApiError::new(ErrorType::Forbidden, "this key is not an admin's"))
    })
}

/// Finds the key of a request and counts it.
fn take_key<T>(
    request: &HttpRequest,
    keys: &Keys,
    state: &State,
    found: impl FnOnce(&Key) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let unauthorized = |message| ApiError::new(ErrorType::Unauthorized, message);
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let scheme = header(AUTHORIZATION).and_then(|header| header.split_once(' '));
    let bearer = scheme.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some(token) = header(X_API_KEY).or(bearer.map(|(_, token)| token)) else {
        return Err(unauthorized("a key is needed: authorization: Bearer KEY, or x-api-key: KEY"));
    };
    let key = keys.find(token.trim()).ok_or_else(|| unauthorized("the key is not known"))?;
    key.take().map_err(|wait| state.turned_away(ErrorType::RateLimited, Reason::Rate, wait))?;
    tracing::debug!(target: "demur", key = key.name, "admitted");
    found(key)
}

/// Warns at startup when the service is open to others.
pub(crate) fn warn_of_open_address(state: &State) {
    let settings = &state.settings;
    if state.registry.load().keys.is_none() && !settings.address.ip().is_loopback() {
        tracing::warn!(
            target: "demur",
            "{} is reached from other machines and no key is asked for; --keys FILE asks for one, --bind 127.0.0.1 keeps \
             others out",
            settings.address
        );
    }
    if let Some(address) = state.admin_address.filter(|address| !address.ip().is_loopback()) {
        tracing::warn!(
            target: "demur",
            "the admin routes at {address} need no key and are reached from other machines; give --admin-bind an address of \
             this machine alone"
        );
    }
}
