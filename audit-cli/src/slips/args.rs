//! The command line of `slips`.

use crate::cli::ReplayArgs;
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  medanchor-audit slips --log net/north-hospital/log slips.txt
  medanchor-audit slips --log https://north.example slips.txt

A file holds slips as `medanchor vault emergency open` prints them, one a line.

Exit codes: 0 the ledger has every opening that a slip proves, under its number or, where a
journal was mended, a later one; 1 it lacks one, or has another one in its place, and the output
names it, or the ledger does not hold; 2 wrong command line; 3 something could not be read.";

/// Hold slips of emergency openings against the ledger: each proves an entry of an institution's
/// emergency journal, and an entry that the anchored journal lacks was cut off.
///
/// The ledger is audited by the rules first. A slip convicts nobody whose journal has not come so far
/// yet: compare the time of the last statement with the day on which the slip was given.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SlipsArgs {
    /// The file with the slips.
    pub(crate) slips: PathBuf,
    /// A folder with a published log (or a home, whose `log` folder is taken), or the address of a
    /// node or file server.
    #[arg(long)]
    pub(crate) log: String,
    #[command(flatten)]
    pub(crate) replay: ReplayArgs,
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}
