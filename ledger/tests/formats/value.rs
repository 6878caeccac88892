//! `vectors/value/`: what stands in the state.

use crate::samples::{custodians, custody, propose_keys};
use crate::vectors::Vectors;
use crate::world::{draw_keys, draw_keys_of, key_of, name, token};
use medanchor_ledger::cbor::Writer;
use medanchor_ledger::event::consent::{Classes, Grantees, Purposes, Tags};
use medanchor_ledger::event::{
    Change, Destroyed, EventKind, JournalKeyKind, KemSuite, ReaderKey, Verdict,
};
use medanchor_ledger::genesis::Authorities;
use medanchor_ledger::rules::break_glass::REVIEW_MILLIS;
use medanchor_ledger::rules::inspection::{Answered, ReplacedKeys, RunningDraw};
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::rules::{
    Anchored, BreakGlass, Consent, CustodianEpoch, CustodianSet, Decision, DenialReason, DrawKey,
    EarlierKinds, EmergencyHead, Erased, Inspection, KeysChanged, LostEntries, Lot, OpenReviews,
    OutputKeys, Participant, Place, Population, Prescription, Proposal, Record, ReleaseLog,
    Request, Review, Role, RulesVersion, RunningDraws, Standing, StateValue, Superseded, TagIndex,
    Unit,
};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{
    ClassHandle, ConsentHandle, Ender, EventId, GranteeHandle, Height, Index, InspectionHandle,
    JournalHead, LotHandle, OutputHash, PopulationHandle, PrescriptionHandle, ProposalHandle,
    PurposeHandle, RecordHandle, RequestHandle, Size, Tag, Time, TreeHash, UnitHandle,
};
use std::collections::BTreeMap;

const TIME: Time = Time(1_700_000_000_000);

fn anchored(number: u8) -> Anchored {
    Anchored {
        event: EventId::new([number; 32]),
        index: Index(u64::from(number) * 100),
    }
}

fn check<T: StateValue + PartialEq + std::fmt::Debug>(
    vectors: &mut Vectors,
    file: &str,
    key: &StateKey,
    value: &T,
) {
    vectors.golden(&format!("{file}.key"), key.as_bytes());
    vectors.golden(file, &value.encode());
    let bytes = value.encode();
    assert_eq!(T::decode(&bytes).as_ref(), Ok(value), "{file}");
    for end in 0..bytes.len() {
        assert!(T::decode(&bytes[..end]).is_err(), "{file} cut at {end}");
    }
    assert!(
        T::decode(&[&bytes[..], &[0]].concat()).is_err(),
        "{file} with a byte more"
    );
    let other_shape = [&[bytes[0] + 1], &bytes[1..]].concat();
    assert!(T::decode(&other_shape).is_err(), "{file} of another shape");
}

fn consent() -> Consent {
    Consent {
        granted: anchored(1),
        revoked: Some(anchored(2)),
        root: Some(ConsentHandle::new([3; 16])),
        tags: Tags::new([Tag::new([4; 16])]).unwrap(),
        grantees: Grantees::new([GranteeHandle::new([5; 16])]).unwrap(),
        purposes: Purposes::new([PurposeHandle::new([6; 16])]).unwrap(),
        classes: Classes::new([ClassHandle::new([7; 16])]).unwrap(),
        not_before: TIME,
        not_after: Time(TIME.0 + 1),
        ender: None,
    }
}

fn request(decision: Decision) -> Request {
    Request {
        requested: anchored(1),
        decision,
        time: TIME,
        owner: name("north-hospital"),
        record: RecordHandle::new([2; 16]),
        consent: ConsentHandle::new([3; 16]),
        reader_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [4; 32],
        },
    }
}

fn prescription(standing: Standing) -> Prescription {
    Prescription {
        issued: anchored(1),
        standing,
        claims: 0,
        token_key: token(1).public_key(),
        lines: 2,
        expires: TIME,
    }
}

fn unit(place: Place) -> Unit {
    Unit {
        commissioned: anchored(1),
        moved: anchored(2),
        lot: LotHandle::new([3; 16]),
        place,
    }
}

#[test]
fn state_values_have_golden_bytes() {
    let mut vectors = Vectors::of("value");
    let v = &mut vectors;
    let (hospital, maker) = (name("north-hospital"), name("maker"));
    check(v, "rules-version", &RulesVersion::key(), &RulesVersion(1));
    let keys = vec![
        key_of("north-hospital").public_key(),
        key_of("maker").public_key(),
    ];
    let participant = Participant::new(vec![Role::Pharmacy, Role::Hospital], keys).unwrap();
    check(v, "participant", &Participant::key(&hospital), &participant);

    records(v);
    let link = TagLink {
        anchored: anchored(1),
        time: TIME,
        kind: EventKind::AccessRequest,
        outcome: Decision::Denied(DenialReason::Grantee).code(),
    };
    let key = TagIndex::key(&hospital, &Tag::new([2; 16]));
    check(v, "tag", &key, &TagIndex::EMPTY.after(&link));
    let key = Consent::key(&hospital, &ConsentHandle::new([1; 16]));
    check(v, "consent", &key, &consent());
    let endable = Consent {
        ender: Some(Ender::new([8; 32])),
        ..consent()
    };
    check(v, "consent-endable", &key, &endable);

    let key = Request::key(&name("old-pharmacy"), &RequestHandle::new([1; 16]));
    check(v, "request-permitted", &key, &request(Decision::Permitted));
    let denied = request(Decision::Denied(DenialReason::Expired));
    check(v, "request-denied", &key, &denied);

    let key = Prescription::key(&hospital, &PrescriptionHandle::new([1; 16]));
    check(v, "prescription-open", &key, &prescription(Standing::Open));
    let redeemed = Standing::Redeemed(anchored(2));
    check(v, "prescription-redeemed", &key, &prescription(redeemed));
    let voided = Standing::Voided(anchored(2));
    check(v, "prescription-voided", &key, &prescription(voided));

    let opened = anchored(1);
    check(
        v,
        "lot",
        &Lot::key(&maker, &LotHandle::new([1; 16])),
        &Lot { opened },
    );
    let key = Unit::key(&maker, &UnitHandle::new([1; 16]));
    let holder = maker.clone();
    check(v, "unit-in-stock", &key, &unit(Place::InStock { holder }));
    let (from, to) = (maker, name("old-pharmacy"));
    check(
        v,
        "unit-in-transit",
        &key,
        &unit(Place::InTransit { from, to }),
    );
    let by = name("old-pharmacy");
    check(v, "unit-dispensed", &key, &unit(Place::Dispensed { by }));
    inspections(v);
    custodians_and_proposals(v);
    openings(v);
    vectors.finish();
}

fn records(v: &mut Vectors) {
    let key = Record::key(&name("north-hospital"), &RecordHandle::new([1; 16]));
    let plain = Record {
        sealed: anchored(1),
        superseded: None,
        version: 1,
        tag: Tag::new([2; 16]),
        class: ClassHandle::new([3; 16]),
        custody: None,
        erased: None,
    };
    check(v, "record", &key, &plain);
    let mut custodied = plain;
    custodied.custody = Some(custody());
    check(v, "record-custodied", &key, &custodied);
    let mut superseded = custodied;
    (superseded.version, superseded.class) = (2, ClassHandle::new([4; 16]));
    superseded.superseded = Some(Superseded {
        by: anchored(2),
        class_before: ClassHandle::new([3; 16]),
    });
    check(v, "record-superseded", &key, &superseded);
    let mut erased = superseded;
    erased.erased = Some(Erased {
        by: anchored(3),
        destroyed: Destroyed::new(Destroyed::VAULT_PART | Destroyed::SHARES).unwrap(),
    });
    check(v, "record-erased", &key, &erased);
}

fn custodians_and_proposals(v: &mut Vectors) {
    let regulator = name("regulator");
    let names = |names: &[&str]| names.iter().map(|text| name(text)).collect();
    let authorities = Authorities {
        threshold: 2,
        names: names(&["maker", "north-hospital", "regulator"]),
    };
    check(v, "authorities", &Authorities::key(), &authorities);
    let key = Proposal::key(&regulator, &ProposalHandle::new([1; 16]));
    let mut proposal = Proposal {
        proposed: anchored(1),
        change: Change::Custodians(custodians()),
        approvals: names(&[]),
        applied: None,
    };
    check(v, "proposal-open", &key, &proposal);
    proposal.approvals = names(&["maker", "regulator"]);
    proposal.applied = Some(anchored(2));
    check(v, "proposal-applied", &key, &proposal);
    proposal.change = propose_keys().change;
    check(v, "proposal-keys", &key, &proposal);
    let changed = KeysChanged {
        changed: anchored(2),
        number: 3,
    };
    let key = KeysChanged::key(&name("old-pharmacy"));
    check(v, "keys-changed", &key, &changed);
    let suspended = [&[0x01, 0x82, 0x81, 0x02][..], &[0x80]].concat();
    v.golden("participant-without-keys", &suspended);
    let known = Participant::decode(&suspended).unwrap();
    assert_eq!((known.keys().len(), known.encode()), (0, suspended));
    let set = CustodianSet {
        adopted: anchored(2),
        custodians: custodians(),
    };
    check(v, "custodian-set", &CustodianSet::key(1), &set);
    let epoch = CustodianEpoch(1);
    check(v, "custodian-epoch", &CustodianEpoch::key(), &epoch);
    let log = ReleaseLog {
        anchored: anchored(1),
        size: Size(1000),
        root: TreeHash::new([1; 32]),
    };
    check(v, "release-log", &ReleaseLog::key(&name("notary")), &log);
}

fn inspections(v: &mut Vectors) {
    let (maker, regulator) = (name("maker"), name("regulator"));
    let key = DrawKey::key(&maker);
    check(v, "draw-key", &key, &draw_key());
    check(v, "draw-key-second", &key, &second_draw_key());
    let serving = DrawKey {
        replaced: Some(ReplacedKeys {
            registered: Index(100),
            keys: draw_key().keys,
            until: TIME,
        }),
        ..second_draw_key()
    };
    check(v, "draw-key-replaced", &key, &serving);
    let population = Population {
        fixed: anchored(1),
        root: TreeHash::new([2; 32]),
        count: 10_000,
    };
    let handle = PopulationHandle::new([1; 16]);
    check(
        v,
        "population",
        &Population::key(&maker, &handle),
        &population,
    );
    let key = Inspection::key(&regulator, &InspectionHandle::new([1; 16]));
    let opened = inspection();
    check(v, "inspection-opened", &key, &opened);
    let mut drawn = opened;
    drawn.seal = Some(TreeHash::new([4; 32]));
    drawn.outputs = ["maker", "old-pharmacy", "regulator"]
        .into_iter()
        .zip(5..)
        .map(|(who, byte)| (name(who), OutputHash::new([byte; 32])))
        .collect();
    check(v, "inspection-drawn", &key, &drawn);
    let running = RunningDraws(vec![RunningDraw {
        opener: regulator,
        inspection: InspectionHandle::new([1; 16]),
        height: Height(7),
        outputs_by: TIME,
    }]);
    check(v, "running-draws", &RunningDraws::key(), &running);
}

fn break_glass(decision: Decision) -> BreakGlass {
    let permitted = decision == Decision::Permitted;
    BreakGlass {
        requested: anchored(1),
        decision,
        time: TIME,
        owner: name("north-hospital"),
        record: RecordHandle::new([2; 16]),
        reader_key: ReaderKey {
            suite: KemSuite::XWing,
            hash: [3; 32],
        },
        review_by: permitted.then_some(TIME.plus_millis(REVIEW_MILLIS)),
        review: None,
    }
}

fn reviewed() -> BreakGlass {
    let review = Review {
        reviewed: anchored(2),
        reviewer: name("regulator"),
        verdict: Verdict::NotJustified,
        time: TIME.plus_millis(REVIEW_MILLIS + 1),
    };
    BreakGlass {
        review: Some(review),
        ..break_glass(Decision::Permitted)
    }
}

fn open_reviews() -> OpenReviews {
    OpenReviews {
        hour: 472_222,
        overdue: 3,
        ahead: BTreeMap::from([(472_222, 1), (472_294, 2)]),
    }
}

fn openings(v: &mut Vectors) {
    let requester = name("south-hospital");
    let key = BreakGlass::key(&requester, &RequestHandle::new([1; 16]));
    let open = break_glass(Decision::Permitted);
    check(v, "break-glass-open", &key, &open);
    check(v, "break-glass-reviewed-late", &key, &reviewed());
    assert!(reviewed().was_reviewed_late());
    let denied = break_glass(Decision::Denied(DenialReason::UnknownRecord));
    check(v, "break-glass-denied", &key, &denied);
    let key = OpenReviews::key(&requester);
    check(v, "open-reviews", &key, &open_reviews());
    let journal = EmergencyHead {
        newest: anchored(1),
        counter: 2,
        head: JournalHead::new([3; 32]),
        key_kind: JournalKeyKind::Hardware,
        since: TIME,
        stated: Time(TIME.0 + 1),
        lost: None,
        earlier: EarlierKinds::default(),
    };
    let key = EmergencyHead::key(&name("north-hospital"));
    check(v, "emergency-head", &key, &journal);
    let lost = Some(LostEntries {
        count: 3,
        from: TIME,
        until: Time(TIME.0 + 2),
    });
    let key_kind = JournalKeyKind::Token;
    let journal = EmergencyHead {
        key_kind,
        lost,
        ..journal
    };
    check(v, "emergency-head-lost", &key, &journal);
    let once = |file, token| EmergencyHead {
        earlier: EarlierKinds { file, token },
        ..journal
    };
    let (first, second) = (Some(Time(TIME.0 - 2)), Some(Time(TIME.0 - 1)));
    check(v, "emergency-head-once-both", &key, &once(first, second));
    let in_file = EmergencyHead {
        lost: None,
        ..once(first, None)
    };
    check(v, "emergency-head-once-file", &key, &in_file);
    let mut nothing = in_file.encode();
    let known = nothing.len() - 10;
    assert_eq!(nothing[known], 0x1b, "a time, and null behind it");
    nothing.splice(known.., [0xf6, 0xf6]);
    let read = |bytes: &[u8]| EmergencyHead::decode(bytes).map_err(|error| error.to_string());
    v.rejected("emergency-head-once-nothing", &nothing, read, "");
}

#[test]
fn what_no_rule_writes_of_an_opening_is_refused() {
    let refused = |value: BreakGlass, what: &str| {
        assert!(BreakGlass::decode(&value.encode()).is_err(), "{what}");
    };
    let denied = Decision::Denied(DenialReason::UnknownRecord);
    let mut bent = break_glass(Decision::Permitted);
    bent.review_by = None;
    refused(bent, "an opening that needs no review");
    let mut bent = break_glass(denied);
    bent.review_by = Some(TIME);
    refused(bent, "a denial that needs a review");
    let mut bent = break_glass(denied);
    bent.review = reviewed().review;
    refused(bent, "a denial with a review");

    let refused = |ahead: &[(u64, u64)], what: &str| {
        let mut writer = Writer::new();
        writer.raw(&[1]).array(3).uint(10).uint(0);
        writer.array(ahead.len());
        for (hour, count) in ahead {
            writer.array(2).uint(*hour).uint(*count);
        }
        assert!(OpenReviews::decode(writer.as_bytes()).is_err(), "{what}");
    };
    refused(&[(9, 1)], "an hour that has passed");
    refused(&[(10, 0)], "an hour with none");
    refused(&[(11, 1), (10, 1)], "hours out of order");
    refused(&[(11, 1), (11, 1)], "an hour twice");
    let many: Vec<_> = (10..84).map(|hour| (hour, 1)).collect();
    refused(&many, "more hours than lie ahead");
}

fn inspection() -> Inspection {
    Inspection {
        opened: anchored(1),
        height: Height(7),
        seal: None,
        owner: name("maker"),
        population: PopulationHandle::new([2; 16]),
        root: TreeHash::new([3; 32]),
        count: 10_000,
        sample: 60,
        validators: 4,
        outputs_by: TIME,
        answer_by: Time(TIME.0 + 1),
        outputs: BTreeMap::new(),
        answered: Answered::none(60),
    }
}

fn draw_key() -> DrawKey {
    DrawKey {
        registered: anchored(1),
        number: 1,
        keys: OutputKeys::from(&draw_keys("maker").1),
        replaced: None,
    }
}

fn second_draw_key() -> DrawKey {
    DrawKey {
        registered: anchored(2),
        number: 2,
        keys: OutputKeys::from(&draw_keys_of("maker", 2).1),
        replaced: None,
    }
}

#[test]
fn keys_that_no_rule_numbers_are_refused() {
    let mut bytes = second_draw_key().encode();
    assert_eq!(bytes.pop(), Some(2), "the number stands last");
    for number in [0, 1] {
        let bent = [&bytes[..], &[number]].concat();
        assert!(DrawKey::decode(&bent).is_err(), "{number}");
    }
}

#[test]
fn what_no_rule_writes_into_an_inspection_is_refused() {
    let good = inspection().encode();
    let answered = good.len() - 8;
    for (at, byte, what) in [
        (answered + 7, 0x01, "a draw beyond the sample"),
        (answered - 1, 0x47, "a byte less than the sample needs"),
    ] {
        let mut bytes = good.clone();
        bytes[at] = byte;
        if byte == 0x47 {
            bytes.pop();
        }
        assert!(Inspection::decode(&bytes).is_err(), "{what}");
    }
    let names = |names: [&str; 2]| {
        let mut writer = Writer::new();
        writer.array(2);
        for name in names {
            writer.array(2).text(name).bytes(&[5; 32]);
        }
        let outputs = writer.into_bytes();
        // The outputs stand before the head and the bytes of what is answered.
        let (before, after) = good.split_at(answered - 1);
        [&before[..before.len() - 1], &outputs, after].concat()
    };
    assert!(Inspection::decode(&names(["a", "b"])).is_ok());
    assert!(Inspection::decode(&names(["b", "a"])).is_err());
    assert!(Inspection::decode(&names(["a", "a"])).is_err());
    assert!(RunningDraws::decode(&RunningDraws(Vec::new()).encode()).is_err());
}

#[test]
fn denial_reasons_are_frozen_in_their_order() {
    let codes = DenialReason::ALL.map(DenialReason::code);
    assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert!(DenialReason::ALL.is_sorted());
}
