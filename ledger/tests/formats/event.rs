//! `vectors/event/`.

use crate::samples::{self, MEMBER, OPENING, all, signed};
use crate::vectors::Vectors;
use crate::world::{ender, key_of, name};
use coset::{CborSerializable, CoseSign1, TaggedCborSerializable};
use medanchor_ledger::cbor::Writer;
use medanchor_ledger::event::{Event, EventKind, MAX_EVENT_BYTES};
use medanchor_ledger::{EventId, sha256};

/// An event that says: north-hospital revokes consent 01..01, in parts that a test can bend.
#[derive(Clone)]
struct Parts {
    tag: Vec<u8>,
    array: Vec<u8>,
    protected: Vec<u8>,
    unprotected: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    after: Vec<u8>,
}

fn encoded(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.into_bytes()
}

fn header(algorithm: i64, issuer: &str, subject: &str) -> Vec<u8> {
    encoded(|writer| {
        writer.map(3).key(1).int(algorithm);
        writer
            .key(4)
            .bytes(key_of("north-hospital").public_key().id().as_bytes());
        writer
            .key(15)
            .map(2)
            .key(1)
            .text(issuer)
            .key(2)
            .text(subject);
    })
}

fn subject() -> String {
    format!("consent/north-hospital/{}", "01".repeat(16))
}

/// The payload whose body is given already encoded.
fn payload(kind: u64, body: &[u8]) -> Vec<u8> {
    encoded(|writer| {
        writer
            .map(5)
            .key(1)
            .bytes(&[0xaa; 16])
            .key(2)
            .bytes(&[0xbb; 16]);
        writer.key(3).uint(1_700_000_000_000).key(4).uint(kind);
        writer.key(5).raw(body);
    })
}

fn body() -> Vec<u8> {
    encoded(|writer| {
        writer.map(1).key(1).bytes(&[1; 16]);
    })
}

fn parts() -> Parts {
    Parts {
        tag: vec![0xd2],
        array: vec![0x84],
        protected: header(-19, "north-hospital", &subject()),
        unprotected: vec![0xa0],
        payload: payload(0x0302, &body()),
        signature: vec![0xcc; 64],
        after: Vec::new(),
    }
}

impl Parts {
    fn bytes(&self) -> Vec<u8> {
        encoded(|writer| {
            writer
                .raw(&self.tag)
                .raw(&self.array)
                .bytes(&self.protected);
            writer.raw(&self.unprotected).bytes(&self.payload);
            writer.bytes(&self.signature).raw(&self.after);
        })
    }
}

fn bent(bend: impl FnOnce(&mut Parts)) -> Vec<u8> {
    let mut parts = parts();
    bend(&mut parts);
    parts.bytes()
}

/// The event whose payload is bent by replacing `from` by `to`.
fn replaced(from: &[u8], to: &[u8]) -> Vec<u8> {
    bent(|parts| parts.payload = replace(&parts.payload, from, to))
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from);
    let at = at.expect("the bytes to replace are there");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// An event of another type with its body bent by replacing `from` by `to`.
fn bent_sample(event: &Event, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut sign1 = CoseSign1::from_tagged_slice(event.encoded()).unwrap();
    let payload = sign1.payload.take().unwrap();
    sign1.payload = Some(replace(&payload, from, to));
    sign1.to_tagged_vec().unwrap()
}

fn read(bytes: &[u8]) -> Result<Event, String> {
    Event::decode(bytes).map_err(|error| error.to_string())
}

#[test]
fn the_parts_of_these_tests_are_an_event() {
    let event = Event::decode(&parts().bytes()).unwrap();
    let sample = signed("north-hospital", samples::consent_revoke());
    assert_eq!(event.id(), sample.id());
}

#[test]
fn each_type_of_event_has_golden_bytes() {
    let mut vectors = Vectors::of("event");
    let mut kinds = Vec::new();
    for event in all() {
        vectors.golden(event.kind().name(), event.encoded());
        vectors.golden(&format!("{}.id", event.kind()), event.id().as_bytes());
        assert_eq!(read(event.encoded()), Ok(event.clone()));
        kinds.push(event.kind());
    }
    assert_eq!(kinds, EventKind::ALL);
    vectors.golden("claim", &samples::claim_bytes());
    let pharmacy = name("old-pharmacy");
    vectors.golden("grantee", OPENING.grantee(&pharmacy, None).as_bytes());
    vectors.golden(
        "grantee-member",
        OPENING.grantee(&pharmacy, Some(&MEMBER)).as_bytes(),
    );
    rejected_envelopes(&mut vectors);
    rejected_headers(&mut vectors);
    rejected_payloads(&mut vectors);
    rejected_bodies(&mut vectors);
    rejected_inspections(&mut vectors);
    replacing_keys(&mut vectors);
    rejected_custodians(&mut vectors);
    participant_keys(&mut vectors);
    rejected_record_changes(&mut vectors);
    rejected_openings(&mut vectors);
    ends(&mut vectors);
    lost_entries(&mut vectors);
    vectors.finish();
}

fn rejected_envelopes(vectors: &mut Vectors) {
    let mut reject = |name: &str, bytes: Vec<u8>, why: &str| {
        vectors.rejected(name, &bytes, read, why);
    };
    reject("empty", Vec::new(), "cut short");
    let whole = parts().bytes();
    reject("truncated", whole[..whole.len() - 1].to_vec(), "cut short");
    reject(
        "trailing-byte",
        bent(|parts| parts.after = vec![0]),
        "bytes follow the end",
    );
    reject("untagged", bent(|parts| parts.tag.clear()), "wanted Tag");
    reject(
        "other-tag",
        bent(|parts| parts.tag = vec![0xd1]),
        "not the constant",
    );
    reject(
        "non-minimal-tag",
        bent(|parts| parts.tag = vec![0xd8, 18]),
        "longer than it need be",
    );
    reject(
        "array-of-three",
        bent(|parts| parts.array = vec![0x83]),
        "size out of bounds",
    );
    reject(
        "indefinite-array",
        bent(|parts| parts.array = vec![0x9f]),
        "indefinite",
    );
    let unprotected = "unprotected header is not empty";
    reject(
        "unprotected-header",
        bent(|parts| parts.unprotected = vec![0xa1, 4, 0x41, 0]),
        unprotected,
    );
    reject(
        "short-signature",
        bent(|parts| parts.signature.truncate(63)),
        "size out of bounds",
    );
    reject(
        "long-signature",
        bent(|parts| parts.signature.push(0)),
        "size out of bounds",
    );
    let detached = {
        let at = parts().bytes().len() - 66 - parts().payload.len() - 2;
        let whole = parts().bytes();
        [&whole[..at], &[0xf6], &whole[whole.len() - 66..]].concat()
    };
    reject("detached-payload", detached, "wanted Bytes");
    let oversize = bent(|parts| parts.payload.resize(MAX_EVENT_BYTES, 0));
    reject("oversize", oversize, "send at most 4162");
}

fn rejected_headers(vectors: &mut Vectors) {
    let mut reject = |name: &str, protected: Vec<u8>, why: &str| {
        let bytes = bent(|parts| parts.protected = protected);
        vectors.rejected(name, &bytes, read, why);
    };
    let good = parts().protected;
    let issuer = "north-hospital";
    reject(
        "algorithm-eddsa",
        header(-8, issuer, &subject()),
        "algorithm -8 is unknown",
    );
    reject(
        "algorithm-es256",
        header(-7, issuer, &subject()),
        "algorithm -7 is unknown",
    );
    reject("empty-header", vec![0xa0], "size out of bounds");
    let unknown = [&[0xa4], &good[1..], &[0x18, 99, 0]].concat();
    reject("unknown-header", unknown, "size out of bounds");
    let swapped = [&[0xa3], &good[3..21], &good[1..3], &good[21..]].concat();
    reject("unsorted-header", swapped, "wanted map key 1");
    reject(
        "header-trailing-byte",
        [&good[..], &[0]].concat(),
        "bytes follow the end",
    );
    reject(
        "short-key-id",
        replace(&good, &[0x04, 0x50], &[0x04, 0x4f]),
        "size out of bounds",
    );
    reject(
        "issuer-uppercase",
        header(-19, "North-hospital", &subject()),
        "text is malformed",
    );
    reject(
        "issuer-empty",
        header(-19, "", &subject()),
        "text is malformed",
    );
    reject(
        "issuer-too-long",
        header(-19, &"n".repeat(41), &subject()),
        "size out of bounds",
    );
    reject(
        "issuer-hyphen",
        header(-19, "north-", &subject()),
        "text is malformed",
    );
    reject(
        "issuer-not-utf8",
        replace(&good, b"north", b"nort\xff"),
        "text is malformed",
    );
    let subject_fault = "subject does not name";
    let other = |from: &str, to: &str| header(-19, issuer, &subject().replace(from, to));
    reject("subject-other-handle", other("01", "02"), subject_fault);
    reject(
        "subject-other-domain",
        other("consent", "record"),
        subject_fault,
    );
    reject(
        "subject-other-owner",
        other("north", "south"),
        subject_fault,
    );
    reject(
        "subject-uppercase",
        header(-19, issuer, &subject().to_uppercase()),
        subject_fault,
    );
    reject(
        "issuer-not-owner",
        header(-19, "south-hospital", &subject()),
        subject_fault,
    );
}

fn rejected_payloads(vectors: &mut Vectors) {
    let mut reject = |name: &str, bytes: Vec<u8>, why: &str| {
        vectors.rejected(name, &bytes, read, why);
    };
    let kind = [0x04, 0x19, 0x03, 0x02];
    let minimal = "longer than it need be";
    reject(
        "non-minimal-integer",
        replaced(&kind, &[4, 0x1a, 0, 0, 3, 2]),
        minimal,
    );
    reject(
        "non-minimal-key",
        replaced(&kind, &[0x18, 4, 0x19, 3, 2]),
        minimal,
    );
    let length = [&[0x05, 0xa1, 0x01, 0x58, 0x10][..], &[1; 16]].concat();
    let plain = [&[0x05, 0xa1, 0x01, 0x50][..], &[1; 16]].concat();
    reject("non-minimal-length", replaced(&plain, &length), minimal);
    let nonce = [&[0x02, 0x50][..], &[0xbb; 16]].concat();
    let network = [&[0x01, 0x50][..], &[0xaa; 16]].concat();
    let (sorted, unsorted) = (
        [&network[..], &nonce].concat(),
        [&nonce[..], &network].concat(),
    );
    reject(
        "unsorted-keys",
        replaced(&sorted, &unsorted),
        "wanted map key 1",
    );
    let twice = [&network[..], &network].concat();
    reject(
        "duplicate-key",
        replaced(&sorted, &twice),
        "wanted map key 2",
    );
    let unknown = bent(|parts| {
        parts.payload[0] = 0xa6;
        parts.payload.extend_from_slice(&[0x06, 0x00]);
    });
    reject("unknown-key", unknown, "size out of bounds");
    reject(
        "renamed-key",
        replaced(&kind, &[0x06, 0x19, 3, 2]),
        "wanted map key 4",
    );
    let text_key = replaced(&kind, &[0x61, 0x34, 0x19, 3, 2]);
    reject("text-key", text_key, "wanted map key 4");
    let trailing = bent(|parts| parts.payload.push(0));
    reject("payload-trailing-byte", trailing, "bytes follow the end");
    reject(
        "indefinite-map",
        bent(|parts| parts.payload[0] = 0xbf),
        "indefinite",
    );
    let short = [&[0x02, 0x4f][..], &[0xbb; 15]].concat();
    reject(
        "short-nonce",
        replaced(&nonce, &short),
        "size out of bounds",
    );
    let text = [&[0x02, 0x70][..], &[b'n'; 16]].concat();
    reject("text-nonce", replaced(&nonce, &text), "wanted Bytes");
    let time = encoded(|writer| {
        writer.key(3).uint(1_700_000_000_000);
    });
    let float = [&[0x03, 0xfb][..], &1.7e12f64.to_be_bytes()].concat();
    reject("float-time", replaced(&time, &float), "wanted Uint");
    reject(
        "negative-time",
        replaced(&time, &[0x03, 0x20]),
        "wanted Uint",
    );
    reject(
        "tagged-time",
        replaced(&time, &[&[0x03, 0xc1], &time[1..]].concat()),
        "wanted Uint",
    );
    reject(
        "unknown-type",
        replaced(&kind, &[4, 0x19, 0x03, 0x04]),
        "0x0304 is unknown",
    );
    reject(
        "type-of-other-body",
        replaced(&kind, &[4, 0x19, 0x02, 0x01]),
        "size out of bounds",
    );
}

fn rejected_bodies(vectors: &mut Vectors) {
    let mut reject = |name: &str, event: &Event, from: &[u8], to: &[u8], why: &str| {
        vectors.rejected(name, &bent_sample(event, from, to), read, why);
    };
    let all = all();
    let of = |kind| all.iter().find(|event| event.kind() == kind).unwrap();
    let handle = |byte: u8| [&[0x50][..], &[byte; 16]].concat();

    let seal = of(EventKind::RecordSeal);
    reject(
        "record-version-0",
        seal,
        &[0x02, 0x01, 0x03],
        &[0x02, 0x00, 0x03],
        "out of range",
    );
    let above = [0x02, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0, 0x03];
    reject(
        "record-version-above-32-bits",
        seal,
        &[0x02, 0x01, 0x03],
        &above,
        "out of range",
    );
    let suite = [0x58, 0x21, 0x01];
    reject(
        "commitment-suite",
        seal,
        &suite,
        &[0x58, 0x21, 0x02],
        "a commitment has unknown suite 2",
    );

    let units = of(EventKind::UnitDispense);
    let list = [&[0x83][..], &handle(1), &handle(2), &handle(3)].concat();
    let unsorted = [&[0x83][..], &handle(1), &handle(3), &handle(2)].concat();
    let repeated = [&[0x83][..], &handle(1), &handle(2), &handle(2)].concat();
    let sorted = "not sorted or has repeats";
    reject("units-unsorted", units, &list, &unsorted, sorted);
    reject("units-repeated", units, &list, &repeated, sorted);
    reject("units-empty", units, &list, &[0x80], "size out of bounds");
    let many: Vec<u8> = (0..129).flat_map(handle).collect();
    let many = [&[0x98, 129][..], &many].concat();
    reject("units-129", units, &list, &many, "size out of bounds");
    let indefinite = [&[0x9f][..], &list[1..], &[0xff]].concat();
    reject("units-indefinite", units, &list, &indefinite, "indefinite");

    let issue = of(EventKind::PrescriptionIssue);
    reject(
        "lines-0",
        issue,
        &[0x04, 0x02, 0x05],
        &[0x04, 0x00, 0x05],
        "out of range",
    );
    reject(
        "lines-17",
        issue,
        &[0x04, 0x02, 0x05],
        &[0x04, 0x11, 0x05],
        "out of range",
    );
    reject(
        "token-algorithm",
        issue,
        &suite,
        &[0x58, 0x21, 0x02],
        "the token key is not",
    );

    let redeem = of(EventKind::PrescriptionRedeem);
    let whole = [0x1a, 0x00, 0x0f, 0x42, 0x40];
    let quarter = [0x1a, 0x00, 0x03, 0xd0, 0x90];
    let fractions = [&[0x82][..], &whole, &quarter].concat();
    reject(
        "fractions-all-zero",
        redeem,
        &fractions,
        &[0x82, 0, 0],
        "out of range",
    );
    reject(
        "fractions-empty",
        redeem,
        &fractions,
        &[0x80],
        "size out of bounds",
    );
    let wide = [0x82, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0, 0x00];
    reject(
        "fraction-above-32-bits",
        redeem,
        &fractions,
        &wide,
        "out of range",
    );

    let request = of(EventKind::AccessRequest);
    let kem = [0x58, 0x21, 0x02];
    reject(
        "reader-key-suite",
        request,
        &kem,
        &[0x58, 0x21, 0x03],
        "a reader key has unknown suite 3",
    );
    reject(
        "member-undefined",
        request,
        &[0x07, 0xf6],
        &[0x07, 0xf7],
        "wanted Bytes",
    );
    let owner = [&[0x6e][..], b"north-hospital"].concat();
    let shouted = [&[0x6e][..], b"NORTH-HOSPITAL"].concat();
    reject(
        "owner-uppercase",
        request,
        &owner,
        &shouted,
        "text is malformed",
    );

    let void = of(EventKind::PrescriptionVoid);
    let reason = [0x02, 0x03];
    reject(
        "void-reason-256",
        void,
        &reason,
        &[0x02, 0x19, 1, 0],
        "out of range",
    );

    let grant = of(EventKind::ConsentGrant);
    let tags = [&[0x82][..], &handle(1), &handle(2)].concat();
    let many: Vec<u8> = (0..65).flat_map(handle).collect();
    let many = [&[0x98, 65][..], &many].concat();
    reject("tags-65", grant, &tags, &many, "size out of bounds");
    let backwards = [&[0x82][..], &handle(2), &handle(1)].concat();
    reject("tags-unsorted", grant, &tags, &backwards, sorted);
}

fn rejected_custodians(vectors: &mut Vectors) {
    let all = all();
    let of = |kind| all.iter().find(|event| event.kind() == kind).unwrap();
    let mut reject = |name: &str, kind, from: &[u8], to: &[u8], why: &str| {
        vectors.rejected(name, &bent_sample(of(kind), from, to), read, why);
    };
    let (range, size) = ("out of range", "size out of bounds");
    let propose = EventKind::GovernancePropose;
    // Change 1: a set of epoch 1, threshold 2, three members, the first of them bar-custody.
    let start = [0x02, 0x82, 0x01, 0x83, 0x01, 0x02, 0x83];
    let with = |at: usize, byte: u8| {
        let mut bent = start;
        bent[at] = byte;
        bent
    };
    let change = "not the constant";
    reject("change-0", propose, &start, &with(2, 0), change);
    // Change 2 is of a participant's keys, so it starts with a name.
    reject("change-2", propose, &start, &with(2, 2), "wanted Text");
    reject("change-3", propose, &start, &with(2, 3), change);
    reject("custodians-epoch-0", propose, &start, &with(4, 0), range);
    let above = [0x02, 0x82, 0x01, 0x83, 0x01, 0x1a, 0, 1, 0, 0, 0x83];
    reject("custodians-threshold-65536", propose, &start, &above, range);
    reject("custodians-none", propose, &start, &with(6, 0x80), size);
    reject("custodians-17", propose, &start, &with(6, 0x91), size);
    let order = "not sorted";
    reject(
        "custodians-unsorted",
        propose,
        b"bar-custody",
        b"zar-custody",
        order,
    );
    let second = [&[0x6c][..], b"city-custody"].concat();
    let first = [&[0x6b][..], b"bar-custody"].concat();
    reject("custodian-twice", propose, &second, &first, order);
    let key = [&[0x58, 0x21, 0x02][..], &[1; 32]].concat();
    let other = [&[0x58, 0x21, 0x03][..], &[1; 32]].concat();
    reject(
        "custodian-share-key-suite",
        propose,
        &key,
        &other,
        "unknown suite 3",
    );
    let tls = [&[0x58, 0x20][..], &[0x11; 32]].concat();
    let short = [&[0x58, 0x1f][..], &[0x11; 31]].concat();
    reject("custodian-tls-key-short", propose, &tls, &short, size);

    let log = EventKind::CustodyLog;
    let some = [0x01, 0x19, 0x03, 0xe8, 0x02];
    reject(
        "log-of-nothing-with-a-root",
        log,
        &some,
        &[0x01, 0x00, 0x02],
        change,
    );
}

fn participant_keys(vectors: &mut Vectors) {
    let propose = signed("regulator", samples::propose_keys());
    vectors.golden("governance.propose-keys", propose.encoded());
    vectors.golden("governance.propose-keys.id", propose.id().as_bytes());
    assert_eq!(read(propose.encoded()), Ok(propose.clone()));
    let none = signed("regulator", samples::propose_no_keys());
    vectors.golden("governance.propose-no-keys", none.encoded());
    assert_eq!(read(none.encoded()), Ok(none));

    let mut reject = |name: &str, from: &[u8], to: &[u8], why: &str| {
        vectors.rejected(name, &bent_sample(&propose, from, to), read, why);
    };
    // The change of number 3, to two keys.
    let start = [&b"old-pharmacy"[..], &[0x03, 0x82, 0x58, 0x21, 0x01]].concat();
    let with = |at: usize, byte: u8| {
        let mut bent = start.clone();
        bent[12 + at] = byte;
        bent
    };
    let shouted = [&b"OLD-PHARMACY"[..], &start[12..]].concat();
    let range = "out of range";
    reject(
        "keys-participant-uppercase",
        &start,
        &shouted,
        "text is malformed",
    );
    reject("keys-number-0", &start, &with(0, 0), range);
    let above = [&start[..12], &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0], &start[13..]].concat();
    reject("keys-number-4294967296", &start, &above, range);
    reject("keys-9", &start, &with(1, 0x89), "size out of bounds");
    reject("keys-algorithm-2", &start, &with(4, 2), "a signing key");
    let [first, second] =
        samples::two_keys().map(|key| [&[0x58, 0x21][..], &key.encode()].concat());
    let both = [&first[..], &second[..]].concat();
    let backwards = [&second[..], &first[..]].concat();
    reject("keys-unsorted", &both, &backwards, "not sorted");
    let twice = [&first[..], &first[..]].concat();
    reject("key-twice", &both, &twice, "not sorted");
    let short = [&[0x58, 0x20][..], &first[2..34], &second[..]].concat();
    reject("keys-key-short", &both, &short, "size out of bounds");
}

fn rejected_record_changes(vectors: &mut Vectors) {
    let all = all();
    let of = |kind| all.iter().find(|event| event.kind() == kind).unwrap();
    let mut reject = |name: &str, kind, from: &[u8], to: &[u8], why: &str| {
        vectors.rejected(name, &bent_sample(of(kind), from, to), read, why);
    };
    let (range, size) = ("out of range", "size out of bounds");
    let custody = EventKind::RecordCustody;
    // Epoch 1, two points.
    let start = [0x09, 0x82, 0x01, 0x82, 0x58, 0x20];
    reject(
        "custody-null",
        custody,
        &start,
        &[0x09, 0xf6, 0x01, 0x82, 0x58, 0x20],
        "wanted Array",
    );
    reject(
        "custody-epoch-0",
        custody,
        &start,
        &[0x09, 0x82, 0x00, 0x82, 0x58, 0x20],
        range,
    );
    reject(
        "points-none",
        custody,
        &start,
        &[0x09, 0x82, 0x01, 0x80, 0x58, 0x20],
        size,
    );
    reject(
        "points-17",
        custody,
        &start,
        &[0x09, 0x82, 0x01, 0x91, 0x58, 0x20],
        size,
    );
    reject(
        "point-short",
        custody,
        &start,
        &[0x09, 0x82, 0x01, 0x82, 0x58, 0x1f],
        size,
    );

    let supersede = EventKind::RecordSupersede;
    let version = [0x02, 0x02, 0x03];
    reject(
        "supersede-version-0",
        supersede,
        &version,
        &[0x02, 0x00, 0x03],
        range,
    );
    let start = [0x08, 0x82, 0x01, 0x82];
    reject(
        "custody-undefined",
        supersede,
        &start,
        &[0x08, 0xf7, 0x01, 0x82],
        "wanted Array",
    );

    let erase = EventKind::RecordErase;
    // Version 2, reason 2, destroyed 1 and 8.
    let good = [0x02, 0x02, 0x03, 0x02, 0x04, 0x09, 0x05];
    let with = |at: usize, byte: u8| {
        let mut bent = good;
        bent[at] = byte;
        bent
    };
    reject("erase-version-0", erase, &good, &with(1, 0), range);
    let reason = "not the constant";
    reject("erase-reason-0", erase, &good, &with(3, 0), reason);
    reject("erase-reason-5", erase, &good, &with(3, 5), reason);
    reject("destroyed-nothing", erase, &good, &with(5, 0), range);
    reject(
        "destroyed-the-payload-alone",
        erase,
        &good,
        &with(5, 8),
        range,
    );
    reject("destroyed-16", erase, &good, &with(5, 0x11), range);

    let reshare = EventKind::RecordReshare;
    let version = [0x02, 0x02, 0x03, 0x82];
    reject(
        "reshare-version-0",
        reshare,
        &version,
        &[0x02, 0x00, 0x03, 0x82],
        range,
    );
}

fn rejected_inspections(vectors: &mut Vectors) {
    let all = all();
    let of = |kind| all.iter().find(|event| event.kind() == kind).unwrap();
    let mut reject = |name: &str, kind, from: &[u8], to: &[u8], why: &str| {
        vectors.rejected(name, &bent_sample(of(kind), from, to), read, why);
    };
    let range = "out of range";
    let (key, open) = (EventKind::InspectionKey, EventKind::InspectionOpen);
    let suite = [0x01, 0x58, 0x21, 0x03];
    let other = [0x01, 0x58, 0x21, 0x04];
    reject("vrf-suite", key, &suite, &other, "unknown suite 4");
    let algorithm = [0x02, 0x58, 0x21, 0x01];
    let other = [0x02, 0x58, 0x21, 0x02];
    let why = "the operational key is not";
    reject("operational-key-algorithm", key, &algorithm, &other, why);

    let fixed = EventKind::InspectionPopulation;
    let count = [0x03, 0x05, 0x04];
    reject("population-empty", fixed, &count, &[0x03, 0, 0x04], range);
    let above = [0x03, 0x1b, 0, 0, 1, 0, 0, 0, 0, 1, 0x04];
    reject("population-above-2-to-the-40", fixed, &count, &above, range);

    let sample = [0x04, 0x02, 0x05];
    reject("sample-0", open, &sample, &[0x04, 0x00, 0x05], range);
    let above = [0x04, 0x19, 0x03, 0xe9, 0x05];
    reject("sample-1001", open, &sample, &above, range);
    let window = [0x05, 0x1a, 0x00, 0x01, 0xd4, 0xc0];
    let short = [0x05, 0x19, 0x27, 0x0f];
    reject("window-9999", open, &window, &short, range);
    let long = [0x05, 0x1a, 0x00, 0x0d, 0xbb, 0xa1];
    reject("window-900001", open, &window, &long, range);

    let proof = [0x03, 0x58, 0x50];
    let (kind, short) = (EventKind::InspectionOutput, [0x03, 0x58, 0x4f]);
    reject("proof-short", kind, &proof, &short, "size out of bounds");

    let answer = EventKind::InspectionAnswer;
    let number = [0x03, 0x01, 0x04];
    let above = [0x03, 0x19, 0x03, 0xe8, 0x04];
    reject("draw-1000", answer, &number, &above, range);
    let hash = |byte: u8| [&[0x58, 0x20][..], &[byte; 32]].concat();
    let hashes = [&[0x82][..], &hash(6), &hash(7)].concat();
    let many: Vec<u8> = (0..41).flat_map(hash).collect();
    let many = [&[0x98, 41][..], &many].concat();
    let why = "size out of bounds";
    reject("item-proof-of-41", answer, &hashes, &many, why);
}

/// Keys of random outputs that take the place of others.
fn replacing_keys(vectors: &mut Vectors) {
    let event = signed("maker", samples::inspection_key_replacing());
    vectors.golden("inspection.key-replacing", event.encoded());
    vectors.golden("inspection.key-replacing.id", event.id().as_bytes());
    assert_eq!(read(event.encoded()), Ok(event.clone()));
    let operational = samples::inspection_key_replacing().operational.encode();
    let with = |more: &[u8]| [&operational[..], more].concat();
    let mut reject = |name: &str, to: &[u8], why: &str| {
        let bytes = bent_sample(&event, &with(&[0x03, 0x01]), &with(to));
        vectors.rejected(name, &bytes, read, why);
    };
    let range = "out of range";
    reject("replaces-0", &[0x03, 0x00], range);
    let above = [0x03, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0];
    reject("replaces-4294967296", &above, range);
    reject("replaces-null", &[0x03, 0xf6], "wanted");
    reject("replaces-key-4", &[0x04, 0x01], "wanted map key 3");
    let twice = [0x03, 0x01, 0x03, 0x01];
    reject("replaces-twice", &twice, "bytes follow the end");
}

fn rejected_openings(vectors: &mut Vectors) {
    let all = all();
    let of = |kind| all.iter().find(|event| event.kind() == kind).unwrap();
    let mut reject = |name: &str, kind, from: &[u8], to: &[u8], why: &str| {
        vectors.rejected(name, &bent_sample(of(kind), from, to), read, why);
    };
    let glass = EventKind::AccessBreakGlass;
    let kem = [0x04, 0x58, 0x21, 0x01];
    let why = "a reader key has unknown suite 0";
    reject(
        "break-glass-reader-key-suite",
        glass,
        &kem,
        &[0x04, 0x58, 0x21, 0],
        why,
    );
    let owner = [&[0x02, 0x6e][..], b"north-hospital"].concat();
    let nobody = [0x02, 0x60];
    reject(
        "break-glass-owner-empty",
        glass,
        &owner,
        &nobody,
        "text is malformed",
    );

    let review = EventKind::AccessReview;
    let (verdict, value) = ([0x03, 0x02, 0x04], "not the constant");
    reject("verdict-0", review, &verdict, &[0x03, 0x00, 0x04], value);
    reject("verdict-3", review, &verdict, &[0x03, 0x03, 0x04], value);
    let wide = [0x03, 0x19, 0x01, 0x01, 0x04];
    reject("verdict-257", review, &verdict, &wide, "out of range");

    let entry = EventKind::AccessEmergency;
    let counter = [0xa6, 0x01, 0x01, 0x02];
    let zero = [0xa6, 0x01, 0x00, 0x02];
    reject("emergency-entry-0", entry, &counter, &zero, "out of range");
    let version = [0x03, 0x03, 0x04];
    let zero = [0x03, 0x00, 0x04];
    reject(
        "emergency-version-0",
        entry,
        &version,
        &zero,
        "out of range",
    );
    let previous = [&[0x05, 0x58, 0x20][..], &[0; 32]].concat();
    let why = "wanted Bytes";
    reject(
        "emergency-without-previous",
        entry,
        &previous,
        &[0x05, 0xf6],
        why,
    );

    let journal = EventKind::EmergencyJournal;
    let stored = journal_key_kind(2);
    reject(
        "journal-key-kind-0",
        journal,
        &stored,
        &journal_key_kind(0),
        value,
    );
    reject(
        "journal-key-kind-4",
        journal,
        &stored,
        &journal_key_kind(4),
        value,
    );
    let negative = [0xa3, 0x01, 0x20, 0x02];
    let counter = [0xa3, 0x01, 0x01, 0x02];
    reject(
        "journal-counter-negative",
        journal,
        &counter,
        &negative,
        "wanted Uint",
    );
}

/// A statement that entries of an emergency journal are lost.
fn lost_entries(vectors: &mut Vectors) {
    let stated = signed("north-hospital", samples::emergency_journal_lost());
    vectors.golden("emergency.journal-lost", stated.encoded());
    vectors.golden("emergency.journal-lost.id", stated.id().as_bytes());
    assert_eq!(read(stated.encoded()), Ok(stated.clone()));
    let mut reject = |name: &str, to: &[u8], why: &str| {
        let from = [0x03, 0x03, 0x04, 0x03];
        vectors.rejected(name, &bent_sample(&stated, &from, to), read, why);
    };
    reject("journal-lost-0", &[3, 3, 4, 0], "out of range");
    reject("journal-lost-above-counter", &[3, 3, 4, 5], "out of range");
}

/// Consents that their patients can end, and the ends.
fn ends(vectors: &mut Vectors) {
    let grant = signed("north-hospital", samples::consent_grant_endable());
    vectors.golden("consent.grant-endable", grant.encoded());
    vectors.golden("consent.grant-endable.id", grant.id().as_bytes());
    assert_eq!(read(grant.encoded()), Ok(grant.clone()));
    vectors.golden("end", &samples::end_bytes());
    let mut reject = |name: &str, event: &Event, from: &[u8], to: &[u8], why: &str| {
        vectors.rejected(name, &bent_sample(event, from, to), read, why);
    };
    let hash = ender(samples::NETWORK, 1);
    let (size, ender) = (
        "size out of bounds",
        [&[0x0a, 0x58, 0x20][..], hash.as_bytes()].concat(),
    );
    reject("ender-null", &grant, &ender, &[0x0a, 0xf6], "wanted Bytes");
    let short = [&[0x0a, 0x58, 0x1f][..], &hash.as_bytes()[1..]].concat();
    reject("ender-short", &grant, &ender, &short, size);
    let long = [&[0x0a, 0x58, 0x21, 0x01][..], hash.as_bytes()].concat();
    reject("ender-long", &grant, &ender, &long, size);
    let twice = [&ender[..], &ender].concat();
    reject(
        "ender-twice",
        &grant,
        &ender,
        &twice,
        "bytes follow the end",
    );
    let another = [&[0x0b, 0x58, 0x20][..], hash.as_bytes()].concat();
    reject(
        "ender-key-11",
        &grant,
        &ender,
        &another,
        "wanted map key 10",
    );

    let end = signed("old-pharmacy", crate::world::end(samples::NETWORK, 1));
    let key = [0x03, 0x58, 0x21, 0x01];
    let other = [0x03, 0x58, 0x21, 0x02];
    reject(
        "ending-key-algorithm",
        &end,
        &key,
        &other,
        "the ending key is not",
    );
    let signature = [0x04, 0x58, 0x40];
    reject(
        "end-signature-short",
        &end,
        &signature,
        &[0x04, 0x58, 0x3f],
        size,
    );
    let owner = [&[0x01, 0x6e][..], b"north-hospital"].concat();
    let south = [&[0x01, 0x6e][..], b"south-hospital"].concat();
    reject(
        "end-of-another-owner",
        &end,
        &owner,
        &south,
        "subject does not name",
    );
    let consent = [&[0x02, 0x50][..], &[1; 16]].concat();
    let two = [&[0x02, 0x50][..], &[2; 16]].concat();
    reject(
        "end-of-another-consent",
        &end,
        &consent,
        &two,
        "subject does not name",
    );
}

/// The end of a journal's head, and then the kind of its key.
fn journal_key_kind(code: u8) -> Vec<u8> {
    let head = samples::access_emergency().head();
    [head.as_bytes(), &[0x03, code][..]].concat()
}

#[test]
fn every_truncation_is_refused() {
    for event in all() {
        let bytes = event.encoded();
        for end in 0..bytes.len() {
            assert!(
                Event::decode(&bytes[..end]).is_err(),
                "{} {end}",
                event.kind()
            );
        }
    }
}

#[test]
fn coset_reads_what_we_write_and_writes_the_same() {
    for event in all() {
        let sign1 = CoseSign1::from_tagged_slice(event.encoded()).unwrap();
        assert_eq!(sign1.tbs_data(&[]), event.sign_bytes());
        assert_eq!(event.id(), EventId::new(sha256(&[&sign1.tbs_data(&[])])));
        assert_eq!(sign1.signature, event.signature().as_bytes());
        assert_eq!(sign1.protected.header.key_id, event.key_id().as_bytes());
        assert!(sign1.unprotected.is_empty());
        let claims = sign1
            .protected
            .header
            .rest
            .iter()
            .find(|(label, _)| *label == coset::Label::Int(15));
        let claims = claims.unwrap().1.clone().to_vec().unwrap();
        let claims = coset::cwt::ClaimsSet::from_slice(&claims).unwrap();
        assert_eq!(claims.issuer.as_deref(), Some(event.issuer().as_str()));
        assert_eq!(claims.subject, Some(event.subject().to_string()));
        assert_eq!(sign1.to_tagged_vec().unwrap(), event.encoded());
    }
}

#[test]
fn every_sample_verifies_under_its_signers_key_and_no_other() {
    for event in all() {
        let key = key_of(event.issuer().as_str()).public_key();
        assert!(event.clone().verify(&key).is_ok(), "{}", event.kind());
        assert!(
            event
                .verify(&key_of("third-pharmacy").public_key())
                .is_err()
        );
    }
}
