//! `mirror`: the copy is the same log, whatever kills it and however often it is begun again.

#[path = "mirror/cosignatures.rs"]
mod cosignatures;
mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use support::server::{serve, serve_with};
use support::{Built, PATIENCE, cosign, ends, finish, framed, start, verify, write};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn published(built: &Built) -> TempDir {
    let folder = folder();
    built.publish(folder.path());
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

/// Mirrors as often as one may ask in a test.
fn mirror(source: &str, dir: &Path, more: &[&str]) -> (i32, String) {
    let args = [
        "mirror",
        source,
        text(dir),
        "--retries",
        "0",
        "--timeout",
        "60",
    ];
    ends(&[&args, more].concat())
}

/// Every file of a log below a folder, without what a mirror keeps beside it.
fn log_files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut open) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(inner) = open.pop() {
        for entry in fs::read_dir(inner).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true if path.ends_with(".mirror") => {}
                true => open.push(path),
                false => {
                    let name = path.strip_prefix(folder).expect("a path below").to_owned();
                    files.insert(name, fs::read(path).expect("a file"));
                }
            }
        }
    }
    files
}

fn holds(dir: &Path, size: u64) {
    let (code, report) = verify(dir);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["entries"], size, "{report:#}");
}

#[test]
fn a_mirror_of_a_folder_and_of_an_address_is_the_same_log_file_by_file() {
    let built = Built::busy(40);
    let source = published(&built);
    for target in [text(source.path()).to_owned(), serve(source.path())] {
        let dir = folder();
        let (code, said) = mirror(&target, dir.path(), &[]);
        assert_eq!(code, 0, "{said}");
        assert!(
            log_files(dir.path()) == log_files(source.path()),
            "{target}"
        );
        holds(dir.path(), built.size());
        let served = serve(dir.path());
        let (code, report) = verify(Path::new(&served));
        assert_eq!(code, 0, "the mirror, served, is the log: {report:#}");
        let (code, said) = mirror(&target, dir.path(), &[]);
        assert!(code == 0 && said.contains("already"), "{said}");
    }
}

#[test]
fn a_mirror_grows_with_its_source_and_drops_what_full_files_replace() {
    let (small, large) = (Built::busy(20), Built::busy(66));
    assert!(small.size() < 256 && large.size() > 512);
    let (first, second) = (published(&small), published(&large));
    let dir = folder();
    for (source, built) in [(&first, &small), (&second, &large)] {
        let (code, said) = mirror(&serve(source.path()), dir.path(), &[]);
        assert_eq!(code, 0, "{said}");
        holds(dir.path(), built.size());
    }
    assert!(
        log_files(dir.path()) == log_files(second.path()),
        "nothing is left of the small one"
    );
}

#[test]
fn a_mirror_goes_on_from_another_node_whose_files_are_of_other_lengths() {
    let (small, large) = (Built::busy(20), Built::busy(40));
    let (first, second) = (published(&small), published(&large));
    let later = (1..=40).map(|height| large.certificate(height, 2, 4).encode());
    write(second.path(), "certificates", &framed(later));
    let mut records: Vec<Vec<u8>> = Vec::new();
    for checkpoint in large.checkpoints().into_iter().skip(1) {
        records.extend(
            (0..4)
                .rev()
                .map(|number| cosign(&checkpoint, number).encode()),
        );
    }
    write(second.path(), "cosignatures", &framed(records.into_iter()));
    let dir = folder();
    assert_eq!(mirror(&serve(first.path()), dir.path(), &[]).0, 0);
    let (code, said) = mirror(&serve(second.path()), dir.path(), &[]);
    assert_eq!(code, 0, "{said}");
    let (code, report) = verify(dir.path());
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["certificate_signatures"], 20 * 3 + 20 * 4);
    assert_eq!(report["cosignatures"]["records"], 160);
}

/// A server that never answers request number `last`, and says when it came.
fn stuck(source: &Path, last: usize) -> (String, Receiver<()>) {
    let (came, comes) = channel();
    let (came, count) = (Mutex::new(came), Mutex::new(0));
    let address = serve_with(source, move |_, _| {
        let mut count = count.lock().expect("a count");
        *count += 1;
        let stuck = *count >= last;
        drop(count);
        if stuck {
            // The test may be over.
            let _ = came.lock().expect("a sender").send(());
            thread::sleep(PATIENCE);
        }
        stuck
    });
    (address, comes)
}

#[test]
fn a_kill_at_any_request_loses_nothing_and_leaves_nothing_unverified() {
    let built = Built::busy(66);
    let source = published(&built);
    let dir = folder();
    let good = serve(source.path());
    let mut killed = 0;
    for last in [1, 3, 4, 6, 7, 8, 9, 10, 11, 12] {
        let (address, comes) = stuck(source.path(), last);
        let args = ["mirror", &address, text(dir.path()), "--parallel", "1"];
        let mut child = start(&args);
        // What is in place already is not asked for again, so a late request may never come.
        let patience = std::time::Instant::now() + PATIENCE;
        let stopped = loop {
            if comes.try_recv().is_ok() {
                break true;
            }
            if child.try_wait().expect("a process").is_some() {
                break false;
            }
            assert!(
                std::time::Instant::now() < patience,
                "request {last} never comes"
            );
            thread::sleep(std::time::Duration::from_millis(2));
        };
        child.kill().expect("a kill");
        child.wait().expect("an end");
        if !stopped {
            break;
        }
        killed += 1;
        // A file that was damaged meanwhile counts no more than one that never came.
        if let Ok(mut bytes) = fs::read(dir.path().join("tile/0/000")) {
            bytes[7] ^= 1;
            fs::write(dir.path().join("tile/0/000"), bytes).expect("a file");
        }
        let (code, report) = verify(dir.path());
        assert_eq!(
            code, 3,
            "there is no checkpoint before all is there: {report:#}"
        );
        if last > 6 {
            let what = report["fault"]["what"].as_str().unwrap_or_default();
            assert!(what.contains("incomplete mirror"), "{report:#}");
        }
    }
    assert!(killed >= 6, "{killed}");
    let (code, said) = mirror(&good, dir.path(), &[]);
    assert_eq!(code, 0, "{said}");
    holds(dir.path(), built.size());
    assert!(log_files(dir.path()) == log_files(source.path()));
}

#[test]
fn a_mirror_that_is_interrupted_as_it_grows_is_still_the_old_log_and_says_so() {
    let (small, large) = (Built::busy(20), Built::busy(66));
    let (first, second) = (published(&small), published(&large));
    let dir = folder();
    assert_eq!(mirror(&serve(first.path()), dir.path(), &[]).0, 0);
    let gone = serve_with(second.path(), |path, _| path == "tile/entries/001");
    let (code, said) = mirror(&gone, dir.path(), &[]);
    assert_eq!(code, 3, "{said}");
    let (code, report) = verify(dir.path());
    assert_eq!(
        (code, &report["entries"]),
        (0, &small.size().into()),
        "{report:#}"
    );
    let left = report["not_checked"].to_string();
    assert!(left.contains("interrupted on its way to"), "{report:#}");
    assert_eq!(mirror(&serve(second.path()), dir.path(), &[]).0, 0);
    holds(dir.path(), large.size());
}

/// The evidence that a run names, and what `evidence` says of it.
fn evidence(said: &str, genesis: &Path) -> (i32, Value) {
    let told: Value = serde_json::from_str(said.trim()).unwrap_or_else(|_| panic!("{said}"));
    let file = told["evidence"]
        .as_str()
        .unwrap_or_else(|| panic!("{said}"));
    let (code, text) = ends(&["evidence", file, "--genesis", text(genesis), "--json"]);
    (
        code,
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}")),
    )
}

#[test]
fn a_fork_is_refused_at_any_size_and_its_evidence_convinces_offline() {
    let honest = Built::busy(20);
    let source = published(&honest);
    let dir = folder();
    assert_eq!(mirror(text(source.path()), dir.path(), &[]).0, 0);
    let before = log_files(dir.path());
    let larger = published(&Built::forked(10, 50));
    let smaller = published(&Built::forked(10, 14));
    for other in [&larger, &smaller] {
        let (code, said) = mirror(&serve(other.path()), dir.path(), &["--json"]);
        assert_eq!(code, 1, "{said}");
        let (code, proved) = evidence(&said, &source.path().join("genesis"));
        assert_eq!(
            (code, &proved["verdict"]),
            (0, &"proved".into()),
            "{proved:#}"
        );
        assert_eq!(proved["both_accepted_by_policy"], true);
        // One log key and three cosigners: the note of a receipt.
        assert_eq!(
            proved["signed_both"].as_array().map(Vec::len),
            Some(4),
            "{proved:#}"
        );
        assert!(
            log_files(dir.path()) == before,
            "the mirror stays what it was"
        );
    }
    let stranger = folder();
    fs::write(
        stranger.path().join("policy"),
        support::genesis("other.example").policy().as_bytes(),
    )
    .expect("a file");
    let file = fs::read_dir(dir.path().join(".mirror")).expect("a folder");
    let file = file
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "fork"));
    let policy = stranger.path().join("policy");
    let (code, said) = ends(&[
        "evidence",
        text(&file.expect("evidence")),
        "--policy",
        text(&policy),
    ]);
    assert_eq!(code, 1, "another network's policy convicts nobody: {said}");
}

#[test]
fn a_fork_that_an_interrupted_run_has_seen_is_not_forgotten() {
    let dir = folder();
    let one = published(&Built::busy(20));
    let gone = serve_with(one.path(), |path, _| path.starts_with("tile/entries"));
    assert_eq!(mirror(&gone, dir.path(), &[]).0, 3);
    let other = published(&Built::forked(10, 40));
    let (code, said) = mirror(text(other.path()), dir.path(), &["--json"]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(evidence(&said, &one.path().join("genesis")).0, 0);
}

#[test]
fn a_rollback_changes_nothing_and_is_kept_as_an_observation() {
    let (small, large) = (Built::busy(20), Built::busy(40));
    let (first, second) = (published(&small), published(&large));
    let dir = folder();
    assert_eq!(mirror(text(second.path()), dir.path(), &[]).0, 0);
    let before = log_files(dir.path());
    let (code, said) = mirror(text(first.path()), dir.path(), &["--json"]);
    assert_eq!(code, 1, "{said}");
    assert!(log_files(dir.path()) == before);
    let (code, seen) = evidence(&said, &first.path().join("genesis"));
    assert_eq!(
        (code, &seen["verdict"], &seen["kind"]),
        (0, &"observed".into(), &"rollback".into()),
        "{seen:#}"
    );
}

#[test]
fn another_network_and_a_folder_of_something_else_are_refused() {
    let dir = folder();
    let source = published(&Built::busy(3));
    assert_eq!(mirror(text(source.path()), dir.path(), &[]).0, 0);
    let mut other = Built::new("other.example");
    other.block(Vec::new());
    let other = published(&other);
    let (code, said) = mirror(text(other.path()), dir.path(), &[]);
    assert!(code == 1 && said.contains("other.example"), "{said}");
    let files = log_files(other.path());
    let (code, said) = mirror(text(source.path()), other.path(), &[]);
    assert!(code == 3 && said.contains("no mirror's"), "{said}");
    assert!(
        log_files(other.path()) == files,
        "nothing is written into a node's log"
    );
    assert_eq!(
        mirror(text(dir.path()), dir.path(), &[]).0,
        3,
        "a mirror of itself"
    );
    assert_eq!(ends(&["mirror", "x"]).0, 2);
}

#[test]
fn one_bad_cosignature_or_certificate_stops_the_mirror() {
    let built = Built::busy(6);
    for name in ["certificates", "cosignatures"] {
        let source = published(&built);
        let mut bytes = fs::read(source.path().join(name)).expect("a file");
        *bytes.last_mut().expect("a byte") ^= 1;
        fs::write(source.path().join(name), bytes).expect("a file");
        let dir = folder();
        let (code, said) = mirror(text(source.path()), dir.path(), &[]);
        assert_eq!(code, 1, "{name}: {said}");
        assert!(!dir.path().join("checkpoint").exists(), "{name}");
        built.publish(source.path());
        assert_eq!(mirror(text(source.path()), dir.path(), &[]).0, 0);
        holds(dir.path(), built.size());
    }
}

#[test]
fn following_goes_on_until_it_is_asked_to_stop() {
    let (small, large) = (Built::busy(20), Built::busy(40));
    let source = published(&small);
    let dir = folder();
    let args = [
        "mirror",
        text(source.path()),
        text(dir.path()),
        "--follow",
        "--every",
        "1",
        "--json",
    ];
    let mut child = start(&args);
    let (said, says) = channel();
    let out = BufReader::new(child.stdout.take().expect("an output"));
    thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            // The test may be over.
            let _ = said.send(line);
        }
    });
    let wait_for = |size: u64| loop {
        let line = says.recv_timeout(PATIENCE).expect("a line");
        let line: Value = serde_json::from_str(&line).expect("JSON");
        if line["size"] == size {
            break;
        }
    };
    wait_for(small.size());
    large.publish(source.path());
    wait_for(large.size());
    kill(
        Pid::from_raw(i32::try_from(child.id()).expect("a pid")),
        Signal::SIGINT,
    )
    .expect("a signal");
    assert_eq!(finish(child).status.code(), Some(0));
    holds(dir.path(), large.size());
}
