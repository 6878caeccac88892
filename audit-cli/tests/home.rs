//! `verify` on a home that the store wrote, as a node's.

mod support;

use medanchor_store::{Options, Store, StoreError};
use support::{Built, cosign, verify};

/// Commits every block to a store in `home` and publishes a checkpoint after every third.
fn run_node(built: &Built, home: &std::path::Path) -> Result<(), StoreError> {
    let store = Store::open(home, &built.genesis, Options::default(), |_, _| {
        Err("nothing is replayed in a new home".into())
    })?;
    let checkpoints = built.checkpoints();
    for (executed, height) in built.executed.iter().zip(1..) {
        store.commit(executed, &built.certificate(height, 0, 3).encode())?;
        let place = usize::try_from(height).expect("a height");
        for number in 0..4 {
            store.keep_cosignature(&cosign(&checkpoints[place], number).encode())?;
        }
        if height % 3 == 0 {
            let note = built.note_at(place).to_string();
            store.publish(checkpoints[place].size, note.as_bytes())?;
            assert_eq!(verify(home).0, 0, "at height {height}, while the node runs");
        }
    }
    store.close()
}

#[test]
fn a_running_and_a_closed_node_are_audited_by_their_folder() {
    let built = Built::busy(63);
    let home = tempfile::tempdir().expect("a folder");
    run_node(&built, home.path()).expect("a store that works");
    let (code, report) = verify(home.path());
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["entries"], built.size());
    assert_eq!(report["log"]["height"], 63);
    assert_eq!(report["cosignatures"]["records"], 63 * 4);
    assert_eq!(report["cosignatures"]["beyond_checkpoint"], 0);
}
