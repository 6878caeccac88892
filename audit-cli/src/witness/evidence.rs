//! What a log signed and must not have: kept for whoever is to judge it.
//!
//! Each finding is a folder `evidence/<kind>-<first 8 bytes of the checkpoint's SHA-256>` with
//! `cosigned.note`, the checkpoint that the witness had cosigned, and `offered.txt`, the request as
//! it came. Of each kind only so many are kept, and they are counted apart: anybody can take a good
//! checkpoint and send it with a bad proof, and must not crowd out what convicts. So a checkpoint is
//! kept once, however often and with whatever proofs it comes, and what was not proved is let go
//! when the same checkpoint is cosigned.

use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::sha256;
use medanchor_ledger::witness::Refusal;
use medanchor_store::{StoreError, make_folder, write_durably};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What a finding shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The log signed two roots for one size: the two notes convict it.
    Fork,
    /// A signed checkpoint came with a proof that does not hold. Either the log forked, or whoever
    /// sent it made a bad proof: two consistent trees have a good one, which the log must show.
    Unproved,
}

impl Kind {
    /// How many findings of a kind are kept.
    const fn most(self) -> usize {
        match self {
            Self::Fork => 64,
            Self::Unproved => 16,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Unproved => "unproved",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fork => "a log signed two roots for one size",
            Self::Unproved => "a checkpoint came without a proof that it continues the last one",
        })
    }
}

/// What a request shows, if anything: `next` has trusted signatures, as `last` had.
pub(super) fn kind(
    last: Option<&Checkpoint>,
    next: &Checkpoint,
    verdict: Result<(), Refusal>,
) -> Option<Kind> {
    let last = last?;
    if last.size == next.size && last.root != next.root {
        return Some(Kind::Fork);
    }
    match verdict {
        Err(Refusal::Proof(_)) if last.size < next.size => Some(Kind::Unproved),
        _ => None,
    }
}

/// What became of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is in this folder now.
    New(PathBuf),
    /// The same checkpoint was kept before.
    Known,
    /// So many of its kind are kept that it is not.
    Full(PathBuf),
}

/// Keeps a finding about the checkpoint `offered` durably; `cosigned` is the note of the last one,
/// `request` what came.
pub(super) fn keep(
    log: &Path,
    kind: Kind,
    offered: &Checkpoint,
    cosigned: &[u8],
    request: &[u8],
) -> Result<Kept, StoreError> {
    let folder = log.join("evidence");
    let place = place(&folder, kind, offered);
    if place.join("offered.txt").exists() {
        return Ok(Kept::Known);
    }
    // One that a kill left half written is its own place, not one more.
    if !place.exists() && count(&folder, kind) >= kind.most() {
        return Ok(Kept::Full(folder));
    }
    make_folder(&place)?;
    write_durably(&place.join("cosigned.note"), cosigned)?;
    write_durably(&place.join("offered.txt"), request)?;
    Ok(Kept::New(place))
}

/// Lets go what was kept because this checkpoint came without a proof: it has been cosigned. Says
/// whether there was such a thing.
pub(super) fn let_go(log: &Path, cosigned: &Checkpoint) -> io::Result<bool> {
    let place = place(&log.join("evidence"), Kind::Unproved, cosigned);
    match std::fs::remove_dir_all(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// Where a finding is kept: origin, size and root decide it, and no byte that its sender chose.
fn place(folder: &Path, kind: Kind, offered: &Checkpoint) -> PathBuf {
    let digest = sha256(&[offered.to_string().as_bytes()]);
    let id = hex::encode(digest.first_chunk::<8>().unwrap_or(&[0; 8]));
    folder.join(format!("{}-{id}", kind.word()))
}

fn count(folder: &Path, kind: Kind) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(kind.word())).count()
}
