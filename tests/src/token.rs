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
/// Where this is set no test of a token may be skipped: `.ci/run` sets it once SoftHSM is installed.
const REQUIRED: &str = "MEDANCHOR_TOKEN_REQUIRED";

const MODULES: [&str; 6] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

/// SoftHSM's module and its configuration, with a token of its own in `folder`; if it is not installed, a
/// line says so past the test runner, which shows nothing that a passing test prints.
///
/// # Errors
/// If the token cannot be made; if it is not installed and no test may be skipped.
pub fn softhsm(folder: &Path) -> Result<Option<(&'static str, PathBuf)>> {
    let module = MODULES.into_iter().find(|path| Path::new(path).exists());
    let runs = Command::new("softhsm2-util").arg("--version").output();
    let (Some(module), true) = (module, runs.is_ok()) else {
        let why = "SoftHSM 2 is not installed, so no token was tried; run .ci/token-install";
        return skipped(why);
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

fn is_required() -> bool {
    std::env::var_os(REQUIRED).is_some_and(|said| !said.is_empty())
}

fn may_skip(why: &str, required: bool) -> Result<()> {
    ensure!(!required, "{why}; {REQUIRED} is set, so it is not skipped");
    Ok(())
}

/// Nothing, said aloud, if a test may be skipped.
fn skipped<T>(why: &str) -> Result<Option<T>> {
    may_skip(why, is_required())?;
    // A closed standard error only costs the count.
    let _ = std::io::stderr().write_all(format!("skipped: {why}\n").as_bytes());
    Ok(None)
}

/// A module that hands every call on to another one, and misbehaves as it is told:
/// `vault/tests/token/proxy.rs` has the words.
pub struct Proxy {
    /// The module.
    pub module: PathBuf,
    behind: &'static str,
    words: PathBuf,
}

/// Compiles one in `folder`; none, said as for a missing SoftHSM, where there is no compiler.
///
/// # Errors
/// If it does not compile; if there is no compiler and no test may be skipped.
pub fn proxy(behind: &'static str, folder: &Path) -> Result<Option<Proxy>> {
    let (module, words) = (folder.join("proxy.so"), folder.join("words"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vault/tests/token/proxy.rs");
    let compiled = Command::new("rustc")
        .args(["--edition", "2024", "--crate-type", "cdylib", "-o"])
        .args([&module, &source])
        .status();
    let Ok(compiled) = compiled else {
        let why = "there is no rustc, so no token that counts was tried";
        return skipped(why);
    };
    ensure!(compiled.success());
    Ok(Some(Proxy {
        module,
        behind,
        words,
    }))
}

impl Proxy {
    /// What the module reads of its environment.
    #[must_use]
    pub fn env(&self) -> [(&'static str, &Path); 2] {
        [
            ("MEDANCHOR_PROXY_MODULE", Path::new(self.behind)),
            ("MEDANCHOR_PROXY_WORDS", &self.words),
        ]
    }

    fn stopped(&self) -> PathBuf {
        self.words.with_file_name("words.reached")
    }

    /// Tells it how to misbehave from now on, and forgets that it stopped.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn says(&self, words: &str) -> Result<()> {
        if self.has_stopped() {
            std::fs::remove_file(self.stopped())?;
        }
        Ok(std::fs::write(&self.words, words)?)
    }

    /// Whether it has stopped since.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.stopped().exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_not_there_fails_a_test_only_where_it_is_required() {
        assert!(may_skip("no token", false).is_ok());
        let refused = may_skip("no token", true).unwrap_err().to_string();
        assert!(refused.contains("no token"), "{refused}");
    }
}
