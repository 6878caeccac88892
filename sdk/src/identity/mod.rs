//! Who an application acts as: a folder with a signing key, a network, a vault and a journal.
//!
//! What always holds: the folder belongs to one participant of one network; its signing key is made
//! in it and never leaves it; one process at a time has it open, because the vault is locked.
//!
//! ```text
//! FOLDER/participant   the participant's name
//! FOLDER/key           the signing key, readable by its owner alone
//! FOLDER/next-key      the one that takes its place once the ledger names it, if there is one
//! FOLDER/genesis       which network this is
//! FOLDER/policy        whose signatures make a receipt trustworthy
//! FOLDER/vault/        sealed payloads and wrapped keys
//! FOLDER/vault.toml    how the vault is kept, if not in the usual way
//! FOLDER/payloads.at   the bucket that has the payloads, if one has
//! FOLDER/journal       signed events that are not settled yet
//! FOLDER/emergency-journal   what was opened by the emergency key, if there is one
//! ```
//!
//! Three steps: [`Identity::create`] draws the key, the network registers its public half in the
//! genesis, [`Identity::join`] makes the folder whole. From then on [`Identity::open`].

mod key;
mod next;
mod place;
mod vault;

use crate::context::{Context, NoRandomness, System, random};
use crate::error::SdkError;
use crate::journal::{Journal, JournalError, Pending};
use crate::keeping::KeepingError;
use medanchor_ledger::event::{Event, EventBody, UnsignedEvent};
use medanchor_ledger::genesis::{Genesis, GenesisError};
use medanchor_ledger::policy::{Policy, PolicyError};
use medanchor_ledger::signature::{PublicKey, Signature, SigningKey};
use medanchor_ledger::{EventId, NetworkId, Nonce, ParticipantName, Time};
use medanchor_vault::{Vault, VaultError};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long a new event may wait to be anchored: the ledger allows 15 minutes after block time, and
/// the clocks may differ a little.
pub const VALIDITY_MILLIS: u64 = 10 * 60 * 1000;
/// The largest genesis, policy or name file that is read.
const MAX_FILE: u64 = 16 << 20;

/// Why an identity cannot be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The system refused.
    #[error("cannot use {path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than the owner may read or change the key.
    #[error("others can read the key file {path} (mode {mode:03o}); close it with `chmod 600 {path}`, and replace the key if somebody may have read it", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file does not hold what it should.
    #[error("{path} does not hold {what}; restore it from the back-up", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The folder belongs to another participant or network already.
    #[error("{path} belongs to {what} already; use another folder", path = path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
        /// To whom it belongs.
        what: String,
    },
    /// The genesis cannot be read.
    #[error("the genesis cannot be used: {0}")]
    Genesis(#[from] GenesisError),
    /// The network does not know the participant with this key.
    #[error(
        "the genesis does not register {participant} with the key of this folder; have the public key registered first"
    )]
    NotRegistered {
        /// The participant.
        participant: ParticipantName,
    },
    /// The policy cannot be read.
    #[error("the policy cannot be used: {0}")]
    Policy(#[from] PolicyError),
    /// The vault cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// How the vault is kept cannot be used.
    #[error(transparent)]
    Keeping(#[from] KeepingError),
    /// A fresh key was not drawn, or what the old one left was not destroyed to the end.
    #[error("the institution key was not renewed to the end: {0}; run it again")]
    NotRenewed(VaultError),
    /// What is to protect the key cannot be used; the vault is as it was.
    #[error("the new protection cannot be used, and the old one stays: {0}")]
    NotProtected(VaultError),
    /// The key is protected as it is to be; its predecessor may be left.
    #[error(
        "the institution key is protected so from now on, but the old one may not be destroyed: {0}. Destroy its file or the token's key by hand"
    )]
    OldKey(VaultError),
    /// The payloads are not where the file says.
    #[error(
        "{path}: payloads.place: the payloads of this vault are in {are}, not in {said}; move them with `medanchor vault payloads`, or correct the file", path = path.display()
    )]
    Misplaced {
        /// The file.
        path: PathBuf,
        /// Where they are.
        are: String,
        /// Where the file says they are.
        said: String,
    },
    /// A change of how the vault is kept was cut off, and what it left opens in neither way.
    #[error(
        "a change of how the vault is kept was cut off. As vault.toml says it does not open: {now}. As vault.toml.next says it does not either: {next}. Make the file or token that one of them names available, and try again"
    )]
    CutOff {
        /// Why not as before the change.
        now: Box<Self>,
        /// Why not as after it.
        next: Box<Self>,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

impl IdentityError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// A participant that can seal and sign.
pub struct Identity {
    folder: PathBuf,
    participant: ParticipantName,
    network: NetworkId,
    began: Time,
    policy: Policy,
    key: SigningKey,
    vault: Vault,
    journal: Mutex<Journal>,
    /// Held while the emergency journal's file is open.
    emergency: Mutex<()>,
    context: Arc<dyn Context>,
}

impl Identity {
    /// Makes the folder and draws the signing key. Gives the public key that the network has to
    /// register for the participant. Called again for the same participant, it gives the same key.
    ///
    /// # Errors
    /// [`IdentityError::Taken`] if the folder is another participant's, and failures of the system.
    pub fn create(
        folder: &Path,
        participant: &ParticipantName,
    ) -> Result<PublicKey, IdentityError> {
        std::fs::create_dir_all(folder).map_err(|source| IdentityError::io(folder, source))?;
        close_to_others(folder)?;
        let (name, key_path) = (folder.join("participant"), folder.join("key"));
        if key_path.exists() {
            let found = read_participant(&name)?;
            if found != *participant {
                return Err(IdentityError::Taken {
                    path: folder.to_owned(),
                    what: found.to_string(),
                });
            }
            return Ok(key::read(&key_path)?.public_key());
        }
        write_new(&name, format!("{participant}\n").as_bytes())?;
        Ok(key::create(&key_path, &System)?.public_key())
    }

    /// Makes the folder whole: notes the network's genesis and its policy and makes the vault.
    ///
    /// # Errors
    /// [`IdentityError::Taken`] if it belongs to another network, [`IdentityError::NotRegistered`] if
    /// the genesis does not name the participant with the folder's key, and failures of the system.
    pub fn join(folder: &Path, genesis: &[u8]) -> Result<(), IdentityError> {
        let decoded = Genesis::decode(genesis)?;
        let participant = read_participant(&folder.join("participant"))?;
        let key = key::read(&folder.join("key"))?.public_key();
        let registered = decoded.spec().participants.get(&participant);
        if registered.is_none_or(|participant| participant.registered(&key.id()).is_none()) {
            return Err(IdentityError::NotRegistered { participant });
        }
        let path = folder.join("genesis");
        if path.exists() && read_bounded(&path)? != genesis {
            return Err(IdentityError::Taken {
                path: folder.to_owned(),
                what: "another network".into(),
            });
        }
        write_new(&path, genesis)?;
        write_new(&folder.join("policy"), decoded.policy().as_bytes())?;
        if !folder.join("vault").exists() {
            vault::make(folder, decoded.network_id())?;
        }
        Ok(())
    }

    /// Opens the folder.
    ///
    /// # Errors
    /// [`IdentityError`] names the file that is missing, damaged, open to others or in use.
    pub fn open(folder: &Path) -> Result<Self, IdentityError> {
        Self::open_with(folder, Arc::new(System))
    }

    /// Opens the folder with a clock and a random source of the caller's.
    ///
    /// # Errors
    /// As [`Identity::open`].
    pub fn open_with(folder: &Path, context: Arc<dyn Context>) -> Result<Self, IdentityError> {
        let genesis = Genesis::decode(&read_bounded(&folder.join("genesis"))?)?;
        let network = genesis.network_id();
        Ok(Self {
            participant: read_participant(&folder.join("participant"))?,
            network,
            began: genesis.spec().time,
            policy: Policy::parse(&read_bounded(&folder.join("policy"))?)?,
            key: key::read(&folder.join("key"))?,
            vault: vault::open(folder, network)?.vault,
            journal: Mutex::new(Journal::open(&folder.join("journal"), id_of)?),
            emergency: Mutex::new(()),
            folder: folder.to_owned(),
            context,
        })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Who signs.
    #[must_use]
    pub const fn participant(&self) -> &ParticipantName {
        &self.participant
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// When the network began, by its genesis.
    #[must_use]
    pub const fn began(&self) -> Time {
        self.began
    }

    /// Whose signatures make a receipt trustworthy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The public half of the signing key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// The vault, for what this crate has no words for.
    #[must_use]
    pub const fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) const fn emergency(&self) -> &Mutex<()> {
        &self.emergency
    }

    pub(crate) fn context(&self) -> &Arc<dyn Context> {
        &self.context
    }

    /// The events that were signed to be posted and are not settled, in the order of signing.
    #[must_use]
    pub fn unsettled(&self) -> Vec<Pending> {
        self.journal().pending()
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        // The journal refuses all work after a failure of its own; a panic elsewhere spoils nothing.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs a statement of this participant, to be anchored within ten minutes.
    ///
    /// # Errors
    /// [`SdkError`] if it is too long or the system gives no randomness.
    pub fn sign(&self, body: impl Into<EventBody>) -> Result<Event, SdkError> {
        self.sign_until(body, self.context.now().plus_millis(VALIDITY_MILLIS))
    }

    /// Signs a statement that may be anchored at a block time from 15 minutes before `not_after` up to
    /// it.
    ///
    /// # Errors
    /// [`SdkError`] if it is too long or the system gives no randomness.
    pub fn sign_until(
        &self,
        body: impl Into<EventBody>,
        not_after: Time,
    ) -> Result<Event, SdkError> {
        let event = UnsignedEvent {
            issuer: self.participant.clone(),
            network: self.network,
            nonce: Nonce::new(random(self.context.as_ref())?),
            not_after,
            body: body.into(),
        };
        Ok(event.sign(&self.key)?)
    }

    /// Signs bytes that begin with a domain of their own, which no event and no statement has.
    pub(crate) fn sign_bytes(&self, bytes: &[u8]) -> Signature {
        self.key.sign(bytes)
    }

    /// Signs a statement for one counterpart over the TLS channel of `own`.
    ///
    /// # Errors
    /// [`SdkError::Randomness`].
    #[cfg(feature = "client")]
    pub fn state_to(
        &self,
        to: &ParticipantName,
        own: &crate::direct::Certificate,
        ask: crate::direct::Ask,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, SdkError> {
        let statement = crate::direct::Statement {
            network: self.network,
            from: self.participant.clone(),
            to: to.clone(),
            channel: own.key_hash(),
            time: self.context.now(),
            nonce: Nonce::new(random(self.context.as_ref())?),
            ask,
            body,
        };
        Ok(statement.sign(&self.key))
    }

    /// 16 bytes that stand for `name` in this institution's `domain`: always the same, and nobody
    /// without the vault can link them to the name.
    pub(crate) fn handle(&self, domain: &str, name: &str) -> [u8; 16] {
        self.vault.handle(domain, name)
    }

    /// 32 secret bytes that stand for `name`: as good as stored, because the vault's root is.
    pub(crate) fn seed(&self, domain: &str, name: &str) -> zeroize::Zeroizing<[u8; 32]> {
        let mut seed = zeroize::Zeroizing::new([0; 32]);
        let (first, second) = seed.split_at_mut(16);
        first.copy_from_slice(&self.handle(&format!("{domain}/1"), name));
        second.copy_from_slice(&self.handle(&format!("{domain}/2"), name));
        seed
    }
}

fn id_of(event: &[u8]) -> Option<EventId> {
    Event::decode(event).ok().map(|event| event.id())
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let io = |source| IdentityError::io(path, source);
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(io)?
        .take(MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    Ok(bytes)
}

fn read_participant(path: &Path) -> Result<ParticipantName, IdentityError> {
    let bytes = read_bounded(path)?;
    let text = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.strip_suffix('\n'));
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| IdentityError::Content {
            path: path.to_owned(),
            what: "a participant's name",
        })
}

/// Writes a file aside and renames it into place, so that no crash leaves half of it.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    let aside = path.with_extension("new");
    let write = || {
        let mut file = File::create(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&aside, path)?;
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|source| IdentityError::io(path, source))
}

#[cfg(unix)]
fn close_to_others(folder: &Path) -> Result<(), IdentityError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
        .map_err(|source| IdentityError::io(folder, source))
}

#[cfg(not(unix))]
fn close_to_others(_: &Path) -> Result<(), IdentityError> {
    Ok(())
}

#[cfg(test)]
mod tests;
