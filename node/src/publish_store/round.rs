//! One round: everything that the newest checkpoint needs, then the checkpoint.
//!
//! What always holds: the order of the module above; full tiles that are in the store are not pushed
//! again by this process; a round that fails leaves nothing behind that a later one must undo.

use super::PushError;
use super::objects::{Objects, conflict};
use super::target::Target;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::merkle::bundle::{BundleId, append_entry};
use medanchor_ledger::merkle::root_at;
use medanchor_ledger::merkle::tile::{TileId, TileNodes, Width};
use medanchor_ledger::note::KeyName;
use medanchor_ledger::note::Note;
use medanchor_ledger::{PolicyHash, ReadFailed, Size};
use medanchor_store::{LogReader, StoreError};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Objects that are pushed at once.
const AT_ONCE: usize = 8;
/// Entries whose full tiles are pushed before it is noted that they are there.
const STEP: u64 = 256 * 256;
/// The files that only grow. A store cannot append, so each round writes them whole.
const RECORDS: [&str; 2] = ["certificates", "cosignatures"];

/// The log in the store, as far as this process knows it.
pub struct Copy {
    objects: Objects,
    log: LogReader,
    origin: KeyName,
    /// Bytes of records that may be pushed in a second, on average.
    record_bytes_per_second: u64,
    /// The size of the store's checkpoint; none until it was read.
    pushed: Option<Size>,
    /// Full tiles and bundles of the entries below are in the store.
    full: Size,
    policies: BTreeSet<PolicyHash>,
    /// Names below which only partial tiles are that nobody needs any more.
    litter: Vec<String>,
    /// Bytes of records in the last round.
    record_bytes: u64,
}

/// A file of a tile or a bundle.
#[derive(Clone, Copy, Debug)]
enum Piece {
    Tile(TileId),
    Bundle(BundleId),
}

impl Copy {
    /// The copy of the log in `log_folder` at `target`; the store is not asked anything yet.
    #[must_use]
    pub fn new(
        target: Target,
        log_folder: &Path,
        origin: KeyName,
        record_bytes_per_second: u64,
    ) -> Self {
        Self {
            objects: Objects::new(target),
            log: LogReader::new(log_folder),
            origin,
            record_bytes_per_second,
            pushed: None,
            full: Size(0),
            policies: BTreeSet::new(),
            litter: Vec::new(),
            record_bytes: 0,
        }
    }

    /// How long to rest after a round so that writing the records again and again stays within its
    /// bound.
    #[must_use]
    pub fn rest(&self) -> Duration {
        let rate = self.record_bytes_per_second.max(1);
        Duration::from_millis(self.record_bytes.saturating_mul(1_000) / rate)
    }

    /// Pushes the newest checkpoint and all that it needs; gives the size of the store's.
    ///
    /// # Errors
    /// Why it is not there; the next round goes on from what is.
    pub async fn round(&mut self) -> Result<Size, PushError> {
        // Read first, so that it is of no larger size than the checkpoint whose tiles are pushed.
        let witnessed = self.log.witnessed()?;
        let Some(note) = self.log.checkpoint()? else {
            return Ok(Size(0));
        };
        let size = self.size_of(&note)?;
        let before = match self.pushed {
            Some(before) => before,
            None => self.meet(size).await?,
        };
        // A home that was restored is behind the store until it has caught up.
        if size < before {
            return Ok(before);
        }
        self.pushed = Some(before);
        if size > before {
            self.push(before, size, note).await?;
            self.pushed = Some(size);
            if let Some(witnessed) = witnessed {
                self.objects.write("witnessed", witnessed.into()).await?;
            }
        }
        self.tidy().await?;
        Ok(size)
    }

    async fn push(&mut self, before: Size, size: Size, note: Vec<u8>) -> Result<(), PushError> {
        self.push_policies().await?;
        self.push_full(size).await?;
        let partial = pieces(before, size).filter(|piece| !piece.is_full());
        self.push_all(partial.collect()).await?;
        self.record_bytes = 0;
        for name in RECORDS {
            self.record_bytes += self.push_records(name).await?;
        }
        if let Some(chain) = self.log.policy_chain()? {
            self.objects.write("policy-chain", chain.into()).await?;
        }
        self.objects.write("checkpoint", note.into()).await?;
        let grown_full = pieces(before, size).filter(|piece| piece.is_full());
        let had_partial = grown_full.filter(|piece| piece.began_before(before));
        self.litter
            .extend(had_partial.map(|piece| format!("{}.p", piece.name())));
        Ok(())
    }

    /// Finds out what the store has: nothing, or this log up to some size.
    async fn meet(&mut self, size: Size) -> Result<Size, PushError> {
        let Some(genesis) = self.log.genesis()? else {
            let path = self.log.folder().join("genesis");
            let what = "a file of the log";
            return Err(StoreError::Missing { path, what }.into());
        };
        let genesis = Bytes::from(genesis);
        self.objects.write_once("genesis", genesis.clone()).await?;
        self.objects.learn("genesis", genesis).await?;
        let found = self
            .objects
            .read("checkpoint", Note::MAX_BYTES as u64)
            .await?;
        let Some(found) = found else {
            return Ok(Size(0));
        };
        let theirs = checkpoint(&found).ok_or_else(|| conflict("checkpoint"))?;
        if theirs.origin != self.origin {
            return Err(conflict("checkpoint"));
        }
        if theirs.size <= size {
            let (log, head) = (self.log.clone(), theirs.clone());
            if !blocking(move || is_of(&log, size, &head)).await?? {
                return Err(conflict("checkpoint"));
            }
        }
        self.full = Size(theirs.size.0 / 256 * 256);
        Ok(theirs.size)
    }

    /// The size of the node's own checkpoint.
    fn size_of(&self, note: &[u8]) -> Result<Size, PushError> {
        let damaged = || {
            let path = self.log.folder().join("checkpoint");
            let what = "it is no checkpoint";
            StoreError::Damaged {
                path,
                position: 0,
                what,
            }
        };
        Ok(checkpoint(note).ok_or_else(damaged)?.size)
    }

    async fn push_policies(&mut self) -> Result<(), PushError> {
        let folder = self.log.folder().join("policies");
        let failed = |source| PushError::File {
            path: folder.clone(),
            source,
        };
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            // What has another name is being written aside.
            let Some(hash) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if self.policies.contains(&hash) {
                continue;
            }
            if let Some(policy) = self.log.policy(&hash)? {
                let name = format!("policies/{hash}");
                self.objects.write_once(&name, policy.into()).await?;
                self.policies.insert(hash);
            }
        }
        Ok(())
    }

    /// The full tiles and bundles below `size`, some at a time, so that a round that fails does not
    /// begin at the first of a long log again.
    async fn push_full(&mut self, size: Size) -> Result<(), PushError> {
        while self.full < size {
            let next = Size(size.0.min((self.full.0 / STEP + 1).saturating_mul(STEP)));
            let full = pieces(self.full, next).filter(Piece::is_full);
            self.push_all(full.collect()).await?;
            self.full = next;
        }
        self.full = Size(size.0 / 256 * 256);
        Ok(())
    }

    async fn push_all(&self, pieces: Vec<Piece>) -> Result<(), PushError> {
        let push = |piece: Piece| async move {
            let log = self.log.clone();
            let bytes = blocking(move || piece.read(&log)).await??;
            self.objects.write_once(&piece.name(), bytes.into()).await
        };
        let pushed = stream::iter(pieces.into_iter().map(push)).buffer_unordered(AT_ONCE);
        pushed.try_collect().await
    }

    /// Pushes a file that only grows, as long as it is now: what the checkpoint needs of it was there
    /// before the checkpoint was.
    async fn push_records(&self, name: &str) -> Result<u64, PushError> {
        let path = self.log.folder().join(name);
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, file) = opened.map_err(|source| PushError::File { path, source })?;
        self.objects.write_grown(name, file, length).await?;
        Ok(length)
    }

    /// Deletes partial tiles that full ones have replaced.
    async fn tidy(&mut self) -> Result<(), PushError> {
        while let Some(name) = self.litter.last() {
            self.objects.delete_below(name).await?;
            self.litter.pop();
        }
        Ok(())
    }
}

/// The tiles and bundles that a log of `new` entries has and one of `old` entries had not.
fn pieces(old: Size, new: Size) -> impl Iterator<Item = Piece> {
    let tiles = TileId::grown(old, new).map(Piece::Tile);
    tiles.chain(BundleId::grown(old, new).map(Piece::Bundle))
}

impl Piece {
    fn is_full(&self) -> bool {
        let width = match self {
            Self::Tile(tile) => tile.width(),
            Self::Bundle(bundle) => bundle.width(),
        };
        width == Width::FULL
    }

    fn name(&self) -> String {
        match self {
            Self::Tile(tile) => tile.to_string(),
            Self::Bundle(bundle) => bundle.to_string(),
        }
    }

    /// Whether a log of `size` entries had a part of it.
    fn began_before(&self, size: Size) -> bool {
        let (level, index) = match self {
            Self::Tile(tile) => (tile.level(), tile.index()),
            Self::Bundle(bundle) => (0, bundle.index()),
        };
        TileId::at(level, index, size).is_some()
    }

    /// The bytes, of this width even where the folder has the full one already.
    fn read(&self, log: &LogReader) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Tile(tile) => Ok(log.read_tile(*tile)?.encode()),
            Self::Bundle(bundle) => log.entries(*bundle, |entries| {
                let mut bytes = Vec::new();
                for entry in entries {
                    // An entry that was in a bundle fits into one.
                    let _ = append_entry(&mut bytes, entry);
                }
                bytes
            }),
        }
    }
}

fn checkpoint(note: &[u8]) -> Option<Checkpoint> {
    Note::parse(note).ok()?.text().parse().ok()
}

/// Whether a checkpoint that the store has is one of this log, which has `size` entries: no fewer.
fn is_of(log: &LogReader, size: Size, theirs: &Checkpoint) -> Result<bool, ReadFailed> {
    // The folder has the partial tiles of its own size, and perhaps not those of theirs.
    let nodes = TileNodes::new(log.clone(), size);
    Ok(root_at(&nodes, theirs.size)? == theirs.root)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PushError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| PushError::Config("a task of the publisher panicked; tell the authors".into()))
}
