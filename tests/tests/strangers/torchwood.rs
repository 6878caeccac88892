//! `filippo.io/torchwood`: its policies, its client of tlog-tiles and its receipts.

use super::go::{FLIPPED, without_cosignatures};
use super::live::{Live, QUORUM, VALIDATORS};
use anyhow::{Result, ensure};
use medanchor_tests::tool::installed;

#[test]
fn the_quorum_every_entry_and_the_growth_hold_by_torchwoods_client() -> Result<()> {
    let Some(torchwood) = installed("bin/torchwood") else {
        return Ok(());
    };
    let live = Live::get()?;
    let (url, policy, older) = (
        live.url(),
        live.argument("policy"),
        live.argument("older-checkpoint"),
    );
    let said = torchwood.accepts(&["log", &policy, &url, &older])?;
    ensure!(
        said.contains("entries hold") && said.contains("grown from"),
        "{said}"
    );
    // Of the checkpoint and of the older one, each by a quorum at least.
    let cosigned = said.matches(" cosigned at ").count();
    ensure!(
        (2 * QUORUM..=2 * VALIDATORS).contains(&cosigned),
        "{cosigned} cosignatures in {said}"
    );

    let other = live.argument("policy-of-another-network");
    torchwood.refuses("refused: checkpoint", &["log", &other, &url])?;
    for file in FLIPPED {
        let wrong = live.with_a_flipped_bit(file)?;
        torchwood.refuses("refused", &["log", &policy, &wrong.url()])?;
    }

    // The log's signature holds, and the quorum is gone.
    let text = std::fs::read_to_string(&older)?;
    std::fs::write(
        live.file("thin-checkpoint"),
        without_cosignatures(&text, QUORUM - 1),
    )?;
    let thin = live.argument("thin-checkpoint");
    torchwood.refuses("policy components", &["checkpoint", &policy, &thin])?;
    torchwood.refuses("thin-checkpoint", &["log", &policy, &url, &thin])?;
    torchwood.accepts(&["checkpoint", &policy, &older])?;
    Ok(())
}

#[test]
fn receipts_hold_by_torchwood() -> Result<()> {
    let Some(torchwood) = installed("bin/torchwood") else {
        return Ok(());
    };
    let live = Live::get()?;
    let policy = live.argument("policy");
    let check = |policy: &str, event: &str, receipt: &str| {
        let (event, receipt) = (live.argument(event), live.argument(receipt));
        ["receipt".to_owned(), policy.to_owned(), event, receipt]
    };
    for place in 0..live.events.len() {
        let (event, receipt) = (format!("{place}.event"), format!("{place}.tlog-proof"));
        let said = torchwood.accepts(&check(&policy, &event, &receipt))?;
        ensure!(said.contains("is in the log"), "{said}");
    }
    torchwood.refuses(
        "inclusion proof verification failed",
        &check(&policy, "1.event", "0.tlog-proof"),
    )?;
    let other = live.argument("policy-of-another-network");
    torchwood.refuses("refused", &check(&other, "0.event", "0.tlog-proof"))?;

    let text = std::fs::read_to_string(live.file("0.tlog-proof"))?;
    let thin = without_cosignatures(&text, QUORUM - 1);
    std::fs::write(live.file("thin.by-torchwood"), thin)?;
    torchwood.refuses(
        "policy components",
        &check(&policy, "0.event", "thin.by-torchwood"),
    )?;

    let mut event = std::fs::read(live.file("0.event"))?;
    if let Some(last) = event.last_mut() {
        *last ^= 1;
    }
    std::fs::write(live.file("flipped.by-torchwood"), event)?;
    torchwood.refuses(
        "inclusion proof verification failed",
        &check(&policy, "flipped.by-torchwood", "0.tlog-proof"),
    )
}
