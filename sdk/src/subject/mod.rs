//! Patients who bring a key of their own, on a printed card or in a wallet.
//!
//! What always holds: the tag key stays with the patient. An institution is handed the patient's key at
//! that institution and nothing more ([`BroughtKey`]): it can seal under the patient's tags there, and
//! computes no tag at another institution from it. A consent of such a patient is granted only with an
//! [`Approval`]: the patient's signature over exactly what stands on the ledger, by a key that the
//! institution never has. The same holds of a delegation and its [`DelegationApproval`]; what the delegate
//! then grants needs no more of the patient. Lists of accesses tell consents that rest on an approval from
//! those that do not. With a consent the patient approves its re-issues for later quarters
//! ([`Subject::approve_renewals`]). What the patient approved the patient can end ([`SignedEnd`]), by any participant and
//! without the institution.
//!
//! ```
//! use medanchor_sdk::{Subject, System};
//! # let network = medanchor_ledger::NetworkId::new([1; 16]);
//!
//! let subject = Subject::generate(network, &System)?;          // or Subject::from_card(..)
//! let brought = subject.key_for(&"north-hospital".parse()?);   // handed over once, confidentially
//! assert_eq!(brought.institution().as_str(), "north-hospital");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | text | from, to | secret | holds |
//! |---|---|---|---|
//! | `medanchor-subject-v1:` | patient to institution | yes | the patient's key there, and the public key that approves |
//! | `medanchor-consent-v1:` | institution to patient | between the two | what a consent would grant, in words |
//! | `medanchor-approval-v1:` | patient to institution | no | the signature; one more line for each re-issue |
//! | `medanchor-delegation-v1:` | institution to patient | between the two | who would decide for the patient, in words |
//! | `medanchor-delegation-approval-v1:` | patient to institution | between the two | these words, and the signature |
//! | `medanchor-consent-end-v1:` | patient to any participant | no | the signature that ends a consent or delegation |

mod approval;
mod brought;
mod delegation;
mod delegation_approval;
mod draft;
mod ending;
mod enrolment;
mod renewal;
#[cfg(test)]
mod tests;

pub use approval::Approval;
pub use brought::BroughtKey;
pub use delegation::{DelegationDraft, DelegationWords};
pub use delegation_approval::DelegationApproval;
pub use draft::{ConsentDraft, Words};
pub(crate) use draft::{DRAFT_MAX, Terms};
pub use ending::SignedEnd;
pub use enrolment::SubjectKeys;

use crate::card::{Card, CardError, Cost, Pin};
use crate::context::{Context, NoRandomness, random};
use crate::domain::DELEGATION;
use crate::error::SdkError;
use medanchor_ledger::event::ConsentGrant;
use medanchor_ledger::signature::{PublicKey, SigningKey};
use medanchor_ledger::{NetworkId, ParticipantName};
use medanchor_vault::secret::{SubjectKey, TagKey};
use zeroize::Zeroizing;

/// A patient with a key of their own: what a wallet or an opened card holds. It has no `Debug` and is
/// wiped when dropped.
pub struct Subject {
    network: NetworkId,
    key: TagKey,
}

impl Subject {
    /// The patient whose tag key this is.
    #[must_use]
    pub const fn new(network: NetworkId, key: TagKey) -> Self {
        Self { network, key }
    }

    /// Draws a key for a new patient.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn generate(network: NetworkId, context: &dyn Context) -> Result<Self, NoRandomness> {
        let bytes = Zeroizing::new(random::<32>(context)?);
        Ok(Self::new(network, TagKey::new(*bytes)))
    }

    /// The patient of a printed card. Whoever opens a card sees the tag key: do it on a machine that
    /// the patient trusts.
    ///
    /// # Errors
    /// As [`Card::open`].
    pub fn from_card(card: &Card, network: NetworkId, pin: &Pin) -> Result<Self, CardError> {
        Ok(Self::new(network, card.open(network, pin)?))
    }

    /// Puts the patient's key on a card.
    ///
    /// # Errors
    /// As [`Card::make`].
    pub fn card(&self, pin: &Pin, cost: Cost, context: &dyn Context) -> Result<Card, CardError> {
        Card::make(&self.key, self.network, pin, cost, context)
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// The patient's key at one institution: under whose tags that institution seals.
    #[must_use]
    pub fn key_at(&self, institution: &ParticipantName) -> SubjectKey {
        self.key.at(institution)
    }

    /// The public half of the key that approves consents at one institution.
    #[must_use]
    pub fn approver_at(&self, institution: &ParticipantName) -> PublicKey {
        self.approving_key(institution).public_key()
    }

    fn approving_key(&self, institution: &ParticipantName) -> SigningKey {
        SigningKey::from_seed(&self.key.approval_seed(institution))
    }

    /// What the patient hands to one institution, so that it can seal under the patient's tags.
    #[must_use]
    pub fn key_for(&self, institution: &ParticipantName) -> BroughtKey {
        let signing = self.approving_key(institution);
        BroughtKey::sign(
            self.network,
            institution,
            self.key_at(institution),
            &signing,
        )
    }

    /// Approves a consent that an institution drafted: signs exactly what its words grant, and the ender by
    /// which the patient can end it. Show the patient [`ConsentDraft::words`] first.
    ///
    /// # Errors
    /// [`SdkError`] when the draft is for another network, grants nothing that an event can hold, or is a
    /// delegation in the words of a consent.
    pub fn approve(&self, draft: &ConsentDraft) -> Result<Approval, SdkError> {
        self.approve_words(draft.words())
    }

    fn approve_words(&self, words: &Words) -> Result<Approval, SdkError> {
        self.require_network(words.network)?;
        let mut all = words.purposes.iter().chain(&words.classes);
        if all.any(|word| word.starts_with(DELEGATION)) {
            return Err(SdkError::Consent(
                "is a delegation in the words of a consent; ask for a draft that says so",
            ));
        }
        let terms = Terms::of(&self.key_at(&words.owner), words)?;
        let grant = self.endable(terms, &words.owner)?;
        let key = self.approving_key(&words.owner);
        Ok(Approval::sign(self.network, &words.owner, &grant, &key))
    }

    /// Approves a delegation that an institution drafted: signs exactly its words and what they stand
    /// for. Show the patient [`DelegationDraft::words`] first: the delegate grants without asking the
    /// patient again, and what the institution enters as the delegate's will stands for it.
    ///
    /// # Errors
    /// [`SdkError`] when the draft is for another network.
    pub fn approve_delegation(
        &self,
        draft: &DelegationDraft,
    ) -> Result<DelegationApproval, SdkError> {
        let words = draft.words();
        self.require_network(words.network)?;
        let terms = words.terms(&self.key_at(&words.owner))?;
        let grant = self.endable(terms, &words.owner)?;
        let key = self.approving_key(&words.owner);
        Ok(DelegationApproval::sign(words.clone(), &grant, &key))
    }

    /// The grant that the patient signs: one that the patient can end.
    fn endable(&self, terms: Terms, owner: &ParticipantName) -> Result<ConsentGrant, SdkError> {
        let ender = self.ender(owner, &terms.consent());
        terms.ended_by(Some(ender)).without_document()
    }

    fn require_network(&self, found: NetworkId) -> Result<(), SdkError> {
        let own = self.network;
        match found == own {
            true => Ok(()),
            false => Err(SdkError::OtherNetwork { found, own }),
        }
    }
}
