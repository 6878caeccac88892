//! Two chains of policies that both hold and part, as a watcher finds them and as they convince offline.

use super::Rig;
use super::support::{ends, write};
use super::watching::{QUIET, evidence, list};
use super::world::{Signers, World};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Two copies of which each shows a chain that holds, with two successors of the first set.
struct Parted {
    rig: Rig,
    one: String,
    other: String,
}

impl Parted {
    fn new() -> Self {
        let rig = Rig::new();
        let parting = World::followed_by(5);
        let folder = rig.root.path().join("parting");
        parting.lay(&folder, Signers::New, &parting.chain);
        let (one, other) = (rig.path("new/log"), rig.path("parting/log"));
        Self { rig, one, other }
    }

    /// The findings of one look at these, by kind.
    fn found(&self, dir: &str, more: &[&str]) -> (Vec<Value>, Vec<String>) {
        let (code, said) = self
            .rig
            .look(dir, &[&QUIET[..], &["--json"], more].concat());
        assert_eq!(code, 1, "{said}");
        let lines = said.lines().map(serde_json::from_str);
        let lines: Vec<Value> = lines.collect::<Result<_, _>>().expect(&said);
        let found = lines.iter().filter(|line| line["event"] == "found");
        let seen = lines.iter().filter(|line| line["event"] == "seen");
        let of = |line: &Value| line["of"].as_str().expect("a place").to_owned();
        (found.cloned().collect(), seen.map(of).collect())
    }
}

fn kinds(found: &[Value]) -> Vec<&str> {
    let kinds = found.iter().map(|one| one["kind"].as_str());
    kinds.collect::<Option<_>>().expect("kinds")
}

/// Neither is taken for the network, whichever is named first, whichever is longer, and whoever is asked next.
#[test]
fn two_chains_that_part_are_a_proved_fork_and_neither_wins() {
    let parted = Parted::new();
    let Parted { rig, one, other } = &parted;
    for (dir, targets) in [("a", [one, other]), ("b", [other, one])] {
        let given = targets.map(String::as_str);
        let (found, seen) = parted.found(dir, &given);
        assert_eq!(kinds(&found), ["broken", "broken", "policy-fork"]);
        assert!(seen.is_empty(), "{seen:#?}");
        let fork = &found[2];
        assert_eq!(fork["of"], format!("{} and {}", given[0], given[1]));
        assert_eq!(
            (&fork["proved"], &fork["observer"]),
            (&true.into(), &Value::Null)
        );
        assert!(!Path::new(&rig.path(dir)).join("policy-chain").exists());
        // A watcher that begins anew, and is shown only one of them.
        let (found, seen) = parted.found(dir, &[one]);
        assert_eq!(kinds(&found), ["broken", "policy-fork"], "{found:#?}");
        assert!(seen.is_empty(), "{seen:#?}");
        assert_eq!(found[1]["evidence"], fork["evidence"]);
        let kept = fs::read_dir(Path::new(&rig.path(dir)).join("evidence")).expect("a folder");
        let names = kept.map(|file| file.expect("a file").file_name());
        let chains = names.filter(|name| name.to_str().expect("text").ends_with(".policy-chain"));
        assert_eq!(chains.count(), 2);
    }
    // The user says which network he means.
    let chain = rig.path("new/chain");
    let (found, seen) = parted.found("a", &["--policy-chain", &chain, one, other]);
    assert!(seen.contains(one), "{found:#?}");
    assert!(kinds(&found).contains(&"policy-fork"), "{found:#?}");
}

#[test]
fn a_chain_that_was_kept_is_not_taken_back_for_one_that_parts_from_it() {
    let parted = Parted::new();
    let Parted { rig, one, other } = &parted;
    let (code, said) = rig.look("watch", &[&QUIET[..], &[one]].concat());
    assert_eq!(code, 0, "{said}");
    let kept = || fs::read(Path::new(&rig.path("watch")).join("policy-chain")).expect("a chain");
    let before = kept();
    for targets in [&[&**one, &**other][..], &[&**one]] {
        let (found, seen) = parted.found("watch", targets);
        assert!(kinds(&found).contains(&"policy-fork"), "{found:#?}");
        assert!(seen.contains(one), "{found:#?}");
        assert_eq!(kept(), before);
    }
}

#[test]
fn two_chains_that_part_convince_offline_of_who_signed_both() {
    let parted = Parted::new();
    let Parted { rig, one, other } = &parted;
    let (found, _) = parted.found("watch", &[one, other]);
    let first = evidence(found.last().expect("a finding")).to_owned();
    let second = first.replace("-1.policy-chain", "-2.policy-chain");
    let genesis = rig.path("new/genesis");
    let judged = |file: &str, chain: &[&str]| {
        let given = ["evidence", file, "--genesis", &genesis];
        ends(&[&given, chain].concat())
    };
    for (file, chain) in [(&first, &second), (&second, &first)] {
        let (code, said) = judged(file, &["--policy-chain", chain, "--json"]);
        assert_eq!(code, 0, "{said}");
        let shown: Value = serde_json::from_str(&said).expect(&said);
        assert_eq!(
            (&shown["verdict"], &shown["kind"]),
            (&"proved".into(), &"policy-fork".into())
        );
        assert_eq!(shown["place"], 1);
        assert!(list(&shown, "signed_both").len() >= 3, "{shown:#}");
        let [one, other] = &list(&shown, "successors")[..] else {
            panic!("{shown:#}");
        };
        assert_ne!(one["policy"], other["policy"]);
        let (_, said) = judged(file, &["--policy-chain", chain]);
        assert!(
            said.contains("PROVED: the validators of policy 0 named two"),
            "{said}"
        );
    }
    let whole = fs::read(&first).expect("a file");
    write(rig.root.path(), "half", &whole[..whole.len() / 2]);
    let (half, stranger) = (rig.path("half"), rig.path("stranger"));
    let other = super::support::genesis("other.example");
    write(rig.root.path(), "stranger", other.encoded());
    for (file, given) in [
        (
            &first,
            &["--genesis", &genesis, "--policy-chain", &first][..],
        ),
        (&first, &["--genesis", &genesis]),
        (&half, &["--genesis", &genesis, "--policy-chain", &first]),
        (&first, &["--genesis", &stranger]),
    ] {
        let (code, said) = ends(&[&["evidence", file], given].concat());
        assert!(code == 1 && !said.contains("PROVED"), "{given:?}: {said}");
    }
}
