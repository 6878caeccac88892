//! Rule 15 by experiment: three validators that the test plays bring an honest one to precommit
//! two blocks at one height. Exactly one is committed, and committing is the only moment at which
//! this crate lets an application sign anything about a block.

use crate::testing::{Heard, Player};
use crate::{
    Application, Checked, Config, Consensus, Decided, DecidedBlock, Failure, HeightPlan, Network,
    Peer, PeerKey, Proposal as OwnProposal, Received, SecretSeed, Stored, Timeouts, Validator,
};
use ::bytes::Bytes;
use medanchor_ledger::certificate::{Proposal, Vote, VoteKind};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::{Height, NetworkId, Round, ValueId};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NETWORK: NetworkId = NetworkId::new([3; 16]);

fn seed(n: u8) -> SecretSeed {
    SecretSeed::new([50 + n; 32])
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(seed(n).expose())
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

/// Finds every block valid, proposes none, and signs the root of a block when it is committed.
struct Honest {
    signed: Mutex<Vec<ValueId>>,
    /// Who proposes in which round; the honest one is v0.
    order: [u8; 4],
}

impl Honest {
    fn new(order: [u8; 4]) -> Arc<Self> {
        let signed = Mutex::default();
        Arc::new(Self { signed, order })
    }

    fn plan(&self, height: u64) -> HeightPlan {
        let validator = |n| Validator {
            name: name(n),
            key: seed(n).public_key(),
        };
        HeightPlan {
            height: Height(height),
            proposers: self.order.map(validator).into(),
        }
    }
}

impl Application for Honest {
    async fn start(&self) -> Result<HeightPlan, Failure> {
        Ok(self.plan(1))
    }
    async fn propose(&self, _: Height, _: Round) -> Result<Option<OwnProposal>, Failure> {
        Ok(None)
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
        Ok(self.plan(decided.height.0 + 1))
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

/// The other three, behind one connection: who relays a signed vote does not matter.
struct Script(Player);

impl Script {
    fn vote(&self, n: u8, kind: VoteKind, round: u32, value: Option<ValueId>) {
        let vote = Vote {
            network: NETWORK,
            kind,
            height: Height(1),
            round: Round(round),
            value,
            validator: name(n),
        };
        assert!(self.0.vote(&vote, &key(n)));
    }

    fn propose(&self, n: u8, round: u32, body: &Bytes) {
        let proposal = Proposal {
            network: NETWORK,
            height: Height(1),
            round: Round(round),
            pol_round: None,
            value: value_of(body),
            proposer: name(n),
        };
        assert!(self.0.propose(&proposal, body, &key(n)));
    }

    /// Waits for the honest node's vote of this kind and round.
    async fn honest(&mut self, kind: VoteKind, round: u32) -> Option<ValueId> {
        loop {
            let heard = tokio::time::timeout(Duration::from_secs(60), self.0.hear()).await;
            match heard.expect("in time").expect("the honest node speaks") {
                Heard::Cosignature(_) => panic!("nothing is cosigned here"),
                Heard::Vote(vote) if (vote.kind, vote.round) == (kind, Round(round)) => {
                    return vote.value;
                }
                _ => {}
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
        instance: [0; 16],
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

async fn script(handle: &crate::Handle) -> Script {
    let honest = PeerKey::new(peer_seed(0).public_key());
    let player = Player::join(NETWORK, peer_seed(1), honest, handle.listening()).await;
    Script(player.expect("connected"))
}

/// Waits for a condition, with a bound that only a broken build reaches.
async fn until(mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let bounded = tokio::time::timeout(Duration::from_secs(120), wait).await;
    bounded.expect("it comes to hold");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_15_who_precommitted_two_blocks_at_one_height_signs_one_root() {
    let application = Honest::new([1, 2, 3, 0]);
    let handle = honest_node(application.clone()).await;
    let mut script = script(&handle).await;
    let [a, b] = [&b"block a"[..], b"block b"].map(Bytes::from_static);
    let [value_a, value_b] = [&a, &b].map(|body| value_of(body));

    // Round 0: A gets a quorum of prevotes, and the honest node precommits it.
    script.propose(1, 0, &a);
    assert_eq!(script.honest(VoteKind::Prevote, 0).await, Some(value_a));
    for n in [1, 2] {
        script.vote(n, VoteKind::Prevote, 0, Some(value_a));
    }
    assert_eq!(script.honest(VoteKind::Precommit, 0).await, Some(value_a));
    assert!(
        application.signed.lock().unwrap().is_empty(),
        "precommitting signs no root"
    );

    // Nobody else saw it: round 1, where a quorum stands for B.
    for n in [1, 2, 3] {
        script.vote(n, VoteKind::Precommit, 0, None);
    }
    script.propose(2, 1, &b);
    for n in [1, 2, 3] {
        script.vote(n, VoteKind::Prevote, 1, Some(value_b));
    }
    assert_eq!(script.honest(VoteKind::Precommit, 1).await, Some(value_b));
    assert!(
        application.signed.lock().unwrap().is_empty(),
        "nor does precommitting another"
    );

    // Now B is decided.
    for n in [1, 2] {
        script.vote(n, VoteKind::Precommit, 1, Some(value_b));
    }
    until(|| !application.signed.lock().unwrap().is_empty()).await;
    assert_eq!(
        *application.signed.lock().unwrap(),
        [value_b],
        "one root, of the decided block"
    );
    handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_nothing_to_propose_any_more_takes_part_in_the_next_round() {
    let application = Honest::new([0, 1, 2, 3]);
    let handle = honest_node(application.clone()).await;
    let mut script = script(&handle).await;
    let block = Bytes::from_static(b"a block");
    let value = value_of(&block);

    for n in [1, 2, 3] {
        script.vote(n, VoteKind::Precommit, 0, None);
    }
    script.propose(1, 1, &block);
    assert_eq!(script.honest(VoteKind::Prevote, 1).await, Some(value));
    for n in [1, 2] {
        script.vote(n, VoteKind::Prevote, 1, Some(value));
        script.vote(n, VoteKind::Precommit, 1, Some(value));
    }
    until(|| !application.signed.lock().unwrap().is_empty()).await;
    assert_eq!(*application.signed.lock().unwrap(), [value]);
    handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_sends_what_cannot_be_decoded_is_cut_and_changes_nothing() {
    let application = Honest::new([1, 2, 3, 0]);
    let handle = honest_node(application.clone()).await;
    let script = script(&handle).await;
    assert!(script.0.babble(vec![9; 40]));
    until(|| handle.status().peers[0].cut > 0).await;
    assert!(application.signed.lock().unwrap().is_empty());
    assert!(handle.status().height <= Height(1));
    handle.stop().await;
}
