//! Many records sealed into custody together, and what a crash leaves of it.

use anyhow::{Context, Result, ensure};
use medanchor_sdk::custody::{CustodyError, MAX_TOGETHER, SealedInCustody};
use medanchor_sdk::{Identity, NewRecord, Sdk, SdkError};
use medanchor_tests::city::{CUSTODIANS, City, OWNER, PAYLOAD, READER};
use medanchor_tests::network::wait_for;
use medanchor_tests::service::Service;
use medanchor_vault::{Custodial, VaultError};
use std::path::Path;
use std::time::Duration;

/// More than two of the turns in which an owner's service tries again.
const PATIENCE: Duration = Duration::from_secs(150);

fn record(name: &str, version: u32) -> NewRecord<'_> {
    NewRecord {
        name,
        version,
        subject: "Patient/1",
        class: "laboratory",
        payload: PAYLOAD,
    }
}

type Sealed = Vec<Result<SealedInCustody, CustodyError>>;

fn seal(city: &City, sdk: &Sdk, new: &[NewRecord<'_>]) -> Result<Sealed, CustodyError> {
    let circle = sdk.custodians(&city.book)?;
    sdk.seal_all_in_custody(new, &circle, &city.certificate)
}

fn is_entrusted(result: &Result<SealedInCustody, CustodyError>) -> bool {
    matches!(
        result,
        Err(CustodyError::Sdk(SdkError::Vault(
            VaultError::Entrusted { .. }
        )))
    )
}

fn deals(city: &City) -> Result<usize> {
    let folder = city.dir.join(OWNER).join("identity/deals");
    Ok(std::fs::read_dir(folder)?.count())
}

#[test]
fn records_are_sealed_together_and_none_stands_in_anothers_way() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/0")?;
    let owner = city.sdk(OWNER)?;
    let names: Vec<String> = (0..20).map(|n| format!("Observation/{n}")).collect();
    let mut all: Vec<_> = names.iter().map(|name| record(name, 1)).collect();
    all.push(record("Observation/3", 2));

    // Not one is anchored while a custodian has not acknowledged, and a retry deals the same shares.
    city.stop(&[2]);
    let refused = seal(&city, &owner, &all);
    ensure!(
        matches!(&refused, Err(CustodyError::NotAcknowledged { name, .. }) if name.as_str() == "chamber"),
        "{refused:?}"
    );
    ensure!(deals(&city)? == 1, "what was dealt is kept for a retry");
    city.start_again(2)?;
    let sealed = seal(&city, &owner, &all)?;
    ensure!(is_entrusted(&sealed[0]), "{:?}", sealed[0]);
    let out_of_turn = &sealed[20];
    ensure!(
        matches!(out_of_turn, Err(CustodyError::VersionAhead { newest: 0 })),
        "{out_of_turn:?}"
    );
    for (name, result) in names.iter().zip(&sealed).skip(1) {
        let done = result
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        ensure!(done.record == owner.record_handle(name));
        ensure!(owner.open_record(name, 1).is_err(), "its key is shared out");
    }
    ensure!(deals(&city)? == 0);
    let again = seal(&city, &owner, &all[..20])?;
    ensure!(again.iter().all(is_entrusted), "{again:?}");

    let many: Vec<_> = (0..=MAX_TOGETHER)
        .map(|_| record("Observation/x", 1))
        .collect();
    ensure!(matches!(
        seal(&city, &owner, &many),
        Err(CustodyError::TooMany(_))
    ));
    let twice = seal(&city, &owner, &[record("Twice/1", 1), record("Twice/1", 1)]);
    ensure!(twice.is_err_and(|error| error.to_string().contains("twice")));

    seal_by_callers(&city, &owner)?;

    let later = city.grant(
        &owner,
        "later",
        &names[7],
        owner.now().plus_millis(3_600_000),
    )?;
    drop(owner);
    let _vault = Service::vault(&dir.path().join(OWNER))?;
    let reader = city.sdk(READER)?;
    ensure!(*city.read(&reader, &later, "one of many")?.payload == PAYLOAD);
    ensure!(*city.read(&reader, &ticket, "one alone")?.payload == PAYLOAD);
    Ok(())
}

/// Callers of one record each at the same time: each gets the outcome of its own, whoever sealed it, and what
/// is no document fails alone.
fn seal_by_callers(city: &City, owner: &Sdk) -> Result<()> {
    let circle = owner.custodians(&city.book)?;
    let mut names: Vec<String> = (0..24).map(|n| format!("Condition/{n}")).collect();
    names.push("Condition/7".into());
    names.push("broken".into());
    let seal = |name: &str| {
        let mut new = record(name, 1);
        if name == "broken" {
            new.payload = b"{";
        }
        owner.seal_in_custody(&new, &circle, &city.certificate)
    };
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = names
            .iter()
            .map(|name| scope.spawn(|| seal(name)))
            .collect();
        let joined = callers.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|outcome| outcome.ok()).collect()
    });
    for (name, outcome) in names.iter().zip(&outcomes) {
        let outcome = outcome.as_ref().context("no caller panics")?;
        match outcome {
            Ok(sealed) => ensure!(sealed.record == owner.record_handle(name), "{name}"),
            // The second caller of one record came after it.
            Err(_) if is_entrusted(outcome) => ensure!(name == "Condition/7"),
            Err(error) => ensure!(name == "broken", "{name}: {error}"),
        }
    }
    ensure!(
        outcomes.iter().flatten().any(Result::is_err),
        "what is no document is refused"
    );
    let again = names
        .iter()
        .filter(|name| *name != "broken")
        .map(|name| seal(name));
    ensure!(again.into_iter().all(|outcome| is_entrusted(&outcome)));
    ensure!(deals(city)? == 0);
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// A power cut between the anchoring of a record and the forgetting of its key's part: what the disk had then is
/// put back.
#[test]
fn a_key_part_that_a_crash_left_is_forgotten_by_the_vaults_service() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let identity = dir.path().join(OWNER).join("identity");
    let before = dir.path().join("before");
    let owner = city.sdk(OWNER)?;
    city.stop(&[4]);
    let one = [record("Observation/1", 1)];
    ensure!(seal(&city, &owner, &one).is_err());
    copy(&identity.join("deals"), &before)?;
    std::fs::copy(identity.join("vault/keys"), dir.path().join("keys"))?;
    city.start_again(4)?;
    let sealed = seal(&city, &owner, &one)?.pop().context("one result")??;
    // Another that was begun, and that the ledger does not know.
    city.stop(&[4]);
    ensure!(seal(&city, &owner, &[record("Observation/2", 1)]).is_err());
    let begun = owner.record_handle("Observation/2");
    drop(owner);

    let mut keys = std::fs::read(dir.path().join("keys"))?;
    let now = std::fs::read(identity.join("vault/keys"))?;
    keys.extend_from_slice(now.get(keys.len()..).context("keys only grow")?);
    std::fs::write(identity.join("vault/keys"), keys)?;
    copy(&before, &identity.join("deals"))?;
    let owner = city.sdk(OWNER)?;
    let whole = owner.open_record("Observation/1", 1)?;
    ensure!(*whole == PAYLOAD, "the vault alone opens it, unseen");
    drop(owner);

    let vault = Service::vault(&dir.path().join(OWNER))?;
    wait_for("what was cut off is ended", PATIENCE, || {
        Ok(deals(&city)? == 1)
    })?;
    drop(vault);
    let owner = city.sdk(OWNER)?;
    let custodial = |record| owner.vault().custodial(record, 1);
    ensure!(custodial(sealed.record)? == Custodial::Entrusted);
    ensure!(owner.open_record("Observation/1", 1).is_err());
    ensure!(
        custodial(begun)? == Custodial::Here,
        "its sealing goes on later"
    );
    city.start_again(4)?;
    seal(&city, &owner, &[record("Observation/2", 1)])?
        .pop()
        .context("one result")??;
    Ok(())
}

/// An application signed and could not post. The vault's service posts it at its start; that it is anchored is
/// written down when the service stops, though it is put off until then.
#[test]
fn what_was_signed_before_is_anchored_by_the_vaults_service_and_settled_when_it_stops() -> Result<()>
{
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let identity = || Identity::open(&dir.path().join(OWNER).join("identity"));
    let owner = Sdk::new(identity()?, ["http://127.0.0.1:1"])?;
    let sealed = owner.seal_record(&record("Observation/1", 1))?;
    let posted = owner.post_batch(vec![sealed.event.clone()]);
    ensure!(owner.wait_all(posted).iter().all(Result::is_err));
    drop(owner);
    ensure!(identity()?.unsettled().len() == 1);

    let vault = Service::vault(&dir.path().join(OWNER))?;
    wait_for("the service says so", PATIENCE, || {
        Ok(vault.said().contains("before the start are anchored"))
    })?;
    ensure!(vault.stop()? == Some(0));
    ensure!(identity()?.unsettled().is_empty());
    let reader = city.sdk(READER)?;
    reader.client().receipt(&sealed.event, true)?;
    Ok(())
}

/// How many deals of one owner a custodian takes that are not on the ledger.
fn bound(city: &mut City, place: usize, deals: usize) -> Result<()> {
    city.stop(&[place]);
    let config = city
        .dir
        .join(CUSTODIANS[place])
        .join("custodian/config.toml");
    let text = std::fs::read_to_string(&config)?;
    let (from, to) = (
        "unanchored_deals = 10000",
        format!("unanchored_deals = {deals}"),
    );
    ensure!(text.contains(from), "{text}");
    std::fs::write(&config, text.replace(from, &to))?;
    city.start_again(place)
}

/// A custodian learns by itself what was anchored; an owner that does not anchor comes to an end, and goes on
/// when it has.
#[test]
fn an_owner_that_does_not_anchor_deals_no_more_until_it_does() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    bound(&mut city, 0, 2)?;
    let owner = city.sdk(OWNER)?;
    let names: Vec<String> = (0..7).map(|n| format!("Observation/{n}")).collect();
    let seals = |city: &City, n: usize| -> Result<(), CustodyError> {
        let sealed = seal(city, &owner, &[record(&names[n], 1)])?;
        sealed.into_iter().try_for_each(|one| one.map(drop))
    };
    // A node may lag behind what was anchored a moment ago, and is asked again after a while.
    for n in 0..4 {
        wait_for("another is taken", PATIENCE, || Ok(seals(&city, n).is_ok()))?;
    }

    // Nothing is anchored while a custodian is away. Whoever comes before it in the list has taken its part.
    city.stop(&[4]);
    let taken = |n| match seals(&city, n) {
        Err(CustodyError::NotAcknowledged { name, .. }) => name.as_str() == CUSTODIANS[4],
        _ => false,
    };
    for n in [4, 5] {
        wait_for("another is dealt", PATIENCE, || Ok(taken(n)))?;
    }
    city.start_again(4)?;
    let refused = seals(&city, 6).err().context("two wait already")?;
    let words = refused.to_string();
    ensure!(
        words.contains("does not know to be on the ledger"),
        "{words}"
    );
    for n in [4, 5] {
        seals(&city, n)?;
    }
    wait_for(
        "the custodian learns that they are anchored",
        PATIENCE,
        || Ok(seals(&city, 6).is_ok()),
    )
}
