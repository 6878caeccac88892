//! The HTTP side of both services: one path for each thing that can be asked.
//!
//! What always holds: a body is read whole and within its bound before anything is done with it; the
//! TLS key that the client showed goes with it; work that blocks is done aside, and only so much of it
//! at once.

use crate::http::problem::{Code, Problem};
use crate::http::rate::RateLimiter;
use crate::http::server::ClientAddress;
use crate::http::tls::ClientKey;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use medanchor_ledger::TlsKeyHash;
use medanchor_sdk::direct::{Ask, MAX_STATEMENT};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a service does.
pub trait Answers: Send + Sync + 'static {
    /// What it can be asked for.
    const ASKS: &'static [Ask];

    /// Answers a statement that came over the channel of that TLS key.
    ///
    /// # Errors
    /// The problem that the asker is told.
    fn answer(&self, ask: Ask, statement: &[u8], channel: TlsKeyHash) -> Result<Vec<u8>, Problem>;

    /// What everybody may read: releases from `first` on, if the service has a log of them.
    ///
    /// # Errors
    /// The problem that the asker is told.
    fn release_log(&self, first: u64) -> Result<Vec<u8>, Problem>;
}

struct Shared<S> {
    service: S,
    turns: Arc<Semaphore>,
    rate: Mutex<RateLimiter>,
}

/// The routes of a service.
pub fn router<S: Answers>(service: Arc<S>, requests: usize, per_second: u32) -> Router {
    let shared = Arc::new(Shared {
        service,
        turns: Arc::new(Semaphore::new(requests)),
        rate: Mutex::new(RateLimiter::new(per_second, per_second.saturating_mul(2))),
    });
    let mut router = Router::new();
    for ask in S::ASKS {
        let ask = *ask;
        let handle = move |state: State<Arc<Shared<Arc<S>>>>,
                           key: Extension<ClientKey>,
                           address: Extension<ClientAddress>,
                           body: Bytes| asked(ask, state, key, address, body);
        router = router.route(ask.path(), post(handle));
    }
    router
        .route("/v1/release-log", get(release_log::<S>))
        .route("/health", get(|| async { "well\n" }))
        .fallback(|| async { Problem::new(Code::NoSuchResource, "there is nothing here") })
        .layer(DefaultBodyLimit::max(MAX_STATEMENT))
        .with_state(shared)
}

async fn asked<S: Answers>(
    ask: Ask,
    State(shared): State<Arc<Shared<Arc<S>>>>,
    Extension(ClientKey(channel)): Extension<ClientKey>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    body: Bytes,
) -> Response {
    let service = Arc::clone(&shared.service);
    let work = move || service.answer(ask, &body, channel);
    aside(&shared, address, work).await
}

async fn release_log<S: Answers>(
    State(shared): State<Arc<Shared<Arc<S>>>>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let first = query.get("first").map_or(Ok(0), |text| text.parse());
    let Ok(first) = first else {
        return Problem::new(Code::Malformed, "first is a number").into_response();
    };
    let service = Arc::clone(&shared.service);
    aside(&shared, address, move || service.release_log(first)).await
}

async fn aside<S: Answers>(
    shared: &Shared<Arc<S>>,
    address: std::net::IpAddr,
    work: impl FnOnce() -> Result<Vec<u8>, Problem> + Send + 'static,
) -> Response {
    let may = {
        let mut rate = shared.rate.lock().unwrap_or_else(PoisonError::into_inner);
        rate.take(address, Instant::now())
    };
    if may.is_err() {
        let detail = "this address asks too often; come back in a second";
        return Problem::new(Code::RateLimited, detail).into_response();
    }
    let Ok(turn) = Arc::clone(&shared.turns).try_acquire_owned() else {
        let detail = "the service works on as many requests as it may; come back in a second";
        return Problem::new(Code::Busy, detail).into_response();
    };
    let worked = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    match tokio::time::timeout(PATIENCE, worked).await {
        Ok(Ok(Ok(bytes))) => {
            let kind = [(header::CONTENT_TYPE, "application/cbor")];
            (StatusCode::OK, kind, bytes).into_response()
        }
        Ok(Ok(Err(problem))) => problem.into_response(),
        // The payload of a panic may hold anything, so it is neither shown nor logged here.
        Ok(Err(_)) => Problem::new(
            Code::Internal,
            "the service made a mistake; tell its operator",
        )
        .into_response(),
        Err(_) => {
            Problem::new(Code::Timeout, "there is no answer in time; ask again").into_response()
        }
    }
}
