//! The small file of wrapped secrets, each in a slot of its own that is overwritten in place to erase.
//!
//! What always holds: a secret is in no other file; a slot lies within one disk sector; an erased slot
//! keeps its name, so that the record is known to have been erased, and nothing of the secret; a slot
//! is bound to its network, kind, name and version, so no slot can stand in for another. What a power
//! cut leaves of an append that was never acknowledged, half a slot or zeros, is cut or passed over;
//! any other damage is refused with its position, for it may be the last copy of a key. A disk that
//! remaps sectors may keep an old one: where that matters, the institution key belongs in a token.
//!
//! The file is a header and slots, 128 bytes each:
//!
//! | bytes | header | slot |
//! |---|---|---|
//! | 0 | magic `medanchor/keys/1` (16 bytes) | state: 1 = held, 2 = erased |
//! | 1 | | kind: 1 = derivation root, 2 = V, 3 = S, 4 and 5 = the two halves of a custodian's share, 6 = S for the emergency key |
//! | 2..4 | | zero |
//! | 4..8 | | version, big-endian |
//! | 8..24 | | name (a handle) |
//! | 16..32 | network id | |
//! | 32..48 | id of the institution key; zero in files of early releases | |
//! | 24..36 | | nonce |
//! | 36..84 | | AES-256-GCM of the secret, with tag |
//! | 84..124 | | note: of a share its epoch, place and points; zero for every other kind |
//! | 124..128 | | first bytes of SHA-256 of what stands before |
//!
//! A slot of kind 6 has at 24..104 what was sealed to the emergency key (an encapsulated key of 32 bytes,
//! S and its tag, 48), and zeros up to the checksum: the institution key does not open it.

use crate::keeper::{KeeperError, KeyId, KeyKeeper, SEALED, Wrapped};
use medanchor_ledger::{NetworkId, sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const MAGIC: &[u8; 16] = b"medanchor/keys/1";
const SLOT: usize = 128;
const SLOT_BYTES: u64 = 128;
const HELD: u8 = 1;
const ERASED: u8 = 2;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Root = 1,
    Vault = 2,
    Custody = 3,
    Share = 4,
    Blinding = 5,
    Emergency = 6,
}

/// What was sealed to a public key: encapsulated key, ciphertext and tag.
pub(crate) type ToPublic = [u8; 80];

/// What stands beside a custodian's share in the clear, authenticated with it.
pub(crate) type Note = [u8; 40];

const NO_NOTE: Note = [0; 40];

/// The name of a slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) handle: [u8; 16],
    pub(crate) version: u32,
}

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

/// A slot, and where it begins.
type Placed = (u64, Zeroizing<[u8; SLOT]>);

/// Why the file of wrapped secrets cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlotsError {
    /// Not such a file.
    #[error("{path} is not a file of wrapped keys of a known format; restore it from its back-up")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to another network.
    #[error("the vault belongs to network {found}; open it with that network's genesis")]
    OtherNetwork {
        /// The network it belongs to.
        found: NetworkId,
    },
    /// A slot before the last is damaged.
    #[error("the file of wrapped keys is damaged at byte {at}; restore it from its back-up")]
    Damaged {
        /// Where the slot begins.
        at: u64,
    },
    /// The institution key is not the one that wrapped this.
    #[error(
        "the wrapped key at byte {at} does not open; use the institution key that this vault was made with"
    )]
    WrongKey {
        /// Where the slot begins.
        at: u64,
    },
    /// The file names another institution key.
    #[error(
        "the keys of this vault are wrapped under another institution key; unlock the vault with that one"
    )]
    OtherKey,
    /// The name is held already.
    #[error("a key of this name is held already; seal as the next version")]
    Taken,
    /// The operating system refused.
    #[error("the file of wrapped keys could not be used: {0}; check the disk and its permissions")]
    Io(#[from] io::Error),
    /// Whoever keeps the institution key refused.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}

/// The open file, with the place of every slot in memory.
pub(crate) struct Slots {
    file: File,
    keeper: KeyKeeper,
    network: NetworkId,
    places: BTreeMap<Name, u64>,
    end: u64,
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
            self.places
                .insert(name.ok_or(SlotsError::Damaged { at })?, at);
            self.end = at + SLOT_BYTES;
        }
        if self.end < length {
            self.file.set_len(self.end)?;
            self.file.sync_all()?;
        }
        Ok(())
    }

    /// Keeps secrets under new names; they are on disk when this returns.
    pub(crate) fn put(&mut self, secrets: &[(Name, &[u8; 32])]) -> Result<(), SlotsError> {
        let wrapped = secrets
            .iter()
            .map(|(name, secret)| Ok((*name, self.wrap(name, secret, &NO_NOTE)?)));
        let wrapped: Vec<_> = wrapped.collect::<Result<_, SlotsError>>()?;
        self.append(&wrapped)
    }

    /// Keeps both halves of shares with one sync, over what a power cut may have left of an earlier
    /// try: only for shares that are not whole yet, since nobody was ever told that they are held.
    pub(crate) fn put_shares(&mut self, shares: &[NotedShare]) -> Result<(), SlotsError> {
        let mut appended = Vec::with_capacity(2 * shares.len());
        for (halves, note) in shares {
            for (name, secret) in halves {
                let slot = self.wrap(name, secret, note)?;
                match self.places.get(name).copied() {
                    Some(at) => self.write(at, &slot)?,
                    None => appended.push((*name, slot)),
                }
            }
        }
        self.append(&appended)
    }

    /// Appends slots under names that have none; they are on disk when this returns.
    fn append(&mut self, slots: &[(Name, [u8; SLOT])]) -> Result<(), SlotsError> {
        let mut bytes = Vec::with_capacity(SLOT * slots.len());
        let mut new = BTreeSet::new();
        for (name, slot) in slots {
            if self.places.contains_key(name) || !new.insert(name) {
                return Err(SlotsError::Taken);
            }
            bytes.extend_from_slice(slot);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.write(self.end, &bytes)?;
        for (name, _) in slots {
            self.places.insert(*name, self.end);
            self.end += SLOT_BYTES;
        }
        Ok(())
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
        let Some(at) = self.places.get(name).copied() else {
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
        let slots = sealed.iter().map(|(name, sealed)| {
            let mut slot = name.head(HELD);
            slot[24..104].copy_from_slice(sealed);
            (*name, checked(slot))
        });
        self.append(&slots.collect::<Vec<_>>())
    }

    /// What is held under a name of kind 6.
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
    pub(crate) fn erase(&mut self, name: &Name) -> Result<(), SlotsError> {
        self.erase_all(std::slice::from_ref(name))
    }

    /// Overwrites secrets in place, for ever, with one sync.
    pub(crate) fn erase_all(&mut self, names: &[Name]) -> Result<(), SlotsError> {
        let mut touched = false;
        for name in names {
            if let Some(at) = self.places.get(name).copied() {
                self.write_unsynced(at, &checked(name.head(ERASED)))?;
                touched = true;
            }
        }
        match touched {
            true => Ok(self.file.sync_data()?),
            false => Ok(()),
        }
    }

    /// Writes erased slots under names that have none: nothing is ever kept under them.
    pub(crate) fn bury(&mut self, names: &[Name]) -> Result<(), SlotsError> {
        let free = |name: &&Name| !self.places.contains_key(*name);
        let slots = (names.iter().filter(free)).map(|name| (*name, checked(name.head(ERASED))));
        let slots: Vec<_> = slots.collect();
        self.append(&slots)
    }

    /// The handles of `kind` that there are or were, ascending.
    pub(crate) fn handles(&self, kind: Kind) -> Vec<[u8; 16]> {
        let names = self.places.keys().filter(|name| name.kind == kind);
        let mut handles: Vec<_> = names.map(|name| name.handle).collect();
        handles.dedup();
        handles
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
    /// this returns. Gives back the keeper of this one.
    pub(crate) fn rewrap(
        mut self,
        path: &Path,
        keeper: KeyKeeper,
    ) -> Result<(Self, KeyKeeper), SlotsError> {
        let mut next = Self::create(path, keeper, self.network)?;
        let mut order: Vec<_> = self.places.iter().map(|(name, at)| (*at, *name)).collect();
        order.sort_unstable_by_key(|(at, _)| *at);
        let mut writer = BufWriter::with_capacity(1 << 16, next.file.try_clone()?);
        for (at, name) in order {
            writer.write_all(&self.rewrapped(&name, at, &next)?)?;
            next.places.insert(name, next.end);
            next.end += SLOT_BYTES;
        }
        writer.flush()?;
        next.file.sync_all()?;
        Ok((next, self.keeper))
    }

    /// A slot as `next` holds it: what is not wrapped under the institution key stays as it is.
    fn rewrapped(&mut self, name: &Name, at: u64, next: &Self) -> Result<[u8; SLOT], SlotsError> {
        if name.kind == Kind::Emergency {
            let (_, slot) = self.read(name)?.ok_or(SlotsError::Damaged { at })?;
            return Ok(*slot);
        }
        match self.get_noted(name)? {
            (Held::Secret(secret), note) => next.wrap(name, &secret, &note),
            (Held::Erased, _) => Ok(checked(name.head(ERASED))),
            (Held::Nothing, _) => Err(SlotsError::Damaged { at }),
        }
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), SlotsError> {
        self.write_unsynced(at, bytes)?;
        Ok(self.file.sync_data()?)
    }

    fn write_unsynced(&mut self, at: u64, bytes: &[u8]) -> Result<(), SlotsError> {
        self.file.seek(SeekFrom::Start(at))?;
        Ok(self.file.write_all(bytes)?)
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

/// What a slot is bound to: magic, network, kind, version and name, and a note if there is one.
fn context(network: NetworkId, slot: &[u8; SLOT]) -> Vec<u8> {
    let mut context = Vec::with_capacity(96);
    context.extend_from_slice(MAGIC);
    context.extend_from_slice(network.as_bytes());
    context.extend_from_slice(&slot[..24]);
    let note = note_of(slot);
    if note != NO_NOTE {
        context.extend_from_slice(&note);
    }
    context
}

fn note_of(slot: &[u8; SLOT]) -> Note {
    let mut note = NO_NOTE;
    note.copy_from_slice(&slot[84..124]);
    note
}

/// What a held secret of this name is bound to.
#[cfg(test)]
pub(crate) fn context_of(network: NetworkId, name: &Name) -> Vec<u8> {
    context(network, &name.head(HELD))
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn header(network: NetworkId, key: KeyId) -> [u8; SLOT] {
    let mut header = [0; SLOT];
    header[..16].copy_from_slice(MAGIC);
    header[16..32].copy_from_slice(network.as_bytes());
    header[32..48].copy_from_slice(key.as_bytes());
    header
}

/// Network and institution key that a header names; no key if it is of an early release.
fn read_header(file: &mut File, path: &Path) -> Result<(NetworkId, Option<KeyId>), SlotsError> {
    let format = || SlotsError::Format { path: path.into() };
    let mut header = [0; SLOT];
    file.read_exact(&mut header).map_err(|_| format())?;
    named(&header).ok_or_else(format)
}

fn named(header: &[u8; SLOT]) -> Option<(NetworkId, Option<KeyId>)> {
    let (network, rest) = header.strip_prefix(MAGIC)?.split_first_chunk::<16>()?;
    let (key, zeros) = rest.split_first_chunk::<16>()?;
    let key = (*key != [0; 16]).then_some(KeyId::new(*key));
    let sound = zeros.iter().all(|byte| *byte == 0);
    sound.then_some((NetworkId::new(*network), key))
}

/// Under which institution key the secrets of a file are wrapped, as far as it says so.
pub(crate) fn wrapped_under(path: &Path) -> Result<Option<KeyId>, SlotsError> {
    Ok(read_header(&mut File::open(path)?, path)?.1)
}

/// The slot with its last four bytes set to the checksum of the others.
fn checked(mut slot: [u8; SLOT]) -> [u8; SLOT] {
    let (body, sum) = slot.split_at_mut(SLOT - 4);
    sum.copy_from_slice(&sha256(&[body])[..4]);
    slot
}

impl Name {
    fn head(&self, state: u8) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        slot[0] = state;
        slot[1] = self.kind as u8;
        slot[4..8].copy_from_slice(&self.version.to_be_bytes());
        slot[8..24].copy_from_slice(&self.handle);
        slot
    }

    /// The name of a whole slot.
    fn of_slot(slot: &[u8; SLOT]) -> Option<Self> {
        let kind = [
            Kind::Root,
            Kind::Vault,
            Kind::Custody,
            Kind::Share,
            Kind::Blinding,
            Kind::Emergency,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == slot[1])?;
        let version = u32::from_be_bytes(slot[4..8].try_into().ok()?);
        let name = Self {
            kind,
            version,
            handle: slot[8..24].try_into().ok()?,
        };
        let zeros = match (kind, slot[0]) {
            (Kind::Share | Kind::Blinding, HELD) => 124..124,
            (Kind::Emergency, HELD) => 104..124,
            _ => 84..124,
        };
        let whole = checked(*slot) == *slot
            && name.head(slot[0])[..24] == slot[..24]
            && slot[zeros].iter().all(|byte| *byte == 0);
        (whole && matches!(slot[0], HELD | ERASED)).then_some(name)
    }
}

#[cfg(test)]
mod tests;
