//! Watches a connection: whether its client is still there and still reads, and how many requests are open on
//! it.
//!
//! actix-web runs a handler to its end even if the connection is gone, and waits forever for a client that
//! does not read its answer. So the stream below it is wrapped. The wrapper notices when the client closes
//! its side, limits how long a write may make no progress, and can be made to fail, which ends the connection
//! and frees all that it holds.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::rt::time::{Sleep, sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// How many requests may be open on one connection at once; HTTP/2 allows several. actix-http sets no limit
/// on HTTP/2 streams and has no setting for one, so requests beyond this limit are refused at once.
pub(crate) const MOST_STREAMS: usize = 100;

/// The connection of a request; `None` in tests that build a request by hand.
pub(crate) fn connection(request: &HttpRequest) -> Option<&Arc<Connection>> {
    request.conn_data::<Arc<Connection>>()
}

/// What the service knows of a connection.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// Whether it came in on the admin address.
    pub(crate) is_admin: bool,
    condemned: AtomicBool,
    left: AtomicBool,
    has_left: Notify,
    streams: AtomicUsize,
    /// How often all that was to be written had been.
    flushes: AtomicUsize,
    /// Wakes the task that drives the connection.
    task: Mutex<Option<Waker>>,
}

/// A request that is open on a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Stream(Arc<Connection>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Connection {
    /// Opens a request; `None` if too many are open.
    pub(crate) fn open(self: &Arc<Self>) -> Option<Stream> {
        let before = self.streams.fetch_add(1, Ordering::AcqRel);
        // It is already counted; dropping it undoes that if the limit is exceeded.
        let stream = Stream(Arc::clone(self));
        (before < MOST_STREAMS).then_some(stream)
    }

    /// How often all that was to be written had been. What is handed over now is written when this has risen.
    pub(crate) fn flushes(&self) -> usize {
        self.flushes.load(Ordering::Acquire)
    }

    /// Makes every further read and write fail, which ends the connection.
    pub(crate) fn condemn(&self) {
        self.condemned.store(true, Ordering::Release);
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.wake();
        }
    }

    /// Waits until the client has closed the connection, or its side of it.
    pub(crate) async fn client_left(&self) {
        // Registered before the check, so that a client that leaves in between is not missed.
        let has_left = self.has_left.notified();
        if !self.left.load(Ordering::Acquire) {
            has_left.await;
        }
    }

    fn note_that_client_left(&self) {
        self.left.store(true, Ordering::Release);
        self.has_left.notify_waiters();
    }

    /// Stores the waker of the task that drives the connection.
    ///
    /// # Errors
    /// When the connection is condemned.
    fn check(&self, context: &Context<'_>) -> io::Result<()> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(|known| !known.will_wake(context.waker())) {
            *task = Some(context.waker().clone());
        }
        drop(task);
        if self.condemned.load(Ordering::Acquire) {
            return Err(io::Error::new(
                ErrorKind::ConnectionAborted,
                "the service has given this connection up",
            ));
        }
        Ok(())
    }
}

/// The stream of a connection, watched.
#[derive(Debug)]
pub(crate) struct Watched<IO> {
    stream: IO,
    connection: Arc<Connection>,
    /// How long a write may make no progress.
    patience: Duration,
    /// Runs while a write makes no progress.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<IO> Watched<IO> {
    /// Watches a stream.
    pub(crate) fn new(stream: IO, is_admin: bool, patience: Duration) -> Self {
        let connection = Arc::new(Connection { is_admin, ..Connection::default() });
        Self { stream, connection, patience, stall: None }
    }

    /// What is known of it.
    pub(crate) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Lets a write wait, but not forever.
    fn limited<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stall = None;
            return polled;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        if stall.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.connection.condemn();
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the client does not read its answer")))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.check(context)?;
        let (room, before) = (buffer.remaining(), buffer.filled().len());
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        match &polled {
            Poll::Ready(Ok(())) if room > 0 && buffer.filled().len() == before => {
                this.connection.note_that_client_left();
            }
            Poll::Ready(Err(_)) => this.connection.note_that_client_left(),
            _ => {}
        }
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.connection.check(context)?;
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.limited(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.connection.check(context)?;
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.limited(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(context);
        if let Poll::Ready(Ok(())) = polled {
            this.connection.flushes.fetch_add(1, Ordering::AcqRel);
        }
        this.limited(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_shutdown(context);
        this.limited(context, polled)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        actix_web::rt::System::new().block_on(future)
    }

    #[test]
    fn a_write_that_nobody_reads_fails_in_time_and_one_that_goes_on_does_not() {
        run(async {
            let (near, mut far) = duplex(8);
            let mut watched = Watched::new(near, false, Duration::from_millis(100));
            let reader = actix_web::rt::spawn(async move {
                let mut buffer = [0; 8];
                for _ in 0..4 {
                    sleep(Duration::from_millis(60)).await;
                    far.read_exact(&mut buffer).await.unwrap();
                }
                far
            });
            // Longer than the time-out in total, but each write makes progress before it runs out.
            watched.write_all(&[1; 32]).await.unwrap();
            let _far = reader.await.unwrap();
            let error = watched.write_all(&[1; 32]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert_eq!(watched.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
        });
    }

    #[test]
    fn a_client_that_leaves_is_noticed_and_a_condemned_connection_wakes_its_task() {
        run(async {
            let (near, far) = duplex(8);
            let mut watched = Watched::new(near, false, Duration::from_secs(5));
            let connection = Arc::clone(watched.connection());
            let condemn = Arc::clone(&connection);
            actix_web::rt::spawn(async move {
                sleep(Duration::from_millis(50)).await;
                condemn.condemn();
            });
            assert_eq!(watched.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
            let (near, gone) = duplex(8);
            let mut watched = Watched::new(near, true, Duration::from_secs(5));
            let connection = Arc::clone(watched.connection());
            drop(gone);
            assert_eq!(watched.read(&mut [0; 8]).await.unwrap(), 0);
            connection.client_left().await;
            assert!(connection.is_admin);
            drop(far);
        });
    }

    #[test]
    fn a_connection_has_so_many_requests_open_and_no_more() {
        let connection = Arc::new(Connection::default());
        let mut open: Vec<_> = (0..MOST_STREAMS).map(|_| connection.open().unwrap()).collect();
        assert!(connection.open().is_none());
        open.pop();
        assert!(connection.open().is_some());
    }
}
