//! `medanchor policy`: whose signatures count at a height, as a file for any verifier.
//!
//! What always holds: what is printed was walked from a genesis file: that of the home, the one that
//! was given, or, with neither, the one that the node serves, whose hash is then told so that it can be
//! compared. Of a height that the published log has not reached nothing is printed.

use crate::exit::{Exit, Fatal};
use crate::home::Home;
use crate::output::{complain, say_bytes};
use medanchor_ledger::Height;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::genesis::{Genesis, MAX_GENESIS_BYTES};
use medanchor_ledger::merkle::bundle::{BundleId, MAX_ENTRY, read_entries};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{Policies, PolicyChain};
use medanchor_ledger::seal::Seal;
use medanchor_store::LogReader;
use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The entries of a full bundle.
const ENTRIES: u64 = 256;
/// The longest bundle.
const MAX_BUNDLE: usize = 256 * (2 + MAX_ENTRY);

/// Print whose signatures count at a height (C2SP tlog-policy), or the chain of all policies
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  medanchor policy --home net/north-hospital > policy       # the newest, from a home, asking nobody
  medanchor policy --url http://127.0.0.1:8480 --height 7   # that of height 7, from a node
  medanchor policy --home net/north-hospital --chain > policy-chain

The policy file says whose signatures make a checkpoint trustworthy; give it to whoever checks
receipts with tools of their own. The chain says which policy stands for which sizes of the log,
with the proof of each change; medanchor-audit and the SDK walk it from the genesis file.

Exit codes: 0 it is printed; 1 the published log does not reach the height, or the home's log cannot
be read; 2 wrong usage; 11 the genesis file cannot be used; 15 the chain or the log's end does not
hold; 19 the node cannot be reached.")]
pub struct Policy {
    /// A node's home; the node need not run
    #[arg(long, env = "MEDANCHOR_HOME", required_unless_present = "url")]
    home: Option<PathBuf>,
    /// A node's address
    #[arg(long, conflicts_with = "home")]
    url: Option<String>,
    /// The genesis file to walk from; without it that of the home or of the node
    #[arg(long)]
    genesis: Option<PathBuf>,
    /// A height that the published log has reached; without it the newest policy
    #[arg(long, conflicts_with = "chain")]
    height: Option<u64>,
    /// Print the chain of all policies instead: binary, for a file
    #[arg(long)]
    chain: bool,
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(wanted: &Policy) -> Result<Exit, Fatal> {
    let place = match (&wanted.url, &wanted.home) {
        (Some(url), _) => Place::Node(url.trim_end_matches('/').to_owned()),
        (None, home) => Place::Home(Home::new(home.clone().unwrap_or_default())),
    };
    let genesis = wanted.genesis.as_deref();
    let (genesis, chain) = match &place {
        Place::Node(url) => from_node(url, genesis)?,
        Place::Home(home) => from_home(home, genesis)?,
    };
    let policies = chain
        .verify(&genesis)
        .map_err(|error| Fatal::new(Exit::Damaged, error.to_string()))?;
    if wanted.chain {
        say_bytes(&chain.encode())?;
    } else {
        let height = wanted.height.map(Height);
        height.map_or(Ok(()), |height| place.reaches(height))?;
        say_bytes(policy_at(&policies, height.unwrap_or(Height(u64::MAX))))?;
    }
    Ok(Exit::Success)
}

/// Where the published log is.
enum Place {
    Home(Home),
    Node(String),
}

impl Place {
    /// Refuses a height beyond the end of the published log: which validators will stand there is not
    /// known.
    fn reaches(&self, height: Height) -> Result<(), Fatal> {
        let last = match self.checkpoint()? {
            Some(note) => self.end(&note)?,
            // A home whose node has not run yet has what genesis lays down.
            None => Height(0),
        };
        if height <= last {
            return Ok(());
        }
        let message = format!(
            "height {height} is not reached: the published log ends with height {last}; wait for a later checkpoint, or ask without --height for the newest policy"
        );
        Err(Fatal::new(Exit::Failure, message))
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, Fatal> {
        match self {
            Self::Node(url) => fetch(url, "checkpoint", Note::MAX_BYTES).map(Some),
            Self::Home(home) => {
                let note = LogReader::new(&home.log()).checkpoint();
                note.map_err(|error| crate::run::storage_fatal(&error))
            }
        }
    }

    /// The height of the last block under a checkpoint.
    fn end(&self, note: &[u8]) -> Result<Height, Fatal> {
        let damaged = |why: &dyn Display| {
            Fatal::new(
                Exit::Damaged,
                format!("the end of the published log: {why}"),
            )
        };
        let note = Note::parse(note).map_err(|error| damaged(&error))?;
        let checkpoint = note.text().parse::<Checkpoint>();
        let size = checkpoint.map_err(|error| damaged(&error))?.size;
        let last = size.0.saturating_sub(1);
        let bundle = BundleId::at(last / ENTRIES, size);
        let bundle = bundle.ok_or_else(|| damaged(&"its checkpoint is of no entries"))?;
        let bytes = self.bundle(bundle)?;
        let entries = read_entries(bundle, &bytes).map_err(|error| damaged(&error))?;
        let at = usize::try_from(last % ENTRIES).unwrap_or(usize::MAX);
        let seal = entries.get(at).map(|entry| Seal::decode(entry));
        match seal {
            Some(Ok(seal)) => Ok(seal.height),
            Some(Err(error)) => Err(damaged(&error)),
            None => Err(damaged(&"it has fewer entries than its checkpoint says")),
        }
    }

    fn bundle(&self, id: BundleId) -> Result<Vec<u8>, Fatal> {
        match self {
            Self::Node(url) => fetch(url, &id.to_string(), MAX_BUNDLE),
            Self::Home(home) => {
                let bytes = LogReader::new(&home.log()).bundle(id);
                bytes.map_err(|error| crate::run::storage_fatal(&error))
            }
        }
    }
}

fn policy_at(policies: &Policies, height: Height) -> &[u8] {
    let turn = policies.at_height(height);
    turn.map_or(&[], |turn| turn.range.policy().as_bytes())
}

fn from_home(home: &Home, genesis: Option<&Path>) -> Result<(Genesis, PolicyChain), Fatal> {
    let path = genesis.map_or_else(|| home.genesis(), Path::to_owned);
    let genesis = read_genesis(&path)?;
    let log = LogReader::new(&home.log());
    let chain = log
        .policy_chain()
        .map_err(|error| crate::run::storage_fatal(&error))?;
    let chain = match chain {
        Some(bytes) => decode(&bytes)?,
        // A home whose node has not run yet.
        None => PolicyChain::of_genesis(&genesis),
    };
    Ok((genesis, chain))
}

fn read_genesis(path: &Path) -> Result<Genesis, Fatal> {
    let unreadable = |error: std::io::Error| {
        let message = format!(
            "cannot read {}: {error}; give a genesis file",
            path.display()
        );
        Fatal::new(Exit::Home, message)
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_GENESIS_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Genesis::decode(&bytes).map_err(|error| {
        let message = format!("{} is no genesis file: {error}", path.display());
        Fatal::new(Exit::Home, message)
    })
}

fn decode(bytes: &[u8]) -> Result<PolicyChain, Fatal> {
    PolicyChain::decode(bytes).map_err(|error| Fatal::new(Exit::Damaged, error.to_string()))
}

fn from_node(url: &str, genesis: Option<&Path>) -> Result<(Genesis, PolicyChain), Fatal> {
    let chain = decode(&fetch(url, "policy-chain", PolicyChain::MAX_BYTES)?)?;
    if let Some(path) = genesis {
        return Ok((read_genesis(path)?, chain));
    }
    let bytes = fetch(url, "genesis", MAX_GENESIS_BYTES)?;
    let genesis = Genesis::decode(&bytes)
        .map_err(|error| Fatal::new(Exit::Unreachable, error.to_string()))?;
    complain(format_args!(
        "medanchor: walked from the genesis file that {url} serves, SHA-256 {}; compare it with the one you know, or give --genesis",
        genesis.hash()
    ));
    Ok((genesis, chain))
}

fn fetch(url: &str, file: &str, limit: usize) -> Result<Vec<u8>, Fatal> {
    let unreachable = |error: ureq::Error| {
        let message = format!("{url} does not give {file}: {error}; does the node run?");
        Fatal::new(Exit::Unreachable, message)
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(10)))
        .proxy(None)
        .build()
        .into();
    let answer = agent.get(format!("{url}/{file}")).call();
    let mut answer = answer.map_err(unreachable)?;
    let body = answer.body_mut().with_config().limit(limit as u64);
    body.read_to_vec().map_err(unreachable)
}
