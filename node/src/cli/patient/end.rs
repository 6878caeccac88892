//! `medanchor patient end` and `medanchor patient anchor-end`: a consent or delegation ended by the patient's
//! card, through any participant, whatever the institution that granted it does.

use super::card::{Opened, write_secret};
use super::{failed, read_text};
use crate::cli::governance::Who;
use crate::exit::{Exit, Fatal};
use crate::output::say;
use medanchor_ledger::{ConsentHandle, ParticipantName};
use medanchor_sdk::{AnchorError, SignedEnd};
use std::path::PathBuf;

/// With a card, sign the end of a consent or delegation, for any participant to anchor
///
/// For when the institution that granted it does not revoke it. It needs no network, and no institution
/// is asked.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor patient end --card card/card.txt --pin-file pin --genesis net/genesis \\
      --institution north-hospital --consent 00112233445566778899aabbccddeeff --out ended

`medanchor patient history` shows the consents that stand, and which of them you can end. Bring the
file to any participant, such as another hospital, a pharmacy or a regulator: `medanchor patient
anchor-end`. The end counts for everybody from its block on, and for all that was granted below the
consent. It cannot be taken back, and whoever has the file can anchor it. Whether the card approved
the consent is not looked at here: compare the handle with the list. The end of a consent that
continues another ends that one alone. A consent that was renewed stands in one line of the list,
with what it is called in the later quarters: end it by its first handle. The end of one of those
ends that quarter alone, and the institution renews the consent no more.

Ends that one participant anchors at about one time show it, and let others guess, that the
consents are one patient's, at two institutions as well: bring them to two, or on different days.

The card that approved the consent ends it. One that was lost ends nothing any more, so an end may
be signed beforehand and kept in a safe place.

Exit codes: 0 it is signed; 1 it is not, because the PIN is wrong, say; 2 wrong usage; 16 the PIN's
file cannot be used.")]
pub struct End {
    #[command(flatten)]
    opened: Opened,
    /// The institution that granted it, by its name on the ledger
    #[arg(long)]
    institution: ParticipantName,
    /// The consent or delegation, 32 hex digits
    #[arg(long, value_name = "HEX")]
    consent: ConsentHandle,
    /// A new file for the signed end
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// At any participant, anchor the end of a consent that a patient brings
///
/// Whichever institution granted it: the patient's signature is enough. The ledger shows who anchored it.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  medanchor patient anchor-end --home net/east-pharmacy --node http://127.0.0.1:8480 --end ended

The rules refuse an end that another card signed, and one of a consent that has no key of its
patient's: its owner granted it without the patient's card, or by a release that knew no such key,
and has to revoke it. Anchoring the same end again changes nothing.

An end of a consent that is not granted yet, or of a handle with a slip in it, waits: this gives up
in the end (`consent.unknown`, exit code 1), and nothing posts it again. A node may still anchor it
if the consent is granted within ten minutes; after that, anchor it once more.

Exit codes: 0 the consent is ended; 1 it is not, or was ended before; 2 wrong usage; 11 the identity
cannot be used; 12 it is in use; 19 no node could be reached.")]
pub struct AnchorEnd {
    #[command(flatten)]
    who: Who,
    /// What `medanchor patient end` made
    #[arg(long, value_name = "FILE")]
    end: PathBuf,
}

/// `medanchor patient end`
pub fn end(asked: &End) -> Result<Exit, Fatal> {
    let (subject, _) = asked.opened.subject()?;
    let end = subject.end(&asked.institution, asked.consent);
    write_secret(&asked.out, &end.to_text())?;
    say(format_args!(
        "Bring {} to any participant: anchored, it ends consent {} of {} for good, if this card \
         approved it. If the list shows this handle as what another consent was renewed as, it ends \
         that quarter alone, and no further one is made: to end all, end that other consent.",
        asked.out.display(),
        asked.consent,
        asked.institution
    ))?;
    Ok(Exit::Success)
}

/// `medanchor patient anchor-end`
pub fn anchor(asked: &AnchorEnd) -> Result<Exit, Fatal> {
    let end = SignedEnd::from_text(&read_text(&asked.end)?);
    let end = end.map_err(|error| failed(&asked.end, error))?;
    let sdk = asked.who.sdk()?;
    let event = sdk.end_for_patient(&end);
    let event = event.map_err(|error| failed(&asked.end, error))?;
    // The patient's file has all that it says, so the journal need not keep it.
    let anchored = sdk.anchor_or_abandon(event).map_err(gave_up)?;
    say(format_args!(
        "ended: consent {} of {}, event {}",
        end.consent(),
        end.owner(),
        anchored.id()
    ))?;
    Ok(Exit::Success)
}

fn gave_up(error: AnchorError) -> Fatal {
    let AnchorError::Waiting { rule, .. } = error else {
        return error.into();
    };
    let rule = rule.map_or(String::new(), |rule| format!(" for what rule {rule} asks"));
    let what =
        "compare institution and handle with the patient's list, and anchor the file again later";
    let message =
        format!("the consent is not ended, its end waited{rule} and was given up; {what}");
    Fatal::new(Exit::Failure, message)
}
