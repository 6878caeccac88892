//! Builds logs with the ledger's own code and publishes them as a node's `log` folder, also when
//! their validators collude in what no honest one would sign.

#![allow(dead_code, missing_docs)]

pub mod server;

use medanchor_ledger::certificate::{Certificate, Vote, VoteKind};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cose_receipt::{CoseProof, TransparentStatement};
use medanchor_ledger::cosignature::{Cosignature, Gathering};
use medanchor_ledger::event::{
    Event, EventBody, LotOpen, UnitCommission, UnitShip, Units, UnsignedEvent,
};
use medanchor_ledger::execute::{BlockBuilder, Executed, MemoryState, View, execute_genesis};
use medanchor_ledger::genesis::{Authorities, Genesis, GenesisSpec};
use medanchor_ledger::merkle::bundle::{BundleId, append_entry};
use medanchor_ledger::merkle::tile::{Tile, TileId};
use medanchor_ledger::merkle::{Frontier, Leaves, inclusion_proof, leaf_hash};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::PolicyChain;
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::rules::{Participant, Role};
use medanchor_ledger::seal::value_id;
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::*;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PARTICIPANTS: [(&str, Role); 5] = [
    ("jade-pharma", Role::Manufacturer),
    ("north-hospital", Role::Hospital),
    ("east-pharmacy", Role::Pharmacy),
    ("drug-regulator", Role::Regulator),
    ("river-distribution", Role::Distributor),
];

/// The purpose of a participant's own key, and of a validator's node's for random outputs.
pub const PARTICIPANT: u8 = 9;
pub const OPERATIONAL: u8 = 11;

pub fn key(number: u8, purpose: u8) -> SigningKey {
    let mut seed = [purpose; 32];
    seed[0] = number;
    SigningKey::from_seed(&seed)
}

pub fn name(number: u8) -> ParticipantName {
    PARTICIPANTS[usize::from(number)].0.parse().expect("a name")
}

pub fn genesis(network: &str) -> Genesis {
    genesis_with(network, &[])
}

/// The same with custodians of these names besides.
pub fn genesis_with(network: &str, custodians: &[&str]) -> Genesis {
    let validator = |number| Validator {
        name: name(number),
        consensus: key(number, 1).public_key(),
        log: key(number, 2).public_key(),
        cosigner: key(number, 3).public_key(),
        cose: key(number, 4).public_key(),
    };
    let participants = (0..).zip(PARTICIPANTS).map(|(number, (_, role))| {
        let keys = vec![key(number, 9).public_key()];
        let roles = match role {
            // A custodian must not be a validator.
            Role::Distributor => vec![role, Role::Custodian],
            _ => vec![role],
        };
        (
            name(number),
            Participant::new(roles, keys).expect("a participant"),
        )
    });
    let besides = custodians.iter().zip(100..).map(|(custodian, number)| {
        let keys = vec![key(number, PARTICIPANT).public_key()];
        let participant = Participant::new(vec![Role::Custodian], keys);
        let name: ParticipantName = custodian.parse().expect("a name");
        (name, participant.expect("a participant"))
    });
    let spec = GenesisSpec {
        name: network.parse().expect("a network name"),
        time: Time(1_700_000_000_000),
        validators: ValidatorSet::new((0..4).map(validator).collect()).expect("a set"),
        participants: participants.chain(besides).collect(),
        authorities: Authorities {
            threshold: 3,
            names: (0..4).map(name).collect(),
        },
        publisher: None,
    };
    Genesis::new(spec).expect("a genesis")
}

/// A log as entries, block by block; a block's last entry is its seal.
pub struct Built {
    pub genesis: Genesis,
    pub blocks: Vec<Vec<Vec<u8>>>,
    pub executed: Vec<Executed>,
    memory: MemoryState,
    nonce: u64,
}

impl Built {
    pub fn new(network: &str) -> Self {
        Self::of(genesis(network))
    }

    pub fn of(genesis: Genesis) -> Self {
        let memory = MemoryState::genesis(&genesis).expect("a first state");
        let first = execute_genesis(&genesis).expect("an executed genesis");
        let blocks = vec![vec![first.seal_entry.to_vec()]];
        Self {
            genesis,
            blocks,
            executed: Vec::new(),
            memory,
            nonce: 0,
        }
    }

    /// A log of `blocks` blocks of lots, packs and shipments, some of them empty.
    pub fn busy(blocks: u8) -> Self {
        let mut built = Self::new("audit.medanchor.example");
        for number in 0..blocks {
            let lot = LotHandle::new([number; 16]);
            let units = |from: u8| {
                let unit = move |serial: u8| {
                    UnitHandle::new([
                        number,
                        from + serial,
                        7,
                        7,
                        7,
                        7,
                        7,
                        7,
                        7,
                        7,
                        7,
                        7,
                        7,
                        7,
                        7,
                        7,
                    ])
                };
                Units::new((0..10).map(unit)).expect("units")
            };
            let commitment = Commitment::new(TreeHash::new([number; 32]));
            let mut bodies = vec![EventBody::LotOpen(LotOpen { lot, commitment })];
            for from in [0, 10, 20, 30] {
                bodies.push(EventBody::UnitCommission(UnitCommission {
                    lot,
                    units: units(from),
                }));
                let (maker, to) = (name(0), name(4));
                bodies.push(EventBody::UnitShip(UnitShip {
                    maker,
                    units: units(from),
                    to,
                }));
            }
            if number % 5 == 4 {
                bodies.clear();
            }
            built.block(bodies);
        }
        built
    }

    pub fn event(&mut self, number: u8, body: EventBody) -> Event {
        self.event_by(number, PARTICIPANT, body)
    }

    /// An event of a participant, signed with its key of that purpose.
    pub fn event_by(&mut self, number: u8, purpose: u8, body: EventBody) -> Event {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_be_bytes());
        let unsigned = UnsignedEvent {
            issuer: name(number),
            network: self.genesis.network_id(),
            nonce: Nonce::new(nonce),
            not_after: self.memory.head().time.plus_millis(60_000),
            body,
        };
        unsigned.sign(&key(number, purpose)).expect("an event")
    }

    /// A log that goes another way than [`Built::busy`] after its first `common` blocks.
    pub fn forked(common: u8, blocks: u8) -> Self {
        let mut built = Self::busy(common);
        for number in common..blocks {
            let lot = LotHandle::new([0xf0, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            let commitment = Commitment::new(TreeHash::new([number; 32]));
            built.block(vec![EventBody::LotOpen(LotOpen { lot, commitment })]);
        }
        built
    }

    /// Appends a block of events by the maker.
    pub fn block(&mut self, bodies: Vec<EventBody>) {
        self.block_of(bodies.into_iter().map(|body| (0, body)).collect());
    }

    /// Appends a block of events by participants, each named by its number.
    pub fn block_of(&mut self, bodies: Vec<(u8, EventBody)>) {
        let events = bodies
            .into_iter()
            .map(|(number, body)| (self.event(number, body), key(number, PARTICIPANT)))
            .collect();
        self.block_by(events);
    }

    /// Appends a block of events, each with the key that signed it.
    pub fn block_by(&mut self, events: Vec<(Event, SigningKey)>) {
        self.block_after(250, events);
    }

    /// Appends a block without events, so long after the last one.
    pub fn idle(&mut self, millis: u64) {
        self.block_after(millis, Vec::new());
    }

    fn block_after(&mut self, millis: u64, events: Vec<(Event, SigningKey)>) {
        let time = self.memory.head().time.plus_millis(millis);
        let mut builder = BlockBuilder::new(&self.memory, time).expect("a builder");
        for (event, key) in events {
            let verified = event.verify(&key.public_key()).expect("a good signature");
            builder
                .push(&verified)
                .expect("a state")
                .expect("an event that applies");
        }
        let proposer = self
            .memory
            .head()
            .schedule
            .proposer(Round(0))
            .expect("a proposer")
            .clone();
        let executed = builder
            .finish()
            .expect("a candidate")
            .seal(Round(0), proposer);
        self.blocks
            .push(executed.entries().map(<[u8]>::to_vec).collect());
        self.memory.apply(&executed).expect("the next state");
        self.executed.push(executed);
    }

    pub fn memory(&self) -> &MemoryState {
        &self.memory
    }

    pub fn entries(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.blocks.iter().flatten()
    }

    pub fn size(&self) -> u64 {
        self.entries().count() as u64
    }

    pub fn checkpoints(&self) -> Vec<Checkpoint> {
        let mut frontier = Frontier::new();
        let mut checkpoints = Vec::new();
        for block in &self.blocks {
            block
                .iter()
                .for_each(|entry| frontier.append(leaf_hash(entry)));
            let origin = self.genesis.origin().clone();
            let (size, root) = (frontier.size(), frontier.root());
            checkpoints.push(Checkpoint { origin, size, root });
        }
        checkpoints
    }

    /// The certificate of a height, signed by the first `signers` validators.
    pub fn certificate(&self, height: u64, round: u32, signers: u8) -> Certificate {
        let checkpoint = self.checkpoints()[usize::try_from(height).expect("a height")].clone();
        self.certificate_of(&checkpoint, height, round, signers)
    }

    fn certificate_of(
        &self,
        checkpoint: &Checkpoint,
        height: u64,
        round: u32,
        signers: u8,
    ) -> Certificate {
        let (height, round) = (Height(height), Round(round));
        let value = value_id(height, checkpoint.size, &checkpoint.root);
        let votes = (0..signers).map(|number| {
            let vote = Vote {
                network: self.genesis.network_id(),
                kind: VoteKind::Precommit,
                height,
                round,
                value: Some(value),
                validator: name(number),
            };
            (name(number), vote.sign(&key(number, 1)))
        });
        Certificate::new(height, round, value, votes.collect()).expect("a certificate")
    }

    /// Publishes the log with a quorum's certificates, all cosignatures and a checkpoint.
    pub fn publish(&self, folder: &Path) {
        let genesis = &self.genesis;
        write(folder, "genesis", genesis.encoded());
        let policy = genesis.policy();
        write(
            folder,
            &format!("policies/{}", policy.hash()),
            policy.as_bytes(),
        );
        let chain = PolicyChain::of_genesis(genesis);
        write(folder, "policy-chain", &chain.encode());
        self.publish_tree(folder);
        let checkpoints = self.checkpoints();
        let certificates = (1..)
            .zip(checkpoints.iter().skip(1))
            .map(|(height, checkpoint)| self.certificate_of(checkpoint, height, 0, 3).encode());
        write(folder, "certificates", &framed(certificates));
        let (mut records, mut note) = (Vec::new(), None);
        for checkpoint in self.checkpoints().into_iter().skip(1) {
            let mut gathering = Gathering::new(checkpoint.clone(), genesis.validators().clone());
            for number in 0..4 {
                let record = cosign(&checkpoint, number);
                gathering.add(&record).expect("a good cosignature");
                records.push(record.encode());
            }
            note = gathering.note();
        }
        write(folder, "cosignatures", &framed(records.into_iter()));
        write(
            folder,
            "checkpoint",
            note.expect("a quorum").to_string().as_bytes(),
        );
    }

    /// The last checkpoint as a note with one log signature and a quorum of cosignatures.
    pub fn note(&self) -> Note {
        self.note_at(self.blocks.len() - 1)
    }

    /// The last checkpoint, cosigned by so many at that time, whether that is a quorum or not.
    pub fn note_by(&self, signers: u8, time: Time) -> Note {
        let checkpoint = self.checkpoints().pop().expect("a checkpoint");
        let log = checkpoint.sign(&key(0, 2));
        let cosigned = (0..signers).map(|number| {
            let key = key(number, 3);
            checkpoint
                .cosign(&name(number), &key, time)
                .expect("a cosignature")
        });
        let signatures = std::iter::once(log).chain(cosigned).collect();
        Note::new(&checkpoint.to_string(), signatures).expect("a note")
    }

    /// The checkpoint after a height, in the same form.
    pub fn note_at(&self, height: usize) -> Note {
        self.gathered_at(height).note().expect("a quorum")
    }

    fn gathered_at(&self, height: usize) -> Gathering {
        let checkpoint = self.checkpoints().swap_remove(height);
        let set = self.genesis.validators().clone();
        let mut gathering = Gathering::new(checkpoint.clone(), set);
        for number in 0..4 {
            gathering
                .add(&cosign(&checkpoint, number))
                .expect("a good cosignature");
        }
        gathering
    }

    /// The event at `index` with a quorum of COSE receipts, as a `.scitt` file has it.
    pub fn statement(&self, index: u64) -> Vec<u8> {
        let leaves: Vec<TreeHash> = self.entries().map(|entry| leaf_hash(entry)).collect();
        let size = Size(leaves.len() as u64);
        let path = inclusion_proof(&Leaves(&leaves), Index(index), size).expect("a proof");
        let place = usize::try_from(index).expect("a place");
        let index = Index(index);
        let proof = CoseProof::Inclusion { index, path };
        let gathering = self.gathered_at(self.blocks.len() - 1);
        let entry = self.entries().nth(place).expect("an entry");
        let statement = TransparentStatement {
            event: Event::decode(entry).expect("an event"),
            receipts: gathering.cose_receipts(&proof).expect("a quorum"),
        };
        statement.encode()
    }

    /// The receipt of the entry at `index`, as a `.tlog-proof` file has it.
    pub fn receipt(&self, index: u64) -> String {
        let leaves: Vec<TreeHash> = self.entries().map(|entry| leaf_hash(entry)).collect();
        let size = Size(leaves.len() as u64);
        let proof = inclusion_proof(&Leaves(&leaves), Index(index), size).expect("a proof");
        let (index, checkpoint) = (Index(index), self.note());
        Receipt {
            index,
            proof,
            checkpoint,
            extra: None,
        }
        .to_string()
    }

    fn publish_tree(&self, folder: &Path) {
        self.publish_tree_at(folder, self.size());
    }

    /// The bundles and tiles as they were when the log had `size` entries.
    pub fn publish_tree_at(&self, folder: &Path, size: u64) {
        let count = usize::try_from(size).expect("a size");
        let entries: Vec<&Vec<u8>> = self.entries().take(count).collect();
        let leaves: Vec<TreeHash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let size = Size(size);
        for id in TileId::grown(Size(0), size) {
            let tile = Tile::read(id, &Leaves(&leaves)).expect("a tile");
            write(folder, &id.to_string(), &tile.encode());
        }
        for id in BundleId::grown(Size(0), size) {
            let first = usize::try_from(id.index() * 256).expect("a place");
            let mut bytes = Vec::new();
            for entry in entries
                .iter()
                .skip(first)
                .take(usize::from(id.width().get()))
            {
                append_entry(&mut bytes, entry).expect("an entry that fits");
            }
            write(folder, &id.to_string(), &bytes);
        }
    }
}

pub fn cosign(checkpoint: &Checkpoint, number: u8) -> Cosignature {
    let time = Time(1_700_000_100_000);
    Cosignature::sign(
        checkpoint,
        &name(number),
        &key(number, 2),
        &key(number, 3),
        time,
    )
    .expect("a cosignature")
    .with_cose(checkpoint, &key(number, 4))
}

pub fn framed(records: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let frame = |record: Vec<u8>| {
        let length = u32::try_from(record.len()).expect("a short record");
        [length.to_be_bytes().to_vec(), record].concat()
    };
    records.flat_map(frame).collect()
}

pub fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, bytes).expect("a file");
}

/// Runs the auditor's binary.
pub fn audit(args: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_medanchor-audit");
    Command::new(binary)
        .args(args)
        .output()
        .expect("the auditor runs")
}

/// Longer than anything here takes, on a machine with much else to do.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Starts the auditor's binary, whose output can be read.
pub fn start(args: &[&str]) -> Child {
    let binary = env!("CARGO_BIN_EXE_medanchor-audit");
    let mut command = Command::new(binary);
    command
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("the auditor runs")
}

/// Waits for the end of a process that writes little; kills it and fails if it takes too long.
pub fn finish(mut child: Child) -> Output {
    let end = Instant::now() + PATIENCE;
    while child.try_wait().expect("a process").is_none() {
        if Instant::now() > end {
            child.kill().expect("a process");
            let output = child.wait_with_output();
            panic!("the auditor does not end: {output:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("an output")
}

/// Runs the auditor's binary, which must end in time: its exit code, and all that it printed.
pub fn ends(args: &[&str]) -> (i32, String) {
    let output = finish(start(args));
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = output.status.code().expect("an exit code");
    (code, text(output.stdout) + &text(output.stderr))
}

/// Runs `verify --json` on a folder: the exit code and what it printed.
pub fn verify(folder: &Path) -> (i32, serde_json::Value) {
    let folder = folder.to_str().expect("a path that is text");
    let output = audit(&["verify", "--json", "--threads", "1", folder]);
    let code = output.status.code().expect("an exit code");
    let text = String::from_utf8(output.stdout).expect("text");
    (
        code,
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")),
    )
}
