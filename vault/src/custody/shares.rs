//! A custodian's shares on disk: in the file of wrapped secrets, two slots each, erasable in place.
//!
//! What always holds: a share is on disk, wrapped under the custodian's institution key, before it is
//! acknowledged; it comes back only for the record, version, epoch and points it was kept under; one
//! record, version and epoch has one share, ever; an erased share stays known as erased.
//!
//! | bytes of the note | |
//! |---|---|
//! | 0..4 | epoch of the set, big-endian |
//! | 4 | place in the set |
//! | 5 | threshold of the set |
//! | 6..8 | zero |
//! | 8..40 | hash of the points |
//!
//! The slots' name is SHA-256("medanchor/custody-slot/v1" || CBOR [owner, record, epoch])[..16], with
//! the record's version; kind 4 holds the share's first scalar and kind 5 its second.
//!
//! Of a record that was erased there is one slot more, the marker: erased, of kind 5 and version 0, named
//! SHA-256("medanchor/custody-erased/v1" || CBOR [owner, record])[..16]. It says that nothing of the record
//! is held or taken, of whatever version and epoch. Earlier releases left an erased slot of kind 5 for each
//! version and epoch instead, which says the same of these.

use super::place::Custodied;
use super::points::{Points, PointsHash, ShareIndex};
use super::sharing::Share;
use crate::slots::{Held, Kind, Name, Note, NotedShare, Row, Slots, SlotsError};
use medanchor_ledger::cbor::Writer;
use medanchor_ledger::{ParticipantName, RecordHandle, sha256};
use std::collections::BTreeSet;
use std::ops::Range;
use zeroize::Zeroizing;

/// Why a share was not kept or not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// None was ever kept.
    #[error("no share of this record, version and epoch is held here; ask its owner to deal again")]
    NotHeld,
    /// It was erased.
    #[error("the share of this record, version and epoch was erased; nothing brings it back")]
    Erased,
    /// One was kept under other points or at another place.
    #[error(
        "another share of this record, version and epoch is held here; compare the points with the ledger's, and seal a further version if a new deal is meant"
    )]
    Other,
    /// Two of one record and version came together.
    #[error("two shares of one record and version came together; deal each record's once")]
    Repeated,
    /// The file of wrapped secrets.
    #[error(transparent)]
    Slots(#[from] SlotsError),
}

const HALVES: [Kind; 2] = [Kind::Share, Kind::Blinding];

/// What the slots of one epoch's shares of a record are named by.
fn handle(owner: &ParticipantName, record: &RecordHandle, epoch: u32) -> [u8; 16] {
    let mut writer = Writer::new();
    writer
        .array(3)
        .text(owner.as_str())
        .bytes(record.as_bytes())
        .uint(u64::from(epoch));
    let digest = sha256(&[b"medanchor/custody-slot/v1", writer.as_bytes()]);
    std::array::from_fn(|at| digest[at]) // 16 of 32
}

/// The marker of a record that was erased.
fn marker(owner: &ParticipantName, record: &RecordHandle) -> Name {
    let mut writer = Writer::new();
    writer
        .array(2)
        .text(owner.as_str())
        .bytes(record.as_bytes());
    let digest = sha256(&[b"medanchor/custody-erased/v1", writer.as_bytes()]);
    Name {
        kind: Kind::Blinding,
        handle: std::array::from_fn(|at| digest[at]), // 16 of 32
        version: 0,
    }
}

fn names(record: &Custodied, epoch: u32) -> [Name; 2] {
    let handle = handle(&record.owner, &record.record.record, epoch);
    HALVES.map(|kind| Name {
        kind,
        handle,
        version: record.record.version,
    })
}

fn note(epoch: u32, index: ShareIndex, threshold: usize, points: &PointsHash) -> Note {
    let mut note = [0; 40];
    note[..4].copy_from_slice(&epoch.to_be_bytes());
    note[4] = index.get();
    note[5] = u8::try_from(threshold).unwrap_or(u8::MAX); // at most 16
    note[8..].copy_from_slice(&points.0);
    note
}

/// A share to keep, and where it belongs.
pub(super) struct ToKeep<'a> {
    pub(super) record: &'a Custodied,
    pub(super) index: ShareIndex,
    pub(super) points: &'a Points,
    pub(super) share: Share,
}

/// Keeps shares of one epoch, and rows beside them, with one sync; keeping the same one again is keeping it
/// once. Of a record and version there is one.
pub(super) fn keep(
    slots: &mut Slots,
    epoch: u32,
    shares: &[ToKeep<'_>],
    rows: &[(Name, Row)],
) -> Result<(), ShareError> {
    let mut new = Vec::with_capacity(shares.len());
    let mut seen = BTreeSet::new();
    for one in shares {
        if !seen.insert(names(one.record, epoch)) {
            return Err(ShareError::Repeated);
        }
        match get(slots, one.record, epoch, (one.index, one.points)) {
            Err(ShareError::NotHeld) => new.push(one.noted(epoch)),
            // The points bind both scalars, so a share that fits them is the share.
            held => drop(held?),
        }
    }
    Ok(slots.put_shares(&new, rows)?)
}

impl ToKeep<'_> {
    fn noted(&self, epoch: u32) -> NotedShare {
        let bytes = self.share.expose();
        let mut halves = [Zeroizing::new([0; 32]), Zeroizing::new([0; 32])];
        for (half, from) in halves.iter_mut().zip(bytes.chunks_exact(32)) {
            half.copy_from_slice(from);
        }
        let [first, second] = names(self.record, epoch);
        let [value, blinding] = halves;
        let points = self.points;
        let note = note(epoch, self.index, points.threshold(), &points.hash());
        ([(first, value), (second, blinding)], note)
    }
}

/// The share that is held under these points at this place.
pub(super) fn get(
    slots: &mut Slots,
    record: &Custodied,
    epoch: u32,
    (index, points): (ShareIndex, &Points),
) -> Result<Share, ShareError> {
    if slots.is_erased(&marker(&record.owner, &record.record.record)) {
        return Err(ShareError::Erased);
    }
    let [first, second] = names(record, epoch);
    let wanted = note(epoch, index, points.threshold(), &points.hash());
    match (slots.get_noted(&first)?, slots.get_noted(&second)?) {
        ((Held::Erased, _), _) | (_, (Held::Erased, _)) => Err(ShareError::Erased),
        ((Held::Secret(value), one), (Held::Secret(blinding), other)) => {
            let mut bytes = Zeroizing::new([0; Share::LENGTH]);
            let (low, high) = bytes.split_at_mut(32);
            low.copy_from_slice(value.as_slice());
            high.copy_from_slice(blinding.as_slice());
            // Only whole shares are kept, so one that does not read was kept under another name.
            let share = Share::decode(&bytes).filter(|_| one == wanted && other == wanted);
            share.ok_or(ShareError::Other)
        }
        // Half a share is what a power cut left; nobody was told that it is held.
        _ => Err(ShareError::NotHeld),
    }
}

/// Overwrites every share of a record up to an epoch, of whatever version; gives how many there were.
/// From then on nothing of the record is held, and no deal of it is kept, one that is under way neither.
///
/// The marker is on disk before the first share is overwritten, so whatever a crash leaves of the rest is
/// held by nobody, and the next try overwrites it.
pub(super) fn erase_all(
    slots: &mut Slots,
    record: &Custodied,
    epoch: u32,
) -> Result<u32, SlotsError> {
    let Custodied { owner, record } = record;
    slots.bury(&marker(owner, &record.record))?;
    let handles: Vec<_> = (1..=epoch)
        .map(|epoch| handle(owner, &record.record, epoch))
        .collect();
    let of: Vec<_> = (handles.iter())
        .flat_map(|handle| HALVES.map(|kind| (kind, *handle)))
        .collect();
    slots.erase_versions(&of)?;
    let shares = handles
        .iter()
        .map(|handle| slots.versions(Kind::Share, *handle).len());
    Ok(u32::try_from(shares.sum::<usize>()).unwrap_or(u32::MAX))
}

/// Overwrites a record's shares of some epochs in place, for ever, with one wait for the disk; one that was
/// never held needs no erasing. Gives how many there were.
pub(super) fn erase(
    slots: &mut Slots,
    record: &Custodied,
    epochs: Range<u32>,
) -> Result<u32, SlotsError> {
    let names: Vec<_> = epochs.map(|epoch| names(record, epoch)).collect();
    slots.erase_all(names.as_flattened())?;
    let were = names.iter().filter(|[first, _]| slots.was_held(first));
    Ok(u32::try_from(were.count()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
