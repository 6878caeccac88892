//! The command line of `medanchor`.

mod access;
mod consent;
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
  medanchor demo                                  # watch a network of four at work
  medanchor network new --dir net --name city \\
      --validator north-hospital:hospital \\
      --validator east-pharmacy:pharmacy \\
      --participant south-hospital:hospital       # found a network
  medanchor run --home net/north-hospital         # run one of its nodes
  medanchor status --home net/north-hospital      # ask a running node how it is
  medanchor audit verify net/north-hospital/log   # check a whole ledger, asking nobody

Exit codes: 0 all is well, 1 other trouble, 2 wrong usage, 10 configuration, 11 home or identity,
12 home or identity in use, 13 port in use, 14 disk full, 15 damaged file, 16 a key, passphrase,
PIN or token, 17 another node has this node's key, 18 newer release needed, 19 a node, custodian or
owner cannot be reached, 141 nobody reads the output any more. Each command's --help has its own.";

#[derive(Subcommand)]
enum Command {
    #[command(subcommand)]
    Network(network::Command),
    Run(Run),
    Status(status::Status),
    Policy(policy::Policy),
    #[command(subcommand)]
    Key(key::Command),
    #[command(subcommand)]
    Patient(patient::Command),
    #[command(subcommand)]
    Consent(consent::Command),
    #[command(subcommand)]
    Access(access::Command),
    #[command(subcommand)]
    Governance(governance::Command),
    #[command(subcommand)]
    Custodian(service::Custodian),
    #[command(subcommand)]
    Vault(service::Vault),
    /// Watch a network of four at work, on sample data or your own
    Demo(crate::demo::DemoArgs),
    /// Audit a published log (as `medanchor-audit`)
    #[command(disable_help_flag = true)]
    Audit(Audit),
}

/// Run a node until it is stopped (SIGTERM, Ctrl-C)
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor run --home net/north-hospital

Everything is in HOME/config.toml, which explains itself. The node's log goes to standard error.
A home restored from a back-up must be started with --restored once: it then signs nothing
until the network is past all that its keys may have signed, and votes again by itself.

Exit codes: 0 stopped on request; 1 other trouble; 2 wrong usage; 10 config.toml cannot be used;
11 the home is missing, incomplete or another network's; 12 another process has it; 13 a port is
taken; 14 the disk is full; 15 a file is damaged or missing; 16 a key cannot be used; 17 another
process signs with this node's keys; 18 the ledger needs a newer release.")]
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
            // Help and version come this way too.
            return match medanchor_audit::usage::print(error) {
                true => Exit::Usage.into(),
                false => Exit::Success.into(),
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
        Command::Consent(command) => consent::run(&command),
        Command::Access(command) => access::run(&command),
        Command::Demo(demo) => crate::demo::run(&demo).map_err(|error| {
            Fatal::new(Exit::Failure, format!("the demo cannot go on: {error:#}"))
        }),
        // The auditor has exit codes of its own, so it was run before.
        Command::Audit(_) => Ok(Exit::Success),
    }
}

#[cfg(test)]
#[path = "../../audit-cli/src/help.rs"]
mod help;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn refused(line: &[&str]) -> String {
        let program = std::iter::once(&"medanchor");
        let read = Line::try_parse_from(program.chain(line));
        let error = read.err().unwrap_or_else(|| panic!("{line:?} is taken"));
        error.to_string()
    }

    #[test]
    fn every_help_fits_a_terminal_and_has_examples_to_paste_and_exit_codes() {
        Line::command().debug_assert();
        // The auditor has a help of its own.
        let wrong = help::faults(&Line::command(), &["medanchor audit"]);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// What a command line leaves out or says twice is named, and nothing is ignored in silence.
    #[test]
    fn options_that_mean_nothing_together_are_refused() {
        let protect = ["vault", "protect", "--home", "h"];
        let history = ["patient", "history", "--node", "http://n"];
        let card = ["--card", "c", "--pin-file", "p", "--genesis", "g"];
        let card = [&history[..], &card, &["--institution", "i"]].concat();
        let cases: &[(&[&str], &[&str], &str)] = &[
            (&protect, &["--none", "--token-label", "x"], "--token-label"),
            (&protect, &["--none", "--pin-file", "x"], "--pin-file"),
            (
                &protect,
                &["--passphrase-file", "f", "--pin-env", "x"],
                "--pin-env",
            ),
            (&["vault", "reshare", "--home", "h"], &[], "--all"),
            (&history, &[], "--card"),
            (&card, &["--record", "Observation/1"], "--record"),
            (&card, &["--home", "h", "--held"], "--held"),
        ];
        for (line, more, named) in cases {
            let line = [*line, more].concat();
            let said = refused(&line);
            assert!(said.contains(named), "{line:?}: {said}");
        }
        let taken = [&card[..], &["--home", "h"]].concat();
        assert!(Line::try_parse_from(std::iter::once("medanchor").chain(taken)).is_ok());
    }

    #[cfg(feature = "pkcs11")]
    #[test]
    fn a_pin_beside_a_passphrase_is_refused() {
        let line = [
            "vault",
            "emergency",
            "init",
            "--home",
            "h",
            "--passphrase-file",
            "f",
        ];
        for more in [["--pin-file", "g"], ["--token-label", "g"]] {
            let said = refused(&[&line[..], &more].concat());
            assert!(said.contains(more[0]), "{said}");
        }
    }

    /// A variant's own comment hid what its arguments' said.
    #[test]
    fn the_long_help_says_what_follows_from_a_command() {
        let said: &[(&str, &[&str])] = &[
            ("patient", &["make cards", "sign approvals"]),
            (
                "access break-glass",
                &["72 hours", "64 reviews", "Only hospitals"],
            ),
            ("access review", &["kept as late"]),
            (
                "access reviews",
                &["falls due first", "proves each opening"],
            ),
            (
                "patient history",
                &["every quarter since", "With --home", "with --card"],
            ),
            (
                "vault emergency init",
                &["Records that went into custody before cannot"],
            ),
            ("vault emergency open", &["synced", "stop it first"]),
            ("vault emergency anchor", &["once a day", "run it again"]),
            ("vault erase", &["Nothing brings the record back"]),
            ("vault serve", &["renews the consents", "tickets"]),
            (
                "consent renew",
                &["a week from now", "one that ended is not"],
            ),
        ];
        let lacking = said.iter().flat_map(|(name, words)| {
            help::lacking(&Line::command(), &format!("medanchor {name}"), words)
        });
        let lacking: Vec<String> = lacking.collect();
        assert!(lacking.is_empty(), "{}", lacking.join("\n"));
    }
}
