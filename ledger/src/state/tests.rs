//! The map against the definition of its root, over random batches and crafted deep paths.

use super::bucket::LeafChange;
use super::*;
use crate::{StateRoot, sha256};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Buckets as a store keeps them: bytes by prefix, and the roots beside them.
#[derive(Clone, Default)]
struct Stored {
    buckets: BTreeMap<Prefix, Vec<u8>>,
    roots: BTreeMap<Prefix, BucketRoot>,
}

impl Stored {
    fn write(&mut self, update: &MapUpdate) {
        for (prefix, change) in update.buckets() {
            match change {
                BucketChange::Write { bucket, .. } => {
                    self.buckets.insert(*prefix, bucket.encode());
                }
                BucketChange::Empty | BucketChange::Remove => {
                    self.buckets.remove(prefix);
                }
            }
            match change.root() {
                Some(root) => self.roots.insert(*prefix, root),
                None => self.roots.remove(prefix),
            };
        }
    }

    /// What a store hands to [`StateMap::load`]: the roots in the order of their encoded prefixes.
    fn load(&self) -> StateMap {
        let rows: BTreeMap<Vec<u8>, [u8; 34]> = self
            .roots
            .iter()
            .map(|(prefix, root)| (prefix.encode(), root.encode()))
            .collect();
        let decode = |(prefix, root): (&Vec<u8>, &[u8; 34])| {
            (Prefix::decode(prefix).unwrap(), BucketRoot::decode(root))
        };
        StateMap::load(rows.iter().map(decode)).unwrap()
    }
}

impl BucketReader for Stored {
    fn bucket(&self, prefix: &Prefix) -> Result<Arc<Bucket>, ReadFailed> {
        let missing = || ReadFailed("no such bucket".into());
        let bytes = self.buckets.get(prefix).ok_or_else(missing)?;
        Ok(Arc::new(Bucket::decode(bytes)?))
    }
}

/// The definition in docs/decisions/state-map.md, word for word.
fn naive(leaves: &[(Path, StateRoot)], depth: u16) -> StateRoot {
    match leaves {
        [] => EMPTY_ROOT,
        [(_, root)] => *root,
        many => {
            let side = |bit| -> Vec<_> {
                many.iter()
                    .copied()
                    .filter(|(path, _)| path.bit(depth) == bit)
                    .collect()
            };
            node_root(
                &naive(&side(false), depth + 1),
                &naive(&side(true), depth + 1),
            )
        }
    }
}

/// Paths that crowd: few distinct bytes, so that many agree on long prefixes.
fn crowded_path() -> impl Strategy<Value = Path> {
    let byte = prop_oneof![Just(0x00u8), Just(0x01), Just(0x80), Just(0xff)];
    (prop::collection::vec(byte, 2), any::<u8>(), 0usize..32).prop_map(|(head, last, at)| {
        let mut path = [head[0]; 32];
        path[1] = head[1];
        path[at] = last;
        Path::new(path)
    })
}

fn batches(
    path: impl Strategy<Value = Path>,
    size: usize,
) -> impl Strategy<Value = Vec<BTreeMap<Path, Option<u8>>>> {
    let value = prop_oneof![3 => any::<u8>().prop_map(Some), 2 => Just(None)];
    prop::collection::vec(prop::collection::btree_map(path, value, 0..size), 1..8)
}

fn check(batches: Vec<BTreeMap<Path, Option<u8>>>) {
    let (mut map, mut stored) = (StateMap::empty(), Stored::default());
    let mut model: BTreeMap<Path, StateRoot> = BTreeMap::new();
    for batch in batches {
        let root = |path: &Path, value: u8| leaf_root(path, &[value]);
        let changes: Vec<LeafChange> = batch
            .iter()
            .map(|(path, value)| LeafChange {
                path: *path,
                root: value.map(|v| root(path, v)),
            })
            .collect();
        let update = map.update_leaves(&stored, &changes).unwrap();
        for change in &changes {
            match change.root {
                Some(root) => model.insert(change.path, root),
                None => model.remove(&change.path),
            };
        }
        let leaves: Vec<_> = model.iter().map(|(path, root)| (*path, *root)).collect();
        assert_eq!(update.root(), naive(&leaves, 0));
        stored.write(&update);
        map.apply(&update).unwrap();
        assert_eq!(map.root(), stored.load().root());
        for (prefix, bytes) in &stored.buckets {
            let bucket = Bucket::decode(bytes).unwrap();
            let root = BucketRoot {
                root: bucket.root(prefix.length().into()),
                count: bucket.count().try_into().unwrap(),
            };
            assert_eq!(stored.roots.get(prefix), Some(&root));
            assert!(bucket.paths().all(|path| map.locate(path) == Some(*prefix)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn root_equals_the_definition_over_spread_paths(
        batches in batches((0u16..900).prop_map(|n| Path::new(sha256(&[&n.to_be_bytes()]))), 400)
    ) {
        check(batches);
    }

    #[test]
    fn root_equals_the_definition_over_crowded_paths(batches in batches(crowded_path(), 300)) {
        check(batches);
    }

    #[test]
    fn a_prefix_reads_back(path in any::<[u8; 32]>(), length in 0u8..=255) {
        let prefix = (0..length.into())
            .fold(Prefix::ROOT, |prefix, depth| prefix.child(Path::new(path).bit(depth)));
        prop_assert_eq!(Prefix::decode(&prefix.encode()), Ok(prefix));
        prop_assert!(prefix.covers(&Path::new(path)));
        if let Some((parent, bit)) = prefix.parent() {
            prop_assert_eq!(parent.child(bit), prefix);
            prop_assert!(!parent.child(!bit).covers(&Path::new(path)));
        }
    }
}

#[test]
fn a_chain_as_deep_as_paths_go_keeps_its_root() {
    let path = |n: u8| {
        let mut path = [0u8; 32];
        path[31] = n;
        Path::new(path)
    };
    let all = |value| {
        (0..=255)
            .map(|n| (path(n), value))
            .collect::<BTreeMap<_, _>>()
    };
    let but_one = (1..=255).map(|n| (path(n), None)).collect();
    check(vec![all(Some(1)), but_one, all(Some(2)), all(None)]);
}

fn changes(range: std::ops::Range<u32>) -> BTreeMap<StateKey, Option<Vec<u8>>> {
    range
        .map(|n| (StateKey::new(&n.to_be_bytes()).unwrap(), Some(vec![7; 9])))
        .collect()
}

#[test]
fn update_changes_nothing_and_apply_wants_its_base() {
    let stored = Stored::default();
    let mut map = StateMap::empty();
    let update = map.update(&stored, &changes(0..500)).unwrap();
    assert_eq!(map.root(), EMPTY_ROOT);
    assert_eq!(update.base(), EMPTY_ROOT);
    map.apply(&update).unwrap();
    assert_eq!(map.root(), update.root());
    assert!(map.apply(&update).is_err());
}

#[test]
fn one_batch_and_many_give_one_root() {
    let mut stored = Stored::default();
    let at_once = StateMap::empty()
        .update(&stored, &changes(0..2000))
        .unwrap();
    let mut map = StateMap::empty();
    for start in (0..2000).step_by(100) {
        let update = map.update(&stored, &changes(start..start + 100)).unwrap();
        stored.write(&update);
        map.apply(&update).unwrap();
    }
    assert_eq!(map.root(), at_once.root());
}

#[test]
fn a_missing_or_exchanged_bucket_is_a_failed_read() {
    let mut stored = Stored::default();
    let update = StateMap::empty().update(&stored, &changes(0..200)).unwrap();
    stored.write(&update);
    let good = stored.clone();
    let (first, second) = {
        let mut prefixes = stored.buckets.keys();
        (*prefixes.next().unwrap(), *prefixes.next().unwrap())
    };
    stored.buckets.insert(first, good.buckets[&second].clone());
    assert!(update.map().update(&stored, &changes(0..200)).is_err());
    stored.buckets.remove(&first);
    assert!(update.map().update(&stored, &changes(0..200)).is_err());
}

#[test]
fn roots_with_a_gap_are_refused() {
    let mut stored = Stored::default();
    stored.write(&StateMap::empty().update(&stored, &changes(0..200)).unwrap());
    let mut roots: Vec<_> = stored.roots.into_iter().collect();
    assert!(StateMap::load(roots.clone()).is_ok());
    roots.remove(1);
    assert_eq!(StateMap::load(roots).unwrap_err(), LoadFault);
}
