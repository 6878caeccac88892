//! `POST /v1/events` and `GET /v1/events/{id}`: one event.

use super::answer::{self, Accepted, InPath, Octets, Wait};
use super::problem::{Code, Problem};
use super::receipts::Form;
use super::service::{Service, Shared};
use crate::admission::{Admitted, Refused};
use crate::outcomes::Outcome;
use crate::pool::Refusal;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use medanchor_ledger::{EventId, Index};
use std::sync::Arc;
use std::time::Duration;

/// An event's place in the log.
pub const INDEX_HEADER: HeaderName = HeaderName::from_static("medanchor-index");

/// Post one event
///
/// The body is one COSE_Sign1. 202 says that it is checked and waits for a block; with
/// `wait=receipt` the answer is the receipt, or the rule that refused the event with the winning
/// event's receipt. An event that is in the ledger already is answered with its receipt.
#[utoipa::path(
    post,
    path = "/v1/events",
    params(Wait),
    request_body(content = Octets, content_type = "application/cose", description = "One COSE_Sign1"),
    responses(
        (status = 200, description = "The receipt (C2SP tlog-proof)", content_type = "text/plain", body = String),
        (status = 202, description = "In the pool", body = Accepted),
        (status = 400, description = "Not an event", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Unknown signer or bad signature", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Refused by a rule", body = Problem, content_type = "application/problem+json"),
        (status = 411, description = "The body's length is not announced by Content-Length alone", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Body too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "For another network, stale, or too far ahead", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Pool full or too many requests; see Retry-After", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn post(
    State(service): Shared,
    wait: Result<Query<Wait>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let wait = answer::posted(wait, &headers, "application/cose")?;
    let admitted = answer::submit(&service, vec![body]).await?;
    // One event gives one answer.
    let admitted = admitted.into_iter().next();
    match admitted.ok_or_else(answer::too_many_wait)? {
        Admitted::Refused(id, refused) => Err(problem_of(id, &refused)),
        Admitted::Anchored(id, index) => settled(&service, id, index, wait).await,
        Admitted::Pooled(id) | Admitted::Known(id) if wait.is_for_receipt() => {
            wait_for(&service, id, Form::Text).await
        }
        Admitted::Pooled(id) | Admitted::Known(id) => Ok(accepted(&service, id)),
    }
}

/// Fetch one event
///
/// The event's bytes as they stand in the log.
#[utoipa::path(
    get,
    path = "/v1/events/{id}",
    params(("id" = String, Path, description = "Event id, 64 hex digits")),
    responses(
        (status = 200, description = "The event", content_type = "application/cose", body = Octets),
        (status = 202, description = "It waits in the pool", body = Accepted),
        (status = 404, description = "Not known here", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was refused by a rule", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn get(State(service): Shared, id: InPath) -> Result<Response, Problem> {
    let id = answer::parse::<EventId>(&answer::in_path(id)?)?;
    let found = service
        .read(move |reads| match reads.index_of(&id)? {
            Some(index) => Ok(reads.entry(index)?.map(|entry| (index, entry))),
            None => Ok(None),
        })
        .await?;
    match found {
        Some((index, entry)) => {
            let headers = [
                (
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("application/cose"),
                ),
                (INDEX_HEADER, HeaderValue::from(index.0)),
            ];
            Ok((headers, entry).into_response())
        }
        None => not_anchored(&service, id).await,
    }
}

/// What to say of an event that is not in the log.
pub async fn not_anchored(service: &Arc<Service>, id: EventId) -> Result<Response, Problem> {
    if (service.pooled)(&id) {
        return Ok(accepted(service, id));
    }
    match service.outcomes.refusal(&id) {
        Some(outcome) => Err(refusal(service, id, outcome).await),
        None => Err(Problem::new(
            Code::NotFound,
            "no event with this id is known here; post it, or ask the node where it was posted",
        )
        .with_event(id)),
    }
}

/// An event that waits.
pub fn accepted(service: &Service, id: EventId) -> Response {
    let location = HeaderValue::from_str(&format!("/v1/events/{id}"));
    let mut headers = HeaderMap::new();
    if let Ok(location) = location {
        headers.insert(header::LOCATION, location);
    }
    let body = Accepted::pooled(id, service.outcomes.waits_for(&id));
    (StatusCode::ACCEPTED, headers, Json(body)).into_response()
}

/// The event is decided: its receipt, as soon as there is one.
async fn settled(
    service: &Arc<Service>,
    id: EventId,
    index: Index,
    wait: Wait,
) -> Result<Response, Problem> {
    match Form::Text.make(service, id, index).await? {
        Some(receipt) => Ok(receipt),
        None if wait.is_for_receipt() => wait_for(service, id, Form::Text).await,
        None => Ok(accepted(service, id)),
    }
}

/// Waits for the receipt of an event that is in the pool or decided.
pub async fn wait_for(
    service: &Arc<Service>,
    id: EventId,
    form: Form,
) -> Result<Response, Problem> {
    match answer::wait(service, id).await? {
        Some(Outcome::Published(index)) => {
            let receipt = form.make(service, id, index).await?;
            Ok(receipt.unwrap_or_else(|| accepted(service, id)))
        }
        Some(outcome) => Err(refusal(service, id, outcome).await),
        None => Ok(accepted(service, id)),
    }
}

/// A refusal by the rules, with the winner and its receipt where there is one.
pub async fn refusal(service: &Arc<Service>, id: EventId, outcome: Outcome) -> Problem {
    let (rejection, code) = match outcome {
        Outcome::Rejected(rejection) => (Some(rejection), Code::RuleBroken),
        Outcome::Expired(rejection) => (rejection, Code::Stale),
        Outcome::Published(_) => (None, Code::Internal),
    };
    let Some(rejection) = rejection else {
        let detail = "the event's not-after passed before it came into a block; sign a new one";
        return Problem::new(code, detail).with_event(id);
    };
    let problem = Problem::new(code, rejection.to_string())
        .with_event(id)
        .with_rule(rejection.rule.code(), rejection.rule.fault().as_str());
    let Some(winner) = rejection.winner else {
        return problem;
    };
    let receipt = winner_receipt(service, winner.index).await;
    problem.with_winner(winner.event, receipt)
}

/// How long an answer waits for the receipt of a winner that was decided just now.
const WINNER_PATIENCE: Duration = Duration::from_secs(5);

/// The receipt of a decided event, as soon as a published checkpoint covers it.
async fn winner_receipt(service: &Arc<Service>, index: Index) -> Option<String> {
    let mut published = service.published.clone();
    let covered = published.wait_for(|published| {
        published
            .as_ref()
            .is_some_and(|published| index.0 < published.checkpoint.size.0)
    });
    // Without a quorum in time the problem goes out without the receipt.
    let _ = tokio::time::timeout(WINNER_PATIENCE, covered).await;
    service
        .read(move |reads| reads.receipt(index))
        .await
        .ok()
        .flatten()
}

/// The problem that a refusal at the door stands for.
#[must_use]
pub fn problem_of(id: Option<EventId>, refused: &Refused) -> Problem {
    let code = match refused {
        Refused::Malformed(_) => Code::Malformed,
        Refused::WrongNetwork { .. } => Code::WrongNetwork,
        Refused::Stale { .. } => Code::Stale,
        Refused::TooFarAhead { .. } => Code::TooFarAhead,
        Refused::UnknownSigner { .. } => Code::UnknownSigner,
        Refused::Signature(_) => Code::BadSignature,
        Refused::Full(Refusal::Known) => Code::Internal,
        Refused::Full(_) => Code::PoolFull,
        Refused::Storage(_) => Code::Storage,
    };
    let problem = Problem::new(code, refused.to_string());
    match id {
        Some(id) => problem.with_event(id),
        None => problem,
    }
}
