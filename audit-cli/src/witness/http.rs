//! The witness over HTTP: hyper, with a bound on everything that a client can stretch.
//!
//! What always holds: at most [`CONNECTIONS`] connections are served at once; a request's head and
//! body arrive within their times and bounds or the connection is cut; a stop lets requests that
//! have arrived finish.

use super::{Answer, Witness};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use medanchor_ledger::witness::{AddCheckpoint, SIZE_TYPE};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Connections served at once; more wait in the system's queue.
const CONNECTIONS: usize = 256;
/// The largest head of a request.
const MAX_HEAD: usize = 16 * 1024;
/// Time for a request's head to arrive, also between two requests.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Time for a request's body to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// Time that open requests get to finish when the witness stops.
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
        accept_all(TcpListener::from_std(listener)?, witness, ready).await
    });
    runtime.shutdown_timeout(GRACE);
    served
}

async fn accept_all(
    listener: TcpListener,
    witness: Arc<Witness>,
    ready: impl FnOnce(),
) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    ready();
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        let (stream, permit) = tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let witness = Arc::clone(&witness);
        let answer = move |request| answer(Arc::clone(&witness), request);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            // A broken connection is the client's business.
            let _ = watched.await;
            drop(permit);
        });
    }
    drop(listener);
    let _ = timeout(GRACE, graceful.shutdown()).await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        // The semaphore is never closed.
        if let Ok(permit) = Arc::clone(permits).acquire_owned().await
            && let Ok((stream, _)) = listener.accept().await
        {
            return (stream, permit);
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
