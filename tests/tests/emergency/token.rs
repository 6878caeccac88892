//! The emergency key in a token of SoftHSM.

use super::desk::{FRAME, RECORD, secret, text};
use anyhow::{Result, ensure};
use medanchor_tests::city::{OWNER, PAYLOAD};
use medanchor_tests::network::binary;
use medanchor_tests::service::run;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const PIN: &str = "628193";
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

/// The emergency key in a token of SoftHSM, as the commands use it; no network is there at all. Skipped,
/// and said so, where SoftHSM is not installed: `.ci/token-install` installs it.
#[test]
fn an_emergency_key_in_a_token_opens_with_its_pin() -> Result<()> {
    let module = MODULES.iter().find(|path| Path::new(path).exists());
    let runs = Command::new("softhsm2-util").arg("--version").output();
    let (Some(module), true) = (module, runs.is_ok()) else {
        // Past the test runner, which shows nothing that a passing test prints.
        let line = "skipped: SoftHSM 2 is not installed, so the emergency key was not tried in a token; run .ci/token-install\n";
        // A closed standard error only costs the count.
        let _ = std::io::stderr().write_all(line.as_bytes());
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let (net, config) = (dir.path().join("net"), dir.path().join("softhsm2.conf"));
    std::fs::create_dir(dir.path().join("tokens"))?;
    let tokens = dir.path().join("tokens");
    std::fs::write(
        &config,
        format!("directories.tokendir = {}\n", tokens.display()),
    )?;
    let with_token = |program: &Path, words: &[&str]| -> Result<std::process::Output> {
        let output = Command::new(program)
            .args(words)
            .env("SOFTHSM2_CONF", &config)
            .stdin(Stdio::null())
            .output()?;
        Ok(output)
    };
    let label = [
        "--free", "--label", "hospital", "--pin", PIN, "--so-pin", "84756301",
    ];
    let made = with_token(
        Path::new("softhsm2-util"),
        &[&["--init-token"], &label[..]].concat(),
    )?;
    ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let founding = ["network", "new", "--dir", text(&net)?, "--name", "token"];
    let validator = [
        "--first-port",
        "0",
        "--validator",
        "north-hospital:hospital",
    ];
    run(&[&founding[..], &validator].concat())?;

    let home = net.join(OWNER);
    let pin = secret(&dir.path().join("pin"), PIN)?;
    let wrong = secret(&dir.path().join("wrong"), "000000")?;
    let at_token = |word: &str, pin: &Path, more: &[&str]| {
        let words = ["vault", "emergency", word, "--home", text(&home)?];
        let token = ["--token-module", module, "--token-label", "hospital"];
        let words = [&words[..], &token, &["--pin-file", text(pin)?], more].concat();
        with_token(&binary("medanchor")?, &words)
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
