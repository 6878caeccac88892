//! Making evidence of what custodians and owners signed: a file that convinces whoever knows the
//! network's policy, offline (`medanchor-audit evidence`).
//!
//! What always holds: a file is given only if it convicts by this identity's own policy. It shows what
//! the accused sealed for one request, and nothing that opens the record; the one kind that does is made
//! by a call of its own, which says so, and is written for its owner's eyes only.

mod written;

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
use medanchor_ledger::rules::{BreakGlass, Consent, CustodianSet, Participant, Record, Request};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{EventId, Height, ParticipantName, Size};
use medanchor_vault::custody::{
    Acknowledgement, Custodied, Evidence, EvidenceFile, Fact, MessageError, Need, NotConvicted,
    Points, RecordShown, Refusal, Release, Signed, Wrong,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use written::write_private;

/// The most bytes of an answer that holds one sharing's acknowledgements.
const MAX_ANSWER: u64 = 256 << 10;

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
        "the record's key was shared anew since, and no node keeps the state that has the points of this share"
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
    /// The file that shows the record is not written.
    #[error("{} cannot be written: {source}; give a name that nothing has, on a disk with room", path.display())]
    NotWritten {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
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

    /// Makes evidence of a refusal that a record's owner signed ([`OpenedError::Refused`](super::OpenedError::Refused)).
    /// A reason by the rules convicts only where the ledger contradicts it, and may do so only some
    /// minutes later ([`Unconvincing::TooEarly`](medanchor_vault::custody::Unconvincing::TooEarly)).
    ///
    /// # Errors
    /// [`AccuseError`], [`AccuseError::NotConvicted`] where the owner may have been right.
    pub fn accuse_of_refusal(
        &self,
        refusal: &Signed<Refusal>,
    ) -> Result<EvidenceFile, AccuseError> {
        self.evidence_file(Evidence::Refusal(refusal.clone()))
    }

    /// Makes evidence that an owner sealed a record wrongly, of a read that failed for it
    /// ([`OpenedError::Read`](super::OpenedError::Read)), and writes it to a new file. **Whoever has the file
    /// can open the record**, also after it was erased: it holds all parts of the key, and the sealed payload
    /// where that is needed. Only its owner may read the file; give it to whoever judges over a channel that
    /// is fit for the record itself, and remove it afterwards.
    ///
    /// # Errors
    /// [`AccuseError`]; nothing stands under the name then. A name that is taken is left as it is.
    pub fn accuse_by_showing_the_record(
        &self,
        shown: &Arc<RecordShown>,
        path: &Path,
    ) -> Result<EvidenceFile, AccuseError> {
        let file = self.evidence_file(Evidence::Sealing(Arc::clone(shown)))?;
        write_private(path, &file.encode()).map_err(|source| AccuseError::NotWritten {
            path: path.into(),
            source,
        })?;
        Ok(file)
    }

    /// Evidence with what the ledger says of it, as far as it takes to convict: as it is now or, where that
    /// convicts nobody, as it was when the request was decided. So an accused whose keys or whose record
    /// changed since gets away only once no node keeps the state of then.
    ///
    /// # Errors
    /// [`AccuseError::NotConvicted`] when it convicts nobody.
    pub fn evidence_file(&self, evidence: Evidence) -> Result<EvidenceFile, AccuseError> {
        let policy = PolicyRange::from(self.policy().clone(), Size(0));
        let facts = self.facts(&evidence, None)?;
        let file = EvidenceFile::new(evidence, facts);
        let Err(why) = file.verify(&policy) else {
            return Ok(file);
        };
        let request = file.evidence().request();
        let Some(then) = request.and_then(|request| self.decided_at(&request)) else {
            return Err(why.into());
        };
        let facts = self.facts(file.evidence(), Some(then))?;
        let file = EvidenceFile::new(file.into_evidence(), facts);
        match file.verify(&policy) {
            Ok(_) => Ok(file),
            Err(_) => Err(why.into()),
        }
    }

    /// The height at which a request was decided, while a node keeps its state.
    fn decided_at(&self, request: &EventId) -> Option<Height> {
        let receipt = self.client().access_receipt(request, false).ok()?;
        Some(receipt.proved().height)
    }

    fn facts(&self, evidence: &Evidence, at: Option<Height>) -> Result<Vec<Fact>, AccuseError> {
        let mut facts = Vec::new();
        for need in evidence.needs() {
            match need {
                Need::Consents(request) => facts.extend(self.proved_consents(&request)?),
                // A refusal is held against what the ledger said after it.
                Need::Record(record) if evidence.refusal().is_some() => {
                    facts.push(self.proved_record(&record, None)?);
                }
                need => facts.push(self.fact(need, at)?),
            }
        }
        Ok(facts)
    }

    fn fact(&self, need: Need, at: Option<Height>) -> Result<Fact, AccuseError> {
        match need {
            Need::Participant(name) => self.proved(&Participant::key(&name), at),
            Need::Custodians(epoch) => self.proved(&CustodianSet::key(epoch), None),
            Need::Request(id) => self.proved_request(&id),
            Need::Record(record) => self.proved_record(&record, at),
            // Asked for by `proved_consents`.
            _ => Err(AccuseError::Harmless),
        }
    }

    /// The consent of a request, and the first one of its chain: none of a break-glass.
    fn proved_consents(&self, id: &EventId) -> Result<Vec<Fact>, AccuseError> {
        let EventBody::AccessRequest(body) = self.client().event(id)?.body().clone() else {
            return Ok(Vec::new());
        };
        let key = Consent::key(&body.owner, &body.consent);
        let consent = value::<Consent>(self.client(), &key, None)?.value;
        let first = consent.and_then(|consent| consent.root);
        let first = first.map(|first| Consent::key(&body.owner, &first));
        let keys = [key].into_iter().chain(first);
        keys.map(|key| self.proved(&key, None)).collect()
    }

    fn proved(&self, key: &StateKey, at: Option<Height>) -> Result<Fact, AccuseError> {
        let proved = self.client().state(key, at)?;
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
            ..self.proved(&key, None)?
        })
    }

    fn proved_record(&self, record: &Custodied, at: Option<Height>) -> Result<Fact, AccuseError> {
        let key = Record::key(&record.owner, &record.record.record);
        let state = value::<Record>(self.client(), &key, at)?.value;
        let state = state.ok_or(AccuseError::Harmless)?;
        let made = match record.record.version == state.version {
            true => state.newest(),
            false => state.sealed,
        };
        let event = Some(self.client().event(&made.event)?);
        Ok(Fact {
            event,
            ..self.proved(&key, at)?
        })
    }

    /// The points that a release is held against: those of now, or of when the request was decided.
    fn points_of(&self, release: &Release) -> Result<Points, AccuseError> {
        if let Some(points) = self.points_at(release, None)? {
            return Ok(points);
        }
        let then = self
            .decided_at(&release.request)
            .ok_or(AccuseError::Moved)?;
        let points = self.points_at(release, Some(then))?;
        points.ok_or(AccuseError::Moved)
    }

    fn points_at(
        &self,
        release: &Release,
        at: Option<Height>,
    ) -> Result<Option<Points>, AccuseError> {
        let Custodied { owner, record } = &release.record;
        let key = Record::key(owner, &record.record);
        let state = value::<Record>(self.client(), &key, at)?.value;
        let state = state.filter(|state| state.version == record.version);
        let custody = state.and_then(|state| state.custody);
        let custody = custody.filter(|custody| custody.epoch() == release.place.epoch);
        Ok(custody.and_then(|custody| Points::of_custody(&custody).ok()))
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
        let statement = self.state_to(owner, own, ask, sharing.encode().to_vec())?;
        let answer = link.ask(ask, &statement, MAX_ANSWER)?;
        Ok(read_messages(&answer)?)
    }
}
