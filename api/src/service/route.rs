//! The paths of the service, each with what it needs of a caller.

use actix_web::http::Method;

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

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Predict,
    Classify,
    Explain,
    Score,
    Models,
    Model,
    Live,
    Ready,
    Metrics,
    Reload,
    OpenApi,
    Docs,
    DocsFile,
    Page,
    Script,
    Style,
    Other,
}

impl Route {
    /// All routes.
    pub(crate) const ALL: [Self; 17] = [
        Self::Predict,
        Self::Classify,
        Self::Explain,
        Self::Score,
        Self::Models,
        Self::Model,
        Self::Live,
        Self::Ready,
        Self::Metrics,
        Self::Reload,
        Self::OpenApi,
        Self::Docs,
        Self::DocsFile,
        Self::Page,
        Self::Script,
        Self::Style,
        Self::Other,
    ];

    /// The path, with its parameter; the name in metrics and logs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Predict => "/v1/predict",
            Self::Classify => "/v1/classify",
            Self::Explain => "/v1/explain",
            Self::Score => "/v1/score",
            Self::Models => "/v1/models",
            Self::Model => "/v1/models/{name}",
            Self::Live => "/health/live",
            Self::Ready => "/health/ready",
            Self::Metrics => "/metrics",
            Self::Reload => "/admin/reload",
            Self::OpenApi => "/openapi.json",
            Self::Docs => "/docs",
            Self::DocsFile => "/docs/{file:.*}",
            Self::Page => "/",
            Self::Script => "/playground.js",
            Self::Style => "/playground.css",
            Self::Other => "other",
        }
    }

    /// Its method; routes to read take HEAD as well.
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Predict | Self::Classify | Self::Explain | Self::Score | Self::Reload => Method::POST,
            _ => Method::GET,
        }
    }

    /// The methods, as the header `allow` lists them.
    pub(crate) fn allow(self) -> &'static str {
        if self.method() == Method::POST { "POST" } else { "GET, HEAD" }
    }

    /// Who may call it.
    pub(crate) const fn access(self) -> Access {
        match self {
            Self::Predict | Self::Classify | Self::Explain | Self::Score | Self::Models | Self::Model => {
                Access::Keyed
            }
            Self::Reload => Access::Admin,
            _ => Access::Open,
        }
    }

    /// Whether a request of it counts against the limit of requests at work.
    pub(crate) const fn is_limited(self) -> bool {
        matches!(self.access(), Access::Keyed)
    }
}
