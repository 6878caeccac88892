//! What updates changed, bucket by bucket: what a store has to write.
//!
//! What always holds: the changes of an update stand in the order in which they happened, so that of
//! several under one prefix the first says what stood there before, and the last what stands there
//! now.

use super::Prefix;
use super::cell::{BucketCell, StoredBucket};
use super::map::BucketRoot;
use super::page::Body;
use super::update::BUCKET;
use std::sync::Arc;

/// What happened under one prefix.
#[derive(Clone, Debug)]
pub struct BucketChange {
    /// Where.
    pub prefix: Prefix,
    before: Option<Body>,
    /// What stands there now.
    pub now: BucketNow,
}

/// What stands under a prefix after a change.
#[derive(Clone, Debug)]
pub enum BucketNow {
    /// A bucket that was computed.
    Written(BucketRoot, Arc<BucketCell>),
    /// Nothing.
    Empty,
    /// Another number of buckets: it was split or merged.
    Removed,
}

impl BucketChange {
    pub(super) const fn new(prefix: Prefix, before: Option<Body>, now: BucketNow) -> Self {
        Self {
            prefix,
            before,
            now,
        }
    }

    /// Where the bucket is that stood there before, if it was put away by now: nothing of it is to be
    /// released otherwise.
    #[must_use]
    pub fn before(&self) -> Option<StoredBucket> {
        self.before.as_ref().and_then(Body::stored)
    }

    /// About how many bytes of memory the bucket takes that was computed; 0 once it is put away.
    #[must_use]
    pub fn memory(&self) -> usize {
        match &self.now {
            BucketNow::Written(_, cell) => match cell.memory() {
                0 => 0,
                memory => memory + BUCKET,
            },
            BucketNow::Empty | BucketNow::Removed => 0,
        }
    }

    /// What the changes of several updates, each over the one before, come to: one for each prefix,
    /// in the order of the prefixes.
    #[must_use]
    pub fn net(updates: &[Arc<[Self]>]) -> Vec<Self> {
        let mut all: Vec<&Self> = updates.iter().flat_map(|update| update.iter()).collect();
        // Stable: under one prefix they stay in the order in which they happened.
        all.sort_by_key(|change| change.prefix);
        let same = all.chunk_by(|one, other| one.prefix == other.prefix);
        same.filter_map(|same| {
            let (first, last) = (same.first()?, same.last()?);
            let (before, now) = (first.before.clone(), last.now.clone());
            Some(Self::new(first.prefix, before, now))
        })
        .collect()
    }
}
