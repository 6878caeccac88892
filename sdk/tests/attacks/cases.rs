//! How each file of `vectors/attacks` is made.

use crate::judge::{Attack, Hex, Input, Trusted, Verdict, base64};
use crate::world::{Network, name};
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::merkle::tile::{Tile, TileId};
use medanchor_ledger::merkle::{
    Leaves, consistency_proof, inclusion_proof, leaf_hash, node_hash, root_at,
};
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::seal::Seal;
use medanchor_ledger::state::{Changes, StateKey, StateMap};
use medanchor_ledger::{Height, Index, PolicyHash, Round, Size, StateRoot, Time, TreeHash};
use std::collections::BTreeMap;

type Case = (&'static str, Attack);

fn case(name: &'static str, attack: &str, error: Option<&str>, input: Input) -> Case {
    let verdict = if error.is_some() {
        "rejected"
    } else {
        "accepted"
    };
    let expected = Verdict {
        verdict: verdict.to_owned(),
        error: error.map(str::to_owned),
    };
    (
        name,
        Attack {
            attack: attack.to_owned(),
            expected,
            input,
        },
    )
}

fn hash(hash: TreeHash) -> Hex {
    Hex(hash.as_bytes().to_vec())
}

fn hashes(proof: Vec<TreeHash>) -> Vec<Hex> {
    proof.into_iter().map(hash).collect()
}

/// All of them.
pub fn cases() -> Vec<Case> {
    [
        inclusion(),
        consistency(),
        tiles(),
        policies(),
        checkpoints(),
        two_checkpoints(),
        receipts(),
        validators(),
        states(),
        disclosures(),
    ]
    .concat()
}

/// Leaf hashes of a log of small entries.
fn leaves(range: std::ops::Range<u64>) -> Vec<TreeHash> {
    range
        .map(|number| leaf_hash(format!("entry {number}").as_bytes()))
        .collect()
}

fn root(leaves: &[TreeHash]) -> TreeHash {
    root_at(&Leaves(leaves), Size(leaves.len() as u64)).unwrap()
}

fn inclusion() -> Vec<Case> {
    let leaves = leaves(0..4);
    let whole = root(&leaves);
    let right = |index| inclusion_proof(&Leaves(&leaves), Index(index), Size(4)).unwrap();
    let input = |index, size, root, leaf, proof| Input::Inclusion {
        index,
        size,
        root: hash(root),
        leaf: hash(leaf),
        proof: hashes(proof),
    };
    let three = root(&leaves[..3]);
    let forged = leaf_hash(b"forged");
    let mut long = right(1);
    long.push(forged);
    vec![
        case(
            "control-inclusion",
            "a right proof",
            None,
            input(1, 4, whole, leaves[1], right(1)),
        ),
        case(
            "inclusion-trailing-hash",
            "a right proof with one hash more, which a loop that stops at the root never looks at",
            Some("length"),
            input(1, 4, whole, leaves[1], long),
        ),
        case(
            "inclusion-missing-hash",
            "the proof ends below the root, and the inner node that it leads to is given as the root",
            Some("length"),
            input(
                1,
                4,
                node_hash(&leaves[0], &leaves[1]),
                leaves[1],
                vec![leaves[0]],
            ),
        ),
        case(
            "inclusion-empty-proof",
            "the root itself is given as the leaf, with no hash at all",
            Some("length"),
            input(0, 4, whole, whole, vec![]),
        ),
        case(
            "inclusion-index-outside-tree",
            "an index beyond the last entry, whose path happens to be that of another",
            Some("outside-tree"),
            input(5, 4, whole, leaves[1], right(1)),
        ),
        case(
            "inclusion-index-outside-single-entry",
            "an index beyond the only entry of a log, whose leaf hash is the root",
            Some("outside-tree"),
            input(5, 1, leaves[0], leaves[0], vec![]),
        ),
        case(
            "inclusion-other-index",
            "a right proof, said to be of another place",
            Some("root"),
            input(0, 4, whole, leaves[1], right(1)),
        ),
        case(
            "inclusion-last-leaf-doubled",
            "as in Bitcoin (CVE-2012-2459): the last of three leaves is said to stand twice, and the tree to have four",
            Some("root"),
            input(
                3,
                4,
                three,
                leaves[2],
                vec![leaves[2], node_hash(&leaves[0], &leaves[1])],
            ),
        ),
        case(
            "inclusion-proof-of-a-forged-leaf",
            "another leaf in the place of the right one",
            Some("root"),
            input(1, 4, whole, forged, right(1)),
        ),
    ]
}

fn consistency() -> Vec<Case> {
    let log = leaves(0..8);
    // The same but for entries 3 and 4: the first and the last of the earlier log agree.
    let forked = [&log[..3], &leaves(103..105), &log[5..]].concat();
    let input = |(old_size, old_root), (new_size, new_root), proof| Input::Consistency {
        old_size,
        old_root: hash(old_root),
        new_size,
        new_root: hash(new_root),
        proof: hashes(proof),
    };
    let proof =
        |log: &[TreeHash], old| consistency_proof(&Leaves(log), Size(old), Size(8)).unwrap();
    let (five, six, eight) = ((5, root(&log[..5])), (6, root(&log[..6])), (8, root(&log)));
    let (other_six, other_eight) = ((6, root(&forked[..6])), (8, root(&forked)));
    let mut long = proof(&log, 5);
    long.push(log[0]);
    vec![
        case(
            "control-consistency",
            "a right proof",
            None,
            input(five, eight, proof(&log, 5)),
        ),
        case(
            "consistency-from-empty",
            "every log is consistent with the empty one: such a proof binds nothing",
            Some("from-empty-tree"),
            input((0, eight.1), eight, vec![]),
        ),
        case(
            "consistency-equal-sizes-other-roots",
            "two roots for one size, with the empty proof that equal sizes have",
            Some("root"),
            input(six, other_six, vec![]),
        ),
        case(
            "consistency-equal-sizes-with-proof",
            "equal sizes and roots, and hashes that nobody looks at",
            Some("length"),
            input(six, six, vec![log[0]]),
        ),
        case(
            "consistency-forked-middle",
            "as immudb before 1.4.1 (CVE-2022-36111): the first and the last agree, the entries between were exchanged",
            Some("root"),
            input(six, other_eight, proof(&forked, 6)),
        ),
        case(
            "consistency-old-log-forked",
            "the earlier root is of a log that the later one does not continue; the proof is right for the later log",
            Some("root"),
            input(other_six, eight, proof(&log, 6)),
        ),
        case(
            "consistency-shrunk",
            "the later log is shorter",
            Some("shrunk"),
            input(eight, five, proof(&log, 5)),
        ),
        case(
            "consistency-trailing-hash",
            "a right proof with one hash more",
            Some("length"),
            input(five, eight, long),
        ),
        case(
            "consistency-empty-proof",
            "no hash at all",
            Some("length"),
            input(five, eight, vec![]),
        ),
    ]
}

/// A log of 259 entries: two whole levels, of which a reader that authenticates only as many tiles as
/// there are subtrees along the right edge (two single-entry ones, one of two entries, one of 256)
/// leaves the first tile out.
fn tiles() -> Vec<Case> {
    let log = leaves(0..259);
    let forged = leaf_hash(b"forged");
    let mut lying = log.clone();
    lying[7] = forged;
    let published = |first: &[TreeHash]| -> BTreeMap<String, Hex> {
        let ids = TileId::grown(Size(0), Size(259));
        let tile = |id: TileId| {
            let source = if id.level() == 0 && id.index() == 0 {
                first
            } else {
                &log
            };
            (
                id.to_string(),
                Hex(Tile::read(id, &Leaves(source)).unwrap().encode()),
            )
        };
        ids.map(tile).collect()
    };
    let input = |leaf, tiles| Input::Tiles {
        size: 259,
        root: hash(root(&log)),
        index: 7,
        leaf: hash(leaf),
        tiles,
    };
    vec![
        case(
            "control-tiles",
            "the tiles of a log of 259 entries",
            None,
            input(log[7], published(&log)),
        ),
        case(
            "tiles-forged-below-the-root",
            "as CVE-2026-56865: a full tile of leaves is forged; the tiles that make the root are right",
            Some("root"),
            input(forged, published(&lying)),
        ),
    ]
}

fn policies() -> Vec<Case> {
    let network = Network::new(1, &[0, 1, 2, 3]);
    let policy = network.policy();
    let witness = policy
        .lines()
        .find(|line| line.starts_with("witness "))
        .unwrap();
    let key = witness.rsplit(' ').next().unwrap();
    let log = policy.lines().next().unwrap().strip_prefix("log ").unwrap();
    let input = |policy: String| Input::Policy { policy };
    vec![
        case(
            "control-policy",
            "the policy of four validators",
            None,
            input(policy.clone()),
        ),
        case(
            "policy-one-key-under-two-names",
            "one cosigner's key stands twice, so that its signature would count twice",
            Some("duplicate-key"),
            input(format!(
                "log {log}\nwitness a {key}\nwitness b {key}\ngroup two all a b\nquorum two\n"
            )),
        ),
        case(
            "policy-one-witness-in-two-groups",
            "one cosigner stands in two groups, so that its signature would count twice",
            Some("second-group"),
            input(format!(
                "log {log}\nwitness a {key}\ngroup one any a\ngroup other any a\ngroup two all one other\nquorum two\n"
            )),
        ),
        case(
            "policy-log-key-as-witness",
            "a log key stands as a witness, so that the log would cosign itself",
            Some("key-type"),
            input(format!("log {log}\nwitness a {log}\nquorum a\n")),
        ),
        case(
            "policy-group-of-none",
            "a group whose threshold is 0 is met by nobody's signature",
            Some("threshold"),
            input(format!(
                "log {log}\nwitness a {key}\ngroup none-needed 0 a\nquorum none-needed\n"
            )),
        ),
    ]
}

fn checkpoints() -> Vec<Case> {
    let network = Network::new(1, &[0, 1, 2, 3]);
    let other = Network::new(2, &[0, 1, 2, 3]);
    let log = leaves(0..6);
    let head = network.checkpoint(6, root(&log));
    let good = network.signed_by(&head, &[0, 1, 2]);
    let trusted = network.trusted();
    let input = |note: String| Input::Checkpoint {
        trusted: trusted.clone(),
        note,
    };
    let ranged = |first_size, last_size| Trusted {
        first_size,
        last_size,
        ..trusted.clone()
    };
    let theirs = other.signed_by(&other.checkpoint(6, root(&log)), &[0, 1, 2]);
    let relabelled = theirs.replace(&other.origin().to_string(), &network.origin().to_string());
    // Their cosignature, under the name and the key id of ours.
    let line = |note: &str, number: usize| note.lines().nth(4 + number).unwrap().to_owned();
    let (ours_line, their_line) = (line(&good, 3), line(&theirs, 3));
    let replayed = good.replace(&ours_line, &spliced(&ours_line, &their_line));
    let resized = good.replacen("\n6\n", "\n7\n", 1);
    let changed = good.replace(&base64(&head.root), &base64(&leaf_hash(b"forged")));
    vec![
        case(
            "control-checkpoint",
            "a quorum of the policy's witnesses",
            None,
            input(good),
        ),
        case(
            "checkpoint-one-signer-three-times",
            "three cosignatures, all of one validator",
            Some("no-quorum"),
            input(network.signed_by(&head, &[1, 1, 1])),
        ),
        case(
            "checkpoint-signer-counted-twice",
            "three cosignatures of two validators",
            Some("no-quorum"),
            input(network.signed_by(&head, &[0, 1, 1])),
        ),
        case(
            "checkpoint-of-another-network",
            "a quorum of another network, whose validators have the same names",
            Some("no-log"),
            input(theirs),
        ),
        case(
            "checkpoint-relabelled",
            "the same, under the name of this network: its keys have other ids",
            Some("no-log"),
            input(relabelled),
        ),
        case(
            "checkpoint-cosignature-replayed",
            "one cosignature was made for another network's checkpoint of the same size and root",
            Some("signature"),
            input(replayed),
        ),
        case(
            "checkpoint-size-changed",
            "another size beside a signed root",
            Some("signature"),
            input(resized),
        ),
        case(
            "checkpoint-root-changed",
            "another root beside a signed size",
            Some("signature"),
            input(changed),
        ),
        case(
            "checkpoint-log-key-only",
            "what a reader of plain signed notes would take: the log's signature and no quorum",
            Some("no-quorum"),
            input(network.signed_by(&head, &[])),
        ),
        case(
            "checkpoint-old-validator-set",
            "a quorum of the validators that left at size 5 signs a later size",
            Some("outside-range"),
            Input::Checkpoint {
                trusted: ranged(1, 5),
                note: network.signed_by(&head, &[0, 1, 2]),
            },
        ),
        case(
            "checkpoint-before-the-validator-set",
            "a quorum of validators that came at size 7 signs an earlier size",
            Some("outside-range"),
            Input::Checkpoint {
                trusted: ranged(7, u64::MAX),
                note: network.signed_by(&head, &[0, 1, 2]),
            },
        ),
    ]
}

/// Checkpoints that are good one by one.
fn two_checkpoints() -> Vec<Case> {
    let network = Network::new(1, &[0, 1, 2, 3]);
    let log = leaves(0..6);
    let head = network.checkpoint(6, root(&log));
    let fork = network.checkpoint(6, root(&[&log[..5], &leaves(105..106)].concat()));
    let input = |notes| Input::Checkpoints {
        trusted: network.trusted(),
        notes,
    };
    let one = network.signed_by(&head, &[0, 1, 2]);
    vec![
        case(
            "control-two-checkpoints",
            "one checkpoint, as two quorums signed it",
            None,
            input([one.clone(), network.signed_by(&head, &[1, 2, 3])]),
        ),
        case(
            "two-roots-for-one-size",
            "a quorum signed each, and two validators both: a checker that looks at one at a time is content, one that compares has proof against them",
            Some("fork"),
            input([one, network.signed_by(&fork, &[1, 2, 3])]),
        ),
    ]
}

/// The name and key id of one signature line, and the signature of another.
fn spliced(ours: &str, theirs: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let parts = |line: &str| {
        let (head, tail) = line.rsplit_once(' ').unwrap();
        (head.to_owned(), STANDARD.decode(tail).unwrap())
    };
    let ((head, ours), (_, theirs)) = (parts(ours), parts(theirs));
    format!(
        "{head} {}",
        STANDARD.encode([&ours[..4], &theirs[4..]].concat())
    )
}

fn receipts() -> Vec<Case> {
    let network = Network::new(1, &[0, 1, 2, 3]);
    let other = Network::new(2, &[0, 1, 2, 3]);
    let good = network.receipt(2, 6);
    let event = network.event(2);
    let with = |event: Vec<u8>, receipt: &Receipt| Input::Receipt {
        trusted: network.trusted(),
        event: Hex(event),
        receipt: receipt.to_string(),
    };
    let of = |receipt: &Receipt| with(event.clone(), receipt);
    let two = network.leaves(2);
    let joined = [two[0], two[1]]
        .map(|leaf| leaf.as_bytes().to_vec())
        .concat();
    // What is the root of two entries is signed as that of one, whose proof needs no hash.
    let of_one = Receipt {
        index: Index(0),
        proof: vec![],
        checkpoint: network.signed(&network.checkpoint(1, node_hash(&two[0], &two[1]))),
        extra: None,
    };
    let half = Receipt {
        proof: good.proof[1..].to_vec(),
        ..good.clone()
    };
    let theirs = Receipt {
        checkpoint: other.receipt(2, 6).checkpoint,
        ..good.clone()
    };
    let (seal, sealed) = seal_receipt(&network);
    let unwitnessed = {
        let log = network.policy().lines().next().unwrap().to_owned();
        let policy = format!("{log}\nquorum none\n");
        let trusted = Trusted {
            policy,
            ..network.trusted()
        };
        Input::Receipt {
            trusted,
            event: Hex(event.clone()),
            receipt: good.to_string(),
        }
    };
    vec![
        case(
            "control-receipt",
            "an event and its receipt",
            None,
            of(&good),
        ),
        case(
            "receipt-of-another-log",
            "a right receipt of the same event in another network's log",
            Some("no-log"),
            with(other.event(2), &other.receipt(2, 6)),
        ),
        case(
            "receipt-with-another-logs-checkpoint",
            "a right proof beside the checkpoint of another log",
            Some("no-log"),
            of(&theirs),
        ),
        case(
            "receipt-of-another-event",
            "as CVE-2026-56864: the answer is about an event that was not asked for",
            Some("root"),
            with(network.event(3), &good),
        ),
        case(
            "receipt-second-preimage",
            "the bytes of two leaf hashes are given as the only entry of a log whose root is their node hash: where leaves and nodes are hashed alike, it is proved",
            Some("root"),
            with(joined, &of_one),
        ),
        case(
            "receipt-proof-cut",
            "the way up begins one level above the leaves",
            Some("length"),
            of(&half),
        ),
        case(
            "receipt-other-index",
            "the right proof, said to be of another place",
            Some("root"),
            of(&Receipt {
                index: Index(3),
                ..good.clone()
            }),
        ),
        case(
            "receipt-of-a-seal",
            "the receipt of a block's seal, given as that of an event",
            Some("not-an-event"),
            with(seal, &sealed),
        ),
        case(
            "receipt-under-a-policy-without-quorum",
            "a policy that asks for no witness proves nothing about a network",
            Some("no-quorum"),
            unwitnessed,
        ),
    ]
}

/// A log whose only entry is a seal.
fn seal_receipt(network: &Network) -> (Vec<u8>, Receipt) {
    let seal = Seal {
        height: Height(0),
        round: Round(0),
        proposer: None,
        time: Time(1_790_000_000_000),
        first: Index(0),
        count: 0,
        log_root: TreeHash::new([1; 32]),
        previous: TreeHash::new([2; 32]),
        state_root: StateRoot::new([3; 32]),
        rules_version: 1,
        policy: PolicyHash::new([4; 32]),
        next_policy: PolicyHash::new([4; 32]),
    };
    let receipt = Receipt {
        index: Index(0),
        proof: vec![],
        checkpoint: network.signed(&network.checkpoint(1, seal.hash())),
        extra: None,
    };
    (seal.encode(), receipt)
}

fn validators() -> Vec<Case> {
    let network = Network::new(1, &[0, 1, 2, 3]);
    let other = Network::new(2, &[0, 1, 2, 3]);
    // Members 0 and 1 left, 4 and 5 came.
    let later = Network::new(1, &[2, 3, 4, 5]);
    let log = leaves(0..6);
    let head = network.checkpoint(6, root(&log));
    let gather = |records: &[Cosignature]| Input::Cosignatures {
        validators: network.listed(),
        checkpoint: head.to_string(),
        records: records.iter().map(|record| Hex(record.encode())).collect(),
    };
    let ours = |member| network.cosign(member, &head);
    let (fork, behind) = (
        network.checkpoint(6, leaf_hash(b"forged")),
        network.checkpoint(5, root(&log[..5])),
    );
    let decided = |set: &Network, certificate: Vec<u8>| Input::Certificate {
        validators: set.listed(),
        network: Hex(network.id().as_bytes().to_vec()),
        certificate: Hex(certificate),
    };
    let good = network.certificate(9, &[0, 1, 2]).encode();
    let twice = doubled(&network);
    vec![
        case(
            "control-cosignatures",
            "three of four validators",
            None,
            gather(&[ours(0), ours(1), ours(2)]),
        ),
        case(
            "cosignatures-of-one-validator",
            "one validator's record three times",
            Some("no-quorum"),
            gather(&[ours(1), ours(1), ours(1)]),
        ),
        case(
            "cosignature-of-another-network",
            "a validator of another network with the same name, size and root",
            Some("signature"),
            gather(&[
                ours(0),
                ours(1),
                other.cosign(2, &other.checkpoint(6, root(&log))),
            ]),
        ),
        case(
            "cosignature-with-another-root",
            "two roots for one size: the record's signatures hold, so it is evidence against its signer",
            Some("fork"),
            gather(&[ours(0), network.cosign(1, &fork)]),
        ),
        case(
            "cosignature-of-another-size",
            "a record for an earlier checkpoint",
            Some("size"),
            gather(&[ours(0), network.cosign(1, &behind)]),
        ),
        case(
            "cosignature-of-a-stranger",
            "a member that is no validator of this size",
            Some("stranger"),
            gather(&[ours(0), later.cosign(4, &head)]),
        ),
        case(
            "cosignature-under-another-name",
            "one validator's signatures under the name of another",
            Some("signature"),
            gather(&[Cosignature {
                validator: name(1),
                ..ours(0)
            }]),
        ),
        case(
            "control-certificate",
            "three of four validators",
            None,
            decided(&network, good.clone()),
        ),
        case(
            "certificate-signer-twice",
            "two signatures of one validator among three",
            Some("encoding"),
            decided(&network, twice),
        ),
        case(
            "certificate-old-validator-set",
            "the validators of an earlier height decide a later one",
            Some("stranger"),
            decided(&later, good),
        ),
        case(
            "certificate-of-another-network",
            "the same names decided it in another network",
            Some("signature"),
            decided(&network, other.certificate(9, &[0, 1, 2]).encode()),
        ),
        case(
            "certificate-below-the-quorum",
            "two of four",
            Some("no-quorum"),
            decided(&network, network.certificate(9, &[0, 1]).encode()),
        ),
    ]
}

/// A certificate in which member 1's signature stands in member 2's place too.
fn doubled(network: &Network) -> Vec<u8> {
    let good = network.certificate(9, &[0, 1, 2]);
    let [_, (one, signature), (two, second)] = good.signatures() else {
        panic!("three")
    };
    let entry = |name: &medanchor_ledger::ParticipantName, bytes: &[u8]| {
        [
            &[0x82, 0x60 | u8::try_from(name.as_str().len()).unwrap()],
            name.as_str().as_bytes(),
            &[0x58, 64],
            bytes,
        ]
        .concat()
    };
    let (from, to) = (
        entry(two, second.as_bytes()),
        entry(one, signature.as_bytes()),
    );
    let bytes = good.encode();
    let at = bytes
        .windows(from.len())
        .position(|window| window == from)
        .unwrap();
    [&bytes[..at], &to, &bytes[at + from.len()..]].concat()
}

fn states() -> Vec<Case> {
    let key = |number: u64| StateKey::new(format!("key {number}").as_bytes()).unwrap();
    let value = |number: u64| format!("value {number}").into_bytes();
    let changes: Changes = (0..20).map(|n| (key(n).path(), Some(value(n)))).collect();
    let mut map = StateMap::empty();
    let update = map.update(&changes).unwrap();
    map.apply(&update).unwrap();
    let input = |number: u64, value: Option<Vec<u8>>, proof: Vec<u8>| Input::State {
        root: Hex(map.root().as_bytes().to_vec()),
        key: Hex(key(number).as_bytes().to_vec()),
        value: value.map(Hex),
        proof: Hex(proof),
    };
    let proof = |number: u64| map.prove(&key(number).path()).unwrap().encode();
    // An absent key in whose place another's leaf stands: its proof has that leaf's path and the
    // hash of its value.
    let other_leaf = |bytes: &[u8]| bytes.first() == Some(&0x85);
    let absent = (20..).find(|number| other_leaf(&proof(*number))).unwrap();
    let shown = (0..20)
        .find(|n| contains(&proof(absent), key(*n).path().as_bytes()))
        .unwrap();
    let nothing = vec![0x83, 1, 0x40, 1];
    let mut exchanged = proof(3);
    // The byte string's head is two bytes, or three from 256 bytes on.
    let at = if exchanged[2] == 0x59 { 5 } else { 4 };
    exchanged[at..at + 64].rotate_left(32);
    vec![
        case(
            "control-state",
            "a value that is there",
            None,
            input(3, Some(value(3)), proof(3)),
        ),
        case(
            "control-state-absence",
            "a key that is not there",
            None,
            input(absent, None, proof(absent)),
        ),
        case(
            "state-value-by-its-hash",
            "as GroveDB: the proof carries the hash of the real value, and another value is claimed beside it",
            Some("claim"),
            input(shown, Some(b"forged".to_vec()), proof(absent)),
        ),
        case(
            "state-absence-of-what-is-there",
            "absence of a key is claimed by a proof that shows the key's own leaf",
            Some("place"),
            input(shown, None, proof(absent)),
        ),
        case(
            "state-absence-by-nothing",
            "as in verifiers of Patricia tries: a proof of nothing at all, taken for the empty map",
            Some("root"),
            input(3, None, nothing),
        ),
        case(
            "state-another-value",
            "another value of a key that is there",
            Some("root"),
            input(3, Some(value(4)), proof(3)),
        ),
        case(
            "state-another-key",
            "the right value of another key",
            Some("root"),
            input(4, Some(value(3)), proof(3)),
        ),
        case(
            "state-siblings-exchanged",
            "two siblings exchanged: the sides follow from the key alone",
            Some("root"),
            input(3, Some(value(3)), exchanged),
        ),
    ]
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// From the frozen disclosures: `rs_merkle` takes a second leaf at a place that has one.
fn disclosures() -> Vec<Case> {
    let file = |name: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/disclosure");
        std::fs::read(folder.join(name)).unwrap()
    };
    let commitment = String::from_utf8(file("commitment.hex")).unwrap();
    let commitment = hex::decode(commitment.trim()).unwrap();
    let input = |name| Input::Disclosure {
        commitment: Hex(commitment.clone()),
        disclosure: Hex(file(name)),
    };
    vec![
        case(
            "control-disclosure",
            "one field of a document",
            None,
            input("good-one-field.cbor"),
        ),
        case(
            "disclosure-field-twice",
            "as rs_merkle: two leaves at one place, of which only the first is hashed",
            Some("encoding"),
            input("rejected-field-twice.cbor"),
        ),
        case(
            "disclosure-leaf-not-consumed",
            "a field beyond the tree, which no hash on the way up takes in",
            Some("encoding"),
            input("rejected-place-beyond-count.cbor"),
        ),
        case(
            "disclosure-of-another-count",
            "the same leaves in a tree that is said to have another size",
            Some("unproven"),
            input("rejected-other-count.cbor"),
        ),
    ]
}
