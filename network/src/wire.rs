//! The peer-to-peer layer: one libp2p swarm, one port, one identity.
//!
//! What always holds: a connection belongs to a configured peer or is denied before any protocol
//! runs on it; each connection carries one stream a lane in each direction, opened by the sender,
//! over which framed messages go in order and without relay; a queue that is full drops and
//! counts, it never grows; a reader that is busy stops reading, which stops the sender.

pub mod lanes;
pub mod outbox;
pub mod presence;
pub mod streams;
pub mod swarm;
pub mod sync;

use crate::limits::{
    MAX_CONSENSUS_MESSAGE_BYTES, MAX_COSIGNATURE_BYTES, MAX_EVENT_BATCH_BYTES, PART_BYTES,
};
use ::bytes::Bytes;
use libp2p::StreamProtocol;
use medanchor_ledger::NetworkId;
use presence::MAX_PRESENCE_BYTES;

/// How many lanes there are.
pub const LANES: usize = 4;

/// Messages of one lane stay in order; lanes do not hold each other up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// Votes, proposals, certificates, status, wakes: small, and what decisions wait for.
    Consensus,
    /// Blocks.
    Parts,
    /// Events.
    Events,
    /// Cosignatures, which must not wait behind events: receipts wait for them.
    Cosignatures,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; LANES] = [
        Self::Consensus,
        Self::Parts,
        Self::Events,
        Self::Cosignatures,
    ];

    /// Its place in [`Lane::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::Consensus => 0,
            Self::Parts => 1,
            Self::Events => 2,
            Self::Cosignatures => 3,
        }
    }

    /// Messages that may wait for one peer.
    pub const fn queue(self) -> usize {
        match self {
            Self::Consensus => 1024,
            Self::Parts => 40,
            Self::Events => 64,
            Self::Cosignatures => 256,
        }
    }

    /// The protocol name, which no node of another network speaks.
    pub fn protocol(self, network: &NetworkId) -> StreamProtocol {
        let name = match self {
            Self::Consensus => "consensus",
            Self::Parts => "parts",
            Self::Events => "events",
            Self::Cosignatures => "cosignatures",
        };
        protocol(network, name)
    }
}

/// `/medanchor/<network id>/<name>/1`.
pub fn protocol(network: &NetworkId, name: &str) -> StreamProtocol {
    let text = format!("/medanchor/{network}/{name}/1");
    // It starts with a slash, which is all that is asked of a protocol name.
    StreamProtocol::try_from_owned(text).unwrap_or(StreamProtocol::new("/medanchor"))
}

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A vote or a proposal.
    Consensus,
    /// A vote again, or a certificate.
    Liveness,
    /// How far the sender is.
    Status,
    /// There is work for a height.
    Wake,
    /// Who speaks in whose name.
    Presence,
    /// A block begins.
    Manifest,
    /// A block goes on.
    Chunk,
    /// Events.
    Events,
    /// A cosignature.
    Cosignature,
}

impl Kind {
    const TABLE: [(Self, u8, Lane, usize); 9] = [
        (
            Self::Consensus,
            1,
            Lane::Consensus,
            MAX_CONSENSUS_MESSAGE_BYTES,
        ),
        (
            Self::Liveness,
            2,
            Lane::Consensus,
            MAX_CONSENSUS_MESSAGE_BYTES,
        ),
        (Self::Status, 3, Lane::Consensus, 16),
        (Self::Wake, 4, Lane::Consensus, 8),
        (Self::Presence, 9, Lane::Consensus, MAX_PRESENCE_BYTES),
        (Self::Manifest, 5, Lane::Parts, 1024),
        (Self::Chunk, 6, Lane::Parts, PART_BYTES),
        (Self::Events, 7, Lane::Events, MAX_EVENT_BATCH_BYTES),
        (
            Self::Cosignature,
            8,
            Lane::Cosignatures,
            MAX_COSIGNATURE_BYTES,
        ),
    ];

    fn row(self) -> (u8, Lane, usize) {
        let row = Self::TABLE.iter().find(|row| row.0 == self);
        // Every kind stands in the table; a test looks.
        row.map_or((0, Lane::Consensus, 0), |(_, code, lane, most)| {
            (*code, *lane, *most)
        })
    }

    /// The lane it goes by.
    pub fn lane(self) -> Lane {
        self.row().1
    }

    /// The byte that stands for it.
    pub fn code(self) -> u8 {
        self.row().0
    }

    /// The kind of a message of `length` bytes that came by `lane` with this byte before it.
    pub fn read(lane: Lane, code: u8, length: usize) -> Option<Self> {
        let row = Self::TABLE
            .iter()
            .find(|row| row.1 == code && row.2 == lane)?;
        (length <= row.3).then_some(row.0)
    }
}

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub body: Bytes,
}

impl Frame {
    /// A message.
    pub fn new(kind: Kind, body: impl Into<Bytes>) -> Self {
        Self {
            kind,
            body: body.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_only_from_its_own_lane_and_within_its_bound() {
        for (kind, code, lane, most) in Kind::TABLE {
            assert_eq!((kind.lane(), kind.code()), (lane, code));
            assert_eq!(Kind::read(lane, code, most), Some(kind));
            assert_eq!(Kind::read(lane, code, most + 1), None);
            for other in Lane::ALL.into_iter().filter(|other| *other != lane) {
                assert_eq!(Kind::read(other, code, 0), None);
            }
        }
    }

    #[test]
    fn networks_speak_different_protocols() {
        let [a, b] = [1, 2].map(|n| Lane::Parts.protocol(&NetworkId::new([n; 16])));
        assert_ne!(a, b);
        assert_eq!(
            a.as_ref(),
            format!("/medanchor/{}/parts/1", "01".repeat(16))
        );
    }
}
