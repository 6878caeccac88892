//! A watcher's saved checkpoints, rollbacks that times prove, forks and attestations across a change of
//! validators: each checkpoint by the policy of its own size.

use super::Rig;
use super::support::{ends, finish, name, start, write};
use super::world::{EARLY, LATE, Signers, World};
use medanchor_ledger::TreeHash;
use medanchor_ledger::note::Note;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

pub(super) const QUIET: [&str; 2] = ["--stall-after", "0"];

impl Rig {
    fn save(&self, name: &str, note: &Note) -> String {
        write(self.root.path(), name, note.to_string().as_bytes());
        self.path(name)
    }

    /// The second set's log with an earlier checkpoint, which the first set signed last, and late.
    fn behind(&self) -> String {
        let folder = self.lay("behind", Signers::New, &self.world.chain);
        let (head, log) = (self.world.last_head(), folder.join("log"));
        let note = self.world.signed(&head, Signers::Old, LATE);
        write(&log, "checkpoint", note.to_string().as_bytes());
        self.path("behind/log")
    }

    /// Looks once in a folder of its own.
    pub(super) fn look(&self, dir: &str, more: &[&str]) -> (i32, String) {
        let dir = self.path(dir);
        ends(&[&["watch", "--once", "--dir", &dir], more].concat())
    }

    /// The one thing that is found.
    fn finds(&self, dir: &str, more: &[&str]) -> Value {
        let (code, said) = self.look(dir, &[more, &["--json"]].concat());
        let lines = said.lines().map(serde_json::from_str);
        let lines: Vec<Value> = lines.collect::<Result<_, _>>().expect(&said);
        let mut found = lines.into_iter().filter(|line| line["event"] == "found");
        let one = found.next();
        assert!(code == 1 && found.next().is_none(), "{code}, {said}");
        one.expect("a finding")
    }

    /// What a file of evidence shows by the whole chain, or without its last link.
    fn shows(&self, file: &str, whole: bool, more: &[&str]) -> Value {
        let (code, said) = self.judges(file, whole, &[more, &["--json"]].concat());
        assert_eq!(code, 0, "{said}");
        serde_json::from_str(&said).expect(&said)
    }

    fn judges(&self, file: &str, whole: bool, more: &[&str]) -> (i32, String) {
        let folder = if whole { "new" } else { "new-cut" };
        let [genesis, chain] =
            ["genesis", "chain"].map(|file| self.path(&format!("{folder}/{file}")));
        let by = ["--genesis", &genesis, "--policy-chain", &chain];
        ends(&[&["evidence", file], &by[..], more].concat())
    }
}

pub(super) fn evidence(found: &Value) -> &str {
    found["evidence"].as_str().expect("a path")
}

pub(super) fn list<'v>(shown: &'v Value, field: &str) -> &'v Vec<Value> {
    shown[field].as_array().expect("a list")
}

#[test]
fn a_saved_checkpoint_counts_by_the_policy_of_its_size_and_the_chains_of_all_copies() {
    let rig = Rig::new();
    let (new, hiding) = (rig.path("new/log"), rig.path("new-cut/log"));
    let (signed, late) = (rig.path("new/friday"), rig.path("old/friday"));
    let with = |dir: &str, saved: &str, copies: &[&str]| {
        rig.look(
            dir,
            &[&QUIET, &["--checkpoint", saved][..], copies].concat(),
        )
    };
    let (code, said) = with("one", &signed, &[&new]);
    assert_eq!(code, 0, "{said}");
    // The chain that makes it count is that of the copy that is named last.
    let (code, said) = with("both", &signed, &[&hiding, &new]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = with("late", &late, &[&new]);
    let told = format!("FOUND  broken of {late}: the saved checkpoint does not count");
    assert!(code == 1 && said.contains(&told), "{said}");
    assert!(said.contains(&rig.outside()), "{said}");
    let (code, said) = with("unknown", &signed, &[&hiding]);
    let told = format!("FOUND  broken of {signed}: the saved checkpoint cannot be judged yet");
    assert!(code == 1 && said.contains(&told), "{said}");
    assert!(said.contains("no log key of this policy signed"), "{said}");
    // While no copy has told its chain, the signers may only not be known yet.
    let (genesis, nowhere) = (rig.path("new/genesis"), rig.path("nowhere"));
    let given = ["--genesis", &genesis, "--checkpoint", &signed, &nowhere];
    assert_eq!(rig.finds("alone", &given)["kind"], "unreachable");
}

#[test]
fn a_chain_that_does_not_hold_is_a_finding_of_the_copy_that_served_it() {
    let rig = Rig::new();
    let whole = rig.world.chain.encode();
    let new = rig.path("new/log");
    let folder = rig.lay("other", Signers::New, &rig.world.chain);
    write(
        &folder.join("log"),
        "policy-chain",
        &whole[..whole.len() / 2],
    );
    let other = rig.path("other/log");
    let found = rig.finds("watch", &[&QUIET[..], &[&new, &other]].concat());
    assert_eq!(
        (&found["kind"], &found["of"]),
        (&"broken".into(), &other.into())
    );
    let says = found["says"].as_str().expect("words");
    assert!(says.contains("policy-chain: "), "{says}");
}

/// A watcher that runs outlives a copy that hides the chain by which a saved checkpoint counts.
#[test]
fn a_copy_whose_chain_is_rolled_back_ends_no_watcher() {
    let rig = Rig::new();
    let (signed, hiding) = (rig.path("new/friday"), rig.path("new-cut/log"));
    let dir = rig.path("watch");
    let given = ["watch", "--json", "--every", "1", "--dir", &dir, &hiding];
    let more = ["--checkpoint", &signed];
    let mut child = start(&[&given, &QUIET[..], &more].concat());
    let lines = BufReader::new(child.stdout.take().expect("an output")).lines();
    let mut lines =
        lines.map(|line| -> Value { serde_json::from_str(&line.expect("a line")).expect("JSON") });
    let mut next = |event: &str, of: &str| {
        let wanted = |line: &Value| line["event"] == event && line["of"] == of;
        lines.find(wanted).expect("a line")
    };
    assert_eq!(next("found", &signed)["proved"], false);
    write(
        Path::new(&hiding),
        "policy-chain",
        &rig.world.chain.encode(),
    );
    next("over", &signed);
    let id = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    kill(id, Signal::SIGTERM).expect("a signal");
    assert_eq!(finish(child).status.code(), Some(0));
}

/// What the departed signed beyond their turn was seen while their end was hidden.
#[test]
fn a_checkpoint_that_was_seen_is_not_forgotten_when_a_longer_chain_refuses_it() {
    let rig = Rig::new();
    let (copy, dir) = (rig.path("old-cut/log"), rig.path("watch"));
    let given = [&QUIET[..], &[&copy]].concat();
    let (code, said) = rig.look("watch", &given);
    assert_eq!(code, 0, "{said}");
    let seen = || {
        let mut files = fs::read_dir(Path::new(&dir).join("seen")).expect("a folder");
        let file = files.next().expect("a file").expect("a file");
        fs::read_to_string(file.path()).expect("a checkpoint")
    };
    let before = seen();
    for file in ["policy-chain", "checkpoint"] {
        let now = fs::read(Path::new(&rig.path("new/log")).join(file)).expect("a file");
        write(Path::new(&copy), file, &now);
    }
    for _ in 0..2 {
        let found = rig.finds("watch", &given);
        assert_eq!(found["kind"], "broken", "{found:#}");
        let says = found["says"].as_str().expect("words");
        assert!(
            says.contains("that was seen of it before") && says.contains(&rig.outside()),
            "{says}"
        );
        let shown = rig.shows(evidence(&found), true, &[]);
        let heads = list(&shown, "checkpoints");
        let accepted: Vec<_> = heads.iter().map(|head| &head["accepted"]).collect();
        assert_eq!(accepted, [true, false], "{shown:#}");
        assert_eq!(seen(), before);
    }
}

/// Who stays answers for both turns; who left has signed nothing of the second one.
#[test]
fn times_prove_a_rollback_of_those_keys_alone_whose_turns_both_sizes_are() {
    for (world, guilty) in [
        (World::new(), None),
        (World::of_which_one_stays(), Some(name(0))),
    ] {
        let rig = Rig::of(world);
        let behind = rig.behind();
        let signed = rig.path("new/friday");
        let given = [&QUIET[..], &["--checkpoint", &signed, &behind]].concat();
        let found = rig.finds("watch", &given);
        let (verdict, proved) = match guilty {
            Some(_) => ("proved", true),
            None => ("observed", false),
        };
        assert_eq!(found["kind"], "rollback");
        assert_eq!(found["proved"], proved);
        let shown = rig.shows(evidence(&found), true, &[]);
        assert_eq!(shown["verdict"], verdict, "{shown:#}");
        let keys = list(&shown, "signed_smaller_after_larger").iter();
        let names: Vec<_> = keys
            .map(|one| one["name"].as_str().expect("a name"))
            .collect();
        assert_eq!(names.len(), usize::from(proved), "{shown:#}");
        if let Some(guilty) = &guilty {
            assert!(names[0].ends_with(&format!("/{guilty}")), "{shown:#}");
        }
    }
}

#[test]
fn what_the_departed_signed_beyond_their_sizes_proves_no_rollback() {
    let rig = Rig::new();
    let late = rig.world.signed(&rig.world.head(), Signers::Old, EARLY);
    let small = rig.world.signed(&rig.world.last_head(), Signers::Old, LATE);
    let seen = format!(
        "medanchor/observation@v1\nkind rollback\nseconds 1700000000\nof a log\nsays it is smaller\n\n{late}\n{small}"
    );
    write(rig.root.path(), "seen", seen.as_bytes());
    let seen = rig.path("seen");
    let shown = rig.shows(&seen, true, &[]);
    assert_eq!(shown["verdict"], "observed", "{shown:#}");
    let beyond = &shown["checkpoints"][0];
    assert_eq!(beyond["accepted"], false, "{shown:#}");
    assert!(list(beyond, "cosigners").is_empty(), "{shown:#}");
    assert_eq!(shown["checkpoints"][1]["accepted"], true, "{shown:#}");
    let (_, said) = rig.judges(&seen, true, &[]);
    assert!(said.contains(&rig.outside()), "{said}");
    // By a chain that ends before the change they have not left.
    let shown = rig.shows(&seen, false, &[]);
    assert_eq!(shown["verdict"], "proved", "{shown:#}");
}

#[test]
fn an_attestation_counts_only_those_whose_turn_it_was() {
    let rig = Rig::new();
    let key = rig.path("observer.key");
    let (code, verifier) = ends(&[
        "watch",
        "key",
        "new",
        "--name",
        "watch.example/a",
        "--out",
        &key,
    ]);
    assert_eq!(code, 0, "{verifier}");
    let observer = ["--observer", verifier.trim()];
    for (by, kind, accepted) in [("old", "broken", false), ("new", "stall", true)] {
        let log = rig.path(&format!("{by}/log"));
        let found = rig.finds(&format!("watch-{by}"), &["--key", &key, &log]);
        assert_eq!(found["kind"], kind, "{found:#}");
        let file = evidence(&found);
        assert!(
            Path::new(file)
                .extension()
                .is_some_and(|end| end == "attestation")
        );
        let shown = rig.shows(file, true, &observer);
        let served = &shown["checkpoints"][0];
        assert_eq!(shown["verdict"], "witnessed", "{shown:#}");
        assert_eq!(served["accepted"], accepted, "{shown:#}");
        assert_eq!(list(served, "cosigners").is_empty(), !accepted, "{shown:#}");
        let (_, said) = rig.judges(file, true, &observer);
        assert_eq!(said.contains(&rig.outside()), !accepted, "{said}");
        let shown = rig.shows(file, false, &observer);
        assert_eq!(shown["checkpoints"][0]["accepted"], !accepted, "{shown:#}");
    }
}

#[test]
fn a_fork_across_the_change_is_proved_though_no_key_signed_both() {
    let rig = Rig::new();
    let mut other = rig.world.last_head();
    other.root = TreeHash::new([7; 32]);
    let other = rig.world.signed(&other, Signers::Old, EARLY);
    let other = rig.save("other", &other);
    let new = rig.path("new/log");
    let found = rig.finds(
        "watch",
        &[&QUIET[..], &["--checkpoint", &other, &new]].concat(),
    );
    assert_eq!(found["kind"], "fork", "{found:#}");
    let shown = rig.shows(evidence(&found), true, &[]);
    assert_eq!(shown["verdict"], "proved", "{shown:#}");
    assert!(list(&shown, "signed_both").is_empty(), "{shown:#}");
    assert_eq!(shown["both_accepted_by_policy"], true, "{shown:#}");
    let (_, said) = rig.judges(evidence(&found), true, &[]);
    assert!(said.contains("the policies are two"), "{said}");
}
