//! The policies of a network as a chain has proved them: for each size the one that counts.
//!
//! What always holds: no size has two policies. A checkpoint that validators signed outside the
//! sizes of their turn is refused, and told apart from one by strangers: who signed is known, and
//! for which sizes that counts.

use super::{CoseKeys, Distrust, PolicyRange, VerifiedCheckpoint};
use crate::checkpoint::Checkpoint;
use crate::cose_receipt::CoseUnproved;
use crate::note::Note;
use crate::receipt::{Receipt, Unproved, VerifiedReceipt};
use crate::{GenesisHash, Height, Size};

/// Whatever says which checkpoints are trusted: one policy for its sizes, or the policies of a chain.
pub trait CheckpointPolicy {
    /// Checks a checkpoint by the policy of its size.
    ///
    /// # Errors
    ///
    /// [`Distrust`] says why the checkpoint is not to be trusted.
    fn verify_checkpoint(&self, note: &Note) -> Result<VerifiedCheckpoint, Distrust>;
}

impl CheckpointPolicy for PolicyRange {
    fn verify_checkpoint(&self, note: &Note) -> Result<VerifiedCheckpoint, Distrust> {
        Self::verify_checkpoint(self, note)
    }
}

impl CheckpointPolicy for Policies {
    fn verify_checkpoint(&self, note: &Note) -> Result<VerifiedCheckpoint, Distrust> {
        Self::verify_checkpoint(self, note)
    }
}

/// One policy's turn: the sizes for which it stands, and the COSE keys of its validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The first height whose seal names the policy as its own.
    pub since: Height,
    /// The policy and its sizes.
    pub range: PolicyRange,
    /// The COSE keys for the same sizes.
    pub cose: CoseKeys,
}

/// The policies of a network, each for its sizes, as a chain has proved them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    pub(super) genesis: GenesisHash,
    /// In order, without gap or overlap, the last without end; never empty.
    pub(super) turns: Vec<Turn>,
}

impl Policies {
    /// The network.
    #[must_use]
    pub const fn genesis(&self) -> GenesisHash {
        self.genesis
    }

    /// Every turn, in order.
    #[must_use]
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// The turn that a size falls into; none for the empty log, which nobody signs.
    #[must_use]
    pub fn at(&self, size: Size) -> Option<&Turn> {
        self.turns.iter().find(|turn| turn.range.contains(size))
    }

    /// The turn that a height falls into; the first begins at height 0, so there always is one.
    #[must_use]
    pub fn at_height(&self, height: Height) -> Option<&Turn> {
        self.turns.iter().rfind(|turn| turn.since <= height)
    }

    /// The place, from 0, of the first turn that both chains have and that is not the same in both;
    /// none if one of the two is the beginning of the other. Two chains that part and both hold show
    /// that a quorum of the set before named two successors.
    #[must_use]
    pub fn parts_from(&self, other: &Self) -> Option<usize> {
        let same = |(one, other): (&Turn, &Turn)| {
            let begins = |turn: &Turn| (turn.since, turn.range.sizes().0);
            begins(one) == begins(other) && one.range.policy() == other.range.policy()
        };
        let mut turns = self.turns.iter().zip(&other.turns);
        turns.position(|turns| !same(turns))
    }

    /// Checks a checkpoint by the policy of its size.
    ///
    /// # Errors
    ///
    /// [`Distrust`] says why the checkpoint is not to be trusted: [`Distrust::OutsideRange`] if it is
    /// signed as the policy of other sizes demands.
    pub fn verify_checkpoint(&self, note: &Note) -> Result<VerifiedCheckpoint, Distrust> {
        let size = note.text().parse::<Checkpoint>()?.size;
        let refused = match self.range(size)?.verify_checkpoint(note) {
            Err(refused @ (Distrust::NoLog { .. } | Distrust::NoQuorum { .. })) => refused,
            judged => return judged,
        };
        let accepts = |turn: &&Turn| turn.range.policy().verify_checkpoint(note).is_ok();
        Err(match self.nearest(size, accepts) {
            Some(turn) => turn.range.outside(size),
            None => refused,
        })
    }

    /// Judges COSE receipts of a log of that size by the keys of that size.
    ///
    /// # Errors
    ///
    /// What `verify` says; [`CoseUnproved::OutsideRange`] if it accepts the keys of other sizes.
    pub fn verify_cose<T>(
        &self,
        size: Size,
        verify: impl Fn(&CoseKeys) -> Result<T, CoseUnproved>,
    ) -> Result<T, CoseUnproved> {
        let (none, all) = (Size(0), Size(u64::MAX));
        let outside = |first, last| CoseUnproved::OutsideRange { size, first, last };
        let turn = self.at(size).ok_or_else(|| outside(Size(1), all))?;
        let refused = match verify(&turn.cose) {
            Ok(verified) => return Ok(verified),
            Err(refused) => refused,
        };
        let accepts = |turn: &&Turn| verify(&turn.cose.clone().within(none, all)).is_ok();
        Err(match self.nearest(size, accepts) {
            Some(turn) => {
                let (first, last) = turn.range.sizes();
                outside(first, last)
            }
            None => refused,
        })
    }

    /// Checks a receipt by the policy of its size.
    ///
    /// # Errors
    ///
    /// [`Unproved`] says what does not hold.
    pub fn verify_receipt(
        &self,
        receipt: &Receipt,
        entry: &[u8],
    ) -> Result<VerifiedReceipt, Unproved> {
        receipt.verify(entry, self)
    }

    /// The policy that must accept a note, by the size that it claims.
    ///
    /// # Errors
    ///
    /// [`Distrust`] if the note is no checkpoint, or is of the empty log.
    pub fn range_of(&self, note: &Note) -> Result<&PolicyRange, Distrust> {
        self.range(note.text().parse::<Checkpoint>()?.size)
    }

    /// Of the turns that accept something of that size, the last one before it, or the first after it.
    fn nearest(&self, size: Size, accepts: impl Fn(&&Turn) -> bool) -> Option<&Turn> {
        let after = self
            .turns
            .partition_point(|turn| turn.range.sizes().1 < size);
        let (before, after) = self.turns.split_at_checked(after)?;
        let last = before.iter().rfind(&accepts);
        last.or_else(|| after.iter().find(&accepts))
    }

    fn range(&self, size: Size) -> Result<&PolicyRange, Distrust> {
        let (first, last) = (Size(1), Size(u64::MAX));
        let turn = self.at(size);
        let turn = turn.ok_or(Distrust::OutsideRange { size, first, last })?;
        Ok(&turn.range)
    }
}
