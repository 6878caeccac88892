//! `medanchor vault emergency`: open records of one's own while the network is cut, and say so afterwards.

use super::out::Out;
use crate::exit::{Exit, Fatal};
use crate::output::{complain, say, say_text};
use medanchor_ledger::RecordHandle;
use medanchor_sdk::custody::StandingError;
use medanchor_sdk::emergency::{EmergencyError, EmergencyStanding, NewEmergency};
use medanchor_sdk::keeping::SecretAt;
use medanchor_sdk::{AnchorError, ClientError, Identity, Sdk};
use medanchor_vault::{Passphrase, Protection, VaultError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Open records while the network is cut, in a journal that is anchored afterwards
#[derive(clap::Subcommand)]
#[command(after_help = "\
Examples:
  medanchor vault emergency init --home net/north-hospital --passphrase-file /media/safe/passphrase
  medanchor vault emergency open --home net/north-hospital --record Observation/7 \\
      --passphrase-file /media/safe/passphrase --actor \"Dr. Zhao\" --reason \"network down\" \\
      --out record.json
  medanchor vault emergency anchor --home net/north-hospital --node http://127.0.0.1:8480
  medanchor vault emergency status --home net/north-hospital --node http://127.0.0.1:8480")]
pub enum Emergency {
    Init(Init),
    Open(Open),
    Anchor(Anchor),
    Status(Status),
}

/// A home, and what locks its emergency key.
#[derive(clap::Args)]
struct Locked {
    /// The participant's home, with identity/
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    /// A file with the passphrase of the emergency key, of 12 characters or more, in its first line
    #[arg(long, value_name = "FILE")]
    #[cfg_attr(
        feature = "pkcs11",
        arg(
            required_unless_present = "token_module",
            conflicts_with = "token_module"
        )
    )]
    #[cfg_attr(not(feature = "pkcs11"), arg(required = true))]
    passphrase_file: Option<PathBuf>,
    #[cfg(feature = "pkcs11")]
    #[command(flatten)]
    token: Token,
}

/// A PKCS#11 token that locks the emergency key instead of a passphrase.
#[cfg(feature = "pkcs11")]
#[derive(clap::Args)]
struct Token {
    /// The PKCS#11 module of a token's maker, instead of a passphrase
    #[arg(long, value_name = "FILE", requires = "pin_file")]
    token_module: Option<PathBuf>,
    /// The token's label, where the key is made
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        requires = "token_module",
        conflicts_with = "passphrase_file"
    )]
    token_label: String,
    /// A file with the PIN of the token's user in its first line
    #[arg(
        long,
        value_name = "FILE",
        requires = "token_module",
        conflicts_with = "passphrase_file"
    )]
    pin_file: Option<PathBuf>,
}

/// Make the emergency key and its journal
///
/// From then on every record that is sealed into custody can be opened by this key, while ledger or
/// custodians cannot be reached. Records that went into custody before cannot. Run `anchor` next: it
/// registers the journal.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor vault emergency init --home net/north-hospital \\
      --passphrase-file /media/safe/passphrase

Exit codes: 0 the key is made; 1 it is not, or there is one; 2 wrong usage; 11 the identity cannot
be used; 12 it is in use; 16 the passphrase or the PIN, or its file, is wrong.")]
pub struct Init {
    #[command(flatten)]
    locked: Locked,
}

/// Open a record of this institution's own by the emergency key; asks no network
///
/// The passphrase is checked (or the token's PIN), then the opening is written to the journal and synced, and
/// only then the key moves. Each opening is anchored later, and the patient sees it as one that was not proved when it
/// happened. While a service or an application has the identity open, stop it first.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor vault emergency open --home net/north-hospital --record Observation/7 \\
      --passphrase-file /media/safe/passphrase --actor \"Dr. Zhao\" \\
      --reason \"network down, intensive care\" --out record.json

Exit codes: 0 the record was opened; 1 it was not; 2 wrong usage; 11 the identity cannot be used;
12 it is in use; 16 the passphrase or the PIN, or its file, is wrong, and nothing was journalled.")]
pub struct Open {
    #[command(flatten)]
    locked: Locked,
    /// The application's own id of the record
    #[arg(long, value_name = "NAME", required_unless_present = "handle")]
    record: Option<String>,
    /// Or what the ledger calls it, 32 hex digits
    #[arg(long, value_name = "HEX", conflicts_with = "record")]
    handle: Option<RecordHandle>,
    /// The version of the document
    #[arg(long, default_value_t = 1)]
    document_version: u32,
    /// Who reads; it stays at home
    #[arg(long)]
    actor: String,
    /// Why; it stays at home
    #[arg(long)]
    reason: String,
    /// A new file for the document, which is there once it is whole, of any length; standard output if left
    /// out, for documents of 256 MiB at most
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Anchor what was opened, and state where the journal stands
///
/// Every entry that the ledger lacks is anchored, in its order.
///
/// Run it when the network is back, and once a day even when nothing was opened: `medanchor vault serve`
/// does both by itself while it runs. A day without a statement is a gap in every patient's list. After a
/// crash, run it again: nothing is said twice.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor vault emergency anchor --home net/north-hospital --node http://127.0.0.1:8480

A journal that has fewer entries than the ledger, or others, was ROLLED BACK: nothing is anchored
then. Restore the file emergency-journal in the identity's folder; if there is no copy, --restore
writes it anew from the ledger, keeps what the ledger lacks behind that, and leaves the old file
beside it.

Exit codes: 0 all is anchored; 1 it is not, or the journal was rolled back; 2 wrong usage; 11 the
identity cannot be used; 12 it is in use; 19 no node could be reached.")]
pub struct Anchor {
    #[command(flatten)]
    nodes: Nodes,
    /// Write a journal that was rolled back anew from the ledger, then anchor
    #[arg(long)]
    restore: bool,
}

/// A home and nodes.
#[derive(clap::Args)]
struct Nodes {
    /// The participant's home, with identity/
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    /// A node; give several
    #[arg(long = "node", value_name = "URL", required = true)]
    nodes: Vec<String>,
}

/// Show where the journal stands, here and on the ledger, proved
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor vault emergency status --home net/north-hospital --node http://127.0.0.1:8480

Exit codes: 0 it is shown; 1 the journal was rolled back, is missing or damaged; 2 wrong usage; 11
the identity cannot be used; 12 it is in use; 19 no node could be reached.")]
pub struct Status {
    #[command(flatten)]
    nodes: Nodes,
}

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
        if let (Some(module), Some(pin)) = (&self.token.token_module, &self.token.pin_file) {
            return Ok(Protection::Token(medanchor_vault::TokenLogin {
                module: module.clone(),
                label: self.token.token_label.clone(),
                pin: secret(pin)?.as_str().into(),
            }));
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
    identity.make_emergency_key(&protection).map_err(not_done)?;
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
    let entry = match out {
        Out::File(file) => {
            let opened = identity.open_in_emergency_into(&new, &protection, file);
            opened.map_err(not_done)?.entry
        }
        Out::Standard => {
            let opened = identity.open_in_emergency(&new, &protection);
            let opened = opened.map_err(not_done)?;
            out.deliver(&opened.payload)?;
            opened.entry
        }
    };
    match entry {
        Some(entry) => complain(format_args!(
            "opened by the emergency key: entry {} of the journal. Anchor it when the network is back: medanchor vault emergency anchor",
            entry.counter
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
    if asked.restore {
        let journal = sdk.restore_emergency_journal().map_err(not_done)?;
        say(format_args!(
            "the journal was written anew: {} entries",
            journal.counter
        ))?;
    }
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
    match sdk.emergency_standing() {
        Ok(standing) => {
            say_text(&page(&standing))?;
            Ok(Exit::Success)
        }
        Err(error @ (EmergencyError::RolledBack { .. } | EmergencyError::Forked { .. })) => {
            say_text(&format!("{error}\n"))?;
            Ok(Exit::Failure)
        }
        Err(other) => Err(not_done(other)),
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
    format!("{here}{ledger}waiting {}\n", standing.waiting())
}
