//! Feeding outside witnesses (C2SP `tlog-witness`): the node that holds the publisher key hands
//! them published checkpoints and serves the cosignatures that come back.
//!
//! What always holds: the publisher signs only checkpoints that were published with their quorum,
//! one root for a size, ever, and that is on disk before the signature leaves; one request is under
//! way at a witness, always for the newest checkpoint offered; whatever a witness answers is
//! bounded in size and time and nothing else in the node waits for it; only cosignatures that hold
//! under the configured keys are served.
//!
//! Checkpoints are offered in rounds. A round is one checkpoint; it lasts until every witness in
//! good standing has answered, so that their cosignatures stand under one checkpoint. A witness
//! that failed last time is asked on the side, less and less often, and no round waits for it.

mod fed;
mod feeder;
mod line;
mod memory;
mod offer;
mod pace;

pub use feeder::start;
pub use memory::MemoryError;

use serde::{Deserialize, Serialize};

/// An outside witness, as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WitnessStatus {
    /// What the configuration calls it.
    pub name: String,
    /// The size of the checkpoint that it cosigned last; 0 before the first.
    pub size: u64,
    /// What came of the last request: `200`, another HTTP status, or `unreachable`, `timeout`,
    /// `oversize`, `malformed`, `no-cosignature`, `bad-cosignature`, `ahead`; empty before the
    /// first.
    pub answer: String,
    /// Requests in a row that brought no cosignature.
    pub failures: u32,
}

/// Why a request brought no cosignature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The witness answered with this status.
    Status(u16),
    /// No connection, or it broke.
    Unreachable,
    /// No whole answer in time.
    Timeout,
    /// An answer longer than any right one.
    Oversize,
    /// Not what the protocol asks for.
    Malformed,
    /// No cosignature by the configured keys.
    NoCosignature,
    /// A cosignature that does not hold.
    BadCosignature,
    /// It has cosigned more entries than this node has published.
    Ahead,
    /// This node could not read its own log; it says so elsewhere.
    Storage,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            // As many labels as there are statuses would be too many for metrics.
            Self::Status(status @ (400 | 403 | 404 | 409 | 422 | 429 | 500 | 502 | 503)) => {
                return write!(f, "{status}");
            }
            Self::Status(status) => return write!(f, "{}xx", status / 100),
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Oversize => "oversize",
            Self::Malformed => "malformed",
            Self::NoCosignature => "no-cosignature",
            Self::BadCosignature => "bad-cosignature",
            Self::Ahead => "ahead",
            Self::Storage => "storage",
        })
    }
}
