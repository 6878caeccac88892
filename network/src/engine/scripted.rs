//! Rule 15 by experiment: three validators that the test plays bring an honest one to precommit
//! two blocks at one height. Exactly one is committed, and committing is the only moment at which
//! this crate lets an application sign anything about a block.

use super::codec::WireCodec;
use super::context::{Address, Height as EngineHeight, Medanchor, Proposal, Value, Vote};
use super::shared::Shared;
use super::signing::{Judge, Pen};
use crate::parts::{Manifest, SignedManifest, chunks};
use crate::wire::swarm::{Plan, Upstream, Wire};
use crate::wire::{Frame, Kind};
use crate::{
    Application, Checked, Config, Consensus, Decided, DecidedBlock, Failure, HeightPlan, Network,
    Peer, PeerKey, Proposal as OwnProposal, Received, SecretSeed, Stored, Timeouts, Validator,
};
use ::bytes::Bytes;
use arc_malachitebft_app_channel::app::types::SignedConsensusMsg;
use arc_malachitebft_app_channel::app::types::codec::Codec;
use arc_malachitebft_app_channel::app::types::core::{NilOrVal, Round, SignedMessage, VoteType};
use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::request_response::OutboundFailure;
use medanchor_ledger::{Height, NetworkId, ValueId};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const NETWORK: NetworkId = NetworkId::new([3; 16]);

fn seed(n: u8) -> SecretSeed {
    SecretSeed::new([50 + n; 32])
}

fn peer_seed(n: u8) -> SecretSeed {
    SecretSeed::new([80 + n; 32])
}

fn name(n: u8) -> medanchor_ledger::ParticipantName {
    format!("v{n}").parse().unwrap()
}

fn value_of(body: &[u8]) -> ValueId {
    ValueId::new(Sha256::digest(body).into())
}

/// Finds every block valid, and signs the root of a block when it is committed.
#[derive(Default)]
struct Honest {
    signed: Mutex<Vec<ValueId>>,
}

impl Honest {
    fn plan(height: u64) -> HeightPlan {
        // v1 proposes in round 0, v2 in round 1; the honest v0 is last.
        let validator = |n| Validator {
            name: name(n),
            key: seed(n).public_key(),
        };
        HeightPlan {
            height: Height(height),
            proposers: [1, 2, 3, 0].map(validator).into(),
        }
    }
}

impl Application for Honest {
    async fn start(&self) -> Result<HeightPlan, Failure> {
        Ok(Self::plan(1))
    }
    async fn propose(&self, _: Height, _: medanchor_ledger::Round) -> Result<OwnProposal, Failure> {
        let body = Bytes::from_static(b"own");
        Ok(OwnProposal {
            value_id: value_of(&body),
            body,
        })
    }
    async fn check(&self, received: Received) -> Result<Checked, Failure> {
        Ok(Checked::Valid {
            value_id: value_of(&received.body),
        })
    }
    async fn undecided(&self, _: Height) -> Result<Vec<Stored>, Failure> {
        Ok(Vec::new())
    }
    async fn commit(&self, decided: Decided) -> Result<HeightPlan, Failure> {
        self.signed.lock().unwrap().push(decided.value_id);
        Ok(Self::plan(decided.height.0 + 1))
    }
    async fn prepare(&self, _: Height) -> Result<(), Failure> {
        Ok(())
    }
    async fn decided(&self, _: Height, _: usize) -> Result<Vec<DecidedBlock>, Failure> {
        Ok(Vec::new())
    }
    fn oldest(&self) -> Height {
        Height(1)
    }
    fn has_work(&self) -> bool {
        false
    }
    async fn events(&self, _: PeerKey, _: Vec<Bytes>) {}
    async fn cosignature(&self, _: PeerKey, _: Bytes) {}
}

/// Writes down what the honest node says.
struct Ear {
    heard: mpsc::UnboundedSender<Frame>,
    reachable: mpsc::UnboundedSender<()>,
}

impl Upstream for Ear {
    fn receive(
        self: Arc<Self>,
        _: PeerKey,
        frame: Frame,
    ) -> BoxFuture<'static, Result<(), String>> {
        let _ = self.heard.send(frame);
        async { Ok(()) }.boxed()
    }
    fn reachable(&self, _: PeerKey) {
        let _ = self.reachable.send(());
    }
    fn unreachable(&self, _: PeerKey) {}
    fn serve(self: Arc<Self>, _: PeerKey, _: Bytes) -> BoxFuture<'static, Option<Bytes>> {
        async { None }.boxed()
    }
    fn answered(&self, _: PeerKey, _: String, _: Bytes) {}
    fn unanswered(&self, _: PeerKey, _: String, _: OutboundFailure) {}
}

/// The other three, behind one connection: who relays a signed vote does not matter.
struct Script {
    shared: Arc<Shared>,
    heard: mpsc::UnboundedReceiver<Frame>,
    judge: Judge,
}

impl Script {
    fn say(&self, message: &SignedConsensusMsg<Medanchor>) {
        let body = WireCodec.encode(message).unwrap();
        assert_eq!(
            self.shared
                .broadcast(&[Frame::new(Kind::Consensus, body)])
                .queued,
            1
        );
    }

    fn vote(&self, n: u8, kind: VoteType, round: u32, value: Option<ValueId>) {
        let vote = Vote {
            kind,
            height: EngineHeight(1),
            round: Round::new(round),
            value: value.map_or(NilOrVal::Nil, NilOrVal::Val),
            voter: Address(name(n)),
        };
        let pen = Pen::new(self.judge.clone(), &seed(n));
        let signature = pen.sign(&self.judge.vote_bytes(&vote).unwrap());
        self.say(&SignedConsensusMsg::Vote(SignedMessage::new(
            vote, signature,
        )));
    }

    fn propose(&self, n: u8, round: u32, body: &Bytes) {
        let value_id = value_of(body);
        let pen = Pen::new(self.judge.clone(), &seed(n));
        let slot = (Height(1), medanchor_ledger::Round(round), None);
        let manifest = Manifest::of(slot, name(n), value_id, body);
        let signature = pen.sign(&manifest.signed_bytes(&NETWORK)).to_bytes();
        let manifest = SignedManifest {
            manifest,
            signature,
        };
        let mut frames = vec![Frame::new(Kind::Manifest, manifest.encode())];
        frames.extend(chunks(body).map(|chunk| Frame::new(Kind::Chunk, chunk)));
        assert_eq!(self.shared.broadcast(&frames).queued, 1);
        let proposal = Proposal {
            height: EngineHeight(1),
            round: Round::new(round),
            value: Value(value_id),
            pol_round: Round::Nil,
            proposer: Address(name(n)),
        };
        let signature = pen.sign(&self.judge.proposal_bytes(&proposal).unwrap());
        self.say(&SignedConsensusMsg::Proposal(SignedMessage::new(
            proposal, signature,
        )));
    }

    /// Waits for the honest node's vote of this kind and round.
    async fn honest(&mut self, kind: VoteType, round: u32) -> NilOrVal<ValueId> {
        loop {
            let frame = self.heard.recv().await.expect("the honest node speaks");
            assert_ne!(frame.kind, Kind::Cosignature, "nothing is cosigned here");
            if frame.kind != Kind::Consensus {
                continue;
            }
            let message: SignedConsensusMsg<Medanchor> = WireCodec.decode(frame.body).unwrap();
            if let SignedConsensusMsg::Vote(vote) = message
                && (vote.kind, vote.round) == (kind, Round::new(round))
            {
                return vote.value;
            }
        }
    }
}

async fn honest_node(application: Arc<Honest>) -> crate::Handle {
    let folder = tempfile::tempdir().unwrap();
    let brisk = Duration::from_millis(100);
    let config = Config {
        network_id: NETWORK,
        peer_seed: peer_seed(0),
        listen: "127.0.0.1:0".parse().unwrap(),
        peers: vec![Peer {
            key: PeerKey::new(peer_seed(1).public_key()),
            address: None,
        }],
        consensus: Some(Consensus {
            name: name(0),
            seed: seed(0),
        }),
        wal_dir: folder.keep(),
        // Only the script moves the rounds, by what it votes.
        timeouts: Timeouts {
            propose: Duration::from_secs(3600),
            longest: Duration::from_secs(3600),
            precommit: brisk,
            ..Timeouts::wide()
        },
    };
    Network::start(config, application).await.unwrap()
}

async fn script(handle: &crate::Handle) -> (Script, CancellationToken) {
    let honest = PeerKey::new(peer_seed(0).public_key());
    let (commands, received) = mpsc::channel(8);
    let shared = Arc::new(Shared::new(&[honest], commands));
    let (heard_in, heard) = mpsc::unbounded_channel();
    let (reachable_in, mut reachable) = mpsc::unbounded_channel();
    let plan = Plan {
        network: NETWORK,
        seed: peer_seed(1),
        listen: "127.0.0.1:0".parse().unwrap(),
        peers: vec![(
            honest,
            honest.to_peer_id().unwrap(),
            Some(handle.listening().to_string()),
        )],
    };
    let ear = Arc::new(Ear {
        heard: heard_in,
        reachable: reachable_in,
    });
    let (wire, _) = Wire::open(plan, shared.clone(), ear).await.unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(wire.run(received, stop.clone()));
    reachable.recv().await.unwrap();
    (
        Script {
            shared,
            heard,
            judge: Judge { network: NETWORK },
        },
        stop,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_15_who_precommitted_two_blocks_at_one_height_signs_one_root() {
    let application = Arc::new(Honest::default());
    let handle = honest_node(application.clone()).await;
    let (mut script, stop) = script(&handle).await;
    let [a, b] = [&b"block a"[..], b"block b"].map(Bytes::from_static);
    let [value_a, value_b] = [&a, &b].map(|body| value_of(body));

    // Round 0: A gets a quorum of prevotes, and the honest node precommits it.
    script.propose(1, 0, &a);
    assert_eq!(
        script.honest(VoteType::Prevote, 0).await,
        NilOrVal::Val(value_a)
    );
    for n in [1, 2] {
        script.vote(n, VoteType::Prevote, 0, Some(value_a));
    }
    assert_eq!(
        script.honest(VoteType::Precommit, 0).await,
        NilOrVal::Val(value_a)
    );
    assert!(
        application.signed.lock().unwrap().is_empty(),
        "precommitting signs no root"
    );

    // Nobody else saw it: round 1, where a quorum stands for B.
    for n in [1, 2, 3] {
        script.vote(n, VoteType::Precommit, 0, None);
    }
    script.propose(2, 1, &b);
    for n in [1, 2, 3] {
        script.vote(n, VoteType::Prevote, 1, Some(value_b));
    }
    assert_eq!(
        script.honest(VoteType::Precommit, 1).await,
        NilOrVal::Val(value_b)
    );
    assert!(
        application.signed.lock().unwrap().is_empty(),
        "nor does precommitting another"
    );

    // Now B is decided.
    for n in [1, 2] {
        script.vote(n, VoteType::Precommit, 1, Some(value_b));
    }
    while application.signed.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        *application.signed.lock().unwrap(),
        [value_b],
        "one root, of the decided block"
    );
    handle.stop().await;
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_sends_what_cannot_be_decoded_is_cut_and_changes_nothing() {
    let application = Arc::new(Honest::default());
    let handle = honest_node(application.clone()).await;
    let (script, stop) = script(&handle).await;
    let junk = Frame::new(Kind::Consensus, vec![9; 40]);
    assert_eq!(script.shared.broadcast(&[junk]).queued, 1);
    while handle.status().peers[0].cut == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(application.signed.lock().unwrap().is_empty());
    assert_eq!(handle.status().height, Height(1));
    handle.stop().await;
    stop.cancel();
}
