//! One version of a bucket in the tree: its root, and where its leaves are.
//!
//! What always holds: root and count never change, and neither do the leaves that are found through
//! them; only where these lie does. A cell is shared by every map that holds this very bucket.

use super::bucket::{Bucket, BucketFault};
use super::map::BucketRoot;
use crate::{ReadFailed, StateRoot};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

/// A bucket that a store has put away.
pub trait StoredBucket: Debug + Send + Sync {
    /// The bucket as it was put away.
    ///
    /// # Errors
    ///
    /// When it is missing or cannot be read: never a verdict on a block.
    fn read(&self) -> Result<Arc<Bucket>, ReadFailed>;
}

/// One version of a bucket.
#[derive(Debug)]
pub struct BucketCell {
    root: BucketRoot,
    /// Bytes of the bucket when it was computed; 0 for one that was stored before.
    size: usize,
    body: Mutex<Body>,
}

#[derive(Debug)]
enum Body {
    Memory(Arc<Bucket>),
    Stored(Box<dyn StoredBucket>),
}

impl BucketCell {
    /// A bucket that was just computed.
    pub(super) fn new(bucket: Bucket, root: StateRoot) -> Self {
        // A bucket has at most `Bucket::MAX_LEAVES` leaves, so the number fits.
        let count = u16::try_from(bucket.count()).unwrap_or(u16::MAX);
        Self {
            root: BucketRoot { root, count },
            size: bucket.size(),
            body: Mutex::new(Body::Memory(Arc::new(bucket))),
        }
    }

    /// A bucket that a store has, with the root that it was stored with.
    #[must_use]
    pub fn stored(root: BucketRoot, bucket: Box<dyn StoredBucket>) -> Self {
        Self {
            root,
            size: 0,
            body: Mutex::new(Body::Stored(bucket)),
        }
    }

    /// Root and number of the leaves.
    #[must_use]
    pub const fn root(&self) -> BucketRoot {
        self.root
    }

    /// How many bytes of memory the bucket takes until it is put away; 0 for one that was loaded.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// The bucket, from memory or from the store.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is not the one that was put away.
    pub fn bucket(&self) -> Result<Arc<Bucket>, ReadFailed> {
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = match &*body {
            Body::Memory(bucket) => return Ok(Arc::clone(bucket)),
            Body::Stored(stored) => stored.read()?,
        };
        if bucket.count() == usize::from(self.root.count) {
            Ok(bucket)
        } else {
            Err(BucketFault::Unexpected.into())
        }
    }

    /// From now on the bucket is read from `stored`, and need not be held in memory.
    pub fn put_away(&self, stored: Box<dyn StoredBucket>) {
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        *body = Body::Stored(stored);
    }
}
