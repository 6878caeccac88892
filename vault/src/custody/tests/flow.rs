//! A record is dealt, held, released and opened; and what each party refuses.

use super::*;
use crate::slots::SlotsError;
use medanchor_ledger::merkle::{leaf_hash, verify_inclusion};
use medanchor_ledger::{Index, Size};

/// Five custodians that hold their shares.
fn custodians() -> (Vec<tempfile::TempDir>, Vec<Custodian>, Points) {
    let (points, deals) = dealt();
    let folders: Vec<_> = NAMES.iter().map(|_| tempfile::tempdir().unwrap()).collect();
    let mut custodians: Vec<_> = folders.iter().map(store).collect();
    for (at, (custodian, deal)) in custodians.iter_mut().zip(&deals).enumerate() {
        let acknowledgement = accept(custodian, at, deal).unwrap();
        let says = acknowledgement
            .verify(&signer(NAMES[at]).public_key())
            .unwrap();
        assert_eq!(says.points, points.hash());
        assert_eq!(says.place, seat(at).place);
    }
    (folders, custodians, points)
}

#[test]
fn a_record_opens_with_three_of_five_and_the_owner() {
    let (_folders, mut custodians, points) = custodians();
    let (wanted, sealed) = wanted(&points);
    for suite in [KemSuite::X25519, KemSuite::XWing] {
        let reader = OpeningKey::generate(suite).unwrap();
        let request = EventId::new([suite as u8; 32]);
        let answers: Vec<_> = [4, 0, 2]
            .into_iter()
            .map(|at| {
                let permitted = Permitted {
                    request,
                    ..permitted(at, &points, &reader)
                };
                let custodian = &mut custodians[at];
                custodian
                    .release(&permitted, reader.public(), NOON, signs(NAMES[at]))
                    .unwrap()
            })
            .collect();
        let part = VaultPart::new([6; 32]);
        let vault = VaultRelease::new(
            record(),
            request,
            (&part, &answer_key()),
            reader.public(),
            signs("north-hospital"),
        );
        let wanted = Wanted {
            request,
            ..wanted.clone()
        };
        let gathered = gather(&wanted, &reader, &answers, &vault.unwrap()).unwrap();
        assert!(gathered.faults.0.is_empty());
        assert_eq!(
            *gathered.open(&wanted, &sealed).unwrap().0,
            *b"{\"dose\":1.50}"
        );
        let swapped = gathered.open(&wanted, &sealed[1..]).err();
        assert!(matches!(swapped, Some(ReadError::Ciphertext { .. })));
    }
}

#[test]
fn the_same_deal_again_is_taken_once_and_another_is_refused() {
    let (_folders, mut custodians, points) = custodians();
    let (_, deals) = dealt();
    let again = accept(&mut custodians[1], 1, &deals[1]).unwrap();
    assert_eq!(again.says().points, points.hash());
    let other = deal_out(
        &record(),
        EPOCH,
        3,
        &members(&NAMES),
        &secret(),
        signs("north-hospital"),
    );
    let refused = accept(&mut custodians[1], 1, &other.unwrap().1[1]);
    assert!(matches!(
        refused,
        Err(CustodianError::Share(ShareError::Other))
    ));
}

#[test]
fn a_deal_for_another_place_epoch_threshold_network_or_custodian_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut custodian = store(&folder);
    let (_, deals) = dealt();
    let other = |result| matches!(result, Err(CustodianError::OtherPlace));
    assert!(other(accept(&mut custodian, 1, &deals[0])));
    let dealer = signer("north-hospital").public_key();
    let key = share_key(NAMES[1]);
    let seats = [
        Seat {
            threshold: 2,
            ..seat(1)
        },
        Seat {
            place: place(&NAMES, 1, EPOCH + 1),
            ..seat(1)
        },
        Seat {
            place: Place {
                custodian: named("c-other"),
                ..place(&NAMES, 1, EPOCH)
            },
            ..seat(1)
        },
    ];
    for seat in &seats {
        let taken = custodian.accept(&deals[1], &dealer, seat, &key, signs(NAMES[1]));
        assert!(other(taken));
    }
    let stranger = signer("south-hospital").public_key();
    let unsigned = custodian.accept(&deals[1], &stranger, &seat(1), &key, signs(NAMES[1]));
    assert!(matches!(unsigned, Err(CustodianError::Signature(_))));
    let elsewhere = tempfile::tempdir().unwrap();
    let key = InstitutionKey::new([4; 32]);
    let network = NetworkId::new([8; 16]);
    let mut custodian = Custodian::create(elsewhere.path(), &key, network).unwrap();
    assert!(other(accept(&mut custodian, 1, &deals[1])));
}

#[test]
fn an_owner_is_never_its_own_custodian() {
    let mut own = members(&NAMES);
    own[2].name = named("north-hospital");
    own.sort_by(|one, next| one.name.cmp(&next.name));
    let dealt = |members: &[Member]| {
        deal_out(
            &record(),
            EPOCH,
            3,
            members,
            &secret(),
            signs("north-hospital"),
        )
        .err()
    };
    assert_eq!(dealt(&own), Some(DealError::Owner));
    own.reverse();
    assert_eq!(dealt(&own), Some(DealError::Members));
}

#[test]
fn one_request_gets_the_same_bytes_and_one_entry_also_after_a_restart() {
    let (folders, mut custodians, points) = custodians();
    let reader = reader_key(KemSuite::XWing);
    let asked = permitted(2, &points, &reader);
    let answer = |custodian: &mut Custodian, now| {
        let answer = custodian.release(&asked, reader.public(), now, signs(NAMES[2]));
        answer.unwrap().encode()
    };
    let first = answer(&mut custodians[2], NOON);
    assert_eq!(answer(&mut custodians[2], Time(NOON.0 + 9)), first);
    drop(custodians);
    let key = InstitutionKey::new([4; 32]);
    let mut custodian = Custodian::open(folders[2].path(), &key, NETWORK, None).unwrap();
    assert_eq!(answer(&mut custodian, Time(NOON.0 + 99)), first);
    assert_eq!(custodian.log().size(), Size(1));
    let entry = custodian.log().of_request(&REQUEST).unwrap().unwrap();
    assert_eq!(entry.time, NOON);
    assert_eq!(entry.answer, medanchor_ledger::sha256(&[&first]));
    let root = custodian.log().root_at(Size(1)).unwrap();
    let proof = custodian.log().inclusion(Index(0), Size(1)).unwrap();
    let leaf = leaf_hash(&entry.encode());
    assert_eq!(
        verify_inclusion(Index(0), Size(1), &leaf, &proof, &root),
        Ok(())
    );
}

#[test]
fn a_release_for_another_key_record_or_points_is_refused() {
    let (_folders, mut custodians, points) = custodians();
    let reader = reader_key(KemSuite::X25519);
    let asked = permitted(2, &points, &reader);
    let mut release = |asked: &Permitted, reader: &SealingKey| {
        let signed = custodians[2].release(asked, reader, NOON, signs(NAMES[2]));
        signed.err()
    };
    let stranger = OpeningKey::decode(KemSuite::X25519, &[0x78; 32]).unwrap();
    let refused = release(&asked, stranger.public());
    assert!(matches!(refused, Some(CustodianError::OtherKey)));
    let (others, _) = split_with(&secret(), 3, 5, &wide(8)[2..]).unwrap();
    let unknown = Permitted {
        points: others,
        ..asked.clone()
    };
    let refused = release(&unknown, reader.public());
    assert!(matches!(
        refused,
        Some(CustodianError::Share(ShareError::Other))
    ));
    let mut unknown = asked.clone();
    unknown.record.record.version = 4;
    let refused = release(&unknown, reader.public());
    assert!(matches!(
        refused,
        Some(CustodianError::Share(ShareError::NotHeld))
    ));
    assert!(release(&asked, reader.public()).is_none());
    // The request was answered once; its key cannot be another now.
    let changed = Permitted {
        reader: stranger.public().reader_key(),
        ..asked
    };
    let refused = release(&changed, stranger.public());
    assert!(matches!(
        refused,
        Some(CustodianError::Changed { request: REQUEST })
    ));
}

#[test]
fn an_erased_share_is_released_to_nobody_and_dealt_by_nobody_again() {
    let (folders, mut custodians, points) = custodians();
    let share = shared().1.remove(3).expose().to_vec();
    for (epoch, shares) in [(EPOCH - 1, 0), (EPOCH, 1), (EPOCH + 1, 1)] {
        let held = custodians[3].erase_record(&record(), epoch);
        assert_eq!(
            held.unwrap(),
            shares,
            "up to epoch {epoch}, of every version"
        );
    }
    let reader = reader_key(KemSuite::X25519);
    let asked = permitted(3, &points, &reader);
    let refused = custodians[3].release(&asked, reader.public(), NOON, signs(NAMES[3]));
    assert!(matches!(
        refused,
        Err(CustodianError::Share(ShareError::Erased))
    ));
    let refused = accept(&mut custodians[3], 3, &dealt().1[3]);
    assert!(matches!(
        refused,
        Err(CustodianError::Share(ShareError::Erased))
    ));
    let bytes = std::fs::read(folders[3].path().join("keys")).unwrap();
    assert!(
        !bytes
            .windows(16)
            .any(|window| share.windows(16).any(|part| part == window))
    );
    // The slots that follow header and root hold their names and nothing else; a row of the deals says that
    // the record was dealt, and nothing of the share.
    for slot in bytes[256..].chunks(128).filter(|slot| slot[1] != 7) {
        assert_eq!((slot[0], &slot[24..124]), (2, &[0; 100][..]));
    }
}

/// A deal that was judged by the ledger of a minute ago came in after the word that all was destroyed,
/// and was kept.
#[test]
fn a_deal_that_was_under_way_when_a_record_was_erased_is_kept_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut custodian = store(&folder);
    assert_eq!(custodian.erase_record(&record(), EPOCH).unwrap(), 0);
    let refused = accept(&mut custodian, 0, &dealt().1[0]);
    assert!(matches!(
        refused,
        Err(CustodianError::Share(ShareError::Erased))
    ));
    let length = |folder: &tempfile::TempDir| {
        let keys = std::fs::metadata(folder.path().join("keys"));
        keys.unwrap().len()
    };
    let before = length(&folder);
    assert_eq!(custodian.erase_record(&record(), EPOCH).unwrap(), 0);
    assert_eq!(length(&folder), before, "once is once");
}

#[test]
fn another_institution_key_opens_no_store() {
    let (folders, custodians, _) = custodians();
    drop(custodians);
    let key = InstitutionKey::new([5; 32]);
    let refused = Custodian::open(folders[0].path(), &key, NETWORK, None).err();
    let wrong = CustodianError::Share(ShareError::Slots(SlotsError::OtherKey));
    assert_eq!(refused.unwrap().to_string(), wrong.to_string());
}

/// Bad answers among enough good ones are left out and named; without enough the error names them.
#[test]
fn the_reader_names_whoever_is_at_fault() {
    let (points, shares) = shared();
    let (wanted, sealed) = wanted(&points);
    let reader = reader_key(KemSuite::X25519);
    let vault = vault_release(6, &reader);
    let good = |at: usize| release(at, &shares[at], &reader);
    let unfit = release(1, &shares[2], &reader);
    let forged = Signed::new(good(2).says().clone(), signs("c-other"));
    let mut elsewhere = good(3).says().clone();
    elsewhere.request = EventId::new([8; 32]);
    let elsewhere = Signed::new(elsewhere, signs(NAMES[3]));
    let stranger = OpeningKey::decode(KemSuite::X25519, &[0x78; 32]).unwrap();
    let closed = release(4, &shares[4], &stranger);
    let bad = [unfit, forged, elsewhere, closed];
    let mut answers = bad.to_vec();
    answers.extend([good(0), good(0)]);
    let few = gather(&wanted, &reader, &answers, &vault).err().unwrap();
    let ReadError::TooFew {
        found: 1,
        needed: 3,
        faults,
    } = &few
    else {
        panic!("{few:?}");
    };
    let named: Vec<_> = faults
        .0
        .iter()
        .map(|fault| (fault.custodian.as_str(), fault.wrong))
        .collect();
    let expected = [
        ("c-birch", Wrong::Unfit),
        ("c-cedar", Wrong::Signature),
        ("c-delta", Wrong::OtherPlace),
        ("c-elm", Wrong::Closed),
        ("c-amber", Wrong::Repeated),
    ];
    assert_eq!(named, expected);
    assert!(
        few.to_string()
            .contains("c-birch released a share that does not fit")
    );
    answers.extend([good(2), good(3)]);
    let gathered = gather(&wanted, &reader, &answers, &vault).unwrap();
    assert_eq!(gathered.faults.0.len(), 5);
    assert!(gathered.open(&wanted, &sealed).is_ok());
}

#[test]
fn the_reader_names_an_owner_at_fault() {
    let (points, shares) = shared();
    let (right, _) = wanted(&points);
    let reader = reader_key(KemSuite::X25519);
    let answers: Vec<_> = (0..3).map(|at| release(at, &shares[at], &reader)).collect();
    let owner = || named("north-hospital");
    let read = |wanted: &Wanted, vault| gather(wanted, &reader, &answers, &vault).err();
    let other = read(&right, vault_release(7, &reader));
    assert_eq!(other, Some(ReadError::VaultPart { owner: owner() }));
    let forged = Signed::new(vault_release(6, &reader).says().clone(), signs("c-elm"));
    let other = read(&right, forged);
    assert_eq!(other, Some(ReadError::OtherVaultRelease { owner: owner() }));
    let wrong = Wanted {
        key_check: medanchor_ledger::KeyCheck::new([0; 16]),
        ciphertext: NO_CIPHERTEXT,
        ..right
    };
    let other = read(&wrong, vault_release(6, &reader));
    assert_eq!(other, Some(ReadError::KeyCheck { owner: owner() }));
}

/// The key and the payload are the anchored ones, and the commitment is to another document.
#[test]
fn a_payload_that_the_commitment_is_not_to_is_not_handed_out() {
    let (points, shares) = shared();
    let (right, sealed) = wanted(&points);
    let reader = reader_key(KemSuite::X25519);
    let answers: Vec<_> = (0..3).map(|at| release(at, &shares[at], &reader)).collect();
    let gathered = gather(&right, &reader, &answers, &vault_release(6, &reader)).unwrap();
    let other = Wanted {
        commitment: commitment(&gathered.key, b"{\"dose\":1.5}"),
        ..right.clone()
    };
    assert_eq!(
        gathered.open(&other, &sealed).err(),
        Some(ReadError::Commitment {
            owner: named("north-hospital")
        })
    );
    let document = crate::json::Document::opaque(b"{\"dose\":1.50}");
    let secret = gathered.key.record_secret();
    let whole = Wanted {
        commitment: crate::commitment::Committed::new(&document, &secret).commitment(),
        ..right
    };
    let (payload, disclosing) = gathered.open(&whole, &sealed).expect("sealed as a whole");
    let refused = disclosing.disclose(&payload, &["/dose"], &[]);
    assert!(refused.is_err(), "it has no fields to show");
}

/// Who read a record under custody can show a field of it to somebody else, and nothing beside it.
#[test]
fn a_field_of_an_opened_record_is_shown_and_the_rest_withheld() {
    let (points, shares) = shared();
    let (right, sealed) = wanted(&points);
    let reader = reader_key(KemSuite::X25519);
    let answers: Vec<_> = (0..3).map(|at| release(at, &shares[at], &reader)).collect();
    let gathered = gather(&right, &reader, &answers, &vault_release(6, &reader)).unwrap();
    let (payload, disclosing) = gathered.open(&right, &sealed).unwrap();
    let disclosure = disclosing.disclose(&payload, &["/dose"], &[]).unwrap();
    let bytes = disclosure.encode();
    let shown = crate::Disclosure::decode(&bytes).unwrap();
    let shown = shown.verify(&right.commitment).unwrap();
    assert_eq!(shown.value("/dose").unwrap().bytes(), b"1.50");
    assert_eq!(shown.fields().len(), 1);
    let other = disclosing
        .disclose(b"{\"dose\":9}", &["/dose"], &[])
        .unwrap();
    assert!(
        other.verify(&right.commitment).is_err(),
        "not what was sealed"
    );
}
