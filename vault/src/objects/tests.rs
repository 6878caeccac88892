//! The same promises as a folder's, over a store in memory.

use super::*;
use crate::payloads::Payloads;
use crate::seal::CHUNK;
use medanchor_ledger::{NetworkId, RecordHandle};
use object_store::memory::InMemory;

fn record(number: u8, version: u32) -> RecordVersion {
    RecordVersion {
        network: NetworkId::new([1; 16]),
        record: RecordHandle::new([number; 16]),
        version,
    }
}

fn store() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

fn objects(store: &Arc<dyn ObjectStore>, mark: &str) -> Objects {
    Objects::new(store.clone(), Path::from("hospital/vault"), mark.into())
}

#[test]
fn a_payload_is_stored_once_and_never_replaced() {
    let objects = objects(&store(), "mine");
    objects.put(&record(1, 1), b"sealed").unwrap();
    objects.put(&record(1, 1), b"sealed").unwrap();
    let other = objects.put(&record(1, 1), b"other").err();
    assert!(matches!(other, Some(PayloadError::Taken { .. })));
    assert_eq!(objects.get(&record(1, 1)).unwrap(), b"sealed");
    let missing = objects.get(&record(1, 2)).err();
    assert!(matches!(missing, Some(PayloadError::Missing { .. })));
    objects.remove(&record(1, 1)).unwrap();
    objects.remove(&record(1, 1)).unwrap();
    assert!(objects.get(&record(1, 1)).is_err());
}

/// Two hospitals that were given the same prefix would each erase in the other's stead.
#[test]
fn a_vault_does_not_write_where_another_one_does() {
    let store = store();
    objects(&store, "mine")
        .put(&record(1, 1), b"sealed")
        .unwrap();
    objects(&store, "mine")
        .put(&record(2, 1), b"sealed")
        .unwrap();
    let theirs = objects(&store, "theirs");
    let refused = theirs.put(&record(3, 1), b"sealed").err();
    assert!(matches!(refused, Some(PayloadError::OtherVault)));
    let refused = theirs.put_new(&[(record(3, 1), vec![1])]).err();
    assert!(matches!(refused, Some(PayloadError::OtherVault)));
}

#[test]
fn large_payloads_go_up_and_come_down_in_parts() {
    let objects = objects(&store(), "mine");
    for length in [PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 77] {
        let record = record(1, u32::try_from(length).unwrap());
        let sealed: Vec<u8> = (0u8..=250).cycle().take(length).collect();
        objects.put(&record, &sealed).unwrap();
        objects.put(&record, &sealed).unwrap();
        assert!(objects.get(&record).unwrap() == sealed, "{length}");
        let other = objects.put(&record, &sealed[1..]).err();
        assert!(
            matches!(other, Some(PayloadError::Taken { .. })),
            "{length}"
        );
    }
}

#[test]
fn a_stream_is_there_whole_or_not_at_all() {
    let objects = Payloads::Objects(objects(&store(), "mine"));
    let cut = objects.put_stream(&record(1, 1), |target| {
        target.write_all(&vec![7; PART + 5]).unwrap();
        Err::<(), _>(PayloadError::OtherVault)
    });
    assert!(cut.is_err());
    assert!(
        objects
            .get(&record(1, 1))
            .is_err_and(|error| error.is_missing())
    );
    for length in [1, PART, PART + 5] {
        let record = record(2, u32::try_from(length).unwrap());
        let put = objects.put_stream(&record, |target| {
            (0..length).step_by(CHUNK + 16).for_each(|at| {
                let piece = vec![9; (length - at).min(CHUNK + 16)];
                target.write_all(&piece).unwrap();
            });
            Ok::<_, PayloadError>(())
        });
        put.unwrap();
        let mut read = Vec::new();
        objects
            .reader(&record)
            .unwrap()
            .read_to_end(&mut read)
            .unwrap();
        assert!(read == vec![9; length], "{length}");
    }
}

/// Whoever was slower completed its object over the other's.
#[test]
fn of_two_streams_of_one_version_the_second_is_refused() {
    let objects = objects(&store(), "mine");
    let put = |bytes: &[u8], meanwhile: &dyn Fn()| {
        objects.put_stream(&record(1, 1), |target| {
            target.write_all(bytes).unwrap();
            meanwhile();
            Ok::<_, PayloadError>(())
        })
    };
    let slower = put(b"slower", &|| put(b"quicker", &|| ()).unwrap());
    assert!(matches!(slower, Err(PayloadError::Taken { .. })));
    assert_eq!(objects.get(&record(1, 1)).unwrap(), b"quicker");
}

#[test]
fn a_batch_goes_up_whole() {
    let objects = objects(&store(), "mine");
    let batch: Vec<_> = (1..=30)
        .map(|number| (record(number, 1), vec![number; 50]))
        .collect();
    objects.put_new(&batch).unwrap();
    objects.put_new(&[]).unwrap();
    for (record, sealed) in batch {
        assert_eq!(objects.get(&record).unwrap(), sealed);
    }
}

#[test]
fn an_address_without_a_bucket_or_with_credentials_is_refused() {
    for bad in [
        "",
        "bucket",
        "file:///x",
        "s3://",
        "s3:///x",
        "s3://key@bucket/x",
        "s3://bucket/x?y",
    ] {
        assert!(
            matches!(Bucket::parse(bad), Err(PayloadError::Config { .. })),
            "{bad}"
        );
    }
    let mut bucket = Bucket::parse("s3://bucket//city/vault/").unwrap();
    assert_eq!(bucket.store().unwrap().1.as_ref(), "city/vault");
    for bad in ["ftp://x", "https://key@x"] {
        bucket.endpoint = bad.into();
        assert!(
            matches!(bucket.store(), Err(PayloadError::Config { .. })),
            "{bad}"
        );
    }
}

/// The calls wait for the network themselves, also where waiting is not allowed.
#[test]
fn it_can_be_called_from_inside_of_another_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let objects = objects(&store(), "mine");
        objects.put(&record(1, 1), b"sealed").unwrap();
        assert_eq!(objects.get(&record(1, 1)).unwrap(), b"sealed");
    });
}
