//! How an institution keeps its vault: what protects the institution key, and where the payloads are.
//! `vault.toml` in the identity's folder says it; without that file the key is unprotected, and the
//! payloads are in the vault's folder.
//!
//! What always holds: no secret stands in `vault.toml`, only where it is to be had; the file is read
//! strictly, and an error names it and the key that is wrong; what it says must be what the key file was
//! made with and where the payloads are, so editing it changes neither. Calls of
//! [`Identity`](crate::Identity) do.
//!
//! ```toml
//! [key]
//! protection = "passphrase"                       # none, passphrase or token
//! passphrase_file = "/etc/medanchor/passphrase"   # or passphrase_env = "NAME"
//!
//! [key]
//! protection = "token"                            # feature pkcs11
//! module = "/usr/lib/softhsm/libsofthsm2.so"      # the library of the token's maker
//! token = "hospital"                              # the token's label, for when a key is made
//! pin_file = "/etc/medanchor/pin"                 # or pin_env = "NAME"
//!
//! [payloads]
//! place = "bucket"                                # folder or bucket (feature objects)
//! url = "s3://hospital/vault"
//! endpoint = "https://s3.example"                 # AWS itself, if left out
//! region = "us-east-1"                            # this one, if left out
//! credentials_file = "/etc/medanchor/s3.toml"     # the environment's, if left out
//! ```

mod change;
mod file;
mod payloads;
mod secret;
#[cfg(test)]
mod tests;

use medanchor_vault::{Passphrase, Protection};
use std::path::PathBuf;

pub use change::{KeptIn, NotOpened};
pub use file::{KeepingError, NAME, harmless};
pub use payloads::{BucketAt, PayloadsAt};
pub use secret::{SecretAt, SecretError};

/// What `vault.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// What protects the institution key.
    pub key: KeyProtection,
    /// Where the sealed payloads are.
    pub payloads: PayloadsAt,
}

/// What protects an institution key, and where its secret is to be had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyProtection {
    /// Nothing: whoever reads the key file has the key.
    #[default]
    Nothing,
    /// A passphrase.
    Passphrase(SecretAt),
    /// A PKCS#11 token, which the key never leaves.
    Token {
        /// The module: a library of the token's maker.
        module: PathBuf,
        /// The token's label, which counts when a key is made: from then on the key file names the token.
        label: String,
        /// Its user's PIN.
        pin: SecretAt,
    },
}

impl KeyProtection {
    /// Fetches the secret.
    ///
    /// # Errors
    /// [`SecretError`] when the secret is not to be had, or this build has no tokens.
    pub fn fetch(&self) -> Result<Protection, SecretError> {
        match self {
            Self::Nothing => Ok(Protection::Nothing),
            Self::Passphrase(at) => {
                let passphrase = Passphrase::new(at.fetch()?.as_str().into());
                Ok(Protection::Passphrase(passphrase))
            }
            #[cfg(feature = "pkcs11")]
            Self::Token { module, label, pin } => {
                Ok(Protection::Token(medanchor_vault::TokenLogin {
                    module: module.clone(),
                    label: label.clone(),
                    pin: pin.fetch()?.as_str().into(),
                }))
            }
            #[cfg(not(feature = "pkcs11"))]
            Self::Token { .. } => Err(SecretError::NoTokens),
        }
    }

    /// In a word or two, without where the secret is.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Passphrase(_) => "a passphrase",
            Self::Token { .. } => "a PKCS#11 token",
        }
    }
}
