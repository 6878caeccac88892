//! Checks a whole ledger, or one receipt, without trusting the node it came from.
//!
//! What always holds: nothing that is read is believed. A ledger passes only if every entry, hash,
//! signature, certificate and rule outcome in it was computed again here; a fault is named by the
//! entry, height or file at which it shows. Memory stays flat in the length of the ledger. No node
//! is asked anything: an audit reads the files of a published log, from a folder or over HTTP.
//!
//! Exit codes: 0 all holds; 1 something does not, and the output names it; 2 the command line is
//! wrong; 3 something could not be read, so there is no verdict.

mod accesses;
mod address;
mod attestation;
mod blocks;
mod breach;
mod chain;
mod cli;
mod compare;
mod consistent;
mod cosigned;
mod entries;
mod evidence;
mod fault;
mod file;
mod find;
#[cfg(test)]
mod help;
mod inclusion;
mod judge;
mod key_file;
mod language;
mod mirror;
mod observation;
mod observed;
mod older;
mod opened;
mod outcome;
mod output;
mod parties;
mod pipeline;
mod prepare;
mod progress;
mod proof;
mod receipt;
mod receipts;
mod records;
mod releases;
mod replay;
mod report;
mod sample;
mod slips;
mod source;
mod state;
mod stop;
mod successors;
#[cfg(feature = "testing")]
pub mod testing;
mod tier;
mod tiles;
mod together;
mod trust;
pub mod usage;
mod verdict;
mod verify;
mod watch;
mod witness;

use clap::Parser;
use std::ffi::OsString;
use std::process::ExitCode;

/// All that was checked holds.
pub const EXIT_GOOD: u8 = 0;
/// Something does not hold.
pub const EXIT_FAILED: u8 = 1;
/// The command line is wrong.
pub const EXIT_USAGE: u8 = 2;
/// Something could not be read; there is no verdict.
pub const EXIT_UNREADABLE: u8 = 3;

/// Runs the auditor on a command line whose first element is the program's name, prints to
/// standard output and standard error, and gives the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match cli::Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            return ExitCode::from(match usage::print(error) {
                true => EXIT_USAGE,
                false => EXIT_GOOD,
            });
        }
    };
    ExitCode::from(match cli.command {
        cli::Command::Verify(args) => verify::run(&args),
        cli::Command::Mirror(args) => mirror::run(&args),
        cli::Command::Inclusion(args) => inclusion::run(&args),
        cli::Command::Consistency(args) => consistent::run(&args),
        cli::Command::Watch(args) => watch::run(&args),
        cli::Command::Evidence(args) => evidence::run(&args),
        cli::Command::Receipt(args) => receipt::run(&args),
        cli::Command::Witness(args) => witness::run(&args),
        cli::Command::Report(args) => report::run(&args),
        cli::Command::State(args) => proof::state(&args),
        cli::Command::History(args) => proof::history(&args),
        cli::Command::Access(args) => proof::access(&args),
        cli::Command::Sample(args) => sample::run(&args),
        cli::Command::Releases(args) => releases::run(&args),
        cli::Command::Slips(args) => slips::run(&args),
    })
}
