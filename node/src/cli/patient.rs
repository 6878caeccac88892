//! `medanchor patient`: what a patient may ask of the ledger.

use crate::exit::{Exit, Fatal};
use crate::output::{say, say_text};
use medanchor_ledger::EventId;
use medanchor_sdk::patient::{Known, PatientHistory};
use medanchor_sdk::{ClientError, Identity, IdentityError, Sdk};
use std::path::{Path, PathBuf};

/// The largest note that is read.
const MAX_NOTE: u64 = 1 << 20;
/// The most notes that are read.
const MAX_NOTES: usize = 100_000;
/// How a disclosed note's file name ends.
const NOTE: &str = "disclosure";

/// What can be asked.
#[derive(clap::Subcommand)]
pub enum Command {
    /// List who opened a patient's records at this institution, proved complete
    History(History),
}

/// Lists who opened a patient's records at this institution: by whom, when, which, why, under which
/// consent, emergencies marked, complete up to the checkpoint that it names, gaps named as gaps.
///
/// The patient's keys are taken from the institution's vault. Consents that were given with such keys
/// could have been given by the institution alone, and the list says so of each.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  medanchor patient history --home net/north-hospital --subject Patient/7 \\
      --node http://127.0.0.1:8480
  medanchor patient history --home net/north-hospital --subject Patient/7 \\
      --node http://127.0.0.1:8480 --quarters 8 --format balp

Staff are named only where their institution disclosed it: --notes takes a folder with a file
EVENT-ID.disclosure for each access, as the SDK's `disclose_note` gives it.

Exit codes: 0 the list is proved and whole; 1 it was printed, but something in it could not be
proved, or was disclosed falsely; 2 wrong usage; 11 the identity cannot be used; 12 it is in use;
19 no node could be reached.")]
pub struct History {
    /// A home made by `medanchor network new`, or an identity's folder
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    /// The patient, by the application's own id, such as Patient/7
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// The address of a node; several may be given
    #[arg(long, value_name = "URL", required = true)]
    node: Vec<String>,
    /// How many quarters of a year, the running one among them
    #[arg(long, alias = "epochs", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    quarters: u32,
    /// A word under which records were sealed, to be shown as their kind; several may be given
    #[arg(long = "class", value_name = "WORD")]
    classes: Vec<String>,
    /// The application's own id of a record, to be shown in place of its handle; several may be given
    #[arg(long = "record", value_name = "NAME")]
    records: Vec<String>,
    /// A folder with notes that institutions disclosed
    #[arg(long, value_name = "DIR")]
    notes: Option<PathBuf>,
    /// Text to read, JSON, FHIR AuditEvents by IHE BALP, or the fields of EHDS article 9
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Balp,
    Ehds,
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(command: &Command) -> Result<Exit, Fatal> {
    let Command::History(asked) = command;
    let notes = asked.notes.as_deref().map_or(Ok(Vec::new()), read_notes)?;
    let identity = Identity::open(&identity_of(&asked.home)).map_err(no_identity)?;
    let sdk = Sdk::new(identity, asked.node.clone()).map_err(no_list)?;
    let history = sdk.patient_history(&asked.subject, asked.quarters, |subject, epochs| {
        let classes: Vec<&str> = asked.classes.iter().map(String::as_str).collect();
        let mut known = Known::of(subject, epochs.iter().copied(), &classes);
        for record in &asked.records {
            known.add_document(sdk.record_handle(record), record);
        }
        for (event, note) in notes {
            known.add_note(event, note);
        }
        known
    });
    let history = history.map_err(no_list)?;
    print(&history, asked.format)?;
    Ok(match history.is_whole() && history.false_notes.is_empty() {
        true => Exit::Success,
        false => Exit::Failure,
    })
}

/// A node's home keeps its institution's identity in a folder of its own.
fn identity_of(home: &Path) -> PathBuf {
    let inside = home.join("identity");
    match inside.is_dir() {
        true => inside,
        false => home.to_owned(),
    }
}

fn print(history: &PatientHistory, format: Format) -> Result<(), Fatal> {
    let json = match format {
        Format::Text => return Ok(say_text(&history.to_text())?),
        Format::Json => Ok(history.to_json()),
        Format::Balp => Ok(history.list.to_bundle()),
        Format::Ehds => serde_json::to_value(history.list.to_ehds()),
    };
    let text = json.and_then(|json| serde_json::to_string_pretty(&json));
    let text = text.map_err(|error| Fatal::new(Exit::Failure, error.to_string()))?;
    Ok(say(format_args!("{text}"))?)
}

pub(super) fn no_identity(error: IdentityError) -> Fatal {
    let exit = match &error {
        IdentityError::Vault(medanchor_vault::VaultError::Locked { .. }) => Exit::Locked,
        _ => Exit::Home,
    };
    Fatal::new(exit, error.to_string())
}

fn no_list(error: ClientError) -> Fatal {
    let exit = match &error {
        ClientError::Unreachable(_) => Exit::Unreachable,
        _ => Exit::Failure,
    };
    Fatal::new(exit, error.to_string())
}

/// Reads `EVENT-ID.disclosure` files; others in the folder are not ours to judge.
fn read_notes(folder: &Path) -> Result<Vec<(EventId, Vec<u8>)>, Fatal> {
    let failed = |path: &Path, cause: &dyn std::fmt::Display| {
        let message = format!("cannot read {}: {cause}", path.display());
        Fatal::new(Exit::Failure, message)
    };
    let mut notes = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| failed(folder, &error))? {
        let path = entry.map_err(|error| failed(folder, &error))?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let event = stem.and_then(|stem| stem.parse::<EventId>().ok());
        let Some(event) = event.filter(|_| path.extension().is_some_and(|end| end == NOTE)) else {
            continue;
        };
        let length = std::fs::metadata(&path).map_err(|error| failed(&path, &error))?;
        if length.len() > MAX_NOTE || notes.len() >= MAX_NOTES {
            return Err(failed(&path, &"more or longer notes than are read"));
        }
        notes.push((
            event,
            std::fs::read(&path).map_err(|error| failed(&path, &error))?,
        ));
    }
    Ok(notes)
}
