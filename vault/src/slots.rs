//! The small file of wrapped secrets, each in a slot of its own that is overwritten in place to erase.
//!
//! What always holds: a secret is in no other file; a slot lies within one disk sector; an erased slot
//! keeps its name, so that the record is known to have been erased, and nothing of the secret; a slot
//! is bound to its network, kind, name and version, so no slot can stand in for another. What a power
//! cut leaves of an append that was never acknowledged, half a slot or zeros, is cut or passed over;
//! any other damage is refused with its position, for it may be the last copy of a key. A disk that
//! remaps sectors may keep an old one: where that matters, the institution key belongs in a token.
//!
//! What an open file says is on disk: an erasure that a crash left in the system's cache is made durable
//! by the opening, so that nobody who is told of it for the second time is told too much.
//!
//! `slot` has the bytes of header and slots.

use crate::keeper::{KeyId, KeyKeeper, SEALED, Wrapped};
use medanchor_ledger::NetworkId;
use slot::{ERASED, HELD, NO_NOTE, SLOT, SLOT_BYTES, checked, context, header, named, note_of};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use zeroize::Zeroizing;

mod error;
mod slot;
#[cfg(test)]
mod tests;

pub use error::SlotsError;
#[cfg(test)]
pub(crate) use slot::context_of;
pub(crate) use slot::{Kind, Name, Note, Row, ToPublic};

/// What a slot holds.
pub(crate) enum Held {
    Secret(Zeroizing<[u8; 32]>),
    Erased,
    Nothing,
}

/// What a slot holds of a secret that was sealed to a public key.
pub(crate) enum HeldToPublic {
    Sealed(Box<ToPublic>),
    Erased,
    Nothing,
}

/// Both halves of a custodian's share, and what stands beside each.
pub(crate) type NotedShare = ([(Name, Zeroizing<[u8; 32]>); 2], Note);

/// Where a slot begins, and whether it is erased on disk.
#[derive(Clone, Copy)]
struct Place {
    at: u64,
    erased: bool,
}

/// A slot, and where it begins.
type Placed = (u64, Zeroizing<[u8; SLOT]>);

/// The open file, with the place of every slot in memory.
pub(crate) struct Slots {
    file: File,
    keeper: KeyKeeper,
    network: NetworkId,
    places: BTreeMap<Name, Place>,
    end: u64,
    /// How often the disk was waited for.
    #[cfg(test)]
    syncs: crate::disk::Syncs,
}

impl Slots {
    pub(crate) fn create(
        path: &Path,
        keeper: KeyKeeper,
        network: NetworkId,
    ) -> Result<Self, SlotsError> {
        let mut file = new_file(path)?;
        file.write_all(&header(network, keeper.id()))?;
        file.sync_all()?;
        crate::disk::sync_parent(path)?;
        Ok(Self {
            file,
            keeper,
            network,
            places: BTreeMap::new(),
            end: SLOT_BYTES,
            #[cfg(test)]
            syncs: crate::disk::Syncs::default(),
        })
    }

    pub(crate) fn open(
        path: &Path,
        keeper: KeyKeeper,
        network: NetworkId,
    ) -> Result<Self, SlotsError> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        let (found, key) = read_header(&mut file, path)?;
        if found != network {
            return Err(SlotsError::OtherNetwork { found });
        }
        if key.is_some_and(|key| key != keeper.id()) {
            return Err(SlotsError::OtherKey);
        }
        let mut slots = Self {
            file,
            keeper,
            network,
            places: BTreeMap::new(),
            end: SLOT_BYTES,
            #[cfg(test)]
            syncs: crate::disk::Syncs::default(),
        };
        slots.load(length)?;
        Ok(slots)
    }

    fn load(&mut self, length: u64) -> Result<(), SlotsError> {
        let mut reader = io::BufReader::with_capacity(1 << 16, self.file.try_clone()?);
        let mut slot = [0; SLOT];
        for at in (SLOT_BYTES..=length.saturating_sub(SLOT_BYTES)).step_by(SLOT) {
            reader.read_exact(&mut slot)?;
            if slot == [0; SLOT] {
                continue;
            }
            let name = Name::of_slot(&slot).filter(|name| !self.places.contains_key(name));
            let name = name.ok_or(SlotsError::Damaged { at })?;
            let erased = slot[0] == ERASED;
            self.places.insert(name, Place { at, erased });
            self.end = at + SLOT_BYTES;
        }
        self.cut_tail(length)?;
        Ok(self.file.sync_all()?)
    }

    /// Cuts what stands behind the last slot: what a power cut or a full disk left of an append.
    fn cut_tail(&mut self, length: u64) -> io::Result<()> {
        match self.end < length {
            true => self.file.set_len(self.end),
            false => Ok(()),
        }
    }

    /// Keeps secrets under new names; they are on disk when this returns.
    pub(crate) fn put(&mut self, secrets: &[(Name, &[u8; 32])]) -> Result<(), SlotsError> {
        let wrapped = secrets
            .iter()
            .map(|(name, secret)| Ok((*name, self.wrap(name, secret, &NO_NOTE)?)));
        let wrapped: Vec<_> = wrapped.collect::<Result<_, SlotsError>>()?;
        self.append(&wrapped)
    }

    /// Keeps both halves of shares, and rows beside them, with one sync: over what a power cut may have left of
    /// an earlier try, so only for shares that are not whole yet, since nobody was ever told that they are held,
    /// and over rows that are needed no more.
    pub(crate) fn put_shares(
        &mut self,
        shares: &[NotedShare],
        rows: &[(Name, Row)],
    ) -> Result<(), SlotsError> {
        let mut slots: Vec<_> = rows
            .iter()
            .map(|(name, row)| (*name, open_slot(name, row)))
            .collect();
        for (halves, note) in shares {
            for (name, secret) in halves {
                slots.push((*name, self.wrap(name, secret, note)?));
            }
        }
        let (over, new): (Vec<_>, Vec<_>) =
            slots.into_iter().partition(|(name, _)| self.was_held(name));
        let bytes = self.bytes_to_append(&new)?;
        for (name, slot) in &over {
            if let Some(place) = self.places.get_mut(name) {
                // Already now: what a failure leaves here is not taken for erased.
                place.erased = false;
                let at = place.at;
                self.write(at, slot)?;
            }
        }
        self.write_tail(&bytes)?;
        if !(over.is_empty() && new.is_empty()) {
            self.sync()?;
        }
        self.appended(new.iter().map(|(name, _)| (*name, false)));
        Ok(())
    }

    /// The rows of kind 7.
    pub(crate) fn rows(&mut self) -> Result<Vec<Row>, SlotsError> {
        let is_row = |(name, place): &(&Name, &Place)| name.kind == Kind::Dealt && !place.erased;
        let names = self.places.iter().filter(is_row).map(|(name, _)| *name);
        let mut rows = Vec::new();
        for name in names.collect::<Vec<_>>() {
            if let HeldToPublic::Sealed(row) = self.get_to_public(&name)? {
                rows.push(*row);
            }
        }
        Ok(rows)
    }

    /// Appends slots under names that have none; they are on disk when this returns.
    fn append(&mut self, slots: &[(Name, [u8; SLOT])]) -> Result<(), SlotsError> {
        let bytes = self.bytes_to_append(slots)?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.write_tail(&bytes)?;
        self.sync()?;
        self.appended(slots.iter().map(|(name, slot)| (*name, slot[0] == ERASED)));
        Ok(())
    }

    /// The slots one after another, if each name is free and there once.
    fn bytes_to_append(&self, slots: &[(Name, [u8; SLOT])]) -> Result<Vec<u8>, SlotsError> {
        let mut bytes = Vec::with_capacity(SLOT * slots.len());
        let mut new = BTreeSet::new();
        for (name, slot) in slots {
            if self.places.contains_key(name) || !new.insert(name) {
                return Err(SlotsError::Taken);
            }
            bytes.extend_from_slice(slot);
        }
        Ok(bytes)
    }

    /// Writes behind the last slot. Where an earlier append failed half-way, nothing of it stays: a name
    /// that came twice would be damage to the next opening.
    fn write_tail(&mut self, bytes: &[u8]) -> Result<(), SlotsError> {
        let length = self.file.metadata()?.len();
        self.cut_tail(length)?;
        self.write(self.end, bytes)
    }

    /// Takes note of slots that are on disk behind the last one.
    fn appended(&mut self, names: impl Iterator<Item = (Name, bool)>) {
        for (name, erased) in names {
            let at = self.end;
            self.places.insert(name, Place { at, erased });
            self.end += SLOT_BYTES;
        }
    }

    pub(crate) fn get(&mut self, name: &Name) -> Result<Held, SlotsError> {
        Ok(self.get_noted(name)?.0)
    }

    /// What is held under a name, and the note beside it.
    pub(crate) fn get_noted(&mut self, name: &Name) -> Result<(Held, Note), SlotsError> {
        let Some((at, slot)) = self.read(name)? else {
            return Ok((Held::Nothing, NO_NOTE));
        };
        if slot[0] == ERASED {
            return Ok((Held::Erased, NO_NOTE));
        }
        let secret = self.unwrap_slot(name, &slot)?;
        let secret = secret.ok_or(SlotsError::WrongKey { at })?;
        Ok((Held::Secret(secret), note_of(&slot)))
    }

    /// The slot of a name, and where it begins.
    fn read(&mut self, name: &Name) -> Result<Option<Placed>, SlotsError> {
        let Some(Place { at, .. }) = self.places.get(name).copied() else {
            return Ok(None);
        };
        let mut slot = Zeroizing::new([0; SLOT]);
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(slot.as_mut_slice())?;
        match Name::of_slot(&slot) == Some(*name) {
            true => Ok(Some((at, slot))),
            false => Err(SlotsError::Damaged { at }),
        }
    }

    /// Keeps what was sealed to a public key, under new names of kind 6; it is on disk when this returns.
    pub(crate) fn put_to_public(&mut self, sealed: &[(Name, ToPublic)]) -> Result<(), SlotsError> {
        let slots = sealed
            .iter()
            .map(|(name, sealed)| (*name, open_slot(name, sealed)));
        self.append(&slots.collect::<Vec<_>>())
    }

    /// What is held under a name of kind 6 or 7.
    pub(crate) fn get_to_public(&mut self, name: &Name) -> Result<HeldToPublic, SlotsError> {
        let Some((_, slot)) = self.read(name)? else {
            return Ok(HeldToPublic::Nothing);
        };
        if slot[0] == ERASED {
            return Ok(HeldToPublic::Erased);
        }
        let mut sealed = Box::new([0; 80]);
        sealed.copy_from_slice(&slot[24..104]);
        Ok(HeldToPublic::Sealed(sealed))
    }

    /// Overwrites a secret in place, for ever; erasing twice is erasing once.
    #[cfg(test)]
    pub(crate) fn erase(&mut self, name: &Name) -> Result<(), SlotsError> {
        self.erase_all(std::slice::from_ref(name))
    }

    /// Overwrites secrets in place, for ever, with one sync; with none if all of them are erased already,
    /// or were never there.
    pub(crate) fn erase_all(&mut self, names: &[Name]) -> Result<(), SlotsError> {
        let held = |name: &&Name| self.places.get(name).is_some_and(|place| !place.erased);
        let held: Vec<Name> = names.iter().filter(held).copied().collect();
        for name in &held {
            if let Some(place) = self.places.get(name) {
                self.write(place.at, &checked(name.head(ERASED)))?;
            }
        }
        if !held.is_empty() {
            self.sync()?;
        }
        for name in &held {
            // Only now: until then the next try writes again.
            if let Some(place) = self.places.get_mut(name) {
                place.erased = true;
            }
        }
        Ok(())
    }

    /// [`Slots::erase_all`] of every version of each kind and handle.
    pub(crate) fn erase_versions(&mut self, of: &[(Kind, [u8; 16])]) -> Result<(), SlotsError> {
        let names = of.iter().flat_map(|(kind, handle)| {
            let versions = self.versions(*kind, *handle).into_iter();
            versions.map(|version| Name {
                kind: *kind,
                handle: *handle,
                version,
            })
        });
        let names: Vec<_> = names.collect();
        self.erase_all(&names)
    }

    /// Leaves an erased slot under a name, whether anything was held there or not: nothing is ever kept
    /// under it.
    pub(crate) fn bury(&mut self, name: &Name) -> Result<(), SlotsError> {
        match self.places.contains_key(name) {
            true => self.erase_all(std::slice::from_ref(name)),
            false => self.append(&[(*name, checked(name.head(ERASED)))]),
        }
    }

    /// Whether anything is held under a name, or was.
    pub(crate) fn was_held(&self, name: &Name) -> bool {
        self.places.contains_key(name)
    }

    /// Whether a name's slot is an erased one.
    pub(crate) fn is_erased(&self, name: &Name) -> bool {
        self.places.get(name).is_some_and(|place| place.erased)
    }

    /// The handles of `kind` that there are or were, ascending.
    pub(crate) fn handles(&self, kind: Kind) -> Vec<[u8; 16]> {
        let names = self.places.keys().filter(|name| name.kind == kind);
        let mut handles: Vec<_> = names.map(|name| name.handle).collect();
        handles.dedup();
        handles
    }

    /// Whether anything of `kind` is held.
    pub(crate) fn holds(&self, kind: Kind) -> bool {
        let mut all = self.places.iter();
        all.any(|(name, place)| name.kind == kind && !place.erased)
    }

    /// The versions of `kind` and `handle` that there are or were.
    pub(crate) fn versions(&self, kind: Kind, handle: [u8; 16]) -> Vec<u32> {
        let name = |version| Name {
            kind,
            handle,
            version,
        };
        self.places
            .range(name(0)..=name(u32::MAX))
            .map(|(name, _)| name.version)
            .collect()
    }

    /// Writes a new file with all that this one holds, wrapped by another keeper; it is on disk when
    /// this returns.
    pub(crate) fn rewrap(mut self, path: &Path, keeper: KeyKeeper) -> Result<Self, SlotsError> {
        let mut next = Self::create(path, keeper, self.network)?;
        let places = self.places.iter();
        let mut order: Vec<_> = places.map(|(name, place)| (*place, *name)).collect();
        order.sort_unstable_by_key(|(place, _)| place.at);
        let mut writer = BufWriter::with_capacity(1 << 16, next.file.try_clone()?);
        for (place, name) in order {
            writer.write_all(&self.rewrapped(&name, place.at, &next)?)?;
            next.appended([(name, place.erased)].into_iter());
        }
        writer.flush()?;
        next.file.sync_all()?;
        Ok(next)
    }

    /// A slot as `next` holds it: what is not wrapped under the institution key stays as it is.
    fn rewrapped(&mut self, name: &Name, at: u64, next: &Self) -> Result<[u8; SLOT], SlotsError> {
        if matches!(name.kind, Kind::Emergency | Kind::Dealt) {
            let (_, slot) = self.read(name)?.ok_or(SlotsError::Damaged { at })?;
            return Ok(*slot);
        }
        match self.get_noted(name)? {
            (Held::Secret(secret), note) => next.wrap(name, &secret, &note),
            (Held::Erased, _) => Ok(checked(name.head(ERASED))),
            (Held::Nothing, _) => Err(SlotsError::Damaged { at }),
        }
    }

    /// Writes, and does not wait for the disk.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), SlotsError> {
        self.file.seek(SeekFrom::Start(at))?;
        Ok(self.file.write_all(bytes)?)
    }

    #[cfg(test)]
    pub(crate) const fn syncs(&self) -> &crate::disk::Syncs {
        &self.syncs
    }

    fn sync(&mut self) -> io::Result<()> {
        #[cfg(test)]
        self.syncs.next()?;
        self.file.sync_data()
    }

    fn wrap(&self, name: &Name, secret: &[u8; 32], note: &Note) -> Result<[u8; SLOT], SlotsError> {
        let mut slot = name.head(HELD);
        slot[84..124].copy_from_slice(note);
        let wrapped = self.keeper.wrap(&context(self.network, &slot), secret)?;
        slot[24..36].copy_from_slice(&wrapped.nonce);
        slot[36..84].copy_from_slice(&wrapped.sealed);
        Ok(checked(slot))
    }

    fn unwrap_slot(
        &self,
        name: &Name,
        slot: &[u8; SLOT],
    ) -> Result<Option<Zeroizing<[u8; 32]>>, SlotsError> {
        let mut wrapped = Wrapped {
            nonce: [0; 12],
            sealed: [0; SEALED],
        };
        wrapped.nonce.copy_from_slice(&slot[24..36]);
        wrapped.sealed.copy_from_slice(&slot[36..84]);
        let mut bound = name.head(HELD);
        bound[84..124].copy_from_slice(&slot[84..124]);
        let context = context(self.network, &bound);
        Ok(self.keeper.unwrap(&context, &wrapped)?)
    }
}

/// A slot of what the institution key does not wrap.
fn open_slot(name: &Name, bytes: &[u8; 80]) -> [u8; SLOT] {
    let mut slot = name.head(HELD);
    slot[24..104].copy_from_slice(bytes);
    checked(slot)
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Network and institution key that a header names; no key if it is of an early release.
fn read_header(file: &mut File, path: &Path) -> Result<(NetworkId, Option<KeyId>), SlotsError> {
    let format = || SlotsError::Format { path: path.into() };
    let mut header = [0; SLOT];
    file.read_exact(&mut header).map_err(|_| format())?;
    named(&header).ok_or_else(format)
}

/// Under which institution key the secrets of a file are wrapped, as far as it says so.
pub(crate) fn wrapped_under(path: &Path) -> Result<Option<KeyId>, SlotsError> {
    Ok(read_header(&mut File::open(path)?, path)?.1)
}
