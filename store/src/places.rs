//! Where the buckets of the state map stand, as a table of the database: a list of all places, and
//! after it what each save changed.
//!
//! What always holds: read in the order of their numbers, a later part going before an earlier one,
//! the parts say what the map has at the height of the transaction. The list is written anew, in the
//! same transaction as a save, when the changes after it take as much room as it does: so a
//! save writes what it changed, and an amount in proportion to it, whatever the size of the map.
//!
//! | place in a part, bytes | what |
//! |---|---|
//! | 1 + | length of the prefix in bits; the bits in whole bytes |
//! | 1 | number of leaves; 255 for a prefix at which no bucket stands any more |
//! | 32, unless there are none | root of the bucket |
//! | 4 + 4 + 4, unless there are none | segment, offset and length of its row |
//!
//! Numbers are big-endian.

use crate::StoreError;
use crate::rows::Place;
use medanchor_ledger::StateRoot;
use medanchor_ledger::state::{Bucket, BucketRoot, Prefix};
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

pub(crate) const PLACES: TableDefinition<u64, &[u8]> = TableDefinition::new("places");

/// A part gets a successor when it has this many bytes.
const PART: usize = 256 << 10;
/// Changes may take this many bytes in any case.
const FEW: u64 = 256 << 10;
/// Where the number of leaves would stand: no bucket any more.
const REMOVED: u8 = u8::MAX;

pub(crate) const MAP_DAMAGED: StoreError = StoreError::Contradiction {
    what: "places of the state map's buckets",
};

/// What stands under a prefix: a bucket's root and where its row is (no row for no leaves), or no
/// bucket any more.
pub(crate) type Spot = Option<(BucketRoot, Option<Place>)>;

/// A prefix at which something stands, and what.
pub(crate) type Standing = (Prefix, BucketRoot, Option<Place>);

/// How much room the parts take, and the number of the next.
#[derive(Debug, Default)]
pub(crate) struct PlaceParts {
    next: u64,
    list: u64,
    changes: u64,
}

impl PlaceParts {
    /// Reads all places, in the order of their prefixes.
    pub(crate) fn read(
        table: &impl ReadableTable<u64, &'static [u8]>,
    ) -> Result<(Self, Vec<Standing>), StoreError> {
        let (mut parts, mut spots) = (Self::default(), Vec::new());
        for entry in table.iter()? {
            let (number, bytes) = entry?;
            parts.next = number.value().checked_add(1).ok_or(MAP_DAMAGED)?;
            parts.changes += bytes.value().len() as u64;
            let mut rest = bytes.value();
            while !rest.is_empty() {
                spots.push(decode(&mut rest).ok_or(MAP_DAMAGED)?);
            }
        }
        // Stable: of one prefix the newest comes last.
        spots.sort_by_key(|(prefix, _)| *prefix);
        let mut places: Vec<(Prefix, Spot)> = Vec::with_capacity(spots.len());
        for (prefix, spot) in spots {
            match places.last_mut() {
                Some((last, before)) if *last == prefix => *before = spot,
                _ => places.push((prefix, spot)),
            }
        }
        let standing = |(prefix, spot): (Prefix, Spot)| {
            let (root, place) = spot?;
            Some((prefix, root, place))
        };
        let places: Vec<_> = places.into_iter().filter_map(standing).collect();
        parts.list = places.iter().map(length).sum();
        parts.changes = parts.changes.saturating_sub(parts.list);
        Ok((parts, places))
    }

    /// Appends what a save changed, or the whole list if the changes have become many: `all` hands
    /// every place to what it is given.
    pub(crate) fn write(
        &mut self,
        transaction: &WriteTransaction,
        changed: impl Iterator<Item = (Prefix, Spot)>,
        all: impl FnOnce(&mut dyn FnMut(Prefix, Spot)),
    ) -> Result<(), StoreError> {
        let mut table = transaction.open_table(PLACES)?;
        let mut writer = Writer::new(&mut table, self.next);
        changed.for_each(|(prefix, spot)| writer.put(&prefix, spot));
        let written = writer.finish()?;
        self.changes += written.bytes;
        if self.changes <= FEW.max(self.list) {
            self.next = written.next;
            return Ok(());
        }
        table.retain(|_, _| false)?;
        let mut writer = Writer::new(&mut table, written.next);
        all(&mut |prefix, spot| writer.put(&prefix, spot));
        let written = writer.finish()?;
        (self.next, self.list, self.changes) = (written.next, written.bytes, 0);
        Ok(())
    }
}

/// Writes parts.
struct Writer<'w, 't> {
    table: &'w mut Table<'t, u64, &'static [u8]>,
    next: u64,
    bytes: u64,
    waiting: Vec<u8>,
    failed: Option<StoreError>,
}

struct Written {
    next: u64,
    bytes: u64,
}

impl<'w, 't> Writer<'w, 't> {
    fn new(table: &'w mut Table<'t, u64, &'static [u8]>, next: u64) -> Self {
        Self {
            table,
            next,
            bytes: 0,
            waiting: Vec::with_capacity(PART + 128),
            failed: None,
        }
    }

    fn put(&mut self, prefix: &Prefix, spot: Spot) {
        encode(prefix, spot, &mut self.waiting);
        if self.waiting.len() >= PART {
            self.write();
        }
    }

    fn write(&mut self) {
        if self.failed.is_none() && !self.waiting.is_empty() {
            let written = self.table.insert(self.next, self.waiting.as_slice());
            self.failed = written.err().map(StoreError::from);
            self.next += 1;
            self.bytes += self.waiting.len() as u64;
        }
        self.waiting.clear();
    }

    fn finish(mut self) -> Result<Written, StoreError> {
        self.write();
        match self.failed {
            Some(error) => Err(error),
            None => Ok(Written {
                next: self.next,
                bytes: self.bytes,
            }),
        }
    }
}

/// Bytes that a place takes in a part.
fn length((prefix, _, place): &Standing) -> u64 {
    let row = place.map_or(0, |_| 32 + Place::ENCODED);
    (2 + prefix.bytes().len() + row) as u64
}

fn encode(prefix: &Prefix, spot: Spot, bytes: &mut Vec<u8>) {
    bytes.push(prefix.length());
    bytes.extend_from_slice(prefix.bytes());
    let Some((root, place)) = spot else {
        return bytes.push(REMOVED);
    };
    // A bucket has at most `Bucket::MAX_LEAVES` leaves, so the number fits.
    bytes.push(u8::try_from(root.count).unwrap_or(REMOVED));
    if let Some(place) = place {
        bytes.extend_from_slice(root.root.as_bytes());
        bytes.extend_from_slice(&place.encode());
    }
}

fn decode(rest: &mut &[u8]) -> Option<(Prefix, Spot)> {
    let (&length, bits) = rest.split_first()?;
    let (bits, after) = bits.split_at_checked(usize::from(length).div_ceil(8))?;
    let prefix = Prefix::from_bytes(bits, length).ok()?;
    let (&count, after) = after.split_first()?;
    *rest = after;
    if count == REMOVED {
        return Some((prefix, None));
    }
    if count == 0 {
        return Some((prefix, Some((BucketRoot::EMPTY, None))));
    }
    if usize::from(count) > Bucket::MAX_LEAVES {
        return None;
    }
    let (root, after) = after.split_first_chunk::<32>()?;
    let (place, after) = after.split_first_chunk::<{ Place::ENCODED }>()?;
    *rest = after;
    let root = BucketRoot {
        root: StateRoot::new(*root),
        count: count.into(),
    };
    Some((prefix, Some((root, Some(Place::decode(place))))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase};
    use std::collections::BTreeMap;

    fn prefix(number: u8) -> Prefix {
        Prefix::from_bytes(&[number], 8).unwrap()
    }

    fn spot(number: u32) -> Spot {
        let place = Place {
            segment: number,
            offset: number / 3,
            length: 5,
        };
        let root = StateRoot::new([number as u8; 32]);
        match number % 9 {
            0 => None,
            1 => Some((BucketRoot::EMPTY, None)),
            _ => Some((BucketRoot { root, count: 12 }, Some(place))),
        }
    }

    fn read(database: &Database) -> (PlaceParts, Vec<Standing>) {
        let table = database.begin_read().unwrap().open_table(PLACES).unwrap();
        PlaceParts::read(&table).unwrap()
    }

    #[test]
    fn places_are_what_they_were_last_said_to_be_and_their_room_is_bounded() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new());
        let database = database.unwrap();
        let (mut parts, mut model) = (PlaceParts::default(), BTreeMap::new());
        for round in 0..400u32 {
            let number = |n: u32| (round * 131 + n * 7).wrapping_mul(2_654_435) % 251;
            let changed: BTreeMap<_, _> = (0..60)
                .map(|n| (prefix(number(n) as u8), spot(round + n)))
                .collect();
            model.extend(changed.clone());
            let transaction = database.begin_write().unwrap();
            let all = |each: &mut dyn FnMut(Prefix, Spot)| {
                let standing = model.iter().filter(|(_, spot)| spot.is_some());
                standing.for_each(|(prefix, spot)| each(*prefix, *spot));
            };
            parts.write(&transaction, changed.into_iter(), all).unwrap();
            transaction.commit().unwrap();
            if round % 50 == 0 {
                let (again, places) = read(&database);
                let standing = |(prefix, spot): (&Prefix, &Spot)| {
                    let (root, place) = (*spot)?;
                    Some((*prefix, root, place))
                };
                assert!(model.iter().filter_map(standing).eq(places));
                assert_eq!(again.next, parts.next);
                assert!(again.changes <= FEW + 60 * 64);
                parts = again;
            }
        }
        assert!(parts.list > 0, "the list was written anew");
    }

    #[test]
    fn half_a_place_is_none() {
        let mut bytes = Vec::new();
        encode(&prefix(3), spot(4), &mut bytes);
        assert_eq!(decode(&mut bytes.as_slice()), Some((prefix(3), spot(4))));
        for end in 0..bytes.len() {
            assert_eq!(decode(&mut &bytes[..end]), None);
        }
        let mut many = bytes.clone();
        many[2] = 21;
        assert_eq!(decode(&mut many.as_slice()), None);
    }
}
