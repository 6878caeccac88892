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
pub mod folder;
pub mod json;
pub mod key_file;
pub mod keys;
pub mod lot;
mod multiproof;
mod pack;
pub mod pointer;
pub mod purpose;
pub mod seal;
pub mod secret;
mod slots;
pub mod subject;
pub mod vault;

pub use class::{Category, DataClass, Level};
pub use commitment::{Commitment, Committed};
pub use disclosure::{Disclosure, DisclosureError, Shown};
pub use folder::{Folder, FolderError};
pub use json::{Document, JsonError, Leaf, Value};
pub use key_file::KeyFileError;
pub use lot::{CodeScheme, Lot};
pub use pointer::{Pointer, Token};
pub use purpose::Purpose;
pub use seal::{OpenError, RecordVersion, SealError};
pub use slots::SlotsError;
pub use subject::Epoch;
pub use vault::{Sealed, ToSeal, Vault, VaultError};
