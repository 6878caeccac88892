//! The custodians of an epoch, as the ledger names them, and how to reach them.
//!
//! What always holds: names, places, threshold and key hashes are proved from the ledger's state; the
//! address book only says where, and an entry whose keys have other hashes is never used. The TLS key
//! that counts is that of the newest set that a custodian is in, so that it can change it and still be
//! asked for what it keeps of older epochs.

use super::standing::proved::{Value, fresh_value, value};
use super::standing::{StandingError, Terms};
use crate::client::{Client, ClientConfig};
use crate::direct::{AddressBook, Certificate, Counterpart, Link, LinkError};
use medanchor_ledger::event::custody::{Custodian, Custodians};
use medanchor_ledger::rules::{CustodianEpoch, CustodianSet, Participant};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{Height, ParticipantName, TlsKeyHash, sha256};
use medanchor_vault::custody::{Member, SealingKey};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many sets that came after an epoch's are looked through for newer keys.
const NEWER_SETS: usize = 16;

/// Why the custodians of an epoch are not known.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CircleError {
    /// The ledger could not be asked.
    #[error(transparent)]
    Standing(#[from] StandingError),
    /// There are none.
    #[error("the ledger names no custodians; have the authorities approve a set first")]
    None,
    /// A custodian without keys.
    #[error(
        "custodian {0} has no signing key on the ledger now, so nothing that it answers counts; tell the authorities"
    )]
    NoKeys(ParticipantName),
    /// The address book lacks one.
    #[error(
        "the address book has no entry of custodian {0}, or one without its share key; add the entry that it printed when it was set up"
    )]
    NotInBook(ParticipantName),
    /// The address book has another share key.
    #[error(
        "the address book's share key of {0} is not the one that the ledger names; get its entry anew"
    )]
    OtherShareKey(ParticipantName),
}

/// One custodian of the circle.
pub(crate) struct Seat {
    pub(crate) custodian: Custodian,
    /// The hash of the TLS key that it shows now.
    pub(crate) tls: TlsKeyHash,
    /// None where all are revoked: then it is not asked.
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) counterpart: Option<Counterpart>,
    /// The connection that was made last, and by whom: making one costs more than all that is asked over it.
    link: Mutex<Option<(Caller, Arc<Link>)>>,
}

/// SHA-256 of the own certificate, and how long an answer is waited for.
type Caller = ([u8; 32], Duration);

/// The custodians of an epoch.
pub struct Circle {
    set: Custodians,
    pub(crate) seats: Vec<Seat>,
}

impl Circle {
    /// The custodians of now.
    ///
    /// # Errors
    /// [`CircleError`]; [`Refused::Stale`](super::Refused::Stale) where no node proves what is so now.
    pub fn current(client: &Client, book: &AddressBook) -> Result<Self, CircleError> {
        let terms = Terms::default();
        let epoch = fresh_value::<CustodianEpoch>(client, &CustodianEpoch::key(), &terms)?;
        let number = epoch.value.ok_or(CircleError::None)?.0;
        Self::at(client, book, number, epoch.at.0)
    }

    /// The custodians of every epoch that there was at a height.
    pub(super) fn all_at(
        client: &Client,
        book: &AddressBook,
        height: Height,
    ) -> Result<Vec<Self>, CircleError> {
        let newest = value::<CustodianEpoch>(client, &CustodianEpoch::key(), Some(height))?;
        let newest = newest.value.ok_or(CircleError::None)?.0;
        let each = (1..=newest).map(|epoch| Self::at(client, book, epoch, height));
        each.collect()
    }

    /// The custodians of an epoch, with the keys that they have now.
    ///
    /// # Errors
    /// [`CircleError`].
    pub fn of_epoch(client: &Client, book: &AddressBook, epoch: u32) -> Result<Self, CircleError> {
        let found = fresh_value(client, &CustodianSet::key(epoch), &Terms::default())?;
        Self::seated(client, book, found)
    }

    fn at(
        client: &Client,
        book: &AddressBook,
        epoch: u32,
        height: Height,
    ) -> Result<Self, CircleError> {
        let found = value(client, &CustodianSet::key(epoch), Some(height))?;
        Self::seated(client, book, found)
    }

    fn seated(
        client: &Client,
        book: &AddressBook,
        found: Value<CustodianSet>,
    ) -> Result<Self, CircleError> {
        let set = found.value.ok_or(CircleError::None)?.custodians;
        let newer = newer_keys(client, &set, found.at.0)?;
        let mut seats = Vec::with_capacity(set.members().len());
        for custodian in set.members() {
            let key = Participant::key(&custodian.name);
            let known = value::<Participant>(client, &key, Some(found.at.0))?.value;
            let keys: Vec<_> = known.iter().flat_map(Participant::keys).copied().collect();
            seats.push(Seat {
                custodian: custodian.clone(),
                tls: *newer.get(&custodian.name).unwrap_or(&custodian.tls),
                keys,
                counterpart: book.get(&custodian.name).cloned(),
                link: Mutex::default(),
            });
        }
        Ok(Self { set, seats })
    }

    /// Which set it is.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.set.epoch()
    }

    /// How many of the custodians it takes.
    #[must_use]
    pub fn threshold(&self) -> usize {
        usize::from(self.set.threshold())
    }

    /// The custodians' names, in the order of their places.
    pub fn names(&self) -> impl Iterator<Item = &ParticipantName> {
        self.seats.iter().map(|seat| &seat.custodian.name)
    }

    /// To whom shares are dealt, in the order of their places.
    pub(crate) fn members(&self) -> Result<Vec<Member>, CircleError> {
        self.seats.iter().map(Seat::member).collect()
    }
}

/// The TLS keys of the custodians of `set` that later sets name, from the newest of these.
fn newer_keys(
    client: &Client,
    set: &Custodians,
    at: Height,
) -> Result<BTreeMap<ParticipantName, TlsKeyHash>, StandingError> {
    let current = value::<CustodianEpoch>(client, &CustodianEpoch::key(), Some(at))?;
    let current = current.value.unwrap_or_default().0;
    let mut keys = BTreeMap::new();
    let newer = set.epoch().saturating_add(1)..=current;
    for number in newer.rev().take(NEWER_SETS) {
        if keys.len() == set.members().len() {
            break;
        }
        let found = value::<CustodianSet>(client, &CustodianSet::key(number), Some(at))?;
        for member in found.value.iter().flat_map(|one| one.custodians.members()) {
            if set.find(&member.name).is_some() {
                keys.entry(member.name.clone()).or_insert(member.tls);
            }
        }
    }
    Ok(keys)
}

impl Seat {
    fn member(&self) -> Result<Member, CircleError> {
        let name = &self.custodian.name;
        let key: Option<&SealingKey> =
            (self.counterpart.as_ref()).and_then(|one| one.share_key.as_ref());
        let key = key.ok_or_else(|| CircleError::NotInBook(name.clone()))?;
        if key.reader_key() != self.custodian.share_key {
            return Err(CircleError::OtherShareKey(name.clone()));
        }
        Ok(Member {
            name: name.clone(),
            key: key.clone(),
        })
    }

    /// A connection to the custodian, which must show the key that the ledger names.
    pub(crate) fn link(
        &self,
        own: &Certificate,
        config: &ClientConfig,
    ) -> Result<Arc<Link>, NotAsked> {
        let caller = (sha256(&[own.der()]), config.request_timeout);
        // What is in it is whole at any time.
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made_by, made)) = &*link
            && *made_by == caller
        {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(self.new_link(own, config)?);
        *link = Some((caller, Arc::clone(&made)));
        Ok(made)
    }

    fn new_link(&self, own: &Certificate, config: &ClientConfig) -> Result<Link, NotAsked> {
        let name = &self.custodian.name;
        if self.keys.is_empty() {
            return Err(CircleError::NoKeys(name.clone()).into());
        }
        let counterpart = self.counterpart.as_ref();
        let counterpart = counterpart.ok_or_else(|| CircleError::NotInBook(name.clone()))?;
        Ok(Link::new(own, counterpart, Some(self.tls), config)?)
    }
}

/// Why a custodian was not asked.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum NotAsked {
    #[error(transparent)]
    Circle(#[from] CircleError),
    #[error(transparent)]
    Link(#[from] LinkError),
}
