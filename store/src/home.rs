//! Opening a home: what the database, the files and the journal have is put together, or refused.

use crate::certified::Certified;
use crate::files::make_folder;
use crate::histories::Histories;
use crate::journal::Known;
use crate::kept::Kept;
use crate::log::{LogFolder, LogMark};
use crate::marks::Marks;
use crate::pending::Fresh;
use crate::reader::LogReader;
use crate::saver::{Recent, settled_height};
use crate::snapshot::Snapshot;
use crate::tables::{Batch, HeightRow, Tables};
use crate::view::StoreView;
use crate::{Journal, Options, StoreError, StoredBlock};
use medanchor_ledger::block::Block;
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::event::Event;
use medanchor_ledger::execute::{Executed, Head, execute_genesis};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::policy::PolicyChain;
use medanchor_ledger::seal::Seal;
use medanchor_ledger::state::StateMap;
use medanchor_ledger::{Height, Index, Size};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The parts of an open home, shared with the thread that saves.
pub(crate) struct Shared {
    pub(crate) journal: Journal,
    pub(crate) tables: Tables,
    pub(crate) log: LogFolder,
    pub(crate) marks: Marks,
    pub(crate) recent: Recent,
    /// The states of the newest heights. Locked for microseconds.
    pub(crate) kept: Mutex<Kept>,
    /// None if the options want none.
    pub(crate) histories: Option<Histories>,
}

impl Shared {
    pub(crate) fn open(
        home: &Path,
        genesis: &Genesis,
        options: Options,
    ) -> Result<Self, StoreError> {
        let data = home.join("data");
        make_folder(&data)?;
        let network = genesis.network_id();
        let (tables, mut saved, mut map) = Tables::open(&data, network, options)?;
        if saved.meta("head")?.is_none() {
            (saved, map) = save_genesis(&tables, genesis)?;
        }
        let head = saved_head(&saved)?;
        let mark = saved.meta("log")?.and_then(|bytes| LogMark::decode(&bytes));
        let mark = mark.ok_or(StoreError::Contradiction {
            what: "mark of the log",
        })?;
        let marks = Marks::open(&data.join("marks"))?;
        let known = Known {
            settled: settled_height(&saved, head.height, mark.settled)?,
            protected: head.height.max(marks.highest()),
        };
        let journal = Journal::open(&data.join("journal"), network, known, options.segment_bytes)?;
        let folder = home.join("log");
        let reader = LogReader::new(&folder);
        let certificates = Certified::read(&saved, &reader, &head, &journal, genesis)?;
        let log = LogFolder::open(&folder, genesis.encoded(), mark, certificates)?;
        log.keep_policy(genesis.policy())?;
        log.keep_policy_chain(&PolicyChain::of_genesis(genesis))?;
        if mark.settled == Size(0) {
            log.append(
                Index(0),
                std::iter::once(&*first_executed(genesis)?.seal_entry),
            );
        }
        refill(&log, &saved, &journal, known.settled, &head)?;
        check_state(&data, &log, &head, &map)?;
        let (heights, bytes) = (options.kept_heights, options.kept_bytes);
        let kept = Mutex::new(Kept::new(head.height, map.clone(), heights, bytes));
        let histories = match options.histories {
            true => {
                let size = head.frontier.size();
                let folder = data.join("histories");
                Some(Histories::open(&folder, size, options.history_range)?)
            }
            false => None,
        };
        Ok(Self {
            journal,
            tables,
            log,
            marks,
            recent: Recent::new(head, map, saved, options),
            kept,
            histories,
        })
    }

    /// Brings a block that is durable in the journal into memory: log and state.
    pub(crate) fn apply(&self, executed: &Executed, certificate: &[u8]) -> Result<(), StoreError> {
        let place = self.log.append_certificate(certificate)?;
        self.log.append(executed.seal.first, executed.entries());
        if self.log.head() != (executed.head.frontier.size(), executed.log_root()) {
            return Err(StoreError::Contradiction { what: "log" });
        }
        self.recent.apply(executed, row_of(executed, place))?;
        self.kept().absorb(executed);
        self.histories.iter().for_each(Histories::wake);
        Ok(())
    }

    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block whose journal segment is gone, put together from its entries.
    pub(crate) fn published_block(
        &self,
        view: &StoreView,
        height: Height,
    ) -> Result<Option<StoredBlock>, StoreError> {
        let Some(row) = view.height_row(height)? else {
            return Ok(None);
        };
        let wrong = || StoreError::Contradiction {
            what: "entries of a block",
        };
        let mut entries = self.log.entries(row.first, row.size)?;
        let seal = Seal::decode(&entries.pop().ok_or_else(wrong)?).map_err(|_| wrong())?;
        let events: Result<Vec<_>, _> = entries.iter().map(|entry| Event::decode(entry)).collect();
        let body = Block {
            seal,
            events: events.map_err(|_| wrong())?,
        }
        .encode();
        let certificate = self.log.reader().certificates(row.certificate)?.next();
        let certificate = certificate.ok_or_else(wrong)??;
        let value = Certificate::decode(&certificate)
            .map_err(|_| wrong())?
            .value();
        Ok(Some(StoredBlock {
            height,
            value,
            body,
            certificate,
        }))
    }
}

fn row_of(executed: &Executed, certificate: u64) -> HeightRow {
    HeightRow {
        first: executed.seal.first,
        size: executed.head.frontier.size(),
        certificate,
    }
}

/// Height 0 goes straight into the database: there is nothing to replay it from but genesis.
fn save_genesis(tables: &Tables, genesis: &Genesis) -> Result<(Snapshot, StateMap), StoreError> {
    let executed = first_executed(genesis)?;
    let mut fresh = Fresh::default();
    fresh.absorb(&executed, row_of(&executed, 0));
    let map = executed.map_update.map().clone();
    let (saved, moves) = tables.save(Batch {
        fresh: &fresh,
        map: &map,
        changes: &[Arc::clone(executed.map_update.changes())],
        head: &executed.head.encode(),
        log: &LogMark::default().encode(),
    })?;
    Ok((saved, map.moved(&moves)))
}

fn first_executed(genesis: &Genesis) -> Result<Executed, StoreError> {
    let executed = execute_genesis(genesis);
    executed.map_err(|why| StoreError::Replay {
        height: 0,
        why: why.to_string(),
    })
}

fn saved_head(saved: &Snapshot) -> Result<Head, StoreError> {
    let head = saved
        .meta("head")?
        .and_then(|bytes| Head::decode(&bytes).ok());
    head.ok_or(StoreError::Contradiction {
        what: "head of the state",
    })
}

/// Puts the entries of saved heights that full bundles lack back into memory.
fn refill(
    log: &LogFolder,
    saved: &Snapshot,
    journal: &Journal,
    settled: Height,
    head: &Head,
) -> Result<(), StoreError> {
    let wrong = || StoreError::Contradiction { what: "journal" };
    for height in (settled.0 + 1)..=head.height.0 {
        let block = journal.block(Height(height))?.ok_or_else(wrong)?;
        let row = saved.height(Height(height))?.ok_or_else(wrong)?;
        let Block { seal, events } = Block::decode(&block.body).map_err(|_| wrong())?;
        let seal = seal.encode();
        let entries = events
            .iter()
            .map(Event::encoded)
            .chain(std::iter::once(seal.as_slice()));
        log.append(row.first, entries);
    }
    if log.head() != (head.frontier.size(), head.frontier.root()) {
        return Err(StoreError::Contradiction { what: "log" });
    }
    Ok(())
}

/// Refuses a state that is not the one which the log's last seal names.
fn check_state(
    data: &Path,
    log: &LogFolder,
    head: &Head,
    map: &StateMap,
) -> Result<(), StoreError> {
    let wrong = || StoreError::Contradiction { what: "log" };
    let last = head.frontier.size().0.checked_sub(1).ok_or_else(wrong)?;
    let entry = log.entry(Index(last))?.ok_or_else(wrong)?;
    let seal = Seal::decode(&entry).map_err(|_| wrong())?;
    if (seal.height, seal.state_root) == (head.height, map.root()) {
        return Ok(());
    }
    Err(StoreError::OtherState {
        path: data.to_owned(),
        height: head.height.0,
    })
}
