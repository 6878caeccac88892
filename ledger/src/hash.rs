//! 32-byte SHA-256 values, one newtype for each meaning so that they cannot be mixed.
//!
//! What always holds: a value of one of these types was computed by this crate or parsed from
//! exactly 32 bytes (or 64 lower-case hex digits).

use crate::ParseError;
use sha2::{Digest, Sha256};

/// Hashes the concatenation of `parts` with SHA-256 (FIPS 180-4).
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps 32 bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = ParseError;

            fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
                bytes.try_into().map(Self).map_err(|_| ParseError::Length {
                    what: stringify!($name),
                    expected: 32,
                    found: bytes.len(),
                })
            }
        }

        $crate::text::hex_text!($name, 32);
    };
}

hash_type! {
    /// A node of an RFC 9162 Merkle tree: the hash of a leaf or of an inner node, or a root.
    TreeHash
}
hash_type! {
    /// SHA-256 of the bytes that an event's signature covers (DESIGN.md section 6).
    EventId
}
hash_type! {
    /// What validators vote on: SHA-256 over domain, height, size and log root after the block.
    ValueId
}
hash_type! {
    /// SHA-256 of the genesis file.
    GenesisHash
}
hash_type! {
    /// SHA-256 of a policy file.
    PolicyHash
}
hash_type! {
    /// Root of the state map.
    StateRoot
}
hash_type! {
    /// SHA-256 of a sealed payload's ciphertext.
    CiphertextHash
}
hash_type! {
    /// SHA-256 of the part of a record's key that stays in its owner's vault.
    VaultPartHash
}
hash_type! {
    /// A salted commitment to the person or team within a grantee.
    MemberCommitment
}
hash_type! {
    /// A commitment to the key with which a patient can end one consent
    /// ([`Ender::of`]).
    Ender
}
hash_type! {
    /// The head of the hash chain of the events that bear one tag.
    ChainHead
}
hash_type! {
    /// The head of the hash chain of an owner's emergency journal.
    JournalHead
}
hash_type! {
    /// A salted commitment to one item of a population.
    ItemCommitment
}
hash_type! {
    /// SHA-256 of a verifiable random output.
    OutputHash
}
hash_type! {
    /// What decides a random draw.
    DrawSeed
}
hash_type! {
    /// SHA-256 of a proposed change's encoding.
    ChangeHash
}
hash_type! {
    /// SHA-256 of the DER SubjectPublicKeyInfo (RFC 5280) of the key that a service uses for TLS.
    TlsKeyHash
}
