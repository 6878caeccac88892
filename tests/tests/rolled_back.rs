//! A custodian whose log lost what it anchored, started while no node can be asked: it stops as soon as one can.

use anyhow::{Context, Result, ensure};
use medanchor_ledger::rules::ReleaseLog;
use medanchor_tests::city::{CUSTODIANS, City, OWNER, READER};
use medanchor_tests::network::{PATIENCE, wait_for};
use medanchor_tests::service::Service;
use std::fs::OpenOptions;

/// It ran on for good, and was only ever refused by itself: nobody who runs it learned why.
#[test]
fn a_custodian_that_lost_releases_stops_when_a_node_is_back() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/1")?;
    let vault = Service::vault(&dir.path().join(OWNER))?;
    let reader = city.sdk(READER)?;
    city.read(&reader, &ticket, "mine")?;
    let key = ReleaseLog::key(&CUSTODIANS[0].parse()?);
    wait_for("the log is anchored", PATIENCE, || {
        Ok(reader.client().state(&key, None)?.proved().value.is_some())
    })?;
    drop((vault, reader));

    city.stop(&[0]);
    let log = dir
        .path()
        .join(CUSTODIANS[0])
        .join("custodian/store/releases");
    OpenOptions::new().write(true).open(log)?.set_len(32)?;
    // The one node that it asks.
    city.network.kill(0);
    city.start_again(0)?;
    let custodian = city.custodians[0].as_mut().context("it listens")?;
    ensure!(custodian.ended()?.is_none(), "{}", custodian.said());

    city.network.restart(0)?;
    let custodian = city.custodians[0].as_mut().context("it was started")?;
    wait_for("it ends", PATIENCE, || {
        Ok(match custodian.ended()? {
            None => false,
            Some(code) => {
                ensure!(code == 15, "exit code {code}: {}", custodian.said());
                true
            }
        })
    })?;
    let said = custodian.said();
    ensure!(
        said.contains("no longer has the 1 entries that were anchored"),
        "{said}"
    );
    Ok(())
}
