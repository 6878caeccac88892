//! What a consent would grant: in words for the patient, in handles for the ledger.
//!
//! What always holds: the handles follow from the words and the patient's key at the institution, so
//! whoever holds that key computes from the words what will stand on the ledger, and signs nothing else.
//!
//! ```text
//! payload = { 1: network, 2: owner, 3: consent, 4: root or null, 5: [[grantee, member or null], ...],
//!             6: [purpose, ...], 7: [class, ...], 8: first quarter, 9: last quarter, 10: not before, 11: not after }
//! signed  = "medanchor/consent-approval/v1" || { 1: network, 2: owner, 3: consent, 4: root or null, 5: tags,
//!             6: grantees, 7: purposes, 8: classes, 9: not before, 10: not after, 11: ender }, sets as on the
//!             ledger
//! ```
//!
//! Key 11 is left out where there is no ender: approvals of releases that knew none still hold.

use crate::armor;
use crate::domain::{Grantee, check_word};
use crate::error::SdkError;
use crate::fhir::purpose;
use crate::ticket::MAX_WORD;
use crate::token::HandoverError;
use medanchor_ledger::cbor::{Reader, Writer};
use medanchor_ledger::event::ConsentGrant;
use medanchor_ledger::event::GranteeOpening;
use medanchor_ledger::event::consent::{Classes, Grantees, Purposes, Tags};
use medanchor_ledger::{
    ClassHandle, Commitment, ConsentHandle, Ender, MemberCommitment, NetworkId, ParticipantName,
    PurposeHandle, Time, TreeHash,
};
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;
use std::collections::{BTreeMap, BTreeSet};

const LABEL: &str = "medanchor-consent-v1";
const DOMAIN: &[u8] = b"medanchor/consent-approval/v1";
/// The longest encoding: 16 grantees and 64 words.
pub(crate) const DRAFT_MAX: usize = 16 << 10;
/// What an event holds at most.
const MAX_GRANTEES: usize = 16;
const MAX_WORDS: usize = 32;
const MAX_QUARTERS: u32 = 64;

/// What a consent would grant, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The network whose ledger will have it.
    pub network: NetworkId,
    /// Who keeps the records.
    pub owner: ParticipantName,
    /// What the ledger will call it.
    pub consent: ConsentHandle,
    /// The first consent of the chain that it continues.
    pub root: Option<ConsentHandle>,
    /// Who may read.
    pub grantees: Vec<Grantee>,
    /// For what, in HL7's words; each once, in order.
    pub purposes: Vec<String>,
    /// Which kinds of data; each once, in order.
    pub classes: Vec<String>,
    /// The first quarter whose records it covers.
    pub first: Epoch,
    /// The last.
    pub last: Epoch,
    /// The first moment at which it holds.
    pub not_before: Time,
    /// The first moment at which it no longer holds.
    pub not_after: Time,
}

/// A consent that waits for the patient's approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentDraft(Words);

impl ConsentDraft {
    /// Checks the words as an event would: what does not fit one is refused.
    ///
    /// # Errors
    /// [`SdkError`] says what is missing, too much or too long.
    pub(crate) fn new(mut words: Words) -> Result<Self, SdkError> {
        for list in [&mut words.purposes, &mut words.classes] {
            list.sort_unstable();
            list.dedup();
        }
        words.check().map_err(SdkError::Consent)?;
        words.check_purposes().map_err(SdkError::Consent)?;
        for (what, list) in [("purpose", &words.purposes), ("class", &words.classes)] {
            list.iter()
                .try_for_each(|word| check_word(what, word).map(drop))?;
        }
        Ok(Self(words))
    }

    /// What it would grant.
    #[must_use]
    pub const fn words(&self) -> &Words {
        &self.0
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let words = &self.0;
        let mut writer = Writer::with_capacity(1024);
        writer.map(11);
        writer.key(1).bytes(words.network.as_bytes());
        writer.key(2).text(words.owner.as_str());
        writer.key(3).bytes(words.consent.as_bytes());
        let root = words.root.as_ref().map(ConsentHandle::as_bytes);
        writer.key(4).optional(root);
        writer.key(5).array(words.grantees.len());
        for grantee in &words.grantees {
            let member = grantee.member.as_ref().map(MemberCommitment::as_bytes);
            writer.array(2).text(grantee.participant.as_str());
            writer.optional(member);
        }
        for (key, list) in [(6, &words.purposes), (7, &words.classes)] {
            writer.key(key).array(list.len());
            list.iter().for_each(|word| {
                writer.text(word);
            });
        }
        writer.key(8).uint(words.first.0.into());
        writer.key(9).uint(words.last.0.into());
        writer.key(10).uint(words.not_before.0);
        writer.key(11).uint(words.not_after.0);
        writer.into_bytes()
    }

    /// Reads a draft, also one of an earlier release that permitted breaking the glass.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HandoverError> {
        let mut reader = Reader::new(bytes);
        reader.map(11)?;
        let words = Words {
            network: NetworkId::new(reader.key(1)?.fixed()?),
            owner: reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?,
            consent: ConsentHandle::new(reader.key(3)?.fixed()?),
            root: reader.key(4)?.optional()?.map(ConsentHandle::new),
            grantees: read_grantees(reader.key(5)?)?,
            purposes: read_list(reader.key(6)?)?,
            classes: read_list(reader.key(7)?)?,
            first: Epoch(reader.key(8)?.narrow()?),
            last: Epoch(reader.key(9)?.narrow()?),
            not_before: Time(reader.key(10)?.uint()?),
            not_after: Time(reader.key(11)?.uint()?),
        };
        reader.finish()?;
        words.check().map_err(|_| {
            HandoverError::Inconsistent("the consent is one that no event can hold")
        })?;
        Ok(Self(words))
    }

    /// The draft as text, for the patient's wallet or the machine at which the card is opened. Its words
    /// are between the institution and the patient.
    #[must_use]
    pub fn to_text(&self) -> String {
        armor::to_text(LABEL, &self.encode()).to_string()
    }

    /// Reads what [`ConsentDraft::to_text`] gave.
    ///
    /// # Errors
    /// [`HandoverError`] when the text is damaged, of another kind, no event could hold it, or it permits
    /// breaking the glass.
    pub fn from_text(text: &str) -> Result<Self, HandoverError> {
        let draft = Self::decode(&armor::from_text(LABEL, text, DRAFT_MAX)?)?;
        let checked = draft.0.check_purposes();
        checked
            .map_err(|_| HandoverError::Inconsistent("the consent permits breaking the glass"))?;
        Ok(draft)
    }
}

impl Words {
    /// What an event would refuse, so that the patient is asked for nothing that cannot be granted.
    fn check(&self) -> Result<(), &'static str> {
        let count = |count: usize, most: usize| (1..=most).contains(&count);
        match () {
            () if self.not_before >= self.not_after => Err("ends before it begins"),
            () if !count(self.grantees.len(), MAX_GRANTEES) => Err("names nobody, or more than 16"),
            () if !count(self.purposes.len(), MAX_WORDS) => {
                Err("names no purpose, or more than 32")
            }
            () if !count(self.classes.len(), MAX_WORDS) => Err("names no class, or more than 32"),
            () if self.last < self.first || self.last.0 - self.first.0 >= MAX_QUARTERS => {
                Err("covers more than 64 quarters of a year")
            }
            () => Ok(()),
        }
    }

    /// What nothing that is drafted or signed now may permit.
    pub(crate) fn check_purposes(&self) -> Result<(), &'static str> {
        match self
            .purposes
            .iter()
            .any(|word| word == purpose::BREAK_GLASS)
        {
            true => Err("permits breaking the glass (BTG), which is no purpose to grant"),
            false => Ok(()),
        }
    }

    pub(crate) fn epochs(&self) -> impl Iterator<Item = Epoch> + use<> {
        (self.first.0..=self.last.0).map(Epoch)
    }
}

fn read_grantees(reader: &mut Reader<'_>) -> Result<Vec<Grantee>, HandoverError> {
    let count = reader.array(1..=MAX_GRANTEES)?;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        reader.array(2..=2)?;
        all.push(Grantee {
            participant: reader.parsed(ParticipantName::MAX_LENGTH)?,
            member: reader.optional()?.map(MemberCommitment::new),
        });
    }
    Ok(all)
}

/// Reads words in ascending order, each once.
fn read_list(reader: &mut Reader<'_>) -> Result<Vec<String>, HandoverError> {
    let count = reader.array(1..=MAX_WORDS)?;
    let mut all: Vec<String> = Vec::with_capacity(count);
    for _ in 0..count {
        let word = reader.text(MAX_WORD)?;
        if word.is_empty() || all.last().is_some_and(|last| last.as_str() >= word) {
            return Err(HandoverError::Inconsistent(
                "the words are not in order, or one is empty or stands twice",
            ));
        }
        all.push(word.to_owned());
    }
    Ok(all)
}

/// What the words of one consent stand for on the ledger.
#[derive(Clone)]
pub(crate) struct Terms {
    /// The purposes, each word with its handle.
    pub(crate) purposes: BTreeMap<String, PurposeHandle>,
    /// The classes, each word with a handle for each quarter.
    pub(crate) classes: BTreeSet<(String, ClassHandle)>,
    /// What each grantee is given, in their order.
    pub(crate) openings: Vec<GranteeOpening>,
    consent: ConsentHandle,
    root: Option<ConsentHandle>,
    tags: Tags,
    grantees: Grantees,
    not_before: Time,
    not_after: Time,
    ender: Option<Ender>,
}

impl Terms {
    /// What these words stand for under a subject's key.
    pub(crate) fn of(subject: &SubjectKey, words: &Words) -> Result<Self, SdkError> {
        let newest = subject.consent_key(words.last);
        let openings = words.grantees.iter();
        let openings: Vec<_> = openings
            .map(|one| newest.opening(&one.participant))
            .collect();
        let grantees = words.grantees.iter().zip(&openings);
        let grantees =
            grantees.map(|(one, opening)| opening.grantee(&one.participant, one.member.as_ref()));
        let purposes = words.purposes.iter();
        let mut classes = BTreeSet::new();
        for epoch in words.epochs() {
            let key = subject.consent_key(epoch);
            let of_epoch = words.classes.iter();
            classes.extend(of_epoch.map(|class| (class.clone(), key.class(class))));
        }
        Ok(Self {
            purposes: purposes
                .map(|purpose| (purpose.clone(), newest.purpose(purpose)))
                .collect(),
            tags: Tags::new(words.epochs().map(|epoch| subject.tag(epoch)))?,
            grantees: Grantees::new(grantees)?,
            classes,
            openings,
            consent: words.consent,
            root: words.root,
            not_before: words.not_before,
            not_after: words.not_after,
            ender: None,
        })
    }

    /// The same, which the patient can end by this.
    pub(crate) const fn ended_by(mut self, ender: Option<Ender>) -> Self {
        self.ender = ender;
        self
    }

    pub(crate) const fn consent(&self) -> ConsentHandle {
        self.consent
    }

    /// What the patient signs: all of the grant but the commitment to the institution's own document,
    /// since the patient signs nothing unseen.
    pub(crate) fn without_document(&self) -> Result<ConsentGrant, SdkError> {
        self.grant(Commitment::new(TreeHash::new([0; 32])))
    }

    /// The event's body.
    pub(crate) fn grant(&self, commitment: Commitment) -> Result<ConsentGrant, SdkError> {
        Ok(ConsentGrant {
            consent: self.consent,
            root: self.root,
            tags: self.tags.clone(),
            grantees: self.grantees.clone(),
            purposes: Purposes::new(self.purposes.values().copied())?,
            classes: Classes::new(self.classes.iter().map(|(_, handle)| *handle))?,
            not_before: self.not_before,
            not_after: self.not_after,
            commitment,
            ender: self.ender,
        })
    }
}

/// What an approval signs of a grant: all of it but the commitment to the institution's document.
pub(super) fn approved_bytes(
    network: NetworkId,
    owner: &ParticipantName,
    grant: &ConsentGrant,
) -> Vec<u8> {
    let mut writer = Writer::with_capacity(2048);
    writer.raw(DOMAIN);
    writer.map(10 + usize::from(grant.ender.is_some()));
    writer.key(1).bytes(network.as_bytes());
    writer.key(2).text(owner.as_str());
    writer.key(3).bytes(grant.consent.as_bytes());
    let root = grant.root.as_ref().map(ConsentHandle::as_bytes);
    writer.key(4).optional(root);
    handles(writer.key(5), grant.tags.iter().map(|one| one.as_bytes()));
    handles(
        writer.key(6),
        grant.grantees.iter().map(|one| one.as_bytes()),
    );
    handles(
        writer.key(7),
        grant.purposes.iter().map(|one| one.as_bytes()),
    );
    handles(
        writer.key(8),
        grant.classes.iter().map(|one| one.as_bytes()),
    );
    writer.key(9).uint(grant.not_before.0);
    writer.key(10).uint(grant.not_after.0);
    write_ender(&mut writer, 11, grant.ender.as_ref());
    writer.into_bytes()
}

/// An ender as the last entry of a map that has one.
pub(super) fn write_ender(writer: &mut Writer, key: i64, ender: Option<&Ender>) {
    if let Some(ender) = ender {
        writer.key(key).bytes(ender.as_bytes());
    }
}

/// Reads what [`write_ender`] gave, of a map of so many entries.
pub(super) fn read_ender(
    reader: &mut Reader<'_>,
    key: i64,
    entries: usize,
) -> Result<Option<Ender>, HandoverError> {
    let last = usize::try_from(key).is_ok_and(|key| key == entries);
    Ok(match last {
        true => Some(Ender::new(reader.key(key)?.fixed()?)),
        false => None,
    })
}

pub(super) fn handles<'a>(writer: &mut Writer, all: impl ExactSizeIterator<Item = &'a [u8; 16]>) {
    writer.array(all.len());
    all.for_each(|one| {
        writer.bytes(one);
    });
}
