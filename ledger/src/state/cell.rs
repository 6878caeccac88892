//! A bucket that was computed since the last save, and where a store has put one.
//!
//! What always holds: the leaves that are found through a cell or a place never change, only where
//! they lie does. A cell is shared by every map that holds this very bucket, so that putting it away
//! once frees its memory in all of them.

use super::bucket::Bucket;
use crate::ReadFailed;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something that holds stored buckets: a file of a store.
pub trait BucketSource: Debug + Send + Sync {
    /// What tells the sources of one store apart.
    fn number(&self) -> u32;

    /// The bucket that was stored at these bytes.
    ///
    /// # Errors
    ///
    /// When it is missing or cannot be read: never a verdict on a block.
    fn read(&self, offset: u32, length: u32) -> Result<Arc<Bucket>, ReadFailed>;
}

/// A bucket that a store has put away. As long as one is held, its source is.
#[derive(Clone, Debug)]
pub struct StoredBucket {
    /// What holds it.
    pub source: Arc<dyn BucketSource>,
    /// Where in the source it begins.
    pub offset: u32,
    /// Bytes that it takes there.
    pub length: u32,
}

impl StoredBucket {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// When its source cannot.
    pub fn read(&self) -> Result<Arc<Bucket>, ReadFailed> {
        self.source.read(self.offset, self.length)
    }
}

/// A bucket that was computed, until a store puts it away and after.
#[derive(Debug)]
pub struct BucketCell(Mutex<Body>);

#[derive(Debug)]
enum Body {
    Memory(Arc<Bucket>),
    Stored(StoredBucket),
}

impl BucketCell {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self(Mutex::new(Body::Memory(Arc::new(bucket))))
    }

    /// The bucket, from memory or from the store.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn bucket(&self) -> Result<Arc<Bucket>, ReadFailed> {
        let stored = match &*self.lock() {
            Body::Memory(bucket) => return Ok(Arc::clone(bucket)),
            Body::Stored(stored) => stored.clone(),
        };
        stored.read()
    }

    /// From now on the bucket is read from `stored`, and is not held in memory.
    pub fn put_away(&self, stored: StoredBucket) {
        let before = std::mem::replace(&mut *self.lock(), Body::Stored(stored));
        drop(before);
    }

    /// Where it was put; `None` while it is in memory.
    #[must_use]
    pub fn stored(&self) -> Option<StoredBucket> {
        match &*self.lock() {
            Body::Memory(_) => None,
            Body::Stored(stored) => Some(stored.clone()),
        }
    }

    /// How many bytes of memory the bucket takes until it is put away; 0 afterwards.
    pub(super) fn memory(&self) -> usize {
        match &*self.lock() {
            Body::Memory(bucket) => bucket.size(),
            Body::Stored(_) => 0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
