//! `watch` with saved checkpoints and an observer's key, and `evidence` of what observers signed.

mod support;

use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::note::Note;
use medanchor_ledger::{Time, TreeHash};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use support::server::serve;
use support::{Built, ends, key, name, write};
use tempfile::TempDir;

const EARLY: Time = Time(1_700_000_100_000);
const LATE: Time = Time(1_700_000_200_000);

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

fn saved(folder: &Path, name: &str, note: &Note) -> PathBuf {
    write(folder, name, note.to_string().as_bytes());
    folder.join(name)
}

/// Looks once, and takes no checkpoint for a stall unless told otherwise; the findings.
fn look(dir: &Path, more: &[&str]) -> (i32, Vec<Value>) {
    let dir = ["watch", "--once", "--json", "--dir", text(dir)];
    let (code, said) = ends(&[&dir, more].concat());
    let lines = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{said}")));
    let found = lines.filter(|line| line["event"] == "found").collect();
    (code, found)
}

fn only(found: &[Value]) -> &Value {
    assert_eq!(found.len(), 1, "{found:#?}");
    &found[0]
}

fn judged(genesis: &Path, files: &[&str], observers: &[&str]) -> (i32, String) {
    let named = observers.iter().flat_map(|key| ["--observer", key]);
    let named: Vec<&str> = named.collect();
    let genesis = ["evidence", "--genesis", text(genesis)];
    ends(&[&genesis, files, &named].concat())
}

fn judged_json(genesis: &Path, files: &[&str], observers: &[&str]) -> Value {
    let (code, said) = judged(genesis, &[files, &["--json"]].concat(), observers);
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"))
}

#[test]
fn a_copy_with_less_than_a_saved_checkpoint_is_a_rollback_and_one_that_goes_on_is_not() {
    let files = folder();
    let anchor = saved(files.path(), "anchor", &Built::busy(40).note());
    let older = saved(files.path(), "older", &Built::busy(30).note());
    let small = published(&Built::busy(20));
    let given = [
        "--stall-after",
        "0",
        "--checkpoint",
        text(&older),
        "--checkpoint",
        text(&anchor),
    ];
    let dir = folder();
    let (code, found) = look(dir.path(), &[&given, &[text(small.path())][..]].concat());
    assert_eq!((code, &only(&found)["kind"]), (1, &"rollback".into()));
    assert_eq!(only(&found)["proved"], false);
    let evidence = only(&found)["evidence"].as_str().expect("a path");
    let shown = judged_json(&dir.path().join("genesis"), &[evidence], &[]);
    assert_eq!(shown["verdict"], "observed", "{shown:#}");
    let largest = format!("{} entries", Built::busy(40).size());
    assert!(
        shown["checkpoints"][0]["what"]
            .as_str()
            .expect("words")
            .starts_with(&largest),
        "{shown:#}"
    );
    for enough in [Built::busy(40), Built::busy(60)] {
        let copy = published(&enough);
        let (code, found) = look(
            folder().path(),
            &[&given, &[text(copy.path())][..]].concat(),
        );
        assert_eq!((code, found.len()), (0, 0), "{found:#?}");
    }
}

#[test]
fn a_copy_that_contradicts_a_saved_checkpoint_is_a_proved_fork() {
    let files = folder();
    let anchor = saved(files.path(), "anchor", &Built::busy(20).note());
    let (dir, other) = (folder(), published(&Built::forked(10, 60)));
    let given = [
        "--stall-after",
        "0",
        "--checkpoint",
        text(&anchor),
        text(other.path()),
    ];
    let (code, found) = look(dir.path(), &given);
    assert_eq!((code, &only(&found)["kind"]), (1, &"fork".into()));
    let evidence = only(&found)["evidence"].as_str().expect("a path");
    let shown = judged_json(&dir.path().join("genesis"), &[evidence], &[]);
    assert_eq!(shown["verdict"], "proved");
}

#[test]
fn two_saved_checkpoints_of_one_size_with_two_roots_are_a_proved_fork_though_no_copy_is_as_large() {
    let files = folder();
    let anchor = saved(files.path(), "anchor", &Built::busy(40).note());
    let head = Built::busy(40).checkpoints().pop().expect("a checkpoint");
    let other = cosigned(
        &Checkpoint {
            root: TreeHash::new([7; 32]),
            ..head
        },
        EARLY,
    );
    let other = saved(files.path(), "other", &other);
    let small = published(&Built::busy(20));
    let given = [
        "--stall-after",
        "0",
        "--checkpoint",
        text(&anchor),
        "--checkpoint",
        text(&other),
        text(small.path()),
    ];
    let (code, found) = look(folder().path(), &given);
    let kinds: Vec<_> = found
        .iter()
        .map(|found| found["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!((code, kinds), (1, vec!["fork", "rollback"]), "{found:#?}");
}

/// A checkpoint with a quorum's signatures, whatever it says.
fn cosigned(checkpoint: &Checkpoint, time: Time) -> Note {
    let cosigned = (0..3).map(|number| {
        let signed = checkpoint.cosign(&name(number), &key(number, 3), time);
        signed.expect("a cosignature")
    });
    let signatures = std::iter::once(checkpoint.sign(&key(0, 2))).chain(cosigned);
    Note::new(&checkpoint.to_string(), signatures.collect()).expect("a note")
}

#[test]
fn a_saved_checkpoint_without_quorum_is_found_and_mistakes_with_them_are_refused() {
    let files = folder();
    let few = saved(files.path(), "few", &Built::busy(20).note_by(2, EARLY));
    let copy = published(&Built::busy(20));
    let dir = folder();
    let end = |path: &str, times: usize| {
        let given = ["--checkpoint", path].repeat(times);
        let line = [
            "watch",
            "--once",
            "--dir",
            text(dir.path()),
            text(copy.path()),
        ];
        ends(&[&line[..], &given].concat())
    };
    let (code, said) = end(text(&few), 1);
    let told = format!("FOUND  broken of {}: ", text(&few));
    assert!(code == 1 && said.contains(&told), "{said}");
    assert!(said.contains("no quorum"), "{said}");
    let mut other = Built::new("other.example");
    other.block(Vec::new());
    let other = saved(files.path(), "other", &other.note());
    for mistake in ["/dev/zero", "/nowhere", text(&other)] {
        let (code, said) = end(mistake, 1);
        assert!(code == 3 && said.contains(mistake), "{said}");
    }
    let good = saved(files.path(), "good", &Built::busy(20).note());
    assert_eq!(end(text(&good), 33).0, 2);
}

#[test]
fn a_smaller_checkpoint_that_was_cosigned_later_proves_it_of_those_keys_and_of_no_others() {
    let files = folder();
    let early = saved(files.path(), "early", &Built::busy(40).note_by(3, EARLY));
    let copy = folder();
    for (time, proved) in [(EARLY, false), (LATE, true)] {
        let small = Built::busy(20);
        small.publish(copy.path());
        let note = small.note_by(4, time).to_string();
        write(copy.path(), "checkpoint", note.as_bytes());
        let dir = folder();
        let given = [
            "--stall-after",
            "0",
            "--checkpoint",
            text(&early),
            text(copy.path()),
        ];
        let (code, found) = look(dir.path(), &given);
        assert_eq!((code, &only(&found)["kind"]), (1, &"rollback".into()));
        assert_eq!(only(&found)["proved"], proved);
        let evidence = only(&found)["evidence"].as_str().expect("a path");
        let genesis = dir.path().join("genesis");
        let shown = judged_json(&genesis, &[evidence], &[]);
        let verdict = if proved { "proved" } else { "observed" };
        assert_eq!(shown["verdict"], verdict, "{shown:#}");
        let keys = shown["signed_smaller_after_larger"]
            .as_array()
            .expect("keys");
        assert_eq!(keys.len(), if proved { 3 } else { 0 }, "{shown:#}");
        let (_, said) = judged(&genesis, &[evidence], &[]);
        assert_eq!(said.contains("PROVED: "), proved, "{said}");
        assert!(said.contains("Nobody signed what it says"), "{said}");
    }
}

/// An observer with a key and a folder of its own.
struct Observer {
    dir: TempDir,
    key: PathBuf,
    verifier: String,
}

impl Observer {
    fn new(name: &str) -> Self {
        let dir = folder();
        let key = dir.path().join("observer.key");
        let (code, verifier) = ends(&["watch", "key", "new", "--name", name, "--out", text(&key)]);
        assert_eq!(code, 0, "{verifier}");
        let shown = ends(&["watch", "key", "show", "--key", text(&key)]);
        assert_eq!(shown, (0, verifier.clone()));
        let verifier = verifier.trim().to_owned();
        Self { dir, key, verifier }
    }

    fn genesis(&self) -> PathBuf {
        self.dir.path().join("genesis")
    }

    /// What it finds of one place, and where it keeps it.
    fn sees(&self, target: &str, kind: &str, more: &[&str]) -> String {
        let given = ["--key", text(&self.key), target];
        let (code, found) = look(self.dir.path(), &[more, &given].concat());
        assert_eq!((code, &only(&found)["kind"]), (1, &kind.into()));
        let evidence = only(&found)["evidence"].as_str().expect("a path");
        assert!(evidence.ends_with(".attestation"), "{evidence}");
        evidence.to_owned()
    }
}

#[test]
fn observers_of_one_thing_are_counted_together_each_key_once_and_strangers_not_at_all() {
    let (a, b) = (
        Observer::new("watch.example/a"),
        Observer::new("watch.example/b"),
    );
    let log = published(&Built::busy(40));
    let served = serve(log.path());
    for observer in [&a, &b] {
        let given = ["--stall-after", "0", "--key", text(&observer.key), &served];
        assert_eq!(look(observer.dir.path(), &given).0, 0);
    }
    Built::busy(20).publish(log.path());
    let quiet = ["--stall-after", "0"];
    let files = [&a, &b].map(|one| one.sees(&served, "rollback", &quiet));
    let files = files.each_ref().map(String::as_str);
    let genesis = a.genesis();
    for (named, count) in [(&[&a, &b][..], 2), (&[&b], 1), (&[], 0)] {
        let named: Vec<&str> = named.iter().map(|one| one.verifier.as_str()).collect();
        let shown = judged_json(&genesis, &files, &named);
        let together = shown["together"].as_array().expect("things");
        assert_eq!(together.len(), usize::from(count > 0), "{shown:#}");
        assert!(
            together.iter().all(|one| one["count"] == count),
            "{shown:#}"
        );
        let (_, said) = judged(&genesis, &files, &named);
        let words = format!("witnessed by the named observers ({count} of them)");
        assert_eq!(said.contains(&words), count > 0, "{said}");
        let strangers = said.matches("here it convinces nobody").count();
        assert_eq!(strangers, 2 - count, "{said}");
        assert!(!said.contains("PROVED: "), "{said}");
    }
    let again = judged_json(&genesis, &[files[0], files[0]], &[&a.verifier]);
    assert_eq!(again["together"][0]["count"], 1, "{again:#}");
    let one = judged_json(&genesis, &[files[0]], &[&a.verifier]);
    assert_eq!(one["verdict"], "witnessed", "{one:#}");
}

#[test]
fn a_stall_a_missing_quorum_and_nonsense_are_witnessed_with_the_bytes_that_were_served() {
    let observer = Observer::new("watch.example/a");
    let built = Built::busy(20);
    let log = published(&built);
    let served = serve(log.path());
    let quiet = ["--stall-after", "0"];
    let few = built.note_by(2, EARLY).to_string();
    let stall = observer.sees(&served, "stall", &["--stall-after", "600"]);
    write(log.path(), "checkpoint", few.as_bytes());
    let no_quorum = observer.sees(&served, "no-quorum", &quiet);
    let nonsense = b"what?\n\n\xff\0";
    write(log.path(), "checkpoint", nonsense);
    let broken = observer.sees(&served, "broken", &quiet);
    fs::remove_file(log.path().join("checkpoint")).expect("a file");
    let key = [observer.verifier.as_str()];
    for (file, bytes) in [
        (&stall, built.note().to_string().as_bytes()),
        (&no_quorum, few.as_bytes()),
        (&broken, nonsense),
    ] {
        assert!(fs::read(file).expect("a file").ends_with(bytes), "{file}");
        let shown = judged_json(&observer.genesis(), &[file], &key);
        assert_eq!(shown["verdict"], "witnessed", "{shown:#}");
        assert_eq!(shown["of"], served, "{shown:#}");
    }
    let shown = judged_json(&observer.genesis(), &[&no_quorum], &key);
    let cosigners = shown["checkpoints"][0]["cosigners"]
        .as_array()
        .expect("cosigners");
    assert_eq!(cosigners.len(), 2, "those who did sign: {shown:#}");
    let (_, said) = judged(&observer.genesis(), &[&broken], &key);
    assert!(
        said.contains("Proved by the parties' own signatures: nothing."),
        "{said}"
    );
}

#[test]
fn a_forged_attestation_another_networks_and_a_key_for_something_else_are_refused() {
    let observer = Observer::new("watch.example/a");
    let built = Built::busy(20);
    let log = published(&built);
    let file = observer.sees(text(log.path()), "stall", &["--stall-after", "600"]);
    let forged =
        fs::read_to_string(&file)
            .expect("a file")
            .replacen("kind stall", "kind behind", 1);
    let other = observer.dir.path().join("forged.attestation");
    fs::write(&other, forged).expect("a file");
    let key = [observer.verifier.as_str()];
    let (code, said) = judged(&observer.genesis(), &[text(&other)], &key);
    assert!(code == 1 && said.contains("does not hold"), "{said}");
    let (code, said) = judged(&observer.genesis(), &[text(&other), &file], &key);
    assert!(
        code == 1 && said.contains("(1 of them)"),
        "the good one counts: {said}"
    );
    let stranger = observer.dir.path().join("other");
    fs::write(&stranger, Built::new("other.example").genesis.encoded()).expect("a file");
    let (code, said) = judged(&stranger, &[&file], &key);
    assert!(
        code == 1 && said.contains("of which this policy says nothing"),
        "{said}"
    );
    let witness = observer.dir.path().join("witness.key");
    let made = ends(&[
        "witness",
        "key",
        "new",
        "--name",
        "w/1",
        "--out",
        text(&witness),
    ]);
    assert_eq!(made.0, 0, "{made:?}");
    assert_eq!(judged(&observer.genesis(), &[&file], &[made.1.trim()]).0, 2);
    let given = [
        "watch",
        "--once",
        "--dir",
        text(observer.dir.path()),
        "--key",
        text(&witness),
        text(log.path()),
    ];
    let (code, said) = ends(&given);
    assert!(code == 3 && said.contains("watch key new"), "{said}");
}
