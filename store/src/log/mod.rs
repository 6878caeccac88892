//! The published log of a node: the folder `log/` as files, and the edge that is not in files yet.
//!
//! What always holds:
//!
//! - A file is under its name whole and durable. Tiles and bundles are there before the checkpoint
//!   that needs them; a full one never changes; partial ones stay until the full one is there.
//! - One thread at a time writes to the folder. Whoever appends to the edge or reads never waits
//!   for a disk that syncs.
//!
//! | path | what |
//! |---|---|
//! | `checkpoint` | the signed note of the newest published size |
//! | `witnessed` | the same of the newest size that outside witnesses cosigned, if any did |
//! | `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]` | C2SP tlog-tiles |
//! | `genesis` | the genesis file |
//! | `policies/<hash>` | each policy file under its SHA-256 in hex |
//! | `policy-chain` | which policy stands for which sizes, with the proof of each change |
//! | `certificates` | of each height from 1 on, in order: length (4 bytes, big-endian), certificate |
//! | `cosignatures` | in the order in which they came: length (4 bytes, big-endian), record |

mod batch;
mod cache;
mod edge;
pub(crate) mod records;
mod start;

use crate::StoreError;
use crate::certified::Certified;
use crate::files::{make_folder, read_bounded, sync_folder, write_aside, write_durably};
use crate::reader::LogReader;
use batch::Batch;
use cache::TileCache;
use edge::Edge;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::merkle::NodeReader;
use medanchor_ledger::merkle::bundle::{BundleId, append_entry, read_entries};
use medanchor_ledger::merkle::tile::{TileId, Width};
use medanchor_ledger::policy::{Policy, PolicyChain};
use medanchor_ledger::{Index, ReadFailed, Size, TreeHash};
use records::{RecordFile, framed};
pub(crate) use start::{LogMark, checkpoint_size};
use start::{keep_genesis, remove_folder};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

const MISSING: StoreError = StoreError::Contradiction {
    what: "end of the log",
};

/// The log of one node.
#[derive(Debug)]
pub(crate) struct LogFolder {
    reader: LogReader,
    /// What is not in full files. Locked for microseconds.
    edge: RwLock<Edge>,
    /// Records that are not in files. Locked for microseconds.
    gathered: Mutex<Gathered>,
    /// Owned by whoever writes to the folder, while it does. Locked before the two above.
    files: Mutex<Files>,
    /// The size of `checkpoint`. Locked for microseconds.
    published: RwLock<Size>,
    cache: TileCache,
}

#[derive(Debug)]
struct Gathered {
    certificates: Vec<u8>,
    /// Where records begin that are in their file already, of the next heights.
    certified: VecDeque<u64>,
    /// Where the next certificate's record will begin in its file.
    certificates_end: u64,
    cosignatures: Vec<u8>,
}

#[derive(Debug)]
struct Files {
    /// Entries below are in full files.
    settled: Size,
    certificates: RecordFile,
    cosignatures: RecordFile,
    failed: Option<Arc<StoreError>>,
}

impl LogFolder {
    /// Opens a log whose files are durable up to `mark`. Entries from `mark.settled` on are to be
    /// appended again, and the certificates of all heights after the saved one.
    pub(crate) fn open(
        folder: &Path,
        genesis: &[u8],
        mark: LogMark,
        certified: Certified,
    ) -> Result<Self, StoreError> {
        make_folder(folder)?;
        keep_genesis(&folder.join("genesis"), genesis)?;
        let reader = LogReader::new(folder);
        let edge = Edge::restore(mark.settled, |id| reader.read_tile(id))?;
        let mut certificates = RecordFile::open(folder.join("certificates"))?;
        certificates.cut(certified.saved, certified.end)?;
        let mut cosignatures = RecordFile::open(folder.join("cosignatures"))?;
        let good = |record: &[u8]| Cosignature::decode(record).is_ok();
        cosignatures.cut_bad_tail(mark.cosignatures, Cosignature::MAX_BYTES, good)?;
        sync_folder(folder)?;
        let gathered = Gathered {
            certificates: Vec::new(),
            certified: certified.places,
            certificates_end: certified.end,
            cosignatures: Vec::new(),
        };
        let published = checkpoint_size(&reader)?;
        let settled = mark.settled;
        Ok(Self {
            reader,
            edge: RwLock::new(edge),
            gathered: Mutex::new(gathered),
            files: Mutex::new(Files {
                settled,
                certificates,
                cosignatures,
                failed: None,
            }),
            published: RwLock::new(published),
            cache: TileCache::default(),
        })
    }

    /// Appends the entries of a block that are not in yet (a replayed block may straddle what the
    /// files have).
    pub(crate) fn append<'a>(&self, first: Index, entries: impl Iterator<Item = &'a [u8]>) {
        let mut edge = self.edge.write().unwrap_or_else(PoisonError::into_inner);
        for (index, entry) in (first.0..).zip(entries) {
            if index == edge.size().0 {
                edge.append(entry.into());
            }
        }
    }

    /// Takes the certificate of the next height, unless one was in the file when it was opened; gives
    /// its place there.
    pub(crate) fn append_certificate(&self, certificate: &[u8]) -> Result<u64, StoreError> {
        let framed = framed(certificate)?;
        let mut gathered = self.gathered();
        if let Some(place) = gathered.certified.pop_front() {
            return Ok(place);
        }
        let place = gathered.certificates_end;
        gathered.certificates_end += framed.len() as u64;
        gathered.certificates.extend(framed);
        Ok(place)
    }

    /// Takes a cosignature record; it is in its file once a checkpoint is published or the state is
    /// saved.
    pub(crate) fn append_cosignature(&self, record: &[u8]) -> Result<(), StoreError> {
        let framed = framed(record)?;
        self.gathered().cosignatures.extend(framed);
        Ok(())
    }

    /// The size and root of the log with all entries appended so far.
    pub(crate) fn head(&self) -> (Size, TreeHash) {
        let edge = self.edge();
        (edge.size(), edge.root())
    }

    /// The size of the published checkpoint; 0 before the first.
    pub(crate) fn published(&self) -> Size {
        *self
            .published
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// The entry at `index`, from memory or from its bundle.
    pub(crate) fn entry(&self, index: Index) -> Result<Option<Vec<u8>>, StoreError> {
        {
            let edge = self.edge();
            if index.0 >= edge.base().0 {
                return Ok(edge.entry(index).map(|entry| entry.to_vec()));
            }
        }
        let place = usize::try_from(index.0 % 256).unwrap_or(usize::MAX);
        let Some(id) = full_bundle(index.0 / 256) else {
            return Ok(None);
        };
        self.reader
            .entries(id, |entries| entries.get(place).map(|entry| entry.to_vec()))
    }

    /// Hands the entries at `places`, which ascend, to `each`, in their order. A bundle that has several
    /// of them is read once.
    pub(crate) fn each_entry<E: From<StoreError>>(
        &self,
        places: &[Index],
        mut each: impl FnMut(Index, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for together in places.chunk_by(|one, next| one.0 / 256 == next.0 / 256) {
            let [first, ..] = together else { continue };
            let base = self.edge().base();
            match full_bundle(first.0 / 256).filter(|_| first.0 < base.0) {
                Some(id) => self.reader.entries(id, |entries| {
                    let found = |index: &Index| {
                        let place = usize::try_from(index.0 % 256).unwrap_or(usize::MAX);
                        each(*index, entries.get(place).ok_or(MISSING)?)
                    };
                    together.iter().try_for_each(found)
                })??,
                None => {
                    for index in together {
                        each(*index, &self.entry(*index)?.ok_or(MISSING)?)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The entries from `first` up to `end`, all of which are in the log.
    pub(crate) fn entries(&self, first: Index, end: Size) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut found = Vec::new();
        let mut next = first.0;
        while next < end.0 {
            let base = self.edge().base().0;
            let Some(id) = full_bundle(next / 256).filter(|_| next < base) else {
                found.push(self.entry(Index(next))?.ok_or(MISSING)?);
                next += 1;
                continue;
            };
            let last = end.0.min((next / 256 + 1) * 256);
            let skip = usize::try_from(next % 256).unwrap_or(usize::MAX);
            let take = usize::try_from(last - next).unwrap_or(usize::MAX);
            self.reader.entries(id, |entries| {
                found.extend(
                    entries
                        .iter()
                        .skip(skip)
                        .take(take)
                        .map(|entry| entry.to_vec()),
                );
            })?;
            next = last;
        }
        Ok(found)
    }

    /// The bytes of a tile of the published log; `None` if it has no such tile.
    pub(crate) fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, StoreError> {
        let widest = TileId::at(id.level(), id.index(), self.published());
        if widest.is_none_or(|widest| widest.width() < id.width()) {
            return Ok(None);
        }
        match self.edge_tile(id) {
            Some(bytes) => Ok(Some(bytes)),
            None => Ok(Some(self.reader.read_tile(id)?.encode())),
        }
    }

    /// The bytes of a bundle of the published log; `None` if it has no such bundle.
    pub(crate) fn bundle(&self, id: BundleId) -> Result<Option<Vec<u8>>, StoreError> {
        let widest = BundleId::at(id.index(), self.published());
        if widest.is_none_or(|widest| widest.width() < id.width()) {
            return Ok(None);
        }
        if let Some(bytes) = self.edge_bundle(id)? {
            return Ok(Some(bytes));
        }
        let bytes = self.reader.bundle(id.full())?;
        if id == id.full() {
            return Ok(Some(bytes));
        }
        let what = "bundle of the log";
        let entries = read_entries(id, &bytes);
        bundle_of(
            entries
                .map_err(|_| StoreError::Contradiction { what })?
                .into_iter(),
        )
        .map(Some)
    }

    /// Writes the full bundles and tiles below `size` and the gathered records, durably.
    pub(crate) fn settle(&self, size: Size) -> Result<LogMark, StoreError> {
        self.with_files(|files| {
            self.write_full(files, size)?;
            self.write_records(files)?;
            Ok(LogMark {
                settled: files.settled,
                cosignatures: files.cosignatures.written(),
            })
        })
    }

    /// Publishes the checkpoint `note` of `size` entries: first all files that it needs, then it.
    pub(crate) fn publish(&self, size: Size, note: &[u8]) -> Result<(), StoreError> {
        self.with_files(|files| {
            let before = self.published();
            if size < before || size > self.head().0 {
                let why = "its size is below the published one or beyond the log";
                return Err(StoreError::Refused {
                    what: "a checkpoint",
                    why,
                });
            }
            self.write_full(files, size)?;
            self.write_partial(files, before, size)?;
            self.write_records(files)?;
            let folder = self.reader.folder();
            write_aside(&folder.join("checkpoint"), note)?;
            sync_folder(folder)?;
            *self
                .published
                .write()
                .unwrap_or_else(PoisonError::into_inner) = size;
            self.drop_partials(before, size)
        })
    }

    /// Adds signatures to the published checkpoint: `note` replaces it if it has that size still.
    pub(crate) fn add_to_checkpoint(&self, size: Size, note: &[u8]) -> Result<bool, StoreError> {
        self.with_files(|_| {
            if self.published() != size {
                return Ok(false);
            }
            let folder = self.reader.folder();
            write_aside(&folder.join("checkpoint"), note)?;
            sync_folder(folder)?;
            Ok(true)
        })
    }

    /// Keeps a checkpoint that outside witnesses cosigned. It is a file of its own, so publishing
    /// need not wait for it.
    pub(crate) fn keep_witnessed(&self, note: &[u8]) -> Result<(), StoreError> {
        write_durably(&self.reader.folder().join("witnessed"), note)
    }

    /// Keeps a policy file, durably.
    pub(crate) fn keep_policy(&self, policy: &Policy) -> Result<(), StoreError> {
        self.with_files(|_| {
            let folder = self.reader.folder().join("policies");
            make_folder(&folder)?;
            let path = folder.join(policy.hash().to_string());
            if read_bounded(&path, Policy::MAX_BYTES as u64)?.as_deref() == Some(policy.as_bytes())
            {
                return Ok(());
            }
            write_aside(&path, policy.as_bytes())?;
            sync_folder(&folder)
        })
    }

    /// Keeps the chain of policies, durably, unless a longer one of the same network is there. To be
    /// called before a checkpoint is published that only the chain's last policy accepts.
    pub(crate) fn keep_policy_chain(&self, chain: &PolicyChain) -> Result<(), StoreError> {
        self.with_files(|_| {
            let there = self.reader.policy_chain()?;
            let there = there.map(|bytes| PolicyChain::decode(&bytes)).transpose();
            let folder = self.reader.folder();
            let path = folder.join("policy-chain");
            let there = there.map_err(|_| StoreError::Damaged {
                path: path.clone(),
                position: 0,
                what: "it is no policy chain",
            })?;
            let goes_on = |there: &PolicyChain| {
                there.genesis == chain.genesis
                    && there.first == chain.first
                    && there.links.starts_with(&chain.links)
            };
            if there.as_ref().is_some_and(goes_on) {
                return Ok(());
            }
            write_aside(&path, &chain.encode())?;
            sync_folder(folder)
        })
    }

    /// Runs `work` as the only writer. After an error nobody writes any more.
    fn with_files<T>(
        &self,
        work: impl FnOnce(&mut Files) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = &files.failed {
            return Err(StoreError::Stopped {
                first: Arc::clone(first),
            });
        }
        let result = work(&mut files);
        if let Err(error) = &result
            && !matches!(error, StoreError::Refused { .. })
        {
            files.failed = Some(Arc::new(error.clone()));
        }
        result
    }

    fn write_full(&self, files: &mut Files, size: Size) -> Result<(), StoreError> {
        let (from, to) = (files.settled, Size(size.0 / 256 * 256));
        if to <= from {
            return Ok(());
        }
        let mut batch = Batch::new(self.reader.folder());
        for id in TileId::grown(from, to).filter(|id| id.width() == Width::FULL) {
            batch.write(&id.to_string(), self.edge_tile(id))?;
        }
        for id in BundleId::grown(from, to) {
            batch.write(&id.to_string(), self.edge_bundle(id)?)?;
        }
        batch.sync()?;
        files.settled = to;
        self.edge
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .settle(to);
        Ok(())
    }

    /// The partial tiles and the partial bundle of `size`. Where the full one is there already, it
    /// holds them.
    fn write_partial(&self, files: &Files, from: Size, size: Size) -> Result<(), StoreError> {
        let in_full = |level: u8, index: u64| TileId::at(level, index, files.settled);
        let needed = |level, index, width| {
            width != Width::FULL
                && in_full(level, index).is_none_or(|tile| tile.width() != Width::FULL)
        };
        let mut batch = Batch::new(self.reader.folder());
        for id in TileId::grown(from, size).filter(|id| needed(id.level(), id.index(), id.width()))
        {
            batch.write(&id.to_string(), self.edge_tile(id))?;
        }
        for id in BundleId::grown(from, size).filter(|id| needed(0, id.index(), id.width())) {
            batch.write(&id.to_string(), self.edge_bundle(id)?)?;
        }
        batch.sync()
    }

    fn write_records(&self, files: &mut Files) -> Result<(), StoreError> {
        let (certificates, cosignatures) = {
            let mut gathered = self.gathered();
            (
                std::mem::take(&mut gathered.certificates),
                std::mem::take(&mut gathered.cosignatures),
            )
        };
        files.certificates.append(&certificates)?;
        files.cosignatures.append(&cosignatures)
    }

    /// Drops the partial files of tiles that were partial at `before` and are full at `size`.
    fn drop_partials(&self, before: Size, size: Size) -> Result<(), StoreError> {
        let folder = self.reader.folder();
        let full = |id: &TileId| {
            let start = id
                .index()
                .checked_shl(8 * (u32::from(id.level()) + 1))
                .unwrap_or(u64::MAX);
            id.width() == Width::FULL && start < before.0
        };
        for id in TileId::grown(before, size).filter(full) {
            remove_folder(&folder.join(format!("{id}.p")))?;
            if let Some(bundle) = full_bundle(id.index()).filter(|_| id.level() == 0) {
                remove_folder(&folder.join(format!("{bundle}.p")))?;
            }
        }
        Ok(())
    }

    fn edge_tile(&self, id: TileId) -> Option<Vec<u8>> {
        let edge = self.edge();
        let first = id.index() * 256;
        let places = first..first + u64::from(id.width().get());
        let mut bytes = Vec::with_capacity(256 * 32);
        for place in places {
            bytes.extend(edge.node(id.level() * 8, place)?.as_bytes());
        }
        Some(bytes)
    }

    fn edge_bundle(&self, id: BundleId) -> Result<Option<Vec<u8>>, StoreError> {
        let edge = self.edge();
        let first = id.index() * 256;
        let places = first..first + u64::from(id.width().get());
        let entries: Option<Vec<_>> = places.map(|place| edge.entry(Index(place))).collect();
        entries
            .map(|entries| bundle_of(entries.iter().map(|entry| &**entry)))
            .transpose()
    }

    fn edge(&self) -> RwLockReadGuard<'_, Edge> {
        self.edge.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NodeReader for LogFolder {
    fn node(&self, level: u8, index: u64) -> Result<TreeHash, ReadFailed> {
        if let Some(hash) = self.edge().node(level, index) {
            return Ok(hash);
        }
        let missing = || StoreError::Contradiction {
            what: "tree of the log",
        };
        let row = level % 8;
        let first = index.checked_mul(1 << row).ok_or_else(missing)?;
        let id = TileId::new(level / 8, first / 256, Width::FULL).map_err(|_| missing())?;
        let place = usize::try_from((first % 256) >> row).unwrap_or(usize::MAX);
        let found = self
            .cache
            .node(id, row.into(), place, |id| self.reader.read_tile(id))?;
        Ok(found.ok_or_else(missing)?)
    }
}

fn full_bundle(index: u64) -> Option<BundleId> {
    BundleId::at(index, Size(index.checked_add(1)?.checked_mul(256)?))
}

fn bundle_of<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let refused = |_| StoreError::Refused {
        what: "an entry",
        why: "it is longer than 65535 bytes",
    };
    for entry in entries {
        append_entry(&mut bytes, entry).map_err(refused)?;
    }
    Ok(bytes)
}
