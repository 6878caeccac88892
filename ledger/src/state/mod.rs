//! The state map: what the rules computed from the log, as an authenticated map with one root.
//!
//! What always holds:
//!
//! - The root is a function of the set of (key, value) pairs alone. In which order they came, which
//!   were removed on the way and how they are grouped on disk makes no difference.
//! - [`StateMap::update`] changes nothing; [`StateMap::apply`] swaps one pointer. A map is cheap to
//!   clone, and a clone never changes under its reader.
//!
//! The tree above the buckets is in memory, in pages of neighbouring places; a bucket holds the sorted
//! leaves under one prefix with their values, in memory until a store puts it away
//! ([`BucketCell::put_away`]).
//! `docs/decisions/state-map.md` has the format as byte tables and what it costs.

mod bucket;
mod cell;
mod change;
mod hash;
mod key;
mod map;
mod page;
mod prefix;
mod proof;
mod stored;
#[cfg(test)]
mod tests;
mod update;

pub use bucket::{Bucket, BucketFault};
pub use cell::{BucketCell, BucketSource, StoredBucket};
pub use change::{BucketChange, BucketNow};
pub use hash::{EMPTY_ROOT, leaf_root, node_root};
pub use key::{StateKey, StateKeyError};
pub use map::{BucketRoot, LoadFault, StaleUpdate, StateMap, StoredPlace};
pub use prefix::{Path, Prefix, PrefixError};
pub use proof::{StateProof, StateProofError};
pub use stored::BucketMove;
pub use update::MapUpdate;

use std::collections::BTreeMap;

/// What a batch does to the state: the new value at each path, or none.
pub type Changes = BTreeMap<Path, Option<Vec<u8>>>;
