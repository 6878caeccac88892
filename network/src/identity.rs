//! Keys of the peer-to-peer layer: who a peer is, and the secret that proves it.

use libp2p::PeerId;
use medanchor_ledger::signature::SigningKey;
use std::fmt;
use zeroize::Zeroizing;

/// A peer: its Ed25519 public key. Not its consensus key, which signs votes only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey([u8; 32]);

impl PeerKey {
    /// Wraps the 32 bytes of an Ed25519 public key.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name of this key inside libp2p; none if it is not a point on the curve.
    pub(crate) fn to_peer_id(self) -> Option<PeerId> {
        let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(&self.0).ok()?;
        Some(PeerId::from_public_key(&key.into()))
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({self})")
    }
}

/// The 32-byte seed of an Ed25519 key (RFC 8032 5.1.5). Wiped when dropped, never shown.
#[derive(Clone)]
pub struct SecretSeed(Zeroizing<[u8; 32]>);

impl SecretSeed {
    /// Wraps a seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// The public key that belongs to this seed.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        *SigningKey::from_seed(&self.0).public_key().as_bytes()
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}
