//! What lasts over rounds: what a copy serves beside a broken chain, one false clock among the cosigners, whom a
//! fork concerns, what is told anew, and how much of it is kept.

use super::support::{Built, finish, key, name, write};
use super::{look, look_with, only, published, text, watching};
use medanchor_ledger::Time;
use medanchor_ledger::note::Note;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const QUIET: [&str; 2] = ["--stall-after", "0"];
const EARLY: Time = Time(1_700_000_100_000);
const LATE: Time = Time(1_700_000_200_000);

/// The last checkpoint, cosigned by validators 0, 1, .. at these times.
fn cosigned(built: &Built, times: &[Time]) -> String {
    let head = built.checkpoints().pop().expect("a checkpoint");
    let cosigned = (0..).zip(times).map(|(number, time)| {
        let signed = head.cosign(&name(number), &key(number, 3), *time);
        signed.expect("a cosignature")
    });
    let signatures = std::iter::once(head.sign(&key(0, 2))).chain(cosigned);
    let note = Note::new(&head.to_string(), signatures.collect());
    note.expect("a note").to_string()
}

fn serves(folder: &Path, note: &str) {
    write(folder, "checkpoint", note.as_bytes());
}

fn seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock").as_secs()
}

/// The checkpoints that a watcher remembers.
fn remembered(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir.join("seen")).expect("a folder");
    let read = |file: std::io::Result<fs::DirEntry>| fs::read_to_string(file?.path());
    files.map(|file| read(file).expect("a file")).collect()
}

/// How many files of evidence begin so.
fn kept(dir: &Path, begins: &str) -> usize {
    let files = fs::read_dir(dir.join("evidence")).expect("a folder");
    let names = files.map(|file| file.expect("a file").file_name());
    names
        .filter(|name| name.to_str().expect("text").starts_with(begins))
        .count()
}

#[test]
fn a_broken_chain_hides_no_checkpoint_that_is_served_beside_it() {
    let honest = published(&Built::busy(20));
    let other = published(&Built::forked(10, 30));
    write(other.path(), "policy-chain", b"what?");
    let dir = tempfile::tempdir().expect("a folder");
    let (code, found) = look(dir.path(), &[text(honest.path()), text(other.path())]);
    let kinds: Vec<_> = found
        .iter()
        .map(|finding| finding["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!((code, kinds), (1, vec!["broken", "fork"]), "{found:#?}");
    assert_eq!(found[0]["of"], text(other.path()));
    assert_eq!(found[1]["proved"], true);
}

#[test]
fn one_false_clock_hides_no_stall_and_makes_nobody_lag() {
    let far = Time((seconds() + 1_000_000) * 1000);
    let (small, large) = (Built::busy(20), Built::busy(40));
    let (behind, ahead) = (published(&small), published(&large));
    serves(ahead.path(), &cosigned(&large, &[EARLY, EARLY, EARLY, far]));
    let targets = [text(behind.path()), text(ahead.path())];
    let dir = tempfile::tempdir().expect("a folder");
    let (code, found) = look_with(dir.path(), &targets, &["--stall-after", "600"]);
    assert_eq!((code, &only(&found)["kind"]), (1, &"stall".into()));
    assert_eq!(only(&found)["of"], text(ahead.path()));
    // Two of four may not both be faulty.
    serves(ahead.path(), &cosigned(&large, &[EARLY, EARLY, far, far]));
    let (_, found) = look_with(dir.path(), &targets, &["--stall-after", "600"]);
    assert_eq!(only(&found)["kind"], "behind", "{found:#?}");
}

#[test]
fn a_fork_stops_the_memory_of_those_alone_who_take_part_in_it() {
    let honest = published(&Built::busy(40));
    let small = published(&Built::busy(5));
    let other = published(&Built::forked(10, 60));
    let dir = tempfile::tempdir().expect("a folder");
    let (code, found) = look(dir.path(), &[text(honest.path()), text(small.path())]);
    assert_eq!((code, found.len()), (0, 0), "{found:#?}");
    let before = remembered(dir.path());
    Built::busy(8).publish(small.path());
    let targets = [text(honest.path()), text(other.path()), text(small.path())];
    let (code, found) = look(dir.path(), &targets);
    assert_eq!((code, &only(&found)["kind"]), (1, &"fork".into()));
    let after = remembered(dir.path());
    let now = |built: &Built| {
        let head = built.checkpoints().pop().expect("a checkpoint");
        after.iter().any(|note| note.starts_with(&head.to_string()))
    };
    assert!(now(&Built::busy(8)) && now(&Built::busy(40)), "{after:#?}");
    assert_eq!((before.len(), after.len()), (2, 2), "{after:#?}");
}

#[test]
fn whoever_is_watched_fills_no_disk_with_what_nobody_proved() {
    let built = Built::busy(40);
    let log = published(&built);
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(look(dir.path(), &[text(log.path())]).0, 0);
    let mut says = Vec::new();
    for height in 10..22 {
        serves(log.path(), &built.note_at(height).to_string());
        let (code, found) = look(dir.path(), &[text(log.path())]);
        assert_eq!((code, &only(&found)["kind"]), (1, &"rollback".into()));
        let evidence = only(&found)["evidence"].as_str().expect("a path");
        assert!(Path::new(evidence).is_file(), "{evidence}");
        says.push(only(&found)["says"].as_str().expect("words").to_owned());
    }
    // Over midnight each day has its own.
    let files = kept(dir.path(), "rollback-");
    assert!((8..=11).contains(&files), "{files}");
    let left_out = says
        .iter()
        .filter(|says| says.contains("than the 8 that are kept"));
    assert_eq!(left_out.count(), 12 - files, "{says:#?}");
    // What proves something is kept all the same.
    let small = Built::busy(20);
    serves(log.path(), &small.note_by(4, LATE).to_string());
    let (_, found) = look(dir.path(), &[text(log.path())]);
    assert_eq!(only(&found)["proved"], true, "{found:#?}");
    assert_eq!(kept(dir.path(), "rollback-"), files + 1);
}

#[test]
fn a_rollback_that_becomes_proved_is_told_again() {
    let (small, folder) = (Built::busy(20), tempfile::tempdir().expect("a folder"));
    let early = Built::busy(40).note_by(3, EARLY).to_string();
    write(folder.path(), "early", early.as_bytes());
    let early = folder.path().join("early");
    let copy = published(&small);
    serves(copy.path(), &small.note_by(4, EARLY).to_string());
    let dir = tempfile::tempdir().expect("a folder");
    let given = ["--checkpoint", text(&early), text(copy.path())];
    let (child, wait_for) = watching(dir.path(), &[&QUIET[..], &given].concat());
    let found = wait_for("found");
    assert_eq!(
        (&found["kind"], &found["proved"]),
        (&"rollback".into(), &false.into())
    );
    serves(copy.path(), &small.note_by(4, LATE).to_string());
    let found = wait_for("found");
    assert_eq!(
        (&found["kind"], &found["proved"]),
        (&"rollback".into(), &true.into())
    );
    let child_id = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    kill(child_id, Signal::SIGTERM).expect("a signal");
    assert_eq!(finish(child).status.code(), Some(0));
}
