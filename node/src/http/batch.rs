//! `POST /v1/events/batch`: many events at once.

use super::answer::{self, Octets, Wait};
use super::events::{problem_of, refusal};
use super::problem::{Code, Problem};
use super::service::{Service, Shared};
use crate::admission::Admitted;
use crate::outcomes::Outcome;
use crate::sequence;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use medanchor_ledger::{EventId, Index};
use serde::Serialize;
use std::sync::Arc;

/// The most events of a batch whose answer holds the receipts too: they take time and room.
const MAX_RECEIPTS: usize = 256;

/// The most events of one batch.
pub const MAX_EVENTS: usize = 10_000;

/// The answer to a batch.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BatchAnswer {
    /// How many events were taken or are known already.
    pub accepted: usize,
    /// How many were refused.
    pub refused: usize,
    /// One result for each event, in the order in which they came.
    pub results: Vec<BatchResult>,
}

/// What became of one event of a batch.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BatchResult {
    /// The event's id; none if it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `pooled`, `anchored` or `refused`.
    pub status: &'static str,
    /// Its place in the log, once anchored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Its receipt (C2SP tlog-proof), if the batch was waited for and is not too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// Post many events
///
/// The body is a CBOR sequence (RFC 8742) of COSE_Sign1. Each event has its own result; one that
/// is refused does not hold up the others. With `wait=receipt` the answer comes when all are
/// anchored or refused, or the node's bound for waiting is reached; up to 256 events it holds the
/// receipts, of more they are fetched one by one.
#[utoipa::path(
    post,
    path = "/v1/events/batch",
    params(Wait),
    request_body(content = Octets, content_type = "application/cbor-seq", description = "A sequence of COSE_Sign1"),
    responses(
        (status = 202, description = "One result for each event", body = BatchAnswer),
        (status = 400, description = "Not a sequence of events; none was taken", body = Problem, content_type = "application/problem+json"),
        (status = 411, description = "The body's length is not announced by Content-Length alone", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Body too large", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many events wait; none was taken", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn post(
    State(service): Shared,
    wait: Result<Query<Wait>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let wait = answer::posted(wait, &headers, "application/cbor-seq")?;
    let events = sequence::split(&body, MAX_EVENTS)
        .map_err(|error| Problem::new(Code::Malformed, error.to_string()))?;
    let admitted = answer::submit(&service, events).await?;
    let results = if wait.is_for_receipt() {
        when_settled(&service, admitted).await?
    } else {
        admitted.into_iter().map(at_once).collect()
    };
    let refused = results
        .iter()
        .filter(|result: &&BatchResult| result.status == "refused")
        .count();
    let answer = BatchAnswer {
        accepted: results.len() - refused,
        refused,
        results,
    };
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

fn at_once(admitted: Admitted) -> BatchResult {
    match admitted {
        Admitted::Pooled(id) | Admitted::Known(id) => result(id, "pooled"),
        Admitted::Anchored(id, index) => BatchResult {
            index: Some(index.0),
            ..result(id, "anchored")
        },
        Admitted::Refused(id, refused) => BatchResult {
            id: id.map(|id| id.to_string()),
            status: "refused",
            index: None,
            receipt: None,
            problem: Some(problem_of(id, &refused)),
        },
    }
}

fn result(id: EventId, status: &'static str) -> BatchResult {
    BatchResult {
        id: Some(id.to_string()),
        status,
        index: None,
        receipt: None,
        problem: None,
    }
}

async fn when_settled(
    service: &Arc<Service>,
    admitted: Vec<Admitted>,
) -> Result<Vec<BatchResult>, Problem> {
    let taken = admitted.iter().filter_map(taken_id).collect();
    let mut outcomes = answer::wait_for_all(service, taken).await?.into_iter();
    let mut results = Vec::with_capacity(admitted.len());
    for admitted in admitted {
        let outcome = taken_id(&admitted).and_then(|id| Some((id, outcomes.next()??)));
        results.push(match outcome {
            Some((id, Outcome::Published(index))) => BatchResult {
                index: Some(index.0),
                ..result(id, "anchored")
            },
            Some((id, outcome)) => BatchResult {
                problem: Some(refusal(service, id, outcome).await),
                ..result(id, "refused")
            },
            None => at_once(admitted),
        });
    }
    if results.len() <= MAX_RECEIPTS {
        results = with_receipts(service, results).await?;
    }
    Ok(results)
}

async fn with_receipts(
    service: &Arc<Service>,
    mut results: Vec<BatchResult>,
) -> Result<Vec<BatchResult>, Problem> {
    service
        .read(move |reads| {
            for result in &mut results {
                if let Some(index) = result.index {
                    result.receipt = reads.receipt(Index(index))?;
                }
            }
            Ok(results)
        })
        .await
}

const fn taken_id(admitted: &Admitted) -> Option<EventId> {
    match admitted {
        Admitted::Pooled(id) | Admitted::Known(id) | Admitted::Anchored(id, _) => Some(*id),
        Admitted::Refused(..) => None,
    }
}
