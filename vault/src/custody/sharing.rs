//! Sharing a key out and putting it together again: Pedersen's verifiable secret sharing over
//! ristretto255 ("Non-Interactive and Information-Theoretic Secure Verifiable Secret Sharing",
//! CRYPTO '91).
//!
//! What always holds: a [`Share`] is two canonical scalars, wiped when dropped and without `Debug`;
//! fewer than k shares and all the points say nothing about the secret; [`combine`] takes only shares
//! that the points bear out, each place once, so what it gives is the secret that was shared out.
//!
//! ```text
//! share of place i = (s_i, t_i) = (sum of a_j i^j, sum of b_j i^j)    scalars, 32 bytes little-endian each
//! it holds if        s_i G + t_i H = C(i)
//! S                = sum of l_i s_i over any k places, l_i = product of j / (j - i) over the others
//! ```

use super::points::{MAX_MEMBERS, MIN_THRESHOLD, Points, ShareIndex, commit};
use crate::secret::{CustodyPart, RandomFailed, random};
use curve25519_dalek::Scalar;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// One custodian's share of a key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Share {
    pub(super) value: Scalar,
    pub(super) blinding: Scalar,
}

/// Why a key was not shared out or put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SharingError {
    /// The key's part is not a scalar.
    #[error(
        "the custodians' part of the key is no canonical scalar; seal the record anew with a part that is drawn for sharing"
    )]
    NotAScalar,
    /// A threshold that no set can have.
    #[error(
        "{threshold} of {members} custodians is no threshold; ask for at least {MIN_THRESHOLD} and at most as many as there are, of up to {MAX_MEMBERS}"
    )]
    Threshold {
        /// How many shall be needed.
        threshold: usize,
        /// How many there are.
        members: usize,
    },
    /// Two shares of one place.
    #[error("place {index} has two shares; give each custodian's once")]
    Repeated {
        /// The place.
        index: ShareIndex,
    },
    /// A share that its place's commitment does not bear out.
    #[error(
        "the share of place {index} does not fit the points on the ledger; leave it out, and keep the message it came in as evidence"
    )]
    Unfit {
        /// The place.
        index: ShareIndex,
    },
    /// Fewer shares than are needed.
    #[error(
        "{found} of the {needed} shares that are needed came; ask the other custodians, or try again later"
    )]
    TooFew {
        /// How many came.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

impl Share {
    /// Bytes of a share: both scalars, little-endian.
    pub const LENGTH: usize = 64;

    /// Reads a share; none if either half is not a canonical scalar.
    #[must_use]
    pub fn decode(bytes: &[u8; Self::LENGTH]) -> Option<Self> {
        let (value, blinding) = bytes.split_first_chunk::<32>()?;
        let scalar = |half: [u8; 32]| Option::from(Scalar::from_canonical_bytes(half));
        Some(Self {
            value: scalar(*value)?,
            blinding: scalar(blinding.try_into().ok()?)?,
        })
    }

    /// Both scalars. Whoever calls this keeps them out of logs, errors and files.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<[u8; Self::LENGTH]> {
        let mut bytes = Zeroizing::new([0; Self::LENGTH]);
        let (value, blinding) = bytes.split_at_mut(32);
        value.copy_from_slice(self.value.as_bytes());
        blinding.copy_from_slice(self.blinding.as_bytes());
        bytes
    }

    /// Whether this is the share of that place under those points.
    #[must_use]
    pub fn fits(&self, index: ShareIndex, points: &Points) -> bool {
        commit(&self.value, &self.blinding) == points.at(index)
    }

    /// Whether this is what was shared out under those points: S and its blinding.
    pub(super) fn is_whole(&self, points: &Points) -> bool {
        commit(&self.value, &self.blinding) == points.secret()
    }

    /// S, of what was shared out.
    pub(super) fn custody_part(&self) -> CustodyPart {
        CustodyPart::new(self.value.to_bytes())
    }
}

/// Two polynomials of one degree, wiped when dropped.
pub(super) struct Polynomials {
    values: Zeroizing<Vec<Scalar>>,
    blindings: Zeroizing<Vec<Scalar>>,
}

impl Polynomials {
    /// Polynomials with `secret` as their constant terms and `wide` as what the other coefficients are
    /// made of, two for each.
    pub(super) fn new(secret: &Share, wide: &[[u8; 64]]) -> Self {
        let (pairs, _) = wide.as_chunks::<2>();
        let drawn = |which: fn(&[[u8; 64]; 2]) -> &[u8; 64], first: &Scalar| {
            let others = pairs
                .iter()
                .map(|pair| Scalar::from_bytes_mod_order_wide(which(pair)));
            Zeroizing::new(std::iter::once(*first).chain(others).collect())
        };
        Self {
            values: drawn(|[value, _]| value, &secret.value),
            blindings: drawn(|[_, blinding]| blinding, &secret.blinding),
        }
    }

    pub(super) fn points(&self) -> Option<Points> {
        let both = self.values.iter().zip(self.blindings.iter());
        Points::of(
            both.map(|(value, blinding)| commit(value, blinding))
                .collect(),
        )
    }

    pub(super) fn share(&self, index: ShareIndex) -> Share {
        let at = index.scalar();
        let evaluated = |coefficients: &[Scalar]| {
            let last_to_first = coefficients.iter().rev();
            last_to_first.fold(Scalar::ZERO, |sum, coefficient| sum * at + coefficient)
        };
        Share {
            value: evaluated(&self.values),
            blinding: evaluated(&self.blindings),
        }
    }
}

/// Random bytes for `count` scalars, wiped when dropped.
pub(super) fn draw(count: usize) -> Result<Zeroizing<Vec<[u8; 64]>>, RandomFailed> {
    let mut wide = Zeroizing::new(Vec::with_capacity(count));
    for _ in 0..count {
        wide.push(random()?);
    }
    Ok(wide)
}

pub(super) fn check_threshold(threshold: usize, members: usize) -> Result<(), SharingError> {
    let sound = (MIN_THRESHOLD..=members).contains(&threshold) && members <= MAX_MEMBERS;
    sound
        .then_some(())
        .ok_or(SharingError::Threshold { threshold, members })
}

/// Shares out a key among `members` custodians, any `threshold` of whom can give it back. The shares
/// are those of places 1, 2 and so on.
///
/// # Errors
/// [`SharingError`] if the part is no scalar, the threshold is none, or there are no random bytes.
pub fn split(
    secret: &CustodyPart,
    threshold: usize,
    members: usize,
) -> Result<(Points, Vec<Share>), SharingError> {
    check_threshold(threshold, members)?;
    split_with(secret, threshold, members, &draw(2 * threshold - 1)?)
}

/// [`split`] with all that is drawn given, for golden bytes: first the secret's blinding, then two for
/// each further coefficient.
pub(super) fn split_with(
    secret: &CustodyPart,
    threshold: usize,
    members: usize,
    drawn: &[[u8; 64]],
) -> Result<(Points, Vec<Share>), SharingError> {
    check_threshold(threshold, members)?;
    let value = Option::from(Scalar::from_canonical_bytes(*secret.expose()));
    let value: Scalar = value.ok_or(SharingError::NotAScalar)?;
    let (first, others) = drawn.split_first().ok_or(RandomFailed)?;
    let blinding = Scalar::from_bytes_mod_order_wide(first);
    let polynomials = Polynomials::new(&Share { value, blinding }, others);
    // That a point is the identity has the odds of guessing a key.
    let points = polynomials.points().ok_or(RandomFailed)?;
    let shares = ShareIndex::all(members).map(|index| polynomials.share(index));
    Ok((points, shares.collect()))
}

/// Puts the key together from any k shares that fit the points; more are looked at, and not needed.
///
/// # Errors
/// [`SharingError::Repeated`], [`SharingError::Unfit`] and [`SharingError::TooFew`].
pub fn combine(
    points: &Points,
    shares: &[(ShareIndex, &Share)],
) -> Result<CustodyPart, SharingError> {
    combine_whole(points, shares).map(|whole| whole.custody_part())
}

/// [`combine`], with the blinding of the first of the points.
pub(super) fn combine_whole(
    points: &Points,
    shares: &[(ShareIndex, &Share)],
) -> Result<Share, SharingError> {
    for (place, (index, share)) in shares.iter().enumerate() {
        if shares.iter().take(place).any(|(other, _)| other == index) {
            return Err(SharingError::Repeated { index: *index });
        }
        if !share.fits(*index, points) {
            return Err(SharingError::Unfit { index: *index });
        }
    }
    let needed = points.threshold();
    let chosen = shares.get(..needed).ok_or(SharingError::TooFew {
        found: shares.len(),
        needed,
    })?;
    let places: Vec<_> = chosen.iter().map(|(index, _)| *index).collect();
    let weighted = |half: fn(&Share) -> &Scalar| {
        let terms = chosen.iter();
        terms
            .map(|(index, share)| weight(*index, &places) * half(share))
            .sum()
    };
    Ok(Share {
        value: weighted(|share| &share.value),
        blinding: weighted(|share| &share.blinding),
    })
}

/// What the share of `index` counts for when those of all `places`, of which it is one, are put
/// together: Lagrange's coefficient at 0. The places differ.
pub(super) fn weight(index: ShareIndex, places: &[ShareIndex]) -> Scalar {
    let others = places.iter().filter(|place| **place != index);
    let (over, under) = others.fold((Scalar::ONE, Scalar::ONE), |(over, under), other| {
        let distance = other.scalar() - index.scalar();
        (over * other.scalar(), under * distance)
    });
    over * under.invert()
}
