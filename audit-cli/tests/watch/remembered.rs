//! What is remembered of a copy: neither tiles that it withholds, nor a copy that does not answer, nor one that
//! is no longer named hides what it showed before.

use super::support::server::serve_with;
use super::support::{Built, write};
use super::{judged, look, only, published, text};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The one file that a watcher remembers.
fn remembered(dir: &Path) -> PathBuf {
    let mut files = fs::read_dir(dir.join("seen")).expect("a folder");
    let file = files.next().expect("a file").expect("a file").path();
    assert!(files.next().is_none());
    file
}

fn kinds(found: &[Value]) -> Vec<&str> {
    let kind = |finding: &Value| finding["kind"].as_str().expect("a kind").to_owned();
    let mut kinds: Vec<String> = found.iter().map(kind).collect();
    kinds.sort();
    let known = ["broken", "fork", "rollback", "unreachable"];
    kinds
        .iter()
        .map(|kind| *known.iter().find(|known| *known == kind).expect("a kind"))
        .collect()
}

/// Two logs that part after ten blocks, and the tiles of the second.
fn forked(folder: &Path) {
    fs::remove_dir_all(folder.join("tile")).expect("a folder");
    Built::forked(10, 60).publish(folder);
}

#[test]
fn a_copy_that_withholds_its_tiles_for_a_round_does_not_make_its_fork_forgotten() {
    let folder = published(&Built::busy(20));
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(look(dir.path(), &[text(folder.path())]).0, 0);
    let before = fs::read(remembered(dir.path())).expect("a file");
    forked(folder.path());
    let tiles = folder.path().join("tile");
    fs::rename(&tiles, folder.path().join("hidden")).expect("a folder");
    for _ in 0..2 {
        let (code, found) = look(dir.path(), &[text(folder.path())]);
        assert_eq!((code, kinds(&found)), (1, vec!["unreachable"]));
        let says = only(&found)["says"].as_str().expect("words");
        assert!(says.contains("seen before"), "{says}");
        let told = judged(dir.path(), only(&found));
        let notes = told["checkpoints"].as_array().expect("checkpoints");
        assert_eq!(notes.len(), 2, "served and before: {told:#}");
        let now = fs::read(remembered(dir.path())).expect("a file");
        assert!(now == before, "what was seen is kept");
    }
    fs::rename(folder.path().join("hidden"), &tiles).expect("a folder");
    let (code, found) = look(dir.path(), &[text(folder.path())]);
    assert_eq!((code, kinds(&found)), (1, vec!["fork"]));
    assert_eq!(judged(dir.path(), only(&found))["verdict"], "proved");
}

#[test]
fn a_copy_whose_tiles_lead_nowhere_does_not_replace_what_was_seen_of_it() {
    let folder = published(&Built::busy(20));
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(look(dir.path(), &[text(folder.path())]).0, 0);
    let before = fs::read(remembered(dir.path())).expect("a file");
    let larger = Built::busy(40);
    larger.publish(folder.path());
    Built::forked(10, 200).publish_tree_at(folder.path(), larger.size());
    let (code, found) = look(dir.path(), &[text(folder.path())]);
    assert_eq!((code, kinds(&found)), (1, vec!["broken"]), "{found:#?}");
    assert!(fs::read(remembered(dir.path())).expect("a file") == before);
    larger.publish(folder.path());
    assert_eq!(look(dir.path(), &[text(folder.path())]).0, 0);
    assert!(fs::read(remembered(dir.path())).expect("a file") != before);
}

#[test]
fn what_was_seen_of_a_copy_moves_on_with_it_though_another_lags_behind() {
    let (one, lags) = (published(&Built::busy(20)), published(&Built::busy(20)));
    let dir = tempfile::tempdir().expect("a folder");
    let targets = [text(one.path()), text(lags.path())];
    assert_eq!(look(dir.path(), &targets).0, 0);
    Built::busy(40).publish(one.path());
    assert_eq!(look(dir.path(), &targets).0, 0);
    Built::busy(30).publish(one.path());
    let (code, found) = look(dir.path(), &targets);
    assert_eq!((code, kinds(&found)), (1, vec!["rollback"]), "{found:#?}");
}

#[test]
fn what_was_seen_of_a_copy_that_is_silent_now_is_held_against_the_others() {
    let (one, other) = (published(&Built::busy(20)), published(&Built::busy(3)));
    let note = |folder: &Path| folder.join("checkpoint");
    let hide = |folder: &Path| fs::rename(note(folder), folder.join("hidden")).expect("a file");
    hide(other.path());
    let dir = tempfile::tempdir().expect("a folder");
    let targets = [text(one.path()), text(other.path())];
    let (code, found) = look(dir.path(), &targets);
    assert_eq!((code, kinds(&found)), (1, vec!["broken"]), "{found:#?}");
    hide(one.path());
    forked(other.path());
    for silent in [true, false] {
        if !silent {
            // What does not count is as good as nothing.
            write(one.path(), "checkpoint", b"what?");
        }
        let (code, found) = look(dir.path(), &targets);
        assert_eq!((code, kinds(&found)), (1, vec!["broken", "fork"]));
        let fork = found.iter().find(|found| found["kind"] == "fork");
        let fork = fork.expect("a fork");
        let of = format!("{} and {}", targets[0], targets[1]);
        assert_eq!(fork["of"], of.as_str());
        assert_eq!(judged(dir.path(), fork)["verdict"], "proved");
    }
}

#[test]
fn what_was_seen_of_a_copy_that_is_not_named_now_is_held_against_those_that_are() {
    let (one, other) = (
        published(&Built::busy(20)),
        published(&Built::forked(10, 60)),
    );
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(look(dir.path(), &[text(one.path())]).0, 0);
    let seen = remembered(dir.path());
    let (code, found) = look(dir.path(), &[text(other.path())]);
    assert_eq!((code, kinds(&found)), (1, vec!["fork"]), "{found:#?}");
    let of = format!("{} and {}", seen.display(), text(other.path()));
    assert_eq!(only(&found)["of"], of.as_str());
    assert_eq!(judged(dir.path(), only(&found))["verdict"], "proved");
}

/// Each question may take as long as a user allows, and there may be hundreds of checkpoints.
#[test]
fn a_copy_that_gives_no_tiles_is_asked_once_whatever_was_seen_before() {
    let asked_beside = |seen: &[u8]| {
        let dir = tempfile::tempdir().expect("a folder");
        for blocks in seen {
            let folder = published(&Built::busy(*blocks));
            assert_eq!(look(dir.path(), &[text(folder.path())]).0, 0);
        }
        let (now, asked) = (published(&Built::busy(40)), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        let address = serve_with(now.path(), move |path, _| {
            let is_tile = path.starts_with("tile/");
            count.fetch_add(usize::from(is_tile), Ordering::SeqCst);
            is_tile
        });
        let (code, found) = look(dir.path(), &[&address]);
        assert_eq!((code, kinds(&found)), (1, vec!["unreachable"]));
        asked.load(Ordering::SeqCst)
    };
    let once = asked_beside(&[20]);
    assert!(once > 0);
    assert_eq!(asked_beside(&[20, 25, 30]), once);
}

#[test]
fn a_damaged_memory_is_told_and_not_taken_for_none() {
    let folder = published(&Built::busy(20));
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(look(dir.path(), &[text(folder.path())]).0, 0);
    let seen = remembered(dir.path());
    let bytes = fs::read(&seen).expect("a file");
    fs::write(&seen, &bytes[..bytes.len() / 2]).expect("a file");
    for targets in [[text(folder.path())], ["http://127.0.0.1:9"]] {
        let args = [
            "watch",
            "--once",
            "--timeout",
            "20",
            "--dir",
            text(dir.path()),
        ];
        let (code, said) = super::ends(&[&args[..], &targets].concat());
        assert_eq!(code, 3, "{said}");
        assert!(
            said.contains("is damaged") && said.contains(text(&seen)),
            "{said}"
        );
    }
    fs::write(&seen, &bytes).expect("a file");
    assert_eq!(look(dir.path(), &[text(folder.path())]).0, 0);
}
