//! A witness that we did not write (aics-witness): fed by the publisher's node, killed, and asked to sign
//! what it must not; and what the tests of two witnesses share.

use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::note::{Note, VerifierKey};
use medanchor_ledger::{Size, sha256};
use medanchor_node::config::Witness as Configured;
use medanchor_node::process::free_ports;
use medanchor_tests::client::{Client, batch};
use medanchor_tests::network::{
    Network, PATIENCE, binary, change_config, found_with_publisher, wait_for,
};
use medanchor_tests::tool::{Running, Tool, installed};
use std::path::Path;

const NAME: &str = "witness.example/stranger";

#[test]
fn a_witness_of_others_cosigns_what_the_node_feeds_it_and_nothing_else() -> Result<()> {
    let (Some(program), Some(client)) = (
        installed("venv/bin/aics-witness"),
        installed("venv/bin/aics-tlog"),
    ) else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let layout = found_with_publisher(&dir.path().join("net"), 1)?;
    let log = layout.genesis.publisher_key().context("a publisher")?;
    let witness = Witness::new(program, dir.path(), &log)?;
    let node = layout.nodes.first().context("a node")?;
    change_config(node, &|config| {
        config.witness = vec![configured(witness.url(), &witness.key)]
    })?;
    let mut running = witness.start()?;
    let network = Network::run(&binary("medanchor")?, layout)?;
    let author = network.authors()?.pop().context("an author")?;
    let node = network.client(0);
    for _ in 0..2 {
        node.post(&batch(&author.seal_many(300)?), true)?;
        let size = witness.wait_for_cosigned(&node, &log)?;
        ensure!(size.0 >= 300);
        drop(running);
        running = witness.start()?;
    }

    let witnessed = dir.path().join("witnessed");
    std::fs::write(&witnessed, node.get("/witnessed")?)?;
    let check = |key: &str| {
        let note = witnessed.display().to_string();
        [
            "verify-checkpoint",
            "--note",
            &note,
            "--log-key",
            &log.to_string(),
            "--witness-key",
            key,
            "--quorum",
            "1",
        ]
        .map(str::to_owned)
    };
    client.accepts(&check(&witness.key.to_string()))?;
    let stranger = Witness::new(
        installed("venv/bin/aics-witness").context("it is there")?,
        &dir.path().join("other"),
        &log,
    )?;
    client.refuses("\"ok\": false", &check(&stranger.key.to_string()))?;

    let unsigned = without_signatures_by(&log, &node.get("/checkpoint")?)?;
    let url = witness.url();
    ensure!(offer(&url, &format!("old 0\n\n{unsigned}"))? == 403);
    ensure!(offer(&url, "old 0\n\nnonsense\n")? == 400);
    drop(running);
    Ok(())
}

/// A checkpoint that is nothing to a witness of `log`: it lacks that key's signature.
pub(crate) fn without_signatures_by(log: &VerifierKey, checkpoint: &[u8]) -> Result<String> {
    let note = std::str::from_utf8(checkpoint)?;
    let origin = note.lines().next().context("an origin")?;
    ensure!(origin == log.name().as_str());
    let lines = note.split_inclusive('\n');
    Ok(lines.filter(|line| !signed_by(line, log)).collect())
}

/// Whether a line is a signature by `key`.
fn signed_by(line: &str, key: &VerifierKey) -> bool {
    let text = format!("x\n\n{line}");
    let note = Note::parse(text.as_bytes());
    note.is_ok_and(|note| {
        note.signatures()
            .iter()
            .any(|signature| key.claims(signature))
    })
}

/// The program with a key and a place of its own.
struct Witness {
    program: Tool,
    config: String,
    said: std::path::PathBuf,
    listen: String,
    key: VerifierKey,
}

impl Witness {
    fn new(program: Tool, dir: &Path, log: &VerifierKey) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let config = dir.join("witness.json").display().to_string();
        let said = program.accepts(&["init", "--config", &config, "--name", NAME])?;
        let key = said.lines().find_map(|line| line.parse().ok());
        let (origin, log) = (log.name().to_string(), log.to_string());
        program.accepts(&[
            "add-log", "--config", &config, "--origin", &origin, "--vkey", &log,
        ])?;
        Ok(Self {
            program,
            config,
            said: dir.join("witness.said"),
            listen: format!("127.0.0.1:{}", free_ports(1)?.first().context("a port")?),
            key: key.with_context(|| format!("no key in {said}"))?,
        })
    }

    fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Starts it and waits until it answers.
    fn start(&self) -> Result<Running> {
        let arguments = ["serve", "--config", &self.config, "--listen", &self.listen];
        let running = self.program.start(&self.said, &arguments)?;
        let client = Client::new(self.url(), PATIENCE);
        let answers = || Ok(client.get("/healthz").is_ok());
        let heard = wait_for("the witness to answer", PATIENCE, answers);
        heard.with_context(|| std::fs::read_to_string(&self.said).unwrap_or_default())?;
        Ok(running)
    }

    /// Waits until all that is published is cosigned, at the node and at the witness; gives the size.
    fn wait_for_cosigned(&self, node: &Client, log: &VerifierKey) -> Result<Size> {
        let hash = hex::encode(sha256(&[log.name().as_str().as_bytes()]));
        let own = Client::new(self.url(), PATIENCE);
        let mut size = Size(0);
        wait_for("the cosignature of the witness", PATIENCE, || {
            let status = node.status()?;
            let Ok(note) = node.get("/witnessed") else {
                return Ok(false);
            };
            size = cosigned(&note, &self.key)?;
            let theirs = own.get(&format!("/{hash}/checkpoint"));
            Ok(size.0 == status.published
                && theirs.is_ok_and(|note| cosigned(&note, &self.key).is_ok()))
        })?;
        Ok(size)
    }
}

/// What a node's configuration says of the witness at `url`.
pub(crate) fn configured(url: String, key: &VerifierKey) -> Configured {
    Configured {
        name: "stranger".parse().expect("a name"),
        url,
        keys: vec![key.to_string()],
        interval_ms: 20,
    }
}

/// The size of a note, which the witness with `key` must have cosigned.
pub(crate) fn cosigned(note: &[u8], key: &VerifierKey) -> Result<Size> {
    let note = Note::parse(note)?;
    if note.signed_by(key)?.is_none() {
        bail!("it lacks the witness's cosignature");
    }
    let checkpoint: Checkpoint = note.text().parse()?;
    Ok(checkpoint.size)
}

/// The status with which the witness at `url` answers `body`.
pub(crate) fn offer(url: &str, body: &str) -> Result<u16> {
    let settings = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .proxy(None);
    let agent = settings.build().new_agent();
    let answer = agent.post(format!("{url}/add-checkpoint")).send(body)?;
    Ok(answer.status().as_u16())
}
