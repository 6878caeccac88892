//! The map against the definition of its root, over random batches and crafted deep paths.

use super::proof::{End, end_at};
use super::*;
use crate::{ReadFailed, StateRoot, sha256};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Buckets as a store keeps them: bytes, root and place by prefix.
#[derive(Clone, Default)]
struct Stored {
    buckets: BTreeMap<Prefix, Vec<u8>>,
    roots: BTreeMap<Prefix, (BucketRoot, u32)>,
    next: u32,
}

/// A bucket that is read from its bytes; none if it is lost.
#[derive(Debug)]
struct Kept(Option<Vec<u8>>);

impl BucketSource for Kept {
    fn number(&self) -> u32 {
        0
    }

    fn read(&self, _: u32, _: u32) -> Result<Arc<Bucket>, ReadFailed> {
        let bytes = self.0.clone();
        let bytes = bytes.ok_or_else(|| ReadFailed("no such bucket".into()))?;
        Ok(Arc::new(Bucket::decode(bytes, 0)?))
    }
}

impl Stored {
    /// Puts away what updates changed, and checks what they say was there before; what stands
    /// everywhere is then what `map` has.
    fn write(&mut self, updates: &[Arc<[BucketChange]>], map: &StateMap) {
        for change in BucketChange::net(updates) {
            let prefix = change.prefix;
            let before = self
                .roots
                .remove(&prefix)
                .filter(|(root, _)| root.count > 0);
            let told = change.before().map(|stored| stored.offset);
            assert_eq!(told, before.map(|(_, offset)| offset));
            self.buckets.remove(&prefix);
            match change.now {
                BucketNow::Written(root, cell) => {
                    let bytes = cell.bucket().unwrap().as_bytes().to_vec();
                    self.next += 1;
                    self.buckets.insert(prefix, bytes);
                    self.roots.insert(prefix, (root, self.next));
                    cell.put_away(self.place(&prefix, self.next));
                }
                BucketNow::Empty => {
                    self.roots.insert(prefix, (BucketRoot::EMPTY, 0));
                }
                BucketNow::Removed => (),
            }
        }
        let mut standing = self.roots.iter();
        map.each_stored(|prefix, root, stored| {
            let (known, (known_root, offset)) = standing.next().unwrap();
            assert_eq!((*known, *known_root), (prefix, root));
            let stored = stored.map(|stored| stored.offset);
            assert_eq!(stored, (root.count > 0).then_some(*offset));
        });
        assert!(standing.next().is_none());
    }

    fn place(&self, prefix: &Prefix, offset: u32) -> StoredBucket {
        StoredBucket {
            source: Arc::new(Kept(self.buckets.get(prefix).cloned())),
            offset,
            length: 0,
        }
    }

    fn places(&self) -> Vec<StoredPlace> {
        let place = |(prefix, (root, offset)): (&Prefix, &(BucketRoot, u32))| {
            let stored = (root.count > 0).then(|| self.place(prefix, *offset));
            (*prefix, *root, stored)
        };
        self.roots.iter().map(place).collect()
    }

    /// What a store hands to [`StateMap::load`]: the roots in the order of their encoded prefixes.
    fn load(&self) -> StateMap {
        let mut places = self.places();
        places.sort_by_key(|(prefix, ..)| prefix.encode());
        StateMap::load(&places).unwrap()
    }

    /// Puts every third bucket somewhere else; gives the map that was told.
    fn shift(&mut self, map: &StateMap) -> StateMap {
        let mut moves = Vec::new();
        for (prefix, (root, offset)) in self.roots.iter_mut().step_by(3) {
            if root.count > 0 {
                self.next += 1;
                moves.push((*prefix, *offset));
                *offset = self.next;
            }
        }
        let moves: Vec<_> = moves
            .into_iter()
            .map(|(prefix, offset)| BucketMove {
                prefix,
                from: (0, offset),
                to: self.place(&prefix, self.roots[&prefix].1),
            })
            .collect();
        map.moved(&moves)
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

/// Every batch goes on from the map in memory, or from one that was just loaded.
fn check(batches: Vec<BTreeMap<Path, Option<u8>>>) {
    let (mut map, mut stored) = (StateMap::empty(), Stored::default());
    let mut updates = Vec::new();
    let mut model: BTreeMap<Path, u8> = BTreeMap::new();
    for (number, batch) in batches.into_iter().enumerate() {
        let value = |(path, value): (&Path, &Option<u8>)| (*path, value.map(|v| vec![v; 3]));
        let update = map.update(&batch.iter().map(value).collect()).unwrap();
        for (path, value) in batch {
            match value {
                Some(value) => model.insert(path, value),
                None => model.remove(&path),
            };
        }
        let leaf = |(path, value): (&Path, &u8)| (*path, leaf_root(path, &[*value; 3]));
        let leaves: Vec<_> = model.iter().map(leaf).collect();
        assert_eq!(update.root(), naive(&leaves, 0));
        map.apply(&update).unwrap();
        updates.push(Arc::clone(update.changes()));
        // Three batches are saved together; then places move, of which the map is told.
        if number % 3 == 2 {
            stored.write(&std::mem::take(&mut updates), &map);
            let loaded = stored.load();
            assert_eq!(map.root(), loaded.root());
            if number % 2 == 1 {
                map = loaded;
            }
            check_buckets(&stored, &map);
            map = stored.shift(&map);
        }
        for (path, value) in &model {
            assert_eq!(map.value(path).unwrap(), Some(vec![*value; 3]));
        }
        check_proofs(&map, &model);
    }
}

/// Every key is proved, present or not, and no proof holds for anything else.
fn check_proofs(map: &StateMap, model: &BTreeMap<Path, u8>) {
    let near = |path: &Path| {
        let mut near = *path.as_bytes();
        near[31] ^= 1;
        Path::new(near)
    };
    let some = model.keys().step_by(9);
    let paths: Vec<Path> = some.flat_map(|path| [*path, near(path)]).collect();
    for path in paths.into_iter().chain([Path::new([0x5a; 32])]) {
        let value = model.get(&path).map(|value| vec![*value; 3]);
        let proof = map.prove(&path).unwrap();
        let verify = |value: Option<&[u8]>| proof.verify(&map.root(), &path, value);
        assert_eq!(verify(value.as_deref()), Ok(()));
        let wrong = if value.is_some() {
            None
        } else {
            Some([9].as_slice())
        };
        assert_eq!(verify(wrong), Err(StateProofError::Claim));
        assert_eq!(StateProof::decode(&proof.encode()), Ok(proof));
    }
}

/// What is stored is what the map has, and its slot roots are those of its leaves.
fn check_buckets(stored: &Stored, map: &StateMap) {
    for (prefix, bytes) in &stored.buckets {
        let bucket = Bucket::decode(bytes.clone(), 0).unwrap();
        let mut leaves = Vec::new();
        bucket.push(0..bucket.count(), &mut leaves);
        let (again, root) = Bucket::build(prefix.length().into(), &leaves, Default::default());
        assert_eq!(again, bucket);
        let count = bucket.count().try_into().unwrap();
        let (known, offset) = stored.roots[prefix];
        assert_eq!(known, BucketRoot { root, count });
        assert_eq!(map.stored(prefix).unwrap().1.offset, offset);
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
    let some = (0..40)
        .map(|n| (path(n), Some(3)))
        .collect::<BTreeMap<_, _>>();
    check(vec![
        all(Some(1)),
        but_one,
        some.clone(),
        all(Some(2)),
        all(None),
        some,
    ]);
}

fn changes(range: std::ops::Range<u32>) -> Changes {
    let key = |n: u32| StateKey::new(&n.to_be_bytes()).unwrap();
    range.map(|n| (key(n).path(), Some(vec![7; 9]))).collect()
}

#[test]
fn update_changes_nothing_and_apply_wants_its_base() {
    let mut map = StateMap::empty();
    let update = map.update(&changes(0..500)).unwrap();
    assert_eq!(map.root(), EMPTY_ROOT);
    assert_eq!(update.base(), EMPTY_ROOT);
    map.apply(&update).unwrap();
    assert_eq!(map.root(), update.root());
    assert!(map.apply(&update).is_err());
}

#[test]
fn one_batch_and_many_give_one_root() {
    let mut stored = Stored::default();
    let at_once = StateMap::empty().update(&changes(0..2000)).unwrap();
    let mut map = StateMap::empty();
    for start in (0..2000).step_by(100) {
        let update = map.update(&changes(start..start + 100)).unwrap();
        map.apply(&update).unwrap();
        stored.write(&[Arc::clone(update.changes())], &map);
    }
    assert_eq!(map.root(), at_once.root());
}

/// What replaced a bucket is not taken for it, though it stands in the same place of the tree.
#[test]
fn a_move_of_what_was_replaced_moves_nothing() {
    let mut stored = Stored::default();
    let first = StateMap::empty().update(&changes(0..100)).unwrap();
    stored.write(&[Arc::clone(first.changes())], first.map());
    let before: Vec<_> = stored.places();
    let every = changes(0..100)
        .into_keys()
        .map(|path| (path, Some(vec![8])));
    let second = first.map().update(&every.collect()).unwrap();
    stored.write(&[Arc::clone(second.changes())], second.map());
    let late = |(prefix, _, place): StoredPlace| {
        let old = place?;
        let from = (0, old.offset);
        Some(BucketMove {
            prefix,
            from,
            to: old,
        })
    };
    let moves: Vec<_> = before.into_iter().filter_map(late).collect();
    assert!(moves.len() > 4);
    let map = second.map().moved(&moves);
    for path in changes(0..100).keys() {
        assert_eq!(map.value(path).unwrap(), Some(vec![8]));
    }
}

#[test]
fn a_missing_or_exchanged_bucket_is_a_failed_read() {
    let mut stored = Stored::default();
    let update = StateMap::empty().update(&changes(0..200)).unwrap();
    stored.write(&[Arc::clone(update.changes())], update.map());
    let mut prefixes = stored.buckets.keys().copied();
    let (first, second) = (prefixes.next().unwrap(), prefixes.next().unwrap());
    let good = stored.buckets[&second].clone();
    stored.buckets.insert(first, good);
    assert!(stored.load().update(&changes(0..200)).is_err());
    stored.buckets.remove(&first);
    assert!(stored.load().update(&changes(0..200)).is_err());
}

#[test]
fn a_changed_proof_proves_nothing() {
    let map = StateMap::empty()
        .update(&changes(0..300))
        .unwrap()
        .map()
        .clone();
    let root = map.root();
    let paths: Vec<Path> = changes(250..400).into_keys().collect();
    for path in &paths {
        let value = map.value(path).unwrap();
        let good = map.prove(path).unwrap();
        assert_eq!(good.verify(&root, path, value.as_deref()), Ok(()));
        assert!(good.verify(&EMPTY_ROOT, path, value.as_deref()).is_err());
        assert!(good.verify(&root, &paths[0], Some(b"x")).is_err());
        for at in 0..good.siblings.len() {
            let mut bad = good.clone();
            bad.siblings.swap(at, 0);
            let moved = at > 0 && bad.siblings[at] != bad.siblings[0];
            assert_eq!(bad.verify(&root, path, value.as_deref()).is_err(), moved);
            bad = good.clone();
            bad.siblings.truncate(at);
            assert!(bad.verify(&root, path, value.as_deref()).is_err());
        }
        let mut none = good.clone();
        none.end = End::Nothing;
        let nothing = good.end == End::Nothing;
        assert_eq!(none.verify(&root, path, None).is_ok(), nothing);
    }
}

/// A leaf that is in the map, shown in a place that is not its own.
#[test]
fn absence_is_not_proved_by_a_leaf_from_elsewhere() {
    let map = StateMap::empty()
        .update(&changes(0..300))
        .unwrap()
        .map()
        .clone();
    let (here, there) = {
        let mut paths = changes(0..300).into_keys();
        (paths.next().unwrap(), paths.next_back().unwrap())
    };
    let mut proof = map.prove(&there).unwrap();
    proof.end = end_at(&here, Some((&there, &[7; 9])));
    let forged = proof.verify(&map.root(), &here, None);
    assert_eq!(forged, Err(StateProofError::Place));
    proof.end = End::Other {
        path: here,
        value: [0; 32],
    };
    let own = proof.verify(&map.root(), &here, None);
    assert_eq!(own, Err(StateProofError::Place));
}

#[test]
fn roots_with_a_gap_are_refused() {
    let mut stored = Stored::default();
    let update = StateMap::empty().update(&changes(0..200)).unwrap();
    stored.write(&[Arc::clone(update.changes())], update.map());
    assert!(StateMap::load(&stored.places()).is_ok());
    let mut places = stored.places();
    places.remove(1);
    assert_eq!(StateMap::load(&places).unwrap_err(), LoadFault);
}
