//! Custody: who keeps shares of records' keys, what a record is shared by, and what was released.
//!
//! What always holds: the custodians of a set are 1 to 16, sorted by name, each once; a record's
//! points are 1 to 16, and those of a [`super::Verified`] event are points of the group, none of them
//! zero. Whether set and points fit each other is for the rules to say.

use super::list::ReaderKey;
use super::{Body, BuildError, DecodeError, Subject};
use crate::cbor::{CborFault, Reader, Writer};
use crate::merkle::empty_root;
use crate::{ParticipantName, Size, TlsKeyHash, TreeHash};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::IsIdentity;

/// One custodian of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custodian {
    /// The participant.
    pub name: ParticipantName,
    /// The key that shares are sealed to when a record is sealed.
    pub share_key: ReaderKey,
    /// The key by which its service is known.
    pub tls: TlsKeyHash,
}

/// A set of custodians: any `threshold` of them can give back what a record's key was shared from.
///
/// `[epoch, threshold, [[name, share key, TLS key hash]]]`, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custodians {
    epoch: u32,
    threshold: u16,
    members: Box<[Custodian]>,
}

impl Custodians {
    /// The most custodians of a set.
    pub const MAX: usize = 16;

    /// The custodians of `epoch`, which counts from 1, sorted by name. Whether the threshold fits is
    /// for the rules to say.
    ///
    /// # Errors
    /// [`BuildError`] when there are none or too many, one stands there twice, or the epoch is 0.
    pub fn new(
        epoch: u32,
        threshold: u16,
        mut members: Vec<Custodian>,
    ) -> Result<Self, BuildError> {
        let (max, found) = (Self::MAX, members.len());
        if !(1..=max).contains(&found) {
            return Err(BuildError::Count { max, found });
        }
        members.sort_by(|a, b| a.name.cmp(&b.name));
        if !is_sorted(&members) {
            return Err(BuildError::CustodianTwice);
        }
        if epoch == 0 {
            return Err(BuildError::Epoch);
        }
        Ok(Self {
            epoch,
            threshold,
            members: members.into(),
        })
    }

    /// Which set it is, from 1.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// How many of the custodians it takes.
    #[must_use]
    pub const fn threshold(&self) -> u16 {
        self.threshold
    }

    /// The custodians, in the order of their names: the one at place i (from 1) holds share i.
    #[must_use]
    pub fn members(&self) -> &[Custodian] {
        &self.members
    }

    /// The custodian of that name, and its place from 1.
    #[must_use]
    pub fn find(&self, name: &ParticipantName) -> Option<(u16, &Custodian)> {
        (1..)
            .zip(&self.members)
            .find(|(_, member)| member.name == *name)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.array(3).uint(u64::from(self.epoch));
        writer.uint(u64::from(self.threshold));
        writer.array(self.members.len());
        for member in &self.members {
            writer.array(3).text(member.name.as_str());
            writer.bytes(&member.share_key.encode());
            writer.bytes(member.tls.as_bytes());
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(3..=3)?;
        let (epoch, threshold) = (read_epoch(reader)?, reader.narrow()?);
        let order = reader.fault(CborFault::Order);
        let count = reader.array(1..=Self::MAX)?;
        let members: Result<Box<[_]>, DecodeError> =
            (0..count).map(|_| read_custodian(reader)).collect();
        let members = members?;
        if !is_sorted(&members) {
            return Err(order.into());
        }
        Ok(Self {
            epoch,
            threshold,
            members,
        })
    }
}

fn is_sorted(members: &[Custodian]) -> bool {
    members.is_sorted_by(|a, b| a.name < b.name)
}

fn read_custodian(reader: &mut Reader<'_>) -> Result<Custodian, DecodeError> {
    reader.array(3..=3)?;
    Ok(Custodian {
        name: reader.parsed(ParticipantName::MAX_LENGTH)?,
        share_key: ReaderKey::read(reader)?,
        tls: TlsKeyHash::new(reader.fixed()?),
    })
}

/// Epochs count from 1.
fn read_epoch(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    let range = reader.fault(CborFault::Range);
    match reader.narrow()? {
        0 => Err(range.into()),
        epoch => Ok(epoch),
    }
}

/// One commitment of a Pedersen sharing: a compressed Ristretto point (RFC 9496).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharePoint([u8; 32]);

impl SharePoint {
    /// Wraps the encoding of a point, which is not judged.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The point's encoding.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether it is a point of the group in its one encoding, and not zero.
    fn is_sound(&self) -> bool {
        let found = CompressedRistretto(self.0).decompress();
        found.is_some_and(|point| !point.is_identity())
    }
}

/// By which points a record's key is shared, over the custodians of which epoch.
///
/// `[epoch, [points]]`. There are as many points as custodians are needed; the first commits to what is
/// shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custody {
    epoch: u32,
    points: Box<[SharePoint]>,
}

impl Custody {
    /// Takes 1 to [`Custodians::MAX`] points, for custodians of an epoch from 1.
    ///
    /// # Errors
    /// [`BuildError`] when there are none or too many, one is none, or the epoch is 0.
    pub fn new(epoch: u32, points: Vec<SharePoint>) -> Result<Self, BuildError> {
        let (max, found) = (Custodians::MAX, points.len());
        if !(1..=max).contains(&found) {
            return Err(BuildError::Count { max, found });
        }
        if epoch == 0 {
            return Err(BuildError::Epoch);
        }
        let custody = Self {
            epoch,
            points: points.into(),
        };
        if custody.check() {
            Ok(custody)
        } else {
            Err(BuildError::Points)
        }
    }

    /// The epoch of the custodians.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The points.
    #[must_use]
    pub fn points(&self) -> &[SharePoint] {
        &self.points
    }

    /// The point that commits to what is shared: sharing it anew over others does not change it.
    #[must_use]
    pub fn secret(&self) -> Option<&SharePoint> {
        self.points.first()
    }

    /// Whether each point is one of the group in its one encoding, and none is zero: a zero at the end
    /// would let fewer custodians do than the set says.
    pub(super) fn check(&self) -> bool {
        self.points.iter().all(SharePoint::is_sound)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.array(2).uint(u64::from(self.epoch));
        writer.array(self.points.len());
        for point in &self.points {
            writer.bytes(point.as_bytes());
        }
    }

    pub(crate) fn write_optional(custody: Option<&Self>, writer: &mut Writer) {
        match custody {
            Some(custody) => custody.write(writer),
            None => drop(writer.null()),
        }
    }

    /// Reads what [`Self::write`] gives; the points are not judged.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(2..=2)?;
        let epoch = read_epoch(reader)?;
        let count = reader.array(1..=Custodians::MAX)?;
        let points: Result<Box<[_]>, DecodeError> = (0..count)
            .map(|_| Ok(SharePoint(reader.fixed()?)))
            .collect();
        Ok(Self {
            epoch,
            points: points?,
        })
    }

    pub(crate) fn read_optional(reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        if reader.null() {
            return Ok(None);
        }
        Self::read(reader).map(Some)
    }
}

/// `custody.log`: a custodian says how far its log of releases has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustodyLog {
    /// How many releases it logged.
    pub size: Size,
    /// RFC 9162 root over them; for none, the root of the empty tree.
    pub root: TreeHash,
}

impl Body for CustodyLog {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::single("custody", issuer)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(2);
        writer.key(1).uint(self.size.0);
        writer.key(2).bytes(self.root.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(2)?;
        let size = Size(reader.key(1)?.uint()?);
        let value = reader.key(2)?.fault(CborFault::Value);
        let root = TreeHash::new(reader.fixed()?);
        if size == Size(0) && root != empty_root() {
            return Err(value.into());
        }
        Ok(Self { size, root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::KemSuite;
    use curve25519_dalek::constants::RISTRETTO_BASEPOINT_COMPRESSED;

    fn custodian(name: &str) -> Custodian {
        Custodian {
            name: name.parse().unwrap(),
            share_key: ReaderKey {
                suite: KemSuite::X25519,
                hash: [1; 32],
            },
            tls: TlsKeyHash::new([2; 32]),
        }
    }

    fn encoded(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::new();
        write(&mut writer);
        writer.into_bytes()
    }

    #[test]
    fn a_set_is_sorted_by_name_and_tells_places_from_1() {
        let set = Custodians::new(1, 2, vec![custodian("b"), custodian("a")]).unwrap();
        let names: Vec<_> = set.members().iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let found = set.find(&"b".parse().unwrap());
        assert_eq!(found.map(|(place, _)| place), Some(2));
        assert_eq!(set.find(&"c".parse().unwrap()), None);
        let bytes = encoded(|writer| set.write(writer));
        assert_eq!(Custodians::read(&mut Reader::new(&bytes)), Ok(set));
    }

    #[test]
    fn a_set_of_nobody_of_too_many_or_of_one_twice_is_refused() {
        let count = |found| Err(BuildError::Count { max: 16, found });
        assert_eq!(Custodians::new(1, 2, Vec::new()), count(0));
        let many = (0..17).map(|n| custodian(&format!("c{n}"))).collect();
        assert_eq!(Custodians::new(1, 2, many), count(17));
        let twice = vec![custodian("a"), custodian("a")];
        assert_eq!(
            Custodians::new(1, 2, twice),
            Err(BuildError::CustodianTwice)
        );
        assert_eq!(
            Custodians::new(0, 2, vec![custodian("a")]),
            Err(BuildError::Epoch)
        );
    }

    #[test]
    fn only_points_of_the_group_are_points() {
        let base = SharePoint(RISTRETTO_BASEPOINT_COMPRESSED.to_bytes());
        let custody = Custody::new(1, vec![base; 2]).unwrap();
        assert_eq!(custody.secret(), Some(&base));
        let bytes = encoded(|writer| custody.write(writer));
        assert_eq!(Custody::read(&mut Reader::new(&bytes)), Ok(custody));
        let mut negative = base.0;
        negative[0] ^= 1;
        for wrong in [[0; 32], [0xff; 32], negative] {
            let refused = Custody::new(1, vec![base, SharePoint(wrong)]);
            assert_eq!(refused, Err(BuildError::Points));
        }
        assert_eq!(Custody::new(0, vec![base]), Err(BuildError::Epoch));
        assert!(Custody::new(1, vec![base; 17]).is_err());
        assert!(Custody::new(1, Vec::new()).is_err());
    }

    #[test]
    fn a_log_of_nothing_has_one_root() {
        let log = |size, root| CustodyLog {
            size: Size(size),
            root,
        };
        let read = |log: CustodyLog| {
            let bytes = encoded(|writer| log.write(writer));
            CustodyLog::read(&mut Reader::new(&bytes))
        };
        let empty = log(0, empty_root());
        assert_eq!(read(empty), Ok(empty));
        assert!(read(log(0, TreeHash::new([1; 32]))).is_err());
        let some = log(1, TreeHash::new([1; 32]));
        assert_eq!(read(some), Ok(some));
    }
}
