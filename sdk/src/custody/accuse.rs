//! Making evidence of what custodians and owners signed: a file that convinces whoever knows the
//! network's policy, offline (`medanchor-audit evidence`).
//!
//! What always holds: a file is given only if it convicts by this identity's own policy. It shows what
//! the accused sealed for one request, and nothing that opens the record.

use super::acknowledged::Sharing;
use super::answers::WrongAnswer;
use super::messages::read_messages;
use super::standing::StandingError;
use super::standing::proved::value;
use crate::anchor::Sdk;
use crate::client::ClientError;
use crate::direct::{AddressBook, Ask, Certificate, Link, LinkError};
use crate::error::SdkError;
use medanchor_ledger::document::{DocumentError, StateDocument};
use medanchor_ledger::event::EventBody;
use medanchor_ledger::policy::PolicyRange;
use medanchor_ledger::rules::{BreakGlass, CustodianSet, Participant, Record, Request};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{EventId, ParticipantName, Size};
use medanchor_vault::custody::{
    Acknowledgement, Custodied, Evidence, EvidenceFile, Fact, MessageError, Need, NotConvicted,
    Points, Release, Signed, Wrong,
};

/// The most bytes of an owner's answer.
const MAX_ACKNOWLEDGEMENTS: u64 = 256 << 10;

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccuseError {
    /// The answer convicts nobody.
    #[error(
        "the answer convicts nobody: whoever it names did not sign it for this request; ask again"
    )]
    Harmless,
    /// The points of the accused share are not the record's any more.
    #[error(
        "the record's key was shared anew since, so the ledger's state no longer has the points of this share"
    )]
    Moved,
    /// The acknowledgement is missing.
    #[error("{owner} has no acknowledgement of {custodian} for this record; ask the owner for it")]
    NoAcknowledgement {
        /// Who should have kept it.
        owner: ParticipantName,
        /// Whose.
        custodian: ParticipantName,
    },
    /// The owner is not in the address book.
    #[error("the address book has no entry of {0}, who keeps the acknowledgements; add it")]
    NotInBook(ParticipantName),
    /// The owner's answer is none.
    #[error("the owner's answer holds no acknowledgements ({0}); ask again")]
    Answer(#[from] MessageError),
    /// The own acknowledgements.
    #[error("the acknowledgements cannot be read: {0}; check the disk")]
    Io(#[from] std::io::Error),
    /// The owner was not asked.
    #[error("{0}")]
    Link(Box<LinkError>),
    /// Signing.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// The ledger could not be asked.
    #[error(transparent)]
    Standing(#[from] StandingError),
    /// A node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What a node proved cannot be kept.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// It does not convict.
    #[error(transparent)]
    NotConvicted(#[from] NotConvicted),
}

impl From<LinkError> for AccuseError {
    fn from(error: LinkError) -> Self {
        Self::Link(Box::new(error))
    }
}

impl Sdk {
    /// Makes evidence of a wrong answer to the request of this name. The owner is asked for what its
    /// custodian acknowledged.
    ///
    /// # Errors
    /// [`AccuseError`].
    pub fn accuse(
        &self,
        name: &str,
        wrong: &WrongAnswer,
        book: &AddressBook,
        own: &Certificate,
    ) -> Result<EvidenceFile, AccuseError> {
        let key = self.reader_key(name)?;
        let evidence = match wrong {
            WrongAnswer::Custodian(answer, Wrong::Unfit | Wrong::Closed) => {
                let release = answer.says();
                let points = self.points_of(release)?;
                let acknowledged = self.acknowledgement_of(release, book, own)?;
                Evidence::bad_release(answer.as_ref().clone(), acknowledged, points, key)
            }
            WrongAnswer::Custodian(..) => return Err(AccuseError::Harmless),
            WrongAnswer::Owner(answer) => Evidence::bad_vault_release(answer.as_ref().clone(), key),
        };
        self.evidence_file(evidence)
    }

    /// Makes evidence of two answers of one custodian to one request.
    ///
    /// # Errors
    /// [`AccuseError`], among others when they are the same.
    pub fn accuse_of_two(
        &self,
        one: &Signed<Release>,
        other: &Signed<Release>,
    ) -> Result<EvidenceFile, AccuseError> {
        self.evidence_file(Evidence::TwoReleases(one.clone(), other.clone()))
    }

    /// Evidence with what the ledger says of it, as far as it takes to convict.
    ///
    /// # Errors
    /// [`AccuseError::NotConvicted`] when it convicts nobody.
    pub fn evidence_file(&self, evidence: Evidence) -> Result<EvidenceFile, AccuseError> {
        let facts = evidence.needs().into_iter().map(|need| self.fact(need));
        let facts = facts.collect::<Result<_, _>>()?;
        let file = EvidenceFile::new(evidence, facts);
        file.verify(&PolicyRange::from(self.policy().clone(), Size(0)))?;
        Ok(file)
    }

    fn fact(&self, need: Need) -> Result<Fact, AccuseError> {
        match need {
            Need::Participant(name) => self.proved(&Participant::key(&name)),
            Need::Custodians(epoch) => self.proved(&CustodianSet::key(epoch)),
            Need::Request(id) => self.proved_request(&id),
            Need::Record(record) => self.proved_record(&record),
        }
    }

    fn proved(&self, key: &StateKey) -> Result<Fact, AccuseError> {
        let proved = self.client().state(key, None)?;
        Ok(Fact {
            document: StateDocument::decode(proved.document())?,
            event: None,
        })
    }

    fn proved_request(&self, id: &EventId) -> Result<Fact, AccuseError> {
        let event = self.client().event(id)?;
        let key = match event.body() {
            EventBody::AccessRequest(body) => Request::key(event.issuer(), &body.request),
            EventBody::AccessBreakGlass(body) => BreakGlass::key(event.issuer(), &body.request),
            _ => return Err(AccuseError::Harmless),
        };
        let event = Some(event);
        Ok(Fact {
            event,
            ..self.proved(&key)?
        })
    }

    fn proved_record(&self, record: &Custodied) -> Result<Fact, AccuseError> {
        let key = Record::key(&record.owner, &record.record.record);
        let state = value::<Record>(self.client(), &key, None)?.value;
        let state = state.ok_or(AccuseError::Harmless)?;
        let made = match record.record.version == state.version {
            true => state.newest(),
            false => state.sealed,
        };
        let event = Some(self.client().event(&made.event)?);
        Ok(Fact {
            event,
            ..self.proved(&key)?
        })
    }

    fn points_of(&self, release: &Release) -> Result<Points, AccuseError> {
        let Custodied { owner, record } = &release.record;
        let key = Record::key(owner, &record.record);
        let state = value::<Record>(self.client(), &key, None)?.value;
        let state = state.filter(|state| state.version == record.version);
        let custody = state.and_then(|state| state.custody);
        let custody = custody.filter(|custody| custody.epoch() == release.place.epoch);
        let points = custody.map(|custody| Points::of_custody(&custody));
        points.and_then(Result::ok).ok_or(AccuseError::Moved)
    }

    fn acknowledgement_of(
        &self,
        release: &Release,
        book: &AddressBook,
        own: &Certificate,
    ) -> Result<Signed<Acknowledgement>, AccuseError> {
        let owner = &release.record.owner;
        let sharing = Sharing::of(release);
        let all = match owner == self.participant() {
            true => self.acknowledgements(&sharing)?.unwrap_or_default(),
            false => self.ask_acknowledgements(owner, &sharing, book, own)?,
        };
        let theirs = all
            .into_iter()
            .find(|one| one.says().place == release.place && one.says().record == release.record);
        theirs.ok_or_else(|| AccuseError::NoAcknowledgement {
            owner: owner.clone(),
            custodian: release.place.custodian.clone(),
        })
    }

    fn ask_acknowledgements(
        &self,
        owner: &ParticipantName,
        sharing: &Sharing,
        book: &AddressBook,
        own: &Certificate,
    ) -> Result<Vec<Signed<Acknowledgement>>, AccuseError> {
        let missing = || AccuseError::NotInBook(owner.clone());
        let counterpart = book.get(owner).ok_or_else(missing)?;
        let link = Link::new(own, counterpart, None, self.client().config())?;
        let ask = Ask::Acknowledgements;
        let statement = self.state_to(owner, own, ask, sharing.encode())?;
        let answer = link.ask(ask, &statement, MAX_ACKNOWLEDGEMENTS)?;
        Ok(read_messages(&answer)?)
    }
}
