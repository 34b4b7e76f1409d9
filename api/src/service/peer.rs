//! Whether a client is still there while its request waits for an encoder.
//!
//! actix-web lets a handler run to its end whatever becomes of the connection. For n-grams that does not matter; an encoder's
//! batch would be spent on nobody. So a second handle of the socket is kept with the connection, and looked at now and then.

use std::any::Any;
use std::io;
use std::net::TcpStream;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream as Connection;
use actix_web::rt::time::sleep;

/// So often it is looked at.
const LOOKS: Duration = Duration::from_millis(50);

/// A second handle of a connection's socket.
pub(crate) struct Peer(TcpStream);

impl Peer {
    /// Keeps a handle with a connection. Where there is none to be had (TLS, another system) the client counts as there.
    pub(crate) fn keep(connection: &dyn Any, data: &mut Extensions) {
        if let Some(peer) = connection.downcast_ref().and_then(Self::of) {
            data.insert(peer);
        }
    }

    #[cfg(unix)]
    fn of(connection: &Connection) -> Option<Self> {
        use std::os::fd::AsFd;
        connection.as_fd().try_clone_to_owned().ok().map(|socket| Self(TcpStream::from(socket)))
    }

    #[cfg(not(unix))]
    fn of(_connection: &Connection) -> Option<Self> {
        None
    }

    /// Waits until the client has closed the connection, or its side of it.
    pub(crate) async fn gone(&self) {
        loop {
            sleep(LOOKS).await;
            // The socket does not block, so a client that is there and silent is an error of that kind. Bytes that wait are
            // of its next request.
            match self.0.peek(&mut [0]) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }
}
