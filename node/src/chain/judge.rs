//! Judging a block that came from a peer.
//!
//! What always holds: the verdict follows from execution alone and is kept by value id; a clock
//! and the round of a proposal can only make a block untimely, which is no verdict.

use medanchor_ledger::block::Block;
use medanchor_ledger::event::{Event, Verified};
use medanchor_ledger::execute::{
    BlockFault, CheckedBlock, Executed, Halt, Head, View, execute_block,
};
use medanchor_ledger::seal::{Seal, value_id};
use medanchor_ledger::{Height, Time, ValueId};
use medanchor_network::Origin;

/// What execution says of a block.
pub enum Verdict {
    /// It holds.
    Sound(Box<Executed>),
    /// It breaks a rule.
    Faulty(ValueId, BlockFault),
    /// It does not follow this node's head, or is not a block: nothing can be said.
    Unknown,
}

/// Executes a block over the view's head. What `known` gives for an event need not be checked again.
///
/// # Errors
/// [`Halt`] when there is no verdict because storage failed or the rules are not known.
pub fn judge(
    view: &dyn View,
    height: Height,
    body: &[u8],
    known: impl Fn(&Event) -> Option<Verified>,
) -> Result<Verdict, Halt> {
    let Ok(block) = Block::decode(body) else {
        return Ok(Verdict::Unknown);
    };
    let head = view.head();
    if head.next_height() != height || block.seal.height != height {
        return Ok(Verdict::Unknown);
    }
    let value = value_of(head, &block);
    let checked = match CheckedBlock::check(block, view, known)? {
        Ok(checked) => checked,
        Err(fault) => return Ok(Verdict::Faulty(value, fault)),
    };
    Ok(match execute_block(view, &checked)? {
        Ok(executed) => Verdict::Sound(Box::new(executed)),
        Err(fault) => Verdict::Faulty(value, fault),
    })
}

/// The value id of a block as it stands, whether it holds or not.
fn value_of(head: &Head, block: &Block) -> ValueId {
    let mut frontier = head.frontier.clone();
    for event in &block.events {
        frontier.append(event.leaf());
    }
    frontier.append(block.seal.hash());
    value_id(block.seal.height, frontier.size(), &frontier.root())
}

/// Whether a sound block may be voted for as it came: its round and, if it is fresh, its time.
#[must_use]
pub fn is_timely(seal: &Seal, origin: Origin, now: Time, max_skew_ms: u64) -> bool {
    match origin {
        Origin::Live {
            round,
            pol_round: None,
        } => seal.round == round && seal.time.0.abs_diff(now.0) <= max_skew_ms,
        Origin::Live {
            pol_round: Some(pol_round),
            ..
        } => seal.round <= pol_round,
        Origin::Sync { round } => seal.round <= round,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::{Index, PolicyHash, Round, StateRoot, TreeHash};

    fn seal(round: u32, time: u64) -> Seal {
        Seal {
            height: Height(7),
            round: Round(round),
            proposer: None,
            time: Time(time),
            first: Index(0),
            count: 0,
            log_root: TreeHash::new([0; 32]),
            previous: TreeHash::new([0; 32]),
            state_root: StateRoot::new([0; 32]),
            rules_version: 1,
            policy: PolicyHash::new([0; 32]),
            next_policy: PolicyHash::new([0; 32]),
        }
    }

    fn live(round: u32, pol_round: Option<u32>) -> Origin {
        Origin::Live {
            round: Round(round),
            pol_round: pol_round.map(Round),
        }
    }

    #[test]
    fn a_fresh_proposal_is_held_against_the_clock() {
        assert!(is_timely(
            &seal(0, 10_000),
            live(0, None),
            Time(12_000),
            2_000
        ));
        assert!(!is_timely(
            &seal(0, 10_000),
            live(0, None),
            Time(12_001),
            2_000
        ));
        assert!(!is_timely(
            &seal(0, 14_001),
            live(0, None),
            Time(12_000),
            2_000
        ));
    }

    #[test]
    fn a_fresh_proposal_was_built_in_its_round() {
        assert!(!is_timely(&seal(0, 0), live(1, None), Time(0), 2_000));
    }

    #[test]
    fn what_a_quorum_has_seen_is_not_held_against_the_clock() {
        assert!(is_timely(
            &seal(0, 0),
            live(3, Some(0)),
            Time(1_000_000),
            2_000
        ));
        assert!(is_timely(
            &seal(2, 0),
            Origin::Sync { round: Round(2) },
            Time(1_000_000),
            2_000
        ));
        assert!(!is_timely(&seal(2, 0), live(3, Some(1)), Time(0), 2_000));
    }
}
