//! Whoever cheated is convicted offline, and nobody else is, whatever the accuser shows.

use super::*;
use zeroize::Zeroizing;

/// A deal of place 2 whose share is that of place 3, properly sealed and signed.
fn bad_deal() -> Signed<Deal> {
    let (points, mut shares) = shared();
    shares.swap(1, 2);
    let seeds = [[1; 32]; 5];
    let dealt = seal_deals(
        &record(),
        EPOCH,
        &members(&NAMES),
        (&points, &shares),
        &seeds,
        signs("north-hospital"),
    );
    dealt.unwrap().remove(1)
}

/// A deal whose sealed part nobody can open.
fn garbage_deal() -> Signed<Deal> {
    let mut deal = bad_deal().says().clone();
    deal.sealed = share_key(NAMES[1])
        .public()
        .seal(b"other", &[1; 64], &[2; 32])
        .unwrap();
    Signed::new(deal, signs("north-hospital"))
}

fn acknowledgement(at: usize, points: &Points) -> Signed<Acknowledgement> {
    let acknowledgement = Acknowledgement {
        record: record(),
        place: place(&NAMES, at, EPOCH),
        points: points.hash(),
    };
    Signed::new(acknowledgement, signs(NAMES[at]))
}

/// The verdict, also after the evidence travelled as bytes.
fn verdict(evidence: &Evidence) -> Result<Convicted, Unconvincing> {
    let known = ledger(&reader_key(KemSuite::X25519));
    let read = Evidence::decode(&evidence.encode()).unwrap();
    assert_eq!(read.encode(), evidence.encode());
    let verdict = evidence.verify(&known);
    assert_eq!(read.verify(&known), verdict);
    verdict
}

fn convicts(who: &str, of: Breach) -> Result<Convicted, Unconvincing> {
    Ok(Convicted {
        who: named(who),
        of,
    })
}

#[test]
fn a_bad_deal_convicts_its_dealer_and_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut custodian = store(&folder);
    let refused = accept(&mut custodian, 1, &bad_deal()).unwrap_err();
    let CustodianError::BadDeal {
        evidence: Some(evidence),
    } = refused
    else {
        panic!("{refused}");
    };
    assert_eq!(
        verdict(&evidence),
        convicts("north-hospital", Breach::BadDeal)
    );
    assert!(accept(&mut custodian, 1, &dealt().1[1]).is_ok());
}

#[test]
fn a_deal_that_nobody_can_open_convicts_its_dealer_at_the_price_of_the_share_key() {
    let folder = tempfile::tempdir().unwrap();
    let refused = accept(&mut store(&folder), 1, &garbage_deal()).err();
    assert!(matches!(
        refused,
        Some(CustodianError::BadDeal { evidence: None })
    ));
    let evidence = Evidence::bad_deal_with_key(garbage_deal(), share_key(NAMES[1]));
    assert_eq!(
        verdict(&evidence),
        convicts("north-hospital", Breach::BadDeal)
    );
}

/// A custodian lies about a good deal: with the right opening, a made-up one, another's key, the right
/// key, or a deal that it made itself.
#[test]
fn a_custodian_that_lies_about_a_good_deal_convicts_nobody() {
    let (_, mut deals) = dealt();
    let (good, key) = (deals.remove(1), share_key(NAMES[1]));
    let opened = good.says().open(&key).unwrap();
    let contents = |contents: &[u8], seed: [u8; 32]| {
        let opening = Opening::Contents {
            public: key.public().clone(),
            contents: Zeroizing::new(contents.to_vec()),
            seed: Zeroizing::new(seed),
        };
        verdict(&Evidence::Deal(good.clone(), opening))
    };
    assert_eq!(
        contents(opened.contents.as_slice(), *opened.seed),
        Err(Unconvincing::Right)
    );
    assert_eq!(
        contents(&[1; 64], *opened.seed),
        Err(Unconvincing::NotInside)
    );
    assert_eq!(contents(&[], *opened.seed), Err(Unconvincing::NotInside));
    assert_eq!(
        contents(opened.contents.as_slice(), [0; 32]),
        Err(Unconvincing::NotInside)
    );
    let with_key = |key| verdict(&Evidence::bad_deal_with_key(good.clone(), key));
    assert_eq!(with_key(share_key(NAMES[1])), Err(Unconvincing::Right));
    assert_eq!(with_key(share_key(NAMES[0])), Err(Unconvincing::OtherKey));
    let own = Signed::new(bad_deal().says().clone(), signs(NAMES[1]));
    let own = verdict(&Evidence::bad_deal_with_key(own, share_key(NAMES[1])));
    let who = named("north-hospital");
    assert_eq!(own, Err(Unconvincing::Signature { who }));
}

#[test]
fn a_custodian_that_releases_another_share_than_it_acknowledged_is_convicted() {
    let (points, shares) = shared();
    let reader = || reader_key(KemSuite::X25519);
    let accused = |release, acknowledged, points: &Points| {
        verdict(&Evidence::bad_release(
            release,
            acknowledged,
            points.clone(),
            reader(),
        ))
    };
    let bad = release(1, &shares[2], &reader());
    let verdict = accused(bad.clone(), acknowledgement(1, &points), &points);
    assert_eq!(verdict, convicts("c-birch", Breach::BadRelease));
    // Sealed to no purpose at all: the reader's key shows it.
    let mut garbage = bad.says().clone();
    garbage.sealed = reader()
        .public()
        .seal(b"other", &[1; 64], &[2; 32])
        .unwrap();
    let garbage = Signed::new(garbage, signs("c-birch"));
    let verdict = accused(garbage, acknowledgement(1, &points), &points);
    assert_eq!(verdict, convicts("c-birch", Breach::BadRelease));
    // It acknowledged nothing of the kind.
    let verdict = accused(bad.clone(), acknowledgement(2, &points), &points);
    assert!(matches!(verdict, Err(Unconvincing::Signature { .. })));
    let (others, _) = split_with(&secret(), 3, 5, &wide(8)[2..]).unwrap();
    let verdict = accused(bad, acknowledgement(1, &points), &others);
    assert_eq!(verdict, Err(Unconvincing::Unrelated));
}

#[test]
fn a_reader_that_lies_about_a_good_share_convicts_nobody() {
    let (points, shares) = shared();
    let reader = reader_key(KemSuite::X25519);
    let good = release(1, &shares[1], &reader);
    let lie = |opening| Evidence::Release {
        release: good.clone(),
        acknowledgement: acknowledgement(1, &points),
        points: points.clone(),
        opening,
    };
    let right = Evidence::bad_release(
        good.clone(),
        acknowledgement(1, &points),
        points.clone(),
        reader_key(KemSuite::X25519),
    );
    assert_eq!(verdict(&right), Err(Unconvincing::Right));
    let other = OpeningKey::decode(KemSuite::X25519, &[0x78; 32]).unwrap();
    assert_eq!(
        verdict(&lie(Opening::Key(other))),
        Err(Unconvincing::OtherKey)
    );
    let made_up = Opening::Contents {
        public: reader.public().clone(),
        contents: Zeroizing::new(vec![0; 64]),
        seed: Zeroizing::new([0; 32]),
    };
    assert_eq!(verdict(&lie(made_up)), Err(Unconvincing::NotInside));
}

#[test]
fn two_answers_to_one_request_convict_and_one_answer_twice_does_not() {
    let (_, shares) = shared();
    let reader = reader_key(KemSuite::X25519);
    let one = release(1, &shares[1], &reader);
    let other = release(1, &shares[2], &reader);
    let verdict_of = |one: &Signed<Release>, other: &Signed<Release>| {
        verdict(&Evidence::TwoReleases(one.clone(), other.clone()))
    };
    assert_eq!(
        verdict_of(&one, &other),
        convicts("c-birch", Breach::TwoReleases)
    );
    assert_eq!(verdict_of(&one, &one), Err(Unconvincing::Unrelated));
    let elses = release(2, &shares[2], &reader);
    assert!(matches!(
        verdict_of(&one, &elses),
        Err(Unconvincing::Signature { .. })
    ));
    let mut next = one.says().clone();
    next.request = EventId::new([8; 32]);
    let next = Signed::new(next, signs("c-birch"));
    assert_eq!(verdict_of(&one, &next), Err(Unconvincing::Unrelated));
}

#[test]
fn an_owner_that_releases_another_part_than_it_anchored_is_convicted() {
    let reader = || reader_key(KemSuite::X25519);
    let accused = |part| {
        let release = vault_release(part, &reader());
        verdict(&Evidence::bad_vault_release(release, reader()))
    };
    assert_eq!(
        accused(7),
        convicts("north-hospital", Breach::BadVaultRelease)
    );
    assert_eq!(accused(6), Err(Unconvincing::Right));
}

/// Any change of evidence either does not read, or convicts nobody, or convicts the same.
#[test]
fn no_flipped_bit_convicts_anybody_else() {
    let (points, shares) = shared();
    let reader = || reader_key(KemSuite::X25519);
    let known = ledger(&reader());
    let bad = Evidence::bad_release(
        release(0, &shares[2], &reader()),
        acknowledgement(0, &points),
        points.clone(),
        reader(),
    );
    let good = Evidence::bad_release(
        release(0, &shares[0], &reader()),
        acknowledgement(0, &points),
        points,
        reader(),
    );
    for (evidence, right) in [(bad, Some("c-amber")), (good, None)] {
        let bytes = evidence.encode();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let verdict = Evidence::decode(&changed)
                .ok()
                .map(|read| read.verify(&known));
            if let Some(Ok(convicted)) = verdict {
                assert_eq!(Some(convicted.who.as_str()), right, "bit {bit}");
            }
        }
    }
}
