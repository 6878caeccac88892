//! The HTTP side of both services: one path for each thing that can be asked.
//!
//! What always holds: a body is read whole and within its bound before anything is done with it; the
//! TLS key that the client showed goes with it; work that blocks is done aside, and only so much of it
//! at once.

use super::reply::Reply;
use crate::http::problem::{Code, Problem};
use crate::http::rate::RateLimiter;
use crate::http::server::ClientAddress;
use crate::http::tls::ClientKey;
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use medanchor_ledger::TlsKeyHash;
use medanchor_sdk::direct::{Ask, MAX_STATEMENT};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a body may take to arrive.
const FOR_BODY: Duration = Duration::from_secs(10);

/// What a service does.
pub trait Answers: Send + Sync + 'static {
    /// What it can be asked for.
    const ASKS: &'static [Ask];

    /// Answers a statement that came over the channel of that TLS key.
    ///
    /// # Errors
    /// The problem that the asker is told.
    fn answer(&self, ask: Ask, statement: &[u8], channel: TlsKeyHash) -> Result<Reply, Problem>;
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
        let handle =
            move |state: State<Arc<Shared<Arc<S>>>>,
                  key: Extension<ClientKey>,
                  address: Extension<ClientAddress>,
                  request: Request| asked(ask, state, key, address, request);
        router = router.route(ask.path(), post(handle));
    }
    router
        .route("/health", get(|| async { "well\n" }))
        .fallback(|| async { Problem::new(Code::NoSuchResource, "there is nothing here") })
        .with_state(shared)
}

async fn asked<S: Answers>(
    ask: Ask,
    State(shared): State<Arc<Shared<Arc<S>>>>,
    Extension(ClientKey(channel)): Extension<ClientKey>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    request: Request,
) -> Response {
    let answer = async {
        shared.check_rate(address)?;
        let body = whole_body(request).await?;
        let service = Arc::clone(&shared.service);
        let work = move || service.answer(ask, &body, channel);
        shared.aside(work).await
    };
    answer.await.unwrap_or_else(IntoResponse::into_response)
}

/// The body, whole and in time.
async fn whole_body(request: Request) -> Result<Bytes, Problem> {
    let read = to_bytes(request.into_body(), MAX_STATEMENT);
    match tokio::time::timeout(FOR_BODY, read).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => {
            let detail =
                format!("the body did not arrive whole, or is larger than {MAX_STATEMENT} bytes");
            Err(Problem::new(Code::TooLarge, detail))
        }
        Err(_) => {
            let detail = "the body did not arrive in time; send it faster";
            Err(Problem::new(Code::Timeout, detail))
        }
    }
}

impl<S> Shared<S> {
    fn check_rate(&self, address: std::net::IpAddr) -> Result<(), Problem> {
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        rate.take(address, Instant::now()).map_err(|_| {
            let detail = "this address asks too often; come back in a second";
            Problem::new(Code::RateLimited, detail)
        })
    }

    /// Works aside, in a turn of its own.
    async fn aside(
        &self,
        work: impl FnOnce() -> Result<Reply, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let turn = turn(&self.turns)?;
        let worked = tokio::task::spawn_blocking(move || {
            // Whoever has given up by then still has the work done, in its turn.
            work().map(|reply| (reply, turn))
        });
        match tokio::time::timeout(PATIENCE, worked).await {
            Ok(Ok(done)) => done.map(|(reply, turn)| reply.sent(turn)),
            // The payload of a panic may hold anything, so it is neither shown nor logged here.
            Ok(Err(_)) => Err(Problem::new(
                Code::Internal,
                "the service made a mistake; tell its operator",
            )),
            Err(_) => Err(Problem::new(
                Code::Timeout,
                "there is no answer in time; ask again",
            )),
        }
    }
}

fn turn(of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(of).try_acquire_owned().map_err(|_| {
        let detail = "the service works on as many requests as it may; come back in a second";
        Problem::new(Code::Busy, detail)
    })
}
