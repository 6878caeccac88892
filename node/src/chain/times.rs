//! When this node cosigns: `data/cosigned`, the last second of which that may have been said.
//!
//! What always holds: a cosignature never has an earlier time than one that this home made before,
//! whatever the clock does and whenever the power goes. A smaller log that was cosigned later than a
//! larger one proves a rollback; and a record of its own name that is later than its own is, to a
//! node, that of another who has its keys.
//!
//! The second in the file is ahead of what is signed, so that it need not be written and synced for
//! every block, and was synced before anything is signed at that time. After a start nothing is
//! signed at an earlier one. The time of the block bounds it too, which holds without the file.

use medanchor_ledger::Time;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_store::files::{read_bounded, sync_folder};
use medanchor_store::{StoreError, write_durably};
use std::path::{Path, PathBuf};

/// So many seconds are written down at once. The first cosignatures after a start may have a time
/// that lies as far ahead of the clock.
const AHEAD: u64 = 10;

/// Gives each cosignature its time.
pub(super) struct Times {
    path: PathBuf,
    /// In seconds since 1970: the newest that was given.
    last: u64,
    /// In seconds since 1970: what was written down last.
    written: u64,
}

impl Times {
    /// The times of the home with this folder `data`, before [`Self::resume`].
    pub(super) fn new(data: &Path) -> Self {
        Self {
            path: data.join("cosigned"),
            last: 0,
            written: 0,
        }
    }

    /// To be called at the start; `published` is the time of this node's cosignature of the published
    /// checkpoint, in seconds since 1970, or 0.
    ///
    /// # Errors
    /// When the file cannot be read or made durable.
    pub(super) fn resume(&mut self, published: u64) -> Result<(), StoreError> {
        let written = read_bounded(&self.path, Cosignature::MAX_BYTES as u64)?;
        self.written = written.as_deref().and_then(seconds).unwrap_or(0);
        if written.is_some() && self.written == 0 {
            tracing::warn!(
                "data/cosigned does not say when this node cosigned last; the clock must not be behind"
            );
        }
        self.last = self.written.max(published);
        // Whoever wrote it may have been killed before its name was durable.
        self.path.parent().map_or(Ok(()), sync_folder)
    }

    /// The time for the cosignature after a block of the time `block`, in whole seconds. Nothing that
    /// is signed at it is older than anything that was signed before.
    ///
    /// # Errors
    /// When it cannot be written down: nothing may be signed then.
    pub(super) fn next(&mut self, clock: Time, block: Time) -> Result<Time, StoreError> {
        let now = (clock.0 / 1000).max(block.0.div_ceil(1000)).max(self.last);
        if now > self.written {
            let ahead = now.saturating_add(AHEAD);
            write_durably(&self.path, format!("{ahead}\n").as_bytes())?;
            self.written = ahead;
        }
        self.last = now;
        Ok(Time(now.saturating_mul(1000)))
    }
}

/// What the file says. Earlier releases kept the last record.
fn seconds(written: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(written).ok();
    let number = line.and_then(|line| line.strip_suffix('\n')?.parse().ok());
    number.or_else(|| {
        Cosignature::decode(written)
            .ok()
            .map(|record| record.seconds)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resumed(data: &Path, published: u64) -> Times {
        let mut times = Times::new(data);
        times.resume(published).expect("read");
        times
    }

    #[test]
    fn no_time_is_before_one_of_an_earlier_life_whenever_the_power_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut newest = 0;
        // Each life ends after so many cosignatures, and the next one's clock is behind or ahead.
        for (clock, signed) in [(900, 1), (100, 3), (5_000, 25), (7, 2), (4_000, 40)] {
            let mut times = resumed(folder.path(), 0);
            for second in 0..signed {
                let now = Time((clock + second) * 1000 + 999);
                let given = times.next(now, Time(50_000)).expect("written");
                assert!(given.0 >= newest, "{clock} + {second}");
                assert_eq!(given.0 % 1000, 0);
                newest = given.0;
            }
        }
        assert_eq!(
            newest, 5_032_000,
            "never further ahead than what is written at once"
        );
    }

    #[test]
    fn a_home_without_the_file_signs_no_earlier_than_its_block_and_its_published_checkpoint() {
        let folder = tempfile::tempdir().expect("a folder");
        for (published, block, given) in [(0, 20_001, 21), (30, 20_001, 30), (20, 20_000, 20)] {
            let mut times = resumed(folder.path(), published);
            let next = times.next(Time(3_000), Time(block)).expect("written");
            assert_eq!(next, Time(given * 1000));
            std::fs::remove_file(folder.path().join("cosigned")).expect("removed");
        }
    }

    #[test]
    fn the_file_of_an_earlier_release_counts_and_one_that_says_nothing_stops_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cosigned");
        let key = crate::keys::SecretKey::generate(crate::keys::Purpose::Log).expect("a key");
        let key = key.signing_key();
        let checkpoint = medanchor_ledger::checkpoint::Checkpoint {
            origin: "test/1".parse().expect("a name"),
            size: medanchor_ledger::Size(5),
            root: medanchor_ledger::TreeHash::new([7; 32]),
        };
        let name = "a".parse().expect("a name");
        let record = Cosignature::sign(&checkpoint, &name, key, key, Time(77_000));
        let record = record.expect("signed").encode();
        for (file, given) in [
            (&record[..], 77),
            (b"", 20),
            (&record[..40], 20),
            (b"9", 20),
        ] {
            std::fs::write(&path, file).expect("written");
            let mut times = resumed(folder.path(), 0);
            let next = times.next(Time(3_000), Time(20_000)).expect("written");
            assert_eq!(next, Time(given * 1000));
        }
    }

    #[test]
    fn a_time_that_cannot_be_written_down_is_not_given() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("cosigned")).expect("a folder in its place");
        let mut times = Times::new(folder.path());
        assert!(times.resume(0).is_err());
        assert!(times.next(Time(3_000), Time(1)).is_err());
    }
}
