//! The keys that a participant signs with: proposed and shown.

use super::{named, usage, value};
use crate::exit::{Exit, Fatal};
use crate::output::say;
use medanchor_ledger::ParticipantName;
use medanchor_ledger::event::{Change, ParticipantKeys};
use medanchor_ledger::rules::{KeysChanged, Participant};
use medanchor_ledger::signature::PublicKey;
use medanchor_sdk::Sdk;

const NOBODY: &str = "the ledger has no such participant";

pub(super) fn propose(
    sdk: &Sdk,
    participant: &str,
    keys: &[String],
    name: Option<&str>,
) -> Result<Exit, Fatal> {
    let participant: ParticipantName = participant.parse().map_err(usage)?;
    // What was typed in the wrong place goes into no journal.
    let known: Option<Participant> = value(sdk, &Participant::key(&participant))?;
    known.ok_or_else(|| usage(NOBODY))?;
    let keys: Result<Vec<_>, Fatal> = keys.iter().map(|key| read(key)).collect();
    let changed: Option<KeysChanged> = value(sdk, &KeysChanged::key(&participant))?;
    let number = changed.map_or(1, |changed| changed.number.saturating_add(1));
    let keys = ParticipantKeys::new(participant, number, keys?).map_err(usage)?;
    show(&keys)?;
    let change = Change::Keys(keys.clone());
    let what = format!("keys of {}, change {number}", keys.participant());
    let name = named(name, &what, &change);
    super::propose(sdk, &name, &change, |name| sdk.propose_keys(name, keys))
}

fn read(key: &str) -> Result<PublicKey, Fatal> {
    let mut raw = [0; 32];
    hex::decode_to_slice(key, &mut raw)
        .map_err(|_| usage("a key is 64 hex digits, as `medanchor key next` prints it"))?;
    PublicKey::ed25519(raw).map_err(usage)
}

pub(super) fn show(change: &ParticipantKeys) -> Result<(), Fatal> {
    say(format_args!(
        "change {} of the keys of {}: from then on it signs with these {} and no others",
        change.number(),
        change.participant(),
        change.keys().len()
    ))?;
    list(change.keys().iter())
}

pub(super) fn show_current(sdk: &Sdk, participant: &str) -> Result<Exit, Fatal> {
    let participant: ParticipantName = participant.parse().map_err(usage)?;
    let known: Option<Participant> = value(sdk, &Participant::key(&participant))?;
    let known = known.ok_or_else(|| usage(NOBODY))?;
    let changed: Option<KeysChanged> = value(sdk, &KeysChanged::key(&participant))?;
    let number = changed.map_or(0, |changed| changed.number);
    say(format_args!(
        "{participant}: {} keys after {number} changes",
        known.keys().len()
    ))?;
    list(known.keys())?;
    Ok(Exit::Success)
}

fn list<'a>(keys: impl Iterator<Item = &'a PublicKey>) -> Result<(), Fatal> {
    for key in keys {
        say(format_args!(
            "  {}  id {}",
            hex::encode(key.as_bytes()),
            key.id()
        ))?;
    }
    Ok(())
}
