//! The peer of `benches/serve`: an actix handler that parses the same JSON body and echoes a fixed answer, so
//! that the difference to `demur serve` is what Demur adds.

use std::io::Write;

use actix_web::{App, HttpResponse, HttpServer, web};

#[derive(serde::Deserialize)]
struct Body {
    prompt: String,
}

async fn answer(body: web::Json<Body>) -> HttpResponse {
    // The prompt is read, as a service that used it would.
    let length = std::hint::black_box(body.prompt.len());
    HttpResponse::Ok().content_type("application/json").body(if length == 0 { "{}" } else { ANSWER })
}

/// As long as an answer of Demur's to one prompt.
const ANSWER: &str = "{\"predictions\":[{\"index\":0,\"p_refusal\":0.15333803532993473,\"confidence\":0.8466619646700653,\
                      \"decision\":\"send\"}],\"model\":{\"name\":\"prompt\",\"digest\":\
                      \"759864593d7fabd01741e5f3f648384294efc179879cb3fc84ef90fdb1ec167c\"},\"target\":null,\
                      \"not_judged\":[],\"seconds\":0.000139698}";

fn main() -> std::io::Result<()> {
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(|| App::new().route("/v1/predict", web::post().to(answer)))
            .bind("127.0.0.1:0")?;
        let mut out = std::io::stdout();
        writeln!(out, "http://{}", server.addrs()[0])?;
        out.flush()?;
        server.run().await
    })
}
