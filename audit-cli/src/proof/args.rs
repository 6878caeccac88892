//! The command lines of `state`, `history` and `access`.

use crate::cli::MeansArgs;
use crate::replay::Options;
use crate::trust::TrustArgs;
use clap::Args;
use medanchor_ledger::{EventId, Height, ParticipantName, Size, Tag};
use std::path::PathBuf;

const STATE_EXAMPLES: &str = "\
Examples:
  medanchor-audit state record.state --policy known.policy        # checks one, without a network
  medanchor-audit state record.state --genesis genesis --policy-chain chain
  medanchor-audit state --log DIR --key HEX --out F               # makes one from a copy of the log
  medanchor-audit state --log DIR --key HEX --height 77 --out F   # at an earlier height

Exit codes: 0 proved; 1 it proves nothing, or the log is not sound; 2 wrong command line;
3 something could not be read, so there is no verdict.";

const HISTORY_EXAMPLES: &str = "\
Examples:
  medanchor-audit history tag.history --policy known.policy   # checks it, and lists its events
  medanchor-audit history --log net/north-hospital/log --owner north-hospital --tag HEX \\
      --out tag.history                                       # makes one from a copy of the log

Exit codes: 0 proved; 1 it proves nothing, or the log is not sound; 2 wrong command line;
3 something could not be read, so there is no verdict.";

const ACCESS_EXAMPLES: &str = "\
Examples:
  medanchor-audit access request.receipt --policy known.policy     # checks it, without a network
  medanchor-audit access --log net/north-hospital/log --event ID   # decides again, from the log
  medanchor-audit access --log DIR --event ID --out F              # and writes the receipt

Exit codes: 0 proved, also that it was denied; 1 it proves nothing, the log does not have the event,
or is not sound; 2 wrong command line; 3 something could not be read, so there is no verdict.";

/// Prove one value of the state, or that there is none, at one height: check a state document offline,
/// or make one from a published log, which is replayed by the rules up to that height.
#[derive(Debug, Args)]
#[command(after_help = STATE_EXAMPLES)]
pub(crate) struct StateArgs {
    /// The state document to check.
    #[arg(conflicts_with = "log")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) sizes: SizeArgs,
    /// A published log to make the document from: a folder, a home, or an address.
    #[arg(long, requires = "out")]
    pub(crate) log: Option<String>,
    /// The state key, as hex digits.
    #[arg(long, value_name = "HEX")]
    pub(crate) key: Option<String>,
    /// Where to write the document.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// With --log: the height to speak of; the last one of the checkpoint if none is given.
    #[arg(long)]
    pub(crate) height: Option<u64>,
    #[command(flatten)]
    pub(crate) making: MakingArgs,
}

/// Prove that exactly these events bear a tag, or none: check a history offline, or make one from a
/// published log, which is replayed by the rules.
#[derive(Debug, Args)]
#[command(after_help = HISTORY_EXAMPLES)]
pub(crate) struct HistoryArgs {
    /// The history to check: all of its pages, one after the other.
    #[arg(conflicts_with = "log")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) sizes: SizeArgs,
    /// A published log to make the history from: a folder, a home, or an address.
    #[arg(long, requires = "out")]
    pub(crate) log: Option<String>,
    /// The participant that sealed records under the tag.
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<ParticipantName>,
    /// The tag, as hex digits.
    #[arg(long, value_name = "HEX")]
    pub(crate) tag: Option<Tag>,
    /// Where to write the history.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// With --log: the height to speak of; the last one of the checkpoint if none is given.
    #[arg(long)]
    pub(crate) height: Option<u64>,
    #[command(flatten)]
    pub(crate) making: MakingArgs,
}

/// Prove what was decided on a request for access, and that it follows by the rules from record and consent
/// as they stood: check an access receipt offline, or decide again from a published log, which is replayed
/// by the rules up to the request's block.
#[derive(Debug, Args)]
#[command(after_help = ACCESS_EXAMPLES)]
pub(crate) struct AccessArgs {
    /// The access receipt to check.
    #[arg(conflicts_with = "log")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) sizes: SizeArgs,
    /// A published log to decide from again: a folder, a home, or an address.
    #[arg(long, requires = "event")]
    pub(crate) log: Option<String>,
    /// The request, by the id of its event.
    #[arg(long, value_name = "ID", requires = "log")]
    pub(crate) event: Option<EventId>,
    /// Where to write the access receipt.
    #[arg(long, value_name = "FILE", requires = "log")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) making: MakingArgs,
}

/// For which sizes of the log a policy stands.
#[derive(Debug, Args)]
pub(crate) struct SizeArgs {
    /// The first size of the log for which the policy of --policy stands.
    #[arg(long, default_value_t = 0)]
    pub(crate) first_size: u64,
    /// The last size of the log for which it stands; none means all to come.
    #[arg(long)]
    pub(crate) last_size: Option<u64>,
}

impl SizeArgs {
    /// The first size and the last one.
    pub(crate) fn sizes(&self) -> (Size, Size) {
        (
            Size(self.first_size),
            Size(self.last_size.unwrap_or(u64::MAX)),
        )
    }
}

/// How a log is replayed, and how what comes of it is printed.
#[derive(Debug, Args)]
pub(crate) struct MakingArgs {
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten, next_help_heading = "With --log")]
    means: MeansArgs,
}

impl MakingArgs {
    /// How to replay, up to a height or to the end.
    pub(crate) fn options(&self, until: Option<Height>) -> Options {
        self.means.options(until)
    }
}
