//! `GET /v1/events/{id}/receipt`: an event's receipt, in the form that the client accepts.

use super::accept;
use super::answer::{self, Accepted, InPath, Octets, Wait};
use super::events;
use super::problem::{Code, Problem};
use super::service::{Covered, Service, Shared};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use medanchor_ledger::{EventId, Index};
use std::sync::Arc;

/// Fetch a receipt
///
/// The event's offline proof: inclusion in a checkpoint that a quorum signed. `Accept` chooses the
/// form: `text/plain`, the default, is a C2SP tlog-proof; `application/scitt-statement+cose`, or
/// `application/cose`, is the event with a quorum of COSE Receipts (RFC 9942) in header 394, a
/// Transparent Statement (RFC 9943); `application/scitt-receipt+cose` is one of these receipts
/// alone, which is one validator's word and no quorum. `wait=receipt` waits for it.
#[utoipa::path(
    get,
    path = "/v1/events/{id}/receipt",
    params(("id" = String, Path, description = "Event id, 64 hex digits"), Wait),
    responses(
        (status = 200, description = "The receipt", content(
            (String = "text/plain"),
            (Octets = "application/scitt-statement+cose"),
            (Octets = "application/cose"),
            (Octets = "application/scitt-receipt+cose"),
        )),
        (status = 202, description = "The event waits", body = Accepted),
        (status = 404, description = "Not known here", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "It cannot be had in an accepted form", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The event was refused by a rule", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn get(
    State(service): Shared,
    id: InPath,
    wait: Result<Query<Wait>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wait = answer::query(wait)?;
    let form = Form::accepted(&headers)?;
    let id = answer::parse::<EventId>(&answer::in_path(id)?)?;
    let index = service.read(move |reads| reads.index_of(&id)).await?;
    let covered = match index {
        Some(index) => form.make(&service, id, index).await?,
        None => None,
    };
    match (index, covered) {
        (_, Some(receipt)) => Ok(receipt),
        (Some(_), None) if wait.is_for_receipt() => events::wait_for(&service, id, form).await,
        (None, None) if wait.is_for_receipt() && (service.pooled)(&id) => {
            events::wait_for(&service, id, form).await
        }
        (Some(_), None) => Ok(events::accepted(&service, id)),
        (None, None) => events::not_anchored(&service, id).await,
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
        Some((index, Some(receipt))) => Ok(answer::receipt(id, index, TEXT, receipt)),
        Some((_, None)) => Ok(events::accepted(&service, id)),
        None => events::not_anchored(&service, id).await,
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

/// The forms in which a receipt can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// C2SP tlog-proof.
    Text,
    /// The event with a quorum of COSE Receipts, under either media type.
    Statement(&'static str),
    /// One COSE Receipt.
    Receipt,
}

impl Form {
    const MEDIA_TYPES: [&'static str; 4] = [
        "text/plain",
        "application/scitt-statement+cose",
        "application/cose",
        "application/scitt-receipt+cose",
    ];

    /// The form that the client prefers; text if it does not say.
    ///
    /// # Errors
    /// [`Code::NotAcceptable`].
    pub fn accepted(headers: &HeaderMap) -> Result<Self, Problem> {
        let [_, statement, cose, _] = Self::MEDIA_TYPES;
        Ok(match accept::choose(headers, &Self::MEDIA_TYPES)? {
            0 => Self::Text,
            1 => Self::Statement(statement),
            2 => Self::Statement(cose),
            _ => Self::Receipt,
        })
    }

    /// The receipt of a decided event, once a published checkpoint covers it.
    ///
    /// # Errors
    /// [`Code::NoQuorum`] if validators of an older release signed that checkpoint.
    pub async fn make(
        self,
        service: &Arc<Service>,
        id: EventId,
        index: Index,
    ) -> Result<Option<Response>, Problem> {
        let kind = match self {
            Self::Text => {
                let receipt = service.read(move |reads| reads.receipt(index)).await?;
                return Ok(receipt.map(|receipt| answer::receipt(id, index, TEXT, receipt)));
            }
            Self::Statement(kind) => kind,
            Self::Receipt => "application/scitt-receipt+cose",
        };
        let statement = match service.read(move |reads| reads.statement(index)).await? {
            Covered::Yes(statement) => statement,
            Covered::NotYet => return Ok(None),
            Covered::NoQuorum => return Err(no_quorum().with_event(id)),
        };
        let first = statement.receipts.first();
        let bytes = match (self, first) {
            (Self::Receipt, Some(first)) => first.encode(),
            _ => statement.encode(),
        };
        Ok(Some(answer::receipt(id, index, kind, bytes)))
    }
}

fn no_quorum() -> Problem {
    let detail = "the newest checkpoint has no quorum of COSE signatures yet; ask for text/plain, or again after the next block";
    Problem::new(Code::NoQuorum, detail)
}
