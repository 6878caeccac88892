//! Making documents from a published log: a replay by the rules, and the seal's receipt from the tiles.

use super::args::{MakingArgs, SizeArgs};
use super::failure::Failure;
use crate::fault::{self, Fault, Trouble};
use crate::opened::Log;
use crate::progress::Progress;
use crate::replay::Replay;
use crate::state::AuditState;
use crate::trust::{Trust, TrustArgs};
use medanchor_ledger::document::SealProof;
use medanchor_ledger::execute::Executed;
use medanchor_ledger::seal::Seal;
use medanchor_ledger::{Height, Index, ReadFailed, TreeHash};
use medanchor_store::ScratchView;
use medanchor_store::files::sync_folder;
use std::fs::File;
use std::path::Path;

/// A log that was replayed up to a height, and found to be sound.
pub(super) struct Replayed {
    log: Log,
    state: AuditState,
    seal: Seal,
}

impl Replayed {
    /// Replays a log up to a height, or up to its checkpoint, and gives every block to `visit`, height 0
    /// first.
    pub(super) fn of(
        log: Log,
        making: &MakingArgs,
        until: Option<Height>,
        visit: &mut dyn FnMut(&Executed) -> Result<(), fault::Failure>,
    ) -> Result<Self, Failure> {
        // If the system refuses, only a large ledger needs more, and it says so then.
        let _ = medanchor_store::raise_open_files();
        let progress = Progress::new(making.json, log.head().size);
        let options = making.options(until);
        let mut replay = Replay::new(&log, options)?;
        let mut last = None;
        let mut seen = |executed: &Executed, _: &_| {
            last = Some(executed.seal.clone());
            visit(executed)
        };
        replay.run(&mut seen, &|count| progress.entries(count))?;
        let state = replay.finish().state;
        progress.finish();
        let empty = || Fault::FirstSeal;
        let (state, seal) = state
            .zip(last)
            .ok_or_else(|| fault::Failure::from(empty()))?;
        Ok(Self { log, state, seal })
    }

    /// The state after the last height that was replayed.
    pub(super) fn view(&self) -> &ScratchView {
        self.state.view()
    }

    /// That height's seal with its receipt under the log's checkpoint.
    pub(super) fn seal_proof(&self) -> Result<SealProof, Failure> {
        let index = Index(self.seal.first.0.saturating_add(self.seal.count));
        Ok(SealProof {
            seal: self.seal.clone(),
            receipt: self.log.receipt(index)?,
        })
    }

    /// The inclusion proof of an entry under the log's checkpoint.
    pub(super) fn inclusion(&self, index: Index) -> Result<Vec<TreeHash>, Failure> {
        Ok(self.log.inclusion(index)?)
    }

    /// By whom the log's checkpoint is trusted: a document is checked by that before it is handed out.
    pub(super) const fn trust(&self) -> &Trust {
        &self.log.trust
    }

    /// The state that was computed could not be read.
    pub(super) fn unreadable(error: ReadFailed) -> Failure {
        Trouble::Work(error.to_string()).into()
    }
}

/// Opens a published log.
pub(super) fn open(target: &str, trust: &TrustArgs, sizes: &SizeArgs) -> Result<Log, Failure> {
    let (first, last) = sizes.sizes();
    let given = trust.read_within(first, last).map_err(Failure::Trust)?;
    Ok(Log::open(target, &given)?)
}

/// Writes a file aside and renames it, so that one under its final name is whole, and durable when this
/// returns.
pub(super) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let failed = |cause| Failure::Write {
        path: path.display().to_string(),
        cause,
    };
    let mut aside = path.as_os_str().to_owned();
    aside.push(".part");
    let written = File::create(&aside)
        .and_then(|mut file| write(&mut file).and_then(|()| file.sync_data()))
        .and_then(|()| std::fs::rename(&aside, path));
    written.map_err(failed)?;
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let synced = sync_folder(folder.unwrap_or(Path::new(".")));
    synced.map_err(|error| failed(std::io::Error::other(error)))
}
