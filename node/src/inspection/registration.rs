//! `keys/registration`: events, signed beforehand by the institution, that register the node's keys
//! for random outputs.
//!
//! What always holds: all of them say the same, so whichever is anchored first is the one that counts
//! and the others are refused. An event lives 15 minutes and a network may start days after it was
//! founded, so there is one for each quarter of an hour of three days. Nothing in it is secret.

use super::DrawKeys;
use crate::home::Home;
use crate::keys::KeyError;
use medanchor_ledger::Time;
use medanchor_ledger::event::{Event, InspectionKey};
use medanchor_ledger::rules::MAX_AHEAD_MILLIS;
use medanchor_sdk::{Identity, SdkError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// How many quarters of an hour the events reach.
const EVENTS: u64 = 3 * 24 * 4;

/// The longest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Why the registration cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The keys cannot be made or read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The home has no keys for random outputs.
    #[error("{home} has no keys for random outputs; make them with `medanchor key register`", home = home.display())]
    NoKeys {
        /// The home.
        home: PathBuf,
    },
    /// The identity cannot sign.
    #[error(transparent)]
    Sign(#[from] SdkError),
    /// The system refused.
    #[error("cannot write {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

fn path(home: &Home) -> PathBuf {
    home.keys().join("registration")
}

/// Signs the registration of the home's keys with the institution's `identity`, good from 15 minutes
/// after `from` backwards to three days after it, and keeps it in the home.
///
/// # Errors
/// [`RegistrationError`]; the file is whole or as it was.
pub fn write(home: &Home, identity: &Identity, from: Time) -> Result<(), RegistrationError> {
    let keys = DrawKeys::read(home)?.ok_or_else(|| RegistrationError::NoKeys {
        home: home.path().into(),
    })?;
    let mut text = String::new();
    for event in sign(identity, keys.public(), from)? {
        text.push_str(&hex::encode(event.encoded()));
        text.push('\n');
    }
    let (path, aside) = (path(home), home.keys().join("registration.new"));
    let write = || {
        // Nothing in it is secret, but a folder of keys has no file that others read.
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&aside, &path)
    };
    write().map_err(|source| RegistrationError::Io {
        path: path.clone(),
        source,
    })
}

fn sign(
    identity: &Identity,
    keys: InspectionKey,
    from: Time,
) -> Result<Vec<Event>, RegistrationError> {
    let until = |quarter: u64| from.plus_millis(MAX_AHEAD_MILLIS.saturating_mul(quarter));
    let signed = (1..=EVENTS).map(|quarter| identity.sign_until(keys, until(quarter)));
    Ok(signed.collect::<Result<_, _>>()?)
}

/// The event of the home that may be anchored at `now`, if there is one.
#[must_use]
pub fn in_time(home: &Home, now: Time) -> Option<Event> {
    let mut text = String::new();
    let file = std::fs::File::open(path(home)).ok()?;
    file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    let events = text
        .lines()
        .filter_map(|line| Event::decode(&hex::decode(line).ok()?).ok());
    let latest = now.plus_millis(MAX_AHEAD_MILLIS);
    let mut valid = events.filter(|event| now <= event.not_after() && event.not_after() <= latest);
    valid.next()
}
