//! Showing some fields of a payload and withholding the rest.
//!
//! What always holds of a [`Disclosure`] that verifies: every shown field is in the payload that was
//! committed to, with that pointer, type and value; nothing of a withheld leaf is in the bytes but its
//! blinded hash. [`Shown::absent`] says that no value stands at or below a pointer; it binds an honest
//! sealer, who sorted the leaves. The number of leaves and the places of the shown ones are visible.
//!
//! ```text
//! map {1: suite, 2: number of leaves, 3: fields, 4: named, 5: proof}
//! field = [place, pointer, pointer salt, value salt, type, value]     ascending by place
//! named = [place, pointer, pointer salt, value digest]                ascending by place
//! proof = [hash of 32 bytes, ...]                                     subtrees without a shown leaf
//! ```

use crate::commitment::{Committed, Place, Salt, leaf_hash, value_digest};
use crate::json::{Leaf, MAX_DOCUMENT, MAX_LEAVES, Value};
use crate::multiproof;
use crate::pointer::Pointer;
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::{Commitment, TreeHash};

/// Most fields, and most named leaves, that one disclosure shows.
pub const MAX_SHOWN: usize = 4096;

/// Why nothing was shown, or why what was shown is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisclosureError {
    /// A pointer names nothing in the payload.
    #[error(
        "request {request} names no field of the payload; ask for its absence, or for another field"
    )]
    NoSuchField {
        /// Which of the requested pointers, from 0.
        request: usize,
    },
    /// Absence was asked of a pointer at or below which something stands.
    #[error("the field of absence request {request} is in the payload; show it instead")]
    Present {
        /// Which of the requested pointers, from 0.
        request: usize,
    },
    /// Nothing was asked for, or more than [`MAX_SHOWN`] leaves.
    #[error("a disclosure shows 1 to {MAX_SHOWN} leaves; ask for fewer fields")]
    Amount,
    /// The bytes are not a disclosure.
    #[error("the disclosure is malformed: {0}; ask its maker for it again")]
    Malformed(#[from] CborError),
    /// The proof does not lead to the commitment.
    #[error(
        "the disclosure does not belong to this commitment, or was altered; believe none of it"
    )]
    Unproven,
}

struct Field {
    index: u64,
    leaf: Leaf,
    pointer_salt: Salt,
    value_salt: Salt,
}

struct Named {
    index: u64,
    pointer: Pointer,
    pointer_salt: Salt,
    value_digest: [u8; 32],
}

/// Fields with what it takes to check them against a commitment.
pub struct Disclosure {
    count: u64,
    fields: Vec<Field>,
    named: Vec<Named>,
    proof: Vec<TreeHash>,
}

/// What a disclosure proved.
pub struct Shown {
    count: u64,
    fields: Vec<Leaf>,
    /// Places and pointers of every leaf whose pointer was shown, ascending.
    places: Vec<(u64, Pointer)>,
}

impl Committed<'_> {
    /// Shows every value at or below each of `shown` (RFC 6901 pointers), and that nothing stands at
    /// or below each of `absent`. Absence shows the names, not the values, of the neighbours.
    ///
    /// # Errors
    /// [`DisclosureError::NoSuchField`], [`DisclosureError::Present`], [`DisclosureError::Amount`].
    pub fn disclose(
        &self,
        shown: &[&str],
        absent: &[Pointer],
    ) -> Result<Disclosure, DisclosureError> {
        let fields = self.places_of(shown)?;
        let mut named = self.neighbours_of(absent)?;
        named.retain(|index| fields.binary_search(index).is_err());
        let mut all: Vec<usize> = fields.iter().chain(&named).copied().collect();
        all.sort_unstable();
        if all.is_empty() || fields.len() > MAX_SHOWN || named.len() > MAX_SHOWN {
            return Err(DisclosureError::Amount);
        }
        Ok(Disclosure {
            count: self.count(),
            fields: fields
                .into_iter()
                .filter_map(|index| self.field(index))
                .collect(),
            named: named
                .into_iter()
                .filter_map(|index| self.named(index))
                .collect(),
            proof: multiproof::prove(self.hashes(), &all),
        })
    }

    /// Places of the leaves at or below each pointer, ascending.
    fn places_of(&self, shown: &[&str]) -> Result<Vec<usize>, DisclosureError> {
        let mut places = Vec::new();
        for (request, text) in shown.iter().enumerate() {
            let before = places.len();
            let leaves = (1..).zip(self.document().leaves());
            places.extend(
                leaves
                    .filter(|(_, leaf)| leaf.pointer.matches(text))
                    .map(|(index, _)| index),
            );
            if places.len() == before {
                return Err(DisclosureError::NoSuchField { request });
            }
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// Places of the leaves on both sides of where each absent pointer would stand, ascending.
    fn neighbours_of(&self, absent: &[Pointer]) -> Result<Vec<usize>, DisclosureError> {
        let leaves = self.document().leaves();
        let mut places = Vec::new();
        for (request, pointer) in absent.iter().enumerate() {
            let after = leaves.partition_point(|leaf| leaf.pointer < *pointer);
            if leaves
                .get(after)
                .is_some_and(|leaf| leaf.pointer.is_at_or_below(pointer))
            {
                return Err(DisclosureError::Present { request });
            }
            // Leaf 0 is the hash, so the document's leaf n has place n + 1.
            let both = [after, after + 1];
            places.extend(
                both.into_iter()
                    .filter(|place| (1..=leaves.len()).contains(place)),
            );
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    fn field(&self, place: usize) -> Option<Field> {
        let leaf = self.document().leaves().get(place.checked_sub(1)?)?.clone();
        let index = u64::try_from(place).ok()?;
        Some(Field {
            index,
            leaf,
            pointer_salt: self.pointer_salt(index),
            value_salt: self.value_salt(index),
        })
    }

    fn named(&self, place: usize) -> Option<Named> {
        let Field {
            index,
            leaf,
            pointer_salt,
            value_salt,
        } = self.field(place)?;
        Some(Named {
            index,
            value_digest: value_digest(&value_salt, &leaf.value),
            pointer: leaf.pointer,
            pointer_salt,
        })
    }
}

impl Disclosure {
    /// Checks the proof and gives what it shows.
    ///
    /// # Errors
    /// [`DisclosureError::Unproven`].
    pub fn verify(self, commitment: &Commitment) -> Result<Shown, DisclosureError> {
        let unproven = || DisclosureError::Unproven;
        let count = usize::try_from(self.count).map_err(|_| unproven())?;
        let mut places = self.places();
        places.sort_unstable_by_key(|(index, _, _)| *index);
        let at = |(index, _, hash): &(u64, Pointer, TreeHash)| {
            Some((usize::try_from(*index).ok()?, *hash))
        };
        let hashes: Vec<_> = places
            .iter()
            .map(at)
            .collect::<Option<_>>()
            .ok_or_else(unproven)?;
        let root = multiproof::root_from(count, &hashes, &self.proof).ok_or_else(unproven)?;
        if root != *commitment.root() {
            return Err(unproven());
        }
        Ok(Shown {
            count: self.count,
            fields: self.fields.into_iter().map(|field| field.leaf).collect(),
            places: places
                .into_iter()
                .map(|(index, pointer, _)| (index, pointer))
                .collect(),
        })
    }

    fn places(&self) -> Vec<(u64, Pointer, TreeHash)> {
        let count = self.count;
        let hash = |index, pointer: &Pointer, salt: &Salt, digest: &[u8; 32]| {
            (
                index,
                pointer.clone(),
                leaf_hash(Place { index, count }, pointer, salt, digest),
            )
        };
        let fields = self.fields.iter().map(|field| {
            let digest = value_digest(&field.value_salt, &field.leaf.value);
            hash(
                field.index,
                &field.leaf.pointer,
                &field.pointer_salt,
                &digest,
            )
        });
        let named = self.named.iter().map(|named| {
            hash(
                named.index,
                &named.pointer,
                &named.pointer_salt,
                &named.value_digest,
            )
        });
        fields.chain(named).collect()
    }

    /// The disclosure as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(5);
        writer.key(1).uint(u64::from(Commitment::SUITE));
        writer.key(2).uint(self.count);
        writer.key(3).array(self.fields.len());
        self.fields
            .iter()
            .for_each(|field| field.write(&mut writer));
        writer.key(4).array(self.named.len());
        self.named.iter().for_each(|named| named.write(&mut writer));
        writer.key(5).array(self.proof.len());
        self.proof.iter().for_each(|hash| {
            writer.bytes(hash.as_bytes());
        });
        writer.into_bytes()
    }

    /// Reads a disclosure; one encoding only.
    ///
    /// # Errors
    /// [`DisclosureError::Malformed`], with the place, and [`DisclosureError::Amount`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DisclosureError> {
        let mut reader = Reader::new(bytes);
        reader.map(5)?;
        let suite = reader.key(1)?.uint()?;
        if suite != u64::from(Commitment::SUITE) {
            return Err(reader.fault(CborFault::Value).into());
        }
        let count = reader.key(2)?.uint()?;
        // Leaf 0 is the hash, so there is one leaf more than the document has.
        if count == 0 || count > MAX_LEAVES as u64 + 1 {
            return Err(reader.fault(CborFault::Range).into());
        }
        let fields = list(reader.key(3)?, MAX_SHOWN, |reader| {
            Field::read(reader, count)
        })?;
        ascending(&reader, fields.iter().map(|field| field.index))?;
        let named = list(reader.key(4)?, MAX_SHOWN, |reader| {
            Named::read(reader, count)
        })?;
        ascending(&reader, named.iter().map(|named| named.index))?;
        let proof = list(reader.key(5)?, MAX_LEAVES, |reader| {
            Ok(TreeHash::new(reader.fixed()?))
        })?;
        reader.finish()?;
        if fields.is_empty() && named.is_empty() {
            return Err(DisclosureError::Amount);
        }
        Ok(Self {
            count,
            fields,
            named,
            proof,
        })
    }
}

impl Field {
    fn write(&self, writer: &mut Writer) {
        writer
            .array(6)
            .uint(self.index)
            .bytes(&self.leaf.pointer.encode());
        writer.bytes(&self.pointer_salt).bytes(&self.value_salt);
        writer
            .uint(u64::from(self.leaf.value.kind()))
            .bytes(self.leaf.value.bytes());
    }

    fn read(reader: &mut Reader<'_>, count: u64) -> Result<Self, CborError> {
        reader.array(6..=6)?;
        let index = read_index(reader, count)?;
        let pointer = read_pointer(reader)?;
        let (pointer_salt, value_salt) = (reader.fixed()?, reader.fixed()?);
        let kind = reader.narrow()?;
        let fault = reader.fault(CborFault::Value);
        let value = Value::from_parts(kind, reader.bytes(MAX_DOCUMENT)?).ok_or(fault)?;
        if matches!(value, Value::Document(_)) {
            return Err(fault);
        }
        Ok(Self {
            index,
            leaf: Leaf { pointer, value },
            pointer_salt,
            value_salt,
        })
    }
}

impl Named {
    fn write(&self, writer: &mut Writer) {
        writer
            .array(4)
            .uint(self.index)
            .bytes(&self.pointer.encode());
        writer.bytes(&self.pointer_salt).bytes(&self.value_digest);
    }

    fn read(reader: &mut Reader<'_>, count: u64) -> Result<Self, CborError> {
        reader.array(4..=4)?;
        let index = read_index(reader, count)?;
        Ok(Self {
            index,
            pointer: read_pointer(reader)?,
            pointer_salt: reader.fixed()?,
            value_digest: reader.fixed()?,
        })
    }
}

/// Leaf 0 is never shown by a disclosure: its hash would let anybody guess at the whole document.
fn read_index(reader: &mut Reader<'_>, count: u64) -> Result<u64, CborError> {
    let fault = reader.fault(CborFault::Range);
    Some(reader.uint()?)
        .filter(|index| (1..count).contains(index))
        .ok_or(fault)
}

fn read_pointer(reader: &mut Reader<'_>) -> Result<Pointer, CborError> {
    let fault = reader.fault(CborFault::Value);
    Pointer::decode(reader.bytes(Pointer::MAX_ENCODED)?).ok_or(fault)
}

fn list<T>(
    reader: &mut Reader<'_>,
    most: usize,
    mut item: impl FnMut(&mut Reader<'_>) -> Result<T, CborError>,
) -> Result<Vec<T>, CborError> {
    let length = reader.array(0..=most)?;
    (0..length).map(|_| item(reader)).collect()
}

fn ascending(reader: &Reader<'_>, indexes: impl Iterator<Item = u64>) -> Result<(), CborError> {
    let indexes: Vec<_> = indexes.collect();
    if indexes.is_sorted_by(|a, b| a < b) {
        Ok(())
    } else {
        Err(reader.fault(CborFault::Order))
    }
}

impl Shown {
    /// The fields, sorted by pointer.
    #[must_use]
    pub fn fields(&self) -> &[Leaf] {
        &self.fields
    }

    /// The value of exactly this field (RFC 6901), if it was shown.
    #[must_use]
    pub fn value(&self, text: &str) -> Option<&Value> {
        self.fields
            .iter()
            .find(|leaf| leaf.pointer.to_string() == text)
            .map(|leaf| &leaf.value)
    }

    /// Whether it was shown that nothing stands at or below `pointer`. False says nothing.
    #[must_use]
    pub fn absent(&self, pointer: &Pointer) -> bool {
        let after = self.places.partition_point(|(_, shown)| shown < pointer);
        let right = self.places.get(after);
        let left = after
            .checked_sub(1)
            .and_then(|before| self.places.get(before));
        let left_index = left.map_or(0, |(index, _)| *index);
        let right_index = right.map_or(self.count, |(index, _)| *index);
        left_index.checked_add(1) == Some(right_index)
            && !right.is_some_and(|(_, next)| next.is_at_or_below(pointer))
    }
}
