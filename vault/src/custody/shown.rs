//! What opens a record, shown to a third party: that its owner sealed it wrongly.
//!
//! What always holds: whoever reads the bytes can open the record, so they are wiped, without `Debug`,
//! and made only by whoever was given all parts of its key; nobody can make parts up, since the ledger's
//! points bind S, and the anchored hashes V and the sealed payload; whoever computes again from these
//! what the reader computed finds the same, so an owner that sealed rightly is not convicted.
//!
//! Three items of a CBOR array that begins with 7:
//!
//! | item | |
//! |---|---|
//! | record | map: 1 to 4 = network id, owner, record, version |
//! | key parts | S, its blinding (scalars, 32 bytes little-endian each), V (32): 96 bytes |
//! | sealed payload | byte string, or null where the check value is wrong already |

use super::convict::{Breach, Unconvincing};
use super::place::Custodied;
use super::points::Points;
use super::reader::Disclosing;
use super::sharing::Share;
use crate::seal::{self, MAX_SEALED, OpenError};
use crate::secret::{DataKey, VaultPart};
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::{CiphertextHash, Commitment, KeyCheck, VaultPartHash};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of the key parts.
const PARTS: usize = Share::LENGTH + 32;

/// What an owner anchored of one version of a record when it sealed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedAs {
    /// The points of S.
    pub points: Points,
    /// The hash of V.
    pub vault_part: VaultPartHash,
    /// The key's check value.
    pub key_check: KeyCheck,
    /// The hash of the sealed payload.
    pub ciphertext: CiphertextHash,
    /// The commitment to what the payload holds.
    pub commitment: Commitment,
}

/// All that opens one version of a record.
pub struct RecordShown {
    record: Custodied,
    /// S and its blinding.
    whole: Share,
    part: VaultPart,
    sealed: Option<Vec<u8>>,
}

/// Says which record it opens, and nothing of what opens it.
impl fmt::Debug for RecordShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordShown")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

impl RecordShown {
    /// The most bytes of evidence of this kind.
    pub const MAX_BYTES: usize = MAX_SEALED + 512;

    /// How evidence of this kind begins.
    pub(super) const START: [u8; 2] = [0x84, 7];

    pub(super) fn new(
        record: Custodied,
        (whole, part): (Share, VaultPart),
        sealed: Option<Vec<u8>>,
    ) -> Self {
        Self {
            record,
            whole,
            part,
            sealed,
        }
    }

    /// The record that it opens.
    #[must_use]
    pub const fn record(&self) -> &Custodied {
        &self.record
    }

    /// What of that which its owner anchored is wrong.
    pub(super) fn judge(&self, anchored: &SealedAs) -> Result<Breach, Unconvincing> {
        let parts_are_right =
            self.whole.is_whole(&anchored.points) && self.part.hash() == anchored.vault_part;
        if !parts_are_right {
            return Err(Unconvincing::OtherParts);
        }
        let record = &self.record.record;
        let key = DataKey::derive(&self.whole.custody_part(), &self.part, record);
        if key.check_value() != anchored.key_check {
            return Ok(Breach::WrongKeyCheck);
        }
        let sealed = self.sealed.as_deref().ok_or(Unconvincing::Right)?;
        if seal::ciphertext_hash(sealed) != anchored.ciphertext {
            return Err(Unconvincing::OtherPayload);
        }
        let payload = match seal::open(record, &key, sealed) {
            Ok(payload) => payload,
            Err(OpenError::TooLarge) => return Err(Unconvincing::Format),
            Err(OpenError::Format) if seal::names_a_format(sealed) => {
                return Err(Unconvincing::Format);
            }
            Err(_) => return Ok(Breach::WrongPayload),
        };
        match Disclosing::of(key.record_secret(), &payload, &anchored.commitment) {
            Some(_) => Err(Unconvincing::Right),
            None => Ok(Breach::WrongCommitment),
        }
    }

    /// Room for all of its bytes.
    pub(super) fn room(&self) -> usize {
        self.sealed.as_ref().map_or(0, Vec::len) + 512
    }

    /// Writes the items.
    pub(super) fn write(&self, writer: &mut Writer) {
        self.record.write(writer.map(4));
        let mut parts = Zeroizing::new([0; PARTS]);
        let (whole, part) = parts.split_at_mut(Share::LENGTH);
        whole.copy_from_slice(self.whole.expose().as_slice());
        part.copy_from_slice(self.part.expose());
        writer.bytes(parts.as_slice());
        match &self.sealed {
            Some(sealed) => writer.bytes(sealed),
            None => writer.null(),
        };
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        reader.map(4)?;
        let record = Custodied::read(reader)?;
        let value = reader.fault(CborFault::Value);
        let parts: Zeroizing<[u8; PARTS]> = Zeroizing::new(reader.fixed()?);
        let halves = parts.split_first_chunk::<{ Share::LENGTH }>();
        let (whole, part) = halves.ok_or(value)?;
        Ok(Self {
            record,
            whole: Share::decode(whole).ok_or(value)?,
            part: VaultPart::new(part.try_into().map_err(|_| value)?),
            sealed: match reader.null() {
                true => None,
                false => Some(reader.bytes(MAX_SEALED)?.to_vec()),
            },
        })
    }
}
