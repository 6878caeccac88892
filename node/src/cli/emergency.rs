//! `medanchor vault emergency`: open records of one's own while the network is cut, and say so afterwards.

mod args;
#[cfg(feature = "pkcs11")]
mod count;

pub use args::Emergency;

use super::out::Out;
use crate::exit::{Exit, Fatal};
use crate::output::{complain, say, say_text};
use args::{Anchor, Init, Locked, Nodes, Open, Status};
use medanchor_sdk::custody::StandingError;
use medanchor_sdk::emergency::{EmergencyError, EmergencyStanding, NewEmergency};
use medanchor_sdk::keeping::SecretAt;
use medanchor_sdk::{AnchorError, ClientError, Identity, Sdk};
use medanchor_vault::{Passphrase, Protection, VaultError};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(command: &Emergency) -> Result<Exit, Fatal> {
    match command {
        Emergency::Init(asked) => init(asked),
        Emergency::Open(asked) => open(asked),
        Emergency::Anchor(asked) => anchor(asked),
        Emergency::Status(asked) => status(asked),
        #[cfg(feature = "pkcs11")]
        Emergency::Count(asked) => count::count(asked),
    }
}

fn failed(what: impl std::fmt::Display) -> Fatal {
    Fatal::new(Exit::Failure, what.to_string())
}

fn not_done(error: EmergencyError) -> Fatal {
    use medanchor_sdk::SdkError;
    let exit = match &error {
        EmergencyError::Sdk(SdkError::Vault(VaultError::KeyFile(_))) => Exit::Keys,
        EmergencyError::Standing(StandingError::Client(ClientError::Unreachable(_)))
        | EmergencyError::Anchor(AnchorError::Client(ClientError::Unreachable(_))) => {
            Exit::Unreachable
        }
        _ => Exit::Failure,
    };
    Fatal::new(exit, error.to_string())
}

fn identity(home: &Path) -> Result<Identity, Fatal> {
    Ok(Identity::open(&home.join("identity"))?)
}

impl Locked {
    fn protection(&self) -> Result<Protection, Fatal> {
        #[cfg(feature = "pkcs11")]
        if let Some(login) = self.token.login()? {
            return Ok(Protection::Token(login));
        }
        let path = self.passphrase_file.as_deref();
        let path = path.ok_or_else(|| failed("name the file with the passphrase"))?;
        let passphrase = Passphrase::new(secret(path)?.as_str().into());
        Ok(Protection::Passphrase(passphrase))
    }
}

/// The secret in a file.
fn secret(file: &Path) -> Result<Zeroizing<String>, Fatal> {
    let fetched = SecretAt::File(file.into()).fetch();
    fetched.map_err(|error| Fatal::new(Exit::Keys, error.to_string()))
}

fn init(asked: &Init) -> Result<Exit, Fatal> {
    let protection = asked.locked.protection()?;
    let identity = identity(&asked.locked.home)?;
    let made = identity.make_counted_emergency_key(&protection);
    let marks = made.map_err(not_done)?;
    #[cfg(feature = "pkcs11")]
    marks.map(count::tell).transpose()?;
    #[cfg(not(feature = "pkcs11"))]
    let _ = marks;
    say(format_args!(
        "the emergency key is made; register its journal: medanchor vault emergency anchor --home {} --node URL",
        asked.locked.home.display()
    ))?;
    Ok(Exit::Success)
}

fn open(asked: &Open) -> Result<Exit, Fatal> {
    let protection = asked.locked.protection()?;
    let identity = identity(&asked.locked.home)?;
    let named = |name: &String| identity.record_handle(name);
    let record = asked.handle.or_else(|| asked.record.as_ref().map(named));
    let record = record.ok_or_else(|| failed("name a record"))?;
    let out = Out::new(asked.out.as_deref())?;
    let new = NewEmergency {
        record,
        version: asked.document_version,
        actor: &asked.actor,
        reason: &asked.reason,
    };
    #[cfg(feature = "pkcs11")]
    if asked.lost {
        count::lose(&identity, &protection)?;
    }
    let (slip, uncounted) = match out {
        Out::File(file) => {
            let opened = identity.open_in_emergency_into(&new, &protection, file);
            let opened = opened.map_err(not_done)?;
            (opened.slip, opened.uncounted)
        }
        Out::Standard => {
            let opened = identity.open_in_emergency(&new, &protection);
            let opened = opened.map_err(not_done)?;
            out.deliver(&opened.payload)?;
            (opened.slip, opened.uncounted)
        }
    };
    if let Some(why) = uncounted {
        complain(format_args!(
            "the token did NOT count this entry ({why}): the journal is stated with a key in a file from now on, which patients' lists say. When the token is mended: medanchor vault emergency count"
        ));
    }
    match slip {
        Some(slip) => complain(format_args!(
            "opened by the emergency key: entry {} of the journal. Anchor it when the network is back: medanchor vault emergency anchor\nkeep this slip with the record of care:\n{slip}",
            slip.counter
        )),
        None => complain(format_args!(
            "opened without the emergency key: the sealing of this record was cut off, and its key never left this vault. Seal it again when the network is back"
        )),
    }
    Ok(Exit::Success)
}

impl Nodes {
    fn sdk(&self) -> Result<Sdk, Fatal> {
        let sdk = Sdk::new(identity(&self.home)?, self.nodes.clone());
        let sdk = sdk.map_err(|error| Fatal::new(Exit::Usage, error.to_string()))?;
        match sdk.vault().has_emergency_key() {
            true => Ok(sdk),
            false if sdk.vault().lost_emergency_key() => {
                Err(failed(medanchor_vault::EmergencyError::Lost))
            }
            false => Err(failed(
                "there is no emergency key; make one with `medanchor vault emergency init`",
            )),
        }
    }
}

fn anchor(asked: &Anchor) -> Result<Exit, Fatal> {
    let sdk = asked.nodes.sdk()?;
    #[cfg(feature = "pkcs11")]
    let counted = asked.counting.marks(&sdk)?;
    if asked.restore {
        #[cfg(feature = "pkcs11")]
        let tally = counted.as_ref().map(count::Counted::writable).transpose()?;
        #[cfg(not(feature = "pkcs11"))]
        let tally = None;
        let journal = sdk.restore_emergency_journal(tally).map_err(not_done)?;
        say(format_args!(
            "the journal was written anew: {} entries",
            journal.counter
        ))?;
        #[cfg(feature = "pkcs11")]
        if let Some(tally) = tally {
            match sdk.count_emergencies(tally) {
                Err(why @ (EmergencyError::CountFull | EmergencyError::Token(_))) => {
                    complain(format_args!(
                        "{why}: the journal is stated with a key in a file from now on"
                    ));
                }
                marks => count::tell(marks.map_err(not_done)?)?,
            }
        }
    }
    #[cfg(feature = "pkcs11")]
    count::check(&sdk, counted.as_ref())?;
    // Who runs the command wants it said now.
    let done = sdk.anchor_emergency(Duration::ZERO).map_err(not_done)?;
    for anchored in &done.entries {
        say(format_args!("anchored: event {}", anchored.id()))?;
    }
    say(format_args!(
        "stated: the journal has {} entries, head {}",
        done.journal.counter, done.journal.head
    ))?;
    Ok(Exit::Success)
}

fn status(asked: &Status) -> Result<Exit, Fatal> {
    let sdk = asked.nodes.sdk()?;
    #[cfg(feature = "pkcs11")]
    let token = match count::check(&sdk, asked.counting.marks(&sdk)?.as_ref()) {
        Ok(line) => line,
        Err(count::CountFailed::Count(error)) => return alarm(error),
        Err(count::CountFailed::Other(fatal)) => return Err(fatal),
    };
    #[cfg(not(feature = "pkcs11"))]
    let token = "";
    match sdk.emergency_standing() {
        Ok(standing) => {
            say_text(&format!("{}{token}", page(&standing)))?;
            Ok(Exit::Success)
        }
        Err(error) => alarm(error),
    }
}

/// Shows that a journal was rolled back.
fn alarm(error: EmergencyError) -> Result<Exit, Fatal> {
    match error {
        EmergencyError::RolledBack { .. }
        | EmergencyError::Forked { .. }
        | EmergencyError::Uncounted { .. }
        | EmergencyError::OtherCount { .. }
        | EmergencyError::CountGone => {
            say_text(&format!("{error}\n"))?;
            Ok(Exit::Failure)
        }
        other => Err(not_done(other)),
    }
}

fn page(standing: &EmergencyStanding) -> String {
    let journal = standing.journal;
    let here = format!(
        "here    {} entries, head {}\n",
        journal.counter, journal.head
    );
    let ledger = standing.ledger.map_or_else(
        || "ledger  NOT REGISTERED: run `medanchor vault emergency anchor`\n".to_owned(),
        |ledger| {
            format!(
                "ledger  {} entries, head {}, last stated {} s before its newest block\n",
                ledger.counter,
                ledger.head,
                standing.time.0.saturating_sub(ledger.stated.0) / 1000
            )
        },
    );
    let (waiting, kind) = (standing.waiting(), standing.key_kind.as_str());
    format!("{here}{ledger}waiting {waiting}\nkey     stated as {kind}\n")
}
