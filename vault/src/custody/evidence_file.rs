//! Evidence in one file with what the ledger says of it, so that a policy is all that a judge needs.
//!
//! What always holds: every fact is a state document under a checkpoint that the policy accepts, and an
//! event counts only as the one whose id that state names; so whoever makes the file can leave facts
//! out, which convicts nobody, and cannot make any up.
//!
//! Deterministic CBOR:
//!
//! | key | value |
//! |---|---|
//! | 0 | `"medanchor/custody-evidence/v1"` |
//! | 1 | the evidence, as [`Evidence::encode`] gives it (byte string) |
//! | 2 | facts, 1 to 4: `[state document, event or null]`, as byte strings |
//!
//! | evidence is of | facts |
//! |---|---|
//! | a deal, a sub-share | participant who signed; set of custodians of the epoch dealt to |
//! | a release | participant who signed; the request, with its event |
//! | two releases, sub-points | participant who signed |
//! | a vault release | participant who signed; the request, with its event; the record, with the event that made the version |

use super::convict::{Convicted, Known, Unconvincing};
use super::evidence::{Evidence, MAX_EVIDENCE};
use super::place::{Custodied, Place};
use super::signed::MessageError;
use medanchor_ledger::cbor::{CborError, Reader, Writer};
use medanchor_ledger::document::{DocumentError, NotProved, StateDocument};
use medanchor_ledger::event::{DecodeError, Event, EventBody, MAX_EVENT_BYTES, ReaderKey};
use medanchor_ledger::policy::PolicyRange;
use medanchor_ledger::rules::{BreakGlass, CustodianSet, Participant, Record, Request, StateValue};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{EventId, NetworkId, ParticipantName, VaultPartHash};

const FORMAT: &str = "medanchor/custody-evidence/v1";
/// The most facts of a file.
const MAX_FACTS: usize = 4;

/// What the ledger holds under one key, and the event that it names, where one is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What the state holds.
    pub document: StateDocument,
    /// The event.
    pub event: Option<Event>,
}

/// What must be proved of the ledger before evidence can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// The keys of a participant.
    Participant(ParticipantName),
    /// The custodians of an epoch.
    Custodians(u32),
    /// The request whose event has this id, and its event.
    Request(EventId),
    /// A record, and the event that made this version.
    Record(Custodied),
}

/// Evidence with what the ledger says of it.
#[derive(Debug)]
pub struct EvidenceFile {
    evidence: Evidence,
    facts: Vec<Fact>,
}

/// Bytes that are no file of evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Longer than any.
    #[error(
        "a file of evidence has at most {} bytes; ask for the right one",
        EvidenceFile::MAX_BYTES
    )]
    Oversize,
    /// Not the one encoding.
    #[error(transparent)]
    Malformed(#[from] CborError),
    /// Its evidence cannot be read.
    #[error(transparent)]
    Evidence(#[from] MessageError),
    /// A state document cannot be read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// An event cannot be read.
    #[error(transparent)]
    Event(#[from] DecodeError),
}

/// Why a file of evidence convicts nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotConvicted {
    /// A fact is not proved.
    #[error(transparent)]
    Fact(#[from] NotProved),
    /// The evidence is about another network than the policy's.
    #[error("the evidence is about network {0}, not the policy's; give that network's policy")]
    OtherNetwork(NetworkId),
    /// The evidence.
    #[error(transparent)]
    Evidence(#[from] Unconvincing),
}

impl EvidenceFile {
    /// The most bytes of a file; a document takes some 3 KiB.
    pub const MAX_BYTES: usize = 512 << 10;

    /// Evidence with these facts; [`Evidence::needs`] says which ones it takes.
    #[must_use]
    pub const fn new(evidence: Evidence, facts: Vec<Fact>) -> Self {
        Self { evidence, facts }
    }

    /// The evidence.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Whether bytes begin as such a file does.
    #[must_use]
    pub fn is_start_of(bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes);
        let format = |reader: &mut Reader<'_>| reader.key(0)?.constant(FORMAT);
        reader.map(3).and_then(|()| format(&mut reader)).is_ok()
    }

    /// Whom it convicts, and of what, by a policy of the network's log.
    ///
    /// # Errors
    /// [`NotConvicted`] says why nobody.
    pub fn verify(&self, policy: &PolicyRange) -> Result<Convicted, NotConvicted> {
        let network = self.evidence.record().record.network;
        let mut proved = Vec::with_capacity(self.facts.len());
        for fact in &self.facts {
            let state = fact.document.verify(policy)?;
            let origin = state.checkpoint.checkpoint().origin.to_string();
            if !origin.ends_with(&format!("/{network}")) {
                return Err(NotConvicted::OtherNetwork(network));
            }
            if let Some(value) = state.value {
                proved.push((state.key, value, fact.event.clone()));
            }
        }
        Ok(self.evidence.verify(&Proved(proved))?)
    }

    /// The file's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(3);
        writer.key(0).text(FORMAT);
        writer.key(1).bytes(&self.evidence.encode());
        writer.key(2).array(self.facts.len());
        for fact in &self.facts {
            writer.array(2).bytes(&fact.document.encode());
            match &fact.event {
                Some(event) => writer.bytes(event.encoded()),
                None => writer.null(),
            };
        }
        writer.into_bytes()
    }

    /// Reads a file. Whether it convicts is for [`EvidenceFile::verify`] to say.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(FileError::Oversize);
        }
        let mut reader = Reader::new(bytes);
        reader.map(3)?;
        reader.key(0)?.constant(FORMAT)?;
        let evidence = Evidence::decode(reader.key(1)?.bytes(MAX_EVIDENCE)?)?;
        let count = reader.key(2)?.array(1..=MAX_FACTS)?;
        let facts: Result<Vec<_>, FileError> = (0..count).map(|_| read_fact(&mut reader)).collect();
        let facts = facts?;
        reader.finish()?;
        Ok(Self { evidence, facts })
    }
}

fn read_fact(reader: &mut Reader<'_>) -> Result<Fact, FileError> {
    reader.array(2..=2)?;
    Ok(Fact {
        document: StateDocument::decode(reader.bytes(StateDocument::MAX_BYTES)?)?,
        event: match reader.null() {
            true => None,
            false => Some(Event::decode(reader.bytes(MAX_EVENT_BYTES)?)?),
        },
    })
}

impl Evidence {
    /// What must be proved of the ledger before this can be judged.
    #[must_use]
    pub fn needs(&self) -> Vec<Need> {
        let participant = |name: &ParticipantName| Need::Participant(name.clone());
        match self {
            Self::Deal(deal, _) => {
                let says = deal.says();
                vec![
                    participant(&says.record.owner),
                    Need::Custodians(says.place.epoch),
                ]
            }
            Self::Release { release, .. } => {
                let says = release.says();
                vec![
                    participant(&says.place.custodian),
                    Need::Request(says.request),
                ]
            }
            Self::TwoReleases(one, _) => vec![participant(&one.says().place.custodian)],
            Self::VaultRelease(release, _) => {
                let says = release.says();
                vec![
                    participant(&says.record.owner),
                    Need::Request(says.request),
                    Need::Record(says.record.clone()),
                ]
            }
            Self::SubShare(deal, _) => {
                let terms = &deal.says().terms;
                vec![
                    participant(&terms.from.custodian),
                    Need::Custodians(terms.to.epoch),
                ]
            }
            Self::SubPoints(deal, _) => vec![participant(&deal.says().terms.from.custodian)],
        }
    }

    /// The record that it is about.
    #[must_use]
    pub fn record(&self) -> &Custodied {
        match self {
            Self::Deal(deal, _) => &deal.says().record,
            Self::Release { release, .. } | Self::TwoReleases(release, _) => &release.says().record,
            Self::VaultRelease(release, _) => &release.says().record,
            Self::SubShare(deal, _) | Self::SubPoints(deal, _) => &deal.says().terms.record,
        }
    }

    /// Whom it accuses.
    #[must_use]
    pub fn accused(&self) -> &ParticipantName {
        match self {
            Self::Deal(..) | Self::VaultRelease(..) => &self.record().owner,
            Self::Release { release, .. } | Self::TwoReleases(release, _) => {
                &release.says().place.custodian
            }
            Self::SubShare(deal, _) | Self::SubPoints(deal, _) => &deal.says().terms.from.custodian,
        }
    }

    /// The request that was answered, if one was.
    #[must_use]
    pub fn request(&self) -> Option<EventId> {
        match self {
            Self::Release { release, .. } | Self::TwoReleases(release, _) => {
                Some(release.says().request)
            }
            Self::VaultRelease(release, _) => Some(release.says().request),
            Self::Deal(..) | Self::SubShare(..) | Self::SubPoints(..) => None,
        }
    }
}

/// What was proved: keys, their values, and events that may be the ones that these name.
struct Proved(Vec<(StateKey, Vec<u8>, Option<Event>)>);

impl Proved {
    fn value<V: StateValue>(&self, key: &StateKey) -> Option<V> {
        let (_, value, _) = self.0.iter().find(|(known, _, _)| known == key)?;
        V::decode(value).ok()
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.0.iter().filter_map(|(_, _, event)| event.as_ref())
    }
}

impl Known for Proved {
    fn signing_keys(&self, name: &ParticipantName) -> Vec<PublicKey> {
        let known = self.value::<Participant>(&Participant::key(name));
        known.iter().flat_map(Participant::keys).copied().collect()
    }

    fn share_key(&self, place: &Place) -> Option<ReaderKey> {
        let set: CustodianSet = self.value(&CustodianSet::key(place.epoch))?;
        let (index, member) = set.custodians.find(&place.custodian)?;
        (index == u16::from(place.index.get())).then_some(member.share_key)
    }

    fn reader_key(&self, request: &EventId) -> Option<ReaderKey> {
        let event = self.events().find(|event| event.id() == *request)?;
        let by = event.issuer();
        let (named, key) = match event.body() {
            EventBody::AccessRequest(body) => {
                let known: Request = self.value(&Request::key(by, &body.request))?;
                (known.requested.event, known.reader_key)
            }
            EventBody::AccessBreakGlass(body) => {
                let known: BreakGlass = self.value(&BreakGlass::key(by, &body.request))?;
                (known.requested.event, known.reader_key)
            }
            _ => return None,
        };
        (named == *request).then_some(key)
    }

    fn vault_part(&self, record: &Custodied) -> Option<VaultPartHash> {
        let version = record.record;
        let known: Record = self.value(&Record::key(&record.owner, &version.record))?;
        let named = [known.sealed.event, known.newest().event];
        let said = self
            .events()
            .filter(|event| named.contains(&event.id()))
            .filter_map(|event| match event.body() {
                EventBody::RecordSeal(body) => Some((body.version, body.vault_part)),
                EventBody::RecordCustody(body) => Some((body.seal.version, body.seal.vault_part)),
                EventBody::RecordSupersede(body) => Some((body.version, body.vault_part)),
                _ => None,
            })
            .find(|(made, _)| *made == version.version);
        said.map(|(_, part)| part)
    }
}
