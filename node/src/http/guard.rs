//! What every request passes first: rate, number at once, body size and time.
//!
//! What always holds: a resource sees whole bodies within their limit, or the client gets a
//! problem; a body ends where its `Content-Length` says and in no other way, so that a proxy before
//! the node cannot take for one request what the node takes for two; no request lasts longer than its limit; a panic is answered, not passed on. A request
//! counts as worked on only once its body is there; those that wait for receipts are counted by
//! themselves; who asks whether the node lives is always answered.

use super::problem::{Code, Problem};
use super::server::ClientAddress;
use super::service::{Service, Shared};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use std::error::Error;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest body of anything but a batch.
pub const MAX_BODY: usize = 16 * 1024;
/// The most bytes of a refused body that are read, so that the answer arrives.
const DRAINED: usize = 1 << 20;

/// The path whose bodies may be larger.
pub const BATCH_PATH: &str = "/v1/events/batch";

/// What watches over the node asks for these: they are answered however busy it is.
const PROBES: [&str; 3] = ["/health", "/ready", "/metrics"];

/// The middleware.
pub async fn guard(State(service): Shared, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let response = guarded(&service, request, next)
        .await
        .unwrap_or_else(|problem| {
            metrics::counter!("medanchor_http_refused_total", "code" => problem.code())
                .increment(1);
            problem.into_response()
        });
    metrics::counter!("medanchor_http_requests_total", "status" => class(response.status()))
        .increment(1);
    metrics::histogram!("medanchor_http_request_seconds").record(start.elapsed());
    response
}

async fn guarded(
    service: &Arc<Service>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    check_rate(service, &request)?;
    check_framing(&request)?;
    let for_body = Duration::from_millis(service.config.request_timeout_ms);
    let request = tokio::time::timeout(for_body, with_whole_body(service, request))
        .await
        .map_err(|_| too_slow("the body did not arrive in time; send it faster"))??;
    let _permit = turn(service, &request).map(take).transpose()?;
    let for_answer = for_body + Duration::from_millis(service.config.wait_timeout_ms);
    tokio::time::timeout(for_answer, next.run(request))
        .await
        .map_err(|_| too_slow("there is no answer in time; ask again"))
}

/// What counts a request while it is worked on; none if it is not counted.
fn turn<'s>(service: &'s Service, request: &Request) -> Option<&'s Arc<Semaphore>> {
    let uri = request.uri();
    if PROBES.contains(&uri.path()) {
        return None;
    }
    Some(if waits(uri.query().unwrap_or_default()) {
        &service.waiters
    } else {
        &service.requests
    })
}

/// Whether a query asks to wait for a receipt; no other request is held.
fn waits(query: &str) -> bool {
    query.split('&').any(|asked| asked == "wait=receipt")
}

fn take(of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    let permit = Arc::clone(of).try_acquire_owned();
    permit.map_err(|_| {
        Problem::new(
            Code::Busy,
            "the node works on as many requests as it may; come back in a second",
        )
    })
}

fn too_slow(detail: &str) -> Problem {
    Problem::new(Code::Timeout, detail)
}

fn check_rate(service: &Service, request: &Request) -> Result<(), Problem> {
    let Some(ClientAddress(client)) = request.extensions().get() else {
        return Ok(());
    };
    let mut rate = service.rate.lock().unwrap_or_else(PoisonError::into_inner);
    rate.take(*client, Instant::now()).map_err(|_| {
        Problem::new(
            Code::RateLimited,
            "this address asks too often; come back in a second",
        )
    })
}

/// RFC 9112 6.3: a request with both lengths is an attempt at smuggling. The parser drops the other
/// one without a word, so `Transfer-Encoding` alone is refused, too; nobody needs it here.
fn check_framing(request: &Request) -> Result<(), Problem> {
    match request.headers().contains_key(header::TRANSFER_ENCODING) {
        true => Err(Problem::new(
            Code::LengthRequired,
            "the request has a Transfer-Encoding; send it with a Content-Length alone",
        )),
        false => Ok(()),
    }
}

async fn with_whole_body(service: &Service, request: Request) -> Result<Request, Problem> {
    if request.method() != Method::POST {
        return Ok(request);
    }
    let is_batch = request.uri().path() == BATCH_PATH;
    let limit = if is_batch {
        usize::try_from(service.config.max_batch_bytes).unwrap_or(usize::MAX)
    } else {
        MAX_BODY
    };
    let too_large = || {
        let detail = format!("the body is larger than {limit} bytes; send less at once");
        Problem::new(Code::TooLarge, detail)
    };
    // What a client announces is refused before it is sent.
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if let Some(announced) = announced.filter(|announced| *announced > limit) {
        if announced <= DRAINED {
            drain(request.into_body()).await;
        }
        return Err(too_large());
    }
    // Large bodies are held in memory while they arrive; small ones are bounded by the connections.
    let _upload = is_batch.then(|| take(&service.uploads)).transpose()?;
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, limit)
        .await
        .map_err(|error| match error.source() {
            Some(source) if source.is::<http_body_util::LengthLimitError>() => too_large(),
            _ => Problem::new(
                Code::Malformed,
                "the body did not arrive whole; send it again",
            ),
        })?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// Reads a body to its end and keeps nothing of it: whoever closes a connection with unread bytes resets
/// it, and the reset may overtake the answer.
async fn drain(body: Body) {
    let mut pieces = body.into_data_stream();
    while let Some(Ok(_)) = pieces.next().await {}
}

const fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

/// The answer to a panic inside a resource.
pub fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    // The payload of a panic may hold anything, so it is neither shown nor logged here.
    tracing::error!("a request panicked");
    Problem::new(Code::Internal, "the node made a mistake; tell its operator").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_waits_for_a_receipt_is_counted_among_those_who_wait() {
        for query in ["wait=receipt", "height=3&wait=receipt"] {
            assert!(waits(query), "{query}");
        }
        for query in [
            "",
            "from=3&to=9",
            "wait=",
            "waiting=receipt",
            "wait=receipts",
            "first=0",
        ] {
            assert!(!waits(query), "{query}");
        }
    }
}
