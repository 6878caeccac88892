//! The tree above the buckets, in memory.

use super::bucket::LeafChange;
use super::hash::{EMPTY_ROOT, node_root};
use super::update::{MapUpdate, Updater};
use super::{BucketReader, Path, Prefix, StateKey};
use crate::{ReadFailed, StateRoot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The root and number of the leaves of one bucket: all that the tree above keeps of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketRoot {
    /// Root of the bucket's leaves.
    pub root: StateRoot,
    /// Their number; 0 for a place that holds nothing.
    pub count: u16,
}

impl BucketRoot {
    /// The root of no leaves.
    pub const EMPTY: Self = Self {
        root: EMPTY_ROOT,
        count: 0,
    };

    /// Length of [`Self::encode`].
    pub const ENCODED: usize = 34;

    /// The root, then the count as two bytes, big-endian.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::ENCODED] {
        let mut bytes = [0; Self::ENCODED];
        let (root, count) = bytes.split_at_mut(32);
        root.copy_from_slice(self.root.as_bytes());
        count.copy_from_slice(&self.count.to_be_bytes());
        bytes
    }

    /// Reads what [`Self::encode`] gave.
    #[must_use]
    pub fn decode(bytes: &[u8; Self::ENCODED]) -> Self {
        let (mut root, mut count) = ([0; 32], [0; 2]);
        root.copy_from_slice(&bytes[..32]);
        count.copy_from_slice(&bytes[32..]);
        Self {
            root: StateRoot::new(root),
            count: u16::from_be_bytes(count),
        }
    }
}

/// A node of the tree above the buckets. Shared between maps, never changed.
#[derive(Debug)]
pub(super) enum Node {
    /// A bucket, kept elsewhere.
    Bucket(BucketRoot),
    /// Two or more leaves, those whose next bit is 0 on the left.
    Inner {
        root: StateRoot,
        left: Arc<Node>,
        right: Arc<Node>,
    },
}

impl Node {
    /// Joins two subtrees that hold two leaves or more together.
    pub(super) fn inner(left: Arc<Self>, right: Arc<Self>) -> Self {
        Self::Inner {
            root: node_root(&left.root(), &right.root()),
            left,
            right,
        }
    }

    pub(super) fn root(&self) -> StateRoot {
        match self {
            Self::Bucket(bucket) => bucket.root,
            Self::Inner { root, .. } => *root,
        }
    }
}

/// The authenticated map: its root, and the tree down to the buckets.
#[derive(Clone, Debug)]
pub struct StateMap {
    top: Arc<Node>,
}

impl StateMap {
    /// The map of nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            top: Arc::new(Node::Bucket(BucketRoot::EMPTY)),
        }
    }

    /// The map whose buckets have these roots, in the order of their prefixes, as they stood when
    /// it was stored ([`MapUpdate::buckets`]). No roots: the empty map. Reads no bucket.
    ///
    /// # Errors
    ///
    /// When the prefixes do not cover every path exactly once.
    pub fn load(roots: impl IntoIterator<Item = (Prefix, BucketRoot)>) -> Result<Self, LoadFault> {
        let mut loaded: Vec<(Prefix, Arc<Node>)> = Vec::new();
        for (prefix, root) in roots {
            let mut place = (prefix, Arc::new(Node::Bucket(root)));
            while let Some((prefix, left)) = loaded.pop_if(|left| siblings(&left.0, &place.0)) {
                let Some((parent, _)) = prefix.parent() else {
                    return Err(LoadFault);
                };
                place = (parent, Arc::new(Node::inner(left, place.1)));
            }
            loaded.push(place);
        }
        match (loaded.pop(), loaded.is_empty()) {
            (None, _) => Ok(Self::empty()),
            (Some((Prefix::ROOT, top)), true) => Ok(Self { top }),
            _ => Err(LoadFault),
        }
    }

    /// The root: a function of the (key, value) pairs alone.
    #[must_use]
    pub fn root(&self) -> StateRoot {
        self.top.root()
    }

    /// The prefix of the bucket in which `path` is, if it is in the map at all; `None` where no
    /// bucket holds anything.
    #[must_use]
    pub fn locate(&self, path: &Path) -> Option<Prefix> {
        let (mut node, mut prefix) = (&self.top, Prefix::ROOT);
        loop {
            match &**node {
                Node::Bucket(bucket) => return (bucket.count > 0).then_some(prefix),
                Node::Inner { left, right, .. } => {
                    let bit = path.bit(prefix.length().into());
                    node = if bit { right } else { left };
                    prefix = prefix.child(bit);
                }
            }
        }
    }

    /// Computes the map after `changes` (`None` removes a key; an absent one stays absent) and
    /// changes nothing. Each bucket that a change falls into is read once and computed once.
    ///
    /// # Errors
    ///
    /// When a bucket cannot be read or is not the one that was stored.
    pub fn update(
        &self,
        buckets: &(impl BucketReader + ?Sized),
        changes: &BTreeMap<StateKey, Option<Vec<u8>>>,
    ) -> Result<MapUpdate, ReadFailed> {
        self.update_leaves(buckets, &LeafChange::sorted(changes))
    }

    /// [`Self::update`] with the changes hashed and in order of their paths.
    pub(super) fn update_leaves(
        &self,
        buckets: &(impl BucketReader + ?Sized),
        changes: &[LeafChange],
    ) -> Result<MapUpdate, ReadFailed> {
        let mut updater = Updater::new(buckets);
        let top = updater.node(&self.top, Prefix::ROOT, changes)?;
        Ok(updater.finish(self.root(), Self { top }))
    }

    /// Becomes the map that `update` computed from this one.
    ///
    /// # Errors
    ///
    /// When it was computed from another; this one then stays as it is.
    pub fn apply(&mut self, update: &MapUpdate) -> Result<(), StaleUpdate> {
        if update.base() != self.root() {
            return Err(StaleUpdate {
                expected: self.root(),
                found: update.base(),
            });
        }
        self.top = Arc::clone(&update.map().top);
        Ok(())
    }
}

impl Default for StateMap {
    fn default() -> Self {
        Self::empty()
    }
}

fn siblings(left: &Prefix, right: &Prefix) -> bool {
    matches!((left.parent(), right.parent()),
        (Some((a, false)), Some((b, true))) if a == b)
}

/// Stored bucket roots that are no map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored roots of the state map do not fit together; restore the state")]
pub struct LoadFault;

/// An update that was computed from another map than the one it should change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an update of state {found} cannot be applied to state {expected}; compute it again")]
pub struct StaleUpdate {
    /// Root of the map.
    pub expected: StateRoot,
    /// Root of the map the update was computed from.
    pub found: StateRoot,
}
