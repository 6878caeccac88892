//! Changes that authorities propose and approve.
//!
//! What always holds: only authorities of genesis propose and approve, each approves a proposal once,
//! and says by its hash what it approves. The approval that makes their number full applies the change,
//! which must fit the state at that moment: of two proposals for one place the first that is approved
//! wins, and the other can never be.

use super::keys;
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::{Change, DecodeError, GovernanceApprove, GovernancePropose};
use crate::genesis::{Authorities, MAX_GENESIS_PARTICIPANTS};
use crate::rules::value::{StateValue, kind, read_name};
use crate::rules::{Anchored, Refusal, Rejection, Rule, Turn, custody};
use crate::state::StateKey;
use crate::{ParticipantName, ProposalHandle};
use std::collections::BTreeSet;

impl Authorities {
    /// Where the state holds them.
    #[must_use]
    pub fn key() -> StateKey {
        StateKey::single(kind::AUTHORITIES)
    }
}

/// `[threshold, [names]]`.
impl StateValue for Authorities {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        writer.array(2).uint(u64::from(self.threshold));
        write_names(&self.names, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(2..=2)?;
        Ok(Self {
            threshold: reader.narrow()?,
            names: read_names(reader)?,
        })
    }
}

/// A proposal, as the state holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The `governance.propose`.
    pub proposed: Anchored,
    /// What is proposed.
    pub change: Change,
    /// The authorities that approved.
    pub approvals: BTreeSet<ParticipantName>,
    /// The `governance.approve` that made their number full, if it has come.
    pub applied: Option<Anchored>,
}

impl Proposal {
    /// Where the state holds `proposer`'s proposal.
    #[must_use]
    pub fn key(proposer: &ParticipantName, proposal: &ProposalHandle) -> StateKey {
        StateKey::owned(kind::PROPOSAL, proposer, proposal.as_bytes())
    }
}

impl StateValue for Proposal {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        self.proposed.write(writer.array(5));
        self.change.write(writer);
        write_names(&self.approvals, writer);
        Anchored::write_optional(self.applied.as_ref(), writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(5..=5)?;
        Ok(Self {
            proposed: Anchored::read(reader)?,
            change: Change::read(reader)?,
            approvals: read_names(reader)?,
            applied: Anchored::read_optional(reader)?,
        })
    }
}

fn write_names(names: &BTreeSet<ParticipantName>, writer: &mut Writer) {
    writer.array(names.len());
    for name in names {
        writer.text(name.as_str());
    }
}

fn read_names(reader: &mut Reader<'_>) -> Result<BTreeSet<ParticipantName>, DecodeError> {
    let count = reader.array(0..=MAX_GENESIS_PARTICIPANTS)?;
    let mut names = BTreeSet::new();
    for _ in 0..count {
        let order = reader.fault(CborFault::Order);
        let name = read_name(reader)?;
        if names.last().is_some_and(|last| *last >= name) {
            return Err(order.into());
        }
        names.insert(name);
    }
    Ok(names)
}

/// `governance.propose`: by an authority, under a new handle, a change that fits the state.
pub(in crate::rules) fn propose(
    turn: &mut Turn<'_, '_>,
    body: &GovernancePropose,
) -> Result<(), Refusal> {
    require_authority(turn)?;
    let key = Proposal::key(turn.signer_name(), &body.proposal);
    if let Some(proposal) = turn.read::<Proposal>(&key)? {
        return Err(Rejection::lost_to(Rule::GovernanceExists, proposal.proposed).into());
    }
    require_fit(turn, &body.change)?;
    let proposal = Proposal {
        proposed: turn.anchored(),
        change: body.change.clone(),
        approvals: BTreeSet::new(),
        applied: None,
    };
    turn.write(key, &proposal);
    Ok(())
}

/// `governance.approve`: by an authority, once, of what was proposed; the last one that it takes applies
/// it.
pub(in crate::rules) fn approve(
    turn: &mut Turn<'_, '_>,
    body: &GovernanceApprove,
) -> Result<(), Refusal> {
    let authorities = require_authority(turn)?;
    let key = Proposal::key(&body.proposer, &body.proposal);
    let Some(mut proposal) = turn.read::<Proposal>(&key)? else {
        let known = authorities.names.contains(&body.proposer);
        let unknown = [Rule::GovernanceProposerUnknown, Rule::GovernanceUnknown];
        return Err(unknown[usize::from(known)].into());
    };
    if let Some(applied) = proposal.applied {
        return Err(Rejection::lost_to(Rule::GovernanceApplied, applied).into());
    }
    if proposal.change.hash() != body.change {
        return Err(Rule::GovernanceOtherChange.into());
    }
    if !proposal.approvals.insert(turn.signer_name().clone()) {
        return Err(Rule::GovernanceApproved.into());
    }
    require_fit(turn, &proposal.change)?;
    if proposal.approvals.len() >= usize::from(authorities.threshold) {
        proposal.applied = Some(turn.anchored());
        apply(turn, &proposal.change)?;
    }
    turn.write(key, &proposal);
    Ok(())
}

/// The authorities, of which the signer must be one.
fn require_authority(turn: &Turn<'_, '_>) -> Result<Authorities, Refusal> {
    let authorities = turn.read::<Authorities>(&Authorities::key())?;
    let authorities = authorities.filter(|known| known.names.contains(turn.signer_name()));
    Ok(authorities.ok_or(Rule::GovernanceNotAuthority)?)
}

fn require_fit(turn: &mut Turn<'_, '_>, change: &Change) -> Result<(), Refusal> {
    match change {
        Change::Custodians(custodians) => custody::require_fit(turn, custodians),
        Change::Keys(keys) => keys::require_fit(turn, keys),
    }
}

fn apply(turn: &mut Turn<'_, '_>, change: &Change) -> Result<(), Refusal> {
    match change {
        Change::Custodians(custodians) => {
            custody::adopt(turn, custodians);
            Ok(())
        }
        Change::Keys(keys) => keys::adopt(turn, keys),
    }
}
