//! The slip of an emergency opening: one line, kept with the record of care, that proves that an
//! institution's emergency journal has had an entry of this number.
//!
//! What always holds: a slip is signed by the institution, over counter and head, as the entry in its
//! journal is; so a journal that is anchored without that entry, or with another one, convicts who signed.
//! A slip says nothing of the patient, the record or the reader.
//!
//! ```text
//! medanchor-slip/1 NETWORK OWNER COUNTER HEAD SIGNATURE
//! ```
//! with the network's id, the journal's head after the entry, and Ed25519 over
//! "medanchor/emergency-entry/v1" || network || counter as u64 || head, each in lower-case hexadecimal; the
//! counter in decimal.

use crate::signature::{PublicKey, Signature, verify};
use crate::{JournalHead, NetworkId, ParticipantName};
use std::fmt;
use std::str::FromStr;

const NAME: &str = "medanchor-slip/1";
/// The longest slip, in bytes.
const LONGEST: usize = 512;

/// What proves that a journal has had an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// The network.
    pub network: NetworkId,
    /// Whose journal.
    pub owner: ParticipantName,
    /// The entry's number, from 1.
    pub counter: u64,
    /// The journal's head after the entry.
    pub head: JournalHead,
    /// The owner's signature.
    pub signature: Signature,
}

/// Not a slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no slip of an emergency opening, which is a line of six words that begins with {NAME}; look for a letter that was copied wrongly"
)]
pub struct SlipError;

/// What the signature of an entry of an emergency journal is over.
#[must_use]
pub fn entry_bytes(network: NetworkId, counter: u64, head: &JournalHead) -> Vec<u8> {
    let parts: [&[u8]; 4] = [
        b"medanchor/emergency-entry/v1",
        network.as_bytes(),
        &counter.to_be_bytes(),
        head.as_bytes(),
    ];
    parts.concat()
}

impl Slip {
    /// Whether this key signed it.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let message = entry_bytes(self.network, self.counter, &self.head);
        verify(key, &message, &self.signature).is_ok()
    }
}

impl fmt::Display for Slip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, owner, .. } = self;
        let (counter, head) = (self.counter, &self.head);
        let signature = hex::encode(self.signature.as_bytes());
        write!(f, "{NAME} {network} {owner} {counter} {head} {signature}")
    }
}

impl FromStr for Slip {
    type Err = SlipError;

    fn from_str(line: &str) -> Result<Self, SlipError> {
        let read = (line.len() <= LONGEST).then(|| read(line)).flatten();
        // A slip is written in one way.
        let read = read.filter(|slip| slip.to_string() == line);
        read.ok_or(SlipError)
    }
}

fn read(line: &str) -> Option<Slip> {
    let mut words = line.split(' ');
    if words.next()? != NAME {
        return None;
    }
    let network = words.next()?.parse().ok()?;
    let owner = words.next()?.parse().ok()?;
    let counter = words.next()?.parse().ok().filter(|counter| *counter > 0)?;
    let head = words.next()?.parse().ok()?;
    let mut signature = [0; 64];
    hex::decode_to_slice(words.next()?, &mut signature).ok()?;
    Some(Slip {
        network,
        owner,
        counter,
        head,
        signature: Signature::new(signature),
    })
}
