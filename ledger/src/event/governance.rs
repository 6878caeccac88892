//! Governance: an authority proposes a change, and as many authorities as genesis asks for approve it,
//! each by an event of its own.

use super::custody::Custodians;
use super::list::read_handle;
use super::participant_keys::ParticipantKeys;
use super::{Body, DecodeError, Subject};
use crate::cbor::{CborFault, Reader, Writer};
use crate::{ChangeHash, ParticipantName, ProposalHandle, sha256};

/// What is proposed: `[1, set of custodians]` or `[2, a participant's signing keys]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A new set of custodians takes over.
    Custodians(Custodians),
    /// A participant signs with these keys from then on, and with no others.
    Keys(ParticipantKeys),
}

impl Change {
    /// SHA-256 of the change's encoding: what an approval names, so that nobody approves what it has
    /// not seen.
    #[must_use]
    pub fn hash(&self) -> ChangeHash {
        let mut writer = Writer::with_capacity(2048);
        self.write(&mut writer);
        ChangeHash::new(sha256(&[writer.as_bytes()]))
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Custodians(custodians) => custodians.write(writer.array(2).uint(1)),
            Self::Keys(keys) => keys.write(writer.array(2).uint(2)),
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(2..=2)?;
        let value = reader.fault(CborFault::Value);
        match reader.uint()? {
            1 => Custodians::read(reader).map(Self::Custodians),
            2 => ParticipantKeys::read(reader).map(Self::Keys),
            _ => Err(value.into()),
        }
    }
}

/// `governance.propose`: an authority proposes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GovernancePropose {
    /// The proposal, among the signer's.
    pub proposal: ProposalHandle,
    /// What is proposed.
    pub change: Change,
}

impl Body for GovernancePropose {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("governance", issuer, self.proposal)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(2);
        writer.key(1).bytes(self.proposal.as_bytes());
        self.change.write(writer.key(2));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(2)?;
        Ok(Self {
            proposal: read_handle(reader.key(1)?)?,
            change: Change::read(reader.key(2)?)?,
        })
    }
}

/// `governance.approve`: an authority approves a proposed change. Proposing is not approving: the
/// proposer's approval is an event of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GovernanceApprove {
    /// Who proposed.
    pub proposer: ParticipantName,
    /// The proposal, among the proposer's.
    pub proposal: ProposalHandle,
    /// What is approved.
    pub change: ChangeHash,
}

impl Body for GovernanceApprove {
    fn subject<'a>(&'a self, _: &'a ParticipantName) -> Subject<'a> {
        Subject::new("governance", &self.proposer, self.proposal)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(3);
        writer.key(1).text(self.proposer.as_str());
        writer.key(2).bytes(self.proposal.as_bytes());
        writer.key(3).bytes(self.change.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(3)?;
        Ok(Self {
            proposer: reader.key(1)?.parsed(ParticipantName::MAX_LENGTH)?,
            proposal: read_handle(reader.key(2)?)?,
            change: ChangeHash::new(reader.key(3)?.fixed()?),
        })
    }
}
