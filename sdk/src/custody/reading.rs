//! One record being read: custodians and owner are asked, and the key is put together.
//!
//! What always holds: every part is checked against what the ledger says; a custodian that is silent,
//! refuses or lies costs nothing while enough others answer, and is named.

use super::answers::{Answers, Silence, WrongAnswer};
use super::ask::ReleaseAsk;
use super::asking::{Question, ask_all};
use super::circle::{Circle, Seat};
use super::read::OpenedError;
use super::standing::Standing;
use super::standing::proved::value;
use crate::anchor::Sdk;
use crate::client::coming::Coming;
use crate::client::{NoAnswer, Problem};
use crate::direct::{AddressBook, Ask, Certificate, Link, LinkError, MAX_ANSWER};
use crate::error::SdkError;
use medanchor_ledger::EventId;
use medanchor_ledger::event::{Event, EventBody, RecordSeal};
use medanchor_ledger::rules::Participant;
use medanchor_ledger::signature::PublicKey;
use medanchor_vault::RecordVersion;
use medanchor_vault::custody::{
    Custodied, Disclosing, Gathered, MessageError, OpeningKey, Parts, Points, ReadError,
    RecordShown, Refusal, Release, Signed, VaultRelease, Wanted, gather_parts,
};
use medanchor_vault::seal::MAX_SEALED_STREAM;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The most bytes of a sealed payload that is read in memory.
const MAX_SEALED: u64 = medanchor_vault::seal::MAX_SEALED as u64;

/// A document, and what came of asking for it.
pub(super) struct Unsealed {
    pub(super) payload: Zeroizing<Vec<u8>>,
    pub(super) disclosing: Disclosing,
    /// The event that sealed it.
    pub(super) sealed: EventId,
    pub(super) answers: Answers,
}

/// One record being read.
pub(super) struct Reading<'a> {
    pub(super) sdk: &'a Sdk,
    pub(super) book: &'a AddressBook,
    pub(super) own: &'a Certificate,
    pub(super) ask: &'a ReleaseAsk,
    pub(super) standing: &'a Standing,
}

/// The key of a record, which was found right, and what came of asking for it.
pub(super) struct Keyed {
    pub(super) wanted: Wanted,
    pub(super) gathered: Gathered,
    parts: Parts,
    owners: Vec<PublicKey>,
    /// The way to the record's owner.
    owner: Link,
    pub(super) answers: Answers,
}

impl Reading<'_> {
    pub(super) fn open(&self, key: &OpeningKey) -> Result<Unsealed, OpenedError> {
        let keyed = self.gather(key)?;
        let statement = self.statement(&keyed.owner, Ask::Payload)?;
        let payload = keyed.owner.take(Ask::Payload, &statement, MAX_SEALED);
        let payload = payload.map_err(|error| self.not_given(error, &keyed.owners))?;
        let Keyed {
            wanted,
            gathered,
            parts,
            answers,
            ..
        } = keyed;
        match gathered.open(&wanted, &payload) {
            Ok((payload, disclosing)) => Ok(Unsealed {
                payload,
                disclosing,
                sealed: self.sealed(),
                answers,
            }),
            Err(error) => {
                let shown = parts.shown(&wanted, &error, payload);
                Err(failed(error, answers, shown))
            }
        }
    }

    /// The sealed payload as it comes, from the record's owner.
    pub(super) fn payload(&self, keyed: &Keyed) -> Result<Coming, OpenedError> {
        let statement = self.statement(&keyed.owner, Ask::Payload)?;
        let opened = keyed
            .owner
            .open(Ask::Payload, &statement, MAX_SEALED_STREAM);
        opened.map_err(|error| self.refused(error, &keyed.owners))
    }

    /// The event that sealed the record.
    pub(super) fn sealed(&self) -> EventId {
        self.standing.state.newest().event
    }

    /// Asks custodians and owner for the record's key, and puts it together.
    pub(super) fn gather(&self, key: &OpeningKey) -> Result<Keyed, OpenedError> {
        let custody = self.standing.state.custody.as_ref();
        let custody = custody.ok_or(OpenedError::NotInCustody)?;
        let circle = Circle::of_epoch(self.sdk.client(), self.book, custody.epoch())?;
        let points = Points::of_custody(custody).map_err(|_| OpenedError::Seal)?;
        let owners = self.owner_keys()?;
        let mut wanted = self.wanted(&circle, points, &owners)?;
        let mut answers = self.ask_custodians(&circle, &mut wanted, key);
        let (found, needed) = (answers.good.len(), circle.threshold());
        if found < needed {
            let faults = answers.faults.clone();
            let error = ReadError::TooFew {
                found,
                needed,
                faults,
            };
            return Err(failed(error, answers, None));
        }
        let owner = self.owner(&owners)?;
        let vault = self.ask_part(&owner, &owners)?;
        if let Some(owner) = owners.iter().find(|key| vault.verify(key).is_ok()) {
            wanted.owner = *owner;
        }
        let parts = match gather_parts(&wanted, key, &answers.good, &vault) {
            Ok(parts) => parts,
            Err(error) => {
                if let ReadError::VaultPart { .. } = &error {
                    answers.wrong.push(WrongAnswer::Owner(Box::new(vault)));
                }
                return Err(failed(error, answers, None));
            }
        };
        match parts.key(&wanted) {
            Ok(gathered) => Ok(Keyed {
                wanted,
                gathered,
                parts,
                owners,
                owner,
                answers,
            }),
            Err(error) => {
                // What shows it is the key alone, and not what it would open.
                let shown = parts.shown(&wanted, &error, Vec::new());
                Err(failed(error, answers, shown))
            }
        }
    }

    fn record(&self) -> Custodied {
        Custodied {
            owner: self.standing.owner.clone(),
            record: RecordVersion {
                network: self.sdk.network(),
                record: self.standing.record,
                version: self.standing.state.version,
            },
        }
    }

    /// What the ledger says of the record. Which of somebody's keys signed is seen when it answers.
    fn wanted(
        &self,
        circle: &Circle,
        points: Points,
        owners: &[PublicKey],
    ) -> Result<Wanted, OpenedError> {
        let newest = self.standing.state.newest().event;
        let seal = self.seal_of(&newest)?;
        let owner = *owners.first().ok_or(OpenedError::Seal)?;
        // Whoever has no key is not asked, so that no answer is held against what stands in its place.
        let first = |seat: &Seat| *seat.keys.first().unwrap_or(&owner);
        let named = |seat: &Seat| (seat.custodian.name.clone(), first(seat));
        Ok(Wanted {
            record: self.record(),
            request: self.standing.event,
            epoch: circle.epoch(),
            points,
            custodians: circle.seats.iter().map(named).collect(),
            owner,
            vault_part: seal.vault_part,
            key_check: seal.key_check,
            ciphertext: seal.ciphertext,
            commitment: seal.commitment,
        })
    }

    /// What the record's owner said of the newest version when it sealed it.
    fn seal_of(&self, newest: &EventId) -> Result<RecordSeal, OpenedError> {
        let event: Event = self.sdk.client().event(newest)?;
        let standing = self.standing;
        let seal = match event.body() {
            EventBody::RecordCustody(body) => body.seal.clone(),
            EventBody::RecordSupersede(body) => RecordSeal {
                record: body.record,
                version: body.version,
                tag: standing.state.tag,
                class: body.class,
                commitment: body.commitment,
                ciphertext: body.ciphertext,
                vault_part: body.vault_part,
                key_check: body.key_check,
            },
            _ => return Err(OpenedError::Seal),
        };
        let fits = *event.issuer() == standing.owner
            && seal.record == standing.record
            && seal.version == standing.state.version;
        if fits {
            Ok(seal)
        } else {
            Err(OpenedError::Seal)
        }
    }

    fn owner_keys(&self) -> Result<Vec<PublicKey>, OpenedError> {
        let key = Participant::key(&self.standing.owner);
        let found = value::<Participant>(self.sdk.client(), &key, Some(self.standing.height))?;
        let keys = found.value.iter().flat_map(Participant::keys).copied();
        Ok(keys.collect())
    }

    /// Asks every custodian at once, until enough have answered well.
    fn ask_custodians(&self, circle: &Circle, wanted: &mut Wanted, key: &OpeningKey) -> Answers {
        let questions = circle.seats.iter().map(|seat| self.question(seat));
        let mut answers = Answers::default();
        let mut waits: Vec<&Seat> = circle.seats.iter().collect();
        for (place, answer) in ask_all(questions.collect()) {
            let Some(seat) = circle.seats.get(place) else {
                continue;
            };
            let name = &seat.custodian.name;
            waits.retain(|other| other.custodian.name != *name);
            let answer = answer.and_then(|bytes| {
                let read = Signed::<Release>::decode(&bytes);
                read.map_err(|error: MessageError| Silence::from(error.to_string()))
            });
            match answer {
                Ok(answer) => answers.take((place, seat), answer, wanted, key),
                Err(why) => answers.silent.push((name.clone(), why)),
            }
            if answers.good.len() >= circle.threshold() {
                break;
            }
        }
        let late = waits.into_iter().map(|seat| seat.custodian.name.clone());
        answers.late.extend(late);
        answers
    }

    fn question(&self, seat: &Seat) -> Result<Question, Silence> {
        let config = self.sdk.client().config();
        let link = seat.link(self.own, config);
        let link = link.map_err(|error| Silence::from(error.to_string()))?;
        let statement = self.statement(&link, Ask::Release);
        let statement = statement.map_err(|error| Silence::from(error.to_string()))?;
        Ok(Question { link, statement })
    }

    fn statement(&self, link: &Link, ask: Ask) -> Result<Vec<u8>, SdkError> {
        self.sdk
            .state_to(link.name(), self.own, ask, self.ask.encode())
    }

    /// The way to the record's owner.
    fn owner(&self, keys: &[PublicKey]) -> Result<Link, OpenedError> {
        let owner = &self.standing.owner;
        let counterpart = self.book.get(owner).ok_or(OpenedError::OwnerNotInBook)?;
        let config = self.sdk.client().config();
        let link = Link::new(self.own, counterpart, None, config);
        link.map_err(|error| self.refused(error, keys))
    }

    /// The owner's part of the key.
    fn ask_part(
        &self,
        link: &Link,
        keys: &[PublicKey],
    ) -> Result<Signed<VaultRelease>, OpenedError> {
        let statement = self.statement(link, Ask::VaultRelease)?;
        let part = link.ask(Ask::VaultRelease, &statement, MAX_ANSWER);
        let part = part.map_err(|error| self.refused(error, keys))?;
        Signed::decode(&part).map_err(|_| OpenedError::OwnerAnswer(self.standing.owner.clone()))
    }
}

impl Reading<'_> {
    /// Why there is no payload in memory.
    fn not_given(&self, error: LinkError, keys: &[PublicKey]) -> OpenedError {
        match is_too_long_for_memory(&error) {
            true => OpenedError::TooLarge,
            false => self.refused(error, keys),
        }
    }

    /// A refusal counts as signed only if one of the owner's keys signed it for this very request, version
    /// and key, and for the reason that was given; another is passed over.
    fn refused(&self, error: LinkError, keys: &[PublicKey]) -> OpenedError {
        let refusal = match &error {
            LinkError::Refused { problem, .. } => self.refusal(problem, keys),
            _ => None,
        };
        let error = Box::new(error);
        match refusal {
            Some(refusal) => OpenedError::Refused { error, refusal },
            None => OpenedError::Owner(error),
        }
    }

    fn refusal(&self, problem: &Problem, keys: &[PublicKey]) -> Option<Box<Signed<Refusal>>> {
        let refusal = Signed::<Refusal>::decode(problem.refusal.as_deref()?).ok()?;
        let says = refusal.says();
        let is_of_this = says.record == self.record()
            && says.request == self.standing.event
            && says.reader == self.ask.reader.reader_key()
            && says.code.as_str() == problem.code;
        let signed = keys.iter().any(|key| refusal.verify(key).is_ok());
        (is_of_this && signed).then(|| Box::new(refusal))
    }
}

impl Keyed {
    /// Why what [`Reading::payload`] gave could not be read to its end.
    pub(super) fn broke_off(&self, error: std::io::Error) -> OpenedError {
        OpenedError::Owner(Box::new(self.owner.broke_off(error, MAX_SEALED_STREAM)))
    }
}

/// Whether it was the payload that was too large, and not a refusal, say, which says nothing of the payload.
const fn is_too_long_for_memory(error: &LinkError) -> bool {
    matches!(
        error,
        LinkError::Unreachable {
            why: NoAnswer::TooLarge(MAX_SEALED),
            ..
        }
    )
}

/// Why a record was not opened, with whoever kept silent and whatever was wrong.
pub(super) fn failed(
    error: ReadError,
    answers: Answers,
    shown: Option<RecordShown>,
) -> OpenedError {
    OpenedError::Read {
        error: Box::new(error),
        silent: answers.silent,
        wrong: answers.wrong,
        shown: shown.map(Arc::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::http::MAX_PROBLEM;
    use crate::testing::name;

    /// An owner that refused with too many words was said to have a document too long for memory.
    #[test]
    fn a_refusal_that_is_too_large_is_not_taken_for_a_long_document() {
        let too_large = |limit| LinkError::Unreachable {
            name: name("north-hospital"),
            why: NoAnswer::TooLarge(limit),
        };
        assert!(is_too_long_for_memory(&too_large(MAX_SEALED)));
        assert!(!is_too_long_for_memory(&too_large(MAX_PROBLEM)));
    }

    /// The command said that it had failed, and nobody ran it again.
    #[test]
    fn an_owner_that_is_too_busy_may_answer_later() {
        let refused = |status| {
            let problem = Box::new(Problem::read(status, b"{}", None));
            let name = name("north-hospital");
            OpenedError::Owner(Box::new(LinkError::Refused { name, problem }))
        };
        assert!(refused(503).is_unreachable());
        assert!(!refused(403).is_unreachable());
    }
}
