//! Why a record was not moved.

use crate::anchor::AnchorError;
use crate::client::ClientError;
use crate::custody::circle::CircleError;
use crate::custody::standing::StandingError;
use crate::error::SdkError;
use medanchor_ledger::ParticipantName;
use medanchor_vault::custody::ReshareError;
use std::path::PathBuf;

/// Why a record was not moved. What was done by then stays done: call it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The ledger has no such record, or its key is not shared, or it is erased.
    #[error("{0}")]
    NotToMove(&'static str),
    /// Fewer old custodians contributed than it takes.
    #[error("only {found} of the {needed} custodians that it takes contributed{}; run it again when more can be reached", Why(.silent))]
    TooFew {
        /// How many did.
        found: usize,
        /// How many it takes.
        needed: usize,
        /// Who did not, and why.
        silent: Vec<(ParticipantName, String)>,
    },
    /// Whoever is to be left out is none of the custodians that hold the record.
    #[error("{name} is no custodian of epoch {epoch}, which holds the record; check the name")]
    NoCustodian {
        /// The name.
        name: ParticipantName,
        /// The epoch that holds the record.
        epoch: u32,
    },
    /// So many are to be left out that too few remain.
    #[error(
        "so many are to be left out that {left} custodians remain, and it takes {needed}; leave fewer out"
    )]
    TooManyLeftOut {
        /// How many remain.
        left: usize,
        /// How many it takes.
        needed: usize,
    },
    /// New custodians hold shares to which whoever is to be left out contributed.
    #[error(
        "nobody can be left out of this move any more: {} hold(s) a share of it, and no other for this set; nothing has changed: have the authorities name a further set of custodians (`medanchor governance propose-custodians`), and run it again in the same way",
        List(.0)
    )]
    Held(Vec<ParticipantName>),
    /// It is not known whether new custodians hold such shares.
    #[error(
        "nobody has refused what was contributed, and {} may hold a share of it already; nothing has changed: run it again without `--without`, which asks them",
        List(.0)
    )]
    MayHold(Vec<ParticipantName>),
    /// New custodians refuse what an old one contributed.
    #[error("not every new custodian has acknowledged its share{}; nothing has changed on the ledger: {}", Why(.silent), Cure(.holders))]
    Refused {
        /// Who has not, and why.
        silent: Vec<(ParticipantName, String)>,
        /// Who holds a share, and can hold no other for this set.
        holders: Vec<ParticipantName>,
    },
    /// New custodians have not acknowledged their shares.
    #[error("not every new custodian has acknowledged its share{}; nothing has changed on the ledger: run it again", Why(.0))]
    NotAcknowledged(Vec<(ParticipantName, String)>),
    /// What an earlier try left cannot be used.
    #[error("{path} cannot be used: {why}; restore it, or have the authorities name a further set of custodians", path = path.display())]
    Earlier {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// What the contributions add up to.
    #[error(transparent)]
    Reshare(#[from] ReshareError),
    /// Signing.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// What the ledger says could not be had.
    #[error(transparent)]
    Standing(#[from] StandingError),
    /// A set of custodians is not known.
    #[error(transparent)]
    Circle(#[from] CircleError),
    /// A node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The event was not anchored.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The points make no event.
    #[error(transparent)]
    Build(#[from] medanchor_ledger::event::BuildError),
    /// A file.
    #[error("cannot use {path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

struct Why<'a>(&'a [(ParticipantName, String)]);

impl std::fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (self.0.iter()).try_for_each(|(name, why)| write!(f, "; {name}: {why}"))
    }
}

struct List<'a>(&'a [ParticipantName]);

impl std::fmt::Display for List<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (self.0.iter().enumerate()).try_for_each(|(at, name)| match at {
            0 => write!(f, "{name}"),
            _ => write!(f, ", {name}"),
        })
    }
}

/// What to do about a contributor whose part is refused.
struct Cure<'a>(&'a [ParticipantName]);

impl std::fmt::Display for Cure<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = "`--without` and the name of whoever contributed what does not fit";
        match self.0.is_empty() {
            true => write!(f, "run it again with {name}"),
            false => write!(
                f,
                "{} hold(s) a share already, and no other for this set: have the authorities name a further set of custodians (`medanchor governance propose-custodians`), and run it again with {name}",
                List(self.0)
            ),
        }
    }
}
