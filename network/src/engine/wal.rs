//! Looks at the write-ahead log before the engine opens it (ENGINE rule 11).
//!
//! What always holds: a torn tail (the last record cut short, or not what its checksum says) is cut,
//! because it was never synced and so the vote in it was never sent; damage before the last record
//! is refused with its position, since the engine would cut there and might then sign twice; so is
//! a log that is ahead of the journal, which is what a home restored from a back-up looks like.

use crate::wal_file::HEAD_BYTES;
use arc_malachitebft_app_channel::app::wal::Log;
use medanchor_ledger::Height;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

const RECORD_HEAD_BYTES: u64 = 1 + 8 + 4;
/// Far more than a record can have: votes, proposals and polkas of 100 validators.
const MAX_RECORD_BYTES: u64 = 64 * 1024;

/// A write-ahead log that must not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalFault {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A record inside it is not what was written.
    #[error(
        "it is damaged at byte {position}, inside: this node may have voted what it cannot remember"
    )]
    Damaged {
        /// Where the damaged record begins.
        position: u64,
    },
    /// It holds votes of a height that the journal has not reached.
    #[error(
        "it holds votes of height {wal} while the journal goes on at {journal}: the home was restored from a back-up, and voting again could sign twice"
    )]
    Ahead {
        /// The log's height.
        wal: Height,
        /// The next height of the journal.
        journal: Height,
    },
}

/// Cuts a torn tail and refuses damage; a file that does not exist is fine. Answers with the height
/// whose votes the log holds, if it holds any.
///
/// # Errors
/// [`WalFault`]; the file is unchanged then.
pub fn inspect(path: &Path) -> Result<Option<Height>, WalFault> {
    if !path.try_exists()? {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    if length < HEAD_BYTES {
        // Torn while it was made: no vote can have been sent.
        cut(path, 0)?;
        return Ok(None);
    }
    let records = records(&mut file, length)?;
    let whole = records.last().map_or(HEAD_BYTES, |(_, end)| *end);
    if whole < length {
        cut(path, whole)?;
    }
    check_sums(path, &records)
}

/// The (start, end) of each record that is whole.
fn records(file: &mut File, length: u64) -> Result<Vec<(u64, u64)>, WalFault> {
    let mut records = Vec::new();
    let mut start = HEAD_BYTES;
    while length.saturating_sub(start) >= RECORD_HEAD_BYTES {
        file.seek(SeekFrom::Start(start + 1))?;
        let mut size = [0; 8];
        file.read_exact(&mut size)?;
        let size = u64::from_be_bytes(size);
        if size > MAX_RECORD_BYTES {
            return Err(WalFault::Damaged { position: start });
        }
        let end = start + RECORD_HEAD_BYTES + size;
        if end > length {
            break;
        }
        records.push((start, end));
        start = end;
    }
    Ok(records)
}

fn check_sums(path: &Path, records: &[(u64, u64)]) -> Result<Option<Height>, WalFault> {
    if records.is_empty() {
        return Ok(None);
    }
    // Holds the file until it is dropped.
    let mut log = Log::open(path)?;
    let height = Height(log.sequence());
    let bad = log.iter()?.position(|record| record.is_err());
    drop(log);
    match bad.and_then(|place| Some((place, records.get(place)?.0))) {
        None => Ok(Some(height)),
        Some((place, start)) if place + 1 == records.len() => {
            cut(path, start)?;
            Ok((place > 0).then_some(height))
        }
        Some((_, position)) => Err(WalFault::Damaged { position }),
    }
}

fn cut(path: &Path, length: u64) -> Result<(), WalFault> {
    tracing::warn!(length, "the write-ahead log had a torn tail, which was cut");
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(length)?;
    Ok(file.sync_all()?)
}

/// Refuses votes of a height after the one that starts.
///
/// # Errors
/// [`WalFault::Ahead`].
pub fn check_height(votes: Option<Height>, start: Height) -> Result<(), WalFault> {
    match votes {
        Some(wal) if wal > start => Err(WalFault::Ahead {
            wal,
            journal: start,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn log(height: u64, records: &[&[u8]]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wal");
        let mut log = Log::open(&path).unwrap();
        log.reset(height).unwrap();
        records
            .iter()
            .for_each(|record| log.append(record).unwrap());
        log.flush().unwrap();
        (folder, path)
    }

    fn count(path: &Path) -> usize {
        Log::open(path).unwrap().len()
    }

    fn flip(path: &Path, at: usize) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    const FIRST: usize = 12;
    const SECOND: usize = FIRST + 13 + 3;

    #[test]
    fn rule_11_a_torn_tail_is_cut_at_every_length() {
        let (_folder, path) = log(5, &[b"one", b"two"]);
        let whole = std::fs::read(&path).unwrap();
        for length in SECOND..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            inspect(&path).unwrap();
            assert_eq!(count(&path), 1, "cut at {length}");
        }
    }

    #[test]
    fn rule_11_a_last_record_with_a_wrong_sum_is_a_torn_tail() {
        let (_folder, path) = log(5, &[b"one", b"two"]);
        flip(&path, SECOND + 13);
        inspect(&path).unwrap();
        assert_eq!(count(&path), 1);
    }

    #[test]
    fn rule_11_damage_inside_is_refused_with_its_position() {
        let (_folder, path) = log(5, &[b"one", b"two"]);
        flip(&path, FIRST + 13);
        let before = std::fs::read(&path).unwrap();
        let fault = inspect(&path).unwrap_err();
        assert!(matches!(fault, WalFault::Damaged { position } if position == FIRST as u64));
        assert_eq!(std::fs::read(&path).unwrap(), before, "nothing was changed");
    }

    #[test]
    fn rule_11_a_length_that_no_record_can_have_is_damage_and_not_a_tail() {
        let (_folder, path) = log(5, &[b"one", b"two"]);
        flip(&path, FIRST + 3);
        assert!(matches!(inspect(&path), Err(WalFault::Damaged { .. })));
    }

    #[test]
    fn a_log_ahead_of_the_journal_is_refused() {
        let (_folder, path) = log(5, &[b"one"]);
        let votes = inspect(&path).unwrap();
        assert_eq!(votes, Some(Height(5)));
        assert!(check_height(votes, Height(5)).is_ok());
        assert!(check_height(votes, Height(6)).is_ok());
        let ahead = check_height(votes, Height(4));
        assert!(matches!(ahead, Err(WalFault::Ahead { .. })));
        let (_folder, empty) = log(5, &[]);
        assert_eq!(inspect(&empty).unwrap(), None, "it holds no vote");
    }

    #[test]
    fn a_log_that_does_not_exist_or_was_never_finished_is_fine() {
        let (folder, path) = log(5, &[]);
        assert!(inspect(&folder.path().join("none")).is_ok());
        std::fs::write(&path, [0; 3]).unwrap();
        assert!(inspect(&path).is_ok());
    }
}
