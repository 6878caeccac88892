//! Histories of tags.

use crate::chain::{Chain, policy};
use crate::vectors::Vectors;
use crate::world::*;
use medanchor_ledger::document::{HistoryPage, HistoryVerifier, VerifiedHistory};
use medanchor_ledger::event::consent::Tags;
use medanchor_ledger::event::{
    AccessBreakGlass, AccessEmergency, AccessReview, EmergencyJournal, EventKind, JournalKeyKind,
    Verdict,
};
use medanchor_ledger::rules::tag::{TagLink, moved};
use medanchor_ledger::rules::{Anchored, TagIndex};
use medanchor_ledger::{EventId, Index, JournalHead, RecordHandle, Tag, Time};
use proptest::prelude::*;

use crate::access::{erase, grant, request, revoke, supersede};

fn tag(number: u8) -> Tag {
    Tag::new([number; 16])
}

/// A chain that notes the links of the hospital's tag 1 as the auditor does.
struct Noting {
    chain: Chain,
    links: Vec<TagLink>,
}

impl Noting {
    fn new() -> Self {
        Self {
            chain: Chain::new(),
            links: Vec::new(),
        }
    }

    fn block(&mut self, events: &[medanchor_ledger::event::Verified]) {
        let height = self.chain.block(events);
        let seal = self.chain.seal(height).clone();
        let key = TagIndex::key(&name(HOSPITAL), &tag(1));
        for (event, index) in events.iter().zip(seal.first.0..) {
            let moved = moved(event, Index(index), self.chain.map(height)).unwrap();
            let ours = moved.into_iter().filter(|(moved, _)| *moved == key);
            self.links.extend(ours.map(|(_, outcome)| TagLink {
                anchored: Anchored {
                    event: event.id(),
                    index: Index(index),
                },
                time: seal.time,
                kind: event.kind(),
                outcome,
            }));
        }
    }

    fn page(&self, first: usize, end: usize, last: bool) -> HistoryPage {
        let key = TagIndex::key(&name(HOSPITAL), &tag(1));
        HistoryPage {
            owner: name(HOSPITAL),
            tag: tag(1),
            first: first as u64,
            links: self.links[first..end].to_vec(),
            state: last.then(|| self.chain.document(self.chain.last(), &key)),
        }
    }

    fn whole(&self) -> HistoryPage {
        self.page(0, self.links.len(), true)
    }
}

/// Seals, consents of one and of two tags, accesses permitted and denied, a revocation.
fn noting() -> Noting {
    let mut noting = Noting::new();
    let world = &mut noting.chain.world;
    let sealed = [
        world.event(HOSPITAL, seal(1, 1)),
        world.event(HOSPITAL, seal(2, 2)),
    ];
    noting.block(&sealed);
    let world = &mut noting.chain.world;
    let mut both = grant(2);
    both.tags = Tags::new([tag(1), tag(2)]).unwrap();
    let granted = [world.event(HOSPITAL, grant(1)), world.event(HOSPITAL, both)];
    noting.block(&granted);
    let world = &mut noting.chain.world;
    let mut unknown = request(3);
    unknown.record = medanchor_ledger::RecordHandle::new([7; 16]);
    let asked = [
        world.event(PHARMACY, request(1)),
        world.event(HOSPITAL, revoke(1)),
        world.event(PHARMACY, request(2)),
        world.event(PHARMACY, unknown),
    ];
    noting.block(&asked);
    noting.block(&[]);
    noting
}

/// Everything that can happen to a record moves its tag.
#[test]
fn a_records_whole_life_is_in_its_tags_history() {
    let mut noting = Noting::new();
    let world = &mut noting.chain.world;
    let sealed = [
        world.event(HOSPITAL, seal(1, 1)),
        world.event(HOSPITAL, seal(2, 2)),
    ];
    noting.block(&sealed);
    let world = &mut noting.chain.world;
    let mut end = erase();
    end.version = 2;
    let rest = [
        world.event(HOSPITAL, supersede()),
        world.event(HOSPITAL, grant(1)),
        world.event(PHARMACY, request(1)),
        world.event(HOSPITAL, end),
        world.event(PHARMACY, request(2)),
    ];
    noting.block(&rest);
    noting.block(&[]);
    let kinds: Vec<_> = noting
        .links
        .iter()
        .map(|link| (link.kind, link.outcome))
        .collect();
    assert_eq!(
        kinds,
        [
            (EventKind::RecordSeal, 0),
            (EventKind::RecordSupersede, 0),
            (EventKind::ConsentGrant, 0),
            (EventKind::AccessRequest, 7),
            (EventKind::RecordErase, 0),
            (EventKind::AccessRequest, 7),
        ]
    );
    let verified = judge(&[noting.whole()]).unwrap().unwrap();
    assert_eq!((verified.count, verified.height.0), (6, 3));
}

/// An end is in the histories of the owner's tags, whoever anchored it.
#[test]
fn a_patients_end_of_a_consent_is_in_its_tags_history() {
    let mut noting = Noting::new();
    let network = genesis().network_id();
    let mut endable = grant(1);
    endable.ender = Some(ender(network, 1));
    let world = &mut noting.chain.world;
    let events = [
        world.event(HOSPITAL, endable),
        world.event(OTHER_PHARMACY, end(network, 1)),
    ];
    noting.block(&events);
    noting.block(&[]);
    let kinds: Vec<_> = noting.links.iter().map(|link| link.kind).collect();
    assert_eq!(kinds, [EventKind::ConsentGrant, EventKind::ConsentEnd]);
    let verified = judge(&[noting.whole()]).unwrap().unwrap();
    assert_eq!(verified.count, 2);
}

fn judge(pages: &[HistoryPage]) -> Result<Option<VerifiedHistory>, String> {
    let mut verifier = HistoryVerifier::new(name(HOSPITAL), tag(1));
    let mut verdict = None;
    for page in pages {
        let bytes = page.encode();
        let read = HistoryPage::decode(&bytes).map_err(|error| format!("rejected: {error}"))?;
        assert_eq!(&read, page);
        let (again, length) = HistoryPage::decode_first(&[&bytes[..], &bytes].concat()).unwrap();
        assert_eq!((&again, length), (page, bytes.len()));
        verdict = verifier
            .add(&read, &policy())
            .map_err(|error| format!("wrong: {error}"))?;
    }
    Ok(verdict)
}

#[test]
fn exactly_these_or_none() {
    let noting = noting();
    let kinds: Vec<_> = noting
        .links
        .iter()
        .map(|link| (link.kind, link.outcome))
        .collect();
    assert_eq!(
        kinds,
        [
            (EventKind::RecordSeal, 0),
            (EventKind::ConsentGrant, 0),
            (EventKind::ConsentGrant, 0),
            (EventKind::AccessRequest, 0),
            (EventKind::ConsentRevoke, 0),
            (EventKind::AccessRequest, 3),
        ]
    );
    let mut vectors = Vectors::of("history");
    vectors.golden("policy", policy().policy().as_bytes());
    let whole = noting.whole();
    vectors.golden("good-six-events", &whole.encode());
    let verified = judge(&[whole]).unwrap().unwrap();
    assert_eq!((verified.count, verified.height.0), (6, 4));
    let pages = [noting.page(0, 4, false), noting.page(4, 6, true)];
    vectors.golden("good-page-1-of-2", &pages[0].encode());
    vectors.golden("good-page-2-of-2", &pages[1].encode());
    assert_eq!(
        judge(&pages[..1]),
        Ok(None),
        "nothing is proved before the last page"
    );
    assert_eq!(judge(&pages).unwrap(), Some(verified));
    let empty = Noting::new();
    vectors.golden("good-none", &empty.page(0, 0, true).encode());
    assert_eq!(judge(&[empty.page(0, 0, true)]).unwrap().unwrap().count, 0);
    wrong(&noting, &mut vectors);
    rejected(&noting, &mut vectors);
    vectors.finish();
}

#[test]
fn openings_without_a_consent_and_their_reviews_are_in_the_history() {
    let mut noting = Noting::new();
    let world = &mut noting.chain.world;
    let sealed = [world.event(HOSPITAL, seal(1, 1))];
    noting.block(&sealed);
    let opening = |number, record| AccessBreakGlass {
        request: request(number).request,
        owner: name(HOSPITAL),
        record: RecordHandle::new([record; 16]),
        reader_key: request(number).reader_key,
        commitment: commitment(1),
    };
    let judged = AccessReview {
        requester: name(OTHER_HOSPITAL),
        request: request(1).request,
        verdict: Verdict::NotJustified,
        commitment: commitment(2),
    };
    let journal = EmergencyJournal {
        counter: 0,
        head: JournalHead::EMPTY,
        key_kind: JournalKeyKind::File,
        lost: 0,
    };
    let entry = AccessEmergency {
        counter: 1,
        record: RecordHandle::new([1; 16]),
        version: 1,
        claimed: Time(START),
        previous: JournalHead::EMPTY,
        commitment: commitment(3),
    };
    let world = &mut noting.chain.world;
    let events = [
        world.event(OTHER_HOSPITAL, opening(1, 1)),
        world.event(OTHER_HOSPITAL, opening(2, 7)),
        world.event(HOSPITAL, judged),
        world.event(HOSPITAL, journal),
        world.event(HOSPITAL, entry),
    ];
    noting.block(&events);
    let kinds: Vec<_> = noting
        .links
        .iter()
        .map(|link| (link.kind, link.outcome))
        .collect();
    assert_eq!(
        kinds,
        [
            (EventKind::RecordSeal, 0),
            (EventKind::AccessBreakGlass, 0),
            (EventKind::AccessReview, 2),
            (EventKind::AccessEmergency, 0),
        ]
    );
    assert_eq!(judge(&[noting.whole()]).unwrap().unwrap().count, 4);
}

fn wrong(noting: &Noting, vectors: &mut Vectors) {
    let mut wrong = |file: &str, why: &str, change: &dyn Fn(&mut HistoryPage)| {
        let mut page = noting.whole();
        change(&mut page);
        vectors.golden(&format!("wrong-{file}"), &page.encode());
        let found = judge(&[page]).unwrap_err();
        assert!(
            found.starts_with("wrong: ") && found.contains(why),
            "{file}: {found}"
        );
    };
    wrong("one-missing", "these 5 events are not the 6", &|page| {
        page.links.remove(3);
    });
    wrong("one-added", "these 7 events are not the 6", &|page| {
        page.links.push(page.links[5])
    });
    wrong("exchanged", "these 6 events are not the 6", &|page| {
        page.links.swap(2, 3)
    });
    wrong("outcome-changed", "not the 6", &|page| {
        page.links[5].outcome = 0
    });
    wrong("event-changed", "not the 6", &|page| {
        page.links[3].anchored.event = EventId::new([9; 32]);
    });
    wrong("time-changed", "not the 6", &|page| {
        page.links[3].time.0 += 1
    });
    wrong("none-claimed", "these 0 events are not the 6", &|page| {
        page.links.clear()
    });
    wrong("does-not-begin-at-0", "does not follow", &|page| {
        page.first = 1
    });
    wrong("another-tag", "does not follow", &|page| page.tag = tag(2));
    wrong("another-owner", "does not follow", &|page| {
        page.owner = name(OTHER_HOSPITAL)
    });
    let other = TagIndex::key(&name(HOSPITAL), &tag(2));
    wrong("state-of-another-tag", "another key", &|page| {
        page.state = Some(noting.chain.document(4, &other));
    });
    let key = TagIndex::key(&name(HOSPITAL), &tag(1));
    wrong(
        "state-of-an-earlier-height",
        "these 6 events are not the 3",
        &|page| {
            page.state = Some(noting.chain.document(2, &key));
        },
    );
    wrong("another-network", "no log key", &|page| {
        let state = page.state.as_mut().unwrap();
        state.seal.receipt.checkpoint = noting.chain.foreign_checkpoint();
    });
}

fn rejected(noting: &Noting, vectors: &mut Vectors) {
    let good = noting.whole().encode();
    let read = |bytes: &[u8]| HistoryPage::decode(bytes).map_err(|error| error.to_string());
    vectors.rejected(
        "trailing-byte",
        &[&good[..], &[0]].concat(),
        read,
        "follow the end",
    );
    vectors.rejected("truncated", &good[..good.len() - 1], read, "cut short");
    let mut page = noting.whole();
    (page.links, page.state) = (Vec::new(), None);
    vectors.rejected(
        "no-links-and-no-state",
        &page.encode(),
        read,
        "must be the last one",
    );
    let mut page = noting.whole();
    page.links = vec![page.links[0]; HistoryPage::MAX_LINKS + 1];
    page.state = None;
    vectors.rejected("1025-links", &page.encode(), read, "size out of bounds");
    let mut kind = noting.page(0, 1, false).encode();
    let at = kind.len() - 4;
    assert_eq!(kind[at - 1..], [0x19, 0x02, 0x01, 0x00, 0x05, 0xf6][1..]);
    kind[at] = 0x99;
    vectors.rejected("unknown-event-type", &kind, read, "event type 0x0299");
    assert!(
        read(&vec![0; HistoryPage::MAX_BYTES + 1])
            .unwrap_err()
            .contains("at most")
    );
}

#[test]
fn nothing_follows_the_last_page() {
    let noting = noting();
    let found = judge(&[noting.whole(), noting.page(0, 1, false)]).unwrap_err();
    assert!(found.contains("after the last page"), "{found}");
}

#[test]
fn pages_of_different_heights_verify_together() {
    let mut noting = noting();
    let first = noting.page(0, 6, false);
    let event = noting.chain.world.event(HOSPITAL, seal(3, 1));
    noting.block(&[event]);
    let rest = noting.page(6, 7, true);
    assert_eq!(judge(&[first, rest]).unwrap().unwrap().count, 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Seals, consents, revocations and requests in random order and blocks: what [`moved`] gives
    /// afterwards is what the rules did.
    #[test]
    fn the_links_are_those_of_the_rules(steps in prop::collection::vec((0..5u8, 1..4u8), 1..24), cut in 1..5usize) {
        let mut noting = Noting::new();
        let mut number = 0;
        for chunk in steps.chunks(cut) {
            let world = &mut noting.chain.world;
            let mut events = Vec::new();
            for (step, which) in chunk {
                number += 1;
                let event = match step {
                    0 => world.event(HOSPITAL, seal(*which, which % 2 + 1)),
                    1 => world.event(HOSPITAL, grant(*which)),
                    2 => world.event(HOSPITAL, revoke(*which)),
                    _ => world.event(PHARMACY, request(number)),
                };
                events.push(event);
            }
            let mut builder = medanchor_ledger::execute::BlockBuilder::new(
                &noting.chain.world.state,
                medanchor_ledger::Time(noting.chain.world.now),
            ).unwrap();
            events.retain(|event| builder.push(event).unwrap().is_ok());
            drop(builder);
            noting.block(&events);
        }
        let page = noting.whole();
        let count = page.links.len() as u64;
        prop_assert_eq!(judge(&[page]).unwrap().unwrap().count, count);
    }
}
