//! The node itself: status, health, readiness, metrics, and the stream of blocks.

use super::problem::{Code, Problem};
use super::service::{BlockNotice, Published, Service, Shared, Status};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

/// How the node is
#[utoipa::path(get, path = "/v1/status", responses((status = 200, description = "The status", body = Status)))]
pub async fn status(State(service): Shared) -> Json<Status> {
    let mut status = service.reads.status();
    status.publishing = service
        .publishing
        .as_ref()
        .map(|progress| progress.report());
    Json(status)
}

/// Whether the process lives
#[utoipa::path(get, path = "/health", responses((status = 200, description = "It does", content_type = "text/plain", body = String)))]
pub async fn health() -> &'static str {
    "alive\n"
}

/// Whether the node takes part
#[utoipa::path(get, path = "/ready", responses(
    (status = 200, description = "It does", content_type = "text/plain", body = String),
    (status = 503, description = "Not yet, and why", body = Problem, content_type = "application/problem+json"),
))]
pub async fn ready(State(service): Shared) -> Result<&'static str, Problem> {
    match service.reads.not_ready() {
        None => Ok("ready\n"),
        Some(reason) => Err(Problem::new(Code::Busy, reason)),
    }
}

/// Metrics for Prometheus
#[utoipa::path(get, path = "/metrics", responses((status = 200, description = "The metrics", content_type = "text/plain", body = String)))]
pub async fn metrics(State(service): Shared) -> Response {
    let text = (service.metrics)();
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}

/// A checkpoint that is published.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CheckpointNotice {
    /// Its size: how many entries it covers.
    size: u64,
    /// Root of the log at that size, hex.
    root: String,
}

/// The data of a server-sent event.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Notice {
    /// Of `block`.
    Block(BlockNotice),
    /// Of `checkpoint`.
    Checkpoint(CheckpointNotice),
}

/// Follow the ledger
///
/// Server-sent events: `block` when this node has made a block durable, `checkpoint` when a
/// checkpoint with a quorum of cosignatures is published.
#[utoipa::path(get, path = "/v1/stream", responses(
    (status = 200, description = "The stream; the data of each event is one JSON object", content_type = "text/event-stream", body = Notice),
    (status = 503, description = "As many streams are open as may be", body = Problem, content_type = "application/problem+json"),
))]
pub async fn stream(State(service): Shared) -> Result<Response, Problem> {
    let permit = Arc::clone(&service.streams)
        .try_acquire_owned()
        .map_err(|_| {
            Problem::new(
                Code::Busy,
                "as many streams are open as may be; try again later",
            )
        })?;
    let mut published = service.published.clone();
    // What is published already is no news.
    published.mark_unchanged();
    let following = Following {
        blocks: service.blocks.subscribe(),
        published,
        service: Arc::clone(&service),
        _permit: permit,
    };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(notices(following))
        .keep_alive(keep_alive)
        .into_response())
}

struct Following {
    blocks: broadcast::Receiver<BlockNotice>,
    published: watch::Receiver<Option<Published>>,
    service: Arc<Service>,
    _permit: OwnedSemaphorePermit,
}

fn notices(following: Following) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(following, |mut following| async move {
        let event = following.next().await?;
        Some((Ok(event), following))
    })
}

impl Following {
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                () = self.service.stop.cancelled() => return None,
                block = self.blocks.recv() => match block {
                    Ok(block) => return Some(Notice::Block(block).into()),
                    // Slow readers miss blocks; heights say which.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                changed = self.published.changed() => {
                    changed.ok()?;
                    let published = self.published.borrow_and_update().clone();
                    if let Some(published) = published {
                        let notice = Notice::Checkpoint(CheckpointNotice {
                            size: published.checkpoint.size.0,
                            root: published.checkpoint.root.to_string(),
                        });
                        return Some(notice.into());
                    }
                }
            }
        }
    }
}

impl From<Notice> for Event {
    fn from(notice: Notice) -> Self {
        let name = match notice {
            Notice::Block(_) => "block",
            Notice::Checkpoint(_) => "checkpoint",
        };
        Self::default()
            .event(name)
            .data(serde_json::to_string(&notice).unwrap_or_default())
    }
}
