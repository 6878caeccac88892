//! The patient's signature over a delegation.
//!
//! What always holds: it is over the delegation's words and over every handle and time of it on the
//! ledger, so it is good for that one delegation, and for no consent. It holds the words, the delegate's
//! name among them: it stays with the patient and the institution.
//!
//! ```text
//! payload = { 1: the draft's payload, 2: approving public key, 3: signature, 4: ender }
//! signed  = "medanchor/delegation-approval/v1" || { 1: the draft's payload, 2: tags, 3: grantees, 4: purposes,
//!             5: classes, 6: ender }, sets as on the ledger
//! ```
//!
//! The ender is left out of approvals of releases that knew none.

use super::delegation::{DelegationWords, MAX as MAX_WORDS};
use super::draft::{handles, read_ender, write_ender};
use crate::armor;
use crate::token::HandoverError;
use medanchor_ledger::cbor::{Reader, Writer};
use medanchor_ledger::event::ConsentGrant;
use medanchor_ledger::signature::{self, PublicKey, Signature, SigningKey};
use medanchor_ledger::{ConsentHandle, Ender, NetworkId, ParticipantName};

const DOMAIN: &[u8] = b"medanchor/delegation-approval/v1";
/// Far above the longest encoding.
const MAX: usize = MAX_WORDS + 512;

/// A patient's signature over one delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationApproval {
    words: DelegationWords,
    approver: PublicKey,
    signature: Signature,
    ender: Option<Ender>,
}

impl DelegationApproval {
    /// What the text of one begins with.
    pub const LABEL: &'static str = "medanchor-delegation-approval-v1";

    pub(super) fn sign(words: DelegationWords, grant: &ConsentGrant, key: &SigningKey) -> Self {
        Self {
            approver: key.public_key(),
            signature: key.sign(&signed_bytes(&words, grant)),
            ender: grant.ender,
            words,
        }
    }

    /// What the patient read. Whether the patient signed it is told by [`DelegationApproval::approves`].
    #[must_use]
    pub const fn words(&self) -> &DelegationWords {
        &self.words
    }

    /// The delegation that it is about.
    #[must_use]
    pub const fn delegation(&self) -> ConsentHandle {
        self.words.delegation
    }

    /// The key that signed. Whether it is the patient's is for the reader to know.
    #[must_use]
    pub const fn approver(&self) -> &PublicKey {
        &self.approver
    }

    /// By what the patient can end the delegation; none in approvals of releases that knew no ender.
    #[must_use]
    pub const fn ender(&self) -> Option<Ender> {
        self.ender
    }

    /// Whether it approves exactly this delegation of this owner.
    #[must_use]
    pub fn approves(
        &self,
        network: NetworkId,
        owner: &ParticipantName,
        grant: &ConsentGrant,
    ) -> bool {
        let words = &self.words;
        let said = (words.network, &words.owner, words.delegation, None);
        let times = (words.not_before, words.not_after);
        said == (network, owner, grant.consent, grant.root)
            && times == (grant.not_before, grant.not_after)
            && self.ender == grant.ender
            && signature::verify(&self.approver, &signed_bytes(words, grant), &self.signature)
                .is_ok()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(MAX);
        writer.map(3 + usize::from(self.ender.is_some()));
        writer.key(1).bytes(&self.words.encode());
        writer.key(2).bytes(&self.approver.encode());
        writer.key(3).bytes(self.signature.as_bytes());
        write_ender(&mut writer, 4, self.ender.as_ref());
        writer.into_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HandoverError> {
        let mut reader = Reader::new(bytes);
        let entries = reader.map_between(3..=4)?;
        let approval = Self {
            words: DelegationWords::decode(reader.key(1)?.bytes(MAX_WORDS)?)?,
            approver: PublicKey::decode(reader.key(2)?.bytes(PublicKey::ENCODED_LENGTH)?)?,
            signature: Signature::new(reader.key(3)?.fixed()?),
            ender: read_ender(&mut reader, 4, entries)?,
        };
        reader.finish()?;
        Ok(approval)
    }

    /// The approval as text. It names the delegate.
    #[must_use]
    pub fn to_text(&self) -> String {
        armor::to_text(Self::LABEL, &self.encode()).to_string()
    }

    /// Reads what [`DelegationApproval::to_text`] gave. What it signs is checked by
    /// [`DelegationApproval::approves`].
    ///
    /// # Errors
    /// [`HandoverError`] when the text is damaged or of another kind.
    pub fn from_text(text: &str) -> Result<Self, HandoverError> {
        Self::decode(&armor::from_text(Self::LABEL, text, MAX)?)
    }
}

fn signed_bytes(words: &DelegationWords, grant: &ConsentGrant) -> Vec<u8> {
    let mut writer = Writer::with_capacity(1024);
    writer.raw(DOMAIN);
    writer.map(5 + usize::from(grant.ender.is_some()));
    writer.key(1).bytes(&words.encode());
    handles(writer.key(2), grant.tags.iter().map(|one| one.as_bytes()));
    let grantees = grant.grantees.iter();
    handles(writer.key(3), grantees.map(|one| one.as_bytes()));
    let purposes = grant.purposes.iter();
    handles(writer.key(4), purposes.map(|one| one.as_bytes()));
    let classes = grant.classes.iter();
    handles(writer.key(5), classes.map(|one| one.as_bytes()));
    write_ender(&mut writer, 6, grant.ender.as_ref());
    writer.into_bytes()
}
