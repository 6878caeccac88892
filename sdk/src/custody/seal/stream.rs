//! Sealing a document of any length: an imaging study, a recording.
//!
//! What always holds: the document is read once for each try, and never held; whatever holds for a record that
//! is sealed from memory holds for it, since all but the sealing itself is the same. It is committed to by its
//! hash, so it is shown as a whole and no field of it.

use super::{Going, SealedInCustody, only};
use crate::anchor::Sdk;
use crate::custody::circle::Circle;
use crate::custody::seal::CustodyError;
use crate::direct::Certificate;
use crate::domain::{RecordLabel, check_word};
use std::io::Read;

impl Sdk {
    /// [`Sdk::seal_in_custody`] of what `source` gives, to its end, in flat memory: any bytes, at most
    /// [`MAX_STREAM`](medanchor_vault::seal::MAX_STREAM) of them. After a failure or a crash, call it again with
    /// a source that gives the same from its beginning: what was sealed is compared with it, and it goes on where
    /// it was.
    ///
    /// # Errors
    /// As [`Sdk::seal_in_custody`]; [`medanchor_vault::VaultError::Stream`] where the source cannot be read or is
    /// too long, and [`medanchor_vault::VaultError::Taken`] where it gives something else than before.
    pub fn seal_stream_in_custody(
        &self,
        new: &RecordLabel<'_>,
        source: impl Read,
        circle: &Circle,
        own: &Certificate,
    ) -> Result<SealedInCustody, CustodyError> {
        // Before the document is read, which takes its time.
        check_word("class", new.class)?;
        let record = self.record_handle(new.name);
        let _claim = self.claims().claim([record]);
        let known = self.known(new)?;
        let one = (self.vault()).seal_stream_to_share(record, new.version, source)?;
        // Before the ledger has a record that the emergency key opens, it has the journal of that key.
        self.register_emergency_journal()?;
        let going = Going {
            new: *new,
            known,
            one,
        };
        only(self.go_on(vec![(0, going)], vec![None], circle, own)?)
    }
}
