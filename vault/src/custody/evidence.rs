//! Evidence: what convinces a third party, offline, that somebody broke the custody protocol.
//!
//! What always holds: evidence stands on signatures of whoever it convicts, on what the ledger says,
//! and on an opening that can be checked: either the sealed contents with their seed, which must seal
//! to the very same bytes again, or the secret key itself. So neither a custodian that lies about a
//! good deal nor a reader that lies about a good share convicts anybody. What a bad share shows is of
//! no use to others; a secret key is shown only where a sealer made bytes that have no opening, and
//! serves nothing after that. Kind 7 alone opens the record, for whoever has it.
//!
//! Evidence is a CBOR array: kind, messages, opening. Messages stand as they were sent.
//!
//! | kind | what it is of | items that follow |
//! |---|---|---|
//! | 1 | a dealer whose share does not fit its own points | deal, opening |
//! | 2 | a custodian that released another share than it acknowledged | release, acknowledgement, points, opening |
//! | 3 | a custodian that answered one request in two ways | release, release |
//! | 4 | an owner that released another part than it anchored | vault release, opening |
//! | 5 | a contributor whose sub-share does not fit its own sub-points | sub-deal, opening |
//! | 6 | a contributor that did not share out its own share | sub-deal, old points |
//! | 7 | an owner that sealed a record wrongly | record, key parts, sealed payload or null (`shown.rs`) |
//! | 8 | an owner that refused its part for a permitted request | refusal |
//! | 9 | a custodian whose anchored log has a release that the ledger did not permit before | anchoring, receipt, place, release, path (`logged.rs`) |
//!
//! An opening is a CBOR array: 1, suite, public key, contents, seed; or 2, suite, secret key (32).

use super::convict::{Convicted, Known, Unconvincing};
use super::deal::{Acknowledgement, Deal};
use super::logged::LoggedRelease;
use super::opening::Opening;
use super::points::Points;
use super::refusal::Refusal;
use super::release::{Release, VaultRelease};
use super::reshare::SubDeal;
use super::seal::OpeningKey;
#[cfg(feature = "keep")]
use super::seal::{Opened, SealingKey};
use super::shown::RecordShown;
use super::signed::{Body, MessageError, Signed};
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The most bytes of evidence but of a sealing and of a log.
pub const MAX_EVIDENCE: usize = 16 * 1024;

/// Evidence of one breach.
#[non_exhaustive]
pub enum Evidence {
    /// A dealer's share does not fit its own points.
    Deal(Signed<Deal>, Opening),
    /// A custodian's release is not the share that it acknowledged.
    Release {
        /// What it released.
        release: Signed<Release>,
        /// What it acknowledged.
        acknowledgement: Signed<Acknowledgement>,
        /// The points whose hash it acknowledged.
        points: Points,
        /// What is in the release.
        opening: Opening,
    },
    /// A custodian answered one request in two ways.
    TwoReleases(Signed<Release>, Signed<Release>),
    /// An owner's release is not the part that it anchored.
    VaultRelease(Signed<VaultRelease>, Opening),
    /// A contributor's sub-share does not fit its own sub-points.
    SubShare(Signed<SubDeal>, Opening),
    /// A contributor did not share out its own share.
    SubPoints(Signed<SubDeal>, Points),
    /// An owner sealed a record wrongly. It holds what opens the record.
    Sealing(Arc<RecordShown>),
    /// An owner refused its part of the key for a permitted request.
    Refusal(Signed<Refusal>),
    /// A custodian's own log has a release that the ledger did not permit before.
    Logged(Box<LoggedRelease>),
}

/// Says of what it is evidence, and nothing of what was sealed.
impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deal(..) => "Evidence(deal)",
            Self::Release { .. } => "Evidence(release)",
            Self::TwoReleases(..) => "Evidence(two releases)",
            Self::VaultRelease(..) => "Evidence(vault release)",
            Self::SubShare(..) => "Evidence(sub-share)",
            Self::SubPoints(..) => "Evidence(sub-points)",
            Self::Sealing(..) => "Evidence(sealing)",
            Self::Refusal(..) => "Evidence(refusal)",
            Self::Logged(..) => "Evidence(logged release)",
        })
    }
}

impl Evidence {
    /// Against a dealer, from what its deal held; none if its sealing cannot be repeated.
    #[cfg(feature = "keep")]
    pub(super) fn bad_deal(
        deal: Signed<Deal>,
        public: SealingKey,
        opened: &Opened<64>,
    ) -> Option<Self> {
        let says = deal.says();
        let opening = Opening::of(public, &says.context(), opened, &says.sealed)?;
        Some(Self::Deal(deal, opening))
    }

    /// Against a dealer whose sealing cannot be repeated: gives the share key away, so register
    /// another one first.
    #[must_use]
    pub const fn bad_deal_with_key(deal: Signed<Deal>, key: OpeningKey) -> Self {
        Self::Deal(deal, Opening::Key(key))
    }

    #[cfg(feature = "keep")]
    pub(super) fn bad_sub_share(
        deal: Signed<SubDeal>,
        public: SealingKey,
        opened: &Opened<64>,
    ) -> Option<Self> {
        let says = deal.says();
        let opening = Opening::of(public, &says.terms.context(), opened, &says.sealed)?;
        Some(Self::SubShare(deal, opening))
    }

    pub(super) const fn broken_chain(deal: Signed<SubDeal>, old: Points) -> Self {
        Self::SubPoints(deal, old)
    }

    /// Against a custodian, from its release and its acknowledgement, which the record's owner keeps.
    /// Without an opening by contents it takes the reader's key, which serves one request only.
    #[must_use]
    pub fn bad_release(
        release: Signed<Release>,
        acknowledgement: Signed<Acknowledgement>,
        points: Points,
        key: OpeningKey,
    ) -> Self {
        let says = release.says();
        let opened = says.open(&key).ok();
        let opening = opened.and_then(|opened| {
            Opening::of(key.public().clone(), &says.context(), &opened, &says.sealed)
        });
        Self::Release {
            release,
            acknowledgement,
            points,
            opening: opening.unwrap_or(Opening::Key(key)),
        }
    }

    /// Against an owner whose release is not the part that it anchored.
    #[must_use]
    pub fn bad_vault_release(release: Signed<VaultRelease>, key: OpeningKey) -> Self {
        let says = release.says();
        let opened = says.open(&key).ok();
        let opening = opened.and_then(|opened| {
            Opening::of(key.public().clone(), &says.context(), &opened, &says.sealed)
        });
        Self::VaultRelease(release, opening.unwrap_or(Opening::Key(key)))
    }

    /// Whom the evidence convicts, and of what.
    ///
    /// # Errors
    /// [`Unconvincing`] says why it convicts nobody.
    pub fn verify(&self, known: &impl Known) -> Result<Convicted, Unconvincing> {
        super::convict::judge(self, known)
    }

    /// The evidence's bytes.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Large enough from the start: what grows leaves copies of secrets behind.
        let mut writer = Writer::with_capacity(match self {
            Self::Sealing(shown) => shown.room(),
            _ => MAX_EVIDENCE,
        });
        match self {
            Self::Deal(deal, opening) => {
                deal.write(writer.array(3).uint(1));
                opening.write(&mut writer);
            }
            Self::Release {
                release,
                acknowledgement,
                points,
                opening,
            } => {
                release.write(writer.array(5).uint(2));
                acknowledgement.write(&mut writer);
                points.write(&mut writer);
                opening.write(&mut writer);
            }
            Self::TwoReleases(one, other) => {
                one.write(writer.array(3).uint(3));
                other.write(&mut writer);
            }
            Self::VaultRelease(release, opening) => {
                release.write(writer.array(3).uint(4));
                opening.write(&mut writer);
            }
            Self::SubShare(deal, opening) => {
                deal.write(writer.array(3).uint(5));
                opening.write(&mut writer);
            }
            Self::SubPoints(deal, old) => {
                deal.write(writer.array(3).uint(6));
                old.write(&mut writer);
            }
            Self::Sealing(shown) => shown.write(writer.array(4).uint(7)),
            Self::Refusal(refusal) => refusal.write(writer.array(2).uint(8)),
            Self::Logged(logged) => logged.write(writer.array(6).uint(9)),
        }
        Zeroizing::new(writer.into_bytes())
    }

    /// Reads evidence. Whether it convicts is for [`Evidence::verify`] to say.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let most = match bytes.first_chunk() {
            Some(&RecordShown::START) => RecordShown::MAX_BYTES,
            Some(&LoggedRelease::START) => LoggedRelease::MAX_BYTES,
            _ => MAX_EVIDENCE,
        };
        if bytes.len() > most {
            return Err(MessageError::Oversize);
        }
        let mut reader = Reader::new(bytes);
        let evidence = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(evidence)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        let items = reader.array(2..=6)?;
        let value = reader.fault(CborFault::Value);
        let evidence = match (items, reader.uint()?) {
            (3, 1) => Self::Deal(message(reader)?, Opening::read(reader)?),
            (5, 2) => Self::Release {
                release: message(reader)?,
                acknowledgement: message(reader)?,
                points: Points::read(reader)?,
                opening: Opening::read(reader)?,
            },
            (3, 3) => Self::TwoReleases(message(reader)?, message(reader)?),
            (3, 4) => Self::VaultRelease(message(reader)?, Opening::read(reader)?),
            (3, 5) => Self::SubShare(message(reader)?, Opening::read(reader)?),
            (3, 6) => Self::SubPoints(message(reader)?, Points::read(reader)?),
            (4, 7) => Self::Sealing(Arc::new(RecordShown::read(reader)?)),
            (2, 8) => Self::Refusal(message(reader)?),
            (6, 9) => Self::Logged(Box::new(LoggedRelease::read(reader)?)),
            _ => return Err(value),
        };
        Ok(evidence)
    }
}

fn message<T: Body>(reader: &mut Reader<'_>) -> Result<Signed<T>, CborError> {
    Signed::read(reader)
}
