//! Custody at work: a record whose key three custodians share, opened through two of them and its owner
//! under a consent, and not opened without one.

use super::books::Books;
use super::cast;
use super::city::{City, THRESHOLD, access, denial};
use super::scenes::{PERMITTED, forged_ticket};
use super::world::World;
use anyhow::Context;
use medanchor_ledger::{RecordHandle, Time};
use medanchor_sdk::fhir::SeparateConsent;
use medanchor_sdk::{GrantTicket, NewConsent, NewRecord};
use serde::Serialize;

/// The owner's own name of the record.
pub const RECORD: &str = "demo/record-in-custody";
/// Whose record it is.
pub const SUBJECT: &str = "Patient/sample-custody";
const CLASS: &str = "Observation";
/// What is sealed where the input has no document.
pub const DOCUMENT: &[u8] = br#"{"resourceType":"Observation","status":"final"}"#;
const HOUR: u64 = 3_600_000;

/// A record in custody, and the grant under which the second hospital reads it.
pub struct Kept<'a> {
    /// The document.
    pub document: &'a [u8],
    /// What the ledger calls the record.
    pub record: RecordHandle,
    /// The grant.
    pub ticket: GrantTicket,
}

/// What became of the record in custody.
#[derive(Serialize)]
pub struct Custody {
    /// Who keeps shares.
    pub custodians: Vec<&'static str>,
    /// How many of them it takes.
    pub threshold: u16,
    /// Who was away when the record was read.
    pub away: &'static str,
    /// Whether the owner's vault refused to open the record by itself.
    pub owner_alone_refused: bool,
    /// Who read it under the consent.
    pub reader: &'static str,
    /// Whether the document came out as it went in.
    pub opened: bool,
    /// Who asked without a consent.
    pub stranger: &'static str,
    /// What the ledger decided on that, and the reader's call said.
    pub denied: String,
    /// How many releases each custodian that ran has in the log whose root it anchored.
    pub releases: Vec<u64>,
}

impl Custody {
    /// How the two reads were decided.
    pub fn decisions(&self) -> [&str; 2] {
        [PERMITTED, &self.denied]
    }
}

/// Plays it all with a record that [`seal`] made.
pub fn play(
    world: &World,
    city: &mut City<'_>,
    kept: &Kept<'_>,
    now: Time,
    books: &mut Books,
) -> anyhow::Result<Custody> {
    let (owner, stranger) = (city.owner()?, world.player(cast::MAKER)?);
    let owner_alone_refused = owner.open_record(RECORD, 1).is_err();
    // As by a power cut.
    let away = city.lose_one();
    let asked = access("demo/read-in-custody", &kept.ticket, kept.record);
    let opened = city.read(cast::SECOND_HOSPITAL, &asked, books)??;
    let forged = forged_ticket(stranger, owner, now, 0x5b);
    let asked = access("demo/read-in-custody-without-consent", &forged, kept.record);
    let denied = denial(city.read(cast::MAKER, &asked, books)?)?;
    Ok(Custody {
        custodians: cast::CUSTODIANS.to_vec(),
        threshold: THRESHOLD,
        away,
        owner_alone_refused,
        reader: cast::SECOND_HOSPITAL,
        opened: *opened.payload == kept.document,
        stranger: cast::MAKER,
        denied: denied.as_str().to_owned(),
        releases: city.anchored_releases()?,
    })
}

/// Seals the document into custody and grants it to the second hospital.
pub fn seal<'d>(
    city: &City<'_>,
    document: &'d [u8],
    now: Time,
    books: &mut Books,
) -> anyhow::Result<Kept<'d>> {
    let owner = city.owner()?;
    let circle = owner.custodians(&city.book)?;
    let new = NewRecord {
        name: RECORD,
        version: 1,
        subject: SUBJECT,
        class: CLASS,
        payload: document,
    };
    let sealed = owner.seal_in_custody(&new, &circle, &city.certificate)?;
    books.keep(&sealed.anchored)?;
    let consented = owner.grant(&NewConsent {
        name: "demo/consent-in-custody",
        root: None,
        subject: SUBJECT,
        grantees: &[cast::name(cast::SECOND_HOSPITAL)?.into()],
        purposes: &["TREAT"],
        classes: &[CLASS],
        records_since: now,
        not_before: now,
        not_after: now.plus_millis(24 * HOUR),
        records: &[(RECORD, CLASS)],
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: br#"{"resourceType":"Consent"}"#,
    })?;
    books.keep(&owner.anchor(consented.event)?)?;
    let ticket = consented.tickets.into_iter().next();
    Ok(Kept {
        document,
        record: sealed.record,
        ticket: ticket.context("one grantee, one ticket")?,
    })
}
