//! Go's own `sumdb/note` and `sumdb/tlog`, and the libraries of transparency-dev (Tessera, formats).

use super::live::Live;
use anyhow::{Result, ensure};
use medanchor_tests::tool::installed;

/// What a wrong copy of the log has wrong.
pub(crate) const FLIPPED: [&str; 3] = ["tile/0/000", "tile/0/001", "tile/entries/001"];

#[test]
fn the_checkpoint_every_entry_and_the_growth_hold_by_gos_sumdb() -> Result<()> {
    let Some(sumdb) = installed("bin/sumdb") else {
        return Ok(());
    };
    let live = Live::get()?;
    let (url, key, older) = (
        live.url(),
        live.log_key()?,
        live.argument("older-checkpoint"),
    );
    let said = sumdb.accepts(&[&url, &key, &older])?;
    ensure!(
        said.contains("entries hold") && said.contains("grown from"),
        "{said}"
    );

    sumdb.refuses(
        "refused: checkpoint",
        &[&url, &live.other_log_key(), &older],
    )?;
    for file in FLIPPED {
        let wrong = live.with_a_flipped_bit(file)?;
        sumdb.refuses("refused", &[&wrong.url(), &key, &older])?;
    }
    // A checkpoint of another tree under the same signature, as a fork would show it.
    let text = std::fs::read_to_string(&older)?;
    let forged = live.argument("forged-checkpoint");
    std::fs::write(&forged, text.replacen('\n', "\n1", 1))?;
    sumdb.refuses("forged-checkpoint", &[&url, &key, &forged])
}

#[test]
fn the_log_is_whole_by_tesseras_fsck() -> Result<()> {
    let Some(tessera) = installed("bin/tessera") else {
        return Ok(());
    };
    let live = Live::get()?;
    let (url, key) = (live.url(), live.log_key()?);
    let said = tessera.accepts(&["fsck", &url, &key])?;
    ensure!(said.contains("the log is whole"), "{said}");
    tessera.refuses("refused", &["fsck", &url, &live.other_log_key()])?;
    for file in FLIPPED {
        let wrong = live.with_a_flipped_bit(file)?;
        tessera.refuses("refused", &["fsck", &wrong.url(), &key])?;
    }
    Ok(())
}

#[test]
fn receipts_hold_under_the_policy_by_transparency_devs_formats() -> Result<()> {
    let Some(tessera) = installed("bin/tessera") else {
        return Ok(());
    };
    let live = Live::get()?;
    let policy = live.argument("policy");
    let check = |policy: &str, event: &str, receipt: &str| {
        let (event, receipt) = (live.argument(event), live.argument(receipt));
        ["receipt".to_owned(), policy.to_owned(), event, receipt]
    };
    for place in 0..live.events.len() {
        let right = check(
            &policy,
            &format!("{place}.event"),
            &format!("{place}.tlog-proof"),
        );
        let said = tessera.accepts(&right)?;
        ensure!(
            said.contains("is in the log") && said.contains("its quorum"),
            "{said}"
        );
    }
    tessera.refuses("refused", &check(&policy, "1.event", "0.tlog-proof"))?;
    let other = live.argument("policy-of-another-network");
    tessera.refuses("refused", &check(&other, "0.event", "0.tlog-proof"))?;

    // Two cosignatures fewer: the log's signature holds, and the quorum is gone.
    let text = std::fs::read_to_string(live.file("0.tlog-proof"))?;
    std::fs::write(live.file("thin.tlog-proof"), without_cosignatures(&text, 2))?;
    tessera.refuses("quorum", &check(&policy, "0.event", "thin.tlog-proof"))
}

/// The receipt with at most `left` lines of cosigners, whose names are the log's with one part more.
pub(crate) fn without_cosignatures(receipt: &str, left: usize) -> String {
    let (mut kept, mut lines) = (0, String::new());
    for line in receipt.lines() {
        let name = line
            .strip_prefix("— ")
            .and_then(|line| line.split(' ').next());
        let cosigner = name.is_some_and(|name| name.split('/').count() > 2);
        kept += usize::from(cosigner);
        if !cosigner || kept <= left {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    lines
}
