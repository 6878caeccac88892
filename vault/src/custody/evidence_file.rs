//! Evidence in one file with what the ledger says of it, so that a policy is all that a judge needs.
//!
//! What always holds: every fact is a state document under a checkpoint that the policy accepts (and what
//! a custodian anchored has a receipt under one), and an
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
//! | a sealing | the record, with the event that made the version |
//! | a refusal | participant who signed; the request, with its event; the record, with the event that made the version, or, where the reason is that the consent ended, the consent and the first one of its chain |
//! | a log of releases | the request, with its event; the evidence itself has the receipt of what was anchored |

mod about;
mod proved;

use super::convict::{Convicted, Known, Unconvincing};
use super::evidence::Evidence;
use super::place::Custodied;
use super::refusal::Decided;
use super::shown::RecordShown;
use super::signed::MessageError;
use medanchor_ledger::cbor::{CborError, Reader, Writer};
use medanchor_ledger::document::{DocumentError, NotProved, StateDocument};
use medanchor_ledger::event::{DecodeError, Event, MAX_EVENT_BYTES};
use medanchor_ledger::policy::{CheckpointPolicy, VerifiedCheckpoint};
use medanchor_ledger::receipt::Unproved;
use medanchor_ledger::{EventId, Height, NetworkId, ParticipantName, Time};
use proved::Proved;
use zeroize::Zeroizing;

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
    /// The consent that the request of this event rests on, and the first one of its chain.
    Consents(EventId),
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
        EvidenceFile::MAX_BYTES_OF_RECORD
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
    /// What the evidence says was anchored was not.
    #[error(transparent)]
    Anchoring(#[from] Unproved),
    /// The evidence is about another network than the policy's.
    #[error("the evidence is about network {0}, not the policy's; give that network's policy")]
    OtherNetwork(NetworkId),
    /// The evidence.
    #[error(transparent)]
    Evidence(#[from] Unconvincing),
}

impl EvidenceFile {
    /// The most bytes of a file that does not show a record; a document takes some 3 KiB.
    pub const MAX_BYTES: usize = 512 << 10;
    /// The most bytes of one that does.
    pub const MAX_BYTES_OF_RECORD: usize = Self::MAX_BYTES + RecordShown::MAX_BYTES;

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

    /// The evidence alone.
    #[must_use]
    pub fn into_evidence(self) -> Evidence {
        self.evidence
    }

    /// Of which height and time each fact is, in their order.
    ///
    /// # Errors
    /// [`NotConvicted`] if a fact is not proved.
    pub fn heights(
        &self,
        policy: &dyn CheckpointPolicy,
    ) -> Result<Vec<(Height, Time)>, NotConvicted> {
        let of = |fact: &Fact| {
            let state = fact.document.verify(policy)?;
            Ok((state.height, state.time))
        };
        self.facts.iter().map(of).collect()
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
    pub fn verify(&self, policy: &dyn CheckpointPolicy) -> Result<Convicted, NotConvicted> {
        Ok(self.evidence.verify(&self.proved(policy)?)?)
    }

    /// How the request that was answered or refused was decided, if the file proves it.
    ///
    /// # Errors
    /// [`NotConvicted`] if a fact is not proved.
    pub fn decided(&self, policy: &dyn CheckpointPolicy) -> Result<Option<Decided>, NotConvicted> {
        let proved = self.proved(policy)?;
        let request = self.evidence.request();
        Ok(request.and_then(|request| proved.decided(&request)))
    }

    fn proved(&self, policy: &dyn CheckpointPolicy) -> Result<Proved, NotConvicted> {
        let network = self.evidence.record().record.network;
        let ours = |checkpoint: &VerifiedCheckpoint| {
            let origin = checkpoint.checkpoint().origin.to_string();
            let ours = origin.ends_with(&format!("/{network}"));
            ours.then_some(())
                .ok_or(NotConvicted::OtherNetwork(network))
        };
        let mut anchored = None;
        if let Evidence::Logged(logged) = &self.evidence {
            let receipt = logged.prove(policy)?;
            ours(receipt.checkpoint())?;
            anchored = Some((logged.anchoring(), receipt.index()));
        }
        let mut facts = Vec::with_capacity(self.facts.len());
        for fact in &self.facts {
            let state = fact.document.verify(policy)?;
            ours(&state.checkpoint)?;
            if let Some(value) = state.value {
                facts.push((state.key, state.time, value, fact.event.clone()));
            }
        }
        Ok(Proved { facts, anchored })
    }

    /// The file's bytes.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let evidence = self.evidence.encode();
        let facts = self.facts.iter();
        let facts: Vec<_> = facts
            .map(|fact| {
                (
                    fact.document.encode(),
                    fact.event.as_ref().map(Event::encoded),
                )
            })
            .collect();
        let length = |(document, event): &(Vec<u8>, Option<&[u8]>)| {
            document.len() + event.map_or(0, <[u8]>::len) + 16
        };
        // Large enough from the start: what grows leaves copies of secrets behind.
        let room = facts.iter().map(length).sum::<usize>() + evidence.len() + 64;
        let mut writer = Writer::with_capacity(room);
        writer.map(3);
        writer.key(0).text(FORMAT);
        writer.key(1).bytes(&evidence);
        writer.key(2).array(facts.len());
        for (document, event) in facts {
            writer.array(2).bytes(&document);
            match event {
                Some(event) => writer.bytes(event),
                None => writer.null(),
            };
        }
        Zeroizing::new(writer.into_bytes())
    }

    /// Reads a file. Whether it convicts is for [`EvidenceFile::verify`] to say.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.len() > Self::MAX_BYTES_OF_RECORD {
            return Err(FileError::Oversize);
        }
        let mut reader = Reader::new(bytes);
        reader.map(3)?;
        reader.key(0)?.constant(FORMAT)?;
        let evidence = reader.key(1)?.bytes(RecordShown::MAX_BYTES)?;
        if bytes.len() - evidence.len() > Self::MAX_BYTES {
            return Err(FileError::Oversize);
        }
        let evidence = Evidence::decode(evidence)?;
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
