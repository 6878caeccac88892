//! Pieces that several resources share: parsing what came, and the common forms of answers.

use super::problem::{Code, Problem};
use super::service::Service;
use crate::admission::Admitted;
use crate::outcomes::Outcome;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use medanchor_ledger::rules::Rejection;
use medanchor_ledger::{EventId, Index, ParseError};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::sync::Arc;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// `?wait=receipt`.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wait {
    /// `receipt`: answer when the receipt is there, or the node's bound for waiting is reached.
    wait: Option<WaitFor>,
}

/// Bytes as they are: how the description speaks of a body that is no JSON and no text.
pub enum Octets {}

impl PartialSchema for Octets {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(format))
            .into()
    }
}

impl ToSchema for Octets {}

/// What can be waited for.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WaitFor {
    /// The receipt.
    Receipt,
}

impl Wait {
    /// Whether the client waits for the receipt.
    #[must_use]
    pub const fn is_for_receipt(self) -> bool {
        matches!(self.wait, Some(WaitFor::Receipt))
    }
}

/// An event that has been taken and waits.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Accepted {
    /// The event's id.
    pub id: String,
    /// `pooled`, or `waiting` if a rule says that its turn has not come.
    pub status: &'static str,
    /// The rule that it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// What that rule asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Accepted {
    /// An event in the pool, with the rule that it waits for.
    #[must_use]
    pub fn pooled(id: EventId, waits_for: Option<Rejection>) -> Self {
        Self {
            id: id.to_string(),
            status: if waits_for.is_some() {
                "waiting"
            } else {
                "pooled"
            },
            rule: waits_for.map(|rejection| rejection.rule.code()),
            detail: waits_for.map(|rejection| rejection.to_string()),
        }
    }
}

/// The query of a post whose body is of the `wanted` type, or of none.
///
/// # Errors
/// [`Code::Malformed`] and [`Code::UnsupportedMediaType`].
pub fn posted(
    wait: Result<Query<Wait>, QueryRejection>,
    headers: &HeaderMap,
    wanted: &str,
) -> Result<Wait, Problem> {
    let wait = query(wait)?;
    check_content_type(headers, wanted)?;
    Ok(wait)
}

/// Brings events to the door: one answer for each, in their order.
///
/// # Errors
/// [`Code::PoolFull`]; none was taken then.
pub async fn submit(service: &Service, events: Vec<Bytes>) -> Result<Vec<Admitted>, Problem> {
    service
        .admission
        .submit(events)
        .await
        .ok_or_else(too_many_wait)
}

/// Too many events wait to be checked.
pub fn too_many_wait() -> Problem {
    let detail = "too many events wait to be checked; try again in a second";
    Problem::new(Code::PoolFull, detail)
}

/// The query, or what is wrong with it.
///
/// # Errors
/// [`Code::Malformed`].
pub fn query(wait: Result<Query<Wait>, QueryRejection>) -> Result<Wait, Problem> {
    wait.map(|Query(wait)| wait).map_err(|_| {
        Problem::new(
            Code::Malformed,
            "the query is not known; only wait=receipt can be given",
        )
    })
}

/// What the path names, as text.
pub type InPath = Result<Path<String>, PathRejection>;

/// The text out of the path, or what is wrong with it.
///
/// # Errors
/// [`Code::Malformed`].
pub fn in_path(path: InPath) -> Result<String, Problem> {
    path.map(|Path(text)| text).map_err(|_| {
        Problem::new(
            Code::Malformed,
            "the path is not text; give it as /openapi.json says",
        )
    })
}

/// A value out of the path.
///
/// # Errors
/// [`Code::Malformed`].
pub fn parse<T: FromStr<Err = ParseError>>(text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: ParseError| Problem::new(Code::Malformed, error.to_string()))
}

fn check_content_type(headers: &HeaderMap, wanted: &str) -> Result<(), Problem> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let given = given.to_str().unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(Problem::new(
        Code::UnsupportedMediaType,
        format!("send the body as {wanted}"),
    ))
}

/// A receipt as a client gets it, in one of its forms.
#[must_use]
pub fn receipt(id: EventId, index: Index, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(super::events::INDEX_HEADER, HeaderValue::from(index.0));
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert("medanchor-event", id);
    }
    (headers, body.into()).into_response()
}

/// Waits until an event is published or refused; none when the bound for waiting is reached.
///
/// # Errors
/// If storage cannot be read, or the node stops.
pub async fn wait(service: &Arc<Service>, id: EventId) -> Result<Option<Outcome>, Problem> {
    let outcomes = wait_for_all(service, vec![id]).await?;
    Ok(outcomes.into_iter().next().flatten())
}

/// Waits until every event is published or refused, or the bound for waiting is reached; gives
/// what is known then, in the order of the ids.
///
/// # Errors
/// If storage cannot be read, or the node stops.
pub async fn wait_for_all(
    service: &Arc<Service>,
    ids: Vec<EventId>,
) -> Result<Vec<Option<Outcome>>, Problem> {
    let patience = std::time::Duration::from_millis(service.config.wait_timeout_ms);
    let start = tokio::time::Instant::now();
    let deadline = start + patience;
    // First those who wait are noted, then it is looked whether it has happened: not vice versa.
    let waiting: Vec<_> = ids
        .iter()
        .map(|id| service.outcomes.wait_for(*id))
        .collect();
    let known = already_known(service, ids.clone()).await?;
    let mut outcomes = Vec::with_capacity(ids.len());
    for (outcome, waiter) in known.into_iter().zip(waiting) {
        outcomes.push(match outcome {
            Some(outcome) => Some(outcome),
            None => tokio::select! {
                () = service.stop.cancelled() => return Err(stopping()),
                told = tokio::time::timeout_at(deadline, waiter) => told.ok().and_then(Result::ok),
            },
        });
    }
    for id in &ids {
        service.outcomes.stop_waiting(id);
    }
    metrics::histogram!("medanchor_receipt_seconds").record(start.elapsed());
    Ok(outcomes)
}

fn stopping() -> Problem {
    let detail = "the node is stopping; the event stays valid, post it to another node";
    Problem::new(Code::Stopping, detail)
}

async fn already_known(
    service: &Arc<Service>,
    ids: Vec<EventId>,
) -> Result<Vec<Option<Outcome>>, Problem> {
    let size = service
        .published
        .borrow()
        .as_ref()
        .map(|published| published.checkpoint.size);
    let shared = Arc::clone(service);
    service
        .read(move |reads| {
            let look = |id: &EventId| match (reads.index_of(id)?, size) {
                (Some(index), Some(size)) if index.0 < size.0 => {
                    Ok(Some(Outcome::Published(index)))
                }
                (Some(_), _) => Ok(None),
                (None, _) if (shared.pooled)(id) => Ok(None),
                (None, _) => Ok(shared.outcomes.refusal(id)),
            };
            ids.iter().map(look).collect()
        })
        .await
}
