//! The command line of `releases`.

use crate::cli::ReplayArgs;
use clap::Args;
use medanchor_ledger::ParticipantName;
use std::path::PathBuf;
use std::str::FromStr;

const EXAMPLES: &str = "\
Examples:
  medanchor-audit releases --log net/north-hospital/log --releases archive=archive.releases
  medanchor-audit releases --log https://north.example --releases archive=archive.releases \\
      --releases notary=notary.releases --evidence found
  medanchor-audit evidence found/*.evidence --genesis genesis

A file holds what `medanchor custodian log` fetched for a regulator: the pages of the log, one after
the other.

Exit codes: 0 every release has its permitted access, and every anchored root is that of the log;
1 one does not, and the output names it, or the ledger does not hold; 2 wrong command line;
3 something could not be read, or evidence could not be written.";

/// Hold custodians' logs of releases against what they anchored and against the ledger: every share
/// that was released must have a permitted access.
///
/// The ledger is audited by the rules first. What a custodian released and never logged cannot be found.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReleasesArgs {
    /// A folder with a published log (or a home, whose `log` folder is taken), or the address of a
    /// node or file server.
    #[arg(long)]
    pub(crate) log: String,
    /// A custodian and the file with its log of releases; several may be given.
    #[arg(long, value_name = "CUSTODIAN=FILE", required = true)]
    pub(crate) releases: Vec<Given>,
    /// Writes a file of evidence, CUSTODIAN-PLACE-REQUEST.evidence, to this folder for each release whose request
    /// was denied, was for another record, or came after the log that has the release was anchored: 64 at
    /// most against one custodian. They convince offline (`medanchor-audit evidence`). What rests on a
    /// clock, or on the whole ledger, has none.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) evidence: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) replay: ReplayArgs,
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A custodian, and where its log of releases is.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) custodian: ParticipantName,
    pub(crate) file: PathBuf,
}

impl FromStr for Given {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (custodian, file) = text
            .split_once('=')
            .ok_or("give a custodian's name, an equals sign and a file")?;
        Ok(Self {
            custodian: custodian
                .parse()
                .map_err(|_| "this is no custodian's name")?,
            file: file.into(),
        })
    }
}
