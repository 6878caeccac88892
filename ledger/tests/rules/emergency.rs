//! The emergency journal: one per owner, whose entries are anchored in their order.

use crate::break_glass::erase;
use crate::world::*;
use medanchor_ledger::event::{AccessEmergency, EmergencyJournal, EventKind, JournalKeyKind};
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::rules::{EarlierKinds, EmergencyHead, LostEntries, Rule, TagIndex};
use medanchor_ledger::{JournalHead, RecordHandle, Tag, Time};

/// The statement of an empty journal.
pub const EMPTY: EmergencyJournal = EmergencyJournal {
    counter: 0,
    head: JournalHead::EMPTY,
    key_kind: JournalKeyKind::Hardware,
    lost: 0,
};

/// The entry about record 1 that follows `after`.
pub fn entry(after: EmergencyJournal) -> AccessEmergency {
    AccessEmergency {
        counter: after.counter + 1,
        record: RecordHandle::new([1; 16]),
        version: 1,
        claimed: Time(START),
        previous: after.head,
        commitment: commitment(7),
    }
}

/// The statement of a journal after that entry.
pub fn after(entry: &AccessEmergency) -> EmergencyJournal {
    EmergencyJournal {
        counter: entry.counter,
        head: entry.head(),
        key_kind: JournalKeyKind::Hardware,
        lost: 0,
    }
}

/// A network where the hospital has sealed record 1 and registered its journal.
fn registered() -> World {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    world.apply(HOSPITAL, EMPTY);
    world
}

fn known(world: &World) -> EmergencyHead {
    world.value(&EmergencyHead::key(&name(HOSPITAL))).unwrap()
}

#[test]
fn a_journal_is_registered_empty() {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    let first = entry(EMPTY);
    let early = world.refuse(HOSPITAL, first.clone(), Rule::EmergencyUnregistered);
    assert!(early.later());
    for (counter, head) in [(1, JournalHead::EMPTY), (0, JournalHead::new([1; 32]))] {
        let stated = EmergencyJournal {
            counter,
            head,
            ..EMPTY
        };
        world.refuse(HOSPITAL, stated, Rule::EmergencyUnregistered);
    }
    let time = Time(world.now);
    let registration = world.apply(HOSPITAL, EMPTY);
    let found = known(&world);
    assert_eq!(found.newest.event, registration.id());
    assert_eq!((found.counter, found.head), (0, JournalHead::EMPTY));
    assert_eq!((found.since, found.stated), (time, time));
    world.apply(HOSPITAL, first);
}

#[test]
fn entries_follow_each_other_and_move_the_records_tag() {
    let mut world = registered();
    let key = TagIndex::key(&name(HOSPITAL), &Tag::new([1; 16]));
    let before: TagIndex = world.value(&key).unwrap();
    assert_eq!(before.count, 1, "a journal's statement moves no tag");
    let first = entry(EMPTY);
    let event = world.event(HOSPITAL, first.clone());
    let (_, block) = world.block(std::slice::from_ref(&event));
    let found = known(&world);
    assert_eq!((found.counter, found.head), (1, first.head()));
    assert_eq!(found.newest.event, event.id());
    let link = TagLink {
        anchored: found.newest,
        time: block.seal.time,
        kind: EventKind::AccessEmergency,
        outcome: 0,
    };
    assert_eq!(world.value(&key), Some(before.after(&link)));
    world.apply(HOSPITAL, entry(after(&first)));
    assert_eq!(known(&world).counter, 2);
}

#[test]
fn a_skipped_entry_is_waited_for() {
    let mut world = registered();
    let first = entry(EMPTY);
    let second = entry(after(&first));
    let early = world.refuse(HOSPITAL, second.clone(), Rule::EmergencyCounterAhead);
    assert!(early.later());
    assert_eq!(early.winner, None);
    world.apply(HOSPITAL, first);
    world.apply(HOSPITAL, second);
}

#[test]
fn a_repeated_entry_loses_to_the_one_that_stands() {
    let mut world = registered();
    let first = entry(EMPTY);
    let standing = world.apply(HOSPITAL, first.clone());
    let lost = world.refuse(HOSPITAL, first, Rule::EmergencyCounterUsed);
    assert_eq!(lost.winner.unwrap().event, standing.id());
}

#[test]
fn of_two_journals_that_part_only_one_can_stand() {
    let mut world = registered();
    let (mine, mut other) = (entry(EMPTY), entry(EMPTY));
    other.commitment = commitment(8);
    let won = world.event(HOSPITAL, mine.clone());
    let lost = world.event(HOSPITAL, other.clone());
    let (verdicts, _) = world.block(&[won.clone(), lost]);
    assert_eq!(verdicts[0], Ok(()));
    let rejection = verdicts[1].unwrap_err();
    assert_eq!(rejection.rule, Rule::EmergencyCounterUsed);
    assert_eq!(rejection.winner.unwrap().event, won.id());
    // What builds on the journal that lost is refused for good, with the entry it would replace.
    let on_other = world.refuse(HOSPITAL, entry(after(&other)), Rule::EmergencyOtherHead);
    assert_eq!(on_other.winner.unwrap().event, won.id());
    assert!(!on_other.later());
    let stated = world.refuse(HOSPITAL, after(&other), Rule::EmergencyOtherHead);
    assert_eq!(stated.winner.unwrap().event, won.id());
    world.apply(HOSPITAL, entry(after(&mine)));
}

#[test]
fn a_wrong_previous_head_is_refused_from_the_first_entry_on() {
    let mut world = registered();
    let mut wrong = entry(EMPTY);
    wrong.previous = JournalHead::new([1; 32]);
    let refused = world.refuse(HOSPITAL, wrong, Rule::EmergencyOtherHead);
    assert_eq!(refused.winner, Some(known(&world).newest));
}

#[test]
fn the_daily_statement_equals_what_is_known() {
    let mut world = registered();
    let first = entry(EMPTY);
    let ahead = world.refuse(HOSPITAL, after(&first), Rule::EmergencyCounterAhead);
    assert!(ahead.later());
    world.apply(HOSPITAL, first.clone());
    let before = known(&world);
    world.now += 24 * 60 * MINUTE;
    let time = Time(world.now);
    world.apply(HOSPITAL, after(&first));
    let found = known(&world);
    assert_eq!(found.stated, time);
    assert_eq!(
        found,
        EmergencyHead {
            stated: time,
            ..before
        }
    );
    let rolled_back = world.refuse(HOSPITAL, EMPTY, Rule::EmergencyCounterUsed);
    assert_eq!(rolled_back.winner, Some(found.newest));
    let mut other = after(&first);
    other.head = JournalHead::new([1; 32]);
    world.refuse(HOSPITAL, other, Rule::EmergencyOtherHead);
}

#[test]
fn the_state_keeps_since_when_the_key_is_where_it_is() {
    let mut world = registered();
    let registered = known(&world);
    assert_eq!(registered.key_kind, JournalKeyKind::Hardware);
    let time = Time(world.now);
    let key_kind = JournalKeyKind::File;
    world.apply(HOSPITAL, EmergencyJournal { key_kind, ..EMPTY });
    let found = known(&world);
    assert_eq!((found.key_kind, found.since), (key_kind, time));
    world.apply(HOSPITAL, EmergencyJournal { key_kind, ..EMPTY });
    assert_eq!(known(&world).since, time);
    assert_eq!(known(&world).newest, registered.newest);
}

/// A list that knew only how the key is kept now forgot the years in which it could be copied.
#[test]
fn the_state_never_forgets_that_a_key_was_in_a_file_or_a_token() {
    let mut world = registered();
    let mut say = |key_kind| {
        world.now += MINUTE;
        let time = Time(world.now);
        world.apply(HOSPITAL, EmergencyJournal { key_kind, ..EMPTY });
        (time, known(&world))
    };
    let (file, found) = say(JournalKeyKind::File);
    assert_eq!(
        found.earlier,
        EarlierKinds::default(),
        "hardware leaves none"
    );
    let (token, found) = say(JournalKeyKind::Token);
    let once_file = EarlierKinds {
        file: Some(file),
        token: None,
    };
    assert_eq!((found.since, found.earlier), (token, once_file));
    let (_, found) = say(JournalKeyKind::Token);
    assert_eq!((found.since, found.earlier), (token, once_file));
    for kind in [
        JournalKeyKind::Hardware,
        JournalKeyKind::File,
        JournalKeyKind::Hardware,
    ] {
        let (time, found) = say(kind);
        let both = EarlierKinds {
            file: Some(file),
            token: Some(token),
        };
        assert_eq!((found.since, found.earlier), (time, both));
    }
}

#[test]
fn an_entry_is_about_a_known_version_of_an_own_record() {
    let mut world = registered();
    world.apply(OTHER_HOSPITAL, seal(2, 2));
    let mut unknown = entry(EMPTY);
    unknown.record = RecordHandle::new([2; 16]);
    let early = world.refuse(HOSPITAL, unknown.clone(), Rule::EmergencyRecordUnknown);
    assert!(early.later());
    let mut later = entry(EMPTY);
    later.version = 2;
    let early = world.refuse(HOSPITAL, later, Rule::EmergencyVersionUnknown);
    assert!(early.later());
    world.apply(HOSPITAL, seal(2, 2));
    world.apply(HOSPITAL, unknown);
}

#[test]
fn each_owner_has_a_journal_of_its_own() {
    let mut world = registered();
    world.apply(OTHER_HOSPITAL, seal(1, 1));
    world.refuse(OTHER_HOSPITAL, entry(EMPTY), Rule::EmergencyUnregistered);
    world.apply(OTHER_HOSPITAL, EMPTY);
    world.apply(OTHER_HOSPITAL, entry(EMPTY));
    assert_eq!(known(&world).counter, 0);
}

#[test]
fn an_erasure_that_is_anchored_first_does_not_stop_the_journal() {
    let mut world = registered();
    world.apply(HOSPITAL, erase(1));
    world.apply(HOSPITAL, entry(EMPTY));
    assert_eq!(known(&world).counter, 1);
}

/// The token counted three entries that the journal's file lacks.
#[test]
fn lost_entries_are_passed_over_and_never_forgotten() {
    let mut world = registered();
    let first = entry(EMPTY);
    let opened = world.apply(HOSPITAL, first.clone());
    let before = known(&world);
    let lost = |counter, lost| EmergencyJournal {
        counter,
        head: JournalHead::new([9; 32]),
        lost,
        ..EMPTY
    };
    let used = world.refuse(HOSPITAL, lost(3, 3), Rule::EmergencyCounterUsed);
    assert_eq!(used.winner.unwrap().event, opened.id());
    let early = world.refuse(HOSPITAL, lost(6, 3), Rule::EmergencyCounterAhead);
    assert!(early.later());

    world.now += 60 * MINUTE;
    let said = world.apply(HOSPITAL, lost(4, 3));
    let (found, time) = (known(&world), found_time(&world));
    assert_eq!((found.counter, found.newest.event), (4, said.id()));
    assert_eq!(
        (found.head, found.stated),
        (JournalHead::new([9; 32]), time)
    );
    let span = LostEntries {
        count: 3,
        from: before.stated,
        until: time,
    };
    assert_eq!(found.lost, Some(span));

    // It goes on behind them, also through what is lost later.
    world.refuse(HOSPITAL, entry(after(&first)), Rule::EmergencyCounterUsed);
    let next = entry(lost(4, 0));
    world.apply(HOSPITAL, next.clone());
    world.apply(HOSPITAL, after(&next));
    assert_eq!(known(&world).lost, Some(span));
    world.now += 60 * MINUTE;
    world.apply(HOSPITAL, lost(6, 1));
    let found = known(&world).lost.unwrap();
    assert_eq!((found.count, found.from), (4, before.stated));
    assert_eq!(found.until, found_time(&world));
}

/// The time of the block that the newest statement is in.
fn found_time(world: &World) -> Time {
    known(world).stated
}

#[test]
fn a_journal_is_not_registered_with_lost_entries() {
    let mut world = World::new();
    let lost = EmergencyJournal {
        counter: 1,
        lost: 1,
        ..EMPTY
    };
    world.refuse(HOSPITAL, lost, Rule::EmergencyUnregistered);
}
