//! Python clients: aics-tlog for the tiles, checkpoints and cosignatures, scitt-cose for COSE Receipts.

use super::live::{Live, QUORUM, VALIDATORS, write_pem};
use anyhow::{Context, Result, ensure};
use medanchor_tests::tool::{checkout, installed};

/// The last entry of the first bundle: what a flipped last byte changes.
const INDEX: &str = "255";

#[test]
fn the_log_holds_by_a_python_client_of_tlog_tiles() -> Result<()> {
    let Some(client) = installed("venv/bin/aics-tlog") else {
        return Ok(());
    };
    let live = Live::get()?;
    let (url, key) = (live.url(), live.log_key()?);
    let cosigners = live.cosigner_keys()?;
    let mut quorum = vec!["--quorum".to_owned(), QUORUM.to_string()];
    for cosigner in &cosigners {
        quorum.extend(["--witness-key".to_owned(), cosigner.clone()]);
    }
    let call = |command: &str, url: &str, key: &str, more: &[&str]| {
        let mut call = vec![command.to_owned()];
        call.extend(["--tiles", url, "--log-key", key].map(str::to_owned));
        call.extend(more.iter().map(|&word| word.to_owned()));
        call.extend(quorum.iter().cloned());
        call
    };
    let older = live.argument("older-checkpoint");
    let inclusion = ["--index", INDEX];
    let growth = ["--old-checkpoint", older.as_str()];
    for (command, more) in [
        ("verify-checkpoint", [].as_slice()),
        ("verify-inclusion", &inclusion),
        ("verify-consistency", &growth),
    ] {
        let said = client.accepts(&call(command, &url, &key, more))?;
        ensure!(said.contains("\"ok\": true"), "{said}");
        let other = live.other_log_key();
        client.refuses("\"ok\": false", &call(command, &url, &other, more))?;
    }
    for file in ["tile/0/000", "tile/entries/000"] {
        let wrong = live.with_a_flipped_bit(file)?;
        client.refuses(
            "\"ok\": false",
            &call("verify-inclusion", &wrong.url(), &key, &inclusion),
        )?;
    }
    // More cosigners than there are: a quorum that cannot be met.
    let mut greedy = call("verify-checkpoint", &url, &key, &[]);
    greedy.extend(["--quorum".to_owned(), (cosigners.len() + 1).to_string()]);
    client.refuses("\"ok\": false", &greedy)
}

/// The golden bytes of the COSE Receipts, and every statement that must be refused.
#[test]
fn the_golden_cose_receipts_of_a_quorum_hold_by_scitt_cose_and_no_rejected_statement_does()
-> Result<()> {
    let Some(python) = installed("venv/bin/python") else {
        return Ok(());
    };
    let (vectors, dir) = (checkout("vectors/cose"), tempfile::tempdir()?);
    let mut keys = Vec::new();
    for line in std::fs::read_to_string(vectors.join("keys.txt"))?.lines() {
        // Issuer, then the algorithm's byte and the key.
        let (_, key) = line.split_once(' ').context("two words")?;
        let pem = dir.path().join(format!("{}.pem", keys.len()));
        write_pem(&pem, hex::decode(key)?.get(1..).context("a key")?)?;
        keys.push(pem.display().to_string());
    }
    let program = checkout("strangers/python/receipts.py")
        .display()
        .to_string();
    let check = |statement: &str, quorum: usize, keys: &[String]| {
        let statement = vectors.join(statement).display().to_string();
        let mut call = vec![program.clone(), statement, quorum.to_string()];
        call.extend_from_slice(keys);
        call
    };
    let said = python.accepts(&check("good-statement.cose", QUORUM, &keys))?;
    ensure!(said.contains("entry 2 is under root"), "{said}");

    python.refuses("refused", &check("good-statement.cose", QUORUM + 1, &keys))?;
    let one = keys.get(..1).context("a key")?;
    python.refuses("refused", &check("good-statement.cose", QUORUM, one))?;
    let mut refused = 0;
    for name in medanchor_tests::files::names(&vectors)? {
        if name.starts_with("rejected-statement-") {
            python.refuses("refused", &check(&name, QUORUM, &keys))?;
            refused += 1;
        }
    }
    ensure!(refused > 3, "only {refused} statements to refuse");
    Ok(())
}

#[test]
fn cose_receipts_of_a_live_quorum_hold_by_scitt_cose() -> Result<()> {
    let Some(python) = installed("venv/bin/python") else {
        return Ok(());
    };
    let live = Live::get()?;
    let program = checkout("strangers/python/receipts.py")
        .display()
        .to_string();
    let check = |statement: &str, quorum: usize, keys: &[usize]| {
        let mut call = vec![
            program.clone(),
            live.argument(statement),
            quorum.to_string(),
        ];
        call.extend(keys.iter().map(|key| live.argument(&format!("{key}.pem"))));
        call
    };
    let all: Vec<usize> = (0..VALIDATORS).collect();
    for place in 0..live.events.len() {
        let statement = format!("{place}.cose");
        std::fs::write(live.file(&statement), live.transparent_statement(place)?)?;
        let said = python.accepts(&check(&statement, QUORUM, &all))?;
        ensure!(said.contains("is under root"), "{said}");
    }
    python.refuses("refused", &check("0.cose", VALIDATORS + 1, &all))?;
    python.refuses("refused", &check("0.cose", QUORUM, &[0]))?;
    // The last byte is one of the event's signature, and so of the leaf.
    let mut wrong = std::fs::read(live.file("0.cose"))?;
    *wrong.last_mut().context("an empty statement")? ^= 1;
    std::fs::write(live.file("wrong.cose"), wrong)?;
    python.refuses("refused", &check("wrong.cose", QUORUM, &all))
}
