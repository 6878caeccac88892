//! Governance: authorities propose and approve who keeps shares of records' keys, and with which keys a
//! participant signs.

use crate::error::SdkError;
use crate::identity::Identity;
use medanchor_ledger::event::{
    Change, Custodians, Event, GovernanceApprove, GovernancePropose, ParticipantKeys,
};
use medanchor_ledger::{ParticipantName, ProposalHandle};

impl Identity {
    /// What the ledger calls the proposal that the application calls `name`.
    #[must_use]
    pub fn proposal_handle(&self, name: &str) -> ProposalHandle {
        ProposalHandle::new(self.handle("proposal", name))
    }

    /// Signs the proposal of a new set of custodians. It takes effect once enough authorities have
    /// approved it, each by an event of its own.
    ///
    /// # Errors
    /// [`SdkError`].
    pub fn propose_custodians(&self, name: &str, set: Custodians) -> Result<Event, SdkError> {
        self.sign(GovernancePropose {
            proposal: self.proposal_handle(name),
            change: Change::Custodians(set),
        })
    }

    /// Signs the proposal of a participant's whole new list of signing keys. From the approval that makes it
    /// effective on, no other key of the participant's counts.
    ///
    /// # Errors
    /// [`SdkError`].
    pub fn propose_keys(&self, name: &str, keys: ParticipantKeys) -> Result<Event, SdkError> {
        self.sign(GovernancePropose {
            proposal: self.proposal_handle(name),
            change: Change::Keys(keys),
        })
    }

    /// Signs the approval of a proposal; it counts for exactly this change.
    ///
    /// # Errors
    /// [`SdkError`].
    pub fn approve(
        &self,
        proposer: &ParticipantName,
        proposal: ProposalHandle,
        change: &Change,
    ) -> Result<Event, SdkError> {
        self.sign(GovernanceApprove {
            proposer: proposer.clone(),
            proposal,
            change: change.hash(),
        })
    }
}
