//! The published log over HTTP: what C2SP `tlog-tiles` asks for, and the files beside it.

use super::answer::{self, InPath, Octets};
use super::problem::{Code, Problem};
use super::service::{Service, Shared};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use medanchor_ledger::PolicyHash;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

const TEXT: &str = "text/plain; charset=utf-8";
const OCTETS: &str = "application/octet-stream";
pub(crate) const FOR_EVER: &str = "public, max-age=31536000, immutable";
pub(crate) const NEVER: &str = "no-cache";

/// The content type of a file of the published log.
pub(crate) fn content_type(name: &str) -> &'static str {
    match name {
        "checkpoint" | "witnessed" => TEXT,
        "policy-chain" => "application/cbor",
        policy if policy.starts_with("policies/") => TEXT,
        _ => OCTETS,
    }
}

fn file(content_type: &'static str, cache: &'static str, body: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, cache),
    ];
    (headers, body.into()).into_response()
}

/// The newest checkpoint
///
/// A signed note (C2SP tlog-checkpoint) with a quorum of cosignatures, and with those of outside
/// witnesses as they come.
#[utoipa::path(get, path = "/checkpoint", responses(
    (status = 200, description = "The checkpoint", content_type = "text/plain", body = String),
    (status = 404, description = "None is published yet", body = Problem, content_type = "application/problem+json"),
))]
pub async fn checkpoint(State(service): Shared) -> Result<Response, Problem> {
    let note = service
        .published
        .borrow()
        .as_ref()
        .map(|published| published.served.clone());
    match note {
        Some(note) => Ok(file(TEXT, NEVER, note)),
        None => Err(Problem::new(
            Code::NotFound,
            "no checkpoint is published yet; ask again soon",
        )),
    }
}

/// The newest checkpoint that outside witnesses cosigned
///
/// A signed note with a quorum of cosignatures, the publisher's signature and the cosignatures of
/// outside witnesses (C2SP tlog-witness). It may be older than `/checkpoint`.
#[utoipa::path(get, path = "/witnessed", responses(
    (status = 200, description = "The checkpoint", content_type = "text/plain", body = String),
    (status = 404, description = "No witness cosigned one here", body = Problem, content_type = "application/problem+json"),
))]
pub async fn witnessed(State(service): Shared) -> Result<Response, Problem> {
    let note = service
        .witnessed
        .borrow()
        .as_ref()
        .map(|it| it.served.clone());
    note.map(|note| file(TEXT, NEVER, note)).ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            "no outside witness has cosigned a checkpoint at this node; ask the one that feeds them",
        )
    })
}

/// A tile or an entry bundle (C2SP tlog-tiles)
#[utoipa::path(get, path = "/tile/{path}", params(("path" = String, Path, description = "`<L>/<N>`, `entries/<N>`, with `.p/<W>` for a partial")), responses(
    (status = 200, description = "The tile", content_type = "application/octet-stream", body = Octets),
    (status = 404, description = "Not published", body = Problem, content_type = "application/problem+json"),
))]
pub async fn tile(State(service): Shared, path: InPath) -> Result<Response, Problem> {
    let path = answer::in_path(path)?;
    match service.read(move |reads| reads.tile(&path)).await? {
        Some(bytes) => Ok(file(OCTETS, FOR_EVER, bytes)),
        None => Err(Problem::new(
            Code::NotFound,
            "no such tile; take a size from /checkpoint",
        )),
    }
}

/// The policy of the newest height (C2SP tlog-policy)
#[utoipa::path(get, path = "/policy", responses(
    (status = 200, description = "The policy", content_type = "text/plain", body = String),
))]
pub async fn current_policy(State(service): Shared) -> Result<Response, Problem> {
    let hash = service.reads.current_policy();
    policy_file(&service, hash, NEVER).await
}

/// A policy by its hash (C2SP tlog-policy)
#[utoipa::path(get, path = "/policies/{hash}", params(("hash" = String, Path, description = "SHA-256 of the policy, hex")), responses(
    (status = 200, description = "The policy", content_type = "text/plain", body = String),
    (status = 404, description = "No such policy", body = Problem, content_type = "application/problem+json"),
))]
pub async fn policy(State(service): Shared, hash: InPath) -> Result<Response, Problem> {
    let hash = answer::parse::<PolicyHash>(&answer::in_path(hash)?)?;
    policy_file(&service, hash, FOR_EVER).await
}

async fn policy_file(
    service: &Service,
    hash: PolicyHash,
    cache: &'static str,
) -> Result<Response, Problem> {
    match service.read(move |reads| reads.policy(&hash)).await? {
        Some(policy) => Ok(file(TEXT, cache, policy)),
        None => Err(Problem::new(Code::NotFound, "no policy has this hash")),
    }
}

/// The chain of policies from genesis
///
/// Which policy stands for which sizes of the log, with the proof of each change; to be walked from
/// the genesis file that the client holds.
#[utoipa::path(get, path = "/policy-chain", responses(
    (status = 200, description = "The chain", content_type = "application/cbor", body = Octets),
))]
pub async fn policy_chain(State(service): Shared) -> Result<Response, Problem> {
    match service.read(|reads| reads.policy_chain()).await? {
        Some(chain) => Ok(file("application/cbor", NEVER, chain)),
        None => Err(Problem::new(
            Code::NotFound,
            "no policy chain is published here",
        )),
    }
}

/// The genesis file
#[utoipa::path(get, path = "/genesis", responses(
    (status = 200, description = "The genesis", content_type = "application/octet-stream", body = Octets),
))]
pub async fn genesis(State(service): Shared) -> Response {
    file(OCTETS, FOR_EVER, service.genesis.clone())
}

/// Every commit certificate, in order
///
/// A file that only grows; `Range: bytes=N-` gives what follows.
#[utoipa::path(get, path = "/certificates", responses(
    (status = 200, description = "All of it", content_type = "application/octet-stream", body = Octets),
    (status = 206, description = "From the wanted byte on", content_type = "application/octet-stream", body = Octets),
    (status = 416, description = "It is not that long", body = Problem, content_type = "application/problem+json"),
))]
pub async fn certificates(State(service): Shared, headers: HeaderMap) -> Result<Response, Problem> {
    grown_file(&service, "certificates", &headers).await
}

/// Every cosignature of a published checkpoint, in order
///
/// A file that only grows; `Range: bytes=N-` gives what follows.
#[utoipa::path(get, path = "/cosignatures", responses(
    (status = 200, description = "All of it", content_type = "application/octet-stream", body = Octets),
    (status = 206, description = "From the wanted byte on", content_type = "application/octet-stream", body = Octets),
    (status = 416, description = "It is not that long", body = Problem, content_type = "application/problem+json"),
))]
pub async fn cosignatures(State(service): Shared, headers: HeaderMap) -> Result<Response, Problem> {
    grown_file(&service, "cosignatures", &headers).await
}

/// Bytes read at once.
const CHUNK: u64 = 64 * 1024;

async fn grown_file(
    service: &Service,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let storage = |_| Problem::new(Code::Storage, "the file cannot be read; see the node's log");
    let mut opened = match File::open(service.log_folder.join(name)).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(file(OCTETS, NEVER, Bytes::new()));
        }
        opened => opened.map_err(storage)?,
    };
    let length = opened.metadata().await.map_err(storage)?.len();
    let start = first_byte(headers);
    if start > length || (start == length && start > 0) {
        let detail = format!("the file has {length} bytes; ask for bytes before its end");
        return Err(Problem::new(Code::RangeNotSatisfiable, detail));
    }
    opened
        .seek(std::io::SeekFrom::Start(start))
        .await
        .map_err(storage)?;
    // The length of now, whatever is added meanwhile.
    let chunks = stream::try_unfold((opened, length - start), |(mut file, left)| async move {
        if left == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        let wanted = usize::try_from(left.min(CHUNK)).unwrap_or_default();
        let mut chunk = vec![0; wanted];
        file.read_exact(&mut chunk).await?;
        Ok(Some((Bytes::from(chunk), (file, left - wanted as u64))))
    });
    let mut response = file(OCTETS, NEVER, Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length - start));
    if start > 0 {
        let range = format!("bytes {start}-{}/{length}", length - 1);
        if let Ok(range) = HeaderValue::from_str(&range) {
            headers.insert(header::CONTENT_RANGE, range);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// `N` of `Range: bytes=N-`; other ranges may be ignored (RFC 9110 14.2).
fn first_byte(headers: &HeaderMap) -> u64 {
    let range = headers
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    start.and_then(|start| start.parse().ok()).unwrap_or(0)
}
