//! Late connections: the kernel has accepted them, but no worker will.
//!
//! When a server stops listening, connections that wait to be accepted are cut off, and their clients cannot
//! know whether the request was processed. So a second handle of the listening socket stays open a moment
//! longer than the server's own, and connections that arrive there are answered with 503.

use std::io;
use std::net::TcpListener as StdListener;
use std::time::Duration;

use actix_web::rt::net::{TcpListener, TcpStream};
use actix_web::rt::{spawn, time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long a client may take to read its answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A second handle of a listening socket.
pub(crate) struct LateConnections(StdListener);

impl LateConnections {
    /// Clones the handle of a listener, before the server takes it.
    ///
    /// # Errors
    /// When the system cannot clone the handle.
    pub(crate) fn of(listener: &StdListener) -> io::Result<Self> {
        let tail = listener.try_clone()?;
        tail.set_nonblocking(true)?;
        Ok(Self(tail))
    }

    /// Answers late connections until `end` is done, and then those that are already waiting. It takes at
    /// most `longest`, because another process may want the address.
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
        // No wait here: the socket closes as soon as no connection is left.
        while let Ok(Ok((client, _))) = time::timeout(Duration::ZERO, listener.accept()).await {
            answers.push(spawn(answer(client)));
        }
        drop(listener);
        for answer in answers {
            // A client that has left needs no answer.
            let _ = answer.await;
        }
    }
}

/// Answers 503, then reads what the client sends, because a connection that is closed with unread bytes loses
/// its answer.
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
    // There is nobody left to report an error to.
    let _ = time::timeout(PATIENCE, talk).await;
}
