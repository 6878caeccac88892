//! A patient with a card appoints a guardian: the hospital drafts, the patient reads and approves at the
//! machine that opens the card, the guardian's consents open records, and the patient's list tells them from
//! what the hospital made up. What the patient approved the patient also ends, through whom they like. Four
//! nodes, five custodians and the owner's vault, each a process of its own.

mod ended;
mod home;

use self::home::Home;
use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::ConsentHandle;
use medanchor_ledger::event::{ConsentGrant, Event, EventBody};
use medanchor_sdk::fhir::SeparateConsent;
use medanchor_sdk::{
    Approval, Consented, DelegationApproval, GrantTicket, Mandate, NewAccess, NewConsent,
    NewDelegation, NewRecord, Sdk, Time,
};
use medanchor_tests::city::{City, OWNER, PAYLOAD, READER};
use medanchor_tests::service::{Service, run};
use std::sync::OnceLock;

const RECORD: &str = "Observation/1";
const SUBJECT: &str = "Patient/1";
const HOUR: u64 = 3_600_000;
/// What the list says of a consent that nobody but the owner vouches for.
const ALONE: &str = "it could have signed alone";
const BY_DELEGATE: &str = "granted by the delegate Li Na (guardian, RelatedPerson/3)";

fn guardian(sdk: &Sdk) -> NewDelegation<'static> {
    NewDelegation {
        name: "guardian",
        subject: SUBJECT,
        delegate: "RelatedPerson/3",
        called: "Li Na",
        mandate: Mandate::GuardianOfAdult {
            until: until(sdk, 48),
        },
        basis: "court order 17",
        not_before: Time(0),
    }
}

/// A time that is the same however often it is asked for in one run.
fn until(sdk: &Sdk, hours: u64) -> Time {
    static BEGAN: OnceLock<u64> = OnceLock::new();
    let today = sdk.now().0 / (24 * HOUR);
    Time((BEGAN.get_or_init(|| today) * 24 + hours) * HOUR)
}

fn with_consent<T>(sdk: &Sdk, name: &str, run: impl FnOnce(&NewConsent<'_>) -> T) -> Result<T> {
    Ok(run(&NewConsent {
        name,
        root: None,
        subject: SUBJECT,
        grantees: &[READER.parse::<medanchor_sdk::ParticipantName>()?.into()],
        purposes: &["TREAT"],
        classes: &["laboratory"],
        records_since: sdk.now(),
        not_before: Time(0),
        not_after: until(sdk, 96),
        records: &[(RECORD, "laboratory")],
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: br#"{"resourceType":"Consent"}"#,
    }))
}

fn seal(city: &City, sdk: &Sdk) -> Result<()> {
    let circle = sdk.custodians(&city.book)?;
    let new = NewRecord {
        name: RECORD,
        version: 1,
        subject: SUBJECT,
        class: "laboratory",
        payload: PAYLOAD,
    };
    sdk.seal_in_custody(&new, &circle, &city.certificate)?;
    Ok(())
}

/// The hospital has the delegation approved and anchors it; gives its event.
fn appoint(sdk: &Sdk, home: &Home) -> Result<Event> {
    ensure!(
        sdk.delegate(&guardian(sdk)).is_err(),
        "not without the patient"
    );
    let draft = sdk.draft_delegation(&guardian(sdk))?;
    let (shown, approval) = home.approves("guardian", &draft.to_text())?;
    for words in [
        "lets   Li Na decide for you as your guardian (north-hospital calls them RelatedPerson/3)",
        "basis  court order 17",
        "from   1970-01-01T00:00:00.000Z until 20",
        "you are not asked again, until the",
        "you can end",
        "Li Na signs nothing",
    ] {
        ensure!(shown.contains(words), "{words:?} is not in {shown}");
    }
    ensure!(Approval::list_from_text(&approval).is_err());
    let approval = DelegationApproval::from_text(&approval)?;
    let other = NewDelegation {
        basis: "court order 18",
        ..guardian(sdk)
    };
    ensure!(sdk.delegate_approved(&other, &approval).is_err());
    let delegated = sdk.delegate_approved(&guardian(sdk), &approval)?;
    sdk.anchor(delegated.event.clone())?;
    Ok(delegated.event)
}

fn granted(event: &Event) -> Result<ConsentGrant> {
    match event.body() {
        EventBody::ConsentGrant(grant) => Ok(grant.clone()),
        other => bail!("no grant: {other:?}"),
    }
}

/// A hospital with a program of its own anchors what nobody approved: a delegation and a consent below it.
fn forge(sdk: &Sdk, delegation: &Event, consent: &Event) -> Result<ConsentHandle> {
    let (root, below) = (ConsentHandle::new([1; 16]), ConsentHandle::new([2; 16]));
    let mut forged = granted(delegation)?;
    forged.consent = root;
    sdk.anchor(sdk.sign(forged)?)?;
    let mut forged = granted(consent)?;
    (forged.consent, forged.root) = (below, Some(root));
    sdk.anchor(sdk.sign(forged)?)?;
    Ok(below)
}

/// Asks under the ticket of a consent, or of another one with the same words.
fn ask(city: &City, given: &Consented, under: ConsentHandle, name: &str) -> Result<()> {
    let reader = city.sdk(READER)?;
    let given = given.tickets.first().context("a ticket")?;
    let mut ticket = GrantTicket::from_text(&given.to_text())?;
    ticket.consent = under;
    let asked = reader.request_access(&NewAccess {
        name,
        ticket: &ticket,
        record: ticket.records[0].record,
        purpose: "TREAT",
        actor: "Dr. Li",
        reason: "a consultation",
    })?;
    reader.anchor(asked.event)?;
    Ok(())
}

fn says(page: &str, words: &[&str], not: &[&str]) -> Result<()> {
    let missing = words.iter().find(|words| !page.contains(**words));
    let wrong = not.iter().find(|words| page.contains(**words));
    ensure!(
        missing.is_none() && wrong.is_none(),
        "{missing:?}, {wrong:?}: {page}"
    );
    Ok(())
}

#[test]
fn a_guardian_whom_the_patient_approved_by_card_opens_records_until_revoked() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let home = Home::enrolled(&city)?;
    let owner = city.sdk(OWNER)?;
    seal(&city, &owner)?;
    let delegation = appoint(&owner, &home)?;
    let given = with_consent(&owner, "by the guardian", |new| {
        owner.grant_as_delegate("guardian", new)
    })??;
    owner.anchor(given.event.clone())?;
    drop(owner);

    let vault = Service::vault(&dir.path().join(OWNER))?;
    let ticket = given.tickets.first().context("a ticket")?;
    let opened = city.read(&city.sdk(READER)?, ticket, "first")?;
    ensure!(*opened.payload == PAYLOAD);
    drop(vault);

    let mine = home.path("mine");
    let page = home.history(&["--approvals", &mine])?;
    says(
        &page,
        &[
            "exactly 1 accesses",
            BY_DELEGATE,
            "is the word of north-hospital",
        ],
        &[ALONE],
    )?;
    says(
        &home.history(&[])?,
        &["exactly 1 accesses", ALONE],
        &[BY_DELEGATE],
    )?;
    let hospital = city.dir.join(OWNER).display().to_string();
    let own = [
        "patient",
        "history",
        "--home",
        &hospital,
        "--subject",
        SUBJECT,
    ];
    let page = run(&[&own[..], &["--node", &home.node]].concat())?;
    says(&page, &[BY_DELEGATE], &[ALONE])?;

    let owner = city.sdk(OWNER)?;
    let forged = forge(&owner, &delegation, &given.event)?;
    ask(&city, &given, forged, "under a forged delegation")?;
    let page = home.history(&["--approvals", &mine])?;
    says(&page, &["exactly 2 accesses", BY_DELEGATE, ALONE], &[])?;
    ensure!(page.matches(BY_DELEGATE).count() == 1, "{page}");

    owner.anchor(owner.revoke("guardian")?)?;
    let late = with_consent(&owner, "too late", |new| {
        owner.grant_as_delegate("guardian", new)
    })??;
    let refused = owner.anchor(late.event).err().context("it is revoked")?;
    says(&refused.to_string(), &["consent.revoked-root"], &[])?;
    ask(&city, &given, given.consent, "after the end")?;
    let page = home.history(&["--approvals", &mine])?;
    says(
        &page,
        &[
            "exactly 2 accesses, and 1 that were denied",
            "DENIED (access.consent-revoked)",
        ],
        &[],
    )?;
    ensure!(page.matches(BY_DELEGATE).count() == 1, "{page}");
    Ok(())
}
