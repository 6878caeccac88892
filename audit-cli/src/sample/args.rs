//! The command line of `sample`.

use crate::cli::ReplayArgs;
use crate::language::Language;
use clap::Args;
use medanchor_ledger::InspectionHandle;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  medanchor-audit sample net/health-office/log          # every inspection in the log
  medanchor-audit sample DIR --items visits.items       # and that the items are those fixed before
  medanchor-audit sample DIR --items drawn.items --inspection HANDLE \\
      --wrong 3,17                                      # with what the inspector found to be wrong
  medanchor-audit sample DIR --lang zh                  # in Chinese
  medanchor-audit sample DIR --json | jq .inspections   # for scripts

A file of items has the line medanchor/items/v1, then a line for each item: its place, its salt and
its bytes, in hexadecimal. The whole population, or the drawn items alone. Without it nothing is
said of the population: an answer is a commitment, and only who opens it shows what it holds. A draw
whose item is not opened, or repeats an earlier one, counts as not shown.

Exit codes: 0 all holds, also if draws are void or unanswered, which is said; 1 something does not;
2 wrong command line; 3 something could not be read, so there is no verdict.";

/// Check the random inspections in a log: populations, random outputs, draws, answers.
///
/// Audits the whole ledger first, then computes every draw again from the events: the validators'
/// proofs (RFC 9381), the seed, the drawn places, the answers. Says which draws are not answered, how
/// far withholding could have steered a draw, and in words what the sample shows. Asks nobody.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SampleArgs {
    /// A folder with a published log (or a home, whose `log` folder is taken), or the address of a
    /// node or file server.
    pub(crate) target: String,
    /// The items of a population, or those that were drawn and shown.
    #[arg(long)]
    pub(crate) items: Option<PathBuf>,
    /// Only this inspection: its handle, 32 hexadecimal digits.
    #[arg(long)]
    pub(crate) inspection: Option<InspectionHandle>,
    /// Numbers of draws, from 0, whose items the inspector found to be wrong.
    #[arg(
        long,
        value_delimiter = ',',
        requires = "inspection",
        requires = "items"
    )]
    pub(crate) wrong: Vec<u16>,
    /// The share of wrong items, in percent, that the words speak of.
    #[arg(long, default_value_t = 5.0, value_parser = percentage)]
    pub(crate) share: f64,
    /// The confidence, in percent, of what is said about the population.
    #[arg(long, default_value_t = 95.0, value_parser = percentage)]
    pub(crate) confidence: f64,
    /// The language of the words.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) lang: Language,
    #[command(flatten)]
    pub(crate) replay: ReplayArgs,
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

fn percentage(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.parse().ok();
    value
        .filter(|value| *value > 0.0 && *value < 100.0)
        .ok_or_else(|| "give a number above 0 and below 100".to_owned())
}
