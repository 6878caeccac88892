//! Reading a record without a consent, because a life may depend on it: one call, as for a read under a
//! consent.
//!
//! What always holds: the event is on the ledger, and permitted, before anybody is asked for a part of
//! the key, and its review falls due from then on, whether the record opens or not; nothing is on it where
//! the address book does not know the record's owner.

use super::answers::Answers;
use super::ask::AccessKind;
use super::read::OpenedError;
use super::standing::proved::until_known;
use super::standing::{Refused, StandingError};
use crate::anchor::Sdk;
use crate::direct::{AddressBook, Certificate};
use crate::domain::NewBreakGlass;
use crate::new_file::NewFile;
use crate::proof::Proved;
use crate::receipt::Anchored;
use medanchor_ledger::RequestHandle;
use medanchor_ledger::document::VerifiedState;
use medanchor_ledger::rules::{BreakGlass, Decision, StateValue};
use zeroize::Zeroizing;

/// A record that was opened by break-glass, and what proves what was decided.
pub struct OpenedByBreakGlass {
    /// The document.
    pub payload: Zeroizing<Vec<u8>>,
    /// What the ledger calls the request: its review names it.
    pub request: RequestHandle,
    /// The receipt of the `access.break-glass`.
    pub receipt: Anchored,
    /// What was decided, and by when the review is due.
    pub decided: BreakGlass,
    /// The same as the state holds it, proved.
    pub proof: Proved<VerifiedState>,
    /// How the custodians answered.
    pub answers: Answers,
}

/// [`OpenedByBreakGlass`] of a document that was written to a file.
pub struct OpenedIntoByBreakGlass {
    /// Bytes of the document.
    pub length: u64,
    /// What the ledger calls the request: its review names it.
    pub request: RequestHandle,
    /// The receipt of the `access.break-glass`.
    pub receipt: Anchored,
    /// What was decided, and by when the review is due.
    pub decided: BreakGlass,
    /// The same as the state holds it, proved.
    pub proof: Proved<VerifiedState>,
    /// How the custodians answered.
    pub answers: Answers,
}

/// A break-glass that is on the ledger and permitted.
struct Broken {
    request: RequestHandle,
    receipt: Anchored,
    decided: BreakGlass,
    proof: Proved<VerifiedState>,
}

impl Sdk {
    /// Breaks the glass: says on the ledger that this hospital opens a record without a consent,
    /// gathers its key from the custodians and its owner, and opens it. The record's owner or a
    /// regulator reviews it within three days; the patient sees it at once. After a failure that may pass,
    /// call it again with the same `new`, to the word, while the permit lives: it goes on with the same event.
    /// With other words it is another break-glass.
    ///
    /// # Errors
    /// [`OpenedError`], as for [`Sdk::read`].
    pub fn break_glass(
        &self,
        new: &NewBreakGlass<'_>,
        book: &AddressBook,
        own: &Certificate,
    ) -> Result<OpenedByBreakGlass, OpenedError> {
        let broken = self.broken_glass(new, book)?;
        let asked = (AccessKind::BreakGlass, broken.request);
        let unsealed = self.decided(asked, &new.known_as(), book, own, |reading, key| {
            reading.open(key)
        })?;
        Ok(OpenedByBreakGlass {
            payload: unsealed.payload,
            request: broken.request,
            receipt: broken.receipt,
            decided: broken.decided,
            proof: broken.proof,
            answers: unsealed.answers,
        })
    }

    /// [`Sdk::break_glass`] for a document of any length, into a file, which has its name once the document was
    /// found right.
    ///
    /// # Errors
    /// [`OpenedError`], as for [`Sdk::read_into`].
    pub fn break_glass_into(
        &self,
        new: &NewBreakGlass<'_>,
        file: NewFile,
        book: &AddressBook,
        own: &Certificate,
    ) -> Result<OpenedIntoByBreakGlass, OpenedError> {
        let broken = self.broken_glass(new, book)?;
        let asked = (AccessKind::BreakGlass, broken.request);
        let written = self.decided(asked, &new.known_as(), book, own, |reading, key| {
            reading.write(key, file)
        })?;
        Ok(OpenedIntoByBreakGlass {
            length: written.length,
            request: broken.request,
            receipt: broken.receipt,
            decided: broken.decided,
            proof: broken.proof,
            answers: written.answers,
        })
    }

    fn broken_glass(
        &self,
        new: &NewBreakGlass<'_>,
        book: &AddressBook,
    ) -> Result<Broken, OpenedError> {
        // Whoever the book does not know may be no participant, and what was typed would stand on the ledger.
        book.get(new.owner).ok_or(OpenedError::OwnerNotInBook)?;
        let asked = self.request_break_glass(new)?;
        let receipt = self.anchor(asked.event)?;
        let request = asked.request;
        let (proof, decided) = until_known(self.client(), || self.decided_break_glass(&request))?;
        match decided.decision {
            Decision::Denied(reason) => Err(OpenedError::Denied(reason)),
            Decision::Permitted => Ok(Broken {
                request,
                receipt,
                decided,
                proof,
            }),
        }
    }

    fn decided_break_glass(
        &self,
        request: &RequestHandle,
    ) -> Result<(Proved<VerifiedState>, BreakGlass), StandingError> {
        let key = BreakGlass::key(self.participant(), request);
        let proof = self.client().state(&key, None)?;
        let value = proof.proved().value.as_deref();
        let value = value.ok_or(Refused::UnknownRequest)?;
        let decided = BreakGlass::decode(value).map_err(|_| StandingError::Unknown)?;
        Ok((proof, decided))
    }
}
