//! Whatever a message says is part of what its sealed part opens under: with any of it changed, and
//! signed anew by the right signer, nothing opens.

use super::*;

fn other_records() -> Vec<Custodied> {
    let mut all = vec![record(); 4];
    all[0].owner = named("south-hospital");
    all[1].record.network = NetworkId::new([9; 16]);
    all[2].record.record = RecordHandle::new([9; 16]);
    all[3].record.version = 4;
    all
}

fn other_places() -> Vec<Place> {
    let mut all = vec![place(&NAMES, 1, EPOCH); 3];
    all[0].custodian = named("c-other");
    all[1].epoch += 1;
    all[2].index = ShareIndex::new(3).unwrap();
    all
}

fn other_points() -> Points {
    split_with(&secret(), 3, 5, &wide(8)[2..]).unwrap().0
}

#[test]
fn a_deal_opens_as_what_it_says_only() {
    let key = share_key(NAMES[1]);
    let good = dealt().1.remove(1).says().clone();
    assert!(good.open(&key).is_ok());
    let records = other_records().into_iter().map(|record| Deal {
        record,
        ..good.clone()
    });
    let places = other_places().into_iter().map(|place| Deal {
        place,
        ..good.clone()
    });
    let points = Deal {
        points: other_points(),
        ..good.clone()
    };
    for deal in records.chain(places).chain([points]) {
        assert!(deal.open(&key).is_err(), "{deal:?}");
    }
}

#[test]
fn a_release_opens_as_what_it_says_only() {
    for suite in [KemSuite::X25519, KemSuite::XWing] {
        let reader = reader_key(suite);
        let good = release(1, &shared().1[1], &reader).says().clone();
        assert!(good.open(&reader).is_ok());
        let records = other_records().into_iter().map(|record| Release {
            record,
            ..good.clone()
        });
        let places = other_places().into_iter().map(|place| Release {
            place,
            ..good.clone()
        });
        let request = Release {
            request: EventId::new([8; 32]),
            ..good.clone()
        };
        for release in records.chain(places).chain([request]) {
            assert!(release.open(&reader).is_err(), "{release:?}");
        }
    }
}

#[test]
fn a_vault_release_opens_as_what_it_says_only() {
    let reader = reader_key(KemSuite::XWing);
    let good = vault_release(6, &reader).says().clone();
    assert!(good.open(&reader).is_ok());
    let records = other_records().into_iter().map(|record| VaultRelease {
        record,
        ..good.clone()
    });
    let request = VaultRelease {
        request: EventId::new([8; 32]),
        ..good.clone()
    };
    for release in records.chain([request]) {
        assert!(release.open(&reader).is_err(), "{release:?}");
    }
}

#[test]
fn a_sub_deal_opens_as_what_it_says_only() {
    let key = share_key(NAMES[1]);
    let good = super::vectors::sub_deal().says().clone();
    assert!(good.open(&key).is_ok());
    let from = other_places().into_iter().map(|from| SubTerms {
        from,
        ..good.terms.clone()
    });
    let to = other_places().into_iter().map(|mut to| {
        to.epoch += 7; // none is the place it is for
        SubTerms {
            to,
            ..good.terms.clone()
        }
    });
    let records = other_records().into_iter().map(|record| SubTerms {
        record,
        ..good.terms.clone()
    });
    let mut rest = vec![good.terms.clone(); 3];
    rest[0].old = other_points().hash();
    rest[1].contributors.pop();
    rest[2].points = other_points();
    for terms in from.chain(to).chain(records).chain(rest) {
        let changed = SubDeal {
            terms,
            sealed: good.sealed.clone(),
        };
        assert!(changed.open(&key).is_err(), "{changed:?}");
    }
}

/// Shares of two epochs, or of two dealings, do not add up.
#[test]
fn shares_of_another_dealing_are_not_put_together() {
    let (points, shares) = shared();
    let (_, others) = split_with(&secret(), 3, 5, &wide(8)[2..]).unwrap();
    let place = |number| ShareIndex::new(number).unwrap();
    let mixed = [
        (place(1), &shares[0]),
        (place(2), &shares[1]),
        (place(3), &others[2]),
    ];
    let refused = combine(&points, &mixed).err();
    assert_eq!(refused, Some(SharingError::Unfit { index: place(3) }));
}
