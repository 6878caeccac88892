//! Who an application acts as: a folder with a signing key, a network, a vault and a journal.
//!
//! What always holds: the folder belongs to one participant of one network; its signing key is made
//! in it and never leaves it; one process at a time has it open, because the vault is locked.
//!
//! | in the folder | what it is | back-up |
//! |---|---|---|
//! | `participant`, `genesis`, `policy` | the participant's name, which network, whose signatures make a receipt trustworthy | yes |
//! | `key` | the signing key, readable by its owner alone | yes, apart from the rest |
//! | `next-key` | the one that takes its place once the ledger names it, if there is one | as `key` |
//! | `former-keys` | public halves of the keys before, if there were any | yes |
//! | `vault/` | sealed payloads and wrapped keys | payloads yes, `keys` as docs/vault.md says |
//! | `vault.toml`, `payloads.at` | how the vault is kept, if not in the usual way; the bucket that has the payloads | yes |
//! | `vault.toml.next` | how it is to be kept, while that changes | with `vault.toml`, or neither |
//! | `journal` | signed events that are not settled yet | needless: what is lost is signed anew |
//! | `emergency-journal` | what was opened by the emergency key, if there is one | yes, the newest alone |
//! | `emergency-journal.HASH` | one that was restored from the ledger since, as it stood before | yes |
//! | `deals/` | the shares of records that are on their way into custody | **no**: with k custodians' share keys they give S |
//! | `resharing/` | moves to other custodians that are not over | **no**: the same |
//! | `consents/` | what re-issues the consents that run on, sealed, by the last quarter that each covers | yes |
//! | `tickets/` | tickets of re-issues, to be handed over and removed; secrets | needless once handed over |
//! | `acknowledgements.redb` | what custodians acknowledged: evidence | yes, while nothing has the folder open |
//! | `retirements/`, `erasures/` | what custodians said that they destroyed | yes |
//! | `evidence/` | at a custodian: deals that do not fit | yes |
//!
//! `NAME.part` beside any of them is what a power cut left of one that was being written, and needless.
//!
//! Three steps: [`Identity::create`] draws the key, the network registers its public half in the
//! genesis, [`Identity::join`] makes the folder whole. From then on [`Identity::open`].

mod error;
mod former;
mod key;
mod next;
mod place;
mod vault;

pub use error::IdentityError;
pub use vault::PayloadsMoved;

use crate::context::{Context, System, random};
use crate::custody::Acknowledgements;
use crate::durable;
use crate::error::SdkError;
use crate::journal::{Journal, Pending};
use medanchor_ledger::event::{Event, EventBody, UnsignedEvent};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::policy::Policy;
use medanchor_ledger::signature::{PublicKey, Signature, SigningKey};
use medanchor_ledger::{EventId, NetworkId, Nonce, ParticipantName, Time};
use medanchor_vault::Vault;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long a new event may wait to be anchored: the ledger allows 15 minutes after block time, and
/// the clocks may differ a little.
pub const VALIDITY_MILLIS: u64 = 10 * 60 * 1000;
/// The largest genesis, policy or name file that is read.
const MAX_FILE: u64 = 16 << 20;

/// A participant that can seal and sign.
pub struct Identity {
    folder: PathBuf,
    participant: ParticipantName,
    network: NetworkId,
    began: Time,
    policy: Policy,
    key: SigningKey,
    // Both before the vault, so that they have written their last when the folder is free for others.
    journal: Mutex<Journal>,
    acknowledgements: Acknowledgements,
    vault: Vault,
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
        durable::make_folder(folder).map_err(|source| IdentityError::io(folder, source))?;
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
            acknowledgements: Acknowledgements::new(folder),
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

    pub(crate) const fn kept_acknowledgements(&self) -> &Acknowledgements {
        &self.acknowledgements
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
    let read = durable::read_bounded(path, MAX_FILE).and_then(|read| {
        let missing = || std::io::ErrorKind::NotFound.into();
        read.ok_or_else(missing)
    });
    read.map_err(|source| IdentityError::io(path, source))
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

/// Writes a file so that no crash leaves half of it.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    durable::write(path, bytes).map_err(|source| IdentityError::io(path, source))
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
