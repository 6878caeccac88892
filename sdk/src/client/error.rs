//! Why a node could not serve a request.

use super::http::NoAnswer;
use super::problem::Problem;
use super::retry::Failure;
use crate::policies::CheckError;
use crate::receipt::ProofError;
use medanchor_ledger::genesis::GenesisError;
use medanchor_ledger::policy::{ChainError, Distrust};
use std::fmt;
use std::sync::Arc;

/// Why there is no good answer. No variant holds what was sent.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No address was given.
    #[error("no node was named; give the address of one at least, such as http://127.0.0.1:7401")]
    NoNode,
    /// No node answered.
    #[error("no node could be asked ({0}); check the addresses and that the nodes run")]
    Unreachable(NoAnswer),
    /// A node refused.
    #[error("the node refused: {0}")]
    Problem(Box<Problem>),
    /// The event is in the pool, or waits for its receipt.
    #[error("the event waits{}; ask again", Waits(.rule.as_deref()))]
    Pending {
        /// The rule that it waits for, if it waits for one.
        rule: Option<String>,
    },
    /// A node's answer is not what the interface says.
    #[error("the node's answer makes no sense ({0}); ask another node, and look at this one")]
    Nonsense(&'static str),
    /// A node gave a receipt, or another proof, that proves nothing.
    #[error(
        "the node gave a false receipt or proof ({0}); ask another node, and keep this one's answer as evidence"
    )]
    FalseReceipt(Box<ProofError>),
    /// A node gave a statement or a proof of growth that proves nothing.
    #[error(
        "the node gave a false statement or proof of growth ({0}); ask another node, and keep this one's answer and your checkpoint as evidence"
    )]
    FalseProof(Box<CheckError>),
    /// A node gave a chain of policies that does not hold.
    #[error("the node gave a chain of policies that does not hold ({0}); ask another node")]
    FalseChain(Box<ChainError>),
    /// The checkpoint that the application holds is not to be trusted.
    #[error("the checkpoint to start from is not to be trusted ({0}); take one that was verified")]
    Held(Box<Distrust>),
    /// The genesis file that the application gave is none.
    #[error("the genesis file is none ({0}); take it from a member of the network")]
    Genesis(Arc<GenesisError>),
    /// The client believes one policy, which names no COSE keys.
    #[error(
        "this client believes one policy, which names no COSE keys; make it with the policies walked from the genesis file"
    )]
    NoCoseKeys,
    /// A node gave a checkpoint that the policy does not accept.
    #[error("the node gave a checkpoint that is not to be trusted ({0}); ask another node")]
    Distrust(Box<Distrust>),
}

/// What an event waits for, in a message.
pub(crate) struct Waits<'a>(pub(crate) Option<&'a str>);

impl fmt::Display for Waits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .map_or(Ok(()), |rule| write!(f, " for what rule {rule} asks"))
    }
}

impl ClientError {
    /// The problem document, if a node refused with one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the node gave something that cannot be believed.
    pub(super) const fn is_distrust(&self) -> bool {
        matches!(
            self,
            Self::Nonsense(_)
                | Self::FalseReceipt(_)
                | Self::FalseProof(_)
                | Self::FalseChain(_)
                | Self::Distrust(_)
        )
    }

    /// Whether the node refused with this code.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.problem().is_some_and(|problem| problem.code == code)
    }
}

impl From<Failure> for ClientError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoAnswer(why) => Self::Unreachable(why),
            Failure::Problem(problem) => Self::Problem(problem),
        }
    }
}

impl From<ProofError> for ClientError {
    fn from(error: ProofError) -> Self {
        Self::FalseReceipt(Box::new(error))
    }
}
