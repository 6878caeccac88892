use super::evidence::{Kept, Kind};
use super::key::WitnessKey;
use super::*;
use crate::cli::{Cli, Command};
use clap::Parser;
use medanchor_ledger::note::{Held, Note, NoteSignature};
use medanchor_ledger::policy::PolicyChain;
use std::fs;

/// The folder of the vectors, and a file in it.
fn vector(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/witness");
    fs::read(folder.join(name)).expect(name)
}

struct Rig {
    folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        WitnessKey::create("witness.example/w1", &folder.path().join("key")).expect("a key");
        Self { folder }
    }

    fn key(&self) -> WitnessKey {
        WitnessKey::read(&self.folder.path().join("key")).expect("a key")
    }

    fn try_open(&self) -> Result<Witness, Failure> {
        let log = String::from_utf8(vector("log.vkey")).expect("text");
        let trusted = trust::read(&[log.trim().to_owned()], None).expect("a log");
        Witness::open(&self.folder.path().join("w1"), self.key(), trusted)
    }

    fn open(&self) -> Witness {
        self.try_open().expect("opened")
    }

    /// A witness that has cosigned `last.note`.
    fn after_last(&self) -> Witness {
        let witness = self.open();
        let last = [b"old 0\n\n", &vector("last.note")[..]].concat();
        let answer = witness.add_checkpoint(&last);
        assert!(matches!(answer, Answer::Cosigned(_)), "{answer:?}");
        witness
    }

    fn evidence(&self) -> Vec<String> {
        let folders = fs::read_dir(self.folder.path().join("w1")).expect("a folder");
        let folders = folders.map(|entry| entry.expect("an entry").path().join("evidence"));
        let found = folders
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten();
        let mut names: Vec<_> = found
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect();
        names.sort();
        names
    }
}

fn status(answer: &Answer) -> u16 {
    match answer {
        Answer::Cosigned(_) => 200,
        Answer::Conflict(_) => 409,
        Answer::Refused(status, _) => *status,
    }
}

#[test]
fn every_vector_is_answered_as_its_name_says_and_a_refusal_changes_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/witness");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("vectors") {
        let name = entry
            .expect("a file")
            .file_name()
            .into_string()
            .expect("text");
        let wanted = match name.split('-').collect::<Vec<_>>()[..] {
            ["good", ..] => 200,
            ["rejected", status, ..] => status.parse().expect("a status"),
            _ => continue,
        };
        let rig = Rig::new();
        let witness = rig.after_last();
        let size = || witness.logs.values().map(Log::size).max();
        let answer = witness.add_checkpoint(&vector(&name));
        assert_eq!(status(&answer), wanted, "{name}: {answer:?}");
        if wanted != 200 {
            assert_eq!(size(), Some(Size(5)), "{name}");
        }
        if wanted == 409 {
            assert_eq!(answer, Answer::Conflict(Size(5)), "{name}");
        }
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn a_cosignature_holds_has_the_time_of_now_and_is_on_disk() {
    let rig = Rig::new();
    let witness = rig.after_last();
    let Answer::Cosigned(line) = witness.add_checkpoint(&vector("good-growth.txt")) else {
        panic!("not cosigned");
    };
    let line: NoteSignature = line.trim_end().parse().expect("a signature line");
    let request = AddCheckpoint::parse(&vector("good-growth.txt")).expect("a request");
    let text = request.checkpoint.text();
    let held = rig.key().verifier().verify(text, &line).expect("holds");
    assert!(matches!(held, Held::At(seconds) if seconds > 1_700_000_000));
    let hash = origin_hash(witness.logs.keys().next().expect("a log"));
    let kept = witness.checkpoint(&hash).expect("kept");
    let kept = Note::parse(&kept).expect("a note");
    assert_eq!(kept.text(), text);
    assert_eq!(
        kept.signatures(),
        [request.checkpoint.signatures(), &[line]].concat()
    );
    assert_eq!(witness.checkpoint("00"), None);
}

/// When `add-checkpoint` was answered with a cosignature.
fn cosigned_at(rig: &Rig, witness: &Witness, request: &[u8]) -> u64 {
    let Answer::Cosigned(line) = witness.add_checkpoint(request) else {
        panic!("not cosigned");
    };
    let line: NoteSignature = line.trim_end().parse().expect("a signature line");
    let request = AddCheckpoint::parse(request).expect("a request");
    let held = rig
        .key()
        .verifier()
        .verify(request.checkpoint.text(), &line);
    match held.expect("holds") {
        Held::At(seconds) => seconds,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_clock_that_was_set_back_makes_no_cosignature_earlier_than_the_one_before() {
    let rig = Rig::new();
    let witness = rig.after_last();
    let hash = origin_hash(witness.logs.keys().next().expect("a log"));
    drop(witness);
    // The last one was made by a clock that was a day ahead of the one of now.
    let last = Note::parse(&vector("last.note")).expect("a note");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let ahead = now.expect("a clock").as_secs() + 86_400;
    let own = rig.key().cosign(ahead, last.text()).expect("a cosignature");
    let lines = [last.signatures(), &[own]].concat();
    let note = Note::new(last.text(), lines).expect("a note");
    let folder = rig.folder.path().join("w1").join(hash);
    fs::write(folder.join("checkpoint"), note.to_string()).expect("written");
    let witness = rig.open();
    let growth = vector("good-growth.txt");
    assert_eq!(cosigned_at(&rig, &witness, &growth), ahead);
}

#[test]
fn a_witness_started_again_knows_what_it_cosigned() {
    let rig = Rig::new();
    drop(rig.after_last());
    let witness = rig.open();
    let again = [b"old 0\n\n", &vector("last.note")[..]].concat();
    assert_eq!(witness.add_checkpoint(&again), Answer::Conflict(Size(5)));
    let answer = witness.add_checkpoint(&vector("good-growth.txt"));
    assert_eq!(status(&answer), 200);
    assert_eq!(
        rig.open().logs.values().map(Log::size).max(),
        Some(Size(12))
    );
}

#[test]
fn a_fork_is_kept_once_and_bad_proofs_never_crowd_it_out() {
    let rig = Rig::new();
    let witness = rig.after_last();
    let good = String::from_utf8(vector("good-growth.txt")).expect("text");
    let (old, rest) = good.split_once('\n').expect("lines");
    // A good checkpoint with ever other bad proofs: not one of them convicts anybody.
    for number in 0..20 {
        let hash = base64_of(number);
        let bad = format!("{old}\n{hash}\n{rest}");
        assert_eq!(status(&witness.add_checkpoint(bad.as_bytes())), 422);
    }
    assert_eq!(rig.evidence().len(), 1, "one checkpoint is kept once");
    let fork = vector("rejected-422-fork-of-the-same-size.txt");
    for _ in 0..2 {
        assert_eq!(status(&witness.add_checkpoint(&fork)), 422);
    }
    let evidence = rig.evidence();
    let forks: Vec<_> = evidence
        .iter()
        .filter(|name| name.starts_with("fork-"))
        .collect();
    assert_eq!((forks.len(), evidence.len()), (1, 2));
    // The same with an old size that the witness is not at: refused as stale, and kept already.
    let stale = String::from_utf8(fork)
        .expect("text")
        .replacen("old 5", "old 0", 1);
    assert_eq!(
        witness.add_checkpoint(stale.as_bytes()),
        Answer::Conflict(Size(5))
    );
    assert_eq!(rig.evidence().len(), 2);
}

/// Good checkpoints with bad proofs once took all places for ever, and what the log forked was not
/// kept any more.
#[test]
fn what_was_not_proved_is_let_go_when_it_is_cosigned() {
    let rig = Rig::new();
    let witness = rig.after_last();
    let good = String::from_utf8(vector("good-growth.txt")).expect("text");
    let bad = good.replacen("\nS", "\nT", 1);
    assert_eq!(status(&witness.add_checkpoint(bad.as_bytes())), 422);
    let fork = vector("rejected-422-fork-that-grew.txt");
    assert_eq!(status(&witness.add_checkpoint(&fork)), 422);
    let both = rig.evidence();
    assert_eq!(both.len(), 2, "{both:?}");
    assert_eq!(status(&witness.add_checkpoint(good.as_bytes())), 200);
    let left = rig.evidence();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(both.contains(&left[0]));
}

#[test]
fn a_full_evidence_room_says_so_and_has_room_again_when_something_is_let_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoint = |size| Checkpoint {
        origin: "test/0".parse().expect("an origin"),
        size: Size(size),
        root: medanchor_ledger::TreeHash::new([7; 32]),
    };
    let keep =
        |kind, size| evidence::keep(folder.path(), kind, &checkpoint(size), b"last", b"request");
    for size in 1..=16 {
        let kept = keep(Kind::Unproved, size).expect("kept");
        assert!(matches!(kept, Kept::New(_)), "{kept:?}");
    }
    assert_eq!(keep(Kind::Unproved, 3).expect("known"), Kept::Known);
    let full = Kept::Full(folder.path().join("evidence"));
    assert_eq!(keep(Kind::Unproved, 17).expect("full"), full);
    let fork = keep(Kind::Fork, 17).expect("kept");
    assert!(matches!(fork, Kept::New(_)), "{fork:?}");
    assert!(evidence::let_go(folder.path(), &checkpoint(3)).expect("let go"));
    assert!(!evidence::let_go(folder.path(), &checkpoint(3)).expect("gone"));
    let room = keep(Kind::Unproved, 17).expect("kept");
    assert!(matches!(room, Kept::New(_)), "{room:?}");
}

#[test]
fn a_key_beside_a_policy_of_the_same_log_is_refused() {
    let rig = Rig::new();
    let path = rig.folder.path().join("policy");
    let log = String::from_utf8(vector("log.vkey")).expect("text");
    let policy = format!("log {log}witness w {}\nquorum w\n", rig.key().verifier());
    fs::write(&path, policy).expect("written");
    let (key, policy) = (log.trim().to_owned(), path.display().to_string());
    for given in [[&key, &policy], [&policy, &key]] {
        let given = given.map(ToOwned::to_owned);
        let refused = trust::read(&given, None).expect_err("refused");
        assert!(matches!(refused, trust::TrustError::KeyBesidePolicy { .. }));
    }
    assert!(trust::read(&[key.clone(), key], None).is_ok());
}

/// The base64 of a hash that depends on `number`.
fn base64_of(number: u8) -> String {
    let letter = char::from(b'A' + number);
    format!("{letter}{}=", "A".repeat(42))
}

#[test]
fn what_is_no_checkpoint_of_this_witness_is_refused_at_the_start() {
    let rig = Rig::new();
    let witness = rig.after_last();
    let log = witness.logs.values().next().expect("a log");
    let note = log.note().expect("kept");
    let folder = rig.folder.path().join("w1");
    let hash = origin_hash(witness.logs.keys().next().expect("a log"));
    let path = folder.join(hash).join("checkpoint");
    for at in (0..note.len()).step_by(11) {
        let mut changed = note.clone();
        changed[at] ^= 1;
        fs::write(&path, changed).expect("written");
        // A changed signature of the log alone is nothing that the witness relies on.
        if let Ok(witness) = rig.try_open() {
            let log = witness.logs.values().next().expect("a log");
            assert_eq!(log.size(), Size(5), "byte {at}");
        }
    }
    for bytes in [&b""[..], &vector("last.note")] {
        fs::write(&path, bytes).expect("written");
        assert!(matches!(rig.try_open(), Err(Failure::Damaged { .. })));
    }
}

#[test]
fn a_policy_with_a_quorum_must_be_met() {
    let rig = Rig::new();
    let path = rig.folder.path().join("policy");
    let log = String::from_utf8(vector("log.vkey")).expect("text");
    let other = rig.key();
    let policy = format!("log {log}witness w {}\nquorum w\n", other.verifier());
    fs::write(&path, policy).expect("written");
    let given = path.to_str().expect("text").to_owned();
    let trusted = trust::read(&[given], None).expect("a policy");
    let witness = Witness::open(&rig.folder.path().join("w2"), rig.key(), trusted);
    let last = [b"old 0\n\n", &vector("last.note")[..]].concat();
    let answer = witness.expect("opened").add_checkpoint(&last);
    assert_eq!(status(&answer), 403, "{answer:?}");
}

/// A chain and what the first set signed at size 8, two entries after its turn, from the vectors.
#[test]
fn the_departed_get_no_cosignature_once_their_link_is_known() {
    let rig = Rig::new();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/policy-chain");
    let read = |name: &str| fs::read(vectors.join(name)).expect(name);
    let late = PolicyChain::decode(&read("rejected-late-receipt.cbor")).expect("a chain");
    let late = &late.links[0].receipt.checkpoint;
    let body = format!("old 0\n\n{late}");
    let args = |chain: &[&str]| {
        let genesis = vectors.join("genesis");
        let genesis = genesis.to_str().expect("text");
        let all = ["medanchor-audit", "witness", "--key", "k", "--dir", "d"];
        let all = [&all[..], &["--genesis", genesis], chain].concat();
        match Cli::try_parse_from(all).expect("a command").command {
            Command::Witness(args) => args,
            other => panic!("{other:?}"),
        }
    };
    let answered = |folder: &str, args: &WitnessArgs| {
        let network = trust::network(args).expect("a network");
        let trusted = trust::read(&[], network).expect("a log");
        let witness = Witness::open(&rig.folder.path().join(folder), rig.key(), trusted);
        witness.expect("opened").add_checkpoint(body.as_bytes())
    };
    let chain = vectors.join("good-of-four.cbor");
    let known = args(&["--policy-chain", chain.to_str().expect("text")]);
    let Answer::Refused(403, why) = answered("known", &known) else {
        panic!("a departed set is believed");
    };
    assert!(
        why.contains("sizes 1 to 6 does not count at size 8"),
        "{why}"
    );
    let unknown = answered("unknown", &args(&[]));
    assert!(matches!(unknown, Answer::Cosigned(_)), "{unknown:?}");
    let network = trust::network(&known).expect("a network");
    let policy = first_policy(&read("genesis"));
    let path = rig.folder.path().join("policy");
    fs::write(&path, policy).expect("written");
    let given = [path.to_str().expect("text").to_owned()];
    assert!(matches!(
        trust::read(&given, network),
        Err(trust::TrustError::LogBesideGenesis { .. })
    ));
}

/// The first policy file of a network.
fn first_policy(genesis: &[u8]) -> Vec<u8> {
    let genesis = medanchor_ledger::genesis::Genesis::decode(genesis).expect("a genesis");
    genesis.policy().as_bytes().to_vec()
}

#[test]
fn what_names_no_log_is_refused() {
    let rig = Rig::new();
    let none = rig.folder.path().join("none");
    fs::write(&none, "quorum none\n").expect("written");
    let none = none.to_str().expect("text").to_owned();
    let own = rig.key().verifier().to_string();
    for given in ["nowhere", &none, &own] {
        assert!(trust::read(&[given.to_owned()], None).is_err(), "{given}");
    }
}

#[test]
fn a_key_file_that_others_can_read_or_that_exists_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let rig = Rig::new();
    let path = rig.folder.path().join("key");
    assert!(WitnessKey::create("witness.example/w1", &path).is_err());
    assert!(WitnessKey::create("no name", &rig.folder.path().join("other")).is_err());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("mode");
    let error = WitnessKey::read(&path).err().expect("refused");
    assert!(error.to_string().contains("chmod 600"), "{error}");
}
