//! `medanchor consent`: what an institution does with its consents by hand.

use crate::exit::{Exit, Fatal};
use crate::output::{complain, say};
use medanchor_sdk::access_list::quarter_name;
use medanchor_sdk::{Approval, Identity, RenewedConsent, RenewedConsents, Sdk, WaitingConsent};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest file with approvals.
const MAX_TEXT: u64 = 64 << 10;

/// Renew the consents of an institution
#[derive(clap::Subcommand)]
#[command(after_help = "\
Example:
  medanchor consent renew --home net/north-hospital --node http://127.0.0.1:8480")]
pub enum Command {
    Renew(Renew),
}

/// Renew the consents that run on, for the quarter that runs in a week from now
///
/// A consent covers what was sealed up to the quarter of a year in which it was granted. Each that
/// runs on is issued again for the next quarter, in the same words and under the same first consent;
/// one that ended is not. `medanchor vault serve` does it by itself, once an hour. Run again, it does nothing
/// twice.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  medanchor consent renew --home net/north-hospital --node http://127.0.0.1:8480
  medanchor consent renew --home net/north-hospital --node http://127.0.0.1:8480 \\
      --drafts waiting --approvals 1.approval

The tickets of the grantees are written to HOME/identity/tickets: hand each to its grantee, whose
name stands in the file's, by a confidential way, and remove it.

A consent of a patient with a card is renewed by what the patient approved with it. Where that is
lacking the command names the consent and the patient, and writes what is to be approved to the
folder of --drafts: `medanchor patient approve`, and then --approvals with its file. The approvals
of the re-issues that follow are in that file, too.

One process at a time holds an identity: stop `medanchor vault serve` for it.

Exit codes: 0 all are renewed; 1 some are not, or wait for their patients; 2 wrong usage; 11 the
identity cannot be used; 12 it is in use; 19 no node could be reached.")]
pub struct Renew {
    /// The institution's home, with identity/
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    /// A node; give several
    #[arg(long = "node", value_name = "URL", required = true)]
    nodes: Vec<String>,
    /// A file with approvals of consents or re-issues, as `medanchor patient approve` made it; give several
    #[arg(long, value_name = "FILE")]
    approvals: Vec<PathBuf>,
    /// A folder for what patients have to approve
    #[arg(long, value_name = "DIR")]
    drafts: Option<PathBuf>,
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(command: &Command) -> Result<Exit, Fatal> {
    match command {
        Command::Renew(asked) => renew(asked),
    }
}

fn failed(path: &Path, cause: impl std::fmt::Display) -> Fatal {
    Fatal::new(Exit::Failure, format!("{}: {cause}", path.display()))
}

fn renew(asked: &Renew) -> Result<Exit, Fatal> {
    let identity = Identity::open(&asked.home.join("identity"))?;
    for path in &asked.approvals {
        let approvals = Approval::list_from_text(read(path)?.trim());
        let approvals = approvals.map_err(|error| failed(path, error))?;
        let taken = identity.take_renewals(&approvals);
        taken.map_err(|error| failed(path, error))?;
    }
    let sdk = Sdk::new(identity, asked.nodes.clone());
    let sdk = sdk.map_err(|error| Fatal::new(Exit::Usage, error.to_string()))?;
    let done = sdk.renew_consents();
    let done = done.map_err(|error| Fatal::new(Exit::Home, error.to_string()))?;
    tell(&done, asked.drafts.as_deref())
}

fn tell(done: &RenewedConsents, drafts: Option<&Path>) -> Result<Exit, Fatal> {
    done.renewed.iter().try_for_each(tell_renewed)?;
    for one in &done.waiting {
        tell_waiting(one, drafts)?;
    }
    for (consent, why) in &done.failed {
        complain(format_args!("not renewed: consent {consent}: {why}"));
    }
    say(format_args!(
        "{} renewed, {} wait for their patients, {} not renewed",
        done.renewed.len(),
        done.waiting.len(),
        done.failed.len()
    ))?;
    let unreachable = done.failed.iter().any(|(_, why)| why.is_unreachable());
    Ok(
        match (
            unreachable,
            done.failed.is_empty() && done.waiting.is_empty(),
        ) {
            (true, _) => Exit::Unreachable,
            (false, false) => Exit::Failure,
            (false, true) => Exit::Success,
        },
    )
}

fn tell_renewed(one: &RenewedConsent) -> Result<(), Fatal> {
    let (of, quarter) = (one.of, quarter_name(one.quarter));
    say(format_args!(
        "renewed: consent {of} for {quarter} as {}",
        one.consent
    ))?;
    for ticket in &one.tickets {
        say(format_args!("  ticket {}", ticket.display()))?;
    }
    Ok(())
}

fn tell_waiting(one: &WaitingConsent, drafts: Option<&Path>) -> Result<(), Fatal> {
    let (of, words) = (one.of, one.draft.words());
    let quarter = quarter_name(words.last);
    say(format_args!(
        "waits:   consent {of} for {quarter}, to be approved by {}",
        one.subject.escape_debug()
    ))?;
    let Some(folder) = drafts else {
        return Ok(());
    };
    let path = folder.join(format!("{of}.{quarter}.draft"));
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, one.draft.to_text() + "\n"));
    written.map_err(|error| failed(&path, error))?;
    say(format_args!("  draft  {}", path.display())).map_err(Into::into)
}

/// A text that a patient handed over.
fn read(path: &Path) -> Result<String, Fatal> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| failed(path, error))?;
    let read = file.take(MAX_TEXT + 1).read_to_string(&mut text);
    match read.map_err(|error| failed(path, error))? as u64 {
        0..=MAX_TEXT => Ok(text),
        _ => Err(failed(path, "longer than any text that is handed over")),
    }
}
