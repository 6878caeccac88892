//! `medanchor patient history`: who opened a patient's records, by the keys that the institution has or by
//! the patient's own card.

use super::card::Opened;
use super::{failed, open_identity, read_text};
use crate::exit::{Exit, Fatal};
use crate::output::{say, say_text};
use medanchor_ledger::{EventId, ParticipantName};
use medanchor_sdk::patient::{Asked, Known, PatientHistory, all_quarters, last_quarters};
use medanchor_sdk::{Approval, Client, Context, DelegationApproval, Policy, Sdk, System};
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;
use std::path::{Path, PathBuf};

/// The largest note that is read.
const MAX_NOTE: u64 = 1 << 20;
/// The most notes that are read.
const MAX_NOTES: usize = 100_000;
/// How a disclosed note's file name ends.
const NOTE: &str = "disclosure";
/// How an approval's file name ends.
const APPROVAL: &str = "approval";

/// List who opened a patient's records at one institution, proved complete
///
/// By whom, when, which, why, under which consent, emergencies marked, complete up to the checkpoint that
/// it names, gaps named as gaps.
///
/// The ledger counts an access under the quarter of a year in which its record was sealed, so every
/// quarter since the network began is asked for. With --quarters fewer are, and the list says that it
/// lacks the others.
///
/// With --home the patient's keys are taken from the institution's vault, with --card from the patient's
/// own card, asking no institution. Consents without the patient's approval could have been given by
/// the institution alone, and the list says so of each. Under a delegation that the patient approved,
/// and that stood then, the list names the delegate.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("whose").required(true).multiple(true).args(["home", "card"]))]
#[command(after_help = "\
Examples:
  medanchor patient history --home net/north-hospital --subject Patient/7 \\
      --node http://127.0.0.1:8480
  medanchor patient history --home net/north-hospital --subject Patient/7 \\
      --node http://127.0.0.1:8480 --quarters 8 --format balp
  medanchor patient history --card card.txt --pin-file pin --genesis net/genesis \\
      --institution north-hospital --approvals mine --node http://127.0.0.1:8480

--approvals takes a folder with files *.approval, as `medanchor patient approve` made them; with
--home they are in the vault. Staff are named only where their institution disclosed it: --notes
takes a folder with a file EVENT-ID.disclosure for each access, as the SDK's `disclose_note` gives
it.

Exit codes: 0 the list is proved, whole and of the last minute; 1 it was printed, but accesses may
be missing (a quarter that was not asked for or not proved, a record that is not in custody), it is
old, or something was disclosed falsely; or it cannot be made; 2 wrong usage; 11 the identity cannot
be used; 12 it is in use; 16 the PIN's file cannot be used; 19 no node could be reached. Gaps of the
emergency path alone do not make it 1.")]
pub struct History {
    /// A home made by `medanchor network new`, or an identity's folder
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: Option<PathBuf>,
    /// The patient, by the application's own id, such as Patient/7
    #[arg(long, value_name = "NAME", required_unless_present = "card")]
    subject: Option<String>,
    /// With --home: what was sealed under the key that the institution held before the patient brought one
    #[arg(long, requires = "home", conflicts_with = "card")]
    held: bool,
    /// The text of the patient's card, in a file
    #[arg(long, value_name = "FILE", requires_all = ["pin_file", "genesis", "institution"])]
    card: Option<PathBuf>,
    /// With --card: a file with the PIN; `-` reads it from standard input
    #[arg(long, value_name = "FILE", requires = "card")]
    pin_file: Option<PathBuf>,
    /// With --card: the network's genesis file
    #[arg(long, value_name = "FILE", requires = "card")]
    genesis: Option<PathBuf>,
    /// With --card: the institution that keeps the records
    #[arg(long, value_name = "NAME", requires = "card")]
    institution: Option<ParticipantName>,
    /// With --card: a folder with the patient's approvals
    #[arg(long, value_name = "DIR", requires = "card")]
    approvals: Option<PathBuf>,
    /// The address of a node; several may be given
    #[arg(long, value_name = "URL", required = true)]
    node: Vec<String>,
    /// Only records sealed in the last N quarters of a year, the running one among them; the others are a gap
    #[arg(long, alias = "epochs", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    quarters: Option<u32>,
    /// A word under which records were sealed, to be shown as their kind; several may be given
    #[arg(long = "class", value_name = "WORD")]
    classes: Vec<String>,
    /// With --home: the application's own id of a record, to be shown in place of its handle; several may be given
    #[arg(long = "record", value_name = "NAME", conflicts_with = "card")]
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
pub fn run(asked: &History) -> Result<Exit, Fatal> {
    let history = match (&asked.home, asked.own()) {
        (_, Some((own, institution))) => by_card(asked, &own, institution)?,
        (Some(home), None) => at_home(asked, home)?,
        (None, None) => return Err(Fatal::new(Exit::Usage, "give --home or --card")),
    };
    print(&history, asked.format)?;
    Ok(match history.is_sound() {
        true => Exit::Success,
        false => Exit::Failure,
    })
}

/// The institution's own list of its patient.
fn at_home(asked: &History, home: &Path) -> Result<PatientHistory, Fatal> {
    let notes = asked.notes()?;
    let sdk = Sdk::new(open_identity(home)?, asked.node.clone())?;
    let keys = match asked.held {
        true => Ok(sdk.held_subject_keys(asked.subject())),
        false => sdk.subject_keys(asked.subject()),
    };
    let keys = keys.map_err(|error| Fatal::new(Exit::Home, error.to_string()))?;
    let history = sdk.patient_history(asked.subject(), &keys, asked.quarters, |subject, epochs| {
        let mut known = asked.known(subject, epochs, notes);
        for record in &asked.records {
            known.add_document(sdk.record_handle(record), record);
        }
        known
    });
    Ok(history?)
}

/// The patient's own list, which needs no institution: a card, a genesis file and any node.
fn by_card(
    asked: &History,
    own: &Opened,
    institution: &ParticipantName,
) -> Result<PatientHistory, Fatal> {
    let notes = asked.notes()?;
    let (patient, genesis) = own.subject()?;
    let policy = Policy::parse(genesis.policy().as_bytes());
    let policy = policy.map_err(|error| Fatal::new(Exit::Failure, error.to_string()))?;
    let client = Client::new(asked.node.clone(), policy)?;
    let (now, began) = (System.now(), Epoch::of(genesis.spec().time));
    let epochs = match asked.quarters {
        Some(count) => last_quarters(now, count),
        None => all_quarters(began, now),
    };
    let subject = patient.key_at(institution);
    let mut known = asked.known(&subject, &epochs, notes);
    if let Some(folder) = &asked.approvals {
        add_approvals(folder, &mut known)?;
    }
    let history = client.patient_history(&Asked {
        network: patient.network(),
        owner: institution,
        subject: &subject,
        approver: Some(patient.approver_at(institution)),
        card: Some(&patient),
        began,
        epochs: &epochs,
        patient: asked.subject(),
        known: &known,
    });
    Ok(history?)
}

impl History {
    /// How the list calls the patient.
    fn subject(&self) -> &str {
        self.subject.as_deref().unwrap_or("Patient/own")
    }

    fn own(&self) -> Option<(Opened, &ParticipantName)> {
        let own = Opened {
            card: self.card.clone()?,
            pin_file: self.pin_file.clone()?,
            genesis: self.genesis.clone()?,
        };
        Some((own, self.institution.as_ref()?))
    }

    fn notes(&self) -> Result<Vec<(EventId, Vec<u8>)>, Fatal> {
        self.notes.as_deref().map_or(Ok(Vec::new()), read_notes)
    }

    fn known(
        &self,
        subject: &SubjectKey,
        epochs: &[Epoch],
        notes: Vec<(EventId, Vec<u8>)>,
    ) -> Known {
        let classes: Vec<&str> = self.classes.iter().map(String::as_str).collect();
        let mut known = Known::of(subject, epochs.iter().copied(), &classes);
        for (event, note) in notes {
            known.add_note(event, note);
        }
        known
    }
}

/// Adds the files *.approval of a folder, of consents and of delegations.
fn add_approvals(folder: &Path, known: &mut Known) -> Result<(), Fatal> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        if path.extension().is_none_or(|end| end != APPROVAL) {
            continue;
        }
        if count >= MAX_NOTES {
            return Err(failed(&path, "more approvals than are read"));
        }
        count += 1;
        let text = read_text(&path)?;
        let added = match text.starts_with(DelegationApproval::LABEL) {
            true => DelegationApproval::from_text(&text)
                .map(|approval| known.add_delegation_approval(approval)),
            false => Approval::list_from_text(&text)
                .map(|all| all.into_iter().for_each(|one| known.add_approval(one))),
        };
        added.map_err(|error| failed(&path, error))?;
    }
    Ok(())
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

/// Reads `EVENT-ID.disclosure` files; others in the folder are not ours to judge.
fn read_notes(folder: &Path) -> Result<Vec<(EventId, Vec<u8>)>, Fatal> {
    let mut notes = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let event = stem.and_then(|stem| stem.parse::<EventId>().ok());
        let Some(event) = event.filter(|_| path.extension().is_some_and(|end| end == NOTE)) else {
            continue;
        };
        let length = std::fs::metadata(&path).map_err(|error| failed(&path, error))?;
        if length.len() > MAX_NOTE || notes.len() >= MAX_NOTES {
            return Err(failed(&path, "more or longer notes than are read"));
        }
        notes.push((
            event,
            std::fs::read(&path).map_err(|error| failed(&path, error))?,
        ));
    }
    Ok(notes)
}
