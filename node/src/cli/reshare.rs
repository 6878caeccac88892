//! `medanchor vault reshare`: records move to the newest custodians.

use super::institution::Institution;
use crate::exit::{Exit, Fatal};
use crate::output::{PrintError, say};
use medanchor_ledger::RecordHandle;
use medanchor_sdk::custody::{MoveError, MoveStep, Moved, NewMove};
use medanchor_sdk::direct::{AddressBook, Certificate};
use medanchor_sdk::{ParticipantName, Sdk};

/// Move records to the newest custodians, without opening them
///
/// For when a custodian is lost or the set changes: have the authorities approve the new set first
/// (`medanchor governance propose-custodians`). As many of the old custodians as it takes share their
/// shares out among the new ones, which acknowledge; then the ledger names the new set, and the old
/// custodians destroy their shares. Nobody holds a key on the way, and no payload is touched. Stop
/// `medanchor vault serve` for as long as it takes, since one process holds an identity: nobody reads
/// this institution's records in between. After a failure or a crash, run it again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  medanchor vault reshare --home north-hospital --all
  medanchor vault reshare --home north-hospital --record Observation/7 \\
      --node http://127.0.0.1:8480 --book book.toml
  medanchor vault reshare --home north-hospital --all --without archive

The address book lists the old custodians that are left and all new ones. Where a new
custodian refuses what an old one contributed, it names the old one: run it again --without
that one. Where another new custodian holds a share already, have the authorities name a
further set first.

Exit codes: 0 every record is with the newest custodians, and so many old shares are
destroyed that the rest are useless; 1 not so, or not known here: run it again; 2 wrong
usage; 11 the identity cannot be used; 12 another process holds it; 19 no node could
be reached.")]
pub struct Reshare {
    #[command(flatten)]
    institution: Institution,
    #[command(flatten)]
    which: Which,
    /// An old custodian that is to contribute nothing; several may be given
    ///
    /// What it contributed to an earlier try is given up while no new custodian holds any of it; what
    /// every new custodian has accepted is right, and stays.
    #[arg(long, value_name = "NAME")]
    without: Vec<ParticipantName>,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The application's own id of a record, or its handle, 32 hex digits; several may be given
    #[arg(long = "record", value_name = "NAME|HANDLE")]
    records: Vec<String>,
    /// Every record of this vault whose key is shared
    #[arg(long)]
    all: bool,
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(asked: &Reshare) -> Result<Exit, Fatal> {
    let moving = Moving {
        sdk: asked.institution.open()?,
        book: asked.institution.book()?,
        own: Institution::certificate()?,
        without: &asked.without,
    };
    let named = |name: &String| super::erase::named(&moving.sdk, name);
    let records: Vec<RecordHandle> = match asked.which.all {
        true => moving.sdk.vault().handles(),
        false => asked.which.records.iter().map(named).collect(),
    };
    let (mut moved, mut open) = (0, 0);
    for record in records {
        match moving.one(record) {
            Ok(done) => {
                moved += 1;
                open += usize::from(!done.old_useless);
                conclude(&done)?;
            }
            // The vault has keys of what is no record, or not in custody.
            Err(MoveError::NotToMove(_)) if asked.which.all => {}
            Err(error) if is_of_all(&error) => return Err(not_moved(&error)),
            Err(error) => {
                open += 1;
                say(format_args!("record {record}: {error}"))?;
            }
        }
    }
    say(format_args!(
        "{moved} record(s) are with the newest custodians; {open} not done"
    ))?;
    Ok(match open {
        0 => Exit::Success,
        _ => Exit::Failure,
    })
}

struct Moving<'a> {
    sdk: Sdk,
    book: AddressBook,
    own: Certificate,
    without: &'a [ParticipantName],
}

impl Moving<'_> {
    fn one(&self, record: RecordHandle) -> Result<Moved, MoveError> {
        // Who reads no more does not stop a move.
        let told = &mut |step: MoveStep<'_>| drop(tell(&record, &step));
        let without = self.without;
        let new = NewMove { record, without };
        self.sdk.reshare(&new, &self.book, &self.own, told)
    }
}

fn tell(record: &RecordHandle, step: &MoveStep<'_>) -> Result<(), PrintError> {
    match step {
        MoveStep::Contributed(name) => say(format_args!("record {record}: {name} contributed")),
        MoveStep::Anew => say(format_args!(
            "record {record}: what was contributed before is given up"
        )),
        MoveStep::Silent(name, why) => {
            say(format_args!("record {record}: {name} is left out: {why}"))
        }
        MoveStep::Acknowledged(name) => {
            say(format_args!("record {record}: {name} holds its new share"))
        }
        MoveStep::Anchored(event) => say(format_args!(
            "record {record}: record.reshare is anchored as {event}"
        )),
        MoveStep::Retired(name, shares) => say(format_args!(
            "record {record}: {name} destroyed {shares} old share(s)"
        )),
        MoveStep::NotRetired(name, why) => say(format_args!(
            "record {record}: {name} has not confirmed: {why}"
        )),
        _ => Ok(()),
    }
}

fn conclude(moved: &Moved) -> Result<(), PrintError> {
    let (record, epoch) = (moved.record, moved.epoch);
    let rest = match (moved.missing.is_empty(), moved.old_useless) {
        (true, _) => "",
        (false, true) => "; the old shares that are left are too few to be of use",
        (false, false) => {
            "; enough old shares may be left to be of use: run it again once their custodians can be reached"
        }
    };
    say(format_args!(
        "record {record}: with the custodians of epoch {epoch}{rest}"
    ))
}

/// Whether the next record would meet the same.
fn is_of_all(error: &MoveError) -> bool {
    matches!(
        error,
        MoveError::Standing(_) | MoveError::Client(_) | MoveError::Circle(_)
    )
}

fn not_moved(error: &MoveError) -> Fatal {
    let exit = match error {
        MoveError::Standing(_) | MoveError::Client(_) => Exit::Unreachable,
        _ => Exit::Failure,
    };
    Fatal::new(exit, error.to_string())
}
