//! Governance: changes that authorities propose and approve.

use crate::world::*;
use medanchor_ledger::event::{
    Change, Custodians, GovernanceApprove, GovernancePropose, ReaderKey, Verified,
};
use medanchor_ledger::rules::{CustodianEpoch, CustodianSet, Proposal, Rule};
use medanchor_ledger::{ChangeHash, ProposalHandle, TlsKeyHash};

pub fn propose(number: u8, set: &Custodians) -> GovernancePropose {
    GovernancePropose {
        proposal: ProposalHandle::new([number; 16]),
        change: Change::Custodians(set.clone()),
    }
}

/// The approval of the regulator's proposal.
pub fn approve(number: u8, set: &Custodians) -> GovernanceApprove {
    GovernanceApprove {
        proposer: name(REGULATOR),
        proposal: ProposalHandle::new([number; 16]),
        change: propose(number, set).change.hash(),
    }
}

impl World {
    /// Has the regulator propose the set as number `epoch`, and two authorities approve it; gives the
    /// approval that made it full.
    pub fn adopt(&mut self, set: &Custodians) -> Verified {
        let number = u8::try_from(set.epoch()).unwrap();
        self.apply(REGULATOR, propose(number, set));
        self.apply(REGULATOR, approve(number, set));
        self.apply(HOSPITAL, approve(number, set))
    }

    fn epoch(&self) -> Option<u32> {
        let epoch: Option<CustodianEpoch> = self.value(&CustodianEpoch::key());
        epoch.map(|epoch| epoch.0)
    }
}

fn three(epoch: u32) -> Custodians {
    custodians(epoch, 2, &CUSTODIANS[..3])
}

#[test]
fn a_set_takes_over_once_enough_authorities_have_approved_it() {
    let mut world = World::with_custodians();
    world.apply(REGULATOR, propose(1, &three(1)));
    world.apply(MAKER, approve(1, &three(1)));
    assert_eq!(world.epoch(), None, "one of two is not enough");
    let last = world.apply(HOSPITAL, approve(1, &three(1)));
    assert_eq!(world.epoch(), Some(1));
    let set: CustodianSet = world.value(&CustodianSet::key(1)).unwrap();
    assert_eq!((set.adopted.event, set.custodians), (last.id(), three(1)));
    let key = Proposal::key(&name(REGULATOR), &ProposalHandle::new([1; 16]));
    let proposal: Proposal = world.value(&key).unwrap();
    assert_eq!(proposal.approvals, [name(MAKER), name(HOSPITAL)].into());
    let late = world.refuse(REGULATOR, approve(1, &three(1)), Rule::GovernanceApplied);
    assert_eq!(late.winner.unwrap().event, last.id());
}

#[test]
fn one_authority_counts_once() {
    let mut world = World::with_custodians();
    world.apply(REGULATOR, propose(1, &three(1)));
    world.apply(REGULATOR, approve(1, &three(1)));
    world.refuse(REGULATOR, approve(1, &three(1)), Rule::GovernanceApproved);
    assert_eq!(world.epoch(), None);
}

#[test]
fn two_approvals_in_one_block_apply_the_change_once() {
    let mut world = World::with_custodians();
    let events = [
        world.event(REGULATOR, propose(1, &three(1))),
        world.event(REGULATOR, approve(1, &three(1))),
        world.event(MAKER, approve(1, &three(1))),
        world.event(HOSPITAL, approve(1, &three(1))),
    ];
    let (verdicts, _) = world.block(&events);
    assert_eq!(verdicts[..3], [Ok(()); 3]);
    let rejection = verdicts[3].unwrap_err();
    assert_eq!(rejection.rule, Rule::GovernanceApplied);
    assert_eq!(rejection.winner.unwrap().event, events[2].id());
}

#[test]
fn nobody_approves_what_it_has_not_seen() {
    let mut world = World::with_custodians();
    world.apply(REGULATOR, propose(1, &three(1)));
    let mut other = approve(1, &three(1));
    other.change = ChangeHash::new([1; 32]);
    world.refuse(HOSPITAL, other, Rule::GovernanceOtherChange);
    let fewer = approve(1, &custodians(1, 2, &CUSTODIANS[..2]));
    world.refuse(HOSPITAL, fewer, Rule::GovernanceOtherChange);
}

#[test]
fn only_authorities_propose_and_approve() {
    let mut world = World::with_custodians();
    for who in [PHARMACY, CUSTODIANS[0]] {
        let rule = Rule::GovernanceNotAuthority;
        world.refuse(who, propose(1, &three(1)), rule);
        world.refuse(who, approve(1, &three(1)), rule);
    }
}

#[test]
fn a_handle_is_proposed_under_once() {
    let mut world = World::with_custodians();
    let first = world.apply(REGULATOR, propose(1, &three(1)));
    let again = propose(1, &custodians(1, 2, &CUSTODIANS[1..]));
    let refused = world.refuse(REGULATOR, again.clone(), Rule::GovernanceExists);
    assert_eq!(refused.winner.unwrap().event, first.id());
    world.apply(HOSPITAL, again);
}

#[test]
fn an_approval_waits_for_its_proposal_but_not_for_a_stranger() {
    let mut world = World::with_custodians();
    let early = world.refuse(HOSPITAL, approve(1, &three(1)), Rule::GovernanceUnknown);
    assert!(early.later());
    let mut stranger = approve(1, &three(1));
    stranger.proposer = name(PHARMACY);
    let refused = world.refuse(HOSPITAL, stranger, Rule::GovernanceProposerUnknown);
    assert!(!refused.later());
}

#[test]
fn of_two_proposals_for_one_epoch_the_first_that_is_applied_wins() {
    let mut world = World::with_custodians();
    let rival = custodians(1, 2, &CUSTODIANS[1..]);
    world.apply(REGULATOR, propose(9, &rival));
    world.apply(MAKER, approve(9, &rival));
    let applied = world.adopt(&three(1));
    let refused = world.refuse(HOSPITAL, approve(9, &rival), Rule::CustodyEpochPast);
    assert_eq!(refused.winner.unwrap().event, applied.id());
    assert!(!refused.later());
    let refused = world.refuse(REGULATOR, propose(10, &rival), Rule::CustodyEpochPast);
    assert_eq!(refused.winner.unwrap().event, applied.id());
    let set: CustodianSet = world.value(&CustodianSet::key(1)).unwrap();
    assert_eq!(set.custodians, three(1));
}

#[test]
fn epochs_follow_one_another() {
    let mut world = World::with_custodians();
    let skipped = world.refuse(REGULATOR, propose(2, &three(2)), Rule::CustodyEpochAhead);
    assert!(skipped.later(), "the set before may come yet");
    world.adopt(&three(1));
    world.adopt(&custodians(2, 3, &CUSTODIANS));
    assert_eq!(world.epoch(), Some(2));
    let first: CustodianSet = world.value(&CustodianSet::key(1)).unwrap();
    assert_eq!(
        first.custodians,
        three(1),
        "what records were dealt to stays"
    );
    let back = world.refuse(REGULATOR, propose(3, &three(1)), Rule::CustodyEpochPast);
    assert_eq!(back.winner, Some(first.adopted));
}

#[test]
fn two_or_more_custodians_do_and_no_more_than_there_are() {
    let mut world = World::with_custodians();
    for threshold in [0, 1, 4, u16::MAX] {
        let set = custodians(1, threshold, &CUSTODIANS[..3]);
        world.refuse(REGULATOR, propose(1, &set), Rule::CustodyThreshold);
    }
    world.apply(REGULATOR, propose(1, &custodians(1, 3, &CUSTODIANS[..3])));
}

#[test]
fn a_member_is_a_custodian_and_no_validator() {
    let mut world = World::with_custodians();
    for stranger in [PHARMACY, "nobody"] {
        let set = custodians(1, 2, &[CUSTODIANS[0], CUSTODIANS[1], stranger]);
        world.refuse(REGULATOR, propose(1, &set), Rule::CustodyRole);
    }
    let set = custodians(1, 2, &[CUSTODIANS[0], CUSTODIANS[1], MAKER]);
    world.refuse(REGULATOR, propose(1, &set), Rule::CustodyValidator);
}

#[test]
fn members_do_not_share_keys() {
    let mut world = World::with_custodians();
    let good = three(1);
    let key: ReaderKey = good.members()[0].share_key;
    let tls: TlsKeyHash = good.members()[0].tls;
    for shared in 0..2 {
        let mut members = good.members().to_vec();
        match shared {
            0 => members[2].share_key = key,
            _ => members[2].tls = tls,
        }
        let set = Custodians::new(1, 2, members).unwrap();
        world.refuse(REGULATOR, propose(1, &set), Rule::CustodySharedKey);
    }
}
