//! How a vault's institution key is kept, and where its payloads are.

use crate::key_file::Protection;
#[cfg(feature = "objects")]
use crate::objects::Bucket;
use std::path::PathBuf;

/// Where sealed payloads are.
#[non_exhaustive]
pub enum PayloadPlace {
    /// In the vault's own folder.
    Folder,
    /// In a bucket of an S3-compatible service.
    #[cfg(feature = "objects")]
    Bucket(Bucket),
}

/// How a vault is kept. It has no `Debug`: a passphrase, a PIN or credentials are in it.
///
/// ```
/// # use medanchor_vault::{Passphrase, Protection, Settings, Vault};
/// # use medanchor_ledger::NetworkId;
/// # let folder = tempfile::tempdir()?;
/// # let (words, network) = ("four horses, two carts".to_owned(), NetworkId::new([1; 16]));
/// let settings = Settings {
///     protection: Protection::Passphrase(Passphrase::new(words.into())),
///     ..Settings::default()
/// };
/// Vault::create_with(folder.path(), network, &settings)?;
/// assert!(Vault::open(folder.path(), network).is_err());
/// Vault::open_with(folder.path(), network, &settings)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Settings {
    /// What protects the institution key.
    pub protection: Protection,
    /// The key file, if it is not `institution.key` in the vault's folder.
    pub key_file: Option<PathBuf>,
    /// Where the payloads are.
    pub payloads: PayloadPlace,
}

impl Default for Settings {
    /// An unprotected key file and a folder of payloads, both in the vault's own folder.
    fn default() -> Self {
        Self {
            protection: Protection::Nothing,
            key_file: None,
            payloads: PayloadPlace::Folder,
        }
    }
}
