//! Custody: a record's key is shared out among custodians, released to whom the ledger permits, moved
//! to new custodians and destroyed, and whoever cheats leaves evidence.
//!
//! What always holds: any k of a record's n custodians can give back S, fewer learn nothing of it, and
//! S without the vault's V opens nothing; a share is judged by points that stand on the ledger, so a
//! bad one is seen at once and convicts whoever signed it; what is sealed opens only as what it says;
//! every release is logged before it leaves, and the log's roots are anchored. Everything here is
//! bytes in and bytes out: no network, no clock. `docs/custody.md` tells the protocol as one story.
//!
//! | module | |
//! |---|---|
//! | [`points`], [`sharing`] | the sharing itself |
//! | [`seal`] | sealing to a key, so that what was inside can be shown |
//! | [`place`], [`signed`], [`deal`], [`release`], [`refusal`], [`reshare`], [`destroyed`] | the messages |
//! | [`custodian`], [`log`] | a custodian's store and its release log |
//! | [`reader`], [`into`](mod@into) | putting the key together, and opening what it opens |
//! | [`evidence`], [`opening`], [`shown`], [`logged`], [`evidence_file`], [`convict`], [`reconcile`](mod@reconcile) | what convinces a third party |

pub mod convict;
#[cfg(feature = "keep")]
pub mod custodian;
pub mod deal;
pub mod destroyed;
pub mod evidence;
pub mod evidence_file;
pub mod into;
#[cfg(feature = "keep")]
mod keyed;
pub mod log;
pub mod logged;
pub mod opening;
pub mod place;
pub mod points;
pub mod reader;
pub mod reconcile;
pub mod refusal;
pub mod release;
pub mod reshare;
pub mod seal;
#[cfg(feature = "keep")]
mod shares;
pub mod sharing;
pub mod shown;
pub mod signed;

pub use convict::{Breach, Convicted, Known, Unconvincing};
#[cfg(feature = "keep")]
pub use custodian::{Custodian, CustodianError, MAX_UNANCHORED, Permitted, Seat};
pub use deal::{Acknowledgement, Deal, DealError, Member, deal_out};
pub use destroyed::SharesDestroyed;
pub use evidence::Evidence;
pub use evidence_file::{EvidenceFile, Fact, FileError, Need, NotConvicted};
pub use into::IntoError;
pub use log::{LogError, ReleaseLog, Released, Snapshot};
pub use logged::LoggedRelease;
pub use opening::Opening;
pub use place::{Custodied, Place};
pub use points::{MAX_MEMBERS, MIN_THRESHOLD, Points, PointsError, PointsHash, ShareIndex};
pub use reader::{
    Disclosing, Fault, Faults, Gathered, Parts, ReadError, Wanted, Wrong, check, gather,
    gather_parts,
};
pub use reconcile::{Access, End, Ends, Finding, Outside, reconcile};
pub use refusal::{Decided, NotACode, Refusal, RefusalCode};
pub use release::{Release, VaultRelease};
pub use reshare::{Completed, ReshareError, Resharing, SubDeal, SubTerms, new_points};
pub use seal::{KeyError, OpeningKey, Sealed, SealingKey};
#[cfg(feature = "keep")]
pub use shares::ShareError;
pub use sharing::{Share, SharingError, combine, split};
pub use shown::{RecordShown, SealedAs};
pub use signed::{Body, MessageError, Signed};

#[cfg(all(test, feature = "keep"))]
mod tests;
