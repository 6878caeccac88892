//! `medanchor key replace`: new keys for random outputs in the place of the registered ones.
//!
//! What always holds: the new keys are on the disk before anybody is told of them; the ledger's number says
//! which registration they replace, and whether they are registered is asked of the ledger, so that a
//! run after a cut goes on where the one before ended. The present keys are left to the node.

use super::require_validator;
use crate::cli::governance::value;
use crate::exit::{Exit, Fatal};
use crate::home::Home;
use crate::inspection::keys::{hold, make_next, next_are_named};
use crate::keys::KeyError;
use crate::output::say;
use medanchor_ledger::event::InspectionKey;
use medanchor_ledger::rules::{DrawKey, OutputKeys};
use medanchor_sdk::{AnchorError, Identity, Sdk};
use std::num::NonZeroU32;
use std::path::Path;

pub(super) fn run(home: &Home, identity: Option<&Path>, nodes: &[String]) -> Result<Exit, Fatal> {
    require_validator(home)?;
    let folder = identity.map_or_else(|| home.identity(), Path::to_path_buf);
    let sdk = Sdk::new(Identity::open(&folder)?, nodes.to_vec());
    let sdk = sdk.map_err(|error| Fatal::new(Exit::Usage, error.to_string()))?;
    // The node moves no key while it is asked which of them count.
    let _held = hold(home).map_err(unusable)?;
    let known = registered(&sdk)?;
    if next_are_named(home, &known.keys).map_err(unusable)? {
        return done(&known);
    }
    let next = make_next(home).map_err(unusable)?;
    match sdk.anchor(sdk.sign(replacing(&known, &next)).map_err(failed)?) {
        Ok(anchored) => say(format_args!("anchored as {}", anchored.id()))?,
        // A run before was cut off, and its registration of the same keys came first.
        Err(AnchorError::Refused(_)) if registered(&sdk)?.keys == next => {}
        Err(AnchorError::Waiting { rule, .. }) => return Err(waits(rule)),
        Err(error) => return Err(error.into()),
    }
    done(&registered(&sdk)?)
}

fn unusable(error: KeyError) -> Fatal {
    Fatal::new(Exit::Keys, error.to_string())
}

fn failed(error: impl std::fmt::Display) -> Fatal {
    Fatal::new(Exit::Failure, error.to_string())
}

fn waits(rule: Option<String>) -> Fatal {
    let rule = rule.map_or_else(String::new, |rule| format!(" ({rule})"));
    failed(format_args!(
        "the new keys are made, and their registration waits{rule}; run this again later"
    ))
}

/// The keys that the ledger knows of the signer.
fn registered(sdk: &Sdk) -> Result<DrawKey, Fatal> {
    let known = value(sdk, &DrawKey::key(sdk.participant()))?;
    known.ok_or_else(|| {
        let message = format!(
            "the ledger knows no keys of {} for random outputs; register the first ones with `medanchor key register`",
            sdk.participant()
        );
        Fatal::new(Exit::Keys, message)
    })
}

fn replacing(known: &DrawKey, next: &OutputKeys) -> InspectionKey {
    InspectionKey {
        vrf: next.vrf,
        operational: next.operational,
        replaces: NonZeroU32::new(known.number),
    }
}

fn done(known: &DrawKey) -> Result<Exit, Fatal> {
    say(format_args!(
        "The ledger names the new keys (registration {}); the node goes over to them by itself. Back up its keys then.",
        known.number
    ))?;
    Ok(Exit::Success)
}
