//! `medanchor vault protect` and `rotate`, and the same of `medanchor custodian`: what protects the institution
//! key, and a fresh one.

use crate::direct;
use crate::direct::home::{Part, ServiceHome};
use crate::exit::{Exit, Fatal};
use crate::output::say;
use medanchor_sdk::keeping::{KeyProtection, SecretAt};
use medanchor_sdk::{Identity, IdentityError};
use medanchor_vault::VaultError;
use std::path::{Path, PathBuf};

/// Put the institution key under a passphrase or into a token, or take it out again
///
/// Draws a fresh institution key, protected so, wraps every secret of the vault anew, destroys the old
/// key, and notes in HOME/identity/vault.toml how the vault opens from now on. No payload is touched. Stop
/// `medanchor vault serve`, or the application that embeds this identity, and start it again afterwards:
/// it reads the passphrase, or the PIN, at its start.
///
/// Run it again after a failure or a crash. Run again when all is done, it changes nothing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  medanchor vault protect --home north-hospital --passphrase-file /media/safe/passphrase
  medanchor vault protect --home north-hospital --token-module /usr/lib/softhsm/libsofthsm2.so \\
      --token-label hospital --pin-file /media/safe/pin
  medanchor vault protect --home north-hospital --none

Another passphrase goes into another file: the old one opens the vault a last time. A passphrase has
12 characters or more; nobody recovers a lost one. Destroy back-ups of the old institution.key.

Exit codes: 0 it is protected so; 1 it is not, or not yet: run it again; 2 wrong usage; 11 the
identity cannot be used, by the passphrase that it has now, say; 12 another process holds it; 16 the
new passphrase, token or PIN cannot be used. With 2, 11, 12 and 16 nothing has changed.")]
pub struct Protect {
    /// The participant's home, with identity/
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
}

/// Put the key that wraps this custodian's shares under a passphrase or into a token, or take it out again
///
/// As `medanchor vault protect` does for an institution's records, whose identity has a vault of its own:
/// draws a fresh key, wraps every share anew, destroys the old key, and notes in HOME/custodian/vault.toml
/// how the store opens. Stop the custodian, and start it again afterwards.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor custodian protect --home archive --passphrase-file /media/safe/passphrase

Exit codes: 0 it is protected so; 1 it is not, or not yet: run it again; 2 wrong usage;
10 vault.toml cannot be used; 11 the identity cannot be used; 12 another process holds it; 15 a file
of the store is damaged; 16 the passphrase, token or PIN, the old or the new one, cannot be used.")]
pub struct ProtectStore {
    /// The custodian's home, with identity/ and custodian/
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
}

/// Give this custodian's store a fresh key under the protection that it has
///
/// Back-ups of the store, made before, do not open with the fresh key: destroy those of the old
/// institution.key. After a failure or a crash, run it again.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor custodian rotate --home archive

Exit codes: 0 done; 1 it did not end: run it again; 2 wrong usage; 10 vault.toml cannot be used;
11 the identity cannot be used; 12 another process holds it; 15 a file of the store is damaged;
16 the passphrase, token or PIN cannot be used.")]
pub struct RotateStore {
    /// The custodian's home, with identity/ and custodian/
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
}

/// What leaves no room for a token: what would only be required beside another is not asked for then.
const NO_TOKEN: [&str; 3] = ["passphrase_file", "passphrase_env", "none"];

/// What is to protect a key.
#[derive(clap::Args)]
struct Wanted {
    #[command(flatten)]
    by: By,
    /// The label of the token in which the key is drawn
    #[arg(long, value_name = "TEXT", requires = "token_module", conflicts_with_all = NO_TOKEN)]
    token_label: Option<String>,
    /// A file with the PIN of the token's user in its first line
    #[arg(long, value_name = "FILE", requires = "token_module", conflicts_with_all = NO_TOKEN)]
    pin_file: Option<PathBuf>,
    /// Or a variable of the environment with it
    #[arg(
        long,
        value_name = "NAME",
        requires = "token_module",
        conflicts_with = "pin_file",
        conflicts_with_all = NO_TOKEN
    )]
    pin_env: Option<String>,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct By {
    /// A file with the passphrase in its first line, which its owner alone can read
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// A variable of the environment with the passphrase
    #[arg(long, value_name = "NAME")]
    passphrase_env: Option<String>,
    /// The PKCS#11 module of a token's maker (a build with the feature pkcs11)
    #[arg(long, value_name = "FILE", requires = "token_label")]
    token_module: Option<PathBuf>,
    /// No protection: whoever reads institution.key has the key
    #[arg(long)]
    none: bool,
}

/// Give the vault a fresh institution key under the protection that it has
///
/// Back-ups of the vault's wrapped keys, made before, do not open with the fresh key. `medanchor vault
/// erase` does so by itself. No payload is touched; after a failure or a crash, run it again.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor vault rotate --home north-hospital

Exit codes: 0 done; 1 it did not end: run it again; 2 wrong usage; 11 the identity cannot be used;
12 another process holds it. With 2, 11 and 12 nothing has changed.")]
pub struct Rotate {
    /// The participant's home, with identity/
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
}

/// Protects the institution key.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn protect(asked: &Protect) -> Result<Exit, Fatal> {
    let next = asked.wanted.next()?;
    let changed = Identity::protect_vault(&identity(&asked.home), &next).map_err(not_done)?;
    told("vault", changed, &next)
}

/// Protects the key of a custodian's store.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn protect_store(asked: &ProtectStore) -> Result<Exit, Fatal> {
    let next = asked.wanted.next()?;
    let (home, identity) = custodian(&asked.home)?;
    let changed = direct::protect_store(&home, identity.network(), &next)?;
    told("custodian", changed, &next)
}

fn told(of: &str, changed: bool, next: &KeyProtection) -> Result<Exit, Fatal> {
    let name = next.name();
    match changed {
        true => say(format_args!(
            "{of}: a fresh institution key, protected by {name}; destroy back-ups of the old institution.key"
        ))?,
        false => say(format_args!(
            "{of}: the institution key is protected by {name}, as it was; `medanchor {of} rotate` draws a fresh one"
        ))?,
    }
    Ok(Exit::Success)
}

/// A custodian's home, and its identity, which nobody else has open then.
fn custodian(home: &Path) -> Result<(ServiceHome, Identity), Fatal> {
    let home = ServiceHome::new(home, Part::Custodian);
    let identity = Identity::open(&home.identity())?;
    Ok((home, identity))
}

/// Draws a fresh key for a custodian's store.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn rotate_store(asked: &RotateStore) -> Result<Exit, Fatal> {
    let (home, identity) = custodian(&asked.home)?;
    direct::renew_store_key(&home, identity.network())?;
    say(format_args!(
        "custodian: a fresh institution key; destroy back-ups of the old institution.key"
    ))?;
    Ok(Exit::Success)
}

/// Draws a fresh institution key.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn rotate(asked: &Rotate) -> Result<Exit, Fatal> {
    Identity::renew_vault_key(&identity(&asked.home)).map_err(not_done)?;
    say(format_args!(
        "vault: a fresh institution key; destroy back-ups of the old institution.key"
    ))?;
    Ok(Exit::Success)
}

pub(super) fn identity(home: &Path) -> PathBuf {
    home.join("identity")
}

pub(super) fn not_done(error: IdentityError) -> Fatal {
    match &error {
        IdentityError::NotProtected(_) => Fatal::new(Exit::Keys, error.to_string()),
        IdentityError::OldKey(_)
        | IdentityError::NotRenewed(_)
        | IdentityError::Vault(VaultError::Payload(_)) => {
            Fatal::new(Exit::Failure, error.to_string())
        }
        _ => error.into(),
    }
}

/// A path as a file must say it: from the root on.
pub(super) fn from_the_root(path: &Path) -> Result<PathBuf, Fatal> {
    std::path::absolute(path)
        .map_err(|error| Fatal::new(Exit::Usage, format!("{}: {error}", path.display())))
}

fn secret_at(file: Option<&Path>, variable: Option<&String>) -> Result<Option<SecretAt>, Fatal> {
    match (file, variable) {
        (Some(file), _) => Ok(Some(SecretAt::File(from_the_root(file)?))),
        (None, variable) => Ok(variable.cloned().map(SecretAt::Environment)),
    }
}

impl Wanted {
    /// What is to be, whose secret must be there before anything is changed.
    fn next(&self) -> Result<KeyProtection, Fatal> {
        let next = self.named()?;
        let fetched = next.fetch();
        fetched.map_err(|error| Fatal::new(Exit::Keys, error.to_string()))?;
        Ok(next)
    }

    fn named(&self) -> Result<KeyProtection, Fatal> {
        let by = &self.by;
        let passphrase = secret_at(by.passphrase_file.as_deref(), by.passphrase_env.as_ref())?;
        if let Some(at) = passphrase {
            return Ok(KeyProtection::Passphrase(at));
        }
        let Some(module) = by.token_module.as_deref() else {
            return Ok(KeyProtection::Nothing);
        };
        let pin = secret_at(self.pin_file.as_deref(), self.pin_env.as_ref())?;
        Ok(KeyProtection::Token {
            module: from_the_root(module)?,
            label: self.token_label.clone().unwrap_or_default(),
            pin: pin.ok_or_else(|| {
                Fatal::new(
                    Exit::Usage,
                    "name the file with the token's PIN: --pin-file",
                )
            })?,
        })
    }
}
