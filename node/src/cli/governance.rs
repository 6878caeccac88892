//! `medanchor governance`: authorities name the custodians of records' keys, and participants' signing keys.

mod keys;

use crate::exit::{Exit, Fatal};
use crate::output::say;
use medanchor_ledger::event::{BuildError, Change, Custodian, Custodians, Event};
use medanchor_ledger::rules::{CustodianEpoch, CustodianSet, Proposal, StateValue};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{ParticipantName, ProposalHandle};
use medanchor_sdk::direct::{AddressBook, Counterpart};
use medanchor_sdk::{Identity, Sdk};
use std::path::PathBuf;

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
    ProposeCustodians {
        #[command(flatten)]
        who: Who,
        /// The address book that lists the custodians, each with its share key
        #[arg(long)]
        book: PathBuf,
        /// How many of them it takes to release a key
        #[arg(long)]
        threshold: u16,
        /// Your own name for the proposal
        #[arg(long, default_value = "custodians")]
        name: String,
    },
    /// Approve a proposal, after showing what it changes; for an authority
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
    /// Whatever key is not on the list signs nothing any more once enough authorities have approved it; with
    /// no key at all the participant is suspended. The proposal counts for the list of now: after another
    /// change of the same participant's keys it can never be.
    ProposeKeys {
        #[command(flatten)]
        who: Who,
        /// Whose keys
        #[arg(long)]
        participant: String,
        /// A key it shall sign with, 64 hex digits, as `medanchor key next` prints it; give several, or none
        #[arg(long = "key", value_name = "HEX")]
        keys: Vec<String>,
        /// Your own name for the proposal; one of the participant and the change's number if not given
        #[arg(long)]
        name: Option<String>,
    },
    /// Show the keys that a participant signs with now
    Keys {
        #[command(flatten)]
        who: Who,
        /// Whose keys
        #[arg(long)]
        participant: String,
    },
    /// Show the custodians of now
    Custodians {
        #[command(flatten)]
        who: Who,
    },
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
        } => propose(&who.sdk()?, book, *threshold, name),
        Command::Approve {
            who,
            proposer,
            proposal,
        } => approve(&who.sdk()?, proposer, proposal),
        Command::ProposeKeys {
            who,
            participant,
            keys,
            name,
        } => keys::propose(&who.sdk()?, participant, keys, name.as_deref()),
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
        let identity = Identity::open(&folder).map_err(super::patient::no_identity)?;
        Sdk::new(identity, self.nodes.clone()).map_err(usage)
    }
}

/// What the state holds, proved.
fn value<V: StateValue>(sdk: &Sdk, key: &StateKey) -> Result<Option<V>, Fatal> {
    let proved = sdk.client().state(key, None);
    let proved = proved.map_err(|e| Fatal::new(Exit::Unreachable, e.to_string()))?;
    let value = proved.proved().value.as_deref().map(V::decode);
    value.transpose().map_err(failed)
}

fn anchor(sdk: &Sdk, event: Event) -> Result<(), Fatal> {
    let anchored = sdk.anchor(event).map_err(failed)?;
    Ok(say(format_args!("anchored as {}", anchored.id()))?)
}

fn propose(sdk: &Sdk, book: &std::path::Path, threshold: u16, name: &str) -> Result<Exit, Fatal> {
    let book = AddressBook::read(book).map_err(usage)?;
    let current: Option<CustodianEpoch> = value(sdk, &CustodianEpoch::key())?;
    let epoch = current.map_or(1, |epoch| epoch.0.saturating_add(1));
    let set = set_of(&book, epoch, threshold).map_err(usage)?;
    show(&set)?;
    let event = sdk.propose_custodians(name, set).map_err(failed)?;
    anchor(sdk, event)?;
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
    let event = sdk.approve(&proposer, handle, &found.change);
    anchor(sdk, event.map_err(failed)?)?;
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
