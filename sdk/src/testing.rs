//! A network for tests: four validators with known keys, a log in memory, and a node that answers
//! HTTP the way the test says.

use crate::identity::Identity;
use medanchor_ledger::checkpoint::Checkpoint;
#[cfg(feature = "client")]
use medanchor_ledger::consistency::ConsistencyReceipt;
#[cfg(feature = "client")]
use medanchor_ledger::cose_receipt::{CoseProof, TransparentStatement};
#[cfg(feature = "client")]
use medanchor_ledger::cosignature::{Cosignature, Gathering};
#[cfg(feature = "client")]
use medanchor_ledger::document::{SealProof, StateClaim, StateDocument};
#[cfg(feature = "client")]
use medanchor_ledger::event::Event;
use medanchor_ledger::genesis::{Authorities, Genesis, GenesisSpec};
use medanchor_ledger::merkle::{Leaves, inclusion_proof, leaf_hash, root_of_leaves};
#[cfg(feature = "client")]
use medanchor_ledger::merkle::{consistency_proof, root_at};
use medanchor_ledger::note::Note;
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::rules::{Participant, Role};
#[cfg(feature = "client")]
use medanchor_ledger::seal::Seal;
use medanchor_ledger::signature::{PublicKey, SigningKey};
#[cfg(feature = "client")]
use medanchor_ledger::state::{StateKey, StateMap};
use medanchor_ledger::validator::{Validator, ValidatorSet};
#[cfg(feature = "client")]
use medanchor_ledger::{Height, PolicyHash, Round};
use medanchor_ledger::{Index, ParticipantName, Size, Time, TreeHash};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn key(purpose: u8, place: u8) -> SigningKey {
    SigningKey::from_seed(&[purpose << 4 | place; 32])
}

pub(crate) fn name(text: &str) -> ParticipantName {
    text.parse().unwrap()
}

/// A network that exists in this process alone.
pub(crate) struct Network {
    pub(crate) genesis: Genesis,
    leaves: Vec<TreeHash>,
}

impl Network {
    /// A network of four validators and these participants.
    pub(crate) fn of(participants: &[(&ParticipantName, Role, PublicKey)]) -> Self {
        let validator = |n: u8| Validator {
            name: name(&format!("validator-{n}")),
            consensus: key(1, n).public_key(),
            log: key(2, n).public_key(),
            cosigner: key(3, n).public_key(),
            cose: key(4, n).public_key(),
        };
        let validators = ValidatorSet::new((0..4).map(validator).collect()).unwrap();
        let mut all: BTreeMap<_, _> = (0..4u8)
            .map(|n| {
                let keys = vec![key(5, n).public_key()];
                (
                    name(&format!("validator-{n}")),
                    Participant::new(vec![Role::Regulator], keys).unwrap(),
                )
            })
            .collect();
        for (name, role, key) in participants {
            all.insert(
                (*name).clone(),
                Participant::new(vec![*role], vec![*key]).unwrap(),
            );
        }
        let names = BTreeSet::from([name("validator-0")]);
        let genesis = Genesis::new(GenesisSpec {
            name: "test".parse().unwrap(),
            time: Time(1_000),
            validators,
            participants: all,
            authorities: Authorities {
                threshold: 1,
                names,
            },
            publisher: None,
        });
        Self {
            genesis: genesis.unwrap(),
            leaves: vec![leaf_hash(b"seal")],
        }
    }

    /// Appends an entry and gives its receipt under the log's new root.
    pub(crate) fn append(&mut self, entry: &[u8]) -> Vec<u8> {
        let index = self.push(entry);
        self.receipt(index, 3)
    }

    /// Appends an entry and gives its index.
    pub(crate) fn push(&mut self, entry: &[u8]) -> usize {
        self.leaves.push(leaf_hash(entry));
        self.leaves.len() - 1
    }

    fn head(&self) -> Checkpoint {
        Checkpoint {
            origin: self.genesis.origin().clone(),
            size: Size(self.leaves.len() as u64),
            root: root_of_leaves(self.leaves.iter().copied()),
        }
    }

    /// The newest checkpoint with this many cosignatures.
    pub(crate) fn checkpoint(&self, cosignatures: u8) -> Note {
        let checkpoint = self.head();
        let mut signatures = vec![checkpoint.sign(&key(2, 0))];
        signatures.extend((0..cosignatures).map(|n| {
            checkpoint
                .cosign(&name(&format!("validator-{n}")), &key(3, n), Time(9_000))
                .unwrap()
        }));
        Note::new(&checkpoint.to_string(), signatures).unwrap()
    }

    /// The same network after its first `size` entries.
    #[cfg(feature = "client")]
    pub(crate) fn fork(&self, size: usize) -> Self {
        Self {
            genesis: self.genesis.clone(),
            leaves: self.leaves[..size].to_vec(),
        }
    }

    /// The proof that the log has only grown since it had `old` entries.
    #[cfg(feature = "client")]
    pub(crate) fn consistency(&self, old: Size) -> String {
        let leaves = Leaves(&self.leaves);
        let receipt = ConsistencyReceipt {
            old,
            old_root: root_at(&leaves, old).unwrap(),
            proof: consistency_proof(&leaves, old, self.head().size).unwrap(),
            checkpoint: self.checkpoint(3),
        };
        receipt.to_string()
    }

    /// An event with this many COSE Receipts of its entry, at most three.
    #[cfg(feature = "client")]
    pub(crate) fn statement(&self, event: &Event, index: usize, signatures: usize) -> Vec<u8> {
        let head = self.head();
        let mut gathering = Gathering::new(head.clone(), self.genesis.validators().clone());
        for n in 0..3 {
            let name = name(&format!("validator-{n}"));
            let record = Cosignature::sign(&head, &name, &key(2, n), &key(3, n), Time(9_000));
            let record = record.unwrap().with_cose(&head, &key(4, n));
            gathering.add(&record).unwrap();
        }
        let index = Index(index as u64);
        let path = inclusion_proof(&Leaves(&self.leaves), index, head.size).unwrap();
        let proof = CoseProof::Inclusion { index, path };
        let mut receipts = gathering.cose_receipts(&proof).unwrap();
        receipts.truncate(signatures);
        let event = event.clone();
        TransparentStatement { event, receipts }.encode()
    }

    /// The receipt of an entry, with this many cosignatures.
    pub(crate) fn receipt(&self, index: usize, cosignatures: u8) -> Vec<u8> {
        let index = Index(index as u64);
        let size = Size(self.leaves.len() as u64);
        let receipt = Receipt {
            index,
            proof: inclusion_proof(&Leaves(&self.leaves), index, size).unwrap(),
            checkpoint: self.checkpoint(cosignatures),
            extra: None,
        };
        receipt.to_string().into_bytes()
    }
}

/// A state in this process, proved by the seal of a block.
#[cfg(feature = "client")]
pub(crate) struct Stated {
    network: Network,
    map: StateMap,
    seal: Seal,
}

#[cfg(feature = "client")]
impl Stated {
    /// The state of a block of this height and time.
    pub(crate) fn new(
        mut network: Network,
        (height, time): (u64, u64),
        values: Vec<(StateKey, Vec<u8>)>,
    ) -> Self {
        let mut map = StateMap::empty();
        let changes = values.into_iter();
        let changes = changes.map(|(key, value)| (key.path(), Some(value)));
        let update = map.update(&changes.collect()).unwrap();
        map.apply(&update).unwrap();
        let seal = Seal {
            height: Height(height),
            round: Round(0),
            proposer: Some(name("validator-0")),
            time: Time(time),
            first: Index(network.leaves.len() as u64),
            count: 0,
            log_root: TreeHash::new([1; 32]),
            previous: TreeHash::new([2; 32]),
            state_root: map.root(),
            rules_version: 1,
            policy: PolicyHash::new([4; 32]),
            next_policy: PolicyHash::new([4; 32]),
        };
        network.push(&seal.encode());
        Self { network, map, seal }
    }

    /// What an honest node answers to whoever asks for a value.
    pub(crate) fn answer(&self, request: &node::Seen) -> Option<node::Reply> {
        let path = request.path.split('?').next()?;
        let key = path.strip_prefix("/v1/state/")?.strip_suffix("/proof")?;
        let key = StateKey::new(&hex::decode(key).ok()?).ok()?;
        let document = self.document(key).encode();
        Some(node::Reply::Whole(200, "application/cbor", document))
    }

    /// What proves a value, or that there is none.
    pub(crate) fn document(&self, key: StateKey) -> StateDocument {
        let receipt = self.network.receipt(self.network.leaves.len() - 1, 3);
        StateDocument {
            claim: StateClaim::of(&self.map, &key).unwrap(),
            key,
            seal: SealProof {
                seal: self.seal.clone(),
                receipt: Receipt::parse(&receipt).unwrap(),
            },
        }
    }
}

/// Makes identities in folders under `root` and a network that knows them.
pub(crate) fn network_with(root: &Path, participants: &[(&str, Role)]) -> Network {
    let made: Vec<_> = participants
        .iter()
        .map(|(text, role)| {
            let name = name(text);
            let key = Identity::create(&root.join(text), &name).unwrap();
            (name, *role, key)
        })
        .collect();
    let listed: Vec<_> = made
        .iter()
        .map(|(name, role, key)| (name, *role, *key))
        .collect();
    let network = Network::of(&listed);
    for (text, _) in participants {
        Identity::join(&root.join(text), network.genesis.encoded()).unwrap();
    }
    network
}

#[cfg(feature = "client")]
pub(crate) mod node {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    /// A request as the node saw it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct Seen {
        pub(crate) method: String,
        pub(crate) path: String,
        pub(crate) body: Vec<u8>,
    }

    /// What the node writes back.
    pub(crate) enum Reply {
        /// A whole answer: status, media type, body.
        Whole(u16, &'static str, Vec<u8>),
        /// A whole answer with one more header line.
        With(u16, String, &'static str, Vec<u8>),
        /// These bytes, and then the connection is closed.
        Raw(Vec<u8>),
        /// A head, and then a body that never ends.
        Endless,
        /// Nothing at all: the connection stays open until the client leaves.
        Silence,
    }

    impl Reply {
        pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
            Self::Whole(status, "application/json", value.to_string().into_bytes())
        }

        pub(crate) fn problem(status: u16, code: &str) -> Self {
            let value = serde_json::json!({ "status": status, "code": code, "title": code });
            Self::Whole(
                status,
                "application/problem+json",
                value.to_string().into_bytes(),
            )
        }
    }

    type Handler = dyn Fn(&Seen) -> Reply + Send + Sync;

    /// A node that answers every request with `handler`; gives its address.
    pub(crate) fn serve(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let handler: Arc<Handler> = Arc::new(handler);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let handler = handler.clone();
                std::thread::spawn(move || drop(answer(stream, handler.as_ref())));
            }
        });
        address
    }

    /// An address at which nobody listens.
    pub(crate) fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    fn answer(mut stream: TcpStream, handler: &Handler) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split(' ').map(str::to_owned);
        let method = words.next().unwrap_or_default();
        let path = words.next().unwrap_or_default();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        match handler(&Seen { method, path, body }) {
            Reply::Whole(status, media_type, body) => {
                write_whole(&mut stream, status, "", media_type, &body)
            }
            Reply::With(status, header, media_type, body) => {
                write_whole(&mut stream, status, &header, media_type, &body)
            }
            Reply::Raw(bytes) => stream.write_all(&bytes),
            Reply::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")?;
                loop {
                    stream.write_all(&[b' '; 4096])?;
                }
            }
            Reply::Silence => reader.read_to_end(&mut Vec::new()).map(drop),
        }
    }

    fn write_whole(
        stream: &mut TcpStream,
        status: u16,
        header: &str,
        media_type: &str,
        body: &[u8],
    ) -> std::io::Result<()> {
        let end = if header.is_empty() { "" } else { "\r\n" };
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n{header}{end}connection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat())
    }
}
