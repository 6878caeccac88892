//! A patient's own key: the card, and what is handed to an institution.
//!
//! What always holds: secrets go to files that only their owner can read, never to the terminal; a PIN
//! comes from a file or standard input, never from the command line.

use super::{failed, open_identity, read_text};
use crate::exit::{Exit, Fatal};
use crate::output::say;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::{NetworkId, ParticipantName};
use medanchor_sdk::card::{Card, Cost, Pin};
use medanchor_sdk::keeping::SecretAt;
use medanchor_sdk::{BroughtKey, Subject, System};
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
    /// A file with the PIN, which its owner alone can read; `-` reads it from standard input
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

/// Make a card with a fresh key, to be printed and given to the patient
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor patient card --genesis net/genesis --pin-file - --out card < pin

DIR gets card.html to print, with a QR code, and card.txt, the text of that code. The key is drawn
here and stands nowhere but on the card, under the PIN: print it and delete both files. A lost card
is replaced by a new one, with a new key.

Exit codes: 0 it is made; 1 it is not; 2 wrong usage; 16 the PIN's file cannot be used.")]
pub struct Make {
    /// The network's genesis file, as any member has it
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// A file with the PIN, 6 to 12 digits, which its owner alone can read; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    pin_file: PathBuf,
    /// A new folder for the card
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// From a card, make what the patient hands to one institution
///
/// It holds the patient's key there, and the public key that approves consents and delegations. It is a
/// secret between the two.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor patient key --card card/card.txt --pin-file pin --genesis net/genesis \\
      --institution north-hospital --out brought

Exit codes: 0 it is made; 1 it is not, because the PIN is wrong, say; 2 wrong usage; 16 the PIN's
file cannot be used.")]
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

/// At an institution, take the key that a patient brings
///
/// From then on records of this patient are sealed under it, and consents and delegations take the patient's
/// approval.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor patient enrol --home net/north-hospital --subject Patient/7 --key brought

A key is one patient's. Whoever has the card of it lists what is sealed from now on and approves
consents, so be sure who brings it.

Exit codes: 0 it is taken; 1 it is not, as when the patient has another key and --replace is not
given; 2 wrong usage; 11 the identity cannot be used; 12 it is in use.")]
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
    /// Let it take the place of the key that the patient brought before, as when a card was lost
    #[arg(long)]
    replace: bool,
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
    let known = identity.subject_keys(&enrol.subject);
    let known = known.map_err(|error| failed(&enrol.key, error))?.approver;
    if !enrol.replace && known.is_some_and(|known| known != *brought.approver()) {
        let other = "this patient has brought another key before; if it is to take that one's place, run it again with --replace";
        return Err(failed(&enrol.key, other));
    }
    let taken = identity.take_subject_key(&enrol.subject, &brought);
    taken.map_err(|error| failed(&enrol.key, error))?;
    say(format_args!(
        "Records are sealed under the patient's own key from now on; consents and delegations take the patient's approval."
    ))?;
    Ok(Exit::Success)
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
        _ => {
            let secret = SecretAt::File(path.into()).fetch();
            secret.map_err(|error| Fatal::new(Exit::Keys, error.to_string()))?
        }
    };
    Pin::new(text.trim()).map_err(|error| failed(path, error))
}

/// A new file that only its owner can read.
pub fn write_secret(path: &Path, text: &str) -> Result<(), Fatal> {
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
    write().map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let taken = "there is something of this name, which is left as it is; run it again with another --out";
            failed(path, taken)
        }
        _ => failed(path, error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It said `File exists (os error 17)` and nothing else.
    #[test]
    fn a_name_that_is_taken_is_told_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ended");
        write_secret(&path, "one").unwrap();
        let said = write_secret(&path, "another").unwrap_err().to_string();
        assert!(said.starts_with(&path.display().to_string()), "{said}");
        assert!(said.contains("with another --out"), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), b"one\n");
    }
}
