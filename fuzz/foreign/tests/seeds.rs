//! All seeds through all targets, and seeds with random changes: what the fuzzers do for minutes, on
//! a machine that has none.

use medanchor_foreign::{seeds, targets};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// One test, since what is held at once is counted for the thread. A target that takes none of its
/// seeds would hold for anything.
#[test]
fn every_seed_keeps_its_targets_property_and_one_is_taken() {
    let mut deaf = Vec::new();
    for target in targets() {
        let inputs = seeds::read(target).unwrap();
        let taken = inputs.iter().filter(|input| target.run(input));
        if taken.filter(|input| !input.is_empty()).count() == 0 {
            deaf.push(target.name);
        }
    }
    assert!(deaf.is_empty(), "no seed is taken by {deaf:?}");
}

#[test]
fn targets_have_names_of_their_own() {
    let mut names: Vec<_> = targets().map(|target| target.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    assert!(names.len() >= 30, "{}", names.len());
}

fn change(input: &mut Vec<u8>, (what, at, byte): (u8, prop::sample::Index, u8)) {
    let at = at.index(input.len() + 1);
    match (what % 4, input.get_mut(at)) {
        (0, Some(old)) => *old ^= byte,
        (1, Some(_)) => input.truncate(at),
        (2, _) => input.insert(at, byte),
        (_, Some(_)) => drop(input.remove(at)),
        _ => input.push(byte),
    }
}

#[test]
fn every_changed_seed_keeps_its_targets_property() {
    let config = || Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    };
    for target in targets() {
        let inputs = seeds::read(target).unwrap();
        let changes = vec(
            (any::<u8>(), any::<prop::sample::Index>(), any::<u8>()),
            1..4,
        );
        let cases = (any::<prop::sample::Index>(), changes);
        // The same changes on every run: the gate is no lottery, the fuzzers are.
        let draws = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let run = TestRunner::new_with_rng(config(), draws).run(&cases, |(which, changes)| {
            let mut input = which.get(&inputs).clone();
            changes
                .into_iter()
                .for_each(|each| change(&mut input, each));
            target.run(&input);
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{}: {error}", target.name));
    }
}
