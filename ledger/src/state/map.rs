//! The tree above the buckets, in memory.

use super::bucket::LeafChange;
use super::cell::BucketCell;
use super::hash::{EMPTY_ROOT, node_root};
use super::proof::{End, StateProof};
use super::update::{MapUpdate, Updater};
use super::{Changes, Path, Prefix};
use crate::{ReadFailed, StateRoot};
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

/// The tree down to the buckets. Its nodes are shared between maps and never change.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Empty,
    Bucket(Arc<BucketCell>),
    Inner(Arc<Inner>),
}

/// Two or more leaves, those whose next bit is 0 on the left.
#[derive(Debug)]
pub(super) struct Inner {
    root: StateRoot,
    pub(super) left: Tree,
    pub(super) right: Tree,
}

impl Tree {
    /// Joins two subtrees that hold two leaves or more together.
    pub(super) fn inner(left: Self, right: Self) -> Self {
        Self::Inner(Arc::new(Inner {
            root: node_root(&left.root(), &right.root()),
            left,
            right,
        }))
    }

    fn root(&self) -> StateRoot {
        match self {
            Self::Empty => EMPTY_ROOT,
            Self::Bucket(cell) => cell.root().root,
            Self::Inner(inner) => inner.root,
        }
    }

    /// The number of leaves, unless they are too many for one bucket.
    pub(super) fn bucket_count(&self) -> Option<u16> {
        match self {
            Self::Empty => Some(0),
            Self::Bucket(cell) => Some(cell.root().count),
            Self::Inner(_) => None,
        }
    }

    pub(super) const fn cell(&self) -> Option<&Arc<BucketCell>> {
        match self {
            Self::Bucket(cell) => Some(cell),
            Self::Empty | Self::Inner(_) => None,
        }
    }
}

/// The authenticated map: its root, the tree down to the buckets, and in these the values.
#[derive(Clone, Debug)]
pub struct StateMap {
    top: Tree,
}

impl StateMap {
    /// The map of nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self { top: Tree::Empty }
    }

    /// The map of these places in the order of their prefixes, as they stood when it was stored
    /// ([`MapUpdate::buckets`]); `None` for one that is empty. No places: the empty map. Reads no
    /// bucket.
    ///
    /// # Errors
    ///
    /// When the prefixes do not cover every path exactly once.
    pub fn load(
        places: impl IntoIterator<Item = (Prefix, Option<BucketCell>)>,
    ) -> Result<Self, LoadFault> {
        let mut loaded: Vec<(Prefix, Tree)> = Vec::new();
        for (prefix, cell) in places {
            let tree = cell.map_or(Tree::Empty, |cell| Tree::Bucket(Arc::new(cell)));
            let mut place = (prefix, tree);
            while let Some((prefix, left)) = loaded.pop_if(|left| siblings(&left.0, &place.0)) {
                let Some((parent, _)) = prefix.parent() else {
                    return Err(LoadFault);
                };
                place = (parent, Tree::inner(left, place.1));
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

    /// The value at `path`.
    ///
    /// # Errors
    ///
    /// When its bucket cannot be read.
    pub fn value(&self, path: &Path) -> Result<Option<Vec<u8>>, ReadFailed> {
        let mut tree = &self.top;
        let mut depth = 0;
        while let Tree::Inner(inner) = tree {
            tree = inner.child(path.bit(depth));
            depth += 1;
        }
        let Some(cell) = tree.cell() else {
            return Ok(None);
        };
        Ok(cell.bucket()?.value(depth, path).map(<[u8]>::to_vec))
    }

    /// Proves what [`Self::value`] gives for `path`, against [`Self::root`].
    ///
    /// # Errors
    ///
    /// When the key's bucket cannot be read.
    pub fn prove(&self, path: &Path) -> Result<StateProof, ReadFailed> {
        let mut siblings = Vec::with_capacity(32);
        let mut tree = &self.top;
        let mut depth = 0;
        while let Tree::Inner(inner) = tree {
            let bit = path.bit(depth);
            siblings.push(inner.child(!bit).root());
            tree = inner.child(bit);
            depth += 1;
        }
        let end = match tree.cell() {
            Some(cell) => cell.bucket()?.prove(depth, path, &mut siblings),
            None => End::Nothing,
        };
        Ok(StateProof { siblings, end })
    }

    /// The bucket that stands at exactly this place, if one does.
    #[must_use]
    pub fn cell(&self, prefix: &Prefix) -> Option<&Arc<BucketCell>> {
        let mut tree = &self.top;
        for depth in 0..u16::from(prefix.length()) {
            let Tree::Inner(inner) = tree else {
                return None;
            };
            tree = inner.child(prefix.bit(depth));
        }
        tree.cell()
    }

    /// Computes the map after `changes` (`None` removes a key; an absent one stays absent) and
    /// changes nothing. Each bucket that a change falls into is read once and computed once.
    ///
    /// # Errors
    ///
    /// When a bucket cannot be read or is not the one that was stored.
    pub fn update(&self, changes: &Changes) -> Result<MapUpdate, ReadFailed> {
        let mut updater = Updater::default();
        let changes = LeafChange::sorted(changes);
        let top = updater.tree(&self.top, Prefix::ROOT, &changes)?;
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
        self.top = update.map().top.clone();
        Ok(())
    }
}

impl Inner {
    const fn child(&self, bit: bool) -> &Tree {
        if bit { &self.right } else { &self.left }
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
