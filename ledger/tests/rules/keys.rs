//! Governance: changes of a participant's signing keys.

use crate::inspection::by_node;
use crate::world::*;
use medanchor_ledger::block::Block;
use medanchor_ledger::event::{
    Change, Event, GovernanceApprove, GovernancePropose, ParticipantKeys, Verified, VerifyError,
};
use medanchor_ledger::execute::{BlockBuilder, BlockFault, CheckedBlock, View, execute_block};
use medanchor_ledger::rules::{KeysChanged, Participant, Rule};
use medanchor_ledger::signature::{PublicKey, SigningKey};
use medanchor_ledger::{ProposalHandle, Round, Time};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A key of the pharmacy's that genesis does not name.
fn new_key(number: u8) -> SigningKey {
    seeded(number, 0x99)
}

fn keys(who: &str, number: u32, keys: &[&SigningKey]) -> ParticipantKeys {
    let keys = keys.iter().map(|key| key.public_key()).collect();
    ParticipantKeys::new(name(who), number, keys).unwrap()
}

fn propose(handle: u8, keys: &ParticipantKeys) -> GovernancePropose {
    GovernancePropose {
        proposal: ProposalHandle::new([handle; 16]),
        change: Change::Keys(keys.clone()),
    }
}

/// The approval of the regulator's proposal.
fn approve(handle: u8, keys: &ParticipantKeys) -> GovernanceApprove {
    GovernanceApprove {
        proposer: name(REGULATOR),
        proposal: ProposalHandle::new([handle; 16]),
        change: propose(handle, keys).change.hash(),
    }
}

impl World {
    /// Proposed by the regulator, approved by two authorities.
    fn change(&mut self, handle: u8, keys: &ParticipantKeys) -> [Verified; 3] {
        [
            self.event(REGULATOR, propose(handle, keys)),
            self.event(REGULATOR, approve(handle, keys)),
            self.event(HOSPITAL, approve(handle, keys)),
        ]
    }

    /// A block of a change that must apply.
    fn rekey(&mut self, handle: u8, keys: &ParticipantKeys) -> Verified {
        let events = self.change(handle, keys);
        assert_eq!(self.block(&events).0, [Ok(()); 3]);
        events[2].clone()
    }

    /// A new record of the signer's, sealed under this key.
    fn sealed_by(&mut self, who: &str, key: &SigningKey, record: u8) -> Verified {
        let unsigned = self.unsigned(who, seal(record, record));
        let signed = unsigned.sign(key).unwrap();
        signed.verify(&key.public_key()).unwrap()
    }

    fn rule(&mut self, event: &Verified) -> Option<Rule> {
        let (verdicts, _) = self.block(std::slice::from_ref(event));
        verdicts[0].err().map(|rejection| rejection.rule)
    }

    fn keys_of(&self, who: &str) -> Vec<PublicKey> {
        let known: Participant = self.value(&Participant::key(&name(who))).unwrap();
        known.keys().copied().collect()
    }
}

#[test]
fn a_change_adds_and_revokes_for_everybody_at_its_height() {
    let mut world = World::with_custodians();
    let (old, new) = (key_of(PHARMACY), new_key(1));
    let before = world.sealed_by(PHARMACY, &old, 1);
    assert_eq!(world.rule(&before), None);
    let early = world.sealed_by(PHARMACY, &new, 2);
    assert_eq!(world.rule(&early), Some(Rule::SignerKey));

    let applied = world.rekey(1, &keys(PHARMACY, 1, &[&new]));
    assert_eq!(world.keys_of(PHARMACY), [new.public_key()]);
    let known: KeysChanged = world.value(&KeysChanged::key(&name(PHARMACY))).unwrap();
    assert_eq!((known.changed.event, known.number), (applied.id(), 1));

    let revoked = world.sealed_by(PHARMACY, &old, 2);
    assert_eq!(world.rule(&revoked), Some(Rule::SignerKey));
    assert_eq!(world.rule(&early), None);
    // Nobody else's keys change.
    world.apply(HOSPITAL, seal(1, 1));
}

#[test]
fn a_block_with_an_event_under_a_revoked_key_is_invalid_whoever_checked_its_signature() {
    let mut world = World::with_custodians();
    let revoked = world.sealed_by(PHARMACY, &key_of(PHARMACY), 1);
    world.rekey(1, &keys(PHARMACY, 1, &[&new_key(1)]));
    let state = &world.state;
    let proposer = state.head().schedule.proposer(Round(0)).unwrap().clone();
    let built = BlockBuilder::new(state, Time(world.now)).unwrap();
    let seal = built.finish().unwrap().seal(Round(0), proposer).seal;
    let events = vec![(*revoked).clone()];
    let block = Block { seal, events };
    let unknown = CheckedBlock::check(block.clone(), state, |_| None).unwrap();
    assert_eq!(unknown.err(), Some(BlockFault::UnknownKey { place: 0 }));
    // A node that took it into its pool before knows that the signature holds.
    let checked = CheckedBlock::check(block, state, |_| Some(revoked.clone()));
    let fault = execute_block(state, &checked.unwrap().unwrap())
        .unwrap()
        .err();
    let rejection = Rule::SignerKey.into();
    assert_eq!(
        fault,
        Some(BlockFault::Event {
            place: 0,
            rejection
        })
    );
}

#[test]
fn in_one_block_the_order_of_the_log_decides_and_a_new_key_waits_for_the_next() {
    let mut world = World::with_custodians();
    let (old, new) = (key_of(PHARMACY), new_key(1));
    let [proposed, first, second] = world.change(1, &keys(PHARMACY, 1, &[&new]));
    let before = world.sealed_by(PHARMACY, &old, 1);
    let after = world.sealed_by(PHARMACY, &old, 2);
    let fresh = world.sealed_by(PHARMACY, &new, 3);
    let events = [proposed, first, before, second, after, fresh.clone()];
    let (verdicts, _) = world.block(&events);
    assert_eq!(verdicts[..4], [Ok(()); 4]);
    assert_eq!(verdicts[4].unwrap_err().rule, Rule::SignerKey);
    let waits = verdicts[5].unwrap_err();
    assert_eq!(waits.rule, Rule::SignerNewKey);
    assert!(waits.later());
    assert_eq!(world.rule(&fresh), None);
}

#[test]
fn a_key_that_stays_signs_on_in_the_very_block_of_the_change() {
    let mut world = World::with_custodians();
    let (old, new) = (key_of(PHARMACY), new_key(1));
    let mut events = world.change(1, &keys(PHARMACY, 1, &[&old, &new])).to_vec();
    events.push(world.sealed_by(PHARMACY, &old, 1));
    assert_eq!(world.block(&events).0, [Ok(()); 4]);
    let both = [
        world.sealed_by(PHARMACY, &old, 2),
        world.sealed_by(PHARMACY, &new, 3),
    ];
    assert_eq!(world.block(&both).0, [Ok(()); 2]);
}

#[test]
fn a_key_that_comes_back_within_a_block_was_there_before_it() {
    let mut world = World::with_custodians();
    let (old, new) = (key_of(PHARMACY), new_key(1));
    let mut events = world.change(1, &keys(PHARMACY, 1, &[&new])).to_vec();
    events.extend(world.change(2, &keys(PHARMACY, 2, &[&old])));
    events.push(world.sealed_by(PHARMACY, &old, 1));
    events.push(world.sealed_by(PHARMACY, &new, 2));
    let (verdicts, _) = world.block(&events);
    assert_eq!(verdicts[..7], [Ok(()); 7]);
    assert_eq!(verdicts[7].unwrap_err().rule, Rule::SignerKey);
}

#[test]
fn a_proposal_that_lay_for_a_while_brings_no_revoked_key_back() {
    let mut world = World::with_custodians();
    let (old, new) = (key_of(PHARMACY), new_key(1));
    let stale = keys(PHARMACY, 1, &[&old, &new_key(2)]);
    world.apply(REGULATOR, propose(9, &stale));
    world.apply(MAKER, approve(9, &stale));
    let applied = world.rekey(1, &keys(PHARMACY, 1, &[&new]));
    let refused = world.refuse(HOSPITAL, approve(9, &stale), Rule::GovernanceKeysPast);
    assert_eq!(refused.winner.unwrap().event, applied.id());
    assert!(!refused.later());
    let again = world.refuse(REGULATOR, propose(10, &stale), Rule::GovernanceKeysPast);
    assert_eq!(again.winner.unwrap().event, applied.id());
    assert_eq!(world.keys_of(PHARMACY), [new.public_key()]);
    // The same list counts again under the next number.
    world.rekey(11, &keys(PHARMACY, 2, &[&old, &new_key(2)]));
}

#[test]
fn changes_follow_one_another() {
    let mut world = World::with_custodians();
    let second = keys(PHARMACY, 2, &[&new_key(1)]);
    let ahead = world.refuse(REGULATOR, propose(2, &second), Rule::GovernanceKeysAhead);
    assert!(ahead.later(), "the change before may come yet");
    world.rekey(1, &keys(PHARMACY, 1, &[&new_key(2)]));
    world.rekey(2, &second);
    assert_eq!(world.keys_of(PHARMACY), [new_key(1).public_key()]);
}

#[test]
fn without_a_key_a_participant_signs_nothing_until_it_has_one_again() {
    let mut world = World::with_custodians();
    let (old, new) = (key_of(PHARMACY), new_key(1));
    world.rekey(1, &keys(PHARMACY, 1, &[]));
    assert_eq!(world.keys_of(PHARMACY), []);
    for key in [&old, &new] {
        let event = world.sealed_by(PHARMACY, key, 1);
        assert_eq!(world.rule(&event), Some(Rule::SignerKey));
    }
    world.rekey(2, &keys(PHARMACY, 2, &[&new]));
    let event = world.sealed_by(PHARMACY, &new, 1);
    assert_eq!(world.rule(&event), None);
}

#[test]
fn only_a_participants_keys_change_and_only_by_authorities() {
    let mut world = World::with_custodians();
    let stranger = keys("nobody", 1, &[&new_key(1)]);
    world.refuse(
        REGULATOR,
        propose(1, &stranger),
        Rule::GovernanceParticipant,
    );
    let own = keys(PHARMACY, 1, &[&new_key(1)]);
    world.refuse(PHARMACY, propose(1, &own), Rule::GovernanceNotAuthority);
}

#[test]
fn a_nodes_keys_for_random_outputs_sign_nothing_else() {
    let mut world = World::with_custodians();
    let registered = draw_keys(MAKER).1;
    world.apply(MAKER, registered);
    let shared = keys(MAKER, 1, &[&key_of(MAKER), &operational(MAKER)]);
    world.refuse(REGULATOR, propose(1, &shared), Rule::GovernanceSharedKey);
    let raw = *draw_keys(MAKER).1.vrf.as_bytes();
    let vrf = PublicKey::decode_registered(&[&[1], &raw[..]].concat()).unwrap();
    let shared = ParticipantKeys::new(name(MAKER), 1, vec![vrf]).unwrap();
    world.refuse(REGULATOR, propose(2, &shared), Rule::GovernanceSharedKey);
}

#[test]
fn authorities_cannot_lock_themselves_out() {
    let mut world = World::with_custodians();
    world.rekey(1, &keys(MAKER, 1, &[]));
    for last in [REGULATOR, HOSPITAL] {
        let none = keys(last, 1, &[]);
        let refused = world.refuse(REGULATOR, propose(2, &none), Rule::GovernanceTooFew);
        assert!(refused.later(), "the maker may have a key again");
    }
    // Another key of theirs can take the place of the old one.
    world.rekey(3, &keys(HOSPITAL, 1, &[&new_key(1)]));
}

/// Each was allowed when it was proposed; the second would leave too few.
#[test]
fn authorities_cannot_lock_themselves_out_by_two_proposals_of_the_same_time() {
    for in_one_block in [false, true] {
        let mut world = World::with_custodians();
        let (first, second) = (keys(MAKER, 1, &[]), keys(HOSPITAL, 1, &[]));
        world.apply(REGULATOR, propose(1, &first));
        world.apply(REGULATOR, propose(2, &second));
        let approvals = [(HOSPITAL, 1, &first), (REGULATOR, 1, &first)];
        let approvals =
            approvals.map(|(who, handle, keys)| world.event(who, approve(handle, keys)));
        let late = [HOSPITAL, REGULATOR].map(|who| world.event(who, approve(2, &second)));
        let verdicts = match in_one_block {
            true => world.block(&[&approvals[..], &late].concat()).0,
            false => [world.block(&approvals).0, world.block(&late).0].concat(),
        };
        let rules: Vec<_> = verdicts
            .iter()
            .map(|one| one.err().map(|one| one.rule))
            .collect();
        let too_few = Some(Rule::GovernanceTooFew);
        assert_eq!(rules, [None, None, too_few, too_few], "{in_one_block}");
        assert_eq!(world.keys_of(HOSPITAL).len(), 1);
    }
}

#[test]
fn a_suspended_validators_node_gives_no_random_outputs_either() {
    let mut world = World::with_custodians();
    world.open(REGULATOR, 1);
    let output = world.output(MAKER, 1);
    let output = by_node(&mut world, MAKER, output);
    world.rekey(1, &keys(MAKER, 1, &[]));
    assert_eq!(world.rule(&output), Some(Rule::SignerKey));
    world.rekey(2, &keys(MAKER, 2, &[&new_key(1)]));
    assert_eq!(world.rule(&output), None);
}

#[test]
fn what_a_revoked_key_approved_before_still_counts() {
    let mut world = World::with_custodians();
    let change = keys(PHARMACY, 1, &[&new_key(1)]);
    world.apply(REGULATOR, propose(1, &change));
    world.apply(MAKER, approve(1, &change));
    world.rekey(2, &keys(MAKER, 1, &[&new_key(2)]));
    let again = world.event(MAKER, approve(1, &change));
    assert_eq!(world.rule(&again), Some(Rule::SignerKey));
    world.apply(HOSPITAL, approve(1, &change));
    assert_eq!(world.keys_of(PHARMACY), [new_key(1).public_key()]);
}

#[test]
fn a_key_that_proves_nothing_is_not_proposed() {
    let mut world = World::with_custodians();
    // The identity: under it one signature fits many messages.
    let mut weak = [0; 33];
    (weak[0], weak[1]) = (1, 1);
    let weak = PublicKey::decode_registered(&weak).unwrap();
    let change = ParticipantKeys::new(name(PHARMACY), 1, vec![weak]).unwrap();
    let unsigned = world.unsigned(REGULATOR, propose(1, &change));
    let signed = unsigned.sign(&key_of(REGULATOR)).unwrap();
    let verdict = signed.verify(&key_of(REGULATOR).public_key());
    assert!(matches!(verdict, Err(VerifyError::SigningKey(_))));
    // Who has not signed has no keys judged, which is work.
    let unsigned = world.unsigned(REGULATOR, propose(1, &change));
    let signed = unsigned.sign(&key_of(REGULATOR)).unwrap();
    let mut forged = signed.encoded().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = Event::decode(&forged).unwrap();
    let verdict = forged.verify(&key_of(REGULATOR).public_key());
    assert!(matches!(verdict, Err(VerifyError::Signature)));
}

#[test]
fn a_list_is_bounded_and_names_each_key_once() {
    let many = |count: u8| {
        (0..count)
            .map(|number| new_key(number).public_key())
            .collect()
    };
    let of = |number, keys| ParticipantKeys::new(name(PHARMACY), number, keys).is_ok();
    assert!(of(1, many(8)));
    assert!(!of(1, many(9)));
    assert!(!of(0, many(1)));
    assert!(!of(1, vec![new_key(1).public_key(); 2]));
}

/// What is tried: a change under a number to some of the pharmacy's three keys, or an event under one.
#[derive(Clone, Debug)]
enum Step {
    Change(u32, BTreeSet<u8>),
    Sign(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = prop::collection::btree_set(0..3u8, 0..=3);
    let step = prop_oneof![
        (1..5u32, some).prop_map(|(number, keys)| Step::Change(number, keys)),
        (0..3u8).prop_map(Step::Sign),
    ];
    prop::collection::vec(step, 1..24)
}

fn of_three(number: u8) -> SigningKey {
    match number {
        0 => key_of(PHARMACY),
        _ => new_key(number),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// In one block or in many: a key signs while it is on the list and was before its block.
    #[test]
    fn keys_sign_while_the_model_has_them(steps in steps(), size in 1..6usize) {
        let mut world = World::with_custodians();
        let (mut now, mut number) = (BTreeSet::from([0u8]), 0);
        let mut at = 0u8;
        for chunk in steps.chunks(size) {
            let before = now.clone();
            let (mut events, mut allowed) = (Vec::new(), Vec::new());
            for step in chunk {
                at += 1;
                match step {
                    Step::Change(wanted, list) => {
                        let made: Vec<_> = list.iter().map(|key| of_three(*key)).collect();
                        let made = keys(PHARMACY, *wanted, &made.iter().collect::<Vec<_>>());
                        events.extend(world.change(at, &made));
                        let fits = *wanted == number + 1;
                        allowed.extend([fits; 3]);
                        if fits {
                            (now, number) = (list.clone(), *wanted);
                        }
                    }
                    Step::Sign(key) => {
                        events.push(world.sealed_by(PHARMACY, &of_three(*key), at));
                        allowed.push(now.contains(key) && before.contains(key));
                    }
                }
            }
            let (verdicts, _) = world.block(&events);
            let verdicts: Vec<_> = verdicts.iter().map(Result::is_ok).collect();
            prop_assert_eq!(verdicts, allowed, "{:?}", chunk);
        }
    }
}
