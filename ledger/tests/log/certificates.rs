//! Votes, proposals and the certificates that a quorum of votes makes.

use super::support::{Network, assert_golden, key, name, vectors};
use medanchor_ledger::certificate::{Certificate, CertificateError, Proposal, Vote, VoteKind};
use medanchor_ledger::signature::Signature;
use medanchor_ledger::{Height, NetworkId, ParticipantName, Round, ValueId};
use proptest::prelude::*;

const VALUE: ValueId = ValueId::new([0xab; 32]);

fn vote(network: &Network, number: usize) -> Vote {
    Vote {
        network: network.id,
        kind: VoteKind::Precommit,
        height: Height(1000),
        round: Round(2),
        value: Some(VALUE),
        validator: name(number),
    }
}

fn proposal(network: &Network) -> Proposal {
    Proposal {
        network: network.id,
        height: Height(1000),
        round: Round(2),
        pol_round: None,
        value: VALUE,
        proposer: name(0),
    }
}

fn precommits(network: &Network, numbers: &[usize]) -> Vec<(ParticipantName, Signature)> {
    let id = network.id.as_bytes()[0];
    numbers
        .iter()
        .map(|n| (name(*n), vote(network, *n).sign(&key(id, *n, 0))))
        .collect()
}

fn certificate(network: &Network, numbers: &[usize]) -> Certificate {
    Certificate::new(Height(1000), Round(2), VALUE, precommits(network, numbers)).unwrap()
}

#[test]
fn signed_bytes_and_certificates_are_frozen() {
    let network = Network::new(1, 4);
    let precommit = vote(&network, 0);
    assert_golden("certificate/good-precommit.cbor", &precommit.signed_bytes());
    let prevote = Vote {
        kind: VoteKind::Prevote,
        ..precommit.clone()
    };
    assert_golden("certificate/good-prevote.cbor", &prevote.signed_bytes());
    let nil = Vote {
        value: None,
        ..precommit
    };
    assert_golden("certificate/good-precommit-nil.cbor", &nil.signed_bytes());
    let fresh = proposal(&network);
    assert_golden("certificate/good-proposal.cbor", &fresh.signed_bytes());
    let again = Proposal {
        pol_round: Some(Round(1)),
        ..fresh
    };
    assert_golden(
        "certificate/good-proposal-again.cbor",
        &again.signed_bytes(),
    );
    assert_golden(
        "certificate/good-certificate-of-3.cbor",
        &certificate(&network, &[0, 1, 3]).encode(),
    );
    assert_golden(
        "certificate/good-certificate-of-4.cbor",
        &certificate(&network, &[0, 1, 2, 3]).encode(),
    );
}

#[test]
fn golden_certificates_are_judged_as_their_names_say() {
    let network = Network::new(1, 4);
    for (name, bytes) in vectors("certificate", "good-certificate") {
        let certificate = Certificate::decode(&bytes).unwrap();
        assert_eq!(certificate.encode(), bytes, "{name}");
        assert_eq!(
            certificate.verify(&network.set, network.id),
            Ok(()),
            "{name}"
        );
    }
    let rejected = vectors("certificate", "rejected");
    assert!(rejected.len() >= 15, "{}", rejected.len());
    for (name, bytes) in rejected {
        let judged = Certificate::decode(&bytes).and_then(|c| c.verify(&network.set, network.id));
        assert!(judged.is_err(), "{name}");
    }
}

#[test]
fn malformed_certificates_are_refused_by_name() {
    let network = Network::new(1, 4);
    let good = certificate(&network, &[0, 1, 3]).encode();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    // Head and key 1 (2 bytes), height (3), key 2 and round (2), key 3 and value (35), key 4 (1).
    let list = 2 + 3 + 2 + 35 + 1;
    assert_eq!(good[list], 0x83);
    let signature = |n: usize| {
        let (name, signature) = &precommits(&network, &[n])[0];
        let mut bytes = vec![0x82, 0x60 + u8::try_from(name.as_str().len()).unwrap()];
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(&[0x58, 64]);
        [bytes, signature.as_bytes().to_vec()].concat()
    };
    let listed = |numbers: &[usize]| {
        let count = 0x80 + u8::try_from(numbers.len()).unwrap();
        let signatures = numbers.iter().flat_map(|n| signature(*n));
        good[..list]
            .iter()
            .copied()
            .chain([count])
            .chain(signatures)
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(&[0, 1, 3]), good);
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("truncated", good[..good.len() - 1].to_vec()),
        ("trailing-byte", [&good[..], &[0]].concat()),
        ("three-entries", changed(0, 0xa3)),
        ("indefinite-map", changed(0, 0xbf)),
        ("unknown-key", changed(1, 0x05)),
        (
            "height-not-minimal",
            [&good[..2], &[0x1a, 0, 0, 3, 0xe8], &good[5..]].concat(),
        ),
        (
            "round-above-32-bits",
            [&good[..6], &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0], &good[7..]].concat(),
        ),
        (
            "value-short",
            [&good[..8], &[0x58, 31], &good[11..]].concat(),
        ),
        ("no-signatures", listed(&[])),
        ("duplicate-signer", listed(&[0, 1, 1])),
        ("signers-out-of-order", listed(&[1, 0, 3])),
        ("array-count-too-high", changed(list, 0x84)),
        ("name-upper-case", changed(list + 3, b'C')),
    ] {
        let verdict = Certificate::decode(&bytes);
        assert!(
            matches!(verdict, Err(CertificateError::Encoding(_))),
            "{name}: {verdict:?}"
        );
        assert_golden(&format!("certificate/rejected-{name}.cbor"), &bytes);
    }
}

#[test]
fn certificates_that_show_no_agreement_are_refused_by_name() {
    let network = Network::new(1, 4);
    let other = Network::new(2, 4);
    let of = |signatures| Certificate::new(Height(1000), Round(2), VALUE, signatures).unwrap();
    let bad = |n| CertificateError::Signature { validator: name(n) };
    let mut swapped = precommits(&network, &[0, 1, 2]);
    swapped[2].1 = swapped[1].1;
    let resigned = |change: fn(&mut Vote)| {
        let mut signatures = precommits(&network, &[0, 1]);
        let mut third = vote(&network, 3);
        change(&mut third);
        signatures.push((name(3), third.sign(&key(1, 3, 0))));
        of(signatures)
    };
    let extra = [precommits(&network, &[0, 1, 2]), precommits(&other, &[3])].concat();
    for (file, certificate, error) in [
        (
            "no-quorum",
            certificate(&network, &[0, 1]),
            CertificateError::NoQuorum {
                found: 2,
                needed: 3,
            },
        ),
        ("another-network", certificate(&other, &[0, 1, 2]), bad(0)),
        ("signature-of-another", of(swapped), bad(2)),
        ("bad-signature-beyond-the-quorum", of(extra), bad(3)),
        (
            "a-prevote-among-them",
            resigned(|vote| vote.kind = VoteKind::Prevote),
            bad(3),
        ),
        (
            "another-height",
            resigned(|vote| vote.height = Height(1001)),
            bad(3),
        ),
        (
            "another-round",
            resigned(|vote| vote.round = Round(3)),
            bad(3),
        ),
        (
            "another-value",
            resigned(|vote| vote.value = Some(ValueId::new([1; 32]))),
            bad(3),
        ),
        (
            "a-nil-vote-among-them",
            resigned(|vote| vote.value = None),
            bad(3),
        ),
    ] {
        assert_eq!(
            certificate.verify(&network.set, network.id),
            Err(error),
            "{file}"
        );
        assert_golden(
            &format!("certificate/rejected-{file}.cbor"),
            &certificate.encode(),
        );
    }
    let small = Network::new(1, 3);
    let stranger = certificate(&network, &[0, 1, 2, 3]).verify(&small.set, small.id);
    assert_eq!(
        stranger,
        Err(CertificateError::Stranger { validator: name(3) })
    );
}

#[test]
fn duplicated_signers_are_refused_when_a_certificate_is_put_together() {
    let network = Network::new(1, 4);
    let twice = precommits(&network, &[0, 1, 0]);
    let verdict = Certificate::new(Height(1), Round(0), VALUE, twice);
    assert_eq!(
        verdict,
        Err(CertificateError::Duplicate { validator: name(0) })
    );
    let verdict = Certificate::new(Height(1), Round(0), VALUE, vec![]);
    assert_eq!(verdict, Err(CertificateError::Count { found: 0 }));
}

#[test]
fn the_order_in_which_votes_came_leaves_no_trace() {
    let network = Network::new(1, 4);
    let (one, other) = (
        certificate(&network, &[0, 1, 2]),
        certificate(&network, &[2, 0, 1]),
    );
    assert_eq!(one.encode(), other.encode());
}

#[test]
fn a_quorum_is_needed_and_enough_for_one_to_seven_validators() {
    for n in 1..=7 {
        let network = Network::new(1, n);
        let quorum = network.set.quorum();
        let signers: Vec<_> = (0..quorum).collect();
        assert_eq!(
            certificate(&network, &signers).verify(&network.set, network.id),
            Ok(()),
            "{n}"
        );
        if quorum > 1 {
            let short = certificate(&network, &signers[1..]).verify(&network.set, network.id);
            assert_eq!(
                short,
                Err(CertificateError::NoQuorum {
                    found: quorum - 1,
                    needed: quorum
                })
            );
        }
    }
}

#[test]
fn votes_and_proposals_are_bound_to_their_kind_signer_and_network() {
    let network = Network::new(1, 4);
    let vote = vote(&network, 0);
    let signature = vote.sign(&key(1, 0, 0));
    assert_eq!(vote.verify(&signature, &network.set), Ok(()));
    let bad = Err(CertificateError::Signature { validator: name(0) });
    let elsewhere = Vote {
        network: NetworkId::new([9; 16]),
        ..vote.clone()
    };
    assert_eq!(elsewhere.verify(&signature, &network.set), bad);
    let prevote = Vote {
        kind: VoteKind::Prevote,
        ..vote.clone()
    };
    assert_eq!(prevote.verify(&signature, &network.set), bad);
    let lent = Vote {
        validator: name(1),
        ..vote.clone()
    };
    assert!(lent.verify(&signature, &network.set).is_err());
    let proposal = proposal(&network);
    assert_eq!(proposal.verify(&signature, &network.set), bad);
    let signature = proposal.sign(&key(1, 0, 0));
    assert_eq!(proposal.verify(&signature, &network.set), Ok(()));
    let again = Proposal {
        pol_round: Some(Round(0)),
        ..proposal.clone()
    };
    assert_eq!(again.verify(&signature, &network.set), bad);
    let stranger = Proposal {
        proposer: name(6),
        ..proposal
    };
    let verdict = stranger.verify(&signature, &network.set);
    assert_eq!(
        verdict,
        Err(CertificateError::Stranger { validator: name(6) })
    );
}

proptest! {
    #[test]
    fn a_certificate_survives_its_encoding(height: u64, round: u32, value: [u8; 32], mask in 1usize..128) {
        let signatures = (0..7).filter(|n| mask >> n & 1 == 1);
        let signatures = signatures.map(|n| (name(n), Signature::new([u8::try_from(n).unwrap(); 64])));
        let made = Certificate::new(Height(height), Round(round), ValueId::new(value), signatures.collect());
        let made = made.unwrap();
        prop_assert_eq!(Certificate::decode(&made.encode()), Ok(made));
    }

    #[test]
    fn an_accepted_certificate_has_one_encoding(at in 0usize..300, byte: u8) {
        let mut bytes = certificate(&Network::new(1, 4), &[0, 1, 3]).encode();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(read) = Certificate::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn two_different_statements_never_have_the_same_bytes(
        a in (0u64..3, 0u32..3, prop::option::of(0u8..3), 0usize..3, any::<bool>()),
        b in (0u64..3, 0u32..3, prop::option::of(0u8..3), 0usize..3, any::<bool>()),
    ) {
        let vote = |(height, round, value, number, prevote): (u64, u32, Option<u8>, usize, bool)| Vote {
            network: NetworkId::new([1; 16]),
            kind: if prevote { VoteKind::Prevote } else { VoteKind::Precommit },
            height: Height(height),
            round: Round(round),
            value: value.map(|byte| ValueId::new([byte; 32])),
            validator: name(number),
        };
        prop_assert_eq!(vote(a).signed_bytes() == vote(b).signed_bytes(), vote(a) == vote(b));
    }
}
