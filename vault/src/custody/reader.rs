//! The reader's side: custodians' answers and the owner's part become the record's key.
//!
//! What always holds: a share counts only if its custodian signed it, for this request and place, and
//! the ledger's points bear it out; the owner's part only if its hash is the anchored one; the key only
//! if its check value is; the document only if the anchored commitment is to it. So whatever is wrong names whoever is at fault, and bad answers among enough
//! good ones do not keep the record shut.

use super::place::{Custodied, Place};
use super::points::{Points, ShareIndex};
use super::release::{Release, VaultRelease};
use super::seal::OpeningKey;
use super::sharing::{Share, combine_whole};
use super::shown::RecordShown;
use super::signed::Signed;
use crate::commitment::{Commitment, Committed};
use crate::disclosure::{Disclosure, DisclosureError};
use crate::json::{Document, JsonError};
use crate::pointer::Pointer;
use crate::seal::{self, OpenError};
use crate::secret::{DataKey, RecordSecret, VaultPart};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{CiphertextHash, EventId, KeyCheck, ParticipantName, VaultPartHash};
use std::fmt;
use zeroize::Zeroizing;

/// What the ledger says of the record that is to be opened, and the request that asks for it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The record and its version.
    pub record: Custodied,
    /// The reader's own request.
    pub request: EventId,
    /// The epoch of the record's shares.
    pub epoch: u32,
    /// The record's points.
    pub points: Points,
    /// The custodians of that epoch in the order of their places, with their signing keys.
    pub custodians: Vec<(ParticipantName, PublicKey)>,
    /// The owner's signing key.
    pub owner: PublicKey,
    /// The hash of the vault's part.
    pub vault_part: VaultPartHash,
    /// The key's check value.
    pub key_check: KeyCheck,
    /// The hash of the sealed payload.
    pub ciphertext: CiphertextHash,
    /// The commitment to what the payload holds.
    pub commitment: Commitment,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// It is for another record, request, epoch or place.
    OtherPlace,
    /// The custodian that it names did not sign it.
    Signature,
    /// It does not open with the reader's key.
    Closed,
    /// Its share does not fit the ledger's points.
    Unfit,
    /// The place answered already.
    Repeated,
}

/// A custodian whose answer was of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which answer, in the order in which they were given.
    pub answer: usize,
    /// Whom it names.
    pub custodian: ParticipantName,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// Faults as people read them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Fault {
            custodian, wrong, ..
        } in &self.0
        {
            let wrong = match wrong {
                Wrong::OtherPlace => "answered for something else",
                Wrong::Signature => "did not sign its answer",
                Wrong::Closed => "sealed its answer to another key or context",
                Wrong::Unfit => "released a share that does not fit the ledger's points",
                Wrong::Repeated => "answered more than once",
            };
            write!(f, "; {custodian} {wrong}")?;
        }
        Ok(())
    }
}

/// Why a record was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Fewer good answers than are needed.
    #[error(
        "{found} of the {needed} shares that are needed came; ask the other custodians, or try again later{faults}"
    )]
    TooFew {
        /// Good answers.
        found: usize,
        /// How many are needed.
        needed: usize,
        /// Whose answers were of no use.
        faults: Faults,
    },
    /// The owner's answer is not for this request, or not signed by it.
    #[error("the answer of {owner} is not for this request or not signed by it; ask it again")]
    OtherVaultRelease {
        /// The owner.
        owner: ParticipantName,
    },
    /// The owner's answer does not open, or is not the part that it anchored.
    #[error(
        "{owner} released another part of the key than it anchored; keep its answer as evidence"
    )]
    VaultPart {
        /// The owner.
        owner: ParticipantName,
    },
    /// All parts are right and the key is not.
    #[error(
        "the parts are those that {owner} anchored, and the key they give is not; {owner} sealed the record wrongly"
    )]
    KeyCheck {
        /// The owner.
        owner: ParticipantName,
    },
    /// Another payload than the anchored one.
    #[error("the sealed payload is not the one that {owner} anchored; fetch it again")]
    Ciphertext {
        /// The owner.
        owner: ParticipantName,
    },
    /// The payload is not what the owner committed to.
    #[error(
        "the document is not the one that {owner} committed to on the ledger; {owner} sealed the record wrongly, so do not rely on what it shows of it"
    )]
    Commitment {
        /// The owner.
        owner: ParticipantName,
    },
    /// The payload does not open with the right key.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// The key of a record, and whose answers were of no use.
pub struct Gathered {
    /// The key.
    pub key: DataKey,
    /// Answers that were left out.
    pub faults: Faults,
}

/// The parts of a record's key, each of them the one that the ledger stands for. They are wiped.
pub struct Parts {
    /// S and its blinding.
    whole: Share,
    part: VaultPart,
    faults: Faults,
}

/// Puts a record's key together from the answers to one request.
///
/// # Errors
/// [`ReadError`], which names whoever is at fault.
pub fn gather(
    wanted: &Wanted,
    key: &OpeningKey,
    answers: &[Signed<Release>],
    vault: &Signed<VaultRelease>,
) -> Result<Gathered, ReadError> {
    gather_parts(wanted, key, answers, vault)?.key(wanted)
}

/// Gathers the parts of a record's key from the answers to one request.
///
/// # Errors
/// [`ReadError`], which names whoever is at fault.
pub fn gather_parts(
    wanted: &Wanted,
    key: &OpeningKey,
    answers: &[Signed<Release>],
    vault: &Signed<VaultRelease>,
) -> Result<Parts, ReadError> {
    let (shares, faults) = good_shares(wanted, key, answers);
    let needed = wanted.points.threshold();
    let held: Vec<_> = shares
        .iter()
        .map(|(index, share)| (*index, share))
        .collect();
    let whole = match combine_whole(&wanted.points, &held) {
        Ok(whole) => whole,
        Err(_) => {
            // each share was checked, and each place once: too few are left
            let found = shares.len();
            return Err(ReadError::TooFew {
                found,
                needed,
                faults,
            });
        }
    };
    let part = vault_part(wanted, key, vault)?;
    Ok(Parts {
        whole,
        part,
        faults,
    })
}

impl Parts {
    /// The key that they give.
    ///
    /// # Errors
    /// [`ReadError::KeyCheck`].
    pub fn key(&self, wanted: &Wanted) -> Result<Gathered, ReadError> {
        let record = &wanted.record.record;
        let key = DataKey::derive(&self.whole.custody_part(), &self.part, record);
        if key.check_value() != wanted.key_check {
            let owner = wanted.record.owner.clone();
            return Err(ReadError::KeyCheck { owner });
        }
        let faults = self.faults.clone();
        Ok(Gathered { key, faults })
    }

    /// What shows that the owner sealed the record wrongly, of an error that says so; `sealed` is the
    /// payload that was opened.
    #[must_use]
    pub fn shown(self, wanted: &Wanted, error: &ReadError, sealed: Vec<u8>) -> Option<RecordShown> {
        let sealed = match error {
            ReadError::KeyCheck { .. } => None,
            ReadError::Open(_) | ReadError::Commitment { .. } => Some(sealed),
            _ => return None,
        };
        let parts = (self.whole, self.part);
        Some(RecordShown::new(wanted.record.clone(), parts, sealed))
    }
}

/// Whether an answer brings a share that counts.
///
/// # Errors
/// What is wrong with it.
pub fn check(wanted: &Wanted, key: &OpeningKey, answer: &Signed<Release>) -> Result<(), Wrong> {
    good_share(wanted, key, answer).map(drop)
}

fn good_shares(
    wanted: &Wanted,
    key: &OpeningKey,
    answers: &[Signed<Release>],
) -> (Vec<(ShareIndex, Share)>, Faults) {
    let mut shares: Vec<(ShareIndex, Share)> = Vec::new();
    let mut faults = Faults::default();
    for (answer, signed) in answers.iter().enumerate() {
        let Place {
            custodian, index, ..
        } = &signed.says().place;
        let repeated = shares.iter().any(|(place, _)| place == index);
        let share = match repeated {
            true => Err(Wrong::Repeated),
            false => good_share(wanted, key, signed),
        };
        match share {
            Ok(share) => shares.push((*index, share)),
            Err(wrong) => faults.0.push(Fault {
                answer,
                custodian: custodian.clone(),
                wrong,
            }),
        }
    }
    (shares, faults)
}

fn good_share(wanted: &Wanted, key: &OpeningKey, signed: &Signed<Release>) -> Result<Share, Wrong> {
    let says = signed.says();
    let seat = usize::from(says.place.index.get()).checked_sub(1);
    let seat = seat.and_then(|seat| wanted.custodians.get(seat));
    let (name, signer) = seat.ok_or(Wrong::OtherPlace)?;
    let asked = says.record == wanted.record
        && says.request == wanted.request
        && says.place.epoch == wanted.epoch
        && says.place.custodian == *name;
    if !asked {
        return Err(Wrong::OtherPlace);
    }
    signed.verify(signer).map_err(|_| Wrong::Signature)?;
    let opened = says.open(key).map_err(|_| Wrong::Closed)?;
    Share::decode(&opened.contents)
        .filter(|share| share.fits(says.place.index, &wanted.points))
        .ok_or(Wrong::Unfit)
}

fn vault_part(
    wanted: &Wanted,
    key: &OpeningKey,
    signed: &Signed<VaultRelease>,
) -> Result<VaultPart, ReadError> {
    let owner = || wanted.record.owner.clone();
    let says = signed.says();
    let asked = says.record == wanted.record && says.request == wanted.request;
    if !asked || signed.verify(&wanted.owner).is_err() {
        return Err(ReadError::OtherVaultRelease { owner: owner() });
    }
    let wrong = || ReadError::VaultPart { owner: owner() };
    let opened = says.open(key).map_err(|_| wrong())?;
    let part = VaultPart::new(*opened.contents);
    match part.hash() == wanted.vault_part {
        true => Ok(part),
        false => Err(wrong()),
    }
}

impl Gathered {
    /// Opens the sealed payload; gives with it what shows fields of it.
    ///
    /// # Errors
    /// [`ReadError::Ciphertext`], [`ReadError::Open`], [`ReadError::Commitment`].
    pub fn open(
        &self,
        wanted: &Wanted,
        sealed: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, Disclosing), ReadError> {
        if seal::ciphertext_hash(sealed) != wanted.ciphertext {
            let owner = wanted.record.owner.clone();
            return Err(ReadError::Ciphertext { owner });
        }
        let payload = seal::open(&wanted.record.record, &self.key, sealed)?;
        match Disclosing::of(self.key.record_secret(), &payload, &wanted.commitment) {
            Some(disclosing) => Ok((payload, disclosing)),
            None => {
                let owner = wanted.record.owner.clone();
                Err(ReadError::Commitment { owner })
            }
        }
    }
}

/// Shows fields of a document that was opened, provably against its anchored commitment. It holds the
/// secret that the commitment's salts derive from, which is wiped with it.
pub struct Disclosing {
    secret: RecordSecret,
    /// Whether the document was sealed as a whole and not as JSON.
    opaque: bool,
}

impl Disclosing {
    /// None if the commitment is not to this payload, neither as JSON nor as a whole.
    pub(super) fn of(
        secret: RecordSecret,
        payload: &[u8],
        commitment: &Commitment,
    ) -> Option<Self> {
        let mut disclosing = Self {
            secret,
            opaque: false,
        };
        for opaque in [false, true] {
            disclosing.opaque = opaque;
            let document = disclosing.document(payload).ok();
            let is = |document: &Document| {
                Committed::new(document, &disclosing.secret).commitment() == *commitment
            };
            if document.as_ref().is_some_and(is) {
                return Some(disclosing);
            }
        }
        None
    }

    fn document(&self, payload: &[u8]) -> Result<Document, JsonError> {
        match self.opaque {
            true => Ok(Document::opaque(payload)),
            false => Document::parse(payload),
        }
    }

    /// Shows every value at or below each of `shown` and the absence of each of `absent` in the payload
    /// that was opened, and withholds the rest.
    ///
    /// # Errors
    /// [`DisclosureError`]; [`DisclosureError::NoSuchField`] also of another payload.
    pub fn disclose(
        &self,
        payload: &[u8],
        shown: &[&str],
        absent: &[Pointer],
    ) -> Result<Disclosure, DisclosureError> {
        let document = self.document(payload);
        let document = document.map_err(|_| DisclosureError::NoSuchField { request: 0 })?;
        Committed::new(&document, &self.secret).disclose(shown, absent)
    }
}
