//! What stands on the ledger of the same patient under another key than the one that a list is by.
//!
//! What always holds: a list is by one key. An institution may have used others for the patient: its own until
//! the patient brought one, and each that the patient has brought since. Of every quarter that was asked for
//! it is proved, at the list's moment or later, that no event bears the tag of any of them; where one does,
//! or where that is not proved, the list has a gap.

use crate::access_list::{Gap, GapReason};
use crate::anchor::Sdk;
use crate::client::ClientError;
use medanchor_ledger::rules::tag::TagIndex;
use medanchor_ledger::{Tag, Time};
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;

impl Sdk {
    /// A gap for each run of quarters in which something may stand under other keys than `listed`.
    pub(super) fn under_other_keys(
        &self,
        subject: &str,
        listed: &SubjectKey,
        epochs: &[Epoch],
        until: Time,
    ) -> Vec<Gap> {
        let used = self.used_elsewhere(subject, listed, epochs, until);
        Gap::of_runs(used, GapReason::EarlierKey)
    }

    fn used_elsewhere(
        &self,
        subject: &str,
        listed: &SubjectKey,
        epochs: &[Epoch],
        until: Time,
    ) -> Vec<Epoch> {
        // A key that cannot be read may have been used in any quarter.
        let Ok(keys) = self.all_subject_keys(subject) else {
            return epochs.to_vec();
        };
        let (mut used, mut gone) = (Vec::new(), false);
        for epoch in epochs {
            let own = listed.tag(*epoch);
            let tags = keys.iter().map(|keys| keys.key.tag(*epoch));
            for tag in tags.filter(|tag| *tag != own) {
                // Every node was tried; the rest would take as long again.
                let bare = !gone
                    && self.is_bare(&tag, until).unwrap_or_else(|lost| {
                        gone = matches!(lost, ClientError::Unreachable(_));
                        false
                    });
                if !bare {
                    used.push(*epoch);
                    break;
                }
            }
        }
        used
    }

    /// Whether it is proved that no event bore a tag by then.
    fn is_bare(&self, tag: &Tag, until: Time) -> Result<bool, ClientError> {
        let key = TagIndex::key(self.participant(), tag);
        let proved = self.client().state_since(&key, until)?;
        let state = proved.proved();
        Ok(state.time >= until && state.value.is_none())
    }
}
