//! A map whose buckets a store has put away: where each one is, and where it was moved to.

use super::Prefix;
use super::cell::StoredBucket;
use super::map::{BucketRoot, StateMap, Tree};
use super::page::{Page, Place, find_prefix};
use std::sync::Arc;

/// A bucket that a store has put somewhere else.
#[derive(Clone, Debug)]
pub struct BucketMove {
    /// Where it stands in the tree.
    pub prefix: Prefix,
    /// Where it was: the number of its source, and the offset there.
    pub from: (u32, u32),
    /// Where it is.
    pub to: StoredBucket,
}

impl StateMap {
    /// The same map, with those buckets found where `moves` says, in the order of their prefixes,
    /// that are still the ones that were moved.
    #[must_use]
    pub fn moved(&self, moves: &[BucketMove]) -> Self {
        Self {
            top: moved(&self.top, 0, moves),
        }
    }

    /// The bucket that stands at exactly this prefix, if it was put away.
    #[must_use]
    pub fn stored(&self, prefix: &Prefix) -> Option<(BucketRoot, StoredBucket)> {
        let (mut tree, mut depth) = (&self.top, 0);
        loop {
            match tree {
                Tree::Page(page) => {
                    let place = page.get(find_prefix(page, depth, prefix)?)?;
                    return Some((place.root(), place.stored()?));
                }
                Tree::Inner(inner) if prefix.bit(depth) => tree = &inner.right,
                Tree::Inner(inner) => tree = &inner.left,
            }
            depth += 1;
        }
    }

    /// Every place with its root and, if it has leaves, where its bucket was put; in the order of
    /// the prefixes.
    pub fn each_stored(&self, mut each: impl FnMut(Prefix, BucketRoot, Option<StoredBucket>)) {
        places(&self.top, Prefix::ROOT, &mut |prefix, place| {
            each(prefix, place.root(), place.stored());
        });
    }
}

fn places<'t>(tree: &'t Tree, prefix: Prefix, each: &mut impl FnMut(Prefix, &'t Place)) {
    match tree {
        Tree::Page(page) => {
            for place in page.iter() {
                each(place.prefix(&prefix), place);
            }
        }
        Tree::Inner(inner) => {
            places(&inner.left, prefix.child(false), each);
            places(&inner.right, prefix.child(true), each);
        }
    }
}

fn moved(tree: &Tree, depth: u16, moves: &[BucketMove]) -> Tree {
    if moves.is_empty() {
        return tree.clone();
    }
    match tree {
        Tree::Page(page) => {
            let mut page: Page = page.iter().map(Place::settled).collect();
            // Just made, so that nobody else holds it.
            let places = Arc::get_mut(&mut page).unwrap_or_default();
            for bucket in moves {
                let at = find_prefix(places, depth, &bucket.prefix);
                if let Some(place) = at.and_then(|at| places.get_mut(at)) {
                    place.move_to(bucket);
                }
            }
            Tree::Page(page)
        }
        Tree::Inner(inner) => {
            let middle = moves.partition_point(|bucket| !bucket.prefix.bit(depth));
            let (to_left, to_right) = moves.split_at(middle);
            Tree::inner(
                tree.root(),
                moved(&inner.left, depth + 1, to_left),
                moved(&inner.right, depth + 1, to_right),
            )
        }
    }
}
