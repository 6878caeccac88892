//! Replays a log by the rules, block by block, up to its checkpoint or up to a height.
//!
//! What always holds: a visitor sees a block only after its signatures, its certificate and its
//! execution were found to hold, in the log's order, height 0 first. What it gathered counts only if
//! the replay ends well: the tiles above the entries are judged last. A replay that stops at a height
//! proves, by the tiles' consistency proof, that the checkpoint's log goes on from there.

use crate::fault::{Failure, Fault, Trouble};
use crate::judge::{Counts, Judge};
use crate::opened::Log;
use crate::pipeline;
use crate::prepare::FirstKeys;
use crate::records::Certificates;
use crate::state::{AuditState, Room};
use crate::tiles::CheckedTiles;
use medanchor_ledger::Height;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::execute::{Executed, View};
use medanchor_ledger::merkle::tile::TileNodes;
use medanchor_ledger::merkle::{NoProof, consistency_proof, verify_consistency};
use medanchor_store::ScratchView;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread::available_parallelism;

/// How to replay.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The folder for the state; a temporary one if none is given.
    pub(crate) work: Option<PathBuf>,
    /// Megabytes of changes to the state in memory.
    pub(crate) memory: usize,
    /// Threads that hash, and as many that check signatures; one a core if none is given.
    pub(crate) threads: Option<usize>,
    /// The last height to replay; none for all up to the checkpoint.
    pub(crate) until: Option<Height>,
}

impl Options {
    /// How many threads hash, and how many check signatures.
    pub(crate) fn workers(&self) -> usize {
        self.threads
            .unwrap_or_else(|| available_parallelism().map_or(1, Into::into))
    }
}

/// A replay, which keeps what it found also where it fails.
pub(crate) struct Replay<'l> {
    log: &'l Log,
    options: Options,
    judge: Judge<'l>,
}

/// What a replay leaves.
pub(crate) struct Replayed {
    pub(crate) counts: Counts,
    /// The state after the last block that holds; none if there is none.
    pub(crate) state: Option<AuditState>,
    /// What follows the last height in the file of certificates.
    pub(crate) certificates: Certificates,
}

impl<'l> Replay<'l> {
    /// A replay of a log from its first entry on; nothing is read yet.
    pub(crate) fn new(log: &'l Log, options: Options) -> Result<Self, Failure> {
        let room = Room {
            work: options.work.clone(),
            memory: options.memory.saturating_mul(1 << 20),
        };
        let certificates = Certificates::open(&*log.source)?;
        Ok(Self {
            log,
            options,
            judge: Judge::new(&log.genesis, room, certificates),
        })
    }

    /// Replays, and gives every block that holds to `visit`, with the state after it, height 0 first.
    /// `tick` is told how many entries were judged.
    pub(crate) fn run(
        &mut self,
        visit: &mut dyn FnMut(&Executed, &ScratchView) -> Result<(), Failure>,
        tick: &dyn Fn(u64),
    ) -> Result<(), Failure> {
        let keys = FirstKeys::of(&self.log.genesis);
        let (judge, until) = (&mut self.judge, self.options.until);
        let (source, head, workers) = (&*self.log.source, self.log.head(), self.options.workers());
        pipeline::run(source, head, &keys, workers, |window| {
            for block in window {
                let block = block?;
                let last = until.is_some_and(|until| block.height >= until);
                let executed = judge.judge(block)?;
                let state = judge.state().ok_or(Trouble::Panicked)?;
                visit(&executed, state.view())?;
                if last {
                    return Ok(ControlFlow::Break(()));
                }
            }
            tick(judge.state().map_or(0, entries));
            Ok(ControlFlow::Continue(()))
        })?;
        self.reached()
    }

    /// Holds the height at which the replay stopped against the checkpoint.
    fn reached(&self) -> Result<(), Failure> {
        let (Some(state), Some(wanted)) = (self.judge.state(), self.options.until) else {
            return Ok(());
        };
        let head = state.view().head();
        if head.height < wanted {
            let last = head.height;
            return Err(Trouble::Beyond { wanted, last }.into());
        }
        let (size, root) = (head.frontier.size(), head.frontier.root());
        let Checkpoint {
            size: signed,
            root: signed_root,
            ..
        } = self.log.head();
        let tiles = TileNodes::new(CheckedTiles::new(&*self.log.source), *signed);
        let proof = match consistency_proof(&tiles, size, *signed) {
            Ok(proof) => proof,
            Err(NoProof::Read(error)) => return Err(crate::tiles::unreadable(&error).into()),
            Err(_) => return Err(Fault::Root { size: *signed }.into()),
        };
        verify_consistency(size, &root, *signed, signed_root, &proof)
            .map_err(|_| Fault::Root { size: *signed }.into())
    }

    /// What was found so far.
    pub(crate) fn finish(self) -> Replayed {
        self.judge.finish()
    }
}

fn entries(state: &AuditState) -> u64 {
    state.view().head().frontier.size().0
}
