//! Validators who have left vouch for no size after their last: every command that accepts a checkpoint
//! judges it by the policy of its size, walked from genesis along the chain that a log publishes or the
//! user gives.

#[path = "departed/parting.rs"]
mod parting;
mod support;
#[path = "departed/watching.rs"]
mod watching;
#[path = "departed/world.rs"]
mod world;

use medanchor_ledger::policy::PolicyChain;
use std::fs;
use std::path::{Path, PathBuf};
use support::{ends, write};
use tempfile::TempDir;
use world::{CHANGE, KEY, Signers, TAG, World};

/// How a command ends on a checkpoint that it accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepted {
    /// All holds.
    Good,
    /// The rules know no change of validators: their replay ends at the seal that names one.
    EndsAtTheChange,
    /// The file is about another ledger, which is found out after its checkpoints.
    OtherNetwork,
}
use Accepted::{EndsAtTheChange, Good, OtherNetwork};

/// One folder with everything under a checkpoint, and what each command is run with.
struct Bench {
    folder: PathBuf,
    scratch: TempDir,
    /// A chain that is given besides, with genesis.
    chain: Option<PathBuf>,
}

impl Bench {
    fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            scratch: tempfile::tempdir().expect("a folder"),
            chain: None,
        }
    }

    fn path(&self, name: &str) -> String {
        let path = match name.strip_prefix('>') {
            Some(name) => self.scratch.path().join(name),
            None => self.folder.join(name),
        };
        path.to_str().expect("text").to_owned()
    }

    /// Runs words of which `@name` is a file of the folder and `@>name` one to be made.
    fn run(&self, words: &[&str], offline: bool) -> (i32, String) {
        let word = |word: &str| match word.split_once('@') {
            Some((before, name)) => format!("{before}{}", self.path(name)),
            None => word.to_owned(),
        };
        let mut args: Vec<String> = words.iter().copied().map(word).collect();
        let chain = match &self.chain {
            Some(chain) => chain.to_str().expect("text").to_owned(),
            None => self.path("chain"),
        };
        if offline {
            args.extend(["--genesis".to_owned(), self.path("genesis")]);
        }
        if offline || self.chain.is_some() {
            args.extend(["--policy-chain".to_owned(), chain]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        ends(&args)
    }
}

/// Every command that reads a log, and how it ends if it accepts the checkpoint.
fn of_a_log(request: &str) -> Vec<(Vec<&str>, Accepted)> {
    vec![
        (vec!["verify", "@log", "--tier", "hashes"], Good),
        (vec!["verify", "@log", "--until", "1"], Good),
        (
            vec!["verify", "@log", "--tier", "signatures"],
            EndsAtTheChange,
        ),
        (vec!["verify", "@log"], EndsAtTheChange),
        (vec!["report", "@log", "--html", "@>page"], EndsAtTheChange),
        (vec!["sample", "@log"], EndsAtTheChange),
        (vec!["slips", "@slips", "--log", "@log"], EndsAtTheChange),
        (
            vec![
                "releases",
                "--log",
                "@log",
                "--releases",
                "river-distribution=@releases",
            ],
            EndsAtTheChange,
        ),
        (vec!["inclusion", "@log", "--index", "1"], Good),
        (
            vec![
                "consistency",
                "@monday",
                "--log",
                "@log",
                "--out",
                "@>proofs",
            ],
            Good,
        ),
        (vec!["mirror", "@log", "@>copy", "--retries", "0"], Good),
        (
            vec![
                "watch",
                "@log",
                "--dir",
                "@>watch",
                "--once",
                "--stall-after",
                "0",
            ],
            Good,
        ),
        (
            vec![
                "state", "--log", "@log", "--key", KEY, "--height", "2", "--out", "@>state",
            ],
            Good,
        ),
        (
            vec![
                "history",
                "--log",
                "@log",
                "--owner",
                "north-hospital",
                "--tag",
                TAG,
                "--height",
                "2",
                "--out",
                "@>history",
            ],
            Good,
        ),
        (vec!["access", "--log", "@log", "--event", request], Good),
    ]
}

/// Every command that reads no log.
fn offline() -> Vec<(Vec<&'static str>, Accepted)> {
    vec![
        (vec!["receipt", "@receipt", "--event", "@event"], Good),
        (vec!["receipt", "@statement"], Good),
        (vec!["consistency", "@friday", "@friday"], Good),
        (vec!["state", "@state"], Good),
        (vec!["history", "@history"], Good),
        (vec!["access", "@access"], Good),
        (vec!["evidence", "@fork"], Good),
        (vec!["evidence", "@evidence"], OtherNetwork),
    ]
}

/// The log and all documents by both sets, with the whole chain; and with one that was cut.
struct Rig {
    world: World,
    root: TempDir,
    cut: PolicyChain,
}

impl Rig {
    fn new() -> Self {
        Self::of(World::new())
    }

    fn of(world: World) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let cut = PolicyChain {
            links: Vec::new(),
            ..world.chain.clone()
        };
        let rig = Self { world, root, cut };
        let new = rig.lay("new", Signers::New, &rig.world.chain);
        rig.world.make_documents(&new);
        rig.world.lay_documents(&new, &new, Signers::New);
        for (name, by, chain) in [
            ("old", Signers::Old, &rig.world.chain),
            ("new-cut", Signers::New, &rig.cut),
            ("old-cut", Signers::Old, &rig.cut),
        ] {
            let folder = rig.lay(name, by, chain);
            rig.world.lay_documents(&new, &folder, by);
        }
        rig
    }

    fn lay(&self, name: &str, by: Signers, chain: &PolicyChain) -> PathBuf {
        let folder = self.root.path().join(name);
        self.world.lay(&folder, by, chain);
        folder
    }

    fn bench(&self, name: &str) -> Bench {
        Bench::new(&self.root.path().join(name))
    }

    /// A file of the rig, or one that is to be.
    fn path(&self, name: &str) -> String {
        let path = self.root.path().join(name);
        path.to_str().expect("text").to_owned()
    }

    /// The one thing that is said of what the departed signed.
    fn outside(&self) -> String {
        format!(
            "the policy for sizes 1 to {} does not count at size {}; take what the validators of that size signed",
            self.world.last,
            self.world.size()
        )
    }

    /// Runs every command and gives each outcome to `judge`.
    fn every(&self, bench: &Bench, mut judge: impl FnMut(&[&str], Accepted, i32, &str)) {
        let request = self.world.request.to_string();
        for (words, accepted) in of_a_log(&request) {
            let (code, said) = bench.run(&words, false);
            judge(&words, accepted, code, &said);
        }
        for (words, accepted) in offline() {
            let (code, said) = bench.run(&words, true);
            judge(&words, accepted, code, &said);
        }
    }

    /// Every command must end with code 1 and say one of these.
    fn refuses(&self, bench: &Bench, whats: &[&str]) {
        self.every(bench, |words, _, code, said| {
            let told = whats.iter().any(|what| said.contains(what));
            assert!(code == 1 && told, "{words:?}: {code}, {said}");
        });
    }

    /// So must every command but `evidence`, which has no verdict.
    fn knows_no_signer(&self, bench: &Bench) {
        self.every(bench, |words, _, code, said| {
            let (wanted, whats) = match words[0] {
                "evidence" => (3, &["give the chain of policies up to then"][..]),
                _ => (
                    1,
                    &["key of this policy signed", "is no validator of this size"][..],
                ),
            };
            let told = whats.iter().any(|what| said.contains(what));
            assert!(code == wanted && told, "{words:?}: {code}, {said}");
        });
    }
}

#[test]
fn every_command_judges_a_checkpoint_by_the_policy_of_its_size() {
    let rig = Rig::new();
    // The departed set beyond its range.
    rig.refuses(&rig.bench("old"), &[&rig.outside()]);
    // The set of that size.
    rig.every(&rig.bench("new"), |words, accepted, code, said| {
        assert!(!said.contains("does not count"), "{words:?}: {said}");
        let (wanted, part) = match accepted {
            Good => (0, ""),
            EndsAtTheChange => (1, &*format!("height {CHANGE}")),
            OtherNetwork => (1, "is about network"),
        };
        assert!(
            code == wanted && said.contains(part),
            "{words:?}: {code}, {said}"
        );
    });
    // A chain without its last link: the second set is not known.
    rig.knows_no_signer(&rig.bench("new-cut"));
    // The log hides the link, and the user has it.
    let mut told = rig.bench("old-cut");
    told.chain = Some(rig.root.path().join("old/chain"));
    rig.refuses(&told, &[&rig.outside()]);
}

#[test]
fn half_a_chain_is_none() {
    let rig = Rig::new();
    let whole = rig.world.chain.encode();
    write(rig.root.path(), "half", &whole[..whole.len() / 2]);
    let mut half = rig.bench("new");
    half.chain = Some(rig.root.path().join("half"));
    rig.every(&half, |words, _, code, said| {
        // What is not a finding about a copy is the watcher's own.
        let wanted = if words[0] == "watch" { 3 } else { 1 };
        let told = said.contains("policy-chain: ");
        assert!(code == wanted && told, "{words:?}: {code}, {said}");
    });
}

#[test]
fn an_observation_says_what_the_departed_signed() {
    let rig = Rig::new();
    for (name, what) in [
        ("old", &*rig.outside()),
        ("new", "signed checkpoint"),
        ("new-cut", "no log key of this policy signed"),
    ] {
        let (code, said) = rig.bench(name).run(&["evidence", "@observation"], true);
        assert!(code == 0 && said.contains(what), "{name}: {said}");
    }
}

/// What a mirror and a watcher have seen once, no source takes from them.
#[test]
fn a_source_that_hides_the_link_later_gains_nothing() {
    let rig = Rig::new();
    let (new, hiding) = (rig.path("new/log"), rig.path("old-cut/log"));
    let (copy, dir) = (rig.path("copy"), rig.path("watch"));
    assert_eq!(ends(&["mirror", &new, &copy]).0, 0);
    for file in ["policy-chain", "checkpoint"] {
        let [kept, served] = [&copy, &new].map(|folder| fs::read(Path::new(folder).join(file)));
        assert_eq!(kept.expect(file), served.expect(file));
    }
    let policy = &rig.world.chain.links[0].policy;
    let kept = fs::read(Path::new(&copy).join(format!("policies/{}", policy.hash())));
    assert_eq!(kept.expect("a policy"), policy.as_bytes());
    let (code, said) = ends(&["mirror", &hiding, &copy, "--retries", "0"]);
    assert!(code == 1 && said.contains(&rig.outside()), "{said}");
    let (code, said) = ends(&["verify", &copy, "--tier", "hashes"]);
    assert_eq!(code, 0, "{said}");

    let watch = |targets: &[&str]| {
        let more = ["--dir", &dir, "--once", "--stall-after", "0"];
        ends(&[&["watch"], targets, &more[..]].concat())
    };
    // Which copy is named first makes no difference.
    let (code, said) = watch(&[&hiding, &new]);
    assert!(code == 1 && said.contains(&rig.outside()), "{said}");
    assert!(said.contains(&format!("seen   {new}")), "{said}");
    let (code, said) = watch(&[&hiding]);
    assert!(code == 1 && said.contains(&rig.outside()), "{said}");
    // Nor is a chain forgotten that the user gave once.
    let (chain, dir) = (rig.path("old/chain"), rig.path("given"));
    for given in [&["--policy-chain", &chain][..], &[]] {
        let more = ["watch", &hiding, "--dir", &dir, "--once"];
        let (code, said) = ends(&[&more, given].concat());
        assert!(code == 1 && said.contains(&rig.outside()), "{said}");
    }
    // The link was seen beside a checkpoint that it refuses, and never again.
    let late = rig.path("late");
    for served in [&rig.path("old/log"), &hiding] {
        let (code, said) = ends(&["mirror", served, &late, "--retries", "0"]);
        assert!(code == 1 && said.contains(&rig.outside()), "{said}");
    }
}

#[test]
fn a_chain_of_another_network_or_one_that_parts_is_refused() {
    let rig = Rig::new();
    let bench = rig.bench("new");
    let other = support::genesis("other.example");
    write(rig.root.path(), "other", other.encoded());
    let (log, other) = (bench.path("log"), rig.root.path().join("other"));
    let other = other.to_str().expect("text");
    let (code, said) = ends(&["verify", &log, "--tier", "hashes", "--genesis", other]);
    assert!(code == 1 && said.contains("this is the log of"), "{said}");
    let parting = World::followed_by(5).chain.encode();
    write(rig.root.path(), "parting", &parting);
    let parting = rig.root.path().join("parting");
    let parting = parting.to_str().expect("text");
    let (code, said) = ends(&[
        "verify",
        &log,
        "--tier",
        "hashes",
        "--policy-chain",
        parting,
    ]);
    let parts = "it parts from the one that is known at policy 1";
    assert!(code == 1 && said.contains(parts), "{said}");
    let (cut, whole) = (rig.bench("new-cut").path("log"), bench.path("chain"));
    let (code, said) = ends(&["verify", &cut, "--tier", "hashes", "--policy-chain", &whole]);
    assert_eq!(code, 0, "{said}");
    let alone = [
        "receipt",
        "@receipt",
        "--event",
        "@event",
        "--policy-chain",
        "@chain",
    ];
    assert_eq!(bench.run(&alone, false).0, 2, "a chain without genesis");
}
