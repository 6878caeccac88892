//! `medanchor vault erase`: a record's end.

use super::institution::Institution;
use crate::exit::{Exit, Fatal};
use crate::output::{PrintError, complain, say};
use medanchor_ledger::RecordHandle;
use medanchor_ledger::event::{Destroyed, ErasureReason};
use medanchor_sdk::Identity;
use medanchor_sdk::custody::{Erased, ErasureError, ErasureStep, NewErasure};
use std::io::{IsTerminal, stdin};

/// What whoever confirms has to type.
const WORD: &str = "erase";

/// Erase a record, all its versions, for ever
///
/// Destroys this institution's part of the key, removes the sealed payload, says so on the ledger by a
/// signed event that commits to an erasure certificate, and has every custodian that ever held a share
/// destroy it. From then on every copy of the payload is noise and every request is denied. The log
/// still verifies. Nothing brings the record back.
///
/// Then the vault gets a fresh institution key: back-ups of the vault's wrapped keys, made before, do
/// not open with it. Back-ups of the old institution.key are yours to destroy: with one, a whole vault
/// from before and what unlocks its emergency key, a record that was wrapped for that key opens.
///
/// Custodians that cannot be reached do not stop the erasure, since their shares alone open nothing. They
/// are named, and running it again asks them again. After a crash, too, run it again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  medanchor vault erase --home north-hospital --record Observation/7
  medanchor vault erase --home north-hospital --reason retention --yes \\
      --record 5f0c29a1f3b7d2e84c1a90be7d62f013 \\
      --node http://127.0.0.1:8480 --book book.toml

Exit codes: 0 erased, and every custodian has confirmed; 1 erased, but a custodian has not
confirmed, or something went wrong: run it again; 2 wrong usage, not confirmed, or the ledger has no
such record; 11 the identity cannot be used; 12 another process holds it; 19 no node could be
reached, and this call has changed nothing.")]
pub struct Erase {
    #[command(flatten)]
    institution: Institution,
    /// The application's own id of the record, such as Observation/7, or its handle, 32 hex digits
    #[arg(long, value_name = "NAME|HANDLE")]
    record: String,
    /// Why; the ledger keeps it, and what it has when this is run again
    #[arg(long, value_enum, default_value_t = Reason::Subject)]
    reason: Reason,
    /// Do not ask whether it is meant
    #[arg(long)]
    yes: bool,
    /// Keep the institution key; for all but the last of many erasures in a row
    #[arg(long)]
    keep_key: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Reason {
    /// The subject asked for it
    Subject,
    /// The time for which it had to be kept is over
    Retention,
    /// It should not have been sealed
    Error,
    /// An authority ordered it
    Order,
}

impl From<Reason> for ErasureReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Subject => Self::SubjectRequest,
            Reason::Retention => Self::RetentionOver,
            Reason::Error => Self::SealedInError,
            Reason::Order => Self::Order,
        }
    }
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(asked: &Erase) -> Result<Exit, Fatal> {
    let sdk = asked.institution.open()?;
    let book = asked.institution.book()?;
    let own = Institution::certificate()?;
    let record = named(&sdk, &asked.record);
    say(format_args!("record {record} of {}", sdk.participant()))?;
    if !asked.yes && !is_meant()? {
        let what = format!("nothing was erased: type {WORD} when asked, or give --yes");
        return Err(Fatal::new(Exit::Usage, what));
    }
    let new = NewErasure {
        record,
        reason: asked.reason.into(),
    };
    let mut printed = Ok(());
    let erased = sdk.erase(&new, &book, &own, &mut |step| {
        // Who reads no more does not stop an erasure.
        printed = std::mem::replace(&mut printed, Ok(())).and_then(|()| tell(&step));
    });
    let erased = erased.map_err(not_erased)?;
    drop(sdk);
    printed?;
    if !asked.keep_key {
        let renewed = Identity::renew_vault_key(&asked.institution.identity());
        renewed.map_err(|error| {
            Fatal::new(Exit::Failure, format!("the record is erased, but {error}"))
        })?;
        say(format_args!(
            "vault: a fresh institution key; destroy back-ups of the old institution.key"
        ))?;
    }
    conclude(&erased)
}

/// 32 hex digits are a handle; anything else is the application's own id.
pub(super) fn named(identity: &Identity, record: &str) -> RecordHandle {
    record
        .parse()
        .unwrap_or_else(|_| identity.record_handle(record))
}

fn is_meant() -> Result<bool, Fatal> {
    if !stdin().is_terminal() {
        return Ok(false);
    }
    complain(format_args!(
        "All its versions will be unreadable for ever, to everybody. Type {WORD} to go on:"
    ));
    let mut line = String::new();
    let read = stdin().read_line(&mut line);
    read.map_err(|error| Fatal::new(Exit::Failure, error.to_string()))?;
    Ok(line.trim() == WORD)
}

fn tell(step: &ErasureStep<'_>) -> Result<(), PrintError> {
    match step {
        ErasureStep::VaultDestroyed(versions) => say(format_args!(
            "vault: keys of {versions} version(s) overwritten"
        )),
        ErasureStep::PayloadsRemoved => say(format_args!("vault: payloads removed")),
        ErasureStep::Anchored(event) => {
            say(format_args!("ledger: record.erase is anchored as {event}"))
        }
        ErasureStep::Confirmed(name, shares) => {
            say(format_args!("{name}: {shares} share(s) destroyed"))
        }
        ErasureStep::NotConfirmed(name, why) => say(format_args!("{name}: not confirmed: {why}")),
        ErasureStep::SharesAnchored => say(format_args!(
            "ledger: too few shares are left, and a certificate names who confirmed"
        )),
        _ => Ok(()),
    }
}

fn conclude(erased: &Erased) -> Result<Exit, Fatal> {
    let confirmed = erased.confirmed.len();
    if erased.missing.is_empty() {
        say(format_args!(
            "erased: nothing opens it any more; {confirmed} custodian(s) confirmed"
        ))?;
        return Ok(Exit::Success);
    }
    let names: Vec<&str> = erased
        .missing
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let shares = match erased.destroyed.contains(Destroyed::SHARES) {
        true => "too few shares are left at custodians either",
        false => "custodians may still hold shares, which open nothing alone",
    };
    say(format_args!(
        "erased: nothing opens it any more, and {shares}; not confirmed by {}: run it again once they can be reached",
        names.join(", ")
    ))?;
    Ok(Exit::Failure)
}

fn not_erased(error: ErasureError) -> Fatal {
    let exit = match &error {
        ErasureError::Standing(_) | ErasureError::Client(_) => Exit::Unreachable,
        ErasureError::NotOnLedger(_) => Exit::Usage,
        _ => Exit::Failure,
    };
    Fatal::new(exit, error.to_string())
}
