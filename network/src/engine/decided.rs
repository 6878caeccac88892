//! Commit certificates between the engine's shape and the ledger's, and decided blocks on the wire.
//!
//! What always holds: the ledger's encoding is the only one that leaves this process, so that what
//! an auditor verifies offline is what peers synchronise from.

use super::context::{Address, Height, Medanchor};
use super::signing::{ledger_height, ledger_round};
use crate::DecidedBlock;
use crate::bytes::{Malformed, Reader, Writer};
use crate::limits::{MAX_BLOCK_BYTES, MAX_SYNC_RESPONSE_BYTES};
use ::bytes::Bytes;
use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, ExtendedCommitCertificate, ExtendedCommitSignature, Round,
};
use arc_malachitebft_app_channel::app::types::sync::RawDecidedValue;
use arc_malachitebft_signing_ed25519::Signature;
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::signature;

/// The ledger's form of a commit certificate; none if it has no round or no honest shape.
pub fn to_ledger(certificate: &CommitCertificate<Medanchor>) -> Option<Certificate> {
    let signed = certificate.commit_signatures.iter();
    let signatures = signed
        .map(|signed| {
            (
                signed.address.0.clone(),
                signature::Signature::new(signed.signature.to_bytes()),
            )
        })
        .collect();
    let (height, round) = (
        ledger_height(certificate.height),
        ledger_round(certificate.round)?,
    );
    Certificate::new(height, round, certificate.value_id, signatures).ok()
}

fn to_engine(certificate: &Certificate) -> ExtendedCommitCertificate<Medanchor> {
    let signed = certificate.signatures().iter();
    let commit_signatures = signed
        .map(|(name, signature)| {
            let signature = Signature::from_bytes(*signature.as_bytes());
            ExtendedCommitSignature::new(Address(name.clone()), signature, None)
        })
        .collect();
    ExtendedCommitCertificate {
        height: Height(certificate.height().0),
        round: Round::new(certificate.round().0),
        value_id: certificate.value(),
        commit_signatures,
    }
}

/// A decided block as it stands in a sync response.
pub fn sync_block_to(w: &mut Writer, value: &RawDecidedValue<Medanchor>) {
    let certificate = to_ledger(&value.certificate.trim_vote_extensions());
    let certificate = certificate
        .map(|certificate| certificate.encode())
        .unwrap_or_default();
    w.length(value.value_bytes.len()).put(&value.value_bytes);
    w.length(certificate.len()).put(&certificate);
}

/// The bytes that [`sync_block_to`] writes at most.
pub fn sync_block_len(value: &RawDecidedValue<Medanchor>) -> usize {
    value.value_bytes.len() + 256 + 128 * value.certificate.commit_signatures.len()
}

/// Reads what [`sync_block_to`] wrote.
pub fn sync_block_from(r: &mut Reader<'_>) -> Result<RawDecidedValue<Medanchor>, Malformed> {
    let length = r.length(MAX_BLOCK_BYTES)?;
    let body = Bytes::copy_from_slice(r.take(length)?);
    let length = r.length(Certificate::MAX_BYTES)?;
    let certificate = Certificate::decode(r.take(length)?).map_err(|_| r.malformed())?;
    Ok(RawDecidedValue::new(body, to_engine(&certificate)))
}

/// The answer to a request for blocks from `first` on: as many of `blocks` as follow each other
/// and fit.
pub fn sync_response(first: Height, blocks: &[DecidedBlock]) -> Bytes {
    let mut size = 12;
    let fitting = blocks.iter().zip(first.0..).take_while(|(block, height)| {
        size += 8 + block.body.len() + block.certificate.len();
        size <= MAX_SYNC_RESPONSE_BYTES && block.height.0 == *height
    });
    let fitting: Vec<_> = fitting.map(|(block, _)| block).collect();
    let mut w = Writer::default();
    w.u64(first.0).length(fitting.len());
    for block in fitting {
        w.length(block.body.len()).put(&block.body);
        w.length(block.certificate.len()).put(&block.certificate);
    }
    w.0.into()
}
