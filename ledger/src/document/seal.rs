//! A seal with its receipt: what every document rests on.

use super::{DocumentError, NotProved};
use crate::cbor::{Reader, Writer};
use crate::policy::CheckpointPolicy;
use crate::receipt::{Receipt, VerifiedReceipt};
use crate::seal::{MAX_SEAL_BYTES, Seal};

/// A block's seal and its receipt, not yet judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealProof {
    /// The seal.
    pub seal: Seal,
    /// Its receipt, without an extra line.
    pub receipt: Receipt,
}

/// A seal that a quorum's checkpoint covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSeal {
    /// The seal.
    pub seal: Seal,
    /// Its place, and the checkpoint it was proved under.
    pub receipt: VerifiedReceipt,
}

impl SealProof {
    /// The most bytes of both.
    pub(super) const MAX_BYTES: usize = MAX_SEAL_BYTES + Receipt::MAX_BYTES + 16;

    /// Checks that the seal is in the log, where it says it is.
    ///
    /// # Errors
    /// [`NotProved::Seal`] or [`NotProved::SealPlace`].
    pub fn verify(&self, policy: &dyn CheckpointPolicy) -> Result<VerifiedSeal, NotProved> {
        let receipt = self.receipt.verify(&self.seal.encode(), policy)?;
        let place = self.seal.first.0.checked_add(self.seal.count);
        if place != Some(receipt.index().0) {
            return Err(NotProved::SealPlace);
        }
        Ok(VerifiedSeal {
            seal: self.seal.clone(),
            receipt,
        })
    }

    /// Entry and receipt as map entries `key` and `key` + 1.
    pub(super) fn write(&self, writer: &mut Writer, key: i64) {
        writer.key(key).bytes(&self.seal.encode());
        writer
            .key(key + 1)
            .bytes(self.receipt.to_string().as_bytes());
    }

    pub(super) fn read(reader: &mut Reader<'_>, key: i64) -> Result<Self, DocumentError> {
        let seal = Seal::decode(reader.key(key)?.bytes(MAX_SEAL_BYTES)?)?;
        let receipt = Receipt::parse(reader.key(key + 1)?.bytes(Receipt::MAX_BYTES)?)?;
        if receipt.extra.is_some() {
            return Err(DocumentError::Extra);
        }
        Ok(Self { seal, receipt })
    }
}
