//! The command line of `witness`.

use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Be an outside witness (C2SP tlog-witness): cosign what continues a log, and nothing else.
///
/// Logs post their checkpoints to <http://ADDR/add-checkpoint>. Each is cosigned only if it provably
/// continues the one cosigned last; that one is on disk before the cosignature leaves, and served
/// at <http://ADDR/HASH/checkpoint>, HASH being the SHA-256 of the log's origin in hex. What cannot
/// be is refused and kept under DIR. SIGTERM and Ctrl-C end it with code 0.
///
/// Put a TLS proxy in front of it. Never run one key twice, and never restore DIR from a back-up:
/// an older DIR with the same key could cosign a fork.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  medanchor-audit witness key new --name witness.example/w1 --out w1.key
  medanchor key show --home HOME publisher --note   # at the log: its verifier key
  medanchor-audit witness --key w1.key --dir w1 --listen 127.0.0.1:7380 \\
      --log 'city/0a1b...+12345678+AQ...'
  medanchor-audit witness --key w1.key --dir w1 --genesis genesis --policy-chain chain

The log's operator adds to config.toml, with the key that `witness key new` printed:
  [[witness]]
  name = \"w1\"
  url = \"https://witness.example\"
  keys = [\"witness.example/w1+...\"]

Exit codes: 0 after SIGTERM or Ctrl-C; 1 DIR holds a checkpoint that this witness did not cosign;
2 wrong command line; 3 it cannot run, because a file cannot be used or the port is taken, say."
)]
pub(crate) struct WitnessArgs {
    #[command(subcommand)]
    pub(super) command: Option<WitnessCommand>,
    /// Where logs reach the witness; port 0 takes a free one and prints it.
    #[arg(long, default_value = "127.0.0.1:7380")]
    pub(super) listen: SocketAddr,
    /// The witness's key, made by `witness key new`.
    #[arg(long, required = true)]
    pub(super) key: Option<PathBuf>,
    /// A log to witness: its verifier key, or a policy file (C2SP tlog-policy) whose quorum every
    /// checkpoint must then have. May be given several times; of several policies of one log, or
    /// several keys, any one suffices, and a key together with a policy of the same log is refused.
    #[arg(
        long = "log",
        value_name = "KEY|POLICY",
        required_unless_present = "genesis"
    )]
    pub(super) logs: Vec<String>,
    /// The genesis file of a network to witness: a checkpoint must meet the policy of its size, which
    /// follows from it.
    #[arg(long)]
    pub(super) genesis: Option<PathBuf>,
    /// The chain of policies from that genesis; when the validators change, start the witness again
    /// with the longer one.
    #[arg(long, requires = "genesis")]
    pub(super) policy_chain: Option<PathBuf>,
    /// The folder in which the witness remembers.
    #[arg(long, required = true)]
    pub(super) dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum WitnessCommand {
    /// Make or show a witness's key
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key file that its owner alone can read, and print the verifier key
    #[command(after_help = "\
Example:
  medanchor-audit witness key new --name witness.example/w1 --out w1.key

Exit codes: 0 it is made; 2 wrong command line; 3 it cannot be made.")]
    New {
        /// The name in cosignatures, such as witness.example/w1.
        #[arg(long)]
        name: String,
        /// The file to make; never overwritten.
        #[arg(long)]
        out: PathBuf,
    },
    /// Print the verifier key of a key file
    #[command(after_help = "\
Example:
  medanchor-audit witness key show --key w1.key

Exit codes: 0 it is printed; 2 wrong command line; 3 the file cannot be read, or holds none.")]
    Show {
        /// The key file.
        #[arg(long)]
        key: PathBuf,
    },
}
