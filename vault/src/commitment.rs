//! Commitments: one root that binds every field of a payload and shows none of them.
//!
//! What always holds: each leaf is blinded by two salts of its own, one for the way to the value and
//! one for the value, so a shown neighbour, or all of them, says nothing of a withheld one beyond its
//! place and how many there are; each leaf also binds its place and the number of leaves, so a proof
//! cannot lie about either; leaf 0 is the hash of the original bytes.
//!
//! ```text
//! salt(kind, place) = HKDF-SHA256(record secret; salt "medanchor/commit/v1"; info kind || place as u64)
//! value digest      = SHA-256("medanchor/value/v1" || value salt || type || value)
//! leaf digest       = SHA-256("medanchor/leaf/v1" || suite || count as u64 || place as u64
//!                             || pointer salt || value digest || pointer)
//! root              = RFC 9162 tree over the leaf digests
//! commitment        = suite (1 byte) || root (32 bytes)
//! ```

use crate::json::{Document, Leaf, Value};
use crate::multiproof;
use crate::pointer::Pointer;
use crate::secret::{RecordSecret, expand, extract};
use medanchor_ledger::{TreeHash, sha256};
use ring::hkdf;

pub use medanchor_ledger::Commitment;

const SUITE: u8 = Commitment::SUITE;
const SALT_DOMAIN: &[u8] = b"medanchor/commit/v1";
const VALUE_DOMAIN: &[u8] = b"medanchor/value/v1";
const LEAF_DOMAIN: &[u8] = b"medanchor/leaf/v1";

/// What blinds a pointer or a value.
pub(crate) type Salt = [u8; 32];

/// Where a leaf stands, and among how many.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) index: u64,
    pub(crate) count: u64,
}

/// The salts of one record's leaves.
struct Salts(hkdf::Prk);

impl Salts {
    fn new(secret: &RecordSecret) -> Self {
        Self(extract(SALT_DOMAIN, secret.expose()))
    }

    fn pointer(&self, index: u64) -> Salt {
        expand(&self.0, &[&[1], &index.to_be_bytes()])
    }

    fn value(&self, index: u64) -> Salt {
        expand(&self.0, &[&[2], &index.to_be_bytes()])
    }
}

pub(crate) fn value_digest(salt: &Salt, value: &Value) -> [u8; 32] {
    sha256(&[VALUE_DOMAIN, salt, &[value.kind()], value.bytes()])
}

pub(crate) fn leaf_hash(
    place: Place,
    pointer: &Pointer,
    salt: &Salt,
    value: &[u8; 32],
) -> TreeHash {
    multiproof::leaf(&sha256(&[
        LEAF_DOMAIN,
        &[SUITE],
        &place.count.to_be_bytes(),
        &place.index.to_be_bytes(),
        salt,
        value,
        &pointer.encode(),
    ]))
}

/// A document with its salts and leaf hashes: what its holder commits to and shows fields of.
pub struct Committed<'d> {
    document: &'d Document,
    salts: Salts,
    hashes: Vec<TreeHash>,
}

impl<'d> Committed<'d> {
    /// Commits to every field of `document`. The same document and secret give the same commitment;
    /// a secret must serve one version of one record only.
    #[must_use]
    pub fn new(document: &'d Document, secret: &RecordSecret) -> Self {
        let salts = Salts::new(secret);
        let mut committed = Self {
            document,
            salts,
            hashes: Vec::new(),
        };
        let root = Leaf {
            pointer: Pointer::default(),
            value: Value::Document(*document.hash()),
        };
        let leaves = std::iter::once(&root).chain(document.leaves());
        committed.hashes = (0u64..)
            .zip(leaves)
            .map(|(index, leaf)| committed.hash(index, leaf))
            .collect();
        committed
    }

    fn hash(&self, index: u64, leaf: &Leaf) -> TreeHash {
        let value = value_digest(&self.salts.value(index), &leaf.value);
        let place = Place {
            index,
            count: self.count(),
        };
        leaf_hash(place, &leaf.pointer, &self.salts.pointer(index), &value)
    }

    /// The number of leaves, leaf 0 included.
    #[must_use]
    pub fn count(&self) -> u64 {
        // A document has at most MAX_LEAVES leaves, which fits any integer.
        self.document.leaves().len() as u64 + 1
    }

    /// The commitment.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment::new(multiproof::root(&self.hashes))
    }

    pub(crate) fn document(&self) -> &'d Document {
        self.document
    }

    pub(crate) fn hashes(&self) -> &[TreeHash] {
        &self.hashes
    }

    pub(crate) fn pointer_salt(&self, index: u64) -> Salt {
        self.salts.pointer(index)
    }

    pub(crate) fn value_salt(&self, index: u64) -> Salt {
        self.salts.value(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(text: &str, secret: u8) -> Commitment {
        let document = Document::parse(text.as_bytes()).unwrap();
        Committed::new(&document, &RecordSecret::new([secret; 32])).commitment()
    }

    #[test]
    fn the_commitment_is_frozen() {
        let text = r#"{"resourceType":"MedicationRequest","dose":[1.50,"毫克"],"note":[],"ok":true,"x":null,"e":{}}"#;
        assert_eq!(
            hex::encode(commit(text, 7).to_bytes()),
            "012b3c4b4b126c89c9081f50f30d6bc4b05adf5d00d6e334bcb963db6de0c7e573"
        );
    }

    #[test]
    fn another_secret_value_type_name_or_byte_gives_another_commitment() {
        let texts = [
            "[1]",
            "[1.0]",
            "[\"1\"]",
            "{\"0\":1}",
            "{\"a\":1}",
            "{\"a\": 1}",
            "1",
            "[]",
            "{}",
            "[[]]",
            "[null]",
        ];
        let mut seen: Vec<_> = texts
            .iter()
            .map(|text| commit(text, 1).to_bytes())
            .collect();
        seen.push(commit("[1]", 2).to_bytes());
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), texts.len() + 1);
    }

    #[test]
    fn an_opaque_payload_has_one_leaf() {
        let document = Document::opaque(b"DICM");
        let committed = Committed::new(&document, &RecordSecret::new([1; 32]));
        assert_eq!(committed.count(), 1);
        assert_eq!(committed.commitment().root(), &committed.hashes()[0]);
    }
}
