//! A custodian is lost for good: the authorities name another set, the record moves to it without being
//! opened, through cuts and with custodians away, and the reader is served by the new set.

use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::event::EventBody;
use medanchor_ledger::rules::{Record, StateValue};
use medanchor_ledger::{ParticipantName, RecordHandle};
use medanchor_sdk::custody::{ReshareAsk, write_messages};
use medanchor_sdk::direct::{AddressBook, Ask, Link, LinkError};
use medanchor_sdk::{Problem, Sdk};
use medanchor_tests::city::{CUSTODIANS, City, OWNER, PAYLOAD, READER, SPARE, approve};
use medanchor_tests::files::names;
use medanchor_tests::network::binary;
use medanchor_tests::service::Service;
use medanchor_vault::RecordVersion;
use medanchor_vault::custody::{Acknowledgement, Custodied, Place, PointsHash, ShareIndex, Signed};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The custodian that is lost, and one that is away for a while, by place.
const LOST: usize = 2;
const AWAY: usize = 1;

fn reshare(city: &City) -> Result<Command> {
    let mut command = Command::new(binary("medanchor")?);
    command.args(["vault", "reshare", "--all"]).arg("--home");
    command.arg(city.dir.join(OWNER)).arg("--book");
    command.arg(city.dir.join("book.toml")).stdin(Stdio::null());
    Ok(command)
}

fn reshared(city: &City) -> Result<(i32, String)> {
    let output = reshare(city)?.output()?;
    let code = output.status.code().context("it ended by itself")?;
    let said = [output.stdout, output.stderr].concat();
    Ok((code, String::from_utf8(said)?))
}

/// Runs it until it has said so many lines, and then kills it, as a power cut would.
fn cut_off(city: &City, lines: usize) -> Result<()> {
    let mut child = reshare(city)?.stdout(Stdio::piped()).spawn()?;
    let said = BufReader::new(child.stdout.take().context("its output")?);
    let heard = said.lines().take(lines).count();
    child.kill()?;
    child.wait()?;
    ensure!(heard > 0, "it said nothing");
    Ok(())
}

/// What the first custodian answers to whoever asks it to share the record's share out.
fn asked_to_contribute(city: &City, who: &str, record: RecordHandle) -> Result<String> {
    let sdk = city.sdk(who)?;
    let keys = city.book.iter().filter_map(|one| one.share_key.clone());
    let ask = ReshareAsk {
        record,
        contributors: ShareIndex::all(3).collect(),
        keys: keys.collect(),
    };
    refusal(city, &sdk, Ask::Reshare, ask.encode())
}

/// With which code the first custodian refuses.
fn refusal(city: &City, sdk: &Sdk, ask: Ask, body: Vec<u8>) -> Result<String> {
    Ok(refused(city, sdk, ask, body)?.code)
}

fn refused(city: &City, sdk: &Sdk, ask: Ask, body: Vec<u8>) -> Result<Box<Problem>> {
    let name: ParticipantName = CUSTODIANS[0].parse()?;
    let counterpart = city.book.get(&name).context("an entry")?;
    let config = sdk.client().config();
    let link = Link::new(&city.certificate, counterpart, None, config)?;
    let statement = sdk.state_to(&name, &city.certificate, ask, body)?;
    match link.ask(ask, &statement, 1 << 20) {
        Err(LinkError::Refused { problem, .. }) => Ok(problem),
        Err(other) => bail!("another error: {other}"),
        Ok(_) => bail!("it did so"),
    }
}

/// What the first custodian answers to the owner that wants old shares destroyed while the ledger names
/// the old set.
fn asked_to_retire(city: &City, record: RecordHandle) -> Result<String> {
    let sdk = city.sdk(OWNER)?;
    let version = RecordVersion {
        network: sdk.network(),
        record,
        version: 1,
    };
    let acknowledgement = Acknowledgement {
        record: Custodied {
            owner: OWNER.parse()?,
            record: version,
        },
        place: Place {
            custodian: CUSTODIANS[0].parse()?,
            epoch: 2,
            index: ShareIndex::new(1).context("a place")?,
        },
        points: PointsHash([0; 32]),
    };
    let forged = Signed::new(acknowledgement, |bytes| sdk.sign_for_custody(bytes));
    refusal(city, &sdk, Ask::Retire, write_messages(&[forged]))
}

fn resharing(city: &City) -> PathBuf {
    city.dir.join(OWNER).join("identity/resharing")
}

/// What is handed to all new custodians is too much for one of them.
fn refuses_too_many_sub_shares(city: &City, record: RecordHandle) -> Result<()> {
    let deals = std::fs::read(resharing(city).join(format!("{record}-1-2.deals")))?;
    let refused = refused(city, &city.sdk(OWNER)?, Ask::Rejoin, deals)?;
    ensure!(
        refused.detail.contains("one sub-share of each contributor"),
        "{}",
        refused.detail
    );
    Ok(())
}

/// Another set takes over, in which the lost custodian's place is taken.
fn name_another_set(city: &mut City) -> Result<Service> {
    let (dir, node) = (city.dir.clone(), city.network.client(0).url().to_owned());
    std::fs::remove_dir_all(dir.join(CUSTODIANS[LOST]).join("custodian"))?;
    let mut book = Service::init_custodian(&dir.join(SPARE), &node)?;
    for (place, name) in CUSTODIANS.iter().enumerate() {
        if place != LOST {
            book += &std::fs::read_to_string(dir.join(name).join("custodian/entry.toml"))?;
        }
    }
    book += &std::fs::read_to_string(dir.join(OWNER).join("vault-service/entry.toml"))?;
    let path = dir.join("book.toml");
    std::fs::write(&path, book)?;
    approve(&dir, &path, &node, 2)?;
    city.book = AddressBook::read(&path)?;
    Service::custodian(&dir.join(SPARE))
}

/// Erases a record; gives what the command said.
fn erase(city: &City, name: &str) -> Result<String> {
    let mut command = Command::new(binary("medanchor")?);
    command.args(["vault", "erase", "--yes", "--record", name]);
    command
        .arg("--home")
        .arg(city.dir.join(OWNER))
        .arg("--book");
    command.arg(city.dir.join("book.toml")).stdin(Stdio::null());
    Ok(String::from_utf8(command.output()?.stdout)?)
}

/// A move was cut off when the new set had shares, and the ledger knew nothing of it. The erasure that
/// followed asked the old set alone, and said that too few shares are left.
fn erases_what_no_event_names(city: &City) -> Result<()> {
    ensure!(shares(&city.dir, SPARE)? == (3, 0), "of the move");
    let said = erase(city, "Observation/3")?;
    ensure!(
        said.contains(&format!("{SPARE}: 1 share(s) destroyed")),
        "{said}"
    );
    ensure!(said.contains("archive: 2 share(s) destroyed"), "{said}");
    ensure!(said.contains("too few shares are left"), "{said}");
    ensure!(shares(&city.dir, SPARE)? == (2, 1));
    Ok(())
}

/// Words are kept: what they are asked with may be lost. Without both, nothing is claimed.
fn remembers_who_confirmed(city: &City) -> Result<()> {
    for name in names(&resharing(city))? {
        std::fs::remove_file(resharing(city).join(name))?;
    }
    let (code, said) = reshared(city)?;
    ensure!(
        code == 0 && said.contains("too few to be of use"),
        "{code}: {said}"
    );
    std::fs::remove_dir_all(city.dir.join(OWNER).join("identity/retirements"))?;
    let (code, said) = reshared(city)?;
    ensure!(
        code == 1 && said.contains("nobody here knows"),
        "{code}: {said}"
    );
    Ok(())
}

/// How many shares, and how many that were destroyed, a custodian's store has.
fn shares(dir: &Path, name: &str) -> Result<(usize, usize)> {
    let keys = std::fs::read(dir.join(name).join("custodian/store/keys"))?;
    let slots = || keys.chunks_exact(128).skip(1).filter(|slot| slot[1] == 4);
    let of = |state| slots().filter(|slot| slot[0] == state).count();
    Ok((of(1), of(2)))
}

fn epoch_of(city: &City, record: RecordHandle) -> Result<u32> {
    let sdk = city.sdk(READER)?;
    let proved = sdk
        .client()
        .state(&Record::key(&OWNER.parse()?, &record), None)?;
    let value = proved.proved().value.as_deref().context("the record")?;
    let record = Record::decode(value)?;
    let sealed = sdk.client().event(&record.sealed.event)?;
    let EventBody::RecordCustody(sealed) = sealed.body() else {
        bail!("it was sealed otherwise");
    };
    let custody = record.custody.context("in custody")?;
    ensure!(
        custody.secret() == sealed.custody.secret(),
        "the same secret"
    );
    Ok(custody.epoch())
}

#[test]
fn a_record_moves_to_another_set_when_a_custodian_is_lost() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/1")?;
    let other = city.seal_and_grant("Observation/2")?;
    city.seal_and_grant("Observation/3")?;
    let (record, second) = (ticket.records[0].record, other.records[0].record);
    let early = asked_to_contribute(&city, OWNER, record)?;
    ensure!(early == "custody.not-moved", "no other set yet: {early}");

    city.stop(&[LOST, AWAY]);
    let _spare = name_another_set(&mut city)?;
    let stranger = asked_to_contribute(&city, READER, record)?;
    ensure!(
        stranger == "custody.not-moved",
        "not its record: {stranger}"
    );

    // Three of five are left, which is as many as it takes; one of the new set is away.
    let (code, said) = reshared(&city)?;
    ensure!(code == 1 && said.contains("bar: "), "{code}: {said}");
    ensure!(
        said.contains("not every new custodian has acknowledged"),
        "{said}"
    );
    ensure!(epoch_of(&city, record)? == 1, "nothing has changed");
    let forged = asked_to_retire(&city, record)?;
    ensure!(forged == "custody.not-moved", "old shares stay: {forged}");
    ensure!(
        shares(dir.path(), CUSTODIANS[0])?.1 == 0,
        "none is destroyed"
    );
    erases_what_no_event_names(&city)?;
    city.start_again(AWAY)?;
    refuses_too_many_sub_shares(&city, record)?;
    let abandoned = resharing(&city).join(format!("{record}-1-7.deals"));
    std::fs::write(&abandoned, "of a move to a set that was never named")?;
    for lines in [1, 3, 6, 8, 11] {
        cut_off(&city, lines)?;
    }
    let (code, said) = reshared(&city)?;
    ensure!(code == 0, "{code}: {said}");
    ensure!(said.contains("too few to be of use"), "one is lost: {said}");
    let kept = names(&resharing(&city))?;
    ensure!(
        kept.iter().all(|name| name.ends_with(".acks")) && kept.len() == 2,
        "what was contributed is gone, and one custodian has yet to be asked: {kept:?}"
    );
    remembers_who_confirmed(&city)?;
    ensure!((epoch_of(&city, record)?, epoch_of(&city, second)?) == (2, 2));
    for name in ["archive", "dean", "ethics"] {
        ensure!(
            shares(dir.path(), name)? == (2, 4),
            "{name} has its new shares alone"
        );
    }
    ensure!(
        shares(dir.path(), "bar")? == (3, 2),
        "it was away during the erasure"
    );
    ensure!(shares(dir.path(), SPARE)? == (2, 1));

    let output = erase(&city, "Observation/2")?;
    ensure!(
        output.contains("archive: 2 share(s) destroyed"),
        "of both epochs: {output}"
    );
    ensure!(output.contains("too few shares are left"), "{output}");
    ensure!(output.contains("not confirmed by chamber"), "{output}");
    ensure!(shares(dir.path(), "archive")? == (1, 5));
    ensure!(shares(dir.path(), SPARE)? == (1, 2));

    // With two away, the one that took the lost one's place is needed.
    let _vault = Service::vault(&dir.path().join(OWNER))?;
    city.stop(&[0, 1]);
    let opened = city.read(&city.sdk(READER)?, &ticket, "moved")?;
    ensure!(*opened.payload == PAYLOAD && opened.answers.faults.0.is_empty());
    ensure!(
        opened.answers.good.len() == 3,
        "{:?}",
        opened.answers.silent
    );
    Ok(())
}
