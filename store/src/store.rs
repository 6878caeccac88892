//! The store of one node: everything under its home but keys and configuration.

use crate::files::make_folder;
use crate::histories::{Histories, Tagged};
use crate::home::Shared;
use crate::log::LogFolder;
use crate::reader::LogReader;
use crate::view::StoreView;
use crate::{HomeLock, Journal, StoreError, StoredBlock};
use medanchor_ledger::execute::{Executed, View};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::merkle::NodeReader;
use medanchor_ledger::merkle::bundle::BundleId;
use medanchor_ledger::merkle::tile::TileId;
use medanchor_ledger::policy::Policy;
use medanchor_ledger::state::{StateKey, StateMap};
use medanchor_ledger::{EventId, Height, Index, ReadFailed, Size, TreeHash};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How much memory and time the store takes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Pages of the database kept in memory, in bytes.
    pub cache_bytes: usize,
    /// Rows of the state kept in memory, in bytes.
    pub rows_bytes: usize,
    /// A change is in the database after this at the latest.
    pub save_every: Duration,
    /// Or after this many blocks.
    pub save_blocks: u32,
    /// Or when the changes in memory have this many bytes. Deciding waits at twice that.
    pub save_bytes: usize,
    /// A segment of the journal or of the state's rows that has this many bytes gets a successor;
    /// 16 MiB at most.
    pub segment_bytes: u64,
    /// States of the newest heights that are kept in memory, for proofs at these heights.
    pub kept_heights: usize,
    /// Or as many as keep this many bytes alive beside the newest state, by a high estimate.
    pub kept_bytes: usize,
    /// Whether an index for the histories of tags is kept.
    pub histories: bool,
    /// Entries of the log in one file of that index, 65,536 at most; the same for the life of a home.
    pub history_range: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 32 << 20,
            rows_bytes: 8 << 20,
            save_every: Duration::from_secs(1),
            save_blocks: 64,
            save_bytes: 16 << 20,
            segment_bytes: Journal::SEGMENT_BYTES,
            kept_heights: 1000,
            kept_bytes: 96 << 20,
            histories: true,
            history_range: 1 << 14,
        }
    }
}

/// What a replay hands back, or why it could not.
pub type Replayed = Result<Executed, Box<dyn Error + Send + Sync>>;

/// The open store of one home. All methods block and may be called from any thread; those that
/// write wait for the disk.
pub struct Store {
    shared: Arc<Shared>,
    saver: Option<JoinHandle<()>>,
    /// Keeps the index of histories, where there is one.
    indexer: Option<JoinHandle<()>>,
    _lock: HomeLock,
}

impl Store {
    /// Opens the home, or makes it if there is nothing yet. Blocks that are in the journal and not
    /// in the database are handed to `replay`, in order, with the state before them.
    ///
    /// # Errors
    ///
    /// When another process has the home, it belongs to another network, it is damaged, the disk
    /// fails, or a replayed block does not execute to what was decided.
    pub fn open(
        home: &Path,
        genesis: &Genesis,
        options: Options,
        replay: impl FnMut(&StoreView, &StoredBlock) -> Replayed,
    ) -> Result<Self, StoreError> {
        make_folder(home)?;
        Self::open_locked(HomeLock::take(home)?, genesis, options, replay)
    }

    /// As [`Self::open`], of a home whose lock is held already.
    ///
    /// # Errors
    ///
    /// As those of [`Self::open`].
    pub fn open_locked(
        lock: HomeLock,
        genesis: &Genesis,
        options: Options,
        mut replay: impl FnMut(&StoreView, &StoredBlock) -> Replayed,
    ) -> Result<Self, StoreError> {
        let home = lock.home();
        let shared = Arc::new(Shared::open(home, genesis, options)?);
        let running = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("store-saver".to_owned());
        let saver = thread
            .spawn(move || {
                running
                    .recent
                    .run(&running.tables, &running.journal, &running.log)
            })
            .map_err(|error| StoreError::io("start a thread for", home, error))?;
        let mut store = Self {
            shared,
            saver: Some(saver),
            indexer: None,
            _lock: lock,
        };
        store.replay(&mut replay)?;
        store.publish_kept()?;
        store.indexer = store.start_indexer()?;
        Ok(store)
    }

    /// The state after the last decided height.
    #[must_use]
    pub fn view(&self) -> StoreView {
        self.shared.recent.view()
    }

    /// The journal, for undecided bodies and proposals. Decisions go through [`Self::commit`].
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// Decides a block: durable in the journal when this returns, and the state is the one after
    /// it. Then, and only then, may its checkpoint be cosigned.
    ///
    /// # Errors
    ///
    /// When it is not the next height, or cannot be written: stop the node.
    pub fn commit(&self, executed: &Executed, certificate: &[u8]) -> Result<(), StoreError> {
        self.shared.recent.health()?;
        let (height, value) = (executed.seal.height, executed.value_id);
        if height != self.view().head().next_height() {
            let why = "its height is not the one after the last";
            return Err(StoreError::Refused {
                what: "a block",
                why,
            });
        }
        let known = self.shared.journal.has_body(height, &value);
        let body = if known {
            Vec::new()
        } else {
            executed.encode_block()
        };
        self.shared
            .journal
            .decide(height, value, certificate, &body)?;
        self.shared.apply(executed, certificate)
    }

    /// Fails once the disk has failed in the background: stop the node.
    ///
    /// # Errors
    ///
    /// The error that closed the store.
    pub fn health(&self) -> Result<(), StoreError> {
        self.shared.recent.health()
    }

    /// A decided block with its certificate, for a peer that is behind; from the journal, or from
    /// the published files. `None` for height 0 and above the last.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn block(&self, height: Height) -> Result<Option<StoredBlock>, StoreError> {
        if height == Height(0) {
            return Ok(None);
        }
        match self.shared.journal.block(height)? {
            Some(block) => Ok(Some(block)),
            None => self.shared.published_block(&self.view(), height),
        }
    }

    /// The entry at an index.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn entry(&self, index: Index) -> Result<Option<Vec<u8>>, StoreError> {
        self.shared.log.entry(index)
    }

    /// Hands the entries at `places`, which ascend, to `each`, in their order.
    ///
    /// # Errors
    ///
    /// When one of them is not in the log or cannot be read, and what `each` gives.
    pub fn each_entry<E: From<StoreError>>(
        &self,
        places: &[Index],
        each: impl FnMut(Index, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.shared.log.each_entry(places, each)
    }

    /// Where an event stands in the log; ids are kept for ever.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn index_of(&self, id: &EventId) -> Result<Option<Index>, StoreError> {
        self.view().index_of(id)
    }

    /// The tree of the whole log, published or not, for proofs at any size up to the last.
    #[must_use]
    pub fn nodes(&self) -> LogNodes<'_> {
        LogNodes(&self.shared.log)
    }

    /// Publishes a checkpoint that a quorum has cosigned: tiles and bundles first, synced, then the
    /// note. Off the consensus path; the caller decides how often.
    ///
    /// # Errors
    ///
    /// When the size is not that of a decided block at or after the published one, or the disk
    /// fails.
    pub fn publish(&self, size: Size, note: &[u8]) -> Result<(), StoreError> {
        let view = self.view();
        let last = Index(size.0.saturating_sub(1));
        let height = view.height_of(last)?.unwrap_or_default();
        if view.block_range(height)?.map(|(_, end)| end) != Some(size) {
            let why = "no decided block ends at its size";
            return Err(StoreError::Refused {
                what: "a checkpoint",
                why,
            });
        }
        self.shared.log.publish(size, note)?;
        self.shared.kept().publish(height);
        self.shared.marks.published(height)
    }

    /// Replaces the note of the published checkpoint by one of the same checkpoint with further
    /// signatures; false if that is no longer the published size.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn add_to_checkpoint(&self, size: Size, note: &[u8]) -> Result<bool, StoreError> {
        self.shared.log.add_to_checkpoint(size, note)
    }

    /// Keeps the newest checkpoint that outside witnesses cosigned as `log/witnessed`, durably. One
    /// thread at a time.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn keep_witnessed(&self, note: &[u8]) -> Result<(), StoreError> {
        self.shared.log.keep_witnessed(note)
    }

    /// The state after a height, if it is kept ([`Options::kept_heights`]).
    #[must_use]
    pub fn state_at(&self, height: Height) -> Option<StateMap> {
        self.shared.kept().at(height)
    }

    /// The newest kept state that a published checkpoint covers; none before the first checkpoint
    /// since the start.
    #[must_use]
    pub fn newest_published_state(&self) -> Option<(Height, StateMap)> {
        self.shared.kept().newest_published()
    }

    /// The height from which on states are kept.
    #[must_use]
    pub fn oldest_state(&self) -> Option<Height> {
        self.shared.kept().oldest()
    }

    /// Where the events stand that moved the tag whose index the state holds under `key`: up to
    /// `limit` of those below `size`, after the first `skip`. Who makes a history of it makes sure
    /// that they did, which [`medanchor_ledger::rules::tag::moved`] says.
    ///
    /// # Errors
    ///
    /// When the index cannot be read or was not kept.
    pub fn tagged(
        &self,
        key: &StateKey,
        skip: u64,
        limit: usize,
        size: Size,
    ) -> Result<Tagged, StoreError> {
        match &self.shared.histories {
            Some(histories) => histories.tagged(&key.path(), skip, limit, size),
            None => Ok(Tagged::Off),
        }
    }

    /// The size of the published checkpoint; 0 before the first.
    #[must_use]
    pub fn published(&self) -> Size {
        self.shared.log.published()
    }

    /// Remembers that this node is about to hand out a cosignature for the block of a height.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn mark_cosigned(&self, height: Height) -> Result<(), StoreError> {
        self.shared.marks.cosigned(height)
    }

    /// Keeps a cosignature record for `log/cosignatures`. Written with the next checkpoint or save.
    ///
    /// # Errors
    ///
    /// When it is too long to be a record.
    pub fn keep_cosignature(&self, record: &[u8]) -> Result<(), StoreError> {
        self.shared.log.append_cosignature(record)
    }

    /// Keeps a policy file under `log/policies`, durably.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn keep_policy(&self, policy: &Policy) -> Result<(), StoreError> {
        self.shared.log.keep_policy(policy)
    }

    /// The bytes of a tile at any size that was published.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, StoreError> {
        self.shared.log.tile(id)
    }

    /// The bytes of a bundle of entries at any size that was published.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn bundle(&self, id: BundleId) -> Result<Option<Vec<u8>>, StoreError> {
        self.shared.log.bundle(id)
    }

    /// The published folder, as anybody reads it.
    #[must_use]
    pub fn published_log(&self) -> &LogReader {
        self.shared.log.reader()
    }

    /// Saves everything and closes the home.
    ///
    /// # Errors
    ///
    /// When something could not be saved; the journal still has it.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.stop();
        self.health()
    }

    fn stop(&mut self) {
        self.shared.histories.iter().for_each(Histories::stop);
        if let Some(indexer) = self.indexer.take() {
            // One that panicked has said so; the index is computed again.
            let _ = indexer.join();
        }
        self.shared.recent.stop();
        if let Some(saver) = self.saver.take()
            && saver.join().is_err()
        {
            tracing::error!(
                "the saving thread panicked; the journal still has what it did not save"
            );
        }
    }

    /// Finds the published state again after a start.
    fn publish_kept(&self) -> Result<(), StoreError> {
        let Some(last) = self.shared.log.published().0.checked_sub(1) else {
            return Ok(());
        };
        if let Some(height) = self.view().height_of(Index(last))? {
            self.shared.kept().publish(height);
        }
        Ok(())
    }

    fn start_indexer(&self) -> Result<Option<JoinHandle<()>>, StoreError> {
        if self.shared.histories.is_none() {
            return Ok(None);
        }
        let running = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("store-histories".to_owned());
        let spawned = thread.spawn(move || {
            if let Some(histories) = &running.histories {
                histories.run(&running.log, &running.recent);
            }
        });
        let failed = |error| {
            StoreError::io(
                "start a thread for",
                self.shared.log.reader().folder(),
                error,
            )
        };
        spawned.map(Some).map_err(failed)
    }

    fn replay(
        &self,
        replay: &mut impl FnMut(&StoreView, &StoredBlock) -> Replayed,
    ) -> Result<(), StoreError> {
        let tip = self.shared.journal.tip();
        loop {
            let view = self.view();
            let height = view.head().next_height();
            if height > tip {
                break;
            }
            let what = "journal";
            let block = self.shared.journal.block(height)?;
            let block = block.ok_or(StoreError::Contradiction { what })?;
            let executed = replay(&view, &block).map_err(|why| StoreError::Replay {
                height: height.0,
                why: why.to_string(),
            })?;
            drop(view);
            if executed.value_id != block.value {
                return Err(StoreError::Contradiction {
                    what: "journal and state",
                });
            }
            self.shared.apply(&executed, &block.certificate)?;
        }
        if self.shared.log.published() > self.shared.log.head().0 {
            return Err(StoreError::Contradiction {
                what: "published checkpoint",
            });
        }
        self.shared.log.settle(Size(0)).map(drop)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The tree of the log.
#[derive(Clone, Copy)]
pub struct LogNodes<'a>(&'a LogFolder);

impl NodeReader for LogNodes<'_> {
    fn node(&self, level: u8, index: u64) -> Result<TreeHash, ReadFailed> {
        self.0.node(level, index)
    }
}
