//! `medanchor network`: make a network, or a home in one that is there.

mod join;

use crate::chain::Shared;
use crate::exit::{Exit, Fatal};
use crate::network::{Founding, Institution, Layout, Part, Ports};
use crate::output::{PrintError, say};
use medanchor_ledger::ParticipantName;
use medanchor_ledger::rules::Role;
use medanchor_sdk::keeping::harmless;
use serde::Deserialize;
use std::path::PathBuf;

/// Make a network, or join one
#[derive(clap::Subcommand)]
pub enum Command {
    New(New),
    Join(join::Join),
}

/// Make genesis, keys and homes for the institutions of a new network
#[derive(clap::Args)]
#[command(after_help = "\
Roles: hospital, pharmacy, manufacturer, distributor, regulator, custodian; several with commas.
A custodian holds shares of records' keys; one that runs a voting node is never in a set of them.

Example:
  medanchor network new --dir net --name city \\
      --validator north-hospital:hospital --validator east-pharmacy:pharmacy \\
      --validator red-pharma:manufacturer --validator health-office:regulator \\
      --participant south-hospital:hospital --participant notary:custodian

The same as a file for --spec:
  name = \"city\"
  publisher = \"north-hospital\"   # may be left out: who feeds outside witnesses
  [[institution]]
  name = \"north-hospital\"
  roles = [\"hospital\"]
  part = \"validator\"        # or \"follower\", or \"participant\"

Makes DIR/genesis, DIR/policy and a folder for each institution: a node's home with its keys,
and identity/ with the key that signs its events. Hand each institution its own folder and
nobody else's. Nothing is ever overwritten.

Exit codes: 0 it is made; 1 DIR cannot be made; 2 wrong usage, or the spec cannot be used; 11 DIR
holds another network, or something cannot be written there.")]
pub struct New {
    /// The folder for the network
    #[arg(long)]
    dir: PathBuf,
    /// A file that lists name and institutions
    #[arg(long, conflicts_with_all = ["name", "validators", "followers", "participants", "publisher"])]
    spec: Option<PathBuf>,
    /// The network's name: 1 to 64 of a-z, 0-9, dots and hyphens
    #[arg(long, default_value = "medanchor")]
    name: String,
    /// An institution that runs a voting node
    #[arg(long = "validator", value_name = "NAME:ROLES")]
    validators: Vec<String>,
    /// An institution that runs a node that follows
    #[arg(long = "follower", value_name = "NAME:ROLES")]
    followers: Vec<String>,
    /// An institution that posts at another's node
    #[arg(long = "participant", value_name = "NAME:ROLES")]
    participants: Vec<String>,
    /// The institution whose node hands checkpoints to outside witnesses; one of those that run a
    /// node. Its home gets the publisher key, and the genesis names it for the life of the network
    #[arg(long, value_name = "NAME")]
    publisher: Option<String>,
    /// The first of the nodes' ports on 127.0.0.1; 0 takes whatever is free now
    #[arg(long, default_value_t = 8480)]
    first_port: u16,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    name: String,
    publisher: Option<String>,
    institution: Vec<SpecInstitution>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecInstitution {
    name: String,
    roles: Vec<String>,
    #[serde(default)]
    part: SpecPart,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SpecPart {
    Validator,
    Follower,
    #[default]
    Participant,
}

fn usage(message: impl Into<String>) -> Fatal {
    Fatal::new(Exit::Usage, message)
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(command: Command) -> Result<Exit, Fatal> {
    match command {
        Command::New(new) => found(&new),
        Command::Join(join) => join::run(&join),
    }
}

fn found(new: &New) -> Result<Exit, Fatal> {
    let (name, institutions, publisher) = institutions(new)?;
    let publisher = publisher.map(|name| participant_name(&name)).transpose()?;
    let founding = Founding {
        name: name
            .parse()
            .map_err(|error| usage(format!("the network's name cannot be used: {error}")))?,
        institutions,
        publisher,
        ports: if new.first_port == 0 {
            Ports::Free
        } else {
            Ports::From(new.first_port)
        },
        time: Shared::clock(),
    };
    std::fs::create_dir_all(&new.dir).map_err(|e| {
        Fatal::new(
            Exit::Failure,
            format!("cannot make {}: {e}", new.dir.display()),
        )
    })?;
    let layout = founding
        .found(&new.dir)
        .map_err(|e| Fatal::new(Exit::Home, e.to_string()))?;
    if new.json {
        print_json(&layout)?;
    } else {
        print(&layout)?;
    }
    Ok(Exit::Success)
}

type Named = (String, Vec<Institution>, Option<String>);

fn institutions(new: &New) -> Result<Named, Fatal> {
    if let Some(path) = &new.spec {
        let text = std::fs::read_to_string(path)
            .map_err(|e| usage(format!("cannot read {}: {e}", path.display())))?;
        let spec: Spec = toml::from_str(&text)
            .map_err(|e| usage(format!("{}: {}", path.display(), harmless(&e, &text))))?;
        let all = spec
            .institution
            .into_iter()
            .map(of_spec)
            .collect::<Result<_, _>>()?;
        return Ok((spec.name, all, spec.publisher));
    }
    let parts = [
        (&new.validators, Part::Validator),
        (&new.followers, Part::Follower),
        (&new.participants, Part::Participant),
    ];
    let all = parts
        .into_iter()
        .flat_map(|(list, part)| list.iter().map(move |text| of_text(text, part)));
    let all = all.collect::<Result<_, _>>()?;
    Ok((new.name.clone(), all, new.publisher.clone()))
}

fn of_spec(spec: SpecInstitution) -> Result<Institution, Fatal> {
    let part = match spec.part {
        SpecPart::Validator => Part::Validator,
        SpecPart::Follower => Part::Follower,
        SpecPart::Participant => Part::Participant,
    };
    institution(&spec.name, spec.roles.iter().map(String::as_str), part)
}

fn of_text(text: &str, part: Part) -> Result<Institution, Fatal> {
    let (name, roles) = text.split_once(':').ok_or_else(|| {
        usage("an institution has no role; write NAME:ROLE, such as north-hospital:hospital")
    })?;
    institution(name, roles.split(','), part)
}

fn institution<'a>(
    name: &str,
    roles: impl Iterator<Item = &'a str>,
    part: Part,
) -> Result<Institution, Fatal> {
    Ok(Institution {
        name: participant_name(name)?,
        roles: roles.map(role).collect::<Result<_, _>>()?,
        part,
    })
}

fn participant_name(name: &str) -> Result<ParticipantName, Fatal> {
    name.parse().map_err(|error| {
        usage(format!(
            "the name of an institution cannot be used: {error}"
        ))
    })
}

fn role(word: &str) -> Result<Role, Fatal> {
    Role::ALL
        .into_iter()
        .find(|role| role.as_str() == word)
        .ok_or_else(|| {
            let known: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
            usage(format!(
                "one of the roles is none; use {}",
                known.join(", ")
            ))
        })
}

fn print(layout: &Layout) -> Result<(), PrintError> {
    say(format_args!("Network {}", layout.genesis.origin()))?;
    say(format_args!(
        "  genesis  {}",
        layout.dir.join("genesis").display()
    ))?;
    say(format_args!(
        "  policy   {}",
        layout.dir.join("policy").display()
    ))?;
    if let Some(key) = layout.genesis.publisher_key() {
        say(format_args!(
            "  publisher key, for outside witnesses: {key}"
        ))?;
    }
    for node in &layout.nodes {
        let part = if node.validator { "votes" } else { "follows" };
        say(format_args!(
            "  {:<24} {part:<8} http://{}",
            node.name.as_str(),
            node.http
        ))?;
    }
    if let Some(node) = layout.nodes.first() {
        say(format_args!(
            "\nRun each node with `medanchor run --home`, for example:"
        ))?;
        say(format_args!(
            "  medanchor run --home {}",
            node.home.path().display()
        ))?;
    }
    Ok(())
}

fn print_json(layout: &Layout) -> Result<(), PrintError> {
    let nodes: Vec<_> = layout
        .nodes
        .iter()
        .map(|node| {
            serde_json::json!({
                "name": node.name.as_str(),
                "home": node.home.path(),
                "validator": node.validator,
                "http": format!("http://{}", node.http),
                "p2p": node.p2p.to_string(),
            })
        })
        .collect();
    let all = serde_json::json!({
        "origin": layout.genesis.origin().to_string(),
        "genesis": layout.dir.join("genesis"),
        "policy": layout.dir.join("policy"),
        "publisher": layout.genesis.publisher_key().map(|key| key.to_string()),
        "nodes": nodes,
    });
    say(format_args!("{all:#}"))
}
