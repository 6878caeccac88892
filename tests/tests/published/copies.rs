//! The copy of the published log in an object store: what is in it at any instant, whoever dies and
//! whatever the store does.

use super::failing::Failing;
use super::folder::{self, Folder};
use bytes::Bytes;
use futures::TryStreamExt;
use medanchor_ledger::Size;
use medanchor_node::config::Publish;
use medanchor_node::publish_store::{Copy, PushError, Target};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::collections::BTreeMap;
use std::sync::Arc;

fn copy(store: &Arc<dyn ObjectStore>, folder: &Folder) -> Copy {
    let target = Target {
        store: Arc::clone(store),
        prefix: Path::from("city"),
        keeps_attributes: true,
    };
    Copy::new(target, folder.path(), folder.origin(), 1 << 20)
}

async fn everything(store: &Arc<dyn ObjectStore>) -> BTreeMap<String, Bytes> {
    let names: Vec<Path> = store
        .list(None)
        .map_ok(|meta| meta.location)
        .try_collect()
        .await
        .expect("the store lists");
    let mut found = BTreeMap::new();
    for name in names {
        let object = store.get(&name).await.expect("it is there");
        let bytes = object.bytes().await.expect("it is read");
        let name = name
            .as_ref()
            .strip_prefix("city/")
            .expect("below the prefix");
        found.insert(name.to_owned(), bytes);
    }
    found
}

/// If there is a checkpoint, all that it needs is there, byte for byte as the log has it.
fn check_whole(found: &BTreeMap<String, Bytes>, folder: &Folder) {
    let Some(note) = found.get("checkpoint") else {
        return;
    };
    let size = folder::size_of(note);
    for (name, bytes) in folder.needed(size) {
        assert_eq!(found.get(&name), Some(&bytes), "{name} at size {size}");
    }
}

#[tokio::test]
async fn a_round_pushes_all_that_the_checkpoint_needs_and_the_next_one_only_what_is_new() {
    let mut folder = Folder::new(1);
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let mut copy = copy(&store, &folder);
    assert_eq!(copy.round().await.expect("nothing is published"), Size(0));
    for size in [1, 255, 256, 257, 600, 70_000] {
        folder.publish(size);
        assert_eq!(copy.round().await.expect("pushed"), Size(size));
        let found = everything(&store).await;
        check_whole(&found, &folder);
        assert_eq!(folder::size_of(&found["checkpoint"]), size);
    }
    let partial = everything(&store).await;
    let partial = partial
        .keys()
        .filter(|name| name.starts_with("tile/0/000.p"));
    assert_eq!(partial.count(), 0, "the full tile has replaced them");
    assert_eq!(copy.round().await.expect("nothing new"), Size(70_000));
}

#[tokio::test]
async fn whatever_the_instant_at_which_it_is_killed_no_checkpoint_lacks_a_tile_and_the_next_process_goes_on()
 {
    for killed_after in 0.. {
        let mut folder = Folder::new(2);
        let inner = Arc::new(InMemory::new());
        let store: Arc<dyn ObjectStore> = Arc::clone(&inner) as _;
        folder.publish(300);
        copy(&store, &folder).round().await.expect("the first");
        folder.publish(800);
        let failing: Arc<dyn ObjectStore> = Arc::new(Failing::new(inner, killed_after));
        let ended = copy(&failing, &folder).round().await;
        check_whole(&everything(&store).await, &folder);
        folder.publish(1_100);
        let next = copy(&store, &folder).round().await;
        assert_eq!(next.expect("it goes on"), Size(1_100));
        let found = everything(&store).await;
        check_whole(&found, &folder);
        assert_eq!(folder::size_of(&found["checkpoint"]), 1_100);
        if ended.is_ok() {
            assert!(
                killed_after > 10,
                "each write was an instant to be killed at"
            );
            return;
        }
    }
}

#[tokio::test]
async fn other_bytes_under_a_name_that_never_changes_are_told_and_left() {
    for refuses in [true, false] {
        let mut folder = Folder::new(3);
        folder.publish(600);
        let inner = Arc::new(InMemory::new());
        let store: Arc<dyn ObjectStore> = match refuses {
            true => inner,
            false => Arc::new(Failing::overwriting(inner)),
        };
        let name = Path::from("city/tile/0/001");
        let theirs = Bytes::from(vec![7; 8192]);
        store.put(&name, theirs.clone().into()).await.expect("put");
        for _ in 0..2 {
            let error = copy(&store, &folder).round().await.expect_err("a conflict");
            assert!(
                matches!(&error, PushError::Conflict { path } if path == "tile/0/001"),
                "{error}"
            );
        }
        let found = everything(&store).await;
        assert_eq!(found["tile/0/001"], theirs);
        assert!(!found.contains_key("checkpoint"));
    }
}

#[tokio::test]
async fn the_place_of_another_log_is_refused() {
    let (mut ours, mut theirs) = (Folder::new(4), Folder::new(5));
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    theirs.publish(40);
    copy(&store, &theirs).round().await.expect("theirs");
    ours.publish(300);
    let before = everything(&store).await;
    let error = copy(&store, &ours).round().await.expect_err("a conflict");
    assert!(matches!(error, PushError::Conflict { .. }), "{error}");
    assert_eq!(everything(&store).await, before);
}

#[tokio::test]
async fn a_fork_of_this_log_is_refused() {
    let (mut ours, mut fork) = (Folder::new(6), Folder::fork(6));
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    fork.publish(100);
    copy(&store, &fork).round().await.expect("the fork");
    ours.publish(300);
    let error = copy(&store, &ours).round().await.expect_err("a conflict");
    assert!(
        matches!(&error, PushError::Conflict { path } if path == "checkpoint"),
        "{error}"
    );
}

#[tokio::test]
async fn a_home_that_was_restored_waits_until_it_is_past_the_store() {
    let mut folder = Folder::new(7);
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    folder.publish(500);
    copy(&store, &folder).round().await.expect("pushed");
    let mut restored = Folder::new(7);
    restored.publish(200);
    let mut copy = copy(&store, &restored);
    assert_eq!(copy.round().await.expect("it waits"), Size(500));
    assert_eq!(
        folder::size_of(&everything(&store).await["checkpoint"]),
        500
    );
    restored.publish(520);
    assert_eq!(copy.round().await.expect("it goes on"), Size(520));
    check_whole(&everything(&store).await, &restored);
}

#[tokio::test]
async fn records_longer_than_a_part_are_pushed_whole_and_set_the_pace() {
    let mut folder = Folder::new(8);
    folder.publish(10);
    let records: Vec<u8> = (0..9_000_000u32)
        .map(|place| place.to_le_bytes()[0])
        .collect();
    folder.write("certificates", &records);
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let mut copy = copy(&store, &folder);
    copy.round().await.expect("pushed");
    assert_eq!(everything(&store).await["certificates"], records);
    assert!(copy.rest().as_secs() >= 8, "nine megabytes at one a second");
}

#[test]
fn a_folder_that_is_not_there_is_said_and_not_made() {
    let dir = tempfile::tempdir().expect("a folder");
    let missing = dir.path().join("not-mounted");
    let config = Publish {
        url: format!("file://{}", missing.display()),
        ..Default::default()
    };
    let error = Target::open(&config).err().expect("refused");
    assert!(error.to_string().contains("make or mount it"), "{error}");
    assert!(!missing.exists());
}

#[test]
fn no_error_tells_what_a_file_of_credentials_holds() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("credentials.toml");
    std::fs::write(&path, "access_key_id = \"AK\"\nsecret = \"hunter2\"\n").expect("written");
    let config = Publish {
        url: "s3://bucket/city".into(),
        credentials: path.display().to_string(),
        ..Default::default()
    };
    let error = Target::open(&config).err().expect("refused").to_string();
    assert!(
        error.contains("secret_access_key") && !error.contains("hunter2"),
        "{error}"
    );
}
