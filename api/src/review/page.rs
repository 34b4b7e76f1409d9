//! The page: a server on this machine alone. Every path begins with a token that nobody can guess, so another
//! page in the same browser, or another user of the machine, can neither read nor write.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Context;
use subtle::ConstantTimeEq;

use crate::review::desk::{Desk, Said};

/// The largest body: a review has a hundred bytes.
const BODY: usize = 4096;
/// What the page may load and where it may send: this server alone.
const POLICY: &str =
    "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// The files of the page: name, media type, content.
const FILES: [(&str, &str, &str); 5] = [
    ("", "text/html; charset=utf-8", include_str!("../../web/review/index.html")),
    ("review.js", "text/javascript; charset=utf-8", include_str!("../../web/review/review.js")),
    ("review.css", "text/css; charset=utf-8", include_str!("../../web/review/review.css")),
    ("dom.js", "text/javascript; charset=utf-8", include_str!("../../web/playground/dom.js")),
    ("playground.css", "text/css; charset=utf-8", include_str!("../../web/playground.css")),
];

/// A bound page.
pub(crate) struct Page {
    listener: TcpListener,
    address: SocketAddr,
    token: String,
}

impl Page {
    /// Listens on this machine alone; port 0 takes a free one.
    ///
    /// # Errors
    /// When the port is taken.
    pub(crate) fn bind(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("cannot listen on port {port}; --port 0 takes a free one"))?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, token: uuid::Uuid::new_v4().simple().to_string() })
    }

    /// Where a browser finds it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/{}/", self.address, self.token)
    }
}

/// What every request needs.
struct Shared {
    desk: Arc<Desk>,
    address: SocketAddr,
    token: String,
}

/// Why a request is not answered.
type Refused = (StatusCode, String);

/// Serves the page until a signal ends it. The caller keeps `desk`, so that the store is closed where no
/// futures run.
///
/// # Errors
/// When the server fails.
pub(crate) async fn serve(page: Page, desk: Arc<Desk>) -> anyhow::Result<()> {
    let Page { listener, address, token } = page;
    let shared = Data::new(Shared { desk, address, token });
    let app = move || {
        App::new()
            .app_data(shared.clone())
            .app_data(PayloadConfig::new(BODY))
            .default_service(web::route().to(handle))
    };
    let server = HttpServer::new(app).workers(1).shutdown_timeout(1).listen(listener)?;
    server.run().await.context("the page's server failed")
}

async fn handle(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let mut response = answer(&request, &body, &shared).await.unwrap_or_else(|(status, why)| {
        HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(why)
    });
    let headers: [(HeaderName, &'static str); 4] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn answer(request: &HttpRequest, body: &Bytes, shared: &Data<Shared>) -> Result<HttpResponse, Refused> {
    let file = admit(request, shared)?;
    if file == "review" {
        if request.method() != Method::POST {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "reviews are posted".to_owned()));
        }
        return review(request, body, shared).await;
    }
    if request.method() != Method::GET {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "this is read only".to_owned()));
    }
    if file == "items" {
        let skip = request.query_string().strip_prefix("skip=").map_or(Ok(0), str::parse::<i64>);
        let skip = skip.ok().filter(|skip| *skip >= 0);
        let skip = skip.ok_or((StatusCode::BAD_REQUEST, "skip must be a number from 0 up".to_owned()))?;
        let desk = Arc::clone(&shared.desk);
        let items = work(move || desk.items(skip)).await?;
        return Ok(HttpResponse::Ok().json(items));
    }
    let found = FILES.iter().find(|(name, ..)| *name == file).ok_or_else(no_such_page)?;
    Ok(HttpResponse::Ok().content_type(found.1).body(found.2))
}

/// Checks the token and where the request comes from; returns the path behind the token.
fn admit<'r>(request: &'r HttpRequest, shared: &Shared) -> Result<&'r str, Refused> {
    let path = request.path().strip_prefix('/').and_then(|path| path.split_once('/'));
    let (token, file) = path.ok_or_else(no_such_page)?;
    if !bool::from(token.as_bytes().ct_eq(shared.token.as_bytes())) {
        return Err(no_such_page());
    }
    let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    let own = [shared.address.to_string(), format!("localhost:{}", shared.address.port())];
    // Another name for this machine is a page of somebody else that resolves to it.
    let is_own = |host: &[u8]| own.iter().any(|own| own.as_bytes() == host);
    let from = header(ORIGIN).map(|origin| origin.strip_prefix(b"http://").unwrap_or(origin));
    if !header(HOST).is_some_and(is_own) || from.is_some_and(|from| !is_own(from)) {
        return Err((StatusCode::FORBIDDEN, "this page answers its own address alone".to_owned()));
    }
    Ok(file)
}

async fn review(request: &HttpRequest, body: &Bytes, shared: &Shared) -> Result<HttpResponse, Refused> {
    let media_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if media_type != Some(b"application/json") {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "a review is JSON".to_owned()));
    }
    let said: Said = serde_json::from_slice(body)
        .map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, format!("this is no review: {error}")))?;
    let desk = Arc::clone(&shared.desk);
    if !work(move || desk.say(&said)).await? {
        return Err((StatusCode::NOT_FOUND, "the store has no such answer".to_owned()));
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Works on the store where no other request waits for it.
async fn work<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T, Refused> {
    let failed = |why: String| (StatusCode::INTERNAL_SERVER_ERROR, why);
    let done = web::block(work).await.map_err(|error| failed(error.to_string()))?;
    done.map_err(|error| failed(format!("{error:#}")))
}

fn no_such_page() -> Refused {
    (StatusCode::NOT_FOUND, "there is no such page; the address is on the terminal".to_owned())
}
