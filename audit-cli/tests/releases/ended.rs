//! Releases whose access had ended, and those that came before it whatever the custodian's clock said.

use super::support::{Built, PARTICIPANT, key, name};
use super::{CUSTODIAN, HOSPITAL, commitment, judged, page, reader_key, root, seal};
use medanchor_ledger::event::consent::{Classes, Grantees, Purposes, Tags};
use medanchor_ledger::event::{
    AccessRequest, ConsentEnd, ConsentGrant, ConsentRevoke, CustodyLog, Destroyed, ErasureReason,
    Event, EventBody, GranteeOpening, RecordErase, RecordSupersede,
};
use medanchor_ledger::execute::View;
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::*;
use medanchor_vault::RecordVersion;
use medanchor_vault::custody::{Custodied, Released, ShareIndex};

const PHARMACY: u8 = 2;
const OPENING: GranteeOpening = GranteeOpening::new([42; 16]);
/// A minute for the proof, a minute for the clock.
const SLACK: u64 = 120_000;
/// How long the short consent of [`World`] lives, in milliseconds.
const SHORT: u64 = 20_000;

/// A hospital's record, and consents by which the pharmacy may read it: the first, one that continues it,
/// a short one, and one that nobody uses.
struct World {
    built: Built,
    began: Time,
}

/// The patient's key that ends the first consent.
fn ending() -> SigningKey {
    SigningKey::from_seed(&[78; 32])
}

fn consent(network: NetworkId, handle: u8, root: Option<u8>, not_after: Time) -> (u8, EventBody) {
    let (consent, key) = (ConsentHandle::new([handle; 16]), ending().public_key());
    let body = ConsentGrant {
        consent,
        root: root.map(|root| ConsentHandle::new([root; 16])),
        tags: Tags::new([Tag::new([1; 16])]).expect("tags"),
        grantees: Grantees::new([OPENING.grantee(&name(PHARMACY), None)]).expect("a grantee"),
        purposes: Purposes::new([PurposeHandle::new([1; 16])]).expect("a purpose"),
        classes: Classes::new([ClassHandle::new([1; 16])]).expect("a class"),
        not_before: Time(0),
        not_after,
        commitment: commitment(5),
        ender: (handle == FIRST).then(|| Ender::of(network, &name(HOSPITAL), &consent, &key)),
    };
    (HOSPITAL, body.into())
}

const FIRST: u8 = 1;
const NEXT: u8 = 2;
const BRIEF: u8 = 3;
const UNUSED: u8 = 4;

impl World {
    fn new() -> Self {
        let mut built = Built::new("ended.medanchor.example");
        let began = built.memory().head().time;
        let network = built.genesis.network_id();
        let consent = |handle, root, until| consent(network, handle, root, until);
        let (long, short) = (began.plus_millis(3_600_000), began.plus_millis(SHORT));
        built.block_of(vec![
            (HOSPITAL, seal(1)),
            consent(FIRST, None, long),
            consent(UNUSED, None, long),
            consent(BRIEF, None, short),
        ]);
        built.block_of(vec![consent(NEXT, Some(FIRST), long)]);
        Self { built, began }
    }

    /// A request under a consent that is signed and not on the ledger yet.
    fn request(&mut self, consent: u8) -> Event {
        let body = AccessRequest {
            request: RequestHandle::new([1; 16]),
            owner: name(HOSPITAL),
            record: RecordHandle::new([1; 16]),
            consent: ConsentHandle::new([consent; 16]),
            purpose: PurposeHandle::new([1; 16]),
            opening: OPENING,
            member: None,
            reader_key: reader_key(),
            commitment: commitment(3),
        };
        self.built.event(PHARMACY, body.into())
    }

    /// Appends a block of one event; gives its place and the block's time.
    fn commit(&mut self, event: &Event) -> (u64, Time) {
        let at = self.built.size();
        let number = (0..).find(|number| name(*number) == *event.issuer());
        let signer = key(number.expect("a participant"), PARTICIPANT);
        self.built.block_by(vec![(event.clone(), signer)]);
        (at, self.built.memory().head().time)
    }

    fn say(&mut self, body: impl Into<EventBody>) -> (u64, Time) {
        let event = self.built.event(HOSPITAL, body.into());
        self.commit(&event)
    }

    /// The patient's end of the first consent, which the pharmacy anchors.
    fn end(&mut self) -> (u64, Time) {
        let (network, owner, key) = (self.built.genesis.network_id(), name(HOSPITAL), ending());
        let (consent, public) = (ConsentHandle::new([FIRST; 16]), key.public_key());
        let signed = ConsentEnd::sign_bytes(network, &owner, &consent, &public);
        let body = ConsentEnd {
            owner,
            consent,
            key: public,
            signature: key.sign(&signed),
        };
        let event = self.built.event(PHARMACY, body.into());
        self.commit(&event)
    }

    fn anchor(&mut self, log: &[Released]) -> (u64, Time) {
        let (size, root) = (Size(log.len() as u64), root(log));
        let event = self
            .built
            .event(CUSTODIAN, CustodyLog { size, root }.into());
        self.commit(&event)
    }

    fn released(&self, request: &Event, version: u32, time: Time) -> Released {
        Released {
            request: request.id(),
            record: Custodied {
                owner: name(HOSPITAL),
                record: RecordVersion {
                    network: self.built.genesis.network_id(),
                    record: RecordHandle::new([1; 16]),
                    version,
                },
            },
            epoch: 1,
            index: ShareIndex::new(1).expect("a place"),
            answer: [7; 32],
            time,
        }
    }

    /// What the auditor says of the only release of a log: why, and the entry that shows it; none if it
    /// passes.
    fn verdict(&self, released: Released) -> Option<(String, Option<u64>)> {
        let log = [released];
        let (code, json) = judged(&self.built, &page(&log, &log));
        let found = json["custodians"][0]["without_access"].as_array();
        let found = found.expect("findings");
        assert_eq!(code, Some(i32::from(!found.is_empty())), "{json}");
        assert!(found.len() <= 1, "{json}");
        let why = |one: &serde_json::Value| one["why"].as_str().expect("a reason").to_owned();
        let first = found.first();
        first.map(|one| (why(one), one["entry"].as_u64()))
    }
}

fn revoke(consent: u8) -> EventBody {
    let consent = ConsentHandle::new([consent; 16]);
    ConsentRevoke { consent }.into()
}

fn erase() -> EventBody {
    let body = RecordErase {
        record: RecordHandle::new([1; 16]),
        version: 1,
        destroyed: Destroyed::new(Destroyed::VAULT_PART).expect("what was destroyed"),
        reason: ErasureReason::SubjectRequest,
        certificate: commitment(6),
    };
    body.into()
}

fn supersede() -> EventBody {
    let body = RecordSupersede {
        record: RecordHandle::new([1; 16]),
        version: 2,
        class: ClassHandle::new([1; 16]),
        commitment: commitment(7),
        ciphertext: CiphertextHash::new([2; 32]),
        vault_part: VaultPartHash::new([2; 32]),
        key_check: KeyCheck::new([2; 16]),
        custody: None,
    };
    body.into()
}

#[test]
fn a_release_after_its_access_ended_is_named_with_the_entry_that_ended_it() {
    let revoked = "released after the consent was revoked";
    for (consent, end, why) in [
        (FIRST, revoke(FIRST), revoked),
        (NEXT, revoke(NEXT), revoked),
        (NEXT, revoke(FIRST), revoked),
        (FIRST, erase(), "released after the record was erased"),
        (
            FIRST,
            supersede(),
            "released after the record had a newer version",
        ),
    ] {
        let mut world = World::new();
        let request = world.request(consent);
        world.commit(&request);
        let (entry, ended) = world.say(end);
        // Until then a proof of before may have been used.
        let last = world.released(&request, 1, ended.plus_millis(SLACK));
        assert_eq!(world.verdict(last), None, "{why}");
        let after = world.released(&request, 1, ended.plus_millis(SLACK + 1));
        assert_eq!(world.verdict(after), Some((why.to_owned(), Some(entry))));
    }
}

#[test]
fn a_release_after_the_patient_ended_the_consent_is_named_whoever_anchored_the_end() {
    let why = "released after the consent was revoked";
    for consent in [FIRST, NEXT] {
        let mut world = World::new();
        let request = world.request(consent);
        world.commit(&request);
        let (entry, ended) = world.end();
        let last = world.released(&request, 1, ended.plus_millis(SLACK));
        assert_eq!(world.verdict(last), None);
        let after = world.released(&request, 1, ended.plus_millis(SLACK + 1));
        assert_eq!(world.verdict(after), Some((why.to_owned(), Some(entry))));
    }
    let mut world = World::new();
    let request = world.request(UNUSED);
    let (_, asked) = world.commit(&request);
    world.end();
    let released = world.released(&request, 1, asked.plus_millis(200_000));
    assert_eq!(world.verdict(released), None);
}

#[test]
fn an_end_of_something_else_ends_nothing() {
    let mut world = World::new();
    let request = world.request(FIRST);
    let (_, asked) = world.commit(&request);
    world.say(revoke(UNUSED));
    world.say(revoke(NEXT));
    let released = world.released(&request, 1, asked.plus_millis(200_000));
    assert_eq!(world.verdict(released), None);
}

#[test]
fn a_release_after_the_consent_expired_is_named() {
    let mut world = World::new();
    // The fourth entry of the first block; entry 0 is the seal of height 0.
    let granted = 4;
    let request = world.request(BRIEF);
    world.commit(&request);
    let until = world.began.plus_millis(SHORT);
    let last = world.released(&request, 1, until.plus_millis(SLACK));
    assert_eq!(world.verdict(last), None);
    let after = world.released(&request, 1, until.plus_millis(SLACK + 1));
    let why = "released after the consent had expired".to_owned();
    assert_eq!(world.verdict(after), Some((why, Some(granted))));
}

#[test]
fn the_version_is_the_one_that_the_request_was_decided_on() {
    let other = "released in another version than the request was decided on";
    let said = |found: Option<(String, Option<u64>)>| found.map(|(why, _)| why);
    let mut world = World::new();
    let request = world.request(FIRST);
    // The next version stands behind the request in the very same block.
    let next = world.built.event(HOSPITAL, supersede());
    let signers = [key(PHARMACY, PARTICIPANT), key(HOSPITAL, PARTICIPANT)];
    let events = [request.clone(), next].into_iter().zip(signers);
    world.built.block_by(events.collect());
    let time = world.built.memory().head().time;
    let first = world.released(&request, 1, time);
    assert_eq!(said(world.verdict(first)), None);
    let second = world.released(&request, 2, time);
    assert_eq!(said(world.verdict(second)).as_deref(), Some(other));

    let mut world = World::new();
    world.say(supersede());
    let request = world.request(FIRST);
    let (_, time) = world.commit(&request);
    let first = world.released(&request, 1, time);
    assert_eq!(said(world.verdict(first)).as_deref(), Some(other));
    let second = world.released(&request, 2, time);
    assert_eq!(said(world.verdict(second)), None);
}

/// The custodian logs a time that fits the request; its own root gives it away.
#[test]
fn a_release_whose_log_was_anchored_before_the_request_is_early_whatever_its_time() {
    let mut world = World::new();
    let request = world.request(FIRST);
    let now = world.built.memory().head().time;
    let released = world.released(&request, 1, now.plus_millis(1_000));
    let (anchored, _) = world.anchor(std::slice::from_ref(&released));
    world.commit(&request);
    let why = "released before the request was committed, as the anchored log proves".to_owned();
    assert_eq!(world.verdict(released), Some((why, Some(anchored))));

    let mut world = World::new();
    let request = world.request(FIRST);
    let released = world.released(&request, 1, now.plus_millis(1_000));
    world.anchor(&[]);
    world.commit(&request);
    world.anchor(std::slice::from_ref(&released));
    assert_eq!(world.verdict(released), None);
}
