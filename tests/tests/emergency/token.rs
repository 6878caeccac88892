//! The emergency key in a token of SoftHSM.

use super::desk::{FRAME, RECORD, secret};
use anyhow::{Result, ensure};
use medanchor_tests::city::{OWNER, PAYLOAD};
use medanchor_tests::files::text;
use medanchor_tests::network::{binary, found};
use medanchor_tests::token::{CONFIG, LABEL, PIN, softhsm};
use std::path::Path;
use std::process::{Command, Stdio};

/// The emergency key in a token of SoftHSM, as the commands use it; no network is there at all.
#[test]
fn an_emergency_key_in_a_token_opens_with_its_pin() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Some((module, config)) = softhsm(dir.path())? else {
        return Ok(());
    };
    found(dir.path(), 1)?;

    let home = dir.path().join(OWNER);
    let pin = secret(&dir.path().join("pin"), PIN)?;
    let wrong = secret(&dir.path().join("wrong"), "000000")?;
    let at_token = |word: &str, pin: &Path, more: &[&str]| {
        let words = ["vault", "emergency", word, "--home", text(&home)?];
        let token = ["--token-module", module, "--token-label", LABEL];
        let words = [&words[..], &token, &["--pin-file", text(pin)?], more].concat();
        let mut command = Command::new(binary("medanchor")?);
        let command = command.args(words).env(CONFIG, &config);
        Ok::<_, anyhow::Error>(command.stdin(Stdio::null()).output()?)
    };
    let made = at_token("init", &pin, &[])?;
    ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    {
        let owner = medanchor_sdk::Identity::open(&home.join("identity"))?;
        let record = owner.record_handle(RECORD);
        owner.vault().seal_to_share(record, 1, PAYLOAD)?;
        owner.vault().entrust(record, 1)?;
    }
    let words = ["--record", RECORD, "--actor", "Dr. Zhao", "--reason", "cut"];
    let refused = at_token("open", &wrong, &words)?;
    ensure!(!refused.status.success() && refused.stdout.is_empty());
    let journal = home.join("identity/emergency-journal");
    ensure!(
        std::fs::metadata(&journal)?.len() == FRAME,
        "nothing was journalled"
    );
    let opened = at_token("open", &pin, &words)?;
    ensure!(
        opened.stdout == PAYLOAD,
        "{}",
        String::from_utf8_lossy(&opened.stderr)
    );
    ensure!(std::fs::metadata(&journal)?.len() == 2 * FRAME);
    Ok(())
}
