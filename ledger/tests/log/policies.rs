//! Policies: the generated one, any valid one, and every way in which one is refused or not met.

use super::support::{Network, assert_golden, key, text, vectors};
use medanchor_ledger::merkle::leaf_hash;
use medanchor_ledger::note::{KeyName, Note, NoteKey, NoteSignature, VerifierKey, cosign_note};
use medanchor_ledger::policy::{Distrust, Policy, PolicyError, PolicyRange};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::validator::ValidatorSet;
use medanchor_ledger::{Height, Size, Time};
use proptest::prelude::*;

fn policy(network: &Network) -> Policy {
    Policy::of_validators(&network.origin, &network.set).unwrap()
}

#[test]
fn the_policy_of_validators_is_frozen() {
    for n in [1, 4, 7] {
        let network = Network::new(1, n);
        let policy = policy(&network);
        assert_golden(
            &format!("policy/good-{n}-validators.policy"),
            policy.as_bytes(),
        );
        assert_eq!(policy.logs().len(), n);
        assert_eq!(policy.witnesses().count(), n);
        assert_eq!(Policy::parse(policy.as_bytes()), Ok(policy));
    }
    let hash = format!("{}\n", policy(&Network::new(1, 4)).hash());
    assert_golden("policy/hash-of-good-4-validators.txt", hash.as_bytes());
}

#[test]
fn a_quorum_of_cosignatures_and_one_log_signature_are_needed_and_enough() {
    for n in 1..=7 {
        let network = Network::new(1, n);
        let (policy, checkpoint) = (policy(&network), network.checkpoint(10, leaf_hash(b"root")));
        let full = network.gathered(&checkpoint, n).full_note().unwrap();
        let quorum = network.set.quorum();
        let note = |logs: usize, cosigners: usize| {
            let lines = full.signatures();
            let lines = lines[..logs]
                .iter()
                .chain(&lines[n..n + cosigners])
                .cloned()
                .collect();
            Note::new(full.text(), lines).unwrap()
        };
        let verified = policy.verify_checkpoint(&note(1, quorum)).unwrap();
        assert_eq!(
            (verified.logs().len(), verified.cosigners().len()),
            (1, quorum)
        );
        assert_eq!(verified.checkpoint(), &checkpoint);
        assert_eq!(verified.policy(), policy.hash());
        let cosigners = quorum - 1;
        let verdict = policy.verify_checkpoint(&note(1, cosigners));
        assert_eq!(verdict, Err(Distrust::NoQuorum { cosigners }), "{n}");
        let origin = network.origin.clone();
        assert_eq!(
            policy.verify_checkpoint(&note(0, n)),
            Err(Distrust::NoLog { origin }),
            "{n}"
        );
    }
}

#[test]
fn duplicated_signers_do_not_make_a_quorum() {
    let network = Network::new(1, 4);
    let checkpoint = network.checkpoint(10, leaf_hash(b"root"));
    let full = network.gathered(&checkpoint, 4).full_note().unwrap();
    let (log, first, second) = (
        &full.signatures()[0],
        &full.signatures()[4],
        &full.signatures()[5],
    );
    let name = network.origin.join("clinic").unwrap();
    let later = cosign_note(&name, &key(1, 0, 2), 99, full.text()).unwrap();
    let lines = vec![
        log.clone(),
        first.clone(),
        first.clone(),
        later,
        second.clone(),
    ];
    let note = Note::new(full.text(), lines).unwrap();
    let verdict = policy(&network).verify_checkpoint(&note);
    assert_eq!(verdict, Err(Distrust::NoQuorum { cosigners: 2 }));
}

#[test]
fn a_checkpoint_of_another_network_is_refused() {
    let (network, other) = (Network::new(1, 4), Network::new(2, 4));
    let theirs = other.checkpoint(10, leaf_hash(b"root"));
    let note = other.gathered(&theirs, 4).full_note().unwrap();
    let origin = other.origin.clone();
    assert_eq!(
        policy(&network).verify_checkpoint(&note),
        Err(Distrust::NoLog { origin })
    );
}

#[test]
fn cosignatures_from_another_network_do_not_count() {
    let (network, other) = (Network::new(1, 4), Network::new(2, 4));
    let checkpoint = network.checkpoint(10, leaf_hash(b"root"));
    let ours = network.gathered(&checkpoint, 4).full_note().unwrap();
    let theirs = other.checkpoint(10, leaf_hash(b"root"));
    let theirs = other.gathered(&theirs, 4).full_note().unwrap();
    let lines = [&ours.signatures()[..6], &theirs.signatures()[4..]].concat();
    let note = Note::new(ours.text(), lines).unwrap();
    let verdict = policy(&network).verify_checkpoint(&note);
    assert_eq!(verdict, Err(Distrust::NoQuorum { cosigners: 2 }));
    // Moved under the name and id of our own cosigner, one such signature condemns the note.
    let stolen = theirs.signatures()[6].bytes();
    let ours_third = VerifierKey::new(
        network.origin.join("hospital").unwrap(),
        NoteKey::Cosigner(key(1, 2, 2).public_key()),
    );
    let lines = [
        &ours.signatures()[..6],
        &[NoteSignature::new(&ours_third, stolen)],
    ]
    .concat();
    let note = Note::new(ours.text(), lines).unwrap();
    let key = ours_third.name().clone();
    assert_eq!(
        policy(&network).verify_checkpoint(&note),
        Err(Distrust::Signature { key })
    );
}

#[test]
fn a_policy_outside_its_range_is_refused() {
    let network = Network::new(1, 4);
    let range = PolicyRange::new(policy(&network), Size(10), Size(20));
    let verdict = |size| {
        let checkpoint = network.checkpoint(size, leaf_hash(b"root"));
        range.verify_checkpoint(&network.gathered(&checkpoint, 4).note().unwrap())
    };
    assert!(verdict(10).is_ok() && verdict(20).is_ok());
    for size in [0, 9, 21, u64::MAX] {
        let (first, last) = (Size(10), Size(20));
        assert_eq!(
            verdict(size),
            Err(Distrust::OutsideRange {
                size: Size(size),
                first,
                last
            })
        );
    }
    let open = PolicyRange::from(policy(&network), Size(10));
    assert!(open.contains(Size(u64::MAX)) && !open.contains(Size(9)));
}

#[test]
fn a_note_that_is_no_checkpoint_is_refused() {
    let network = Network::new(1, 1);
    let checkpoint = network.checkpoint(1, leaf_hash(b"a"));
    let text = format!("{checkpoint}extension\n");
    let line = medanchor_ledger::note::sign_note(&network.origin, &key(1, 0, 1), &text);
    let note = Note::new(&text, vec![line]).unwrap();
    assert!(matches!(
        policy(&network).verify_checkpoint(&note),
        Err(Distrust::Checkpoint(_))
    ));
}

/// A witness of its own, apart from any network.
fn witness(number: usize) -> VerifierKey {
    let name: KeyName = format!("witness.example/{number}").parse().unwrap();
    VerifierKey::new(name, NoteKey::Cosigner(key(9, number, 0).public_key()))
}

/// The policy of the C2SP page, with its groups of groups, comments and odd spacing.
fn nested(quorum: &str) -> String {
    let network = Network::new(1, 1);
    let log = policy(&network).logs()[0].clone();
    let mut lines = format!("# comment\n\n  \t# another\nlog\t{log}  https://log.example/ \n");
    for number in 0..6 {
        lines += &format!("witness w{number} {} https://w.example\n", witness(number));
    }
    lines += "group X 2 w0 w1 w2\n group\tY any w3 w4 w5\ngroup X-and-Y all X Y\n";
    lines + &format!("quorum {quorum}\n")
}

fn cosigned_by(witnesses: &[usize]) -> Note {
    let network = Network::new(1, 1);
    let checkpoint = network.checkpoint(10, leaf_hash(b"root"));
    let mut lines = vec![checkpoint.sign(&key(1, 0, 1))];
    for number in witnesses {
        let (name, key) = (witness(*number).name().clone(), key(9, *number, 0));
        lines.push(cosign_note(&name, &key, 1, &checkpoint.to_string()).unwrap());
    }
    Note::new(&checkpoint.to_string(), lines).unwrap()
}

#[test]
fn groups_of_groups_are_counted_as_the_specification_says() {
    let verdict = |quorum: &str, witnesses: &[usize]| {
        let policy = Policy::parse(nested(quorum).as_bytes()).unwrap();
        policy.verify_checkpoint(&cosigned_by(witnesses)).is_ok()
    };
    for (quorum, witnesses, met) in [
        ("none", &[][..], true),
        ("w3", &[3], true),
        ("w3", &[0, 1, 2, 4, 5], false),
        ("X", &[0, 2], true),
        ("X", &[0, 3, 4, 5], false),
        ("X-and-Y", &[0, 1, 5], true),
        ("X-and-Y", &[0, 1, 2], false),
        ("X-and-Y", &[3, 4, 5, 0], false),
        ("X-and-Y", &[0, 0, 0, 5], false),
    ] {
        assert_eq!(verdict(quorum, witnesses), met, "{quorum} by {witnesses:?}");
    }
    assert_golden(
        "policy/good-nested-groups.policy",
        nested("X-and-Y").as_bytes(),
    );
}

#[test]
fn a_witness_of_a_type_that_cannot_be_judged_never_counts() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let material = [vec![6], vec![1; 1312]].concat();
    let digest = medanchor_ledger::hash::sha256(&[b"pq.example\n", &material]);
    let vkey = format!(
        "pq.example+{}+{}",
        hex::encode(&digest[..4]),
        STANDARD.encode(&material)
    );
    let key: VerifierKey = vkey.parse().unwrap();
    let base = nested("Z").replace("group X-and-Y all X Y\n", "").replace(
        "quorum",
        &format!("witness pq {vkey}\ngroup Z any X pq\nquorum"),
    );
    let policy = Policy::parse(base.as_bytes()).unwrap();
    let mut lines = cosigned_by(&[0]).signatures().to_vec();
    lines.push(NoteSignature::new(&key, &[0; 2428]));
    let note = Note::new(cosigned_by(&[]).text(), lines).unwrap();
    assert_eq!(
        policy.verify_checkpoint(&note),
        Err(Distrust::NoQuorum { cosigners: 1 })
    );
    assert!(policy.verify_checkpoint(&cosigned_by(&[0, 1])).is_ok());
    assert_golden("policy/good-ml-dsa-witness.policy", base.as_bytes());
}

/// A key of those that were searched for two with one key id: its seed is a number, big-endian.
fn seeded(number: u64) -> SigningKey {
    let mut seed = [0; 32];
    seed[24..].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(&seed)
}

fn log_alike_name() -> String {
    Network::new(1, 1).origin.to_string()
}

fn log_alike(number: u64) -> VerifierKey {
    let key = NoteKey::Ed25519(seeded(number).public_key());
    VerifierKey::new(log_alike_name().parse().unwrap(), key)
}

fn witness_alike(name: &str, number: u64) -> VerifierKey {
    let key = NoteKey::Cosigner(seeded(number).public_key());
    VerifierKey::new(name.parse().unwrap(), key)
}

/// A signature names its key by name and four bytes, so the honest one was judged by the other's key:
/// whoever had ground such a key chose when every verifier would refuse the network's checkpoints.
#[test]
fn validators_whose_log_keys_have_one_id_make_no_policy() {
    let network = Network::new(1, 4);
    let set = |logs: [u64; 2]| {
        let mut validators: Vec<_> = network.set.iter().cloned().collect();
        for (validator, number) in validators.iter_mut().zip(logs) {
            validator.log = seeded(number).public_key();
        }
        ValidatorSet::new(validators).unwrap()
    };
    let line = 2;
    let ambiguous = set([67824, 68386]);
    for policy in [
        Policy::of_validators(&network.origin, &ambiguous),
        Policy::of_later_validators(&network.origin, &ambiguous, Height(9)),
    ] {
        assert_eq!(policy, Err(PolicyError::AmbiguousKey { line }));
    }
    let clear = set([67824, 68387]);
    assert!(Policy::of_validators(&network.origin, &clear).is_ok());
}

#[test]
fn one_key_may_be_a_log_s_and_a_witness_s() {
    let key = witness_alike("witness.example/0", 10458);
    let policy = format!("log {key}\nwitness a {key}\nquorum a\n");
    assert!(Policy::parse(policy.as_bytes()).is_ok());
}

#[test]
fn malformed_policies_are_refused_by_name() {
    let network = Network::new(1, 2);
    let good = policy(&network);
    let (log, other) = (good.logs()[0].to_string(), good.logs()[1].to_string());
    let (w0, w1) = (witness(0).to_string(), witness(1).to_string());
    let renamed = VerifierKey::new("another.name".parse().unwrap(), witness(0).key().clone());
    let key_error = |line, cause| PolicyError::Key { line, cause };
    use medanchor_ledger::note::NoteError;
    for (name, file, error) in [
        ("empty", String::new(), PolicyError::Newline),
        (
            "no-last-newline",
            format!("log {log}\nquorum none"),
            PolicyError::Newline,
        ),
        ("no-quorum", format!("log {log}\n"), PolicyError::NoQuorum),
        (
            "second-quorum",
            "quorum none\nquorum none\n".into(),
            PolicyError::SecondQuorum { line: 2 },
        ),
        (
            "carriage-return",
            "quorum none\r\n".into(),
            PolicyError::Octet { line: 1 },
        ),
        (
            "delete-character",
            "# \x7f\nquorum none\n".into(),
            PolicyError::Octet { line: 1 },
        ),
        (
            "unknown-word",
            "logs\nquorum none\n".into(),
            PolicyError::Line { line: 1 },
        ),
        (
            "upper-case-word",
            "QUORUM none\n".into(),
            PolicyError::Line { line: 1 },
        ),
        (
            "log-without-key",
            "log\nquorum none\n".into(),
            PolicyError::Line { line: 1 },
        ),
        (
            "log-with-two-urls",
            format!("log {log} a b\nquorum none\n"),
            PolicyError::Line { line: 1 },
        ),
        (
            "quorum-of-two-names",
            "quorum a b\n".into(),
            PolicyError::Line { line: 1 },
        ),
        (
            "group-without-members",
            "group g any\nquorum g\n".into(),
            PolicyError::Line { line: 1 },
        ),
        (
            "log-twice",
            format!("log {log}\nlog {log}\nquorum none\n"),
            PolicyError::DuplicateKey { line: 2 },
        ),
        (
            "witness-key-under-two-names",
            format!("witness a {w0}\nwitness b {renamed}\nquorum a\n"),
            PolicyError::DuplicateKey { line: 2 },
        ),
        (
            "logs-of-one-key-id",
            format!(
                "log {}\nlog {}\nquorum none\n",
                log_alike(67824),
                log_alike(68386)
            ),
            PolicyError::AmbiguousKey { line: 2 },
        ),
        (
            "witnesses-of-one-key-id",
            format!(
                "witness a {}\nwitness b {}\nquorum a\n",
                witness_alike("witness.example/0", 10458),
                witness_alike("witness.example/0", 29547)
            ),
            PolicyError::AmbiguousKey { line: 2 },
        ),
        (
            "log-and-witness-of-one-key-id",
            format!(
                "log {}\nwitness a {}\nquorum a\n",
                log_alike(87525),
                witness_alike(&log_alike_name(), 105_760)
            ),
            PolicyError::AmbiguousKey { line: 2 },
        ),
        (
            "witness-name-twice",
            format!("witness a {w0}\nwitness a {w1}\nquorum a\n"),
            PolicyError::DuplicateName { line: 2 },
        ),
        (
            "witness-named-none",
            format!("witness none {w0}\nquorum none\n"),
            PolicyError::DuplicateName { line: 1 },
        ),
        (
            "group-named-as-witness",
            format!("witness a {w0}\ngroup a any a\nquorum a\n"),
            PolicyError::DuplicateName { line: 2 },
        ),
        (
            "witness-with-log-key",
            format!("witness a {other}\nquorum a\n"),
            key_error(1, NoteError::SignatureType(1)),
        ),
        (
            "log-with-broken-key",
            "log nonsense\nquorum none\n".into(),
            key_error(1, NoteError::VerifierKey),
        ),
        (
            "quorum-before-its-name",
            format!("quorum a\nwitness a {w0}\n"),
            PolicyError::UnknownName { line: 1 },
        ),
        (
            "group-before-its-member",
            format!("group g any a\nwitness a {w0}\nquorum g\n"),
            PolicyError::UnknownName { line: 1 },
        ),
        (
            "group-of-itself",
            "group g any g\nquorum g\n".into(),
            PolicyError::UnknownName { line: 1 },
        ),
        (
            "group-with-none",
            "group g any none\nquorum g\n".into(),
            PolicyError::UnknownName { line: 1 },
        ),
        (
            "member-twice",
            format!("witness a {w0}\ngroup g 2 a a\nquorum g\n"),
            PolicyError::SecondGroup { line: 2 },
        ),
        (
            "member-of-two-groups",
            format!("witness a {w0}\ngroup g any a\ngroup h any a\nquorum g\n"),
            PolicyError::SecondGroup { line: 3 },
        ),
        (
            "threshold-0",
            format!("witness a {w0}\ngroup g 0 a\nquorum g\n"),
            PolicyError::Threshold { line: 2 },
        ),
        (
            "threshold-above-members",
            format!("witness a {w0}\ngroup g 2 a\nquorum g\n"),
            PolicyError::Threshold { line: 2 },
        ),
        (
            "threshold-leading-zero",
            format!("witness a {w0}\ngroup g 01 a\nquorum g\n"),
            PolicyError::Threshold { line: 2 },
        ),
        (
            "threshold-with-sign",
            format!("witness a {w0}\ngroup g +1 a\nquorum g\n"),
            PolicyError::Threshold { line: 2 },
        ),
    ] {
        assert_eq!(Policy::parse(file.as_bytes()), Err(error), "{name}");
        assert_golden(&format!("policy/rejected-{name}.policy"), file.as_bytes());
    }
}

#[test]
fn golden_policies_are_read_as_their_names_say() {
    for (name, bytes) in vectors("policy", "good") {
        assert_eq!(Policy::parse(&bytes).unwrap().as_bytes(), bytes, "{name}");
    }
    let rejected = vectors("policy", "rejected");
    assert!(rejected.len() >= 25, "{}", rejected.len());
    for (name, bytes) in rejected {
        assert!(Policy::parse(&bytes).is_err(), "{name}");
    }
}

#[test]
fn a_policy_is_bounded() {
    let witness = |n: usize| format!("witness w{n} {}\n", witness(n));
    let file = |n: usize| (0..n).map(witness).collect::<String>() + "quorum w0\n";
    assert!(Policy::parse(file(128).as_bytes()).is_ok());
    assert_eq!(
        Policy::parse(file(129).as_bytes()),
        Err(PolicyError::TooMany { line: 129 })
    );
    let long = [vec![b' '; Policy::MAX_BYTES], b"\n".to_vec()].concat();
    assert_eq!(Policy::parse(&long), Err(PolicyError::Size));
}

#[test]
fn names_and_comments_may_be_any_octets() {
    let w0 = witness(0);
    let line = w0.to_string();
    let file = [
        &b"# \xff\xfe\nwitness \xe2\x84\xaa\xff "[..],
        line.as_bytes(),
        b"\nquorum \xe2\x84\xaa\xff\n",
    ];
    let policy = Policy::parse(&file.concat()).unwrap();
    assert_eq!(policy.witnesses().collect::<Vec<_>>(), [&w0]);
    assert_golden("policy/good-octets.policy", policy.as_bytes());
}

proptest! {
    #[test]
    fn arbitrary_lines_never_panic(lines in "((log|witness|group|quorum|#|none|any|all|a|b|2|[+/=\\t ]){1,6} ?\n?){0,20}") {
        let _ = Policy::parse(lines.as_bytes());
    }

    #[test]
    fn a_damaged_policy_is_refused_or_says_what_it_says(at: prop::sample::Index, byte: u8) {
        let good = policy(&Network::new(1, 4));
        let mut bytes = good.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = Policy::parse(&bytes) {
            prop_assert_eq!(read.as_bytes(), &bytes);
            prop_assert_eq!(read.hash() == good.hash(), bytes == good.as_bytes());
        }
    }
}

#[test]
fn the_time_of_a_cosignature_is_told_and_decides_nothing() {
    let network = Network::new(1, 1);
    let checkpoint = network.checkpoint(10, leaf_hash(b"root"));
    let far = Time(u64::MAX);
    let lines = vec![
        checkpoint.sign(&key(1, 0, 1)),
        checkpoint
            .cosign(&super::support::name(0), &key(1, 0, 2), far)
            .unwrap(),
    ];
    let note = Note::new(&checkpoint.to_string(), lines).unwrap();
    let verified = policy(&network).verify_checkpoint(&note).unwrap();
    assert_eq!(verified.cosigners()[0].seconds, u64::MAX / 1000);
    assert!(text(policy(&network).as_bytes()).contains("group validators 1 "));
}
