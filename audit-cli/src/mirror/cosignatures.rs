//! The cosignatures of a mirror, as they came.
//!
//! What always holds: a record is appended only if its signatures hold for the root that the entries have
//! at a block's end, if it is none that the file has, and of no smaller size than its last one. What a kill
//! left half written is cut before. Where the source's file goes on is remembered: one that says something
//! twice is longer than the mirror's.

use super::folder::Folder;
use super::records::Appending;
use super::remote::Remote;
use crate::cosigned::Judging;
use crate::fault::{Failure, Fault, Trouble};
use crate::records::Records;
use crate::source::Source;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::{Size, sha256};

const COSIGNATURES: &str = "cosignatures";
const ANEW: &str = "cosignatures.new";
/// How often, in all, a source may say all of one size again: a node that cannot publish writes what its
/// peers cosigned once for each start.
const MOST_REPEATED: usize = 1024;
/// Where the sources' files go on.
const PLACE: &str = ".mirror/cosignatures";

/// The file of cosignatures that is to be continued.
pub(super) struct Cosignatures<'m> {
    pub(super) remote: &'m Remote,
    /// The source, as the user named it.
    pub(super) source: &'m str,
    pub(super) folder: &'m Folder,
    pub(super) genesis: &'m Genesis,
    /// Of the log whose entries are in the folder.
    pub(super) head: &'m Checkpoint,
}

/// The cosignatures in the folder.
#[derive(Default)]
struct Kept {
    /// Where the whole ones end.
    position: u64,
    /// Those of the largest size, each with where it begins.
    newest: Vec<(u64, Vec<u8>)>,
}

/// What was taken over.
struct Taken {
    count: u64,
    /// Where the mirror's file ends now.
    own: u64,
    /// Where the source's file goes on.
    theirs: u64,
}

impl Cosignatures<'_> {
    /// Takes over what the source has, and gives how many that are. They come in no order that two nodes
    /// share: from another source all of them are fetched again, and the new file then replaces the old
    /// one; so they are if the old one is out of order.
    pub(super) fn take(&self) -> Result<u64, Failure> {
        if let Some(kept) = self.kept()? {
            let theirs = self.place(kept.position);
            if let Ok(taken) = self.append(COSIGNATURES, &kept, theirs) {
                return self.keep_place(&taken);
            }
        }
        let none = Kept::default();
        let taken = self.remote.attempt(|| self.append(ANEW, &none, 0))?;
        let (new, file) = (self.folder.path(ANEW), self.folder.path(COSIGNATURES));
        let renamed = std::fs::rename(new, file);
        renamed.map_err(|error| Trouble::Mirror(error.to_string()))?;
        self.keep_place(&taken)
    }

    /// How many records of one size a file may have: each validator signs it once, and sends it again at
    /// most a few times.
    fn most_of_a_size(&self) -> usize {
        self.genesis.validators().len().saturating_mul(8)
    }

    /// The cosignatures in the folder; none if there are none, or they are not what a mirror writes.
    fn kept(&self) -> Result<Option<Kept>, Failure> {
        let (log, longest) = (self.folder.log(), Cosignature::MAX_BYTES);
        let mut records = Records::open(log, COSIGNATURES, longest)?;
        let (mut kept, mut size) = (Kept::default(), Size(0));
        loop {
            let (at, bytes) = match records.next() {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(Failure::Fault(_)) => return Ok(None),
                Err(trouble) => return Err(trouble),
            };
            let Ok(record) = Cosignature::decode(&bytes) else {
                return Ok(None);
            };
            if record.size < size || kept.newest.len() > self.most_of_a_size() {
                return Ok(None);
            }
            if record.size > size {
                kept.newest.clear();
            }
            size = record.size;
            kept.newest.push((at, bytes));
        }
        kept.position = records.position();
        Ok(Some(kept).filter(|kept| kept.position > 0))
    }

    /// Appends to `file`, which has what is `kept`, what the source has from byte `theirs` on; ends at the
    /// first record of a size beyond the checkpoint, which a later round takes.
    fn append(&self, file: &str, kept: &Kept, theirs: u64) -> Result<Taken, Failure> {
        let mut judging = Judging::new(self.folder.log(), self.genesis, self.head);
        for (at, record) in &kept.newest {
            judging.judge(*at, record)?;
        }
        let (source, longest) = (&*self.remote.source, Cosignature::MAX_BYTES);
        let mut records = Records::open_at(source, COSIGNATURES, theirs, longest)?;
        let mut appending = Appending::open(self.folder, file, kept.position)?;
        let (count, own) = (0, kept.position);
        let mut taken = Taken { count, own, theirs };
        let (most, mut known) = (MOST_REPEATED.saturating_mul(self.most_of_a_size()), 0);
        while let Some((at, record)) = records.next()? {
            let beyond = judging.counts.beyond;
            let is_new = judging.judge(at, &record)?.is_some();
            if judging.counts.beyond > beyond {
                break;
            }
            taken.theirs = records.position();
            if is_new {
                appending.record(&record)?;
                taken.count += 1;
                taken.own += 4 + record.len() as u64;
                continue;
            }
            known += 1;
            if known > most {
                return Err(repeated(at).into());
            }
        }
        appending.finish()?;
        Ok(taken)
    }

    /// Where the source's file goes on behind the `own` bytes that are in the folder, as far as is known: a
    /// wrong place costs no more than reading all of it.
    fn place(&self, own: u64) -> u64 {
        let bytes = self.folder.log().read(PLACE, 256).ok().flatten();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.unwrap_or_default();
        let [of, found, theirs] = text.split_whitespace().collect::<Vec<_>>()[..] else {
            return own;
        };
        let is_ours = of == self.named() && found.parse() == Ok(own);
        theirs.parse().ok().filter(|_| is_ours).unwrap_or(own)
    }

    fn keep_place(&self, taken: &Taken) -> Result<u64, Failure> {
        let Taken { count, own, theirs } = taken;
        if self.place(*own) != *theirs {
            let text = format!("{} {own} {theirs}\n", self.named());
            self.folder.keep(PLACE, text.as_bytes())?;
        }
        Ok(*count)
    }

    fn named(&self) -> String {
        hex::encode(sha256(&[self.source.as_bytes()]))
    }
}

/// That a source gives what it gave before without an end.
fn repeated(position: u64) -> Fault {
    Fault::Records {
        path: COSIGNATURES,
        position,
        what: "records that were there before, again and again".to_owned(),
    }
}
