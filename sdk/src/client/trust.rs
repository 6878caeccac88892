//! What a client believes: one policy, or all policies of a network, walked from its genesis file.

use crate::policies::verify_receipt_by;
use crate::receipt::{Anchored, ProofError, verify_receipt_in};
use medanchor_ledger::Size;
use medanchor_ledger::document::HistoryPage;
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{Distrust, Policies, Policy, PolicyRange};
use medanchor_ledger::receipt::Unproved;

/// Whose signatures a client believes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// One policy, for the sizes of its range.
    Policy(Box<PolicyRange>),
    /// For each size the policy that a chain has proved for it, and the COSE keys of its validators
    /// ([`crate::walk_policies`]).
    Policies(Box<Policies>),
}

/// The policy is believed for every size of the log.
impl From<Policy> for Trust {
    fn from(policy: Policy) -> Self {
        PolicyRange::from(policy, Size(0)).into()
    }
}

impl From<PolicyRange> for Trust {
    fn from(range: PolicyRange) -> Self {
        Self::Policy(Box::new(range))
    }
}

impl From<Policies> for Trust {
    fn from(policies: Policies) -> Self {
        Self::Policies(Box::new(policies))
    }
}

impl Trust {
    /// The policies, if there is more than one policy file's word.
    pub(super) fn policies(&self) -> Option<&Policies> {
        match self {
            Self::Policy(_) => None,
            Self::Policies(policies) => Some(policies),
        }
    }

    /// The policy that must accept a checkpoint.
    pub(super) fn range_of(&self, note: &Note) -> Result<&PolicyRange, Distrust> {
        match self {
            Self::Policy(range) => Ok(range),
            Self::Policies(policies) => policies.range_of(note),
        }
    }

    /// The same of a receipt or document in which the checkpoint stands.
    pub(super) fn proof_range(&self, note: &Note) -> Result<&PolicyRange, ProofError> {
        Ok(self.range_of(note).map_err(Unproved::from)?)
    }

    /// The policy for a page of a history: only the last one has a checkpoint.
    pub(super) fn page_range(&self, page: &HistoryPage) -> Result<&PolicyRange, ProofError> {
        match (self, &page.state) {
            (Self::Policy(range), _) => Ok(range),
            (_, Some(state)) => self.proof_range(&state.seal.receipt.checkpoint),
            (Self::Policies(policies), None) => {
                let first = policies.turns().first().map(|turn| &turn.range);
                // There always is a turn.
                first.ok_or(ProofError::Unfinished)
            }
        }
    }

    pub(super) fn verify_receipt(
        &self,
        event: &[u8],
        receipt: &[u8],
    ) -> Result<Anchored, ProofError> {
        match self {
            Self::Policy(range) => verify_receipt_in(range, event, receipt),
            Self::Policies(policies) => verify_receipt_by(policies, event, receipt),
        }
    }
}
