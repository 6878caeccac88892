//! What evidence is about: whom it accuses, of which record and request, and what must be proved of it.

use super::Need;
use crate::custody::evidence::Evidence;
use crate::custody::logged::LoggedRelease;
use crate::custody::place::Custodied;
use crate::custody::refusal::Refusal;
use medanchor_ledger::{EventId, ParticipantName};

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
            Self::Sealing(shown) => vec![Need::Record(shown.record().clone())],
            Self::Refusal(refusal) => {
                let says = refusal.says();
                let grounds = match says.code.as_str() {
                    "custody.consent-ended" => Need::Consents(says.request),
                    _ => Need::Record(says.record.clone()),
                };
                let request = Need::Request(says.request);
                vec![participant(&says.record.owner), request, grounds]
            }
            Self::Logged(logged) => vec![Need::Request(logged.released().request)],
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
            Self::Sealing(shown) => shown.record(),
            Self::Refusal(refusal) => &refusal.says().record,
            Self::Logged(logged) => &logged.released().record,
        }
    }

    /// Whom it accuses.
    #[must_use]
    pub fn accused(&self) -> &ParticipantName {
        match self {
            Self::Deal(..) | Self::VaultRelease(..) | Self::Sealing(_) | Self::Refusal(_) => {
                &self.record().owner
            }
            Self::Release { release, .. } | Self::TwoReleases(release, _) => {
                &release.says().place.custodian
            }
            Self::SubShare(deal, _) | Self::SubPoints(deal, _) => &deal.says().terms.from.custodian,
            Self::Logged(logged) => logged.custodian(),
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
            Self::Refusal(refusal) => Some(refusal.says().request),
            Self::Logged(logged) => Some(logged.released().request),
            Self::Deal(..) | Self::SubShare(..) | Self::SubPoints(..) | Self::Sealing(_) => None,
        }
    }

    /// The refusal that it shows, if it is of one.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refusal(refusal) => Some(refusal.says()),
            _ => None,
        }
    }

    /// The release in a custodian's log that it shows, if it is of one.
    #[must_use]
    pub fn logged(&self) -> Option<&LoggedRelease> {
        match self {
            Self::Logged(logged) => Some(logged),
            _ => None,
        }
    }

    /// Whether whoever has it can open the record.
    #[must_use]
    pub const fn shows_the_record(&self) -> bool {
        matches!(self, Self::Sealing(_))
    }
}
