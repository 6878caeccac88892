//! `medanchor patient`: what a patient may ask of the ledger, and do with a key of their own.

mod approve;
mod card;
mod end;
mod history;

pub(super) use card::write_secret;

use crate::exit::{Exit, Fatal};
use medanchor_sdk::Identity;
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest text that is handed over.
const MAX_TEXT: u64 = 64 << 10;

/// List who opened a patient's records; make cards, enrol patients' keys, sign approvals and ends
#[derive(clap::Subcommand)]
pub enum Command {
    History(history::History),
    Card(card::Make),
    Key(card::Key),
    Enrol(card::Enrol),
    Approve(approve::Approve),
    End(end::End),
    AnchorEnd(end::AnchorEnd),
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
        Command::Approve(approve) => approve::run(approve),
        Command::End(asked) => end::end(asked),
        Command::AnchorEnd(asked) => end::anchor(asked),
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
    Ok(Identity::open(&folder)?)
}
