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

/// An answer of Demur's to one prompt.
const ANSWER: &str = r#"{"predictions":[{"index":0,"p_refusal":0.11438418240618799,"confidence":0.885615817593812,"decision":"send","coverage":0.9859,"language":"en","p_refusal_low":0.07010148230289717,"p_refusal_high":0.6435500757681978,"tier":"ngram"}],"model":{"name":"prompt","digest":"ad6dc1e5e5cf1f7978fc4f7d273b7843cf61bd97774d7c277de21594a691649b","left_out":{"limits":"On 2 sources that the fit has not seen, 83% of the decisions agree with the labels (a phrase list 69%, the majority guess 70%), AUROC 0.88; expect no more of rows from elsewhere","sources":2,"agreement":0.8264264760827637,"majority":0.7020400589726241,"phrase_list":0.6870412959840047,"auroc":0.8815236706322951}},"target":null,"not_judged":[],"seconds":0.000013969}"#;

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
