//! `medanchor network join`: make the home of a node that follows.

use super::usage;
use crate::config::Peer;
use crate::exit::{Exit, Fatal};
use crate::home::Home;
use crate::network::Joining;
use crate::output::say;
use medanchor_ledger::genesis::Genesis;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Make the home of a node that follows a network that is there
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor network join --genesis genesis --name south-hospital --home south-hospital \\
      --http 127.0.0.1:8480 --p2p 0.0.0.0:9480 --address node.south.example:9480 \\
      --peer north-hospital=KEY@node.north.example:9480

KEY is what `medanchor key show --home HOME p2p` prints at that member. The home may hold the
participant's identity/ already; nothing is ever overwritten. Prints the entry that every other
member adds to its config.toml before it starts its node again.

Exit codes: 0 it is made; 2 wrong usage, or the genesis file cannot be read; 11 it is none, does not
name the participant, or the home is another's or cannot be written.")]
pub struct Join {
    /// The network's genesis file, from any member
    #[arg(long)]
    genesis: PathBuf,
    /// The participant that runs the node, as the genesis names it
    #[arg(long)]
    name: String,
    /// The home to make
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    /// A member's node; give every one that this node shall talk to
    #[arg(long = "peer", value_name = "NAME=KEY@ADDRESS", required = true)]
    peers: Vec<String>,
    /// Where clients reach the node
    #[arg(long, default_value = "127.0.0.1:8480")]
    http: SocketAddr,
    /// Where the node listens for other nodes
    #[arg(long, default_value = "127.0.0.1:9480")]
    p2p: SocketAddr,
    /// Where other nodes reach it, if that is not what it listens on: HOST:PORT
    #[arg(long)]
    address: Option<String>,
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(join: &Join) -> Result<Exit, Fatal> {
    let failed = |what: String| Fatal::new(Exit::Home, what);
    let path = join.genesis.display();
    let genesis =
        std::fs::read(&join.genesis).map_err(|e| usage(format!("cannot read {path}: {e}")))?;
    let joining = Joining {
        genesis: Genesis::decode(&genesis).map_err(|e| failed(format!("{path}: {e}")))?,
        name: name(&join.name)?,
        http: join.http,
        p2p: join.p2p,
        address: address(join)?,
        peers: join
            .peers
            .iter()
            .map(|text| peer(text))
            .collect::<Result<_, _>>()?,
    };
    let own = joining
        .join(&Home::new(&join.home))
        .map_err(|e| failed(e.to_string()))?;
    say(format_args!(
        "# For config.toml of every other member, who then starts its node again:{}",
        own.documented()
    ))?;
    say(format_args!(
        "# Run this node with `medanchor run --home {}`.",
        join.home.display()
    ))?;
    Ok(Exit::Success)
}

fn name<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Fatal> {
    text.parse()
        .map_err(|error| usage(format!("a name cannot be used: {error}")))
}

fn address(join: &Join) -> Result<String, Fatal> {
    match &join.address {
        Some(address) => Ok(address.clone()),
        None if join.p2p.ip().is_unspecified() || join.p2p.port() == 0 => Err(usage(format!(
            "nobody can reach {}; say with --address where other nodes reach this one",
            join.p2p
        ))),
        None => Ok(join.p2p.to_string()),
    }
}

fn peer(text: &str) -> Result<Peer, Fatal> {
    let parts = text
        .split_once('=')
        .and_then(|(name, rest)| Some((name, rest.split_once('@')?)));
    let Some((who, (key, address))) = parts else {
        return Err(usage("that is no peer; write NAME=KEY@HOST:PORT"));
    };
    let mut bytes = [0; 32];
    hex::decode_to_slice(key, &mut bytes)
        .map_err(|_| usage("the key of a peer is not 64 hex digits"))?;
    Ok(Peer {
        name: name(who)?,
        key: key.to_owned(),
        address: address.to_owned(),
    })
}
