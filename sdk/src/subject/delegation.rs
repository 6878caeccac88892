//! What a delegation would say: in words for the patient, in handles for the ledger.
//!
//! What always holds: purpose and class of a delegation on the ledger are handles of a word that holds
//! the SHA-256 of all its words, made with the patient's key. So what stands on the ledger is a
//! delegation of these very words, and no two delegations of other words have the same handles.
//!
//! ```text
//! payload = { 1: network, 2: owner, 3: delegation, 4: delegate's id, 5: delegate's name, 6: relation,
//!             7: basis, 8: quarter, 9: not before, 10: not after }
//! word    = "medanchor/delegation/" || base64url(SHA-256("medanchor/delegation/v1" || payload))
//! ```
//!
//! Relations: 1 parent, 2 guardian, 3 proxy.

use super::draft::{Terms, Words};
use crate::armor;
use crate::domain::{DELEGATION, Relation};
use crate::error::SdkError;
use crate::token::HandoverError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use medanchor_ledger::cbor::{Reader, Writer};
use medanchor_ledger::{ConsentHandle, NetworkId, ParticipantName, Time, sha256};
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;

const DOMAIN: &[u8] = b"medanchor/delegation/v1";
/// Far above the longest encoding.
pub(super) const MAX: usize = 4 << 10;
/// The longest id and name, in bytes.
const MAX_NAME: usize = 256;
/// The longest basis, in bytes.
const MAX_BASIS: usize = 1024;

/// What a delegation would say, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationWords {
    /// The network whose ledger will have it.
    pub network: NetworkId,
    /// Who keeps the records.
    pub owner: ParticipantName,
    /// What the ledger will call it.
    pub delegation: ConsentHandle,
    /// Who would decide, by the institution's own id.
    pub delegate: String,
    /// Who would decide, by the name that the patient knows.
    pub called: String,
    /// What the delegate is to the patient.
    pub relation: Relation,
    /// What it rests on, such as the number of a court's order.
    pub basis: String,
    /// The quarter of a year in which it was drafted, and under whose tag it will stand.
    pub quarter: Epoch,
    /// The first moment at which it holds.
    pub not_before: Time,
    /// The first moment at which it no longer holds.
    pub not_after: Time,
}

/// A delegation that waits for the patient's approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationDraft(DelegationWords);

impl DelegationDraft {
    /// What the text of one begins with.
    pub const LABEL: &'static str = "medanchor-delegation-v1";

    /// # Errors
    /// [`SdkError::DelegationDraft`] says what is missing, too long, or no text.
    pub(crate) fn new(words: DelegationWords) -> Result<Self, SdkError> {
        words.check().map_err(SdkError::DelegationDraft)?;
        Ok(Self(words))
    }

    /// What it would say.
    #[must_use]
    pub const fn words(&self) -> &DelegationWords {
        &self.0
    }

    /// The draft as text, for the patient's wallet or the machine at which the card is opened. Its words
    /// are between the institution and the patient.
    #[must_use]
    pub fn to_text(&self) -> String {
        armor::to_text(Self::LABEL, &self.0.encode()).to_string()
    }

    /// Reads what [`DelegationDraft::to_text`] gave.
    ///
    /// # Errors
    /// [`HandoverError`] when the text is damaged, of another kind, or says what cannot be.
    pub fn from_text(text: &str) -> Result<Self, HandoverError> {
        DelegationWords::decode(&armor::from_text(Self::LABEL, text, MAX)?).map(Self)
    }
}

impl DelegationWords {
    /// What the words stand for on the ledger, under the patient's key: the first consent of a chain, to
    /// the owner itself, for a class of which no record is sealed.
    pub(crate) fn terms(&self, subject: &SubjectKey) -> Result<Terms, SdkError> {
        let digest = sha256(&[DOMAIN, &self.encode()]);
        let word = format!("{DELEGATION}/{}", URL_SAFE_NO_PAD.encode(digest));
        let consent = Words {
            network: self.network,
            owner: self.owner.clone(),
            consent: self.delegation,
            root: None,
            grantees: vec![self.owner.clone().into()],
            purposes: vec![word.clone()],
            classes: vec![word],
            first: self.quarter,
            last: self.quarter,
            not_before: self.not_before,
            not_after: self.not_after,
        };
        Terms::of(subject, &consent)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(512);
        writer.map(10);
        writer.key(1).bytes(self.network.as_bytes());
        writer.key(2).text(self.owner.as_str());
        writer.key(3).bytes(self.delegation.as_bytes());
        writer.key(4).text(&self.delegate);
        writer.key(5).text(&self.called);
        writer.key(6).uint(code(self.relation));
        writer.key(7).text(&self.basis);
        writer.key(8).uint(self.quarter.0.into());
        writer.key(9).uint(self.not_before.0);
        writer.key(10).uint(self.not_after.0);
        writer.into_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HandoverError> {
        let mut reader = Reader::new(bytes);
        reader.map(10)?;
        let words = Self {
            network: NetworkId::new(reader.key(1)?.fixed()?),
            owner: reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?,
            delegation: ConsentHandle::new(reader.key(3)?.fixed()?),
            delegate: reader.key(4)?.text(MAX_NAME)?.to_owned(),
            called: reader.key(5)?.text(MAX_NAME)?.to_owned(),
            relation: relation(reader.key(6)?.uint()?)?,
            basis: reader.key(7)?.text(MAX_BASIS)?.to_owned(),
            quarter: Epoch(reader.key(8)?.narrow()?),
            not_before: Time(reader.key(9)?.uint()?),
            not_after: Time(reader.key(10)?.uint()?),
        };
        reader.finish()?;
        words.check().map_err(|_| {
            HandoverError::Inconsistent("the delegation is one that nobody could approve")
        })?;
        Ok(words)
    }

    fn check(&self) -> Result<(), &'static str> {
        match () {
            () if self.not_before >= self.not_after => Err("ends before it begins"),
            () if !is_line(&self.delegate, MAX_NAME) || !is_line(&self.called, MAX_NAME) => {
                Err("names nobody, or not in one line of at most 256 bytes")
            }
            () if !is_line(&self.basis, MAX_BASIS) => {
                Err("rests on nothing, or says so not in one line of at most 1024 bytes")
            }
            () => Ok(()),
        }
    }
}

/// Whether a text can be shown to the patient beside others and hides nothing: one line, without the
/// characters that turn the direction of what follows or have no width.
fn is_line(text: &str, max: usize) -> bool {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    (1..=max).contains(&text.len()) && !text.trim().is_empty() && !text.contains(hides)
}

const fn code(relation: Relation) -> u64 {
    match relation {
        Relation::Parent => 1,
        Relation::Guardian => 2,
        Relation::Proxy => 3,
    }
}

const fn relation(code: u64) -> Result<Relation, HandoverError> {
    Ok(match code {
        1 => Relation::Parent,
        2 => Relation::Guardian,
        3 => Relation::Proxy,
        _ => return Err(HandoverError::Inconsistent("a relation of a later version")),
    })
}
