//! Files that are far too long, or have no end: refused by their length, not read whole.

mod support;

use nix::sys::resource::{UsageWho, getrusage};
use std::fs;
use std::path::{Path, PathBuf};
use support::{Built, ends, write};

const TEN_GIB: u64 = 10 << 30;

/// Far less than a stretched file, and far more than an audit of a short log.
const ROOM_KIB: i64 = 1 << 20;

/// The file with zeros behind it up to ten GiB, none of which is on the disk.
fn stretch(path: &Path) {
    let file = fs::OpenOptions::new().write(true).open(path);
    file.and_then(|file| file.set_len(TEN_GIB))
        .expect("a sparse file");
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

/// What an audit says of a log of which some files were stretched; it must end, and hold little.
fn audited(choose: impl Fn(&Path) -> Vec<PathBuf>) -> (i32, String) {
    let folder = tempfile::tempdir().expect("a folder");
    Built::busy(9).publish(folder.path());
    let stretched = choose(folder.path());
    assert!(!stretched.is_empty());
    stretched.iter().for_each(|path| stretch(path));
    let log = folder.path().to_str().expect("text");
    let ended = ends(&["verify", "--json", "--threads", "1", log]);
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a usage");
    assert!(usage.max_rss() < ROOM_KIB, "{} KiB", usage.max_rss());
    ended
}

#[test]
fn a_file_of_ten_gigabytes_is_refused_by_its_length() {
    for name in ["checkpoint", "genesis"] {
        let (code, said) = audited(|log| vec![log.join(name)]);
        assert_ne!(code, 0, "{name}");
        assert!(said.contains("is longer than the"), "{name}: {said}");
    }
    for tree in ["tile/0", "tile/entries"] {
        let (code, said) = audited(|log| files(&log.join(tree)));
        assert_ne!(code, 0, "{tree}");
        assert!(said.contains("is longer than the"), "{tree}: {said}");
    }
}

/// These grow without a bound, and are read record by record: no record has the length 0.
#[test]
fn ten_gigabytes_behind_the_last_record_are_refused_at_the_first_of_them() {
    for name in ["certificates", "cosignatures"] {
        let (code, said) = audited(|log| vec![log.join(name)]);
        assert_ne!(code, 0, "{name}");
        assert!(
            said.contains("not the length of a record"),
            "{name}: {said}"
        );
    }
}

/// A right receipt, event and policy, of which each in turn is replaced by what is far too long.
fn receipts(replace: impl Fn(&mut PathBuf)) {
    let built = Built::busy(9);
    let folder = tempfile::tempdir().expect("a folder");
    let event = built.entries().nth(5).expect("an entry");
    for replaced in 0..3 {
        write(folder.path(), "receipt", built.receipt(5).as_bytes());
        write(folder.path(), "event", event);
        write(folder.path(), "policy", built.genesis.policy().as_bytes());
        let mut paths = ["receipt", "event", "policy"].map(|name| folder.path().join(name));
        replace(&mut paths[replaced]);
        let [receipt, event, policy] = paths
            .each_ref()
            .map(|path| path.to_str().expect("a path that is text"));
        let (code, said) = ends(&["receipt", receipt, "--event", event, "--policy", policy]);
        assert_eq!(code, 3, "{said}");
        let endless = said.contains("it is no file");
        assert!(endless || said.contains("is longer than"), "{said}");
    }
}

#[test]
fn a_receipt_event_or_policy_of_ten_gigabytes_is_refused_by_its_length() {
    receipts(|path| stretch(path));
}

#[cfg(unix)]
#[test]
fn a_receipt_event_or_policy_without_an_end_is_refused_at_its_bound() {
    receipts(|path| *path = PathBuf::from("/dev/zero"));
}

/// Evidence, which somebody else hands over.
#[test]
fn evidence_of_ten_gigabytes_is_refused_by_its_length() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/fork");
    let folder = tempfile::tempdir().expect("a folder");
    let evidence = folder.path().join("evidence");
    fs::copy(vectors.join("good-same-size.fork"), &evidence).expect("a copy");
    let policy = vectors.join("policy");
    let [file, policy] = [&evidence, &policy].map(|path| path.to_str().expect("text"));
    let args = ["evidence", file, "--policy", policy];
    let (code, said) = ends(&args);
    assert_eq!(code, 0, "{said}");
    stretch(&evidence);
    let (code, said) = ends(&args);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("it is longer than the"), "{said}");
}

/// It was said of both that the evidence does not hold, and to give a published log.
#[test]
fn a_file_of_evidence_that_cannot_be_read_gets_no_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let long = at("long.evidence");
    fs::write(&long, "medanchor").expect("written");
    stretch(Path::new(&long));
    for (file, why) in [(long, "is longer than the"), (at("none"), "No such file")] {
        let (code, said) = ends(&["evidence", &file, "--policy", &file]);
        assert_eq!(code, 3, "{said}");
        let words = ["There is no verdict", why, "that --help names"];
        assert!(words.iter().all(|words| said.contains(words)), "{said}");
        assert!(!said.contains("does not hold"), "{said}");
    }
}
