//! Access: ask to read a record under a consent, with the ticket that its owner handed over, or without
//! one, by breaking the glass; and judge what others opened so.
//!
//! What always holds: the request commits to who asks and why, and to a fresh key of the reader; the
//! words stay at home, sealed, so that an inspector can be shown them later.

use crate::error::SdkError;
use crate::identity::Identity;
use crate::ticket::GrantTicket;
use medanchor_ledger::event::{
    AccessBreakGlass, AccessRequest, AccessReview, Event, KemSuite, Verdict,
};
use medanchor_ledger::{Commitment, ParticipantName, RecordHandle, RequestHandle, sha256};
use medanchor_vault::custody::{OpeningKey, SealingKey};
use zeroize::Zeroizing;

/// The domain of handles under which notes of accesses are kept.
const NOTE: &str = "access-note";
/// The domain of handles under which notes of break-glasses are kept, by their requests.
const BREAK_GLASS: &str = "break-glass-note";
/// The domain of handles under which the reasons of reviews are kept.
const REVIEW: &str = "review-note";

/// A request to be made.
#[derive(Clone, Copy)]
pub struct NewAccess<'a> {
    /// The application's own id of the request; it stays at home.
    pub name: &'a str,
    /// What the owner of the record handed over.
    pub ticket: &'a GrantTicket,
    /// The record: one of the ticket's, or another that the owner named.
    pub record: RecordHandle,
    /// For what, in one of the ticket's words.
    pub purpose: &'a str,
    /// Who asks; it stays at home.
    pub actor: &'a str,
    /// Why; it stays at home.
    pub reason: &'a str,
}

/// A request that was signed.
#[derive(Clone, Debug)]
pub struct AccessAsked {
    /// What the ledger calls the request.
    pub request: RequestHandle,
    /// Who keeps the record.
    pub owner: ParticipantName,
    /// The key that the record's key shall be sealed to.
    pub reader_key: SealingKey,
    /// `access.request`, to be anchored. The ledger decides, and keeps a denial too.
    pub event: Event,
}

/// A record to be opened without a consent, because a life may depend on it.
#[derive(Clone, Copy)]
pub struct NewBreakGlass<'a> {
    /// The application's own id of the request; it stays at home. Together with all that is said below
    /// it is what this break-glass is known by: the very same again is the same one, also after a crash, and
    /// with any other word it is another, with an event and a review of its own.
    pub name: &'a str,
    /// Who keeps the record.
    pub owner: &'a ParticipantName,
    /// The record, among the owner's.
    pub record: RecordHandle,
    /// Who asks; it stays at home.
    pub actor: &'a str,
    /// Why; it stays at home.
    pub reason: &'a str,
}

impl NewBreakGlass<'_> {
    /// What its request is called at home. Who opens, what, and why are part of it: were they not, somebody
    /// else could go on with an opening under the words of whoever came first.
    pub(crate) fn known_as(&self) -> String {
        let (owner, record) = (self.owner.as_str(), self.record.to_string());
        let words = serde_json::json!([owner, record, self.actor, self.reason]).to_string();
        let words = hex::encode(sha256(&[Zeroizing::new(words).as_bytes()]));
        format!("{} {words}", self.name)
    }
}

/// A break-glass that was signed.
#[derive(Clone, Debug)]
pub struct BreakGlassAsked {
    /// What the ledger calls the request.
    pub request: RequestHandle,
    /// `access.break-glass`, to be anchored. The ledger decides, and keeps a denial too.
    pub event: Event,
}

/// What a reviewer found of a record that was opened without a consent.
#[derive(Clone, Copy)]
pub struct NewReview<'a> {
    /// Who opened it.
    pub requester: &'a ParticipantName,
    /// The request, among the requester's.
    pub request: RequestHandle,
    /// What was found.
    pub verdict: Verdict,
    /// Who reviewed; it stays at home.
    pub actor: &'a str,
    /// Why; it stays at home.
    pub reason: &'a str,
}

impl Identity {
    /// What the ledger calls the request that the application calls `name`.
    #[must_use]
    pub fn request_handle(&self, name: &str) -> RequestHandle {
        RequestHandle::new(self.handle("request", name))
    }

    /// The key that a request names, both halves: X-Wing, which every custodian and owner of this release
    /// can seal to.
    ///
    /// # Errors
    /// [`SdkError::Key`], which no seed gives.
    pub fn reader_key(&self, name: &str) -> Result<OpeningKey, SdkError> {
        Ok(OpeningKey::decode(
            KemSuite::XWing,
            &self.seed("reader", name),
        )?)
    }

    /// Shows the patient who made the request that the application calls `name`, and nothing else of
    /// its note: what [`crate::patient::Known::add_note`] takes.
    ///
    /// # Errors
    /// [`SdkError::Vault`] when there is no such request.
    pub fn disclose_note(&self, name: &str) -> Result<Vec<u8>, SdkError> {
        self.disclose_actor(self.handle(NOTE, name))
    }

    /// Shows the patient who broke the glass, and nothing else of its note: as
    /// [`Identity::disclose_note`].
    ///
    /// # Errors
    /// [`SdkError::Vault`] when there is no such break-glass.
    pub fn disclose_break_glass_note(&self, request: &RequestHandle) -> Result<Vec<u8>, SdkError> {
        self.disclose_actor(self.handle(BREAK_GLASS, &request.to_string()))
    }

    fn disclose_actor(&self, note: [u8; 16]) -> Result<Vec<u8>, SdkError> {
        let (note, actor) = (RecordHandle::new(note), crate::patient::ACTOR);
        Ok(self.vault().disclose(note, 1, &[actor], &[])?.encode())
    }

    /// Seals who asks and why at home, and signs the request.
    ///
    /// # Errors
    /// [`SdkError`] when the ticket is for another network or institution or lacks the purpose.
    pub fn request_access(&self, new: &NewAccess<'_>) -> Result<AccessAsked, SdkError> {
        let ticket = new.ticket;
        if ticket.network != self.network() {
            let (found, own) = (ticket.network, self.network());
            return Err(SdkError::OtherNetwork { found, own });
        }
        if ticket.grantee != *self.participant() {
            let own = self.participant().clone();
            return Err(SdkError::NotForUs {
                what: "ticket",
                own,
            });
        }
        let purpose = ticket
            .purposes
            .get(new.purpose)
            .ok_or(SdkError::NoSuchPurpose)?;
        let commitment = self.note(NOTE, new.name, new.actor, new.reason)?;
        let reader_key = self.reader_key(new.name)?.public().clone();
        let event = self.sign(AccessRequest {
            request: self.request_handle(new.name),
            owner: ticket.owner.clone(),
            record: new.record,
            consent: ticket.consent,
            purpose: *purpose,
            opening: ticket.opening,
            member: ticket.member,
            reader_key: reader_key.reader_key(),
            commitment,
        })?;
        let (request, owner) = (self.request_handle(new.name), ticket.owner.clone());
        Ok(AccessAsked {
            request,
            owner,
            reader_key,
            event,
        })
    }

    /// Seals who asks and why at home, and signs the `access.break-glass`. The same again is about the same
    /// request.
    ///
    /// # Errors
    /// [`SdkError`].
    pub fn request_break_glass(
        &self,
        new: &NewBreakGlass<'_>,
    ) -> Result<BreakGlassAsked, SdkError> {
        let name = new.known_as();
        let request = self.request_handle(&name);
        let note = request.to_string();
        let event = self.sign(AccessBreakGlass {
            request,
            owner: new.owner.clone(),
            record: new.record,
            reader_key: self.reader_key(&name)?.public().reader_key(),
            commitment: self.note(BREAK_GLASS, &note, new.actor, new.reason)?,
        })?;
        Ok(BreakGlassAsked { request, event })
    }

    /// Seals the reasons at home, and signs the review of what another institution opened without a
    /// consent: for the record's owner, or a regulator. Anchor what it gives.
    ///
    /// # Errors
    /// [`SdkError`].
    pub fn review(&self, new: &NewReview<'_>) -> Result<Event, SdkError> {
        let NewReview {
            requester, request, ..
        } = new;
        // Other words of a second try are another note, so no failed try is in its way.
        let words = hex::encode(sha256(&[
            new.verdict.as_str().as_bytes(),
            &[0],
            new.actor.as_bytes(),
            &[0],
            new.reason.as_bytes(),
        ]));
        let name = format!("{requester} {request} {words}");
        self.sign(AccessReview {
            requester: (*requester).clone(),
            request: *request,
            verdict: new.verdict,
            commitment: self.note(REVIEW, &name, new.actor, new.reason)?,
        })
    }

    /// Seals who and why at home; gives the commitment to it.
    pub(crate) fn note(
        &self,
        domain: &'static str,
        name: &str,
        actor: &str,
        reason: &str,
    ) -> Result<Commitment, SdkError> {
        let note = serde_json::json!({ "actor": actor, "reason": reason }).to_string();
        let kept = self.keep(domain, name, Zeroizing::new(note).as_bytes())?;
        Ok(kept.commitment)
    }
}
