//! What a statement asks for.

/// What is asked of a custodian or of the owner of a record. The codes are frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Ask {
    /// Keep a share, and acknowledge it.
    Deal = 1,
    /// Release a share for a committed access.
    Release = 2,
    /// Release the vault's part of a record's key.
    VaultRelease = 3,
    /// Destroy a share of an erased record.
    Erase = 4,
    /// Deal sub-shares of a share to the custodians of a new epoch.
    Reshare = 5,
    /// Put a new share together from sub-shares.
    Rejoin = 6,
    /// Hand over a sealed payload.
    Payload = 7,
    /// Destroy the shares of the epochs before one that is complete.
    Retire = 8,
    /// Show the log of releases.
    ReleaseLog = 9,
    /// Show custodians' acknowledgements of their shares of a record.
    Acknowledgements = 10,
    /// Keep shares of several records, and acknowledge each.
    Deals = 11,
}

impl Ask {
    /// Everything that can be asked for.
    pub const ALL: [Self; 11] = [
        Self::Deal,
        Self::Release,
        Self::VaultRelease,
        Self::Erase,
        Self::Reshare,
        Self::Rejoin,
        Self::Payload,
        Self::Retire,
        Self::ReleaseLog,
        Self::Acknowledgements,
        Self::Deals,
    ];

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Deal => 1,
            Self::Release => 2,
            Self::VaultRelease => 3,
            Self::Erase => 4,
            Self::Reshare => 5,
            Self::Rejoin => 6,
            Self::Payload => 7,
            Self::Retire => 8,
            Self::ReleaseLog => 9,
            Self::Acknowledgements => 10,
            Self::Deals => 11,
        }
    }

    /// Where it is posted.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Deal => "/v1/deals",
            Self::Release => "/v1/releases",
            Self::VaultRelease => "/v1/vault-releases",
            Self::Erase => "/v1/erasures",
            Self::Reshare => "/v1/reshares",
            Self::Rejoin => "/v1/rejoins",
            Self::Payload => "/v1/payloads",
            Self::Retire => "/v1/retirements",
            Self::ReleaseLog => "/v1/release-log",
            Self::Acknowledgements => "/v1/acknowledgements",
            Self::Deals => "/v1/deal-batches",
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|ask| ask.code() == code)
    }
}
