//! Judging what may rest on a link of the chain that was not given.
//!
//! What always holds: a checkpoint that a longer chain may accept is told apart from one that none does, and
//! neither is accepted.

use super::Trust;
use crate::fault::{Failure, Fault, Trouble};
use medanchor_ledger::Size;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{CheckpointPolicy, Distrust, VerifiedCheckpoint};
use std::cell::Cell;
use std::fmt;

/// A [`Trust`] that remembers what it could not judge.
pub(crate) struct Asked<'t> {
    trust: &'t Trust,
    lacking: Cell<Option<Size>>,
}

impl<'t> Asked<'t> {
    pub(crate) const fn new(trust: &'t Trust) -> Self {
        let lacking = Cell::new(None);
        Self { trust, lacking }
    }

    /// Why nothing was shown, and what is to be said `besides`: there is no verdict where a longer chain may
    /// show it.
    pub(crate) fn why(&self, cause: &dyn fmt::Display, besides: &str) -> Failure {
        let besides = besides.to_owned();
        match self.lacking.get() {
            Some(size) => Trouble::Strangers { size, besides }.into(),
            None => Fault::Evidence(format!("{cause}{besides}")).into(),
        }
    }
}

impl CheckpointPolicy for Asked<'_> {
    fn verify_checkpoint(&self, note: &Note) -> Result<VerifiedCheckpoint, Distrust> {
        let judged = self.trust.verify_checkpoint(note);
        if let (Err(why), Ok(head)) = (&judged, note.text().parse::<Checkpoint>())
            && self.trust.may_come(&head, why)
        {
            self.lacking.set(Some(head.size));
        }
        judged
    }
}
