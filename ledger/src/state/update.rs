//! One batch of changes: each bucket is computed once, and each node above the buckets once.

use super::bucket::{Bucket, BucketFault, Leaf, LeafChange};
use super::cell::BucketCell;
use super::hash::{EMPTY_ROOT, node_root};
use super::map::{BucketRoot, StateMap, Tree};
use super::page::{Body, Place, halves, pack, root_of};
use super::{BucketChange, BucketNow, Changes, Path, Prefix};
use crate::{ReadFailed, StateRoot};
use std::sync::Arc;

/// A bucket with more leaves than this is split. Fewer would make the tree above larger, which is in
/// memory; more would make a store read and write more for each change (`docs/decisions/state-map.md`).
/// A bucket that was made with more, of which none may have above [`Bucket::MAX_LEAVES`], is split when
/// it is changed.
const SPLIT_ABOVE: usize = 12;
/// Two sibling buckets with fewer leaves than this together become one.
const MERGE_BELOW: u16 = 5;
/// Two sibling pages with no more places than this together become one.
const MERGE_PLACES: usize = 8;
/// What a bucket in memory takes beside its bytes.
pub(super) const BUCKET: usize = 256;

/// What one batch of changes does to a map. Holding one keeps nothing locked.
#[derive(Clone, Debug)]
pub struct MapUpdate {
    base: StateRoot,
    map: StateMap,
    changes: Arc<[BucketChange]>,
    made: usize,
    replaced: usize,
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

    /// What changed, in the order in which it did: what a store has to write.
    #[must_use]
    pub const fn changes(&self) -> &Arc<[BucketChange]> {
        &self.changes
    }

    /// About how many bytes of memory the new buckets take.
    #[must_use]
    pub const fn made(&self) -> usize {
        self.made
    }

    /// About how many bytes of memory those took that were in memory and are replaced.
    #[must_use]
    pub const fn replaced(&self) -> usize {
        self.replaced
    }
}

/// The work of one update.
#[derive(Default)]
pub(super) struct Updater {
    /// The places of the page that is being made.
    places: Vec<Place>,
    changes: Vec<BucketChange>,
    made: usize,
    replaced: usize,
}

/// Two subtrees that are to be joined: how many bits their prefix has, a path below it, their roots.
struct Joint<'p> {
    depth: u16,
    path: &'p Path,
    roots: (StateRoot, StateRoot),
}

impl Updater {
    pub(super) fn update(
        mut self,
        map: &StateMap,
        changes: &Changes,
    ) -> Result<MapUpdate, ReadFailed> {
        let changes = LeafChange::sorted(changes);
        let top = self.tree(&map.top, 0, &changes)?;
        Ok(MapUpdate {
            base: map.root(),
            map: StateMap { top },
            changes: self.changes.into(),
            made: self.made,
            replaced: self.replaced,
        })
    }

    /// The tree under a prefix of `depth` bits after `changes`, which are in order and all below it.
    fn tree(
        &mut self,
        tree: &Tree,
        depth: u8,
        changes: &[LeafChange<'_>],
    ) -> Result<Tree, ReadFailed> {
        let Some(first) = changes.first() else {
            return Ok(tree.clone());
        };
        let inner = match tree {
            Tree::Page(page) => {
                self.range(page, depth.into(), changes)?;
                return Ok(pack(&mut self.places, depth));
            }
            Tree::Inner(inner) => inner,
        };
        let (to_left, to_right) = split(changes, depth.into());
        let below = depth.saturating_add(1);
        let left = self.tree(&inner.left, below, to_left)?;
        let right = self.tree(&inner.right, below, to_right)?;
        let joint = Joint {
            depth: depth.into(),
            path: &first.path,
            roots: (left.root(), right.root()),
        };
        let (Tree::Page(in_left), Tree::Page(in_right)) = (&left, &right) else {
            return Ok(joint.inner(left, right));
        };
        if in_left.len() + in_right.len() > MERGE_PLACES {
            return Ok(joint.inner(left, right));
        }
        self.keep(in_left);
        self.keep(in_right);
        self.join(0, in_left.len(), &joint)?;
        Ok(pack(&mut self.places, depth))
    }

    /// Appends the places that come of `old`, which stand under a prefix of `depth` bits; gives
    /// their root.
    fn range(
        &mut self,
        old: &[Place],
        depth: u16,
        changes: &[LeafChange<'_>],
    ) -> Result<StateRoot, ReadFailed> {
        let Some(first) = changes.first() else {
            self.keep(old);
            return Ok(root_of(old, depth));
        };
        if let [place] = old {
            return self.bucket(place, depth, changes);
        }
        let (left, right, _) = halves(old, depth);
        let (to_left, to_right) = split(changes, depth);
        let start = self.places.len();
        let left = self.range(left, depth + 1, to_left)?;
        let middle = self.places.len();
        let right = self.range(right, depth + 1, to_right)?;
        let joint = Joint {
            depth,
            path: &first.path,
            roots: (left, right),
        };
        self.join(start, middle, &joint)
    }

    fn keep(&mut self, places: &[Place]) {
        self.places.extend(places.iter().map(Place::settled));
    }

    /// Appends what becomes of one place.
    fn bucket(
        &mut self,
        place: &Place,
        depth: u16,
        changes: &[LeafChange<'_>],
    ) -> Result<StateRoot, ReadFailed> {
        let Some(first) = changes.first() else {
            self.places.push(place.settled());
            return Ok(place.root().root);
        };
        let prefix = prefix(&first.path, depth);
        let Some(bucket) = self.take(place, depth, &first.path)? else {
            let set: Vec<_> = changes.iter().filter_map(|change| change.leaf).collect();
            return Ok(self.place(prefix, &set, None));
        };
        let mut leaves = Vec::with_capacity(bucket.count() + changes.len());
        bucket.merge(changes, &mut leaves);
        let before = place.body();
        if !(1..=SPLIT_ABOVE).contains(&leaves.len()) {
            return Ok(self.place(prefix, &leaves, before));
        }
        let known = bucket.untouched(depth, changes);
        let built = Bucket::build(depth, &leaves, known);
        Ok(self.write(prefix, built, before))
    }

    /// The bucket of a place, which is to be replaced. Its leaves agree with `path` in `depth` bits.
    fn take(
        &mut self,
        place: &Place,
        depth: u16,
        path: &Path,
    ) -> Result<Option<Arc<Bucket>>, ReadFailed> {
        let Some(bucket) = place.bucket()? else {
            return Ok(None);
        };
        let (first, last) = (bucket.paths().next(), bucket.paths().next_back());
        let fits = |found: &Path| found.agrees(path, depth);
        if !first.iter().chain(&last).all(fits) {
            return Err(BucketFault::Unexpected.into());
        }
        let memory = place.memory();
        self.replaced += memory + if memory > 0 { BUCKET } else { 0 };
        Ok(Some(bucket))
    }

    /// Joins the places from `start` and those from `middle`, or makes one bucket of two that have
    /// become small; gives their root.
    fn join(
        &mut self,
        start: usize,
        middle: usize,
        joint: &Joint<'_>,
    ) -> Result<StateRoot, ReadFailed> {
        if let Some([left, right]) = self.places.get(start..)
            && left.root().count + right.root().count < MERGE_BELOW
        {
            let both = [left.clone(), right.clone()];
            self.places.truncate(start);
            return self.merge(&both, joint);
        }
        let root = node_root(&joint.roots.0, &joint.roots.1);
        let last_left = middle.checked_sub(1);
        if let Some(place) = last_left.and_then(|last| self.places.get_mut(last)) {
            place.join(joint.depth, root);
        }
        Ok(root)
    }

    /// One place of two, which have few enough leaves.
    fn merge(&mut self, both: &[Place; 2], joint: &Joint<'_>) -> Result<StateRoot, ReadFailed> {
        let prefix = prefix(joint.path, joint.depth);
        let mut buckets = [None, None];
        for ((place, bucket), bit) in both.iter().zip(&mut buckets).zip([false, true]) {
            *bucket = self.take(place, joint.depth, joint.path)?;
            self.change(prefix.child(bit), place.body(), BucketNow::Removed);
        }
        let mut leaves = Vec::with_capacity(MERGE_BELOW.into());
        for bucket in buckets.iter().flatten() {
            bucket.push(0..bucket.count(), &mut leaves);
        }
        Ok(self.place(prefix, &leaves, None))
    }

    /// Appends `leaves` under a prefix, where `before` stood: an empty place, one bucket, or as many
    /// as they need; gives their root.
    fn place(&mut self, prefix: Prefix, leaves: &[Leaf<'_>], before: Option<Body>) -> StateRoot {
        let depth = prefix.length().into();
        if leaves.is_empty() {
            self.places.push(Place::new(depth, BucketRoot::EMPTY, None));
            self.change(prefix, before, BucketNow::Empty);
            return EMPTY_ROOT;
        }
        if leaves.len() <= SPLIT_ABOVE {
            let built = Bucket::build(depth, leaves, Default::default());
            return self.write(prefix, built, before);
        }
        self.change(prefix, before, BucketNow::Removed);
        let (left, right) = leaves.split_at(leaves.partition_point(|leaf| !leaf.path.bit(depth)));
        let left = self.place(prefix.child(false), left, None);
        let middle = self.places.len();
        let right = self.place(prefix.child(true), right, None);
        let root = node_root(&left, &right);
        let last_left = middle.checked_sub(1);
        if let Some(place) = last_left.and_then(|last| self.places.get_mut(last)) {
            place.join(depth, root);
        }
        root
    }

    fn write(
        &mut self,
        prefix: Prefix,
        (bucket, root): (Bucket, StateRoot),
        before: Option<Body>,
    ) -> StateRoot {
        self.made += bucket.size() + BUCKET;
        // A bucket has at most `SPLIT_ABOVE` leaves, so the number fits.
        let count = u16::try_from(bucket.count()).unwrap_or(u16::MAX);
        let (root, cell) = (
            BucketRoot { root, count },
            Arc::new(BucketCell::new(bucket)),
        );
        self.change(prefix, before, BucketNow::Written(root, Arc::clone(&cell)));
        let body = Some(Body::Fresh(cell));
        self.places
            .push(Place::new(prefix.length().into(), root, body));
        root.root
    }

    fn change(&mut self, prefix: Prefix, before: Option<Body>, now: BucketNow) {
        self.changes.push(BucketChange::new(prefix, before, now));
    }
}

impl Joint<'_> {
    fn inner(&self, left: Tree, right: Tree) -> Tree {
        Tree::inner(node_root(&self.roots.0, &self.roots.1), left, right)
    }
}

/// The first `depth` bits of a path. Prefixes have at most 255, so that the number fits.
fn prefix(path: &Path, depth: u16) -> Prefix {
    Prefix::of(path, u8::try_from(depth).unwrap_or(u8::MAX))
}

/// The changes on both sides of the bit that follows `depth` others.
fn split<'c, 'l>(
    changes: &'c [LeafChange<'l>],
    depth: u16,
) -> (&'c [LeafChange<'l>], &'c [LeafChange<'l>]) {
    changes.split_at(changes.partition_point(|change| !change.path.bit(depth)))
}
