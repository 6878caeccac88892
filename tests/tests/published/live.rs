//! A node that copies its log to a folder while events come, and is killed again and again: whoever
//! reads the copy at any moment finds all that its checkpoint needs.

use super::folder::size_of;
use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::Size;
use medanchor_ledger::merkle::bundle::BundleId;
use medanchor_ledger::merkle::tile::TileId;
use medanchor_tests::client::{Client, batch};
use medanchor_tests::file_server::FileServer;
use medanchor_tests::network::{Network, PATIENCE, binary, wait_for};
use medanchor_tests::workload::Author;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// How often the node is killed.
const KILLS: usize = 4;

#[test]
fn a_copy_of_a_node_that_is_killed_again_and_again_is_whole_at_every_moment() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let copy = dir.path().join("copy");
    std::fs::create_dir(&copy)?;
    let mut network = Network::start(
        &binary("medanchor")?,
        &dir.path().join("net"),
        1,
        |config| {
            config.publish.url = format!("file://{}", copy.display());
            config.publish.interval_ms = 1;
            config.store.publish_interval_ms = 20;
            config.consensus.heartbeat_ms = 500;
        },
    )?;
    let watcher = Watcher::start(&copy);
    let author = network.authors()?.pop().context("an author")?;
    for _ in 0..KILLS {
        let before = copied(&copy)?;
        let load = Load::start(network.client(0), author.clone());
        wait_for("the copy to grow", PATIENCE, || {
            Ok(copied(&copy)? > before + 300)
        })?;
        network.kill(0);
        load.stop()?;
        network.restart(0)?;
        network.wait_until_node_is_ready(0)?;
    }
    let client = network.client(0);
    client.post(&batch(&author.seal_many(10)?), true)?;
    wait_for("the copy to be the log", PATIENCE, || {
        let status = client.status()?;
        let publishing = status.publishing.context("it copies")?;
        Ok(publishing.size >= status.published && publishing.behind_entries == 0)
    })?;
    let seen = watcher.stop()?;
    ensure!(seen > KILLS, "only {seen} checkpoints were seen");
    ensure!(
        client
            .status()?
            .publishing
            .context("it copies")?
            .last_error
            .is_none()
    );

    // Nobody writes any more, and the copy alone is a log that an auditor accepts, by file and by HTTP.
    ensure!(network.stop());
    let files = FileServer::start(&copy)?;
    for place in [copy.display().to_string(), files.url()] {
        let audit = Command::new(binary("medanchor-audit")?)
            .args(["verify", &place])
            .output()?;
        ensure!(
            audit.status.success(),
            "{place}: {}",
            String::from_utf8_lossy(&audit.stdout)
        );
    }
    Ok(())
}

fn copied(copy: &Path) -> Result<u64> {
    match std::fs::read(copy.join("checkpoint")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        note => Ok(size_of(&note?)),
    }
}

/// Posts events until it is stopped or the node is gone.
struct Load(Arc<AtomicBool>, JoinHandle<Result<()>>);

impl Load {
    fn start(client: Client, author: Author) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let post = move || {
            while !stop.load(Ordering::SeqCst) {
                let events = batch(&author.seal_many(50)?);
                // A node that was killed answers nothing.
                let _ = client.post(&events, true);
            }
            Ok(())
        };
        Self(stopped, std::thread::spawn(post))
    }

    fn stop(self) -> Result<()> {
        self.0.store(true, Ordering::SeqCst);
        self.1.join().unwrap_or_else(|_| bail!("the load panicked"))
    }
}

/// Looks at each checkpoint of the copy that it sees whether all that it needs is there.
struct Watcher(Arc<AtomicBool>, JoinHandle<Result<usize>>);

impl Watcher {
    fn start(copy: &Path) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let (stop, copy) = (Arc::clone(&stopped), copy.to_owned());
        Self(stopped, std::thread::spawn(move || watch(&copy, &stop)))
    }

    /// How many checkpoints it saw, all of them whole.
    fn stop(self) -> Result<usize> {
        self.0.store(true, Ordering::SeqCst);
        self.1
            .join()
            .unwrap_or_else(|_| bail!("the watcher panicked"))
    }
}

fn watch(copy: &Path, stop: &AtomicBool) -> Result<usize> {
    let mut seen = BTreeSet::new();
    while !stop.load(Ordering::SeqCst) {
        let size = copied(copy)?;
        if size > 0 && seen.insert(size) {
            let needed = ["genesis", "certificates", "cosignatures"];
            for path in needed.iter().map(|name| copy.join(name)) {
                ensure!(
                    path.is_file(),
                    "{} is missing at size {size}",
                    path.display()
                );
            }
            let tiles = TileId::grown(Size(0), Size(size))
                .map(|id| (id.to_string(), id.full().to_string()));
            let bundles = BundleId::grown(Size(0), Size(size))
                .map(|id| (id.to_string(), id.full().to_string()));
            for (exact, full) in tiles.chain(bundles) {
                ensure!(
                    there(copy, &exact, &full),
                    "{exact} is missing at size {size}"
                );
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok(seen.len())
}

/// A partial tile may have gone since, but only because the full one is there.
fn there(copy: &Path, exact: &str, full: &str) -> bool {
    let paths: [PathBuf; 2] = [copy.join(exact), copy.join(full)];
    paths.iter().any(|path| path.is_file())
}
