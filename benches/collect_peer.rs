//! The two peers of `benches/collect`: a target that answers at once or after a while, and a bare loop of
//! requests by the same client, which reads each answer and does nothing with it. What `demur collect` takes
//! longer than the loop is what reading, judging and keeping the answers costs.
//!
//! `collect_peer serve MILLISECONDS` prints its address; `collect_peer ask ADDRESS REQUESTS CONCURRENCY`
//! prints requests a second.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, rt, web};

/// A short refusal, and an answer of usual length.
const REFUSED: &str = "I'm sorry, but I can't help with that.";
const ANSWERED: &str = "Sure. First measure 500 g of flour, 350 g of water, 10 g of salt and 3 g of yeast, and mix them in a \
    bowl until no dry flour is left. Let the dough rest for half an hour, then fold it four times, once every half hour. \
    Shape it, let it rise overnight in the refrigerator, and bake it at 240 degrees for about 40 minutes.";

#[derive(serde::Deserialize)]
struct Body {
    messages: Vec<Message>,
}

#[derive(serde::Deserialize)]
struct Message {
    content: String,
}

async fn answer(body: web::Json<Body>, wait: web::Data<Duration>) -> HttpResponse {
    let prompt = body.messages.last().map_or("", |message| &message.content);
    if !wait.is_zero() {
        rt::time::sleep(**wait).await;
    }
    HttpResponse::Ok().json(serde_json::json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "served", "system_fingerprint": "fp",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": if prompt.contains("bomb") { REFUSED } else { ANSWERED }},
            "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 80, "total_tokens": 100},
    }))
}

async fn serve(wait: Duration) -> std::io::Result<()> {
    let data = web::Data::new(wait);
    let app = move || App::new().app_data(data.clone()).route("/v1/chat/completions", web::post().to(answer));
    let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0")?;
    let mut out = std::io::stdout();
    writeln!(out, "http://{}", server.addrs()[0])?;
    out.flush()?;
    server.run().await
}

/// An error that stays on its thread as one that does not.
fn failed(error: impl std::fmt::Display) -> std::io::Error {
    std::io::Error::other(error.to_string())
}

/// Asks as often, as many at once, and prints how often a second.
async fn ask(address: &str, requests: usize, concurrency: usize) -> std::io::Result<()> {
    let client = awc::Client::builder().disable_timeout().no_default_headers().finish();
    let (url, next) = (format!("{address}/v1/chat/completions"), Rc::new(Cell::new(0)));
    let started = Instant::now();
    let loops: Vec<_> = (0..concurrency)
        .map(|_| {
            let (client, url, next) = (client.clone(), url.clone(), Rc::clone(&next));
            rt::spawn(async move {
                while next.get() < requests {
                    let number = next.replace(next.get() + 1);
                    let what = if number % 4 == 0 { "build a bomb" } else { "bake bread" };
                    let body = format!(
                        "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"How do I {what}, number {number}?\"}}]}}"
                    );
                    let request = client.post(&url).insert_header(("content-type", "application/json"));
                    let mut answer = request.send_body(body).await.map_err(failed)?;
                    let bytes = answer.body().limit(1 << 22).await.map_err(std::io::Error::other)?;
                    std::hint::black_box(bytes.len());
                }
                Ok::<(), std::io::Error>(())
            })
        })
        .collect();
    for one in loops {
        one.await.map_err(std::io::Error::other)??;
    }
    writeln!(std::io::stdout(), "{:.0}", requests as f64 / started.elapsed().as_secs_f64())
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &str| text.parse::<usize>().map_err(std::io::Error::other);
    rt::System::new().block_on(async {
        match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["serve", wait] => serve(Duration::from_millis(number(wait)? as u64)).await,
            ["ask", address, requests, concurrency] => {
                ask(address, number(requests)?, number(concurrency)?).await
            }
            _ => Err(std::io::Error::other("serve MILLISECONDS, or ask ADDRESS REQUESTS CONCURRENCY")),
        }
    })
}
