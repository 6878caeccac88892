//! The release log: every share that a custodian ever released, in order, in an append-only file that
//! is an RFC 9162 tree.
//!
//! What always holds: an entry is on disk before its share leaves; nothing that was logged is changed,
//! and a request is logged once; what a power cut left of an entry that was never finished is cut when
//! the log is opened, and any other damage is refused with its position; whoever holds an earlier size
//! and root finds out if the log is not a continuation of it.
//!
//! The file is a header and entries:
//!
//! | bytes | header (32) | entry (192) |
//! |---|---|---|
//! | 0 | magic `medanchor/rlog/1` (16) | length of the CBOR, 1 byte |
//! | 1.. | | the CBOR, then zeros |
//! | 16..32 | network id | |
//! | 188..192 | | first bytes of SHA-256 of what stands before |
//!
//! An entry is a CBOR array: network id (16 bytes), request's event id (32), owner (text), record (16),
//! version, epoch, place, SHA-256 of the answer (32), time in milliseconds. The tree's leaves are these
//! bytes.

use super::place::{Custodied, epoch, name};
use super::points::ShareIndex;
use crate::seal::RecordVersion;
use crate::torn::unfinished;
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::merkle::{
    NoProof, NodeReader, consistency_proof, inclusion_proof, leaf_hash, root_at,
};
use medanchor_ledger::{
    EventId, Index, NetworkId, ReadFailed, RecordHandle, Size, Time, TreeHash, sha256,
};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"medanchor/rlog/1";
const HEADER: usize = 32;
const FRAME: usize = 192;
const BODY: usize = FRAME - 4;

/// One release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The request's event.
    pub request: EventId,
    /// The record whose share was released.
    pub record: Custodied,
    /// The epoch of the share.
    pub epoch: u32,
    /// Its place in the set.
    pub index: ShareIndex,
    /// SHA-256 of the answer's bytes.
    pub answer: [u8; 32],
    /// When it was first answered.
    pub time: Time,
}

/// Why a release log cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Not such a file.
    #[error("{path} is not a release log of a known format; restore it from its back-up")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to another network.
    #[error("the release log belongs to network {found}; open it with that network's genesis")]
    OtherNetwork {
        /// The network it belongs to.
        found: NetworkId,
    },
    /// An entry is damaged.
    #[error("the release log is damaged at byte {at}; restore it from its back-up")]
    Damaged {
        /// Where the entry begins.
        at: u64,
    },
    /// Entries that were there once are gone or others.
    #[error(
        "the release log no longer has the {size} entries that were anchored; restore the whole file, and release nothing until then"
    )]
    Shrunk {
        /// How many were anchored.
        size: Size,
    },
    /// The entry does not fit its frame.
    #[error("the release cannot be logged: its names are longer than any")]
    Oversize,
    /// The request is logged already.
    #[error("request {request} is logged already; answer it as before")]
    Logged {
        /// The request's event.
        request: EventId,
    },
    /// The operating system refused.
    #[error("the release log could not be used: {0}; check the disk and its permissions")]
    Io(#[from] io::Error),
}

impl Released {
    /// The leaf's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let RecordVersion {
            network,
            record,
            version,
        } = &self.record.record;
        let mut writer = Writer::with_capacity(BODY);
        writer.array(9);
        writer
            .bytes(network.as_bytes())
            .bytes(self.request.as_bytes())
            .text(self.record.owner.as_str())
            .bytes(record.as_bytes())
            .uint(u64::from(*version))
            .uint(u64::from(self.epoch))
            .uint(u64::from(self.index.get()))
            .bytes(&self.answer)
            .uint(self.time.0);
        writer.into_bytes()
    }

    /// Reads a leaf's bytes.
    ///
    /// # Errors
    /// [`CborError`] for anything but what [`Released::encode`] gives.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        reader.array(9..=9)?;
        let network = NetworkId::new(reader.fixed()?);
        let request = EventId::new(reader.fixed()?);
        let owner = name(&mut reader)?;
        let record = RecordHandle::new(reader.fixed()?);
        let range = reader.fault(CborFault::Range);
        let version = reader.narrow()?;
        if version == 0 {
            return Err(range);
        }
        let released = Self {
            request,
            record: Custodied {
                owner,
                record: RecordVersion {
                    network,
                    record,
                    version,
                },
            },
            epoch: epoch(&mut reader)?,
            index: ShareIndex::read(&mut reader)?,
            answer: reader.fixed()?,
            time: Time(reader.uint()?),
        };
        reader.finish()?;
        Ok(released)
    }

    fn frame(&self) -> Option<[u8; FRAME]> {
        let bytes = self.encode();
        let mut frame = [0; FRAME];
        frame[0] = u8::try_from(bytes.len()).ok()?;
        frame
            .get_mut(1..BODY)?
            .get_mut(..bytes.len())?
            .copy_from_slice(&bytes);
        Some(checked(frame))
    }

    fn of_frame(frame: &[u8; FRAME]) -> Option<Self> {
        let body = frame.get(1..)?.get(..usize::from(frame[0]))?;
        let released = Self::decode(body).ok()?;
        (released.frame().as_ref() == Some(frame)).then_some(released)
    }
}

/// The frame with its last four bytes set to the checksum of the others.
fn checked(mut frame: [u8; FRAME]) -> [u8; FRAME] {
    let (body, sum) = frame.split_at_mut(BODY);
    sum.copy_from_slice(&sha256(&[body])[..4]);
    frame
}

/// The hashes of every complete subtree, level by level.
#[derive(Default)]
struct Nodes(Vec<Vec<TreeHash>>);

impl Nodes {
    fn append(&mut self, leaf: TreeHash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.0.len() == level {
                self.0.push(Vec::new());
            }
            let Some(row) = self.0.get_mut(level) else {
                break;
            };
            row.push(hash);
            match row.as_slice() {
                [.., left, right] if row.len() % 2 == 0 => {
                    hash = medanchor_ledger::merkle::node_hash(left, right);
                }
                _ => break,
            }
        }
    }

    fn size(&self) -> Size {
        Size(self.0.first().map_or(0, |leaves| leaves.len() as u64))
    }
}

impl NodeReader for Nodes {
    fn node(&self, level: u8, index: u64) -> Result<TreeHash, ReadFailed> {
        let row = self.0.get(usize::from(level));
        let index = usize::try_from(index).ok();
        let node = row.zip(index).and_then(|(row, index)| row.get(index));
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such node in the release log");
        node.copied().ok_or_else(|| ReadFailed(missing().into()))
    }
}

/// The first entries of a release log, to be read beside whoever goes on writing.
pub struct Snapshot {
    file: File,
    size: Size,
    root: TreeHash,
}

impl Snapshot {
    /// How many releases there were.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// The root over them.
    #[must_use]
    pub const fn root(&self) -> TreeHash {
        self.root
    }

    /// The entries from `first` on, `most` of them at most; none where there is no such place.
    ///
    /// # Errors
    /// [`LogError::Damaged`], [`LogError::Io`].
    pub fn entries(mut self, first: Index, most: u64) -> Result<Vec<Released>, LogError> {
        let until = self.size.0.min(first.0.saturating_add(most));
        // A place that nobody wrote may lie where no file system reaches.
        if first.0 >= until {
            return Ok(Vec::new());
        }
        self.file.seek(SeekFrom::Start(position(first)))?;
        let mut reader = BufReader::with_capacity(1 << 16, self.file);
        let read = |place| {
            let mut frame = [0; FRAME];
            reader.read_exact(&mut frame)?;
            let at = position(Index(place));
            Released::of_frame(&frame).ok_or(LogError::Damaged { at })
        };
        (first.0..until).map(read).collect()
    }
}

/// An open release log.
pub struct ReleaseLog {
    path: PathBuf,
    file: File,
    network: NetworkId,
    nodes: Nodes,
    requests: BTreeMap<EventId, Index>,
}

impl ReleaseLog {
    /// Makes an empty log.
    ///
    /// # Errors
    /// [`LogError::Io`]; an existing file is left as it is.
    pub fn create(path: &Path, network: NetworkId) -> Result<Self, LogError> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create_new(true).open(path)?;
        file.write_all(&[MAGIC.as_slice(), network.as_bytes()].concat())?;
        file.sync_all()?;
        crate::disk::sync_parent(path)?;
        Ok(Self::empty(path, file, network))
    }

    fn empty(path: &Path, file: File, network: NetworkId) -> Self {
        Self {
            path: path.into(),
            file,
            network,
            nodes: Nodes::default(),
            requests: BTreeMap::new(),
        }
    }

    /// Opens a log. `anchored` is a size and root of it that is known from elsewhere, the ledger say.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(
        path: &Path,
        network: NetworkId,
        anchored: Option<(Size, TreeHash)>,
    ) -> Result<Self, LogError> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut header = [0; HEADER];
        let format = || LogError::Format { path: path.into() };
        file.read_exact(&mut header).map_err(|_| format())?;
        let found = header.strip_prefix(MAGIC).ok_or_else(format)?;
        let found = NetworkId::try_from(found).map_err(|_| format())?;
        if found != network {
            return Err(LogError::OtherNetwork { found });
        }
        let mut log = Self::empty(path, file, network);
        log.load()?;
        if let Some((size, root)) = anchored {
            log.continues(size, &root)?;
        }
        Ok(log)
    }

    /// Holds the log against a size and root of it that is known from elsewhere.
    ///
    /// # Errors
    /// [`LogError::Shrunk`] if it does not go on from there.
    pub fn continues(&self, size: Size, root: &TreeHash) -> Result<(), LogError> {
        match self.root_at(size).as_ref() == Some(root) {
            true => Ok(()),
            false => Err(LogError::Shrunk { size }),
        }
    }

    /// The log as it is now, to be read while it goes on.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn snapshot(&self) -> Result<Snapshot, LogError> {
        let size = self.size();
        let lost = || io::Error::new(io::ErrorKind::NotFound, "no root of the release log");
        Ok(Snapshot {
            file: File::open(&self.path)?,
            size,
            root: self.root_at(size).ok_or_else(lost)?,
        })
    }

    fn load(&mut self) -> Result<(), LogError> {
        let length = self.file.metadata()?.len();
        let mut reader = BufReader::with_capacity(1 << 16, self.file.try_clone()?);
        let mut frame = [0; FRAME];
        let (mut at, step) = (HEADER as u64, FRAME as u64);
        while at + step <= length {
            reader.read_exact(&mut frame)?;
            match Released::of_frame(&frame).filter(|released| self.is_new(released)) {
                Some(released) => self.admit(&released),
                None if at + 2 * step > length && unfinished(&frame, at) => break,
                None => return Err(LogError::Damaged { at }),
            }
            at += step;
        }
        if at < length {
            self.file.set_len(at)?;
        }
        // A killed process may not have waited for what it wrote last, and shares leave on the word of it.
        Ok(self.file.sync_all()?)
    }

    fn is_new(&self, released: &Released) -> bool {
        released.record.record.network == self.network
            && !self.requests.contains_key(&released.request)
    }

    fn admit(&mut self, released: &Released) {
        let place = Index(self.nodes.size().0);
        self.requests.insert(released.request, place);
        self.nodes.append(leaf_hash(&released.encode()));
    }

    /// Appends a release; it is on disk when this returns.
    ///
    /// # Errors
    /// [`LogError::Logged`], [`LogError::OtherNetwork`], [`LogError::Io`].
    pub fn append(&mut self, released: &Released) -> Result<Index, LogError> {
        let (request, found) = (released.request, released.record.record.network);
        if found != self.network {
            return Err(LogError::OtherNetwork { found });
        }
        if self.requests.contains_key(&request) {
            return Err(LogError::Logged { request });
        }
        let frame = released.frame().ok_or(LogError::Oversize)?;
        let place = Index(self.nodes.size().0);
        self.file.seek(SeekFrom::Start(position(place)))?;
        self.file.write_all(&frame)?;
        self.file.sync_data()?;
        self.admit(released);
        Ok(place)
    }

    /// What was released against a request, if anything was.
    ///
    /// # Errors
    /// [`LogError::Damaged`], [`LogError::Io`].
    pub fn of_request(&mut self, request: &EventId) -> Result<Option<Released>, LogError> {
        let place = self.requests.get(request).copied();
        place.map(|place| self.entry(place)).transpose()
    }

    /// The entry at a place below the size.
    ///
    /// # Errors
    /// [`LogError::Damaged`], [`LogError::Io`].
    pub fn entry(&mut self, place: Index) -> Result<Released, LogError> {
        let at = position(place);
        let mut frame = [0; FRAME];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut frame)?;
        Released::of_frame(&frame).ok_or(LogError::Damaged { at })
    }

    /// How many releases there are.
    #[must_use]
    pub fn size(&self) -> Size {
        self.nodes.size()
    }

    /// The root over the first `size` entries, if there are so many.
    #[must_use]
    pub fn root_at(&self, size: Size) -> Option<TreeHash> {
        (size <= self.size())
            .then(|| root_at(&self.nodes, size).ok())
            .flatten()
    }

    /// The proof that an entry is among the first `size`.
    ///
    /// # Errors
    /// [`NoProof`] if there is no such entry or size.
    pub fn inclusion(&self, place: Index, size: Size) -> Result<Vec<TreeHash>, NoProof> {
        inclusion_proof(&self.nodes, place, size)
    }

    /// The proof that the first `new` entries begin with the first `old`.
    ///
    /// # Errors
    /// [`NoProof`] if there is none.
    pub fn consistency(&self, old: Size, new: Size) -> Result<Vec<TreeHash>, NoProof> {
        consistency_proof(&self.nodes, old, new)
    }
}

fn position(place: Index) -> u64 {
    let frames = place.0.saturating_mul(FRAME as u64);
    frames.saturating_add(HEADER as u64)
}
