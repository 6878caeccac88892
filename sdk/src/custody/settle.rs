//! Ending what a crash cut off after a record in custody was anchored: S leaves the vault.
//!
//! What always holds: S is destroyed only of a version that the ledger has as this vault sealed it, or that
//! can never be anchored any more, since a later one is.

use super::circle::CircleError;
use super::seal::{CustodyError, UnderWay};
use crate::anchor::Sdk;
use medanchor_ledger::VaultPartHash;
use medanchor_ledger::event::EventBody;
use medanchor_vault::custody::Custodied;

impl Sdk {
    /// Looks on the ledger for every record whose sealing into custody was begun here and not ended, and
    /// forgets the custodians' part of the key where it is anchored; gives how many that were. The others are
    /// left to whoever calls [`Sdk::seal_in_custody`] again.
    ///
    /// # Errors
    /// [`CustodyError`]; call it again.
    pub fn settle_custody(&self) -> Result<usize, CustodyError> {
        let mut under_way = UnderWay::read(self.deals_folder())?;
        let all = under_way.all().filter_map(|dealt| dealt.of().cloned());
        let all: Vec<Custodied> = all.collect();
        let mut ended = Vec::new();
        for one in all {
            if self.is_anchored(&one)? {
                ended.push((one.record.record, one.record.version));
            }
        }
        self.vault().entrust_all(&ended)?;
        under_way.forget(|one| ended.contains(&(one.record, one.version)))?;
        Ok(ended.len())
    }

    fn is_anchored(&self, one: &Custodied) -> Result<bool, CustodyError> {
        let (record, version) = (one.record.record, one.record.version);
        let Some((state, _)) = self.own_record(record).map_err(CircleError::from)? else {
            return Ok(false);
        };
        if state.version != version {
            return Ok(state.version > version);
        }
        match said_part(self.client().event(&state.newest().event)?.body()) {
            Some(part) => Ok(self.vault().has_vault_part(record, version, &part)?),
            None => Ok(false),
        }
    }
}

fn said_part(body: &EventBody) -> Option<VaultPartHash> {
    match body {
        EventBody::RecordCustody(body) => Some(body.seal.vault_part),
        EventBody::RecordSupersede(body) => Some(body.vault_part),
        _ => None,
    }
}
