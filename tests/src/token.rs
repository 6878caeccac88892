//! Tokens of SoftHSM, where it is installed (`.ci/token-install` installs it).

use anyhow::{Result, ensure};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What opens a token that was made here.
pub const PIN: &str = "628193";
/// Its label.
pub const LABEL: &str = "hospital";
/// The variable by which SoftHSM finds its configuration.
pub const CONFIG: &str = "SOFTHSM2_CONF";

const MODULES: [&str; 5] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/// SoftHSM's module and its configuration, with a token of its own in `folder`; if it is not installed, a
/// line says so past the test runner, which shows nothing that a passing test prints.
///
/// # Errors
/// If the token cannot be made.
pub fn softhsm(folder: &Path) -> Result<Option<(&'static str, PathBuf)>> {
    let module = MODULES.into_iter().find(|path| Path::new(path).exists());
    let runs = Command::new("softhsm2-util").arg("--version").output();
    let (Some(module), true) = (module, runs.is_ok()) else {
        let line =
            "skipped: SoftHSM 2 is not installed, so no token was tried; run .ci/token-install\n";
        // A closed standard error only costs the count.
        let _ = std::io::stderr().write_all(line.as_bytes());
        return Ok(None);
    };
    let (tokens, config) = (folder.join("tokens"), folder.join("softhsm2.conf"));
    std::fs::create_dir(&tokens)?;
    let text = format!("directories.tokendir = {}\n", tokens.display());
    std::fs::write(&config, text)?;
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", LABEL])
        .args(["--pin", PIN, "--so-pin", "84756301"])
        .env(CONFIG, &config)
        .output()?;
    let said = String::from_utf8_lossy(&made.stderr);
    ensure!(made.status.success(), "{said}");
    Ok(Some((module, config)))
}
