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

use super::place::Custodied;
use super::points::{Points, PointsHash, ShareIndex};
use super::sharing::Share;
use crate::slots::{Held, Kind, Name, Note, NotedShare, Slots, SlotsError};
use medanchor_ledger::cbor::Writer;
use medanchor_ledger::{ParticipantName, RecordHandle, sha256};
use std::collections::BTreeSet;
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

/// Keeps shares of one epoch, with one sync; keeping the same one again is keeping it once. Of a record and
/// version there is one.
pub(super) fn keep(slots: &mut Slots, epoch: u32, shares: &[ToKeep<'_>]) -> Result<(), ShareError> {
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
    Ok(slots.put_shares(&new)?)
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
/// What was never held of the versions up to this one, and of the next, is known as erased from then on, so that no deal
/// that is under way is kept.
pub(super) fn erase_all(
    slots: &mut Slots,
    record: &Custodied,
    epoch: u32,
) -> Result<u32, SlotsError> {
    let mut shares = 0;
    let mut never = Vec::new();
    for epoch in 1..=epoch {
        let handle = handle(&record.owner, &record.record.record, epoch);
        for kind in HALVES {
            for version in slots.versions(kind, handle) {
                slots.erase(&Name {
                    kind,
                    handle,
                    version,
                })?;
                shares += u32::from(kind == Kind::Share);
            }
        }
        // One half says it; the other kind of slot is only of shares that there were.
        never.extend(
            (1..=record.record.version.saturating_add(1)).map(|version| Name {
                kind: Kind::Blinding,
                handle,
                version,
            }),
        );
    }
    slots.bury(&never)?;
    Ok(shares)
}

/// Overwrites a share in place, for ever; one that was never held needs no erasing. Says whether it
/// was held.
pub(super) fn erase(slots: &mut Slots, record: &Custodied, epoch: u32) -> Result<bool, SlotsError> {
    let names = names(record, epoch);
    let held = slots.versions(names[0].kind, names[0].handle);
    for name in names {
        slots.erase(&name)?;
    }
    Ok(held.contains(&record.record.version))
}
