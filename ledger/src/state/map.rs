//! The map: nodes above, pages of buckets below.

use super::cell::StoredBucket;
use super::hash::{EMPTY_ROOT, node_root};
use super::page::{Body, Page, Place, find, halves, pack, root_of, whole_root};
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
}

/// The tree down to the places of buckets. Its parts are shared between maps and never change.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Page(Page),
    Inner(Arc<Inner>),
}

/// More places than a page has, those whose next bit is 0 on the left.
#[derive(Debug)]
pub(super) struct Inner {
    root: StateRoot,
    pub(super) left: Tree,
    pub(super) right: Tree,
}

impl Tree {
    pub(super) fn inner(root: StateRoot, left: Self, right: Self) -> Self {
        Self::Inner(Arc::new(Inner { root, left, right }))
    }

    pub(super) fn root(&self) -> StateRoot {
        match self {
            Self::Page(page) => whole_root(page),
            Self::Inner(inner) => inner.root,
        }
    }
}

/// A bucket as a store hands it back: where it stands, its root, and where it was put; no place for
/// one that is empty.
pub type StoredPlace = (Prefix, BucketRoot, Option<StoredBucket>);

/// The authenticated map: its root, the tree down to the buckets, and in these the values.
#[derive(Clone, Debug)]
pub struct StateMap {
    pub(super) top: Tree,
}

impl StateMap {
    /// The map of nothing.
    #[must_use]
    pub fn empty() -> Self {
        let nothing = [Place::empty(0)];
        Self {
            top: Tree::Page(Page::from(nothing)),
        }
    }

    /// The map of these places in the order of their prefixes, as they stood when it was stored. No
    /// places: the empty map. Reads no bucket.
    ///
    /// # Errors
    ///
    /// When the prefixes do not cover every path exactly once, or a bucket has no place.
    pub fn load(places: &[StoredPlace]) -> Result<Self, LoadFault> {
        if places.is_empty() {
            return Ok(Self::empty());
        }
        let top = load_tree(places, 0)?;
        Ok(Self { top })
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
        let (page, depth) = self.page(path, |_| ());
        let Some(place) = find(page, depth, path) else {
            return Ok(None);
        };
        let bucket = place.bucket()?;
        Ok(bucket.and_then(|bucket| {
            let value = bucket.value(place.depth(), path);
            value.map(<[u8]>::to_vec)
        }))
    }

    /// Proves what [`Self::value`] gives for `path`, against [`Self::root`].
    ///
    /// # Errors
    ///
    /// When the key's bucket cannot be read.
    pub fn prove(&self, path: &Path) -> Result<StateProof, ReadFailed> {
        let mut siblings = Vec::with_capacity(32);
        let (page, mut depth) = self.page(path, |beside| siblings.push(beside.root()));
        let mut places: &[Place] = page;
        while places.len() > 1 {
            let (left, right, _) = halves(places, depth);
            let (way, beside) = if path.bit(depth) {
                (right, left)
            } else {
                (left, right)
            };
            depth += 1;
            siblings.push(root_of(beside, depth));
            places = way;
        }
        let bucket = places.first().map(Place::bucket).transpose()?.flatten();
        let end = match bucket {
            Some(bucket) => bucket.prove(depth, path, &mut siblings),
            None => End::Nothing,
        };
        Ok(StateProof { siblings, end })
    }

    /// The page of a path and the length of its prefix; hands each tree beside the way to `beside`, which
    /// alone fetches its root: a look-up touches none of them.
    fn page(&self, path: &Path, mut beside: impl FnMut(&Tree)) -> (&Page, u16) {
        let (mut tree, mut depth) = (&self.top, 0);
        loop {
            let inner = match tree {
                Tree::Page(page) => return (page, depth),
                Tree::Inner(inner) => inner,
            };
            let (way, other) = inner.ways(path.bit(depth));
            depth += 1;
            beside(other);
            tree = way;
        }
    }

    /// Computes the map after `changes` (`None` removes a key; an absent one stays absent) and
    /// changes nothing. Each bucket that a change falls into is read once and computed once.
    ///
    /// # Errors
    ///
    /// When a bucket cannot be read or is not the one that was stored.
    pub fn update(&self, changes: &Changes) -> Result<MapUpdate, ReadFailed> {
        Updater::default().update(self, changes)
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
    /// The tree on the way of a bit, and the other.
    const fn ways(&self, bit: bool) -> (&Tree, &Tree) {
        if bit {
            (&self.right, &self.left)
        } else {
            (&self.left, &self.right)
        }
    }
}

impl Default for StateMap {
    fn default() -> Self {
        Self::empty()
    }
}

/// The tree of places under a prefix of `depth` bits.
fn load_tree(places: &[StoredPlace], depth: u8) -> Result<Tree, LoadFault> {
    if places.len() <= LOADED_PLACES {
        let mut page = Vec::with_capacity(places.len());
        lay(places, depth.into(), &mut page)?;
        return Ok(pack(&mut page, depth));
    }
    let (left, right) = split(places, depth.into())?;
    let below = depth.checked_add(1).ok_or(LoadFault)?;
    let (left, right) = (load_tree(left, below)?, load_tree(right, below)?);
    let root = node_root(&left.root(), &right.root());
    Ok(Tree::inner(root, left, right))
}

/// The most places that a page is loaded with, so that not every change splits one.
const LOADED_PLACES: usize = 24;

/// Appends the places under a prefix of `depth` bits; gives their root.
fn lay(places: &[StoredPlace], depth: u16, page: &mut Vec<Place>) -> Result<StateRoot, LoadFault> {
    if let [(prefix, root, stored)] = places
        && u16::from(prefix.length()) == depth
    {
        if (root.count > 0) != stored.is_some() {
            return Err(LoadFault);
        }
        let body = stored.clone().map(Body::Stored);
        page.push(Place::new(depth, *root, body));
        return Ok(root.root);
    }
    let (left, right) = split(places, depth)?;
    let left = lay(left, depth + 1, page)?;
    let gap = page.len();
    let right = lay(right, depth + 1, page)?;
    let root = node_root(&left, &right);
    if let Some(place) = gap.checked_sub(1).and_then(|gap| page.get_mut(gap)) {
        place.join(depth, root);
    }
    Ok(root)
}

/// Places on both sides of the bit that follows `depth` others.
fn split(
    places: &[StoredPlace],
    depth: u16,
) -> Result<(&[StoredPlace], &[StoredPlace]), LoadFault> {
    if places
        .iter()
        .any(|(prefix, ..)| u16::from(prefix.length()) <= depth)
    {
        return Err(LoadFault);
    }
    let middle = places.partition_point(|(prefix, ..)| !prefix.bit(depth));
    let (left, right) = places.split_at(middle);
    let ordered = right.iter().all(|(prefix, ..)| prefix.bit(depth));
    if ordered && !left.is_empty() && !right.is_empty() {
        Ok((left, right))
    } else {
        Err(LoadFault)
    }
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
