//! `GET /v1/blocks/{height}` and `GET /v1/state/{key}`: the decided ledger.

use super::answer::{self, InPath};
use super::problem::{Code, Problem};
use super::service::Shared;
use axum::Json;
use axum::extract::State;
use medanchor_ledger::Height;
use medanchor_ledger::seal::Seal;
use medanchor_ledger::state::StateKey;
use serde::Serialize;

/// A decided block.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BlockAnswer {
    /// The height.
    pub height: u64,
    /// The round in which it was first built.
    pub round: u32,
    /// Who built it; none for genesis.
    pub proposer: Option<String>,
    /// Its time, milliseconds since 1970.
    pub time: u64,
    /// The place of its first entry in the log.
    pub first: u64,
    /// How many events it has; its seal follows them.
    pub events: u64,
    /// Root of the log before it, hex.
    pub log_root_before: String,
    /// Root of the state after it, hex.
    pub state_root: String,
    /// Hash of the seal before, hex.
    pub previous: String,
    /// Version of the rules.
    pub rules_version: u32,
    /// Hash of this height's policy, hex.
    pub policy: String,
    /// Hash of the next height's policy, hex.
    pub next_policy: String,
    /// The seal's one encoding, hex.
    pub seal: String,
}

impl From<Seal> for BlockAnswer {
    fn from(seal: Seal) -> Self {
        Self {
            seal: hex::encode(seal.encode()),
            height: seal.height.0,
            round: seal.round.0,
            proposer: seal.proposer.map(|name| name.to_string()),
            time: seal.time.0,
            first: seal.first.0,
            events: seal.count,
            log_root_before: seal.log_root.to_string(),
            state_root: seal.state_root.to_string(),
            previous: seal.previous.to_string(),
            rules_version: seal.rules_version,
            policy: seal.policy.to_string(),
            next_policy: seal.next_policy.to_string(),
        }
    }
}

/// Fetch a block's seal
#[utoipa::path(
    get,
    path = "/v1/blocks/{height}",
    params(("height" = u64, Path, description = "Height, from 0")),
    responses(
        (status = 200, description = "The block", body = BlockAnswer),
        (status = 404, description = "Not decided yet", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn block(State(service): Shared, height: InPath) -> Result<Json<BlockAnswer>, Problem> {
    let height = answer::in_path(height)?;
    let height = parse_height(&height).ok_or_else(|| {
        Problem::new(
            Code::Malformed,
            "the height is not a number; give one from 0 upwards, in digits alone",
        )
    })?;
    match service.read(move |reads| reads.seal(height)).await? {
        Some(seal) => Ok(Json(seal.into())),
        None => Err(Problem::new(
            Code::NotFound,
            "no block of this height is decided here; see /v1/status for the newest",
        )),
    }
}

/// A height in its one spelling: neither a sign nor zeros in front.
fn parse_height(text: &str) -> Option<Height> {
    let height: u64 = text.parse().ok()?;
    (height.to_string() == text).then_some(Height(height))
}

/// A value of the state.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct StateAnswer {
    /// The height whose state this is.
    pub height: u64,
    /// The value, hex; none if the key is absent.
    pub value: Option<String>,
}

/// The state key out of the path.
///
/// # Errors
/// [`Code::Malformed`].
pub fn state_key(key: InPath) -> Result<StateKey, Problem> {
    let malformed = || {
        Problem::new(
            Code::Malformed,
            "not a state key; give its bytes as hex digits",
        )
    };
    let bytes = hex::decode(answer::in_path(key)?).map_err(|_| malformed())?;
    StateKey::new(&bytes).map_err(|_| malformed())
}

/// Fetch a value of the newest state
///
/// Without a proof: the answer is this node's word. `/v1/state/{key}/proof` proves it.
#[utoipa::path(
    get,
    path = "/v1/state/{key}",
    params(("key" = String, Path, description = "State key, hex")),
    responses(
        (status = 200, description = "The value, or none", body = StateAnswer),
        (status = 400, description = "Not a state key", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn state(State(service): Shared, key: InPath) -> Result<Json<StateAnswer>, Problem> {
    let key = state_key(key)?;
    let (height, value) = service.read(move |reads| reads.value(&key)).await?;
    Ok(Json(StateAnswer {
        height: height.0,
        value: value.map(hex::encode),
    }))
}
