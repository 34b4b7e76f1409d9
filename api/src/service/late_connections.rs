//! The last connections: those that the kernel has taken in and no worker will.
//!
//! When a server stops listening, connections that wait to be accepted are cut off, and their clients cannot tell whether the
//! request was worked on. So a second handle of the listening socket outlives the server's own for a moment, and whoever is
//! found there is told 503.

use std::io;
use std::net::TcpListener as StdListener;
use std::time::Duration;

use actix_web::rt::net::{TcpListener, TcpStream};
use actix_web::rt::{spawn, time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A client has so long to take its answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A second handle of a listening socket.
pub(crate) struct LateConnections(StdListener);

impl LateConnections {
    /// Of a listener, before the server takes it.
    ///
    /// # Errors
    /// When the system gives no second handle.
    pub(crate) fn of(listener: &StdListener) -> io::Result<Self> {
        let tail = listener.try_clone()?;
        tail.set_nonblocking(true)?;
        Ok(Self(tail))
    }

    /// Turns away who still comes until `end` is done, and then who is there already; but for `longest` at most, for then
    /// another process may want the address.
    pub(crate) async fn turn_away(self, end: impl Future<Output = ()>, longest: Duration) {
        let Ok(listener) = TcpListener::from_std(self.0) else { return };
        let mut answers = Vec::new();
        {
            let end = std::pin::pin!(end);
            let mut end = std::pin::pin!(time::timeout(longest, end));
            loop {
                tokio::select! {
                    biased;
                    _ = &mut end => break,
                    Ok((client, _)) = listener.accept() => answers.push(spawn(answer(client))),
                }
            }
        }
        // No waiting here: the socket closes as soon as nobody is there.
        while let Ok(Ok((client, _))) = time::timeout(Duration::ZERO, listener.accept()).await {
            answers.push(spawn(answer(client)));
        }
        drop(listener);
        for answer in answers {
            // A client that has gone away needs no answer.
            let _ = answer.await;
        }
    }
}

/// Answers 503, and reads what the client sends, for a connection that is closed over unread bytes loses its answer.
async fn answer(mut client: TcpStream) {
    const BODY: &str = "{\"error\":{\"type\":\"not_ready\",\"message\":\"the service is about to end\",\"field\":null,\
                        \"request_id\":\"-\"}}";
    let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nx-request-id: -\r\nretry-after: 1\r\n\
                connection: close";
    let all = format!("{head}\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
    let talk = async {
        client.write_all(all.as_bytes()).await?;
        client.shutdown().await?;
        let mut rest = [0; 4096];
        while client.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    // Whatever goes wrong, there is nobody left to tell.
    let _ = time::timeout(PATIENCE, talk).await;
}
