//! Access receipts.

use crate::chain::{Chain, policy, words};
use crate::log_support::{Network, Nodes};
use crate::vectors::Vectors;
use crate::world::*;
use medanchor_ledger::document::{AccessReceipt, NotProved, SealProof, VerifiedAccess};
use medanchor_ledger::event::consent::{Classes, Grantees, Purposes, Tags};
use medanchor_ledger::event::{
    AccessRequest, ConsentGrant, ConsentRevoke, Destroyed, ErasureReason, EventBody,
    GranteeOpening, KemSuite, ReaderKey, RecordErase, RecordSupersede,
};
use medanchor_ledger::merkle::inclusion_proof;
use medanchor_ledger::policy::{Policy, PolicyRange};
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::rules::{Anchored, Decision, DenialReason, Request, StateValue};
use medanchor_ledger::seal::Seal;
use medanchor_ledger::state::StateMap;
use medanchor_ledger::{
    ClassHandle, ConsentHandle, Index, PurposeHandle, RecordHandle, RequestHandle, Size, Tag, Time,
};

const OPENING: GranteeOpening = GranteeOpening::new([42; 16]);

/// Lets `PHARMACY` read class 1 under tag 1 for purpose 1, for half an hour from the start.
pub fn grant(number: u8) -> ConsentGrant {
    ConsentGrant {
        consent: ConsentHandle::new([number; 16]),
        root: None,
        tags: Tags::new([Tag::new([1; 16])]).unwrap(),
        grantees: Grantees::new([OPENING.grantee(&name(PHARMACY), None)]).unwrap(),
        purposes: Purposes::new([PurposeHandle::new([1; 16])]).unwrap(),
        classes: Classes::new([ClassHandle::new([1; 16])]).unwrap(),
        not_before: Time(START),
        not_after: Time(START + 30 * MINUTE),
        commitment: commitment(number),
        ender: None,
    }
}

pub fn revoke(number: u8) -> ConsentRevoke {
    ConsentRevoke {
        consent: ConsentHandle::new([number; 16]),
    }
}

/// Request `number` for the hospital's record 1 under its consent 1.
pub fn request(number: u8) -> AccessRequest {
    AccessRequest {
        request: RequestHandle::new([number; 16]),
        owner: name(HOSPITAL),
        record: RecordHandle::new([1; 16]),
        consent: ConsentHandle::new([1; 16]),
        purpose: PurposeHandle::new([1; 16]),
        opening: OPENING,
        member: None,
        reader_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [5; 32],
        },
        commitment: commitment(9),
    }
}

/// The hospital's record 1 becomes one of class 2, which no consent here covers.
pub fn supersede() -> RecordSupersede {
    let seal = seal(1, 1);
    RecordSupersede {
        record: seal.record,
        version: 2,
        class: ClassHandle::new([2; 16]),
        commitment: seal.commitment,
        ciphertext: seal.ciphertext,
        vault_part: seal.vault_part,
        key_check: seal.key_check,
        custody: None,
    }
}

pub fn erase() -> RecordErase {
    RecordErase {
        record: RecordHandle::new([1; 16]),
        version: 1,
        reason: ErasureReason::SubjectRequest,
        destroyed: Destroyed::new(Destroyed::VAULT_PART).unwrap(),
        certificate: commitment(1),
    }
}

fn judge(bytes: &[u8]) -> Result<VerifiedAccess, String> {
    words(AccessReceipt::decode(bytes), |receipt| {
        assert_eq!(receipt.encode(), bytes, "one encoding");
        receipt.verify(&policy())
    })
}

/// A chain whose blocks are these events by signer.
fn chain(blocks: &[&[(&str, EventBody)]]) -> (Chain, Vec<Vec<medanchor_ledger::event::Verified>>) {
    let mut chain = Chain::new();
    let mut made = Vec::new();
    for block in blocks {
        let events: Vec<_> = block
            .iter()
            .map(|(who, body)| chain.world.event(who, body.clone()))
            .collect();
        chain.block(&events);
        made.push(events);
    }
    (chain, made)
}

/// The receipt of event `place` of block `height`.
fn receipt(blocks: &[&[(&str, EventBody)]], height: usize, place: usize) -> AccessReceipt {
    let (mut chain, made) = chain(blocks);
    chain.block(&[]);
    chain.access(height, &made[height - 1][place])
}

fn sealed() -> (&'static str, EventBody) {
    (HOSPITAL, seal(1, 1).into())
}

fn granted() -> (&'static str, EventBody) {
    (HOSPITAL, grant(1).into())
}

fn revoked() -> (&'static str, EventBody) {
    (HOSPITAL, revoke(1).into())
}

fn asked(number: u8) -> (&'static str, EventBody) {
    (PHARMACY, request(number).into())
}

fn permitted_receipt() -> AccessReceipt {
    receipt(&[&[sealed(), granted()], &[asked(1)]], 2, 0)
}

#[test]
fn the_decision_follows_from_what_stood_at_the_requests_own_place() {
    let denied = Decision::Denied;
    let mut vectors = Vectors::of("access-receipt");
    vectors.golden("policy", policy().policy().as_bytes());
    let mut chained = grant(1);
    chained.root = Some(ConsentHandle::new([2; 16]));
    let chained: (&str, EventBody) = (HOSPITAL, chained.into());
    let first: (&str, EventBody) = (HOSPITAL, grant(2).into());
    let first_revoked: (&str, EventBody) = (HOSPITAL, revoke(2).into());
    let stranger: (&str, EventBody) = (OTHER_PHARMACY, request(1).into());
    let both: &[(&str, EventBody)] = &[sealed(), granted()];
    let erased = (HOSPITAL, erase().into());
    let superseded = (HOSPITAL, supersede().into());
    let mut endable = grant(1);
    endable.ender = Some(ender(genesis().network_id(), 1));
    let endable: &[(&str, EventBody)] = &[sealed(), (HOSPITAL, endable.into())];
    let ended: (&str, EventBody) = (OTHER_PHARMACY, end(genesis().network_id(), 1).into());
    let good: [(&str, AccessReceipt, Decision); 16] = [
        (
            "denied-ended-by-the-patient-earlier-in-the-block",
            receipt(&[endable, &[ended.clone(), asked(1)]], 2, 1),
            denied(DenialReason::Revoked),
        ),
        (
            "permitted-and-ended-by-the-patient-later-in-the-block",
            receipt(&[endable, &[asked(1), ended]], 2, 0),
            Decision::Permitted,
        ),
        (
            "denied-erased-earlier-in-the-block",
            receipt(&[both, &[erased.clone(), asked(1)]], 2, 1),
            denied(DenialReason::Erased),
        ),
        (
            "permitted-and-erased-later-in-the-block",
            receipt(&[both, &[asked(1), erased]], 2, 0),
            Decision::Permitted,
        ),
        (
            "denied-superseded-earlier-in-the-block",
            receipt(&[both, &[superseded.clone(), asked(1)]], 2, 1),
            denied(DenialReason::Class),
        ),
        (
            "permitted-and-superseded-later-in-the-block",
            receipt(&[both, &[asked(1), superseded]], 2, 0),
            Decision::Permitted,
        ),
        ("permitted", permitted_receipt(), Decision::Permitted),
        (
            "denied-grantee",
            receipt(&[both, &[stranger]], 2, 0),
            denied(DenialReason::Grantee),
        ),
        (
            "denied-unknown-record",
            receipt(&[&[asked(1)]], 1, 0),
            denied(DenialReason::UnknownRecord),
        ),
        (
            "denied-unknown-consent",
            receipt(&[&[sealed()], &[asked(1)]], 2, 0),
            denied(DenialReason::UnknownConsent),
        ),
        (
            "denied-revoked-earlier-in-the-block",
            receipt(&[both, &[asked(1), revoked(), asked(2)]], 2, 2),
            denied(DenialReason::Revoked),
        ),
        (
            "permitted-and-revoked-later-in-the-block",
            receipt(&[both, &[asked(1), revoked(), asked(2)]], 2, 0),
            Decision::Permitted,
        ),
        (
            "denied-and-granted-later-in-the-block",
            receipt(&[&[sealed()], &[asked(1), granted()]], 2, 0),
            denied(DenialReason::UnknownConsent),
        ),
        (
            "denied-and-sealed-later-in-the-block",
            receipt(&[&[asked(1), sealed()]], 1, 0),
            denied(DenialReason::UnknownRecord),
        ),
        (
            "permitted-by-a-continued-consent",
            receipt(
                &[&[sealed(), first.clone(), chained.clone()], &[asked(1)]],
                2,
                0,
            ),
            Decision::Permitted,
        ),
        (
            "denied-first-consent-revoked",
            receipt(
                &[&[sealed(), first, chained], &[first_revoked, asked(1)]],
                2,
                1,
            ),
            denied(DenialReason::Revoked),
        ),
    ];
    for (file, receipt, decision) in good {
        let bytes = receipt.encode();
        vectors.golden(&format!("good-{file}"), &bytes);
        let verified = judge(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(verified.decision(), decision, "{file}");
        assert_eq!(verified.height, receipt.seal.seal.height, "{file}");
    }
    wrong(&mut vectors);
    rejected(&mut vectors);
    vectors.finish();
}

fn wrong(vectors: &mut Vectors) {
    let (mut chain, made) = chain(&[
        &[sealed(), granted()],
        &[asked(1)],
        &[revoked()],
        &[asked(2)],
    ]);
    chain.block(&[]);
    let good = chain.access(2, &made[1][0]);
    let later = chain.access(4, &made[3][0]);
    let mut wrong = |file: &str, why: &str, change: &dyn Fn(&mut AccessReceipt)| {
        let mut receipt = good.clone();
        change(&mut receipt);
        let bytes = receipt.encode();
        vectors.golden(&format!("wrong-{file}"), &bytes);
        let found = judge(&bytes).unwrap_err();
        assert!(
            found.starts_with("wrong: ") && found.contains(why),
            "{file}: {found}"
        );
    };
    wrong("event-is-no-request", "no access request", &|receipt| {
        receipt.event = (*made[0][0]).clone();
    });
    wrong(
        "seal-of-a-later-height",
        "not that of the height",
        &|receipt| {
            let map = chain.map(4);
            let (event, inclusion) = (receipt.event.clone(), receipt.inclusion.clone());
            let made = AccessReceipt::new(event, inclusion, map, chain.seal_proof(4));
            *receipt = made.unwrap().unwrap();
        },
    );
    wrong(
        "consent-of-a-later-height",
        "the consent is not what",
        &|receipt| {
            receipt.consent = later.consent.clone();
        },
    );
    wrong(
        "consent-claimed-absent",
        "the consent is not what",
        &|receipt| {
            receipt.consent.value = None;
        },
    );
    wrong(
        "record-claimed-absent",
        "the record is not what",
        &|receipt| {
            receipt.record.value = None;
        },
    );
    wrong(
        "decision-of-another-request",
        "the request is not what",
        &|receipt| {
            receipt.request = later.request.clone();
        },
    );
    wrong("no-decision", "the request is not what", &|receipt| {
        receipt.request.value = None;
    });
    wrong("inclusion-of-another-entry", "not in the log", &|receipt| {
        receipt.inclusion = chain.inclusion(Index(1), chain.size(chain.last()));
    });
    wrong("inclusion-empty", "not in the log", &|receipt| {
        receipt.inclusion.clear()
    });
    wrong(
        "first-consent-out-of-place",
        "missing or out of place",
        &|receipt| {
            receipt.first_consent = Some(receipt.consent.clone());
        },
    );
    wrong("another-network", "no log key", &|receipt| {
        receipt.seal.receipt.checkpoint = chain.foreign_checkpoint();
    });
    wrong("receipt-of-another-seal", "not proved", &|receipt| {
        receipt.seal.receipt = later.seal.receipt.clone();
    });
}

fn rejected(vectors: &mut Vectors) {
    let good = permitted_receipt().encode();
    let read = |bytes: &[u8]| AccessReceipt::decode(bytes).map_err(|error| error.to_string());
    vectors.rejected(
        "trailing-byte",
        &[&good[..], &[0]].concat(),
        read,
        "follow the end",
    );
    vectors.rejected("truncated", &good[..good.len() - 1], read, "cut short");
    let mut version = good.clone();
    let at = 3 + "medanchor/access-receipt/v1".len() + 1;
    assert_eq!(version[at - 1..at + 1], [b'1', 1]);
    version[at - 1] = b'2';
    vectors.rejected("version-2", &version, read, "constant");
    let mut entries = good.clone();
    entries[0] = 0xa8;
    vectors.rejected("eight-entries", &entries, read, "size out of bounds");
    let mut receipt = permitted_receipt();
    receipt.inclusion = vec![receipt.inclusion[0]; 65];
    vectors.rejected(
        "65-inclusion-hashes",
        &receipt.encode(),
        read,
        "size out of bounds",
    );
    let long = vec![0; AccessReceipt::MAX_BYTES + 1];
    assert!(read(&long).unwrap_err().contains("at most"));
}

#[test]
fn an_access_receipt_without_a_request_cannot_be_made() {
    let (chain, made) = chain(&[&[sealed()]]);
    let event = (*made[0][0]).clone();
    let made = AccessReceipt::new(event, Vec::new(), chain.map(1), chain.seal_proof(1));
    assert_eq!(made.unwrap(), None);
}

#[test]
fn an_access_receipt_for_four_validators_is_small() {
    let length = permitted_receipt().encode().len();
    assert!(length < 8192, "{length} bytes");
}

#[test]
fn a_quorum_that_decides_against_the_rules_is_convicted_by_its_own_receipt() {
    let mut world = World::new();
    let event = world.event(PHARMACY, request(1));
    let forged = Request {
        requested: Anchored {
            event: event.id(),
            index: Index(0),
        },
        decision: Decision::Permitted,
        time: Time(world.now),
        owner: name(HOSPITAL),
        record: request(1).record,
        consent: request(1).consent,
        reader_key: request(1).reader_key,
    };
    let key = Request::key(&name(PHARMACY), &request(1).request);
    let changes = [(key.path(), Some(forged.encode()))].into();
    let map = StateMap::empty().update(&changes).unwrap().map().clone();
    let seal = Seal {
        first: Index(0),
        count: 1,
        time: Time(world.now),
        state_root: map.root(),
        ..Chain::new().seal(0).clone()
    };
    let network = Network::new(1, 4);
    let mut nodes = Nodes::default();
    nodes.append(event.encoded());
    nodes.append(&seal.encode());
    let checkpoint = network.checkpoint(2, nodes.frontier.root());
    let inclusion = |index| inclusion_proof(&nodes, Index(index), Size(2)).unwrap();
    let receipt = Receipt {
        index: Index(1),
        proof: inclusion(1),
        checkpoint: network.gathered(&checkpoint, 4).note().unwrap(),
        extra: None,
    };
    let policy = Policy::of_validators(&network.origin, &network.set).unwrap();
    let policy = PolicyRange::from(policy, Size(0));
    let proof = SealProof { seal, receipt };
    let made = AccessReceipt::new((*event).clone(), inclusion(0), &map, proof);
    let found = made.unwrap().unwrap().verify(&policy);
    assert_eq!(found, Err(NotProved::Decision));
}
