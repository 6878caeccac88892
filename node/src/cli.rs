//! The command line of `medanchor`.

mod access;
mod emergency;
mod erase;
pub(crate) mod governance;
mod institution;
mod key;
mod network;
mod out;
mod patient;
mod payloads;
mod policy;
mod protect;
mod reshare;
mod service;
mod status;

use crate::exit::{Exit, Fatal};
use crate::home::Home;
use crate::output::complain;
use crate::run::Options;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Hospitals, pharmacies, makers and regulators prove to each other what happened.
#[derive(Parser)]
#[command(name = "medanchor", version, propagate_version = true, after_help = EXAMPLES)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  medanchor demo                                  watch a network of four at work
  medanchor network new --dir net --name city \\
      --validator north-hospital:hospital \\
      --validator east-pharmacy:pharmacy \\
      --participant south-hospital:hospital       found a network
  medanchor run --home net/north-hospital         run one of its nodes
  medanchor status --home net/north-hospital      ask a running node how it is
  medanchor audit verify net/north-hospital/log   check a whole ledger, asking nobody

Exit codes: 0 all is well, 1 other trouble, 2 wrong usage, 10 configuration, 11 home,
12 home in use, 13 port in use, 14 disk full, 15 damaged file, 16 keys,
17 another node has this node's key, 18 newer release needed, 19 node not reachable,
141 nobody reads the output any more.";

#[derive(Subcommand)]
enum Command {
    /// Make a network, or join one
    #[command(subcommand)]
    Network(network::Command),
    /// Run a node until it is stopped (SIGTERM, Ctrl-C)
    Run(Run),
    /// Ask a running node how it is
    Status(status::Status),
    /// Print whose signatures count at a height, or the chain of all policies
    Policy(policy::Policy),
    /// Show a home's public keys, go over to a new signing key
    #[command(subcommand)]
    Key(key::Command),
    /// Who opened a patient's records
    #[command(subcommand)]
    Patient(patient::Command),
    /// Read without a consent when a life may depend on it, and review what others read so
    #[command(subcommand)]
    Access(access::Command),
    /// Name the custodians of records' keys, and the keys that participants sign with
    #[command(subcommand)]
    Governance(governance::Command),
    /// Keep shares of records' keys for others
    #[command(subcommand)]
    Custodian(service::Custodian),
    /// Serve the records of an institution to whom the ledger permits
    #[command(subcommand)]
    Vault(service::Vault),
    /// Watch a network of four at work, on sample data or your own
    Demo(crate::demo::DemoArgs),
    /// Audit a published log (as `medanchor-audit`)
    #[command(disable_help_flag = true)]
    Audit(Audit),
}

/// Runs a node.
#[derive(clap::Args)]
#[command(after_help = "\
Everything is in HOME/config.toml, which explains itself. The node's log goes to standard error.
A home restored from a back-up must be started with --restored once: it then signs nothing
until the network is past all that its keys may have signed, and votes again by itself.")]
struct Run {
    /// The node's home, made by `medanchor network new`
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    /// The home was restored from a back-up: sign nothing until it is safe
    #[arg(long)]
    restored: bool,
}

#[derive(clap::Args)]
struct Audit {
    /// What to audit; see `medanchor audit --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Does what a command line says, whose first element is the program's name; prints what goes wrong.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line = match Line::try_parse_from(without_the_alias_dashes(arguments)) {
        Ok(line) => line,
        Err(error) => {
            // Help and version come this way too, with exit code 0.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Success.into()
            };
        }
    };
    if let Command::Audit(audit) = line.command {
        let name = OsString::from("medanchor audit");
        return medanchor_audit::run(std::iter::once(name).chain(audit.arguments));
    }
    match run(line.command) {
        Ok(exit) => exit.into(),
        Err(fatal) => {
            // Whoever closed the pipe knows.
            if fatal.exit != Exit::Closed {
                complain(format_args!("medanchor: {fatal}"));
            }
            fatal.exit.into()
        }
    }
}

/// `cargo demo -- --keep` is an alias of `cargo run .. -- demo`, so its own `--` comes through.
fn without_the_alias_dashes(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let behind_demo =
        [arguments.get(1), arguments.get(2)].map(|one| one.and_then(|it| it.to_str()));
    if behind_demo == [Some("demo"), Some("--")] {
        arguments.remove(2);
    }
    arguments
}

fn run(command: Command) -> Result<Exit, Fatal> {
    match command {
        Command::Network(command) => network::run(command),
        Command::Run(run) => {
            crate::run::run(&Options {
                home: Home::new(run.home),
                restored: run.restored,
            })?;
            Ok(Exit::Success)
        }
        Command::Status(status) => status::run(&status),
        Command::Policy(wanted) => policy::run(&wanted),
        Command::Governance(command) => governance::run(&command),
        Command::Custodian(command) => service::custodian(&command),
        Command::Vault(command) => service::vault(&command),
        Command::Key(command) => key::run(&command),
        Command::Patient(command) => patient::run(&command),
        Command::Access(command) => access::run(&command),
        Command::Demo(demo) => crate::demo::run(&demo).map_err(|error| {
            Fatal::new(Exit::Failure, format!("the demo cannot go on: {error:#}"))
        }),
        // The auditor has exit codes of its own, so it was run before.
        Command::Audit(_) => Ok(Exit::Success),
    }
}
