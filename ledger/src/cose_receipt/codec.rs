//! Receipts and lists of them as bytes.

use super::{CoseProof, CoseReceipt, CoseReceiptError, Head};
use crate::cbor::{CborError, CborFault, Reader, Writer};
use crate::signature::Signature;
use crate::{Index, Size, TreeHash};

const COSE_SIGN1: u64 = 18;
const PROOFS: i64 = 396;
const INCLUSION: i64 = -1;
const CONSISTENCY: i64 = -2;

impl CoseReceipt {
    /// The receipt's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, first, second, path) = match &self.proof {
            CoseProof::Inclusion { index, path } => (INCLUSION, self.head.size.0, index.0, path),
            CoseProof::Consistency { old, path } => (CONSISTENCY, old.0, self.head.size.0, path),
        };
        let mut proof = Writer::with_capacity(32 + path.len() * 34);
        proof.array(3).uint(first).uint(second).array(path.len());
        for hash in path {
            proof.bytes(hash.as_bytes());
        }
        let mut writer = Writer::with_capacity(512 + path.len() * 34);
        writer.tag(COSE_SIGN1).array(4).bytes(&self.head.encode());
        writer.map(1).key(PROOFS).map(1).key(kind).array(1);
        writer.bytes(proof.as_bytes());
        writer.null().bytes(self.signature.as_bytes());
        writer.into_bytes()
    }

    /// Reads what [`Self::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CoseReceiptError`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, CoseReceiptError> {
        check_size("a COSE receipt", bytes, Self::MAX_BYTES)?;
        let mut reader = Reader::new(bytes);
        reader.tag(COSE_SIGN1)?;
        reader.array(4..=4)?;
        let head = Head::decode(reader.bytes(Head::MAX_BYTES)?)?;
        reader.map(1)?;
        reader.key(PROOFS)?.map(1)?;
        let kind = reader.int()?;
        reader.array(1..=1)?;
        let proof = reader.bytes(Self::MAX_BYTES)?;
        if !reader.null() {
            return Err(reader.fault(CborFault::Value).into());
        }
        let signature = Signature::new(reader.fixed()?);
        reader.finish()?;
        let proof = read_proof(kind, proof, head.size)?;
        Ok(Self {
            head,
            proof,
            signature,
        })
    }

    /// The value of COSE header 394: an array of receipts, each in a byte string.
    #[must_use]
    pub fn encode_list(receipts: &[Self]) -> Vec<u8> {
        let mut writer = Writer::with_capacity(receipts.len() * 1024);
        write_list(&mut writer, receipts);
        writer.into_bytes()
    }

    /// Reads what [`Self::encode_list`] wrote: 1 to [`Self::MAX_RECEIPTS`] receipts.
    ///
    /// # Errors
    /// [`CoseReceiptError`] says what is wrong.
    pub fn decode_list(bytes: &[u8]) -> Result<Vec<Self>, CoseReceiptError> {
        let max = Self::MAX_RECEIPTS * (Self::MAX_BYTES + 3) + 3;
        check_size("a list of COSE receipts", bytes, max)?;
        let mut reader = Reader::new(bytes);
        let receipts = read_list(&mut reader)?;
        reader.finish()?;
        Ok(receipts)
    }
}

pub(super) fn write_list(writer: &mut Writer, receipts: &[CoseReceipt]) {
    writer.array(receipts.len());
    for receipt in receipts {
        writer.bytes(&receipt.encode());
    }
}

pub(super) fn read_list(reader: &mut Reader<'_>) -> Result<Vec<CoseReceipt>, CoseReceiptError> {
    let count = reader.array(1..=CoseReceipt::MAX_RECEIPTS)?;
    let mut receipts = Vec::with_capacity(count);
    for _ in 0..count {
        receipts.push(CoseReceipt::decode(reader.bytes(CoseReceipt::MAX_BYTES)?)?);
    }
    Ok(receipts)
}

pub(super) fn check_size(
    what: &'static str,
    bytes: &[u8],
    max: usize,
) -> Result<(), CoseReceiptError> {
    if bytes.len() <= max {
        Ok(())
    } else {
        Err(CoseReceiptError::Size { what, max })
    }
}

fn read_proof(kind: i64, bytes: &[u8], size: Size) -> Result<CoseProof, CoseReceiptError> {
    let mut reader = Reader::new(bytes);
    reader.array(3..=3)?;
    let (first, second) = (reader.uint()?, reader.uint()?);
    let path = read_path(&mut reader)?;
    reader.finish()?;
    let (proved, proof) = match kind {
        INCLUSION => (
            first,
            CoseProof::Inclusion {
                index: Index(second),
                path,
            },
        ),
        CONSISTENCY => (
            second,
            CoseProof::Consistency {
                old: Size(first),
                path,
            },
        ),
        _ => return Err(CoseReceiptError::Structure),
    };
    if Size(proved) == size {
        Ok(proof)
    } else {
        Err(CoseReceiptError::Disagreement)
    }
}

fn read_path(reader: &mut Reader<'_>) -> Result<Vec<TreeHash>, CborError> {
    let count = reader.array(1..=CoseReceipt::MAX_HASHES)?;
    (0..count)
        .map(|_| reader.fixed().map(TreeHash::new))
        .collect()
}
