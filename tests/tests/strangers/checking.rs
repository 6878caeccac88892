//! An S3-compatible service that we did not write (moto's server) and that checks who asks: each request's
//! signature, its access key, and whether the key's user may do it.
//!
//! What its administrator does, `strangers/python/access.py` asks for, with a client that we did not write either.

use anyhow::{Context, Result, ensure};
use medanchor_tests::files::text;
use medanchor_tests::network::{PATIENCE, wait_for};
use medanchor_tests::tool::{Running, Tool, checkout, installed};
use medanchor_vault::Credentials;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use ureq::Agent;

/// What whoever writes must be allowed, as docs/vault.md says.
pub(super) const NEEDED: &[&str] = &[
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:ListBucket",
    "s3:AbortMultipartUpload",
];

/// How many calls `access.py open` makes, which nobody has a key for yet.
const UNCHECKED: &str = "4";

/// The service with its bucket, `bucket`, until it is dropped.
pub(super) struct Checking {
    pub(super) url: String,
    folder: PathBuf,
    python: Tool,
    files: AtomicUsize,
    _running: Running,
}

impl Checking {
    /// Starts it, if it is installed.
    pub(super) fn start(dir: &Path) -> Result<Option<Self>> {
        let server = installed("venv/bin/moto_server");
        let (Some(server), Some(python)) = (server, installed("venv/bin/python")) else {
            return Ok(None);
        };
        let said = dir.join("service");
        let running = server.start_with(
            &said,
            &["-H", "127.0.0.1", "-p", "0"],
            &[("INITIAL_NO_AUTH_ACTION_COUNT", UNCHECKED)],
        )?;
        let mut url = None;
        let heard = wait_for("the service to listen", PATIENCE, || {
            let text = std::fs::read_to_string(&said)?;
            // Without its line break the address may not be whole yet.
            let mut lines = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            url = lines.find_map(address);
            Ok(url.is_some())
        });
        heard.with_context(|| std::fs::read_to_string(&said).unwrap_or_default())?;
        let service = Self {
            url: url.context("its address")?,
            folder: dir.into(),
            python,
            files: AtomicUsize::new(0),
            _running: running,
        };
        service.ask(&["open", "bucket"])?;
        Ok(Some(service))
    }

    fn ask(&self, words: &[&str]) -> Result<String> {
        let script = checkout("strangers/python/access.py");
        let first = [text(&script)?, &self.url, text(&self.folder)?];
        self.python.accepts(&[&first, words].concat())
    }

    /// A name for a file that there is not yet.
    fn file(&self) -> PathBuf {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("file-{number}"))
    }

    /// Lets a user do this in the bucket and nothing else; makes it, if there is none of that name.
    pub(super) fn allow(&self, user: &str, actions: &[&str]) -> Result<()> {
        self.ask(&[&["allow", user, "bucket"], actions].concat())?;
        Ok(())
    }

    /// Draws an access key for a user.
    pub(super) fn key(&self, user: &str) -> Result<Key> {
        let file = self.file();
        self.ask(&["key", user, text(&file)?])?;
        Key::read(file)
    }

    /// Takes every access key of a user back.
    pub(super) fn withdraw(&self, user: &str) -> Result<()> {
        self.ask(&["withdraw", user])?;
        Ok(())
    }

    /// What the bucket has under this name.
    pub(super) fn object(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let file = self.file();
        match self.ask(&["get", "bucket", name, text(&file)?])?.trim() {
            "none" => Ok(None),
            _ => Ok(Some(std::fs::read(&file)?)),
        }
    }

    /// Writes an object, whatever is there.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let file = self.file();
        std::fs::write(&file, bytes)?;
        self.ask(&["put", "bucket", name, text(&file)?])?;
        Ok(())
    }

    /// Deletes an object.
    pub(super) fn delete(&self, name: &str) -> Result<()> {
        self.ask(&["delete", "bucket", name])?;
        Ok(())
    }

    /// Lets everybody read, as auditors do, and checks nobody until told otherwise: while this service checks,
    /// who shows no credentials at all is an error inside of it, whatever the bucket's policy says.
    pub(super) fn lift(&self) -> Result<()> {
        self.ask(&["readable", "bucket"])?;
        self.check_from("inf")
    }

    /// Checks everybody again.
    pub(super) fn check_again(&self) -> Result<()> {
        self.check_from("0")
    }

    fn check_from(&self, count: &str) -> Result<()> {
        let at = format!("{}/moto-api/reset-auth", self.url);
        agent().post(at).send(count)?;
        Ok(())
    }
}

/// An access key, in a file for Medanchor.
pub(super) struct Key {
    pub(super) file: PathBuf,
    id: String,
    secret: String,
}

impl Key {
    pub(super) fn read(file: PathBuf) -> Result<Self> {
        let said = std::fs::read_to_string(&file)?;
        let value = |name: &str| {
            let mut lines = said.lines();
            let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.map(|value| value.trim_matches('"').to_owned())
        };
        let id = value("access_key_id").context("its id")?;
        let secret = value("secret_access_key").context("its secret")?;
        Ok(Self { file, id, secret })
    }

    pub(super) fn credentials(&self) -> Credentials {
        Credentials {
            access_key_id: self.id.clone(),
            secret_access_key: self.secret.clone().into(),
            session_token: None,
        }
    }

    /// The text of its file with a slip in the secret.
    pub(super) fn with_another_secret(&self, text: &str) -> String {
        text.replace(&self.secret, &self.secret.chars().rev().collect::<String>())
    }

    /// The text of its file with a slip in the id.
    pub(super) fn with_another_id(&self, text: &str) -> String {
        text.replace(&self.id, "AKIAOFNOBODYATALL123")
    }

    /// No secret of this key is in what was said, and no signature, also not of a slip's.
    pub(super) fn is_nowhere_in(&self, said: &str) -> Result<()> {
        let slip: String = self.secret.chars().rev().collect();
        for secret in [
            &self.secret,
            &slip,
            "Signature=",
            "aws4_request",
            "AWS4-HMAC",
        ] {
            ensure!(!said.contains(secret), "a secret or signature was said");
        }
        Ok(())
    }
}

pub(super) fn agent() -> Agent {
    let settings = Agent::config_builder().timeout_global(Some(Duration::from_secs(30)));
    settings.proxy(None).build().new_agent()
}

/// `http://127.0.0.1:PORT` out of a line of what it says.
fn address(line: &str) -> Option<String> {
    let rest = line.split("http://127.0.0.1:").nth(1)?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("http://127.0.0.1:{port}"))
}
