//! The list from histories and events made here, without a network.

use super::fold::{About, Fetched, Journal, NotProved, fold};
use super::*;
use crate::access_list::{Basis, Gap, GapOf, GapReason, Review};
use crate::subject::{Approval, ConsentDraft, Subject, Terms, Words};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_COMPRESSED;
use medanchor_ledger::event::{
    AccessBreakGlass, AccessEmergency, AccessRequest, AccessReview, ConsentGrant, Custody,
    Destroyed, Event, EventBody, GranteeOpening, JournalKeyKind, KemSuite, ReaderKey,
    RecordCustody, RecordErase, RecordSeal, SharePoint, UnsignedEvent, Verdict,
};
use medanchor_ledger::rules::break_glass::REVIEW_MILLIS;
use medanchor_ledger::rules::{
    Anchored, Decision, DenialReason, EarlierKinds, EmergencyHead, LostEntries,
};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::{
    CiphertextHash, Commitment, ConsentHandle, Height, Index, JournalHead, KeyCheck, NetworkId,
    Nonce, ParticipantName, PurposeHandle, RequestHandle, Size, Tag, TreeHash, VaultPartHash,
};
use medanchor_vault::Epoch;
use medanchor_vault::secret::{SubjectKey, TagKey};
use std::collections::BTreeMap;

mod delegated;
mod ended;
mod gaps;
#[cfg(feature = "client")]
mod nodes;
#[cfg(feature = "client")]
mod other_keys;
mod renewed;

const QUARTER: Epoch = Epoch(4 * 56);
const HOUR: u64 = 3_600_000;

fn start() -> u64 {
    QUARTER.begin().0
}

fn name(text: &str) -> ParticipantName {
    text.parse().unwrap()
}

fn commitment(byte: u8) -> Commitment {
    Commitment::new(TreeHash::new([byte; 32]))
}

fn record(byte: u8) -> RecordHandle {
    RecordHandle::new([byte; 16])
}

fn request(byte: u8) -> RequestHandle {
    RequestHandle::new([byte; 16])
}

fn subject() -> SubjectKey {
    SubjectKey::new([7; 32])
}

/// The key of the patient whose consents the tests list.
fn own_key() -> &'static SubjectKey {
    static KEY: std::sync::OnceLock<SubjectKey> = std::sync::OnceLock::new();
    KEY.get_or_init(|| own_consent().0.key_at(&name("hospital")))
}

const fn reader_key() -> ReaderKey {
    ReaderKey {
        suite: KemSuite::X25519,
        hash: [9; 32],
    }
}

fn in_custody(epoch: Epoch) -> RecordCustody {
    let point = SharePoint::new(RISTRETTO_BASEPOINT_COMPRESSED.to_bytes());
    RecordCustody {
        seal: RecordSeal {
            record: record(1),
            version: 1,
            tag: Tag::new([1; 16]),
            class: subject().consent_key(epoch).class("laboratory"),
            commitment: commitment(1),
            ciphertext: CiphertextHash::new([1; 32]),
            vault_part: VaultPartHash::new([1; 32]),
            key_check: KeyCheck::new([1; 16]),
        },
        custody: Custody::new(1, vec![point; 2]).unwrap(),
    }
}

fn break_glass(handle: u8) -> AccessBreakGlass {
    AccessBreakGlass {
        request: request(handle),
        owner: name("hospital"),
        record: record(1),
        reader_key: reader_key(),
        commitment: commitment(3),
    }
}

/// A tag's history in the making: each event an hour after the one before, at every third index.
struct Chain {
    epoch: Epoch,
    events: Vec<(TagLink, Option<Event>)>,
}

impl Chain {
    const fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            events: Vec::new(),
        }
    }

    fn add(&mut self, by: &str, outcome: u8, body: impl Into<EventBody>) -> &mut Self {
        let place = self.events.len() as u64;
        let time = Time(self.epoch.begin().0 + (place + 1) * HOUR);
        let event = UnsignedEvent {
            issuer: name(by),
            network: NetworkId::new([1; 16]),
            nonce: Nonce::new([u8::try_from(place).unwrap(); 16]),
            not_after: time,
            body: body.into(),
        };
        let event = event.sign(&SigningKey::from_seed(&[3; 32])).unwrap();
        let link = TagLink {
            anchored: Anchored {
                event: event.id(),
                index: Index(place * 3 + u64::from(self.epoch.0)),
            },
            time,
            kind: event.kind(),
            outcome,
        };
        self.events.push((link, Some(event)));
        self
    }

    fn until(&mut self, time: Time) -> Fetched {
        Fetched {
            epoch: self.epoch,
            proof: QuarterProof {
                count: self.events.len() as u64,
                height: Height(5),
                time,
                size: Size(1_000),
            },
            events: std::mem::take(&mut self.events),
        }
    }

    fn sealed(&mut self) -> &mut Self {
        self.add("hospital", 0, in_custody(self.epoch))
    }

    fn sealed_alone(&mut self) -> &mut Self {
        self.add("hospital", 0, in_custody(self.epoch).seal)
    }

    fn asked(&mut self, decision: Decision) -> &mut Self {
        self.asked_under(ConsentHandle::new([4; 16]), decision)
    }

    fn asked_under(&mut self, consent: ConsentHandle, decision: Decision) -> &mut Self {
        let asked = AccessRequest {
            request: request(1),
            owner: name("hospital"),
            record: record(1),
            consent,
            purpose: subject().consent_key(self.epoch).purpose("TREAT"),
            opening: GranteeOpening::new([5; 16]),
            member: None,
            reader_key: reader_key(),
            commitment: commitment(2),
        };
        self.add("clinic", decision.code(), asked)
    }

    fn broken(&mut self, handle: u8, decision: Decision) -> &mut Self {
        self.add("clinic", decision.code(), break_glass(handle))
    }

    fn reviewed(&mut self, handle: u8, verdict: Verdict) -> &mut Self {
        let review = AccessReview {
            requester: name("clinic"),
            request: request(handle),
            verdict,
            commitment: commitment(4),
        };
        self.add("hospital", verdict.code(), review)
    }
}

fn no_journal() -> Journal {
    Journal {
        head: Ok(None),
        stated: BTreeMap::new(),
    }
}

fn about<'a>(known: &'a Known, owner: &'a ParticipantName, now: Time) -> About<'a> {
    About {
        network: NetworkId::new([1; 16]),
        owner,
        patient: "Patient/7",
        approver: None,
        card: None,
        subject: own_key(),
        known,
        delegated: Vec::new(),
        began: QUARTER,
        journal: no_journal(),
        now,
    }
}

fn known() -> Known {
    let mut known = Known::of(&subject(), [QUARTER], &["laboratory"]);
    known.add_document(record(1), "Observation/7");
    known
}

/// The list of one quarter, made at its last block.
fn list_of(chain: &mut Chain) -> PatientHistory {
    let end = Time(start() + 40 * HOUR);
    let (known, owner) = (known(), name("hospital"));
    fold(
        &about(&known, &owner, end),
        vec![chain.until(end)],
        Vec::new(),
    )
    .unwrap()
}

#[test]
fn every_access_stands_in_the_list_with_its_words() {
    let denied = Decision::Denied(DenialReason::Revoked);
    let mut chain = Chain::new(QUARTER);
    chain.sealed().asked(Decision::Permitted).asked(denied);
    let history = list_of(&mut chain);
    let [opened, refused] = history.list.entries.as_slice() else {
        panic!("two accesses, not {}", history.list.entries.len());
    };
    assert_eq!(opened.by, name("clinic"));
    assert_eq!(opened.time, Time(start() + 2 * HOUR));
    assert_eq!(opened.purpose(), Some("TREAT"));
    assert_eq!(opened.category.as_deref(), Some("laboratory"));
    assert_eq!(opened.document.as_deref(), Some("Observation/7"));
    assert!(opened.is_by_held_key() && opened.person.is_none());
    assert_eq!(
        (opened.decision, refused.decision),
        (Decision::Permitted, denied)
    );
    assert!(history.is_whole() && !history.is_stale() && history.list.gaps.is_empty());
    let text = history.to_text();
    for words in [
        "exactly 1 accesses, and 1 that were denied",
        "clinic opened Observation/7 (laboratory)",
        "DENIED (access.consent-revoked)",
        "hospital holds: it could have signed alone",
        "clinic has not disclosed",
        "2026-Q1: exactly 3 events",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[test]
fn a_broken_glass_shows_its_review_and_when_it_is_due() {
    let denied = Decision::Denied(DenialReason::Erased);
    let mut chain = Chain::new(QUARTER);
    chain
        .broken(1, Decision::Permitted)
        .broken(2, Decision::Permitted);
    chain.broken(3, Decision::Permitted).broken(4, denied);
    chain
        .reviewed(2, Verdict::Justified)
        .reviewed(3, Verdict::NotJustified);
    let history = list_of(&mut chain);
    let due = Time(start() + HOUR + REVIEW_MILLIS);
    let reviews = [
        Review::Due(due),
        Review::Done {
            justified: true,
            late: false,
        },
        Review::Done {
            justified: false,
            late: false,
        },
        Review::NotNeeded,
    ];
    let found = history.list.entries.iter().map(|entry| entry.basis.clone());
    assert!(found.eq(reviews.map(Basis::BreakGlass)));
    assert!(
        history
            .to_text()
            .contains("NOT REVIEWED, due 2026-01-04T01:00:00.000Z")
    );
    assert_eq!(history.to_json()["accesses"][0]["review"]["state"], "due");
}

#[test]
fn a_review_that_came_late_stays_late() {
    let mut chain = Chain::new(QUARTER);
    chain.broken(1, Decision::Permitted);
    // An event an hour.
    (0..=REVIEW_MILLIS / HOUR).for_each(|_| {
        chain.sealed();
    });
    chain.reviewed(1, Verdict::Justified);
    let end = Time(start() + 80 * HOUR);
    let (known, owner) = (known(), name("hospital"));
    let quarters = vec![chain.until(end)];
    let history = fold(&about(&known, &owner, end), quarters, Vec::new()).unwrap();
    let text = history.to_text();
    assert!(text.contains("found justified, reviewed LATE"), "{text}");
    assert_eq!(history.to_json()["accesses"][0]["review"]["late"], true);
}

#[test]
fn a_review_that_never_came_is_overdue() {
    let mut chain = Chain::new(QUARTER);
    chain.broken(1, Decision::Permitted);
    let end = Time(start() + 2 * HOUR + REVIEW_MILLIS);
    let (known, owner) = (known(), name("hospital"));
    let history = fold(
        &about(&known, &owner, end),
        vec![chain.until(end)],
        Vec::new(),
    )
    .unwrap();
    assert!(
        history
            .to_text()
            .contains("REVIEW OVERDUE since 2026-01-04")
    );
}

/// A reviewer's verdict about somebody else's request of the same handle says nothing of this one.
#[test]
fn a_review_is_of_the_requester_that_it_names() {
    let mut chain = Chain::new(QUARTER);
    chain.broken(1, Decision::Permitted);
    let review = AccessReview {
        requester: name("other-clinic"),
        request: request(1),
        verdict: Verdict::Justified,
        commitment: commitment(4),
    };
    chain.add("hospital", 1, review);
    let history = list_of(&mut chain);
    let basis = &history.list.entries.first().unwrap().basis;
    assert!(matches!(basis, Basis::BreakGlass(Review::Due(_))));
}

#[test]
fn an_emergency_is_an_unproven_window_up_to_its_block() {
    let opened = AccessEmergency {
        counter: 1,
        record: record(1),
        version: 1,
        claimed: Time(start() + HOUR),
        previous: JournalHead::EMPTY,
        commitment: commitment(5),
    };
    let mut chain = Chain::new(QUARTER);
    chain.sealed().add("hospital", 0, opened);
    let history = list_of(&mut chain);
    let entry = history.list.entries.first().unwrap();
    // The ledger never heard of the journal before, so the window is as long as it.
    let (since, claimed) = (Time(start()), Time(start() + HOUR));
    assert_eq!(
        (entry.basis.clone(), entry.time),
        (
            Basis::Emergency { since, claimed },
            Time(start() + 2 * HOUR)
        )
    );
    let gap = history.list.gaps.first().unwrap();
    assert_eq!(gap.why, GapReason::Unproven);
    assert_eq!((gap.from, gap.until), (since, Some(entry.time)));
    let text = history.to_text();
    for words in [
        "between 2026-01-01T00:00:00.000Z and 2026-01-01T02:00:00.000Z  hospital opened",
        "hospital claims that it was at 2026-01-01T01:00:00.000Z, which nothing proves",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[test]
fn a_key_file_and_a_missing_daily_anchor_are_gaps() {
    let (known, owner) = (known(), name("hospital"));
    let journal = EmergencyHead {
        newest: Anchored {
            event: EventId::new([1; 32]),
            index: Index(1),
        },
        counter: 0,
        head: JournalHead::EMPTY,
        key_kind: JournalKeyKind::File,
        since: Time(start()),
        stated: Time(start() + HOUR),
        lost: None,
        earlier: EarlierKinds::default(),
    };
    let reasons = |kind, hours| {
        let end = Time(start() + hours * HOUR);
        let key_kind = kind;
        let journal = Journal {
            head: Ok(Some(EmergencyHead {
                key_kind,
                ..journal
            })),
            ..no_journal()
        };
        let about = About {
            journal,
            ..about(&known, &owner, end)
        };
        let chain = Chain::new(QUARTER).sealed().until(end);
        let gaps = fold(&about, vec![chain], Vec::new()).unwrap().list.gaps;
        gaps.iter().map(|gap| gap.why).collect::<Vec<_>>()
    };
    assert_eq!(reasons(JournalKeyKind::Hardware, 25), []);
    assert_eq!(reasons(JournalKeyKind::Hardware, 26), [GapReason::Unproven]);
    assert_eq!(reasons(JournalKeyKind::File, 20), [GapReason::KeyFile]);
    assert_eq!(reasons(JournalKeyKind::Token, 20), [GapReason::KeyToken]);
}

/// Whoever copied the key while it was in a file has it still.
#[test]
fn a_key_that_was_once_in_a_file_or_a_token_is_a_gap_to_this_day() {
    let (known, owner) = (known(), name("hospital"));
    let (file, token) = (Time(start() + HOUR), Time(start() + 2 * HOUR));
    let end = Time(start() + 20 * HOUR);
    let journal = EmergencyHead {
        newest: Anchored {
            event: EventId::new([1; 32]),
            index: Index(1),
        },
        counter: 0,
        head: JournalHead::EMPTY,
        key_kind: JournalKeyKind::Hardware,
        since: Time(start() + 3 * HOUR),
        stated: end,
        lost: None,
        earlier: EarlierKinds {
            file: Some(file),
            token: Some(token),
        },
    };
    let journal = Journal {
        head: Ok(Some(journal)),
        ..no_journal()
    };
    let about = About {
        journal,
        ..about(&known, &owner, end)
    };
    let chain = Chain::new(QUARTER).sealed().until(end);
    let gaps = fold(&about, vec![chain], Vec::new()).unwrap().list.gaps;
    let found = gaps.iter().map(|gap| (gap.from, gap.until, gap.why));
    let once = [
        (file, None, GapReason::KeyOnceFile),
        (token, None, GapReason::KeyOnceToken),
    ];
    assert!(found.eq(once));
    // A token that does not count is stated as a file is, so the list cannot tell which it was.
    let said = gaps[0].said();
    assert!(
        said.en.contains("in a token that did not count"),
        "{}",
        said.en
    );
    assert!(said.zh.contains("没有对打开次数计数的令牌"), "{}", said.zh);
}

/// A token counted three openings that the journal lost: each patient's list of that institution says so,
/// for good.
#[test]
fn lost_entries_are_a_gap_of_their_window_and_their_number() {
    let (known, owner) = (known(), name("hospital"));
    let (from, until) = (Time(start() + HOUR), Time(start() + 3 * HOUR));
    let journal = EmergencyHead {
        newest: Anchored {
            event: EventId::new([1; 32]),
            index: Index(1),
        },
        counter: 7,
        head: JournalHead::new([9; 32]),
        key_kind: JournalKeyKind::Hardware,
        since: Time(start()),
        stated: until,
        lost: Some(LostEntries {
            count: 3,
            from,
            until,
        }),
        earlier: EarlierKinds::default(),
    };
    let end = Time(start() + 20 * HOUR);
    let journal = Journal {
        head: Ok(Some(journal)),
        ..no_journal()
    };
    let about = About {
        journal,
        ..about(&known, &owner, end)
    };
    let chain = Chain::new(QUARTER).sealed().until(end);
    let list = fold(&about, vec![chain], Vec::new()).unwrap().list;
    let [gap] = list.gaps.as_slice() else {
        panic!("{:?}", list.gaps)
    };
    assert_eq!((gap.from, gap.until), (from, Some(until)));
    assert_eq!(gap.of, Some(GapOf::Entries(3)));
    assert_eq!(gap.why, GapReason::LostEntries);
    assert!(gap.why.leaves_out());
    assert!(gap.said().en.contains("3 entries of the emergency journal"));
    assert!(gap.said().zh.contains("应急日志的 3 个条目"));
}

/// The vault's part of the record's key is destroyed.
fn erasure() -> RecordErase {
    RecordErase {
        record: record(1),
        version: 1,
        reason: ErasureReason::SubjectRequest,
        destroyed: Destroyed::new(Destroyed::VAULT_PART).unwrap(),
        certificate: commitment(6),
    }
}

#[test]
fn an_erasure_stands_in_the_list_once() {
    let erase = erasure();
    let mut chain = Chain::new(QUARTER);
    let more = RecordErase {
        destroyed: Destroyed::new(Destroyed::VAULT_PART | Destroyed::SHARES).unwrap(),
        ..erase.clone()
    };
    chain.sealed().add("hospital", 0, erase);
    chain.add("hospital", 0, more);
    let history = list_of(&mut chain);
    let times: Vec<_> = history.erasures.iter().map(|one| one.time).collect();
    assert_eq!(times, [Time(start() + 2 * HOUR)]);
    assert!(history.to_text().contains("Erased: Observation/7"));
}

#[test]
fn what_no_node_shows_is_named_and_never_dropped() {
    let mut chain = Chain::new(QUARTER);
    chain.sealed().asked(Decision::Permitted);
    chain.events.last_mut().unwrap().1 = None;
    let wanted = chain.events.last().unwrap().0;
    let history = list_of(&mut chain);
    assert!(!history.is_whole() && history.list.entries.is_empty());
    assert_eq!(history.unread, [wanted]);
    assert_eq!(history.list.gaps.first().unwrap().why, GapReason::NoProof);
    assert!(history.to_text().contains("NOT COMPLETE"));
}

/// An event of another kind than the chain says, or with an outcome that no version knows, is not
/// guessed at.
#[test]
fn what_is_not_understood_is_unread() {
    let mut chain = Chain::new(QUARTER);
    chain
        .sealed()
        .asked(Decision::Permitted)
        .asked(Decision::Permitted);
    chain.events[1].0.kind = medanchor_ledger::event::EventKind::AccessBreakGlass;
    chain.events[2].0.outcome = 200;
    let history = list_of(&mut chain);
    assert_eq!((history.unread.len(), history.list.entries.len()), (2, 0));
}

#[test]
fn a_quarter_without_a_proof_is_a_gap_of_its_length() {
    let end = Time(start() + 40 * HOUR);
    let (known, owner) = (known(), name("hospital"));
    let before = Epoch(QUARTER.0 - 1);
    let proved = Chain::new(QUARTER).sealed().until(end);
    let failed = vec![(before, "cut off".to_owned())];
    let history = fold(&about(&known, &owner, end), vec![proved], failed).unwrap();
    let gap = history.list.gaps.first().unwrap();
    // What was sealed then may be opened to this day.
    assert_eq!((gap.from, gap.until), (before.begin(), None));
    assert!(!history.is_whole());
    assert!(history.to_text().contains("2025-Q4: not proved: cut off"));
    let none = fold(
        &about(&known, &owner, end),
        Vec::new(),
        vec![(QUARTER, String::new())],
    );
    assert!(none.is_none());
}

/// The newer proof has an access that the older one's moment does not reach: it is for the next list.
#[test]
fn the_list_ends_where_its_oldest_proof_does() {
    let (known, owner) = (known(), name("hospital"));
    let oldest = Time(start() + 90_000);
    let older = Chain::new(Epoch(QUARTER.0 - 1)).until(oldest);
    let newer = Chain::new(QUARTER)
        .sealed()
        .asked(Decision::Permitted)
        .until(Time(start() + 3 * HOUR));
    let now = Time(start() + 3 * HOUR);
    let history = fold(&about(&known, &owner, now), vec![older, newer], Vec::new()).unwrap();
    assert_eq!(
        (history.list.until, history.list.entries.len()),
        (oldest, 0)
    );
    assert!(history.is_stale() && history.to_text().contains("THIS LIST IS OLD"));
}

#[test]
fn a_note_that_was_not_committed_to_names_nobody() {
    let mut chain = Chain::new(QUARTER);
    chain.asked(Decision::Permitted);
    let id = chain.events[0].0.anchored.event;
    let end = Time(start() + HOUR);
    let (mut known, owner) = (known(), name("hospital"));
    known.add_note(id, b"no disclosure".to_vec());
    let history = fold(
        &about(&known, &owner, end),
        vec![chain.until(end)],
        Vec::new(),
    )
    .unwrap();
    assert_eq!(history.false_notes, [id]);
    assert!(history.list.entries.first().unwrap().person.is_none());
}

#[test]
fn purposes_of_other_subjects_stay_handles() {
    let known = known();
    assert_eq!(known.purpose(&PurposeHandle::new([0; 16])), None);
    let other = SubjectKey::new([8; 32])
        .consent_key(QUARTER)
        .purpose("TREAT");
    assert_eq!(known.purpose(&other), None);
}

/// A patient with a key of their own, and what a consent of the hospital grants under it.
fn own_consent() -> (Subject, ConsentDraft) {
    let subject = Subject::new(NetworkId::new([1; 16]), TagKey::new([6; 32]));
    let draft = ConsentDraft::new(Words {
        network: NetworkId::new([1; 16]),
        owner: name("hospital"),
        consent: ConsentHandle::new([4; 16]),
        root: None,
        grantees: vec![name("clinic").into()],
        purposes: vec!["TREAT".into()],
        classes: vec!["laboratory".into()],
        first: QUARTER,
        last: QUARTER,
        not_before: Time(start()),
        not_after: Time(start() + 40 * HOUR),
    });
    (subject, draft.unwrap())
}

/// The grant of it as the patient approves it.
fn endable(subject: &Subject, draft: &ConsentDraft) -> ConsentGrant {
    let words = draft.words();
    let ender = subject.end(&words.owner, words.consent).ender();
    let terms = Terms::of(&subject.key_at(&words.owner), words).unwrap();
    terms.ended_by(Some(ender)).grant(commitment(8)).unwrap()
}

#[test]
fn only_what_the_patient_approved_counts_as_the_patients_consent() {
    let (subject, draft) = own_consent();
    let (owner, end) = (name("hospital"), Time(start() + 40 * HOUR));
    let grant = endable(&subject, &draft);
    let mut wider = grant.clone();
    wider.not_after = Time(start() + 80 * HOUR);
    let approval = subject.approve(&draft).unwrap();
    let strangers = Subject::new(NetworkId::new([1; 16]), TagKey::new([5; 32]));
    let theirs = strangers.approve(&draft).unwrap();
    let holder = |approver, approval: Option<&Approval>, grant: &ConsentGrant| {
        let mut known = known();
        approval
            .into_iter()
            .for_each(|one| known.add_approval(one.clone()));
        let mut chain = Chain::new(QUARTER);
        chain.sealed().add("hospital", 0, grant.clone());
        chain.asked(Decision::Permitted);
        let about = About {
            approver,
            ..about(&known, &owner, end)
        };
        let history = fold(&about, vec![chain.until(end)], Vec::new()).unwrap();
        let entry = history.list.entries.first().unwrap();
        assert!(history.to_text().contains("it could have signed alone") == entry.is_by_held_key());
        entry.is_by_held_key()
    };
    let approver = Some(subject.approver_at(&owner));
    assert!(!holder(approver, Some(&approval), &grant));
    // Without it, for more than it says, by another key, or where the institution holds the keys.
    assert!(holder(approver, None, &grant));
    assert!(holder(approver, Some(&approval), &wider));
    assert!(holder(approver, Some(&theirs), &grant));
    assert!(holder(None, Some(&approval), &grant));
}
