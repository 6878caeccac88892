//! The command line of `watch`.

use crate::trust::TrustArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  medanchor-audit watch https://north.example https://east.example --dir watch   # until Ctrl-C
  medanchor-audit watch net/*/log --dir watch --once                             # for cron
  medanchor-audit watch https://north.example --dir watch --json | logger        # JSON lines
  medanchor-audit watch https://north.example --dir watch --checkpoint monday.checkpoint
  medanchor-audit watch key new --name watch.example/a --out a.key
  medanchor-audit watch https://north.example --dir watch --key a.key
  medanchor-audit evidence watch/evidence/fork-*.fork \\
      --genesis watch/genesis                                                    # anybody, offline

A fork is proved by signatures, and the evidence convinces anybody who knows the network's policy.
So are two chains of policies that part, which are kept as two files: give `evidence` the one, and
the other with --policy-chain. So is a rollback whose smaller checkpoint was cosigned later than the
larger one, by the same key.
Everything else (an old checkpoint that is served again, a stall, a node without quorum, behind or
out of reach) nobody of the network signed. With --key the observer signs it, with the bytes that
were served, and the file counts for whoever trusts that observer; several observers' files are
counted together by `medanchor-audit evidence`. Without --key nobody signs it, and its file says so.

Exit codes of --once: 0 nothing was found; 1 something was; 2 wrong command line; 3 the watcher
itself failed. Without --once: 0 after Ctrl-C, 1 after a fork, 3 the watcher itself failed.";

/// Watch many copies of a log: rollback, fork, stall, missing quorum, a node behind or out of reach.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = EXAMPLES
)]
pub(crate) struct WatchArgs {
    #[command(subcommand)]
    pub(super) command: Option<WatchCommand>,
    /// Folders with published logs, or addresses of nodes or file servers.
    #[arg(required = true)]
    pub(super) targets: Vec<String>,
    /// The folder for what was seen, and for evidence.
    #[arg(long, required = true)]
    pub(super) dir: Option<PathBuf>,
    /// A checkpoint that was saved elsewhere, with the quorum of its size (without it, it is found as
    /// broken). Every copy must by now have it: one with fewer entries is found as a rollback, one that
    /// contradicts it as a fork. May be given up to 32 times.
    #[arg(long = "checkpoint", value_name = "FILE")]
    pub(super) checkpoints: Vec<PathBuf>,
    /// The observer's key, made by `watch key new`: it signs what is found and no party's signature
    /// proves.
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    #[command(flatten)]
    pub(super) trust: TrustArgs,
    /// Look once, and say by the exit code what was found.
    #[arg(long)]
    pub(super) once: bool,
    /// Seconds between two rounds.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) every: u64,
    /// Seconds after which a newest checkpoint is a stall, by its cosigners' clocks and this one.
    #[arg(long, default_value_t = 600)]
    pub(super) stall_after: u64,
    /// Seconds by which one copy's checkpoint may be older than the newest one that was seen.
    #[arg(long, default_value_t = 60)]
    pub(super) behind_after: u64,
    /// Seconds that one file may take.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) timeout: u64,
    /// Print a line of JSON for each finding.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum WatchCommand {
    /// Make or show an observer's key
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key file that its owner alone can read, and print the verifier key
    #[command(after_help = "\
Example:
  medanchor-audit watch key new --name watch.example/a --out a.key

Whoever is to be convinced is given the verifier key beforehand, by another way than the evidence.

Exit codes: 0 it is made; 2 wrong command line; 3 it cannot be made.")]
    New {
        /// The observer's name in what it signs, such as watch.example/a.
        #[arg(long)]
        name: String,
        /// The file to make; never overwritten.
        #[arg(long)]
        out: PathBuf,
    },
    /// Print the verifier key of a key file
    #[command(after_help = "\
Example:
  medanchor-audit watch key show --key a.key

Exit codes: 0 it is printed; 2 wrong command line; 3 the file cannot be read, or holds none.")]
    Show {
        /// The key file.
        #[arg(long)]
        key: PathBuf,
    },
}
