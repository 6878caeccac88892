//! Custodians that release what the ledger did not permit, each a process of its own with real keys: the
//! regulator's auditor finds it in the log that they anchored, and writes files that convince whoever has
//! the genesis and nothing else. Custodians that follow the protocol are named by none.

use anyhow::{Context, Result, ensure};
use medanchor_ledger::rules::{ReleaseLog, StateValue};
use medanchor_ledger::{ConsentHandle, EventId};
use medanchor_sdk::custody::OpenedError;
use medanchor_sdk::{DenialReason, GrantTicket, NewAccess, Sdk};
use medanchor_tests::asking::{ask_custodian, refusal};
use medanchor_tests::city::{CUSTODIANS, City, OWNER, PAYLOAD, READER};
use medanchor_tests::evidence::{audit, failed, judged};
use medanchor_tests::files::text;
use medanchor_tests::network::{PATIENCE, wait_for};
use medanchor_tests::service::{Service, run};
use medanchor_vault::custody::{Release, Signed};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How many releases the auditor found in a custodian's log, and how many of them are anchored.
fn sizes(said: &str, custodian: &str) -> Option<(u64, u64)> {
    let mut lines = said.lines();
    let line = lines.find_map(|line| line.strip_prefix(custodian)?.strip_prefix(": "))?;
    let mut numbers = line.split(' ').filter_map(|word| word.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// The regulator fetches a custodian's log, and the auditor's program holds it against the ledger, once
/// all of it is anchored and there is something in it: what it says. Its evidence goes to the folder `found`.
fn audited(city: &City, custodian: &str) -> Result<String> {
    let (home, book) = (city.dir.join("regulator"), city.dir.join("book.toml"));
    let file = city.dir.join(format!("{custodian}.releases"));
    let (log, found) = (city.network.node(0).home.log(), city.dir.join("found"));
    let given = format!("{custodian}={}", text(&file)?);
    let mut said = String::new();
    wait_for("the log is anchored", PATIENCE, || {
        // Of an earlier try.
        let _ = std::fs::remove_file(&file);
        let fetch = ["custodian", "log", "--home", text(&home)?];
        let from = ["--book", text(&book)?, "--of", custodian];
        run(&[&fetch[..], &from, &["--out", text(&file)?]].concat())?;
        let words = ["releases", "--log", text(&log)?, "--releases", &given];
        said = audit(&[&words[..], &["--evidence", text(&found)?]].concat())?;
        // Before the root is anchored nothing binds the custodian to this log.
        Ok(sizes(&said, custodian).is_some_and(|(size, anchored)| size == anchored && size > 0))
    })?;
    Ok(said)
}

/// The files of evidence that there are, with their bytes.
fn found(city: &City) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let files = std::fs::read_dir(city.dir.join("found"))?;
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry?.path();
        let bytes = std::fs::read(&path)?;
        Ok((path, bytes))
    };
    files.map(file).collect()
}

/// The file about the release at this place of a custodian's log.
fn file(city: &City, custodian: &str, place: usize, request: EventId) -> PathBuf {
    let name = format!("{custodian}-{place}-{request}.evidence");
    city.dir.join("found").join(name)
}

fn convinces(city: &City, file: &Path, words: &str) -> Result<()> {
    let verdict = judged(city, file)?;
    ensure!(
        verdict.starts_with(&format!("PROVED: archive {words}.")),
        "{verdict}"
    );
    Ok(())
}

#[test]
fn a_custodian_that_releases_too_early_is_convicted_by_its_own_anchored_log() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/1")?;
    let vault = Service::vault(&dir.path().join(OWNER))?;
    let reader = city.sdk(READER)?;
    let opened = city.read(&reader, &ticket, "honest")?;
    ensure!(*opened.payload == PAYLOAD);
    drop(vault);

    let denied = released_what_was_denied(&mut city, &reader, &ticket)?;
    let before = released_before_the_request(&mut city, &reader, &ticket)?;
    let said = audited(&city, CUSTODIANS[0])?;
    ensure!(
        said.contains("released although the request was denied"),
        "{said}"
    );
    ensure!(
        said.contains("released before the request was committed, as the anchored log proves"),
        "{said}"
    );
    let files = found(&city)?;
    let wanted = [(1, denied), (2, before)];
    let wanted = wanted.map(|(place, request)| file(&city, CUSTODIANS[0], place, request));
    ensure!(
        files.keys().collect::<Vec<_>>() == sorted(&wanted),
        "{said}"
    );
    let [denied, before] = &wanted;
    convinces(
        &city,
        denied,
        "released its share for a request that was denied",
    )?;
    convinces(
        &city,
        before,
        "released its share before the request was on the ledger",
    )?;

    // Those that released on the honest request alone: nobody finds anything, and no file is written.
    for custodian in &CUSTODIANS[1..] {
        let said = audited(&city, custodian)?;
        ensure!(
            said.contains("every release has its permitted access"),
            "{said}"
        );
    }
    // Nor does another look, at a ledger that has grown, change what is there.
    audited(&city, CUSTODIANS[0])?;
    ensure!(found(&city)? == files, "a file was written again");
    Ok(())
}

fn sorted(paths: &[PathBuf]) -> Vec<&PathBuf> {
    let mut paths: Vec<_> = paths.iter().collect();
    paths.sort();
    paths
}

/// A share goes out although the ledger denied the request; gives the request.
fn released_what_was_denied(
    city: &mut City,
    reader: &Sdk,
    ticket: &GrantTicket,
) -> Result<EventId> {
    let mut elsewhere = GrantTicket::decode(&ticket.encode())?;
    elsewhere.consent = ConsentHandle::new([9; 16]);
    let denied = failed(city.read(reader, &elsewhere, "denied"))?;
    ensure!(
        matches!(denied, OpenedError::Denied(DenialReason::UnknownConsent)),
        "{denied}"
    );
    city.corrupt(0, "early")?;
    let released = ask_custodian(city, reader, 0, "denied", &city.certificate)?;
    let released: Signed<Release> = Signed::decode(&released?)?;
    ensure!(released.says().place.custodian.as_str() == "archive");
    // An honest custodian refuses the same.
    let refused = refusal(ask_custodian(city, reader, 1, "denied", &city.certificate)?)?;
    ensure!(refused.contains("custody.denied"), "{refused}");
    // The custodian goes on as if nothing had happened, and anchors its log as it must.
    city.stop(&[0]);
    city.start_again(0)?;
    Ok(released.says().request)
}

/// A reader and a custodian that agree: the share goes out before the request is committed, under a time
/// that fits it afterwards; gives the request, which is on the ledger once the log is anchored.
fn released_before_the_request(
    city: &mut City,
    reader: &Sdk,
    ticket: &GrantTicket,
) -> Result<EventId> {
    let access = NewAccess {
        name: "not yet",
        ticket,
        record: ticket.records[0].record,
        purpose: "TREAT",
        actor: "Dr. Li",
        reason: "a consultation",
    };
    let requested = reader.request_access(&access)?.event;
    let agreed = city.dir.join(CUSTODIANS[0]).join("custodian/agreed");
    std::fs::write(agreed, requested.encoded())?;
    // An honest custodian knows of no such request.
    let refused = refusal(ask_custodian(
        city,
        reader,
        1,
        "not yet",
        &city.certificate,
    )?)?;
    ensure!(refused.contains("custody.unknown-request"), "{refused}");
    city.corrupt(0, "before")?;
    let released = ask_custodian(city, reader, 0, "not yet", &city.certificate)?;
    let released: Signed<Release> = Signed::decode(&released?)?;
    ensure!(released.says().request == requested.id());
    city.stop(&[0]);
    city.start_again(0)?;
    let log = reader.release_log(&CUSTODIANS[0].parse()?, &city.book, &city.certificate)?;
    let releases = u64::from(*log.get(1).context("a page")?);
    let key = ReleaseLog::key(&CUSTODIANS[0].parse()?);
    wait_for("the log is anchored", PATIENCE, || {
        let value = reader.client().state(&key, None)?.proved().value.clone();
        let log = value.map(|value| ReleaseLog::decode(&value)).transpose()?;
        Ok(log.is_some_and(|log| log.size.0 >= releases))
    })?;
    let id = requested.id();
    reader.anchor(requested)?;
    Ok(id)
}
