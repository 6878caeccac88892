//! What a store has to write: how a map differs from the one that was stored last.
//!
//! What always holds: a map is only compared with one that it came from, by updates and moves; parts
//! that both share are not looked at.

use super::Prefix;
use super::cell::{BucketCell, StoredBucket};
use super::map::{BucketRoot, StateMap, Tree};
use super::page::{Page, Place, find_prefix};
use std::sync::Arc;

/// What happened under one prefix.
#[derive(Clone, Debug)]
pub struct BucketChange {
    /// Where.
    pub prefix: Prefix,
    /// What was stored there.
    pub before: Option<StoredBucket>,
    /// What stands there now.
    pub now: BucketNow,
}

/// What stands under a prefix after a change.
#[derive(Clone, Debug)]
pub enum BucketNow {
    /// A bucket that was computed since.
    Written(BucketRoot, Arc<BucketCell>),
    /// Nothing.
    Empty,
    /// Another number of buckets: it was split or merged.
    Removed,
}

/// Where buckets were put, in the order of their prefixes.
pub type Moves = Vec<(Prefix, StoredBucket)>;

/// How one map differs from another.
#[derive(Debug, Default)]
pub struct MapDiff {
    /// What is to be stored, in the order of the prefixes.
    pub changes: Vec<BucketChange>,
    /// Buckets that this map finds elsewhere than the other, and where the other does: what
    /// [`StateMap::moved`] is to be given.
    pub moves: Moves,
}

impl StateMap {
    /// How this map differs from the `stored` one.
    #[must_use]
    pub fn since(&self, stored: &Self) -> MapDiff {
        let mut diff = MapDiff::default();
        diff.trees(&stored.top, &self.top, Prefix::ROOT);
        diff
    }

    /// The same map, with buckets found where `moves` says, unless they are newer.
    #[must_use]
    pub fn moved(&self, moves: &[(Prefix, StoredBucket)]) -> Self {
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

impl MapDiff {
    fn trees(&mut self, old: &Tree, new: &Tree, prefix: Prefix) {
        if old.is(new) {
            return;
        }
        match (old, new) {
            (Tree::Inner(old), Tree::Inner(new)) => {
                self.trees(&old.left, &new.left, prefix.child(false));
                self.trees(&old.right, &new.right, prefix.child(true));
            }
            (Tree::Page(old), Tree::Page(new)) if same_shape(old, new) => {
                for (old, new) in old.iter().zip(new.iter()) {
                    self.places(old, new, || new.prefix(&prefix));
                }
            }
            _ => self.shapes(old, new, prefix),
        }
    }

    /// Two places at one prefix.
    fn places(&mut self, old: &Place, new: &Place, prefix: impl Fn() -> Prefix) {
        if old.is_at(new) {
            return;
        }
        let now = match new.fresh() {
            Some(cell) => BucketNow::Written(new.root(), Arc::clone(cell)),
            None if new.is_empty() && !old.is_empty() => BucketNow::Empty,
            None => return self.same(old, new, prefix),
        };
        self.changes.push(BucketChange {
            prefix: prefix(),
            before: old.stored(),
            now,
        });
    }

    fn same(&mut self, old: &Place, new: &Place, prefix: impl Fn() -> Prefix) {
        if let (Some(there), Some(here)) = (old.stored(), new.stored())
            && !there.is_at(&here)
        {
            self.moves.push((prefix(), there));
        }
    }

    /// Two trees under one prefix of which at least one was split or merged.
    fn shapes(&mut self, old: &Tree, new: &Tree, prefix: Prefix) {
        let (before, now) = (listed(old, prefix), listed(new, prefix));
        let (mut before, mut now) = (before.iter().peekable(), now.iter().peekable());
        loop {
            match (before.peek(), now.peek()) {
                (Some((at, old)), Some((new_at, new))) if at == new_at => {
                    self.places(old, new, || *at);
                    before.next();
                    now.next();
                }
                (Some((at, old)), other) if other.is_none_or(|(new_at, _)| at < new_at) => {
                    self.changes.push(BucketChange {
                        prefix: *at,
                        before: old.stored(),
                        now: BucketNow::Removed,
                    });
                    before.next();
                }
                (_, Some((at, new))) => {
                    let nothing = Place::empty(at.length());
                    self.added(&nothing, new, *at);
                    now.next();
                }
                (Some(_), None) | (None, None) => return,
            }
        }
    }

    /// A place where none was.
    fn added(&mut self, nothing: &Place, new: &Place, prefix: Prefix) {
        if new.is_empty() {
            self.changes.push(BucketChange {
                prefix,
                before: None,
                now: BucketNow::Empty,
            });
        } else {
            self.places(nothing, new, || prefix);
        }
    }
}

fn same_shape(old: &Page, new: &Page) -> bool {
    let beside = |(old, new): (&Place, &Place)| old.is_beside(new);
    old.len() == new.len() && old.iter().zip(new.iter()).all(beside)
}

fn listed(tree: &Tree, prefix: Prefix) -> Vec<(Prefix, &Place)> {
    let mut list = Vec::new();
    places(tree, prefix, &mut |prefix, place| {
        list.push((prefix, place))
    });
    list
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

fn moved(tree: &Tree, depth: u16, moves: &[(Prefix, StoredBucket)]) -> Tree {
    if moves.is_empty() {
        return tree.clone();
    }
    match tree {
        Tree::Page(page) => {
            let mut page: Page = page.iter().map(Place::settled).collect();
            // Just made, so that nobody else holds it.
            let places = Arc::get_mut(&mut page).unwrap_or_default();
            for (prefix, stored) in moves {
                let at = find_prefix(places, depth, prefix);
                if let Some(place) = at.and_then(|at| places.get_mut(at)) {
                    place.move_to(stored);
                }
            }
            Tree::Page(page)
        }
        Tree::Inner(inner) => {
            let middle = moves.partition_point(|(prefix, _)| !prefix.bit(depth));
            let (to_left, to_right) = moves.split_at(middle);
            Tree::inner(
                tree.root(),
                moved(&inner.left, depth + 1, to_left),
                moved(&inner.right, depth + 1, to_right),
            )
        }
    }
}
