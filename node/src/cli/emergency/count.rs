//! The count of an emergency journal in the token that keeps its key.

use super::args::Token;
use super::{failed, identity, not_done, secret};
use crate::exit::{Exit, Fatal};
use crate::output::{complain, say};
use medanchor_sdk::Identity;
use medanchor_sdk::emergency::EmergencyError;
use medanchor_vault::{EmergencyKeeper, Marks, Protection, Tally, TokenLogin, VaultError};
use std::path::PathBuf;

/// Have the token that keeps the emergency key count the journal's entries from now on
///
/// `init` does so by itself. Of a key that was made in a token by an earlier release, or after a token
/// failed to count and was mended, this command does. The token is made to show that a mark can be neither
/// changed nor destroyed.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor vault emergency count --home net/north-hospital \\
      --token-module /usr/lib/softhsm/libsofthsm2.so --pin-file /media/safe/pin

Anchor the journal afterwards: the ledger, and every patient's list, then say where the key is kept.

Exit codes: 0 it counts; 1 it does not, or the journal is not the one that it has counted; 2 wrong
usage; 11 the identity cannot be used; 12 it is in use; 16 the PIN, or its file, is wrong.")]
pub struct Count {
    /// The participant's home, with identity/
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    #[command(flatten)]
    token: Token,
}

/// The token that counts the journal.
#[derive(clap::Args)]
pub struct Counting {
    /// The PKCS#11 module of the token that counts the journal: what it has counted is held against the
    /// journal
    #[arg(long, value_name = "FILE")]
    token_module: Option<PathBuf>,
    /// A file with the PIN of the token's user in its first line; a token that lets anybody read its marks
    /// needs none
    #[arg(long, value_name = "FILE", requires = "token_module")]
    pin_file: Option<PathBuf>,
}

impl Counting {
    /// What the token has counted, if one is named: without its PIN to be read only.
    pub(super) fn marks(&self, identity: &Identity) -> Result<Option<Counted>, Fatal> {
        let Some(module) = &self.token_module else {
            return Ok(None);
        };
        let refused = |error: VaultError| not_done(error.into());
        let Some(pin) = &self.pin_file else {
            let tally = identity.vault().emergency_tally(module).map_err(refused)?;
            return Ok(Some(Counted::Alone(Box::new(tally))));
        };
        let login = Protection::Token(TokenLogin {
            module: module.clone(),
            label: String::new(),
            pin: secret(pin)?.as_str().into(),
        });
        let keeper = identity.vault().unlock_emergency(&login);
        Ok(Some(Counted::LoggedIn(keeper.map_err(refused)?)))
    }
}

/// A count that can be read, or gone on with.
pub(super) enum Counted {
    Alone(Box<dyn Tally>),
    LoggedIn(EmergencyKeeper),
}

impl Counted {
    pub(super) fn tally(&self) -> Result<&dyn Tally, Fatal> {
        match self {
            Self::Alone(tally) => Ok(&**tally),
            Self::LoggedIn(keeper) => keeper.tally().ok_or_else(not_in_a_token),
        }
    }

    /// The count as it can be gone on with.
    pub(super) fn writable(&self) -> Result<&dyn Tally, Fatal> {
        match self {
            Self::Alone(_) => Err(failed(
                "what is lost is marked in the token: name the file with its PIN, too: --pin-file",
            )),
            Self::LoggedIn(_) => self.tally(),
        }
    }
}

fn not_in_a_token() -> Fatal {
    failed("the emergency key is in no token, so nothing counts its journal")
}

pub(super) fn count(asked: &Count) -> Result<Exit, Fatal> {
    let identity = identity(&asked.home)?;
    let login = asked.token.login()?.ok_or_else(not_in_a_token)?;
    let keeper = identity.vault().unlock_emergency(&Protection::Token(login));
    let keeper = keeper.map_err(|error| not_done(error.into()))?;
    let tally = keeper.tally().ok_or_else(not_in_a_token)?;
    let marks = identity.count_emergencies(tally).map_err(not_done)?;
    tell(marks)?;
    Ok(match marks {
        Marks::Vanish => Exit::Failure,
        _ => Exit::Success,
    })
}

/// Says what the token does with marks, and so how the journal is stated.
pub(super) fn tell(marks: Marks) -> Result<(), Fatal> {
    let said = match marks {
        Marks::StayInHardware => {
            "the token counts the journal's entries: a mark could be neither changed nor destroyed. The journal is stated with a key in a token; who has the PIN can still open records by other software, and patients' lists say so"
        }
        Marks::StayInSoftware => {
            "the token counts the journal's entries: a mark could be neither changed nor destroyed. But it says that it is software, and whoever puts a copy of its files back undoes the count: the journal is stated with a key in a file"
        }
        Marks::Vanish => {
            "the token let a mark be changed or destroyed, so it cannot count the journal's entries: the journal is stated with a key in a file"
        }
    };
    Ok(say(format_args!("{said}"))?)
}

/// Writes down as lost what the token has counted and the journal lacks.
pub(super) fn lose(identity: &Identity, protection: &Protection) -> Result<(), Fatal> {
    let lost = identity.lose_emergencies(protection).map_err(not_done)?;
    if lost > 0 {
        complain(format_args!(
            "{lost} entries of the journal are LOST: the ledger and every patient's list will say so"
        ));
    }
    Ok(())
}

/// Holds the journal against its token, if one is named; gives a line for `status`.
pub(super) fn check(identity: &Identity, counted: Option<&Counted>) -> Result<String, CountFailed> {
    let Some(counted) = counted else {
        return Ok("token   not asked: name it with --token-module\n".into());
    };
    let tally = counted.tally().map_err(CountFailed::Other)?;
    let newest = identity
        .check_emergency_count(tally)
        .map_err(CountFailed::Count)?;
    Ok(newest.map_or_else(
        || "token   counts nothing: `medanchor vault emergency count`\n".into(),
        |newest| format!("token   counted up to entry {newest}\n"),
    ))
}

/// Why the journal was not found to be the one that the token has counted.
pub(super) enum CountFailed {
    Count(EmergencyError),
    Other(Fatal),
}

impl From<CountFailed> for Fatal {
    fn from(failed: CountFailed) -> Self {
        match failed {
            CountFailed::Count(error) => not_done(error),
            CountFailed::Other(fatal) => fatal,
        }
    }
}
