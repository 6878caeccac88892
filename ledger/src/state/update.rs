//! One batch of changes: each bucket is computed once, and each node above the buckets once.

use super::bucket::{Bucket, BucketFault, Leaf, LeafChange, merge};
use super::map::{BucketRoot, Node, StateMap};
use super::{BucketReader, Prefix};
use crate::{ReadFailed, StateRoot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Two sibling buckets with fewer leaves than this together become one.
const MERGE_BELOW: u16 = 8;

/// What an update does to the bucket under one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketChange {
    /// It is stored, with the root of its leaves.
    Write {
        /// The bucket.
        bucket: Arc<Bucket>,
        /// Root of its leaves.
        root: StateRoot,
    },
    /// It is there, and empty: only its [`BucketRoot`] is stored.
    Empty,
    /// There is no bucket under this prefix any more: it was split or merged.
    Remove,
}

impl BucketChange {
    /// What the tree above keeps of the bucket; `None` when it is removed.
    #[must_use]
    pub fn root(&self) -> Option<BucketRoot> {
        match self {
            Self::Write { bucket, root } => Some(BucketRoot {
                root: *root,
                count: count(bucket),
            }),
            Self::Empty => Some(BucketRoot::EMPTY),
            Self::Remove => None,
        }
    }
}

/// What one batch of changes does to a map. Holding one keeps nothing locked.
#[derive(Clone, Debug)]
pub struct MapUpdate {
    base: StateRoot,
    map: StateMap,
    buckets: BTreeMap<Prefix, BucketChange>,
}

impl MapUpdate {
    /// The root of the map after the changes.
    #[must_use]
    pub fn root(&self) -> StateRoot {
        self.map.root()
    }

    /// The root of the map before them.
    #[must_use]
    pub const fn base(&self) -> StateRoot {
        self.base
    }

    /// The map after the changes.
    #[must_use]
    pub const fn map(&self) -> &StateMap {
        &self.map
    }

    /// What is to be stored: the changed buckets and their roots.
    #[must_use]
    pub const fn buckets(&self) -> &BTreeMap<Prefix, BucketChange> {
        &self.buckets
    }
}

/// The work of one update.
pub(super) struct Updater<'r, R: ?Sized> {
    reader: &'r R,
    buckets: BTreeMap<Prefix, BucketChange>,
}

impl<'r, R: BucketReader + ?Sized> Updater<'r, R> {
    pub(super) const fn new(reader: &'r R) -> Self {
        Self {
            reader,
            buckets: BTreeMap::new(),
        }
    }

    pub(super) fn finish(self, base: StateRoot, map: StateMap) -> MapUpdate {
        MapUpdate {
            base,
            map,
            buckets: self.buckets,
        }
    }

    /// The node at `prefix` after `changes`, which are in order and all below it.
    pub(super) fn node(
        &mut self,
        node: &Arc<Node>,
        prefix: Prefix,
        changes: &[LeafChange],
    ) -> Result<Arc<Node>, ReadFailed> {
        if changes.is_empty() {
            return Ok(Arc::clone(node));
        }
        match &**node {
            Node::Bucket(root) => self.bucket(*root, prefix, changes),
            Node::Inner { left, right, .. } => {
                let depth = depth(&prefix);
                let mid = changes.partition_point(|change| !change.path.bit(depth));
                let (to_left, to_right) = changes.split_at(mid);
                let left = self.node(left, prefix.child(false), to_left)?;
                let right = self.node(right, prefix.child(true), to_right)?;
                self.join(prefix, left, right)
            }
        }
    }

    fn bucket(
        &mut self,
        root: BucketRoot,
        prefix: Prefix,
        changes: &[LeafChange],
    ) -> Result<Arc<Node>, ReadFailed> {
        let Some(bucket) = self.read(root, &prefix)? else {
            return Ok(self.place(prefix, merge(&[], changes)));
        };
        let leaves = merge(bucket.leaves(), changes);
        if !(1..=Bucket::MAX_LEAVES).contains(&leaves.len()) {
            return Ok(self.place(prefix, leaves));
        }
        Ok(self.write(prefix, bucket.changed(depth(&prefix), leaves, changes)))
    }

    /// Joins two changed subtrees, or makes one bucket of two that have become small.
    fn join(
        &mut self,
        prefix: Prefix,
        left: Arc<Node>,
        right: Arc<Node>,
    ) -> Result<Arc<Node>, ReadFailed> {
        match (&*left, &*right) {
            (Node::Bucket(a), Node::Bucket(b)) if a.count + b.count < MERGE_BELOW => {
                let mut leaves = self.take(*a, prefix.child(false))?;
                leaves.extend(self.take(*b, prefix.child(true))?);
                Ok(self.place(prefix, leaves))
            }
            _ => Ok(Arc::new(Node::inner(left, right))),
        }
    }

    /// Removes the bucket at `prefix` and hands out its leaves.
    fn take(&mut self, root: BucketRoot, prefix: Prefix) -> Result<Vec<Leaf>, ReadFailed> {
        match self.buckets.insert(prefix, BucketChange::Remove) {
            Some(BucketChange::Write { bucket, .. }) => Ok(bucket.leaves().to_vec()),
            Some(BucketChange::Empty | BucketChange::Remove) => Ok(Vec::new()),
            None => Ok(self
                .read(root, &prefix)?
                .map_or_else(Vec::new, |b| b.leaves().to_vec())),
        }
    }

    /// Puts `leaves` at `prefix`: no bucket, one, or as many as they need.
    fn place(&mut self, prefix: Prefix, leaves: Vec<Leaf>) -> Arc<Node> {
        if leaves.is_empty() {
            self.buckets.insert(prefix, BucketChange::Empty);
            return Arc::new(Node::Bucket(BucketRoot::EMPTY));
        }
        if leaves.len() <= Bucket::MAX_LEAVES {
            return self.write(prefix, Bucket::new(depth(&prefix), leaves));
        }
        self.buckets.insert(prefix, BucketChange::Remove);
        let depth = depth(&prefix);
        let (left, right) = leaves.split_at(leaves.partition_point(|leaf| !leaf.path.bit(depth)));
        let left = self.place(prefix.child(false), left.to_vec());
        let right = self.place(prefix.child(true), right.to_vec());
        Arc::new(Node::inner(left, right))
    }

    fn write(&mut self, prefix: Prefix, bucket: Bucket) -> Arc<Node> {
        let root = bucket.root(depth(&prefix));
        let count = count(&bucket);
        let bucket = Arc::new(bucket);
        self.buckets
            .insert(prefix, BucketChange::Write { bucket, root });
        let node = Node::Bucket(BucketRoot { root, count });
        Arc::new(node)
    }

    fn read(&self, root: BucketRoot, prefix: &Prefix) -> Result<Option<Arc<Bucket>>, ReadFailed> {
        if root.count == 0 {
            return Ok(None);
        }
        let bucket = self.reader.bucket(prefix)?;
        let ends = [bucket.leaves().first(), bucket.leaves().last()];
        let covered = ends
            .into_iter()
            .flatten()
            .all(|leaf| prefix.covers(&leaf.path));
        if !covered || count(&bucket) != root.count {
            return Err(BucketFault::Unexpected.into());
        }
        Ok(Some(bucket))
    }
}

fn depth(prefix: &Prefix) -> u16 {
    u16::from(prefix.length())
}

/// A bucket has at most [`Bucket::MAX_LEAVES`] leaves, so the number fits.
fn count(bucket: &Bucket) -> u16 {
    u16::try_from(bucket.count()).unwrap_or(u16::MAX)
}
