//! A chain in memory that plays the node, and networks of it on loopback.
#![allow(dead_code, missing_docs, reason = "each test file uses a part of it")]

use bytes::Bytes;
use medanchor_ledger::{Height, NetworkId, ParticipantName, Round, ValueId};
use medanchor_network::{
    Application, Checked, Config, Consensus, Decided, DecidedBlock, Failure, Handle, HeightPlan,
    Network, Origin, Peer, PeerKey, Proposal, Received, SecretSeed, Stored, Timeouts, Validator,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Barrier, Semaphore};

pub const NETWORK: NetworkId = NetworkId::new([7; 16]);

/// What survives a crash of one node.
#[derive(Default)]
pub struct Disk {
    pub decided: Vec<Decided>,
    pub stored: BTreeMap<Height, Vec<Stored>>,
    pub proposed: BTreeMap<(Height, Round), Proposal>,
}

/// What a test looks at.
#[derive(Default)]
pub struct Seen {
    pub events: Vec<(PeerKey, Bytes)>,
    pub cosignatures: Vec<(PeerKey, Bytes)>,
    pub connected: Vec<PeerKey>,
    pub checks: Vec<Received>,
    pub order: Vec<&'static str>,
}

type Judge = dyn Fn(&Received, ValueId) -> Checked + Send + Sync;

/// A node's application: blocks are lists of events behind a header.
pub struct Chain {
    pub name: ParticipantName,
    pub order: Vec<Validator>,
    pub disk: Arc<Mutex<Disk>>,
    pub seen: Mutex<Seen>,
    pub pool: Mutex<Vec<Bytes>>,
    /// Overrules the verdict on a block.
    pub judge: Option<Box<Judge>>,
    pub padding: usize,
    /// Commits fail, once all who share this have something to commit.
    pub fail_commit: Option<Arc<Barrier>>,
    /// From this height on the last validator is one.
    pub joins_at: Option<u64>,
    /// Live checks wait for a permit.
    pub gate: Option<Arc<Semaphore>>,
}

pub fn value_of(body: &[u8]) -> ValueId {
    ValueId::new(Sha256::digest(body).into())
}

impl Chain {
    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    pub fn height(&self) -> u64 {
        self.disk().decided.len() as u64
    }

    pub fn values(&self) -> Vec<ValueId> {
        self.disk()
            .decided
            .iter()
            .map(|block| block.value_id)
            .collect()
    }

    /// Every event in decided blocks, in order.
    pub fn events(&self) -> Vec<Bytes> {
        let disk = self.disk();
        disk.decided
            .iter()
            .flat_map(|block| events_of(&block.body))
            .collect()
    }

    fn plan(&self, height: u64) -> HeightPlan {
        let mut proposers = self.order.clone();
        if self.joins_at.is_some_and(|joins| height < joins) {
            proposers.pop();
        }
        let turn = height as usize % proposers.len();
        proposers.rotate_left(turn);
        HeightPlan {
            height: Height(height),
            proposers,
        }
    }

    fn parent(&self, height: Height) -> [u8; 32] {
        let disk = self.disk();
        let parent = disk.decided.get((height.0 as usize).wrapping_sub(2));
        parent.map_or([0; 32], |block| *block.value_id.as_bytes())
    }

    fn build(&self, height: Height, round: Round) -> Bytes {
        let mut body = height.0.to_be_bytes().to_vec();
        body.extend_from_slice(&round.0.to_be_bytes());
        body.extend_from_slice(&self.parent(height));
        for event in self.pool.lock().unwrap().iter() {
            body.extend_from_slice(&(event.len() as u32).to_be_bytes());
            body.extend_from_slice(event);
        }
        if self.padding > 0 {
            body.extend_from_slice(&(self.padding as u32).to_be_bytes());
            body.resize(body.len() + self.padding, height.0 as u8);
        }
        body.into()
    }

    fn store(&self, height: Height, block: Stored) {
        let mut disk = self.disk();
        let stored = disk.stored.entry(height).or_default();
        if !stored.iter().any(|other| other.value_id == block.value_id) {
            stored.push(block);
        }
    }
}

pub fn events_of(body: &Bytes) -> Vec<Bytes> {
    let (mut events, mut at) = (Vec::new(), 44);
    while at + 4 <= body.len() {
        let length = u32::from_be_bytes(body[at..at + 4].try_into().unwrap()) as usize;
        events.push(body.slice(at + 4..at + 4 + length));
        at += 4 + length;
    }
    events
}

impl Application for Chain {
    async fn start(&self) -> Result<HeightPlan, Failure> {
        Ok(self.plan(self.height() + 1))
    }

    async fn propose(&self, height: Height, round: Round) -> Result<Option<Proposal>, Failure> {
        self.seen().order.push("propose");
        if let Some(proposal) = self.disk().proposed.get(&(height, round)) {
            return Ok(Some(proposal.clone()));
        }
        let body = self.build(height, round);
        let value_id = value_of(&body);
        let proposal = Proposal {
            value_id,
            body: body.clone(),
        };
        self.disk()
            .proposed
            .insert((height, round), proposal.clone());
        let (valid_round, proposer) = (None, self.name.clone());
        self.store(
            height,
            Stored {
                round,
                valid_round,
                proposer,
                value_id,
                body,
            },
        );
        Ok(Some(proposal))
    }

    async fn check(&self, received: Received) -> Result<Checked, Failure> {
        let value_id = value_of(&received.body);
        if let (Some(gate), Origin::Live { .. }) = (self.gate.clone(), received.origin) {
            gate.acquire().await.unwrap().forget();
        }
        self.seen().checks.push(received.clone());
        let fits = received.body.len() >= 44
            && received.body[..8] == received.height.0.to_be_bytes()
            && received.body[12..44] == self.parent(received.height);
        let checked = match &self.judge {
            Some(judge) => judge(&received, value_id),
            None if fits => Checked::Valid { value_id },
            None => Checked::Invalid {
                value_id,
                fault: "wrong parent".into(),
            },
        };
        if !matches!(checked, Checked::Invalid { .. } | Checked::NeedsSync) {
            let (round, valid_round) = match received.origin {
                Origin::Live { round, pol_round } => (round, pol_round),
                Origin::Sync { round } => (round, None),
            };
            let (proposer, body) = (received.proposer, received.body);
            self.store(
                received.height,
                Stored {
                    round,
                    valid_round,
                    proposer,
                    value_id,
                    body,
                },
            );
        }
        Ok(checked)
    }

    async fn undecided(&self, height: Height) -> Result<Vec<Stored>, Failure> {
        Ok(self.disk().stored.get(&height).cloned().unwrap_or_default())
    }

    async fn commit(&self, decided: Decided) -> Result<HeightPlan, Failure> {
        if let Some(all) = &self.fail_commit {
            all.wait().await;
            return Err(Failure::new("the disk is full"));
        }
        self.seen().order.push("commit");
        let committed = events_of(&decided.body);
        self.pool
            .lock()
            .unwrap()
            .retain(|event| !committed.contains(event));
        let height = decided.height;
        assert_eq!(
            height.0,
            self.height() + 1,
            "heights are committed in order"
        );
        self.disk().decided.push(decided);
        Ok(self.plan(height.0 + 1))
    }

    async fn prepare(&self, _: Height) -> Result<(), Failure> {
        self.seen().order.push("prepare");
        Ok(())
    }

    async fn decided(&self, first: Height, count: usize) -> Result<Vec<DecidedBlock>, Failure> {
        let disk = self.disk();
        let blocks = disk
            .decided
            .iter()
            .skip((first.0 as usize).saturating_sub(1))
            .take(count);
        let served = |block: &Decided| DecidedBlock {
            height: block.height,
            body: block.body.clone(),
            certificate: block.certificate.clone(),
        };
        Ok(blocks.map(served).collect())
    }

    fn oldest(&self) -> Height {
        Height(1)
    }

    fn has_work(&self) -> bool {
        !self.pool.lock().unwrap().is_empty()
    }

    async fn events(&self, from: PeerKey, events: Vec<Bytes>) {
        let decided = self.events();
        let mut pool = self.pool.lock().unwrap();
        for event in &events {
            if !pool.contains(event) && !decided.contains(event) {
                pool.push(event.clone());
            }
        }
        drop(pool);
        self.seen()
            .events
            .extend(events.into_iter().map(|event| (from, event)));
    }

    async fn cosignature(&self, from: PeerKey, cosignature: Bytes) {
        self.seen().cosignatures.push((from, cosignature));
    }

    async fn peer_connected(&self, peer: PeerKey) {
        self.seen().connected.push(peer);
    }
}

/// How a network of a test is made.
#[derive(Clone)]
pub struct Setup {
    pub validators: u8,
    pub followers: u8,
    pub timeouts: Timeouts,
    pub padding: usize,
    pub joins_at: Option<u64>,
}

impl Setup {
    pub fn new(validators: u8) -> Self {
        Self {
            validators,
            followers: 0,
            timeouts: Timeouts::wide(),
            padding: 0,
            joins_at: None,
        }
    }

    fn nodes(&self) -> u8 {
        self.validators + self.followers
    }
}

fn consensus_seed(n: u8) -> SecretSeed {
    SecretSeed::new([100 + n; 32])
}

pub fn peer_seed(n: u8) -> SecretSeed {
    SecretSeed::new([n + 1; 32])
}

pub fn peer_key(n: u8) -> PeerKey {
    PeerKey::new(peer_seed(n).public_key())
}

pub fn name(n: u8) -> ParticipantName {
    format!("v{n}").parse().unwrap()
}

pub fn validators(count: u8) -> Vec<Validator> {
    let validator = |n| Validator {
        name: name(n),
        key: consensus_seed(n).public_key(),
    };
    (0..count).map(validator).collect()
}

/// A running node and what outlives it.
pub struct Member {
    pub chain: Arc<Chain>,
    pub handle: Option<Handle>,
    pub home: Arc<tempfile::TempDir>,
    pub config: Config,
}

impl Member {
    pub fn handle(&self) -> &Handle {
        self.handle.as_ref().expect("the node runs")
    }

    /// Puts an event into the pool, sends it to the peers and wakes the network, as a node does.
    pub fn anchor(&self, event: &Bytes) {
        self.chain.pool.lock().unwrap().push(event.clone());
        let _ = self.handle().send_events(std::slice::from_ref(event));
        self.handle().wake();
    }
}

pub struct Net {
    pub setup: Setup,
    pub members: Vec<Member>,
}

impl Net {
    /// Starts all nodes. `RUST_LOG` says what they log.
    pub async fn start(setup: Setup) -> Self {
        let mut net = Self::prepare(&setup);
        for n in 0..setup.nodes() {
            net.run(n).await;
        }
        net
    }

    /// All nodes, none running.
    pub fn prepare(setup: &Setup) -> Self {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        // Another test of this process may have done so.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_test_writer()
            .try_init();
        let members = (0..setup.nodes()).map(|n| Self::member(setup, n)).collect();
        Self {
            setup: setup.clone(),
            members,
        }
    }

    fn member(setup: &Setup, n: u8) -> Member {
        let home = Arc::new(tempfile::tempdir().unwrap());
        let others = (0..setup.nodes()).filter(|other| *other != n);
        let consensus = Consensus {
            name: name(n),
            seed: consensus_seed(n),
        };
        let config = Config {
            network_id: NETWORK,
            peer_seed: peer_seed(n),
            instance: [n; 16],
            listen: "127.0.0.1:0".parse().unwrap(),
            peers: others
                .map(|other| Peer {
                    key: peer_key(other),
                    address: None,
                })
                .collect(),
            consensus: (n < setup.validators).then_some(consensus),
            wal_dir: home.path().join("wal"),
            timeouts: setup.timeouts,
        };
        let chain = chain(setup, n, Arc::default());
        Member {
            chain: Arc::new(chain),
            handle: None,
            home,
            config,
        }
    }

    /// Starts a node, and tells it and the others where they are.
    pub async fn run(&mut self, n: u8) {
        let member = &self.members[n as usize];
        let handle = Network::start(member.config.clone(), member.chain.clone())
            .await
            .expect("it starts");
        let address = handle.listening().to_string();
        for (other, member) in self.members.iter().enumerate() {
            if let Some(running) = &member.handle {
                running.set_address(peer_key(n), address.clone());
                handle.set_address(peer_key(other as u8), running.listening().to_string());
            }
        }
        let (watched, who) = (handle.clone(), n);
        tokio::spawn(async move { eprintln!("v{who} ended: {}", watched.failed().await) });
        self.members[n as usize].handle = Some(handle);
    }

    /// Stops a node.
    pub async fn stop(&mut self, n: u8) {
        let handle = self.members[n as usize]
            .handle
            .take()
            .expect("the node runs");
        within("it stops", handle.stop()).await;
    }

    /// A new application over the same disk, as after a restart.
    pub fn reboot(&mut self, n: u8) {
        let disk = self.members[n as usize].chain.disk.clone();
        self.members[n as usize].chain = Arc::new(chain(&self.setup, n, disk));
    }

    /// Changes the application of a node that has not been started.
    pub fn alter(&mut self, n: u8, change: impl FnOnce(&mut Chain)) {
        let chain = &mut self.members[n as usize].chain;
        change(Arc::get_mut(chain).expect("it has not been started"));
    }

    pub fn chain(&self, n: u8) -> &Arc<Chain> {
        &self.members[n as usize].chain
    }

    /// Waits until the running nodes among `who` have decided `height`.
    pub async fn reach(&self, who: impl IntoIterator<Item = u8>, height: u64) {
        for n in who {
            let chain = self.chain(n);
            until(&format!("v{n} reaches height {height}"), || {
                chain.height() >= height
            })
            .await;
        }
    }

    /// Keeps the network busy until the nodes have decided `height`.
    pub async fn drive(&self, who: impl IntoIterator<Item = u8> + Clone, height: u64) {
        let mut count = 0u32;
        for n in who.clone() {
            let chain = self.chain(n);
            while chain.height() < height {
                let before = chain.height();
                let event = Bytes::from(format!("drive {count} to {height}"));
                count += 1;
                let first = who.clone().into_iter().next().unwrap();
                self.members[first as usize].anchor(&event);
                until("another block", || chain.height() > before).await;
            }
        }
    }

    /// All nodes hold the same blocks as far as they have come.
    pub fn agree(&self) {
        let chains: Vec<_> = self
            .members
            .iter()
            .map(|member| member.chain.values())
            .collect();
        for a in &chains {
            for b in &chains {
                let common = a.len().min(b.len());
                assert_eq!(
                    a[..common],
                    b[..common],
                    "two nodes decided different blocks"
                );
            }
        }
    }

    pub async fn end(mut self) {
        for member in &mut self.members {
            if let Some(handle) = member.handle.take() {
                within("it stops", handle.stop()).await;
            }
        }
    }
}

fn chain(setup: &Setup, n: u8, disk: Arc<Mutex<Disk>>) -> Chain {
    Chain {
        name: name(n),
        order: validators(setup.validators),
        disk,
        seen: Mutex::default(),
        pool: Mutex::default(),
        judge: None,
        padding: setup.padding,
        fail_commit: None,
        joins_at: setup.joins_at,
        gate: None,
    }
}

/// Waits for a condition, with a bound that only a broken build reaches.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(what, wait).await;
}

/// What a future comes to, with a bound that only a broken build reaches.
pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let bounded = tokio::time::timeout(Duration::from_secs(120), wait).await;
    bounded.unwrap_or_else(|_| panic!("waited too long until {what}"))
}
