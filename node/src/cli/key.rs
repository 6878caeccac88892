//! `medanchor key`: a home's public keys.

use crate::exit::{Exit, Fatal};
use crate::home::Home;
use crate::keys::{Purpose, SecretKey};
use crate::output::say;
use std::path::PathBuf;

/// Show a home's public keys
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
        /// consensus, log, cosigner, cose or p2p
        purpose: String,
    },
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(command: &Command) -> Result<Exit, Fatal> {
    match command {
        Command::List { home } => list(&Home::new(home)),
        Command::Show { home, purpose } => show(&Home::new(home), purpose),
    }
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

fn show(home: &Home, word: &str) -> Result<Exit, Fatal> {
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
    say(format_args!(
        "{}",
        hex::encode(read(home, purpose)?.public().as_bytes())
    ))?;
    Ok(Exit::Success)
}

fn read(home: &Home, purpose: Purpose) -> Result<SecretKey, Fatal> {
    SecretKey::read(&home.keys(), purpose).map_err(|e| Fatal::new(Exit::Keys, e.to_string()))
}
