//! The bytes of the file of wrapped secrets: its header and its slots.
//!
//! The file is a header and slots, 128 bytes each:
//!
//! | bytes | header | slot |
//! |---|---|---|
//! | 0 | magic `medanchor/keys/1` (16 bytes) | state: 1 = held, 2 = erased |
//! | 1 | | kind: 1 = derivation root, 2 = V, 3 = S, 4 and 5 = the two halves of a custodian's share, 6 = S for the emergency key, 7 = a row of a custodian's deals |
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
//! S and its tag, 48), and zeros up to the checksum: the institution key does not open it. One of kind 7 has a
//! row of 80 bytes there, in the clear, and nothing secret.

use crate::keeper::KeyId;
use medanchor_ledger::{NetworkId, sha256};

const MAGIC: &[u8; 16] = b"medanchor/keys/1";
pub(super) const SLOT: usize = 128;
pub(super) const SLOT_BYTES: u64 = 128;
pub(super) const HELD: u8 = 1;
pub(super) const ERASED: u8 = 2;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Root = 1,
    Vault = 2,
    Custody = 3,
    Share = 4,
    Blinding = 5,
    Emergency = 6,
    Dealt = 7,
}

/// What was sealed to a public key: encapsulated key, ciphertext and tag.
pub(crate) type ToPublic = [u8; 80];

/// A row of a custodian's deals.
pub(crate) type Row = [u8; 80];

/// What stands beside a custodian's share in the clear, authenticated with it.
pub(crate) type Note = [u8; 40];

pub(super) const NO_NOTE: Note = [0; 40];

/// The name of a slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) handle: [u8; 16],
    pub(crate) version: u32,
}

/// What a slot is bound to: magic, network, kind, version and name, and a note if there is one.
pub(super) fn context(network: NetworkId, slot: &[u8; SLOT]) -> Vec<u8> {
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

pub(super) fn note_of(slot: &[u8; SLOT]) -> Note {
    let mut note = NO_NOTE;
    note.copy_from_slice(&slot[84..124]);
    note
}

/// What a held secret of this name is bound to.
#[cfg(test)]
pub(crate) fn context_of(network: NetworkId, name: &Name) -> Vec<u8> {
    context(network, &name.head(HELD))
}

/// A header.
pub(super) fn header(network: NetworkId, key: KeyId) -> [u8; SLOT] {
    let mut header = [0; SLOT];
    header[..16].copy_from_slice(MAGIC);
    header[16..32].copy_from_slice(network.as_bytes());
    header[32..48].copy_from_slice(key.as_bytes());
    header
}

/// Network and institution key that a header names; no key if it is of an early release.
pub(super) fn named(header: &[u8; SLOT]) -> Option<(NetworkId, Option<KeyId>)> {
    let (network, rest) = header.strip_prefix(MAGIC)?.split_first_chunk::<16>()?;
    let (key, zeros) = rest.split_first_chunk::<16>()?;
    let key = (*key != [0; 16]).then_some(KeyId::new(*key));
    let sound = zeros.iter().all(|byte| *byte == 0);
    sound.then_some((NetworkId::new(*network), key))
}

/// The slot with its last four bytes set to the checksum of the others.
pub(super) fn checked(mut slot: [u8; SLOT]) -> [u8; SLOT] {
    let (body, sum) = slot.split_at_mut(SLOT - 4);
    sum.copy_from_slice(&sha256(&[body])[..4]);
    slot
}

impl Name {
    /// A slot without its checksum: state and name, and zeros.
    pub(super) fn head(&self, state: u8) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        slot[0] = state;
        slot[1] = self.kind as u8;
        slot[4..8].copy_from_slice(&self.version.to_be_bytes());
        slot[8..24].copy_from_slice(&self.handle);
        slot
    }

    /// The name of a whole slot.
    pub(super) fn of_slot(slot: &[u8; SLOT]) -> Option<Self> {
        let kind = [
            Kind::Root,
            Kind::Vault,
            Kind::Custody,
            Kind::Share,
            Kind::Blinding,
            Kind::Emergency,
            Kind::Dealt,
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
            (Kind::Emergency | Kind::Dealt, HELD) => 104..124,
            _ => 84..124,
        };
        let whole = checked(*slot) == *slot
            && name.head(slot[0])[..24] == slot[..24]
            && slot[zeros].iter().all(|byte| *byte == 0);
        (whole && matches!(slot[0], HELD | ERASED)).then_some(name)
    }
}
