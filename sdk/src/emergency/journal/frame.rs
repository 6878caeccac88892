//! The frames of the emergency journal's file, all of one size.
//!
//! | bytes | header | entry | lost entries |
//! |---|---|---|---|
//! | 0..8 | magic `medanchor/ejrn/1` (16 bytes) | counter, big-endian, as all numbers | counter of the last one |
//! | 8..24 | | record | counter of the first one (8..16), zero |
//! | 24..28 | network id (16..32) | version, 1 or more | zero |
//! | 28..36 | where the key is kept (byte 32): 0 a file, 3 a token that counts | claimed time, in milliseconds since 1970 | zero |
//! | 36..68 | zero (33..188) | head before | head after the last one |
//! | 68..101 | | commitment to who reads and why | zero |
//! | 101..104 | | zero | zero |
//! | 104..168 | | Ed25519 over "medanchor/emergency-entry/v1" || network || counter || head after | Ed25519 over "medanchor/emergency-lost/v1" || network || first || last || head after |
//! | 168..188 | | zero | zero |
//! | 188..192 | first bytes of SHA-256 of what stands before | the same | the same |

use super::JournalStanding;
use medanchor_ledger::event::{AccessEmergency, JournalKeyKind};
use medanchor_ledger::signature::{PublicKey, Signature, verify};
use medanchor_ledger::slip::entry_bytes;
use medanchor_ledger::{Commitment, JournalHead, NetworkId, RecordHandle, Time, TreeHash, sha256};

const MAGIC: &[u8; 16] = b"medanchor/ejrn/1";
pub(super) const FRAME: usize = 192;
const BODY: usize = FRAME - 4;
/// Where the header says where the key is kept.
const KIND: usize = 32;

/// One entry, with the identity's signature over counter and head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journalled {
    /// What was opened, in the words of the ledger.
    pub entry: AccessEmergency,
    /// The signature.
    pub signature: Signature,
}

/// Entries that were counted and that the journal has no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Lost {
    /// The number of the first one.
    pub(in super::super) first: u64,
    /// The journal after the last one.
    pub(in super::super) standing: JournalStanding,
}

impl Lost {
    /// How many they are.
    pub(in super::super) const fn count(&self) -> u64 {
        self.standing
            .counter
            .saturating_sub(self.first)
            .saturating_add(1)
    }
}

/// What takes a journal from one standing to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Step {
    Entry(AccessEmergency),
    Lost(Lost),
}

impl Step {
    /// The journal after it.
    pub(in super::super) fn standing(&self) -> JournalStanding {
        match self {
            Self::Entry(entry) => JournalStanding {
                counter: entry.counter,
                head: entry.head(),
            },
            Self::Lost(lost) => lost.standing,
        }
    }

    pub(in super::super) const fn entry(&self) -> Option<&AccessEmergency> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Lost(_) => None,
        }
    }

    /// Whether it follows a journal that stands so.
    pub(in super::super) fn follows(&self, standing: &JournalStanding) -> bool {
        let next = standing.counter.checked_add(1);
        match self {
            Self::Entry(entry) => next == Some(entry.counter) && entry.previous == standing.head,
            Self::Lost(lost) => next == Some(lost.first) && lost.first <= lost.standing.counter,
        }
    }

    fn signed(&self, network: NetworkId) -> Vec<u8> {
        match self {
            Self::Entry(entry) => entry_bytes(network, entry.counter, &entry.head()),
            Self::Lost(lost) => {
                let parts: [&[u8]; 5] = [
                    b"medanchor/emergency-lost/v1",
                    network.as_bytes(),
                    &lost.first.to_be_bytes(),
                    &lost.standing.counter.to_be_bytes(),
                    lost.standing.head.as_bytes(),
                ];
                parts.concat()
            }
        }
    }
}

pub(super) fn header(network: NetworkId, kind: JournalKeyKind) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    frame[..16].copy_from_slice(MAGIC);
    frame[16..KIND].copy_from_slice(network.as_bytes());
    frame[KIND] = match kind {
        JournalKeyKind::File => 0,
        other => other.code(),
    };
    checked(frame)
}

/// What a header of this network says of where the key is kept; none of anything else.
pub(super) fn kind_of(frame: &[u8; FRAME], network: NetworkId) -> Option<JournalKeyKind> {
    let kinds = [JournalKeyKind::File, JournalKeyKind::Token];
    let mut kinds = kinds.into_iter();
    kinds.find(|kind| *frame == header(network, *kind))
}

/// The frame with its last four bytes set to the checksum of the others.
pub(super) fn checked(mut frame: [u8; FRAME]) -> [u8; FRAME] {
    let (body, sum) = frame.split_at_mut(BODY);
    sum.copy_from_slice(&sha256(&[body])[..4]);
    frame
}

/// A step with the identity's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Signed {
    pub(in super::super) step: Step,
    pub(super) signature: Signature,
}

impl Signed {
    pub(super) fn new(network: NetworkId, step: Step, sign: impl Fn(&[u8]) -> Signature) -> Self {
        let signature = sign(&step.signed(network));
        Self { step, signature }
    }

    pub(in super::super) fn into_journalled(self) -> Option<Journalled> {
        match self.step {
            Step::Entry(entry) => Some(Journalled {
                entry,
                signature: self.signature,
            }),
            Step::Lost(_) => None,
        }
    }

    pub(super) fn encode(&self) -> [u8; FRAME] {
        let mut frame = [0; FRAME];
        match &self.step {
            Step::Entry(entry) => write_entry(&mut frame, entry),
            Step::Lost(lost) => {
                frame[..8].copy_from_slice(&lost.standing.counter.to_be_bytes());
                frame[8..16].copy_from_slice(&lost.first.to_be_bytes());
                frame[36..68].copy_from_slice(lost.standing.head.as_bytes());
            }
        }
        frame[104..168].copy_from_slice(self.signature.as_bytes());
        checked(frame)
    }

    /// What [`Signed::encode`] gives, and nothing else.
    pub(super) fn decode(frame: &[u8; FRAME]) -> Option<Self> {
        let step = match u32::from_be_bytes(part(frame, 24)?) {
            0 => Step::Lost(Lost {
                first: u64::from_be_bytes(part(frame, 8)?),
                standing: JournalStanding {
                    counter: u64::from_be_bytes(part(frame, 0)?),
                    head: JournalHead::new(part(frame, 36)?),
                },
            }),
            version => Step::Entry(read_entry(frame, version)?),
        };
        let signature = Signature::new(part(frame, 104)?);
        let read = Self { step, signature };
        (read.encode() == *frame).then_some(read)
    }

    /// Which of these keys signed it.
    pub(super) fn signer(&self, network: NetworkId, keys: &[PublicKey]) -> Option<usize> {
        let message = self.step.signed(network);
        let signs = |key| verify(key, &message, &self.signature).is_ok();
        keys.iter().position(signs)
    }
}

fn write_entry(frame: &mut [u8; FRAME], entry: &AccessEmergency) {
    frame[..8].copy_from_slice(&entry.counter.to_be_bytes());
    frame[8..24].copy_from_slice(entry.record.as_bytes());
    frame[24..28].copy_from_slice(&entry.version.to_be_bytes());
    frame[28..36].copy_from_slice(&entry.claimed.0.to_be_bytes());
    frame[36..68].copy_from_slice(entry.previous.as_bytes());
    frame[68..101].copy_from_slice(&entry.commitment.to_bytes());
}

fn read_entry(frame: &[u8; FRAME], version: u32) -> Option<AccessEmergency> {
    let [suite, root @ ..] = part::<{ Commitment::LENGTH }>(frame, 68)?;
    (suite == Commitment::SUITE).then_some(AccessEmergency {
        counter: u64::from_be_bytes(part(frame, 0)?),
        record: RecordHandle::new(part(frame, 8)?),
        version,
        claimed: Time(u64::from_be_bytes(part(frame, 28)?)),
        previous: JournalHead::new(part(frame, 36)?),
        commitment: Commitment::new(TreeHash::new(root)),
    })
}

fn part<const N: usize>(frame: &[u8; FRAME], at: usize) -> Option<[u8; N]> {
    frame.get(at..)?.first_chunk().copied()
}
