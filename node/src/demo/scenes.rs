//! What the network is for, one scene a function: two pharmacies and one prescription, reads under
//! consent, a read without.

use super::books::Books;
use super::cast;
use super::stage::Stage;
use super::steps::{CLASS, claim_end};
use super::world::World;
use anyhow::{Context, anyhow, bail};
use medanchor_ledger::rules::{Decision, Request};
use medanchor_ledger::{ConsentHandle, PurposeHandle, RecordHandle, Time};
use medanchor_sdk::{
    AccessAsked, AnchorError, Anchored, Fraction, GrantTicket, NewAccess, NewPrescription,
    Prescribed, Redemption, Refusal, Sdk,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Barrier;

/// The prescription over which the pharmacies race. Nobody real, like all of the seeds.
const RACED: &str = r#"{"resourceType":"MedicationRequest","id":"raced","status":"active","intent":"order",
"medicationCodeableConcept":{"text":"Sample drug 1.50 mg"},"subject":{"reference":"Patient/sample-race"},
"dispenseRequest":{"quantity":{"value":14,"unit":"tablet"}}}"#;
const RACED_NAME: &str = "demo/raced-prescription";
const RACED_SUBJECT: &str = "Patient/sample-race";

/// Two redemptions of one prescription, and which of them ledger order let win.
#[derive(Serialize)]
pub struct Race {
    /// Who won.
    pub winner: String,
    /// The winning event.
    pub winning_event: String,
    /// Its place in the log.
    pub winning_index: u64,
    /// Who lost.
    pub loser: String,
    /// The losing event.
    pub losing_event: String,
    /// The rule that the loser broke.
    pub rule: String,
    /// Whether the error carried the winner's receipt, and it held.
    pub winner_receipt_verified: bool,
}

/// Issues the prescription that the race is about.
pub fn issue_raced(world: &World, now: Time, books: &mut Books) -> anyhow::Result<Prescribed> {
    let hospital = world.player(cast::HOSPITAL)?;
    let prescribed = hospital.prescribe(&NewPrescription {
        name: RACED_NAME,
        subject: RACED_SUBJECT,
        class: CLASS,
        payload: RACED.as_bytes(),
        lines: 1,
        expires: now.plus_millis(24 * 3600 * 1000),
    })?;
    for result in hospital.anchor_batch(prescribed.events.clone()) {
        books.keep(&result?)?;
    }
    Ok(prescribed)
}

/// Both pharmacies redeem the prescription at the same moment, each at another node.
pub fn race(
    world: &World,
    prescribed: &Prescribed,
    now: Time,
    books: &mut Books,
) -> anyhow::Result<Race> {
    let (east, west) = (
        world.player(cast::PHARMACY)?,
        world.player(cast::SECOND_PHARMACY)?,
    );
    let start = Barrier::new(2);
    let run = |sdk| redeem_at_the_signal(sdk, prescribed, now, &start);
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| run(west));
        (run(east), other.join())
    });
    let other = other.map_err(|_| anyhow!("a pharmacy's thread broke off"))?;
    match (one?, other?) {
        (Ok(won), Err(AnchorError::Refused(lost))) => settle(east, &won, west, &lost, books),
        (Err(AnchorError::Refused(lost)), Ok(won)) => settle(west, &won, east, &lost, books),
        (Ok(_), Ok(_)) => bail!("both pharmacies redeemed one prescription"),
        (one, other) => {
            let told =
                |result: Result<Anchored, AnchorError>| result.err().map(|error| error.to_string());
            bail!(
                "no pharmacy redeemed the prescription: {:?}, {:?}",
                told(one),
                told(other)
            )
        }
    }
}

fn redeem_at_the_signal(
    sdk: &Sdk,
    prescribed: &Prescribed,
    now: Time,
    start: &Barrier,
) -> anyhow::Result<Result<Anchored, AnchorError>> {
    let claim = prescribed.token.claim(sdk.participant(), 1, claim_end(now));
    let signed = sdk.redeem(&Redemption {
        name: "demo/raced-dispense",
        claim: &claim,
        fractions: &[Fraction::WHOLE],
        payload: br#"{"resourceType":"MedicationDispense","status":"completed"}"#,
    });
    // The other side waits here too, so an error must not keep it waiting.
    start.wait();
    Ok(sdk.anchor(signed?))
}

fn settle(
    winner: &Sdk,
    won: &Anchored,
    loser: &Sdk,
    lost: &Refusal,
    books: &mut Books,
) -> anyhow::Result<Race> {
    books.keep(won)?;
    Ok(Race {
        winner: winner.participant().to_string(),
        winning_event: won.id().to_string(),
        winning_index: won.index().0,
        loser: loser.participant().to_string(),
        losing_event: lost.event.to_string(),
        rule: lost.rule().to_owned(),
        winner_receipt_verified: lost
            .winner
            .as_ref()
            .is_some_and(|shown| shown.id() == won.id()),
    })
}

/// How reads were decided: permitted, or the reason of the denial, and how often.
pub type Decisions = BTreeMap<String, u64>;

/// Every grantee reads every record that its tickets name.
pub fn read_under_consent(
    world: &World,
    tickets: &[GrantTicket],
    books: &mut Books,
    stage: &Stage,
) -> anyhow::Result<Decisions> {
    let mut decisions = Decisions::new();
    for (number, ticket) in tickets.iter().enumerate() {
        let reader = world.sdk(&ticket.grantee)?;
        let Some(purpose) = ticket.purposes.keys().next() else {
            continue;
        };
        let asked: Vec<AccessAsked> = ticket
            .records
            .iter()
            .enumerate()
            .map(|(place, record)| {
                ask(
                    reader,
                    ticket,
                    record.record,
                    purpose,
                    &format!("demo/read/{number}/{place}"),
                )
            })
            .collect::<Result<_, _>>()?;
        let events = asked.iter().map(|one| one.event.clone()).collect();
        for (asked, result) in asked.iter().zip(reader.anchor_batch(events)) {
            books.keep(&result?)?;
            *decisions.entry(decision(reader, asked)?).or_default() += 1;
            stage.step();
        }
    }
    Ok(decisions)
}

/// A read without consent.
#[derive(Serialize)]
pub struct Denial {
    /// Who asked.
    pub reader: String,
    /// Whose record.
    pub owner: String,
    /// The request on the ledger.
    pub event: String,
    /// Its place in the log.
    pub index: u64,
    /// What the ledger recorded.
    pub decision: String,
}

/// The drug maker asks for a hospital's record under a consent that nobody gave.
pub fn read_without_consent(
    world: &World,
    record: RecordHandle,
    now: Time,
    books: &mut Books,
) -> anyhow::Result<Denial> {
    let (reader, owner) = (world.player(cast::MAKER)?, world.player(cast::HOSPITAL)?);
    let forged = forged_ticket(reader, owner, now, 0x5a);
    let asked = ask(
        reader,
        &forged,
        record,
        "TREAT",
        "demo/read-without-consent",
    )?;
    let anchored = reader.anchor(asked.event.clone())?;
    books.keep(&anchored)?;
    let decision = decision(reader, &asked)?;
    if decision == PERMITTED {
        bail!("a read without consent was permitted");
    }
    Ok(Denial {
        reader: reader.participant().to_string(),
        owner: owner.participant().to_string(),
        event: anchored.id().to_string(),
        index: anchored.index().0,
        decision,
    })
}

/// What a grantee would be given under a consent that nobody gave, its handles made of one byte.
pub fn forged_ticket(reader: &Sdk, owner: &Sdk, now: Time, byte: u8) -> GrantTicket {
    GrantTicket {
        network: reader.network(),
        owner: owner.participant().clone(),
        consent: ConsentHandle::new([byte; 16]),
        grantee: reader.participant().clone(),
        member: None,
        opening: medanchor_ledger::event::GranteeOpening::new([byte; 16]),
        purposes: BTreeMap::from([("TREAT".to_owned(), PurposeHandle::new([byte; 16]))]),
        classes: std::collections::BTreeSet::new(),
        records: Vec::new(),
        not_before: now,
        not_after: now.plus_millis(60_000),
    }
}

/// The word for a read that was permitted.
pub const PERMITTED: &str = "permitted";

fn ask(
    reader: &Sdk,
    ticket: &GrantTicket,
    record: RecordHandle,
    purpose: &str,
    name: &str,
) -> anyhow::Result<AccessAsked> {
    Ok(reader.request_access(&NewAccess {
        name,
        ticket,
        record,
        purpose,
        actor: "sample clinician",
        reason: "demo",
    })?)
}

/// What the ledger decided on a request: one node's word, which the claims hold against what the
/// audit recomputes.
fn decision(reader: &Sdk, asked: &AccessAsked) -> anyhow::Result<String> {
    let key = Request::key(reader.participant(), &asked.request);
    let request: Request = reader
        .client()
        .unproven_state(&key)?
        .context("the ledger holds no decision")?;
    Ok(match request.decision {
        Decision::Permitted => PERMITTED.to_owned(),
        Decision::Denied(reason) => reason.as_str().to_owned(),
    })
}
