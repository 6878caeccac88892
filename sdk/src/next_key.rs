//! Going over to the next signing key, once the authorities have registered it.

use crate::anchor::Sdk;
use crate::client::ClientError;
use crate::custody::{Refused, StandingError, Terms, fresh_value};
use crate::identity::{Identity, IdentityError};
use medanchor_ledger::KeyId;
use medanchor_ledger::rules::Participant;
use medanchor_ledger::signature::PublicKey;

/// Why the next key was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NextKeyError {
    /// There is none, and the present key is not registered.
    #[error(
        "there is no next key, and the present one is not registered; make one, and have it registered"
    )]
    None,
    /// The ledger does not name it yet.
    #[error(
        "the ledger does not name the next key {key} yet; have the authorities register it first"
    )]
    NotRegistered {
        /// Its id.
        key: KeyId,
    },
    /// The ledger could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What the ledger holds is of a newer release.
    #[error("the ledger holds what this release does not understand; install a newer one")]
    Unknown,
    /// What the nodes prove is not what is so now.
    #[error(transparent)]
    Stale(Refused),
    /// The folder cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl From<StandingError> for NextKeyError {
    fn from(error: StandingError) -> Self {
        match error {
            StandingError::Client(error) => Self::Client(error),
            StandingError::Refused(refused) => Self::Stale(refused),
            StandingError::Unknown => Self::Unknown,
        }
    }
}

impl Sdk {
    /// Takes the next signing key in the place of the present one, if the ledger names it; gives the key
    /// that the folder has then. This `Sdk` and whatever else has read the old one sign with that until
    /// they are opened again. A second call finds it done.
    ///
    /// # Errors
    /// [`NextKeyError`].
    pub fn take_next_key(&self) -> Result<PublicKey, NextKeyError> {
        let key = Participant::key(self.participant());
        let known = fresh_value::<Participant>(self.client(), &key, &Terms::default())?.value;
        let registered = |key: &PublicKey| {
            let known = known.as_ref();
            known.is_some_and(|known| known.registered(&key.id()).is_some())
        };
        let present = Identity::key_of(self.folder())?;
        match Identity::next_key(self.folder())? {
            Some(next) if registered(&next) => {
                self.put_next_key()?;
                Ok(next)
            }
            Some(next) => Err(NextKeyError::NotRegistered { key: next.id() }),
            None if registered(&present) => Ok(present),
            None => Err(NextKeyError::None),
        }
    }
}
