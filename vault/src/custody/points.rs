//! Points: what the ledger holds of a shared-out key, against which every share is judged.
//!
//! What always holds: a value of [`Points`] has 2 to [`MAX_MEMBERS`] canonically encoded points of
//! ristretto255 and none of them is the identity; they are Pedersen's commitments to the coefficients
//! of two polynomials, so they say nothing about either; nobody knows H's logarithm to the base G.
//!
//! ```text
//! G    = the base point of ristretto255 (RFC 9496)
//! H    = ristretto255's map (RFC 9496 4.3.4) of SHA-512("medanchor/custody-generator/v1")
//! C_j  = a_j G + b_j H      a_0 = S
//! C(i) = sum of i^j C_j     what the share of place i must commit to
//! hash = SHA-256("medanchor/custody-points/v1" || C_0 || ... || C_{k-1})
//! ```

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoBasepointTable, RistrettoPoint};
use curve25519_dalek::traits::Identity;
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::event::{BuildError, Custody, SharePoint};
use medanchor_ledger::sha256;
use sha2::{Digest, Sha512};
use std::fmt;
use std::sync::LazyLock;

use curve25519_dalek::Scalar;

/// The most custodians of a set, and so the most shares of a key.
pub const MAX_MEMBERS: usize = 16;
/// The fewest custodians that can open a record together.
pub const MIN_THRESHOLD: usize = 2;

static BLINDING: LazyLock<RistrettoBasepointTable> = LazyLock::new(|| {
    let wide: [u8; 64] = Sha512::digest(b"medanchor/custody-generator/v1").into();
    RistrettoBasepointTable::create(&RistrettoPoint::from_uniform_bytes(&wide))
});

/// `value G + blinding H`, in constant time.
pub(super) fn commit(value: &Scalar, blinding: &Scalar) -> RistrettoPoint {
    RistrettoPoint::mul_base(value) + &*BLINDING * blinding
}

/// The place of a share among its set's, 1 to [`MAX_MEMBERS`], in the order of the members' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareIndex(u8);

impl ShareIndex {
    /// A place, unless it is 0, where the secret itself would stand, or too high.
    #[must_use]
    pub fn new(index: u8) -> Option<Self> {
        let within = index > 0 && usize::from(index) <= MAX_MEMBERS;
        within.then_some(Self(index))
    }

    /// The places of a set of so many members, in order.
    pub fn all(members: usize) -> impl Iterator<Item = Self> {
        (1u8..).take(members.min(MAX_MEMBERS)).map(Self)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    pub(super) fn scalar(self) -> Scalar {
        Scalar::from(self.0)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        let range = reader.fault(CborFault::Range);
        Self::new(reader.narrow()?).ok_or(range)
    }
}

impl fmt::Display for ShareIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The hash of a record's points, as acknowledgements hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointsHash(pub [u8; 32]);

/// Bytes that are no points of a shared-out key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointsError {
    /// Too few or too many.
    #[error(
        "a shared-out key has {MIN_THRESHOLD} to {MAX_MEMBERS} points, not {found}; take them from the ledger's record"
    )]
    Count {
        /// How many there are.
        found: usize,
    },
    /// One is not the canonical encoding of a point other than the identity.
    #[error(
        "point {place} is not a canonical point of ristretto255; the points are their sealer's fault"
    )]
    Point {
        /// Which one, from 0.
        place: usize,
    },
}

/// The points of one shared-out key. Their number is the threshold k.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Points {
    points: Vec<RistrettoPoint>,
    encoded: Vec<[u8; 32]>,
}

impl Points {
    /// Reads points as the ledger holds them.
    ///
    /// # Errors
    /// [`PointsError`].
    pub fn decode(encoded: &[[u8; 32]]) -> Result<Self, PointsError> {
        if !(MIN_THRESHOLD..=MAX_MEMBERS).contains(&encoded.len()) {
            return Err(PointsError::Count {
                found: encoded.len(),
            });
        }
        let point =
            |(place, bytes): (usize, &[u8; 32])| point(bytes).ok_or(PointsError::Point { place });
        let points = encoded.iter().enumerate().map(point);
        Ok(Self {
            points: points.collect::<Result<_, _>>()?,
            encoded: encoded.to_vec(),
        })
    }

    /// Points that were computed; none if one of them is the identity.
    pub(super) fn of(points: Vec<RistrettoPoint>) -> Option<Self> {
        let encoded = points.iter().map(|point| point.compress().to_bytes());
        let encoded: Vec<_> = encoded.collect();
        let some = points
            .iter()
            .all(|point| *point != RistrettoPoint::identity());
        let counted = (MIN_THRESHOLD..=MAX_MEMBERS).contains(&points.len());
        (some && counted).then_some(Self { points, encoded })
    }

    /// The points that stand in a record's custody on the ledger.
    ///
    /// # Errors
    /// [`PointsError`].
    pub fn of_custody(custody: &Custody) -> Result<Self, PointsError> {
        let points = custody.points().iter();
        Self::decode(&points.map(|point| *point.as_bytes()).collect::<Vec<_>>())
    }

    /// What the ledger is given of the points: they are of the set of that epoch.
    ///
    /// # Errors
    /// [`BuildError::Epoch`] for epoch 0.
    pub fn custody(&self, epoch: u32) -> Result<Custody, BuildError> {
        let points = self.encoded.iter();
        Custody::new(epoch, points.map(|bytes| SharePoint::new(*bytes)).collect())
    }

    /// The points as the ledger holds them.
    #[must_use]
    pub fn encoded(&self) -> &[[u8; 32]] {
        &self.encoded
    }

    /// How many custodians are needed.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.points.len()
    }

    /// What acknowledgements hold of the points.
    #[must_use]
    pub fn hash(&self) -> PointsHash {
        PointsHash(sha256(&[
            b"medanchor/custody-points/v1",
            self.encoded.as_flattened(),
        ]))
    }

    /// What the share of a place must commit to, by Horner's rule. All of it is public.
    pub(super) fn at(&self, index: ShareIndex) -> RistrettoPoint {
        let step = |sum: RistrettoPoint, point: &RistrettoPoint| times(&sum, index.0) + point;
        self.points
            .iter()
            .rev()
            .fold(RistrettoPoint::identity(), step)
    }

    /// The commitment to the secret itself.
    pub(super) fn secret(&self) -> RistrettoPoint {
        self.points
            .first()
            .copied()
            .unwrap_or_else(RistrettoPoint::identity)
    }

    pub(super) fn as_points(&self) -> &[RistrettoPoint] {
        &self.points
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.array(self.encoded.len());
        for point in &self.encoded {
            writer.bytes(point);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        let start = reader.fault(CborFault::Value);
        let count = reader.array(MIN_THRESHOLD..=MAX_MEMBERS)?;
        let encoded = (0..count)
            .map(|_| reader.fixed())
            .collect::<Result<Vec<_>, _>>()?;
        Self::decode(&encoded).map_err(|_| start)
    }
}

fn point(bytes: &[u8; 32]) -> Option<RistrettoPoint> {
    let point = CompressedRistretto(*bytes).decompress()?;
    (point != RistrettoPoint::identity()).then_some(point)
}

/// A small multiple, by doubling and adding.
fn times(point: &RistrettoPoint, factor: u8) -> RistrettoPoint {
    (0..8).rev().fold(RistrettoPoint::identity(), |sum, bit| {
        let doubled = sum + sum;
        match factor >> bit & 1 {
            1 => doubled + point,
            _ => doubled,
        }
    })
}
