//! Golden bytes of every message, and what becomes of bad ones.

use super::*;
use crate::engine::signing::{Judge, Pen};
use crate::parts::{Manifest, SignedManifest};
use crate::{DecidedBlock, SecretSeed, batch};
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::signature;
use medanchor_ledger::{Height as LedgerHeight, NetworkId, ParticipantName, Round as LedgerRound};
use std::path::PathBuf;

const VALUE: ValueId = ValueId::new([7; 32]);

fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors/network");
    folder.join(format!("{name}.hex"))
}

/// The bytes of a vector. `BLESS=1` writes it when it does not exist yet; it never changes one.
fn golden(name: &str, bytes: &[u8]) -> Bytes {
    let path = file(name);
    if std::env::var_os("BLESS").is_some() && !path.exists() {
        std::fs::write(&path, hex::encode(bytes) + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let frozen = hex::decode(text.trim()).unwrap();
    assert_eq!(hex::encode(bytes), hex::encode(&frozen), "{name} has moved");
    frozen.into()
}

fn name() -> ParticipantName {
    "v1".parse().unwrap()
}

fn judge() -> Judge {
    Judge {
        network: NetworkId::new([1; 16]),
    }
}

fn pen() -> Pen {
    Pen::new(judge(), &SecretSeed::new([5; 32]))
}

fn vote(kind: VoteType, value: NilOrVal<ValueId>) -> SignedMessage<Medanchor, Vote> {
    let (height, round, voter) = (Height(3), Round::new(1), Address(name()));
    let vote = Vote {
        kind,
        height,
        round,
        value,
        voter,
    };
    let signature = pen().sign(&judge().vote_bytes(&vote).unwrap());
    SignedMessage::new(vote, signature)
}

fn proposal(pol_round: Round) -> SignedMessage<Medanchor, Proposal> {
    let (height, round, proposer) = (Height(3), Round::new(1), Address(name()));
    let proposal = Proposal {
        height,
        round,
        value: Value(VALUE),
        pol_round,
        proposer,
    };
    let signature = pen().sign(&judge().proposal_bytes(&proposal).unwrap());
    SignedMessage::new(proposal, signature)
}

fn polka(signatures: usize) -> PolkaCertificate<Medanchor> {
    let votes = vec![vote(VoteType::Prevote, NilOrVal::Val(VALUE)); signatures];
    PolkaCertificate::new(Height(3), Round::new(1), VALUE, votes)
}

/// Writes, compares with the frozen bytes, reads back, and refuses every cut and every addition.
fn frozen<T>(name: &str, message: &T)
where
    WireCodec: Codec<T, Error = Malformed>,
    T: PartialEq + std::fmt::Debug,
{
    let bytes = golden(name, &WireCodec.encode(message).unwrap());
    let read: T = WireCodec.decode(bytes.clone()).unwrap();
    assert_eq!(&read, message);
    let refused = |bytes: Bytes| <WireCodec as Codec<T>>::decode(&WireCodec, bytes).is_err();
    assert!(
        (0..bytes.len()).all(|cut| refused(bytes.slice(..cut))),
        "{name} cut short"
    );
    assert!(
        refused([&bytes[..], &[0]].concat().into()),
        "{name} and a byte more"
    );
}

/// The bytes are frozen too, and refused.
fn rejected<T>(name: &str, bytes: &[u8])
where
    WireCodec: Codec<T, Error = Malformed>,
{
    let bytes = golden(&format!("rejected-{name}"), bytes);
    assert!(
        <WireCodec as Codec<T>>::decode(&WireCodec, bytes).is_err(),
        "{name}"
    );
}

#[test]
fn consensus_messages_are_frozen() {
    let precommit = vote(VoteType::Precommit, NilOrVal::Val(VALUE));
    frozen("vote", &SignedConsensusMsg::Vote(precommit.clone()));
    let nil = vote(VoteType::Prevote, NilOrVal::Nil);
    frozen("vote-nil", &LivenessMsg::Vote(nil.clone()));
    frozen(
        "proposal",
        &SignedConsensusMsg::Proposal(proposal(Round::Nil)),
    );
    frozen(
        "proposal-again",
        &SignedConsensusMsg::Proposal(proposal(Round::new(0))),
    );
    frozen("polka", &polka(3));
    let round_certificate = RoundCertificate::new_from_votes(
        Height(3),
        Round::new(1),
        RoundCertificateType::Precommit,
        vec![precommit, nil],
    );
    frozen(
        "round-certificate",
        &LivenessMsg::SkipRoundCertificate(round_certificate),
    );
    let proposed = ProposedValue {
        height: Height(3),
        round: Round::new(1),
        valid_round: Round::new(0),
        proposer: Address(name()),
        value: Value(VALUE),
        validity: Validity::Valid,
    };
    frozen("proposed-value", &proposed);
}

#[test]
fn sync_messages_are_frozen() {
    let request = Request::ValueRequest(ValueRequest::new(Height(2)..=Height(51)));
    frozen::<Request<Medanchor>>("sync-request", &request);
    let signed = signature::Signature::new([9; 64]);
    let certificate = Certificate::new(
        LedgerHeight(2),
        LedgerRound(1),
        VALUE,
        vec![(name(), signed)],
    )
    .unwrap();
    let block = DecidedBlock {
        height: LedgerHeight(2),
        body: Bytes::from_static(b"block"),
        certificate: certificate.encode().into(),
    };
    let sent = crate::engine::decided::sync_response(Height(2), &[block]);
    let read: Response<Medanchor> = WireCodec.decode(sent.clone()).unwrap();
    assert_eq!(
        WireCodec.encode(&read).unwrap(),
        sent,
        "both ends write the same"
    );
    frozen("sync-response", &read);
    assert!(WireCodec.encoded_len(&read).unwrap() >= sent.len());
}

#[test]
fn a_sync_response_stops_at_a_gap_and_at_its_bound() {
    let block = |height: u64, size: usize| DecidedBlock {
        height: LedgerHeight(height),
        body: Bytes::from(vec![1; size]),
        certificate: Bytes::new(),
    };
    let count = |blocks: &[DecidedBlock]| {
        let response = crate::engine::decided::sync_response(Height(5), blocks);
        u32::from_be_bytes(response[8..12].try_into().unwrap())
    };
    assert_eq!(count(&[block(5, 9), block(6, 9), block(8, 9)]), 2);
    assert_eq!(count(&[block(6, 9)]), 0);
    let large: Vec<_> = (5..15)
        .map(|n| block(n, crate::limits::MAX_BLOCK_BYTES))
        .collect();
    assert_eq!(
        count(&large),
        3,
        "8 MiB hold three of 2 MiB and their lengths"
    );
}

#[test]
fn parts_and_events_are_frozen() {
    let body = vec![4; 300_000];
    let slot = (LedgerHeight(3), LedgerRound(1), Some(LedgerRound(0)));
    let manifest = Manifest::of(slot, name(), VALUE, &body);
    let signature = pen()
        .sign(&manifest.signed_bytes(&judge().network))
        .to_bytes();
    let signed = SignedManifest {
        manifest,
        signature,
    };
    let bytes = golden("manifest", &signed.encode());
    assert_eq!(SignedManifest::decode(&bytes).unwrap(), signed);

    let refuse = |name: &str, change: &dyn Fn(&mut Manifest)| {
        let mut bad = signed.clone();
        change(&mut bad.manifest);
        let bytes = golden(&format!("rejected-manifest-{name}"), &bad.encode());
        assert!(SignedManifest::decode(&bytes).is_err(), "{name}");
    };
    refuse("empty-block", &|manifest| {
        manifest.length = 0;
        manifest.chunks.clear();
    });
    refuse("too-long", &|manifest| {
        manifest.length = crate::limits::MAX_BLOCK_BYTES + 1
    });
    refuse("chunk-missing", &|manifest| manifest.chunks.truncate(1));

    let events = [Bytes::from_static(b"one"), Bytes::from_static(b"three")];
    let message = batch::encode(&events).remove(0);
    assert_eq!(batch::decode(&golden("events", &message)).unwrap(), events);
    let empty = golden("rejected-events-empty-event", &[0; 4]);
    assert!(batch::decode(&empty).is_err());
}

#[test]
fn bad_messages_are_refused() {
    let vote = SignedConsensusMsg::Vote(vote(VoteType::Precommit, NilOrVal::Val(VALUE)));
    let good = WireCodec.encode(&vote).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        bytes
    };
    type Message = SignedConsensusMsg<Medanchor>;
    rejected::<Message>("vote-of-no-kind", &with(1, 3));
    let at = good.windows(2).position(|pair| pair == b"v1").unwrap();
    rejected::<Message>("vote-name-upper-case", &with(at, b'V'));
    let crowd = WireCodec.encode(&polka(101)).unwrap();
    rejected::<PolkaCertificate<Medanchor>>("polka-of-101", &crowd);
    let backwards = [51u64.to_be_bytes(), 2u64.to_be_bytes()].concat();
    rejected::<Request<Medanchor>>("request-backwards", &backwards);
    let crowded = [&2u64.to_be_bytes()[..], &51u32.to_be_bytes()].concat();
    rejected::<Response<Medanchor>>("response-of-51", &crowded);
}

#[test]
fn no_bytes_make_a_decoder_panic() {
    let vote = SignedConsensusMsg::Vote(vote(VoteType::Precommit, NilOrVal::Val(VALUE)));
    let seeds = [
        WireCodec.encode(&vote).unwrap(),
        WireCodec.encode(&polka(3)).unwrap(),
        WireCodec
            .encode(&LivenessMsg::PolkaCertificate(polka(2)))
            .unwrap(),
        Bytes::from(vec![255; 300]),
        Bytes::new(),
    ];
    for seed in seeds {
        for at in 0..seed.len() {
            for byte in [0, 1, 2, 0x7f, 0x80, 255] {
                let mut bytes = seed.to_vec();
                bytes[at] = byte;
                let bytes = Bytes::from(bytes);
                let _: Result<SignedConsensusMsg<Medanchor>, _> = WireCodec.decode(bytes.clone());
                let _: Result<LivenessMsg<Medanchor>, _> = WireCodec.decode(bytes.clone());
                let _: Result<PolkaCertificate<Medanchor>, _> = WireCodec.decode(bytes.clone());
                let _: Result<ProposedValue<Medanchor>, _> = WireCodec.decode(bytes.clone());
                let _: Result<Response<Medanchor>, _> = WireCodec.decode(bytes.clone());
                let _ = SignedManifest::decode(&bytes);
                let _ = batch::decode(&bytes);
            }
        }
    }
}
