//! The owner's desk: the commands of the emergency path, as processes.

use anyhow::{Result, ensure};
use medanchor_tests::city::{City, OWNER, PAYLOAD};
use medanchor_tests::files::text;
use medanchor_tests::network::binary;
use medanchor_tests::service::run;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const RECORD: &str = "Observation/1";
/// Bytes of the journal's header, and of each entry.
pub const FRAME: u64 = 192;
pub const WORDS: &str = "four horses, two carts";

/// The owner's desk: its home, a node, the passphrase.
pub struct Desk {
    pub home: PathBuf,
    node: String,
    passphrase: PathBuf,
}

impl Desk {
    pub fn new(city: &City) -> Result<Self> {
        Ok(Self {
            home: city.dir.join(OWNER),
            node: city.network.client(0).url().to_owned(),
            passphrase: secret(&city.dir.join("passphrase"), WORDS)?,
        })
    }

    pub fn node(&self) -> &str {
        &self.node
    }

    pub fn journal(&self) -> PathBuf {
        self.home.join("identity/emergency-journal")
    }

    pub fn init(&self) -> Result<String> {
        let words = ["vault", "emergency", "init", "--home", text(&self.home)?];
        run(&[&words[..], &["--passphrase-file", text(&self.passphrase)?]].concat())
    }

    pub fn entries(&self) -> Result<u64> {
        Ok(std::fs::metadata(self.journal())?.len() / FRAME - 1)
    }

    pub fn opening(&self, reason: &str) -> Result<Vec<String>> {
        self.opening_with(&self.passphrase, reason)
    }

    pub fn opening_with(&self, passphrase: &Path, reason: &str) -> Result<Vec<String>> {
        let words = [
            "vault",
            "emergency",
            "open",
            "--home",
            text(&self.home)?,
            "--record",
            RECORD,
            "--passphrase-file",
            text(passphrase)?,
            "--actor",
            "Dr. Zhao",
            "--reason",
            reason,
        ];
        Ok(words.map(ToOwned::to_owned).into())
    }

    pub fn open(&self, reason: &str) -> Result<()> {
        let words = self.opening(reason)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ensure!(run(&words)?.as_bytes() == PAYLOAD);
        Ok(())
    }

    /// Exit code of an opening into a file, with a passphrase.
    pub fn exit(&self, passphrase: &str, out: &Path) -> Result<Option<i32>> {
        let file = secret(&out.with_extension("passphrase"), passphrase)?;
        let status = Command::new(binary("medanchor")?)
            .args(self.opening_with(&file, "into a file")?)
            .arg("--out")
            .arg(out)
            .stderr(Stdio::null())
            .status()?;
        Ok(status.code())
    }

    pub fn at_node(&self, word: &str, more: &[&str]) -> Result<String> {
        let words = ["vault", "emergency", word, "--home", text(&self.home)?];
        run(&[&words[..], &["--node", &self.node], more].concat())
    }

    pub fn exit_at_node(&self, word: &str) -> Result<Option<i32>> {
        let words = ["vault", "emergency", word, "--home", text(&self.home)?];
        let status = Command::new(binary("medanchor")?)
            .args(words)
            .args(["--node", &self.node])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        Ok(status.code())
    }

    /// What `status` prints when something is wrong, which its exit code says too.
    pub fn status_alarms(&self, what: &str) -> Result<()> {
        let output = Command::new(binary("medanchor")?)
            .args(["vault", "emergency", "status", "--home", text(&self.home)?])
            .args(["--node", &self.node])
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(!output.status.success() && said.contains(what), "{said}");
        Ok(())
    }

    /// The patient's list, whole or not.
    pub fn history(&self) -> Result<serde_json::Value> {
        let output = Command::new(binary("medanchor")?)
            .args(["patient", "history", "--home", text(&self.home)?])
            .args(["--node", &self.node, "--subject", "Patient/1"])
            .args(["--quarters", "1", "--format", "json"])
            .output()?;
        ensure!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// A private file with one line.
pub fn secret(path: &Path, line: &str) -> Result<PathBuf> {
    std::fs::write(path, format!("{line}\n"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(path.into())
}
