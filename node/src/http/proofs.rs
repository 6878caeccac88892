//! Documents that prove what the state holds: one key's value or its absence, the history of a tag,
//! the decision on a request for access. All are checked offline, against a policy.

use super::answer::{self, Accepted, InPath, Octets, WaitFor};
use super::events;
use super::problem::{Code, Problem};
use super::service::{Provable, Service, Shared};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use medanchor_ledger::{EventId, Height, ParticipantName, Tag};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// The height that a document speaks of.
const HEIGHT_HEADER: HeaderName = HeaderName::from_static("medanchor-height");

/// `?height=H&wait=receipt`.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct At {
    /// The height whose state is asked for; without it the newest that a checkpoint covers.
    height: Option<u64>,
    /// `receipt`: answer when a checkpoint covers the height, or the node's bound for waiting is
    /// reached.
    wait: Option<WaitFor>,
}

/// `?first=N`.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct From {
    /// How many of the tag's events the pages before have; 0 without it.
    first: Option<u64>,
}

/// Prove a value of the state, or its absence
///
/// A state document (medanchor/state-proof/v1): key, value, proof, seal and the seal's receipt. It
/// speaks of one height, which `medanchor-height` repeats.
#[utoipa::path(
    get,
    path = "/v1/state/{key}/proof",
    params(("key" = String, Path, description = "State key, hex"), At),
    responses(
        (status = 200, description = "The state document", content_type = "application/cbor", body = Octets),
        (status = 400, description = "Not a state key, or not a height", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No checkpoint covers the height yet", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The height's state is not kept any more; the detail says from which height on it is", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn state(
    State(service): Shared,
    key: InPath,
    at: Result<Query<At>, QueryRejection>,
) -> Result<Response, Problem> {
    let at = query(at, "height=H and wait=receipt")?;
    let key = super::ledger::state_key(key)?;
    let height = at.height.map(Height);
    if let (Some(height), Some(WaitFor::Receipt)) = (height, at.wait) {
        wait_for_checkpoint(&service, height).await;
    }
    let made = service.read(move |reads| reads.state_document(&key, height));
    answer(made.await?)
}

/// Prove the history of a tag
///
/// A page of a history (medanchor/history/v1): the tag's events in the order of the log, 1,024 a page.
/// The last page proves from the state that these are all, up to a checkpoint; ask for the next page
/// with `first` until it comes. A tag that no event bears has one page, without events. A node that
/// keeps no histories (`state.histories`) answers 410.
#[utoipa::path(
    get,
    path = "/v1/tags/{owner}/{tag}/history",
    params(
        ("owner" = String, Path, description = "The participant that sealed records under the tag"),
        ("tag" = String, Path, description = "The tag, 32 hex digits"),
        From
    ),
    responses(
        (status = 200, description = "The page", content_type = "application/cbor", body = Octets),
        (status = 400, description = "Not a participant, a tag or a number, or a page beyond the last", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn history(
    State(service): Shared,
    names: Result<Path<(String, String)>, PathRejection>,
    from: Result<Query<From>, QueryRejection>,
) -> Result<Response, Problem> {
    let first = query(from, "first=N")?.first.unwrap_or_default();
    let malformed = |_| Problem::new(Code::Malformed, "give owner and tag as /openapi.json says");
    let Path((owner, tag)) = names.map_err(malformed)?;
    let owner = answer::parse::<ParticipantName>(&owner)?;
    let tag = answer::parse::<Tag>(&tag)?;
    let made = service.read(move |reads| reads.history(&owner, &tag, first));
    answer(made.await?)
}

/// Prove what was decided on a request for access
///
/// An access receipt (medanchor/access-receipt/v1): the request, its place in the log, the decision,
/// and record and consent as the state of that very height holds them. `wait=receipt` waits for it.
#[utoipa::path(
    get,
    path = "/v1/events/{id}/access-receipt",
    params(("id" = String, Path, description = "Event id, 64 hex digits"), answer::Wait),
    responses(
        (status = 200, description = "The access receipt", content_type = "application/cbor", body = Octets),
        (status = 202, description = "The event waits", body = Accepted),
        (status = 400, description = "Not an event id, or the event is no request for access", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Not known here", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The event was refused by a rule", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The state of its height is not kept any more", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn access(
    State(service): Shared,
    id: InPath,
    wait: Result<Query<answer::Wait>, QueryRejection>,
) -> Result<Response, Problem> {
    let wait = answer::query(wait)?;
    let id = answer::parse::<EventId>(&answer::in_path(id)?)?;
    let mut made = access_receipt(&service, id).await?;
    let waits = match made {
        Provable::NotCheckpointed(_) => true,
        Provable::Unknown => (service.pooled)(&id),
        _ => false,
    };
    if waits && wait.is_for_receipt() {
        answer::wait(&service, id).await?;
        made = access_receipt(&service, id).await?;
    }
    match made {
        Provable::Unknown => events::not_anchored(&service, id).await,
        Provable::NotCheckpointed(_) => Ok(events::accepted(&service, id)),
        made => answer(made),
    }
}

async fn access_receipt(service: &Arc<Service>, id: EventId) -> Result<Provable, Problem> {
    service.read(move |reads| reads.access_receipt(&id)).await
}

fn query<T>(given: Result<Query<T>, QueryRejection>, known: &str) -> Result<T, Problem> {
    given.map(|Query(given)| given).map_err(|_| {
        let detail = format!("the query is not known; {known} can be given, numbers in digits");
        Problem::new(Code::Malformed, detail)
    })
}

/// Waits until a published checkpoint covers the height, the bound for waiting is reached or the node
/// stops.
async fn wait_for_checkpoint(service: &Service, height: Height) {
    let mut published = service.published.clone();
    let covered = async {
        loop {
            // What is published after this look is noticed below.
            published.borrow_and_update();
            let covers = service
                .read(move |reads| reads.is_checkpointed(height))
                .await;
            if covers.unwrap_or(true) || published.changed().await.is_err() {
                return;
            }
        }
    };
    let patience = Duration::from_millis(service.config.wait_timeout_ms);
    tokio::select! {
        () = service.stop.cancelled() => {}
        _ = tokio::time::timeout(patience, covered) => {}
    }
}

fn answer(made: Provable) -> Result<Response, Problem> {
    let (code, detail) = match made {
        Provable::Made(height, document) => {
            let headers = [
                (
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("application/cbor"),
                ),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
                (HEIGHT_HEADER, HeaderValue::from(height.0)),
            ];
            return Ok((headers, document).into_response());
        }
        Provable::NotCheckpointed(newest) => (Code::NotCheckpointed, not_checkpointed(newest)),
        Provable::NotKept { oldest, newest } => (Code::NotKept, not_kept(oldest, newest)),
        Provable::Unknown => (
            Code::NotFound,
            "no event with this id is known here".to_owned(),
        ),
        Provable::NotARequest => (
            Code::Malformed,
            "the event is no access.request; ask for its receipt".to_owned(),
        ),
        Provable::NoIndex => (
            Code::NotKept,
            "this node keeps no histories (state.histories is false); ask another one, or make the history from a copy of the log with `medanchor-audit history`".to_owned(),
        ),
        Provable::IndexBehind(at, size) => (
            Code::Busy,
            format!("the index of histories is being made, {at} of {size} entries; come back later"),
        ),
        Provable::Beyond(count) => (
            Code::Malformed,
            format!("the tag has {count} events; ask for a first of at most that"),
        ),
    };
    Err(Problem::new(code, detail))
}

fn not_checkpointed(newest: Option<Height>) -> String {
    match newest {
        Some(newest) => format!(
            "no published checkpoint covers this height yet, {newest} is the newest; ask again soon, or with wait=receipt"
        ),
        None => "no checkpoint is published yet; ask again soon".to_owned(),
    }
}

fn not_kept(oldest: Option<Height>, newest: Height) -> String {
    let kept = match oldest {
        Some(oldest) => format!("this node keeps those from {oldest} to {newest}"),
        None => "this node keeps none that is checkpointed".to_owned(),
    };
    format!(
        "the state of this height is not kept ({kept}; state.kept_heights and state.kept_bytes); make the proof from a copy of the log with `medanchor-audit state`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_named() {
        let said = not_kept(Some(Height(3)), Height(9));
        assert!(said.contains("those from 3 to 9"), "{said}");
        let problem = answer(Provable::NotKept {
            oldest: None,
            newest: Height(1),
        });
        assert_eq!(
            problem.err().map(|problem| problem.code()),
            Some("not-kept")
        );
    }
}
