//! `medanchor access`: reading without a consent, and the reviews that follow.

use super::governance::Who;
use super::out::Out;
use crate::exit::{Exit, Fatal};
use crate::output::{complain, say, say_text};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::{ParticipantName, RecordHandle, RequestHandle};
use medanchor_sdk::custody::{OpenedError, StandingError};
use medanchor_sdk::direct::{AddressBook, Certificate};
use medanchor_sdk::{NewBreakGlass, NewReview, Sdk, Verdict};
use std::path::PathBuf;

/// Read without a consent when a life may depend on it, and review what others read so
#[derive(clap::Subcommand)]
#[command(after_help = "\
Examples:
  medanchor access break-glass --home net/south-hospital --node http://127.0.0.1:8480 \\
      --book book.toml --owner north-hospital --record 00112233445566778899aabbccddeeff \\
      --name \"emergency room, 1\" --actor \"Dr. Li\" --reason unconscious --out record.json
  medanchor access reviews --home net/health-office --node http://127.0.0.1:8480
  medanchor access review --home net/health-office --node http://127.0.0.1:8480 \\
      --requester south-hospital --request 00112233445566778899aabbccddeeff \\
      --verdict justified --actor \"Prof. Wang\" --reason \"chart seen\"")]
pub enum Command {
    BreakGlass(BreakGlass),
    Review(Review),
    Reviews(Reviews),
}

/// Open another institution's record without a consent, because a life may depend on it
///
/// The ledger keeps who opened which record and when, before any custodian or the record's owner gives a
/// part of its key. The patient sees it at once, as opened without a consent. The record's owner or a
/// regulator has to review it within 72 hours; 64 reviews that are overdue stop the next break-glass of
/// this hospital. Only hospitals may do it.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor access break-glass --home net/south-hospital --node http://127.0.0.1:8480 \\
      --book book.toml --owner north-hospital --record 00112233445566778899aabbccddeeff \\
      --name \"emergency room, 22 November, 1\" --actor \"Dr. Li\" --reason unconscious \\
      --out record.json

Who asks and why stay at home, sealed; the ledger has a salted commitment to them. After a crash, or
a failure that may pass, run the very same command again within five minutes: it goes on with the
same event. With another name, actor or reason it is another break-glass, with a review of its own,
since another opening must not pass under the first one's words.

Exit codes: 0 the record was opened; 1 it was not, or was denied; 2 wrong usage; 11 the identity
cannot be used; 12 it is in use; 19 no node, too few custodians, or not the record's owner could be
reached, or they were too busy: run it again.")]
pub struct BreakGlass {
    #[command(flatten)]
    who: Who,
    /// The address book with the record's owner and the custodians
    #[arg(long)]
    book: PathBuf,
    /// Who keeps the record
    #[arg(long)]
    owner: ParticipantName,
    /// The record, 32 hex digits
    #[arg(long, value_name = "HEX")]
    record: RecordHandle,
    /// Your own name for this opening; it stays at home
    #[arg(long)]
    name: String,
    /// Who asks; it stays at home
    #[arg(long)]
    actor: String,
    /// Why; it stays at home
    #[arg(long)]
    reason: String,
    /// A new file for the document, which is there once it is whole, of any length; standard output if left
    /// out, for documents of 256 MiB at most
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Judge what another institution opened without a consent; for the record's owner, or a regulator
///
/// There is one review of each opening, for good. One that comes later than 72 hours after the opening
/// is kept as late.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor access review --home net/north-hospital --node http://127.0.0.1:8480 \\
      --requester south-hospital --request 00112233445566778899aabbccddeeff \\
      --verdict justified --actor \"Prof. Wang\" --reason \"unconscious on arrival; chart seen\"

`medanchor access reviews` prints requester and request of what waits. The very same again is one
review.

Exit codes: 0 it is reviewed; 1 it is not; 2 wrong usage; 11 the identity cannot be used; 12 it is
in use; 19 no node could be reached.")]
pub struct Review {
    #[command(flatten)]
    who: Who,
    /// Who opened the record
    #[arg(long)]
    requester: ParticipantName,
    /// The request, 32 hex digits
    #[arg(long, value_name = "HEX")]
    request: RequestHandle,
    /// What was found
    #[arg(long, value_enum)]
    verdict: Found,
    /// Who reviewed; it stays at home
    #[arg(long)]
    actor: String,
    /// Why; it stays at home
    #[arg(long)]
    reason: String,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Found {
    Justified,
    NotJustified,
}

/// List what was opened without a consent and waits for its review
///
/// Every such opening in the network, the first that falls due first; what is overdue is red. It reads the whole log from a node, and proves each opening and how many each hospital has open: a
/// list that lacks one says so.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor access reviews --home net/regulator --node http://127.0.0.1:8480

Exit codes: 0 nothing is overdue and the list is whole; 1 something is overdue, or the list is
not whole, or it is old; 2 wrong usage; 11 the identity cannot be used; 12 it is in use; 19 no node
could be reached.")]
pub struct Reviews {
    #[command(flatten)]
    who: Who,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(command: &Command) -> Result<Exit, Fatal> {
    match command {
        Command::BreakGlass(asked) => break_glass(asked),
        Command::Review(asked) => review(asked),
        Command::Reviews(asked) => reviews(asked),
    }
}

fn failed(what: impl std::fmt::Display) -> Fatal {
    Fatal::new(Exit::Failure, what.to_string())
}

fn not_proved(error: StandingError) -> Fatal {
    match error {
        StandingError::Client(error) => error.into(),
        other => failed(other),
    }
}

fn not_opened(error: OpenedError) -> Fatal {
    let exit = match error.is_unreachable() {
        true => Exit::Unreachable,
        false => Exit::Failure,
    };
    Fatal::new(exit, error.to_string())
}

fn break_glass(asked: &BreakGlass) -> Result<Exit, Fatal> {
    let book =
        AddressBook::read(&asked.book).map_err(|e| Fatal::new(Exit::Usage, e.to_string()))?;
    // Before the file: whoever holds the identity may be writing to one of that name.
    let sdk = asked.who.sdk()?;
    let out = Out::new(asked.out.as_deref())?;
    let certificate = Certificate::generate(&[]).map_err(failed)?;
    let new = NewBreakGlass {
        name: &asked.name,
        owner: &asked.owner,
        record: asked.record,
        actor: &asked.actor,
        reason: &asked.reason,
    };
    let (event, request, answers) = match out {
        Out::File(file) => {
            let opened = sdk.break_glass_into(&new, file, &book, &certificate);
            let opened = opened.map_err(not_opened)?;
            (opened.receipt.id(), opened.request, opened.answers)
        }
        Out::Standard => {
            let opened = sdk.break_glass(&new, &book, &certificate);
            let opened = opened.map_err(not_opened)?;
            out.deliver(&opened.payload)?;
            (opened.receipt.id(), opened.request, opened.answers)
        }
    };
    complain(format_args!(
        "opened without a consent: event {event}. The owner or a regulator has to review it: request {request}."
    ));
    for (name, why) in &answers.silent {
        complain(format_args!("{name} gave no answer: {why}"));
    }
    Ok(Exit::Success)
}

/// The network's genesis, which names every participant.
fn genesis(sdk: &Sdk) -> Result<Genesis, Fatal> {
    let path = sdk.folder().join("genesis");
    let genesis = std::fs::read(&path).map_err(|e| Fatal::new(Exit::Home, e.to_string()))?;
    Genesis::decode(&genesis).map_err(|e| Fatal::new(Exit::Home, e.to_string()))
}

fn review(asked: &Review) -> Result<Exit, Fatal> {
    let sdk = asked.who.sdk()?;
    // What was typed in the wrong place goes into no journal.
    let participants = genesis(&sdk)?.spec().participants.clone();
    if !participants.contains_key(&asked.requester) {
        return Err(Fatal::new(
            Exit::Usage,
            "the genesis names no such requester; `medanchor access reviews` prints it",
        ));
    }
    let event = sdk.review(&NewReview {
        requester: &asked.requester,
        request: asked.request,
        verdict: match asked.verdict {
            Found::Justified => Verdict::Justified,
            Found::NotJustified => Verdict::NotJustified,
        },
        actor: &asked.actor,
        reason: &asked.reason,
    });
    let anchored = sdk.anchor(event.map_err(failed)?)?;
    say(format_args!("reviewed: event {}", anchored.id()))?;
    Ok(Exit::Success)
}

fn reviews(asked: &Reviews) -> Result<Exit, Fatal> {
    let sdk = asked.who.sdk()?;
    let list = sdk.open_reviews(&genesis(&sdk)?).map_err(not_proved)?;
    match asked.json {
        true => say(format_args!("{:#}", list.to_json()))?,
        false => say_text(&list.to_text())?,
    }
    let overdue = list.open.iter().any(|one| list.is_overdue(one));
    Ok(match overdue || !list.is_whole() || list.is_stale() {
        true => Exit::Failure,
        false => Exit::Success,
    })
}
