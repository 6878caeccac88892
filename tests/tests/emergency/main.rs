//! Care while the network is cut: the owner opens its own record by its emergency key, journals first,
//! anchors afterwards; the patient's list shows it, and a journal that was rolled back is seen.

mod counted;
mod cut;
mod desk;
mod token;

use anyhow::{Context, Result, bail, ensure};
use cut::Cut;
use desk::{Desk, FRAME, RECORD, WORDS};
use medanchor_ledger::rules::{EmergencyHead, StateValue};
use medanchor_sdk::ParticipantName;
use medanchor_tests::city::{CUSTODIANS, City, OWNER, PAYLOAD, READER};
use medanchor_tests::network::{PATIENCE, wait_for};
use medanchor_tests::service::Service;

/// How many openings by the emergency key the patient's list has, and how many of its gaps say `why`.
fn openings(list: &serde_json::Value, why: &str) -> Result<(usize, usize)> {
    let accesses = list["accesses"].as_array().context("accesses")?;
    let gaps = list["gaps"].as_array().context("gaps")?;
    let emergency = accesses.iter().filter(|one| one["emergency"] == true);
    let named = gaps.iter().filter(|gap| gap.to_string().contains(why));
    Ok((emergency.count(), named.count()))
}

fn refused(result: Result<String>, what: &str) -> Result<()> {
    match result {
        Err(error) if error.to_string().contains(what) => Ok(()),
        Err(error) => Err(error.context(format!("another refusal than {what}"))),
        Ok(said) => bail!("not refused with {what}: {said}"),
    }
}

/// The head that the ledger has of the owner's journal.
fn anchored(city: &City) -> Result<Option<EmergencyHead>> {
    let owner: ParticipantName = OWNER.parse()?;
    let sdk = city.sdk(READER)?;
    let proved = sdk.client().state(&EmergencyHead::key(&owner), None)?;
    let value = proved.proved().value.as_deref();
    Ok(value.map(EmergencyHead::decode).transpose()?)
}

fn cut(city: &mut City) {
    (0..4).for_each(|node| city.network.kill(node));
    city.stop(&[0, 1, 2, 3, 4]);
}

fn mend(city: &mut City) -> Result<()> {
    (0..4).try_for_each(|node| city.network.restart(node))?;
    (0..CUSTODIANS.len()).try_for_each(|place| city.start_again(place))
}

#[test]
fn a_record_opens_while_the_network_is_cut_and_nobody_can_hide_that_it_did() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let desk = Desk::new(&city)?;
    // Sealed before there was an emergency key, so that the service is the first to register its journal.
    city.seal_and_grant("Observation/0")?;
    desk.init()?;
    ensure!(anchored(&city)?.is_none());
    let vault = Service::vault(&desk.home)?;
    wait_for("the journal is registered", PATIENCE, || {
        Ok(anchored(&city)?.is_some_and(|head| head.counter == 0))
    })?;
    ensure!(
        desk.exit_at_node("status")? == Some(12),
        "the service holds it"
    );
    drop(vault);
    city.seal_and_grant(RECORD)?;
    let list = desk.history()?;
    ensure!(openings(&list, "key in a file")? == (0, 1), "{list:#}");

    cut(&mut city);
    desk.open("intensive care")?;
    let kept = std::fs::read(desk.journal())?;
    ensure!(desk.open_and_kill(Cut::Waiting)? == 0);
    ensure!(desk.open_and_kill(Cut::Unlocking)? <= 1);
    ensure!(desk.open_and_kill(Cut::Appending)? == 1);
    ensure!(desk.open_and_kill(Cut::Delivering)? == 1);
    desk.open("intensive care, again")?;

    let out = dir.path().join("record.json");
    ensure!(desk.exit("two carts, four horses", &out)? == Some(16));
    std::fs::write(&out, b"")?;
    ensure!(
        desk.exit(WORDS, &out)? == Some(2),
        "not even that is replaced"
    );
    std::fs::remove_file(&out)?;
    // What an opening leaves that was cut off in the middle of its document.
    std::fs::write(dir.path().join(".record.json.part"), b"{\"resou")?;
    ensure!(desk.exit(WORDS, &out)? == Some(0));
    ensure!(std::fs::read(&out)? == PAYLOAD);
    ensure!(
        desk.exit(WORDS, &out)? == Some(2),
        "nothing is written over"
    );
    let entries = desk.entries()?;
    ensure!((5..=6).contains(&entries), "every try has its entry");
    ensure!(std::fs::metadata(desk.journal())?.len() % FRAME == 0);
    ensure!(desk.exit_at_node("status")? == Some(19));
    ensure!(desk.exit_at_node("anchor")? == Some(19));

    mend(&mut city)?;
    ensure!(
        desk.at_node("status", &[])?
            .contains(&format!("waiting {entries}"))
    );
    desk.at_node("anchor", &[])?;
    let said = desk.at_node("anchor", &[])?;
    ensure!(!said.contains("anchored:"), "nothing is said twice: {said}");
    ensure!(anchored(&city)?.is_some_and(|head| head.counter == entries));
    let shown = usize::try_from(entries)?;
    let list = desk.history()?;
    ensure!(
        openings(&list, "not proved")? == (shown, shown),
        "each opening, and its window: {list:#}"
    );

    // The journal of before the last openings is put back, as if they had not been.
    std::fs::write(desk.journal(), &kept)?;
    refused(desk.at_node("anchor", &[]), "emergency anchor --restore")?;
    desk.status_alarms("ROLLED BACK")?;
    desk.open("on the journal that was rolled back")?;
    refused(desk.at_node("anchor", &[]), "ROLLED BACK")?;
    ensure!(openings(&desk.history()?, "not proved")?.0 == shown);

    // Written anew from the ledger, it has those openings again and the new one behind them.
    desk.at_node("anchor", &["--restore"])?;
    ensure!(anchored(&city)?.is_some_and(|head| head.counter == entries + 1));
    ensure!(openings(&desk.history()?, "not proved")?.0 == shown + 1);
    ensure!(desk.at_node("status", &[])?.contains("waiting 0"));
    let owner = medanchor_sdk::Identity::open(&desk.home.join("identity"))?;
    for journalled in owner.emergency_entries()? {
        let shown = owner.disclose_emergency_note(&journalled.entry)?;
        let shown = medanchor_vault::Disclosure::decode(&shown)?;
        shown.verify(&journalled.entry.commitment)?;
    }
    Ok(())
}
