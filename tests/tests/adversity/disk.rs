//! Disks that fail: a node that cannot write stops, says so, and has lost nothing that it
//! acknowledged once it can write again.

use crate::stage::Stage;
use anyhow::{Context, Result, bail};
use medanchor_ledger::Size;
use medanchor_ledger::certificate::VoteKind;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::event::Event;
use medanchor_network::testing::Heard;
use medanchor_node::config::Config;
use medanchor_node::exit::Exit;
use medanchor_tests::client::batch;
use medanchor_tests::network::{Network, PATIENCE, binary, change_config, found};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A program that does what `script` says and becomes `medanchor`.
fn wrapped(dir: &Path, script: &str) -> Result<PathBuf> {
    let path = dir.join("wrapped");
    let medanchor = binary("medanchor")?;
    let text = format!("#!/bin/sh\n{script} '{}' \"$@\"\n", medanchor.display());
    std::fs::write(&path, text)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
    Ok(path)
}

fn adjust(config: &mut Config) {
    config.store.publish_interval_ms = 50;
}

/// Posts until the node takes no more; gives what it acknowledged.
fn post_until_it_ends(network: &mut Network) -> Result<Vec<Event>> {
    let (client, author) = (network.client(0), network.authors()?.remove(0));
    let (mut acknowledged, start) = (Vec::new(), Instant::now());
    loop {
        let events = author.seal_many(100)?;
        let Ok(answer) = client.post(&batch(&events), true) else {
            return Ok(acknowledged);
        };
        let anchored = events.into_iter().zip(&answer.results);
        acknowledged.extend(
            anchored
                .filter(|(_, result)| result.anchored().is_some())
                .map(|(event, _)| event),
        );
        if start.elapsed() > PATIENCE {
            bail!("the disk is not full after {} events", acknowledged.len());
        }
    }
}

/// The node said that the disk is full, and after it was started again all is there.
fn all_is_there(network: &mut Network, make_room: impl FnOnce() -> Result<()>) -> Result<()> {
    let acknowledged = post_until_it_ends(network)?;
    let (code, said) = network.end_of(0)?;
    assert_eq!(code, Exit::DiskFull.code(), "{said}");
    assert!(said.contains("the disk is full at"), "{said}");
    assert!(!acknowledged.is_empty());
    make_room()?;
    network.restart(0)?;
    network.wait_until_node_is_ready(0)?;
    let client = network.client(0);
    let policy = network.layout().genesis.policy().clone();
    for event in &acknowledged {
        let receipt = client.receipt(&event.id())?;
        medanchor_sdk::verify_receipt(&policy, event.encoded(), &receipt)?;
    }
    client.anchor(&network.authors()?.remove(0).seal()?)?;
    Ok(())
}

#[test]
fn a_node_whose_files_may_not_grow_stops_and_loses_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let limit = dir.path().join("limit");
    // In blocks of 512 bytes: above what a new home needs. A write beyond fails instead of killing.
    std::fs::write(&limit, "4096")?;
    let script = format!(
        "if [ -f '{0}' ]; then ulimit -f \"$(cat '{0}')\"; trap '' XFSZ; fi\nexec",
        limit.display()
    );
    let program = wrapped(dir.path(), &script)?;
    let mut network = Network::start(&program, &dir.path().join("net"), 1, adjust)?;
    all_is_there(&mut network, || Ok(std::fs::remove_file(&limit)?))
}

/// A file system in memory, in a namespace of its own, for some folders of a home.
struct SmallDisk {
    space: PathBuf,
    holder: Child,
}

impl SmallDisk {
    /// None where the system does not allow it, which is said.
    fn mount(space: &Path, home: &Path, folders: &[&str]) -> Result<Option<Self>> {
        let script = r#"set -e
            space=$1; home=$2; shift 2
            mkdir -p "$space"
            mount -t tmpfs -o size=64m tmpfs "$space"
            for folder; do
                mkdir -p "$space/$folder" "$home/$folder"
                mount --bind "$space/$folder" "$home/$folder"
            done
            echo mounted
            exec cat"#;
        let holder = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                script,
                "sh",
            ])
            .args([space, home])
            .args(folders)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut holder) = holder else {
            return skipped();
        };
        let mut line = String::new();
        let said = holder.stdout.take().context("a pipe")?;
        BufReader::new(said).read_line(&mut line)?;
        let space = space.to_owned();
        let disk = Self { space, holder };
        match line.as_str() {
            "mounted\n" => Ok(Some(disk)),
            _ => skipped(),
        }
    }

    /// Leaves so many KiB free.
    fn fill(&self, left: u32) -> Result<()> {
        self.run(&format!(
            r#"free=$(df -k "$1" | tail -n 1 | tr -s " " | cut -d " " -f 4)
            dd if=/dev/zero of="$1/filler" bs=1024 count=$((free - {left})) 2>/dev/null"#
        ))
    }

    fn make_room(&self) -> Result<()> {
        self.run(r#"rm "$1/filler""#)
    }

    /// What to put before a command that is to see the file system.
    fn enter(&self) -> String {
        format!(
            "nsenter --user --mount --preserve-credentials --target {} --",
            self.holder.id()
        )
    }

    fn run(&self, script: &str) -> Result<()> {
        let command = format!(
            "{} sh -c '{script}' sh '{}'",
            self.enter(),
            self.space.display()
        );
        match Command::new("sh")
            .args(["-c", &command])
            .status()?
            .success()
        {
            true => Ok(()),
            false => bail!("{script} failed"),
        }
    }
}

fn skipped() -> Result<Option<SmallDisk>> {
    let warning = "SKIPPED: no namespaces here, so no disk was really full in this run";
    writeln!(std::io::stderr(), "\n!! {warning} !!\n")?;
    Ok(None)
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn a_node_whose_disk_is_full_stops_and_loses_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = found(&dir.path().join("net"), 1)?;
    let node = layout.nodes.first().context("a node")?;
    change_config(node, &adjust)?;
    let space = dir.path().join("space");
    let Some(disk) = SmallDisk::mount(&space, node.home.path(), &["data", "log"])? else {
        return Ok(());
    };
    let program = wrapped(dir.path(), &format!("exec {}", disk.enter()))?;
    let mut network = Network::run(&program, layout)?;
    network
        .client(0)
        .anchor(&network.authors()?.remove(0).seal()?)?;
    disk.fill(2048)?;
    all_is_there(&mut network, || disk.make_room())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_no_room_for_votes_stops_and_goes_on_at_its_round() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut disk = None;
    let stage = Stage::set_with(|node| {
        let space = dir.path().join("space");
        disk = SmallDisk::mount(&space, node.home.path(), &["data/wal"])?;
        match &disk {
            Some(disk) => wrapped(dir.path(), &format!("exec {}", disk.enter())),
            None => binary("medanchor"),
        }
    });
    let mut stage = stage.await?;
    let Some(disk) = disk else { return Ok(()) };
    disk.fill(0)?;
    // Rounds without a block, until their votes need more than the block that the log has.
    let (rounds, all) = (12, [0, 1, 2]);
    for round in 0..rounds {
        // Once the node has stopped nobody is there to take them.
        let _ = stage.vote(&all, VoteKind::Precommit, round, None);
    }
    let status = stage.process.wait(PATIENCE).context("the node stops")?;
    let said = stage.process.said();
    assert_eq!(status.code(), Some(Exit::DiskFull.code().into()), "{said}");
    assert!(
        said.contains("the disk is full at") && said.contains("consensus.wal"),
        "{said}"
    );

    disk.make_room()?;
    stage.restart().await?;
    for round in 0..rounds {
        stage.vote(&all, VoteKind::Precommit, round, None)?;
    }
    let block = stage.block(rounds, &[])?;
    let value = Some(block.value_id);
    stage.propose(rounds, &block)?;
    stage.hear_vote(VoteKind::Prevote, rounds, value).await?;
    stage.vote(&all, VoteKind::Prevote, rounds, value)?;
    stage.vote(&all, VoteKind::Precommit, rounds, value)?;
    let size = block.head.frontier.size();
    stage
        .hear("the cosignature", |heard| is_cosignature(heard, size))
        .await
}

fn is_cosignature(heard: &Heard, size: Size) -> bool {
    matches!(heard, Heard::Cosignature(record)
        if Cosignature::decode(record).is_ok_and(|record| record.size == size))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cosignature_that_could_not_be_marked_first_is_not_sent() -> Result<()> {
    let mut stage = Stage::set().await?;
    stage.process.ask_to_stop();
    stage.process.wait(PATIENCE).context("the node stops")?;
    // An empty file that can be opened for writing and refuses every write.
    let sealed = memfd_create("marks", MFdFlags::MFD_ALLOW_SEALING)?;
    fcntl(&sealed, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE))?;
    let marks = stage.node.home.data().join("marks");
    let refusing = format!("/proc/{}/fd/{}", std::process::id(), sealed.as_raw_fd());
    std::fs::remove_file(&marks)?;
    std::os::unix::fs::symlink(refusing, &marks)?;
    stage.restart().await?;

    let block = stage.block(0, &[])?;
    let (value, size) = (Some(block.value_id), block.head.frontier.size());
    stage.propose(0, &block)?;
    stage.vote(&[0, 1, 2], VoteKind::Prevote, 0, value)?;
    stage.vote(&[0, 1, 2], VoteKind::Precommit, 0, value)?;
    stage.hear("the end", |heard| *heard == Heard::Gone).await?;
    let status = stage.process.wait(PATIENCE).context("the node stops")?;
    let said = stage.process.said();
    assert_eq!(status.code(), Some(Exit::Failure.code().into()), "{said}");
    assert!(
        said.contains("cannot write") && said.contains("marks"),
        "{said}"
    );
    assert!(stage.cosigned(size).is_empty(), "it left without its mark");

    // The block itself was decided: with marks that can be written the node signs it, the mark first.
    std::fs::remove_file(&marks)?;
    stage.restart().await?;
    let mut marked = Vec::new();
    let look = |heard: &Heard| {
        let of_size = is_cosignature(heard, size);
        if of_size {
            marked.push(std::fs::read(&marks).unwrap_or_default());
        }
        of_size
    };
    stage.hear("the cosignature", look).await?;
    let height = block.seal.height.0.to_be_bytes();
    assert!(
        marked.iter().all(|marks| marks.starts_with(&height)),
        "{marked:?}"
    );
    Ok(())
}
