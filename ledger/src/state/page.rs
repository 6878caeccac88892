//! A page of the tree: the buckets under one prefix side by side, with the roots of the nodes that
//! join them.
//!
//! What always holds: the places of a page cover every path under its prefix once, in order; a node
//! stands where two places meet, so that a page of n places has the n - 1 roots of the nodes between
//! them. A page is one run of memory and never changes: finding a bucket costs one or two misses of
//! the cache, where a pointer for each bit of a path would cost one each.

use super::bucket::{Bucket, BucketFault};
use super::cell::{BucketCell, StoredBucket};
use super::hash::EMPTY_ROOT;
use super::map::{BucketRoot, Tree};
use super::{BucketMove, Path, Prefix};
use crate::{ReadFailed, StateRoot};
use std::sync::Arc;

/// The most places of a page. More would be copied for each change; fewer would make more pages, and
/// more nodes above them.
pub(super) const MAX_PLACES: usize = 32;
/// How many bits below its page's prefix a place may stand.
const MAX_BELOW: u8 = 16;
/// Where the right half of a page begins, in those bits.
const MIDDLE: u16 = 0x8000;

/// The places under one prefix, in order; at least one.
pub(super) type Page = Arc<[Place]>;

/// One place of a page: a bucket, or nothing.
#[derive(Clone, Debug)]
pub(super) struct Place {
    root: StateRoot,
    /// Root of the node that joins this place with the next; of no meaning in the last.
    joint: StateRoot,
    body: Option<Body>,
    /// The bits between the page's prefix and the end of this one's, from the left.
    start: u16,
    /// Length of the prefix.
    depth: u8,
    /// Length of the prefix under which this place and the next are joined.
    joint_depth: u8,
    count: u8,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Stored(StoredBucket),
    Fresh(Arc<BucketCell>),
}

impl Body {
    /// Where the bucket was put, if it was.
    pub(super) fn stored(&self) -> Option<StoredBucket> {
        match self {
            Self::Stored(stored) => Some(stored.clone()),
            Self::Fresh(cell) => cell.stored(),
        }
    }
}

impl Place {
    pub(super) fn new(depth: u16, root: BucketRoot, body: Option<Body>) -> Self {
        Self {
            root: root.root,
            joint: EMPTY_ROOT,
            body,
            start: 0,
            // Prefixes have at most 255 bits, and buckets at most `Bucket::MAX_LEAVES` leaves.
            depth: u8::try_from(depth).unwrap_or(u8::MAX),
            joint_depth: 0,
            count: u8::try_from(root.count).unwrap_or(u8::MAX),
        }
    }

    pub(super) const fn empty(depth: u8) -> Self {
        Self {
            root: EMPTY_ROOT,
            joint: EMPTY_ROOT,
            body: None,
            start: 0,
            depth,
            joint_depth: 0,
            count: 0,
        }
    }

    pub(super) fn root(&self) -> BucketRoot {
        BucketRoot {
            root: self.root,
            count: self.count.into(),
        }
    }

    /// The bucket here, unless there is none.
    pub(super) fn bucket(&self) -> Result<Option<Arc<Bucket>>, ReadFailed> {
        let bucket = match &self.body {
            None => return Ok(None),
            Some(Body::Stored(stored)) => stored.read()?,
            Some(Body::Fresh(cell)) => cell.bucket()?,
        };
        if bucket.count() == usize::from(self.count) {
            Ok(Some(bucket))
        } else {
            Err(BucketFault::Unexpected.into())
        }
    }

    /// What holds the bucket; nothing if there is none.
    pub(super) fn body(&self) -> Option<Body> {
        self.body.clone()
    }

    /// Where the bucket was put; `None` if it was not, or there is none.
    pub(super) fn stored(&self) -> Option<StoredBucket> {
        self.body.as_ref()?.stored()
    }

    /// Length of the prefix.
    pub(super) fn depth(&self) -> u16 {
        self.depth.into()
    }

    /// How much memory is free once nobody holds this place.
    pub(super) fn memory(&self) -> usize {
        match &self.body {
            Some(Body::Fresh(cell)) => cell.memory(),
            _ => 0,
        }
    }

    /// The same place; a bucket that was put away is found without its cell.
    pub(super) fn settled(&self) -> Self {
        let mut place = self.clone();
        if let Some(Body::Fresh(cell)) = &self.body
            && let Some(stored) = cell.stored()
        {
            place.body = Some(Body::Stored(stored));
        }
        place
    }

    /// From now on the bucket is where it was moved to, if it is the one that was moved.
    pub(super) fn move_to(&mut self, bucket: &BucketMove) {
        let here = self.stored();
        if here.is_some_and(|here| (here.source.number(), here.offset) == bucket.from) {
            self.body = Some(Body::Stored(bucket.to.clone()));
        }
    }

    /// This place and the next are joined under a prefix of `depth` bits.
    pub(super) fn join(&mut self, depth: u16, root: StateRoot) {
        self.joint = root;
        self.joint_depth = u8::try_from(depth).unwrap_or(u8::MAX);
    }

    /// The prefix, given that of the page.
    pub(super) fn prefix(&self, page: &Prefix) -> Prefix {
        page.extend(self.start, self.depth)
    }
}

/// The halves of two or more places under a prefix of `depth` bits, and the root of both together.
pub(super) fn halves(places: &[Place], depth: u16) -> (&[Place], &[Place], StateRoot) {
    let joined = |place: &Place| u16::from(place.joint_depth) == depth;
    let before_last = places.split_last().map_or(&[][..], |(_, before)| before);
    let gap = before_last.iter().position(joined).unwrap_or_default();
    let root = places.get(gap).map_or(EMPTY_ROOT, |place| place.joint);
    let (left, right) = places.split_at((gap + 1).min(places.len()));
    (left, right, root)
}

/// The root of a whole page, from one or two of its places: where its halves meet is known, so that
/// the others need not be fetched into the processor's cache.
pub(super) fn whole_root(page: &Page) -> StateRoot {
    let right = find_bits(page, MIDDLE).unwrap_or_default();
    match right
        .checked_sub(1)
        .and_then(|last_left| page.get(last_left))
    {
        Some(place) => place.joint,
        None => page.first().map_or(EMPTY_ROOT, |place| place.root),
    }
}

/// The root of all places under a prefix of `depth` bits.
pub(super) fn root_of(places: &[Place], depth: u16) -> StateRoot {
    match places {
        [] => EMPTY_ROOT,
        [place] => place.root,
        many => halves(many, depth).2,
    }
}

/// The place of a path in a page under `depth` bits.
///
/// The bits of a path are random, so that they say about where its place stands: the search begins
/// there and looks at one or two.
pub(super) fn find<'p>(page: &'p Page, depth: u16, path: &Path) -> Option<&'p Place> {
    find_bits(page, path.bits_after(depth)).and_then(|at| page.get(at))
}

/// The place of a prefix in a page under `depth` bits, if it stands there.
pub(super) fn find_prefix(page: &[Place], depth: u16, prefix: &Prefix) -> Option<usize> {
    let at = find_bits(page, prefix.bits_after(depth))?;
    let found = page.get(at)?;
    (found.depth == prefix.length()).then_some(at)
}

fn find_bits(page: &[Place], bits: u16) -> Option<usize> {
    let guess = (page.len() * usize::from(bits)) >> 16;
    let (before, after) = page.split_at_checked(guess + 1)?;
    let back = before.iter().rev().take_while(|place| place.start > bits);
    let on = after.iter().take_while(|place| place.start <= bits);
    (guess + on.count()).checked_sub(back.count())
}

/// Makes a tree of places under a prefix of `depth` bits: a page, or nodes above several. Leaves
/// `places` empty.
pub(super) fn pack(places: &mut Vec<Place>, depth: u8) -> Tree {
    let deepest = places.iter().map(|place| place.depth).max();
    let below = deepest.unwrap_or(depth).saturating_sub(depth);
    if places.len() <= MAX_PLACES && below <= MAX_BELOW {
        let mut start = 0u32;
        for place in places.iter_mut() {
            place.start = u16::try_from(start).unwrap_or(u16::MAX);
            start += 0x1_0000 >> (place.depth - depth);
        }
        return Tree::Page(places.drain(..).collect());
    }
    let (left, _, root) = halves(places, depth.into());
    let mut right = places.split_off(left.len());
    let left = pack(places, depth.saturating_add(1));
    Tree::inner(root, left, pack(&mut right, depth.saturating_add(1)))
}
