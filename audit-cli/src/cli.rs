//! The command line.

use crate::replay::Options;
use crate::tier::Tier;
use crate::trust::TrustArgs;
use clap::{Args, Parser, Subcommand};
use medanchor_ledger::note::VerifierKey;
use medanchor_ledger::{EventId, Height};
use std::path::PathBuf;

const VERIFY_EXAMPLES: &str = "\
Examples:
  medanchor-audit verify net/north-hospital/log      # everything, from a folder, without a network
  medanchor-audit verify https://north.example       # everything, from a node or a file server
  medanchor-audit verify DIR --tier hashes           # only that these are the checkpoint's entries
  medanchor-audit verify DIR --policy known.policy   # and that the signers are those you know
  medanchor-audit verify DIR --genesis genesis --policy-chain chain   # by yours
  medanchor-audit verify DIR --json | jq .verdict    # for scripts

Exit codes: 0 all that the tier checks holds; 1 something does not, and the output names it;
2 wrong command line; 3 something could not be read, so there is no verdict.";

/// Checks a Medanchor ledger, or one receipt or proof, without trusting the node it came from.
///
/// Exit codes: 0 all holds; 1 something does not; 2 wrong command line; 3 something could not be
/// read.
#[derive(Debug, Parser)]
#[command(name = "medanchor-audit", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Verify(VerifyArgs),
    Mirror(MirrorArgs),
    Inclusion(InclusionArgs),
    Consistency(ConsistencyArgs),
    Watch(crate::watch::args::WatchArgs),
    Evidence(EvidenceArgs),
    Receipt(ReceiptArgs),
    Witness(crate::witness::args::WitnessArgs),
    Report(crate::report::args::ReportArgs),
    State(crate::proof::args::StateArgs),
    History(crate::proof::args::HistoryArgs),
    Access(crate::proof::args::AccessArgs),
    Sample(crate::sample::SampleArgs),
    Releases(crate::releases::ReleasesArgs),
    Slips(crate::slips::SlipsArgs),
}

/// Audit a whole ledger from its published files: every hash, signature, quorum, rule and seal.
///
/// The verdict is about the network whose genesis file stands in the log: compare the genesis hash
/// that is printed with the one you know, or give the network's policy file.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// A folder with a published log (or a home, whose `log` folder is taken), or the address of a
    /// node or file server.
    pub(crate) target: String,
    /// How deep to go; each tier checks all that the one before it checks, and the output says what
    /// was checked and what was not.
    #[arg(long, value_enum, default_value_t = Tier::Rules)]
    pub(crate) tier: Tier,
    /// Stop after this height, whose state root is printed; the tiles must show that the checkpoint's
    /// log goes on from there. Tier rules only.
    #[arg(long, value_name = "HEIGHT", value_parser = clap::value_parser!(u64))]
    pub(crate) until: Option<u64>,
    #[command(flatten)]
    pub(crate) replay: ReplayArgs,
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which checkpoint is believed, and how the log under it is replayed.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    means: MeansArgs,
}

impl ReplayArgs {
    /// How to replay, up to a height or to the end.
    pub(crate) fn options(&self, until: Option<Height>) -> Options {
        self.means.options(until)
    }
}

/// What a replay may take.
#[derive(Debug, Args)]
pub(crate) struct MeansArgs {
    /// A folder for the state that is computed on the way; a temporary one if none is given.
    #[arg(long)]
    work: Option<PathBuf>,
    /// Megabytes of changes to the state that are kept in memory before they go to that folder; half
    /// as many hold what was read from it.
    #[arg(long, default_value_t = 256)]
    memory: usize,
    /// Threads that hash, and as many that check signatures; one a core if none is given.
    #[arg(long)]
    threads: Option<usize>,
}

impl MeansArgs {
    /// How to replay, up to a height or to the end.
    pub(crate) fn options(&self, until: Option<Height>) -> Options {
        Options {
            work: self.work.clone(),
            memory: self.memory,
            threads: self.threads,
            until,
        }
    }
}

const MIRROR_EXAMPLES: &str = "\
Examples:
  medanchor-audit mirror https://north.example copy            # fetch it, or go on with that
  medanchor-audit mirror https://north.example copy --follow   # and keep up with it until Ctrl-C
  medanchor-audit mirror net/north-hospital/log copy           # from a folder
  medanchor-audit verify copy                                  # the full audit, from the copy alone
  python3 -m http.server -d copy                               # any file server serves the copy

A kill at any moment loses nothing: run the same command again. A fork or a rollback changes nothing
in DIR; the two checkpoints are kept under DIR/.mirror.

Exit codes: 0 DIR has the source's whole log; 1 what the source serves does not hold; 2 wrong
command line; 3 something could not be read or written.";

/// Copy a published log to a folder, verified as it comes: the copy is the same log.
#[derive(Debug, Args)]
#[command(after_help = MIRROR_EXAMPLES)]
pub(crate) struct MirrorArgs {
    /// A folder with a published log, or the address of a node or file server.
    pub(crate) source: String,
    /// The folder of the mirror: empty, new, or that of an earlier run.
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// How many files are fetched at once.
    #[arg(long, default_value_t = 4, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=32))]
    pub(crate) parallel: usize,
    /// How often a file is asked for again where it does not come or does not hold.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) retries: u32,
    /// Seconds that one file may take.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    /// Keep on until Ctrl-C.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Seconds between two rounds of --follow.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) every: u64,
    /// Print JSON instead of text, a line for each round.
    #[arg(long)]
    pub(crate) json: bool,
}

const INCLUSION_EXAMPLES: &str = "\
Examples:
  medanchor-audit inclusion net/north-hospital/log --index 7 --out proofs
  medanchor-audit inclusion https://north.example --event ID --out proofs
  medanchor-audit receipt proofs/ID.tlog-proof --event proofs/ID.event --policy known.policy

Exit codes: 0 proved; 1 not in the log, or the log does not hold; 2 wrong command line; 3 something
could not be read.";

/// Make a receipt for an entry from the log's files, and check it.
#[derive(Debug, Args)]
#[command(after_help = INCLUSION_EXAMPLES)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["index", "event"]))]
pub(crate) struct InclusionArgs {
    /// A folder with a published log, or the address of a node or file server.
    pub(crate) target: String,
    /// The entry, by its place in the log, from 0.
    #[arg(long)]
    pub(crate) index: Option<u64>,
    /// The event, by its id; all entries before it are read.
    #[arg(long, value_name = "ID")]
    pub(crate) event: Option<EventId>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// A folder for the receipt and the entry.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

const CONSISTENCY_EXAMPLES: &str = "\
Examples:
  medanchor-audit consistency saved.checkpoint --log https://north.example
  medanchor-audit consistency monday.checkpoint friday.checkpoint --log copy --out proofs
  medanchor-audit consistency one.checkpoint other.checkpoint --genesis genesis   # of one size

Exit codes: 0 consistent, and with --out the proof is written; 1 forked, and the evidence is
written, or a checkpoint does not meet the policy; 2 wrong command line; 3 something could not be
read.";

/// Prove that a checkpoint's log is the beginning of another's, or that the log was forked.
#[derive(Debug, Args)]
#[command(after_help = CONSISTENCY_EXAMPLES)]
pub(crate) struct ConsistencyArgs {
    /// A signed checkpoint that was kept.
    pub(crate) old: PathBuf,
    /// Another one; that of --log if none is given.
    pub(crate) new: Option<PathBuf>,
    /// The log whose tiles show it: a folder or an address.
    #[arg(long, value_name = "FOLDER or URL")]
    pub(crate) log: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// A folder for the proof; evidence of a fork goes there too, or to the current folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

const EVIDENCE_EXAMPLES: &str = "\
Examples:
  medanchor-audit evidence fork-0123456789abcdef.fork --policy known.policy
  medanchor-audit evidence stall-0123456789abcdef.observation --genesis genesis
  medanchor-audit evidence a/stall-*.attestation b/stall-*.attestation --genesis genesis \\
      --observer 'watch.example/a+01234567+AQ...' --observer 'watch.example/b+89abcdef+AQ...'
  medanchor-audit evidence fork-0123456789abcdef.fork --genesis genesis --policy-chain chain
  medanchor-audit evidence policy-fork-X-1.policy-chain --genesis genesis \\
      --policy-chain policy-fork-X-2.policy-chain
  medanchor-audit evidence custodian.evidence --genesis genesis

A .fork file proves by signatures that a log was forked, and whose keys signed both sides. So do two
chains of policies that part, each walked from genesis, of a set that named two successors. An
.observation says what a watcher saw: nobody signed it. An .attestation is one that an observer
signed, with the bytes that were served: it is witnessed by those observers whose verifier keys are
given with --observer, and by nobody else. Of both is said what the signatures of the network's own
parties prove besides: who signed which checkpoint when, and who signed a smaller one after a larger
one. An .evidence file proves by signatures that a custodian or a record's owner broke the custody
of a key: who, and how. One that shows that an owner sealed a record wrongly holds what opens that
record: the output says so, and shows nothing of it. One of a refusal shows that an owner signed
that it refuses its part of the key for a request that the ledger permitted; time and reason are its
own words, and a reason by the rules, as a consent that had ended, convicts nobody unless the ledger
in the file contradicts it. One of a release in a custodian's log (`medanchor-audit releases`) shows
by the log's root on the ledger that the request was denied, was for another record or came later;
no clock counts, and it does not show that a reader got the share.

Exit codes: 0 every file holds for what it is; 1 one of them proves nothing; 2 wrong command line;
3 a file could not be read, or a longer chain of policies is needed to judge it.";

/// Check files of evidence offline: who signed both sides of a fork, who broke the custody of a
/// key, or what somebody saw, and how many observers witness it.
#[derive(Debug, Args)]
#[command(after_help = EVIDENCE_EXAMPLES)]
pub(crate) struct EvidenceArgs {
    /// Files, up to 64, as `mirror`, `consistency`, `watch`, a custodian or the SDK keep them.
    /// Observers' files about the same thing are counted together.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// The verifier key of an observer that you trust, as `watch key new` printed it. May be given
    /// up to 64 times; one key counts once, whatever its names.
    #[arg(long = "observer", value_name = "KEY", value_parser = crate::observed::observer)]
    pub(crate) observers: Vec<VerifierKey>,
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

const RECEIPT_EXAMPLES: &str = "\
Examples:
  medanchor-audit receipt ID.tlog-proof --event ID.event --policy known.policy
  medanchor-audit receipt ID.tlog-proof --event ID.event --genesis genesis --policy-chain chain
  medanchor-audit receipt statement.cose --genesis genesis

Exit codes: 0 proved; 1 it proves nothing; 2 wrong command line; 3 something could not be read.";

/// Check a receipt offline: that the event is in the log, under a checkpoint that a quorum signed.
///
/// Whose signatures count is said by the network's genesis file, with the chain of policies from it,
/// or by one policy file. A transparent statement is signed with COSE keys, which only the genesis
/// file and the chain name.
#[derive(Debug, Args)]
#[command(after_help = RECEIPT_EXAMPLES)]
#[command(group = clap::ArgGroup::new("trust").required(true).args(["policy", "genesis"]))]
pub(crate) struct ReceiptArgs {
    /// The receipt: a text receipt, as `<event id>.tlog-proof`, or a transparent statement, which is
    /// the event with its COSE receipts.
    pub(crate) receipt: PathBuf,
    /// The event's bytes as they stand in the log, as `<event id>.event`. A transparent statement has
    /// them itself.
    #[arg(long)]
    pub(crate) event: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// The first size of the log for which the policy of --policy stands.
    #[arg(long, default_value_t = 0, conflicts_with = "genesis")]
    pub(crate) first_size: u64,
    /// The last size of the log for which it stands; none means all to come.
    #[arg(long, conflicts_with = "genesis")]
    pub(crate) last_size: Option<u64>,
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_help_fits_a_terminal_and_has_examples_to_paste_and_exit_codes() {
        Cli::command().debug_assert();
        let wrong = crate::help::faults(&Cli::command(), &[]);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn the_long_help_says_what_a_verdict_rests_on() {
        let said = [
            ("verify", "compare the genesis hash"),
            ("receipt", "COSE keys"),
            ("sample", "how far withholding"),
            ("releases", "never logged cannot be found"),
            ("releases", "What rests on a clock"),
            ("slips", "compare the time of the last statement"),
            ("witness", "never restore DIR"),
            (
                "watch",
                "Without --key nobody signs it, and its file says so",
            ),
            ("evidence", "and by nobody else"),
        ];
        let lacking = said.iter().flat_map(|(name, words)| {
            crate::help::lacking(
                &Cli::command(),
                &format!("medanchor-audit {name}"),
                &[words],
            )
        });
        let lacking: Vec<String> = lacking.collect();
        assert!(lacking.is_empty(), "{}", lacking.join("\n"));
    }
}
