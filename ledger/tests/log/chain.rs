//! Policy chains: from genesis through sets that change, and every way in which one is refused.

use super::support::{Nodes, assert_golden, key, name, vectors};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cose_receipt::{CoseProof, CoseUnproved, Quorum};
use medanchor_ledger::cosignature::{Cosignature, Gathering};
use medanchor_ledger::genesis::{Authorities, Genesis, GenesisSpec};
use medanchor_ledger::merkle::inclusion_proof;
use medanchor_ledger::policy::{ChainError, Distrust, Link, NoCoseKeys, Policy, PolicyChain};
use medanchor_ledger::receipt::{Receipt, Unproved};
use medanchor_ledger::rules::{Participant, Role};
use medanchor_ledger::seal::Seal;
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::{Height, Index, PolicyHash, Round, Size, StateRoot, Time};
use proptest::prelude::*;

/// A validator of this network: its keys follow from its number and from how often it has joined.
fn validator(number: usize, network: u8) -> Validator {
    let public = |purpose| key(network, number, purpose).public_key();
    Validator {
        name: name(number),
        consensus: public(0),
        log: public(1),
        cosigner: public(2),
        cose: public(3),
    }
}

fn genesis(network: u8) -> Genesis {
    let participant = |number| {
        let keys = vec![key(network, number, 9).public_key()];
        (
            name(number),
            Participant::new(vec![Role::Hospital], keys).unwrap(),
        )
    };
    let validators = (0..4).map(|number| validator(number, network)).collect();
    Genesis::new(GenesisSpec {
        name: "chain.example".parse().unwrap(),
        time: Time(1_700_000_000_000),
        validators: ValidatorSet::new(validators).unwrap(),
        participants: (0..7).map(participant).collect(),
        authorities: Authorities {
            threshold: 1,
            names: [name(0)].into(),
        },
        publisher: None,
    })
    .unwrap()
}

/// A network whose sets change, and its log.
pub struct Story {
    network: u8,
    pub genesis: Genesis,
    pub nodes: Nodes,
    pub size: u64,
    height: u64,
    pub members: Vec<usize>,
    policy: Policy,
    pub chain: PolicyChain,
}

impl Story {
    pub fn new(network: u8) -> Self {
        let genesis = genesis(network);
        let mut nodes = Nodes::default();
        nodes.append(b"the seal of height 0");
        Self {
            network,
            policy: genesis.policy().clone(),
            chain: PolicyChain::of_genesis(&genesis),
            genesis,
            nodes,
            size: 1,
            height: 0,
            members: vec![0, 1, 2, 3],
        }
    }

    fn set(&self) -> ValidatorSet {
        let members = self.members.iter();
        let members = members.map(|number| validator(*number, self.network));
        ValidatorSet::new(members.collect()).unwrap()
    }

    pub fn gathered(&self) -> Gathering {
        let checkpoint = Checkpoint {
            origin: self.genesis.origin().clone(),
            size: Size(self.size),
            root: self.nodes.frontier.root(),
        };
        let mut gathering = Gathering::new(checkpoint.clone(), self.set());
        for number in &self.members {
            let key = |purpose| key(self.network, *number, purpose);
            let time = Time(1_800_000_000_000);
            let record =
                Cosignature::sign(&checkpoint, &name(*number), &key(1), &key(2), time).unwrap();
            gathering
                .add(&record.with_cose(&checkpoint, &key(3)))
                .unwrap();
        }
        gathering
    }

    /// A block of `events` events whose seal names `next`; gives the seal.
    fn block(&mut self, events: u64, next: PolicyHash) -> Seal {
        self.height += 1;
        let seal = Seal {
            height: Height(self.height),
            round: Round(0),
            proposer: Some(name(self.members[0])),
            time: Time(1_700_000_000_000 + self.height),
            first: Index(self.size),
            count: events,
            log_root: self.nodes.frontier.root(),
            previous: medanchor_ledger::merkle::leaf_hash(b"not looked at"),
            state_root: StateRoot::new([3; 32]),
            rules_version: 1,
            policy: self.policy.hash(),
            next_policy: next,
        };
        (0..events).for_each(|event| self.nodes.append(format!("event {event}").as_bytes()));
        self.nodes.append(&seal.encode());
        self.size += events + 1;
        seal
    }

    fn receipt(&self, index: u64) -> Receipt {
        Receipt {
            index: Index(index),
            proof: inclusion_proof(&self.nodes, Index(index), Size(self.size)).unwrap(),
            checkpoint: self.gathered().note().unwrap(),
            extra: None,
        }
    }

    pub fn quiet(&mut self, events: u64) {
        let same = self.policy.hash();
        self.block(events, same);
    }

    /// A block that ends this set's turn; `members` follow.
    pub fn change(&mut self, events: u64, members: &[usize]) {
        let before = std::mem::replace(&mut self.members, members.to_vec());
        let since = Height(self.height + 1).next();
        let policy = Policy::of_later_validators(self.genesis.origin(), &self.set(), since);
        self.members = before;
        self.change_to(events, members, policy.unwrap());
    }

    /// The same with a policy file of the caller's.
    fn change_to(&mut self, events: u64, members: &[usize], policy: Policy) {
        let seal = self.block(events, policy.hash());
        let link = Link {
            policy: policy.clone(),
            seal: seal.encode().into(),
            receipt: self.receipt(self.size - 1),
        };
        self.chain.links.push(link);
        self.members = members.to_vec();
        self.policy = policy;
    }
}

/// One joins, one leaves, one joins again: turns end at 6, 10 and 15.
fn changes(network: u8) -> Story {
    let mut story = Story::new(network);
    story.quiet(1);
    story.change(2, &[0, 1, 2, 3, 4]);
    story.quiet(1);
    story.change(1, &[0, 1, 2, 4]);
    story.change(4, &[0, 1, 2, 3, 4, 5, 6]);
    story.quiet(3);
    story
}

#[test]
fn chains_are_frozen_and_give_each_size_its_policy() {
    let (one, story) = (Story::new(1), changes(1));
    assert_golden("policy-chain/genesis", story.genesis.encoded());
    assert_golden("policy-chain/good-of-one.cbor", &one.chain.encode());
    assert_golden("policy-chain/good-of-four.cbor", &story.chain.encode());
    let policies = story.chain.verify(&story.genesis).unwrap();
    let ranges: Vec<_> = policies
        .turns()
        .iter()
        .map(|turn| {
            let (first, last) = turn.range.sizes();
            assert_eq!(turn.cose.sizes(), (first, last));
            (turn.since.0, first.0, last.0, turn.cose.quorum())
        })
        .collect();
    let end = u64::MAX;
    let expected = [(0, 1, 6, 3), (3, 7, 10, 4), (5, 11, 15, 3), (6, 16, end, 5)];
    assert_eq!(ranges, expected);
    for size in 1..40 {
        let turn = policies.at(Size(size)).unwrap();
        assert!(turn.range.contains(Size(size)), "{size}");
    }
    assert!(policies.at(Size(0)).is_none());
    for (height, place) in [(0, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 3), (end, 3)] {
        let turn = policies.at_height(Height(height)).unwrap();
        assert_eq!(turn, &policies.turns()[place], "{height}");
    }
    let note = story.gathered().note().unwrap();
    assert_eq!(
        policies.verify_checkpoint(&note).unwrap().cosigners().len(),
        5
    );
    let alone = one.chain.verify(&one.genesis).unwrap();
    assert_eq!(
        alone,
        medanchor_ledger::policy::Policies::of_genesis(&one.genesis)
    );
}

#[test]
fn golden_chains_are_judged_as_their_names_say() {
    let genesis = Genesis::decode(&super::support::frozen("policy-chain/genesis")).unwrap();
    for (file, bytes) in vectors("policy-chain", "good") {
        let chain = PolicyChain::decode(&bytes).unwrap();
        assert_eq!(chain.encode(), bytes, "{file}");
        assert!(chain.verify(&genesis).is_ok(), "{file}");
    }
    let rejected = vectors("policy-chain", "rejected");
    assert!(rejected.len() >= 20, "{}", rejected.len());
    for (file, bytes) in rejected {
        let judged = PolicyChain::decode(&bytes).map(|chain| chain.verify(&genesis).is_ok());
        assert_ne!(judged, Ok(true), "{file}");
    }
}

#[test]
fn a_set_that_has_left_vouches_for_no_later_size() {
    let mut story = Story::new(1);
    story.quiet(1);
    let before = story.chain.verify(&story.genesis).unwrap();
    story.change(2, &[0, 1, 2, 4]);
    let (entry, last) = (b"event 0", story.size);
    // The old set goes on as if nothing had changed.
    story.members = vec![0, 1, 2, 3];
    story.quiet(1);
    let receipt = story.receipt(last);
    assert!(
        before.verify_receipt(&receipt, entry).is_ok(),
        "who lacks the link cannot know"
    );
    let policies = story.chain.verify(&story.genesis).unwrap();
    let turn = policies.at(Size(last)).unwrap();
    let (first, size) = (Size(1), Size(last + 2));
    let outside = Distrust::OutsideRange {
        size,
        first,
        last: Size(last),
    };
    assert_eq!(
        receipt.verify(entry, &turn.range),
        Err(Unproved::Checkpoint(outside))
    );
}

#[test]
fn cose_receipts_are_judged_by_the_keys_of_their_size() {
    let mut story = changes(1);
    let policies = story.chain.verify(&story.genesis).unwrap();
    let index = story.size;
    story.quiet(1);
    let path = inclusion_proof(&story.nodes, Index(index), Size(story.size)).unwrap();
    let proof = CoseProof::Inclusion {
        index: Index(index),
        path,
    };
    let receipts = story.gathered().cose_receipts(&proof).unwrap();
    let size = Size(story.size);
    let keys = &policies.at(size).unwrap().cose;
    let verified = Quorum::verify(&receipts, b"event 0", keys).unwrap();
    assert_eq!(verified.validators().len(), 5);
    let earlier = &policies.turns()[0].cose;
    let (first, last) = earlier.sizes();
    let outside = CoseUnproved::OutsideRange { size, first, last };
    assert_eq!(Quorum::verify(&receipts, b"event 0", earlier), Err(outside));
}

#[test]
fn chains_that_do_not_hold_are_refused_by_name() {
    let story = changes(1);
    let other = changes(2);
    let good = story.chain.clone();
    let link = |place: usize| good.links[place].clone();
    let with = |links: Vec<Link>| PolicyChain {
        links,
        ..good.clone()
    };
    let hash = |place: usize| match place {
        0 => good.first.hash(),
        place => good.links[place - 1].policy.hash(),
    };
    let broken = |link, from, to| ChainError::Broken {
        link,
        from: hash(from),
        to: hash(to),
    };
    let mut unproved = link(0);
    unproved.receipt.checkpoint = other.chain.links[0].receipt.checkpoint.clone();
    let mut resealed = Seal::decode(&link(0).seal).unwrap();
    resealed.time = Time(1);
    let resealed = Link {
        seal: resealed.encode().into(),
        ..link(0)
    };
    let text = std::str::from_utf8(good.links[2].policy.as_bytes()).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("#cose "));
    let unnamed: String = lines.flat_map(|line| [line, "\n"]).collect();
    let unnamed = Policy::parse(unnamed.as_bytes()).unwrap();
    let renamed = Link {
        policy: unnamed,
        ..link(2)
    };
    let relabelled = PolicyChain {
        genesis: good.genesis,
        ..other.chain.clone()
    };
    let late = late_receipt();
    for (file, chain, error) in [
        (
            "first-link-missing",
            with(vec![link(1), link(2)]),
            broken(1, 1, 2),
        ),
        (
            "middle-link-missing",
            with(vec![link(0), link(2)]),
            broken(2, 2, 3),
        ),
        ("link-twice", with(vec![link(0), link(0)]), broken(2, 0, 1)),
        (
            "links-exchanged",
            with(vec![link(1), link(0), link(2)]),
            broken(1, 1, 2),
        ),
        (
            "policy-of-another-link",
            with(vec![Link {
                policy: link(1).policy,
                ..link(0)
            }]),
            broken(1, 0, 1),
        ),
        (
            "policy-without-cose-keys",
            with(vec![link(0), link(1), renamed]),
            broken(3, 2, 3),
        ),
        (
            "of-another-network",
            other.chain.clone(),
            ChainError::OtherNetwork {
                found: other.genesis.hash(),
            },
        ),
        ("relabelled", relabelled, ChainError::First),
        (
            "late-receipt",
            late,
            ChainError::Unproved {
                link: 1,
                cause: Unproved::Checkpoint(Distrust::OutsideRange {
                    size: Size(8),
                    first: Size(1),
                    last: Size(6),
                }),
            },
        ),
    ] {
        assert_eq!(chain.verify(&story.genesis), Err(error), "{file}");
        assert_golden(
            &format!("policy-chain/rejected-{file}.cbor"),
            &chain.encode(),
        );
    }
    for (file, changed) in [
        ("receipt-of-another-network", unproved),
        ("seal-changed", resealed),
    ] {
        let chain = with(vec![changed]);
        let verdict = chain.verify(&story.genesis);
        assert!(
            matches!(verdict, Err(ChainError::Unproved { link: 1, .. })),
            "{file}: {verdict:?}"
        );
        assert_golden(
            &format!("policy-chain/rejected-{file}.cbor"),
            &chain.encode(),
        );
    }
}

/// A, B, C, B again, and D.
fn returning() -> Story {
    let mut story = Story::new(1);
    story.quiet(1);
    story.change(1, &[0, 1, 2, 4]);
    story.change(1, &[0, 1, 2, 5]);
    story.change(1, &[0, 1, 2, 4]);
    story.change(1, &[0, 1, 2, 6]);
    story
}

/// The file of a set that returned was once the same as at its first turn: the links between could
/// be cut out, and C's sizes were then B's.
#[test]
fn what_lies_between_two_turns_of_a_set_cannot_be_cut_out() {
    let story = returning();
    let whole = story.chain.encode();
    assert_golden("policy-chain/good-set-returns.cbor", &whole);
    assert_eq!(story.chain.verify(&story.genesis).unwrap().turns().len(), 5);
    let mut cut = story.chain.clone();
    cut.links.drain(1..3);
    let verdict = cut.verify(&story.genesis);
    assert!(
        matches!(verdict, Err(ChainError::Broken { link: 2, .. })),
        "{verdict:?}"
    );
    assert_golden(
        "policy-chain/rejected-turns-before-a-return-cut-out.cbor",
        &cut.encode(),
    );
}

#[test]
fn a_policy_that_does_not_stand_from_the_height_after_its_seal_is_refused() {
    let members = [0, 1, 2, 4];
    let good = {
        let mut story = Story::new(1);
        story.change(1, &members);
        story.policy
    };
    let text = std::str::from_utf8(good.as_bytes()).unwrap();
    for (file, changed) in [
        ("without-since", text.replace("#since 2\n", "")),
        ("since-too-early", text.replace("#since 2", "#since 1")),
        ("since-too-late", text.replace("#since 2", "#since 3")),
        (
            "since-twice",
            text.replace("#since 2\n", "#since 2\n#since 2\n"),
        ),
        ("since-with-zero", text.replace("#since 2", "#since 02")),
        ("since-with-sign", text.replace("#since 2", "#since +2")),
    ] {
        assert_ne!(changed, text, "{file}");
        let mut story = Story::new(1);
        story.change_to(1, &members, Policy::parse(changed.as_bytes()).unwrap());
        let error = ChainError::Since {
            link: 1,
            due: Height(2),
        };
        assert_eq!(story.chain.verify(&story.genesis), Err(error), "{file}");
        let bytes = story.chain.encode();
        assert_golden(&format!("policy-chain/rejected-{file}.cbor"), &bytes);
    }
}

/// One holder under two names, or one key for two purposes.
#[test]
fn a_cose_key_that_serves_twice_is_refused() {
    let members = [0, 1, 2, 4];
    let good = {
        let mut story = Story::new(1);
        story.change(1, &members);
        story.policy
    };
    let text = std::str::from_utf8(good.as_bytes()).unwrap();
    let key_of = |number, purpose| key(1, number, purpose).public_key().to_string();
    for (file, other) in [
        ("cose-key-under-two-names", key_of(1, 3)),
        ("cose-key-is-a-log-key", key_of(0, 1)),
        ("cose-key-is-a-cosigner-key", key_of(2, 2)),
    ] {
        let changed = text.replace(&key_of(4, 3), &other);
        assert_ne!(changed, text, "{file}");
        let policy = Policy::parse(changed.as_bytes()).unwrap();
        let mut story = Story::new(1);
        story.change_to(1, &members, policy);
        let error = ChainError::Cose {
            link: 1,
            cause: NoCoseKeys,
        };
        assert_eq!(story.chain.verify(&story.genesis), Err(error), "{file}");
        let bytes = story.chain.encode();
        assert_golden(&format!("policy-chain/rejected-{file}.cbor"), &bytes);
    }
}

/// The seal's receipt is under a later checkpoint, which the old set signed against the rule.
fn late_receipt() -> PolicyChain {
    let mut story = Story::new(1);
    story.quiet(1);
    story.change(2, &[0, 1, 2, 3, 4]);
    let place = story.size - 1;
    story.members = vec![0, 1, 2, 3];
    story.quiet(1);
    story.chain.links[0].receipt = story.receipt(place);
    story.chain
}

#[test]
fn a_new_set_must_be_signed_for_by_the_old_one() {
    let mut story = Story::new(1);
    story.change(1, &[4, 5, 6]);
    let last = story.chain.links.len() - 1;
    // The new set signs for itself.
    let own = story.receipt(story.size - 1);
    story.chain.links[last].receipt = own;
    let verdict = story.chain.verify(&story.genesis);
    let origin = story.genesis.origin().clone();
    let cause = Unproved::Checkpoint(Distrust::NoLog { origin });
    assert_eq!(verdict, Err(ChainError::Unproved { link: 1, cause }));
    assert_golden(
        "policy-chain/rejected-new-set-signs-for-itself.cbor",
        &story.chain.encode(),
    );
}

#[test]
fn an_entry_that_only_looks_like_the_last_is_refused() {
    let mut story = Story::new(1);
    story.change(1, &[0, 1, 2, 4]);
    let mut seal = Seal::decode(&story.chain.links[0].seal).unwrap();
    // A seal that claims to end two entries later than where it stands in the log.
    seal.count += 2;
    story.nodes.append(&seal.encode());
    story.size += 1;
    story.members = vec![0, 1, 2, 3];
    story.chain.links[0].seal = seal.encode().into();
    story.chain.links[0].receipt = story.receipt(story.size - 1);
    let verdict = story.chain.verify(&story.genesis);
    assert_eq!(verdict, Err(ChainError::Place { link: 1 }));
    assert_golden(
        "policy-chain/rejected-seal-at-another-place.cbor",
        &story.chain.encode(),
    );
}

#[test]
fn malformed_chains_are_refused_by_name() {
    let good = changes(1).chain.encode();
    let replaced = |old: &[u8], new: &[u8]| {
        let at = good.windows(old.len()).position(|part| part == old);
        let at = at.expect("the bytes to replace");
        [&good[..at], new, &good[at + old.len()..]].concat()
    };
    for (file, bytes) in [
        ("empty", Vec::new()),
        ("truncated", good[..good.len() - 1].to_vec()),
        ("trailing-byte", [&good[..], &[0]].concat()),
        ("other-format", replaced(b"chain/v1", b"chain/v2")),
        ("key-renamed", replaced(&[2, 0x84, 0xa1], &[3, 0x84, 0xa1])),
        (
            "no-policies",
            [
                &good[..good.windows(3).position(|p| p == [2, 0x84, 0xa1]).unwrap()],
                &[2, 0x80],
            ]
            .concat(),
        ),
        (
            "count-too-high",
            replaced(&[2, 0x84, 0xa1], &[2, 0x85, 0xa1]),
        ),
        (
            "count-too-low",
            replaced(&[2, 0x84, 0xa1], &[2, 0x83, 0xa1]),
        ),
        (
            "first-with-a-seal",
            replaced(&[2, 0x84, 0xa1], &[2, 0x84, 0xa3]),
        ),
        (
            "policy-is-none",
            replaced(b"quorum validators", b"quorum valid_tors"),
        ),
        (
            "receipt-is-none",
            replaced(b"c2sp.org/tlog-proof@v1", b"c2sp.org/tlog-proof@v2"),
        ),
        ("indefinite-map", [&[0xbf], &good[1..]].concat()),
    ] {
        assert!(PolicyChain::decode(&bytes).is_err(), "{file}");
        assert_golden(&format!("policy-chain/rejected-{file}.cbor"), &bytes);
    }
    let long = vec![0; PolicyChain::MAX_BYTES + 1];
    assert_eq!(PolicyChain::decode(&long), Err(ChainError::Size));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_chain_with_a_changed_byte_has_one_encoding_and_does_not_hold(at: prop::sample::Index, byte: u8) {
        let story = changes(1);
        let good = story.chain.encode();
        let mut bytes = good.clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = PolicyChain::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes.clone());
            prop_assert_eq!(read.verify(&story.genesis).is_ok(), bytes == good);
        }
    }
}
