//! The hospital ends nothing, and its application and vault are off: the patient signs the end of a consent
//! with the card, a pharmacy anchors it, and nobody opens a record under that consent any more.

use super::home::Home;
use super::{appoint, ask, granted, says, seal, until, with_consent};
use anyhow::{Context, Result, ensure};
use medanchor_ledger::{ConsentHandle, NetworkId};
use medanchor_sdk::custody::{AccessKind, ReleaseAsk};
use medanchor_sdk::direct::{Ask, Link, MAX_ANSWER};
use medanchor_sdk::fhir::SeparateConsent;
use medanchor_sdk::{
    Approval, ClientConfig, Consented, Identity, NewConsent, Sdk, Subject, System, Time,
};
use medanchor_tests::city::{CUSTODIANS, City, OWNER, PAYLOAD, READER};
use medanchor_tests::network::{PATIENCE, binary, wait_for};
use medanchor_tests::service::{Service, run};
use std::path::Path;
use std::process::Command;

const PHARMACY: &str = "east-pharmacy";
const REGULATOR: &str = "regulator";

/// A consent of this name, approved by card and anchored.
fn consented(sdk: &Sdk, home: &Home, name: &str) -> Result<Consented> {
    with_consent(sdk, name, |new| {
        let draft = sdk.draft_consent(new)?;
        let (_, approval) = home.approves(name, &draft.to_text())?;
        let approvals = Approval::list_from_text(&approval)?;
        let consented = sdk.grant_approved(new, &approvals[0])?;
        sdk.take_renewals(&approvals[1..])?;
        sdk.anchor(consented.event.clone())?;
        Ok(consented)
    })?
}

/// A consent of a patient whose key the hospital holds.
fn of_another_patient(sdk: &Sdk) -> Result<ConsentHandle> {
    let grantees = [READER.parse::<medanchor_sdk::ParticipantName>()?.into()];
    let consented = sdk.grant(&NewConsent {
        name: "without a card",
        root: None,
        subject: "Patient/2",
        grantees: &grantees,
        purposes: &["TREAT"],
        classes: &["laboratory"],
        records_since: sdk.now(),
        not_before: Time(0),
        not_after: until(sdk, 96),
        records: &[],
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: br#"{"resourceType":"Consent"}"#,
    })?;
    sdk.anchor(consented.event)?;
    Ok(consented.consent)
}

/// The patient signs the end of a consent; gives the file.
fn signed(home: &Home, name: &str, consent: ConsentHandle) -> Result<String> {
    let (out, consent) = (home.path(name), consent.to_string());
    let what = ["--institution", OWNER, "--consent", &consent];
    let said = home.card("end", &[&what[..], &["--out", &out]].concat())?;
    ensure!(said.contains("ends consent"), "{said}");
    Ok(out)
}

/// A participant anchors what the patient brought; gives what it was told.
fn anchored(city: &City, home: &Home, by: &str, file: &str) -> Result<String> {
    let who = city.dir.join(by).display().to_string();
    let at = ["--home", &who, "--node", &home.node];
    run(&[&["patient", "anchor-end", "--end", file], &at[..]].concat())
}

fn refused(city: &City, home: &Home, by: &str, file: &str, why: &str) -> Result<()> {
    let said = anchored(city, home, by, file);
    let said = said.err().with_context(|| format!("{why} is refused"))?;
    says(&format!("{said:#}"), &[why], &["panicked"])
}

/// Asks a custodian once more for its share under a request that was permitted; gives the refusal, if it is
/// one.
fn release(city: &City, reader: &Sdk, request: &str) -> Result<Option<String>> {
    let name = CUSTODIANS[0].parse()?;
    let asked = ReleaseAsk {
        kind: AccessKind::Request,
        request: reader.request_handle(request),
        reader: reader.reader_key(request)?.public().clone(),
    };
    let own = &city.certificate;
    let statement = reader.state_to(&name, own, Ask::Release, asked.encode())?;
    let custodian = city.book.get(&name).context("in the book")?;
    let link = Link::new(own, custodian, None, &ClientConfig::default())?;
    let answer = link.ask(Ask::Release, &statement, MAX_ANSWER);
    Ok(answer.err().map(|error| error.to_string()))
}

/// Ends that end nothing: by another card, for another network, changed on the way, and of a consent that no
/// card approved.
fn forgeries(city: &City, home: &Home, own: ConsentHandle, without: ConsentHandle) -> Result<()> {
    let (network, owner) = (home.network()?, OWNER.parse()?);
    let stranger = Subject::generate(network, &System)?;
    let elsewhere = Subject::generate(NetworkId::new([9; 16]), &System)?;
    let file = |name: &str, text: &str| -> Result<String> {
        let path = home.path(name);
        std::fs::write(&path, text)?;
        Ok(path)
    };
    let theirs = file("theirs", &stranger.end(&owner, own).to_text())?;
    refused(city, home, PHARMACY, &theirs, "consent.other-ender")?;
    let other = file("elsewhere", &elsewhere.end(&owner, own).to_text())?;
    refused(city, home, PHARMACY, &other, "this is for network")?;
    let nobody = "nobody-hospital".parse()?;
    let nobody = file("nobody", &stranger.end(&nobody, own).to_text())?;
    refused(city, home, PHARMACY, &nobody, "consent.owner-unknown")?;
    let mut text = std::fs::read_to_string(signed(home, "bent", own)?)?.into_bytes();
    let last = text.len() - 20;
    text[last] = if text[last] == b'A' { b'B' } else { b'A' };
    let bent = file("bent-on-the-way", std::str::from_utf8(&text)?)?;
    refused(city, home, PHARMACY, &bent, "not an intact")?;
    let held = signed(home, "held", without)?;
    refused(city, home, PHARMACY, &held, "consent.no-ender")
}

/// No node was in reach, and the patient was told that the consent goes on: nothing ends it later unasked.
fn given_up(city: &City, home: &Home, own: ConsentHandle) -> Result<()> {
    let who = city.dir.join(PHARMACY);
    let file = signed(home, "given-up", own)?;
    let at = [
        "--home",
        &who.display().to_string(),
        "--node",
        "http://127.0.0.1:1",
    ];
    let said = run(&[&["patient", "anchor-end", "--end", &file], &at[..]].concat());
    let said = said.err().context("no node is there")?;
    says(&format!("{said:#}"), &["no node could be asked"], &[])?;
    let pharmacy = Identity::open(&who.join("identity"))?;
    ensure!(pharmacy.unsettled().is_empty());
    Ok(())
}

fn audited(log: &Path) -> Result<()> {
    let output = Command::new(binary("medanchor-audit")?)
        .arg("verify")
        .arg(log)
        .args(["--tier", "rules"])
        .output()?;
    let said = String::from_utf8([output.stdout, output.stderr].concat())?;
    ensure!(output.status.success(), "{said}");
    Ok(())
}

#[test]
fn a_patient_ends_a_consent_by_card_though_the_hospital_does_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let home = Home::enrolled(&city)?;
    let owner = city.sdk(OWNER)?;
    seal(&city, &owner)?;
    let given = consented(&owner, &home, "own")?;
    let kept = consented(&owner, &home, "kept")?;
    let without = of_another_patient(&owner)?;
    drop(owner);

    let vault = Service::vault(&dir.path().join(OWNER))?;
    let reader = city.sdk(READER)?;
    let ticket = given.tickets.first().context("a ticket")?;
    let opened = city.read(&reader, ticket, "first")?;
    ensure!(*opened.payload == PAYLOAD);
    let refusal = release(&city, &reader, "first")?;
    ensure!(refusal.is_none(), "the permit lives: {refusal:?}");
    // From here on nothing of the hospital's runs but its node.
    drop(vault);

    let mine = home.path("mine");
    let page = home.history(&["--approvals", &mine])?;
    let own = given.consent;
    let can = format!("consent {own}, from");
    says(
        &page,
        &[&can, "you can end it with your card"],
        &["alone can end it"],
    )?;
    // The card is enough for that, and the consents that the patient lost the approvals of can be ended, too.
    let page = home.history(&[])?;
    says(
        &page,
        &[&can, "you can end it with your card"],
        &["alone can end it"],
    )?;

    forgeries(&city, &home, own, without)?;
    given_up(&city, &home, own)?;
    // The end of one consent leaves the others.
    let other = signed(&home, "end-of-kept", kept.consent)?;
    anchored(&city, &home, REGULATOR, &other)?;
    let refusal = release(&city, &reader, "first")?;
    ensure!(refusal.is_none(), "the consent stands: {refusal:?}");

    let end = signed(&home, "ended", own)?;
    let said = anchored(&city, &home, PHARMACY, &end)?;
    says(&said, &[&format!("ended: consent {own} of {OWNER}")], &[])?;
    let again = anchored(&city, &home, PHARMACY, &end)?;
    ensure!(said == again, "the same again is one end: {again}");
    refused(&city, &home, REGULATOR, &end, "consent.already-revoked")?;

    wait_for("the custodian knows of the end", PATIENCE, || {
        let refusal = release(&city, &reader, "first")?;
        Ok(refusal
            .is_some_and(|why| why.contains("the consent that the request rests on has ended")))
    })?;
    drop(reader);
    ask(&city, &given, own, "after the end")?;
    let page = home.history(&["--approvals", &mine])?;
    says(
        &page,
        &[
            "exactly 1 accesses, and 1 that were denied",
            "DENIED (access.consent-revoked)",
            "anchored by east-pharmacy",
            "anchored by regulator",
        ],
        &[
            "you can end it with your card",
            "it could have signed alone",
        ],
    )?;
    let log = city.network.node(1).home.log();
    audited(&log)
}

#[test]
fn a_patient_ends_a_delegation_by_card_and_all_that_rests_on_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let home = Home::enrolled(&city)?;
    let owner = city.sdk(OWNER)?;
    seal(&city, &owner)?;
    let delegation = granted(&appoint(&owner, &home)?)?;
    let given = with_consent(&owner, "by the guardian", |new| {
        owner.grant_as_delegate("guardian", new)
    })??;
    owner.anchor(given.event.clone())?;
    drop(owner);
    ask(&city, &given, given.consent, "before the end")?;
    let mine = home.path("mine");
    let page = home.history(&["--approvals", &mine])?;
    let root = delegation.consent;
    let ends = format!("it ends with {root}, which you can end with your card");
    says(&page, &[&ends, "exactly 1 accesses"], &[])?;

    let end = signed(&home, "ended", root)?;
    anchored(&city, &home, PHARMACY, &end)?;
    ask(&city, &given, given.consent, "after the end")?;
    let page = home.history(&["--approvals", &mine])?;
    says(
        &page,
        &[
            "exactly 1 accesses, and 1 that were denied",
            "DENIED (access.consent-revoked)",
            "ended by the patient's key",
        ],
        &["which you can end"],
    )?;
    // The hospital cannot go on from what the patient ended.
    let owner = city.sdk(OWNER)?;
    let late = with_consent(&owner, "too late", |new| {
        owner.grant_as_delegate("guardian", new)
    })??;
    let refused = owner.anchor(late.event).err().context("it has ended")?;
    says(&refused.to_string(), &["consent.revoked-root"], &[])
}
