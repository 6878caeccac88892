//! What a custodian keeps of those who cheated it.
//!
//! What always holds: of one accused, record and version there is one piece, the first; of one accused and
//! in all there are so many at most, so that nobody fills the disk or crowds others out by cheating
//! again under other handles; a piece is under its name whole or not at all; while the service
//! runs, the ledger is asked once for each piece, and once it is said of whom no more is kept.

use medanchor_store::{StoreError, make_folder, write_durably};
use medanchor_vault::custody::Evidence;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The most pieces in all.
const MOST: usize = 1000;
/// The most against one participant: the first ones say what it is.
const MOST_OF_ONE: usize = 20;
/// What a piece with its proofs ends in.
const PROVED: &str = ".evidence";

/// The folder of it.
pub(super) struct EvidenceFolder {
    path: PathBuf,
    most: usize,
    /// The pieces for which the ledger was asked, and of whom nothing more is kept. Held while a piece is written, so that two do not count
    /// the same room.
    asked: Mutex<BTreeSet<String>>,
}

/// Why evidence is not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKept {
    /// There is enough.
    #[error(
        "there are {0} pieces already, and the earliest are kept; show them to the authorities, and move them elsewhere"
    )]
    Full(usize),
    /// The operating system.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The same.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EvidenceFolder {
    /// The folder at `path`, which is made when there is something to keep.
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            most: MOST,
            asked: Mutex::new(BTreeSet::new()),
        }
    }

    /// Keeps a piece unless there is one of the same already; gives what is on disk and the file in which
    /// the ledger's proofs for it belong, if these are to be asked for.
    pub(super) fn keep(&self, evidence: &Evidence) -> Result<Option<(Evidence, PathBuf)>, NotKept> {
        let (prefix, record) = (format!("{}.", evidence.accused()), evidence.record());
        let (owner, of) = (&record.owner, &record.record);
        let name = format!("{prefix}{owner}.{}-{}", of.record, of.version);
        let (path, proved) = (
            self.path.join(&name),
            self.path.join(format!("{name}{PROVED}")),
        );
        // A set of names is whole at any time.
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.contains(&name) || proved.exists() {
            return Ok(None);
        }
        if !path.exists() {
            match self.require_room(&prefix) {
                // Said once: whoever cheats on must not fill the log instead.
                Err(NotKept::Full(_)) if !asked.insert(prefix.clone()) => return Ok(None),
                room => room?,
            }
            write_durably(&path, &evidence.encode())?;
            tracing::warn!(
                name,
                "evidence against a dealer is kept in identity/evidence"
            );
        }
        asked.insert(name);
        drop(asked);
        // The piece of an earlier run is the one that counts.
        let kept = Evidence::decode(&std::fs::read(path)?).ok();
        Ok(kept.map(|kept| (kept, proved)))
    }

    fn require_room(&self, prefix: &str) -> Result<(), NotKept> {
        make_folder(&self.path)?;
        let (mut all, mut theirs) = (0, 0);
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            // What stands for a piece has no ending of ours.
            if name.to_str().is_some_and(|name| name.ends_with(PROVED)) {
                continue;
            }
            all += 1;
            theirs += usize::from(name.to_str().is_some_and(|name| name.starts_with(prefix)));
        }
        match (all < self.most, theirs < MOST_OF_ONE) {
            (true, true) => Ok(()),
            (false, _) => Err(NotKept::Full(all)),
            (true, false) => Err(NotKept::Full(theirs)),
        }
    }
}

/// Writes the piece with its proofs.
pub(super) fn keep_proved(path: &Path, file: &[u8]) {
    if let Err(error) = write_durably(path, file) {
        tracing::error!(%error, "evidence with its proofs could not be kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::event::KemSuite;
    use medanchor_ledger::signature::SigningKey;
    use medanchor_ledger::{NetworkId, RecordHandle};
    use medanchor_vault::RecordVersion;
    use medanchor_vault::custody::{Custodied, Member, OpeningKey, deal_out};
    use medanchor_vault::secret::CustodyPart;

    /// A deal of this owner's, never the same bytes twice, as evidence.
    fn piece(owner: &str, record: u16, version: u32) -> Evidence {
        let key = || OpeningKey::decode(KemSuite::X25519, &[3; 32]).unwrap();
        let members = ["archive", "bar"].map(|name| Member {
            name: name.parse().unwrap(),
            key: key().public().clone(),
        });
        let mut handle = [0; 16];
        handle[..2].copy_from_slice(&record.to_be_bytes());
        let record = Custodied {
            owner: owner.parse().unwrap(),
            record: RecordVersion {
                network: NetworkId::new([1; 16]),
                record: RecordHandle::new(handle),
                version,
            },
        };
        let part = CustodyPart::shareable().unwrap();
        let signer = SigningKey::from_seed(&[4; 32]);
        let dealt = deal_out(&record, 1, 2, &members, &part, |bytes| signer.sign(bytes));
        let deal = dealt.unwrap().1.remove(0);
        Evidence::bad_deal_with_key(deal, key())
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_cheat_that_varies_its_deals_leaves_one_piece_and_one_question_for_each_version() {
        let home = tempfile::tempdir().unwrap();
        let folder = EvidenceFolder::new(home.path().join("evidence"));
        let first = piece("north-hospital", 1, 1);
        let (kept, path) = folder.keep(&first).unwrap().expect("the ledger is asked");
        assert_eq!(kept.encode(), first.encode());
        for _ in 0..3 {
            assert!(
                folder
                    .keep(&piece("north-hospital", 1, 1))
                    .unwrap()
                    .is_none()
            );
        }
        assert!(
            folder
                .keep(&piece("north-hospital", 1, 2))
                .unwrap()
                .is_some()
        );
        assert!(
            folder
                .keep(&piece("south-hospital", 1, 1))
                .unwrap()
                .is_some()
        );
        assert_eq!(files(&folder.path).len(), 3);

        // The service ended before the proofs were there: the next one asks for those of the first piece.
        let again = EvidenceFolder::new(folder.path.clone());
        let (kept, same) = again.keep(&piece("north-hospital", 1, 1)).unwrap().unwrap();
        assert_eq!((kept.encode(), &same), (first.encode(), &path));
        keep_proved(&path, b"proved");
        let last = EvidenceFolder::new(folder.path.clone());
        assert!(last.keep(&piece("north-hospital", 1, 1)).unwrap().is_none());
    }

    #[test]
    fn pieces_are_bounded_for_each_accused_and_in_all_and_the_earliest_stay() {
        let home = tempfile::tempdir().unwrap();
        let mut folder = EvidenceFolder::new(home.path().join("evidence"));
        folder.most = MOST_OF_ONE + 1;
        let full = |kept| matches!(kept, Err(NotKept::Full(_)));
        for record in 0..MOST_OF_ONE {
            let record = u16::try_from(record).unwrap();
            let kept = folder.keep(&piece("north-hospital", record, 1));
            keep_proved(&kept.unwrap().unwrap().1, b"proved");
        }
        let before = files(&folder.path);
        assert!(full(folder.keep(&piece("north-hospital", 999, 1))));
        let again = folder.keep(&piece("north-hospital", 998, 1));
        assert!(again.unwrap().is_none(), "it is said once");
        assert_eq!(files(&folder.path), before);
        // It takes nobody else's room, until there is none.
        assert!(folder.keep(&piece("north", 1, 1)).unwrap().is_some());
        assert!(full(folder.keep(&piece("south-hospital", 1, 1))));
        assert_eq!(files(&folder.path).len(), before.len() + 1);
    }
}
