//! Sealing a record whose key is shared over custodians.
//!
//! What always holds: the deals are on disk before the first one is posted, and a retry posts the same
//! ones under the tag of the first try, so that no custodian is ever dealt two shares of one record; the
//! event is signed only once every custodian acknowledged and the acknowledgements are on disk, where
//! they stay as evidence; S leaves the vault for good once the event is anchored.

use super::circle::{Circle, CircleError, NotAsked, Seat};
use super::supersede::{Known, body};
use crate::anchor::{AnchorError, Sdk};
use crate::client::{ClientConfig, ClientError};
use crate::direct::{AddressBook, Ask, Certificate, LinkError};
use crate::domain::NewRecord;
use crate::emergency::EmergencyError;
use crate::error::SdkError;
use crate::identity::IdentityError;
use crate::receipt::Anchored;
use medanchor_ledger::event::Event;
use medanchor_ledger::{ParticipantName, RecordHandle};
use medanchor_vault::custody::{
    Acknowledgement, Custodied, Deal, DealError, MessageError, Points, Signed, deal_out,
};
use medanchor_vault::secret::CustodyPart;
use medanchor_vault::{Epoch, Sealed, VaultError};
use std::path::PathBuf;

/// The most bytes of an acknowledgement.
const MAX_ACKNOWLEDGEMENT: u64 = 8 << 10;

/// Why a record was not sealed into custody.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// Sealing or signing.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// The custodians are not known.
    #[error(transparent)]
    Circle(#[from] CircleError),
    /// A custodian did not acknowledge its share.
    #[error("{name} has not acknowledged its share: {why}; run it again")]
    NotAcknowledged {
        /// Who.
        name: ParticipantName,
        /// Why.
        why: String,
    },
    /// The shares could not be made.
    #[error(transparent)]
    Deal(#[from] DealError),
    /// The deals of an earlier try cannot be used.
    #[error("the deals in {path} cannot be used ({why}); they are of an earlier try: restore the file, or seal the document under another name", path = path.display())]
    EarlierDeals {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The file of deals, or of acknowledgements.
    #[error("deals or acknowledgements could not be kept in {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A version that does not follow the newest one.
    #[error(
        "version {newest} is the newest that the ledger has of this record; seal the one that follows it"
    )]
    VersionAhead {
        /// The newest version on the ledger; 0 if it has none.
        newest: u32,
    },
    /// A later version of another patient's record, or of a time before the patient brought a key.
    #[error(
        "the record was sealed for another subject, or under a key that this one had before it brought its own; seal the document as another record"
    )]
    OtherSubject,
    /// The ledger has the record otherwise.
    #[error("the ledger has this record already, sealed otherwise; give the document another name")]
    AnchoredOtherwise,
    /// A node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The journal of the emergency key was not registered.
    #[error("the journal of the emergency key is not registered: {0}")]
    Emergency(#[source] Box<EmergencyError>),
    /// The event was not anchored.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// What was signed says other than it should.
    #[error("the points of the sharing make no event: {0}")]
    Build(#[from] medanchor_ledger::event::BuildError),
}

impl From<EmergencyError> for CustodyError {
    fn from(error: EmergencyError) -> Self {
        Self::Emergency(error.into())
    }
}

impl From<VaultError> for CustodyError {
    fn from(error: VaultError) -> Self {
        Self::Sdk(error.into())
    }
}

/// A record that was sealed into custody and anchored.
#[derive(Clone, Debug)]
pub struct SealedInCustody {
    /// What the ledger calls the record.
    pub record: RecordHandle,
    /// The receipt of its `record.custody`.
    pub anchored: Anchored,
}

impl Sdk {
    /// Seals a document, shares its key over the ledger's current custodians, waits until each has
    /// acknowledged, anchors the record or its next version, and forgets the custodians' part of the key. After a failure
    /// or a crash, call it again with the same document: it goes on where it was. Once it is done the
    /// vault cannot compare documents any more, and says [`VaultError::Entrusted`].
    ///
    /// # Errors
    /// [`CustodyError`] names whoever did not acknowledge; nothing is anchored then.
    pub fn seal_in_custody(
        &self,
        new: &NewRecord<'_>,
        circle: &Circle,
        own: &Certificate,
    ) -> Result<SealedInCustody, CustodyError> {
        let known = self.known(new)?;
        let record = self.record_handle(new.name);
        let (sealed, part) = self
            .vault()
            .seal_to_share(record, new.version, new.payload)?;
        // Before the ledger has a record that the emergency key opens, it has the journal of that key.
        self.register_emergency_journal()?;
        let anchored = match &known {
            Known::There(state) => self.anchored_alike(state, &sealed)?,
            known => self.anchor(self.deal(new, (&sealed, &part, known), circle, own)?)?,
        };
        self.vault().entrust(record, new.version)?;
        remove(&self.deals_path(record, new.version))?;
        Ok(SealedInCustody { record, anchored })
    }

    /// The circle of the custodians of now.
    ///
    /// # Errors
    /// [`CircleError`].
    pub fn custodians(&self, book: &AddressBook) -> Result<Circle, CircleError> {
        Circle::current(self.client(), book)
    }

    fn deal(
        &self,
        new: &NewRecord<'_>,
        (sealed, part, known): (&Sealed, &CustodyPart, &Known),
        circle: &Circle,
        own: &Certificate,
    ) -> Result<Event, CustodyError> {
        let record = sealed.record.record;
        let custodied = Custodied {
            owner: self.participant().clone(),
            record: sealed.record,
        };
        let path = self.deals_path(record, new.version);
        let dealt = match read_deals(&path)? {
            // Deals to custodians of an earlier epoch were never anchored, and never will be.
            Some(dealt) if is_of(&dealt.deals, circle.epoch()) => dealt,
            earlier => {
                let (threshold, members) = (circle.threshold(), circle.members()?);
                let sign = |bytes: &[u8]| self.sign_bytes(bytes);
                let (_, deals) =
                    deal_out(&custodied, circle.epoch(), threshold, &members, part, sign)?;
                let now = || Epoch::of(self.now());
                let dealt = Dealt {
                    quarter: earlier.map_or_else(now, |earlier| earlier.quarter),
                    deals,
                };
                write_deals(&path, &dealt)?;
                dealt
            }
        };
        let points =
            fits(&dealt.deals, circle, &custodied).map_err(|why| CustodyError::EarlierDeals {
                path: path.clone(),
                why,
            })?;
        let acknowledged = self.hand_out(&dealt.deals, circle, own)?;
        let kept = self.keep_acknowledgements(&acknowledged);
        kept.map_err(|source| CustodyError::Io {
            path: self.folder().join("acknowledgements"),
            source,
        })?;
        let quarter = match known {
            Known::Next(quarter) => *quarter,
            _ => dealt.quarter,
        };
        let seal = self.record_seal_in(quarter, new, sealed)?;
        let custody = points.custody(circle.epoch())?;
        Ok(self.sign(body(known, seal, custody))?)
    }

    /// Posts every deal, all at once, and checks each acknowledgement.
    fn hand_out(
        &self,
        deals: &[Signed<Deal>],
        circle: &Circle,
        own: &Certificate,
    ) -> Result<Vec<Signed<Acknowledgement>>, CustodyError> {
        let config = self.client().config();
        let handed: Vec<Result<Signed<Acknowledgement>, CustodyError>> =
            std::thread::scope(|scope| {
                let posts: Vec<_> = deals
                    .iter()
                    .zip(&circle.seats)
                    .map(|(deal, seat)| scope.spawn(|| self.hand(deal, seat, own, config)))
                    .collect();
                posts
                    .into_iter()
                    .zip(&circle.seats)
                    .map(|(post, seat)| {
                        let name = &seat.custodian.name;
                        let ended = post
                            .join()
                            .unwrap_or_else(|_| Err("the thread broke off".into()));
                        ended.map_err(|why| CustodyError::NotAcknowledged {
                            name: name.clone(),
                            why,
                        })
                    })
                    .collect()
            });
        handed.into_iter().collect()
    }

    fn hand(
        &self,
        deal: &Signed<Deal>,
        seat: &Seat,
        own: &Certificate,
        config: &ClientConfig,
    ) -> Result<Signed<Acknowledgement>, String> {
        let text = |error: NotAsked| error.to_string();
        let link = seat.link(own, config).map_err(text)?;
        let name = &seat.custodian.name;
        let statement = self
            .state_to(name, own, Ask::Deal, deal.encode())
            .map_err(|error| error.to_string())?;
        let answer = link
            .ask(Ask::Deal, &statement, MAX_ACKNOWLEDGEMENT)
            .map_err(|error: LinkError| error.to_string())?;
        let answer: Signed<Acknowledgement> =
            Signed::decode(&answer).map_err(|error: MessageError| error.to_string())?;
        let dealt = deal.says();
        let says = answer.says();
        let same = says.record == dealt.record
            && says.place == dealt.place
            && says.points == dealt.points.hash();
        if !same {
            return Err("it acknowledged something else".into());
        }
        match seat.keys.iter().any(|key| answer.verify(key).is_ok()) {
            true => Ok(answer),
            false => Err("it did not sign its acknowledgement".into()),
        }
    }

    /// Removes what is left of tries to deal any version of a record, up to the one after `versions`, and
    /// of moves to other custodians.
    pub(super) fn remove_deals(&self, record: RecordHandle, versions: u32) -> Result<(), SdkError> {
        for version in 1..=versions.saturating_add(1) {
            let path = self.deals_path(record, version);
            super::kept::remove_file(&path).map_err(|error| IdentityError::io(&path, error))?;
        }
        let moves = self.folder().join(super::reshare::FOLDER);
        super::kept::remove_all(&moves, |name| name.starts_with(&format!("{record}-")))
            .map_err(|error| IdentityError::io(&moves, error))?;
        Ok(())
    }

    fn deals_path(&self, record: RecordHandle, version: u32) -> PathBuf {
        self.folder()
            .join("deals")
            .join(format!("{record}-{version}"))
    }
}

fn is_of(deals: &[Signed<Deal>], epoch: u32) -> bool {
    deals.iter().all(|deal| deal.says().place.epoch == epoch)
}

/// The points of deals that are for this record and these custodians.
fn fits(
    deals: &[Signed<Deal>],
    circle: &Circle,
    record: &Custodied,
) -> Result<Points, &'static str> {
    let first = deals.first().ok_or("there are none")?.says();
    if deals.len() != circle.seats.len() || first.place.epoch != circle.epoch() {
        return Err("they are for custodians of another epoch");
    }
    let all = deals.iter().zip(&circle.seats).all(|(deal, seat)| {
        let says = deal.says();
        says.record == *record
            && says.points == first.points
            && says.place.custodian == seat.custodian.name
    });
    match all {
        true => Ok(first.points.clone()),
        false => Err("they are for another record or other custodians"),
    }
}

use file::{Dealt, read_deals, remove, write_deals};
mod file;
