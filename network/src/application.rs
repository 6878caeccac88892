//! What the ordering engine asks of the node: the [`Application`] trait and its types.
//!
//! What always holds: every call comes on the runtime on which [`crate::Network::start`] was
//! called, never on the engine's own thread, so an implementation may compute and wait; a call that
//! holds up consensus says so. An `Err(Failure)` from any of them stops the engine for good
//! (a disk error is never a verdict); what peers did wrong is a value, never a failure.

use crate::PeerKey;
use ::bytes::Bytes;
use medanchor_ledger::{Height, ParticipantName, Round, ValueId};
use std::error::Error;
use std::future::Future;

/// The application cannot go on: storage is broken, say. The engine stops and tells the reason.
#[derive(Debug, thiserror::Error)]
#[error("the application cannot go on: {0}")]
pub struct Failure(#[source] pub Box<dyn Error + Send + Sync>);

impl Failure {
    /// A failure that is described by `reason` alone.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into().into())
    }
}

/// A validator of one height.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Validator {
    /// Its name, which its votes carry.
    pub name: ParticipantName,
    /// Its Ed25519 consensus key, 32 bytes.
    pub key: [u8; 32],
}

/// Who decides a height, and in which order they propose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeightPlan {
    /// The height that this plan is for.
    pub height: Height,
    /// All validators of the height in proposer order: round `r` belongs to `proposers[r mod n]`.
    /// Names and keys must be distinct; 1 to [`crate::limits::MAX_VALIDATORS`].
    pub proposers: Vec<Validator>,
}

/// A block that the application proposes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// What validators will vote on.
    pub value_id: ValueId,
    /// The block, at most [`crate::limits::MAX_BLOCK_BYTES`].
    pub body: Bytes,
}

/// How a block came to be checked, which decides whether a clock may matter (ENGINE rule 16).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Proposed live. Without a proof-of-lock round it is fresh, and its time is held against the
    /// clock; with one a quorum has prevoted it (its polka has been verified), and a clock must not
    /// matter.
    Live {
        /// The round in which it is proposed.
        round: Round,
        /// The proof-of-lock round of a block that is proposed again.
        pol_round: Option<Round>,
    },
    /// Decided by a quorum and fetched from a peer: no clock.
    Sync {
        /// The round of its certificate.
        round: Round,
    },
}

/// A block that came from a peer and waits for a verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// The height it is for; always the height being decided.
    pub height: Height,
    /// Who proposed it in the round of `origin`, checked by its signature. For a synced block: whose
    /// turn that round was.
    pub proposer: ParticipantName,
    /// The value id that the proposer claims; none for a synced block, whose computed id the engine
    /// compares with the certificate's.
    pub value_id: Option<ValueId>,
    /// The block, at most [`crate::limits::MAX_BLOCK_BYTES`].
    pub body: Bytes,
    /// How it came.
    pub origin: Origin,
}

/// The verdict on a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Checked {
    /// Executed, and stored durably under the value id that the application computed itself.
    Valid {
        /// The computed value id. If it is not the claimed one, the block is dropped.
        value_id: ValueId,
    },
    /// Executing it broke a rule. Kept for its value id; never returned for a disk error, which is
    /// a [`Failure`]. If the computed value id is not the claimed one the block is dropped, so
    /// that nobody can have a good block refused by sending a bad body under its id.
    Invalid {
        /// The computed value id.
        value_id: ValueId,
        /// Which rule, for the log.
        fault: String,
    },
    /// A fresh proposal whose time is too far from this node's clock. No verdict is kept: the same
    /// block may come back with a proof-of-lock round, and is then checked again. Nothing of it is stored.
    Untimely {
        /// The computed value id.
        value_id: ValueId,
    },
    /// It cannot be judged here now (undecodable, or its parent is not applied): no verdict.
    NeedsSync,
}

/// An undecided block that the application had stored before a crash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// The round in which it was proposed.
    pub round: Round,
    /// Its proof-of-lock round, if it had one.
    pub valid_round: Option<Round>,
    /// Who proposed it.
    pub proposer: ParticipantName,
    /// Its value id.
    pub value_id: ValueId,
    /// The block.
    pub body: Bytes,
}

/// A decided block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    /// The height.
    pub height: Height,
    /// The round in which the quorum precommitted (not always the round in the block's seal).
    pub round: Round,
    /// The decided value.
    pub value_id: ValueId,
    /// The block.
    pub body: Bytes,
    /// The encoded commit certificate, which `medanchor_ledger::certificate` reads and verifies.
    pub certificate: Bytes,
    /// Whether it was fetched from a peer because this node was behind.
    pub synced: bool,
}

/// A block of the past, for a peer that is behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecidedBlock {
    /// The height.
    pub height: Height,
    /// The block.
    pub body: Bytes,
    /// Its certificate, as [`Decided::certificate`] gave it.
    pub certificate: Bytes,
}

/// Proof that a validator signed two different statements where it may sign one. Both signatures
/// have been checked (ENGINE rule 12), so it can be believed and shown to others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misbehaviour {
    /// Who.
    pub validator: ParticipantName,
    /// At which height.
    pub height: Height,
    /// In which round.
    pub round: Round,
    /// The two signed statements: (signed bytes, signature).
    pub statements: [(Bytes, [u8; 64]); 2],
}

/// Proof that another process holds this node's consensus key: a statement that is signed with it
/// and that this process did not make. The signature has been checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Twin {
    /// The signed bytes.
    pub statement: Bytes,
    /// The signature.
    pub signature: [u8; 64],
}

/// What the node does for the engine.
///
/// Order within a height: `propose` or `check` (any number of times) → `commit` → `prepare` for
/// the next height → the next height starts. `check` may run concurrently with anything else of
/// its height; everything else of one height is sequential.
pub trait Application: Send + Sync + 'static {
    /// The height to start with and its validators. Called once.
    fn start(&self) -> impl Future<Output = Result<HeightPlan, Failure>> + Send;

    /// The block to propose now. Consensus waits: return the candidate that `prepare` made ready,
    /// or an empty block (ENGINE rule 4). The body must be stored durably before this returns, and
    /// asked again for the same height and round, also after a crash, the same one is returned.
    /// `None` if the height was committed already: then nothing is proposed, and no harm is done.
    fn propose(
        &self,
        height: Height,
        round: Round,
    ) -> impl Future<Output = Result<Option<Proposal>, Failure>> + Send;

    /// Executes a block. Before `Valid` is returned the body is stored durably (ENGINE rule 3).
    /// A block that was found valid once stays valid (ENGINE rule 16). Consensus does not wait.
    fn check(&self, received: Received) -> impl Future<Output = Result<Checked, Failure>> + Send;

    /// Every undecided block that is stored for this height, after a restart.
    fn undecided(
        &self,
        height: Height,
    ) -> impl Future<Output = Result<Vec<Stored>, Failure>> + Send;

    /// Applies a decided block: block and certificate are synced to disk before this returns, for
    /// the engine then forgets its votes of that height (ENGINE rule 17). Answers with the plan of
    /// the next height. Only from here on may a checkpoint of it be signed.
    fn commit(&self, decided: Decided) -> impl Future<Output = Result<HeightPlan, Failure>> + Send;

    /// Builds the candidate of the next height, so that `propose` is quick. The height starts when
    /// this returns and there is work, so it should take no longer than a block may.
    fn prepare(&self, height: Height) -> impl Future<Output = Result<(), Failure>> + Send;

    /// At most `count` decided blocks from `first` upwards without a gap, for a peer that is
    /// behind; as many as are at hand, none if `first` is not.
    fn decided(
        &self,
        first: Height,
        count: usize,
    ) -> impl Future<Output = Result<Vec<DecidedBlock>, Failure>> + Send;

    /// The oldest height that `decided` can serve.
    fn oldest(&self) -> Height;

    /// Whether there is anything to put into a block now; if not, the network idles until a wake
    /// or the heartbeat.
    fn has_work(&self) -> bool;

    /// Events from a peer. The peer is not read from until this returns: that is the backpressure.
    fn events(&self, from: PeerKey, events: Vec<Bytes>) -> impl Future<Output = ()> + Send;

    /// A cosignature from a peer, opaque here.
    fn cosignature(&self, from: PeerKey, cosignature: Bytes) -> impl Future<Output = ()> + Send;

    /// A peer is connected and can be written to: send it what it may have missed.
    fn peer_connected(&self, peer: PeerKey) -> impl Future<Output = ()> + Send {
        let _ = peer;
        async {}
    }

    /// Another process votes with this node's key: this one must not go on. Nothing is signed any more
    /// if it has not begun to vote yet.
    fn twin(&self, proof: Twin) -> impl Future<Output = ()> + Send {
        let _ = proof;
        async {}
    }

    /// A validator signed two things where it may sign one.
    fn misbehaviour(&self, proof: Misbehaviour) -> impl Future<Output = ()> + Send {
        let _ = proof;
        async {}
    }
}
