//! `GET /v1/events/{id}/receipt`: an event's receipt.

use super::answer::{self, Accepted, InPath, Wait};
use super::events;
use super::problem::Problem;
use super::service::Shared;
use axum::extract::{Query, State};
use axum::response::Response;
use medanchor_ledger::EventId;

/// Fetch a receipt
///
/// The event's offline proof (C2SP tlog-proof): inclusion in a checkpoint with a quorum of
/// cosignatures. `wait=receipt` waits for it.
#[utoipa::path(
    get,
    path = "/v1/events/{id}/receipt",
    params(("id" = String, Path, description = "Event id, 64 hex digits"), Wait),
    responses(
        (status = 200, description = "The receipt (C2SP tlog-proof)", content_type = "text/plain", body = String),
        (status = 202, description = "The event waits", body = Accepted),
        (status = 404, description = "Not known here", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The event was refused by a rule", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn get(
    State(service): Shared,
    id: InPath,
    wait: Result<Query<Wait>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let wait = answer::query(wait)?;
    let id = answer::parse::<EventId>(&answer::in_path(id)?)?;
    let found = service
        .read(move |reads| match reads.index_of(&id)? {
            Some(index) => Ok(Some((index, reads.receipt(index)?))),
            None => Ok(None),
        })
        .await?;
    match found {
        Some((index, Some(receipt))) => Ok(answer::receipt(id, index, receipt)),
        Some((_, None)) if wait.is_for_receipt() => events::wait_for(&service, id).await,
        None if wait.is_for_receipt() && (service.pooled)(&id) => {
            events::wait_for(&service, id).await
        }
        Some((_, None)) => Ok(events::accepted(&service, id)),
        None => events::not_anchored(&service, id).await,
    }
}

/// Fetch a receipt that outside witnesses stand behind
///
/// As the receipt, under the newest checkpoint that outside witnesses cosigned (`/witnessed`), with
/// their cosignatures and the publisher's signature. It grows by some 130 bytes for each witness.
#[utoipa::path(
    get,
    path = "/v1/events/{id}/witnessed-receipt",
    params(("id" = String, Path, description = "Event id, 64 hex digits")),
    responses(
        (status = 200, description = "The receipt (C2SP tlog-proof)", content_type = "text/plain", body = String),
        (status = 202, description = "The event waits, or is under no witnessed checkpoint yet", body = Accepted),
        (status = 404, description = "Not known here", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The event was refused by a rule", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn witnessed(State(service): Shared, id: InPath) -> Result<Response, Problem> {
    let id = answer::parse::<EventId>(&answer::in_path(id)?)?;
    let found = service
        .read(move |reads| match reads.index_of(&id)? {
            Some(index) => Ok(Some((index, reads.witnessed_receipt(index)?))),
            None => Ok(None),
        })
        .await?;
    match found {
        Some((index, Some(receipt))) => Ok(answer::receipt(id, index, receipt)),
        Some((_, None)) => Ok(events::accepted(&service, id)),
        None => events::not_anchored(&service, id).await,
    }
}
