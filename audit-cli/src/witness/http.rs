//! The witness over HTTP: hyper, with a bound on everything that a client can stretch.
//!
//! What always holds: at most so many connections are served at once, and so many of one address; a
//! request's head and body arrive within their times and bounds or the connection is cut; whatever a
//! client sends or does not take, its connection ends after [`Limits::life`] and a grace; a stop lets
//! requests that have arrived finish.

use super::{Answer, Witness};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use medanchor_ledger::witness::{AddCheckpoint, SIZE_TYPE};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// Bounds on connections.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Served at once; more wait in the system's queue.
    connections: u32,
    /// Of these, of one address; an IPv6 client counts as its /64. More are closed at once.
    per_address: usize,
    /// How long one is served. A log makes a new one then; it does so after a pause anyway.
    life: Duration,
}

const LIMITS: Limits = Limits {
    connections: 256,
    per_address: 64,
    life: Duration::from_secs(60),
};

/// The largest head of a request.
const MAX_HEAD: usize = 16 * 1024;
/// Time for a request's head to arrive, also between two requests.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Time for a request's body to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// Time that open requests get to finish when their connection's life is over or the witness stops.
const GRACE: Duration = Duration::from_secs(3);

const TEXT: &str = "text/plain; charset=utf-8";

/// Serves until SIGTERM or SIGINT, either of which ends it well from the moment of `ready` on.
pub(super) fn serve(
    listener: std::net::TcpListener,
    witness: Arc<Witness>,
    ready: impl FnOnce(),
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        ready();
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        serve_until(stop, listener, witness, LIMITS).await;
        Ok(())
    });
    runtime.shutdown_timeout(GRACE);
    served
}

async fn serve_until(
    stop: impl Future<Output = ()>,
    listener: TcpListener,
    witness: Arc<Witness>,
    limits: Limits,
) {
    let permits = Arc::new(Semaphore::new(limits.connections as usize));
    let (stopping, stopped) = watch::channel(());
    let mut crowd = Crowd::new(limits.per_address);
    let mut stop = pin!(stop);
    loop {
        let (stream, address, permit) = tokio::select! {
            () = stop.as_mut() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some(place) = crowd.enter(address) else {
            continue;
        };
        let witness = Arc::clone(&witness);
        let answer = move |request| answer(Arc::clone(&witness), request);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        let mut stopped = stopped.clone();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            tokio::select! {
                // A broken connection is the client's business.
                _ = connection.as_mut() => {}
                () = over(limits.life, &mut stopped) => {
                    connection.as_mut().graceful_shutdown();
                    let _ = timeout(GRACE, connection).await;
                }
            }
            drop((permit, place));
        });
    }
    drop((listener, stopping));
    // All permits are back when all connections have ended.
    let _ = timeout(GRACE, permits.acquire_many(limits.connections)).await;
}

/// Until a connection's life is over, or the witness stops.
async fn over(life: Duration, stopped: &mut watch::Receiver<()>) {
    // Nothing is ever sent: an error says that the sender is gone.
    let _ = timeout(life, stopped.changed()).await;
}

/// The connections of each address that has one.
struct Crowd {
    most: usize,
    places: BTreeMap<IpAddr, Arc<()>>,
}

impl Crowd {
    const fn new(most: usize) -> Self {
        Self {
            most,
            places: BTreeMap::new(),
        }
    }

    /// A place for one more connection of this address, until it is dropped; none if it has enough.
    fn enter(&mut self, address: IpAddr) -> Option<Arc<()>> {
        self.places.retain(|_, place| Arc::strong_count(place) > 1);
        let place = self.places.entry(group(address)).or_default();
        (Arc::strong_count(place) <= self.most).then(|| Arc::clone(place))
    }
}

/// Whom an address belongs to: an IPv6 network of 64 bits is one client.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(network.into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, IpAddr, OwnedSemaphorePermit) {
    loop {
        // The semaphore is never closed.
        if let Ok(permit) = Arc::clone(permits).acquire_owned().await
            && let Ok((stream, address)) = listener.accept().await
        {
            return (stream, address.ip(), permit);
        }
        // Out of file descriptors, or a client that left: a pause, so as not to spin.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn answer(
    witness: Arc<Witness>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let hash = path
        .strip_prefix('/')
        .and_then(|path| path.strip_suffix("/checkpoint"));
    Ok(match (request.method(), path, hash) {
        (&Method::POST, "/add-checkpoint", _) => add_checkpoint(witness, request).await,
        (_, "/add-checkpoint", _) => not_this_method("POST"),
        (&Method::GET, _, Some(hash)) => checkpoint(witness, hash.to_owned()).await,
        (_, _, Some(_)) => not_this_method("GET"),
        _ => refused(404, "there is nothing here; logs post to /add-checkpoint"),
    })
}

async fn add_checkpoint(
    witness: Arc<Witness>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let body = Limited::new(request.into_body(), AddCheckpoint::MAX_BYTES).collect();
    let body = match timeout(BODY_PATIENCE, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return refused(413, "a request has at most 135168 bytes");
        }
        Ok(Err(_)) => return refused(400, "the request did not arrive whole"),
        Err(_) => return refused(408, "the request did not arrive in time"),
    };
    let added = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body)).await;
    match added {
        Ok(Answer::Cosigned(lines)) => response(200, TEXT, lines),
        Ok(Answer::Conflict(size)) => response(409, SIZE_TYPE, format!("{size}\n")),
        Ok(Answer::Refused(status, reason)) => refused(status, &reason),
        Err(_) => refused(500, "the request could not be answered"),
    }
}

async fn checkpoint(witness: Arc<Witness>, hash: String) -> Response<Full<Bytes>> {
    let read = tokio::task::spawn_blocking(move || witness.checkpoint(&hash)).await;
    match read {
        Ok(Some(note)) => {
            let mut response = response(200, TEXT, note);
            let fresh = HeaderValue::from_static("no-cache");
            response.headers_mut().insert(CACHE_CONTROL, fresh);
            response
        }
        _ => refused(404, "no checkpoint of such a log was cosigned here"),
    }
}

fn not_this_method(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = refused(405, "not this method");
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}

fn refused(status: u16, reason: &str) -> Response<Full<Bytes>> {
    response(status, TEXT, format!("{reason}\n"))
}

fn response(status: u16, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    // Every status used here is one.
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers: &mut hyper::HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let nosniff: HeaderName = hyper::header::X_CONTENT_TYPE_OPTIONS;
    headers.insert(nosniff, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests;
