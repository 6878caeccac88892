//! The sharing's mathematics, held against a plain computation and against `vsss-rs`.

use super::super::points::commit;
use super::super::sharing::weight;
use super::*;
use curve25519_dalek::Scalar;
use curve25519_dalek::ristretto::RistrettoPoint;
use proptest::prelude::*;
use proptest::sample::subsequence;

fn index(number: u8) -> ShareIndex {
    ShareIndex::new(number).unwrap()
}

fn held<'a>(shares: &'a [Share], places: &[usize]) -> Vec<(ShareIndex, &'a Share)> {
    let at = |place: &usize| (index(u8::try_from(*place).unwrap() + 1), &shares[*place]);
    places.iter().map(at).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_k_of_n_give_the_secret_back_and_fewer_do_not(
        seed in any::<[u8; 32]>(),
        (members, threshold) in (2usize..=8).prop_flat_map(|n| (Just(n), 2..=n)),
        order in subsequence((0..8usize).collect::<Vec<_>>(), 8).prop_shuffle(),
    ) {
        let wide: Vec<[u8; 64]> = (0u8..)
            .take(2 * threshold)
            .map(|n| {
                let half = medanchor_ledger::sha256(&[&seed, &[n]]);
                let mut whole = [n; 64];
                whole[..32].copy_from_slice(&half);
                whole
            })
            .collect();
        let secret = CustodyPart::from_wide(&wide[0]);
        let (points, shares) = split_with(&secret, threshold, members, &wide[1..]).unwrap();
        let places: Vec<usize> = order.into_iter().filter(|place| *place < members).collect();
        let back = combine(&points, &held(&shares, &places[..threshold])).unwrap();
        prop_assert_eq!(back.expose(), secret.expose());
        let all = combine(&points, &held(&shares, &places)).unwrap();
        prop_assert_eq!(all.expose(), secret.expose());
        let few = combine(&points, &held(&shares, &places[1..threshold])).err();
        let needed = threshold;
        prop_assert_eq!(few, Some(SharingError::TooFew { found: threshold - 1, needed }));
    }
}

/// Every step once more, from the definition alone: the polynomials, the points and the checks.
#[test]
fn shares_and_points_are_those_of_the_definition() {
    let drawn = wide(5).into_iter();
    let drawn: Vec<_> = drawn
        .map(|bytes| Scalar::from_bytes_mod_order_wide(&bytes))
        .collect();
    let s = Scalar::from_canonical_bytes(*secret().expose()).unwrap();
    let (a, b) = ([s, drawn[1], drawn[3]], [drawn[0], drawn[2], drawn[4]]);
    let h = {
        use sha2::Digest;
        let wide: [u8; 64] = sha2::Sha512::digest(b"medanchor/custody-generator/v1").into();
        RistrettoPoint::from_uniform_bytes(&wide)
    };
    let g = curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
    let (points, shares) = shared();
    for (j, encoded) in points.encoded().iter().enumerate() {
        assert_eq!((a[j] * g + b[j] * h).compress().to_bytes(), *encoded);
    }
    for (share, i) in shares.iter().zip(1u8..) {
        let i = Scalar::from(i);
        assert_eq!(share.value, a[0] + a[1] * i + a[2] * i * i);
        assert_eq!(share.blinding, b[0] + b[1] * i + b[2] * i * i);
    }
}

mod oracle {
    use curve25519_dalek_of_vsss_rs::ristretto::{CompressedRistretto, RistrettoPoint};
    use curve25519_dalek_of_vsss_rs::scalar::Scalar;
    use vsss_rs::{
        IdentifierPrimeField, PedersenVerifierSet, PrimeFieldShare, ReadableShareSet, Share,
        ValueGroup,
    };

    pub(super) type Oracle = PrimeFieldShare<Scalar>;

    pub(super) fn scalar(bytes: &[u8; 32]) -> Scalar {
        Scalar::from_canonical_bytes(*bytes).unwrap()
    }

    pub(super) fn share(place: u8, value: &[u8; 32]) -> Oracle {
        Oracle::with_identifier_and_value(
            IdentifierPrimeField(Scalar::from(place)),
            IdentifierPrimeField(scalar(value)),
        )
    }

    pub(super) fn point(bytes: &[u8; 32]) -> RistrettoPoint {
        CompressedRistretto(*bytes).decompress().unwrap()
    }

    pub(super) fn verifies(
        (g, h): (RistrettoPoint, RistrettoPoint),
        points: &[[u8; 32]],
        value: &Oracle,
        blinding: &Oracle,
    ) -> bool {
        let all = [g, h].into_iter().chain(points.iter().map(point));
        let set: Vec<ValueGroup<RistrettoPoint>> = all.map(ValueGroup).collect();
        set.verify_share_and_blinder(value, blinding).is_ok()
    }

    pub(super) fn combine(shares: &[Oracle]) -> [u8; 32] {
        shares.combine().unwrap().0.to_bytes()
    }
}

/// `vsss-rs`, another implementation over another release of the curve, takes our shares under our
/// points, refuses a changed one, and puts the same secret together.
#[test]
fn another_implementation_agrees() {
    let (points, shares) = shared();
    let g = oracle::point(&commit(&Scalar::ONE, &Scalar::ZERO).compress().to_bytes());
    let h = oracle::point(&commit(&Scalar::ZERO, &Scalar::ONE).compress().to_bytes());
    let mut theirs = Vec::new();
    for (share, place) in shares.iter().zip(1u8..) {
        let value = oracle::share(place, share.value.as_bytes());
        let blinding = oracle::share(place, share.blinding.as_bytes());
        assert!(oracle::verifies(
            (g, h),
            points.encoded(),
            &value,
            &blinding
        ));
        let changed = (share.value + Scalar::ONE).to_bytes();
        let changed = oracle::share(place, &changed);
        assert!(!oracle::verifies(
            (g, h),
            points.encoded(),
            &changed,
            &blinding
        ));
        theirs.push(value);
    }
    assert_eq!(oracle::combine(&theirs[1..4]), *secret().expose());
    let ours = combine(&points, &held(&shares, &[1, 2, 3])).unwrap();
    assert_eq!(ours.expose(), secret().expose());
}

#[test]
fn weights_of_all_places_add_up_to_one() {
    let places: Vec<_> = [2, 5, 16].map(index).to_vec();
    let sum: Scalar = places.iter().map(|place| weight(*place, &places)).sum();
    assert_eq!(sum, Scalar::ONE);
}

#[test]
fn a_share_of_another_place_or_one_bit_off_does_not_fit() {
    let (points, shares) = shared();
    assert!(shares[0].fits(index(1), &points));
    assert!(!shares[0].fits(index(2), &points));
    let mut refused = 0;
    for bit in 0..512 {
        let mut bytes = shares[0].expose();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match Share::decode(&bytes) {
            Some(share) => assert!(!share.fits(index(1), &points), "bit {bit}"),
            None => refused += 1,
        }
    }
    // The four highest bits of each scalar at least make it larger than the order.
    assert!((6..=16).contains(&refused), "{refused}");
    let other = combine(&points, &[(index(1), &shares[0]), (index(2), &shares[2])]);
    assert_eq!(other.err(), Some(SharingError::Unfit { index: index(2) }));
    let twice = combine(&points, &held(&shares, &[0, 1, 0]));
    assert_eq!(
        twice.err(),
        Some(SharingError::Repeated { index: index(1) })
    );
}

#[test]
fn what_is_no_threshold_scalar_place_or_point_is_refused() {
    for (threshold, members) in [(0, 5), (1, 5), (6, 5), (2, 17), (2, 1)] {
        let refused = split(&secret(), threshold, members).err();
        assert_eq!(
            refused,
            Some(SharingError::Threshold { threshold, members })
        );
    }
    let not_canonical = CustodyPart::new([0xff; 32]);
    let refused = split(&not_canonical, 2, 3).err();
    assert_eq!(refused, Some(SharingError::NotAScalar));
    assert!(split(&CustodyPart::shareable().unwrap(), 2, 3).is_ok());
    assert_eq!(ShareIndex::new(0), None);
    assert_eq!(ShareIndex::new(17), None);
    let (points, _) = shared();
    let good = points.encoded();
    assert_eq!(Points::decode(good).as_ref(), Ok(&points));
    let anchored = points.custody(EPOCH).unwrap();
    assert_eq!(Points::of_custody(&anchored).as_ref(), Ok(&points));
    assert!(points.custody(0).is_err());
    let count = |found| Err(PointsError::Count { found });
    assert_eq!(Points::decode(&good[..1]), count(1));
    assert_eq!(Points::decode(&[good[0]; 17]), count(17));
    // The identity, a negative encoding, one above the field's order, and RFC 9496 A.3's first
    // encoding that no point has.
    let no_point = "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371";
    let no_point: [u8; 32] = hex::decode(no_point).unwrap().try_into().unwrap();
    let mut negative = good[1];
    negative[0] ^= 1;
    for bad in [[0; 32], negative, [0xff; 32], no_point] {
        let refused = Points::decode(&[good[0], bad]);
        assert_eq!(refused, Err(PointsError::Point { place: 1 }), "{bad:?}");
    }
}

#[test]
fn points_and_shares_are_frozen() {
    let (points, shares) = shared();
    assert_eq!(
        hex::encode(points.hash().0),
        "7b38b92c082edce713966332d93767a462341ca5317c75f793848e6a2f6f39cb"
    );
    assert_eq!(
        hex::encode(shares[4].expose().as_slice()),
        "4f347acaf1002c3fe5a8706040dd7d1956ce69a6453e06124e042f650ccdf40600bdc8fed1f79f48d3b422915c215cc4b0d278468fc488908591cc654266fd01"
    );
    let h = commit(&Scalar::ZERO, &Scalar::ONE).compress();
    assert_eq!(
        hex::encode(h.to_bytes()),
        "dca660572126cee4ac38a72504985c5a14e6387dc62867dc0df3c70c0aab5c1e"
    );
}
