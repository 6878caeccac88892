//! The command line of `report`.

use super::clock::{Clock, Day};
use crate::cli::ReplayArgs;
use crate::language::Language;
use clap::Args;
use std::path::PathBuf;

const REPORT_EXAMPLES: &str = "\
Examples:
  medanchor-audit report net/north-hospital/log                # medanchor-report.html, in English
  medanchor-audit report DIR --lang zh --html 2026-q1.html \\
      --from 2026-01-01 --to 2026-03-31                        # a quarter, in Chinese, Beijing time
  medanchor-audit report DIR --csv tables --json report.json   # for spreadsheets and scripts

The log is verified whole first (as `verify --tier rules`); of a log that does not hold there is no
report. Files that stand where the report goes are replaced.

Exit codes: 0 written; 1 the log does not hold; 2 wrong command line; 3 something could not be read
or written.";

/// Write a report on a verified ledger: volume per institution and type, requests for access and
/// denials, times, gaps, validators.
///
/// One HTML page to be read or printed, without scripts and without anything from elsewhere; CSV and
/// JSON with the same tables. Whatever the period, the whole log is verified.
#[derive(Debug, Args)]
#[command(after_help = REPORT_EXAMPLES)]
pub(crate) struct ReportArgs {
    /// A folder with a published log (or a home, whose `log` folder is taken), or the address of a
    /// node or file server.
    pub(crate) target: String,
    /// Write the page here; if neither this nor --csv nor --json is given, medanchor-report.html.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write each table as a CSV file into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) csv: Option<PathBuf>,
    /// Write everything as one JSON file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The language of the page.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) lang: Language,
    /// The first day to count, as 2026-01-01; the log's first if none is given.
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<Day>,
    /// The last day to count; the checkpoint's if none is given.
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<Day>,
    /// The clock on which days begin and times are shown, as +08:00; UTC if none is given, Beijing's
    /// with --lang zh.
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    pub(crate) utc_offset: Option<Clock>,
    #[command(flatten)]
    pub(crate) replay: ReplayArgs,
}
