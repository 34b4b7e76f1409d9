//! The peers of `benches/proxy`: `upstream` answers a chat completion with a fixed one, whole or as a stream;
//! `proxy URL` passes requests on to such an upstream and its answers back, and does nothing else. So the
//! difference to `demur proxy` is what Demur adds.

use std::io::Write;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use awc::Client;

/// An answer of some sixty words.
const ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"The usual way to open an old garden shed whose key is lost is to look at the hinges first. If the pins can be pushed out from below, the door comes off without any damage. Otherwise a locksmith opens a simple lock in a few minutes, and it costs less than a new door. Take a photo of the lock before you call.","refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":25,"completion_tokens":64,"total_tokens":89}}"#;

/// The same as a stream.
fn stream() -> String {
    let (_, rest) = ANSWER.split_once("\"content\":\"").unwrap_or_default();
    let (text, _) = rest.split_once('"').unwrap_or_default();
    let event = |piece: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{piece}\"}}}}]}}\n\n")
    };
    text.split_inclusive(' ').map(event).chain(["data: [DONE]\n\n".to_owned()]).collect()
}

/// Where the proxy sends, and the answer of the upstream as a stream.
struct Shared {
    upstream: Option<String>,
    stream: String,
}

async fn answer(
    request: HttpRequest,
    body: Bytes,
    shared: Data<Shared>,
    client: Data<Client>,
) -> HttpResponse {
    let Some(upstream) = &shared.upstream else {
        let streams = body.windows(13).any(|part| part == b"\"stream\":true");
        return if streams {
            HttpResponse::Ok().content_type("text/event-stream").body(shared.stream.clone())
        } else {
            HttpResponse::Ok().content_type("application/json").body(ANSWER)
        };
    };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut forwarded = client.post(format!("{upstream}{path}")).no_decompress();
    if let Some(media_type) = request.headers().get(CONTENT_TYPE) {
        forwarded.headers_mut().insert(CONTENT_TYPE, media_type.clone());
    }
    match forwarded.send_body(body).await {
        Err(_) => HttpResponse::BadGateway().finish(),
        Ok(answered) => {
            let mut response = HttpResponse::build(answered.status());
            if let Some(media_type) = answered.headers().get(CONTENT_TYPE) {
                response.insert_header((CONTENT_TYPE, media_type.clone()));
            }
            response.streaming(answered)
        }
    }
}

fn main() -> std::io::Result<()> {
    let upstream = std::env::args().nth(2);
    actix_web::rt::System::new().block_on(async move {
        let shared = Data::new(Shared { upstream, stream: stream() });
        let server = HttpServer::new(move || {
            let client = Client::builder().disable_timeout().disable_redirects().no_default_headers();
            let client = client.connector(awc::Connector::new().limit(0)).finish();
            App::new()
                .app_data(shared.clone())
                .app_data(Data::new(client))
                .route("/v1/chat/completions", web::post().to(answer))
        })
        .bind("127.0.0.1:0")?;
        let mut out = std::io::stdout();
        writeln!(out, "http://{}", server.addrs()[0])?;
        out.flush()?;
        server.run().await
    })
}
