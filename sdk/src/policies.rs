//! Checks by the chain of policies, offline: whose signatures count at which size, from the genesis
//! file on.
//!
//! What always holds: nothing is trusted but the genesis file, whose hash names the network. A policy
//! counts for the sizes that the chain proves for it and for no other. Every answer says which kind
//! of key was checked: a text receipt log and cosigner keys, a transparent statement COSE keys.
//!
//! ```no_run
//! use medanchor_sdk::{verify_receipt_by, verify_statement, walk_policies};
//! let policies = walk_policies(&std::fs::read("genesis")?, Some(&std::fs::read("policy-chain")?))?;
//! let event = std::fs::read("receipts/0a1b.event")?;
//! let receipt = std::fs::read("receipts/0a1b.tlog-proof")?;
//! println!("{}", verify_receipt_by(&policies, &event, &receipt)?.counted());
//! let statement = verify_statement(&policies, &std::fs::read("receipts/0a1b.scitt")?)?;
//! println!("{} validators signed with their COSE keys", statement.quorum().validators().len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::receipt::{Anchored, ProofError, verify_receipt_in};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::consistency::{ConsistencyError, ConsistencyReceipt, Inconsistent};
use medanchor_ledger::cose_receipt::{
    CoseReceipt, CoseReceiptError, CoseUnproved, Quorum, QuorumOfConsistency, TransparentStatement,
};
use medanchor_ledger::event::Event;
use medanchor_ledger::genesis::{Genesis, GenesisError};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{
    ChainError, CheckpointPolicy, Distrust, Policies, PolicyChain, VerifiedCheckpoint,
};
use medanchor_ledger::{EventId, Index, Size};

/// Why the policies of a network are not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoliciesError {
    /// The genesis file is none.
    #[error("the genesis file is none: {0}")]
    Genesis(#[from] GenesisError),
    /// The chain does not hold.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// Why a statement or a consistency proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The bytes are no COSE receipts.
    #[error(transparent)]
    Cose(#[from] CoseReceiptError),
    /// The COSE receipts prove nothing.
    #[error(transparent)]
    Unproved(#[from] CoseUnproved),
    /// The bytes are no consistency receipt.
    #[error(transparent)]
    Consistency(#[from] ConsistencyError),
    /// The log has not only grown, or the receipt does not show it.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistent),
    /// The checkpoint that the proof is to start from is not to be trusted.
    #[error("the earlier checkpoint: {0}")]
    Held(Distrust),
}

/// The policies of a network and their sizes, from the genesis file and the published chain; without
/// a chain, of a network whose validators have never changed.
///
/// # Errors
/// [`PoliciesError`] says what does not hold.
pub fn walk_policies(genesis: &[u8], chain: Option<&[u8]>) -> Result<Policies, PoliciesError> {
    let genesis = Genesis::decode(genesis)?;
    match chain {
        Some(chain) => Ok(PolicyChain::decode(chain)?.verify(&genesis)?),
        None => Ok(Policies::of_genesis(&genesis)),
    }
}

/// Checks a receipt of an event by the policy of the receipt's size.
///
/// # Errors
/// [`ProofError`] says what does not hold.
pub fn verify_receipt_by(
    policies: &Policies,
    event: &[u8],
    receipt: &[u8],
) -> Result<Anchored, ProofError> {
    verify_receipt_in(policies, event, receipt)
}

/// An event that is in the ledger, as a quorum of COSE receipts has proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transparent {
    statement: TransparentStatement,
    quorum: Quorum,
}

impl Transparent {
    /// The event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.statement.event.id()
    }

    /// The event.
    #[must_use]
    pub const fn event(&self) -> &Event {
        &self.statement.event
    }

    /// Where it stands in the log.
    #[must_use]
    pub const fn index(&self) -> Index {
        self.quorum.index()
    }

    /// Under which root it was proved, and whose COSE keys signed that.
    #[must_use]
    pub const fn quorum(&self) -> &Quorum {
        &self.quorum
    }
}

/// Checks a Transparent Statement (RFC 9943): an event with COSE Receipts (RFC 9942), of which a
/// quorum of the validators of that size must hold. Log and cosigner keys are not looked at.
///
/// # Errors
/// [`CheckError`] says what does not hold.
pub fn verify_statement(policies: &Policies, statement: &[u8]) -> Result<Transparent, CheckError> {
    let statement = TransparentStatement::decode(statement)?;
    let (receipts, entry) = (&statement.receipts, statement.event.encoded());
    let quorum = policies.verify_cose(size_of(receipts), |keys| {
        Quorum::verify(receipts, entry, keys)
    })?;
    Ok(Transparent { statement, quorum })
}

/// Checks that a log has only grown since a checkpoint that the application kept: a signed note,
/// which the policies must accept like the later one in the receipt.
///
/// # Errors
/// [`CheckError`] says what does not hold. If both checkpoints are signed and the roots do not fit,
/// the two are evidence of a fork: keep both.
pub fn verify_consistency(
    policies: &Policies,
    held: &[u8],
    receipt: &[u8],
) -> Result<VerifiedCheckpoint, CheckError> {
    consistency_by(policies, held, receipt)
}

/// The same by whatever says which policy must accept a checkpoint.
pub(crate) fn consistency_by(
    policy: &dyn CheckpointPolicy,
    held: &[u8],
    receipt: &[u8],
) -> Result<VerifiedCheckpoint, CheckError> {
    let held = held_checkpoint(policy, held)?;
    Ok(ConsistencyReceipt::parse(receipt)?.verify(&held, policy)?)
}

/// As [`verify_consistency`], by a quorum of COSE Receipts of consistency: the CBOR array of them
/// that a node gives.
///
/// # Errors
/// [`CheckError`] says what does not hold.
pub fn verify_cose_consistency(
    policies: &Policies,
    held: &[u8],
    receipts: &[u8],
) -> Result<QuorumOfConsistency, CheckError> {
    let held = held_checkpoint(policies, held)?;
    let receipts = CoseReceipt::decode_list(receipts)?;
    Ok(policies.verify_cose(size_of(&receipts), |keys| {
        QuorumOfConsistency::verify(&receipts, &held, keys)
    })?)
}

fn held_checkpoint(policy: &dyn CheckpointPolicy, held: &[u8]) -> Result<Checkpoint, CheckError> {
    let note = Note::parse(held).map_err(|error| CheckError::Held(error.into()))?;
    let verified = policy.verify_checkpoint(&note).map_err(CheckError::Held)?;
    Ok(verified.checkpoint().clone())
}

/// The size that the receipts claim; all of them must claim the same.
fn size_of(receipts: &[CoseReceipt]) -> Size {
    receipts.first().map_or(Size(0), |first| first.head.size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::network_with;
    use medanchor_ledger::receipt::Unproved;
    use medanchor_ledger::rules::Role;

    #[test]
    fn genesis_alone_or_with_its_chain_judges_this_networks_receipts_and_no_others() {
        let root = tempfile::tempdir().unwrap();
        let mut network = network_with(&root.path().join("one"), &[("hospital", Role::Hospital)]);
        let other = network_with(&root.path().join("two"), &[("hospital", Role::Hospital)]);
        let identity = crate::Identity::open(&root.path().join("one/hospital")).unwrap();
        let event = identity.revoke("c").unwrap();
        let receipt = network.append(event.encoded());
        let (ours, theirs) = (network.genesis.encoded(), other.genesis.encoded());
        let chain = PolicyChain::of_genesis(&network.genesis).encode();
        let policies = walk_policies(ours, Some(&chain)).unwrap();
        assert_eq!(policies, walk_policies(ours, None).unwrap());
        let anchored = verify_receipt_by(&policies, event.encoded(), &receipt).unwrap();
        assert_eq!(anchored.id(), event.id());
        let foreign = walk_policies(theirs, None).unwrap();
        let refused = verify_receipt_by(&foreign, event.encoded(), &receipt);
        let of_checkpoint = matches!(
            refused,
            Err(ProofError::Unproved(Unproved::Checkpoint(
                Distrust::NoLog { .. }
            )))
        );
        assert!(of_checkpoint, "{refused:?}");
        let crossed = walk_policies(theirs, Some(&chain));
        assert!(matches!(
            crossed,
            Err(PoliciesError::Chain(ChainError::OtherNetwork { .. }))
        ));
    }

    #[test]
    fn an_event_without_receipts_is_no_transparent_statement() {
        let root = tempfile::tempdir().unwrap();
        let network = network_with(root.path(), &[("hospital", Role::Hospital)]);
        let identity = crate::Identity::open(&root.path().join("hospital")).unwrap();
        let event = identity.revoke("c").unwrap();
        let policies = walk_policies(network.genesis.encoded(), None).unwrap();
        let refused = verify_statement(&policies, event.encoded());
        assert!(matches!(refused, Err(CheckError::Cose(_))), "{refused:?}");
    }
}
