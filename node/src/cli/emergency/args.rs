//! The command line of `medanchor vault emergency`.

#[cfg(feature = "pkcs11")]
use super::count::{Count, Counting};
#[cfg(feature = "pkcs11")]
use super::secret;
#[cfg(feature = "pkcs11")]
use crate::exit::Fatal;
use medanchor_ledger::RecordHandle;
use std::path::PathBuf;

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
    #[cfg(feature = "pkcs11")]
    Count(Count),
}

/// A home, and what locks its emergency key.
#[derive(clap::Args)]
pub(super) struct Locked {
    /// The participant's home, with identity/
    #[arg(long, env = "MEDANCHOR_HOME")]
    pub(super) home: PathBuf,
    /// A file with the passphrase of the emergency key, of 12 characters or more, in its first line
    #[arg(long, value_name = "FILE")]
    #[cfg_attr(
        feature = "pkcs11",
        arg(
            required_unless_present = "token_module",
            conflicts_with_all = ["token_module", "token_label", "pin_file"]
        )
    )]
    #[cfg_attr(not(feature = "pkcs11"), arg(required = true))]
    pub(super) passphrase_file: Option<PathBuf>,
    #[cfg(feature = "pkcs11")]
    #[command(flatten)]
    pub(super) token: Token,
}

/// A PKCS#11 token that locks the emergency key instead of a passphrase.
#[cfg(feature = "pkcs11")]
#[derive(clap::Args)]
pub(super) struct Token {
    /// The PKCS#11 module of a token's maker, instead of a passphrase
    #[arg(long, value_name = "FILE", requires = "pin_file")]
    pub(super) token_module: Option<PathBuf>,
    /// The token's label, where the key is made
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        requires = "token_module"
    )]
    pub(super) token_label: String,
    /// A file with the PIN of the token's user in its first line
    #[arg(long, value_name = "FILE", requires = "token_module")]
    pub(super) pin_file: Option<PathBuf>,
}

#[cfg(feature = "pkcs11")]
impl Token {
    /// The token that is named, if one is.
    pub(super) fn login(&self) -> Result<Option<medanchor_vault::TokenLogin>, Fatal> {
        let (Some(module), Some(pin)) = (&self.token_module, &self.pin_file) else {
            return Ok(None);
        };
        Ok(Some(medanchor_vault::TokenLogin {
            module: module.clone(),
            label: self.token_label.clone(),
            pin: secret(pin)?.as_str().into(),
        }))
    }
}

/// Make the emergency key and its journal
///
/// From then on every record that is sealed into custody can be opened by this key, while ledger or
/// custodians cannot be reached. Records that went into custody before cannot. Run `anchor` next: it
/// registers the journal.
///
/// A token that keeps the key counts the journal's entries, if it shows that it can: an older journal that
/// is put in the place of a newer one is then seen. The command says whether it counts, and why not.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor vault emergency init --home net/north-hospital \\
      --passphrase-file /media/safe/passphrase

Exit codes: 0 the key is made; 1 it is not, or there is one; 2 wrong usage; 11 the identity cannot
be used; 12 it is in use; 16 the passphrase or the PIN, or its file, is wrong.")]
pub struct Init {
    #[command(flatten)]
    pub(super) locked: Locked,
}

/// Open a record of this institution's own by the emergency key; asks no network
///
/// The passphrase is checked (or the token's PIN), then the opening is written to the journal and synced, and
/// only then the key moves. Each opening is anchored later, and the patient sees it as one that was not proved when it
/// happened. A token that counts marks the entry before the key moves; where it cannot, the record is opened all the
/// same, and the journal is stated with a key in a file from then on.
///
/// It prints a slip, one line that proves that the journal has the entry: keep it with the record of care, and
/// give it to the patient. `medanchor-audit slips` holds it against the ledger.
///
/// While a service or an application has the identity open, stop it first.
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
    pub(super) locked: Locked,
    /// The application's own id of the record
    #[arg(long, value_name = "NAME", required_unless_present = "handle")]
    pub(super) record: Option<String>,
    /// Or what the ledger calls it, 32 hex digits
    #[arg(long, value_name = "HEX", conflicts_with = "record")]
    pub(super) handle: Option<RecordHandle>,
    /// The version of the document
    #[arg(long, default_value_t = 1)]
    pub(super) document_version: u32,
    /// Who reads; it stays at home
    #[arg(long)]
    pub(super) actor: String,
    /// Why; it stays at home
    #[arg(long)]
    pub(super) reason: String,
    /// A new file for the document, which is there once it is whole, of any length; standard output if left
    /// out, for documents of 256 MiB at most
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Write down as LOST what the token has counted and the journal lacks, then open: for a journal that was
    /// rolled back, when there is no copy and no network
    #[cfg(feature = "pkcs11")]
    #[arg(long, requires = "token_module")]
    pub(super) lost: bool,
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
beside it. With the token that counts the journal (--token-module, --pin-file) an older journal is
seen before its entries were anchored, too, and --restore states as LOST what the token has counted
and neither ledger nor file has: every patient's list then says how many entries that are.

Exit codes: 0 all is anchored; 1 it is not, or the journal was rolled back; 2 wrong usage; 11 the
identity cannot be used; 12 it is in use; 19 no node could be reached.")]
pub struct Anchor {
    #[command(flatten)]
    pub(super) nodes: Nodes,
    /// Write a journal that was rolled back anew from the ledger, then anchor
    #[arg(long)]
    pub(super) restore: bool,
    #[cfg(feature = "pkcs11")]
    #[command(flatten)]
    pub(super) counting: Counting,
}

/// A home and nodes.
#[derive(clap::Args)]
pub(super) struct Nodes {
    /// The participant's home, with identity/
    #[arg(long, env = "MEDANCHOR_HOME")]
    pub(super) home: PathBuf,
    /// A node; give several
    #[arg(long = "node", value_name = "URL", required = true)]
    pub(super) nodes: Vec<String>,
}

/// Show where the journal stands, here and on the ledger, proved
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  medanchor vault emergency status --home net/north-hospital --node http://127.0.0.1:8480
  medanchor vault emergency status --home net/north-hospital --node http://127.0.0.1:8480 \\
      --token-module /usr/lib/hsm.so

Exit codes: 0 it is shown; 1 the journal was rolled back, is missing or damaged; 2 wrong usage; 11
the identity cannot be used; 12 it is in use; 19 no node could be reached.")]
pub struct Status {
    #[command(flatten)]
    pub(super) nodes: Nodes,
    #[cfg(feature = "pkcs11")]
    #[command(flatten)]
    pub(super) counting: Counting,
}
