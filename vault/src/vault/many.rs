//! Many records sealed together: as many waits for the disk as for one.

use super::custody::ToShare;
use super::under_way::Sealing;
use super::{Sealed, Vault, VaultError, said};
use crate::json::Document;
use crate::seal::{self, RecordVersion};
use crate::secret::DataKey;
use medanchor_ledger::RecordHandle;
use std::collections::BTreeSet;

/// Payload bytes that one batch holds in memory, and that one pack has.
const BATCH_BYTES: usize = 64 << 20;
/// Records that one batch has.
const BATCH_RECORDS: usize = 4096;

/// A JSON payload to be sealed as this version of this record.
#[derive(Clone, Copy)]
pub struct ToSeal<'a> {
    /// The record.
    pub record: RecordHandle,
    /// Its version, from 1.
    pub version: u32,
    /// The payload.
    pub payload: &'a [u8],
}

impl Vault {
    /// Seals JSON payloads and keeps them, as [`Vault::seal`] does one by one, with three syncs of the
    /// disk for every 4,096 records or 64 MiB; gives an answer for each, in their order, once all are on
    /// disk.
    ///
    /// # Errors
    /// [`VaultError`] of the first that cannot be sealed. What was kept by then, a later call finds again.
    pub fn seal_many(&self, payloads: &[ToSeal<'_>]) -> Result<Vec<Sealed>, VaultError> {
        let sealed = self.seal_with_parts(payloads)?;
        Ok(sealed.into_iter().map(|one| one.sealed).collect())
    }

    /// [`Vault::seal_many`], with the parts of the keys that custodians may get.
    pub(super) fn seal_with_parts(
        &self,
        payloads: &[ToSeal<'_>],
    ) -> Result<Vec<ToShare>, VaultError> {
        let mut records = Vec::with_capacity(payloads.len());
        let mut seen = BTreeSet::new();
        for one in payloads {
            let record = self.version_to_seal(one.record, one.version)?;
            if !seen.insert(record) {
                return Err(VaultError::Repeated { record });
            }
            records.push((record, one.payload));
        }
        let mut answers = Vec::with_capacity(records.len());
        let mut rest = records.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch_of(rest));
            answers.extend(self.seal_batch(batch)?);
            rest = after;
        }
        Ok(answers)
    }

    fn seal_batch(&self, batch: &[(RecordVersion, &[u8])]) -> Result<Vec<ToShare>, VaultError> {
        let documents: Vec<Document> = batch
            .iter()
            .map(|(_, payload)| Document::parse(payload))
            .collect::<Result<_, _>>()?;
        let records: Vec<RecordVersion> = batch.iter().map(|(record, _)| *record).collect();
        let _turn = self.under_way.turn(&records, Sealing::InMemory)?;
        let parts = self.key_parts_or_new(&records)?;
        let (mut answers, mut new) = (Vec::with_capacity(batch.len()), Vec::new());
        for (((record, payload), document), (part, vault)) in
            batch.iter().zip(&documents).zip(parts)
        {
            let key = DataKey::derive(&part, &vault, record);
            let sealed = match self.stored(record, &key, payload)? {
                Some(stored) => said(*record, document, &stored, &vault, &key),
                None => {
                    let bytes = seal::seal(record, &key, payload)?;
                    let sealed = said(*record, document, &bytes, &vault, &key);
                    new.push((*record, bytes));
                    sealed
                }
            };
            answers.push(ToShare { sealed, part });
        }
        match new.as_slice() {
            // A file of its own is found without an index of packs.
            [(record, sealed)] => self.payloads.put(record, sealed)?,
            _ => self.payloads.put_new(&new)?,
        }
        Ok(answers)
    }
}

/// How many of these make up the next batch: at least one.
fn batch_of(records: &[(RecordVersion, &[u8])]) -> usize {
    let mut bytes = 0usize;
    let fit = records
        .iter()
        .take(BATCH_RECORDS)
        .take_while(|(_, payload)| {
            bytes = bytes.saturating_add(payload.len());
            bytes <= BATCH_BYTES
        });
    fit.count().max(1)
}
