//! The one table of the service's routes: path, method, access, handler, and `OpenAPI` operation.
//!
//! Routing, admission, metrics labels and the `OpenAPI` document loop over it. A route that models answer
//! names its endpoint, and each `match` on endpoints is exhaustive. So a new endpoint cannot be forgotten or
//! handled as another one.

use actix_web::http::Method;

use crate::service::operations::{self, Operation};
use crate::service::page;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anyone: probes, documents, the page.
    Open,
    /// Whoever has a key, where keys are asked for.
    Keyed,
    /// Whoever has an admin key, or reaches the admin address.
    Admin,
}

/// The endpoints that the models answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Predict,
    Classify,
    Explain,
    Score,
}

impl Endpoint {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 4] = [Self::Predict, Self::Classify, Self::Explain, Self::Score];

    /// Whether even a small body may need much work, which then runs outside the workers.
    pub(crate) const fn is_heavy(self) -> bool {
        match self {
            Self::Predict | Self::Classify => false,
            Self::Explain | Self::Score => true,
        }
    }
}

/// The handler of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    ByModels(Endpoint),
    Models,
    Model,
    Live,
    Ready,
    Metrics,
    Reload,
    Document,
    /// The page that shows the document; it names its files relative to its folder.
    Docs,
    DocsFile,
    /// A file of the playground: its media type and content.
    Page(&'static str, &'static str),
    /// A further script of the playground, by the name in the path.
    Script,
    /// The path has no route.
    NoSuchPath,
}

/// The method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// GET, and HEAD as well.
    Get,
    Post,
}

/// A route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    /// The path, with its parameter; the name in metrics and logs.
    pub(crate) path: &'static str,
    /// Its method.
    pub(crate) verb: Verb,
    /// Who may call it.
    pub(crate) access: Access,
    /// What handles it.
    pub(crate) handler: Handler,
    /// Its `OpenAPI` operation; files of pages have none.
    pub(crate) operation: Option<&'static Operation>,
}

impl Route {
    const fn get(path: &'static str, access: Access, handler: Handler) -> Self {
        Self { path, verb: Verb::Get, access, handler, operation: None }
    }

    const fn post(path: &'static str, access: Access, handler: Handler) -> Self {
        Self { path, verb: Verb::Post, access, handler, operation: None }
    }

    const fn documented(self, operation: &'static Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Whether the path accepts this method.
    pub(crate) fn takes(&self, method: &Method) -> bool {
        match self.verb {
            Verb::Get => method == Method::GET || method == Method::HEAD,
            Verb::Post => method == Method::POST,
        }
    }

    /// The methods, as the header `allow` lists them.
    pub(crate) const fn allow(&self) -> &'static str {
        match self.verb {
            Verb::Get => "GET, HEAD",
            Verb::Post => "POST",
        }
    }
}

/// All routes with a path of their own; the last entry handles every other path.
pub(crate) static ROUTES: [Route; 18] = {
    use Access::{Admin, Keyed, Open};
    use Handler as H;
    [
        Route::post("/v1/predict", Keyed, H::ByModels(Endpoint::Predict)).documented(&operations::PREDICT),
        Route::post("/v1/classify", Keyed, H::ByModels(Endpoint::Classify)).documented(&operations::CLASSIFY),
        Route::post("/v1/explain", Keyed, H::ByModels(Endpoint::Explain)).documented(&operations::EXPLAIN),
        Route::post("/v1/score", Keyed, H::ByModels(Endpoint::Score)).documented(&operations::SCORE),
        Route::get("/v1/models", Keyed, H::Models).documented(&operations::MODELS),
        Route::get("/v1/models/{name}", Keyed, H::Model).documented(&operations::MODEL),
        Route::get("/health/live", Open, H::Live).documented(&operations::LIVE),
        Route::get("/health/ready", Open, H::Ready).documented(&operations::READY),
        Route::get("/metrics", Open, H::Metrics).documented(&operations::METRICS),
        Route::post("/admin/reload", Admin, H::Reload).documented(&operations::RELOAD),
        Route::get(OPENAPI, Open, H::Document),
        Route::get("/docs", Open, H::Docs),
        Route::get("/docs/{file:.*}", Open, H::DocsFile),
        Route::get("/", Open, H::Page("text/html; charset=utf-8", page::HTML)),
        Route::get("/playground.js", Open, H::Page("text/javascript; charset=utf-8", page::SCRIPT)),
        Route::get("/playground/{file}", Open, H::Script),
        Route::get("/playground.css", Open, H::Page("text/css; charset=utf-8", page::STYLE)),
        Route::get("other", Open, H::NoSuchPath),
    ]
};

/// The path of the `OpenAPI` document.
pub(crate) const OPENAPI: &str = "/openapi.json";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_has_one_route_and_every_route_of_the_api_its_operation() {
        for endpoint in Endpoint::ALL {
            let of = ROUTES.iter().filter(|route| route.handler == Handler::ByModels(endpoint));
            assert_eq!(of.count(), 1, "{endpoint:?}");
        }
        for route in &ROUTES {
            let is_api = route.path.starts_with("/v1/") || route.access == Access::Admin;
            assert!(!is_api || route.operation.is_some(), "{} is not in the document", route.path);
            let same = ROUTES.iter().filter(|other| other.path == route.path);
            assert_eq!(same.count(), 1, "{} is there twice", route.path);
        }
        assert_eq!(ROUTES.last().unwrap().handler, Handler::NoSuchPath);
        let mut ids: Vec<_> = ROUTES.iter().filter_map(|route| Some(route.operation?.id)).collect();
        let documented = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), documented, "an operation is documented twice");
    }
}
