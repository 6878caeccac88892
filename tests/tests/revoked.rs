//! A reader whose signing key the authorities revoke: from that height on nobody takes its word, neither the
//! nodes nor custodians nor the owner, also for what was permitted before; with a new key it works again.

use anyhow::{Context, Result, bail, ensure};
use medanchor_sdk::custody::{AccessKind, ReleaseAsk};
use medanchor_sdk::direct::{Ask, Link, MAX_ANSWER};
use medanchor_sdk::{ClientConfig, Sdk};
use medanchor_tests::city::{CUSTODIANS, City, OWNER, PAYLOAD, READER, proposal_in};
use medanchor_tests::network::{PATIENCE, binary, wait_for};
use medanchor_tests::service::{Service, run};
use std::process::Command;

/// Asks for a part of the key of what was permitted under a request's name; gives the refusal, if it is one.
fn ask(city: &City, reader: &Sdk, whom: &str, what: Ask, request: &str) -> Result<Option<String>> {
    let name = whom.parse()?;
    let ask = ReleaseAsk {
        kind: AccessKind::Request,
        request: reader.request_handle(request),
        reader: reader.reader_key(request)?.public().clone(),
    };
    let own = &city.certificate;
    let statement = reader.state_to(&name, own, what, ask.encode())?;
    let counterpart = city.book.get(&name).context("in the book")?;
    let link = Link::new(own, counterpart, None, &ClientConfig::default())?;
    let answer = link.ask(what, &statement, MAX_ANSWER);
    Ok(answer.err().map(|error| error.to_string()))
}

fn home(city: &City, name: &str) -> String {
    city.dir.join(name).to_string_lossy().into_owned()
}

/// The regulator proposes somebody's whole list of keys, and it and two more approve.
fn change_keys(city: &City, whose: &str, keys: &[&str]) -> Result<()> {
    let node = city.network.client(0).url().to_owned();
    let act = |name: &str, words: &[&str]| {
        let home = home(city, name);
        let who = ["--home", &home, "--node", &node];
        run(&[&["governance"], words, &who].concat())
    };
    let listed = match keys {
        [] => vec!["--suspend"],
        keys => keys.iter().flat_map(|key| ["--key", key]).collect(),
    };
    let propose = ["propose-keys", "--participant", whose];
    let propose = |listed: &[&str]| {
        let said = act("regulator", &[&propose[..], listed].concat())?;
        proposal_in(&said)
    };
    // A wrong proposal, which nobody approves, is in no right one's way.
    let other = act("regulator", &["keys", "--participant", "regulator"])?;
    let other = other.split_whitespace().find(|word| word.len() == 64);
    let wrong = propose(&["--key", other.context("a key")?])?;
    let proposal = propose(&listed)?;
    ensure!(proposal != wrong && propose(&listed)? == proposal);
    let approve = [
        "approve",
        "--proposer",
        "regulator",
        "--proposal",
        &proposal,
    ];
    for name in ["regulator", "east-pharmacy", "west-maker"] {
        act(name, &approve)?;
        let again = act(name, &approve)?;
        ensure!(again.contains("was before"), "{again}");
    }
    let said = act("regulator", &["keys", "--participant", whose])?;
    let all = keys.iter().all(|key| said.contains(key));
    ensure!(
        all && said.contains(&format!("{} keys", keys.len())),
        "{said}"
    );
    Ok(())
}

fn audited(city: &City, tier: &str) -> Result<()> {
    let output = Command::new(binary("medanchor-audit")?)
        .arg("verify")
        .arg(city.network.node(0).home.log())
        .args(["--tier", tier])
        .output()?;
    let said = String::from_utf8([output.stdout, output.stderr].concat())?;
    ensure!(output.status.success(), "{said}");
    Ok(())
}

#[test]
fn a_revoked_key_opens_nothing_and_a_new_one_does() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/1")?;
    let _vault = Service::vault(&dir.path().join(OWNER))?;
    let reader = city.sdk(READER)?;
    let opened = city.read(&reader, &ticket, "first")?;
    ensure!(*opened.payload == PAYLOAD);
    let parts = [
        (CUSTODIANS[0], Ask::Release),
        (OWNER, Ask::VaultRelease),
        (OWNER, Ask::Payload),
    ];
    for (whom, what) in parts {
        let refused = ask(&city, &reader, whom, what, "first")?;
        ensure!(refused.is_none(), "the permit lives: {refused:?}");
    }

    // The key was stolen: it is revoked before there is another.
    change_keys(&city, READER, &[])?;
    let refused = match city.read(&reader, &ticket, "second") {
        Err(error) => error.to_string(),
        Ok(_) => bail!("it was opened with a revoked key"),
    };
    let words = ["no registered key", "signer.unknown-key"];
    ensure!(
        words.iter().any(|words| refused.contains(words)),
        "{refused}"
    );
    for (whom, what) in parts {
        wait_for("the service knows of the revocation", PATIENCE, || {
            let refused = ask(&city, &reader, whom, what, "first")?;
            Ok(refused.is_some_and(|why| why.contains("has registered this key")))
        })?;
    }
    drop(reader);

    let reader_home = home(&city, READER);
    let next = run(&["key", "next", "--home", &reader_home])?;
    ensure!(
        run(&["key", "next", "--home", &reader_home])? == next,
        "made once"
    );
    let node = city.network.client(0).url().to_owned();
    let take = ["key", "take", "--home", &reader_home, "--node", &node];
    let early = match run(&take) {
        Err(error) => error.to_string(),
        Ok(said) => bail!("taken before the ledger names it: {said}"),
    };
    ensure!(early.contains("does not name the next key"), "{early}");
    change_keys(&city, READER, &[next.trim()])?;
    for _ in 0..2 {
        ensure!(run(&take)?.contains(next.trim()));
    }
    let reader = city.sdk(READER)?;
    let opened = city.read(&reader, &ticket, "third")?;
    ensure!(*opened.payload == PAYLOAD);
    for (whom, what) in parts {
        let refused = ask(&city, &reader, whom, what, "first")?;
        ensure!(refused.is_none(), "the reader is the same: {refused:?}");
    }
    // A custodian without a key is passed over.
    change_keys(&city, CUSTODIANS[4], &[])?;
    let opened = city.read(&reader, &ticket, "fourth")?;
    let mut silent = opened.answers.silent.iter();
    let passed = silent.find(|(name, _)| name.as_str() == CUSTODIANS[4]);
    let (_, why) = passed.context("it is named")?;
    ensure!(why.to_string().contains("has no signing key"), "{why}");
    for tier in ["signatures", "rules"] {
        audited(&city, tier)?;
    }
    Ok(())
}
