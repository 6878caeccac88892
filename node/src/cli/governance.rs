//! `medanchor governance`: authorities name the custodians of records' keys, and participants' signing keys.

mod keys;

use crate::exit::{Exit, Fatal};
use crate::output::say;
use medanchor_ledger::event::{BuildError, Change, Custodian, Custodians, Event};
use medanchor_ledger::rules::{CustodianEpoch, CustodianSet, Proposal, StateValue};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{ParticipantName, ProposalHandle};
use medanchor_sdk::direct::{AddressBook, Counterpart};
use medanchor_sdk::{Identity, Sdk, SdkError};
use std::path::{Path, PathBuf};

/// Name the custodians of records' keys, and the keys that participants sign with
#[derive(clap::Subcommand)]
#[command(after_help = "\
Examples:
  medanchor governance propose-custodians --home net/north-hospital --node http://127.0.0.1:8480 \\
      --book book.toml --threshold 3
  medanchor governance approve --home net/health-office --node http://127.0.0.1:8480 \\
      --proposer north-hospital --proposal 00112233445566778899aabbccddeeff
  medanchor governance custodians --home net/north-hospital --node http://127.0.0.1:8480
  medanchor governance propose-keys --home net/health-office --node http://127.0.0.1:8480 \\
      --participant north-hospital --key \"$(medanchor key next --home net/north-hospital)\"

The address book is the entries that `medanchor custodian init` printed at each custodian, one
after the other.")]
pub enum Command {
    /// Propose the custodians of an address book as the next set; for an authority
    ///
    /// Prints what the others approve. It takes effect once as many authorities as the genesis asks for
    /// have approved it; proposing does not approve.
    #[command(after_help = PROPOSE_CUSTODIANS_HELP)]
    ProposeCustodians {
        #[command(flatten)]
        who: Who,
        /// The address book that lists the custodians, each with its share key
        #[arg(long)]
        book: PathBuf,
        /// How many of them it takes to release a key
        #[arg(long)]
        threshold: u16,
        /// Your own name for the proposal; one of the epoch and the set if not given
        #[arg(long)]
        name: Option<String>,
    },
    /// Approve a proposal, after showing what it changes; for an authority
    #[command(after_help = "\
Example:
  medanchor governance approve --home net/health-office --node http://127.0.0.1:8480 \\
      --proposer north-hospital --proposal 00112233445566778899aabbccddeeff

Proposing prints the proposal. Approving it again changes nothing.

Exit codes: 0 it is approved, or in force; 1 it is not; 2 wrong usage, or no such proposal; 11 the
identity cannot be used; 12 another process holds it; 19 no node can be reached.")]
    Approve {
        #[command(flatten)]
        who: Who,
        /// Who proposed
        #[arg(long)]
        proposer: String,
        /// The proposal, 32 hex digits
        #[arg(long)]
        proposal: String,
    },
    /// Propose the whole new list of a participant's signing keys; for an authority
    ///
    /// Whatever key is not on the list signs nothing any more once enough authorities have approved it. The
    /// proposal counts for the list of now: after another change of the same participant's keys it can
    /// never be.
    #[command(after_help = PROPOSE_KEYS_HELP)]
    ProposeKeys {
        #[command(flatten)]
        who: Who,
        /// Whose keys
        #[arg(long)]
        participant: String,
        #[command(flatten)]
        list: NewList,
        /// Your own name for the proposal; one of the participant, the change's number and the keys if not given
        #[arg(long)]
        name: Option<String>,
    },
    /// Show the keys that a participant signs with now
    #[command(after_help = "\
Example:
  medanchor governance keys --home net/health-office --node http://127.0.0.1:8480 \\
      --participant north-hospital

Exit codes: 0 they are shown; 1 they are not; 2 wrong usage, or no such participant; 11 the identity
cannot be used; 12 another process holds it; 19 no node can be reached.")]
    Keys {
        #[command(flatten)]
        who: Who,
        /// Whose keys
        #[arg(long)]
        participant: String,
    },
    /// Show the custodians of now
    #[command(after_help = "\
Example:
  medanchor governance custodians --home net/north-hospital --node http://127.0.0.1:8480

Exit codes: 0 they are shown, or that there are none; 1 they are not; 2 wrong usage; 11 the
identity cannot be used; 12 another process holds it; 19 no node can be reached.")]
    Custodians {
        #[command(flatten)]
        who: Who,
    },
}

const PROPOSE_CUSTODIANS_HELP: &str = "\
Example:
  medanchor governance propose-custodians --home net/north-hospital --node http://127.0.0.1:8480 \\
      --book book.toml --threshold 3

The address book is the entries that `medanchor custodian init` printed at each custodian, one
after the other. The very same proposal again is one proposal.

Exit codes: 0 it is proposed, and what the others run to approve it is printed; 1 it is not;
2 wrong usage, or the address book gives no set; 11 the identity cannot be used; 12 another process
holds it; 19 no node can be reached.";

const PROPOSE_KEYS_HELP: &str = "\
Examples:
  medanchor governance propose-keys --home net/health-office --node http://127.0.0.1:8480 \\
      --participant north-hospital --key \"$(medanchor key next --home net/north-hospital)\"
  medanchor governance propose-keys --home net/health-office --node http://127.0.0.1:8480 \\
      --participant north-hospital --suspend

The very same proposal again is one proposal.

Exit codes: 0 it is proposed, and what the others run to approve it is printed; 1 it is not;
2 wrong usage; 11 the identity cannot be used; 12 another process holds it; 19 no node can be
reached.";

/// The keys of a proposal. Nobody suspends a participant by leaving an option out.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct NewList {
    /// A key it shall sign with, 64 hex digits, as `medanchor key next` prints it; give several
    #[arg(long = "key", value_name = "HEX")]
    keys: Vec<String>,
    /// No key at all: it signs nothing until another change names one
    #[arg(long)]
    suspend: bool,
}

/// Who acts, and at which nodes.
#[derive(clap::Args)]
pub struct Who {
    /// The participant's home, with identity/
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    /// A node; give several
    #[arg(long = "node", value_name = "URL", required = true)]
    nodes: Vec<String>,
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(command: &Command) -> Result<Exit, Fatal> {
    match command {
        Command::ProposeCustodians {
            who,
            book,
            threshold,
            name,
        } => propose_custodians(&who.sdk()?, book, *threshold, name.as_deref()),
        Command::Approve {
            who,
            proposer,
            proposal,
        } => approve(&who.sdk()?, proposer, proposal),
        Command::ProposeKeys {
            who,
            participant,
            list,
            name,
        } => keys::propose(&who.sdk()?, participant, &list.keys, name.as_deref()),
        Command::Keys { who, participant } => keys::show_current(&who.sdk()?, participant),
        Command::Custodians { who } => show_current(&who.sdk()?),
    }
}

fn failed(what: impl std::fmt::Display) -> Fatal {
    Fatal::new(Exit::Failure, what.to_string())
}

fn usage(what: impl std::fmt::Display) -> Fatal {
    Fatal::new(Exit::Usage, what.to_string())
}

impl Who {
    pub(super) fn sdk(&self) -> Result<Sdk, Fatal> {
        let folder = self.home.join("identity");
        let identity = Identity::open(&folder)?;
        Sdk::new(identity, self.nodes.clone()).map_err(usage)
    }
}

/// What the state holds, proved.
pub(super) fn value<V: StateValue>(sdk: &Sdk, key: &StateKey) -> Result<Option<V>, Fatal> {
    let proved = sdk.client().state(key, None)?;
    let value = proved.proved().value.as_deref().map(V::decode);
    value.transpose().map_err(failed)
}

fn anchor(sdk: &Sdk, event: Event) -> Result<(), Fatal> {
    let anchored = sdk.anchor(event)?;
    Ok(say(format_args!("anchored as {}", anchored.id()))?)
}

fn propose_custodians(
    sdk: &Sdk,
    book: &Path,
    threshold: u16,
    name: Option<&str>,
) -> Result<Exit, Fatal> {
    let book = AddressBook::read(book).map_err(usage)?;
    let current: Option<CustodianEpoch> = value(sdk, &CustodianEpoch::key())?;
    let epoch = current.map_or(1, |epoch| epoch.0.saturating_add(1));
    let set = set_of(&book, epoch, threshold).map_err(usage)?;
    show(&set)?;
    let change = Change::Custodians(set.clone());
    let name = named(name, &format!("custodians of epoch {epoch}"), &change);
    propose(sdk, &name, &change, |name| {
        sdk.propose_custodians(name, set)
    })
}

/// The proposer's own name, or one that every other change has another of. The same change has the same.
fn named(given: Option<&str>, what: &str, change: &Change) -> String {
    given.map_or_else(|| format!("{what}, {}", change.hash()), str::to_owned)
}

/// Anchors a proposal, unless it is on the ledger.
fn propose(
    sdk: &Sdk,
    name: &str,
    change: &Change,
    event: impl FnOnce(&str) -> Result<Event, SdkError>,
) -> Result<Exit, Fatal> {
    let handle = sdk.proposal_handle(name);
    let before: Option<Proposal> = value(sdk, &Proposal::key(sdk.participant(), &handle))?;
    match before {
        None => anchor(sdk, event(name).map_err(failed)?)?,
        Some(before) if before.change == *change => {
            say(format_args!("it is proposed, and was before"))?;
        }
        Some(_) => {
            let what = format!("another change was proposed as {name:?}; give another --name");
            return Err(usage(what));
        }
    }
    say_how_to_approve(sdk, name)
}

fn say_how_to_approve(sdk: &Sdk, name: &str) -> Result<Exit, Fatal> {
    say(format_args!(
        "each authority approves it with: medanchor governance approve --home HOME --node URL \\\n    --proposer {} --proposal {}",
        sdk.participant(),
        sdk.proposal_handle(name)
    ))?;
    Ok(Exit::Success)
}

/// The set of the custodians in an address book.
///
/// # Errors
/// As [`Custodians::new`].
pub(crate) fn set_of(
    book: &AddressBook,
    epoch: u32,
    threshold: u16,
) -> Result<Custodians, BuildError> {
    let members: Vec<Custodian> = book.iter().filter_map(member).collect();
    Custodians::new(epoch, threshold, members)
}

/// An entry with a share key is a custodian's.
fn member(counterpart: &Counterpart) -> Option<Custodian> {
    Some(Custodian {
        name: counterpart.name.clone(),
        share_key: counterpart.share_key.as_ref()?.reader_key(),
        tls: counterpart.key_hash()?,
    })
}

fn approve(sdk: &Sdk, proposer: &str, proposal: &str) -> Result<Exit, Fatal> {
    let proposer: ParticipantName = proposer.parse().map_err(usage)?;
    let mut handle = [0; 16];
    hex::decode_to_slice(proposal, &mut handle)
        .map_err(|_| usage("a proposal is 32 hex digits, as proposing prints it"))?;
    let handle = ProposalHandle::new(handle);
    let found: Option<Proposal> = value(sdk, &Proposal::key(&proposer, &handle))?;
    let found = found.ok_or_else(|| usage("the ledger has no such proposal"))?;
    match &found.change {
        Change::Custodians(set) => show(set)?,
        Change::Keys(change) => keys::show(change)?,
        _ => {
            return Err(usage(
                "this release does not know the change; install a newer one",
            ));
        }
    }
    if found.approvals.contains(sdk.participant()) {
        say(format_args!(
            "it is approved by this participant, and was before"
        ))?;
    } else if found.applied.is_some() {
        say(format_args!(
            "others approved it, and it is in force: nothing is left to approve"
        ))?;
    } else {
        let event = sdk.approve(&proposer, handle, &found.change);
        anchor(sdk, event.map_err(failed)?)?;
    }
    Ok(Exit::Success)
}

fn show_current(sdk: &Sdk) -> Result<Exit, Fatal> {
    let Some(epoch) = value::<CustodianEpoch>(sdk, &CustodianEpoch::key())? else {
        say(format_args!("the ledger names no custodians yet"))?;
        return Ok(Exit::Success);
    };
    let set: Option<CustodianSet> = value(sdk, &CustodianSet::key(epoch.0))?;
    show(&set.ok_or_else(|| failed("the set is missing"))?.custodians)?;
    Ok(Exit::Success)
}

fn show(set: &Custodians) -> Result<(), Fatal> {
    say(format_args!(
        "epoch {}: {} of {} custodians",
        set.epoch(),
        set.threshold(),
        set.members().len()
    ))?;
    for member in set.members() {
        say(format_args!(
            "  {:<24} share key {}  TLS key {}",
            member.name.as_str(),
            hex::encode(member.share_key.encode()),
            member.tls
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::event::ParticipantKeys;
    use medanchor_ledger::signature::SigningKey;

    /// Every set was "custodians": the second could not be proposed.
    #[test]
    fn another_change_is_another_proposal_and_the_same_is_the_same() {
        let suspended = |seed: Option<u8>| {
            let key = seed.map(|seed| SigningKey::from_seed(&[seed; 32]).public_key());
            let name = "north-hospital".parse().unwrap();
            Change::Keys(ParticipantKeys::new(name, 1, key.into_iter().collect()).unwrap())
        };
        let name = |seed| named(None, "keys", &suspended(seed));
        assert_eq!(name(Some(1)), name(Some(1)));
        assert_ne!(name(Some(1)), name(Some(2)));
        assert_ne!(name(Some(1)), name(None));
        assert_eq!(named(Some("mine"), "keys", &suspended(None)), "mine");
    }
}
