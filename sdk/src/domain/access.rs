//! Access: ask to read a record under a consent, with the ticket that its owner handed over.
//!
//! What always holds: the request commits to who asks and why, and to a fresh key of the reader; the
//! words stay at home, sealed, so that an inspector can be shown them later.

use crate::error::SdkError;
use crate::identity::Identity;
use crate::ticket::GrantTicket;
use curve25519_dalek::MontgomeryPoint;
use medanchor_ledger::event::{AccessRequest, Event, KemSuite, ReaderKey};
use medanchor_ledger::{ParticipantName, RecordHandle, RequestHandle, sha256};
use zeroize::Zeroizing;

/// The domain of handles under which notes of accesses are kept.
const NOTE: &str = "access-note";

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
    /// The X25519 key that the record's key shall be sealed to.
    pub reader_key: [u8; 32],
    /// `access.request`, to be anchored. The ledger decides, and keeps a denial too.
    pub event: Event,
}

impl Identity {
    /// What the ledger calls the request that the application calls `name`.
    #[must_use]
    pub fn request_handle(&self, name: &str) -> RequestHandle {
        RequestHandle::new(self.handle("request", name))
    }

    /// The secret half of the key that a request names.
    #[must_use]
    pub fn reader_secret(&self, name: &str) -> Zeroizing<[u8; 32]> {
        self.seed("reader", name)
    }

    /// Shows the patient who made the request that the application calls `name`, and nothing else of
    /// its note: what [`crate::patient::Known::add_note`] takes.
    ///
    /// # Errors
    /// [`SdkError::Vault`] when there is no such request.
    pub fn disclose_note(&self, name: &str) -> Result<Vec<u8>, SdkError> {
        let note = RecordHandle::new(self.handle(NOTE, name));
        let shown = self
            .vault()
            .disclose(note, 1, &[crate::patient::ACTOR], &[])?;
        Ok(shown.encode())
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
        let note = serde_json::json!({ "actor": new.actor, "reason": new.reason }).to_string();
        let kept = self.keep(NOTE, new.name, Zeroizing::new(note).as_bytes())?;
        let reader_key =
            MontgomeryPoint::mul_base_clamped(*self.reader_secret(new.name)).to_bytes();
        let event = self.sign(AccessRequest {
            request: self.request_handle(new.name),
            owner: ticket.owner.clone(),
            record: new.record,
            consent: ticket.consent,
            purpose: *purpose,
            opening: ticket.opening,
            member: ticket.member,
            reader_key: ReaderKey {
                suite: KemSuite::X25519,
                hash: sha256(&[&reader_key]),
            },
            commitment: kept.commitment,
        })?;
        let (request, owner) = (self.request_handle(new.name), ticket.owner.clone());
        Ok(AccessAsked {
            request,
            owner,
            reader_key,
            event,
        })
    }
}
