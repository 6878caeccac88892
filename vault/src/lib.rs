//! The vault of Medanchor: payloads are committed to field by field, sealed, kept, opened, shown in
//! part, and erased.
//!
//! What always holds: a payload leaves this crate either sealed, or as a disclosure its holder asked
//! for, or opened to its holder; no secret has a `Debug`, reaches an error or outlives its use
//! unwiped; nothing here knows about consensus or the network.
//!
//! ```
//! # use medanchor_vault::{Disclosure, Vault};
//! # use medanchor_ledger::{NetworkId, RecordHandle};
//! # let folder = tempfile::tempdir()?;
//! # let network = NetworkId::new([1; 16]);
//! let vault = Vault::create(folder.path(), network)?;
//! let record = RecordHandle::new(vault.handle("record", "MedicationRequest/1"));
//! let sealed = vault.seal(record, 1, br#"{"dose":1.50,"name":"Zhang San"}"#)?;
//!
//! // To somebody who may know the dose and nothing else:
//! let bytes = vault.disclose(record, 1, &["/dose"], &[])?.encode();
//! let shown = Disclosure::decode(&bytes)?.verify(&sealed.commitment)?;
//! assert_eq!(shown.value("/dose").map(|value| value.bytes()), Some(b"1.50".as_slice()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod class;
pub mod commitment;
pub mod custody;
pub mod disclosure;
mod disk;
#[cfg(feature = "keep")]
mod emergency;
#[cfg(feature = "keep")]
pub mod folder;
pub mod json;
#[cfg(feature = "keep")]
mod keeper;
#[cfg(feature = "keep")]
pub mod key_file;
pub mod keys;
pub mod lot;
mod multiproof;
#[cfg(feature = "objects")]
pub mod objects;
#[cfg(feature = "keep")]
mod pack;
#[cfg(feature = "keep")]
pub mod payloads;
pub mod pointer;
pub mod purpose;
mod refusal;
pub mod seal;
pub mod secret;
#[cfg(feature = "keep")]
mod slots;
pub mod subject;
#[cfg(feature = "testing")]
pub mod testing;
pub mod torn;
#[cfg(feature = "keep")]
pub mod vault;

pub use class::{Category, DataClass, Level};
pub use commitment::{Commitment, Committed};
pub use disclosure::{Disclosure, DisclosureError, Shown};
#[cfg(feature = "keep")]
pub use emergency::{EmergencyError, EmergencyKeeper};
#[cfg(feature = "keep")]
pub use folder::Folder;
pub use json::{Document, JsonError, Leaf, Value};
#[cfg(feature = "keep")]
pub use keeper::tally::{MAX_MARK, MAX_MARKS, Marks, Tally};
#[cfg(feature = "pkcs11")]
pub use keeper::token::TokenLogin;
#[cfg(feature = "keep")]
pub use keeper::{KeeperError, KeyKeeper};
#[cfg(feature = "keep")]
pub use key_file::{Cost, KeyFileError, Passphrase, Protection};
pub use lot::{CodeScheme, Lot};
#[cfg(feature = "objects")]
pub use objects::{Bucket, Credentials};
#[cfg(feature = "keep")]
pub use payloads::{PayloadError, StoredPayload};
pub use pointer::{Pointer, Token};
pub use purpose::Purpose;
pub use refusal::refusal;
pub use seal::{OpenError, RecordVersion, SealError, StreamError};
#[cfg(feature = "keep")]
pub use slots::SlotsError;
pub use subject::Epoch;
#[cfg(feature = "keep")]
pub use vault::{
    Copied, Custodial, PartError, PayloadPlace, Sealed, Settings, ToSeal, ToShare, Vault,
    VaultError,
};
