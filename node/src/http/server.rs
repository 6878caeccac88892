//! The HTTP listener: connections are counted, slow ones are cut, and a stop lets requests finish.
//!
//! What always holds: at most so many connections are served at once, and so many of one client
//! address; a client that is slow to
//! send its headers, or that takes next to nothing of its answer, is cut off after a bounded time.

use super::rate::group;
use super::tls::{self, ClientKey};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Bounds on connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections served at once.
    pub connections: usize,
    /// Connections served at once of one client address; an IPv6 client counts as its /64.
    pub per_address: usize,
    /// Time for a request's headers to arrive, also between two requests.
    pub header_timeout: Duration,
    /// Time in which a client must take 16 KiB of its answer, or what is left of it.
    pub write_timeout: Duration,
    /// Time that open requests get to finish when the node stops.
    pub grace: Duration,
}

/// The largest head of a request.
const MAX_HEAD: usize = 16 * 1024;

/// What connections are made of.
#[derive(Clone)]
pub enum Transport {
    /// TCP alone.
    Plain,
    /// Mutual TLS over TCP; requests carry the [`super::tls::ClientKey`] that was shown.
    Tls(tokio_rustls::TlsAcceptor),
}

/// Serves `router` until `stop`, then lets open requests finish within the grace.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    transport: Transport,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(limits.connections));
    let crowd = Crowd::new(limits.per_address);
    let graceful = GracefulShutdown::new();
    while let Some((stream, address, permit)) = accept(&listener, &permits, &stop).await {
        let Some(place) = crowd.enter(address.ip()) else {
            metrics::counter!("medanchor_http_connections_refused_total").increment(1);
            continue;
        };
        let client = Client {
            address: ClientAddress(address.ip()),
            key: None,
        };
        let (transport, router, watcher) = (transport.clone(), router.clone(), graceful.watcher());
        let stream = Unblocked::new(stream, limits.write_timeout);
        tokio::spawn(async move {
            match transport {
                Transport::Plain => converse(stream, router, client, limits, watcher).await,
                Transport::Tls(acceptor) => {
                    if let Some((stream, key)) = tls::accept(&acceptor, stream, limits).await {
                        let key = Some(key);
                        let client = Client { key, ..client };
                        converse(stream, router, client, limits, watcher).await;
                    }
                }
            }
            drop((permit, place));
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(limits.grace, graceful.shutdown()).await;
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy)]
struct Client {
    address: ClientAddress,
    key: Option<ClientKey>,
}

/// Serves one connection to its end.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    client: Client,
    limits: ConnectionLimits,
    watcher: Watcher,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service_fn(answer(router, client)));
    // A broken connection is the client's business.
    let _ = watcher.watch(connection).await;
}

/// How many connections each client address has. Every address in the table has at least one, so
/// the table is no longer than connections are served.
#[derive(Clone)]
struct Crowd {
    most: usize,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection's place among those of its address.
struct Place {
    crowd: Crowd,
    client: IpAddr,
}

impl Crowd {
    fn new(most: usize) -> Self {
        Self {
            most,
            counts: Arc::default(),
        }
    }

    /// A place for one more connection of this client, if it may have one.
    fn enter(&self, client: IpAddr) -> Option<Place> {
        let client = group(client);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&client).copied().unwrap_or(0);
        if count >= self.most {
            return None;
        }
        counts.insert(client, count + 1);
        drop(counts);
        let crowd = self.clone();
        Some(Place { crowd, client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self
            .crowd
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&self.client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.client)),
        }
    }
}

type Answer = Pin<
    Box<dyn Future<Output = Result<axum::response::Response, std::convert::Infallible>> + Send>,
>;

fn answer(
    router: Router,
    client: Client,
) -> impl Fn(hyper::Request<hyper::body::Incoming>) -> Answer {
    move |request| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(client.address);
        if let Some(key) = client.key {
            request.extensions_mut().insert(key);
        }
        Box::pin(router.clone().oneshot(request))
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    loop {
        let next = async {
            let permit = Arc::clone(permits).acquire_owned().await.ok()?;
            Some((listener.accept().await, permit))
        };
        let (accepted, permit) = tokio::select! {
            () = stop.cancelled() => return None,
            next = next => next?,
        };
        match accepted {
            Ok((stream, address)) => {
                // Answers are written whole; waiting for more bytes only adds delay.
                let _ = stream.set_nodelay(true);
                return Some((stream, address, permit));
            }
            // Out of file descriptors, or a client that left: a pause, so as not to spin.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// What the other end must take in the time that it has, or all that there is for it.
const LEAST: usize = 16 << 10;

/// A stream whose writes fail when the other end takes next to nothing for a while.
struct Unblocked<S> {
    stream: S,
    timeout: Duration,
    blocked: Option<Blocked>,
}

/// The other end does not take what there is for it.
struct Blocked {
    until: Pin<Box<Sleep>>,
    /// Bytes that it has taken since.
    taken: usize,
}

impl<S> Unblocked<S> {
    fn new(stream: S, timeout: Duration) -> Self {
        Self {
            stream,
            timeout,
            blocked: None,
        }
    }

    /// What a write has come to. Whoever takes a byte now and then stays blocked.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(Ok(taken)) = result else {
            return self.bounded(context, result);
        };
        let enough = self.blocked.as_mut().is_none_or(|blocked| {
            blocked.taken = blocked.taken.saturating_add(taken);
            blocked.taken >= LEAST
        });
        if enough {
            self.blocked = None;
        }
        result
    }

    /// What has come of something that ends a block once it is done.
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.blocked = None;
            return result;
        }
        let deadline = Instant::now() + self.timeout;
        let blocked = self.blocked.get_or_insert_with(|| Blocked {
            until: Box::pin(tokio::time::sleep_until(deadline)),
            taken: 0,
        });
        let until = blocked.until.as_mut().poll(context);
        until.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unblocked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unblocked<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    /// Takes a byte every other time that it is asked.
    struct Dripping(bool);

    impl AsyncWrite for Dripping {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0 = !self.0;
            match self.0 {
                true => Poll::Ready(Ok(bytes.len().min(1))),
                false => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// A byte now and then kept a connection, and all that was held for its answer, for as long as a client
    /// liked.
    #[tokio::test]
    async fn a_client_that_takes_an_answer_byte_by_byte_is_cut_off() {
        let mut stream = Unblocked::new(Dripping(false), Duration::from_millis(1));
        let answer = vec![7; LEAST];
        let cut = async {
            loop {
                // Without end, if nothing cuts it off.
                if let Err(error) = stream.write_all(&answer).await {
                    return error;
                }
            }
        };
        let bound = tokio::time::timeout(Duration::from_secs(60), cut).await;
        assert_eq!(bound.expect("in the end").kind(), io::ErrorKind::TimedOut);
        let mut patient = Unblocked::new(Dripping(false), Duration::from_secs(3600));
        patient
            .write_all(&answer)
            .await
            .expect("it is slow and in time");
        patient.flush().await.expect("all is taken");
        assert!(patient.blocked.is_none(), "nothing is left of the block");
    }

    #[test]
    fn an_address_has_so_many_connections_and_is_forgotten_with_its_last() {
        let crowd = Crowd::new(2);
        let client = |text: &str| text.parse::<IpAddr>().expect("an address");
        let first = crowd.enter(client("10.0.0.1")).expect("room");
        let second = crowd.enter(client("10.0.0.1")).expect("room");
        assert!(crowd.enter(client("10.0.0.1")).is_none());
        let other = crowd.enter(client("10.0.0.2")).expect("room of others");
        drop(first);
        let third = crowd.enter(client("10.0.0.1")).expect("room again");
        drop((second, third, other));
        assert!(crowd.counts.lock().expect("unharmed").is_empty());
    }
}
