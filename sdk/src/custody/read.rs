//! Reading a record whose key is shared over custodians: one call from the request to the document.
//!
//! What always holds: the request is on the ledger, and permitted, before anybody is asked for a part
//! of the key; every part is checked against what the ledger says; a custodian that is silent, refuses
//! or lies costs nothing while enough others answer, and is named.

use super::ask::{AccessKind, ReleaseAsk};
use super::circle::{Circle, CircleError, Seat};
use super::standing::proved::value;
use super::standing::{Standing, StandingError};
use crate::anchor::{AnchorError, Sdk};
use crate::client::ClientError;
use crate::direct::{AddressBook, Ask, Certificate, Link, LinkError, MAX_ANSWER};
use crate::domain::NewAccess;
use crate::error::SdkError;
use crate::proof::Proved;
use crate::receipt::Anchored;
use medanchor_ledger::document::VerifiedAccess;
use medanchor_ledger::event::{Event, EventBody, KemSuite, RecordSeal};
use medanchor_ledger::rules::{Decision, DenialReason, Participant};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{EventId, ParticipantName, RequestHandle};
use medanchor_vault::RecordVersion;
use medanchor_vault::custody::{
    Custodied, Faults, MessageError, OpeningKey, Points, ReadError, Release, Signed, VaultRelease,
    Wanted, gather,
};
use zeroize::Zeroizing;

/// The most bytes of a sealed payload that is fetched into memory.
const MAX_PAYLOAD: u64 = 257 << 20;

/// Why a record was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenedError {
    /// The request could not be made.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// The request was not anchored.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The ledger denied it, for good: the denial is on record.
    #[error("the ledger denied the request ({}); the denial is on record", .0.as_str())]
    Denied(DenialReason),
    /// A node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What the ledger says could not be had.
    #[error(transparent)]
    Standing(#[from] StandingError),
    /// The custodians are not known.
    #[error(transparent)]
    Circle(#[from] CircleError),
    /// The record is not one whose key is shared.
    #[error("the key of this record is not shared over custodians; ask its owner for the document")]
    NotInCustody,
    /// The ledger holds something else than it says.
    #[error("the event that sealed the record makes no sense; tell the authorities")]
    Seal,
    /// The record's owner did not give its part, or the payload.
    #[error("{0}")]
    Owner(Box<LinkError>),
    /// The owner's answer is none.
    #[error("the answer of {0} cannot be read; keep it as evidence, and ask again")]
    OwnerAnswer(ParticipantName),
    /// Too few parts, or wrong ones.
    #[error("{error}{}", Silent(silent))]
    Read {
        /// What is missing or wrong.
        error: Box<ReadError>,
        /// Custodians that gave no answer, and why.
        silent: Vec<(ParticipantName, String)>,
    },
}

struct Silent<'a>(&'a [(ParticipantName, String)]);

impl std::fmt::Display for Silent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(_, why)| write!(f, "; {why}"))
    }
}

/// A record that was opened, and what proves that it was rightly so.
pub struct Opened {
    /// The document.
    pub payload: Zeroizing<Vec<u8>>,
    /// The receipt of the request.
    pub receipt: Anchored,
    /// The decision, proved with the consent at the very height of the decision.
    pub access: Proved<VerifiedAccess>,
    /// Custodians whose answers were wrong.
    pub faults: Faults,
    /// Custodians that gave no answer, and why.
    pub silent: Vec<(ParticipantName, String)>,
}

impl Sdk {
    /// Asks the ledger for access to a record, gathers its key from the custodians and its owner, and
    /// opens it. After a failure that may pass, call it again with the same name: it goes on with the
    /// same request while the permit lives.
    ///
    /// # Errors
    /// [`OpenedError`] says who is at fault, and whether the ledger denied it.
    pub fn read(
        &self,
        new: &NewAccess<'_>,
        book: &AddressBook,
        own: &Certificate,
    ) -> Result<Opened, OpenedError> {
        let asked = self.request_access(new)?;
        let receipt = self.anchor(asked.event)?;
        let access = self.client().access_receipt(&receipt.id(), true)?;
        if let Decision::Denied(reason) = access.proved().decision() {
            return Err(OpenedError::Denied(reason));
        }
        let asked = (AccessKind::Request, asked.request);
        let (payload, faults, silent) = self.open_decided(asked, new.name, book, own)?;
        Ok(Opened {
            payload,
            receipt,
            access,
            faults,
            silent,
        })
    }

    /// Gathers the key of a record for an access that is on the ledger, and opens it.
    pub(super) fn open_decided(
        &self,
        (kind, request): (AccessKind, RequestHandle),
        name: &str,
        book: &AddressBook,
        own: &Certificate,
    ) -> Result<(Zeroizing<Vec<u8>>, Faults, Silence), OpenedError> {
        let key = self.reader_key(name)?;
        let ask = ReleaseAsk {
            kind,
            request,
            reader: key.public().clone(),
        };
        let standing = Standing::fetch(self.client(), &ask.access(self.participant()))?;
        let reading = Reading {
            sdk: self,
            book,
            own,
            ask: &ask,
            standing: &standing,
        };
        reading.open(&key)
    }

    fn reader_key(&self, name: &str) -> Result<OpeningKey, SdkError> {
        let key = OpeningKey::decode(KemSuite::X25519, &self.reader_secret(name));
        key.map_err(|_| SdkError::Randomness(crate::context::NoRandomness))
    }
}

pub(super) type Silence = Vec<(ParticipantName, String)>;

/// One record being read.
struct Reading<'a> {
    sdk: &'a Sdk,
    book: &'a AddressBook,
    own: &'a Certificate,
    ask: &'a ReleaseAsk,
    standing: &'a Standing,
}

impl Reading<'_> {
    fn open(&self, key: &OpeningKey) -> Result<(Zeroizing<Vec<u8>>, Faults, Silence), OpenedError> {
        let custody = self.standing.state.custody.as_ref();
        let custody = custody.ok_or(OpenedError::NotInCustody)?;
        let circle = Circle::of_epoch(self.sdk.client(), self.book, custody.epoch())?;
        let points = Points::of_custody(custody).map_err(|_| OpenedError::Seal)?;
        let (answers, silent) = self.ask_custodians(&circle);
        let read = |error| OpenedError::Read {
            error: Box::new(error),
            silent: silent.clone(),
        };
        if answers.len() < circle.threshold() {
            return Err(read(ReadError::TooFew {
                found: answers.len(),
                needed: circle.threshold(),
                faults: Faults::default(),
            }));
        }
        let (vault, payload) = self.ask_owner()?;
        let wanted = self.wanted(&circle, points, &answers, &vault)?;
        let gathered = gather(&wanted, key, &answers, &vault).map_err(read)?;
        let opened = gathered.open(&wanted, &payload).map_err(read)?;
        Ok((opened, gathered.faults, silent))
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

    fn wanted(
        &self,
        circle: &Circle,
        points: Points,
        answers: &[Signed<Release>],
        vault: &Signed<VaultRelease>,
    ) -> Result<Wanted, OpenedError> {
        let newest = self.standing.state.newest().event;
        let seal = self.seal_of(&newest)?;
        let custodians = circle.seats.iter().map(|seat| {
            let name = &seat.custodian.name;
            let theirs = answers
                .iter()
                .find(|answer| answer.says().place.custodian == *name);
            let key = signer(&seat.keys, |key| {
                theirs.is_some_and(|answer| answer.verify(key).is_ok())
            });
            Some((name.clone(), key?))
        });
        let owners = self.owner_keys()?;
        let owner = signer(&owners, |key| vault.verify(key).is_ok());
        Ok(Wanted {
            record: self.record(),
            request: self.standing.event,
            epoch: circle.epoch(),
            points,
            custodians: custodians.collect::<Option<_>>().ok_or(OpenedError::Seal)?,
            owner: owner.ok_or(OpenedError::Seal)?,
            vault_part: seal.vault_part,
            key_check: seal.key_check,
            ciphertext: seal.ciphertext,
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

    /// Asks every custodian at once.
    fn ask_custodians(&self, circle: &Circle) -> (Vec<Signed<Release>>, Silence) {
        let asked: Vec<Result<Signed<Release>, String>> = std::thread::scope(|scope| {
            let asking: Vec<_> = circle
                .seats
                .iter()
                .map(|seat| scope.spawn(|| self.ask_custodian(seat)))
                .collect();
            asking
                .into_iter()
                .map(|one| {
                    one.join()
                        .unwrap_or_else(|_| Err("a thread broke off".into()))
                })
                .collect()
        });
        let (mut answers, mut silent) = (Vec::new(), Vec::new());
        for (answer, seat) in asked.into_iter().zip(&circle.seats) {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(why) => silent.push((seat.custodian.name.clone(), why)),
            }
        }
        (answers, silent)
    }

    fn ask_custodian(&self, seat: &Seat) -> Result<Signed<Release>, String> {
        let config = self.sdk.client().config();
        let link = seat.link(self.own, config).map_err(|e| e.to_string())?;
        let answer = self.post(&link, Ask::Release, MAX_ANSWER)?;
        Signed::decode(&answer).map_err(|error: MessageError| error.to_string())
    }

    fn post(&self, link: &Link, ask: Ask, limit: u64) -> Result<Vec<u8>, String> {
        let statement = self.statement(link, ask).map_err(|e| e.to_string())?;
        link.ask(ask, &statement, limit).map_err(|e| e.to_string())
    }

    fn statement(&self, link: &Link, ask: Ask) -> Result<Vec<u8>, SdkError> {
        self.sdk
            .state_to(link.name(), self.own, ask, self.ask.encode())
    }

    /// The owner's part of the key, and the sealed payload.
    fn ask_owner(&self) -> Result<(Signed<VaultRelease>, Vec<u8>), OpenedError> {
        let owner = &self.standing.owner;
        let missing = || OpenedError::Circle(CircleError::NotInBook(owner.clone()));
        let counterpart = self.book.get(owner).ok_or_else(missing)?;
        let refused = |error| OpenedError::Owner(Box::new(error));
        let config = self.sdk.client().config();
        let link = Link::new(self.own, counterpart, None, config).map_err(refused)?;
        let ask = |ask, limit| -> Result<Vec<u8>, OpenedError> {
            let statement = self.statement(&link, ask)?;
            link.ask(ask, &statement, limit).map_err(refused)
        };
        let part = ask(Ask::VaultRelease, MAX_ANSWER)?;
        let part = Signed::decode(&part).map_err(|_| OpenedError::OwnerAnswer(owner.clone()))?;
        Ok((part, ask(Ask::Payload, MAX_PAYLOAD)?))
    }
}

/// The key that signed, or else the first: what it did not sign is refused by its name.
fn signer(keys: &[PublicKey], signed: impl Fn(&PublicKey) -> bool) -> Option<PublicKey> {
    let found = keys.iter().find(|key| signed(key));
    found.or_else(|| keys.first()).copied()
}
