//! The live network that the checkers look at: four validators, some hundred events, their receipts.

use anyhow::{Context, Result, ensure};
use medanchor_ledger::checkpoint::{cosigner_key, log_key};
use medanchor_ledger::event::Event;
use medanchor_ledger::note::{NoteKey, VerifierKey};
use medanchor_ledger::signature::SigningKey;
use medanchor_tests::client::batch;
use medanchor_tests::file_server::FileServer;
use medanchor_tests::files::copy_with_a_flipped_bit;
use medanchor_tests::network::{Network, PATIENCE, binary, wait_for};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tempfile::TempDir;

/// How many validators there are.
pub(crate) const VALIDATORS: usize = 4;
/// How many of them are a quorum.
pub(crate) const QUORUM: usize = 3;

/// A network, and files about it for programs to read.
pub(crate) struct Live {
    network: Network,
    files: TempDir,
    /// An event, and another one, with their receipts in files.
    pub(crate) events: [Event; 2],
}

/// The network that runs now, for as long as a test needs it.
static RUNNING: Mutex<Weak<Live>> = Mutex::new(Weak::new());

impl Live {
    /// The network that another test has started, or a new one.
    pub(crate) fn get() -> Result<Arc<Self>> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = running.upgrade() {
            return Ok(live);
        }
        let live = Arc::new(Self::start()?);
        *running = Arc::downgrade(&live);
        Ok(live)
    }

    fn start() -> Result<Self> {
        let files = tempfile::tempdir()?;
        let dir = files.path().join("network");
        let network = Network::start(&binary("medanchor")?, &dir, VALIDATORS, |_| {})?;
        let client = network.client(0);
        let author = network.authors()?.pop().context("an author")?;
        let post = |count| -> Result<()> {
            let answer = client.post(&batch(&author.seal_many(count)?), true)?;
            ensure!(answer.refused == 0);
            Ok(())
        };
        let write = |name: &str, bytes: &[u8]| std::fs::write(files.path().join(name), bytes);
        post(50)?;
        write("older-checkpoint", &client.get("/checkpoint")?)?;
        for _ in 0..3 {
            post(200)?;
        }
        let events = [author.seal()?, author.seal()?];
        for (place, event) in events.iter().enumerate() {
            write(&format!("{place}.event"), event.encoded())?;
            write(&format!("{place}.tlog-proof"), &client.anchor(event)?)?;
        }
        write("policy", network.layout().genesis.policy().as_bytes())?;
        let other = medanchor_tests::network::found(&files.path().join("other"), VALIDATORS)?;
        write(
            "policy-of-another-network",
            other.genesis.policy().as_bytes(),
        )?;
        for (place, validator) in network.layout().genesis.validators().iter().enumerate() {
            let pem = files.path().join(format!("{place}.pem"));
            write_pem(&pem, validator.cose.as_bytes())?;
        }
        Ok(Self {
            network,
            files,
            events,
        })
    }

    fn validators(&self) -> impl Iterator<Item = &medanchor_ledger::validator::Validator> {
        self.network.layout().genesis.validators().iter()
    }

    /// The node's address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.network.node(0).http)
    }

    /// A file about the network.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// As [`Self::file`], as an argument.
    pub(crate) fn argument(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// A log key that signs the checkpoints.
    pub(crate) fn log_key(&self) -> Result<String> {
        let validator = self.validators().next().context("a validator")?;
        Ok(log_key(self.network.layout().genesis.origin(), validator).to_string())
    }

    /// A key under the same name that signs none of them.
    pub(crate) fn other_log_key(&self) -> String {
        let origin = self.network.layout().genesis.origin().clone();
        let key = NoteKey::Ed25519(SigningKey::from_seed(&[9; 32]).public_key());
        VerifierKey::new(origin, key).to_string()
    }

    /// The cosigners' keys.
    pub(crate) fn cosigner_keys(&self) -> Result<Vec<String>> {
        let origin = self.network.layout().genesis.origin();
        let keys = self
            .validators()
            .map(|validator| Ok(cosigner_key(origin, validator)?.to_string()));
        keys.collect()
    }

    /// An event with a quorum of COSE Receipts (RFC 9943); it is asked for again until a checkpoint has
    /// that quorum.
    pub(crate) fn transparent_statement(&self, place: usize) -> Result<Vec<u8>> {
        let event = self.events.get(place).context("an event")?;
        let url = format!("{}/v1/events/{}/receipt", self.url(), event.id());
        let settings = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .proxy(None);
        let agent = settings.build().new_agent();
        let mut statement = Vec::new();
        wait_for("a quorum of COSE Receipts", PATIENCE, || {
            let request = agent
                .get(&url)
                .header("accept", "application/scitt-statement+cose");
            let mut answer = request.call()?;
            statement = answer.body_mut().read_to_vec()?;
            Ok(answer.status() == 200)
        })?;
        Ok(statement)
    }

    /// A copy of the published folder with one wrong bit in `file`, served by a plain file server.
    pub(crate) fn with_a_flipped_bit(&self, file: &str) -> Result<Wrong> {
        let dir = tempfile::tempdir()?;
        copy_with_a_flipped_bit(&self.network.node(0).home.log(), dir.path(), file)?;
        let server = FileServer::start(dir.path())?;
        Ok(Wrong { server, _dir: dir })
    }
}

/// A wrong copy of the log.
pub(crate) struct Wrong {
    server: FileServer,
    _dir: TempDir,
}

impl Wrong {
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }
}

/// An Ed25519 public key as other programs read it (RFC 8410).
pub(crate) fn write_pem(path: &Path, key: &[u8]) -> Result<()> {
    use base64::Engine;
    let prefix = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    let der = [prefix.as_slice(), key].concat();
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n");
    Ok(std::fs::write(path, pem)?)
}
