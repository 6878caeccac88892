//! Custody from an application's side: sealing a record under custodians' shares, asking for its key,
//! and judging such a request where a part of a key is kept.
//!
//! What always holds: a record is anchored only after every custodian of the current set acknowledged
//! its share; a part of a key is released only while the ledger, proved and fresh, says that the access
//! is permitted, young, and still stands on its consent; whoever gives a wrong part is named. What is
//! erased is destroyed before the ledger says so, and every step of it can be done again.

#[cfg(feature = "client")]
mod accuse;
mod acknowledged;
mod answer;
#[cfg(feature = "client")]
mod answers;
mod ask;
#[cfg(feature = "client")]
mod asked;
#[cfg(feature = "client")]
mod asking;
#[cfg(feature = "client")]
mod break_glass;
#[cfg(feature = "client")]
mod circle;
#[cfg(feature = "client")]
mod erase;
#[cfg(feature = "client")]
mod erasure;
mod messages;
#[cfg(feature = "client")]
mod read;
#[cfg(feature = "client")]
mod read_into;
#[cfg(feature = "client")]
mod reading;
#[cfg(feature = "client")]
mod releases;
#[cfg(feature = "client")]
mod reshare;
mod reshare_ask;
#[cfg(feature = "client")]
mod seal;
#[cfg(feature = "client")]
mod settle;
mod standing;
#[cfg(feature = "client")]
mod supersede;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(all(test, feature = "client"))]
mod tests;
#[cfg(feature = "client")]
mod words;

#[cfg(feature = "client")]
pub use accuse::AccuseError;
pub(crate) use acknowledged::Acknowledgements;
pub use acknowledged::Sharing;
#[cfg(feature = "client")]
pub use answers::{Answers, Silence, WrongAnswer};
pub use ask::{Access, AccessKind, ReleaseAsk};
#[cfg(feature = "client")]
pub use break_glass::{OpenedByBreakGlass, OpenedIntoByBreakGlass};
#[cfg(feature = "client")]
pub use circle::{Circle, CircleError};
#[cfg(feature = "client")]
pub use erase::{Erased, ErasureError, ErasureStep, NewErasure};
pub use messages::{read_messages, write_messages};
#[cfg(feature = "client")]
pub use read::{Opened, OpenedError};
#[cfg(feature = "client")]
pub use read_into::OpenedInto;
#[cfg(feature = "client")]
pub use releases::ReleasesError;
#[cfg(feature = "client")]
pub use reshare::{MoveError, MoveStep, Moved, NewMove};
pub use reshare_ask::{OTHER_SHARE, ReshareAsk, UNFIT_SUB_SHARE};
#[cfg(feature = "client")]
pub(crate) use seal::{Claims, Gathered};
#[cfg(feature = "client")]
pub use seal::{CustodyError, MAX_TOGETHER, SealedInCustody};
#[cfg(feature = "client")]
pub use standing::StandingError;
#[cfg(feature = "client")]
pub(crate) use standing::proved::{fresh_value, value as proved_value};
pub use standing::{Refused, Standing, Terms};
