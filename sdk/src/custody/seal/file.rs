//! Deals that are under way, kept until their records are anchored: one file for each call that dealt, the
//! CBOR array of `[quarter of the tag, deals]`, the deals of one record as a byte string that holds their list.
//! They are sealed to the custodians, so nobody else learns anything from the files; but whoever has them and
//! the share keys of enough custodians has S, so an erasure removes every trace of them, also of one that a
//! power cut left half written.
//!
//! ```text
//! FOLDER/deals/HASH         named by the first 16 bytes of SHA-256 of what it holds, in hex
//! FOLDER/deals/HASH.part    while it is written
//! ```

use super::CustodyError;
use crate::custody::messages::{read_messages, write_messages};
use crate::durable::{self, ASIDE};
use medanchor_ledger::cbor::{Reader, Writer};
use medanchor_ledger::sha256;
use medanchor_ledger::signature::Signature;
use medanchor_vault::custody::{Custodied, Deal, MessageError, Signed};
use medanchor_vault::{Epoch, RecordVersion};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// The most records that are dealt out together: their deals to one custodian fit into one statement.
pub const MAX_TOGETHER: usize = 128;
/// The most bytes of a file.
const MAX_FILE: u64 = 16 << 20;

/// Held, with others, by whoever writes a file of its own; alone, by whoever takes deals out of one, or removes
/// what was not written to its end.
static WRITING: RwLock<()> = RwLock::new(());

/// The deals of one record, and the quarter of the year whose tag it is sealed under.
#[derive(Clone)]
pub(in crate::custody) struct Dealt {
    pub(super) quarter: Epoch,
    pub(super) deals: Vec<Signed<Deal>>,
}

impl Dealt {
    /// Which record they are of; none if there are no deals.
    pub(in crate::custody) fn of(&self) -> Option<&Custodied> {
        self.deals.first().map(|deal| &deal.says().record)
    }

    fn epoch(&self) -> u32 {
        let first = self.deals.first();
        first.map_or(0, |deal| deal.says().place.epoch)
    }

    fn is_of(&self, record: &RecordVersion) -> bool {
        self.of().is_some_and(|found| found.record == *record)
    }

    /// The same deals, signed by the key of now: it may have taken another's place since the first try.
    pub(super) fn signed_by(&self, sign: impl Fn(&[u8]) -> Signature) -> Self {
        let sign = |deal: &Signed<Deal>| Signed::new(deal.says().clone(), &sign);
        Self {
            quarter: self.quarter,
            deals: self.deals.iter().map(sign).collect(),
        }
    }
}

/// The deals of earlier calls that are under way.
pub(in crate::custody) struct UnderWay {
    folder: PathBuf,
    files: Vec<(PathBuf, Vec<Dealt>)>,
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> CustodyError {
    |source| CustodyError::Io {
        path: path.into(),
        source,
    }
}

impl UnderWay {
    pub(in crate::custody) fn read(folder: PathBuf) -> Result<Self, CustodyError> {
        let (mut files, mut cut_off) = (Vec::new(), Vec::new());
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self { folder, files }),
            entries => entries.map_err(io(&folder))?,
        };
        for entry in entries {
            let path = entry.map_err(io(&folder))?.path();
            if path.extension().is_some_and(|ending| ending == ASIDE) {
                cut_off.push(path);
                continue;
            }
            // Another call may have ended meanwhile.
            let dealt = read_file(&path)?;
            files.extend(dealt.map(|dealt| (path, dealt)));
        }
        remove_cut_off(&cut_off)?;
        Ok(Self { folder, files })
    }

    /// The newest deals of a record, to custodians of this epoch or of an earlier one.
    ///
    /// # Errors
    /// [`CustodyError::OldCustodians`] where custodians of a later epoch may have shares already: whoever
    /// dealt to earlier ones would forget those deals, and could deal to the later ones never again.
    pub(super) fn of(
        &self,
        record: &RecordVersion,
        epoch: u32,
    ) -> Result<Option<&Dealt>, CustodyError> {
        let mine = self.all().filter(|dealt| dealt.is_of(record));
        match mine.max_by_key(|dealt| dealt.epoch()) {
            Some(newest) if newest.epoch() > epoch => Err(CustodyError::OldCustodians {
                epoch,
                newer: newest.epoch(),
            }),
            newest => Ok(newest),
        }
    }

    /// Makes the names of deals durable that an earlier process may have been killed behind: they are
    /// about to be posted again.
    pub(super) fn sync(&self) -> Result<(), CustodyError> {
        let mut files = self.files.iter().take(1);
        files.try_for_each(|(path, _)| durable::sync_folder_of(path).map_err(io(path)))
    }

    /// The deals of every record.
    pub(in crate::custody) fn all(&self) -> impl Iterator<Item = &Dealt> {
        self.files.iter().flat_map(|(_, dealt)| dealt)
    }

    /// Keeps what one call deals, on disk when this returns, and forgets what it dealt of the same
    /// records before.
    pub(super) fn add(&mut self, dealt: Vec<Dealt>) -> Result<(), CustodyError> {
        if dealt.is_empty() {
            return Ok(());
        }
        let bytes = encode(&dealt);
        let digest = sha256(&[&bytes]);
        let path = self.folder.join(hex::encode(&digest[..16])); // 16 of 32
        write(&path, &bytes)?;
        self.forget(|record| dealt.iter().any(|one| one.is_of(record)))?;
        self.files.push((path, dealt));
        Ok(())
    }

    /// Removes the deals of such records; those of others stay.
    pub(in crate::custody) fn forget(
        &mut self,
        is_such: impl Fn(&RecordVersion) -> bool,
    ) -> Result<(), CustodyError> {
        let is_left = |dealt: &Dealt| dealt.of().is_some_and(|of| !is_such(&of.record));
        for (path, dealt) in &mut self.files {
            if dealt.iter().all(is_left) {
                continue;
            }
            // A file only ever loses deals, so it has no others than those that are known.
            *dealt = match dealt.iter().any(is_left) {
                true => keep_in(path, is_left)?,
                false => {
                    remove(path)?;
                    Vec::new()
                }
            };
        }
        self.files.retain(|(_, dealt)| !dealt.is_empty());
        Ok(())
    }
}

/// The deals of a file; none if it is gone.
fn read_file(path: &Path) -> Result<Option<Vec<Dealt>>, CustodyError> {
    let bytes = durable::read_bounded(path, MAX_FILE).map_err(io(path))?;
    let dealt = bytes.map(|bytes| decode(&bytes)).transpose();
    dealt.map_err(|_| CustodyError::EarlierDeals {
        path: path.into(),
        why: "the file is damaged",
    })
}

/// Leaves such deals in a file, which is gone if there are none, and gives them. Another call may have
/// forgotten others since the file was read: what it has now counts, or they would come back.
fn keep_in(path: &Path, is_left: impl Fn(&Dealt) -> bool) -> Result<Vec<Dealt>, CustodyError> {
    let _alone = WRITING.write().unwrap_or_else(PoisonError::into_inner);
    let now = read_file(path)?.unwrap_or_default();
    let left: Vec<Dealt> = now.into_iter().filter(is_left).collect();
    match left.is_empty() {
        true => durable::remove_file(path),
        false => durable::write(path, &encode(&left)),
    }
    .map_err(io(path))?;
    Ok(left)
}

fn remove(path: &Path) -> Result<(), CustodyError> {
    let _alone = WRITING.write().unwrap_or_else(PoisonError::into_inner);
    durable::remove_file(path).map_err(io(path))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CustodyError> {
    let _writing = WRITING.read().unwrap_or_else(PoisonError::into_inner);
    durable::write(path, bytes).map_err(io(path))
}

/// What was being written when the power went was never posted.
fn remove_cut_off(asides: &[PathBuf]) -> Result<(), CustodyError> {
    if asides.is_empty() {
        return Ok(());
    }
    // What another call was writing when it was seen has its name by then.
    let _alone = WRITING.write().unwrap_or_else(PoisonError::into_inner);
    let mut asides = asides.iter();
    asides.try_for_each(|aside| durable::remove_file(aside).map_err(io(aside)))
}

fn encode(dealt: &[Dealt]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(dealt.len());
    for one in dealt {
        writer.array(2).uint(u64::from(one.quarter.0));
        writer.bytes(&write_messages(&one.deals));
    }
    writer.into_bytes()
}

fn decode(bytes: &[u8]) -> Result<Vec<Dealt>, MessageError> {
    let mut reader = Reader::new(bytes);
    let count = reader.array(1..=MAX_TOGETHER)?;
    let mut dealt = Vec::with_capacity(count);
    for _ in 0..count {
        reader.array(2..=2)?;
        dealt.push(Dealt {
            quarter: Epoch(reader.narrow()?),
            deals: read_messages(reader.bytes(bytes.len())?)?,
        });
    }
    reader.finish()?;
    Ok(dealt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::signature::SigningKey;

    fn deal() -> Signed<Deal> {
        let deal = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../vectors/custody/good-deal-x25519.cbor"
        );
        Signed::decode(&std::fs::read(deal).unwrap()).unwrap()
    }

    fn dealt(version: u32, quarter: u32) -> Dealt {
        let mut says = deal().says().clone();
        says.record.record.version = version;
        let signature = Signature::new([1; 64]);
        Dealt {
            quarter: Epoch(quarter),
            deals: vec![Signed::new(says, |_| signature)],
        }
    }

    fn read(folder: &Path) -> Result<UnderWay, CustodyError> {
        UnderWay::read(folder.join("deals"))
    }

    fn versions(under_way: &UnderWay) -> Vec<u32> {
        let records = under_way.all().filter_map(Dealt::of);
        let mut versions: Vec<u32> = records.map(|of| of.record.version).collect();
        versions.sort_unstable();
        versions
    }

    /// A retry in another quarter of the year signs under the tag of the first try.
    #[test]
    fn the_quarter_of_the_first_try_is_kept_with_its_deals() {
        let folder = tempfile::tempdir().unwrap();
        let record = dealt(1, 224).of().unwrap().record;
        let mut under_way = read(folder.path()).unwrap();
        assert!(under_way.of(&record, 1).unwrap().is_none());
        under_way.add(vec![dealt(1, 224)]).unwrap();
        let under_way = read(folder.path()).unwrap();
        let epoch = dealt(1, 224).epoch();
        let found = under_way.of(&record, epoch).unwrap().unwrap();
        assert_eq!(found.quarter, Epoch(224));
        assert_eq!(found.deals, dealt(1, 224).deals);
        let (path, _) = &under_way.files[0];
        let good = std::fs::read(path).unwrap();
        for length in 0..good.len() {
            std::fs::write(path, &good[..length]).unwrap();
            let refused = read(folder.path());
            assert!(matches!(refused, Err(CustodyError::EarlierDeals { .. })));
        }
    }

    /// A thread with a circle of before, or a node that is behind: the later custodians may have shares.
    #[test]
    fn whoever_comes_with_earlier_custodians_finds_the_deals_to_later_ones_kept() {
        let folder = tempfile::tempdir().unwrap();
        let later = dealt(1, 224);
        let (record, epoch) = (later.of().unwrap().record, later.epoch());
        read(folder.path()).unwrap().add(vec![later]).unwrap();
        let again = read(folder.path()).unwrap();
        match again.of(&record, epoch - 1).err() {
            Some(CustodyError::OldCustodians { epoch: old, newer }) => {
                assert_eq!((old, newer), (epoch - 1, epoch));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn deals_of_a_former_key_say_the_same_under_the_next_one() {
        let next = SigningKey::from_seed(&[6; 32]);
        let dealt = dealt(1, 224);
        let now = dealt.signed_by(|bytes| next.sign(bytes));
        assert_eq!(now.quarter, dealt.quarter);
        for (deal, before) in now.deals.iter().zip(&dealt.deals) {
            assert_eq!(deal.verify(&next.public_key()).unwrap(), before.says());
        }
        assert_eq!(now.deals.len(), 1);
    }

    #[test]
    fn what_is_over_is_forgotten_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut under_way = read(folder.path()).unwrap();
        let three = (1..=3).map(|version| dealt(version, 224));
        under_way.add(three.collect()).unwrap();
        under_way.forget(|record| record.version == 2).unwrap();
        assert_eq!(versions(&under_way), [1, 3]);
        assert_eq!(versions(&read(folder.path()).unwrap()), [1, 3]);

        // Dealt once more: the record has one place, the new one.
        under_way.add(vec![dealt(3, 225)]).unwrap();
        let again = read(folder.path()).unwrap();
        assert_eq!(versions(&again), [1, 3]);
        let record = dealt(3, 225).of().unwrap().record;
        let epoch = dealt(3, 225).epoch();
        let found = again.of(&record, epoch).unwrap().unwrap();
        assert_eq!(found.quarter, Epoch(225));
        assert!(again.of(&record, epoch + 1).unwrap().is_some());

        under_way.forget(|_| true).unwrap();
        assert_eq!(names(folder.path()), [""; 0]);
    }

    /// A call for many records failed, and each is tried again by a call of its own, at the same time.
    #[test]
    fn calls_that_end_what_one_file_has_bring_nothing_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut failed = read(folder.path()).unwrap();
        let all = (1..=3).map(|version| dealt(version, 224));
        failed.add(all.collect()).unwrap();
        let mut calls = [1, 2, 3].map(|version| (version, read(folder.path()).unwrap()));
        for (version, call) in &mut calls[..2] {
            call.forget(|record| record.version == *version).unwrap();
        }
        assert_eq!(versions(&calls[1].1), [3]);
        assert_eq!(versions(&read(folder.path()).unwrap()), [3]);
        calls[2].1.forget(|record| record.version == 3).unwrap();
        assert_eq!(names(folder.path()), [""; 0]);
        // The file is gone: nothing is left to forget.
        failed.forget(|_| true).unwrap();
        assert_eq!(names(folder.path()), [""; 0]);
    }

    fn names(folder: &Path) -> Vec<String> {
        let files = std::fs::read_dir(folder.join("deals")).unwrap();
        let name = |file: std::io::Result<std::fs::DirEntry>| file.unwrap().file_name();
        files
            .map(|file| name(file).into_string().unwrap())
            .collect()
    }

    /// The power went while deals were written. They outlived the erasure of their record: whoever had them
    /// later, and enough custodians' share keys, had the custodians' part of its key.
    #[test]
    fn deals_that_were_not_written_to_their_end_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut under_way = read(folder.path()).unwrap();
        under_way.add(vec![dealt(1, 224)]).unwrap();
        let aside = folder.path().join("deals/00112233.part");
        std::fs::write(&aside, encode(&[dealt(2, 224)])).unwrap();
        assert_eq!(versions(&read(folder.path()).unwrap()), [1]);
        assert!(!aside.exists());
        assert_eq!(names(folder.path()).len(), 1);
    }

    /// One call looks for what was cut off while another writes.
    #[test]
    fn what_another_call_is_writing_is_not_taken_for_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deals/00112233");
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| (0..50).try_for_each(|_| write(&path, b"")));
            while !writing.is_finished() {
                let asides = [path.with_extension(ASIDE)];
                remove_cut_off(&asides).unwrap();
            }
            writing.join().unwrap().unwrap();
        });
    }
}
