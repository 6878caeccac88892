//! Why an event has no receipt.

use crate::client::{ClientError, Problem, Waits};
use crate::error::SdkError;
use crate::journal::JournalError;
use crate::receipt::Anchored;
use medanchor_ledger::EventId;
use std::fmt;
use std::sync::Arc;

/// Why an event is not anchored, or not yet.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// A rule of the ledger refuses it for good.
    #[error("refused: {0}")]
    Refused(Box<Refusal>),
    /// Patience ended before there was a receipt. The event stays journalled.
    #[error("event {id} waits{}; it stays journalled: call `resume` later", Waits(.rule.as_deref()))]
    Waiting {
        /// The event.
        id: EventId,
        /// The rule that it waits for, if the node named one.
        rule: Option<String>,
    },
    /// The nodes could not be asked, or refused for another reason. The event stays journalled.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The journal could not be written; nothing was posted.
    #[error(transparent)]
    Journal(#[from] Arc<JournalError>),
    /// The event's time had passed, and it could not be signed anew.
    #[error("the event's time has passed, and it could not be signed anew: {0}")]
    Sign(Arc<SdkError>),
}

/// A refusal for good.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The event that was refused.
    pub event: EventId,
    /// What the node said: the rule, and what to do.
    pub problem: Problem,
    /// The event that won against it, with its receipt verified; none if the rule has no winner or
    /// its receipt could not be had.
    pub winner: Option<Anchored>,
}

impl Refusal {
    /// The rule that was broken, such as `prescription.claim-number`.
    #[must_use]
    pub fn rule(&self) -> &str {
        self.problem.rule.as_deref().unwrap_or(&self.problem.code)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)?;
        match &self.winner {
            Some(winner) => write!(
                f,
                " (event {} at index {} won)",
                winner.id(),
                winner.index()
            ),
            None => Ok(()),
        }
    }
}
