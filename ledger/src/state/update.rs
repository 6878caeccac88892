//! One batch of changes: each bucket is computed once, and each node above the buckets once.

use super::bucket::{Bucket, BucketFault, Leaf, LeafChange};
use super::cell::BucketCell;
use super::map::{StateMap, Tree};
use super::{BucketRoot, Prefix};
use crate::{ReadFailed, StateRoot};
use std::sync::Arc;

/// Two sibling buckets with fewer leaves than this together become one.
const MERGE_BELOW: u16 = 8;

/// What an update does to the bucket under one prefix.
#[derive(Clone, Debug)]
pub enum BucketChange {
    /// It is stored.
    Write(Arc<BucketCell>),
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
            Self::Write(cell) => Some(cell.root()),
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
    buckets: Vec<(Prefix, BucketChange)>,
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

    /// What is to be stored, at most one change for a prefix.
    #[must_use]
    pub fn buckets(&self) -> &[(Prefix, BucketChange)] {
        &self.buckets
    }
}

/// The work of one update.
#[derive(Default)]
pub(super) struct Updater {
    buckets: Vec<(Prefix, BucketChange)>,
}

impl Updater {
    pub(super) fn finish(self, base: StateRoot, map: StateMap) -> MapUpdate {
        MapUpdate {
            base,
            map,
            buckets: self.buckets,
        }
    }

    /// The tree at `prefix` after `changes`, which are in order and all below it.
    pub(super) fn tree(
        &mut self,
        tree: &Tree,
        prefix: Prefix,
        changes: &[LeafChange<'_>],
    ) -> Result<Tree, ReadFailed> {
        if changes.is_empty() {
            return Ok(tree.clone());
        }
        match tree {
            Tree::Empty => Ok(self.place(prefix, &set(changes))),
            Tree::Bucket(cell) => self.bucket(cell, prefix, changes),
            Tree::Inner(inner) => {
                let depth = depth(&prefix);
                let mid = changes.partition_point(|change| !change.path.bit(depth));
                let (to_left, to_right) = changes.split_at(mid);
                let mark = self.buckets.len();
                let left = self.tree(&inner.left, prefix.child(false), to_left)?;
                let right = self.tree(&inner.right, prefix.child(true), to_right)?;
                self.join(prefix, left, right, mark)
            }
        }
    }

    fn bucket(
        &mut self,
        cell: &BucketCell,
        prefix: Prefix,
        changes: &[LeafChange<'_>],
    ) -> Result<Tree, ReadFailed> {
        let bucket = read(cell, &prefix)?;
        let mut leaves = Vec::with_capacity(bucket.count() + changes.len());
        bucket.merge(changes, &mut leaves);
        if !(1..=Bucket::MAX_LEAVES).contains(&leaves.len()) {
            return Ok(self.place(prefix, &leaves));
        }
        let known = bucket.untouched(depth(&prefix), changes);
        let (bucket, root) = Bucket::build(depth(&prefix), &leaves, known);
        Ok(self.write(prefix, bucket, root))
    }

    /// Joins two changed subtrees, or makes one bucket of two that have become small. What was
    /// changed below `prefix` so far stands from `mark` on.
    fn join(
        &mut self,
        prefix: Prefix,
        left: Tree,
        right: Tree,
        mark: usize,
    ) -> Result<Tree, ReadFailed> {
        let (Some(in_left), Some(in_right)) = (left.bucket_count(), right.bucket_count()) else {
            return Ok(Tree::inner(left, right));
        };
        if in_left + in_right >= MERGE_BELOW {
            return Ok(Tree::inner(left, right));
        }
        let (below_left, below_right) = (prefix.child(false), prefix.child(true));
        self.remove(below_left, mark);
        self.remove(below_right, mark);
        let left = left
            .cell()
            .map(|cell| read(cell, &below_left))
            .transpose()?;
        let right = right
            .cell()
            .map(|cell| read(cell, &below_right))
            .transpose()?;
        let mut leaves = Vec::with_capacity(MERGE_BELOW.into());
        for bucket in left.iter().chain(&right) {
            bucket.push(0..bucket.count(), &mut leaves);
        }
        Ok(self.place(prefix, &leaves))
    }

    /// Takes back what was written under `prefix` since `mark`: there is no such bucket.
    fn remove(&mut self, prefix: Prefix, mark: usize) {
        let since = self.buckets.get_mut(mark..).unwrap_or_default();
        match since.iter_mut().find(|(found, _)| *found == prefix) {
            Some((_, change)) => *change = BucketChange::Remove,
            None => self.buckets.push((prefix, BucketChange::Remove)),
        }
    }

    /// Puts `leaves` at `prefix`: no bucket, one, or as many as they need.
    fn place(&mut self, prefix: Prefix, leaves: &[Leaf<'_>]) -> Tree {
        if leaves.is_empty() {
            self.buckets.push((prefix, BucketChange::Empty));
            return Tree::Empty;
        }
        let depth = depth(&prefix);
        if leaves.len() <= Bucket::MAX_LEAVES {
            let (bucket, root) = Bucket::build(depth, leaves, Default::default());
            return self.write(prefix, bucket, root);
        }
        self.buckets.push((prefix, BucketChange::Remove));
        let (left, right) = leaves.split_at(leaves.partition_point(|leaf| !leaf.path.bit(depth)));
        let left = self.place(prefix.child(false), left);
        let right = self.place(prefix.child(true), right);
        Tree::inner(left, right)
    }

    fn write(&mut self, prefix: Prefix, bucket: Bucket, root: StateRoot) -> Tree {
        let cell = Arc::new(BucketCell::new(bucket, root));
        self.buckets
            .push((prefix, BucketChange::Write(Arc::clone(&cell))));
        Tree::Bucket(cell)
    }
}

/// The leaves that `changes` set.
fn set<'a>(changes: &[LeafChange<'a>]) -> Vec<Leaf<'a>> {
    changes.iter().filter_map(|change| change.leaf).collect()
}

/// The bucket of a cell, if its leaves are those of `prefix`.
fn read(cell: &BucketCell, prefix: &Prefix) -> Result<Arc<Bucket>, ReadFailed> {
    let bucket = cell.bucket()?;
    let (first, last) = (bucket.paths().next(), bucket.paths().next_back());
    if first.iter().chain(&last).all(|path| prefix.covers(path)) {
        Ok(bucket)
    } else {
        Err(BucketFault::Unexpected.into())
    }
}

fn depth(prefix: &Prefix) -> u16 {
    u16::from(prefix.length())
}
