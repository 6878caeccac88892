//! The checkpoints that were seen, as they are kept.
//!
//! What always holds: what is damaged is told, and never taken for nothing; what was seen of a log stays
//! when that log is no longer named, and such files are few.

use super::kept::Kept;
use crate::compare::Signed;
use crate::fault::{Failure, Trouble};
use medanchor_ledger::note::Note;
use medanchor_ledger::sha256;
use std::path::PathBuf;

/// Where the checkpoints that were seen are.
const SEEN: &str = "seen";

/// How many of them may be of logs that are not named: each is held against the copies in every round.
const MOST_UNNAMED: usize = 256;

impl Kept {
    /// The checkpoint that was seen last of a log. Whether it still counts is not judged.
    pub(super) fn seen(&self, target: &str) -> Result<Option<Signed>, Failure> {
        self.seen_in(&name_of(target))
    }

    /// What was seen of logs that are not among `targets`, each with its file.
    pub(super) fn unnamed(&self, targets: &[String]) -> Result<Vec<(PathBuf, Signed)>, Failure> {
        let named: Vec<PathBuf> = targets
            .iter()
            .map(|target| self.folder.join(name_of(target)))
            .collect();
        let mut paths = self.alike_in(SEEN, "", ".checkpoint")?;
        paths.retain(|path| !named.contains(path));
        if paths.len() > MOST_UNNAMED {
            let folder = self.folder.join(SEEN);
            return Err(Trouble::Mirror(format!(
                "{} has more than {MOST_UNNAMED} checkpoints of logs that are not named; name these logs, or move the oldest files elsewhere",
                folder.display()
            )).into());
        }
        let mut seen = Vec::new();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str());
            let found = self.seen_in(&format!("{SEEN}/{}", name.unwrap_or_default()))?;
            seen.extend(found.map(|signed| (path, signed)));
        }
        Ok(seen)
    }

    fn seen_in(&self, name: &str) -> Result<Option<Signed>, Failure> {
        let bytes = self.read(name, Note::MAX_BYTES as u64)?;
        let damaged = |error| {
            let path = self.folder.join(name);
            Trouble::Mirror(format!(
                "{} is damaged, so that what was seen before is not known: {error}; put it back from a copy, or delete it to begin anew with that log",
                path.display()
            ))
        };
        let parsed = bytes.map(|bytes| Signed::parse(&bytes).map_err(damaged));
        Ok(parsed.transpose()?)
    }

    pub(super) fn keep_seen(&self, target: &str, signed: &Signed) -> Result<(), Trouble> {
        self.write(&name_of(target), signed.note.to_string().as_bytes())
    }
}

fn name_of(target: &str) -> String {
    let hash = sha256(&[target.as_bytes()]);
    let name: String = hash
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{SEEN}/{name}.checkpoint")
}
