//! `medanchor patient`: what a patient may ask of the ledger, and do with a key of their own.

mod card;
mod history;

use crate::exit::{Exit, Fatal};
use medanchor_sdk::{Identity, IdentityError};
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest text that is handed over, and the longest PIN file.
const MAX_TEXT: u64 = 64 << 10;

/// What can be asked and done.
#[derive(clap::Subcommand)]
pub enum Command {
    /// List who opened a patient's records at one institution, proved complete
    History(history::History),
    /// Make a card with a fresh key, to be printed and given to the patient
    Card(card::Make),
    /// From a card, make what the patient hands to one institution
    Key(card::Key),
    /// At an institution, take the key that a patient brings
    Enrol(card::Enrol),
    /// With a card, approve a consent that an institution drafted
    Approve(card::Approve),
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(command: &Command) -> Result<Exit, Fatal> {
    match command {
        Command::History(asked) => history::run(asked),
        Command::Card(make) => card::make(make),
        Command::Key(key) => card::key(key),
        Command::Enrol(enrol) => card::enrol(enrol),
        Command::Approve(approve) => card::approve(approve),
    }
}

fn failed(path: &Path, cause: impl std::fmt::Display) -> Fatal {
    Fatal::new(Exit::Failure, format!("{}: {cause}", path.display()))
}

/// Reads a text that was handed over, without the white space around it.
fn read_text(path: &Path) -> Result<Zeroizing<String>, Fatal> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    let file = std::fs::File::open(path).map_err(|error| failed(path, error))?;
    file.take(MAX_TEXT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(path, error))?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(failed(path, "longer than any text that is handed over"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| failed(path, "it holds no text"))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// A node's home keeps its institution's identity in a folder of its own.
fn open_identity(home: &Path) -> Result<Identity, Fatal> {
    let inside = home.join("identity");
    let folder: PathBuf = if inside.is_dir() { inside } else { home.into() };
    Identity::open(&folder).map_err(no_identity)
}

pub(super) fn no_identity(error: IdentityError) -> Fatal {
    let exit = match &error {
        IdentityError::Vault(medanchor_vault::VaultError::Locked { .. }) => Exit::Locked,
        _ => Exit::Home,
    };
    Fatal::new(exit, error.to_string())
}
