//! `medanchor consent`: what an institution does with its consents by hand.

use super::patient::write_secret;
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
lacking the command names the consent, and writes what is to be approved and the patient's id to
files in the folder of --drafts, which only you can read; neither is printed, since what a timer
runs is mailed and logged. `medanchor patient approve` takes the draft, and --approvals its file,
which has the approvals of the re-issues that follow, too.

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
    /// A folder for what patients have to approve: CONSENT.QUARTER.draft, and .patient with whose it is
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
    let of = one.of;
    let quarter = quarter_name(one.draft.words().last);
    let Some(folder) = drafts else {
        return say(format_args!(
            "waits:   consent {of} for {quarter}; --drafts writes what its patient is to approve"
        ))
        .map_err(Into::into);
    };
    say(format_args!("waits:   consent {of} for {quarter}"))?;
    let draft = folder.join(format!("{of}.{quarter}.draft"));
    let patient = folder.join(format!("{of}.{quarter}.patient"));
    make_private(folder).map_err(|error| failed(folder, error))?;
    write_private(&patient, &one.subject)?;
    write_private(&draft, &one.draft.to_text())?;
    say(format_args!("  draft   {}", draft.display()))?;
    say(format_args!("  patient {}", patient.display())).map_err(Into::into)
}

/// Makes a folder that nobody else can read; one that is there stays as it is.
fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a file aside that nobody else can read, and then in the place of what is there, whose mode is of no
/// matter then.
fn write_private(path: &Path, text: &str) -> Result<(), Fatal> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".part");
    let aside = PathBuf::from(aside);
    let cut_off = match std::fs::remove_file(&aside) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    cut_off.map_err(|error| failed(&aside, error))?;
    write_secret(&aside, text)?;
    std::fs::rename(&aside, path).map_err(|error| failed(path, error))
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::{Permissions, metadata, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_a_patient_is_to_approve_is_read_by_nobody_else() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("waiting/now");
        make_private(&folder).unwrap();
        let path = folder.join("draft");
        // What another release left, and what a kill did.
        write(&path, b"before").unwrap();
        write(folder.join("draft.part"), b"cut off").unwrap();
        set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        write_private(&path, "draft").unwrap();
        let mode = |path: &Path| metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "draft\n");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
}
