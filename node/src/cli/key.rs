//! `medanchor key`: a home's public keys, and the registration of those for random outputs.

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

/// Show a home's public keys, or register those for random outputs
#[derive(clap::Subcommand)]
pub enum Command {
    /// Every key of a home: purpose, key id and public key
    List {
        /// The node's home
        #[arg(long, env = "MEDANCHOR_HOME")]
        home: PathBuf,
    },
    /// One public key, 64 hex digits
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
    Next {
        /// The participant's home, with identity/
        #[arg(long, env = "MEDANCHOR_HOME")]
        home: PathBuf,
    },
    /// Sign with the next key from now on, if the ledger names it
    ///
    /// Stop what has the identity open, and start it again afterwards. The old key is gone then.
    Take {
        #[command(flatten)]
        who: super::governance::Who,
    },
    /// Sign the registration of a validator's keys for random outputs (RFC 9381), with which
    /// inspections are drawn
    ///
    /// Run it where the institution's identity is. It makes the keys if the home has none and signs
    /// their registration with HOME/identity; the node anchors it by itself within three days, and once
    /// anchored the keys stay. `medanchor network new` has done all this for a new network. If the
    /// node runs and had no keys, start it again.
    Register {
        /// The node's home
        #[arg(long, env = "MEDANCHOR_HOME")]
        home: PathBuf,
        /// The institution's identity, if it is not HOME/identity
        #[arg(long)]
        identity: Option<PathBuf>,
    },
}

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
            NextKeyError::Client(_) => Exit::Unreachable,
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

fn register(home: &Home, identity: Option<&Path>) -> Result<Exit, Fatal> {
    if !Purpose::Consensus.path(&home.keys()).exists() {
        let message = format!(
            "{} holds no consensus key; only a validator gives random outputs",
            home.keys().display()
        );
        return Err(Fatal::new(Exit::Keys, message));
    }
    let folder = identity.map_or_else(|| home.identity(), Path::to_path_buf);
    let identity = Identity::open(&folder).map_err(|e| Fatal::new(Exit::Keys, e.to_string()))?;
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
            format!("{word:?} is no key; use {}", known.join(", ")),
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
