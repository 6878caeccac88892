//! `watch`: what each fault of a copy looks like, what is kept of it, and what is remembered.

#[path = "watch/lasting.rs"]
mod lasting;
#[path = "watch/remembered.rs"]
mod remembered;
mod support;

use medanchor_ledger::Time;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Child;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};
use support::server::serve;
use support::{Built, PATIENCE, ends, finish, start, write};
use tempfile::TempDir;

fn published(built: &Built) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

/// Looks once, and takes no checkpoint for a stall; the exit code and the findings.
fn look(dir: &Path, targets: &[&str]) -> (i32, Vec<Value>) {
    look_with(dir, targets, &["--stall-after", "0"])
}

fn look_with(dir: &Path, targets: &[&str], more: &[&str]) -> (i32, Vec<Value>) {
    let args = [
        "watch",
        "--once",
        "--json",
        "--timeout",
        "20",
        "--dir",
        text(dir),
    ];
    let (code, said) = ends(&[&args, more, targets].concat());
    let lines = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{said}")));
    let lines: Vec<Value> = lines.collect();
    (
        code,
        lines
            .into_iter()
            .filter(|line| line["event"] == "found")
            .collect(),
    )
}

/// What `evidence` says of the file that a finding names.
fn judged(dir: &Path, finding: &Value) -> Value {
    let file = finding["evidence"].as_str().expect("a path");
    let genesis = dir.join("genesis");
    let (code, said) = ends(&["evidence", file, "--genesis", text(&genesis), "--json"]);
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"))
}

fn only(findings: &[Value]) -> &Value {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    &findings[0]
}

#[test]
fn copies_that_agree_are_no_finding() {
    let (small, large) = (published(&Built::busy(20)), published(&Built::busy(40)));
    let dir = tempfile::tempdir().expect("a folder");
    let served = serve(large.path());
    for _ in 0..2 {
        let (code, found) = look(
            dir.path(),
            &[text(small.path()), text(large.path()), &served],
        );
        assert_eq!((code, found.len()), (0, 0), "{found:#?}");
    }
    assert_eq!(
        fs::read_dir(dir.path().join("seen"))
            .expect("a folder")
            .count(),
        3
    );
}

#[test]
fn two_copies_that_contradict_each_other_are_a_proved_fork() {
    let honest = published(&Built::busy(20));
    for other in [
        Built::forked(10, 60),
        Built::forked(10, 12),
        Built::forked(19, 20),
    ] {
        let other = published(&other);
        let dir = tempfile::tempdir().expect("a folder");
        let (code, found) = look(dir.path(), &[text(honest.path()), text(other.path())]);
        assert_eq!((code, &only(&found)["kind"]), (1, &"fork".into()));
        assert_eq!(only(&found)["proved"], true);
        assert_eq!(judged(dir.path(), only(&found))["verdict"], "proved");
    }
}

#[test]
fn a_copy_that_contradicts_what_was_seen_of_it_before_is_a_proved_fork() {
    let folder = published(&Built::busy(20));
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(look(dir.path(), &[text(folder.path())]).0, 0);
    fs::remove_dir_all(folder.path().join("tile")).expect("a folder");
    Built::forked(10, 60).publish(folder.path());
    for _ in 0..2 {
        let (code, found) = look(dir.path(), &[text(folder.path())]);
        assert_eq!(
            (code, &only(&found)["kind"]),
            (1, &"fork".into()),
            "also the second time"
        );
        assert_eq!(judged(dir.path(), only(&found))["verdict"], "proved");
    }
}

#[test]
fn a_rollback_is_observed_with_both_checkpoints() {
    let folder = published(&Built::busy(40));
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(look(dir.path(), &[text(folder.path())]).0, 0);
    let small = Built::busy(20);
    small.publish(folder.path());
    let (code, found) = look(dir.path(), &[text(folder.path())]);
    assert_eq!((code, &only(&found)["kind"]), (1, &"rollback".into()));
    assert_eq!(only(&found)["proved"], false);
    let seen = judged(dir.path(), only(&found));
    assert_eq!(seen["verdict"], "observed");
    let both = seen["checkpoints"].as_array().expect("checkpoints");
    assert!(
        both.len() == 2 && both.iter().all(|found| found["accepted"] == true),
        "{seen:#}"
    );
}

#[test]
fn a_checkpoint_that_nobody_cosigned_of_late_is_a_stall() {
    let folder = published(&Built::busy(6));
    let dir = tempfile::tempdir().expect("a folder");
    let (code, found) = look_with(
        dir.path(),
        &[text(folder.path())],
        &["--stall-after", "600"],
    );
    assert_eq!((code, &only(&found)["kind"]), (1, &"stall".into()));
    assert_eq!(judged(dir.path(), only(&found))["kind"], "stall");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_secs();
    let fresh = Built::busy(6).note_by(3, Time(now * 1000));
    write(folder.path(), "checkpoint", fresh.to_string().as_bytes());
    assert_eq!(
        look_with(
            dir.path(),
            &[text(folder.path())],
            &["--stall-after", "600"]
        )
        .0,
        0
    );
}

#[test]
fn a_checkpoint_without_quorum_is_observed() {
    let built = Built::busy(6);
    let folder = published(&built);
    let few = built.note_by(2, Time(1_700_000_100_000));
    write(folder.path(), "checkpoint", few.to_string().as_bytes());
    let dir = tempfile::tempdir().expect("a folder");
    let (code, found) = look(dir.path(), &[text(folder.path())]);
    assert_eq!((code, &only(&found)["kind"]), (1, &"no-quorum".into()));
    let seen = judged(dir.path(), only(&found));
    assert_eq!(seen["checkpoints"][0]["accepted"], false, "{seen:#}");
}

#[test]
fn a_node_that_does_not_answer_or_answers_nonsense_is_observed_and_hides_nothing() {
    let (honest, other) = (
        published(&Built::busy(20)),
        published(&Built::forked(10, 30)),
    );
    let nonsense = published(&Built::busy(3));
    write(nonsense.path(), "checkpoint", b"what?");
    let dir = tempfile::tempdir().expect("a folder");
    let closed = "http://127.0.0.1:9";
    let targets = [
        closed,
        text(nonsense.path()),
        text(honest.path()),
        text(other.path()),
    ];
    let (code, found) = look(dir.path(), &targets);
    let kinds: Vec<_> = found
        .iter()
        .map(|finding| finding["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!(
        (code, kinds),
        (1, vec!["broken", "fork", "unreachable"]),
        "{found:#?}"
    );
}

#[test]
fn a_copy_whose_tiles_lead_nowhere_is_broken_and_the_others_are_still_compared() {
    let (small, large) = (published(&Built::busy(20)), published(&Built::busy(40)));
    let liar = published(&Built::busy(60));
    fs::remove_dir_all(liar.path().join("tile")).expect("a folder");
    let dir = tempfile::tempdir().expect("a folder");
    let targets = [text(small.path()), text(large.path()), text(liar.path())];
    let (code, found) = look(dir.path(), &targets);
    assert_eq!((code, &only(&found)["kind"]), (1, &"unreachable".into()));
    assert_eq!(only(&found)["of"], text(liar.path()));
}

#[test]
fn a_copy_that_lags_is_behind() {
    let (old, new) = (Built::busy(20), Built::busy(40));
    let (behind, ahead) = (published(&old), published(&new));
    let later = new.note_by(3, Time(1_700_000_300_000));
    write(ahead.path(), "checkpoint", later.to_string().as_bytes());
    let dir = tempfile::tempdir().expect("a folder");
    let targets = [text(behind.path()), text(ahead.path())];
    let (code, found) = look(dir.path(), &targets);
    assert_eq!((code, &only(&found)["kind"]), (1, &"behind".into()));
    assert_eq!(only(&found)["of"], text(behind.path()));
    let patient = ["--stall-after", "0", "--behind-after", "3600"];
    assert_eq!(look_with(dir.path(), &targets, &patient).0, 0);
}

#[test]
fn another_network_is_broken_and_nothing_to_watch_is_no_verdict() {
    let honest = published(&Built::busy(3));
    let mut other = Built::new("other.example");
    other.block(Vec::new());
    let other = published(&other);
    let dir = tempfile::tempdir().expect("a folder");
    let (code, found) = look(dir.path(), &[text(honest.path()), text(other.path())]);
    assert_eq!((code, &only(&found)["kind"]), (1, &"broken".into()));
    let empty = tempfile::tempdir().expect("a folder");
    let (code, _) = ends(&[
        "watch",
        "--once",
        "--dir",
        text(empty.path()),
        "http://127.0.0.1:9",
    ]);
    assert_eq!(code, 3);
    assert_eq!(
        ends(&["watch", "--once", text(honest.path())]).0,
        2,
        "no --dir"
    );
}

/// A watcher that looks every second, and what waits for its next line about an event.
fn watching(dir: &Path, more: &[&str]) -> (Child, impl Fn(&str) -> Value + use<>) {
    let args = ["watch", "--json", "--every", "1", "--dir", text(dir)];
    let mut child = start(&[&args, more].concat());
    let (said, says) = channel();
    let out = BufReader::new(child.stdout.take().expect("an output"));
    thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            // The test may be over.
            let _ = said.send(line);
        }
    });
    let wait_for = move |event: &str| loop {
        let line = says.recv_timeout(PATIENCE).expect("a line");
        let line: Value = serde_json::from_str(&line).expect("JSON");
        if line["event"] == event {
            return line;
        }
    };
    (child, wait_for)
}

#[test]
fn a_watcher_tells_what_begins_and_what_is_over_and_stops_when_asked() {
    let honest = published(&Built::busy(20));
    let absent = tempfile::tempdir().expect("a folder");
    let dir = tempfile::tempdir().expect("a folder");
    let targets = [text(honest.path()), text(absent.path())];
    let quiet = ["--stall-after", "0"];
    let (child, wait_for) = watching(dir.path(), &[quiet, targets].concat());
    let wait_for = |event| {
        let line = wait_for(event);
        assert_eq!(line["kind"], "unreachable", "{line:#}");
    };
    wait_for("found");
    Built::busy(20).publish(absent.path());
    wait_for("over");
    let second = ends(&[
        "watch",
        "--once",
        "--dir",
        text(dir.path()),
        text(honest.path()),
    ]);
    assert!(
        second.0 == 3 && second.1.contains("another process"),
        "{second:?}"
    );
    kill(
        Pid::from_raw(i32::try_from(child.id()).expect("a pid")),
        Signal::SIGTERM,
    )
    .expect("a signal");
    assert_eq!(finish(child).status.code(), Some(0));
}
