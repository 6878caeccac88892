//! A new epoch gets shares of the same secret, step by step checked, and the old ones are destroyed.

use super::*;

const NEW: [&str; 4] = ["c-cedar", "c-fir", "c-ginkgo", "c-hazel"];

struct Moved {
    _folders: Vec<tempfile::TempDir>,
    old: Vec<Custodian>,
    new: Vec<Custodian>,
    points: Points,
    /// By contributor, then by receiver.
    sub_deals: Vec<Vec<Signed<SubDeal>>>,
}

const CONTRIBUTORS: [usize; 3] = [0, 2, 4];

fn contributors() -> Vec<ShareIndex> {
    [1, 3, 5]
        .map(|index| ShareIndex::new(index).unwrap())
        .to_vec()
}

fn moved() -> Moved {
    let (points, deals) = dealt();
    let folders: Vec<_> = (0..9).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut old: Vec<_> = folders[..5].iter().map(store).collect();
    for (at, (custodian, deal)) in old.iter_mut().zip(&deals).enumerate() {
        accept(custodian, at, deal).unwrap();
    }
    let new = folders[5..].iter().map(store).collect();
    let (record, members, places) = (record(), members(&NEW), contributors());
    let resharing = Resharing {
        record: &record,
        old: &points,
        contributors: &places,
        epoch: EPOCH + 1,
        threshold: 2,
        members: &members,
    };
    let sub_deals = CONTRIBUTORS
        .into_iter()
        .map(|at| {
            let from = place(&NAMES, at, EPOCH);
            old[at]
                .contribute(&resharing, &from, signs(NAMES[at]))
                .unwrap()
        })
        .collect();
    Moved {
        _folders: folders,
        old,
        new,
        points,
        sub_deals,
    }
}

fn for_receiver(moved: &Moved, at: usize) -> Vec<(Signed<SubDeal>, PublicKey)> {
    let each = moved.sub_deals.iter().zip(CONTRIBUTORS);
    each.map(|(deals, from)| (deals[at].clone(), signer(NAMES[from]).public_key()))
        .collect()
}

fn take(
    moved: &mut Moved,
    at: usize,
    deals: &[(Signed<SubDeal>, PublicKey)],
) -> Result<Signed<Acknowledgement>, CustodianError> {
    let seat = Seat {
        place: place(&NEW, at, EPOCH + 1),
        threshold: 2,
    };
    let old = moved.points.clone();
    let key = share_key(NEW[at]);
    moved.new[at].accept_reshared(&old, deals, &seat, &key, signs(NEW[at]))
}

#[test]
fn the_new_epoch_opens_the_record_and_the_old_one_is_destroyed_only_then() {
    let mut moved = moved();
    let first: Vec<_> = moved
        .sub_deals
        .iter()
        .map(|deals| deals[0].clone())
        .collect();
    let points = new_points(&moved.points, &first).unwrap();
    assert_eq!(points.encoded()[0], moved.points.encoded()[0]);
    assert_ne!(points.encoded()[1], moved.points.encoded()[1]);
    let mut acknowledgements = Vec::new();
    for at in 0..NEW.len() {
        let deals = for_receiver(&moved, at);
        acknowledgements.push(take(&mut moved, at, &deals).unwrap());
        // The same again is the same.
        take(&mut moved, at, &deals).unwrap();
    }
    let member = |name: &&str| (named(name), signer(name).public_key());
    let members: Vec<_> = NEW.iter().map(member).collect();
    let complete = |given: &[Signed<Acknowledgement>]| {
        Completed::new(&record(), EPOCH + 1, &points, &members, given)
    };
    let missing = complete(&acknowledgements[..3]).err();
    let hazel = named("c-hazel");
    assert!(matches!(
        missing,
        Some(ReshareError::NotAcknowledged { custodian }) if custodian == hazel
    ));
    let completed = complete(&acknowledgements).unwrap();
    for custodian in &mut moved.old {
        assert_eq!(custodian.retire(&completed).unwrap(), 1);
    }
    for custodian in &mut moved.new {
        let kept = custodian.retire(&completed).unwrap();
        assert_eq!(kept, 0, "what the new epoch holds stays");
    }
    let reader = reader_key(KemSuite::X25519);
    let asked = permitted(0, &moved.points, &reader);
    let gone = moved.old[0].release(&asked, reader.public(), NOON, signs(NAMES[0]));
    assert!(matches!(
        gone,
        Err(CustodianError::Share(ShareError::Erased))
    ));

    let (wanted, sealed) = wanted(&points);
    let wanted = Wanted {
        epoch: EPOCH + 1,
        custodians: members,
        ..wanted
    };
    let answers: Vec<_> = [3, 1]
        .into_iter()
        .map(|at| {
            let asked = Permitted {
                place: place(&NEW, at, EPOCH + 1),
                ..permitted(0, &points, &reader)
            };
            let custodian = &mut moved.new[at];
            custodian
                .release(&asked, reader.public(), NOON, signs(NEW[at]))
                .unwrap()
        })
        .collect();
    let gathered = gather(&wanted, &reader, &answers, &vault_release(6, &reader)).unwrap();
    assert_eq!(
        *gathered.open(&wanted, &sealed).unwrap().0,
        *b"{\"dose\":1.50}"
    );
}

#[test]
fn sub_deals_that_are_missing_mixed_up_or_for_another_are_refused() {
    let mut moved = moved();
    let good = for_receiver(&moved, 1);
    let few = take(&mut moved, 1, &good[..2]);
    assert!(matches!(
        few,
        Err(CustodianError::Reshare(ReshareError::Contributors))
    ));
    let none = take(&mut moved, 1, &[]);
    assert!(matches!(
        none,
        Err(CustodianError::Reshare(ReshareError::Contributors))
    ));
    let mut order = good.clone();
    order.swap(0, 1);
    let order = take(&mut moved, 1, &order);
    assert!(matches!(
        order,
        Err(CustodianError::Reshare(ReshareError::Contributors))
    ));
    let mut others = good.clone();
    others[2] = for_receiver(&moved, 2)[2].clone();
    let others = take(&mut moved, 1, &others);
    assert!(matches!(others, Err(CustodianError::OtherPlace)));
    let mut forged = good;
    forged[0].1 = signer("c-other").public_key();
    let forged = take(&mut moved, 1, &forged);
    assert!(matches!(forged, Err(CustodianError::Signature(_))));
}

fn known() -> Ledger {
    Ledger {
        names: NEW.to_vec(),
        ..ledger(&reader_key(KemSuite::X25519))
    }
}

fn blamed(result: Result<Signed<Acknowledgement>, CustodianError>) -> (String, Evidence) {
    match result {
        Err(CustodianError::Reshare(ReshareError::Unfit {
            custodian,
            evidence: Some(evidence),
        })) => (custodian.to_string(), *evidence),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_contributor_of_a_wrong_sub_share_is_convicted() {
    let mut moved = moved();
    let mut deals = for_receiver(&moved, 1);
    let mut wrong = deals[1].0.says().clone();
    let key = share_key(NEW[1]);
    let sealed = key
        .public()
        .seal(&wrong.terms.context(), &[1; 64], &[2; 32]);
    wrong.sealed = sealed.unwrap();
    deals[1].0 = Signed::new(wrong, signs("c-cedar"));
    let (who, evidence) = blamed(take(&mut moved, 1, &deals));
    assert_eq!(who, "c-cedar");
    let read = Evidence::decode(&evidence.encode()).unwrap();
    let convicted = Convicted {
        who: named("c-cedar"),
        of: Breach::BadSubShare,
    };
    assert_eq!(read.verify(&known()), Ok(convicted));
    let (good, key) = (for_receiver(&moved, 1).remove(1).0, share_key(NEW[1]));
    let lie = Evidence::SubShare(good, Opening::Key(key));
    assert_eq!(lie.verify(&known()), Err(Unconvincing::Right));
}

/// It deals out consistent sub-shares of something that is not its share.
#[test]
fn a_contributor_that_shares_out_another_secret_is_convicted() {
    let mut moved = moved();
    let (record, members, places) = (record(), members(&NEW), contributors());
    let resharing = Resharing {
        record: &record,
        old: &moved.points,
        contributors: &places,
        epoch: EPOCH + 1,
        threshold: 2,
        members: &members,
    };
    let stolen = &shared().1[1];
    let from = place(&NAMES, 2, EPOCH);
    let sub = super::super::reshare::contribute(&resharing, &from, stolen, signs("c-cedar"));
    let mut deals = for_receiver(&moved, 1);
    deals[1].0 = sub.unwrap().remove(1);
    let (who, evidence) = blamed(take(&mut moved, 1, &deals));
    assert_eq!(who, "c-cedar");
    let read = Evidence::decode(&evidence.encode()).unwrap();
    let convicted = Convicted {
        who: named("c-cedar"),
        of: Breach::BadSubPoints,
    };
    assert_eq!(read.verify(&known()), Ok(convicted));
    let good = for_receiver(&moved, 1).remove(1).0;
    let lie = Evidence::SubPoints(good.clone(), moved.points.clone());
    assert_eq!(lie.verify(&known()), Err(Unconvincing::Right));
    let (others, _) = split_with(&secret(), 3, 5, &wide(8)[2..]).unwrap();
    let lie = Evidence::SubPoints(good, others);
    assert_eq!(lie.verify(&known()), Err(Unconvincing::Unrelated));
}
