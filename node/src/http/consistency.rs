//! `GET /v1/consistency`: proof that an earlier log is the beginning of a later one.

use super::accept;
use super::answer::Octets;
use super::problem::{Code, Problem};
use super::service::Shared;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use medanchor_ledger::Size;
use medanchor_ledger::consistency::ConsistencyReceipt;
use medanchor_ledger::cose_receipt::CoseReceipt;
use serde::Deserialize;

/// `?from=M&to=N`.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Sizes {
    /// The earlier size, at least 1: that of the checkpoint that the client holds.
    from: u64,
    /// The later size, one that was published; the newest if none is given.
    to: Option<u64>,
}

/// A proof in both of its forms.
#[derive(Clone, Debug)]
pub struct Consistent {
    /// The text form.
    pub receipt: ConsistencyReceipt,
    /// A quorum of COSE Receipts; none of equal sizes, for which RFC 9942 has no proof, and none if
    /// validators of an older release signed the later checkpoint.
    pub cose: Option<Vec<CoseReceipt>>,
}

const MEDIA_TYPES: [&str; 2] = ["text/plain", "application/cbor"];

/// Prove that the log has only grown
///
/// A consistency receipt: the earlier size and root, the path of RFC 9162 2.1.4.1, and the later
/// checkpoint with its quorum. `Accept` chooses the form: `text/plain`, the default, or
/// `application/cbor`, an array of byte strings with a COSE Receipt of consistency (RFC 9942) each,
/// of a quorum. Compare the earlier root with your own: one that the node chose proves nothing.
#[utoipa::path(
    get,
    path = "/v1/consistency",
    params(Sizes),
    responses(
        (status = 200, description = "The receipt", content((String = "text/plain"), (Octets = "application/cbor"))),
        (status = 400, description = "Not two sizes, the earlier above 0 and not above the later", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The later size was not published", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "It cannot be had in an accepted form", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn get(
    State(service): Shared,
    sizes: Result<Query<Sizes>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = accept::choose(&headers, &MEDIA_TYPES)?;
    let (from, to) = wanted(sizes)?;
    let found = service
        .read(move |reads| reads.consistency(from, to))
        .await?;
    let found = found.ok_or_else(not_published)?;
    let (kind, body) = match form {
        0 => (
            "text/plain; charset=utf-8",
            found.receipt.to_string().into_bytes(),
        ),
        _ => {
            let receipts = found.cose.ok_or_else(no_cose)?;
            ("application/cbor", CoseReceipt::encode_list(&receipts))
        }
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::VARY, HeaderValue::from_static("accept")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, body).into_response())
}

fn wanted(sizes: Result<Query<Sizes>, QueryRejection>) -> Result<(Size, Option<Size>), Problem> {
    let malformed = || {
        let detail = "give from, a size above 0, and to, a published size not below it, as in ?from=300&to=1000";
        Problem::new(Code::Malformed, detail)
    };
    let Query(Sizes { from, to }) = sizes.map_err(|_| malformed())?;
    if from == 0 || to.is_some_and(|to| to < from) {
        return Err(malformed());
    }
    Ok((Size(from), to.map(Size)))
}

fn not_published() -> Problem {
    let detail = "no checkpoint of the later size was published here, or the newest is below the earlier size; take sizes from checkpoints";
    Problem::new(Code::NotFound, detail)
}

fn no_cose() -> Problem {
    let detail = "there are no COSE Receipts of equal sizes, nor of a checkpoint that an older release signed; ask for text/plain";
    Problem::new(Code::NotAcceptable, detail)
}
