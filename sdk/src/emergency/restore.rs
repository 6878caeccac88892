//! Writing a journal that was rolled back anew from the ledger, which has every entry that was anchored.
//!
//! What always holds: the entries that a node shows count only if their chain leads to the head that the
//! ledger's state proves; entries of the file that the ledger lacks are kept, numbered anew behind
//! them, so that nothing that was opened is forgotten; the old file stays beside the new one. A file that
//! is missing counts as one without entries, and of a damaged one every entry that is whole and signed.

use super::journal::{Journal, replace};
use super::{EmergencyError, JournalStanding};
use crate::anchor::Sdk;
use crate::error::SdkError;
use medanchor_ledger::event::{AccessEmergency, EventBody};
use medanchor_ledger::rules::EmergencyHead;
use medanchor_ledger::{JournalHead, Size};
use std::collections::BTreeMap;

impl Sdk {
    /// Writes the emergency journal anew: every entry that the ledger has, and behind them those of the file
    /// that it lacks. Notes of entries that only the ledger has are not here any more. It reads the
    /// whole log. To be anchored afterwards.
    ///
    /// # Errors
    /// [`EmergencyError::NotShown`] when a node hides an entry; nothing is changed then.
    pub fn restore_emergency_journal(&self) -> Result<JournalStanding, EmergencyError> {
        let (ledger, _) = self.emergency_head()?;
        let mut entries = match &ledger {
            Some(ledger) => self.anchored_entries(ledger)?,
            None => Vec::new(),
        };
        let _turn = self.emergency_turn();
        let (path, network) = (self.emergency_path(), self.network());
        let keys = self.own_keys().map_err(SdkError::from)?;
        let sound = Journal::salvage(&path, network, &keys)?;
        let known = entries.len();
        for own in &sound {
            let own = &own.entry;
            let same = |entry: &AccessEmergency| {
                (entry.record, entry.version) == (own.record, own.version)
                    && (entry.claimed, entry.commitment) == (own.claimed, own.commitment)
            };
            if !entries.iter().take(known).any(same) {
                entries.push(behind(own, entries.last()));
            }
        }
        replace(&path, network, &entries, |bytes| self.sign_bytes(bytes))?;
        Ok(self.open_journal()?.standing())
    }

    /// Every entry up to the ledger's head.
    fn anchored_entries(
        &self,
        ledger: &EmergencyHead,
    ) -> Result<Vec<AccessEmergency>, EmergencyError> {
        let end = self.client().checkpoint()?.checkpoint().size;
        let mut found: BTreeMap<u64, AccessEmergency> = BTreeMap::new();
        self.client().unproven_events(Size(0), end, |event| {
            if let EventBody::AccessEmergency(body) = event.body()
                && event.issuer() == self.participant()
            {
                found.insert(body.counter, body.clone());
            }
        })?;
        chained(found, ledger.counter, &ledger.head).ok_or(EmergencyError::NotShown)
    }
}

/// The first `count` entries, if they lead to `head`.
pub(super) fn chained(
    found: BTreeMap<u64, AccessEmergency>,
    count: u64,
    head: &JournalHead,
) -> Option<Vec<AccessEmergency>> {
    let mut at = JournalHead::EMPTY;
    let mut entries = Vec::new();
    for (counter, (number, entry)) in (1..=count).zip(found) {
        if counter != number || entry.previous != at {
            return None;
        }
        at = entry.head();
        entries.push(entry);
    }
    (entries.len() as u64 == count && at == *head).then_some(entries)
}

/// The same opening, behind another entry.
fn behind(own: &AccessEmergency, last: Option<&AccessEmergency>) -> AccessEmergency {
    AccessEmergency {
        counter: last.map_or(1, |last| last.counter.saturating_add(1)),
        previous: last.map_or(JournalHead::EMPTY, AccessEmergency::head),
        ..own.clone()
    }
}
