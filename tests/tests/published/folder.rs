//! A published folder as the node's store writes it, of entries that are made up.

use bytes::Bytes;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::merkle::bundle::{BundleId, append_entry};
use medanchor_ledger::merkle::tile::{Tile, TileId};
use medanchor_ledger::merkle::{Frontier, NodeReader, leaf_hash};
use medanchor_ledger::note::{KeyName, Note};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::{ReadFailed, Size, TreeHash, sha256};
use std::collections::HashMap;
use std::path::Path;

pub(super) struct Folder {
    dir: tempfile::TempDir,
    run: u8,
    fork: bool,
    nodes: HashMap<(u8, u64), TreeHash>,
    frontier: Frontier,
    published: u64,
}

impl Folder {
    /// The log of this run, with nothing published.
    pub(super) fn new(run: u8) -> Self {
        Self::of(run, false)
    }

    /// Another log under the same name.
    pub(super) fn fork(run: u8) -> Self {
        Self::of(run, true)
    }

    fn of(run: u8, fork: bool) -> Self {
        let folder = Self {
            dir: tempfile::tempdir().expect("a folder"),
            run,
            fork,
            nodes: HashMap::new(),
            frontier: Frontier::default(),
            published: 0,
        };
        folder.write("genesis", format!("genesis {run}").as_bytes());
        let policy = format!("policy {run}");
        let hash = hex::encode(sha256(&[policy.as_bytes()]));
        folder.write(&format!("policies/{hash}"), policy.as_bytes());
        folder.write("certificates", b"");
        folder.write("cosignatures", b"");
        folder
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn origin(&self) -> KeyName {
        format!("city-{}/log", self.run).parse().expect("a name")
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, bytes).expect("written");
    }

    fn entry(&self, index: u64) -> Vec<u8> {
        format!("entry {index} of {} {}", self.run, self.fork).into_bytes()
    }

    /// Grows to `size` entries and publishes that.
    pub(super) fn publish(&mut self, size: u64) {
        for index in self.frontier.size().0..size {
            let leaf = leaf_hash(&self.entry(index));
            let nodes = &mut self.nodes;
            self.frontier.append_with(leaf, |level, index, hash| {
                nodes.insert((level, index), hash);
            });
        }
        for (name, bytes) in self.pieces(Size(self.published), Size(size)) {
            self.write(&name, &bytes);
        }
        self.write(
            "certificates",
            format!("certificates up to {size}").as_bytes(),
        );
        self.write(
            "cosignatures",
            format!("cosignatures up to {size}").as_bytes(),
        );
        let checkpoint = Checkpoint {
            origin: self.origin(),
            size: Size(size),
            root: self.frontier.root(),
        };
        let signature = checkpoint.sign(&SigningKey::from_seed(&[self.run; 32]));
        let note = Note::new(&checkpoint.to_string(), vec![signature]).expect("a note");
        self.write("checkpoint", note.to_string().as_bytes());
        self.published = size;
    }

    /// Every tile and bundle that a log of `size` entries has.
    pub(super) fn needed(&self, size: u64) -> Vec<(String, Bytes)> {
        let mut needed = self.pieces(Size(0), Size(size));
        needed.push(("genesis".into(), format!("genesis {}", self.run).into()));
        needed
    }

    fn pieces(&self, old: Size, new: Size) -> Vec<(String, Bytes)> {
        let tile = |id: TileId| {
            let tile = Tile::read(id, self).expect("it has it");
            (id.to_string(), tile.encode().into())
        };
        let bundle = |id: BundleId| {
            let mut bytes = Vec::new();
            let first = id.index() * 256;
            for index in first..first + u64::from(id.width().get()) {
                append_entry(&mut bytes, &self.entry(index)).expect("short");
            }
            (id.to_string(), bytes.into())
        };
        let tiles = TileId::grown(old, new).map(tile);
        tiles.chain(BundleId::grown(old, new).map(bundle)).collect()
    }
}

impl NodeReader for Folder {
    fn node(&self, level: u8, index: u64) -> Result<TreeHash, ReadFailed> {
        let missing = || ReadFailed("no such node".into());
        self.nodes.get(&(level, index)).copied().ok_or_else(missing)
    }
}

/// The size that a checkpoint states.
pub(super) fn size_of(note: &[u8]) -> u64 {
    let note = Note::parse(note).expect("a note");
    let checkpoint: Checkpoint = note.text().parse().expect("a checkpoint");
    checkpoint.size.0
}
