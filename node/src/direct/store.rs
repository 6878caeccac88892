//! A custodian's store, its key kept as `vault.toml` in the custodian's folder says, and how that changes.
//!
//! What always holds: whoever opens or changes the store has the participant's identity open, so there is
//! one at a time; the rest is what `medanchor_sdk::keeping::KeptIn` promises.

use super::home::ServiceHome;
use crate::exit::{Exit, Fatal};
use medanchor_ledger::NetworkId;
use medanchor_sdk::keeping::{Keeping, KeepingError, KeptIn, KeyProtection, NotOpened, PayloadsAt};
use medanchor_vault::custody::{Custodian, CustodianError, OpeningKey};
use medanchor_vault::{Protection, VaultError, key_file};
use std::path::Path;

/// An open store, and how its key is kept.
pub(super) struct Kept {
    pub(super) store: Custodian,
    key: KeyProtection,
    protection: Protection,
}

fn fatal(exit: Exit, error: impl std::fmt::Display) -> Fatal {
    Fatal::new(exit, error.to_string())
}

fn of_store(error: &CustodianError) -> Fatal {
    let exit = match error {
        CustodianError::Store(error) => match **error {
            VaultError::KeyFile(_) | VaultError::Keeper(_) => Exit::Keys,
            VaultError::Io { .. } => Exit::Failure,
            _ => Exit::Damaged,
        },
        _ => Exit::Damaged,
    };
    fatal(exit, error)
}

/// What a file says of the key, and what that takes.
fn read(said_by: &Path) -> Result<(KeyProtection, Protection), Fatal> {
    let config = |error: KeepingError| fatal(Exit::Config, error);
    let keeping = Keeping::read(said_by).map_err(config)?;
    if keeping.payloads != PayloadsAt::Folder {
        let what = "payloads: a custodian has none; take it out";
        return Err(fatal(
            Exit::Config,
            format!("{}: {what}", said_by.display()),
        ));
    }
    let settings = keeping.fetch(said_by).map_err(|e| fatal(Exit::Keys, e))?;
    Ok((keeping.key, settings.protection))
}

/// Opens the store, and ends or undoes a change of its protection that was cut off.
pub(super) fn open(home: &ServiceHome, network: NetworkId) -> Result<Kept, Fatal> {
    let (folder, key_file) = (home.store(), home.institution_key());
    let open = |said_by: &Path| {
        let (key, protection) = read(said_by)?;
        let store = Custodian::open_by(&folder, &key_file, network, &protection);
        Ok(Kept {
            store: store.map_err(|error| of_store(&error))?,
            key,
            protection,
        })
    };
    let home = home.folder();
    KeptIn(&home).open(open, |_: &Fatal| false).map_err(|error| match error {
        NotOpened::Now(error) => error,
        NotOpened::CutOff(now, next) => Fatal::new(
            now.exit,
            format!(
                "a change of the store's protection was cut off. As vault.toml says it does not open: {now}. As vault.toml.next says it does not either: {next}. Make the file or token that one of them names available, and try again"
            ),
        ),
        NotOpened::Files(error) => fatal(Exit::Failure, error),
    })
}

/// Makes what a custodian needs besides its identity; what is there is left as it is.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn make_store(home: &ServiceHome, network: NetworkId) -> Result<OpeningKey, Fatal> {
    let folder = home.folder();
    let (_, protection) = read(&KeptIn(&folder).now())?;
    if !home.institution_key().exists() {
        key_file::create(&home.institution_key(), &protection).map_err(|e| fatal(Exit::Keys, e))?;
    }
    let key =
        key_file::unlock(&home.institution_key(), &protection).map_err(|e| fatal(Exit::Keys, e))?;
    if !home.store().join("releases").exists() {
        let keys = home.store().join("keys");
        if keys.exists() {
            // It may hold shares whose log was lost: never to be removed by a program.
            let store = home.store();
            let what = format!(
                "{} has keys and no release log; restore the log, or remove the folder if nothing was ever dealt to this custodian",
                store.display()
            );
            return Err(Fatal::new(Exit::Damaged, what));
        }
        std::fs::create_dir_all(home.store()).map_err(|e| fatal(Exit::Failure, e))?;
        Custodian::create_kept(&home.store(), key, network).map_err(|e| fatal(Exit::Failure, e))?;
    }
    super::home::share_key(&home.share_key())
}

fn rotate(
    home: &ServiceHome,
    network: NetworkId,
    now: &Protection,
    next: &Protection,
) -> Result<(), CustodianError> {
    let (folder, key_file) = (home.store(), home.institution_key());
    Custodian::rotate(&folder, &key_file, network, now, next).map(drop)
}

/// Gives the store a fresh key under the protection that there is. The caller has the identity open.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn renew_store_key(home: &ServiceHome, network: NetworkId) -> Result<(), Fatal> {
    let Kept {
        store, protection, ..
    } = open(home, network)?;
    drop(store);
    rotate(home, network, &protection, &protection).map_err(|error| {
        let what = format!("the store's key was not renewed to the end: {error}; run it again");
        Fatal::new(Exit::Failure, what)
    })
}

/// Gives the store a fresh key under another protection, and notes that in `vault.toml`; says whether there
/// was anything to change. The caller has the identity open.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn protect_store(
    home: &ServiceHome,
    network: NetworkId,
    next: &KeyProtection,
) -> Result<bool, Fatal> {
    let folder = home.folder();
    let files = KeptIn(&folder);
    let Kept {
        store,
        key,
        protection: now,
    } = open(home, network)?;
    drop(store);
    let failed = |error| fatal(Exit::Failure, error);
    if key == *next {
        let (store, key_file) = (home.store(), home.institution_key());
        let destroyed = Custodian::destroy_replaced_key(&store, &key_file, &now);
        return destroyed
            .map(|()| false)
            .map_err(|e| fatal(Exit::Failure, e));
    }
    let keeping = Keeping {
        key: next.clone(),
        ..Keeping::default()
    };
    let fetched = files.fetch(&keeping).map_err(|e| fatal(Exit::Keys, e))?;
    files.begin(&keeping).map_err(failed)?;
    match rotate(home, network, &now, &fetched.protection) {
        Ok(()) => files.end().map(|()| true).map_err(failed),
        // The next opening says which of the two it is now; so it is opened here.
        Err(error) => match open(home, network)?.key == *next {
            true => Err(fatal(
                Exit::Failure,
                format!(
                    "the store's key is protected so from now on, but the old one may not be destroyed: {error}"
                ),
            )),
            false => Err(fatal(
                Exit::Keys,
                format!("the new protection cannot be used, and the old one stays: {error}"),
            )),
        },
    }
}
