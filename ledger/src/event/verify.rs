//! Stateless checks of an event's signatures, one by one or in batches.
//!
//! What always holds: a [`Verified`] event's own signature holds under the key that its header
//! names; a claim that it carries holds under the token key that it carries, and a patient's end of a
//! consent under the ending key; a token key that it introduces, a signing key that it proposes, or an
//! ending key is one under which signatures can be trusted; and points that it carries are such. Whether the keys are the right ones is for the rules to say, which
//! read the state.

use super::{Change, ConsentEnd, Event, EventBody, GovernancePropose};
use crate::KeyId;
use crate::sha256;
use crate::signature::{Hashed, KeyError, PublicKey, Signature, Signed, verify_hashed};
use std::ops::{Deref, Range};

/// An event whose signatures hold. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified(Event);

impl Deref for Verified {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.0
    }
}

impl Verified {
    /// `event` as one whose signatures hold, if it is this very event to the last byte.
    pub(crate) fn vouch_for(&self, event: &Event) -> Option<Self> {
        (self.0 == *event).then(|| Self(event.clone()))
    }
}

/// Why an event's signatures do not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The key that was given is not the one that the header names.
    #[error("the event names another key of its signer; verify it with that one")]
    OtherKey,
    /// The issuer's signature does not hold.
    #[error("the event's signature does not hold; sign the event again, with the key it names")]
    Signature,
    /// The claim's signature does not hold.
    #[error("the claim's signature does not hold; ask the patient for a new claim")]
    ClaimSignature,
    /// The token key is not acceptable.
    #[error("the token key cannot be used: {0}")]
    TokenKey(#[source] KeyError),
    /// The patient's signature that ends a consent does not hold.
    #[error(
        "the signature that ends the consent does not hold; ask the patient to sign the end again"
    )]
    EndSignature,
    /// The key that ends a consent is not acceptable.
    #[error("the key that ends the consent cannot be used: {0}")]
    EndKey(#[source] KeyError),
    /// A key that a validator registers is not acceptable.
    #[error("a key for random draws cannot be used: {0}")]
    DrawKey(#[source] KeyError),
    /// A signing key that is proposed is not acceptable.
    #[error("a proposed signing key cannot be used: {0}")]
    SigningKey(#[source] KeyError),
    /// A point by which a record's key is shared is none.
    #[error(
        "a point of the sharing is zero or no Ristretto point in its one encoding; deal the shares again"
    )]
    Points,
}

/// One signature that an event depends on.
struct Check {
    event: usize,
    key: PublicKey,
    /// Where the message lies among those of all checks, and its SHA-256.
    message: Range<usize>,
    digest: [u8; 32],
    signature: Signature,
    failure: VerifyError,
}

/// The signatures that events depend on, with their messages side by side.
#[derive(Default)]
struct Checks {
    list: Vec<Check>,
    messages: Vec<u8>,
}

impl Checks {
    /// Adds a signature that an event carries in its body.
    fn carried(
        &mut self,
        event: usize,
        message: &[u8],
        (key, signature): (PublicKey, Signature),
        failure: VerifyError,
    ) {
        let start = self.messages.len();
        self.messages.extend_from_slice(message);
        self.list.push(Check {
            event,
            key,
            message: start..self.messages.len(),
            digest: sha256(&[message]),
            signature,
            failure,
        });
    }
}

impl Event {
    /// Checks the event's signatures, the issuer's under `key`.
    ///
    /// # Errors
    /// [`VerifyError`] names the signature that does not hold.
    pub fn verify(self, key: &PublicKey) -> Result<Verified, VerifyError> {
        let mut results = verify_events(vec![(self, *key)]);
        // One event gives one result.
        results.pop().unwrap_or(Err(VerifyError::Signature))
    }

    /// Appends the event's signatures to `checks`, after the checks that need none.
    fn collect(
        &self,
        event: usize,
        key: &PublicKey,
        checks: &mut Checks,
    ) -> Result<(), VerifyError> {
        if self
            .body()
            .custody()
            .is_some_and(|custody| !custody.check())
        {
            return Err(VerifyError::Points);
        }
        match self.body() {
            EventBody::PrescriptionIssue(issue) => {
                PublicKey::decode(&issue.token_key.encode()).map_err(VerifyError::TokenKey)?;
            }
            EventBody::InspectionKey(keys) => {
                keys.check().map_err(VerifyError::DrawKey)?;
            }
            EventBody::PrescriptionRedeem(redeem) => {
                let message = redeem.claim(self.network(), self.issuer()).sign_bytes();
                let signed = (redeem.token_key, redeem.claim_signature);
                checks.carried(event, &message, signed, VerifyError::ClaimSignature);
            }
            EventBody::ConsentEnd(end) => {
                PublicKey::decode(&end.key.encode()).map_err(VerifyError::EndKey)?;
                let (owner, consent) = (&end.owner, &end.consent);
                let message = ConsentEnd::sign_bytes(self.network(), owner, consent, &end.key);
                let signed = (end.key, end.signature);
                checks.carried(event, &message, signed, VerifyError::EndSignature);
            }
            _ => {}
        }
        let start = checks.messages.len();
        self.write_sign_bytes(&mut checks.messages);
        checks.list.push(Check {
            event,
            key: *key,
            message: start..checks.messages.len(),
            // The id is the hash of just these bytes.
            digest: *self.id().as_bytes(),
            signature: *self.signature(),
            failure: VerifyError::Signature,
        });
        Ok(())
    }

    /// Checks the signing keys that the event proposes. They are many, so whoever posts them has signed
    /// for them first.
    fn check_proposed_keys(&self) -> Result<(), VerifyError> {
        match self.body() {
            EventBody::GovernancePropose(GovernancePropose {
                change: Change::Keys(keys),
                ..
            }) => keys.check().map_err(VerifyError::SigningKey),
            _ => Ok(()),
        }
    }
}

/// The id of the key that was asked for last: most events of a batch are signed by few keys.
#[derive(Default)]
struct KeyNames(Option<(PublicKey, KeyId)>);

impl KeyNames {
    fn id_of(&mut self, key: &PublicKey) -> KeyId {
        match self.0 {
            Some((last, id)) if last == *key => id,
            _ => self.0.insert((*key, key.id())).1,
        }
    }
}

/// Checks the signatures of many events at once, each event's own under the key beside it; gives
/// one result for each event, in their order.
#[must_use]
pub fn verify_events(events: Vec<(Event, PublicKey)>) -> Vec<Result<Verified, VerifyError>> {
    let mut checks = Checks::default();
    checks.list.reserve(events.len());
    let mut named = KeyNames::default();
    let mut verdicts = Vec::with_capacity(events.len());
    for (place, (event, key)) in events.iter().enumerate() {
        verdicts.push(if named.id_of(key) == event.key_id() {
            event.collect(place, key, &mut checks)
        } else {
            Err(VerifyError::OtherKey)
        });
    }
    let hashed = checks.list.iter().map(|check| Hashed {
        signed: Signed {
            key: &check.key,
            // It was written there, so that it is never missing.
            message: checks
                .messages
                .get(check.message.clone())
                .unwrap_or_default(),
            signature: &check.signature,
        },
        digest: check.digest,
    });
    let failed = verify_hashed(&hashed.collect::<Vec<_>>());
    let failed = failed.err().unwrap_or_default();
    for check in failed
        .into_iter()
        .rev()
        .filter_map(|place| checks.list.get(place))
    {
        if let Some(verdict) = verdicts.get_mut(check.event) {
            *verdict = Err(check.failure);
        }
    }
    let together = events.into_iter().zip(verdicts);
    let verified = together.map(|((event, _), verdict)| {
        verdict?;
        event.check_proposed_keys()?;
        Ok(Verified(event))
    });
    verified.collect()
}
