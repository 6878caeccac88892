//! An owner that sealed a record wrongly is convicted by what its reader computed, and nobody else is by
//! anything that a reader makes up.

use super::*;
use crate::custody::sharing::combine_whole;
use crate::seal::{ciphertext_hash, seal_with_salt};
use crate::secret::DataKey;
use medanchor_ledger::{Commitment, KeyCheck, TreeHash};
use std::sync::Arc;

const PAYLOAD: &[u8] = b"{\"dose\":1.50}";

fn part(byte: u8) -> VaultPart {
    VaultPart::new([byte; 32])
}

fn key() -> DataKey {
    DataKey::derive(&secret(), &part(6), &record().record)
}

fn sealed_by(key: &DataKey) -> Vec<u8> {
    seal_with_salt(&record().record, key, &[8; 16], PAYLOAD).unwrap()
}

/// What an honest owner anchors of this sealed payload.
fn honest(sealed: &[u8]) -> SealedAs {
    SealedAs {
        points: shared().0,
        vault_part: part(6).hash(),
        key_check: key().check_value(),
        ciphertext: ciphertext_hash(sealed),
        commitment: commitment(&key(), PAYLOAD),
    }
}

/// S and its blinding, of the shares of these places.
fn whole(places: [usize; 3]) -> Share {
    let (points, shares) = shared();
    let index = |at: usize| ShareIndex::new(u8::try_from(at).unwrap() + 1).unwrap();
    let held: Vec<_> = places.iter().map(|at| (index(*at), &shares[*at])).collect();
    combine_whole(&points, &held).unwrap()
}

fn shown(whole: Share, part: VaultPart, sealed: Option<Vec<u8>>) -> Evidence {
    Evidence::Sealing(Arc::new(RecordShown::new(record(), (whole, part), sealed)))
}

/// The parts that a reader gathers, and this payload.
fn right(sealed: Option<Vec<u8>>) -> Evidence {
    shown(whole([0, 2, 4]), part(6), sealed)
}

/// Evidence against an owner that anchored the root `[7; 32]`.
pub(super) fn wrong_commitment() -> Evidence {
    right(Some(sealed_by(&key())))
}

/// The verdict, also after the evidence travelled as bytes.
fn verdict(evidence: &Evidence, anchored: SealedAs) -> Result<Convicted, Unconvincing> {
    let known = Ledger {
        sealed: Some(anchored),
        ..ledger(&reader_key(KemSuite::X25519))
    };
    let read = Evidence::decode(&evidence.encode()).unwrap();
    assert_eq!(read.encode(), evidence.encode());
    let verdict = evidence.verify(&known);
    assert_eq!(read.verify(&known), verdict);
    verdict
}

fn convicts(of: Breach) -> Result<Convicted, Unconvincing> {
    let who = named("north-hospital");
    Ok(Convicted { who, of })
}

/// Each lie is told in the anchored value alone, and named as what it is.
#[test]
fn each_of_three_lies_convicts_the_owner_by_name() {
    let sealed = sealed_by(&key());
    let honest = honest(&sealed);
    let key_check = SealedAs {
        key_check: KeyCheck::new([0; 16]),
        ..honest.clone()
    };
    assert_eq!(
        verdict(&right(None), key_check),
        convicts(Breach::WrongKeyCheck)
    );
    let other = sealed_by(&DataKey::derive(&secret(), &part(7), &record().record));
    let payload = SealedAs {
        ciphertext: ciphertext_hash(&other),
        ..honest.clone()
    };
    assert_eq!(
        verdict(&right(Some(other)), payload),
        convicts(Breach::WrongPayload)
    );
    let committed = SealedAs {
        commitment: Commitment::new(TreeHash::new([7; 32])),
        ..honest
    };
    assert_eq!(
        verdict(&wrong_commitment(), committed),
        convicts(Breach::WrongCommitment)
    );
}

#[test]
fn an_owner_that_sealed_rightly_is_not_convicted_whatever_is_shown() {
    let sealed = sealed_by(&key());
    let judged = |evidence| verdict(&evidence, honest(&sealed)).unwrap_err();
    assert_eq!(judged(right(Some(sealed.clone()))), Unconvincing::Right);
    assert_eq!(judged(right(None)), Unconvincing::Right);
    let (_, shares) = shared();
    for evidence in [
        shown(whole([0, 1, 2]), part(7), None),
        shown(Share::decode(&shares[0].expose()).unwrap(), part(6), None),
    ] {
        assert_eq!(judged(evidence), Unconvincing::OtherParts);
    }
    let mut changed = sealed.clone();
    changed[80] ^= 1;
    let other = right(Some(changed));
    assert_eq!(judged(other), Unconvincing::OtherPayload);
    let unknown = right(None).verify(&ledger(&reader_key(KemSuite::X25519)));
    assert_eq!(unknown, Err(Unconvincing::Unknown));
}

/// S is bound with its blinding: neither half can be another.
#[test]
fn neither_s_nor_its_blinding_can_be_made_up() {
    let honest = honest(&sealed_by(&key()));
    let bytes = whole([0, 1, 2]).expose();
    for at in [0, 32] {
        let mut changed = *bytes;
        changed[at] ^= 1;
        let other = Share::decode(&changed).unwrap();
        let verdict = verdict(&shown(other, part(6), None), honest.clone());
        assert_eq!(verdict, Err(Unconvincing::OtherParts), "byte {at}");
    }
}

#[test]
fn any_k_shares_give_the_same_parts_so_the_same_evidence() {
    let one = shown(whole([0, 1, 2]), part(6), None);
    assert_eq!(one.encode(), right(None).encode());
}

/// An unknown format may be one of a newer release; bytes of none at all are the owner's lie.
#[test]
fn a_payload_of_an_unknown_format_convicts_nobody_and_garbage_does() {
    let anchored = |sealed: &[u8]| honest(sealed);
    let newer = [b"medanchor/seal/2".as_slice(), &[0; 90]].concat();
    let judged = verdict(&right(Some(newer.clone())), anchored(&newer));
    assert_eq!(judged, Err(Unconvincing::Format));
    let garbage = vec![1; 100];
    let judged = verdict(&right(Some(garbage.clone())), anchored(&garbage));
    assert_eq!(judged, convicts(Breach::WrongPayload));
    let empty = Vec::new();
    let judged = verdict(&right(Some(empty.clone())), anchored(&empty));
    assert_eq!(judged, convicts(Breach::WrongPayload));
}

/// A document that is sealed as a whole, and not as JSON, is committed to rightly too.
#[test]
fn a_commitment_to_the_whole_document_convicts_nobody() {
    let sealed = sealed_by(&key());
    let document = crate::json::Document::opaque(PAYLOAD);
    let secret = key().record_secret();
    let whole = SealedAs {
        commitment: crate::commitment::Committed::new(&document, &secret).commitment(),
        ..honest(&sealed)
    };
    let verdict = verdict(&right(Some(sealed)), whole);
    assert_eq!(verdict, Err(Unconvincing::Right));
}

#[test]
fn what_is_shown_does_not_show_in_debug() {
    let Evidence::Sealing(shown) = wrong_commitment() else {
        panic!("another kind");
    };
    let said = format!("{shown:?} {:?}", wrong_commitment());
    let hidden = [6; 32].map(|byte: u8| byte.to_string()).join(", ");
    assert!(
        !said.contains(&hidden) && !said.contains("scalar"),
        "{said}"
    );
    assert!(said.contains("north-hospital"), "{said}");
}

/// Any change of evidence either does not read, or convicts nobody, or convicts the same.
#[test]
fn no_flipped_bit_convicts_anybody_else() {
    let sealed = sealed_by(&key());
    let lie = SealedAs {
        commitment: Commitment::new(TreeHash::new([7; 32])),
        ..honest(&sealed)
    };
    for (anchored, convicted) in [(lie, true), (honest(&sealed), false)] {
        let known = Ledger {
            sealed: Some(anchored),
            ..ledger(&reader_key(KemSuite::X25519))
        };
        let bytes = wrong_commitment().encode();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let read = Evidence::decode(&changed).ok();
            if let Some(Ok(found)) = read.map(|read| read.verify(&known)) {
                assert!(convicted, "bit {bit}");
                assert_eq!(Ok(found), convicts(Breach::WrongCommitment), "bit {bit}");
            }
        }
    }
}

/// What a reader keeps of a read that failed is what convicts, and of other failures it keeps nothing.
#[test]
fn a_reader_keeps_what_convicts_and_nothing_of_other_failures() {
    let sealed = sealed_by(&key());
    let (points, shares) = shared();
    let (wanted, _) = wanted(&points);
    let reader = reader_key(KemSuite::X25519);
    let answers: Vec<_> = (0..3).map(|at| release(at, &shares[at], &reader)).collect();
    let lie = Wanted {
        ciphertext: ciphertext_hash(&sealed),
        commitment: Commitment::new(TreeHash::new([7; 32])),
        ..wanted
    };
    let parts = || gather_parts(&lie, &reader, &answers, &vault_release(6, &reader)).unwrap();
    let error = parts()
        .key(&lie)
        .unwrap()
        .open(&lie, &sealed)
        .err()
        .unwrap();
    let shown = parts().shown(&lie, &error, sealed.clone()).unwrap();
    let evidence = Evidence::Sealing(Arc::new(shown));
    assert_eq!(evidence.encode(), wrong_commitment().encode());
    let owner = named("north-hospital");
    let key_check = ReadError::KeyCheck {
        owner: owner.clone(),
    };
    let shown = parts().shown(&lie, &key_check, sealed.clone()).unwrap();
    let evidence = Evidence::Sealing(Arc::new(shown));
    assert_eq!(evidence.encode(), right(None).encode());
    // Whoever served the payload did not sign it.
    let fetched = ReadError::Ciphertext { owner };
    assert!(parts().shown(&lie, &fetched, sealed).is_none());
}
