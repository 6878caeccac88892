//! A custodian's home, and what an owner's service needs.
//!
//! ```text
//! HOME/identity/                   the participant's identity, made by `medanchor network new`
//! HOME/custodian/config.toml       where to listen, which nodes to ask
//! HOME/custodian/institution.key   what wraps the shares; back it up apart from the rest
//! HOME/custodian/vault.toml        what protects that key, if anything does
//! HOME/custodian/share-key         the key that shares are sealed to
//! HOME/custodian/tls.key, tls.crt  the key by which the service is known
//! HOME/custodian/store/            shares, the release log, and deals not known to be on the ledger
//! HOME/custodian/entry.toml        the entry for others' address books
//! HOME/custodian/address           where the running service listens
//! ```
//!
//! An owner's service has `HOME/vault-service/` with `config.toml`, `tls.key`, `tls.crt`, `entry.toml`
//! and `address`.

use crate::exit::{Exit, Fatal};
use medanchor_ledger::event::KemSuite;
use medanchor_vault::custody::OpeningKey;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Which of the two services a home is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A custodian.
    Custodian,
    /// The vault of an owner of records.
    Owner,
}

/// The paths of a service.
#[derive(Clone, Debug)]
pub struct ServiceHome {
    home: PathBuf,
    part: Part,
}

impl ServiceHome {
    /// The service of that part in a participant's home.
    #[must_use]
    pub fn new(home: &Path, part: Part) -> Self {
        Self {
            home: home.into(),
            part,
        }
    }

    /// Which part.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }

    /// The participant's identity.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.home.join("identity")
    }

    /// The service's own folder.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.home.join(match self.part {
            Part::Custodian => "custodian",
            Part::Owner => "vault-service",
        })
    }

    /// `config.toml`.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder().join("config.toml")
    }

    /// `share-key`.
    #[must_use]
    pub fn share_key(&self) -> PathBuf {
        self.folder().join("share-key")
    }

    /// `institution.key`.
    #[must_use]
    pub fn institution_key(&self) -> PathBuf {
        self.folder().join("institution.key")
    }

    /// `store/`.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder().join("store")
    }

    /// `entry.toml`.
    #[must_use]
    pub fn entry(&self) -> PathBuf {
        self.folder().join("entry.toml")
    }

    /// `address`.
    #[must_use]
    pub fn address(&self) -> PathBuf {
        self.folder().join("address")
    }
}

const LABEL: &str = "medanchor-share-key-v1 x25519 ";

fn fatal(path: &Path, what: impl std::fmt::Display) -> Fatal {
    Fatal::new(Exit::Keys, format!("{}: {what}", path.display()))
}

/// The custodian's share key; a fresh one if there is none.
pub(super) fn share_key(path: &Path) -> Result<OpeningKey, Fatal> {
    if !path.exists() {
        let key = OpeningKey::generate(KemSuite::X25519).map_err(|e| fatal(path, e))?;
        let text = Zeroizing::new(format!("{LABEL}{}\n", hex::encode(key.expose().as_slice())));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let written = options.open(path).and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
        });
        written.map_err(|e| fatal(path, e))?;
    }
    read_share_key(path)
}

pub(super) fn read_share_key(path: &Path) -> Result<OpeningKey, Fatal> {
    let file = File::open(path).map_err(|e| fatal(path, e))?;
    let mode = file
        .metadata()
        .map_err(|e| fatal(path, e))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(fatal(
            path,
            "others can read it; run chmod 600 on it, and consider the key known",
        ));
    }
    let mut text = Zeroizing::new(String::with_capacity(128));
    file.take(128)
        .read_to_string(&mut text)
        .map_err(|e| fatal(path, e))?;
    parse(&text).ok_or_else(|| fatal(path, "it holds no share key; restore it from its back-up"))
}

fn parse(text: &str) -> Option<OpeningKey> {
    let digits = text.strip_prefix(LABEL)?.strip_suffix('\n')?;
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, secret.as_mut()).ok()?;
    OpeningKey::decode(KemSuite::X25519, &secret).ok()
}
