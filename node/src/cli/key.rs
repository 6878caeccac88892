//! `medanchor key`: a home's public keys, and the registration of those for random outputs.

mod replace;

use crate::chain::Shared;
use crate::config::Config;
use crate::exit::{Exit, Fatal};
use crate::home::Home;
use crate::inspection::{DrawKeys, registration};
use crate::keys::{Purpose, SecretKey};
use crate::output::say;
use crate::run::read_genesis;
use medanchor_ledger::note::{NoteKey, VerifierKey};
use medanchor_ledger::signature::PublicKey;
use medanchor_sdk::{Identity, NextKeyError};
use std::path::{Path, PathBuf};

/// Show a home's public keys, go over to a new signing key
#[derive(clap::Subcommand)]
pub enum Command {
    /// Every key of a home: purpose, key id and public key
    #[command(after_help = "\
Example:
  medanchor key list --home net/north-hospital

Exit codes: 0 they are shown; 2 wrong usage; 16 there are none, or one cannot be used.")]
    List {
        /// The node's home
        #[arg(long, env = "MEDANCHOR_HOME")]
        home: PathBuf,
    },
    /// One public key, 64 hex digits
    #[command(after_help = "\
Examples:
  medanchor key show --home net/north-hospital p2p
  medanchor key show --home net/north-hospital publisher --note

Exit codes: 0 it is shown; 2 wrong usage, or a key that signs no notes; 10 config.toml cannot be
used, or 11 the genesis, which --note takes; 16 the key is not there, or cannot be used.")]
    Show {
        /// The node's home
        #[arg(long, env = "MEDANCHOR_HOME")]
        home: PathBuf,
        /// consensus, log, cosigner, cose, p2p, publisher, vrf or inspection
        purpose: String,
        /// As a C2SP verifier key (name+id+base64), which witnesses and policy files want; for log,
        /// cosigner and publisher
        #[arg(long)]
        note: bool,
    },
    /// Make the next signing key of an institution, once, and print it: 64 hex digits for the authorities
    ///
    /// It is kept beside the present one, which counts until the ledger names the list of keys without it.
    #[command(after_help = "\
Example:
  medanchor key next --home net/north-hospital

The authorities propose it (`medanchor governance propose-keys`); then `medanchor key take`.

Exit codes: 0 it is printed, and the same one whenever you ask again; 2 wrong usage; 16 the
identity cannot be used, or its folder not written to.")]
    Next {
        /// The participant's home, with identity/
        #[arg(long, env = "MEDANCHOR_HOME")]
        home: PathBuf,
    },
    /// Sign with the next key from now on, if the ledger names it
    ///
    /// Stop what has the identity open, and start it again afterwards. The old key is gone then.
    #[command(after_help = "\
Example:
  medanchor key take --home net/north-hospital --node http://127.0.0.1:8480

Exit codes: 0 the next key signs; 2 wrong usage; 11 the identity cannot be used; 12 another process
holds it; 16 there is no next key, or the ledger does not name it; 19 no node can be reached. But
for 0 nothing has changed.")]
    Take {
        #[command(flatten)]
        who: super::governance::Who,
    },
    /// Sign the registration of a validator's keys for random outputs (RFC 9381), with which
    /// inspections are drawn
    ///
    /// Run it where the institution's identity is. It makes the keys if the home has none and signs
    /// their registration with HOME/identity; the node anchors it by itself within three days, and once
    /// anchored the keys stay until `medanchor key replace`. `medanchor network new` has done all this
    /// for a new network. If the node runs and had no keys, start it again.
    #[command(after_help = "\
Example:
  medanchor key register --home net/north-hospital

Exit codes: 0 the registration is signed; 2 wrong usage; 11 the identity cannot be used; 12 another
process holds it; 16 a key cannot be made or used, or the home is no validator's.")]
    Register {
        /// The node's home
        #[arg(long, env = "MEDANCHOR_HOME")]
        home: PathBuf,
        /// The institution's identity, if it is not HOME/identity
        #[arg(long)]
        identity: Option<PathBuf>,
    },
    /// Replace a validator's keys for random outputs by new ones, and register them
    ///
    /// For keys that somebody else may have, or that are lost. Run it where the institution's identity is.
    /// It makes new keys beside the present ones and anchors their registration under the next number, so
    /// that no older one counts any more. The node goes over to them by itself; draws that run take its
    /// output under the old ones, which are gone once none does. Have the institution's signing key
    /// replaced first if that may be in other hands too: whoever has it can replace these keys again.
    #[command(after_help = REPLACE_HELP)]
    Replace {
        /// The node's home, which may be running
        #[arg(long, env = "MEDANCHOR_HOME")]
        home: PathBuf,
        /// The institution's identity, if it is not HOME/identity
        #[arg(long)]
        identity: Option<PathBuf>,
        /// A node; give several
        #[arg(long = "node", value_name = "URL", required = true)]
        nodes: Vec<String>,
    },
}

const REPLACE_HELP: &str = "\
Example:
  medanchor key replace --home net/north-hospital --node http://127.0.0.1:8480

It can be cut off at any moment: the same command again goes on with the same new keys, or finds
that the ledger names them. If draws still take outputs under the keys before the present ones, at
most 15 minutes long, it says so: run it again later.

Exit codes: 0 the ledger names the new keys; 1 it does not yet; 2 wrong usage; 11 the identity
cannot be used; 12 another process holds it; 16 a key cannot be made or used, the home is no
validator's, or the ledger knows no keys to replace; 19 no node can be reached.";

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(command: &Command) -> Result<Exit, Fatal> {
    match command {
        Command::List { home } => list(&Home::new(home)),
        Command::Show {
            home,
            purpose,
            note,
        } => show(&Home::new(home), purpose, *note),
        Command::Next { home } => next(&Home::new(home)),
        Command::Take { who } => take(who),
        Command::Register { home, identity } => register(&Home::new(home), identity.as_deref()),
        Command::Replace {
            home,
            identity,
            nodes,
        } => replace::run(&Home::new(home), identity.as_deref(), nodes),
    }
}

fn next(home: &Home) -> Result<Exit, Fatal> {
    let made = Identity::make_next_key(&home.identity());
    let made = made.map_err(|e| Fatal::new(Exit::Keys, e.to_string()))?;
    say(format_args!("{}", hex::encode(made.as_bytes())))?;
    Ok(Exit::Success)
}

fn take(who: &super::governance::Who) -> Result<Exit, Fatal> {
    let taken = who.sdk()?.take_next_key().map_err(|error| {
        let exit = match error {
            NextKeyError::Client(_) | NextKeyError::Stale(_) => Exit::Unreachable,
            _ => Exit::Keys,
        };
        Fatal::new(exit, error.to_string())
    })?;
    say(format_args!(
        "from now on {} is signed with",
        hex::encode(taken.as_bytes())
    ))?;
    Ok(Exit::Success)
}

fn require_validator(home: &Home) -> Result<(), Fatal> {
    if Purpose::Consensus.path(&home.keys()).exists() {
        return Ok(());
    }
    let message = format!(
        "{} holds no consensus key; only a validator gives random outputs",
        home.keys().display()
    );
    Err(Fatal::new(Exit::Keys, message))
}

fn register(home: &Home, identity: Option<&Path>) -> Result<Exit, Fatal> {
    require_validator(home)?;
    let folder = identity.map_or_else(|| home.identity(), Path::to_path_buf);
    let identity = Identity::open(&folder)?;
    DrawKeys::make(home).map_err(|e| Fatal::new(Exit::Keys, e.to_string()))?;
    registration::write(home, &identity, Shared::clock())
        .map_err(|e| Fatal::new(Exit::Keys, e.to_string()))?;
    say(format_args!(
        "The registration is signed; the node anchors it by itself within three days."
    ))?;
    Ok(Exit::Success)
}

fn list(home: &Home) -> Result<Exit, Fatal> {
    let mut any = false;
    for purpose in Purpose::ALL {
        if purpose.path(&home.keys()).exists() {
            let public = read(home, purpose)?.public();
            say(format_args!(
                "{purpose:<10} {} {}",
                public.id(),
                hex::encode(public.as_bytes())
            ))?;
            any = true;
        }
    }
    if any {
        return Ok(Exit::Success);
    }
    let message = format!(
        "{} holds no keys; is it a node's home?",
        home.keys().display()
    );
    Err(Fatal::new(Exit::Keys, message))
}

fn show(home: &Home, word: &str, note: bool) -> Result<Exit, Fatal> {
    let purpose = Purpose::ALL
        .into_iter()
        .find(|purpose| purpose.as_str() == word);
    let purpose = purpose.ok_or_else(|| {
        let known: Vec<_> = Purpose::ALL
            .iter()
            .map(|purpose| purpose.as_str())
            .collect();
        Fatal::new(
            Exit::Usage,
            format!("there is no such key; use {}", known.join(", ")),
        )
    })?;
    let public = read(home, purpose)?.public();
    if note {
        say(format_args!("{}", verifier_key(home, purpose, public)?))?;
    } else {
        say(format_args!("{}", hex::encode(public.as_bytes())))?;
    }
    Ok(Exit::Success)
}

/// The key as notes name it.
fn verifier_key(home: &Home, purpose: Purpose, key: PublicKey) -> Result<VerifierKey, Fatal> {
    let genesis = read_genesis(home)?;
    let origin = genesis.origin();
    match purpose {
        Purpose::Log | Purpose::Publisher => {
            Ok(VerifierKey::new(origin.clone(), NoteKey::Ed25519(key)))
        }
        Purpose::Cosigner => {
            let config = Config::read(&home.config())
                .map_err(|e| Fatal::new(Exit::Config, e.to_string()))?;
            let name = origin.join(config.name.as_str());
            let name = name.map_err(|e| Fatal::new(Exit::Keys, e.to_string()))?;
            Ok(VerifierKey::new(name, NoteKey::Cosigner(key)))
        }
        _ => Err(Fatal::new(
            Exit::Usage,
            format!("the {purpose} key signs no notes; use log, cosigner or publisher"),
        )),
    }
}

fn read(home: &Home, purpose: Purpose) -> Result<SecretKey, Fatal> {
    SecretKey::read(&home.keys(), purpose).map_err(|e| Fatal::new(Exit::Keys, e.to_string()))
}
