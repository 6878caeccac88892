//! A patient's own key: the card, what is handed to an institution, and approvals of consents.
//!
//! What always holds: secrets go to files that only their owner can read, never to the terminal; a PIN
//! comes from a file or standard input, never from the command line.

use super::{failed, open_identity, read_text};
use crate::exit::{Exit, Fatal};
use crate::output::say;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::{NetworkId, ParticipantName};
use medanchor_sdk::card::{Card, Cost, Pin};
use medanchor_sdk::subject::Words;
use medanchor_sdk::{BroughtKey, ConsentDraft, Subject, System};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest genesis that is read.
const MAX_GENESIS: u64 = 16 << 20;

/// Which card, and how it is opened.
#[derive(clap::Args)]
pub struct Opened {
    /// The text of the card's QR code, in a file
    #[arg(long, value_name = "FILE")]
    pub card: PathBuf,
    /// A file with the PIN; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    pub pin_file: PathBuf,
    /// The network's genesis file, as any member has it
    #[arg(long, value_name = "FILE")]
    pub genesis: PathBuf,
}

impl Opened {
    /// The patient whose card it is, and the network. The card is opened here: whoever runs this machine
    /// can see the patient's key.
    pub fn subject(&self) -> Result<(Subject, Genesis), Fatal> {
        let genesis = read_genesis(&self.genesis)?;
        let card = Card::from_text(&read_text(&self.card)?);
        let card = card.map_err(|error| failed(&self.card, error))?;
        let subject = Subject::from_card(&card, genesis.network_id(), &read_pin(&self.pin_file)?);
        let subject = subject.map_err(|error| failed(&self.card, error))?;
        Ok((subject, genesis))
    }
}

/// Makes a card with a fresh key.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor patient card --genesis net/genesis --pin-file - --out card < pin

DIR gets card.html to print, with a QR code, and card.txt, the text of that code. The key is drawn
here and stands nowhere but on the card, under the PIN: print it and delete both files. A lost card
is replaced by a new one, with a new key.")]
pub struct Make {
    /// The network's genesis file, as any member has it
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// A file with the PIN, 6 to 12 digits; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    pin_file: PathBuf,
    /// A new folder for the card
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Makes what the patient hands to one institution: the patient's key there, and the public key that
/// approves consents. It is a secret between the two.
#[derive(clap::Args)]
pub struct Key {
    #[command(flatten)]
    opened: Opened,
    /// The institution, by its name on the ledger
    #[arg(long)]
    institution: ParticipantName,
    /// A new file for it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Takes the key that a patient brings. From then on records of this patient are sealed under it, and
/// consents take the patient's approval.
#[derive(clap::Args)]
pub struct Enrol {
    /// A home made by `medanchor network new`, or an identity's folder
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    /// The patient, by the application's own id, such as Patient/7
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// What `medanchor patient key` made
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// Approves a consent: shows what it grants, and signs exactly that.
#[derive(clap::Args)]
#[command(after_help = "\
Without --yes it only shows what the consent grants. The institution grants it with the approval;
keep a copy, since `medanchor patient history --approvals` tells by it which consents were yours.")]
pub struct Approve {
    #[command(flatten)]
    opened: Opened,
    /// The draft, as the institution's application gives it
    #[arg(long, value_name = "FILE")]
    draft: PathBuf,
    /// The patient has read it and agrees
    #[arg(long, requires = "out")]
    yes: bool,
    /// A new file for the approval
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// `medanchor patient card`
pub fn make(make: &Make) -> Result<Exit, Fatal> {
    let (network, pin) = (
        read_genesis(&make.genesis)?.network_id(),
        read_pin(&make.pin_file)?,
    );
    let card = draw(network, &pin).map_err(|error| failed(&make.out, error))?;
    let page = card.to_page().map_err(|error| failed(&make.out, error))?;
    std::fs::create_dir(&make.out).map_err(|error| failed(&make.out, error))?;
    write_secret(&make.out.join("card.txt"), &card.to_text())?;
    write_secret(&make.out.join("card.html"), &page)?;
    say(format_args!(
        "Print {}, give it to the patient, and delete the folder.",
        make.out.join("card.html").display()
    ))?;
    Ok(Exit::Success)
}

fn draw(network: NetworkId, pin: &Pin) -> Result<Card, medanchor_sdk::card::CardError> {
    Subject::generate(network, &System)?.card(pin, Cost::default(), &System)
}

/// `medanchor patient key`
pub fn key(key: &Key) -> Result<Exit, Fatal> {
    let (subject, _) = key.opened.subject()?;
    write_secret(&key.out, &subject.key_for(&key.institution).to_text())?;
    say(format_args!(
        "Give {} to {} alone, by a confidential way.",
        key.out.display(),
        key.institution
    ))?;
    Ok(Exit::Success)
}

/// `medanchor patient enrol`
pub fn enrol(enrol: &Enrol) -> Result<Exit, Fatal> {
    let brought = BroughtKey::from_text(&read_text(&enrol.key)?);
    let brought = brought.map_err(|error| failed(&enrol.key, error))?;
    let identity = open_identity(&enrol.home)?;
    let taken = identity.take_subject_key(&enrol.subject, &brought);
    taken.map_err(|error| failed(&enrol.key, error))?;
    say(format_args!(
        "Records are sealed under the patient's own key from now on; consents take the patient's approval."
    ))?;
    Ok(Exit::Success)
}

/// `medanchor patient approve`
pub fn approve(approve: &Approve) -> Result<Exit, Fatal> {
    let draft = ConsentDraft::from_text(&read_text(&approve.draft)?);
    let draft = draft.map_err(|error| failed(&approve.draft, error))?;
    show(draft.words())?;
    let Some(out) = approve.out.as_deref().filter(|_| approve.yes) else {
        say(format_args!(
            "Nothing is signed; add --yes and --out to approve it."
        ))?;
        return Ok(Exit::Success);
    };
    let (subject, _) = approve.opened.subject()?;
    let approval = subject.approve(&draft);
    let approval = approval.map_err(|error| failed(&approve.draft, error))?;
    write_secret(out, &approval.to_text())?;
    say(format_args!("Approved: {}", out.display()))?;
    Ok(Exit::Success)
}

fn show(words: &Words) -> Result<(), Fatal> {
    say(format_args!("Consent {} of {}", words.consent, words.owner))?;
    for one in &words.grantees {
        let whom = match &one.member {
            Some(member) => format!("{}, only the person or team {member}", one.participant),
            None => one.participant.to_string(),
        };
        say(format_args!("  lets   {whom} read"))?;
    }
    say(format_args!("  for    {}", words.purposes.join(", ")))?;
    say(format_args!("  data   {}", words.classes.join(", ")))?;
    say(format_args!("  sealed since {} (UTC)", words.first.begin()))?;
    say(format_args!(
        "  from   {} until {} (UTC)",
        words.not_before, words.not_after
    ))?;
    if let Some(root) = words.root {
        say(format_args!("  ends   also when consent {root} does"))?;
    }
    Ok(())
}

/// Reads a genesis file.
pub fn read_genesis(path: &Path) -> Result<Genesis, Fatal> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_GENESIS).read_to_end(&mut bytes))
        .map_err(|error| failed(path, error))?;
    Genesis::decode(&bytes).map_err(|error| failed(path, error))
}

fn read_pin(path: &Path) -> Result<Pin, Fatal> {
    let text = match path.to_str() {
        Some("-") => {
            let mut text = Zeroizing::new(String::with_capacity(64));
            let read = std::io::stdin().take(64).read_to_string(&mut text);
            read.map_err(|error| failed(path, error))?;
            text
        }
        _ => read_text(path)?,
    };
    Pin::new(text.trim()).map_err(|error| failed(path, error))
}

/// A new file that only its owner can read.
fn write_secret(path: &Path, text: &str) -> Result<(), Fatal> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || -> std::io::Result<()> {
        let mut file = options.open(path)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().map_err(|error| failed(path, error))
}
