//! The one table of the service's routes: path, method, access, handler, and `OpenAPI` operation.
//!
//! Routing, admission, metrics labels and the `OpenAPI` document loop over it. A route that models answer
//! names its endpoint, and each `match` on endpoints is exhaustive. So a new endpoint cannot be forgotten or
//! handled as another one.

use actix_web::http::Method;

use crate::service::adapters::failure::FailureForm;
use crate::service::adapters::name::{Adapter, Probe};
use crate::service::adapters::operations as adapted;
use crate::service::operations::{self, Operation};
use crate::service::page;
use crate::service::settings::Settings;

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
    Route,
    Feedback,
    /// Predicts or classifies in the shape of another API.
    Adapted(Adapter),
}

impl Endpoint {
    /// All of them.
    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let own = [Self::Predict, Self::Classify, Self::Explain, Self::Score, Self::Route, Self::Feedback];
        own.into_iter().chain(Adapter::ALL.map(Self::Adapted))
    }

    /// Whether even a small body may need much work, which then runs outside the workers.
    pub(crate) const fn is_heavy(self) -> bool {
        match self {
            Self::Predict | Self::Classify | Self::Route | Self::Feedback | Self::Adapted(_) => false,
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
    /// What another protocol asks about the server and its models.
    Probe(Probe),
    /// Goes to the upstream of a proxy; whether its prompt is predicted before.
    Forward {
        judged: bool,
    },
    /// The path has no route.
    NoSuchPath,
}

/// Which of the two services has a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// `demur serve`.
    Serve,
    /// `demur proxy`.
    Proxy,
    /// Both.
    Both,
}

/// The method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// GET, and HEAD as well.
    Get,
    Post,
    /// Every method.
    Any,
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
    /// The adapters that it belongs to, any of which switches it on; empty for the service's own.
    pub(crate) adapters: &'static [Adapter],
    /// The form of its failures.
    pub(crate) failure: FailureForm,
    /// Which service has it.
    pub(crate) side: Side,
}

impl Route {
    const fn get(path: &'static str, access: Access, handler: Handler) -> Self {
        Self { verb: Verb::Get, ..Self::post(path, access, handler) }
    }

    const fn post(path: &'static str, access: Access, handler: Handler) -> Self {
        let (operation, adapters, failure) = (None, &[] as &[Adapter], FailureForm::Own);
        let side = Side::Serve;
        Self { path, verb: Verb::Post, access, handler, operation, adapters, failure, side }
    }

    const fn documented(self, operation: &'static Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// A route at which models answer in the shape of another API.
    const fn adapted(path: &'static str, adapters: &'static [Adapter; 1], failure: FailureForm) -> Self {
        let handler = Handler::ByModels(Endpoint::Adapted(adapters[0]));
        Self { adapters, failure, ..Self::post(path, Access::Keyed, handler) }
    }

    /// A route of the proxy.
    const fn forwarded(path: &'static str, verb: Verb, judged: bool) -> Self {
        let own = Self::post(path, Access::Keyed, Handler::Forward { judged });
        Self { verb, failure: FailureForm::OpenAi, side: Side::Proxy, ..own }
    }

    /// A route of both services.
    const fn of_both(self) -> Self {
        Self { side: Side::Both, ..self }
    }

    /// Whether it handles every path that has no route of its own.
    pub(crate) const fn is_rest(&self) -> bool {
        matches!(self.handler, Handler::NoSuchPath | Handler::Forward { judged: false })
    }

    /// Whether a service with these settings has it.
    pub(crate) fn is_on(&self, settings: &Settings) -> bool {
        let side = if settings.proxy.is_some() { Side::Proxy } else { Side::Serve };
        let has_store = settings.feedback_store.is_some();
        (self.side == side || self.side == Side::Both)
            && settings.adapters.have(self.adapters)
            && (has_store || self.handler != Handler::ByModels(Endpoint::Feedback))
    }

    const fn of(self, adapters: &'static [Adapter], failure: FailureForm) -> Self {
        Self { adapters, failure, ..self }
    }

    /// Whether the path accepts this method.
    pub(crate) fn takes(&self, method: &Method) -> bool {
        match self.verb {
            Verb::Get => method == Method::GET || method == Method::HEAD,
            Verb::Post => method == Method::POST,
            Verb::Any => true,
        }
    }

    /// The methods, as the header `allow` lists them.
    pub(crate) const fn allow(&self) -> &'static str {
        match self.verb {
            Verb::Get => "GET, HEAD",
            Verb::Post => "POST",
            // Nothing is refused for its method.
            Verb::Any => "*",
        }
    }
}

/// All routes with a path of their own; the last entries handle every other path, of a proxy and of the service.
pub(crate) static ROUTES: [Route; 48] = {
    use Access::{Admin, Keyed, Open};
    use Adapter as A;
    use FailureForm as F;
    use Handler as H;
    [
        Route::post("/v1/predict", Keyed, H::ByModels(Endpoint::Predict)).documented(&operations::PREDICT),
        Route::post("/v1/classify", Keyed, H::ByModels(Endpoint::Classify)).documented(&operations::CLASSIFY),
        Route::post("/v1/explain", Keyed, H::ByModels(Endpoint::Explain)).documented(&operations::EXPLAIN),
        Route::post("/v1/score", Keyed, H::ByModels(Endpoint::Score)).documented(&operations::SCORE),
        Route::post("/v1/route", Keyed, H::ByModels(Endpoint::Route)).documented(&operations::ROUTE),
        Route::post("/v1/feedback", Keyed, H::ByModels(Endpoint::Feedback)).documented(&operations::FEEDBACK),
        // Before the route that takes any name of a model.
        Route::adapted("/v1/models/{name}:predict", &[A::Kserve], F::Text).documented(&adapted::KSERVE),
        Route::get("/v1/models", Keyed, H::Models).documented(&operations::MODELS),
        Route::get("/v1/models/{name}", Keyed, H::Model).documented(&operations::MODEL),
        Route::get("/health/live", Open, H::Live).of_both().documented(&operations::LIVE),
        Route::get("/health/ready", Open, H::Ready).of_both().documented(&operations::READY),
        Route::get("/metrics", Open, H::Metrics).of_both().documented(&operations::METRICS),
        Route::post("/admin/reload", Admin, H::Reload).documented(&operations::RELOAD),
        Route::adapted("/beta/litellm_basic_guardrail_api", &[A::Litellm], F::Own)
            .documented(&adapted::LITELLM),
        Route::adapted("/classify", &[A::Vllm], F::OpenAi).documented(&adapted::VLLM),
        Route::adapted("/sglang/v1/classify", &[A::Vllm], F::OpenAi).documented(&adapted::SGLANG),
        Route::adapted("/v1/moderations", &[A::Moderations], F::OpenAi).documented(&adapted::MODERATIONS),
        Route::adapted("/predict", &[A::Tei], F::Tei).documented(&adapted::TEI),
        Route::get("/v2", Open, H::Probe(Probe::Server)).of(OIP, F::Text).documented(&adapted::SERVER),
        Route::get("/v2/health/live", Open, H::Probe(Probe::Live))
            .of(OIP, F::Text)
            .documented(&adapted::SERVER_LIVE),
        Route::get("/v2/health/ready", Open, H::Probe(Probe::Ready))
            .of(OIP, F::Text)
            .documented(&adapted::SERVER_READY),
        Route::get("/v2/models/{name}", Keyed, H::Probe(Probe::Model))
            .of(OIP, F::Text)
            .documented(&adapted::MODEL),
        Route::get("/v2/models/{name}/ready", Keyed, H::Probe(Probe::ModelReady))
            .of(OIP, F::Text)
            .documented(&adapted::MODEL_READY),
        Route::adapted("/v2/models/{name}/infer", OIP, F::Text).documented(&adapted::INFER_MODEL),
        Route::get("/v2/models/{name}/versions/{version}", Keyed, H::Probe(Probe::Model))
            .of(OIP, F::Text)
            .documented(&adapted::MODEL_VERSION),
        Route::get("/v2/models/{name}/versions/{version}/ready", Keyed, H::Probe(Probe::ModelReady))
            .of(OIP, F::Text)
            .documented(&adapted::MODEL_VERSION_READY),
        Route::adapted("/v2/models/{name}/versions/{version}/infer", OIP, F::Text)
            .documented(&adapted::INFER_VERSION),
        Route::adapted("/invocations", &[A::Mlflow], F::Mlflow).documented(&adapted::MLFLOW),
        Route::get("/ping", Open, H::Ready).of(&[A::Mlflow, A::Vllm], F::Own).documented(&adapted::PING),
        Route::get("/health", Open, H::Ready)
            .of(&[A::Mlflow, A::Vllm, A::Tei, A::Fms], F::Own)
            .documented(&adapted::HEALTH),
        Route::get("/version", Open, H::Probe(Probe::Version))
            .of(&[A::Mlflow], F::Mlflow)
            .documented(&adapted::VERSION),
        Route::adapted("/api/v1/text/contents", &[A::Fms], F::Fms).documented(&adapted::FMS),
        Route::adapted("/portkey", &[A::Portkey], F::Own).documented(&adapted::PORTKEY),
        Route::adapted("/v1/safety/run-shield", &[A::LlamaStack], F::Own).documented(&adapted::LLAMA_STACK),
        Route { verb: Verb::Any, ..Route::adapted("/envoy/{path:.*}", &[A::Envoy], F::OpenAi) },
        Route::get(OPENAPI, Open, H::Document),
        Route::get("/docs", Open, H::Docs),
        Route::get("/docs/{file:.*}", Open, H::DocsFile),
        Route::get("/", Open, H::Page("text/html; charset=utf-8", page::HTML)),
        Route::get("/playground.js", Open, H::Page("text/javascript; charset=utf-8", page::SCRIPT)),
        Route::get("/playground/{file}", Open, H::Script),
        Route::get("/playground.css", Open, H::Page("text/css; charset=utf-8", page::STYLE)),
        Route::forwarded("/v1/chat/completions", Verb::Post, true),
        Route::forwarded("/v1/completions", Verb::Post, true),
        Route::forwarded("/v1/responses", Verb::Post, true),
        Route::forwarded("/v1/messages", Verb::Post, true),
        Route::forwarded("forwarded", Verb::Any, false),
        Route::get("other", Open, H::NoSuchPath),
    ]
};

/// The routes of the Open Inference protocol.
const OIP: &[Adapter; 1] = &[Adapter::OpenInference];

/// The path of the `OpenAPI` document.
pub(crate) const OPENAPI: &str = "/openapi.json";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_has_one_route_and_every_route_of_the_api_its_operation() {
        for endpoint in Endpoint::all() {
            let of = ROUTES.iter().filter(|route| route.handler == Handler::ByModels(endpoint));
            let most = if matches!(endpoint, Endpoint::Adapted(_)) { 2 } else { 1 };
            assert!((1..=most).contains(&of.count()), "{endpoint:?}");
        }
        for route in &ROUTES {
            let is_api = route.path.starts_with("/v1/") || route.access != Access::Open;
            let is_api = is_api && route.verb != Verb::Any && route.side != Side::Proxy;
            assert!(!is_api || route.operation.is_some(), "{} is not in the document", route.path);
            let same = ROUTES.iter().filter(|other| other.path == route.path);
            assert_eq!(same.count(), 1, "{} is there twice", route.path);
        }
        let rest: Vec<Handler> =
            ROUTES.iter().filter(|route| route.is_rest()).map(|route| route.handler).collect();
        assert_eq!(rest, [Handler::Forward { judged: false }, Handler::NoSuchPath]);
        let mut ids: Vec<_> = ROUTES.iter().filter_map(|route| Some(route.operation?.id)).collect();
        let documented = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), documented, "an operation is documented twice");
    }
}
