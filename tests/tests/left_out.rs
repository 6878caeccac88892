//! An old custodian lies while a record moves: it shares its share out under the right points and seals
//! something else. Whoever it lied to refuses and names it, and the record moves without it.

use anyhow::{Context, Result, ensure};
use medanchor_ledger::RecordHandle;
use medanchor_tests::city::{CUSTODIANS, City, OWNER, PAYLOAD, READER, SPARE, approve};
use medanchor_tests::files::names;
use medanchor_tests::network::binary;
use medanchor_tests::service::Service;
use std::path::PathBuf;
use std::process::Command;

/// The place of the one that lies. It is among those that are asked first.
const LIAR: usize = 0;
/// The new set: the liar is in it, and nobody lied to at the last place knows the others.
const NEW: [&str; 5] = ["archive", "bar", "chamber", "dean", SPARE];
const TO_ALL: &str = "Observation/1";
const TO_ONE: &str = "Observation/2";

/// Another set takes over, of the same members as `NEW` each time.
fn name_set(city: &mut City, epoch: u32) -> Result<()> {
    let (dir, node) = (city.dir.clone(), city.network.client(0).url().to_owned());
    let path = city.write_book(&NEW)?;
    approve(&dir, &path, &node, epoch)?;
    // Old ones can be asked, too.
    city.write_book(&[&CUSTODIANS[..], &[SPARE]].concat())?;
    Ok(())
}

fn reshare<'a>(record: &'a str, without: &[&'a str]) -> Vec<&'a str> {
    let without = without.iter().flat_map(|name| ["--without", name]);
    (["reshare", "--record", record].into_iter())
        .chain(without)
        .collect()
}

fn reshared(city: &City, record: &str, without: &[&str]) -> Result<(i32, String)> {
    city.ask_vault(&reshare(record, without))
}

/// What is kept of the move of a record to the second set.
fn kept(city: &City, record: RecordHandle) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
    let folder = city.dir.join(OWNER).join("identity/resharing");
    let file = |ending| std::fs::read(folder.join(format!("{record}-1-2.{ending}")));
    Ok((file("deals")?, file("offers").ok()))
}

/// What the auditor's program says of the evidence that a new custodian kept, with the genesis alone.
fn convicted(city: &City, by: &str) -> Result<String> {
    let folder = city.dir.join(by).join("identity/evidence");
    let files = names(&folder)?;
    let file = files.iter().find(|name| name.ends_with(".evidence"));
    let file: PathBuf = folder.join(file.context("evidence")?);
    let mut audit = Command::new(binary("medanchor-audit")?);
    audit.arg("evidence").arg(file).arg("--genesis");
    audit.arg(city.dir.join(OWNER).join("identity/genesis"));
    Ok(String::from_utf8(audit.output()?.stdout)?)
}

fn lied_to_all(city: &mut City, record: RecordHandle) -> Result<()> {
    city.corrupt(LIAR, "mixes")?;
    for _ in 0..2 {
        let (code, said) = reshared(city, TO_ALL, &[])?;
        ensure!(code == 1, "{code}: {said}");
        ensure!(
            said.contains("forum refused: custody.unfit-sub-share: the sub-share of archive"),
            "{said}"
        );
        ensure!(said.contains("(`--without archive`)"), "{said}");
        ensure!(said.contains("run it again with `--without`"), "{said}");
    }
    ensure!(city.epoch_of(record)? == 1, "nothing has changed");
    ensure!(city.shares(SPARE)? == (0, 0), "nobody holds anything new");
    for name in ["bar", SPARE] {
        let verdict = convicted(city, name)?;
        ensure!(verdict.starts_with("PROVED: archive "), "{verdict}");
    }

    // Who is none of them, or too many, changes nothing.
    let before = kept(city, record)?;
    let (code, said) = reshared(city, TO_ALL, &["forum"])?;
    ensure!(
        code == 1 && said.contains("forum is no custodian of epoch 1"),
        "{code}: {said}"
    );
    let (code, said) = reshared(city, TO_ALL, &["archive", "bar", "chamber"])?;
    ensure!(
        code == 1 && said.contains("2 custodians remain, and it takes 3"),
        "{code}: {said}"
    );
    ensure!(kept(city, record)? == before);

    // The liar was offered its part as a new member, and never answered; so it may hold it. The others
    // have refused for good, so that nothing is lost.
    city.stop(&[LIAR]);
    city.start_again(LIAR)?;
    city.cut_off_vault(&reshare(TO_ALL, &["archive"]), 4)?;
    // Nothing is kept if it was through before it could be cut off.
    if let Ok(now) = kept(city, record) {
        ensure!(now.0 != before.0, "it is given up");
        let (code, said) = reshared(city, TO_ALL, &["archive"])?;
        ensure!(code == 0, "{code}: {said}");
        ensure!(!said.contains("archive contributed"), "{said}");
        ensure!(said.contains("archive destroyed 1 old share(s)"), "{said}");
    }
    ensure!(city.epoch_of(record)? == 2);
    let (code, said) = reshared(city, TO_ALL, &["archive"])?;
    ensure!(code == 0, "what is done is done: {said}");
    Ok(())
}

fn lied_to_one(city: &mut City, record: RecordHandle) -> Result<()> {
    city.corrupt(LIAR, "mixes-one")?;
    let (code, said) = reshared(city, TO_ONE, &[])?;
    ensure!(code == 1, "{code}: {said}");
    ensure!(said.contains("(`--without archive`)"), "{said}");
    ensure!(
        said.contains("bar, chamber, dean hold(s) a share already"),
        "{said}"
    );
    city.stop(&[LIAR]);
    city.start_again(LIAR)?;
    let before = kept(city, record)?;
    let (code, said) = reshared(city, TO_ONE, &["archive"])?;
    ensure!(
        code == 1 && said.contains("bar, chamber, dean hold(s) a share of it"),
        "{code}: {said}"
    );
    ensure!(said.contains("a further set of custodians"), "{said}");
    ensure!(kept(city, record)? == before && city.epoch_of(record)? == 1);

    // The further set may have the very same members.
    name_set(city, 3)?;
    let (code, said) = reshared(city, TO_ONE, &["archive"])?;
    ensure!(
        code == 0 && !said.contains("archive contributed"),
        "{code}: {said}"
    );
    ensure!(
        said.contains("bar destroyed 2 old share(s)"),
        "of the set that never held it, too: {said}"
    );
    ensure!(city.epoch_of(record)? == 3);
    Ok(())
}

#[test]
fn an_old_custodian_that_lies_is_named_convicted_and_left_out() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let first = city.seal_and_grant(TO_ALL)?;
    let second = city.seal_and_grant(TO_ONE)?;
    let node = city.network.client(0).url().to_owned();
    Service::init_custodian(&dir.path().join(SPARE), &node)?;
    let _spare = Service::custodian(&dir.path().join(SPARE))?;
    name_set(&mut city, 2)?;
    lied_to_all(&mut city, first.records[0].record)?;
    lied_to_one(&mut city, second.records[0].record)?;
    let (code, said) = city.ask_vault(&["reshare", "--all"])?;
    ensure!(code == 0, "{code}: {said}");
    ensure!(names(&dir.path().join(OWNER).join("identity/resharing"))?.is_empty());
    ensure!(city.shares(SPARE)? == (2, 1));
    ensure!(city.shares("ethics")? == (0, 2), "it is in no set any more");

    let _vault = Service::vault(&dir.path().join(OWNER))?;
    city.stop(&[LIAR, 1]);
    let opened = city.read(&city.sdk(READER)?, &second, "moved")?;
    ensure!(*opened.payload == PAYLOAD && opened.answers.faults.0.is_empty());
    Ok(())
}
