//! A custodian is lost for good: the authorities name another set, the record moves to it without being
//! opened, through cuts and with custodians away, and the reader is served by the new set.

use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::{ParticipantName, RecordHandle};
use medanchor_sdk::custody::{ReshareAsk, write_messages};
use medanchor_sdk::direct::{Ask, Link, LinkError};
use medanchor_sdk::{Problem, Sdk};
use medanchor_tests::city::{CUSTODIANS, City, OWNER, PAYLOAD, READER, SPARE, approve};
use medanchor_tests::files::names;
use medanchor_tests::service::Service;
use medanchor_vault::RecordVersion;
use medanchor_vault::custody::{Acknowledgement, Custodied, Place, PointsHash, ShareIndex, Signed};
use std::path::PathBuf;

/// The custodian that is lost, and one that is away for a while, by place.
const LOST: usize = 2;
const AWAY: usize = 1;

fn reshared(city: &City) -> Result<(i32, String)> {
    city.ask_vault(&["reshare", "--all"])
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
    let forged = forged(city, record)?;
    refusal(city, &city.sdk(OWNER)?, Ask::Retire, forged)
}

/// Acknowledgements of points that nobody holds.
fn forged(city: &City, record: RecordHandle) -> Result<Vec<u8>> {
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
    Ok(write_messages(&[forged]))
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

/// What was acknowledged is of other sub-deals than those that are kept, as after a restored back-up.
fn refuses_acknowledgements_of_another_try(city: &City, record: RecordHandle) -> Result<()> {
    let path = resharing(city).join(format!("{record}-1-2.acks"));
    std::fs::write(&path, forged(city, record)?)?;
    let (code, said) = city.ask_vault(&["reshare", "--record", &record.to_string()])?;
    ensure!(
        code == 1 && said.contains("it is not of the sub-deals beside it"),
        "{code}: {said}"
    );
    ensure!(
        city.epoch_of(record)? == 1,
        "the ledger names no points that nobody holds"
    );
    Ok(std::fs::remove_file(path)?)
}

/// Another set takes over, in which the lost custodian's place is taken.
fn name_another_set(city: &mut City) -> Result<Service> {
    let (dir, node) = (city.dir.clone(), city.network.client(0).url().to_owned());
    std::fs::remove_dir_all(dir.join(CUSTODIANS[LOST]).join("custodian"))?;
    Service::init_custodian(&dir.join(SPARE), &node)?;
    let left = (0..CUSTODIANS.len()).filter(|place| *place != LOST);
    let names: Vec<_> = left.map(|place| CUSTODIANS[place]).chain([SPARE]).collect();
    let path = city.write_book(&names)?;
    approve(&dir, &path, &node, 2)?;
    Service::custodian(&dir.join(SPARE))
}

/// Erases a record; gives what the command said.
fn erase(city: &City, name: &str) -> Result<String> {
    Ok(city.ask_vault(&["erase", "--yes", "--record", name])?.1)
}

/// A move was cut off when the new set had shares, and the ledger knew nothing of it. The erasure that
/// followed asked the old set alone, and said that too few shares are left.
fn erases_what_no_event_names(city: &City) -> Result<()> {
    ensure!(city.shares(SPARE)? == (3, 0), "of the move");
    let said = erase(city, "Observation/3")?;
    ensure!(
        said.contains(&format!("{SPARE}: 1 share(s) destroyed")),
        "{said}"
    );
    ensure!(said.contains("archive: 2 share(s) destroyed"), "{said}");
    ensure!(said.contains("too few shares are left"), "{said}");
    ensure!(city.shares(SPARE)? == (2, 1));
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
    ensure!(city.epoch_of(record)? == 1, "nothing has changed");
    let forged = asked_to_retire(&city, record)?;
    ensure!(forged == "custody.not-moved", "old shares stay: {forged}");
    ensure!(city.shares(CUSTODIANS[0])?.1 == 0, "none is destroyed");
    erases_what_no_event_names(&city)?;
    city.start_again(AWAY)?;
    refuses_too_many_sub_shares(&city, record)?;
    refuses_acknowledgements_of_another_try(&city, record)?;
    // Whoever asks a node that lags may find files of an epoch that it does not know.
    let later = format!("{record}-1-7.deals");
    std::fs::write(resharing(&city).join(&later), "of a move to a later set")?;
    for lines in [1, 3, 6, 8, 11] {
        city.cut_off_vault(&["reshare", "--all"], lines)?;
    }
    let (code, said) = reshared(&city)?;
    ensure!(code == 0, "{code}: {said}");
    ensure!(said.contains("too few to be of use"), "one is lost: {said}");
    let mut kept = names(&resharing(&city))?;
    ensure!(
        kept.contains(&later),
        "what a later move left stays: {kept:?}"
    );
    kept.retain(|name| *name != later);
    ensure!(
        kept.iter().all(|name| name.ends_with(".acks")) && kept.len() == 2,
        "what was contributed is gone, and one custodian has yet to be asked: {kept:?}"
    );
    std::fs::remove_file(resharing(&city).join(&later))?;
    remembers_who_confirmed(&city)?;
    ensure!((city.epoch_of(record)?, city.epoch_of(second)?) == (2, 2));
    for name in ["archive", "dean", "ethics"] {
        ensure!(
            city.shares(name)? == (2, 4),
            "{name} has its new shares alone"
        );
    }
    ensure!(
        city.shares("bar")? == (3, 2),
        "it was away during the erasure"
    );
    ensure!(city.shares(SPARE)? == (2, 1));

    let output = erase(&city, "Observation/2")?;
    ensure!(
        output.contains("archive: 2 share(s) destroyed"),
        "of both epochs: {output}"
    );
    ensure!(output.contains("too few shares are left"), "{output}");
    ensure!(output.contains("not confirmed by chamber"), "{output}");
    ensure!(city.shares("archive")? == (1, 5));
    ensure!(city.shares(SPARE)? == (1, 2));

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
