//! Parties that cheat, each a process of its own with real keys: what they do ends in a clear error, and
//! in evidence that the auditor's program reads offline wherever they signed anything.

use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::rules::ReleaseLog;
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::{Nonce, PurposeHandle};
use medanchor_sdk::custody::{AccessKind, Opened, OpenedError, ReleaseAsk, WrongAnswer};
use medanchor_sdk::direct::{Ask, Certificate, MAX_ANSWER, Statement};
use medanchor_sdk::{DenialReason, GrantTicket, NewAccess, Sdk};
use medanchor_tests::asking::{ask_custodian, link, reader_key, refusal, release_of};
use medanchor_tests::city::{CUSTODIANS, City, OWNER, PAYLOAD, READER};
use medanchor_tests::evidence::{convicted, failed};
use medanchor_tests::network::{PATIENCE, wait_for};
use medanchor_tests::service::Service;
use std::fs::OpenOptions;
use std::time::Duration;

/// The one wrong answer of a read that failed, and what the error says.
fn wrong(read: Result<Opened, OpenedError>) -> Result<(WrongAnswer, String)> {
    let error = failed(read)?;
    let said = error.to_string();
    let OpenedError::Read { wrong, .. } = error else {
        bail!("another error: {said}");
    };
    let [answer] = <[WrongAnswer; 1]>::try_from(wrong).map_err(|all| anyhow::anyhow!("{all:?}"))?;
    Ok((answer, said))
}

/// A custodian that stalls, lies or answers in two ways; for one that releases too early, `early.rs`.
#[test]
fn a_custodian_that_cheats_is_passed_over_named_and_convicted() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/1")?;
    let _vault = Service::vault(&dir.path().join(OWNER))?;
    let reader = city.sdk(READER)?;

    city.corrupt(0, "stalls")?;
    let opened = city.read(&reader, &ticket, "stalled")?;
    ensure!(*opened.payload == PAYLOAD);
    let late: Vec<_> = opened
        .answers
        .late
        .iter()
        .map(|name| name.as_str())
        .collect();
    ensure!(late.contains(&"archive"), "nobody waited for it: {late:?}");

    // Among enough others a lie costs nothing; without them its author is named and convicted.
    city.corrupt(0, "lies")?;
    let opened = city.read(&reader, &ticket, "lied among enough")?;
    ensure!(*opened.payload == PAYLOAD);
    city.stop(&[3, 4]);
    let (answer, said) = wrong(city.read(&reader, &ticket, "lied"))?;
    ensure!(
        said.contains("archive released a share that does not fit"),
        "{said}"
    );
    let file = reader.accuse("lied", &answer, &city.book, &city.certificate)?;
    let verdict = convicted(&city, &file)?;
    ensure!(
        verdict.starts_with("PROVED: archive released another share than the one that it ack"),
        "{verdict}"
    );

    city.corrupt(0, "twice")?;
    let opened = city.read(&reader, &ticket, "twice")?;
    let mut answers = opened.answers.good.iter();
    let first = answers
        .find(|answer| answer.says().place.custodian.as_str() == "archive")
        .context("three were needed")?;
    let (WrongAnswer::Custodian(second, _), _) = wrong(city.read(&reader, &ticket, "twice"))?
    else {
        bail!("the owner did nothing wrong");
    };
    let file = reader.accuse_of_two(first, &second)?;
    let verdict = convicted(&city, &file)?;
    ensure!(
        verdict.starts_with("PROVED: archive answered one request in two ways"),
        "{verdict}"
    );
    Ok(())
}

/// An owner that keeps its part of the key back, or gives another one.
#[test]
fn an_owner_that_cheats_is_named_and_convicted_by_what_it_signed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/1")?;
    let (home, reader) = (dir.path().join(OWNER), city.sdk(READER)?);

    let silent = failed(city.read(&reader, &ticket, "no vault"))?.to_string();
    ensure!(
        silent.contains("north-hospital could not be asked"),
        "{silent}"
    );

    let vault = Service::cheat(&home, "vault-service", "withholds")?;
    let withheld = failed(city.read(&reader, &ticket, "withheld"))?.to_string();
    ensure!(withheld.contains("north-hospital refused"), "{withheld}");
    drop(vault);

    let vault = Service::cheat(&home, "vault-service", "lies")?;
    let (answer, said) = wrong(city.read(&reader, &ticket, "lied"))?;
    ensure!(
        said.contains("north-hospital released another part of the key than it anchored"),
        "{said}"
    );
    let file = reader.accuse("lied", &answer, &city.book, &city.certificate)?;
    let verdict = convicted(&city, &file)?;
    ensure!(
        verdict.starts_with("PROVED: north-hospital released another part of the key"),
        "{verdict}"
    );
    drop(vault);

    let _vault = Service::vault(&home)?;
    let opened = city.read(&reader, &ticket, "good")?;
    ensure!(*opened.payload == PAYLOAD);
    Ok(())
}

/// Readers that ask for what is not theirs: with another's request, over another channel, with a key that
/// nobody registered, for another purpose, or after the consent.
#[test]
fn a_reader_that_cheats_gets_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/1")?;
    let reader = city.sdk(READER)?;
    let own = &city.certificate;
    let access = |name, purpose| NewAccess {
        name,
        ticket: &ticket,
        record: ticket.records[0].record,
        purpose,
        actor: "Dr. Li",
        reason: "a consultation",
    };
    reader.anchor(reader.request_access(&access("mine", "TREAT"))?.event)?;
    let released = ask_custodian(&city, &reader, 0, "mine", own)??;

    // The very same statement again gets the very same answer, and is logged once.
    let statement = release_of(&reader, 0, "mine", own)?;
    for _ in 0..2 {
        ensure!(link(&city, 0, own)?.ask(Ask::Release, &statement, MAX_ANSWER)? == released);
    }
    let log = reader.release_log(&CUSTODIANS[0].parse()?, &city.book, own)?;
    ensure!(log.starts_with(&[0x83, 1]), "one release was logged");
    // Whoever took it over sends it over a channel of its own, or to another custodian.
    let thief = Certificate::generate(&[])?;
    let replayed = link(&city, 0, &thief)?.ask(Ask::Release, &statement, MAX_ANSWER);
    ensure!(refusal(replayed)?.contains("made for another TLS key"));
    let elsewhere = link(&city, 1, own)?.ask(Ask::Release, &statement, MAX_ANSWER);
    ensure!(refusal(elsewhere)?.contains("made out to somebody else"));

    // Another participant names the reader's request as if it were its own.
    let other = city.sdk("west-maker")?;
    let ask = ReleaseAsk {
        kind: AccessKind::Request,
        request: reader.request_handle("mine"),
        reader: reader_key(&reader, "mine")?,
    };
    let name = CUSTODIANS[0].parse()?;
    let stolen = other.state_to(&name, own, Ask::Release, ask.encode())?;
    let stolen = link(&city, 0, own)?.ask(Ask::Release, &stolen, MAX_ANSWER);
    ensure!(refusal(stolen)?.contains("custody.unknown-request"));

    // The reader's name under a key that was never registered for it (for one that is no longer, `revoked.rs`).
    let forged = Statement {
        network: reader.network(),
        from: READER.parse()?,
        to: name,
        channel: own.key_hash(),
        time: reader.now(),
        nonce: Nonce::new([1; 16]),
        ask: Ask::Release,
        body: ask.encode(),
    };
    let forged = forged.sign(&SigningKey::from_seed(&[1; 32]));
    let forged = link(&city, 0, own)?.ask(Ask::Release, &forged, MAX_ANSWER);
    ensure!(refusal(forged)?.contains("has registered this key"));

    // Another key than the request names.
    let mut other_key = ask.clone();
    other_key.reader = reader_key(&reader, "another")?;
    let swapped = reader.state_to(
        &CUSTODIANS[0].parse()?,
        own,
        Ask::Release,
        other_key.encode(),
    )?;
    let swapped = link(&city, 0, own)?.ask(Ask::Release, &swapped, MAX_ANSWER);
    ensure!(refusal(swapped)?.contains("custody.other-key"));

    // Another purpose than the consent's, with a handle that the reader made up.
    let mut widened = GrantTicket::decode(&ticket.encode())?;
    widened
        .purposes
        .insert("HRESCH".into(), PurposeHandle::new([9; 16]));
    let research = NewAccess {
        ticket: &widened,
        ..access("research", "HRESCH")
    };
    let denied = failed(reader.read(&research, &city.book, own))?;
    ensure!(
        matches!(denied, OpenedError::Denied(DenialReason::Purpose)),
        "{denied}"
    );
    after_the_consent(&city, &reader)
}

/// A consent that ends by itself: from then on requests are denied, and what was permitted is not released.
/// On a machine that is too slow to ask within four seconds a longer one is tried.
fn after_the_consent(city: &City, reader: &Sdk) -> Result<()> {
    for seconds in [4, 16, 64] {
        if let Some(permitted) = permitted_until_the_end(city, reader, seconds)? {
            let own = &city.certificate;
            let refused = refusal(ask_custodian(city, reader, 0, &permitted, own)?)?;
            ensure!(refused.contains("custody.consent-ended"), "{refused}");
            return Ok(());
        }
    }
    bail!("nothing was permitted in time")
}

/// The last request that was permitted before a consent of so many seconds ended, if any was.
fn permitted_until_the_end(city: &City, reader: &Sdk, seconds: u64) -> Result<Option<String>> {
    let owner = city.sdk(OWNER)?;
    let until = owner.now().plus_millis(1_000 * seconds);
    let consent = format!("consent of {seconds} s");
    let Ok(short) = city.grant(&owner, &consent, "Observation/1", until) else {
        return Ok(None);
    };
    drop(owner);
    let (mut attempt, mut permitted) = (0, None);
    let patience = PATIENCE + Duration::from_secs(seconds);
    wait_for("the consent ends", patience, || {
        attempt += 1;
        let name = format!("{consent}, attempt {attempt}");
        match city.read(reader, &short, &name) {
            Err(OpenedError::Denied(DenialReason::Expired)) => Ok(true),
            // The owner's vault does not run, so what is permitted opens nothing.
            Err(OpenedError::Owner(_) | OpenedError::Read { .. }) => {
                permitted = Some(name);
                Ok(false)
            }
            Err(other) => bail!("another error: {other}"),
            Ok(_) => bail!("it was opened without the owner"),
        }
    })?;
    Ok(permitted)
}

/// A custodian whose log lost what it anchored: while it cannot ask the ledger it releases nothing, and once
/// it can it stops.
#[test]
fn a_custodian_that_lost_releases_makes_no_further_one() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/1")?;
    let reader = city.sdk(READER)?;
    let access = NewAccess {
        name: "mine",
        ticket: &ticket,
        record: ticket.records[0].record,
        purpose: "TREAT",
        actor: "Dr. Li",
        reason: "a consultation",
    };
    reader.anchor(reader.request_access(&access)?.event)?;
    ask_custodian(&city, &reader, 0, "mine", &city.certificate)??;
    let key = ReleaseLog::key(&CUSTODIANS[0].parse()?);
    wait_for("the log is anchored", PATIENCE, || {
        Ok(reader.client().state(&key, None)?.proved().value.is_some())
    })?;

    city.stop(&[0]);
    let folder = dir.path().join(CUSTODIANS[0]).join("custodian");
    let log = OpenOptions::new()
        .write(true)
        .open(folder.join("store/releases"))?;
    log.set_len(32)?;
    let config = std::fs::read_to_string(folder.join("config.toml"))?;
    let nodes = config.lines().find(|line| line.starts_with("nodes = "));
    let nobody = config.replace(nodes.context("nodes")?, "nodes = [\"http://127.0.0.1:9\"]");
    std::fs::write(folder.join("config.toml"), nobody)?;
    city.start_again(0)?;
    let refused = refusal(ask_custodian(&city, &reader, 0, "mine", &city.certificate)?)?;
    ensure!(refused.contains("custody.ledger-unreachable"), "{refused}");

    city.stop(&[0]);
    std::fs::write(folder.join("config.toml"), config)?;
    let ended = match city.start_again(0) {
        Err(error) => error.to_string(),
        Ok(()) => bail!("it runs on without the release"),
    };
    ensure!(
        ended.contains("no longer has the 1 entries that were anchored"),
        "{ended}"
    );
    Ok(())
}
