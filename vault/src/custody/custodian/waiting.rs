//! The deals of each owner that a custodian does not know to be on the ledger.
//!
//! What always holds: a deal stands here before its share is acknowledged, on disk in this file or beside the
//! share (`beside`), until the custodian was told that the ledger has its record in that version or a later one.
//! So an owner has no more shares at a custodian than the bound, beside those of records that the ledger has.
//! Nothing is destroyed for standing here: its owner may still anchor it.
//!
//! The file is a header and rows, and is written anew, aside, when most of its rows say nothing any more:
//!
//! | bytes | header (32) | row (80) |
//! |---|---|---|
//! | 0 | magic `medanchor/deal/1` (16) | 1 = dealt, 2 = on the ledger, with all versions before |
//! | 1 | | length of the owner's name |
//! | 2..42 | | the owner's name, then zeros |
//! | 16..32 | network id | |
//! | 42..58 | | record |
//! | 58..62 | | version, big-endian |
//! | 62..76 | | zero |
//! | 76..80 | | first bytes of SHA-256 of what stands before |
//!
//! A row that a power cut left unfinished, or that is damaged, is passed over: it counts one deal too few,
//! and no share depends on it.

use crate::slots::Row;
use medanchor_ledger::{NetworkId, ParticipantName, RecordHandle, sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"medanchor/deal/1";
const HEADER: usize = 32;
const ROW: usize = 80;
const BODY: usize = ROW - 4;
/// Rows that say nothing any more and may stay.
const SPARE: usize = 4096;

/// What a row says of a record's version.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Dealt = 1,
    Anchored = 2,
}

/// A record and version that was dealt.
pub(in crate::custody) type Dealt = (RecordHandle, u32);

/// One owner's, by record and by the turn at which they are asked for.
#[derive(Default)]
struct Owned {
    turns: BTreeMap<Dealt, u64>,
    by_turn: BTreeMap<u64, Dealt>,
}

/// How much of what the file says is on disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnDisk {
    /// All of it, under the file's name.
    All,
    /// The newest rows may not be.
    Behind,
    /// To wait for the disk failed, after which it may have lost what it is not asked to write again.
    Unknown,
}

/// The open file.
pub(in crate::custody) struct Waiting {
    path: PathBuf,
    file: File,
    network: NetworkId,
    owners: BTreeMap<ParticipantName, Owned>,
    next: u64,
    rows: usize,
    on_disk: OnDisk,
    anew: bool,
    #[cfg(test)]
    pub(in crate::custody) syncs: crate::disk::Syncs,
}

impl Waiting {
    /// Opens the file, or makes it for a store that has none: shares that were kept before count for nobody.
    /// Rows that stand `beside` shares and that the file lost are entered again.
    ///
    /// # Errors
    /// When it is another file, another network's, or the disk fails.
    pub(in crate::custody) fn open(
        path: &Path,
        network: NetworkId,
        beside: &[Row],
    ) -> io::Result<Self> {
        if !path.try_exists()? {
            drop(write_aside(path, network, &[])?);
            std::fs::rename(aside(path), path)?;
        }
        crate::disk::sync_parent(path)?;
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let header = [MAGIC.as_slice(), network.as_bytes()].concat();
        let rows = bytes.strip_prefix(header.as_slice()).ok_or_else(|| {
            let what =
                "the file of deals is another network's, or of another format; move it aside";
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?;
        let mut waiting = Self {
            path: path.into(),
            file,
            network,
            owners: BTreeMap::new(),
            next: 0,
            rows: rows.len() / ROW,
            // What a process that was killed wrote may still be in the system's memory alone, as its name might.
            on_disk: OnDisk::Behind,
            anew: false,
            #[cfg(test)]
            syncs: crate::disk::Syncs::default(),
        };
        let rows = rows.as_chunks::<ROW>().0;
        rows.iter().for_each(|row| waiting.take(row));
        // What a power cut left of a row goes, so that the next one begins at its place.
        let whole = (HEADER + waiting.rows * ROW) as u64;
        waiting.file.set_len(whole)?;
        waiting.file.seek(SeekFrom::Start(whole))?;
        waiting.restore(rows, beside)?;
        waiting.tidy()?;
        Ok(waiting)
    }

    /// Enters what a power cut took out of the file, and waits until all of it is on disk: whoever opens it
    /// need not know that it also stands beside the shares.
    fn restore(&mut self, rows: &[[u8; ROW]], beside: &[Row]) -> io::Result<()> {
        let there: BTreeSet<&Row> = rows.iter().collect();
        let lost = beside.iter().filter(|row| !there.contains(row)).copied();
        let lost: Vec<Row> = lost.filter(|row| read_row(row).is_some()).collect();
        self.append(lost.as_flattened())?;
        lost.iter().for_each(|row| self.take(row));
        self.sync()
    }

    fn take(&mut self, row: &[u8; ROW]) {
        match read_row(row) {
            Some((Said::Dealt, owner, dealt)) => self.insert(&owner, dealt),
            Some((Said::Anchored, owner, dealt)) => self.remove(&owner, dealt),
            None => {}
        }
    }

    fn insert(&mut self, owner: &ParticipantName, dealt: Dealt) {
        let (turn, owned) = (self.next, self.owners.entry(owner.clone()).or_default());
        if let Some(before) = owned.turns.insert(dealt, turn) {
            owned.by_turn.remove(&before);
        }
        owned.by_turn.insert(turn, dealt);
        self.next += 1;
    }

    /// Those of the record up to this version.
    fn remove(&mut self, owner: &ParticipantName, (record, version): Dealt) {
        if let Some(owned) = self.owners.get_mut(owner) {
            let of_record = owned.turns.range((record, 0)..=(record, version));
            let gone: Vec<(Dealt, u64)> = of_record.map(|(one, turn)| (*one, *turn)).collect();
            for (dealt, turn) in gone {
                owned.turns.remove(&dealt);
                owned.by_turn.remove(&turn);
            }
        }
    }

    /// How many an owner has.
    pub(in crate::custody) fn count(&self, owner: &ParticipantName) -> usize {
        self.owners.get(owner).map_or(0, |owned| owned.turns.len())
    }

    /// Those of them that do not stand here.
    pub(in crate::custody) fn unknown(&self, owner: &ParticipantName, all: &[Dealt]) -> Vec<Dealt> {
        let owned = self.owners.get(owner);
        let known = |one: &Dealt| owned.is_some_and(|owned| owned.turns.contains_key(one));
        all.iter().filter(|one| !known(one)).copied().collect()
    }

    /// Enters those of these deals that do not stand here, and does not wait for the disk; gives the rows of all
    /// of them. A deal that stands here may be on disk nowhere, if the call that entered it failed after that.
    ///
    /// # Errors
    /// When they cannot be written; then none is entered.
    pub(in crate::custody) fn enter(
        &mut self,
        owner: &ParticipantName,
        all: &[Dealt],
    ) -> io::Result<Vec<Row>> {
        let new = self.unknown(owner, all);
        self.append(rows_of(owner, &new).as_flattened())?;
        new.iter().for_each(|one| self.insert(owner, *one));
        Ok(rows_of(owner, all))
    }

    /// Waits until all that was entered is on disk. Where that failed before, all is written anew.
    ///
    /// # Errors
    /// When it is not.
    pub(in crate::custody) fn sync(&mut self) -> io::Result<()> {
        match self.on_disk {
            OnDisk::All => return Ok(()),
            OnDisk::Unknown => return self.write_anew(),
            OnDisk::Behind => self.on_disk = OnDisk::Unknown,
        }
        #[cfg(test)]
        self.syncs.next()?;
        self.file.sync_data()?;
        self.on_disk = OnDisk::All;
        Ok(())
    }

    /// Whether the file was written anew since rows beside shares were last emptied.
    pub(super) const fn is_anew(&self) -> bool {
        self.anew
    }

    /// No row that the file lost stands beside a share.
    pub(super) const fn none_beside(&mut self) {
        self.anew = false;
    }

    /// The ledger has these records, in these versions. What is lost of it by a power cut is learned again.
    ///
    /// # Errors
    /// When the disk fails; then they may still count.
    pub(in crate::custody) fn anchored(
        &mut self,
        owner: &ParticipantName,
        all: &[Dealt],
    ) -> io::Result<()> {
        let has = |(record, version): &&Dealt| {
            self.owners.get(owner).is_some_and(|owned| {
                let mut of_record = owned.turns.range((*record, 0)..=(*record, *version));
                of_record.next().is_some()
            })
        };
        let known: Vec<Dealt> = all.iter().filter(has).copied().collect();
        if known.is_empty() {
            return Ok(());
        }
        let rows = known
            .iter()
            .flat_map(|one| row(Said::Anchored, owner, *one));
        self.append(&rows.collect::<Vec<u8>>())?;
        known.iter().for_each(|one| self.remove(owner, *one));
        self.tidy()
    }

    /// The next of an owner's to ask the ledger for, the oldest first; they come last from then on.
    pub(in crate::custody) fn next(&mut self, owner: &ParticipantName, most: usize) -> Vec<Dealt> {
        let Some(owned) = self.owners.get(owner) else {
            return Vec::new();
        };
        let all: Vec<Dealt> = owned.by_turn.values().take(most).copied().collect();
        all.iter().for_each(|one| self.insert(owner, *one));
        all
    }

    fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let end = (HEADER + self.rows * ROW) as u64;
        self.file.seek(SeekFrom::Start(end))?;
        self.file.write_all(rows)?;
        self.rows += rows.len() / ROW;
        if self.on_disk == OnDisk::All {
            self.on_disk = OnDisk::Behind;
        }
        Ok(())
    }

    fn live(&self) -> usize {
        self.owners.values().map(|owned| owned.turns.len()).sum()
    }

    /// Writes the file anew if most of it says nothing any more.
    fn tidy(&mut self) -> io::Result<()> {
        match self.rows > 2 * self.live() + SPARE {
            true => self.write_anew(),
            false => Ok(()),
        }
    }

    /// Writes the file anew, aside, and goes on in that file from the moment at which it has the name.
    fn write_anew(&mut self) -> io::Result<()> {
        let owners = self.owners.iter();
        let rows = owners.flat_map(|(owner, owned)| {
            let by_turn = owned.by_turn.values();
            by_turn.flat_map(|one| row(Said::Dealt, owner, *one))
        });
        let rows: Vec<u8> = rows.collect();
        let file = write_aside(&self.path, self.network, &rows)?;
        std::fs::rename(aside(&self.path), &self.path)?;
        (self.file, self.rows) = (file, self.live());
        (self.on_disk, self.anew) = (OnDisk::Unknown, true);
        #[cfg(test)]
        self.syncs.next()?;
        crate::disk::sync_parent(&self.path)?;
        self.on_disk = OnDisk::All;
        Ok(())
    }
}

/// What a file says of each owner, in the order in which it is asked for; none if the file is refused.
#[cfg(feature = "testing")]
#[must_use]
pub fn dealt(path: &Path, network: NetworkId) -> Option<BTreeMap<ParticipantName, Vec<Dealt>>> {
    let owners = Waiting::open(path, network, &[]).ok()?.owners;
    let of = |owned: Owned| owned.by_turn.into_values().collect();
    Some(
        owners
            .into_iter()
            .map(|(owner, owned)| (owner, of(owned)))
            .collect(),
    )
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("part")
}

/// Writes the file under the name that it has aside; it is on disk when this returns.
fn write_aside(path: &Path, network: NetworkId, rows: &[u8]) -> io::Result<File> {
    let mut file = File::create(aside(path))?;
    file.write_all(&[MAGIC.as_slice(), network.as_bytes(), rows].concat())?;
    file.sync_all()?;
    Ok(file)
}

fn rows_of(owner: &ParticipantName, all: &[Dealt]) -> Vec<Row> {
    let rows = all.iter().map(|one| row(Said::Dealt, owner, *one));
    rows.collect()
}

fn row(said: Said, owner: &ParticipantName, (record, version): Dealt) -> [u8; ROW] {
    let mut row = [0; ROW];
    let name = owner.as_bytes();
    row[0] = said as u8;
    row[1] = u8::try_from(name.len()).unwrap_or(u8::MAX); // at most 40
    row[2..2 + name.len()].copy_from_slice(name);
    row[42..58].copy_from_slice(record.as_bytes());
    row[58..62].copy_from_slice(&version.to_be_bytes());
    let check = sha256(&[&row[..BODY]]);
    row[BODY..].copy_from_slice(&check[..4]);
    row
}

fn read_row(bytes: &[u8; ROW]) -> Option<(Said, ParticipantName, Dealt)> {
    let (body, check) = bytes.split_at(BODY);
    if sha256(&[body]).get(..4) != Some(check) {
        return None;
    }
    let said = match body.first()? {
        1 => Said::Dealt,
        2 => Said::Anchored,
        _ => return None,
    };
    let length = usize::from(*body.get(1)?);
    let name = std::str::from_utf8(body.get(2..42)?.get(..length)?).ok()?;
    let record = RecordHandle::new(body.get(42..58)?.try_into().ok()?);
    let version = u32::from_be_bytes(body.get(58..62)?.try_into().ok()?);
    Some((said, name.parse().ok()?, (record, version)))
}
