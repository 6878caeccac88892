//! What several of these tests need.

use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::{Cosignature, Gathering};
use medanchor_ledger::merkle::{Frontier, NodeReader, leaf_hash};
use medanchor_ledger::note::KeyName;
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::{NetworkId, ParticipantName, ReadFailed, Size, Time, TreeHash};
use std::collections::BTreeMap;
use std::fs;
#[path = "../../../tests/src/shared_data.rs"]
mod shared_data;

pub use shared_data::shared_data;
use std::path::{Path, PathBuf};

fn golden_path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../vectors")
        .join(path)
}

/// The bytes of a golden file.
pub fn frozen(path: &str) -> Vec<u8> {
    fs::read(golden_path(path)).unwrap_or_else(|error| panic!("vectors/{path}: {error}"))
}

/// Asserts that `made` is what the golden file holds. With `MEDANCHOR_WRITE_VECTORS` set a missing
/// file is written first; one that is there never changes.
pub fn assert_golden(path: &str, made: &[u8]) {
    let file = golden_path(path);
    if !file.exists() && std::env::var_os("MEDANCHOR_WRITE_VECTORS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, made).unwrap();
    }
    assert!(
        frozen(path) == made,
        "vectors/{path} is frozen, and the code gives something else now"
    );
}

/// Every file of a vectors folder whose name starts with `prefix`, by name.
pub fn vectors(folder: &str, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../vectors")
        .join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// All nodes of a growing tree.
#[derive(Default)]
pub struct Nodes {
    pub frontier: Frontier,
    nodes: BTreeMap<(u8, u64), TreeHash>,
}

impl Nodes {
    pub fn append(&mut self, entry: &[u8]) {
        let nodes = &mut self.nodes;
        self.frontier
            .append_with(leaf_hash(entry), |level, index, hash| {
                assert!(nodes.insert((level, index), hash).is_none());
            });
    }
}

impl NodeReader for Nodes {
    fn node(&self, level: u8, index: u64) -> Result<TreeHash, ReadFailed> {
        let node = self.nodes.get(&(level, index)).copied();
        node.ok_or_else(|| ReadFailed(format!("no node {index} at level {level}").into()))
    }
}

/// A network of `n` validators whose keys follow from their numbers.
pub struct Network {
    pub id: NetworkId,
    pub origin: KeyName,
    pub set: ValidatorSet,
}

const NAMES: [&str; 7] = [
    "clinic",
    "depot",
    "hospital",
    "maker",
    "pharmacy",
    "regulator",
    "state",
];

/// The key of one purpose of validator `number` of network `network`.
pub fn key(network: u8, number: usize, purpose: u8) -> SigningKey {
    let mut seed = [0xA5; 32];
    seed[..3].copy_from_slice(&[network, u8::try_from(number).unwrap(), purpose]);
    SigningKey::from_seed(&seed)
}

impl Network {
    pub fn new(network: u8, n: usize) -> Self {
        let id = NetworkId::new([network; 16]);
        let validators = (0..n).map(|number| {
            let public = |purpose| key(network, number, purpose).public_key();
            let (consensus, log) = (public(0), public(1));
            let (cosigner, cose) = (public(2), public(3));
            Validator {
                name: name(number),
                consensus,
                log,
                cosigner,
                cose,
            }
        });
        let set = ValidatorSet::new(validators.collect()).unwrap();
        Self {
            id,
            origin: format!("north.example/{id}").parse().unwrap(),
            set,
        }
    }

    pub fn checkpoint(&self, size: u64, root: TreeHash) -> Checkpoint {
        Checkpoint {
            origin: self.origin.clone(),
            size: Size(size),
            root,
        }
    }

    /// What validator `number` sends about a checkpoint.
    pub fn cosign(&self, number: usize, checkpoint: &Checkpoint) -> Cosignature {
        let network = self.id.as_bytes()[0];
        let (log, cosigner) = (key(network, number, 1), key(network, number, 2));
        let time = Time(1_800_000_000_000 + number as u64 * 1000);
        Cosignature::sign(checkpoint, &name(number), &log, &cosigner, time).unwrap()
    }

    /// The gathering to which the first `count` validators have sent theirs.
    pub fn gathered(&self, checkpoint: &Checkpoint, count: usize) -> Gathering {
        let mut gathering = Gathering::new(checkpoint.clone(), self.set.clone());
        for number in 0..count {
            gathering.add(&self.cosign(number, checkpoint)).unwrap();
        }
        gathering
    }
}

/// The name of validator `number`; names are in the order of numbers.
pub fn name(number: usize) -> ParticipantName {
    NAMES[number].parse().unwrap()
}

/// Text of a golden file.
pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
